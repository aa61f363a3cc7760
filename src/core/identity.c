/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who we are, and what we do about what others hold of us: PROTOCOL.md, section 4.5. */

#include "core/node-internal.h"

Record node_record(const Node *node) {
        Record record = {
                .id = node->identity.id,
                .epoch = node->identity.epoch,
                .incarnation = node->incarnation,
                .state = MEMBER_ALIVE,
                .role = node->settings.role,
                .n_addresses = node->settings.n_advertised,
        };

        memcpy(record.name, node->settings.name, sizeof(record.name));
        memcpy(record.addresses, node->settings.advertised, sizeof(record.addresses));
        return record;
}

uint16_t node_n_own_links(const Node *node) {
        return (uint16_t) MIN(node->ops->n_links(node), (unsigned) UINT16_MAX);
}

int node_take_new_id(Node *node, usec_t now_usec) {
        int r;

        for (size_t i = 0; i < NODE_ID_SIZE; i += sizeof(uint64_t)) {
                uint64_t word = random_u64(&node->random);

                memcpy(node->identity.id.bytes + i, &word, sizeof(word));
        }
        node->identity.epoch = node->identity.epoch + 1 < EPOCH_MAX ? node->identity.epoch + 1 : 1;
        node->incarnation = 0;
        node_persist(node, PERSIST_IDENTITY);
        node_notice(node, NOTICE_DUPLICATE_ID)->id = node->identity.id;

        r = session_close_all(node, CLOSE_DONE, now_usec);
        if (r < 0)
                return r;
        return node->ops->own_record_changed(node, now_usec);
}

static int node_raise_epoch(Node *node, uint64_t above, usec_t now_usec) {
        uint64_t jump = 1 + random_below(&node->random, EPOCH_JUMP);

        if (above >= EPOCH_MAX - jump)
                return node_take_new_id(node, now_usec);

        node->identity.epoch = above + jump;
        node->incarnation = 0;
        node_persist(node, PERSIST_IDENTITY);
        node_notice(node, NOTICE_EPOCH)->epoch = node->identity.epoch;
        return node->ops->own_record_changed(node, now_usec);
}

int node_leave_epoch(Node *node, uint64_t shown, usec_t now_usec) {
        /* Each is told to everybody. */
        if (!ratelimit_allow(&node->epoch_raises, EPOCH_RAISES_RATE, now_usec)) {
                node->epoch_shown = MAX(node->epoch_shown, shown);
                return 0;
        }
        return node_raise_epoch(node, shown, now_usec);
}

int node_leave_shown_epoch(Node *node, usec_t now_usec) {
        if (node->epoch_shown < node->identity.epoch || now_usec < usec_add(node->epoch_raises.begin_usec, EPOCH_RAISES_RATE.interval_usec))
                return 0;
        return node_leave_epoch(node, node->epoch_shown, now_usec);
}

int node_on_held(Node *node, const Held *held, usec_t now_usec) {
        if (held->epoch < node->identity.epoch)
                return 0;               /* of an earlier life: they will learn of this one */
        if (held->epoch > node->identity.epoch)
                return node_leave_epoch(node, held->epoch, now_usec);

        if (held->incarnation < node->incarnation ||
            (held->incarnation == node->incarnation && held->state == MEMBER_ALIVE))
                return 0;
        if (held->incarnation == UINT32_MAX)
                return node_leave_epoch(node, node->identity.epoch, now_usec);

        node->incarnation = held->incarnation + 1;
        node->counters[COUNTER_REFUTATIONS]++;
        node_notice(node, NOTICE_REFUTED)->held_state = held->state;
        return node->ops->own_record_changed(node, now_usec);
}

size_t node_effective_addresses(const Address *advertised, size_t n, const Address *remote, uint16_t port,
                                Address ret[static RECORD_ADDRESSES_MAX]) {
        if (n == 0) {
                ret[0] = *remote;
                ret[0].port = port;
                return 1;
        }

        n = MIN(n, (size_t) RECORD_ADDRESSES_MAX);
        for (size_t i = 0; i < n; i++)
                ret[i] = advertised[i];
        return n;
}
