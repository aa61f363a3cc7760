/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 5.3 and 6.4: when a peer that does not answer is accused, and when it is not. */

#include <errno.h>

#include "overlay.h"

static void expect_alive(Harness *h, uint8_t n) {
        assert_int_equal(member_of(h, n).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SILENT));
        assert_null(harness_notice(h, NOTICE_SUSPECT));
        assert_int_equal(counted(h, COUNTER_REPORTS_SENT), 0);
}

static void expect_accused(Harness *h, uint8_t n, Evidence evidence, unsigned n_strikes) {
        const Notice *notice = harness_notice(h, NOTICE_SILENT);

        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], n);
        assert_int_equal(notice->evidence, evidence);
        assert_int_equal(notice->n, n_strikes);
        assert_non_null(harness_notice(h, NOTICE_SUSPECT));
        assert_int_equal(member_of(h, n).state, MEMBER_SUSPECT);
}

/* The link to peer 1 breaks, and its address is being dialled. */
static LinkId break_link(Harness *h, LinkChange change) {
        harness_change(h, link_in(h, 1), change);
        return expect_dial(h, 1);
}

/* ---- a link that broke ---- */

static void test_who_answers_after_its_link_broke_is_cleared(void **state) {
        Harness *h = *state;
        const LinkChange changes[] = { LINK_CLOSED, LINK_RESET };
        Other other = harness_peer(1);

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                LinkId probe = break_link(h, changes[i]);

                expect_no_dial(h);
                harness_change(h, probe, LINK_CONNECTED);
                assert_int_equal(expect(h, probe, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
                send_hello_ok(h, probe, &other);
                expect_close(h, probe, CLOSE_DONE);
                assert_int_equal(n_links(h), 0);
                harness_advance(h, 10 * SEC);
                expect_alive(h, 1);
                expect_no_dial(h);
        }
}

static void test_where_nobody_listens_any_more_it_is_settled_at_once(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), probe = break_link(h, LINK_RESET);

        harness_drop_sent(h);
        harness_change(h, probe, LINK_REFUSED);
        expect_accused(h, 1, EVIDENCE_REFUSED, 1);
        assert_int_equal(expect(h, seed, MESSAGE_DEAD_REPORT)->dead_report.id.bytes[0], 1);
        expect_no_dial(h);
}

static void test_another_id_settles_it_at_once(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_CLOSED);
        Other other = harness_peer(2);

        assert_true(harness_answer(h, probe, &other, NULL));
        expect_close(h, probe, CLOSE_DONE);
        expect_accused(h, 1, EVIDENCE_OTHER_ID, 1);
        assert_int_equal(node_n_members(harness_node(h)), 1);   /* who it is then, nobody asked */
}

static void test_silence_takes_three_time_outs(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_RESET);

        for (unsigned i = 0; i < 3; i++) {
                if (i == 1)
                        harness_change(h, probe, LINK_CONNECTED);       /* a connection is no answer */
                harness_advance(h, 500 * MSEC - 1);
                expect_no_dial(h);
                harness_advance(h, 1);
                if (i < 2) {
                        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
                        probe = expect_dial(h, 1);
                }
        }
        expect_accused(h, 1, EVIDENCE_SILENT, 3);
        expect_no_dial(h);
}

/* We end the session ourselves then: the question is as open as before. */
static void test_an_answer_that_cannot_be_read_is_no_answer(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_RESET);

        for (unsigned i = 0; i < 3; i++) {
                harness_change(h, probe, LINK_CONNECTED);
                (void) expect(h, probe, MESSAGE_HELLO);
                assert_int_equal(node_on_malformed(harness_node(h), probe, -EBADMSG, harness_now(h)), 0);
                harness_settle(h);
                expect_close(h, probe, CLOSE_PROTOCOL);
                assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
                harness_advance(h, 500 * MSEC);
                if (i < 2)
                        probe = expect_dial(h, 1);
        }
        expect_accused(h, 1, EVIDENCE_SILENT, 3);
        expect_no_dial(h);
}

static void test_what_fails_at_once_has_its_time_all_the_same(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_RESET);

        for (unsigned i = 0; i < 3; i++) {
                switch (i) {
                case 0:
                        harness_change(h, probe, LINK_UNREACHABLE);     /* no route: ours may be the fault */
                        break;
                case 1:
                        harness_change(h, probe, LINK_CONNECTED);
                        harness_change(h, probe, LINK_RESET);           /* asked again without waiting, but once */
                        harness_advance(h, 20 * MSEC);
                        probe = expect_dial(h, 1);
                        harness_change(h, probe, LINK_CONNECTED);
                        harness_change(h, probe, LINK_RESET);
                        break;
                case 2:
                        harness_change(h, probe, LINK_CONNECTED);
                        send_close(h, probe, CLOSE_BUSY);               /* and no id with it */
                        break;
                }
                harness_advance(h, 500 * MSEC - 1);
                expect_no_dial(h);
                expect_alive(h, 1);
                harness_advance(h, 1);
                probe = i < 2 ? expect_dial(h, 1) : 0;
        }
        expect_accused(h, 1, EVIDENCE_SILENT, 3);
        expect_no_dial(h);
}

/* A killed process whose listening socket is closed last. */
static void test_who_breaks_off_is_asked_again_without_waiting(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_CLOSED);

        harness_change(h, probe, LINK_CONNECTED);
        harness_change(h, probe, LINK_RESET);
        expect_no_dial(h);
        harness_advance(h, 20 * MSEC);
        expect_alive(h, 1);
        harness_change(h, expect_dial(h, 1), LINK_REFUSED);
        expect_accused(h, 1, EVIDENCE_REFUSED, 1);
        expect_no_dial(h);
}

static void test_who_breaks_off_once_has_three_time_outs(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_CLOSED);

        harness_change(h, probe, LINK_CONNECTED);
        harness_change(h, probe, LINK_CLOSED);
        harness_advance(h, 20 * MSEC);
        for (unsigned i = 0; i < 3; i++) {
                (void) expect_dial(h, 1);
                harness_advance(h, 500 * MSEC - 1);
                expect_no_dial(h);
                expect_alive(h, 1);
                harness_advance(h, 1);
        }
        expect_accused(h, 1, EVIDENCE_SILENT, 3);
}

static void test_an_answer_to_the_third_call_clears(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_RESET);
        Other other = harness_peer(1);

        for (unsigned i = 0; i < 2; i++) {
                harness_change(h, probe, LINK_UNREACHABLE);
                harness_advance(h, 500 * MSEC);
                probe = expect_dial(h, 1);
        }
        assert_true(harness_answer(h, probe, &other, NULL));
        harness_advance(h, 10 * SEC);
        expect_alive(h, 1);
        expect_no_dial(h);
}

static void test_a_call_between_two_of_ours_clears(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_RESET);

        harness_change(h, probe, LINK_UNREACHABLE);
        link_in(h, 1);
        harness_set_answering(h, true);
        harness_advance(h, 10 * SEC);
        expect_alive(h, 1);
        expect_no_dial(h);
}

static void test_who_calls_meanwhile_is_cleared(void **state) {
        Harness *h = *state;
        LinkId probe = break_link(h, LINK_RESET);
        Other other = harness_peer(1);

        assert_int_not_equal(harness_open(h, &other), 0);
        harness_change(h, probe, LINK_REFUSED);         /* its old port, perhaps */
        harness_advance(h, 10 * SEC);
        expect_alive(h, 1);
        expect_no_dial(h);
}

static void test_who_has_called_again_is_not_asked(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);          /* the smaller id: the elder of its sessions stays for a moment */
        LinkId first = link_in(h, 1), second = harness_open(h, &other);

        harness_change(h, first, LINK_RESET);
        expect_no_dial(h);
        assert_true(harness_is_up(h, second));
        expect_alive(h, 1);
}

static void test_it_is_called_where_it_answered_last(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = dial_to(h, 1);
        Address dialled;

        other.addresses[0] = harness_address(77, 6000);         /* so it says */
        assert_true(harness_answer(h, link, &other, NULL));
        send_accept(h, link, 1);
        harness_change(h, link, LINK_RESET);
        assert_int_not_equal(harness_dialled(h, &dialled), 0);
        assert_int_equal(dialled.bytes[3], 1);
}

/* ---- ends in order ---- */

static void test_whoever_ends_a_link_in_order_is_not_accused(void **state) {
        Harness *h = *state;
        const CloseReason reasons[] = {
                CLOSE_DONE, CLOSE_LEAVING, CLOSE_PROTOCOL, CLOSE_BUSY, CLOSE_DUPLICATE_ID, CLOSE_SUPERSEDED, CLOSE_SLOW, CLOSE_IDLE,
                CLOSE_TIMEOUT,
        };

        for (uint8_t i = 0; i < ELEMENTSOF(reasons); i++) {
                uint8_t n = (uint8_t) (i + 1);

                send_close(h, link_in(h, n), reasons[i]);
                expect_no_dial(h);
                assert_int_equal(member_of(h, n).state, reasons[i] == CLOSE_LEAVING ? MEMBER_LEFT : MEMBER_ALIVE);
        }
        send_disconnect(h, link_in(h, 20), CLOSE_BUSY);
        expect_no_dial(h);
        expect_alive(h, 20);
}

static void test_a_session_that_is_no_link_may_break(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);

        harness_change(h, harness_open(h, &other), LINK_RESET);
        expect_no_dial(h);
        expect_alive(h, 1);
}

static void test_a_member_that_is_gone_already_is_not_asked(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);

        send_record(h, seed, 1, MEMBER_LEFT);
        harness_change(h, link, LINK_RESET);
        expect_no_dial(h);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        assert_null(harness_notice(h, NOTICE_SILENT));
}

/* ---- what becomes of a suspect ---- */

static void test_a_suspect_that_calls_is_alive_and_told(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link;
        const Message *ok;

        harness_change(h, break_link(h, LINK_RESET), LINK_REFUSED);
        link = harness_call(h, &other);
        ok = expect(h, link, MESSAGE_HELLO_OK);
        assert_true(ok->hello_ok.has_held);
        assert_int_equal(ok->hello_ok.held.state, MEMBER_SUSPECT);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_non_null(harness_notice(h, NOTICE_ALIVE));
        assert_int_equal(node_n_suspect(harness_node(h)), 0);
}

static void test_a_suspect_is_no_candidate_and_remembered(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LostPeer lost;
        LinkId link;
        (void) state;

        harness_set_answering(h, true);
        link_in(h, 2);
        link = link_out(h, 1);
        harness_change(h, link, LINK_RESET);
        for (LinkId dial; (dial = harness_dialled(h, NULL)) != 0;)
                harness_change(h, dial, LINK_REFUSED);
        harness_advance(h, 1500 * MSEC);        /* peer 2, who is asked about it, says nothing */
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
        assert_int_equal(peer_lost(harness_node(h), &lost, 1), 1);
        assert_int_equal(lost.id.bytes[0], 1);
        harness_advance(h, 60 * SEC);
        expect_no_dial(h);
}

/* ---- one member a minute ---- */

static void know(Harness *h, uint8_t n) {
        Other other = harness_peer(n);

        send_close(h, harness_open(h, &other), CLOSE_DONE);
}

static LinkId next_probe(Harness *h, uint8_t *ret_n, usec_t *ret_usec) {
        usec_t since_usec = harness_now(h);
        Address address = {};
        LinkId link;

        while ((link = harness_dialled(h, &address)) == 0) {
                assert_true(harness_now(h) < since_usec + 200 * SEC);
                harness_advance(h, 100 * MSEC);
        }
        harness_change(h, link, LINK_CONNECTED);
        assert_int_equal(expect(h, link, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        *ret_n = address.bytes[3];
        *ret_usec = harness_now(h) - since_usec;
        return link;
}

static void test_every_minute_the_one_silent_for_longest_is_asked(void **state) {
        Harness *h = *state;
        LinkId linked;

        harness_set_answering(h, true);
        for (uint8_t n = 5; n > 0; n--) {
                know(h, n);
                harness_advance(h, 1 * SEC);
        }
        linked = link_in(h, 6);
        for (unsigned round = 0; round < 3; round++)
                for (uint8_t n = 5; n > 0; n--) {
                        Other other = harness_peer(n);
                        uint8_t asked;
                        usec_t usec;
                        LinkId link = next_probe(h, &asked, &usec);

                        assert_int_equal(asked, n);             /* round and round */
                        if (round > 0 || n < 5)
                                assert_in_range(usec, 30 * SEC, 90 * SEC + 100 * MSEC);
                        send_hello_ok(h, link, &other);
                        expect_close(h, link, CLOSE_DONE);
                        assert_int_equal(member_of(h, n).heard_usec, harness_now(h));
                }
        assert_true(harness_is_up(h, linked));
        expect_alive(h, 6);
}

static void test_who_was_never_heard_of_comes_first(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link;
        usec_t usec;
        uint8_t n;

        know(h, 1);
        send_record(h, seed, 2, MEMBER_ALIVE);
        send_record(h, seed, 3, MEMBER_DEAD);           /* and nobody asks the dead */
        link = next_probe(h, &n, &usec);
        assert_int_equal(n, 2);
        harness_change(h, link, LINK_RESET);
}

static void test_who_does_not_answer_three_probes_is_accused(void **state) {
        Harness *h = *state;
        usec_t usec;
        uint8_t n;
        LinkId link;

        know(h, 1);
        for (unsigned i = 0; i < 3; i++) {
                link = next_probe(h, &n, &usec);
                expect_alive(h, 1);
                assert_int_equal(n, 1);
                harness_advance(h, 500 * MSEC);
                assert_false(harness_is_up(h, link));
        }
        expect_accused(h, 1, EVIDENCE_SILENT, 3);       /* without a seed nobody knows better */
}

/* ---- doubt ---- */

/* A seed that answers renewals, and knows nobody. */
static LinkId patient_seed(Harness *h) {
        harness_set_seeds(h, (uint8_t[]) { 200, 0 });

        LinkId link = resolve_seed(h, 200);
        Other seed = harness_seed(200);

        assert_true(harness_answer(h, link, &seed, NULL));
        expect(h, link, MESSAGE_REGISTER);
        send_register_ok(h, link, UINT32_MAX, 1000, NULL);      /* too many for a first comparison */
        send_list_ok(h, link, 1, NULL, 0);
        return link;
}

static int setup_doubter(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);

        settings.params.renew_usec = 3600 * SEC;
        *state = peer_new(&settings);
        return 0;
}

static void test_who_does_not_answer_at_all_keeps_nobody_from_being_asked(void **state) {
        Harness *h = *state;
        LinkId seed = patient_seed(h);
        bool asked[4] = {};

        harness_set_answering(h, true);
        know(h, 1);
        know(h, 2);
        send_record(h, seed, 3, MEMBER_ALIVE);          /* nobody has ever heard from it */
        for (unsigned i = 0; i < 6; i++) {
                Other other;
                usec_t usec;
                uint8_t n;
                LinkId link = next_probe(h, &n, &usec);

                assert_in_range(n, 1, 3);
                asked[n] = true;
                other = harness_peer(n);
                if (n < 3) {
                        send_hello_ok(h, link, &other);
                        continue;
                }
                harness_change(h, link, LINK_REFUSED);
                harness_advance(h, 2500 * MSEC);
                harness_drop_sent(h);
                if (member_of(h, 3).state == MEMBER_SUSPECT) {
                        Message message = { .type = MESSAGE_SYNC_RECORDS };

                        message.sync_records.n_records = 1;
                        message.sync_records.records[0] = record_of(3, MEMBER_ALIVE);
                        message.sync_records.records[0].incarnation = i + 1;
                        harness_send(h, seed, &message);
                }
        }
        assert_true(asked[1] && asked[2] && asked[3]);
}

static void test_questions_do_not_count_while_we_sleep(void **state) {
        Harness *h = *state;

        break_link(h, LINK_RESET);
        harness_advance(h, 1 * SEC);            /* two of three have not been answered */
        harness_sleep(h, 60 * SEC);
        expect_alive(h, 1);
        harness_advance(h, 500 * MSEC);
        expect_alive(h, 1);
        harness_advance(h, 2 * SEC);
        expect_accused(h, 1, EVIDENCE_SILENT, 3);
}

/* ---- candidates ---- */

/* Peer 1, of whom somebody spoke, is being dialled for a link. */
static LinkId dial_candidate(Harness *h) {
        send_record(h, set_seed(h), 1, MEMBER_ALIVE);
        return expect_dial(h, 1);
}

static void test_a_refusal_where_nobody_ever_answered_means_nothing(void **state) {
        Harness *h = *state;

        harness_change(h, dial_candidate(h), LINK_REFUSED);
        harness_advance(h, 5 * SEC);
        expect_alive(h, 1);
}

static void test_a_refusal_where_it_answered_before_is_looked_into(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LinkId link = link_out(h, 1);
        (void) state;

        send_disconnect(h, link, CLOSE_BUSY);   /* it has answered there once */
        link = expect_dial(h, 1);
        harness_change(h, link, LINK_REFUSED);
        expect_accused(h, 1, EVIDENCE_REFUSED, 1);
}

static void test_another_id_costs_an_address_and_at_the_last_one_it_is_accused(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link;
        Record record = record_of(1, MEMBER_ALIVE);
        Other other = harness_peer(9);

        record.n_addresses = 2;
        record.addresses[1] = harness_address(2, 6000);
        send_list_ok(h, seed, 1, &record, 1);
        link = expect_dial(h, 1);
        harness_drop_sent(h);
        assert_true(harness_answer(h, link, &other, NULL));
        expect_close(h, link, CLOSE_DONE);
        expect_alive(h, 1);
        assert_int_equal(member_of(h, 1).record->n_addresses, 1);
        assert_int_equal(member_of(h, 1).record->addresses[0].bytes[3], 2);

        link = expect_dial(h, 2);
        assert_true(harness_answer(h, link, &other, NULL));
        assert_int_equal(member_of(h, 1).record->n_addresses, 0);
        expect_accused(h, 1, EVIDENCE_OTHER_ID, 1);
}

static void test_who_cannot_be_reached_is_tried_later(void **state) {
        Harness *h = *state;

        harness_change(h, dial_candidate(h), LINK_UNREACHABLE);
        harness_advance(h, 5 * SEC);
        expect_alive(h, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
#define TEST_DOUBT(f) cmocka_unit_test_setup_teardown(f, setup_doubter, teardown)
                TEST_QUIET(test_who_answers_after_its_link_broke_is_cleared),
                TEST_QUIET(test_where_nobody_listens_any_more_it_is_settled_at_once),
                TEST_QUIET(test_another_id_settles_it_at_once),
                TEST_QUIET(test_silence_takes_three_time_outs),
                TEST_QUIET(test_an_answer_that_cannot_be_read_is_no_answer),
                TEST_QUIET(test_what_fails_at_once_has_its_time_all_the_same),
                TEST_QUIET(test_who_breaks_off_is_asked_again_without_waiting),
                TEST_QUIET(test_who_breaks_off_once_has_three_time_outs),
                TEST_QUIET(test_an_answer_to_the_third_call_clears),
                TEST_QUIET(test_a_call_between_two_of_ours_clears),
                TEST_QUIET(test_who_calls_meanwhile_is_cleared),
                TEST_QUIET(test_who_has_called_again_is_not_asked),
                TEST_QUIET(test_it_is_called_where_it_answered_last),
                TEST_QUIET(test_whoever_ends_a_link_in_order_is_not_accused),
                TEST_QUIET(test_a_session_that_is_no_link_may_break),
                TEST_QUIET(test_a_member_that_is_gone_already_is_not_asked),
                TEST_QUIET(test_a_suspect_that_calls_is_alive_and_told),
                cmocka_unit_test(test_a_suspect_is_no_candidate_and_remembered),
                TEST_QUIET(test_every_minute_the_one_silent_for_longest_is_asked),
                TEST_QUIET(test_who_was_never_heard_of_comes_first),
                TEST_QUIET(test_who_does_not_answer_three_probes_is_accused),
                TEST_DOUBT(test_who_does_not_answer_at_all_keeps_nobody_from_being_asked),
                TEST_QUIET(test_questions_do_not_count_while_we_sleep),
                TEST(test_a_refusal_where_nobody_ever_answered_means_nothing),
                cmocka_unit_test(test_a_refusal_where_it_answered_before_is_looked_into),
                TEST(test_another_id_costs_an_address_and_at_the_last_one_it_is_accused),
                TEST(test_who_cannot_be_reached_is_tried_later),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
