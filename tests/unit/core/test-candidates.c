/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 5.1 and 5.2: whom a peer may call: who rests, who is remembered, and whom BUSY names. */

#include "overlay.h"

/* ---- resting ---- */

/* Until peer 1 is called for a link: HELLO has been sent. Whoever only asks whether it lives is told that it does. */
static usec_t time_to_call(Harness *h, LinkId *ret) {
        Other other = harness_peer(1);
        usec_t since_usec = harness_now(h);

        for (;;) {
                while ((*ret = harness_dialled(h, NULL)) == 0) {
                        assert_true(harness_now(h) < since_usec + 100 * SEC);
                        harness_advance(h, 10 * MSEC);
                }
                harness_change(h, *ret, LINK_CONNECTED);
                if (expect(h, *ret, MESSAGE_HELLO)->hello.purpose == PURPOSE_SESSION)
                        return harness_now(h) - since_usec;
                send_hello_ok(h, *ret, &other);
        }
}

static void answer_busy(Harness *h, LinkId link) {
        Other other = harness_peer(1);

        send_hello_ok(h, link, &other);
        expect(h, link, MESSAGE_NEIGHBOR);
        send_busy(h, link, NULL, 0);
}

static void test_who_is_busy_rests_10_seconds_and_who_fails_30(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(1);
        usec_t busy_usec[2] = { USEC_INFINITY, 0 }, failed_usec[2] = { USEC_INFINITY, 0 };
        LinkId link;
        (void) state;

        harness_set_answering(h, true);
        link_in(h, 100);                        /* not isolated */
        time_to_call(h, &link);
        for (unsigned i = 0; i < 30; i++) {
                usec_t usec;

                answer_busy(h, link);
                usec = time_to_call(h, &link);
                assert_in_range(usec, 5 * SEC, 15 * SEC + 10 * MSEC);
                busy_usec[0] = MIN(busy_usec[0], usec);
                busy_usec[1] = MAX(busy_usec[1], usec);

                harness_change(h, link, LINK_RESET);
                usec = time_to_call(h, &link);
                assert_in_range(usec, 15 * SEC, 45 * SEC + 10 * MSEC);
                failed_usec[0] = MIN(failed_usec[0], usec);
                failed_usec[1] = MAX(failed_usec[1], usec);
        }
        assert_true(busy_usec[0] < 8 * SEC && busy_usec[1] > 12 * SEC);
        assert_true(failed_usec[0] < 22 * SEC && failed_usec[1] > 38 * SEC);
}

static void test_who_has_no_link_does_not_wait_for_the_busy(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(1);
        LinkId link;
        (void) state;

        link_in(h, 100);
        assert_int_equal(next_dial(h, &link), 1);
        answer_neighbor(h, link, 1);            /* asked with low priority */
        send_busy(h, link, NULL, 0);
        expect_no_dial(h);
        send_disconnect(h, 3, CLOSE_DONE);      /* the one link goes */
        assert_int_equal(n_links(h), 0);
        assert_int_not_equal(next_dial(h, &link), 0);
}

static void test_who_refuses_even_the_isolated_is_left_alone_for_longer(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(1);
        LinkId link;
        (void) state;

        assert_int_equal(next_dial(h, &link), 1);
        answer_neighbor(h, link, 1);            /* high */
        send_busy(h, link, NULL, 0);
        expect_no_dial(h);
}

/* ---- the memory ---- */

static void send_members(Harness *h, LinkId link, uint8_t first, uint8_t n) {
        for (uint8_t i = 0; i < n; i++) {
                Message message = { .type = MESSAGE_MEMBERS };

                message.members.n_records = 1;
                message.members.records[0] = record_of((uint8_t) (first + i), MEMBER_ALIVE);
                harness_send(h, link, &message);
        }
}

/* As after many have died at once: 30 passive peers of 90 members, and nobody who answers. */
static void test_when_all_that_are_known_fail_others_are_drawn_once_a_second(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        unsigned n_dials = 0, n_hosts = 0, n_calls[256] = {};
        LinkId from, link;
        (void) state;

        settings.params.shuffle_usec = 0;
        h = peer_new(&settings);
        from = link_in(h, 1);
        send_members(h, from, 100, 90);
        send_close(h, from, CLOSE_DONE);
        for (unsigned i = 0; i < 9000; i += 10) {
                for (uint8_t host; (host = next_dial(h, &link)) != 0; n_dials++) {
                        n_hosts += n_calls[host]++ == 0;
                        harness_change(h, link, LINK_RESET);
                }
                if (i == 900)
                        assert_in_range(n_dials, 30, 65);
                harness_advance(h, 10 * MSEC);
        }
        assert_in_range(n_hosts, 85, 91);
        assert_true(n_dials < 330);
}

/* Whom it has in its view already it does not call any earlier. */
static void test_where_there_are_no_others_who_fails_rests(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(0);
        unsigned n_dials = 0;
        LinkId from = link_in(h, 1), link;
        (void) state;

        harness_set_answering(h, true);
        send_members(h, from, 100, 10);
        for (unsigned i = 0; i < 1000; i++) {
                for (; next_dial(h, &link) != 0; n_dials++)
                        harness_change(h, link, LINK_RESET);
                harness_advance(h, 10 * MSEC);
        }
        assert_int_equal(n_dials, 10);
}

static void test_what_is_lost_is_tried_again_when_nobody_else_is_left(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(2);
        LinkId link;
        Other other = harness_peer(1);
        (void) state;

        for (unsigned i = 0; i < 2; i++) {
                assert_int_not_equal(next_dial(h, &link), 0);
                harness_change(h, link, LINK_UNREACHABLE);
        }
        /* Both rest, and all the same one of them is tried every 5 s, +-50 %. */
        for (unsigned i = 0; i < 10; i++) {
                assert_in_range(time_to_call(h, &link), 0, 7500 * MSEC + 10 * MSEC);
                harness_change(h, link, LINK_RESET);
        }
        time_to_call(h, &link);
        send_hello_ok(h, link, &other);
        assert_int_not_equal(expect(h, link, MESSAGE_NEIGHBOR)->neighbor.priority, PRIORITY_LOW);
}

static void test_lost_ones_are_tried_to_merge_every_10_minutes(void **state) {
        _cleanup_(harness_freep) Harness *h = NULL;
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        LostPeer lost = { .id = ID(1), .address = harness_address(1, 6000) };
        Other other = harness_peer(1);
        usec_t since_usec;
        LinkId link;
        (void) state;

        h = harness_new(&settings, OWN);
        assert_int_equal(peer_set_lost(harness_node(h), &lost, 1), 0);
        harness_start(h);
        harness_set_answering(h, true);
        link_in(h, 100);
        for (unsigned i = 0; i < 5; i++) {
                since_usec = harness_now(h);
                while ((link = harness_dialled(h, NULL)) == 0)
                        harness_advance(h, 1 * SEC);
                assert_in_range(harness_now(h) - since_usec, 5 * USEC_PER_MINUTE - SEC, 15 * USEC_PER_MINUTE + SEC);
                harness_change(h, link, LINK_UNREACHABLE);
        }
        while ((link = harness_dialled(h, NULL)) == 0)
                harness_advance(h, 1 * SEC);
        assert_true(harness_answer(h, link, &other, NULL));
        assert_int_equal(expect(h, link, MESSAGE_NEIGHBOR)->neighbor.priority, PRIORITY_MERGE);
        send_accept(h, link, 1);

        /* Whom we hold alive is in our part of the network. */
        send_disconnect(h, link, CLOSE_DONE);
        harness_advance(h, 60 * USEC_PER_MINUTE);
        while ((link = harness_dialled(h, NULL)) != 0) {
                harness_change(h, link, LINK_CONNECTED);
                assert_int_equal(expect(h, link, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        }
}

static void test_the_memory_is_given_and_taken_best_first(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LostPeer given[4] = {}, taken[4];
        (void) state;

        settings.params.lost_max = 3;
        h = harness_new(&settings, OWN);
        for (uint8_t i = 0; i < 4; i++)
                given[i] = (LostPeer) { ID(i + 1), harness_address((uint8_t) (i + 1), 6000) };
        assert_int_equal(peer_set_lost(harness_node(h), given, 4), 0);
        harness_start(h);
        assert_int_equal(peer_lost(harness_node(h), taken, 4), 3);
        for (uint8_t i = 0; i < 3; i++)
                assert_int_equal(taken[i].address.bytes[3], i + 1);
        assert_int_equal(peer_lost(harness_node(h), taken, 2), 2);

        harness_set_answering(h, true);
        link_in(h, 9);                          /* the best one now */
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 0);
        harness_advance(h, 5 * SEC);
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 1);
        assert_int_equal(peer_lost(harness_node(h), taken, 4), 3);
        assert_int_equal(taken[0].id.bytes[0], 9);
        assert_int_equal(taken[1].id.bytes[0], 1);
}

/* ---- what comes with BUSY ---- */

static void test_addresses_from_busy_are_tried(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(1);
        Address hints[2] = { harness_address(20, 6000), harness_address(21, 6000) };
        bool dialled[256] = {};
        LinkId link;
        (void) state;

        assert_int_equal(next_dial(h, &link), 1);
        answer_neighbor(h, link, 1);
        send_busy(h, link, hints, 2);
        dialled[next_dial(h, &link)] = true;
        dialled[next_dial(h, &link)] = true;
        assert_true(dialled[20] && dialled[21]);
}

static void test_addresses_from_busy_are_bounded(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        bool dialled[256] = {};
        unsigned n = 0;
        uint8_t host = 10;
        (void) state;

        settings.params.passive_max = 100;
        h = peer_new(&settings);
        for (uint8_t i = 0; i < 10; i++) {
                LinkId link = dial_to(h, (uint8_t) (200 + i));
                Address hints[8];

                answer_neighbor(h, link, (uint8_t) (200 + i));
                for (unsigned j = 0; j < 8; j++)
                        hints[j] = harness_address(host++, 6000);
                send_busy(h, link, hints, 8);
        }

        /* Eighty were named in one moment: 32 of them are tried when links are wanted. */
        settings.params.links_outgoing = 4;
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        for (LinkId link; (host = next_dial(h, &link)) != 0;) {
                assert_false(dialled[host]);
                dialled[host] = true;
                n += host < 200;
                harness_change(h, link, LINK_UNREACHABLE);
        }
        assert_int_equal(n, 32);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_is_busy_rests_10_seconds_and_who_fails_30),
                cmocka_unit_test(test_who_has_no_link_does_not_wait_for_the_busy),
                cmocka_unit_test(test_who_refuses_even_the_isolated_is_left_alone_for_longer),
                cmocka_unit_test(test_when_all_that_are_known_fail_others_are_drawn_once_a_second),
                cmocka_unit_test(test_where_there_are_no_others_who_fails_rests),
                cmocka_unit_test(test_what_is_lost_is_tried_again_when_nobody_else_is_left),
                cmocka_unit_test(test_lost_ones_are_tried_to_merge_every_10_minutes),
                cmocka_unit_test(test_the_memory_is_given_and_taken_best_first),
                cmocka_unit_test(test_addresses_from_busy_are_tried),
                cmocka_unit_test(test_addresses_from_busy_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
