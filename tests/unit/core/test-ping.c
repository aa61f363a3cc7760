/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/node.h: node_ping(). */

#include "overlay.h"

#include <errno.h>

static int ping(Harness *h, uint8_t n, uint64_t token) {
        NodeId id = ID(n);
        int r = node_ping(harness_node(h), &id, token, harness_now(h));

        harness_settle(h);
        return r;
}

static void expect_pong(Harness *h, uint64_t token, int error) {
        const Effect *pong = harness_pong(h);

        assert_non_null(pong);
        assert_int_equal(pong->token, token);
        assert_int_equal(pong->error, error);
}

static void test_a_ping_goes_over_the_link(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Message *sent;
        const Effect *pong;
        uint64_t nonces[2];

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(ping(h, 1, 70 + i), 0);
                sent = expect(h, link, MESSAGE_PING);
                nonces[i] = sent->ping.nonce;
                harness_advance(h, 10 * MSEC);
        }
        assert_null(harness_pong(h));
        send_pong(h, link, nonces[1] + 1, 0);           /* of another question */
        assert_null(harness_pong(h));

        send_pong(h, link, nonces[1], 0);
        pong = harness_pong(h);
        assert_non_null(pong);
        assert_int_equal(pong->token, 71);
        assert_int_equal(pong->error, 0);
        assert_int_equal(pong->rtt_usec, 10 * MSEC);
        send_pong(h, link, nonces[0], 0);
        pong = harness_pong(h);
        assert_int_equal(pong->token, 70);
        assert_int_equal(pong->rtt_usec, 20 * MSEC);

        send_pong(h, link, nonces[0], 0);               /* once */
        assert_null(harness_pong(h));
        assert_true(harness_is_up(h, link));
}

static void test_a_ping_of_a_member_without_a_link_is_a_session_of_its_own(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;
        const Effect *pong;
        uint64_t nonce;

        send_record(h, seed, 1, MEMBER_ALIVE);
        expect_no_dial(h);
        assert_int_equal(ping(h, 1, 70), 0);
        link = expect_dial(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        assert_int_equal(expect(h, link, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        send_hello_ok(h, link, &other);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        harness_advance(h, 3 * MSEC);
        send_pong(h, link, nonce, 0);
        pong = harness_pong(h);
        assert_non_null(pong);
        assert_int_equal(pong->token, 70);
        assert_int_equal(pong->rtt_usec, 3 * MSEC);
        expect_close(h, link, CLOSE_DONE);
}

static void test_a_ping_of_a_member_held_dead_is_answered_after_its_refutation(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;
        uint64_t nonce;

        send_record(h, seed, 1, MEMBER_DEAD);
        assert_int_equal(ping(h, 1, 70), 0);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &other, NULL));
        expect(h, link, MESSAGE_ACCUSED);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        send_refute(h, link, &other, HARNESS_EPOCH, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        send_pong(h, link, nonce, 0);
        expect_pong(h, 70, 0);
}

static void test_a_ping_says_why_it_failed(void **state) {
        Harness *h = *state;
        Other wrong = harness_peer(2), right = harness_peer(1);
        LinkId seed = set_seed(h), link;

        send_record(h, seed, 1, MEMBER_ALIVE);

        assert_int_equal(ping(h, 1, 1), 0);
        harness_change(h, expect_dial(h, 1), LINK_REFUSED);
        expect_pong(h, 1, -ECONNREFUSED);

        assert_int_equal(ping(h, 1, 2), 0);
        harness_change(h, expect_dial(h, 1), LINK_UNREACHABLE);
        expect_pong(h, 2, -EHOSTUNREACH);

        assert_int_equal(ping(h, 1, 3), 0);
        harness_advance(h, 5 * SEC);
        expect_pong(h, 3, -ETIMEDOUT);
        while (harness_dialled(h, NULL) != 0)
                ;

        assert_int_equal(ping(h, 1, 4), 0);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &wrong, NULL));
        expect_pong(h, 4, -EHOSTUNREACH);

        assert_int_equal(ping(h, 1, 5), 0);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &right, NULL));
        harness_advance(h, 10 * SEC);           /* HELLO_OK came, PONG does not */
        expect_pong(h, 5, -ETIMEDOUT);
        assert_null(harness_pong(h));
}

static void test_a_link_that_ends_answers_its_pings(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        assert_int_equal(ping(h, 1, 70), 0);
        assert_int_equal(ping(h, 1, 71), 0);
        harness_change(h, link, LINK_RESET);
        expect_pong(h, 70, -EHOSTUNREACH);
        expect_pong(h, 71, -EHOSTUNREACH);

        link = link_in(h, 2);
        assert_int_equal(ping(h, 2, 72), 0);
        harness_advance(h, 60 * SEC);           /* silent: three strikes */
        expect_pong(h, 72, -ETIMEDOUT);
        assert_null(harness_pong(h));
}

static void test_a_ping_that_cannot_be_sent_says_so(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);
        Record homeless = record_of(1, MEMBER_ALIVE);

        assert_int_equal(ping(h, 9, 1), -ESRCH);
        homeless.n_addresses = 0;
        send_list_ok(h, seed, 1, &homeless, 1);
        assert_int_equal(ping(h, 1, 1), -EHOSTUNREACH);
        assert_null(harness_pong(h));
        expect_no_dial(h);
}

static void test_64_pings_are_under_way_at_most(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        uint64_t nonce;

        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(ping(h, 1, i), 0);
        assert_int_equal(ping(h, 1, 64), -EBUSY);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        send_pong(h, link, nonce, 0);
        expect_pong(h, 0, 0);
        assert_int_equal(ping(h, 1, 65), 0);
        assert_int_equal(ping(h, 1, 66), -EBUSY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_ping_goes_over_the_link),
                TEST_QUIET(test_a_ping_of_a_member_without_a_link_is_a_session_of_its_own),
                TEST_QUIET(test_a_ping_of_a_member_held_dead_is_answered_after_its_refutation),
                TEST_QUIET(test_a_ping_says_why_it_failed),
                TEST_QUIET(test_a_link_that_ends_answers_its_pings),
                TEST_QUIET(test_a_ping_that_cannot_be_sent_says_so),
                TEST(test_64_pings_are_under_way_at_most),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
