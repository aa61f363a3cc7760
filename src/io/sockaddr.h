/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between Address and what the kernel takes; and the addresses of this host. */

#include <sys/socket.h>

#include "base/address.h"

/* @address is set. Return: the size of what was written. */
socklen_t sockaddr_from_address(const Address *address, struct sockaddr_storage *ret);

/* Not set when the family is neither IPv4 nor IPv6. */
Address sockaddr_to_address(const struct sockaddr *sockaddr);

/**
 * host_addresses() - all addresses of this host's interfaces, loopback included
 * @ret:        a new array, the caller's; ports are 0
 *
 * Return: 0, or why the kernel did not tell, such as -EAFNOSUPPORT where a sandbox forbids netlink.
 */
int host_addresses(Address **ret, size_t *ret_n);
