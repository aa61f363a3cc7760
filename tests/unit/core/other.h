/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Those that a node of the harness meets: their names, addresses, and what they say of themselves. */

#include "wire/message.h"

#define HARNESS_NETWORK "test"
#define HARNESS_PORT 5000
#define HARNESS_EPOCH 1000              /* of the node, and of all others unless they say otherwise */

/* An id of 16 equal bytes. */
#define ID(byte) harness_id(byte)
NodeId harness_id(uint8_t byte);
/* 10.0.0.<host>:<port> and 127.0.0.1:<port>. */
Address harness_address(uint8_t host, uint16_t port);
Address harness_loopback(uint16_t port);

/* What somebody says of itself in HELLO and HELLO_OK. */
typedef struct Other {
        NodeId id;
        uint64_t epoch;
        Role role;
        Purpose purpose;
        uint16_t port;
        Address remote;                 /* where the node sees it */
        const char *name;
        size_t n_addresses;
        Address addresses[RECORD_ADDRESSES_MAX];
} Other;

/* A peer and a seed 10.0.0.<n>, with the id of sixteen <n>, listening on 6000 and 5000. */
Other harness_peer(uint8_t n);
Other harness_seed(uint8_t n);
/* What it would say of itself in REGISTER. */
Record harness_record(const Other *other);
/* Its HELLO, and its HELLO_OK to a node 10.0.0.250 that it holds as @held; NULL: it does not know that one. */
Message harness_hello(const Other *other);
Message harness_hello_ok(const Other *other, const Held *held);
