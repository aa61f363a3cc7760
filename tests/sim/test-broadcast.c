/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The delivery sentence among many nodes: a tree that mends itself, whoever was away, whoever lies. That nobody delivers a message
 * twice the simulator itself sees to. */

#include "core/offer.h"
#include "scenario.h"
#include "sim-traffic.h"
#include "unit.h"

#define SEC USEC_PER_SEC

static uint64_t counted(Sim *sim, Counter counter) {
        uint64_t n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                if (sim_is_running(sim, i))
                        n += node_counter(sim_node(sim, i), counter);
        return n;
}

static Sim *quiet_network(uint64_t run, unsigned n_peers) {
        Params params = params_of_profile(PROFILE_LAN);
        Sim *sim;

        params.hello_count = 0;
        sim = network_of_params(run, 1, n_peers, &params);
        assert_true(sim_run_until(sim, connected, 60 * SEC));
        sim_run_for(sim, 30 * SEC);
        return sim;
}

static MessageId publish(Sim *sim, unsigned from) {
        MessageId id;

        assert_int_equal(sim_publish(sim, from, "/test", "payload", &id), 0);
        return id;
}

static void test_a_steady_sender_reaches_all_without_copies(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(1, 150);

        for (unsigned i = 0; i < 20; i++) {
                (void) publish(sim, 7);
                sim_run_for(sim, 1 * SEC);
        }
        for (unsigned i = 0; i < 10; i++) {
                MessageId id = publish(sim, 7);
                BroadcastReport report;

                sim_run_for(sim, 2 * SEC);
                report = sim_broadcast(sim, &id);
                assert_int_equal(report.n_delivered, 150);
                assert_true(report.redundancy <= 0.01);
        }
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
}

static void test_many_senders_at_once_reach_all(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(2, 100);
        MessageId ids[100];

        for (unsigned round = 0; round < 4; round++) {
                double redundancy = 0;

                for (unsigned i = 0; i < 100; i++) {
                        ids[i] = publish(sim, 1 + i);
                        sim_run_for(sim, 20 * USEC_PER_MSEC);
                }
                sim_run_for(sim, 5 * SEC);
                for (unsigned i = 0; i < 100; i++) {
                        assert_int_equal(sim_n_delivered(sim, ids + i), 100);
                        redundancy += sim_broadcast(sim, ids + i).redundancy / 100;
                }
                /* However many messages are under way at once, what they travel on becomes a tree by and by. */
                if (round == 3)
                        assert_true(redundancy <= 0.5);
        }
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
}

/* New links come up, the renewals of a table that is too small for all, and messages are compared: nothing of it cuts the tree. */
static void test_senders_everywhere_share_one_tree_that_stays(void **state) {
        for (uint64_t run = 1; run <= 3; run++) {
                Params params = params_of_profile(PROFILE_LAN);
                _cleanup_(sim_freep) Sim *sim = NULL;
                double redundancy = 0;
                uint64_t n_linked;
                usec_t last_usec = 0;

                params.hello_count = 0;
                params.members_max = 40;
                sim = network_of_params(run, N_SEEDS, 100, &params);
                assert_true(sim_run_until(sim, connected, 60 * SEC));
                sim_run_for(sim, 60 * SEC);
                for (unsigned i = 0; i < 10; i++) {
                        (void) publish(sim, N_SEEDS);
                        sim_run_for(sim, 2 * SEC);
                }

                n_linked = n_noticed(sim, NOTICE_LINKED);
                for (unsigned i = 0; i < 200; i++) {
                        MessageId id = publish(sim, N_SEEDS + i % 100);
                        BroadcastReport report;

                        sim_run_for(sim, 400 * USEC_PER_MSEC);
                        report = sim_broadcast(sim, &id);
                        assert_int_equal(report.n_delivered, 100);
                        redundancy += report.redundancy / 200;
                        last_usec = MAX(last_usec, report.last_usec);
                }
                assert_true(n_noticed(sim, NOTICE_LINKED) > n_linked);
                assert_true(redundancy <= 0.002);
                assert_true(last_usec < OFFER_T1_USEC);         /* nobody had to ask */
        }
}

/* What is listed on a new link may be on its way to whoever it is listed to: asked for at once it would come twice, and what is
 * passed on twice cuts the tree. */
static void test_new_links_make_no_copies_of_what_is_under_way(void **state) {
        uint64_t n_duplicates = 0, n_linked = 0;

        for (uint64_t run = 1; run <= 4; run++) {
                _cleanup_(sim_freep) Sim *sim = quiet_network(run, 60);

                for (unsigned i = 0; i < 20; i++) {
                        (void) publish(sim, 7);
                        sim_run_for(sim, 1 * SEC);
                }
                n_duplicates -= counted(sim, COUNTER_GOSSIP_DUPLICATES);
                n_linked -= n_noticed(sim, NOTICE_LINKED);
                for (unsigned i = 0; i < 400; i++) {
                        (void) publish(sim, 1 + i % 60);
                        if (i % 10 == 0)
                                (void) sim_connect(sim, 1 + i * 7 % 60, 1 + (i * 11 + 30) % 60);
                        sim_run_for(sim, 50 * USEC_PER_MSEC);
                }
                sim_run_for(sim, 5 * SEC);
                n_duplicates += counted(sim, COUNTER_GOSSIP_DUPLICATES);
                n_linked += n_noticed(sim, NOTICE_LINKED);
        }
        assert_true(n_linked > 100);
        assert_true(n_duplicates <= 10);                /* of 95,000; a single one that cuts the tree costs hundreds */
}

/* Who joins has nothing yet, and has to find a place in a tree that messages of many publishers are under way in. */
static void test_who_joins_while_messages_are_under_way_tears_no_tree(void **state) {
        uint64_t n_duplicates = 0;

        for (uint64_t run = 1; run <= 4; run++) {
                _cleanup_(sim_freep) Sim *sim = quiet_network(run, 60);
                unsigned n_first = sim_n_nodes(sim);
                MessageId last;

                for (unsigned i = 0; i < 20; i++) {
                        (void) publish(sim, 7);
                        sim_run_for(sim, 1 * SEC);
                }
                n_duplicates -= counted(sim, COUNTER_GOSSIP_DUPLICATES);
                for (unsigned i = 0; i < 1200; i++) {
                        if (i % 20 == 0 && sim_n_nodes(sim) < n_first + 20)
                                sim_start(sim, sim_add_peer(sim));
                        last = publish(sim, 1 + i % 60);
                        sim_run_for(sim, 50 * USEC_PER_MSEC);
                }
                sim_run_for(sim, 5 * SEC);
                n_duplicates += counted(sim, COUNTER_GOSSIP_DUPLICATES);
                assert_int_equal(sim_n_delivered(sim, &last), 80);
        }
        assert_true(n_duplicates <= 2500);              /* of 350,000; a cycle in several places costs ten times as many */
}

static void test_half_of_it_dies_and_the_next_messages_reach_the_other_half(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(3, 100);
        MessageId ids[20];

        for (unsigned i = 0; i < 20; i++) {
                (void) publish(sim, 1);
                sim_run_for(sim, 500 * USEC_PER_MSEC);
        }
        for (unsigned i = 2; i <= 51; i++)
                sim_crash(sim, i);
        for (unsigned i = 0; i < 20; i++) {
                ids[i] = publish(sim, 1);
                sim_run_for(sim, 500 * USEC_PER_MSEC);
        }
        sim_run_for(sim, 60 * SEC);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 50);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
}

static void test_who_was_cut_off_gets_all_of_it_later(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(4, 20);
        MessageId ids[50];

        sim_set_group(sim, 9, 1);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++) {
                ids[i] = publish(sim, 1 + i % 5);
                sim_run_for(sim, 2 * SEC);
        }
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 19);
        sim_heal(sim);
        sim_run_for(sim, 120 * SEC);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 20);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
}

static void test_two_halves_exchange_what_they_missed(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(5, 40);
        MessageId ids[20];

        for (unsigned i = 1; i <= 20; i++)
                sim_set_group(sim, i, 1);
        sim_set_group(sim, 0, SIM_EVERY_GROUP);
        sim_run_for(sim, 20 * SEC);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++) {
                ids[i] = publish(sim, 1 + 2 * i);
                sim_run_for(sim, 1 * SEC);
        }
        sim_heal(sim);
        sim_run_for(sim, 180 * SEC);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 40);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
}

static void test_who_was_away_for_longer_than_messages_are_stored_counts_what_it_missed(void **state) {
        Params params = params_of_profile(PROFILE_LAN);
        _cleanup_(sim_freep) Sim *sim = NULL;
        MessageId last;

        params.hello_count = 0;
        params.store_age_usec = 30 * SEC;
        sim = network_of_params(12, 1, 10, &params);
        assert_true(sim_run_until(sim, connected, 60 * SEC));
        sim_run_for(sim, 30 * SEC);
        (void) publish(sim, 1);
        sim_run_for(sim, 2 * SEC);

        sim_set_group(sim, 9, 1);
        for (unsigned i = 0; i < 100; i++) {
                last = publish(sim, 1);
                sim_run_for(sim, 1 * SEC);
        }
        sim_heal(sim);
        sim_run_for(sim, 120 * SEC);
        last = publish(sim, 1);
        sim_run_for(sim, 60 * SEC);
        assert_int_equal(sim_n_delivered(sim, &last), 10);
        assert_true(node_counter(sim_node(sim, 9), COUNTER_GOSSIP_LOST) >= 30);
        assert_true(node_counter(sim_node(sim, 9), COUNTER_GOSSIP_LOST) <= 100);
        assert_true(sim_n_notices(sim, 9, NOTICE_GAP) >= 1);
        /* Each was delivered, or counted as lost. */
        assert_int_equal(peer_last_serial(sim_node(sim, 9)) + node_counter(sim_node(sim, 9), COUNTER_GOSSIP_LOST), 102);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), node_counter(sim_node(sim, 9), COUNTER_GOSSIP_LOST));
}

/* ---- restarts of a publisher ---- */

/* A peer that published for all, then, cut off from them, five more that nobody has; after @end it is back with what it wrote
 * down, and publishes again. */
static Sim *restarted_publisher(uint64_t run, void (*end)(Sim *sim, unsigned i)) {
        Sim *sim = quiet_network(run, 20);

        for (unsigned i = 0; i < 3; i++)
                (void) publish(sim, 7);
        sim_run_for(sim, 5 * SEC);
        sim_set_group(sim, 7, 1);
        for (unsigned i = 0; i < 5; i++)
                (void) publish(sim, 7);
        end(sim, 7);
        sim_run_for(sim, 60 * SEC);
        sim_heal(sim);
        sim_restart(sim, 7, true);
        sim_run_for(sim, 20 * SEC);
        (void) publish(sim, 7);
        sim_run_for(sim, 60 * SEC);
        return sim;
}

static void assert_losses(Sim *sim, uint64_t n_lost, uint64_t n_uncertain, unsigned n_told) {
        for (unsigned i = 1; i <= 20; i++) {
                bool is_publisher = i == 7;

                assert_int_equal(peer_last_serial(sim_node(sim, i)), 4);                /* those who have it have it once */
                assert_int_equal(node_counter(sim_node(sim, i), COUNTER_GOSSIP_LOST), is_publisher ? 0 : n_lost);
                assert_int_equal(node_counter(sim_node(sim, i), COUNTER_GOSSIP_UNCERTAIN), is_publisher ? 0 : n_uncertain);
                assert_int_equal(sim_n_notices(sim, i, NOTICE_GAP), is_publisher ? 0 : n_told);
        }
}

static void test_whoever_stops_says_at_its_return_what_nobody_had(void **state) {
        _cleanup_(sim_freep) Sim *sim = restarted_publisher(13, sim_stop);

        assert_losses(sim, 5, 0, 1);
}

static void test_how_much_went_with_a_crash_nobody_pretends_to_know(void **state) {
        _cleanup_(sim_freep) Sim *sim = restarted_publisher(14, sim_crash);

        assert_losses(sim, 0, 1, 1);
}

static void test_a_restart_in_peace_loses_nothing_and_alarms_nobody(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(15, 20);

        for (unsigned life = 0; life < 4; life++) {
                for (unsigned i = 0; i < 3; i++)
                        (void) publish(sim, 7);
                sim_run_for(sim, 5 * SEC);
                sim_stop(sim, 7);
                sim_run_for(sim, 5 * SEC);
                sim_restart(sim, 7, true);
                sim_run_for(sim, 20 * SEC);
        }
        sim_run_for(sim, 60 * SEC);
        assert_int_equal(peer_last_serial(sim_node(sim, 3)), 12);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_UNCERTAIN), 0);
}

static void test_who_passes_nothing_on_keeps_nothing_from_the_others(void **state) {
        _cleanup_(sim_freep) Sim *sim = quiet_network(7, 100);

        for (unsigned i = 1; i <= 20; i++)
                sim_set_mute(sim, 5 * i, true);
        for (unsigned i = 0; i < 10; i++) {
                MessageId id = publish(sim, 1);

                sim_run_for(sim, 5 * SEC);
                assert_in_range(sim_n_delivered(sim, &id), 99, 100);
        }
}

static void test_slow_readers_hold_up_nobody_else(void **state) {
        static char payload[1025];
        _cleanup_(sim_freep) Sim *sim = quiet_network(8, 40);
        MessageId ids[300];

        memset(payload, 'x', 1024);
        sim_set_slow(sim, 5, 2000);
        sim_set_slow(sim, 6, 2000);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++) {
                assert_int_equal(sim_publish(sim, 1, "/test", payload, ids + i), 0);
                sim_run_for(sim, 10 * USEC_PER_MSEC);
        }
        sim_run_for(sim, 3 * SEC);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_in_range(sim_n_delivered(sim, ids + i), 38, 40);
}

static void test_what_a_full_link_has_no_room_for_comes_in_order_when_it_has(void **state) {
        static char payload[8193];
        Params params = params_of_profile(PROFILE_LAN);
        _cleanup_(sim_freep) Sim *sim = NULL;
        MessageId ids[100];

        memset(payload, 'x', sizeof(payload) - 1);
        params.hello_count = 0;
        params.queue_max = 64 * 1024;
        sim = network_of_params(9, 1, 10, &params);
        assert_true(sim_run_until(sim, connected, 60 * SEC));
        for (unsigned i = 0; i < 20; i++) {
                (void) publish(sim, 1);
                sim_run_for(sim, 1 * SEC);
        }
        for (unsigned i = 2; i <= 4; i++)
                sim_set_slow(sim, i, 100 * 1000);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++) {
                assert_int_equal(sim_publish(sim, 1, "/test", payload, ids + i), 0);
                sim_run_for(sim, 20 * USEC_PER_MSEC);
        }
        sim_run_for(sim, 30 * SEC);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 10);
        assert_int_equal(counted(sim, COUNTER_GOSSIP_LOST), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_steady_sender_reaches_all_without_copies),
                cmocka_unit_test(test_many_senders_at_once_reach_all),
                cmocka_unit_test(test_senders_everywhere_share_one_tree_that_stays),
                cmocka_unit_test(test_new_links_make_no_copies_of_what_is_under_way),
                cmocka_unit_test(test_who_joins_while_messages_are_under_way_tears_no_tree),
                cmocka_unit_test(test_half_of_it_dies_and_the_next_messages_reach_the_other_half),
                cmocka_unit_test(test_who_was_cut_off_gets_all_of_it_later),
                cmocka_unit_test(test_two_halves_exchange_what_they_missed),
                cmocka_unit_test(test_who_was_away_for_longer_than_messages_are_stored_counts_what_it_missed),
                cmocka_unit_test(test_whoever_stops_says_at_its_return_what_nobody_had),
                cmocka_unit_test(test_how_much_went_with_a_crash_nobody_pretends_to_know),
                cmocka_unit_test(test_a_restart_in_peace_loses_nothing_and_alarms_nobody),
                cmocka_unit_test(test_who_passes_nothing_on_keeps_nothing_from_the_others),
                cmocka_unit_test(test_slow_readers_hold_up_nobody_else),
                cmocka_unit_test(test_what_a_full_link_has_no_room_for_comes_in_order_when_it_has),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
