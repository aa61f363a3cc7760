/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.3: what a peer does and says that is asked about another. */

#include "overlay.h"

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

/* Its answer may have come meanwhile, and wait to be read. */
static void test_a_witness_that_stood_still_says_nothing(void **state) {
        Harness *h = *state;
        LinkId suspect = link_in(h, 1), asker = link_in(h, 2);

        harness_drop_sent(h);
        send_probe(h, asker, MESSAGE_PROBE_REQ, 77, 1);
        expect(h, suspect, MESSAGE_PING);
        harness_sleep(h, 800 * MSEC);
        harness_advance(h, 5 * SEC);
        assert_null(harness_find(h, asker, MESSAGE_PROBE_NACK));
        assert_null(harness_find(h, asker, MESSAGE_PROBE_ACK));
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

/* Its own link to the suspect has broken, too: what its own call finds is said at once. */
static void test_a_witness_whose_own_call_was_refused_says_so_at_once(void **state) {
        Harness *h = *state;
        LinkId suspect = link_in(h, 1), asker = link_in(h, 2), own, asked;

        harness_drop_sent(h);
        harness_change(h, suspect, LINK_RESET);
        expect(h, asker, MESSAGE_PROBE_REQ);
        own = expect_dial(h, 1);
        send_probe(h, asker, MESSAGE_PROBE_REQ, 77, 1);
        asked = expect_dial(h, 1);                              /* the call that was asked for */
        assert_null(harness_find(h, asker, MESSAGE_PROBE_NACK));
        harness_change(h, own, LINK_REFUSED);
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_NACK)->probe.nonce, 77);

        send_probe(h, asker, MESSAGE_PROBE_REQ, 78, 1);         /* while it waits for what its own witnesses say */
        assert_int_equal(expect(h, asker, MESSAGE_PROBE_NACK)->probe.nonce, 78);
        expect_no_dial(h);
        harness_change(h, asked, LINK_REFUSED);
        assert_null(harness_find(h, asker, MESSAGE_PROBE_NACK));        /* it was answered */
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
                TEST(test_a_witness_asks_over_its_link_and_only_that_answer_counts),
                TEST(test_a_witness_that_gets_no_answer_says_so),
                TEST(test_a_witness_that_stood_still_says_nothing),
                TEST(test_a_witness_without_a_link_calls),
                TEST(test_a_witness_whose_own_call_was_refused_says_so_at_once),
                TEST(test_who_is_called_only_to_be_asked_answers_there),
                TEST(test_who_is_asked_about_itself_lives),
                TEST(test_questions_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
