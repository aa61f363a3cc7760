/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many peers that call the same seeds in the same moment (PROTOCOL.md, 4.1, 6.1 and 7.3). */

#include "scenario.h"
#include "sim-traffic.h"
#include "unit.h"

#define N_CROWD 1000U
#define FRAMES_MAX 5000U                /* of one seed in one second, both ways */

/* Of one seed. */
static Sim *crowd(uint64_t run, unsigned members_max) {
        Params params = params_of_profile(PROFILE_LAN);
        Sim *sim = sim_new(run);

        params.members_max = members_max;
        params.hello_count = 0;
        network_add_seeds(sim, 1, N_CROWD, &params);
        return sim;
}

static uint64_t n_frames(Sim *sim) {
        return sim_n_frames(sim, 0, 0) + node_counter(sim_node(sim, 0), COUNTER_FRAMES_IN);
}

static unsigned n_registered(Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 1; i < sim_n_nodes(sim); i++)
                n += sim_is_running(sim, i) && node_n_registered(sim_node(sim, i)) >= node_n_wanted(sim_node(sim, i));
        return n;
}

/* Until all have registered. Return: the most frames of the seed in one second meanwhile. */
static uint64_t run_until_registered(Sim *sim, unsigned seconds_max) {
        uint64_t most = 0, before = n_frames(sim);

        for (unsigned i = 0; n_registered(sim) < N_CROWD; i++) {
                uint64_t now;

                assert_true(i < seconds_max);
                sim_run_for(sim, USEC_PER_SEC);
                now = n_frames(sim);
                most = MAX(most, now - before);
                before = now;
        }
        return most;
}

static void start_crowd(Sim *sim, usec_t duration_usec) {
        for (unsigned i = 0; i < N_CROWD; i++) {
                (void) sim_add_peer(sim);
                sim_start(sim, sim_n_nodes(sim) - 1);
                sim_run_for(sim, duration_usec / N_CROWD);
        }
}

static uint64_t n_turned_away(Sim *sim) {
        return node_counter(sim_node(sim, 0), COUNTER_SESSIONS_REFUSED);
}

static void test_a_crowd_is_taken_in_by_turns(void **state) {
        static const unsigned tables[] = { 64, 512 };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                _cleanup_(sim_freep) Sim *sim = crowd(1 + i, tables[i]);

                sim_start(sim, 0);
                start_crowd(sim, USEC_PER_SEC);
                assert_true(run_until_registered(sim, 10) <= FRAMES_MAX);
                assert_in_range(n_turned_away(sim), 1, N_CROWD);       /* who comes when it was told finds room */
                assert_true(sim_run_until_every(sim, USEC_PER_SEC, sim_is_connected, 30 * USEC_PER_SEC));
        }
}

/* All of them notice at the same time, and call it again at the same time, when it is back. */
static void test_a_seed_that_comes_back_is_not_overrun(void **state) {
        _cleanup_(sim_freep) Sim *sim = crowd(3, 64);
        (void) state;

        sim_start(sim, 0);
        start_crowd(sim, 5 * USEC_PER_SEC);
        (void) run_until_registered(sim, 30);
        sim_crash(sim, 0);
        sim_run_for(sim, USEC_PER_SEC);
        sim_restart(sim, 0, true);
        assert_true(run_until_registered(sim, 30) <= FRAMES_MAX);
        assert_in_range(n_turned_away(sim), 1, N_CROWD);
}

/* Nobody in a network of some size waits for anything. */
static void test_less_than_a_crowd_is_taken_at_once(void **state) {
        Params params = params_of_profile(PROFILE_LAN);
        _cleanup_(sim_freep) Sim *sim = sim_new(4);
        (void) state;

        network_add_seeds(sim, 1, 200, &params);
        sim_start(sim, 0);
        for (unsigned i = 0; i < 200; i++) {
                (void) sim_add_peer(sim);
                sim_start(sim, 1 + i);
                sim_run_for(sim, 5 * USEC_PER_MSEC);
        }
        sim_run_for(sim, USEC_PER_SEC);
        assert_int_equal(n_registered(sim), 200);
        assert_int_equal(n_turned_away(sim), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_crowd_is_taken_in_by_turns),
                cmocka_unit_test(test_a_seed_that_comes_back_is_not_overrun),
                cmocka_unit_test(test_less_than_a_crowd_is_taken_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
