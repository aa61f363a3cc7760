/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The picture of the whole network that one node gets by asking, beside what the simulator knows. Latencies are 10 to 100 ms. */

#include "core/topology.h"
#include "scenario.h"
#include "sim-internal.h"
#include "unit.h"

/* Asks, and waits for the answer. */
static const Topology *crawl(Sim *sim, unsigned i, usec_t *ret_duration) {
        usec_t began_usec = sim_now(sim);
        const Topology *topology;

        sim_settle(sim, i, peer_crawl(sim_node(sim, i), 1, began_usec));
        while (!(topology = peer_topology(sim_node(sim, i)))) {
                assert_true(sim_now(sim) <= began_usec + 6 * USEC_PER_SEC);
                sim_run_for(sim, 10 * USEC_PER_MSEC);
        }
        *ret_duration = sim_now(sim) - began_usec;
        return topology;
}

static unsigned number_of(const Sim *sim, const NodeId *id) {
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                if (node_id_equal(sim_id(sim, i), id))
                        return i;
        fail();
        return 0;
}

static size_t n_links_of_all(Sim *sim) {
        size_t n = 0;

        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                for (unsigned k = i + 1; k < sim_n_nodes(sim); k++)
                        n += sim_is_running(sim, i) && sim_is_running(sim, k) && sim_linked(sim, i, k) && sim_linked(sim, k, i);
        return n;
}

static void test_in_a_network_at_rest_the_picture_is_the_network(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, N_SEEDS, 100);
        const Topology *topology;
        usec_t duration_usec;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 60 * USEC_PER_SEC);
        topology = crawl(sim, 50, &duration_usec);

        assert_true(node_id_equal(&topology->nodes[0].id, sim_id(sim, 50)));
        assert_int_equal(topology->n_nodes, 100);
        assert_int_equal(topology->n_members, 99);
        assert_int_equal(topology->n_answered, 99);
        assert_int_equal(topology->n_unknown, 0);
        assert_int_equal(topology->n_links, n_links_of_all(sim));
        for (size_t i = 0; i < topology->n_links; i++) {
                const TopologyLink *link = topology->links + i;
                unsigned a = number_of(sim, &topology->nodes[link->a].id), b = number_of(sim, &topology->nodes[link->b].id);
                MemberInfo info;

                assert_true(sim_linked(sim, a, b) && sim_linked(sim, b, a));
                assert_false(link->flags & TOPOLOGY_DENIED);
                assert_true(link->flags & TOPOLOGY_NAMED_BY_A && link->flags & TOPOLOGY_NAMED_BY_B);
                assert_true(sim_holds(sim, a, b, &info));
                assert_int_equal(!(link->flags & TOPOLOGY_DIALLED_BY_A), info.incoming);
                assert_int_equal(!(link->flags & TOPOLOGY_DIALLED_BY_B), !info.incoming);
        }
}

/* A fifth has just stopped to answer in one way or another, and nobody has noticed yet. */
static void test_who_does_not_answer_holds_nobody_up(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(2, N_SEEDS, 60);
        const Topology *topology;
        usec_t duration_usec;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 30 * USEC_PER_SEC);
        for (unsigned i = 0; i < 4; i++) {
                sim_crash(sim, N_SEEDS + i);
                sim_power_cut(sim, N_SEEDS + 4 + i);
                sim_freeze(sim, N_SEEDS + 8 + i);
        }
        topology = crawl(sim, N_SEEDS + 30, &duration_usec);

        assert_true(duration_usec <= 5 * USEC_PER_SEC + 10 * USEC_PER_MSEC);
        assert_int_equal(topology->n_members, 59);
        assert_int_equal(topology->n_answered, 47);
        for (size_t i = 1; i < topology->n_nodes; i++) {
                bool gone = number_of(sim, &topology->nodes[i].id) < N_SEEDS + 12;

                assert_int_equal(topology->nodes[i].answer != TOPOLOGY_ANSWERED, gone);
        }
}

/* Asking changes nothing: links and members are what they would be without it. */
static void test_asking_all_the_time_harms_nobody(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(3, N_SEEDS, 30);
        uint64_t n_reports = 0, n_strikes = 0;

        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 60 * USEC_PER_SEC);
        for (unsigned round = 0; round < 20; round++) {
                for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                        sim_settle(sim, i, peer_crawl(sim_node(sim, i), 1, sim_now(sim)));
                sim_run_for(sim, 3 * USEC_PER_SEC);
        }
        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++) {
                n_reports += node_counter(sim_node(sim, i), COUNTER_REPORTS_SENT);
                n_strikes += node_counter(sim_node(sim, i), COUNTER_STRIKES);
        }
        assert_true(settled(sim));
        assert_int_equal(n_reports, 0);
        assert_int_equal(n_strikes, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_a_network_at_rest_the_picture_is_the_network),
                cmocka_unit_test(test_who_does_not_answer_holds_nobody_up),
                cmocka_unit_test(test_asking_all_the_time_harms_nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
