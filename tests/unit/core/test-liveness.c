/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.3: when a link is asked whether it lives, and when it has not answered. */

#include "overlay.h"

#include "core/node-internal.h"

/* Time until a PING is sent on that link; what else is sent on it is dropped. */
static usec_t time_to_ping(Harness *h, LinkId link) {
        usec_t since_usec = harness_now(h);

        while (!harness_find(h, link, MESSAGE_PING)) {
                assert_true(harness_now(h) < since_usec + 100 * SEC);
                assert_true(harness_is_up(h, link));
                harness_advance(h, 1 * MSEC);
        }
        return harness_now(h) - since_usec;
}

/* Answers the PING that time_to_ping() waits for, after that time. */
static void answer_after(Harness *h, LinkId link, usec_t delay_usec) {
        const Message *ping;

        while (!(ping = harness_find(h, link, MESSAGE_PING)))
                harness_advance(h, 1 * MSEC);

        uint64_t nonce = ping->ping.nonce;

        harness_advance(h, delay_usec);
        send_pong(h, link, nonce, 4);
}

static unsigned n_pings(Harness *h, LinkId link) {
        unsigned n = 0;

        while (harness_find(h, link, MESSAGE_PING))
                n++;
        return n;
}

static usec_t rtt(Harness *h, uint8_t n) {
        return member_of(h, n).rtt_usec;
}

/* The link is silent from now on: the strikes come at such intervals, and then it counts no more. */
static void expect_strikes(Harness *h, LinkId link, usec_t timeout_usec) {
        uint64_t n_strikes = counted(h, COUNTER_STRIKES);
        unsigned n_up = n_links(h);

        time_to_ping(h, link);
        for (unsigned i = 1; i < 3; i++) {
                harness_advance(h, timeout_usec - 2 * MSEC);
                assert_null(harness_find(h, link, MESSAGE_PING));
                harness_advance(h, 2 * MSEC);
                assert_non_null(harness_find(h, link, MESSAGE_PING));
                assert_int_equal(counted(h, COUNTER_STRIKES), n_strikes + i);
        }
        harness_advance(h, timeout_usec - 2 * MSEC);
        assert_int_equal(n_links(h), n_up);
        harness_advance(h, 2 * MSEC);
        assert_int_equal(n_links(h), n_up - 1);
        assert_int_equal(counted(h, COUNTER_STRIKES), n_strikes + 3);
}

/* ---- when ---- */

/* When a node of that id first asks its link: at its first tick, for it has no sample of the round-trip time. */
static usec_t first_ping(uint8_t id) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        usec_t since_usec;
        LinkId link;

        settings.params.liveness_in_step = false;
        h = harness_new(&settings, id);
        harness_start(h);
        link = link_in(h, 1);
        since_usec = harness_now(h);
        while (!harness_find(h, link, MESSAGE_PING)) {
                assert_true(harness_now(h) <= since_usec + 1 * SEC);
                harness_advance(h, 5 * MSEC);
        }
        return harness_now(h) - since_usec;
}

static void test_nodes_that_start_together_do_not_ask_in_step(void **state) {
        usec_t earliest_usec = USEC_INFINITY, latest_usec = 0;
        (void) state;

        for (uint8_t id = 50; id < 66; id++) {
                usec_t usec = first_ping(id);

                assert_int_equal(usec, first_ping(id));
                earliest_usec = MIN(earliest_usec, usec);
                latest_usec = MAX(latest_usec, usec);
        }
        assert_true(earliest_usec < 250 * MSEC);
        assert_true(latest_usec > 750 * MSEC);
}

static void test_a_silent_link_is_asked_every_interval(void **state) {
        Harness *h = *state;
        LinkId link;

        harness_set_answering(h, true);
        link = link_in(h, 1);
        harness_advance(h, 60 * SEC);
        assert_in_range(n_pings(h, link), 29, 60);      /* an answer is a sign of life, so every one or two */
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
}

/* Until then each call for a timer is so late. */
static void advance_late(Harness *h, usec_t end_usec, usec_t late_usec) {
        while (node_deadline(harness_node(h)) + late_usec < end_usec)
                harness_sleep(h, node_deadline(harness_node(h)) + late_usec - harness_now(h));
}

static void test_an_answer_counts_that_comes_sooner_than_our_timers(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        usec_t end_usec = harness_now(h) + 60 * SEC;
        unsigned n = 0;

        while (harness_now(h) + 1 * SEC < end_usec) {
                const Message *ping = harness_find(h, link, MESSAGE_PING);

                if (ping) {
                        uint64_t nonce = ping->ping.nonce;

                        n++;
                        harness_advance(h, 200);
                        send_pong(h, link, nonce, 4);
                }
                advance_late(h, harness_now(h) + 500 * MSEC, 1 * MSEC);
                harness_advance(h, 1 * MSEC);
        }
        assert_in_range(n, 29, 32);                     /* at every second tick */
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
}

static void test_a_tick_that_is_very_late_asks_whoever_was_silent_until_then(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        usec_t since_usec;

        answer_after(h, link, 1 * MSEC);
        since_usec = harness_now(h);
        harness_sleep(h, node_deadline(harness_node(h)) - since_usec + 300 * MSEC);
        answer_after(h, link, 0);
        assert_in_range(harness_now(h) - since_usec, 1290 * MSEC, 1310 * MSEC);
        assert_in_range(time_to_ping(h, link), 999 * MSEC, 2001 * MSEC);
}

static void test_a_link_that_is_heard_is_asked_every_30_seconds_only(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        usec_t last_usec;

        answer_after(h, link, 0);                       /* the first tick asks: nothing has been measured yet */
        last_usec = harness_now(h);
        for (unsigned i = 0; i < 3; i++) {
                while (!harness_find(h, link, MESSAGE_PING)) {
                        harness_advance(h, 100 * MSEC);
                        harness_send_bytes(h, link, (uint8_t[]) { 0, 0, 0, 2, 0x7e, 0 }, 6);    /* anything at all */
                }
                assert_in_range(harness_now(h) - last_usec, 30 * SEC - 100 * MSEC, 31 * SEC + 100 * MSEC);
                last_usec = harness_now(h);
        }
}

static void test_one_tick_asks_all(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second;

        harness_advance(h, 300 * MSEC);
        second = link_in(h, 2);
        harness_advance(h, 700 * MSEC - 1);
        assert_int_equal(n_pings(h, first) + n_pings(h, second), 0);
        harness_advance(h, 1);
        assert_int_equal(n_pings(h, first), 1);
        assert_int_equal(n_pings(h, second), 1);
        assert_int_equal(counted(h, COUNTER_PINGS_SENT), 2);
}

static void test_only_links_are_asked(void **state) {
        Harness *h = *state;
        Other caller = harness_peer(1);
        LinkId seed = set_seed(h), session = harness_open(h, &caller);

        harness_advance(h, 20 * SEC);
        assert_int_equal(n_pings(h, seed), 0);
        assert_int_equal(n_pings(h, session), 0);
        assert_true(harness_is_up(h, seed));
}

static void test_each_profile_has_its_interval(void **state) {
        static const struct {
                Profile profile;
                usec_t interval_usec, floor_usec;
        } profiles[] = {
                { PROFILE_LOCAL, 500 * MSEC, 100 * MSEC },
                { PROFILE_LAN, 1 * SEC, 500 * MSEC },
                { PROFILE_WAN, 5 * SEC, 1500 * MSEC },
                { PROFILE_CLASSIC, 13 * SEC, 13 * SEC },
        };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
                NodeSettings settings = quiet_settings(profiles[i].profile);
                _cleanup_(harness_freep) Harness *h = peer_new(&settings);
                LinkId link = link_in(h, 1);

                harness_advance(h, profiles[i].interval_usec - 1);
                assert_int_equal(n_pings(h, link), 0);
                harness_advance(h, 1);
                assert_int_equal(n_pings(h, link), 1);
                harness_advance(h, profiles[i].floor_usec - 1);
                assert_int_equal(counted(h, COUNTER_STRIKES), 0);
                harness_advance(h, 1);
                assert_int_equal(counted(h, COUNTER_STRIKES), 1);
        }
}

/* ---- strikes ---- */

static void test_three_strikes_and_it_is_accused(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);
        const Notice *notice;

        expect_strikes(h, link, 500 * MSEC);            /* the floor */
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
        notice = harness_notice(h, NOTICE_SILENT);
        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], 1);
        assert_int_equal(notice->evidence, EVIDENCE_SILENT);
        assert_int_equal(notice->n, 3);
        assert_int_equal(notice->n_max, 1);
        assert_in_range(notice->duration, 1500 * MSEC, 1501 * MSEC);
        assert_non_null(harness_notice(h, NOTICE_SUSPECT));
        assert_int_equal(harness_find(h, seed, MESSAGE_DEAD_REPORT)->dead_report.id.bytes[0], 1);
        assert_int_equal(harness_notice(h, NOTICE_UNLINKED)->reason, CLOSE_TIMEOUT);
        assert_int_equal(n_links(h), 0);
}

static void test_an_answer_wipes_out_the_strikes(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        for (unsigned i = 0; i < 3; i++) {
                time_to_ping(h, link);
                harness_advance(h, 1400 * MSEC);        /* two strikes */
                assert_int_equal(n_pings(h, link), 2);
                harness_send_bytes(h, link, (uint8_t[]) { 0 }, 1);      /* one byte of whatever it is */
        }
        assert_int_equal(counted(h, COUNTER_STRIKES), 6);
        assert_true(harness_is_up(h, link));
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        expect_strikes(h, link, 500 * MSEC);
}

static void test_strikes_of_one_link_do_not_count_for_another(void **state) {
        Harness *h = *state;
        LinkId silent = link_in(h, 1), heard = link_in(h, 2);

        harness_set_answering(h, true);
        harness_set_silent(h, silent);
        harness_advance(h, 12 * SEC);
        assert_false(harness_is_up(h, silent));
        assert_true(harness_is_up(h, heard));
        assert_int_equal(member_of(h, 2).state, MEMBER_ALIVE);
}

static void test_classic_strikes_13_seconds_apart_whatever_the_round_trip(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LinkId link = link_in(h, 1);
        (void) state;

        answer_after(h, link, 4 * SEC);
        expect_strikes(h, link, 13 * SEC);
}

/* ---- the time-out of a strike ---- */

static void test_the_handshake_is_the_first_sample(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = dial_to(h, 1);

        harness_change(h, link, LINK_CONNECTED);
        harness_advance(h, 400 * MSEC);
        send_hello_ok(h, link, &other);
        send_accept(h, link, 0);
        assert_int_equal(rtt(h, 1), 400 * MSEC);
        expect_strikes(h, link, 4 * 400 * MSEC + 4 * 50 * MSEC);        /* rttvar: an eighth */
}

static void test_samples_are_smoothed_as_in_rfc_6298(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const usec_t samples[] = { 400 * MSEC, 200 * MSEC, 200 * MSEC, 440 * MSEC };
        usec_t srtt = 0, rttvar = 0;

        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                usec_t r = samples[i];

                answer_after(h, link, r);
                if (i == 0) {
                        srtt = r;
                        rttvar = r / 8;
                } else {
                        rttvar = (3 * rttvar + (srtt > r ? srtt - r : r - srtt)) / 4;
                        srtt = (7 * srtt + r) / 8;
                }
                assert_int_equal(rtt(h, 1), srtt);
        }
        expect_strikes(h, link, 4 * srtt + 4 * rttvar);
}

static void test_a_strike_is_never_shorter_than_the_floor(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        answer_after(h, link, 1 * MSEC);
        assert_int_equal(rtt(h, 1), 1 * MSEC);
        expect_strikes(h, link, 500 * MSEC);
}

static void test_a_strike_is_never_longer_than_the_ceiling(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.liveness_floor_usec = 2 * SEC;
        h = peer_new(&settings);
        link = link_in(h, 1);
        answer_after(h, link, 1 * SEC);                 /* which would make 4.5 s */
        expect_strikes(h, link, 3 * SEC);
}

/* Its host was frozen, perhaps: no message takes so long. */
static void test_an_answer_that_was_held_up_measures_nothing(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.liveness_floor_usec = 2 * SEC;
        h = peer_new(&settings);
        link = link_in(h, 1);
        answer_after(h, link, 1 * SEC + 1 * MSEC);
        assert_true(harness_is_up(h, link));
        assert_int_equal(rtt(h, 1), 0);
}

static void test_a_floor_above_the_ceiling_counts(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        (void) state;

        settings.params.liveness_floor_usec = 4 * SEC;
        h = peer_new(&settings);
        expect_strikes(h, link_in(h, 1), 4 * SEC);
}

static void test_an_answer_to_an_earlier_ping_proves_life_and_measures_nothing(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        uint64_t nonce;

        harness_advance(h, 1 * SEC);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        harness_advance(h, 600 * MSEC);
        expect(h, link, MESSAGE_PING);                  /* the second one, after a strike */
        send_pong(h, link, nonce, 4);
        assert_int_equal(rtt(h, 1), 0);
        harness_advance(h, 300 * MSEC);
        assert_int_equal(n_pings(h, link), 0);
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);
}

/* ---- the clock of a PING ---- */

static void test_with_nothing_in_front_the_clock_runs_at_once(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_backlog(h, link, 0);
        expect_strikes(h, link, 500 * MSEC);
}

static void test_a_link_that_drains_is_not_dead(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_backlog(h, link, 100000);
        time_to_ping(h, link);
        for (size_t n_ahead = 99999; n_ahead > 99900; n_ahead--) {
                harness_set_backlog(h, link, n_ahead);
                harness_advance(h, 500 * MSEC);         /* looked at, and it has shrunk */
        }
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
        assert_true(harness_is_up(h, link));
        assert_int_equal(n_pings(h, link), 0);

        /* Once all is acknowledged the PING has the whole of its time. */
        harness_set_backlog(h, link, 0);
        harness_advance(h, 500 * MSEC);
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
        harness_advance(h, 500 * MSEC - 1);
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
        harness_advance(h, 1);
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);
}

static void test_a_backlog_that_does_not_shrink_is_a_strike(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_backlog(h, link, 1000);
        expect_strikes(h, link, 500 * MSEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
}

static void test_a_backlog_that_grows_is_a_strike(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_backlog(h, link, 1000);
        time_to_ping(h, link);
        harness_set_backlog(h, link, 2000);
        harness_advance(h, 500 * MSEC);
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);
}

static void test_a_backlog_that_stops_shrinking_is_a_strike(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_backlog(h, link, 1000);
        time_to_ping(h, link);
        harness_set_backlog(h, link, 400);
        harness_advance(h, 500 * MSEC);
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
        harness_advance(h, 500 * MSEC);
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);
}

static void test_what_is_acknowledged_after_an_answer_means_nothing(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_backlog(h, link, 1000);
        answer_after(h, link, 10 * MSEC);
        assert_int_equal(node_on_backlog(harness_node(h), link, 1000, harness_now(h)), 0);
        harness_settle(h);
        harness_advance(h, 800 * MSEC);
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
}

/* ---- questions of others ---- */

static void test_a_ping_is_answered_at_once_with_its_nonce(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Message *pong;
        Message ping;

        link_in(h, 2);
        harness_drop_sent(h);
        message_set(&ping, MESSAGE_PING, ping, .nonce = UINT64_MAX, .n_links = 7);
        harness_send(h, link, &ping);
        pong = expect(h, link, MESSAGE_PONG);
        assert_true(pong->ping.nonce == UINT64_MAX);
        assert_int_equal(pong->ping.n_links, 2);
        assert_int_equal(member_of(h, 1).n_links, 7);
        send_pong(h, link, 1, 9);
        assert_int_equal(member_of(h, 1).n_links, 9);
}

static void test_whose_pings_we_answer_need_not_be_asked(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        answer_after(h, link, 1 * MSEC);
        for (unsigned i = 0; i < 25; i++) {
                harness_advance(h, 900 * MSEC);
                send_ping(h, link, i);
        }
        assert_int_equal(n_pings(h, link), 0);
}

/* ---- sleep ---- */

static void test_who_has_slept_forgets_all_strikes(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Notice *notice;

        time_to_ping(h, link);
        harness_advance(h, 1200 * MSEC);
        assert_int_equal(counted(h, COUNTER_STRIKES), 2);
        harness_sleep(h, 20 * SEC);
        notice = harness_notice(h, NOTICE_CLOCK_JUMP);
        assert_non_null(notice);
        assert_in_range(notice->duration, 15 * SEC, 20 * SEC);
        assert_true(harness_is_up(h, link));
        harness_drop_sent(h);

        /* Nobody is asked for one interval, and then from the first strike on. */
        harness_advance(h, 1 * SEC - 1);
        assert_int_equal(n_pings(h, link), 0);
        assert_int_equal(counted(h, COUNTER_STRIKES), 2);
        expect_strikes(h, link, 500 * MSEC);
}

static void test_a_little_late_is_not_asleep(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        time_to_ping(h, link);
        harness_advance(h, 400 * MSEC);                 /* others have been asked, had there been any */
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
        harness_sleep(h, node_deadline(harness_node(h)) - harness_now(h) + CLOCK_JUMP_USEC);
        assert_null(harness_notice(h, NOTICE_CLOCK_JUMP));
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                cmocka_unit_test(test_nodes_that_start_together_do_not_ask_in_step),
                TEST(test_a_silent_link_is_asked_every_interval),
                TEST(test_an_answer_counts_that_comes_sooner_than_our_timers),
                TEST(test_a_tick_that_is_very_late_asks_whoever_was_silent_until_then),
                TEST(test_a_link_that_is_heard_is_asked_every_30_seconds_only),
                TEST(test_one_tick_asks_all),
                TEST(test_only_links_are_asked),
                cmocka_unit_test(test_each_profile_has_its_interval),
                TEST(test_three_strikes_and_it_is_accused),
                TEST(test_an_answer_wipes_out_the_strikes),
                TEST(test_strikes_of_one_link_do_not_count_for_another),
                cmocka_unit_test(test_classic_strikes_13_seconds_apart_whatever_the_round_trip),
                TEST(test_the_handshake_is_the_first_sample),
                TEST(test_samples_are_smoothed_as_in_rfc_6298),
                TEST(test_a_strike_is_never_shorter_than_the_floor),
                cmocka_unit_test(test_a_strike_is_never_longer_than_the_ceiling),
                cmocka_unit_test(test_an_answer_that_was_held_up_measures_nothing),
                cmocka_unit_test(test_a_floor_above_the_ceiling_counts),
                TEST(test_an_answer_to_an_earlier_ping_proves_life_and_measures_nothing),
                TEST(test_with_nothing_in_front_the_clock_runs_at_once),
                TEST(test_a_link_that_drains_is_not_dead),
                TEST(test_a_backlog_that_does_not_shrink_is_a_strike),
                TEST(test_a_backlog_that_grows_is_a_strike),
                TEST(test_a_backlog_that_stops_shrinking_is_a_strike),
                TEST(test_what_is_acknowledged_after_an_answer_means_nothing),
                TEST(test_a_ping_is_answered_at_once_with_its_nonce),
                TEST(test_whose_pings_we_answer_need_not_be_asked),
                TEST(test_who_has_slept_forgets_all_strikes),
                TEST(test_a_little_late_is_not_asleep),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
