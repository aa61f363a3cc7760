/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/layout.h"

#include <errno.h>
#include <math.h>

#define ROUNDS 12U              /* of turning sectors; more change next to nothing */

typedef struct Sector {
        size_t node;
        double weight;          /* of the subtree, in shares of the circle */
        double pull_x, pull_y;  /* where links beside the tree lead to */
        double key;             /* for sorting */
} Sector;

void layout_done(Layout *layout) {
        free(layout->rings);
        *layout = (Layout) {};
}

/* ---- sectors ---- */

/* Nodes of the tree, children always after their parents. */
static size_t in_order(const Graph *graph, size_t *ret) {
        size_t n = 0;

        ret[n++] = graph->root;
        for (size_t i = 0; i < n; i++)
                for (size_t k = graph->nodes[ret[i]].first_child; k != GRAPH_NONE; k = graph->nodes[k].next_sibling)
                        ret[n++] = k;
        return n;
}

static void weigh(const Graph *graph, const size_t *order, size_t n, Sector *sectors) {
        for (size_t i = 0; i < graph->n_nodes; i++)
                sectors[i].weight = 0;
        for (size_t i = n; i > 0; i--) {
                const GraphNode *node = graph->nodes + order[i - 1];
                Sector *sector = sectors + order[i - 1];

                /* One with children needs room for itself, too. */
                sector->weight = fmax(sector->weight, 1.0 / fmax(node->depth, 1));
                if (node->parent != GRAPH_NONE)
                        sectors[node->parent].weight += sector->weight;
        }
}

/* Gives each its sector, from the root outwards. @begins is where they begin. */
static void spread(Graph *graph, const size_t *order, size_t n, const Sector *sectors, double *begins, double *widths) {
        begins[graph->root] = graph->nodes[graph->root].angle = -M_PI / 2;
        widths[graph->root] = 2 * M_PI;
        for (size_t i = 0; i < n; i++) {
                double begin = begins[order[i]];
                double sum = 0;

                for (size_t k = graph->nodes[order[i]].first_child; k != GRAPH_NONE; k = graph->nodes[k].next_sibling)
                        sum += sectors[k].weight;
                for (size_t k = graph->nodes[order[i]].first_child; k != GRAPH_NONE; k = graph->nodes[k].next_sibling) {
                        begins[k] = begin;
                        widths[k] = widths[order[i]] * sectors[k].weight / sum;
                        graph->nodes[k].angle = begin + widths[k] / 2;
                        begin += widths[k];
                }
        }
}

static int compare_sectors(const void *a, const void *b) {
        const Sector *x = a, *y = b;

        if (x->key < y->key)
                return -1;
        if (x->key > y->key)
                return 1;
        return x->node < y->node ? -1 : x->node > y->node;
}

static void add_pull(const Graph *graph, Sector *sector, size_t to) {
        const GraphNode *node = graph->nodes + to;

        if (!node->is_reached || to == graph->root)
                return;
        sector->pull_x += cos(node->angle);
        sector->pull_y += sin(node->angle);
}

/* -pi to pi. */
static double turn_between(double from, double to) {
        return remainder(to - from, 2 * M_PI);
}

/* Sorts the children of each node by where the links of their subtrees lead. @children has room for all. */
static void turn(Graph *graph, const size_t *order, size_t n, Sector *sectors, Sector *children) {
        for (size_t i = 0; i < graph->n_nodes; i++)
                sectors[i].pull_x = sectors[i].pull_y = 0;
        for (size_t i = 0; i < graph->n_links; i++)
                if (!graph->links[i].is_tree) {
                        add_pull(graph, sectors + graph->links[i].a, graph->links[i].b);
                        add_pull(graph, sectors + graph->links[i].b, graph->links[i].a);
                }
        for (size_t i = n; i > 1; i--) {
                Sector *parent = sectors + graph->nodes[order[i - 1]].parent;

                parent->pull_x += sectors[order[i - 1]].pull_x;
                parent->pull_y += sectors[order[i - 1]].pull_y;
        }

        for (size_t i = 0; i < n; i++) {
                GraphNode *parent = graph->nodes + order[i];
                size_t n_children = 0;

                for (size_t k = parent->first_child; k != GRAPH_NONE; k = graph->nodes[k].next_sibling) {
                        Sector *child = children + n_children++;
                        double towards;

                        *child = sectors[k];
                        child->node = k;
                        towards = hypot(child->pull_x, child->pull_y) < 1e-9 ? graph->nodes[k].angle :
                                                                             atan2(child->pull_y, child->pull_x);
                        child->key = turn_between(parent->angle, towards);
                        /* All around the root: halfway from where it is, or all would be turned at once and forever. */
                        if (order[i] == graph->root)
                                child->key = remainder(graph->nodes[k].angle + turn_between(graph->nodes[k].angle, towards) / 2 +
                                                       M_PI / 2, 2 * M_PI);
                }
                if (n_children < 2)
                        continue;
                qsort(children, n_children, sizeof(*children), compare_sectors);
                parent->first_child = children[0].node;
                for (size_t k = 0; k < n_children; k++)
                        graph->nodes[children[k].node].next_sibling = k + 1 < n_children ? children[k + 1].node : GRAPH_NONE;
        }
}

/* ---- circles ---- */

static int compare_angles(const void *a, const void *b) {
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* The smallest angle between neighbours on the circle of that depth; @angles has room for all. */
static double smallest_angle(const Graph *graph, unsigned depth, double *angles) {
        double smallest = 2 * M_PI;
        size_t n = 0;

        for (size_t i = 0; i < graph->n_nodes; i++)
                if (graph->nodes[i].is_reached && graph->nodes[i].depth == depth)
                        angles[n++] = graph->nodes[i].angle;
        if (n < 2)
                return smallest;
        qsort(angles, n, sizeof(*angles), compare_angles);
        for (size_t i = 1; i < n; i++)
                smallest = fmin(smallest, angles[i] - angles[i - 1]);
        return fmin(smallest, angles[0] + 2 * M_PI - angles[n - 1]);
}

static int place(Graph *graph, double spacing, double gap, double *angles, Layout *ret) {
        unsigned depth = graph_count(graph).depth;
        double *rings = calloc(depth + 1, sizeof(*rings));

        if (!rings)
                return -ENOMEM;
        for (unsigned i = 1; i <= depth; i++)
                rings[i] = fmax(rings[i - 1] + gap, spacing / smallest_angle(graph, i, angles));
        for (size_t i = 0; i < graph->n_nodes; i++) {
                GraphNode *node = graph->nodes + i;

                if (!node->is_reached)
                        continue;
                node->radius = rings[node->depth];
                node->x = node->radius * cos(node->angle);
                node->y = node->radius * sin(node->angle);
        }
        *ret = (Layout) { .radius = rings[depth], .rings = rings, .n_rings = depth + 1 };
        return 0;
}

int layout_radial(Graph *graph, double spacing, double gap, Layout *ret) {
        _cleanup_free_ double *begins = NULL, *widths = NULL;
        _cleanup_free_ Sector *sectors = NULL, *children = NULL;
        _cleanup_free_ size_t *order = NULL;
        size_t n;

        begins = calloc(graph->n_nodes + 1, sizeof(*begins));
        widths = calloc(graph->n_nodes + 1, sizeof(*widths));
        sectors = calloc(graph->n_nodes + 1, sizeof(*sectors));
        children = calloc(graph->n_nodes + 1, sizeof(*children));
        order = calloc(graph->n_nodes + 1, sizeof(*order));
        if (!begins || !widths || !sectors || !children || !order)
                return -ENOMEM;

        n = in_order(graph, order);
        weigh(graph, order, n, sectors);
        spread(graph, order, n, sectors, begins, widths);
        for (unsigned i = 0; i < ROUNDS; i++) {
                turn(graph, order, n, sectors, children);
                spread(graph, order, n, sectors, begins, widths);
        }
        return place(graph, spacing, gap, begins, ret);
}
