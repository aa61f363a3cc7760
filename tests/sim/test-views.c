/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the views of many nodes promise together, seeds or not: docs/PROTOCOL.md, sections 5.1 and 5.2. */

#include "scenario.h"
#include "sim-overlay.h"
#include "unit.h"

/* Each knows one other at first, and no seed at all. */
static void test_one_by_one_peers_become_a_network_without_any_seed(void **state) {
        _cleanup_(sim_freep) Sim *sim = hyparview_network(1, 60, true, 10 * USEC_PER_SEC);
        OverlayShape shape;

        sim_run_for(sim, 5 * USEC_PER_MINUTE);
        shape = sim_shape(sim);
        assert_int_equal(shape.n_components, 1);
        assert_int_equal(shape.degree_max, 5);
        assert_in_range(shape.degrees[5], 57, 60);
        assert_gossip_reaches_all(sim, 17);
}

static void test_newcomers_without_seeds_meet_more_than_whom_they_called(void **state) {
        Params params = params_of_profile(PROFILE_LAN);
        _cleanup_(sim_freep) Sim *sim = network_of_params(2, 0, 30, &params);

        for (unsigned i = 1; i < 30; i++)
                (void) sim_connect(sim, i, 0);          /* which has twelve places */
        assert_true(sim_run_until(sim, connected, 2 * USEC_PER_MINUTE));
        sim_run_for(sim, 2 * USEC_PER_MINUTE);
        for (unsigned i = 1; i < 30; i++)
                assert_true(peer_n_links_out(sim_node(sim, i)) >= 4);
        assert_gossip_reaches_all(sim, 17);
}

static void test_survivors_of_a_power_cut_find_each_other(void **state) {
        for (unsigned percent = 50; percent <= 70; percent += 20) {
                _cleanup_(sim_freep) Sim *sim = hyparview_network(percent, 100, true, 1 * USEC_PER_SEC);

                sim_run_for(sim, 2 * USEC_PER_MINUTE);
                end_some(sim, percent, percent, sim_power_cut);
                assert_true(sim_run_until(sim, connected, 20 * USEC_PER_SEC));
        }
}

/* No seed helps: it is the memory of lost peers that finds the other half. */
static void test_a_partition_without_seeds_heals(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(3, 1, 30);

        sim_run_for(sim, 2 * USEC_PER_MINUTE);
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_forget_seeds(sim, i);
        sim_stop(sim, 0);
        for (unsigned i = 16; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, 1);
        sim_run_for(sim, 20 * USEC_PER_MINUTE);
        assert_false(connected(sim));
        for (unsigned i = 16; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, 0);
        assert_true(sim_run_until_every(sim, USEC_PER_SEC, connected, 20 * USEC_PER_MINUTE));
}

static void test_anchors_are_kept_over_a_restart(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(4, N_SEEDS, 30);
        LostPeer remembered[2];

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 30 * USEC_PER_SEC);
        assert_int_equal(peer_lost(sim_node(sim, 10), remembered, 2), 2);
        sim_stop(sim, 10);
        sim_run_for(sim, 10 * USEC_PER_SEC);
        sim_restart(sim, 10, true);
        sim_run_for(sim, 2 * USEC_PER_SEC);
        for (unsigned i = 0; i < 2; i++) {
                MemberInfo info;

                assert_true(node_member(sim_node(sim, 10), &remembered[i].id, &info));
                assert_true(info.linked && !info.incoming);
        }
}

static void test_rotation_leaves_the_network_whole(void **state) {
        _cleanup_(sim_freep) Sim *sim = NULL;
        Params params = params_of_profile(PROFILE_LAN);

        params.liveness_interval_usec = 10 * USEC_PER_SEC;
        params.rotate_usec = 10 * USEC_PER_SEC;         /* a hundred times as often */
        sim = network_of_params(5, 1, 40, &params);
        sim_run_for(sim, 2 * USEC_PER_MINUTE);
        for (unsigned i = 0; i < 20; i++) {
                sim_run_for(sim, 30 * USEC_PER_SEC);
                assert_true(connected(sim));
        }
        for (unsigned i = 1; i <= 40; i++)
                assert_in_range(peer_n_links_out(sim_node(sim, i)), 3, 5);
}

static unsigned n_unlinked(Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n += sim_n_notices(sim, i, NOTICE_UNLINKED);
        return n;
}

static void test_small_tables_leave_links_alone_and_two_halves_still_meet(void **state) {
        Params params = params_of_profile(PROFILE_LAN);
        _cleanup_(sim_freep) Sim *sim = NULL;
        unsigned n;

        params.members_max = 16;
        params.hello_count = 0;
        sim = network_of_params(6, 1, 80, &params);
        sim_run_for(sim, 2 * USEC_PER_MINUTE);
        n = n_unlinked(sim);
        sim_run_for(sim, 4 * USEC_PER_MINUTE);          /* 8 renewals of each, which tell it of somebody it does not know */
        assert_true(n_unlinked(sim) < n + 2 * 8 * 20);

        sim_set_group(sim, 0, SIM_EVERY_GROUP);
        for (unsigned i = 1; i <= 40; i++)
                sim_set_group(sim, i, 1);
        sim_run_for(sim, 2 * USEC_PER_MINUTE);
        assert_false(connected(sim));
        sim_heal(sim);
        assert_true(sim_run_until(sim, connected, 2 * USEC_PER_MINUTE));
}

/* What a seed lists are people to call, also for who keeps no table of them. */
static void test_peers_without_tables_become_one_network(void **state) {
        Params params = params_of_profile(PROFILE_LAN);
        _cleanup_(sim_freep) Sim *sim = NULL;

        params.members_max = 0;
        sim = network_of_params(7, N_SEEDS, 100, &params);
        assert_true(sim_run_until(sim, connected, 30 * USEC_PER_SEC));
        sim_run_for(sim, 30 * USEC_PER_SEC);
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                assert_true(peer_n_links_out(sim_node(sim, i)) >= 4);
        assert_gossip_reaches_all(sim, 17);
}

/* More peers than a table holds: each table is a sample, and nobody is in more of them than chance has it (chi-square with 149
 * degrees of freedom, four deviations). Neighbours are held besides. */
static void test_tables_that_are_too_small_hold_a_uniform_sample(void **state) {
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;
        for (uint64_t run = 1; run <= 2; run++) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, 150, &params);
                double n_held = 0, chi_square = 0;
                unsigned counts[150] = {};

                sim_run_for(sim, 15 * USEC_PER_MINUTE);
                assert_true(connected(sim));
                for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++) {
                        assert_int_equal(node_n_members(sim_node(sim, i)), 64);
                        assert_int_equal(peer_n_sampled(sim_node(sim, i)), 149);
                        for (unsigned of = N_SEEDS; of < sim_n_nodes(sim); of++) {
                                MemberInfo info;

                                if (sim_linked(sim, i, of))
                                        assert_true(sim_holds(sim, i, of, &info));
                                else if (sim_holds(sim, i, of, &info)) {
                                        counts[of - N_SEEDS]++;
                                        n_held++;
                                }
                        }
                }
                for (unsigned i = 0; i < ELEMENTSOF(counts); i++)
                        chi_square += (counts[i] - n_held / 150) * (counts[i] - n_held / 150) /
                                      (n_held / 150 * (1 - n_held / 150 / 149));
                assert_true(chi_square < 149 + 4 * 17.3);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_by_one_peers_become_a_network_without_any_seed),
                cmocka_unit_test(test_newcomers_without_seeds_meet_more_than_whom_they_called),
                cmocka_unit_test(test_survivors_of_a_power_cut_find_each_other),
                cmocka_unit_test(test_a_partition_without_seeds_heals),
                cmocka_unit_test(test_anchors_are_kept_over_a_restart),
                cmocka_unit_test(test_rotation_leaves_the_network_whole),
                cmocka_unit_test(test_small_tables_leave_links_alone_and_two_halves_still_meet),
                cmocka_unit_test(test_peers_without_tables_become_one_network),
                cmocka_unit_test(test_tables_that_are_too_small_hold_a_uniform_sample),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
