/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exchange.h"
#include "core/mesh.h"

#include "expect-mesh.h"

/* ---- pushing ---- */

static void test_changes_are_pushed_within_200_ms(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), peer;
        const Message *pushed;
        Message leave;

        peer = register_peer(h, 1, 4);
        register_peer(h, 2, 4);
        expect_nothing(h, link);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        pushed = expect(h, link, MESSAGE_SYNC_RECORDS);
        assert_int_equal(pushed->sync_records.n_records, 2);
        assert_int_equal(pushed->sync_records.records[0].id.bytes[0], 1);
        assert_int_equal(pushed->sync_records.records[0].state, MEMBER_ALIVE);
        assert_int_equal(pushed->sync_records.records[0].age_msec, 200);
        assert_int_equal(pushed->sync_records.records[0].n_addresses, 1);
        expect_nothing(h, link);

        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, peer, &leave);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        pushed = expect(h, link, MESSAGE_SYNC_RECORDS);
        assert_int_equal(pushed->sync_records.n_records, 1);
        assert_int_equal(pushed->sync_records.records[0].state, MEMBER_LEFT);
        assert_int_equal(pushed->sync_records.records[0].n_addresses, 0);
}

/* They tell each other. */
static void test_peers_are_told_nothing_unasked(void **state) {
        Harness *h = *state;
        LinkId leaver = register_peer(h, 1, 4), stayer = register_peer(h, 2, 4);
        Message leave;

        link_seed(h, 200);
        harness_advance(h, SEC);
        harness_drop_sent(h);
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, leaver, &leave);
        register_peer(h, 3, 4);
        harness_advance(h, 20 * SEC);
        expect_nothing(h, stayer);
        expect_nothing(h, leaver);
}

static void test_what_another_seed_told_is_not_pushed_on(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), other = link_seed(h, 201);

        send_record(h, link, 1, MEMBER_ALIVE, 0);
        assert_true(is_listed(h, 1));
        harness_advance(h, SEC);
        assert_null(harness_find(h, other, MESSAGE_SYNC_RECORDS));
}

static void test_renewals_are_pushed_every_10_seconds(void **state) {
        Harness *h = *state;
        LinkId link, peer;
        const Message *pushed;
        unsigned n = 0;

        peer = register_peer(h, 1, 4);
        harness_advance(h, SEC);
        link = link_seed(h, 200);
        send_renew(h, peer, HARNESS_EPOCH, 0, 4);
        send_renew(h, peer, HARNESS_EPOCH, 0, 4);
        harness_advance(h, 30 * SEC);
        while ((pushed = harness_find(h, link, MESSAGE_SYNC_RECORDS))) {
                assert_int_equal(pushed->sync_records.n_records, 0);
                assert_int_equal(pushed->sync_records.n_renewals, 1);
                assert_int_equal(pushed->sync_records.renewals[0].id.bytes[0], 1);
                assert_int_equal(pushed->sync_records.renewals[0].epoch, HARNESS_EPOCH);
                assert_in_range(pushed->sync_records.renewals[0].age_msec, 1, 10000);
                n++;
        }
        assert_int_equal(n, 1);
}

static void test_loopback_peers_are_not_sent_to_other_hosts(void **state) {
        Harness *h = *state;
        Other local = harness_peer(1);
        LinkId remote = link_seed(h, 200), link;
        Other seed = harness_seed(210);
        Record record;

        seed.remote = harness_loopback(40000);
        link = harness_open(h, &seed);
        local.remote = harness_loopback(40001);
        local.addresses[0] = harness_loopback(6000);
        record = harness_record(&local);
        send_register(h, harness_open(h, &local), &record, 4);

        harness_advance(h, EXCHANGE_PUSH_USEC);
        expect_nothing(h, remote);
        assert_int_equal(expect(h, link, MESSAGE_SYNC_RECORDS)->sync_records.n_records, 1);
}

static void test_a_push_to_many_is_split(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        const Message *pushed;
        size_t n = 0;

        for (unsigned i = 1; i <= 100; i++)
                register_peer(h, (uint8_t) i, 4);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        while ((pushed = harness_find(h, link, MESSAGE_SYNC_RECORDS)))
                n += pushed->sync_records.n_records;
        assert_int_equal(n, 100);
}

static void test_more_than_a_push_takes_follow_in_the_next(void **state) {
        Harness *h = *state;
        LinkId link;
        const Message *pushed;
        size_t n = 0, n_renewals = 0;

        for (unsigned i = 0; i < EXCHANGE_PUSH_MAX + 10; i++)
                register_one_of_many(h, i);
        link = link_seed(h, 200);
        for (unsigned i = 0; i < EXCHANGE_PUSH_MAX + 10; i++) {
                Other other = harness_peer((uint8_t) (1 + i % 200));
                LinkId peer;

                other.id.bytes[1] = (uint8_t) (i / 200);
                peer = harness_open(h, &other);
                send_refute(h, peer, &other, HARNESS_EPOCH, 1);
                harness_change(h, peer, LINK_CLOSED);
        }

        harness_drop_sent(h);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        while ((pushed = harness_find(h, link, MESSAGE_SYNC_RECORDS)))
                n += pushed->sync_records.n_records;
        assert_int_equal(n, EXCHANGE_PUSH_MAX);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        while ((pushed = harness_find(h, link, MESSAGE_SYNC_RECORDS)))
                n += pushed->sync_records.n_records;
        assert_int_equal(n, EXCHANGE_PUSH_MAX + 10);

        /* Registering with what is held already is a renewal. */
        for (unsigned i = 0; i < MESSAGE_RENEWALS_MAX + 1; i++)
                register_one_of_many(h, i);
        harness_advance(h, 10 * SEC);
        while ((pushed = harness_find(h, link, MESSAGE_SYNC_RECORDS)))
                n_renewals += pushed->sync_records.n_renewals;
        assert_int_equal(n_renewals, MESSAGE_RENEWALS_MAX + 1);
}

static void test_a_digest_follows_the_push_that_it_counts(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        const Message *sent;

        /* With a change just before whatever time the digest is due at. */
        for (unsigned i = 0; i < 400; i++) {
                bool pushed = false;

                register_one_of_many(h, i);
                harness_advance(h, EXCHANGE_PUSH_USEC / 2);
                while ((sent = harness_next(h, link))) {
                        pushed = pushed || sent->type == MESSAGE_SYNC_RECORDS;
                        if (sent->type == MESSAGE_SYNC_DIGEST)
                                assert_true(pushed);
                }
                if (i % 50 == 0)
                        send_digest(h, link, (uint8_t[]) { 0 });
                harness_drop_sent(h);
        }
}

/* Everything that can be due, in one call that comes late: the queue of effects has room for it. */
static void test_the_worst_event_fits(void **state) {
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = harness_new(&settings, 0x80);
        uint8_t numbers[SEEDS_MAX + 1] = {};

        for (uint8_t n = 0; n < SEEDS_MAX; n++)
                numbers[n] = (uint8_t) (130 + n);
        harness_set_seeds(h, numbers);
        harness_start(h);
        for (uint8_t n = 0; n < SEEDS_MAX; n++)
                link_seed(h, numbers[n]);
        for (unsigned i = 0; i < MESH_UNLISTED_MAX; i++) {
                Other seed = harness_seed((uint8_t) (1 + i));

                assert_int_not_equal(harness_open(h, &seed), 0);
        }
        assert_int_equal(node_n_registered(harness_node(h)), SEEDS_MAX);

        for (unsigned i = 0; i < 3000; i++)
                register_one_of_many(h, i);
        for (uint8_t n = 20; n < 120; n++) {
                LinkId link = register_peer(h, n, 4);

                send_digest(h, link, (uint8_t[]) { 0 });
        }
        for (unsigned i = 0; i < 30; i++)
                harness_sleep(h, 4 * SEC);
        assert_in_range(harness_n_effects_max(h), 500, 2048);
}

static void test_a_peer_that_renews_elsewhere_and_is_silent_here_is_closed(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), peer = register_peer(h, 1, 4);

        for (unsigned i = 0; i < 9; i++) {
                harness_advance(h, 10 * SEC - 1);
                send_renewal(h, link, 1, HARNESS_EPOCH, 0);
        }
        assert_true(harness_is_up(h, peer));
        harness_advance(h, SEC);
        assert_non_null(harness_find(h, peer, MESSAGE_CLOSE));
        assert_true(is_listed(h, 1));
}

/* ---- comparing ---- */

static void test_a_digest_that_differs_is_answered_with_records_and_a_question(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        const Message *answer;

        register_peer(h, 1, 4);
        register_peer(h, 2, 4);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        harness_drop_sent(h);

        send_digest(h, link, (uint8_t[]) { 2, 3, 0 });
        answer = expect(h, link, MESSAGE_SYNC_RECORDS);
        assert_int_equal(answer->sync_records.n_records, 1);
        assert_int_equal(answer->sync_records.records[0].id.bytes[0], 1);
        assert_true(answer->sync_records.has_want);
        for (unsigned b = 0; b < SYNC_BUCKETS; b++)
                assert_int_equal(!!(answer->sync_records.want[b / 8] & 0x80 >> b % 8), b == 1 || b == 3);

        send_digest(h, link, (uint8_t[]) { 1, 2, 0 });
        expect_nothing(h, link);
}

static void test_a_question_is_answered_without_one(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        Message question = { .type = MESSAGE_SYNC_RECORDS };
        const Message *answer;

        register_peer(h, 1, 4);
        register_peer(h, 2, 4);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        harness_drop_sent(h);

        question.sync_records.has_want = true;
        question.sync_records.want[0] = 0x80 >> 2;
        harness_send(h, link, &question);
        harness_advance(h, EXCHANGE_PUSH_USEC);
        answer = expect(h, link, MESSAGE_SYNC_RECORDS);
        assert_int_equal(answer->sync_records.n_records, 1);
        assert_int_equal(answer->sync_records.records[0].id.bytes[0], 2);
        assert_false(answer->sync_records.has_want);
}

static void test_a_peers_digest_is_answered_without_a_question(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        const Message *answer;

        register_peer(h, 2, 4);
        send_digest(h, link, (uint8_t[]) { 1, 2, 0 });
        expect_nothing(h, link);
        send_digest(h, link, (uint8_t[]) { 1, 0 });
        answer = expect(h, link, MESSAGE_SYNC_RECORDS);
        assert_int_equal(answer->sync_records.n_records, 1);
        assert_int_equal(answer->sync_records.records[0].id.bytes[0], 2);
        assert_false(answer->sync_records.has_want);
}

static void test_a_peers_digests_are_rate_limited(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        unsigned n = 0;

        for (unsigned i = 0; i < 100; i++)
                send_digest(h, link, (uint8_t[]) { 0 });
        while (harness_find(h, link, MESSAGE_SYNC_RECORDS))
                n++;
        assert_int_equal(n, DIGESTS_RATE.burst);
        harness_advance(h, DIGESTS_RATE.interval_usec);
        send_digest(h, link, (uint8_t[]) { 0 });
        assert_non_null(harness_find(h, link, MESSAGE_SYNC_RECORDS));
}

/* Of a crowd that compares at once, so many get an answer at a time, and all of them get theirs. */
static void test_peers_that_compare_are_answered_by_turns(void **state) {
        Harness *h = *state;
        LinkId links[100];
        unsigned n_answered = 0, n_before;

        for (uint8_t i = 0; i < 100; i++)
                links[i] = register_peer(h, (uint8_t) (1 + i), 4);
        harness_drop_sent(h);
        for (unsigned i = 0; i < 100; i++)
                send_digest(h, links[i], (uint8_t[]) { 0 });
        for (unsigned push = 0; push < 4; push++) {
                n_before = n_answered;
                for (unsigned i = 0; i < 100; i++)
                        while (harness_find(h, links[i], MESSAGE_SYNC_RECORDS))
                                n_answered++;
                assert_in_range(n_answered - n_before, 1, 2 * EXCHANGE_ANSWERED_MAX);   /* of two records or less than 64 each */
                harness_advance(h, EXCHANGE_PUSH_USEC);
        }
        assert_int_equal(n_answered, 200);
}

static void test_whole_tables_go_out_in_parts(void **state) {
        Harness *h = *state;
        Other asker = harness_peer(250);
        LinkId seed = link_seed(h, 200), link;
        Record records[64];
        const Message *answer;
        size_t n = 0, n_at_once = 0;

        for (unsigned i = 0; i < 1600; i++) {
                Record record = record_of((uint8_t) (1 + i % 200), MEMBER_ALIVE, 0);

                record.id.bytes[1] = (uint8_t) (i / 200);
                records[i % 64] = record;
                if (i % 64 == 63)
                        send_records(h, seed, records, 64);
        }
        assert_int_equal(node_n_alive(harness_node(h)), 1600);

        link = harness_open(h, &asker);
        harness_set_reading(h, link, false);
        send_digest(h, link, (uint8_t[]) { 0 });
        while ((answer = harness_next(h, link)))
                n_at_once += answer->sync_records.n_records;
        assert_in_range(n_at_once, 1, EXCHANGE_ANSWER_MAX + 8);

        /* One who does not read gets no more. */
        harness_advance(h, 5 * SEC);
        expect_nothing(h, link);

        n = n_at_once;
        harness_set_reading(h, link, true);
        assert_int_equal(node_on_sent(harness_node(h), link, SIZE_MAX, SIZE_MAX, harness_now(h)), 0);
        harness_advance(h, 5 * SEC);
        while ((answer = harness_find(h, link, MESSAGE_SYNC_RECORDS)))
                n += answer->sync_records.n_records;
        assert_int_equal(n, 1600);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_mesh, teardown)
                TEST(test_changes_are_pushed_within_200_ms),
                TEST(test_peers_are_told_nothing_unasked),
                TEST(test_what_another_seed_told_is_not_pushed_on),
                TEST(test_renewals_are_pushed_every_10_seconds),
                TEST(test_loopback_peers_are_not_sent_to_other_hosts),
                TEST(test_a_push_to_many_is_split),
                TEST(test_more_than_a_push_takes_follow_in_the_next),
                TEST(test_a_digest_follows_the_push_that_it_counts),
                cmocka_unit_test(test_the_worst_event_fits),
                TEST(test_a_peer_that_renews_elsewhere_and_is_silent_here_is_closed),
                TEST(test_a_digest_that_differs_is_answered_with_records_and_a_question),
                TEST(test_a_question_is_answered_without_one),
                TEST(test_a_peers_digest_is_answered_without_a_question),
                TEST(test_a_peers_digests_are_rate_limited),
                TEST(test_peers_that_compare_are_answered_by_turns),
                TEST(test_whole_tables_go_out_in_parts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
