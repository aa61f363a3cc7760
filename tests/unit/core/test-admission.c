/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.1: who asks for a link and gets it, who is refused, and what full nodes do before that. */

#include "overlay.h"

static void test_callers_are_accepted_up_to_the_cap(void **state) {
        Harness *h = *state;
        LinkId link;

        for (uint8_t n = 1; n <= 8; n++) {
                const Notice *notice;

                link = ask(h, n, PRIORITY_LOW);
                assert_int_equal(expect(h, link, MESSAGE_ACCEPT)->accept.n_links, n);
                notice = harness_notice(h, NOTICE_LINKED);
                assert_non_null(notice);
                assert_true(notice->incoming);
                assert_int_equal(notice->n, n);
                assert_int_equal(notice->n_max, 8);
        }
        link = ask(h, 9, PRIORITY_LOW);
        expect_busy(h, link);
        assert_int_equal(counted(h, COUNTER_BUSY_SENT), 1);
        assert_int_equal(n_links(h), 8);
        assert_true(member_of(h, 8).incoming);
}

static void test_busy_names_others(void **state) {
        Harness *h = *state;
        const Message *busy;
        LinkId link, seed = set_seed(h);
        Record here = record_of(50, MEMBER_ALIVE);

        here.addresses[0] = harness_loopback(6000);
        send_list_ok(h, seed, 1, &here, 1);
        send_record(h, seed, 51, MEMBER_SUSPECT);
        for (uint8_t n = 1; n <= 8; n++)
                link_in(h, n);
        for (unsigned i = 0; i < 20; i++) {
                link = ask(h, 9, PRIORITY_LOW);
                busy = expect(h, link, MESSAGE_BUSY);
                assert_in_range(busy->busy.n_addresses, 1, 8);
                for (size_t j = 0; j < busy->busy.n_addresses; j++) {
                        /* Alive, and not the caller itself; nobody whom it could not dial. */
                        assert_in_range(busy->busy.addresses[j].bytes[3], 1, 8);
                        assert_int_equal(busy->busy.addresses[j].bytes[0], 10);
                }
                send_close(h, link, CLOSE_DONE);
        }
}

static void test_who_was_refused_has_to_go(void **state) {
        _cleanup_(harness_freep) Harness *h = quiet_peer(1);
        LinkId link;
        (void) state;

        link_in(h, 1);
        link = ask(h, 2, PRIORITY_LOW);
        expect(h, link, MESSAGE_BUSY);
        harness_advance(h, 5 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_IDLE);
}

static void test_an_isolated_caller_gets_the_extra_place(void **state) {
        const Priority priorities[] = { PRIORITY_HIGH, PRIORITY_MERGE };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(priorities); i++) {
                _cleanup_(harness_freep) Harness *h = quiet_peer(3);
                LinkId links[3];

                for (uint8_t n = 1; n <= 3; n++) {
                        Other other = harness_peer(n);

                        links[n - 1] = link_in_of(h, &other, n == 2 ? 9 : 3);
                }
                expect_accepted(h, ask(h, 4, priorities[i]));
                assert_int_equal(n_links(h), 4);

                /* It is taken: whoever has the most links will miss this one least. */
                harness_drop_sent(h);
                expect_accepted(h, ask(h, 5, priorities[i]));
                expect_disconnected(h, links[1], CLOSE_BUSY);
                assert_int_equal(n_links(h), 4);
                assert_int_equal(member_of(h, 2).state, MEMBER_ALIVE);
                expect_busy(h, ask(h, 6, PRIORITY_LOW));
        }
}

static void test_the_extra_place_is_given_once_in_30_seconds_per_id(void **state) {
        _cleanup_(harness_freep) Harness *h = quiet_peer(1);
        LinkId link;
        (void) state;

        harness_set_answering(h, true);
        link_in(h, 1);
        link = ask(h, 2, PRIORITY_HIGH);
        expect_accepted(h, link);
        send_disconnect(h, link, CLOSE_DONE);
        harness_advance(h, 1 * SEC);
        expect_busy(h, ask(h, 2, PRIORITY_HIGH));
        expect_busy(h, ask(h, 2, PRIORITY_MERGE));
        expect_accepted(h, ask(h, 3, PRIORITY_HIGH));           /* of another id */
        harness_advance(h, 29 * SEC - 1);
        link = ask(h, 2, PRIORITY_HIGH);
        harness_advance(h, 1);                  /* it may have had to wait for silent links */
        assert_non_null(harness_find(h, link, MESSAGE_BUSY));
        send_close(h, link, CLOSE_DONE);
        expect_accepted(h, ask(h, 2, PRIORITY_HIGH));
}

static void test_a_high_caller_takes_no_extra_place_while_there_is_room(void **state) {
        _cleanup_(harness_freep) Harness *h = quiet_peer(2);
        (void) state;

        expect_accepted(h, ask(h, 1, PRIORITY_HIGH));
        send_disconnect(h, 3, CLOSE_DONE);
        expect_accepted(h, ask(h, 1, PRIORITY_HIGH));           /* at once, it was an ordinary place */
        expect_accepted(h, ask(h, 2, PRIORITY_LOW));
        expect_accepted(h, ask(h, 3, PRIORITY_HIGH));
        assert_int_equal(n_links(h), 3);
}

/* ---- asking the silent before anybody is refused ---- */

static void test_silent_links_are_asked_before_a_caller_is_refused(void **state) {
        _cleanup_(harness_freep) Harness *h = quiet_peer(2);
        LinkId silent = link_in(h, 1), heard = link_in(h, 2), link;
        uint64_t nonce;
        (void) state;

        /* Both have just answered; then one of them says nothing for 2 s, while nobody asks it. */
        harness_advance(h, 1 * SEC);
        send_pong(h, silent, harness_find(h, silent, MESSAGE_PING)->ping.nonce, 0);
        send_pong(h, heard, harness_find(h, heard, MESSAGE_PING)->ping.nonce, 0);
        harness_advance(h, 1999 * MSEC);
        harness_drop_sent(h);
        send_ping(h, heard, 1);
        harness_drop_sent(h);
        harness_advance(h, 1 * MSEC);
        harness_drop_sent(h);

        link = ask(h, 3, PRIORITY_LOW);
        expect_nothing(h, link);
        assert_null(harness_find(h, heard, MESSAGE_PING));
        nonce = 1;
        send_pong(h, silent, nonce, 0);         /* any sign of life */
        expect_busy(h, link);
        assert_int_equal(n_links(h), 2);
}

/* Links that have been silent for two seconds, with a first question under way for less than that. */
static void make_silent(Harness *h) {
        harness_set_answering(h, true);
        harness_advance(h, 10 * SEC);
        harness_set_answering(h, false);
        harness_advance(h, 2 * SEC + 200 * MSEC);
        harness_drop_sent(h);
}

static void test_a_dead_link_makes_room(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_WAN);    /* asks by itself after 5 s only */
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId dead, living, link;
        const Notice *notice;
        (void) state;

        settings.params.links_inbound = 2;
        h = peer_new(&settings);
        dead = link_in(h, 1);
        living = link_in(h, 2);
        make_silent(h);

        link = ask(h, 3, PRIORITY_LOW);
        assert_non_null(harness_find(h, dead, MESSAGE_PING));
        send_pong(h, living, harness_find(h, living, MESSAGE_PING)->ping.nonce, 0);
        harness_advance(h, 1 * SEC - 1);        /* the time-out of a strike is 1.5 s here: 1 s is the most */
        expect_nothing(h, link);
        harness_drop_sent(h);
        harness_advance(h, 1);
        expect_accepted(h, link);
        assert_int_equal(harness_find(h, dead, MESSAGE_CLOSE)->close.reason, CLOSE_TIMEOUT);
        assert_true(harness_is_up(h, living));
        assert_int_equal(n_links(h), 2);

        /* That was one strike, no more: it is called, and accused if that does not help. */
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_non_null(notice);
        assert_int_equal(notice->reason, CLOSE_TIMEOUT);
        expect_dial(h, 1);
}

static void test_the_time_out_of_a_strike_is_enough_if_it_is_shorter(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId dead, link;
        (void) state;

        settings.params.links_inbound = 1;
        settings.params.liveness_interval_usec = 30 * SEC;
        h = peer_new(&settings);
        dead = link_in(h, 1);
        harness_advance(h, 3 * SEC);
        link = ask(h, 2, PRIORITY_LOW);
        expect(h, dead, MESSAGE_PING);
        harness_advance(h, 500 * MSEC - 1);
        expect_nothing(h, link);
        harness_advance(h, 1);
        expect_accepted(h, link);
}

static void test_all_that_wait_share_one_answer(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_WAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId dead[2], waiting[9];
        (void) state;

        settings.params.links_inbound = 2;
        h = peer_new(&settings);
        dead[0] = link_in(h, 1);
        dead[1] = link_in(h, 2);
        make_silent(h);

        for (uint8_t i = 0; i < 9; i++)
                waiting[i] = ask(h, (uint8_t) (10 + i), PRIORITY_LOW);
        expect_busy(h, waiting[8]);             /* eight may wait */
        for (unsigned i = 0; i < 8; i++)
                expect_nothing(h, waiting[i]);

        harness_change(h, waiting[0], LINK_CLOSED);     /* one does not wait for it */
        harness_advance(h, 1 * SEC);
        assert_false(harness_is_up(h, dead[0]));
        assert_false(harness_is_up(h, dead[1]));
        expect_accepted(h, waiting[1]);
        expect_accepted(h, waiting[2]);
        for (unsigned i = 3; i < 8; i++)
                expect_busy(h, waiting[i]);
        assert_int_equal(n_links(h), 2);
}

static void test_a_later_caller_gives_a_silent_link_no_more_time(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_WAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId first, second;
        (void) state;

        settings.params.links_inbound = 1;
        h = peer_new(&settings);
        link_in(h, 1);
        make_silent(h);
        first = ask(h, 2, PRIORITY_LOW);
        harness_advance(h, 900 * MSEC);
        second = ask(h, 3, PRIORITY_LOW);
        harness_advance(h, 100 * MSEC);
        expect_accepted(h, first);
        expect_busy(h, second);
}

static void test_a_link_that_breaks_meanwhile_makes_room_at_once(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_WAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId dead, link;
        (void) state;

        settings.params.links_inbound = 1;
        h = peer_new(&settings);
        dead = link_in(h, 1);
        make_silent(h);
        link = ask(h, 2, PRIORITY_LOW);
        expect_nothing(h, link);
        harness_change(h, dead, LINK_RESET);
        expect_accepted(h, link);
}

#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST_QUIET(test_callers_are_accepted_up_to_the_cap),
                TEST_QUIET(test_busy_names_others),
                cmocka_unit_test(test_who_was_refused_has_to_go),
                cmocka_unit_test(test_an_isolated_caller_gets_the_extra_place),
                cmocka_unit_test(test_the_extra_place_is_given_once_in_30_seconds_per_id),
                cmocka_unit_test(test_a_high_caller_takes_no_extra_place_while_there_is_room),
                cmocka_unit_test(test_silent_links_are_asked_before_a_caller_is_refused),
                cmocka_unit_test(test_a_dead_link_makes_room),
                cmocka_unit_test(test_the_time_out_of_a_strike_is_enough_if_it_is_shorter),
                cmocka_unit_test(test_all_that_wait_share_one_answer),
                cmocka_unit_test(test_a_later_caller_gives_a_silent_link_no_more_time),
                cmocka_unit_test(test_a_link_that_breaks_meanwhile_makes_room_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
