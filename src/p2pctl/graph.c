/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/graph.h"

#include <errno.h>

int graph_init(Graph *graph, size_t n_nodes, size_t n_links) {
        *graph = (Graph) { .n_nodes = n_nodes, .n_links = n_links };
        graph->nodes = calloc(n_nodes + 1, sizeof(*graph->nodes));
        graph->links = calloc(n_links + 1, sizeof(*graph->links));
        if (graph->nodes && graph->links)
                return 0;
        graph_done(graph);
        return -ENOMEM;
}

void graph_done(Graph *graph) {
        free(graph->nodes);
        free(graph->links);
        *graph = (Graph) {};
}

/* ---- the tree ---- */

/* The links of node i are list[first[i]] to list[first[i + 1] - 1]. */
typedef struct Adjacency {
        size_t *first, *list;
} Adjacency;

static void adjacency_done(Adjacency *adjacency) {
        free(adjacency->first);
        free(adjacency->list);
}

static int adjacency_init(Adjacency *adjacency, const Graph *graph) {
        _cleanup_free_ size_t *next = calloc(graph->n_nodes + 1, sizeof(*next));

        adjacency->first = calloc(graph->n_nodes + 1, sizeof(*adjacency->first));
        adjacency->list = calloc(2 * graph->n_links + 1, sizeof(*adjacency->list));
        if (!next || !adjacency->first || !adjacency->list)
                return -ENOMEM;

        for (size_t i = 0; i < graph->n_links; i++) {
                adjacency->first[graph->links[i].a + 1]++;
                adjacency->first[graph->links[i].b + 1]++;
        }
        for (size_t i = 0; i < graph->n_nodes; i++) {
                adjacency->first[i + 1] += adjacency->first[i];
                next[i] = adjacency->first[i];
        }
        for (size_t i = 0; i < graph->n_links; i++) {
                adjacency->list[next[graph->links[i].a]++] = i;
                adjacency->list[next[graph->links[i].b]++] = i;
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        const GraphNode *x = *(GraphNode *const *) a, *y = *(GraphNode *const *) b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : strcmp(x->id, y->id);
}

static void graph_adopt(Graph *graph, size_t parent, size_t child, size_t link) {
        GraphNode *node = graph->nodes + child;

        node->parent = parent;
        node->parent_link = link;
        node->depth = graph->nodes[parent].depth + 1;
        node->is_reached = true;
        graph->links[link].is_tree = true;
}

/* Goes on from all in the queue, breadth first. @lazy: over links that only announce, too. */
static size_t graph_spread(Graph *graph, const Adjacency *adjacency, size_t *queue, size_t begin, size_t n, bool lazy) {
        for (; begin < n; begin++)
                for (size_t k = adjacency->first[queue[begin]]; k < adjacency->first[queue[begin] + 1]; k++) {
                        const GraphLink *link = graph->links + adjacency->list[k];
                        size_t other = link->a == queue[begin] ? link->b : link->a;

                        if (graph->nodes[other].is_reached || link->is_doubtful || (!link->carries && !lazy))
                                continue;
                        graph_adopt(graph, queue[begin], other, adjacency->list[k]);
                        queue[n++] = other;
                }
        return n;
}

/* Each under its parent, in the order of their names: the last one first, as it is put in front. */
static int graph_order_children(Graph *graph) {
        _cleanup_free_ GraphNode **sorted = calloc(graph->n_nodes, sizeof(*sorted));

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < graph->n_nodes; i++) {
                graph->nodes[i].first_child = graph->nodes[i].next_sibling = GRAPH_NONE;
                sorted[i] = graph->nodes + i;
        }
        qsort(sorted, graph->n_nodes, sizeof(*sorted), compare_names);
        for (size_t i = graph->n_nodes; i > 0; i--) {
                GraphNode *node = sorted[i - 1];

                if (node->parent == GRAPH_NONE)
                        continue;
                node->next_sibling = graph->nodes[node->parent].first_child;
                graph->nodes[node->parent].first_child = (size_t) (node - graph->nodes);
        }
        return 0;
}

int graph_grow(Graph *graph) {
        _cleanup_(adjacency_done) Adjacency adjacency = {};
        _cleanup_free_ size_t *queue = NULL;
        size_t n;
        int r;

        if (graph->n_nodes == 0)
                return 0;
        queue = calloc(graph->n_nodes, sizeof(*queue));
        if (!queue)
                return -ENOMEM;
        r = adjacency_init(&adjacency, graph);
        if (r < 0)
                return r;

        for (size_t i = 0; i < graph->n_nodes; i++) {
                GraphNode *node = graph->nodes + i;

                node->parent = node->parent_link = GRAPH_NONE;
                node->is_reached = i == 0;
                node->depth = node->n_further = 0;
        }
        for (size_t i = 0; i < graph->n_links; i++)
                graph->links[i].is_tree = false;

        graph->root = queue[0] = 0;
        n = graph_spread(graph, &adjacency, queue, 0, 1, false);
        (void) graph_spread(graph, &adjacency, queue, 0, n, true);

        for (size_t i = 0; i < graph->n_links; i++)
                if (!graph->links[i].is_tree && !graph->links[i].is_doubtful) {
                        graph->nodes[graph->links[i].a].n_further++;
                        graph->nodes[graph->links[i].b].n_further++;
                }
        return graph_order_children(graph);
}

/* ---- its middle ---- */

/* Walks the whole tree from one of its nodes. @ret_before gets from where each was reached. Return: the last one, which is as far
 * away as any. */
static size_t walk(const Graph *graph, size_t from, size_t *queue, size_t *ret_before) {
        size_t n = 0;

        queue[n++] = from;
        ret_before[from] = GRAPH_NONE;
        for (size_t i = 0; i < n; i++) {
                const GraphNode *node = graph->nodes + queue[i];

                if (node->parent != GRAPH_NONE && node->parent != ret_before[queue[i]]) {
                        ret_before[node->parent] = queue[i];
                        queue[n++] = node->parent;
                }
                for (size_t k = node->first_child; k != GRAPH_NONE; k = graph->nodes[k].next_sibling)
                        if (k != ret_before[queue[i]]) {
                                ret_before[k] = queue[i];
                                queue[n++] = k;
                        }
        }
        return queue[n - 1];
}

static void graph_turn_over(Graph *graph, size_t root) {
        size_t below = GRAPH_NONE, link_below = GRAPH_NONE;

        for (size_t i = root; i != GRAPH_NONE;) {
                GraphNode *node = graph->nodes + i;
                size_t above = node->parent, link_above = node->parent_link;

                node->parent = below;
                node->parent_link = link_below;
                below = i;
                link_below = link_above;
                i = above;
        }
        graph->root = root;
}

int graph_centre(Graph *graph) {
        _cleanup_free_ size_t *queue = calloc(graph->n_nodes + 1, sizeof(*queue)),
                              *before = calloc(graph->n_nodes + 1, sizeof(*before));
        unsigned depth = graph_count(graph).depth, length = 0;
        size_t end, middle;
        int r;

        if (!queue || !before)
                return -ENOMEM;
        if (graph->n_nodes == 0)
                return 0;

        /* The longest way there is leads from what is farthest from anywhere to what is farthest from that. */
        end = walk(graph, walk(graph, graph->root, queue, before), queue, before);
        for (size_t i = before[end]; i != GRAPH_NONE; i = before[i])
                length++;
        if (3 * ((length + 1) / 2) > 2 * depth)
                return 0;
        middle = end;
        for (unsigned i = 0; i < length / 2; i++)
                middle = before[middle];

        graph_turn_over(graph, middle);
        r = graph_order_children(graph);
        if (r < 0)
                return r;
        (void) walk(graph, middle, queue, before);
        graph->nodes[middle].depth = 0;
        for (size_t i = 1; i < graph->n_nodes && before[queue[i]] == graph->nodes[queue[i]].parent && queue[i] != middle; i++)
                graph->nodes[queue[i]].depth = graph->nodes[graph->nodes[queue[i]].parent].depth + 1;
        return 0;
}

/* ---- sums ---- */

GraphCounts graph_count(const Graph *graph) {
        GraphCounts counts = {};

        for (size_t i = 0; i < graph->n_nodes; i++) {
                counts.n_reached += graph->nodes[i].is_reached;
                counts.depth = MAX(counts.depth, graph->nodes[i].depth);
        }
        for (size_t i = 0; i < graph->n_links; i++) {
                const GraphLink *link = graph->links + i;

                counts.n_tree += link->is_tree;
                counts.n_doubtful += link->is_doubtful;
                counts.n_further += !link->is_tree && !link->is_doubtful && link->carries;
                counts.n_lazy += !link->is_tree && !link->is_doubtful && !link->carries;
        }
        return counts;
}
