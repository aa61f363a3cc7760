/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.2: links are replaced in time, but for the oldest, which are remembered first. */

#include "overlay.h"

#define N_OUT 4U
#define LONGEST (25 * USEC_PER_MINUTE / 2 * 3)

/* Peers 1 to @n are known from a seed; those that it dials accept, one after the other, until it has its links. */
static Harness *linked_peer(const NodeSettings *settings, unsigned n, uint8_t ret_hosts[static N_OUT], LinkId ret_links[static N_OUT]) {
        Harness *h = peer_new(settings);
        LinkId seed = set_seed(h);
        Record records[32];

        for (unsigned i = 0; i < n; i++)
                records[i] = record_of((uint8_t) (i + 1), MEMBER_ALIVE);
        send_list_ok(h, seed, 1, records, n);
        for (unsigned i = 0; i < MIN(N_OUT, settings->params.links_outgoing); i++) {
                Address address;

                ret_links[i] = harness_dialled(h, &address);
                ret_hosts[i] = address.bytes[3];
                answer_neighbor(h, ret_links[i], ret_hosts[i]);
                send_accept(h, ret_links[i], 4);
                harness_set_answering(h, true);
                harness_advance(h, 100 * MSEC);
                harness_set_answering(h, false);
        }
        expect_no_dial(h);
        harness_set_answering(h, true);
        return h;
}

static NodeSettings rotating_settings(void) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);

        settings.params.links_outgoing = N_OUT;
        return settings;
}

/* A dial that asks for a link: members without one are probed now and then, which they answer. */
static LinkId next_link_dial(Harness *h, usec_t limit, uint8_t *ret_host) {
        for (usec_t t = 0; t <= limit; t += 1 * SEC) {
                Address address;
                LinkId link;

                while ((link = harness_dialled(h, &address)) != 0) {
                        harness_change(h, link, LINK_CONNECTED);
                        *ret_host = address.bytes[3];
                        if (expect(h, link, MESSAGE_HELLO)->hello.purpose == PURPOSE_SESSION)
                                return link;
                        Other other = harness_peer(*ret_host);

                        send_hello_ok(h, link, &other);
                }
                harness_advance(h, 1 * SEC);
        }
        return 0;
}

static void test_a_link_is_replaced_every_25_minutes_and_never_an_anchor(void **state) {
        NodeSettings settings = rotating_settings();
        uint8_t hosts[N_OUT], host = 0;
        LinkId links[N_OUT], link;
        _cleanup_(harness_freep) Harness *h = linked_peer(&settings, 20, hosts, links);
        (void) state;

        for (unsigned i = 0; i < 10; i++) {
                usec_t since = harness_now(h);
                unsigned n_ended = 0;
                Other other;

                link = next_link_dial(h, LONGEST + 10 * SEC, &host);
                assert_int_not_equal(link, 0);
                assert_true(harness_now(h) - since >= LONGEST / 3 - 10 * SEC);
                other = harness_peer(host);
                send_hello_ok(h, link, &other);
                assert_int_equal(expect(h, link, MESSAGE_NEIGHBOR)->neighbor.priority, PRIORITY_LOW);
                assert_int_equal(n_links(h), N_OUT);            /* nobody goes before somebody comes */
                send_accept(h, link, 1);
                assert_int_equal(n_links(h), N_OUT);
                assert_true(harness_is_up(h, links[0]) && harness_is_up(h, links[1]) && harness_is_up(h, link));
                for (unsigned j = 2; j < N_OUT; j++)
                        if (!harness_is_up(h, links[j])) {
                                links[j] = link;
                                n_ended++;
                        }
                assert_int_equal(n_ended, 1);
        }
}

static void test_a_link_that_carries_no_messages_goes_first(void **state) {
        (void) state;

        for (unsigned lazy = 2; lazy < N_OUT; lazy++) {
                NodeSettings settings = rotating_settings();
                uint8_t hosts[N_OUT], host = 0;
                LinkId links[N_OUT], link;
                _cleanup_(harness_freep) Harness *h = linked_peer(&settings, 20, hosts, links);
                Other other;

                send_prune(h, links[lazy]);
                send_prune(h, links[0]);                /* anchors stay, whatever they carry */
                link = next_link_dial(h, LONGEST + 10 * SEC, &host);
                other = harness_peer(host);
                send_hello_ok(h, link, &other);
                send_accept(h, link, 1);
                for (unsigned i = 0; i < N_OUT; i++)
                        assert_int_equal(harness_is_up(h, links[i]), i != lazy);
        }
}

static void test_who_refuses_costs_no_link(void **state) {
        NodeSettings settings = rotating_settings();
        uint8_t hosts[N_OUT], host = 0;
        LinkId links[N_OUT], link;
        _cleanup_(harness_freep) Harness *h = linked_peer(&settings, 20, hosts, links);
        Other other;
        (void) state;

        link = next_link_dial(h, LONGEST + 10 * SEC, &host);
        other = harness_peer(host);
        send_hello_ok(h, link, &other);
        send_busy(h, link, NULL, 0);
        assert_int_equal(next_link_dial(h, LONGEST / 3 - 10 * SEC, &host), 0);
        for (unsigned i = 0; i < N_OUT; i++)
                assert_true(harness_is_up(h, links[i]));
}

static void test_without_anybody_else_links_stay(void **state) {
        NodeSettings settings = rotating_settings();
        uint8_t hosts[N_OUT], host;
        LinkId links[N_OUT];
        _cleanup_(harness_freep) Harness *h = linked_peer(&settings, N_OUT, hosts, links);
        (void) state;

        assert_int_equal(next_link_dial(h, 3 * LONGEST, &host), 0);
        assert_int_equal(n_links(h), N_OUT);
}

static void test_two_links_are_both_anchors(void **state) {
        NodeSettings settings = rotating_settings();
        uint8_t hosts[N_OUT], host;
        LinkId links[N_OUT];
        _cleanup_(harness_freep) Harness *h = NULL;
        (void) state;

        settings.params.links_outgoing = 2;
        h = linked_peer(&settings, 20, hosts, links);
        assert_int_equal(next_link_dial(h, 3 * LONGEST, &host), 0);
        assert_int_equal(n_links(h), 2);
}

static void test_classic_does_not_rotate(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);
        uint8_t hosts[N_OUT], host;
        LinkId links[N_OUT];
        _cleanup_(harness_freep) Harness *h = linked_peer(&settings, 20, hosts, links);
        (void) state;

        assert_int_equal(next_link_dial(h, 3 * LONGEST, &host), 0);
}

static void test_anchors_are_remembered_and_dialled_first(void **state) {
        NodeSettings settings = rotating_settings();
        uint8_t hosts[N_OUT];
        LinkId links[N_OUT];
        LostPeer remembered[32];
        size_t n;
        (void) state;

        for (uint64_t run = 1; run <= 20; run++) {
                _cleanup_(harness_freep) Harness *h = linked_peer(&settings, 20, hosts, links);
                _cleanup_(harness_freep) Harness *again = harness_new_run(&settings, OWN, run);

                for (uint8_t i = 0; i < 3; i++)
                        (void) link_in(h, (uint8_t) (100 + i));         /* younger, and the last to be remembered */
                n = peer_lost(harness_node(h), remembered, 32);
                assert_int_equal(n, 7);
                assert_int_equal(remembered[0].address.bytes[3], hosts[0]);
                assert_int_equal(remembered[1].address.bytes[3], hosts[1]);
                for (size_t i = 0; i < n; i++)
                        for (size_t j = 0; j < i; j++)
                                assert_false(node_id_equal(&remembered[i].id, &remembered[j].id));

                /* It is when it stops that this is saved, and its links go. */
                harness_stop(h);
                assert_int_equal(peer_n_links(harness_node(h)), 0);
                n = peer_lost(harness_node(h), remembered, 32);
                assert_int_equal(peer_set_lost(harness_node(again), remembered, n), 0);
                harness_start(again);
                expect_dial(again, hosts[0]);
                expect_dial(again, hosts[1]);
        }
}

static void test_a_full_memory_forgets_whom_we_hold_alive_first(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LostPeer gone[4] = {}, remembered[8];
        bool has[256] = {};
        size_t n;
        (void) state;

        settings.params.lost_max = 4;
        h = harness_new(&settings, OWN);
        for (uint8_t i = 0; i < 4; i++)
                gone[i] = (LostPeer) { ID(i + 1), harness_address((uint8_t) (i + 1), 6000) };
        assert_int_equal(peer_set_lost(harness_node(h), gone, 4), 0);
        harness_start(h);
        for (uint8_t i = 0; i < 20; i++)
                send_disconnect(h, link_in(h, (uint8_t) (20 + i)), CLOSE_DONE);
        n = peer_lost(harness_node(h), remembered, 8);
        assert_int_equal(n, 4);
        for (size_t i = 0; i < n; i++)
                has[remembered[i].id.bytes[0]] = true;
        assert_true(has[39]);                   /* the last one that was a link */
        assert_int_equal(has[1] + has[2] + has[3] + has[4], 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_link_is_replaced_every_25_minutes_and_never_an_anchor),
                cmocka_unit_test(test_a_link_that_carries_no_messages_goes_first),
                cmocka_unit_test(test_who_refuses_costs_no_link),
                cmocka_unit_test(test_without_anybody_else_links_stay),
                cmocka_unit_test(test_two_links_are_both_anchors),
                cmocka_unit_test(test_classic_does_not_rotate),
                cmocka_unit_test(test_anchors_are_remembered_and_dialled_first),
                cmocka_unit_test(test_a_full_memory_forgets_whom_we_hold_alive_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
