/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/report.h"

#include "expect-report.h"

static LinkId answer_dial_back(Harness *h, const Other *other) {
        LinkId link = harness_dialled(h, NULL);

        assert_int_not_equal(link, 0);
        assert_true(harness_answer(h, link, other, NULL));
        return link;
}

static void test_two_reporters_and_a_failed_dial_back_are_a_death(void **state) {
        Harness *h = *state;
        const Notice *notice;

        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        assert_true(is_listed(h, 1));

        send_report(h, links[3], 1);
        assert_int_equal(harness_dialled(h, NULL), 0);          /* the first dial-back is good for 10 s */
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(node_n_alive(harness_node(h)), 8);
        assert_int_equal(counted(h, COUNTER_DEATHS), 1);
        assert_int_equal(counted(h, COUNTER_REPORTS_RECEIVED), 2);

        notice = harness_notice(h, NOTICE_REPORTED_DEAD);
        assert_non_null(notice);
        assert_int_equal(notice->n, 8);
        assert_int_equal(notice->n_max, 2);
        assert_null(harness_notice(h, NOTICE_REPORT_FALSE));
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
}

static void test_the_second_report_may_come_while_we_dial(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        assert_true(is_listed(h, 1));
        refuse_both(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_the_same_reporter_twice_is_one(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        send_report(h, links[2], 1);
        assert_true(is_listed(h, 1));
        assert_int_equal(reports_n_accusations(harness_node(h)), 1);
}

static void test_a_tombstone_of_a_dead_one_lasts_a_day(void **state) {
        Harness *h = *state;

        send_renew(h, links[1], HARNESS_EPOCH, 0, 0);
        lose(h, 1);
        send_report(h, links[2], 1);
        refuse_both(h, 1);
        harness_advance(h, 24 * USEC_PER_HOUR - 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        harness_advance(h, 1);
        assert_int_equal(node_n_members(harness_node(h)), 8);
}

static void test_a_silent_host_costs_two_tries_of_a_second(void **state) {
        Harness *h = *state;
        LinkId first, second;

        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        first = harness_dialled(h, NULL);
        assert_int_not_equal(first, 0);
        harness_advance(h, USEC_PER_SEC);
        second = harness_dialled(h, NULL);
        assert_int_not_equal(second, 0);
        assert_true(is_listed(h, 1));
        harness_advance(h, USEC_PER_SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_a_connection_alone_is_no_answer(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        for (unsigned i = 0; i < 2; i++) {
                /* The kernel of a stopped process accepts, and that is all. */
                harness_change(h, harness_dialled(h, NULL), LINK_CONNECTED);
                harness_advance(h, USEC_PER_SEC);
        }
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_another_id_at_the_address_is_no_answer(void **state) {
        Harness *h = *state;
        Other stranger = harness_peer(1);

        stranger.id = ID(77);
        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        answer_dial_back(h, &stranger);
        answer_dial_back(h, &stranger);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_an_answer_to_the_dial_back_clears(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        const Message *accused;
        const Notice *notice;
        LinkId link;

        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        link = answer_dial_back(h, &peer);
        assert_true(is_listed(h, 1));
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 2);

        notice = harness_notice(h, NOTICE_REPORT_FALSE);
        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], 1);
        assert_string_equal(notice->other_name, "other");
        assert_non_null(harness_notice(h, NOTICE_REPORT_FALSE));

        /* It is told, so that it refutes. */
        accused = expect(h, link, MESSAGE_ACCUSED);
        assert_int_equal(accused->accused.held.epoch, HARNESS_EPOCH);
        assert_int_equal(accused->accused.held.incarnation, 0);
        assert_int_equal(accused->accused.held.state, MEMBER_SUSPECT);
        send_refute(h, link, &peer, HARNESS_EPOCH, 1);
        assert_int_equal(member_of(h, 1).record->incarnation, 1);
        expect_close(h, link, CLOSE_DONE);
}

static void test_who_answers_and_does_not_refute_is_let_go(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link;

        lose(h, 1);
        send_report(h, links[2], 1);
        link = answer_dial_back(h, &peer);
        expect(h, link, MESSAGE_ACCUSED);
        harness_advance(h, VERDICT_REFUTE_USEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_DONE);
        assert_true(is_listed(h, 1));
}

static void test_a_dial_back_takes_no_other_message(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link;

        lose(h, 1);
        send_report(h, links[2], 1);
        link = answer_dial_back(h, &peer);
        expect(h, link, MESSAGE_ACCUSED);
        send_renew(h, link, HARNESS_EPOCH, 0, 4);
        expect_close(h, link, CLOSE_PROTOCOL);
}

static void test_the_accused_is_asked_on_its_session_and_pong_clears(void **state) {
        Harness *h = *state;
        const Message *ping;
        Message pong;

        send_report(h, links[2], 1);
        ping = expect(h, links[1], MESSAGE_PING);
        message_set(&pong, MESSAGE_PONG, ping, .nonce = ping->ping.nonce);
        harness_send(h, links[1], &pong);

        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
        assert_int_equal(expect(h, links[1], MESSAGE_ACCUSED)->accused.held.state, MEMBER_SUSPECT);
        expect_nothing(h, links[2]);

        /* The dial-back that is still under way decides nothing any more. */
        harness_change(h, harness_dialled(h, NULL), LINK_REFUSED);
        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_true(is_listed(h, 1));
}

static void test_who_answers_the_dial_back_is_told_on_its_own_session_too(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link;

        send_report(h, links[2], 1);
        expect(h, links[1], MESSAGE_PING);
        link = answer_dial_back(h, &peer);
        assert_int_equal(expect(h, link, MESSAGE_ACCUSED)->accused.held.state, MEMBER_SUSPECT);
        assert_int_equal(expect(h, links[1], MESSAGE_ACCUSED)->accused.held.state, MEMBER_SUSPECT);
}

static void test_a_refused_dial_back_waits_for_the_pong(void **state) {
        Harness *h = *state;
        const Message *ping;
        Message pong;

        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        refuse_both(h, 1);
        assert_true(is_listed(h, 1));

        ping = expect(h, links[1], MESSAGE_PING);
        message_set(&pong, MESSAGE_PONG, ping, .nonce = ping->ping.nonce);
        harness_advance(h, USEC_PER_SEC);
        harness_send(h, links[1], &pong);
        assert_true(is_listed(h, 1));
        harness_advance(h, 10 * USEC_PER_SEC);
        assert_true(is_listed(h, 1));
}

static void test_a_pong_that_does_not_come_is_a_death(void **state) {
        Harness *h = *state;

        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        refuse_both(h, 1);
        harness_advance(h, 2 * USEC_PER_SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);

        /* Whoever declares it dead says so to it, if it can. */
        expect(h, links[1], MESSAGE_PING);
        assert_int_equal(harness_find(h, links[1], MESSAGE_ACCUSED)->accused.held.state, MEMBER_DEAD);
}

static void test_the_dead_one_refutes_on_its_session(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);

        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        refuse_both(h, 1);
        harness_advance(h, 2 * USEC_PER_SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);

        send_refute(h, links[1], &peer, HARNESS_EPOCH, 0);              /* the same incarnation is no refutation */
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        send_refute(h, links[1], &peer, HARNESS_EPOCH, 1);
        assert_true(is_listed(h, 1));
        assert_non_null(harness_notice(h, NOTICE_ALIVE));
}

static void test_a_session_that_ends_needs_no_waiting(void **state) {
        Harness *h = *state;

        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        refuse_both(h, 1);
        assert_true(is_listed(h, 1));
        lose(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_a_renewal_clears(void **state) {
        Harness *h = *state;

        send_report(h, links[2], 1);
        expect(h, links[1], MESSAGE_PING);
        send_renew(h, links[1], HARNESS_EPOCH, 0, 4);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_non_null(harness_find(h, links[1], MESSAGE_ACCUSED));
}

static void test_a_refutation_clears(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);

        send_report(h, links[2], 1);
        send_refute(h, links[1], &peer, HARNESS_EPOCH, 1);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
}

static void test_calling_again_clears(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);

        lose(h, 1);
        send_report(h, links[2], 1);
        assert_int_not_equal(harness_open(h, &peer), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
}

static void test_a_restart_proves_nobody_wrong(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);

        lose(h, 1);
        send_report(h, links[2], 1);
        peer.epoch++;
        answer_dial_back(h, &peer);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);

        links[1] = register_peer(h, 1, 4);
        lose(h, 1);
        send_report(h, links[2], 1);
        assert_int_not_equal(harness_open(h, &peer), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
}

static void test_reports_that_cannot_be_meant_are_ignored(void **state) {
        Harness *h = *state;
        Other stranger = harness_peer(60);
        LinkId link = harness_open(h, &stranger);
        Message report;

        send_report(h, link, 1);                        /* from one who is not registered */
        send_report(h, links[2], 2);                    /* about itself */
        send_report(h, links[2], 61);                   /* about nobody */
        message_set(&report, MESSAGE_DEAD_REPORT, dead_report, .id = ID(1), .epoch = HARNESS_EPOCH - 1);
        harness_send(h, links[2], &report);             /* about an earlier life */
        message_set(&report, MESSAGE_DEAD_REPORT, dead_report, .id = ID(1), .epoch = HARNESS_EPOCH, .incarnation = 1);
        harness_send(h, links[2], &report);             /* about what we do not hold */

        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_RECEIVED), 5);
}

static void test_the_gone_are_not_reported(void **state) {
        Harness *h = *state;
        Message leave;

        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, links[1], &leave);
        send_report(h, links[2], 1);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
}

static void test_leaving_ends_the_accusation(void **state) {
        Harness *h = *state;
        Message leave;

        send_report(h, links[2], 1);
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, links[1], &leave);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
}

static void test_ending_all_sessions_says_nothing_about_the_accused(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);

        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
        strcpy(settings.network, "other");
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        assert_int_equal(harness_dialled(h, NULL), 0);
        harness_advance(h, SEC);
        refuse_both(h, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_nobody_is_made_to_hammer_a_third_party(void **state) {
        Harness *h = *state;
        unsigned n_dials = 0;

        /* Many ids, all with the address of one victim; each is reported by three peers. */
        for (uint8_t n = 20; n < 36; n++) {
                Other other = harness_peer(n);
                Record record;
                LinkId link;

                other.addresses[0] = harness_address(99, 80);
                record = harness_record(&other);
                link = harness_open(h, &other);
                send_register(h, link, &record, 4);
                harness_change(h, link, LINK_RESET);
                for (uint8_t reporter = 2; reporter < 5; reporter++)
                        send_report(h, links[reporter], n);
        }
        for (unsigned i = 0; i < 100; i++) {
                LinkId link;

                while ((link = harness_dialled(h, NULL))) {
                        n_dials++;
                        harness_change(h, link, LINK_REFUSED);
                }
                harness_advance(h, 100 * USEC_PER_MSEC - 1);
        }
        assert_int_equal(n_dials, TARGET_ADDRESS_DIALS);

        /* Those that have to wait get their turn. */
        harness_advance(h, USEC_PER_SEC);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
}

static void test_at_most_64_dial_backs_run_at_a_time(void **state) {
        Harness *h = *state;
        unsigned n_dials = 0;
        LinkId link = 0, last = 0;

        for (unsigned i = 20; i < 120; i++) {
                harness_change(h, register_peer(h, (uint8_t) i, 4), LINK_RESET);
                send_report(h, links[2 + i % 7], (uint8_t) i);
        }
        assert_int_equal(reports_n_accusations(harness_node(h)), 100);
        while ((link = harness_dialled(h, NULL))) {
                last = link;
                n_dials++;
        }
        assert_int_equal(n_dials, DIAL_BACKS_MAX);

        /* One more may begin when one has ended, here with its second try. */
        harness_change(h, last, LINK_REFUSED);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
        assert_int_equal(harness_dialled(h, NULL), 0);
        harness_advance(h, USEC_PER_SEC);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
}

static void test_classic_believes_the_first_report(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_CLASSIC);

        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        send_report(h, links[2], 1);
        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(harness_notice(h, NOTICE_REPORTED_DEAD)->n_max, 1);
        assert_int_equal(expect(h, links[1], MESSAGE_ACCUSED)->accused.held.state, MEMBER_DEAD);
}

static void test_a_clock_jump_drops_all_accusations(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        send_report(h, links[3], 1);
        harness_sleep(h, 3600 * USEC_PER_SEC);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        harness_advance(h, 10 * USEC_PER_SEC);
        assert_true(is_listed(h, 1));
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);
}

static void test_stopping_dials_nobody(void **state) {
        Harness *h = *state;

        lose(h, 1);
        send_report(h, links[2], 1);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
        harness_stop(h);
        assert_int_equal(harness_dialled(h, NULL), 0);
        assert_int_equal(harness_n_up(h), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peers, teardown)
                TEST(test_two_reporters_and_a_failed_dial_back_are_a_death),
                TEST(test_the_second_report_may_come_while_we_dial),
                TEST(test_the_same_reporter_twice_is_one),
                TEST(test_a_tombstone_of_a_dead_one_lasts_a_day),
                TEST(test_a_silent_host_costs_two_tries_of_a_second),
                TEST(test_a_connection_alone_is_no_answer),
                TEST(test_another_id_at_the_address_is_no_answer),
                TEST(test_an_answer_to_the_dial_back_clears),
                TEST(test_who_answers_and_does_not_refute_is_let_go),
                TEST(test_a_dial_back_takes_no_other_message),
                TEST(test_the_accused_is_asked_on_its_session_and_pong_clears),
                TEST(test_who_answers_the_dial_back_is_told_on_its_own_session_too),
                TEST(test_a_refused_dial_back_waits_for_the_pong),
                TEST(test_a_pong_that_does_not_come_is_a_death),
                TEST(test_the_dead_one_refutes_on_its_session),
                TEST(test_a_session_that_ends_needs_no_waiting),
                TEST(test_a_renewal_clears),
                TEST(test_a_refutation_clears),
                TEST(test_calling_again_clears),
                TEST(test_a_restart_proves_nobody_wrong),
                TEST(test_reports_that_cannot_be_meant_are_ignored),
                TEST(test_the_gone_are_not_reported),
                TEST(test_leaving_ends_the_accusation),
                TEST(test_ending_all_sessions_says_nothing_about_the_accused),
                TEST(test_nobody_is_made_to_hammer_a_third_party),
                TEST(test_at_most_64_dial_backs_run_at_a_time),
                TEST(test_classic_believes_the_first_report),
                TEST(test_a_clock_jump_drops_all_accusations),
                TEST(test_stopping_dials_nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
