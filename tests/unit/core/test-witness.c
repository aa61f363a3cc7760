/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.3: whom a peer asks about one that does not answer it. */

#include "overlay.h"

/* The peer at the other end of @link names others, 10.0.0.<n> each. */
static void send_pong_naming(Harness *h, LinkId link, const uint8_t *others) {
        const Message *ping = harness_find(h, link, MESSAGE_PING);
        Message pong;

        assert_non_null(ping);
        message_set(&pong, MESSAGE_PONG, ping, .nonce = ping->ping.nonce, .n_links = 4);
        for (; *others; others++)
                pong.ping.neighbours[pong.ping.n_neighbours++] = (Neighbour) { ID(*others), harness_address(*others, 6000) };
        harness_send(h, link, &pong);
}

/* A link with peer 1 that has named peers 2, 3 and 4, to which there are links of ours, too. */
static LinkId link_that_names(Harness *h, LinkId witnesses[3]) {
        LinkId link = link_in(h, 1);

        harness_advance(h, 1200 * MSEC);
        send_pong_naming(h, link, (const uint8_t[]) { 2, 3, 4, 0 });
        for (uint8_t i = 0; i < 3; i++)
                witnesses[i] = link_in(h, (uint8_t) (2 + i));
        harness_set_answering(h, true);
        harness_set_silent(h, link);
        harness_drop_sent(h);
        return link;
}

/* Lets time pass until others are asked about peer 1: the nonces of the questions. */
static void until_asked(Harness *h, const LinkId witnesses[3], uint64_t ret_nonces[3]) {
        usec_t since_usec = harness_now(h);

        while (counted(h, COUNTER_WITNESSES_ASKED) == 0) {
                assert_true(harness_now(h) < since_usec + 5 * SEC);
                harness_advance(h, 10 * MSEC);
        }
        for (size_t i = 0; i < 3; i++) {
                const Message *question = harness_find(h, witnesses[i], MESSAGE_PROBE_REQ);

                assert_non_null(question);
                assert_int_equal(question->probe.id.bytes[0], 1);
                assert_int_equal(question->probe.n_addresses, 1);
                assert_int_equal(question->probe.addresses[0].bytes[3], 1);
                ret_nonces[i] = question->probe.nonce;
        }
}

static bool is_accused(Harness *h, uint8_t n) {
        return member_of(h, n).state == MEMBER_SUSPECT;
}

static void test_a_pong_names_others_that_we_are_linked_to(void **state) {
        Harness *h = *state;
        LinkId links[7];

        for (uint8_t i = 0; i < 7; i++)
                links[i] = link_in(h, (uint8_t) (i + 1));
        harness_drop_sent(h);
        for (uint8_t i = 0; i < 7; i++) {
                const Message *pong;

                send_ping(h, links[i], 5);
                pong = expect(h, links[i], MESSAGE_PONG);
                assert_int_equal(pong->ping.n_neighbours, 4);
                for (size_t j = 0; j < 4; j++) {
                        uint8_t n = pong->ping.neighbours[j].id.bytes[0];

                        assert_in_range(n, 1, 7);
                        assert_int_not_equal(n, i + 1);
                        assert_int_equal(pong->ping.neighbours[j].address.bytes[3], n);
                        assert_int_equal(pong->ping.neighbours[j].address.port, 6000);
                        for (size_t k = 0; k < j; k++)
                                assert_int_not_equal(pong->ping.neighbours[k].id.bytes[0], n);
                }
        }
}

static void test_a_pong_on_a_session_that_is_no_link_names_nobody(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link;

        link_in(h, 2);
        link = harness_open(h, &other);
        send_ping(h, link, 5);
        assert_int_equal(expect(h, link, MESSAGE_PONG)->ping.n_neighbours, 0);
}

static void test_before_the_first_strike_three_witnesses_are_asked(void **state) {
        Harness *h = *state;
        LinkId witnesses[3], link = link_that_names(h, witnesses);
        usec_t pinged_usec, asked_usec;
        uint64_t nonces[3];

        while (!harness_find(h, link, MESSAGE_PING))
                harness_advance(h, 1 * MSEC);
        pinged_usec = harness_now(h);
        until_asked(h, witnesses, nonces);
        asked_usec = harness_now(h);
        assert_true(harness_is_up(h, link));
        assert_int_equal(counted(h, COUNTER_STRIKES), 0);
        assert_int_equal(counted(h, COUNTER_WITNESSES_ASKED), 3);
        expect_no_dial(h);

        /* The other half is left to it, and they are asked once. */
        while (counted(h, COUNTER_STRIKES) == 0)
                harness_advance(h, 1 * MSEC);
        assert_in_range(harness_now(h) - asked_usec, asked_usec - pinged_usec - 20 * MSEC, asked_usec - pinged_usec + 20 * MSEC);
        assert_int_equal(counted(h, COUNTER_WITNESSES_ASKED), 3);
}

/* Whether it answers is not known before it can have read the question. */
static void test_a_link_that_still_sends_is_not_doubted(void **state) {
        Harness *h = *state;
        LinkId witnesses[3], link = link_that_names(h, witnesses);
        uint64_t nonces[3];

        harness_set_backlog(h, link, 100000);
        until_asked(h, witnesses, nonces);
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);       /* nothing of it went away for one time-out */
        assert_true(harness_is_up(h, link));
}

static void test_one_that_hears_it_is_enough(void **state) {
        Harness *h = *state;
        LinkId witnesses[3], link = link_that_names(h, witnesses);
        uint64_t nonces[3];

        until_asked(h, witnesses, nonces);
        send_probe(h, witnesses[0], MESSAGE_PROBE_NACK, nonces[0], 0);
        send_probe(h, witnesses[2], MESSAGE_PROBE_NACK, nonces[2], 0);
        send_probe(h, witnesses[1], MESSAGE_PROBE_ACK, nonces[1], 0);
        harness_advance(h, 10 * SEC);
        assert_false(harness_is_up(h, link));           /* a bad link is none */
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SILENT));
        assert_int_equal(counted(h, COUNTER_ACCUSATIONS_SPARED), 1);
}

static void test_whom_nobody_hears_is_accused_at_the_second_strike(void **state) {
        Harness *h = *state;
        LinkId witnesses[3];
        uint64_t nonces[3];
        (void) link_that_names(h, witnesses);

        until_asked(h, witnesses, nonces);
        for (size_t i = 0; i < 3; i++)
                send_probe(h, witnesses[i], MESSAGE_PROBE_NACK, nonces[i], 0);
        while (counted(h, COUNTER_STRIKES) < 2) {
                assert_false(is_accused(h, 1));
                harness_advance(h, 10 * MSEC);
        }
        assert_true(is_accused(h, 1));
        assert_int_equal(harness_notice(h, NOTICE_SILENT)->n, 2);
}

static void test_whom_two_do_not_hear_has_its_third_strike(void **state) {
        Harness *h = *state;
        LinkId witnesses[3];
        uint64_t nonces[3];
        (void) link_that_names(h, witnesses);

        until_asked(h, witnesses, nonces);
        for (size_t i = 0; i < 2; i++)
                send_probe(h, witnesses[i], MESSAGE_PROBE_NACK, nonces[i], 0);
        while (counted(h, COUNTER_STRIKES) < 3) {
                assert_false(is_accused(h, 1));
                harness_advance(h, 10 * MSEC);
        }
        assert_true(is_accused(h, 1));
        assert_int_equal(harness_notice(h, NOTICE_SILENT)->n, 3);
}

static void test_three_that_have_not_heard_it_spare_the_last_strike(void **state) {
        Harness *h = *state;
        LinkId witnesses[3], link = link_that_names(h, witnesses);
        uint64_t nonces[3];

        until_asked(h, witnesses, nonces);
        while (counted(h, COUNTER_STRIKES) < 2)
                harness_advance(h, 10 * MSEC);
        for (size_t i = 0; i < 3; i++) {
                assert_true(harness_is_up(h, link));
                assert_false(is_accused(h, 1));         /* not by fewer */
                send_probe(h, witnesses[i], MESSAGE_PROBE_NACK, nonces[i], 0);
        }
        assert_int_equal(counted(h, COUNTER_STRIKES), 2);
        assert_int_equal(n_links(h), 3);
        assert_true(is_accused(h, 1));
        assert_int_equal(harness_notice(h, NOTICE_SILENT)->n, 2);
}

static void test_witnesses_that_say_nothing_are_waited_for_one_time_out(void **state) {
        Harness *h = *state;
        LinkId witnesses[3];
        uint64_t nonces[3];
        usec_t third_usec;
        (void) link_that_names(h, witnesses);

        until_asked(h, witnesses, nonces);
        while (counted(h, COUNTER_STRIKES) < 3)
                harness_advance(h, 10 * MSEC);
        third_usec = harness_now(h);
        assert_false(is_accused(h, 1));
        while (!is_accused(h, 1))
                harness_advance(h, 10 * MSEC);
        assert_in_range(harness_now(h) - third_usec, 480 * MSEC, 500 * MSEC);
}

static void test_an_answer_to_another_question_means_nothing(void **state) {
        Harness *h = *state;
        LinkId witnesses[3];
        uint64_t nonces[3];
        (void) link_that_names(h, witnesses);

        until_asked(h, witnesses, nonces);
        send_probe(h, witnesses[0], MESSAGE_PROBE_ACK, nonces[0] + 1, 0);
        send_probe(h, witnesses[0], MESSAGE_PROBE_ACK, nonces[1], 0);           /* somebody else's */
        for (size_t i = 0; i < 3; i++)
                send_probe(h, witnesses[i], MESSAGE_PROBE_NACK, nonces[i], 0);
        send_probe(h, witnesses[0], MESSAGE_PROBE_ACK, nonces[0], 0);           /* it has said so already */
        harness_advance(h, 3 * SEC);
        assert_true(is_accused(h, 1));
}

static void test_a_suspect_that_answers_needs_no_witness(void **state) {
        Harness *h = *state;
        LinkId witnesses[3], link = link_that_names(h, witnesses);
        uint64_t nonces[3];

        until_asked(h, witnesses, nonces);
        send_pong(h, link, 0, 4);
        send_probe(h, witnesses[0], MESSAGE_PROBE_NACK, nonces[0], 0);
        assert_true(harness_is_up(h, link));
        assert_false(is_accused(h, 1));
        assert_int_equal(counted(h, COUNTER_ACCUSATIONS_SPARED), 0);
}

/* Peers 2, 3 and 4, whom we only know by name, are called. */
static void test_witnesses_without_a_link_are_called(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), calls[3];
        Other other;

        harness_advance(h, 1200 * MSEC);
        send_pong_naming(h, link, (const uint8_t[]) { 2, 3, 4, 0 });
        harness_drop_sent(h);
        harness_change(h, link, LINK_RESET);
        for (size_t i = 0; i < 3; i++) {
                Address address = {};

                calls[i] = harness_dialled(h, &address);
                assert_in_range(address.bytes[3], 2, 4);
                other = harness_peer(address.bytes[3]);
                harness_change(h, calls[i], LINK_CONNECTED);
                assert_int_equal(expect(h, calls[i], MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
                send_hello_ok(h, calls[i], &other);
                assert_int_equal(expect(h, calls[i], MESSAGE_PROBE_REQ)->probe.id.bytes[0], 1);
        }
        (void) expect_dial(h, 1);               /* it is asked itself, too */
        assert_int_equal(n_links(h), 0);        /* it is not for that */
        harness_advance(h, 300 * MSEC);
        assert_false(is_accused(h, 1));
}

static void test_a_called_witness_answers_and_its_session_is_done(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), call;
        Other other = harness_peer(2);
        uint64_t nonce;

        harness_advance(h, 1200 * MSEC);
        send_pong_naming(h, link, (const uint8_t[]) { 2, 0 });
        harness_drop_sent(h);
        harness_change(h, link, LINK_RESET);
        call = harness_dialled(h, NULL);                        /* the witness; then the suspect itself */
        harness_change(h, expect_dial(h, 1), LINK_REFUSED);
        assert_false(is_accused(h, 1));                         /* the witness has the word */
        assert_true(harness_answer(h, call, &other, NULL));
        nonce = expect(h, call, MESSAGE_PROBE_REQ)->probe.nonce;
        send_probe(h, call, MESSAGE_PROBE_NACK, nonce, 0);
        expect_close(h, call, CLOSE_DONE);
        assert_true(is_accused(h, 1));
}

/* A rack that dies is found whole. */
static void test_a_witness_that_does_not_answer_is_asked_itself(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), call;
        Other other = harness_peer(2);

        send_close(h, harness_open(h, &other), CLOSE_DONE);     /* so we know it */
        harness_advance(h, 1200 * MSEC);
        send_pong_naming(h, link, (const uint8_t[]) { 2, 0 });
        harness_drop_sent(h);
        harness_change(h, link, LINK_RESET);
        call = expect_dial(h, 2);
        harness_change(h, expect_dial(h, 1), LINK_REFUSED);
        harness_change(h, call, LINK_UNREACHABLE);
        assert_true(is_accused(h, 1));
        for (unsigned i = 0; i < 3; i++) {
                assert_false(is_accused(h, 2));
                (void) expect_dial(h, 2);
                harness_advance(h, 500 * MSEC);
        }
        assert_true(is_accused(h, 2));
}

static void test_at_most_six_sessions_are_opened_for_witnesses(void **state) {
        Harness *h = *state;
        LinkId links[4];
        unsigned n = 0;

        harness_set_answering(h, true);
        for (uint8_t i = 0; i < 4; i++) {
                links[i] = link_in(h, (uint8_t) (1 + i));
                harness_advance(h, 1200 * MSEC);
                send_pong_naming(h, links[i], (const uint8_t[]) { (uint8_t) (10 + 3 * i), (uint8_t) (11 + 3 * i),
                                                                  (uint8_t) (12 + 3 * i), 0 });
        }
        for (size_t i = 0; i < 4; i++)
                harness_change(h, links[i], LINK_RESET);
        for (Address address; harness_dialled(h, &address) != 0;)
                n += address.bytes[3] >= 10;
        assert_int_equal(n, 6);
        harness_advance(h, 1 * SEC);            /* those have had their time */
        for (Address address; harness_dialled(h, &address) != 0;)
                n += address.bytes[3] >= 10;
        assert_in_range(n, 7, 12);
}

static void test_nobody_is_asked_with_the_original_numbers(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LinkId link = link_in(h, 1);
        (void) state;

        (void) link_in(h, 2);
        harness_set_answering(h, true);
        harness_set_silent(h, link);
        harness_advance(h, 70 * SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(counted(h, COUNTER_WITNESSES_ASKED), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_pong_names_others_that_we_are_linked_to),
                TEST(test_a_pong_on_a_session_that_is_no_link_names_nobody),
                TEST(test_before_the_first_strike_three_witnesses_are_asked),
                TEST(test_one_that_hears_it_is_enough),
                TEST(test_a_link_that_still_sends_is_not_doubted),
                TEST(test_whom_nobody_hears_is_accused_at_the_second_strike),
                TEST(test_whom_two_do_not_hear_has_its_third_strike),
                TEST(test_three_that_have_not_heard_it_spare_the_last_strike),
                TEST(test_witnesses_that_say_nothing_are_waited_for_one_time_out),
                TEST(test_an_answer_to_another_question_means_nothing),
                TEST(test_a_suspect_that_answers_needs_no_witness),
                TEST(test_witnesses_without_a_link_are_called),
                TEST(test_a_called_witness_answers_and_its_session_is_done),
                TEST(test_a_witness_that_does_not_answer_is_asked_itself),
                TEST(test_at_most_six_sessions_are_opened_for_witnesses),
                cmocka_unit_test(test_nobody_is_asked_with_the_original_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
