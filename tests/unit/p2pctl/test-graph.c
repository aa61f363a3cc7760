/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree in a network, its middle, and where it is drawn. */

#include "p2pctl/graph.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "p2pctl/layout.h"
#include "unit.h"

#define N_MAX 300U

static char names[N_MAX][16];

static void make(Graph *graph, size_t n_nodes, size_t n_links_max) {
        assert_int_equal(graph_init(graph, n_nodes, n_links_max), 0);
        for (size_t i = 0; i < n_nodes; i++) {
                (void) snprintf(names[i], sizeof(names[i]), "node-%03zu", i);
                graph->nodes[i] = (GraphNode) { .id = names[i], .name = names[i], .address = "", .state = "alive",
                                                .answer = "answered" };
        }
        graph->n_links = 0;
}

static GraphLink *connect_nodes(Graph *graph, size_t a, size_t b, bool carries) {
        GraphLink *link = graph->links + graph->n_links++;

        *link = (GraphLink) { .a = MIN(a, b), .b = MAX(a, b), .carries = carries };
        return link;
}

/* Every node gets four links to others at random. */
static void make_random(Graph *graph, uint64_t run, size_t n_nodes, bool carries) {
        Random random = random_from_run(run);

        make(graph, n_nodes, 4 * n_nodes);
        for (size_t i = 0; i < n_nodes; i++)
                for (unsigned k = 0; k < 4; k++) {
                        size_t other = (size_t) random_below(&random, n_nodes);

                        if (other != i)
                                connect_nodes(graph, i, other, carries);
                }
}

/* Children and parents say the same, and depths are those of the links. */
static void check_tree(const Graph *graph) {
        size_t n_children = 0, n_reached = 0;

        assert_int_equal(graph->nodes[graph->root].depth, 0);
        assert_true(graph->nodes[graph->root].parent == GRAPH_NONE);
        for (size_t i = 0; i < graph->n_nodes; i++) {
                const GraphNode *node = graph->nodes + i;

                n_reached += node->is_reached;
                if (node->parent != GRAPH_NONE) {
                        const GraphLink *link = graph->links + node->parent_link;

                        assert_true((link->a == i && link->b == node->parent) || (link->b == i && link->a == node->parent));
                        assert_true(link->is_tree);
                        assert_int_equal(node->depth, graph->nodes[node->parent].depth + 1);
                }
                for (size_t k = node->first_child; k != GRAPH_NONE; k = graph->nodes[k].next_sibling, n_children++)
                        assert_int_equal(graph->nodes[k].parent, i);
        }
        assert_int_equal(n_children + 1, n_reached);
        assert_int_equal(graph_count(graph).n_tree, n_children);
}

static void test_the_tree_has_the_shortest_ways_over_links_that_carry(void **state) {
        _cleanup_(graph_done) Graph graph = {};

        make(&graph, 5, 6);
        connect_nodes(&graph, 0, 1, true);
        connect_nodes(&graph, 1, 2, true);
        connect_nodes(&graph, 2, 3, true);
        connect_nodes(&graph, 0, 3, false);             /* shorter, and carries nothing */
        connect_nodes(&graph, 1, 3, true);
        connect_nodes(&graph, 3, 4, false);             /* there is no other way */
        assert_int_equal(graph_grow(&graph), 0);
        check_tree(&graph);

        assert_int_equal(graph.nodes[3].parent, 1);
        assert_int_equal(graph.nodes[2].parent, 1);
        assert_int_equal(graph.nodes[4].parent, 3);
        assert_int_equal(graph.nodes[4].depth, 3);
        assert_int_equal(graph.nodes[0].n_further, 1);
        assert_int_equal(graph.nodes[3].n_further, 2);

        GraphCounts counts = graph_count(&graph);

        assert_int_equal(counts.n_tree, 4);
        assert_int_equal(counts.n_further, 1);
        assert_int_equal(counts.n_lazy, 1);
        assert_int_equal(counts.depth, 3);
}

static void test_doubtful_links_lead_nowhere(void **state) {
        _cleanup_(graph_done) Graph graph = {};

        make(&graph, 3, 2);
        connect_nodes(&graph, 0, 1, true);
        connect_nodes(&graph, 1, 2, true)->is_doubtful = true;
        assert_int_equal(graph_grow(&graph), 0);
        check_tree(&graph);
        assert_false(graph.nodes[2].is_reached);
        assert_int_equal(graph_count(&graph).n_doubtful, 1);
        assert_int_equal(graph_count(&graph).n_reached, 2);
        assert_int_equal(graph.nodes[1].n_further, 0);
}

static void test_children_stand_in_the_order_of_their_names(void **state) {
        _cleanup_(graph_done) Graph graph = {};
        size_t before = 0;

        make(&graph, 50, 49);
        for (size_t i = 49; i > 0; i--)
                connect_nodes(&graph, 0, i, true);
        assert_int_equal(graph_grow(&graph), 0);
        for (size_t k = graph.nodes[0].first_child; k != GRAPH_NONE; k = graph.nodes[k].next_sibling) {
                assert_int_equal(k, before + 1);
                before = k;
        }
        assert_int_equal(before, 49);
}

static void test_a_chain_is_centred_and_a_star_is_left_alone(void **state) {
        _cleanup_(graph_done) Graph chain = {}, star = {}, alone = {};

        make(&chain, 9, 8);
        for (size_t i = 0; i < 8; i++)
                connect_nodes(&chain, i, i + 1, true);
        assert_int_equal(graph_grow(&chain), 0);
        assert_int_equal(graph_count(&chain).depth, 8);
        assert_int_equal(graph_centre(&chain), 0);
        assert_int_equal(chain.root, 4);
        assert_int_equal(graph_count(&chain).depth, 4);
        check_tree(&chain);

        make(&star, 9, 8);
        for (size_t i = 0; i < 8; i++)
                connect_nodes(&star, 0, i + 1, true);
        assert_int_equal(graph_grow(&star), 0);
        assert_int_equal(graph_centre(&star), 0);
        assert_int_equal(star.root, 0);

        make(&alone, 1, 0);
        assert_int_equal(graph_grow(&alone), 0);
        assert_int_equal(graph_centre(&alone), 0);
        assert_int_equal(alone.root, 0);
}

static void test_trees_stay_trees_whatever_the_network(void **state) {
        for (uint64_t run = 1; run <= 30; run++) {
                _cleanup_(graph_done) Graph graph = {};

                make_random(&graph, run, 10 * run, run % 2);
                for (size_t i = 0; i < graph.n_links; i++)
                        graph.links[i].is_doubtful = i % 3 == 0 && run % 3 == 0;
                assert_int_equal(graph_grow(&graph), 0);
                check_tree(&graph);
                assert_int_equal(graph_centre(&graph), 0);
                check_tree(&graph);
        }
}

/* ---- where it is drawn ---- */

#define SPACING 15.0
#define GAP 80.0

static void test_no_two_nodes_on_a_circle_are_too_close_and_circles_are_apart(void **state) {
        for (uint64_t run = 1; run <= 10; run++) {
                _cleanup_(layout_done) Layout layout = {};
                _cleanup_(graph_done) Graph graph = {};

                make_random(&graph, run, 30 * run, true);
                assert_int_equal(graph_grow(&graph), 0);
                assert_int_equal(layout_radial(&graph, SPACING, GAP, &layout), 0);
                for (size_t i = 1; i < layout.n_rings; i++)
                        assert_true(layout.rings[i] >= layout.rings[i - 1] + GAP - 1e-6);
                for (size_t i = 0; i < graph.n_nodes; i++)
                        for (size_t k = i + 1; k < graph.n_nodes; k++) {
                                const GraphNode *a = graph.nodes + i, *b = graph.nodes + k;

                                if (!a->is_reached || !b->is_reached || a->depth != b->depth)
                                        continue;
                                /* Along the circle; straight through it is a little shorter. */
                                assert_true(a->radius * fabs(remainder(a->angle - b->angle, 2 * M_PI)) >= SPACING - 1e-6);
                        }
        }
}

/* Sectors do not overlap: on each circle the nodes of one subtree stand together. */
static void test_links_of_the_tree_do_not_cross(void **state) {
        _cleanup_(layout_done) Layout layout = {};
        _cleanup_(graph_done) Graph graph = {};

        make_random(&graph, 5, 200, true);
        assert_int_equal(graph_grow(&graph), 0);
        assert_int_equal(layout_radial(&graph, SPACING, GAP, &layout), 0);
        for (size_t i = 0; i < graph.n_nodes; i++)
                for (size_t k = 0; k < graph.n_nodes; k++) {
                        const GraphNode *a = graph.nodes + i, *b = graph.nodes + k;

                        if (a->depth != b->depth || a->depth < 2 || a->parent == b->parent)
                                continue;
                        assert_int_equal(a->angle < b->angle, graph.nodes[a->parent].angle < graph.nodes[b->parent].angle);
                }
}

static void test_the_same_network_gives_the_same_picture(void **state) {
        double x[2][200], y[2][200];

        for (unsigned round = 0; round < 2; round++) {
                _cleanup_(layout_done) Layout layout = {};
                _cleanup_(graph_done) Graph graph = {};

                make_random(&graph, 9, 200, true);
                assert_int_equal(graph_grow(&graph), 0);
                assert_int_equal(layout_radial(&graph, SPACING, GAP, &layout), 0);
                for (size_t i = 0; i < 200; i++) {
                        x[round][i] = graph.nodes[i].x;
                        y[round][i] = graph.nodes[i].y;
                }
        }
        assert_memory_equal(x[0], x[1], sizeof(x[0]));
        assert_memory_equal(y[0], y[1], sizeof(y[0]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_tree_has_the_shortest_ways_over_links_that_carry),
                cmocka_unit_test(test_doubtful_links_lead_nowhere),
                cmocka_unit_test(test_children_stand_in_the_order_of_their_names),
                cmocka_unit_test(test_a_chain_is_centred_and_a_star_is_left_alone),
                cmocka_unit_test(test_trees_stay_trees_whatever_the_network),
                cmocka_unit_test(test_no_two_nodes_on_a_circle_are_too_close_and_circles_are_apart),
                cmocka_unit_test(test_links_of_the_tree_do_not_cross),
                cmocka_unit_test(test_the_same_network_gives_the_same_picture),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
