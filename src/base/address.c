/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/text.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

Address address_ipv4(const uint8_t bytes[static 4], uint16_t port) {
        Address a = { .family = ADDRESS_IPV4, .port = port };

        memcpy(a.bytes, bytes, 4);
        return a;
}

Address address_ipv6(const uint8_t bytes[static 16], uint16_t port) {
        Address a = { .family = ADDRESS_IPV6, .port = port };

        if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0)
                return address_ipv4(bytes + sizeof(mapped_prefix), port);

        memcpy(a.bytes, bytes, 16);
        return a;
}

bool address_equal(const Address *a, const Address *b) {
        return address_same_host(a, b) && a->port == b->port;
}

bool address_same_host(const Address *a, const Address *b) {
        return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool address_is_loopback(const Address *a) {
        static const uint8_t loopback6[16] = { [15] = 1 };

        if (a->family == ADDRESS_IPV4)
                return a->bytes[0] == 127;
        return a->family == ADDRESS_IPV6 && memcmp(a->bytes, loopback6, sizeof(loopback6)) == 0;
}

bool address_is_wildcard(const Address *a) {
        static const uint8_t zero[16];

        return address_is_set(a) && memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

bool address_is_dialable(const Address *a) {
        if (!address_is_set(a) || a->port == 0 || address_is_wildcard(a))
                return false;
        if (a->family == ADDRESS_IPV4)
                return a->bytes[0] != 0 && a->bytes[0] < 224;   /* 0/8 "this network", 224/4 multicast, 240/4 reserved */
        return a->bytes[0] != 0xff;
}

char *address_format(const Address *a, char buffer[static ADDRESS_TEXT_SIZE]) {
        char host[INET6_ADDRSTRLEN];

        if (!address_is_set(a))
                return strcpy(buffer, "-");

        (void) inet_ntop(a->family == ADDRESS_IPV4 ? AF_INET : AF_INET6, a->bytes, host, sizeof(host));
        (void) snprintf(buffer, ADDRESS_TEXT_SIZE, a->family == ADDRESS_IPV4 ? "%s:%u" : "[%s]:%u", host, a->port);
        return buffer;
}

int address_parse_host(const char *text, uint16_t port, Address *ret) {
        uint8_t bytes[16];

        if (inet_pton(AF_INET, text, bytes) == 1)
                *ret = address_ipv4(bytes, port);
        else if (inet_pton(AF_INET6, text, bytes) == 1)
                *ret = address_ipv6(bytes, port);
        else
                return -EINVAL;
        return 0;
}

int address_parse(const char *text, Address *ret) {
        char host[INET6_ADDRSTRLEN];
        const char *colon = strrchr(text, ':'), *end = colon;
        bool bracketed = text[0] == '[';
        uint16_t port;
        int r;

        if (!colon)
                return -EINVAL;

        r = parse_port(colon + 1, &port);
        if (r < 0)
                return -EINVAL;

        if (bracketed) {
                if (end - text < 2 || end[-1] != ']')
                        return -EINVAL;
                text++;
                end--;
        }

        /* IPv6 needs its brackets, else the port is ambiguous; nothing else has any. */
        if (bracketed != !!memchr(text, ':', (size_t) (end - text)))
                return -EINVAL;

        if ((size_t) (end - text) >= sizeof(host))
                return -EINVAL;
        memcpy(host, text, (size_t) (end - text));
        host[end - text] = 0;

        return address_parse_host(host, port, ret);
}
