/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.3: whom a peer asks about one that does not answer it, and what it says when it is asked itself. */

#include "overlay.h"

static void send_probe(Harness *h, LinkId link, MessageType type, uint64_t nonce, uint8_t about) {
        Message message;

        message_set(&message, type, probe, .nonce = nonce);
        if (type == MESSAGE_PROBE_REQ)
                message.probe.id = ID(about);
        harness_send(h, link, &message);
}

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

/* Lets time pass until the first strike on the link of peer 1: the nonces of the questions. */
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

/* ---- asking ---- */

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

static void test_at_the_first_strike_three_witnesses_are_asked(void **state) {
        Harness *h = *state;
        LinkId witnesses[3], link = link_that_names(h, witnesses);
        uint64_t nonces[3];

        until_asked(h, witnesses, nonces);
        assert_true(harness_is_up(h, link));
        assert_int_equal(counted(h, COUNTER_STRIKES), 1);
        assert_int_equal(counted(h, COUNTER_WITNESSES_ASKED), 3);
        expect_no_dial(h);
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

static void test_whom_nobody_hears_is_accused_at_the_third_strike(void **state) {
        Harness *h = *state;
        LinkId witnesses[3];
        uint64_t nonces[3];
        (void) link_that_names(h, witnesses);

        until_asked(h, witnesses, nonces);
        for (size_t i = 0; i < 3; i++)
                send_probe(h, witnesses[i], MESSAGE_PROBE_NACK, nonces[i], 0);
        assert_false(is_accused(h, 1));                 /* it still has two strikes */
        while (counted(h, COUNTER_STRIKES) < 3) {
                assert_false(is_accused(h, 1));
                harness_advance(h, 10 * MSEC);
        }
        assert_true(is_accused(h, 1));
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

/* ---- being asked ---- */

static void test_a_witness_asks_over_its_link_and_only_that_answer_counts(void **state) {
        Harness *h = *state;
        LinkId suspect = link_in(h, 1), asker = link_in(h, 2);
        uint64_t nonce;

        harness_drop_sent(h);
        send_probe(h, asker, MESSAGE_PROBE_REQ, 77, 1);
        nonce = expect(h, suspect, MESSAGE_PING)->ping.nonce;
        expect_no_dial(h);
        send_ping(h, suspect, 3);                       /* this was under way already */
        expect(h, suspect, MESSAGE_PONG);
        send_pong(h, suspect, nonce + 1, 4);
        expect_nothing(h, asker);
        send_pong(h, suspect, nonce, 4);
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_ACK)->probe.nonce, 77);
        harness_advance(h, 600 * MSEC);
        assert_null(harness_find(h, asker, MESSAGE_PROBE_NACK));
}

static void test_a_witness_that_gets_no_answer_says_so(void **state) {
        Harness *h = *state;
        LinkId suspect = link_in(h, 1), asker = link_in(h, 2);

        harness_drop_sent(h);
        send_probe(h, asker, MESSAGE_PROBE_REQ, 77, 1);
        expect(h, suspect, MESSAGE_PING);
        harness_advance(h, 500 * MSEC - 1);
        expect_nothing(h, asker);
        harness_advance(h, 1);
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_NACK)->probe.nonce, 77);
}

static void test_a_witness_without_a_link_calls(void **state) {
        Harness *h = *state;
        LinkId asker = link_in(h, 2), call;
        Other other = harness_peer(1);

        send_close(h, harness_open(h, &other), CLOSE_DONE);
        harness_drop_sent(h);
        send_probe(h, asker, MESSAGE_PROBE_REQ, 77, 1);
        call = expect_dial(h, 1);
        harness_change(h, call, LINK_CONNECTED);
        assert_int_equal(expect(h, call, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        expect_nothing(h, asker);                       /* a connection is no answer */
        send_hello_ok(h, call, &other);
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_ACK)->probe.nonce, 77);
        expect_close(h, call, CLOSE_DONE);

        send_probe(h, asker, MESSAGE_PROBE_REQ, 78, 1);
        harness_change(h, expect_dial(h, 1), LINK_REFUSED);
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_NACK)->probe.nonce, 78);
}

static void test_who_is_called_only_to_be_asked_answers_there(void **state) {
        Harness *h = *state;
        LinkId suspect = link_in(h, 1), call;
        Other other = harness_peer(2);

        other.purpose = PURPOSE_PROBE;
        call = harness_open(h, &other);
        harness_drop_sent(h);
        send_probe(h, call, MESSAGE_PROBE_REQ, 77, 1);
        send_pong(h, suspect, expect(h, suspect, MESSAGE_PING)->ping.nonce, 4);
        expect(h, call, MESSAGE_PROBE_ACK);
        send_probe(h, call, MESSAGE_PROBE_ACK, 77, 1);  /* it was not asked anything */
        expect_close(h, call, CLOSE_PROTOCOL);
}

static void test_who_is_asked_about_itself_lives(void **state) {
        Harness *h = *state;
        LinkId asker = link_in(h, 2);

        harness_drop_sent(h);
        send_probe(h, asker, MESSAGE_PROBE_REQ, 77, OWN);
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_ACK)->probe.nonce, 77);
}

/* Nobody can make us call third parties as often as he likes, nor send them more than he sends us. */
static void test_questions_are_bounded(void **state) {
        Harness *h = *state;
        LinkId suspect = link_in(h, 1), asker = link_in(h, 2);
        unsigned n = 0;

        harness_set_answering(h, true);
        harness_set_silent(h, suspect);
        harness_drop_sent(h);
        for (uint64_t i = 1; i <= 1000; i++)
                send_probe(h, asker, MESSAGE_PROBE_REQ, i, 1);
        while (harness_find(h, suspect, MESSAGE_PING))
                n++;
        assert_int_equal(n, 4);

        /* Addresses that only the asker knows: each question names another. */
        harness_advance(h, 20 * SEC);
        while (harness_dialled(h, NULL) != 0)
                ;
        n = 0;
        for (unsigned i = 0; i < 500; i++) {
                Message message;
                LinkId call;

                message_set(&message, MESSAGE_PROBE_REQ, probe, .nonce = i, .id = ID(9), .n_addresses = 1);
                message.probe.id.bytes[1] = (uint8_t) i;
                message.probe.addresses[0] = harness_address((uint8_t) (1 + i % 200), 22);
                harness_send(h, asker, &message);
                while ((call = harness_dialled(h, NULL)) != 0) {
                        harness_change(h, call, LINK_REFUSED);
                        n++;
                }
        }
        assert_int_equal(n, 8);
        assert_true(harness_is_up(h, asker));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_pong_names_others_that_we_are_linked_to),
                TEST(test_a_pong_on_a_session_that_is_no_link_names_nobody),
                TEST(test_at_the_first_strike_three_witnesses_are_asked),
                TEST(test_one_that_hears_it_is_enough),
                TEST(test_whom_nobody_hears_is_accused_at_the_third_strike),
                TEST(test_witnesses_that_say_nothing_are_waited_for_one_time_out),
                TEST(test_an_answer_to_another_question_means_nothing),
                TEST(test_a_suspect_that_answers_needs_no_witness),
                TEST(test_witnesses_without_a_link_are_called),
                TEST(test_a_called_witness_answers_and_its_session_is_done),
                TEST(test_a_witness_that_does_not_answer_is_asked_itself),
                TEST(test_at_most_six_sessions_are_opened_for_witnesses),
                cmocka_unit_test(test_nobody_is_asked_with_the_original_numbers),
                TEST(test_a_witness_asks_over_its_link_and_only_that_answer_counts),
                TEST(test_a_witness_that_gets_no_answer_says_so),
                TEST(test_a_witness_without_a_link_calls),
                TEST(test_who_is_called_only_to_be_asked_answers_there),
                TEST(test_who_is_asked_about_itself_lives),
                TEST(test_questions_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
