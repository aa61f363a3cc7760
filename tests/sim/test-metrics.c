/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulator measures what it says: graphs whose shape is known, messages whose way is. */

#include "scenario.h"
#include "sim-internal.h"
#include "sim-overlay.h"
#include "unit.h"

/* A graph of @n nodes in which two are linked when @linked says so. */
static SimOverlay *graph(size_t n, bool (*linked)(size_t a, size_t b, size_t n)) {
        SimOverlay *overlay = calloc(1, sizeof(*overlay));
        size_t n_ends = 0;

        assert_non_null(overlay);
        overlay->n = n;
        overlay->nodes = calloc(n, sizeof(unsigned));
        overlay->first = calloc(n + 1, sizeof(size_t));
        overlay->ends = calloc(n * n, sizeof(unsigned));
        assert_true(overlay->nodes && overlay->first && overlay->ends);
        for (size_t a = 0; a < n; a++) {
                overlay->first[a] = n_ends;
                for (size_t b = 0; b < n; b++)
                        if (a != b && linked(a, b, n))
                                overlay->ends[n_ends++] = (unsigned) b;
        }
        overlay->first[n] = n_ends;
        overlay->n_links = n_ends / 2;
        return overlay;
}

static bool all_linked(size_t a, size_t b, size_t n) {
        return true;
}

static bool ring_linked(size_t a, size_t b, size_t n) {
        return (a + 1) % n == b || (b + 1) % n == a;
}

static bool star_linked(size_t a, size_t b, size_t n) {
        return a == 0 || b == 0;
}

static bool halves_linked(size_t a, size_t b, size_t n) {
        return a % 2 == b % 2;
}

static void test_the_shape_of_a_complete_graph(void **state) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = graph(10, all_linked);
        OverlayShape shape = overlay_shape(overlay);

        assert_int_equal(shape.n_links, 45);
        assert_int_equal(shape.n_components, 1);
        assert_int_equal(shape.path_max, 1);
        assert_float_equal(shape.path_mean, 1, 1e-9);
        assert_float_equal(shape.clustering, 1, 1e-9);
        assert_int_equal(shape.degrees[9], 10);
        assert_float_equal(shape.degree_mean, 9, 1e-9);
}

/* More than 64 nodes: paths are followed from that many at a time. */
static void test_the_shape_of_a_ring(void **state) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = graph(151, ring_linked);
        OverlayShape shape = overlay_shape(overlay);

        assert_int_equal(shape.n_sources, 151);
        assert_int_equal(shape.path_max, 75);
        assert_float_equal(shape.path_mean, 38, 1e-9);  /* 1 to 75, each twice */
        assert_float_equal(shape.clustering, 0, 1e-9);
        assert_int_equal(shape.degree_min, 2);
        assert_int_equal(shape.degree_max, 2);
}

static void test_the_shape_of_a_star(void **state) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = graph(101, star_linked);
        OverlayShape shape = overlay_shape(overlay);

        assert_int_equal(shape.path_max, 2);
        assert_float_equal(shape.path_mean, (2 * 100 * 1 + 100.0 * 99 * 2) / (101 * 100), 1e-9);
        assert_float_equal(shape.clustering, 0, 1e-9);
        assert_int_equal(shape.degrees[SHAPE_DEGREE_MAX], 1);
        assert_int_equal(shape.degree_max, 100);
}

static void test_two_components_are_told_apart(void **state) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = graph(13, halves_linked);
        OverlayShape shape = overlay_shape(overlay);
        unsigned components[13];

        assert_int_equal(shape.n_components, 2);
        assert_int_equal(shape.n_largest, 7);
        assert_int_equal(shape.path_max, 1);
        assert_int_equal(sim_overlay_components(overlay, components), 2);
        for (unsigned i = 0; i < 13; i++)
                assert_int_equal(components[i], i % 2);
}

static void test_links_are_found_in_a_network(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, N_SEEDS, 5);
        OverlayShape shape;

        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_run_for(sim, 60 * USEC_PER_SEC);
        shape = sim_shape(sim);
        assert_int_equal(shape.n, 5);
        assert_int_equal(shape.n_links, 10);

        /* A link that only one end knows of is none. */
        sim_half_open(sim, N_SEEDS, N_SEEDS + 1);
        assert_int_equal(sim_shape(sim).n_links, 9);
}

/* Between two nodes there is one way to go. */
static void test_a_message_is_followed(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, 1, 2);
        BroadcastReport report;
        MessageId id;
        uint64_t n_before;

        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_traffic_reset(sim);
        n_before = sim_n_frames(sim, 1, MESSAGE_GOSSIP);
        assert_int_equal(sim_publish(sim, 1, "/test", "payload", &id), 0);
        report = sim_broadcast(sim, &id);
        assert_int_equal(report.n_delivered, 1);
        assert_int_equal(report.n_payloads, 0);
        assert_float_equal(report.redundancy, 0, 1e-9);

        sim_run_for(sim, SIM_LATENCY_MAX_USEC);
        report = sim_broadcast(sim, &id);
        assert_int_equal(report.n_delivered, 2);
        assert_int_equal(report.n_payloads, 1);
        assert_float_equal(report.redundancy, 0, 1e-9);
        assert_int_equal(report.last_hop, 1);
        assert_in_range(report.last_usec, SIM_LATENCY_MIN_USEC, SIM_LATENCY_MAX_USEC);
        assert_int_equal(sim_n_frames(sim, 1, MESSAGE_GOSSIP), n_before + 1);
        assert_true(sim_n_frames(sim, SIM_ALL, 0) > sim_n_frames(sim, SIM_ALL, MESSAGE_GOSSIP));
        assert_true(sim_traffic(sim)->hops[1] > 0);

        report = sim_broadcast(sim, &(MessageId) { .sequence = 1 });
        assert_int_equal(report.n_delivered, 0);
}

/* Who was started anew gets it again, and who came later gets it, too: neither makes it reach more than all. */
static void test_a_restart_counts_once(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, 1, 5);
        unsigned later = sim_add_peer(sim);
        BroadcastReport first, report;
        MessageId id;

        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        assert_int_equal(sim_publish(sim, 1, "/test", "payload", &id), 0);
        sim_run_for(sim, USEC_PER_SEC);
        first = sim_broadcast(sim, &id);
        assert_int_equal(first.n_peers, 5);
        assert_int_equal(first.n_reached, 5);

        sim_crash(sim, 2);
        sim_restart(sim, 2, true);
        sim_crash(sim, 3);
        sim_start(sim, later);
        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_run_for(sim, 60 * USEC_PER_SEC);
        assert_true(sim_has_delivered(sim, &id, 2));
        assert_true(sim_has_delivered(sim, &id, later));
        report = sim_broadcast(sim, &id);
        assert_int_equal(report.n_peers, 5);
        assert_int_equal(report.n_reached, 5);
        assert_int_equal(report.n_delivered, 6);
        assert_int_equal(report.last_usec, first.last_usec);
        assert_float_equal(report.redundancy, (double) report.n_payloads / 6 - 1, 1e-9);
}

/* Only in a frame, and nobody delivers it: it was not last anywhere. */
static void test_what_nobody_delivers_takes_no_time(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(1, 1, 2);
        BroadcastReport reports[8];
        size_t n;

        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_traffic_reset(sim);
        traffic_payload(sim, &(MessageId) { .sequence = 1 });
        n = sim_broadcasts(sim, reports, ELEMENTSOF(reports));
        assert_int_equal(n, 1);
        assert_int_equal(reports[0].n_peers, 2);
        assert_int_equal(reports[0].n_reached, 0);
        assert_int_equal(reports[0].last_usec, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_shape_of_a_complete_graph),
                cmocka_unit_test(test_the_shape_of_a_ring),
                cmocka_unit_test(test_the_shape_of_a_star),
                cmocka_unit_test(test_two_components_are_told_apart),
                cmocka_unit_test(test_links_are_found_in_a_network),
                cmocka_unit_test(test_a_message_is_followed),
                cmocka_unit_test(test_a_restart_counts_once),
                cmocka_unit_test(test_what_nobody_delivers_takes_no_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
