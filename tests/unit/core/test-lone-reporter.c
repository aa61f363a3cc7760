/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One peer reports another, and nobody else does: what a seed finds out by itself, and what that may cost others. */

#include "core/report.h"

#include "expect-report.h"

static Address refuse_dial(Harness *h) {
        Address address;
        LinkId link = harness_dialled(h, &address);

        assert_int_not_equal(link, 0);
        harness_change(h, link, LINK_REFUSED);
        return address;
}

/* The only dial that is under way is refused. */
static void refuse_one(Harness *h, uint8_t n) {
        Address address = refuse_dial(h), expected = harness_address(n, 6000);

        assert_true(address_equal(&address, &expected));
        assert_int_equal(harness_dialled(h, NULL), 0);
}

static void answer_ping(Harness *h, LinkId link) {
        const Message *ping = harness_find(h, link, MESSAGE_PING);
        Message pong;

        assert_non_null(ping);
        message_set(&pong, MESSAGE_PONG, ping, .nonce = ping->ping.nonce);
        harness_send(h, link, &pong);
}

static void assert_cleared(Harness *h) {
        assert_true(is_listed(h, 1));
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
}

static void test_one_reporter_is_enough_when_few_links_were_told(void **state) {
        Harness *h = *state;

        send_renew(h, links[1], HARNESS_EPOCH, 0, 2);
        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(harness_notice(h, NOTICE_REPORTED_DEAD)->n_max, 1);
}

static void test_one_reporter_is_enough_for_a_lost_one(void **state) {
        Harness *h = *state;

        lose(h, 1);
        harness_advance(h, 60 * USEC_PER_SEC);
        send_renew(h, links[2], HARNESS_EPOCH, 0, 4);
        harness_advance(h, 30 * USEC_PER_SEC);
        assert_true(member_of(h, 1).lost);

        send_report(h, links[2], 1);
        refuse_both(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_false(member_of(h, 1).lost);
}

/* ---- rounds ---- */

static void test_one_reporter_is_believed_when_three_rounds_were_not_answered(void **state) {
        Harness *h = *state;
        const Notice *notice;

        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        for (unsigned i = 0; i < VERDICT_ROUNDS - 1; i++) {
                harness_advance(h, VERDICT_ROUND_USEC - 1);
                assert_int_equal(harness_dialled(h, NULL), 0);
                assert_true(is_listed(h, 1));
                harness_advance(h, 1);
                assert_true(is_listed(h, 1));
                refuse_one(h, 1);
        }
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);

        notice = harness_notice(h, NOTICE_REPORTED_DEAD);
        assert_non_null(notice);
        assert_int_equal(notice->n_max, 1);
}

static void test_a_silent_host_is_asked_in_three_rounds_too(void **state) {
        Harness *h = *state;

        send_report(h, links[2], 1);            /* its session is still open, for nobody has ended it */
        for (unsigned i = 0; i < VERDICT_ROUNDS; i++) {
                expect(h, links[1], MESSAGE_PING);
                assert_int_not_equal(harness_dialled(h, NULL), 0);
                harness_advance(h, VERDICT_USEC);
                assert_int_equal(harness_dialled(h, NULL) != 0, i == 0);        /* the first round tries twice */
                if (i < VERDICT_ROUNDS - 1)
                        harness_advance(h, VERDICT_ROUND_USEC - (i == 0 ? 0 : VERDICT_USEC));
        }
        harness_advance(h, VERDICT_TRIES * VERDICT_USEC - VERDICT_USEC - 1);
        assert_true(is_listed(h, 1));           /* its PONG has the time of two tries */
        harness_advance(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(expect(h, links[1], MESSAGE_ACCUSED)->accused.held.state, MEMBER_DEAD);
        assert_int_equal(harness_dialled(h, NULL), 0);
}

static void test_an_answer_in_the_last_round_clears(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link;

        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_advance(h, VERDICT_ROUND_USEC);
        refuse_one(h, 1);
        harness_advance(h, VERDICT_ROUND_USEC);
        link = harness_dialled(h, NULL);
        assert_true(harness_answer(h, link, &peer, NULL));
        assert_cleared(h);
        assert_int_equal(expect(h, link, MESSAGE_ACCUSED)->accused.held.state, MEMBER_SUSPECT);
}

/* Nobody can call it, as behind a firewall: only its session says that it lives. */
static void test_who_cannot_be_called_answers_on_its_session(void **state) {
        Harness *h = *state;

        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_drop_sent(h);
        harness_advance(h, VERDICT_ROUND_USEC);
        refuse_one(h, 1);
        answer_ping(h, links[1]);
        assert_cleared(h);
        harness_advance(h, 2 * VERDICT_ROUND_USEC);
        assert_int_equal(harness_dialled(h, NULL), 0);
}

static void test_each_round_tries_another_of_its_addresses(void **state) {
        Harness *h = *state;
        Other other = harness_peer(20);
        Record record = harness_record(&other);
        LinkId link = harness_open(h, &other);

        record.n_addresses = RECORD_ADDRESSES_MAX;
        for (uint8_t i = 0; i < RECORD_ADDRESSES_MAX; i++)
                record.addresses[i] = harness_address(20, 6000 + i);
        send_register(h, link, &record, 4);
        harness_change(h, link, LINK_RESET);
        send_report(h, links[2], 20);
        for (uint8_t i = 0; i < RECORD_ADDRESSES_MAX; i++) {
                Address address, expected = harness_address(20, 6000 + i);

                if (i >= VERDICT_TRIES)
                        harness_advance(h, VERDICT_ROUND_USEC);
                assert_true(is_listed(h, 20));
                address = refuse_dial(h);
                assert_true(address_equal(&address, &expected));
        }
        assert_int_equal(member_of(h, 20).state, MEMBER_DEAD);
}

/* ---- what comes between two rounds ---- */

static void test_a_second_reporter_between_two_rounds_decides(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_advance(h, VERDICT_ROUND_USEC);
        refuse_one(h, 1);
        assert_true(is_listed(h, 1));
        send_report(h, links[3], 1);
        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(harness_notice(h, NOTICE_REPORTED_DEAD)->n_max, 2);
}

static void test_a_second_reporter_in_a_round_waits_for_its_end(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_advance(h, VERDICT_ROUND_USEC);
        send_report(h, links[3], 1);
        assert_true(is_listed(h, 1));
        refuse_one(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_a_renewal_between_two_rounds_clears(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record = harness_record(&peer);

        send_report(h, links[2], 1);
        refuse_both(h, 1);
        lose(h, 1);
        harness_advance(h, VERDICT_ROUND_USEC / 2);
        assert_int_equal(reports_n_accusations(harness_node(h)), 1);
        send_register(h, harness_open(h, &peer), &record, 4);
        assert_cleared(h);
        harness_advance(h, VERDICT_ROUND_USEC);
        assert_int_equal(harness_dialled(h, NULL), 0);
}

static void test_who_leaves_between_two_rounds_is_not_asked_again(void **state) {
        Harness *h = *state;
        Message leave;

        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_advance(h, VERDICT_TRIES * VERDICT_USEC);
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, links[1], &leave);
        harness_advance(h, 2 * VERDICT_ROUND_USEC);
        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);
}

static void test_a_lease_that_ends_between_two_rounds_decides(void **state) {
        Harness *h = *state;

        lose(h, 1);
        harness_advance(h, 60 * USEC_PER_SEC);
        send_renew(h, links[2], HARNESS_EPOCH, 0, 4);
        harness_advance(h, 30 * USEC_PER_SEC - VERDICT_ROUND_USEC / 2);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_advance(h, VERDICT_ROUND_USEC / 2 - 1);
        assert_true(is_listed(h, 1));
        harness_advance(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
}

/* ---- bounds ---- */

static void test_one_report_costs_its_subject_four_calls(void **state) {
        Harness *h = *state;
        unsigned n_dials = 0;

        lose(h, 1);
        send_report(h, links[2], 1);
        for (unsigned i = 0; i < 100; i++) {
                LinkId link;

                send_report(h, links[2], 1);            /* saying it again changes nothing */
                while ((link = harness_dialled(h, NULL))) {
                        n_dials++;
                        harness_change(h, link, LINK_REFUSED);
                }
                harness_advance(h, 100 * USEC_PER_MSEC);
        }
        assert_int_equal(n_dials, VERDICT_TRIES + VERDICT_ROUNDS - 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

/* Two accusations share an address that may be called four times in ten seconds: their later rounds have to wait for it. */
static void test_a_second_reporter_decides_while_a_later_round_has_to_wait(void **state) {
        Harness *h = *state;

        for (uint8_t n = 20; n < 22; n++) {
                Other other = harness_peer(n);
                Record record;
                LinkId link;

                other.addresses[0] = harness_address(99, 80);
                record = harness_record(&other);
                link = harness_open(h, &other);
                send_register(h, link, &record, 4);
                harness_change(h, link, LINK_RESET);
                send_report(h, links[2], n);
                refuse_dial(h);
                refuse_dial(h);
        }
        harness_advance(h, VERDICT_ROUND_USEC);
        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_true(is_listed(h, 20));

        send_report(h, links[3], 20);
        assert_int_equal(member_of(h, 20).state, MEMBER_DEAD);
        assert_true(is_listed(h, 21));

        /* The other one gets its turn. */
        harness_advance(h, TARGET_USEC - VERDICT_ROUND_USEC - 1);
        assert_int_equal(harness_dialled(h, NULL), 0);
        harness_advance(h, ACCUSATION_RETRY_USEC);
        refuse_dial(h);
        harness_advance(h, VERDICT_ROUND_USEC);
        refuse_dial(h);
        assert_int_equal(member_of(h, 21).state, MEMBER_DEAD);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peers, teardown)
                TEST(test_one_reporter_is_enough_when_few_links_were_told),
                TEST(test_one_reporter_is_enough_for_a_lost_one),
                TEST(test_one_reporter_is_believed_when_three_rounds_were_not_answered),
                TEST(test_a_silent_host_is_asked_in_three_rounds_too),
                TEST(test_an_answer_in_the_last_round_clears),
                TEST(test_who_cannot_be_called_answers_on_its_session),
                TEST(test_each_round_tries_another_of_its_addresses),
                TEST(test_a_second_reporter_between_two_rounds_decides),
                TEST(test_a_second_reporter_in_a_round_waits_for_its_end),
                TEST(test_a_renewal_between_two_rounds_clears),
                TEST(test_who_leaves_between_two_rounds_is_not_asked_again),
                TEST(test_a_lease_that_ends_between_two_rounds_decides),
                TEST(test_one_report_costs_its_subject_four_calls),
                TEST(test_a_second_reporter_decides_while_a_later_round_has_to_wait),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
