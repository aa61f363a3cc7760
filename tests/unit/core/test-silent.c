/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.3: a link that used up its strikes is replaced, and stays open until the verdict. */

#include "overlay.h"

/* Until its strikes are used up, and @n_up links are left. */
static void until_silent(Harness *h, unsigned n_up) {
        usec_t since_usec = harness_now(h);

        while (n_links(h) > n_up) {
                assert_true(harness_now(h) < since_usec + 10 * SEC);
                harness_advance(h, 10 * MSEC);
        }
}

/* Of all links, of which there are two, that one alone. */
static void only_silent(Harness *h, LinkId link) {
        harness_set_answering(h, true);
        harness_set_silent(h, link);
        until_silent(h, 1);
}

/* One that wants @n_out links, and takes @n_in callers; everybody else answers its liveness requests. */
static Harness *peer_wanting(unsigned n_out, unsigned n_in) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        Harness *h;

        settings.params.links_outgoing = n_out;
        settings.params.links_inbound = n_in;
        h = peer_new(&settings);
        harness_set_answering(h, true);
        return h;
}

/* Whatever it is. */
static void send_anything(Harness *h, LinkId link) {
        harness_send_bytes(h, link, (uint8_t[]) { 0, 0, 0, 2, 0x7e, 0 }, 6);
}

static void expect_no_link(Harness *h, LinkId link) {
        assert_true(harness_is_up(h, link));
        assert_false(member_of(h, 1).linked);
        assert_int_equal(n_links(h), 0);
}

static void expect_timed_out(Harness *h, LinkId link) {
        const Message *message = harness_find(h, link, MESSAGE_CLOSE);

        assert_non_null(message);
        assert_int_equal(message->close.reason, CLOSE_TIMEOUT);
        assert_false(harness_is_up(h, link));
}

static void send_refutation(Harness *h, LinkId link, uint8_t of, uint32_t incarnation) {
        Message message = { .type = MESSAGE_MEMBERS };

        message.members.n_records = 1;
        message.members.records[0] = record_of(of, MEMBER_ALIVE);
        message.members.records[0].incarnation = incarnation;
        harness_send(h, link, &message);
}

static void test_it_counts_no_more_and_stays_open(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Notice *notice;

        until_silent(h, 0);
        expect_no_link(h, link);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_non_null(notice);
        assert_int_equal(notice->reason, CLOSE_TIMEOUT);
        assert_true(notice->by_us);
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
        assert_null(harness_find(h, link, MESSAGE_CLOSE));
}

/* On waking, it hears of it from each of its neighbours. */
static void test_the_accused_is_told_on_it(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Message *message;

        until_silent(h, 0);
        message = harness_find(h, link, MESSAGE_ACCUSED);
        assert_non_null(message);
        assert_int_equal(message->accused.held.state, MEMBER_SUSPECT);
        assert_int_equal(message->accused.held.epoch, member_of(h, 1).record->epoch);
}

static void test_it_is_replaced_at_once(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_wanting(1, 8);
        LinkId link, seed = set_seed(h);
        (void) state;

        send_record(h, seed, 1, MEMBER_ALIVE);
        link = expect_dial(h, 1);
        answer_neighbor(h, link, 1);
        send_accept(h, link, 4);
        harness_set_silent(h, link);
        send_record(h, seed, 2, MEMBER_ALIVE);
        expect_no_dial(h);
        until_silent(h, 0);
        answer_neighbor(h, expect_dial(h, 2), 2);
        assert_true(harness_is_up(h, link));
}

static void test_nothing_is_said_on_it(void **state) {
        Harness *h = *state;
        LinkId silent = link_in(h, 1), other = link_in(h, 2);
        MessageId id;

        only_silent(h, silent);
        harness_advance(h, 1 * SEC);                    /* the witness has had its time */
        assert_non_null(harness_find(h, silent, MESSAGE_ACCUSED));
        harness_drop_sent(h);
        assert_int_equal(peer_publish(harness_node(h), "/topic", slice_of("payload", 7), harness_now(h), &id), 0);
        harness_settle(h);
        harness_advance(h, 1500 * MSEC);
        assert_non_null(harness_find(h, other, MESSAGE_GOSSIP));
        assert_null(harness_next(h, silent));
}

static void test_whatever_comes_on_it_brings_it_back(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_wanting(0, 8);
        (void) state;

        for (unsigned i = 0; i < 2; i++) {
                uint8_t n = (uint8_t) (i + 1);
                LinkId link = i == 0 ? link_in(h, n) : link_out(h, n);

                harness_set_silent(h, link);
                until_silent(h, i);
                harness_advance(h, 1 * SEC);            /* the witness, if there is one, has had its time */
                assert_int_equal(member_of(h, n).state, MEMBER_SUSPECT);
                harness_drop_sent(h);
                while (harness_notice(h, NOTICE_LINKED))
                        ;
                send_anything(h, link);
                assert_int_equal(n_links(h), i + 1);
                assert_true(member_of(h, n).linked);
                assert_int_equal(member_of(h, n).state, MEMBER_ALIVE);
                assert_non_null(harness_notice(h, NOTICE_LINKED));
                assert_non_null(harness_notice(h, NOTICE_ALIVE));
                assert_non_null(harness_find(h, link, MESSAGE_MSG_RANGES));     /* what it has missed, or we have */
                send_close(h, link, CLOSE_DONE);
                link = link_in(h, n);
                harness_advance(h, 30 * SEC);           /* nobody is declared dead for what is over */
                assert_int_equal(member_of(h, n).state, MEMBER_ALIVE);
        }
        assert_null(harness_notice(h, NOTICE_DEAD));
}

static void test_before_the_witnesses_have_spoken_too(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), witness = link_in(h, 2);

        only_silent(h, link);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);          /* one is waited for */
        send_anything(h, link);
        assert_int_equal(n_links(h), 2);
        harness_set_silent(h, link);
        harness_advance(h, 600 * MSEC);
        assert_null(harness_notice(h, NOTICE_SILENT));
        assert_true(harness_is_up(h, witness));
}

static void test_the_surplus_goes_when_it_is_back(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_wanting(1, 8);
        LinkId link = link_out(h, 1), newer;
        (void) state;

        harness_set_silent(h, link);
        until_silent(h, 0);
        newer = link_out(h, 2);
        assert_int_equal(n_links(h), 1);
        send_anything(h, link);
        expect_disconnected(h, newer, CLOSE_BUSY);
        assert_true(harness_is_up(h, link));
        assert_true(member_of(h, 1).linked);
        assert_int_equal(n_links(h), 1);
}

static void test_so_does_a_surplus_of_callers(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_wanting(0, 1);
        LinkId first = link_in(h, 1), link, last;
        Other other = harness_peer(3);
        (void) state;

        harness_set_silent(h, first);
        until_silent(h, 0);
        link = link_in(h, 2);
        last = harness_open(h, &other);                 /* the place for those who have no link */
        send_neighbor(h, last, PRIORITY_HIGH, 0);
        expect_accepted(h, last);
        assert_int_equal(n_links(h), 2);
        send_anything(h, first);
        expect_disconnected(h, link, CLOSE_BUSY);       /* which has most links */
        assert_true(member_of(h, 1).linked);
        assert_int_equal(n_links(h), 2);
}

static void test_a_dial_for_its_place_that_is_too_late_is_given_up(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_wanting(1, 8);
        LinkId link, seed = set_seed(h), newer;
        (void) state;

        send_record(h, seed, 1, MEMBER_ALIVE);
        link = expect_dial(h, 1);
        answer_neighbor(h, link, 1);
        send_accept(h, link, 4);
        harness_set_silent(h, link);
        send_record(h, seed, 2, MEMBER_ALIVE);
        until_silent(h, 0);
        newer = expect_dial(h, 2);
        answer_neighbor(h, newer, 2);
        send_anything(h, link);
        send_accept(h, newer, 4);
        expect_disconnected(h, newer, CLOSE_BUSY);
        assert_int_equal(n_links(h), 1);
}

static void test_a_death_ends_it(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        until_silent(h, 0);
        while (harness_is_up(h, link)) {
                assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
                harness_advance(h, 10 * MSEC);
        }
        expect_timed_out(h, link);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_non_null(harness_notice(h, NOTICE_DEAD));
}

static void test_a_witness_that_hears_the_other_end_ends_it(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), witness = link_in(h, 2);
        uint64_t nonce;

        only_silent(h, link);
        nonce = harness_find(h, witness, MESSAGE_PROBE_REQ)->probe.nonce;
        assert_true(harness_is_up(h, link));
        send_probe(h, witness, MESSAGE_PROBE_ACK, nonce, 0);
        expect_timed_out(h, link);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
}

static void test_who_is_gone_by_its_own_account_needs_no_link(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), seed = set_seed(h);

        until_silent(h, 0);
        send_record(h, seed, 1, MEMBER_LEFT);
        expect_timed_out(h, link);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
}

/* It lives, and whether there is a way to it is asked once more. */
static void test_who_refutes_elsewhere_is_asked_on_it_again(void **state) {
        for (unsigned answers = 0; answers < 2; answers++) {
                _cleanup_(harness_freep) Harness *h = peer_wanting(0, 8);
                LinkId link = link_in(h, 1), other = link_in(h, 2);
                (void) state;

                harness_set_silent(h, link);
                until_silent(h, 1);
                harness_advance(h, 1 * SEC);
                assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
                harness_drop_sent(h);
                send_refutation(h, other, 1, 1);
                assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
                assert_int_equal(n_links(h), 1);
                assert_non_null(harness_find(h, link, MESSAGE_PING));
                if (answers)
                        send_anything(h, link);
                harness_drop_sent(h);
                harness_advance(h, 1400 * MSEC);
                assert_true(harness_is_up(h, link));
                assert_null(harness_find(h, other, MESSAGE_PROBE_REQ));
                harness_advance(h, 200 * MSEC);
                assert_int_equal(harness_is_up(h, link), answers);
                assert_int_equal(n_links(h), 1 + answers);
                assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
                if (answers)
                        assert_null(harness_find(h, link, MESSAGE_CLOSE));
                else
                        expect_timed_out(h, link);
                assert_non_null(harness_notice(h, NOTICE_SILENT));
                assert_null(harness_notice(h, NOTICE_SILENT));  /* accused once, and not for its bad link */
        }
}

static void test_when_its_connection_breaks_the_verdict_stands(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        until_silent(h, 0);
        harness_change(h, link, LINK_RESET);
        expect_no_dial(h);
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
        harness_advance(h, 10 * SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

/* Its process was started anew. */
static void test_a_later_life_takes_its_place(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), newer;
        Other other = harness_peer(1);

        until_silent(h, 0);
        other.epoch++;
        newer = link_in_of(h, &other, 4);
        assert_false(harness_is_up(h, link));
        assert_true(harness_is_up(h, newer));
        assert_int_equal(n_links(h), 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
}

/* The larger id leaves the elder session to the other end; it is no link again whatever comes on it. */
static void test_one_that_was_replaced_by_its_own_end_stays_so(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), newer;

        until_silent(h, 0);
        newer = link_in(h, 1);
        assert_true(harness_is_up(h, link));
        send_anything(h, link);
        assert_int_equal(n_links(h), 1);
        harness_set_answering(h, true);
        harness_advance(h, 12 * SEC);
        assert_false(harness_is_up(h, link));
        assert_true(harness_is_up(h, newer));
}

/* So much is told that no verdict is spoken (PROTOCOL.md, 6.4): it does not stay for ever. */
static void test_without_a_verdict_it_has_an_end(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_wanting(0, 8);
        LinkId link = link_in(h, 1), other = link_in(h, 2);
        usec_t since_usec;
        uint32_t incarnation = 1;
        (void) state;

        while (counted(h, COUNTER_NEWS_IGNORED) == 0) {
                assert_true(incarnation < 1000);
                send_refutation(h, other, 2, incarnation++);
                harness_advance(h, 25 * MSEC);
        }
        harness_set_silent(h, link);
        until_silent(h, 1);
        since_usec = harness_now(h);
        while (harness_is_up(h, link)) {
                assert_true(harness_now(h) < since_usec + 30 * SEC);
                harness_advance(h, 50 * MSEC);
                send_refutation(h, other, 2, incarnation++);
        }
        assert_true(harness_now(h) >= since_usec + 26 * SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
        expect_timed_out(h, link);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_it_counts_no_more_and_stays_open),
                TEST(test_the_accused_is_told_on_it),
                cmocka_unit_test(test_it_is_replaced_at_once),
                TEST(test_nothing_is_said_on_it),
                cmocka_unit_test(test_whatever_comes_on_it_brings_it_back),
                TEST(test_before_the_witnesses_have_spoken_too),
                cmocka_unit_test(test_the_surplus_goes_when_it_is_back),
                cmocka_unit_test(test_so_does_a_surplus_of_callers),
                cmocka_unit_test(test_a_dial_for_its_place_that_is_too_late_is_given_up),
                TEST(test_a_death_ends_it),
                TEST(test_a_witness_that_hears_the_other_end_ends_it),
                TEST(test_who_is_gone_by_its_own_account_needs_no_link),
                cmocka_unit_test(test_who_refutes_elsewhere_is_asked_on_it_again),
                TEST(test_when_its_connection_breaks_the_verdict_stands),
                TEST(test_a_later_life_takes_its_place),
                TEST(test_one_that_was_replaced_by_its_own_end_stays_so),
                cmocka_unit_test(test_without_a_verdict_it_has_an_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
