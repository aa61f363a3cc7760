/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A seed among others: what those of its tests have in common that have other seeds in them. */

#include "expect.h"

#define SEC USEC_PER_SEC

/* Seeds 200 and 201 are in the list; 210 is not. The node's own id is 16 times 0x80: 200 and 201 have larger ones,
 * 100 a smaller one. */
static inline int setup_mesh(void **state) {
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        Harness *h = harness_new(&settings, 0x80);

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 0 });
        harness_start(h);
        *state = h;
        return 0;
}

static inline void resolve(Harness *h, uint8_t n) {
        Address address = harness_address(n, 5000);

        assert_true(harness_asked_for(h, n));
        harness_resolve(h, n, &address, 1);
}

/* The node dials a listed seed, which answers. */
static inline LinkId link_seed(Harness *h, uint8_t n) {
        Other seed = harness_seed(n);
        Address address, expected = harness_address(n, 5000);
        LinkId link;

        resolve(h, n);
        link = harness_dialled(h, &address);
        assert_int_not_equal(link, 0);
        assert_true(address_equal(&address, &expected));
        assert_true(harness_answer(h, link, &seed, NULL));
        expect(h, link, MESSAGE_SYNC_DIGEST);
        return link;
}

static inline void send_records(Harness *h, LinkId link, const Record *records, size_t n) {
        Message message = { .type = MESSAGE_SYNC_RECORDS };

        message.sync_records.n_records = n;
        memcpy(message.sync_records.records, records, n * sizeof(*records));
        harness_send(h, link, &message);
}

static inline Record record_of(uint8_t n, MemberState state, uint32_t age_msec) {
        Other other = harness_peer(n);
        Record record = harness_record(&other);

        record.state = state;
        record.age_msec = age_msec;
        return record;
}

static inline void send_record(Harness *h, LinkId link, uint8_t n, MemberState state, uint32_t age_msec) {
        Record record = record_of(n, state, age_msec);

        send_records(h, link, &record, 1);
}

static inline void send_renewal(Harness *h, LinkId link, uint8_t n, uint64_t epoch, uint32_t age_msec) {
        Message message = { .type = MESSAGE_SYNC_RECORDS };

        message.sync_records.n_renewals = 1;
        message.sync_records.renewals[0] = (Renewal) { ID(n), epoch, age_msec };
        harness_send(h, link, &message);
}

/* A digest of a table that holds these peers, alive. */
static inline void send_digest(Harness *h, LinkId link, const uint8_t *peers) {
        uint8_t bytes[SYNC_BUCKETS * 8] = {};
        Message message;

        for (; *peers != 0; peers++) {
                NodeId id = ID(*peers);

                put_be64(bytes + *peers * 8, member_hash(&id, HARNESS_EPOCH, 0, MEMBER_ALIVE));
        }
        message_set(&message, MESSAGE_SYNC_DIGEST, sync_digest, .hashes = slice_of(bytes, sizeof(bytes)));
        harness_send(h, link, &message);
}

static inline SeedInfo seed_info(Harness *h, size_t i) {
        return node_seed_at(harness_node(h), i);
}
