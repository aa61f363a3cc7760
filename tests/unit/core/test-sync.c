/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/node-internal.h"

#include "expect.h"

static Slice digest_of(Harness *h, bool with_self, uint8_t bytes[static SYNC_BUCKETS * 8]) {
        uint64_t hashes[SYNC_BUCKETS];

        sync_digest(harness_node(h), with_self, hashes);
        for (size_t i = 0; i < SYNC_BUCKETS; i++)
                put_be64(bytes + i * 8, hashes[i]);
        return slice_of(bytes, SYNC_BUCKETS * 8);
}

static void test_equal_tables_have_equal_digests(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *other = harness_new(&settings, 254);
        uint8_t bytes[SYNC_BUCKETS * 8], mask[SYNC_BUCKETS / 8];

        harness_start(other);
        for (uint8_t n = 1; n < 20; n++)
                register_peer(h, n, 4);
        for (uint8_t n = 19; n > 0; n--)
                register_peer(other, n, 1);
        assert_int_equal(sync_compare(harness_node(other), digest_of(h, false, bytes), mask), 0);

        register_peer(h, 77, 4);
        assert_int_equal(sync_compare(harness_node(other), digest_of(h, false, bytes), mask), 1);
        for (size_t b = 0; b < SYNC_BUCKETS; b++)
                assert_int_equal(sync_marked(mask, b), b == 77);
}

static void test_a_digest_is_what_the_specification_says(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(7);
        Record record = harness_record(&peer);
        uint8_t packed[16 + 8 + 4 + 1] = {}, *p = packed;
        uint64_t hashes[SYNC_BUCKETS];
        SipKey zero = {};

        send_register(h, harness_open(h, &peer), &record, 4);
        p = put_bytes(p, peer.id.bytes, 16);
        p = put_be64(p, HARNESS_EPOCH);
        p = put_be32(p, 0);
        p = put_u8(p, 0);
        sync_digest(harness_node(h), false, hashes);
        assert_true(hashes[7] == siphash24(packed, sizeof(packed), &zero));
        assert_true(hashes[6] == 0);
}

static void test_lost_ones_are_in_no_digest_and_tombstones_are(void **state) {
        Harness *h = *state;
        uint64_t before[SYNC_BUCKETS], after[SYNC_BUCKETS];
        LinkId link = register_peer(h, 1, 4), other = register_peer(h, 2, 4);
        Message leave;

        harness_change(h, link, LINK_RESET);
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        sync_digest(harness_node(h), false, before);
        harness_send(h, other, &leave);
        sync_digest(harness_node(h), false, after);
        assert_true(before[2] != after[2] && after[2] != 0);
        assert_true(before[1] == after[1]);

        harness_advance(h, 90 * USEC_PER_SEC);
        sync_digest(harness_node(h), false, after);
        assert_true(after[1] == 0);
        assert_true(after[2] != 0);
}

static void test_a_peers_digest_counts_the_peer_itself(void **state) {
        Harness *seed = *state;
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *peer = harness_new(&settings, 9);
        uint8_t bytes[SYNC_BUCKETS * 8], mask[SYNC_BUCKETS / 8];

        harness_start(peer);
        assert_int_equal(sync_compare(harness_node(seed), digest_of(peer, true, bytes), mask), 1);
        assert_true(sync_marked(mask, 9));
        register_peer(seed, 9, 0);
        assert_int_equal(sync_compare(harness_node(seed), digest_of(peer, true, bytes), mask), 0);
}

static void test_ages_are_since_the_renewal_or_the_end(void **state) {
        Member member = { .record.state = MEMBER_ALIVE, .renewed_usec = 10 * USEC_PER_SEC, .since_usec = 4 * USEC_PER_SEC };

        assert_int_equal(member_age_msec(&member, 12 * USEC_PER_SEC), 2000);
        assert_int_equal(member_age_msec(&member, 9 * USEC_PER_SEC), 0);
        member.record.state = MEMBER_DEAD;
        assert_int_equal(member_age_msec(&member, 12 * USEC_PER_SEC), 8000);
        assert_int_equal(member_age_msec(&member, USEC_INFINITY - 1), UINT32_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_seed, teardown)
                TEST(test_equal_tables_have_equal_digests),
                TEST(test_a_digest_is_what_the_specification_says),
                TEST(test_lost_ones_are_in_no_digest_and_tombstones_are),
                TEST(test_a_peers_digest_counts_the_peer_itself),
                TEST(test_ages_are_since_the_renewal_or_the_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
