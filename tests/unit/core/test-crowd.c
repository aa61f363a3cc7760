/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 4.1: how many connections there may be, and who is told to come back. */

#include "overlay.h"

#include "core/turn.h"

static uint32_t retry_after(Harness *h, LinkId link) {
        const Message *answer = expect(h, link, MESSAGE_CLOSE);

        assert_int_equal(answer->close.reason, CLOSE_BUSY);
        return answer->close.retry_after_msec;
}

static void test_the_65th_unfinished_handshake_is_refused(void **state) {
        Harness *h = *state;
        Other first = harness_peer(1);
        Address stranger = harness_address(100, 40000);
        LinkId links[64], link;

        links[0] = harness_accept(h, &first.remote);
        for (uint8_t i = 1; i < 64; i++) {
                Address remote = harness_address((uint8_t) (i + 1), 40000);

                links[i] = harness_accept(h, &remote);
        }
        link = harness_accept(h, &stranger);
        assert_int_not_equal(retry_after(h, link), 0);
        assert_int_equal(counted(h, COUNTER_SESSIONS_REFUSED), 1);

        /* The others are undisturbed; one that is done makes room, and so does one that goes. */
        for (size_t i = 0; i < 64; i++) {
                assert_true(harness_is_up(h, links[i]));
                expect_nothing(h, links[i]);
        }
        harness_change(h, links[1], LINK_CLOSED);
        link = harness_open(h, &first);
        assert_int_not_equal(link, 0);
        assert_true(harness_is_up(h, harness_accept(h, &stranger)));
        expect_close(h, harness_accept(h, &stranger), CLOSE_BUSY);
}

/* So many of one host call one after the other, are taken, and hang up. */
static void come_and_go(Harness *h, unsigned n) {
        Address remote = harness_address(1, 40000);

        for (unsigned i = 0; i < n; i++) {
                LinkId link = harness_accept(h, &remote);

                assert_true(harness_is_up(h, link));
                harness_change(h, link, LINK_CLOSED);
        }
}

static void test_who_calls_in_a_crowd_is_told_when_to_call_again(void **state) {
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Address remote = harness_address(1, 40000);
        uint32_t first_msec, next_msec;
        (void) state;

        settings.params.turn_usec = 100 * MSEC;
        h = peer_new(&settings);
        come_and_go(h, TURNS_AT_ONCE);
        first_msec = retry_after(h, harness_accept(h, &remote));
        next_msec = retry_after(h, harness_accept(h, &remote));
        assert_in_range(first_msec, 1, 20000);
        assert_int_equal(next_msec, first_msec + 100);
        assert_int_equal(counted(h, COUNTER_SESSIONS_REFUSED), 2);

        harness_advance(h, 100 * MSEC);
        assert_true(harness_is_up(h, harness_accept(h, &remote)));
        assert_int_not_equal(retry_after(h, harness_accept(h, &remote)), 0);
}

static void test_a_peer_takes_all_that_finish_their_handshakes(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        (void) state;

        settings.params.turn_usec = 100 * MSEC;
        h = peer_new(&settings);
        come_and_go(h, 2 * TURNS_AT_ONCE);
}

static void test_connections_of_one_host_are_bounded(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Address here = harness_address(1, 1), there = harness_address(2, 1);
        LinkId links[3];
        (void) state;

        settings.params.connections_per_host_max = 3;
        h = peer_new(&settings);
        for (uint16_t i = 0; i < 3; i++) {
                here.port = (uint16_t) (i + 1);
                links[i] = harness_accept(h, &here);
        }
        here.port = 4;
        expect_close(h, harness_accept(h, &here), CLOSE_BUSY);
        assert_true(harness_is_up(h, harness_accept(h, &there)));
        for (size_t i = 0; i < 3; i++)
                assert_true(harness_is_up(h, links[i]));

        harness_change(h, links[0], LINK_RESET);
        assert_true(harness_is_up(h, harness_accept(h, &here)));
        expect_close(h, harness_accept(h, &here), CLOSE_BUSY);
}

static void test_what_we_dialled_does_not_count_against_a_host(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Address remote = harness_address(1, 40000);
        (void) state;

        settings.params.connections_per_host_max = 1;
        h = peer_new(&settings);
        link_out(h, 1);
        assert_true(harness_is_up(h, harness_accept(h, &remote)));
        expect_close(h, harness_accept(h, &remote), CLOSE_BUSY);
}

static void test_loopback_is_not_one_host(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Address remote = harness_loopback(1);
        (void) state;

        settings.params.connections_per_host_max = 3;
        h = peer_new(&settings);
        for (unsigned i = 0; i < 20; i++)
                assert_true(harness_is_up(h, harness_accept(h, &remote)));
}

static void test_connections_are_bounded(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link = 0;
        (void) state;

        settings.params.connections_max = 5;
        h = peer_new(&settings);
        for (uint8_t i = 1; i <= 5; i++) {
                Other other = harness_peer(i);

                link = harness_open(h, &other);
                assert_int_not_equal(link, 0);
        }
        assert_int_equal(retry_after(h, harness_accept(h, &(Address) { .family = ADDRESS_IPV4, .port = 1, .bytes = { 10, 0, 0, 9 } })),
                         0);                            /* nobody knows when there is room */
        assert_int_equal(node_n_sessions(harness_node(h)), 5);
        assert_true(harness_is_up(h, link));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
                TEST(test_the_65th_unfinished_handshake_is_refused),
                cmocka_unit_test(test_who_calls_in_a_crowd_is_told_when_to_call_again),
                cmocka_unit_test(test_a_peer_takes_all_that_finish_their_handshakes),
                cmocka_unit_test(test_connections_of_one_host_are_bounded),
                cmocka_unit_test(test_what_we_dialled_does_not_count_against_a_host),
                cmocka_unit_test(test_loopback_is_not_one_host),
                cmocka_unit_test(test_connections_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
