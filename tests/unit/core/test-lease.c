/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 6.2: how long a registration lasts. */

#include "core/registry.h"

#include "expect.h"

#define LEASE (90 * USEC_PER_SEC)
#define DAY (24 * USEC_PER_HOUR)

static void test_an_unused_session_is_closed_after_30_seconds(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link = harness_open(h, &peer);

        harness_advance(h, 29 * USEC_PER_SEC);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 2 * USEC_PER_SEC);
        expect_close(h, link, CLOSE_IDLE);
}

static void test_a_lease_lasts_90_seconds_whatever_the_session(void **state) {
        Harness *h = *state;
        LinkId gone = register_peer(h, 1, 4);
        const Notice *notice;

        harness_change(h, gone, LINK_RESET);
        harness_advance(h, LEASE - 1);
        assert_true(is_listed(h, 1));

        harness_advance(h, 1);
        assert_false(is_listed(h, 1));
        assert_true(member_of(h, 1).lost);
        assert_int_equal(node_n_alive(harness_node(h)), 0);
        notice = harness_notice(h, NOTICE_EXPIRED);
        assert_non_null(notice);
        assert_int_equal(notice->n, 0);
}

static void test_renewing_keeps_and_tells(void **state) {
        Harness *h = *state;
        LinkId link;
        const Message *answer;

        for (uint8_t n = 1; n <= 20; n++)
                register_peer(h, n, 4);
        harness_drop_sent(h);

        link = register_peer(h, 21, 4);
        harness_advance(h, 60 * USEC_PER_SEC);
        harness_drop_sent(h);
        send_renew(h, link, HARNESS_EPOCH, 0, 2);
        answer = expect(h, link, MESSAGE_RENEW_OK);
        assert_int_equal(answer->renew_ok.total, 21);
        assert_int_equal(answer->renew_ok.lease_msec, LEASE / USEC_PER_MSEC);
        assert_true(answer->renew_ok.has_held);
        assert_int_equal(answer->renew_ok.held.state, MEMBER_ALIVE);
        assert_int_equal(answer->renew_ok.n_records, 8);
        for (size_t i = 0; i < 8; i++) {
                NodeId own = ID(21);

                assert_false(node_id_equal(&answer->renew_ok.records[i].id, &own));
                assert_int_equal(answer->renew_ok.records[i].age_msec, 60000);
                for (size_t j = 0; j < i; j++)
                        assert_false(node_id_equal(&answer->renew_ok.records[i].id, &answer->renew_ok.records[j].id));
        }
        assert_int_equal(member_of(h, 21).n_links, 2);

        harness_advance(h, 40 * USEC_PER_SEC);
        assert_int_equal(node_n_alive(harness_node(h)), 1);
        assert_true(is_listed(h, 21));
}

static void test_who_is_not_known_is_asked_to_register(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link = harness_open(h, &peer);

        send_renew(h, link, HARNESS_EPOCH, 0, 4);
        assert_false(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.has_held);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_a_renewal_of_an_earlier_life_asks_to_register(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link;

        register_peer(h, 1, 4);
        peer.epoch++;
        link = harness_open(h, &peer);
        send_renew(h, link, HARNESS_EPOCH + 1, 0, 4);
        assert_false(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.has_held);
}

static void test_a_renewal_brings_a_lost_one_back(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link = register_peer(h, 1, 4);

        harness_change(h, link, LINK_RESET);
        harness_advance(h, LEASE);
        assert_true(member_of(h, 1).lost);

        link = harness_open(h, &peer);
        send_renew(h, link, HARNESS_EPOCH, 0, 4);
        assert_true(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.has_held);
        assert_true(is_listed(h, 1));
        assert_int_equal(node_n_alive(harness_node(h)), 1);
        assert_int_equal(member_of(h, 1).lease_end_usec, harness_now(h) + LEASE);
}

static void test_registering_brings_a_lost_one_back(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        harness_change(h, link, LINK_RESET);
        harness_advance(h, LEASE);
        assert_non_null(harness_notice(h, NOTICE_REGISTERED));
        register_peer(h, 1, 4);
        assert_true(is_listed(h, 1));
        assert_non_null(harness_notice(h, NOTICE_REGISTERED));
}

static void test_a_renewal_with_a_higher_incarnation_is_believed(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        send_renew(h, link, HARNESS_EPOCH, 5, 4);
        assert_int_equal(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.held.incarnation, 5);
        assert_int_equal(member_of(h, 1).record->incarnation, 5);
}

static void test_a_renewal_with_a_higher_incarnation_revives(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        Message leave;

        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, link, &leave);
        harness_advance(h, 5 * USEC_PER_SEC);           /* it is not restarting, people think */
        send_renew(h, link, HARNESS_EPOCH, 1, 4);
        assert_int_equal(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.held.state, MEMBER_ALIVE);
        assert_true(is_listed(h, 1));
        assert_non_null(harness_notice(h, NOTICE_ALIVE));
}

static void test_a_lost_one_is_forgotten_after_a_day(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        harness_change(h, link, LINK_RESET);
        harness_advance(h, LEASE + DAY - 1);
        assert_int_equal(node_n_members(harness_node(h)), 1);
        harness_advance(h, 1);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_after_a_clock_jump_leases_start_afresh(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        harness_change(h, link, LINK_RESET);
        harness_advance(h, 60 * USEC_PER_SEC);
        harness_sleep(h, 3600 * USEC_PER_SEC);
        assert_non_null(harness_notice(h, NOTICE_CLOCK_JUMP));
        assert_true(is_listed(h, 1));
        harness_advance(h, LEASE - 1);
        assert_true(is_listed(h, 1));
        harness_advance(h, 1);
        assert_false(is_listed(h, 1));
}

static void test_many_leases_that_end_together_do_not_flood(void **state) {
        Harness *h = *state;
        unsigned n = 0;

        for (unsigned i = 1; i <= 240; i++) {
                LinkId link = register_peer(h, (uint8_t) i, 4);

                harness_change(h, link, LINK_CLOSED);
        }
        while (harness_notice(h, NOTICE_REGISTERED))
                n++;
        assert_int_equal(n, 240);

        harness_advance(h, LEASE + USEC_PER_SEC);
        for (n = 0; harness_notice(h, NOTICE_EXPIRED);)
                n++;
        assert_int_equal(n, 240);
        assert_int_equal(node_n_alive(harness_node(h)), 0);
        assert_true(harness_n_effects_max(h) <= 2 * EXPIRED_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_seed, teardown)
                TEST(test_an_unused_session_is_closed_after_30_seconds),
                TEST(test_a_lease_lasts_90_seconds_whatever_the_session),
                TEST(test_renewing_keeps_and_tells),
                TEST(test_who_is_not_known_is_asked_to_register),
                TEST(test_a_renewal_of_an_earlier_life_asks_to_register),
                TEST(test_a_renewal_brings_a_lost_one_back),
                TEST(test_registering_brings_a_lost_one_back),
                TEST(test_a_renewal_with_a_higher_incarnation_is_believed),
                TEST(test_a_renewal_with_a_higher_incarnation_revives),
                TEST(test_a_lost_one_is_forgotten_after_a_day),
                TEST(test_after_a_clock_jump_leases_start_afresh),
                TEST(test_many_leases_that_end_together_do_not_flood),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
