/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A transport address: IPv4 or IPv6 and a TCP port. IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) are always held
 * as IPv4, so that one host compares equal whichever socket it came through. Written as 127.0.0.1:6001, [::1]:6001.
 */

#include "base/macro.h"

#define ADDRESS_TEXT_SIZE sizeof("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")

typedef enum AddressFamily {
        ADDRESS_NONE = 0,       /* an Address filled with zeros is "no address" */
        ADDRESS_IPV4 = 4,
        ADDRESS_IPV6 = 6,
} AddressFamily;

typedef struct Address {
        uint8_t family;         /* AddressFamily */
        uint16_t port;          /* host byte order; 0 when only the host part matters */
        uint8_t bytes[16];      /* network byte order; IPv4 uses the first 4, the rest is 0 */
} Address;

/* From 4 or 16 bytes in network order; IPv4-mapped becomes IPv4. */
Address address_ipv4(const uint8_t bytes[static 4], uint16_t port);
Address address_ipv6(const uint8_t bytes[static 16], uint16_t port);

static inline bool address_is_set(const Address *a) {
        return a->family != ADDRESS_NONE;
}

bool address_equal(const Address *a, const Address *b);
bool address_same_host(const Address *a, const Address *b);     /* ports aside */
bool address_is_loopback(const Address *a);                     /* 127.0.0.0/8, ::1 */
bool address_is_wildcard(const Address *a);                     /* 0.0.0.0, :: */
/* Can be dialled from another process: set, port not 0, not a wildcard, not multicast or broadcast. */
bool address_is_dialable(const Address *a);

/* Writes host and port ("127.0.0.1:6001", "-" when not set) and returns @buffer. */
char *address_format(const Address *a, char buffer[static ADDRESS_TEXT_SIZE]);
#define ADDRESS_TEXT(a) address_format((a), (char[ADDRESS_TEXT_SIZE]){})

/* A literal IPv4 or IPv6 address without port or brackets. Return: 0, -EINVAL (a name, or garbage). */
int address_parse_host(const char *text, uint16_t port, Address *ret);

/* "127.0.0.1:6001" or "[::1]:6001". Return: 0, -EINVAL. */
int address_parse(const char *text, Address *ret);
