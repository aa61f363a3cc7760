/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/sockaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>

socklen_t sockaddr_from_address(const Address *address, struct sockaddr_storage *ret) {
        assert(address_is_set(address));

        memset(ret, 0, sizeof(*ret));

        if (address->family == ADDRESS_IPV4) {
                struct sockaddr_in *in = (struct sockaddr_in *) ret;

                in->sin_family = AF_INET;
                in->sin_port = htobe16(address->port);
                memcpy(&in->sin_addr, address->bytes, sizeof(in->sin_addr));
                return sizeof(*in);
        }

        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) ret;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htobe16(address->port);
        memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
        return sizeof(*in6);
}

Address sockaddr_to_address(const struct sockaddr *sockaddr) {
        uint8_t bytes[16];

        if (sockaddr->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *) sockaddr;

                memcpy(bytes, &in->sin_addr, 4);
                return address_ipv4(bytes, be16toh(in->sin_port));
        }

        if (sockaddr->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) sockaddr;

                memcpy(bytes, &in6->sin6_addr, 16);
                return address_ipv6(bytes, be16toh(in6->sin6_port));
        }

        return (Address) {};
}

static void freeifaddrsp(struct ifaddrs **p) {
        if (*p)
                freeifaddrs(*p);
}

int host_addresses(Address **ret, size_t *ret_n) {
        _cleanup_(freeifaddrsp) struct ifaddrs *interfaces = NULL;
        _cleanup_free_ Address *addresses = NULL;
        size_t n = 0, n_interfaces = 0;

        if (getifaddrs(&interfaces) < 0)
                return -errno;

        for (struct ifaddrs *i = interfaces; i; i = i->ifa_next)
                n_interfaces++;

        addresses = calloc(MAX(n_interfaces, (size_t) 1), sizeof(*addresses));
        if (!addresses)
                return -ENOMEM;

        for (struct ifaddrs *i = interfaces; i; i = i->ifa_next) {
                if (!i->ifa_addr)
                        continue;

                addresses[n] = sockaddr_to_address(i->ifa_addr);
                if (address_is_set(&addresses[n]))
                        n++;
        }

        *ret = TAKE_PTR(addresses);
        *ret_n = n;
        return 0;
}
