/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "other.h"

#include <stdio.h>

NodeId harness_id(uint8_t byte) {
        NodeId id;

        memset(id.bytes, byte, sizeof(id.bytes));
        return id;
}

Address harness_address(uint8_t host, uint16_t port) {
        return address_ipv4((uint8_t[]) { 10, 0, 0, host }, port);
}

Address harness_loopback(uint16_t port) {
        return address_ipv4((uint8_t[]) { 127, 0, 0, 1 }, port);
}

static Other other(uint8_t n, Role role, uint16_t port) {
        return (Other) {
                .id = harness_id(n),
                .epoch = HARNESS_EPOCH,
                .role = role,
                .port = port,
                .remote = harness_address(n, 40000),
                .name = "other",
                .n_addresses = 1,
                .addresses = { harness_address(n, port) },
        };
}

Other harness_peer(uint8_t n) {
        return other(n, ROLE_PEER, 6000);
}

Other harness_seed(uint8_t n) {
        return other(n, ROLE_SEED, 5000);
}

Record harness_record(const Other *o) {
        Record record = {
                .id = o->id,
                .epoch = o->epoch,
                .state = MEMBER_ALIVE,
                .role = o->role,
                .n_addresses = o->n_addresses,
        };

        (void) snprintf(record.name, sizeof(record.name), "%s", o->name);
        memcpy(record.addresses, o->addresses, sizeof(record.addresses));
        return record;
}

Message harness_hello(const Other *o) {
        Message message = {
                .type = MESSAGE_HELLO,
                .hello = {
                        .network = HARNESS_NETWORK,
                        .version_min = 1,
                        .version_max = 1,
                        .id = o->id,
                        .epoch = o->epoch,
                        .role = o->role,
                        .purpose = o->purpose,
                        .port = o->port,
                        .n_addresses = o->n_addresses,
                },
        };

        (void) snprintf(message.hello.name, sizeof(message.hello.name), "%s", o->name);
        memcpy(message.hello.addresses, o->addresses, sizeof(message.hello.addresses));
        return message;
}

Message harness_hello_ok(const Other *o, const Held *held) {
        Message message = {
                .type = MESSAGE_HELLO_OK,
                .hello_ok = {
                        .version = 1,
                        .id = o->id,
                        .epoch = o->epoch,
                        .role = o->role,
                        .port = o->port,
                        .n_addresses = o->n_addresses,
                        .observed = harness_address(250, 50000),
                        .has_held = held,
                },
        };

        (void) snprintf(message.hello_ok.name, sizeof(message.hello_ok.name), "%s", o->name);
        memcpy(message.hello_ok.addresses, o->addresses, sizeof(message.hello_ok.addresses));
        if (held)
                message.hello_ok.held = *held;
        return message;
}
