/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What many nodes promise together, one scenario per promise. Latencies are 10 to 100 ms, so nothing here is instantaneous. */

#include "scenario.h"
#include "sim-internal.h"
#include "unit.h"

/* ---- forming ---- */

static void test_200_peers_become_one_network(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, N_SEEDS, 200);

        assert_true(sim_run_until(sim, connected, 10 * USEC_PER_SEC));
        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 30 * USEC_PER_SEC);    /* until the last link that made room for another is replaced */
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++) {
                assert_int_equal(node_n_registered(sim_node(sim, i)), 2);      /* floor(3 / 2) + 1 */
                assert_int_equal(peer_n_links_out(sim_node(sim, i)), 4);
                assert_int_equal(node_state(sim_node(sim, i)), NODE_ONLINE);
        }
        assert_gossip_reaches_all(sim, 77);
}

static void test_the_same_run_gives_the_same_trace(void **state) {
        uint64_t traces[3];

        for (unsigned i = 0; i < 3; i++) {
                _cleanup_(sim_freep) Sim *sim = network(i < 2 ? 7 : 8, N_SEEDS, 30);

                sim_run_for(sim, 20 * USEC_PER_SEC);
                sim_crash(sim, 5);
                sim_run_for(sim, 20 * USEC_PER_SEC);
                traces[i] = sim_trace(sim);
        }
        assert_true(traces[0] == traces[1]);
        assert_true(traces[0] != traces[2]);
}

static void test_small_networks_link_everybody(void **state) {
        for (unsigned n = 2; n <= 5; n++) {
                _cleanup_(sim_freep) Sim *sim = network(n, 1, n);

                assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
                sim_run_for(sim, 60 * USEC_PER_SEC);
                for (unsigned i = 1; i <= n; i++)
                        assert_int_equal(peer_n_links(sim_node(sim, i)), n - 1);
                assert_gossip_reaches_all(sim, 1);
        }
}

static void test_a_peer_alone_is_online_once_registered(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, 1, 1);

        sim_run_for(sim, 5 * USEC_PER_SEC);
        assert_int_equal(node_state(sim_node(sim, 1)), NODE_ONLINE);
        assert_int_equal(sim_n_notices(sim, 1, NOTICE_PROTOCOL_ERROR), 0);
}

static void test_peers_start_and_stay_up_without_any_seed(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(3, 2, 6);

        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_run_for(sim, 10 * USEC_PER_SEC);
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_stop(sim, i);
        sim_run_for(sim, 10 * USEC_PER_SEC);

        /* Only the peers come back, and find each other by what they remember. */
        for (unsigned i = 2; i < sim_n_nodes(sim); i++)
                sim_restart(sim, i, true);
        assert_true(sim_run_until(sim, connected, 60 * USEC_PER_SEC));
        assert_gossip_reaches_all(sim, 4);
}

/* ---- dying ---- */

static void test_a_crashed_peer_is_dead_everywhere(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(2, N_SEEDS, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 30 * USEC_PER_SEC);
        sim_crash(sim, 10);
        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_run_for(sim, 8 * USEC_PER_SEC);     /* until everybody has waited long enough for it to object */
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                if (i != 10)
                        assert_int_equal(state_at(sim, i, 10), MEMBER_DEAD);
        assert_gossip_reaches_all(sim, 5);
}

/* One that was linked to @of says that it is gone within the range, and then all of them hold it so. */
static void assert_neighbours_notice(Sim *sim, unsigned of, void (*end)(Sim *sim, unsigned i), usec_t from_usec,
                                     usec_t to_usec) {
        bool linked[64] = {};
        usec_t ended_usec = sim_now(sim);
        usec_t first_usec = USEC_INFINITY;
        unsigned n_linked = 0;

        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                n_linked += linked[i] = i != of && sim_linked(sim, i, of);
        end(sim, of);
        sim_run_for(sim, to_usec + USEC_PER_SEC);

        assert_true(n_linked >= 4);
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                if (linked[i]) {
                        if (sim_last_notice_usec(sim, i, NOTICE_SILENT) > ended_usec)
                                first_usec = MIN(first_usec, sim_last_notice_usec(sim, i, NOTICE_SILENT));
                        assert_int_not_equal(state_at(sim, i, of), MEMBER_ALIVE);
                }
        assert_in_range(first_usec - ended_usec, from_usec, to_usec);
}

static void test_a_crash_is_noticed_within_one_round_trip_and_a_hang_within_the_strikes(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(2, N_SEEDS, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 10 * USEC_PER_SEC);    /* until it has all its links */
        assert_neighbours_notice(sim, 10, sim_crash, 1, 400 * USEC_PER_MSEC);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        /* At the tick after a second of silence, and three strikes. */
        assert_neighbours_notice(sim, 12, sim_freeze, USEC_PER_SEC, 5 * USEC_PER_SEC);
}

static void test_a_hung_peer_dies_and_comes_back_when_it_wakes(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(3, N_SEEDS, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_freeze(sim, 10);
        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        assert_int_equal(state_at(sim, 0, 10), MEMBER_DEAD);
        sim_thaw(sim, 10);
        assert_true(sim_run_until(sim, settled, 120 * USEC_PER_SEC));
        assert_int_equal(state_at(sim, 0, 10), MEMBER_ALIVE);
        assert_true(node_incarnation(sim_node(sim, 10)) > 0);
        assert_gossip_reaches_all(sim, 10);
}

/* Not only those that were linked to it. */
static void test_in_a_small_network_everybody_knows_of_deaths_and_returns_at_once(void **state) {
        for (uint64_t run = 1; run <= 10; run++) {
                _cleanup_(sim_freep) Sim *sim = network(run, N_SEEDS, 20);

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                sim_run_for(sim, 40 * USEC_PER_SEC);
                sim_crash(sim, 10);
                assert_true(sim_run_until(sim, settled, 3 * USEC_PER_SEC));
                sim_restart(sim, 10, true);
                assert_true(sim_run_until(sim, settled, 3 * USEC_PER_SEC));
                sim_stop(sim, 11);
                assert_true(sim_run_until(sim, settled, 3 * USEC_PER_SEC));
                sim_freeze(sim, 12);
                assert_true(sim_run_until(sim, settled, 8 * USEC_PER_SEC));
                sim_thaw(sim, 12);
                assert_true(sim_run_until(sim, settled, 8 * USEC_PER_SEC));
        }
}

static void test_a_power_cut_is_noticed(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(4, N_SEEDS, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_power_cut(sim, 7);
        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_restart(sim, 7, true);
        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
}

static void test_nobody_accuses_a_peer_that_stops_in_order(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(5, N_SEEDS, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_stop(sim, 9);
        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        for (unsigned i = 0; i < sim_n_nodes(sim); i++) {
                if (i == 9)
                        continue;
                assert_int_equal(state_at(sim, i, 9), MEMBER_LEFT);
                assert_int_equal(sim_n_notices(sim, i, NOTICE_SUSPECT), 0);
                assert_int_equal(sim_n_notices(sim, i, NOTICE_REPORTED_DEAD), 0);
        }
}

/* Each looks after itself: whoever is linked by hand is linked to nobody else. */
static Sim *two_strangers(uint64_t run) {
        Sim *sim = sim_new(run);
        Params params = params_of_profile(PROFILE_LAN);

        params.links_outgoing = 0;
        sim_set_params(sim, &params);
        (void) sim_add_peer(sim);
        (void) sim_add_peer(sim);
        sim_start_all(sim);
        return sim;
}

/* There is neither a seed nor a link: whoever is asking just then is the only one who can be told. */
static void test_who_stops_while_it_is_being_asked_has_left(void **state) {
        for (uint64_t run = 1; run <= 20; run++) {
                _cleanup_(sim_freep) Sim *sim = two_strangers(run);
                uint64_t n_frames;

                assert_int_equal(sim_connect(sim, 0, 1), 0);
                sim_run_for(sim, 2 * USEC_PER_SEC);
                assert_true(sim_linked(sim, 0, 1));
                sim_settle(sim, 0, peer_disconnect(sim_node(sim, 0), sim_id(sim, 1), sim_now(sim)));
                sim_run_for(sim, 2 * USEC_PER_SEC);
                assert_false(sim_linked(sim, 0, 1));
                assert_int_equal(state_at(sim, 0, 1), MEMBER_ALIVE);

                n_frames = node_counter(sim_node(sim, 1), COUNTER_FRAMES_IN);
                sim_settle(sim, 0, node_ping(sim_node(sim, 0), sim_id(sim, 1), 1, sim_now(sim)));
                while (node_counter(sim_node(sim, 1), COUNTER_FRAMES_IN) == n_frames)
                        sim_run_for(sim, USEC_PER_MSEC);
                sim_stop(sim, 1);
                sim_run_for(sim, 10 * USEC_PER_SEC);
                assert_int_equal(state_at(sim, 0, 1), MEMBER_LEFT);
                assert_int_equal(sim_n_notices(sim, 0, NOTICE_LEFT), 1);
                sim_run_for(sim, 2 * USEC_PER_MINUTE);
                assert_int_equal(sim_n_notices(sim, 0, NOTICE_SUSPECT), 0);
        }
}

/* ---- coming back ---- */

static void test_a_peer_that_restarts_with_its_state_is_the_same_member(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(6, N_SEEDS, 20);
        NodeId before;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        before = *sim_id(sim, 8);
        sim_crash(sim, 8);
        sim_run_for(sim, USEC_PER_SEC);
        sim_restart(sim, 8, true);
        assert_true(node_id_equal(&before, sim_id(sim, 8)));
        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        assert_gossip_reaches_all(sim, 8);
}

static void test_a_peer_that_lost_its_state_is_a_new_member_at_the_old_address(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(6, N_SEEDS, 20);
        NodeId before;
        MemberInfo info;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        before = *sim_id(sim, 8);
        sim_crash(sim, 8);
        sim_run_for(sim, USEC_PER_SEC);
        sim_restart(sim, 8, false);
        assert_false(node_id_equal(&before, sim_id(sim, 8)));
        assert_true(sim_run_until(sim, settled, 120 * USEC_PER_SEC));
        assert_true(node_member(sim_node(sim, 0), &before, &info));
        assert_int_equal(info.state, MEMBER_DEAD);
        assert_gossip_reaches_all(sim, 8);
}

static void test_a_copy_of_a_node_takes_a_new_id(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(7, N_SEEDS, 10);
        unsigned clone;
        NodeId original;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 20 * USEC_PER_SEC);
        original = *sim_id(sim, 5);
        clone = sim_add_clone(sim, 5);
        sim_start(sim, clone);
        assert_true(sim_run_until(sim, settled, 120 * USEC_PER_SEC));
        assert_true(node_id_equal(sim_id(sim, 5), &original));
        assert_false(node_id_equal(sim_id(sim, clone), &original));
        assert_int_equal(sim_n_notices(sim, clone, NOTICE_DUPLICATE_ID), 1);
        assert_int_equal(sim_n_notices(sim, 5, NOTICE_DUPLICATE_ID), 0);
        assert_gossip_reaches_all(sim, clone);
}

/* ---- seeds ---- */

static void test_the_network_lives_on_without_seeds_and_they_learn_it_again(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(8, N_SEEDS, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        for (unsigned i = 0; i < N_SEEDS; i++)
                sim_crash(sim, i);
        sim_run_for(sim, 60 * USEC_PER_SEC);
        assert_true(sim_is_connected(sim));
        assert_true(sim_members_agree(sim));
        assert_gossip_reaches_all(sim, 12);

        for (unsigned i = 0; i < N_SEEDS; i++)
                sim_restart(sim, i, true);
        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                assert_int_equal(sim_n_notices(sim, i, NOTICE_SUSPECT), 0);
}

static void test_a_seed_that_is_lost_is_replaced_by_another(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(9, N_SEEDS, 10);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_crash(sim, 1);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                assert_int_equal(node_n_registered(sim_node(sim, i)), 2);
}

static void test_a_restarted_seed_lists_nobody_who_does_not_renew(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(10, 1, 5);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 15 * USEC_PER_SEC);
        sim_stop(sim, 0);
        sim_power_cut(sim, 3);          /* nobody is told */
        sim_restart(sim, 0, true);
        assert_int_equal(node_n_alive(sim_node(sim, 0)), 0);
        sim_run_for(sim, 60 * USEC_PER_SEC);
        assert_int_equal(node_n_alive(sim_node(sim, 0)), 4);
}

static void test_an_unlisted_seed_may_add_but_not_bury(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(11, 2, 8);
        unsigned stranger;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        stranger = sim_add_seed(sim, false);
        sim_start(sim, stranger);
        sim_run_for(sim, 60 * USEC_PER_SEC);
        /* It knows the others, they link to it when it calls; it learns their list. */
        assert_int_equal(node_n_alive(sim_node(sim, stranger)), 8);
        assert_true(sim_seeds_agree(sim));
}

/* ---- falling apart and together ---- */

static void test_two_halves_become_one_again_with_seeds(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(12, N_SEEDS, 40);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, i % 2);
        sim_run_for(sim, 5 * USEC_PER_MINUTE);
        assert_false(sim_is_connected(sim));
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, 0);
        assert_true(sim_run_until(sim, connected, 60 * USEC_PER_SEC));
        assert_true(sim_run_until(sim, settled, 120 * USEC_PER_SEC));
        assert_gossip_reaches_all(sim, 20);
}

static void test_two_halves_become_one_again_without_seeds(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(13, 1, 20);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_crash(sim, 0);
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, i % 2);
        sim_run_for(sim, 5 * USEC_PER_MINUTE);
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, 0);
        assert_true(sim_run_until(sim, connected, 20 * USEC_PER_MINUTE));
}

/* Three hosts with a seed and two peers each; two of them do not reach each other, the third reaches both. */
static void test_who_cannot_see_each_other_lets_each_other_live(void **state) {
        for (uint64_t run = 1; run <= 20; run++) {
                _cleanup_(sim_freep) Sim *sim = network(run, N_SEEDS, 6);
                unsigned before;

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                        sim_set_group(sim, i, (const unsigned[]) { 0, 1, SIM_EVERY_GROUP }[i % 3]);
                sim_run_for(sim, 90 * USEC_PER_SEC);    /* links and sessions are lost, and some do believe in deaths for a moment */
                before = n_burials(sim);
                for (unsigned i = 0; i < 20; i++) {
                        sim_run_for(sim, 30 * USEC_PER_SEC);
                        assert_true(settled(sim));
                        assert_gossip_reaches_all(sim, N_SEEDS + i % 6);
                }
                assert_int_equal(n_burials(sim), before);
                for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                        sim_set_group(sim, i, 0);
                assert_true(sim_run_until(sim, settled, 120 * USEC_PER_SEC));
        }
}

/* ---- links ---- */

static void test_an_isolated_caller_is_never_refused(void **state) {
        _cleanup_(sim_freep) Sim *sim = network_of_profile(14, 1, 5, PROFILE_CLASSIC);
        unsigned late;

        /* Five peers with four links each fill each other; the sixth still joins. */
        sim_run_for(sim, 30 * USEC_PER_SEC);
        for (unsigned i = 1; i <= 5; i++)
                assert_int_equal(peer_n_links(sim_node(sim, i)), 4);
        late = sim_add_peer(sim);
        sim_start(sim, late);
        sim_run_for(sim, 10 * USEC_PER_SEC);
        assert_true(peer_n_links(sim_node(sim, late)) > 0);
        assert_true(sim_is_connected(sim));
}

static void test_a_full_peer_says_busy_and_the_caller_goes_on(void **state) {
        _cleanup_(sim_freep) Sim *sim = network_of_profile(15, 1, 30, PROFILE_CLASSIC);
        unsigned n_busy = 0;

        sim_run_for(sim, 60 * USEC_PER_SEC);
        assert_true(sim_is_connected(sim));
        for (unsigned i = 1; i < sim_n_nodes(sim); i++) {
                n_busy += sim_n_notices(sim, i, NOTICE_BUSY) > 0;
                assert_in_range(peer_n_links(sim_node(sim, i)), 1, 5);
        }
        assert_true(n_busy > 0);
}

static void test_dead_links_make_room_before_anybody_is_refused(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(16, 1, 14);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        for (unsigned i = 1; i <= 10; i++)
                sim_power_cut(sim, i);
        assert_true(sim_run_until(sim, connected, 15 * USEC_PER_SEC));
        assert_gossip_reaches_all(sim, 12);
}

static void test_links_that_are_lost_are_refilled(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(17, N_SEEDS, 50);

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        for (unsigned i = N_SEEDS; i < 23; i++)
                sim_crash(sim, i);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        assert_true(sim_is_connected(sim));
        for (unsigned i = 23; i < sim_n_nodes(sim); i++)
                assert_int_equal(peer_n_links_out(sim_node(sim, i)), 4);
}

static void test_a_half_open_link_shuts_nobody_out(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(18, 1, 2);

        assert_true(sim_run_until(sim, settled, 30 * USEC_PER_SEC));
        assert_true(sim_linked(sim, 1, 2));
        for (unsigned i = 1; i <= 2; i++) {
                sim_half_open(sim, i, 3 - i);
                assert_false(sim_linked(sim, i, 3 - i));
                assert_true(sim_linked(sim, 3 - i, i));
                assert_true(sim_run_until(sim, connected, 20 * USEC_PER_SEC));
                sim_run_for(sim, 15 * USEC_PER_SEC);
                assert_true(sim_is_connected(sim));
                assert_int_equal(state_at(sim, 1, 2), MEMBER_ALIVE);
                assert_int_equal(state_at(sim, 2, 1), MEMBER_ALIVE);
        }
}

static void test_simultaneous_dials_leave_one_link(void **state) {
        for (uint64_t run = 1; run <= 50; run++) {
                _cleanup_(sim_freep) Sim *sim = sim_new(run);

                (void) sim_add_peer(sim);
                (void) sim_add_peer(sim);
                sim_start_all(sim);
                for (unsigned i = 0; i < 2; i++) {
                        assert_int_equal(sim_connect(sim, i, 1 - i), 0);
                        /* At every distance between the two calls, from the same moment to after the first is done. */
                        sim_run_for(sim, run * 4 * USEC_PER_MSEC);
                }
                sim_run_for(sim, 15 * USEC_PER_SEC);
                assert_true(sim_linked(sim, 0, 1));
                assert_true(sim_linked(sim, 1, 0));
                assert_int_equal(peer_n_links(sim_node(sim, 0)), 1);
                assert_int_equal(peer_n_links(sim_node(sim, 1)), 1);
                assert_int_equal(node_n_sessions(sim_node(sim, 0)), 1);
                assert_int_equal(node_n_sessions(sim_node(sim, 1)), 1);
        }
}

/* ---- the original numbers ---- */

static void test_classic_links_to_four_peers(void **state) {
        _cleanup_(sim_freep) Sim *sim = network_of_profile(19, N_SEEDS, 20, PROFILE_CLASSIC);

        sim_run_for(sim, 120 * USEC_PER_SEC);
        assert_true(sim_is_connected(sim));
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                /* The fifth is for isolated callers; one may be all that the others have left to give. */
                assert_in_range(peer_n_links(sim_node(sim, i)), 1, 5);
}

static void test_classic_sends_ten_messages_five_seconds_apart(void **state) {
        _cleanup_(sim_freep) Sim *sim = network_of_profile(20, 1, 8, PROFILE_CLASSIC);
        unsigned before;

        sim_run_for(sim, 31 * USEC_PER_SEC);
        before = sim_n_hellos(sim, 1, 1);
        assert_in_range(before, 5, 6);
        sim_run_for(sim, 5 * USEC_PER_SEC);
        assert_int_equal(sim_n_hellos(sim, 1, 1), before + 1);
        sim_run_for(sim, 120 * USEC_PER_SEC);
        for (unsigned of = 1; of <= 8; of++)
                for (unsigned at = 1; at <= 8; at++)
                        if (sim_is_connected(sim))
                                assert_in_range(sim_n_hellos(sim, of, at), of == at ? 10 : 8, 10);
}

static void test_classic_takes_three_strikes_13_seconds_apart_and_one_report(void **state) {
        _cleanup_(sim_freep) Sim *sim = network_of_profile(21, 1, 6, PROFILE_CLASSIC);
        usec_t frozen_usec;
        unsigned n_silent = 0;

        sim_run_for(sim, 100 * USEC_PER_SEC);
        frozen_usec = sim_now(sim);
        sim_freeze(sim, 3);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        for (unsigned i = 1; i <= 6; i++)
                assert_int_equal(sim_n_notices(sim, i, NOTICE_SILENT), 0);
        assert_int_equal(state_at(sim, 0, 3), MEMBER_ALIVE);

        sim_run_for(sim, 60 * USEC_PER_SEC);
        for (unsigned i = 1; i <= 6; i++)
                if (sim_n_notices(sim, i, NOTICE_SILENT) > 0) {
                        n_silent++;
                        /* Silence is noticed 13 to 26 s after the last byte; then three times 13 s. */
                        assert_in_range(sim_last_notice_usec(sim, i, NOTICE_SILENT) - frozen_usec, 39 * USEC_PER_SEC,
                                        66 * USEC_PER_SEC);
                }
        assert_true(n_silent > 0);
        assert_int_equal(state_at(sim, 0, 3), MEMBER_DEAD);
}

static void test_classic_registers_with_a_majority(void **state) {
        for (unsigned n_seeds = 1; n_seeds <= 6; n_seeds++) {
                _cleanup_(sim_freep) Sim *sim = network_of_profile(22, n_seeds, 3, PROFILE_CLASSIC);

                sim_run_for(sim, 20 * USEC_PER_SEC);
                for (unsigned i = n_seeds; i < sim_n_nodes(sim); i++)
                        assert_int_equal(node_n_registered(sim_node(sim, i)), n_seeds / 2 + 1);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_200_peers_become_one_network),
                cmocka_unit_test(test_the_same_run_gives_the_same_trace),
                cmocka_unit_test(test_small_networks_link_everybody),
                cmocka_unit_test(test_a_peer_alone_is_online_once_registered),
                cmocka_unit_test(test_peers_start_and_stay_up_without_any_seed),
                cmocka_unit_test(test_a_crashed_peer_is_dead_everywhere),
                cmocka_unit_test(test_a_crash_is_noticed_within_one_round_trip_and_a_hang_within_the_strikes),
                cmocka_unit_test(test_a_hung_peer_dies_and_comes_back_when_it_wakes),
                cmocka_unit_test(test_in_a_small_network_everybody_knows_of_deaths_and_returns_at_once),
                cmocka_unit_test(test_a_power_cut_is_noticed),
                cmocka_unit_test(test_nobody_accuses_a_peer_that_stops_in_order),
                cmocka_unit_test(test_who_stops_while_it_is_being_asked_has_left),
                cmocka_unit_test(test_a_peer_that_restarts_with_its_state_is_the_same_member),
                cmocka_unit_test(test_a_peer_that_lost_its_state_is_a_new_member_at_the_old_address),
                cmocka_unit_test(test_a_copy_of_a_node_takes_a_new_id),
                cmocka_unit_test(test_the_network_lives_on_without_seeds_and_they_learn_it_again),
                cmocka_unit_test(test_a_seed_that_is_lost_is_replaced_by_another),
                cmocka_unit_test(test_a_restarted_seed_lists_nobody_who_does_not_renew),
                cmocka_unit_test(test_an_unlisted_seed_may_add_but_not_bury),
                cmocka_unit_test(test_two_halves_become_one_again_with_seeds),
                cmocka_unit_test(test_two_halves_become_one_again_without_seeds),
                cmocka_unit_test(test_who_cannot_see_each_other_lets_each_other_live),
                cmocka_unit_test(test_an_isolated_caller_is_never_refused),
                cmocka_unit_test(test_a_full_peer_says_busy_and_the_caller_goes_on),
                cmocka_unit_test(test_dead_links_make_room_before_anybody_is_refused),
                cmocka_unit_test(test_links_that_are_lost_are_refilled),
                cmocka_unit_test(test_a_half_open_link_shuts_nobody_out),
                cmocka_unit_test(test_simultaneous_dials_leave_one_link),
                cmocka_unit_test(test_classic_links_to_four_peers),
                cmocka_unit_test(test_classic_sends_ten_messages_five_seconds_apart),
                cmocka_unit_test(test_classic_takes_three_strikes_13_seconds_apart_and_one_report),
                cmocka_unit_test(test_classic_registers_with_a_majority),
        };

        if (getenv("SIM_TEST"))
                cmocka_set_test_filter(getenv("SIM_TEST"));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
