/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The network as nodes and links, and in it the tree of shortest ways from the node that was asked, over the links that carry
 * messages. Where these do not reach, links that only announce messages are taken, and then nothing: what cannot be reached
 * stands alone.
 */

#include "base/macro.h"

#define GRAPH_NONE SIZE_MAX

typedef struct GraphNode {
        const char *id, *name, *address, *state, *answer;       /* borrowed */

        /* The tree, by graph_grow() */
        size_t parent;                  /* GRAPH_NONE: the root, or not reached */
        size_t parent_link;
        size_t first_child, next_sibling;
        unsigned depth;
        bool is_reached;
        unsigned n_further;             /* links beside the tree, doubtful ones not counted */

        /* By layout_radial() */
        double angle, radius, x, y;     /* angle 0 is to the right, and x and y grow to the right and downwards */
} GraphNode;

typedef struct GraphLink {
        size_t a, b;
        uint64_t rtt;                   /* 0: not measured */
        bool carries;                   /* messages go over it at once, at least one way; else they are announced */
        bool is_doubtful;               /* one end says that it is there, and the other that it is not */
        bool is_tree;                   /* by graph_grow() */
} GraphLink;

typedef struct Graph {
        GraphNode *nodes;               /* [0] is the one that was asked, and the root until graph_centre() */
        size_t n_nodes;
        GraphLink *links;
        size_t n_links;
        size_t root;                    /* of the tree */
} Graph;

/* Room for so many, all zeros. Return: 0, -ENOMEM. */
int graph_init(Graph *graph, size_t n_nodes, size_t n_links);
void graph_done(Graph *graph);

/* Finds the tree. Children stand in the order of their names. Return: 0, -ENOMEM. */
int graph_grow(Graph *graph);

/* Makes the middle of the tree its root where that is worth it: where the tree gets shallower by a third. Parents, depths and
 * children are those of the new root. Return: 0, -ENOMEM. */
int graph_centre(Graph *graph);

/* Sums for people. */
typedef struct GraphCounts {
        size_t n_reached;               /* nodes in the tree */
        size_t n_tree, n_further, n_lazy, n_doubtful;   /* links: in the tree; beside it, carrying and announcing ones; others */
        unsigned depth;                 /* of the tree */
} GraphCounts;

GraphCounts graph_count(const Graph *graph);
