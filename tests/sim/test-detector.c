/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is held dead, by whom, and when: one scenario per promise. Latencies are 10 to 100 ms. */

#include "scenario.h"
#include "sim-traffic.h"
#include "unit.h"

static uint64_t n_counted(Sim *sim, Counter counter) {
        uint64_t n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n += sim_is_running(sim, i) ? node_counter(sim_node(sim, i), counter) : 0;
        return n;
}

/* ---- witnesses ---- */

/* Five do not reach five others, and everybody else reaches all of them. */
static void test_a_bad_link_buries_nobody_and_hardly_accuses(void **state) {
        uint64_t n_spared = 0, n_accused = 0;

        for (uint64_t run = 1; run <= 5; run++) {
                _cleanup_(sim_freep) Sim *sim = network(run, N_SEEDS, 30);

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                sim_run_for(sim, 60 * USEC_PER_SEC);    /* until the ends of all links have named their neighbours */
                for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                        sim_set_group(sim, i, SIM_EVERY_GROUP);
                for (unsigned i = 0; i < 10; i++)
                        sim_set_group(sim, N_SEEDS + i, 1 + i % 2);
                for (unsigned i = 0; i < N_SEEDS; i++)
                        sim_set_group(sim, i, SIM_EVERY_GROUP);
                sim_run_for(sim, 5 * USEC_PER_MINUTE);
                /* All three witnesses may be of the other five. */
                n_spared += n_counted(sim, COUNTER_ACCUSATIONS_SPARED);
                n_accused += n_noticed(sim, NOTICE_SILENT);
                assert_int_equal(n_noticed(sim, NOTICE_DEAD) + n_noticed(sim, NOTICE_REPORTED_DEAD), 0);
                assert_true(settled(sim));
        }
        assert_true(n_spared >= 20 * n_accused);
        assert_true(n_spared >= 20);
}

/* Nobody of the hosts 0 and 1 is held alive by a peer of host 2. */
static bool alone_on_host_2(Sim *sim) {
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                for (unsigned other = N_SEEDS; i % 3 == 2 && other < sim_n_nodes(sim); other++) {
                        MemberInfo info;

                        if (other % 3 != 2 && sim_holds(sim, i, other, &info) && info.state != MEMBER_DEAD)
                                return false;
                }
        return true;
}

/* Whom a peer accused in the first disturbance, it may have no more to say of in the second. */
static void test_a_host_cut_off_twice_holds_the_others_dead(void **state) {
        for (uint64_t run = 1; run <= 20; run++) {
                _cleanup_(sim_freep) Sim *sim = network(run, N_SEEDS, 6);

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                for (unsigned n = 1; n <= 2; n++) {
                        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                                sim_set_group(sim, i, i % 3 == 2);
                        sim_run_for(sim, 5 * USEC_PER_SEC);
                        if (n == 2)
                                break;
                        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                                sim_set_group(sim, i, 0);
                        sim_run_for(sim, 3 * USEC_PER_SEC);
                }
                assert_true(sim_run_until(sim, alone_on_host_2, 120 * USEC_PER_SEC));
        }
}

/* ---- who is the only one to know ---- */

#define N_RACK 30U

/* A host and all that it is linked to but one. */
static unsigned cut_but_one(Sim *sim, unsigned victim) {
        unsigned n = 0, reporter = 0;

        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++) {
                if (!sim_linked(sim, victim, i))
                        continue;
                if (reporter == 0)
                        reporter = i;
                else {
                        sim_power_cut(sim, i);
                        n++;
                }
        }
        sim_power_cut(sim, victim);
        return reporter == 0 ? 0 : n;
}

static bool no_seed_lists_the_dead(Sim *sim) {
        for (unsigned i = 0; i < N_SEEDS; i++)
                for (unsigned of = N_SEEDS; of < sim_n_nodes(sim); of++)
                        if (!sim_is_running(sim, of) && state_at(sim, i, of) != MEMBER_DEAD)
                                return false;
        return true;
}

/* Seeds do not wait for a second reporter that cannot come, until the lease runs out. Without witnesses, who are asked
 * themselves when they do not answer, nobody else comes across it. */
static void test_who_dies_with_all_its_neighbours_but_one_is_off_the_lists(void **state) {
        Params params = params_of_profile(PROFILE_LAN);
        unsigned n_alone = 0;

        params.witnesses = false;
        for (uint64_t run = 1; run <= 10; run++) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, N_RACK, &params);
                unsigned victim = N_SEEDS + (unsigned) run % N_RACK;

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                sim_run_for(sim, 30 * USEC_PER_SEC);
                n_alone += cut_but_one(sim, victim) >= 2;
                assert_true(sim_run_until(sim, no_seed_lists_the_dead, 15 * USEC_PER_SEC));
                assert_true(sim_run_until(sim, settled, 20 * USEC_PER_SEC));
        }
        assert_true(n_alone >= 5);
}

/* ---- who was not there when it was said ---- */

/* A host hangs, and another one joins while all who know that wait for it to refute. There are no seeds left to tell it. */
static void test_who_joins_during_a_suspicion_hears_of_it(void **state) {
        Params params = params_of_profile(PROFILE_LAN);

        params.suspicion_min_usec = params.suspicion_max_usec = 20 * USEC_PER_SEC;
        for (uint64_t run = 1; run <= 20; run++) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, 12, &params);
                unsigned dead = N_SEEDS, late;
                usec_t since_usec;

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                sim_run_for(sim, 30 * USEC_PER_SEC);
                for (unsigned i = 0; i < N_SEEDS; i++)
                        sim_crash(sim, i);
                sim_freeze(sim, dead);
                since_usec = sim_now(sim);
                while (state_at(sim, N_SEEDS + 1, dead) != MEMBER_SUSPECT && sim_now(sim) < since_usec + 10 * USEC_PER_SEC)
                        sim_run_for(sim, 10 * USEC_PER_MSEC);
                sim_run_for(sim, 4 * USEC_PER_SEC);     /* everybody has been told by all accusers that there are */

                late = sim_add_peer(sim);
                sim_start(sim, late);
                assert_int_equal(sim_connect(sim, late, N_SEEDS + 1), 0);
                sim_run_for(sim, 5 * USEC_PER_SEC);
                for (unsigned i = N_SEEDS + 1; i <= late; i++)
                        assert_int_equal(state_at(sim, i, dead), MEMBER_SUSPECT);
        }
}

/* ---- nodes that stand still ---- */

#define N_STANDING 8U

/* Between nodes that never stood still; a death that is refuted at once is seen, too. */
static unsigned n_false_deaths(Sim *sim) {
        unsigned n = 0;

        for (unsigned i = N_SEEDS + N_STANDING; i < sim_n_nodes(sim); i++)
                for (unsigned of = N_SEEDS + N_STANDING; of < sim_n_nodes(sim); of++)
                        n += i != of && state_at(sim, i, of) == MEMBER_DEAD;
        return n;
}

/* The hosts of eight nodes of 30 get nothing for some time, again and again: what each believes when it wakes. */
static unsigned suspend_some(uint64_t run, const Params *params) {
        _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, 30, params);
        unsigned n = 0;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        for (unsigned turn = 0; turn < 8; turn++) {
                for (unsigned i = 0; i < N_STANDING; i++)
                        sim_suspend(sim, N_SEEDS + i);
                for (unsigned i = 0; i < N_STANDING; i++) {
                        sim_run_for(sim, USEC_PER_SEC);
                        n += n_false_deaths(sim);
                        sim_thaw(sim, N_SEEDS + i);
                }
                for (unsigned i = 0; i < 100; i++) {
                        sim_run_for(sim, 50 * USEC_PER_MSEC);
                        n += n_false_deaths(sim);
                }
        }
        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        return n;
}

static void test_who_wakes_buries_nobody(void **state) {
        Params params = params_of_profile(PROFILE_LAN), plain = params;
        unsigned n_plain = 0;

        plain.witnesses = false;                /* three misses, and dead: the network is one that needs more */
        plain.suspicion_min_usec = plain.suspicion_max_usec = 0;
        for (uint64_t run = 1; run <= 3; run++) {
                assert_int_equal(suspend_some(run, &params), 0);
                n_plain += suspend_some(run, &plain);
        }
        assert_true(n_plain >= 50);
}

static unsigned n_linked(Sim *sim, unsigned to) {
        unsigned n = 0;

        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                n += i != to && sim_linked(sim, i, to);
        return n;
}

/* Its neighbours replace their links to it, which are there again as soon as it wakes: it has nobody to call. */
static void test_who_wakes_before_the_verdict_has_its_links(void **state) {
        for (uint64_t run = 1; run <= 10; run++) {
                _cleanup_(sim_freep) Sim *sim = network(run, N_SEEDS, 30);
                unsigned paused = N_SEEDS + 3, n_before, n_ended;
                uint64_t n_asked;
                MessageId id;

                assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
                sim_run_for(sim, 30 * USEC_PER_SEC);
                n_before = n_linked(sim, paused);
                n_ended = sim_n_notices(sim, paused, NOTICE_UNLINKED);
                n_asked = sim_n_frames(sim, paused, MESSAGE_NEIGHBOR);

                sim_freeze(sim, paused);
                sim_run_for(sim, 3300 * USEC_PER_MSEC);
                assert_in_range(n_linked(sim, paused), 0, n_before / 2);
                assert_int_equal(sim_publish(sim, N_SEEDS, "/topic", "while it stood still", &id), 0);
                sim_thaw(sim, paused);
                sim_run_for(sim, 500 * USEC_PER_MSEC);
                assert_int_equal(n_linked(sim, paused), n_before);
                assert_int_equal(sim_n_notices(sim, paused, NOTICE_UNLINKED), n_ended);
                assert_int_equal(sim_n_frames(sim, paused, MESSAGE_NEIGHBOR), n_asked);
                assert_int_equal(n_noticed(sim, NOTICE_DEAD) + n_noticed(sim, NOTICE_REPORTED_DEAD), 0);
                assert_true(sim_run_until(sim, settled, 5 * USEC_PER_SEC));
                sim_run_for(sim, 500 * USEC_PER_MSEC);  /* what is listed and missing is asked for */
                assert_true(sim_has_delivered(sim, &id, paused));
                for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                        assert_in_range(peer_n_links_out(sim_node(sim, i)), 0, params_of_profile(PROFILE_LAN).links_outgoing);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_bad_link_buries_nobody_and_hardly_accuses),
                cmocka_unit_test(test_a_host_cut_off_twice_holds_the_others_dead),
                cmocka_unit_test(test_who_dies_with_all_its_neighbours_but_one_is_off_the_lists),
                cmocka_unit_test(test_who_joins_during_a_suspicion_hears_of_it),
                cmocka_unit_test(test_who_wakes_buries_nobody),
                cmocka_unit_test(test_who_wakes_before_the_verdict_has_its_links),
        };

        if (getenv("SIM_TEST"))
                cmocka_set_test_filter(getenv("SIM_TEST"));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
