/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sim-overlay.h"
#include "core/node-internal.h"
#include "sim-internal.h"

SimOverlay *sim_overlay_free(SimOverlay *overlay) {
        if (!overlay)
                return NULL;
        free(overlay->nodes);
        free(overlay->first);
        free(overlay->ends);
        free(overlay->payloads);
        free(overlay);
        return NULL;
}

/* Whether that end of a connection is a link for its node. Its members do not tell: it may know fewer than it is linked to. */
bool end_is_link(const Sim *sim, const End *end) {
        const Session *session = end->open && end->numbered ? session_find(sim->nodes[end->node].node, end->link) : NULL;

        return session && session->link_state == LINK_UP && !session->lingering;
}

typedef struct Link {
        unsigned a, b;
        uint32_t n_payloads;
} Link;

static int link_compare(const void *x, const void *y) {
        const Link *a = x, *b = y;

        return a->a != b->a ? (a->a > b->a) - (a->a < b->a) : (a->b > b->b) - (a->b < b->b);
}

SimOverlay *sim_overlay_new(Sim *sim) {
        SimOverlay *overlay = must(calloc(1, sizeof(*overlay)));
        _cleanup_free_ unsigned *index = must(calloc(sim->n_nodes + 1, sizeof(*index)));
        _cleanup_free_ Link *links = NULL;
        size_t n = 0, n_distinct = 0;

        overlay->nodes = must(calloc(sim->n_nodes + 1, sizeof(*overlay->nodes)));
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim_is_running_peer(sim, i)) {
                        index[i] = (unsigned) overlay->n;
                        overlay->nodes[overlay->n++] = i;
                }

        /* Each link is an open connection, so there is no need to ask all pairs. Two may have several for a moment. */
        links = must(calloc(2 * (size_t) sim->n_connections + 1, sizeof(*links)));
        for (const Connection *connection = sim->connections; connection; connection = connection->next) {
                unsigned a = connection->ends[0].node, b = connection->ends[1].node;
                uint32_t n_payloads = connection->ends[0].n_payloads + connection->ends[1].n_payloads;

                if (!sim_is_running_peer(sim, a) || !sim_is_running_peer(sim, b) ||
                    !end_is_link(sim, connection->ends) || !end_is_link(sim, connection->ends + 1))
                        continue;
                links[n++] = (Link) { index[a], index[b], n_payloads };
                links[n++] = (Link) { index[b], index[a], n_payloads };
        }
        qsort(links, n, sizeof(*links), link_compare);
        for (size_t i = 0; i < n; i++)
                if (i == 0 || link_compare(links + i, links + i - 1) != 0)
                        links[n_distinct++] = links[i];

        overlay->n_links = n_distinct / 2;
        overlay->first = must(calloc(overlay->n + 1, sizeof(*overlay->first)));
        overlay->ends = must(calloc(n_distinct + 1, sizeof(*overlay->ends)));
        overlay->payloads = must(calloc(n_distinct + 1, sizeof(*overlay->payloads)));
        for (size_t i = 0; i < n_distinct; i++) {
                overlay->first[links[i].a + 1]++;
                overlay->ends[i] = links[i].b;
                overlay->payloads[i] = links[i].n_payloads;
        }
        for (size_t i = 0; i < overlay->n; i++)
                overlay->first[i + 1] += overlay->first[i];
        return overlay;
}

size_t sim_overlay_components(const SimOverlay *overlay, unsigned *ret) {
        _cleanup_free_ unsigned *reached = must(calloc(overlay->n + 1, sizeof(*reached)));
        _cleanup_free_ unsigned *component = must(calloc(overlay->n + 1, sizeof(*component)));
        size_t n_components = 0;

        for (size_t i = 0; i < overlay->n; i++)
                component[i] = UINT_MAX;
        for (size_t start = 0; start < overlay->n; start++) {
                size_t n = 0;

                if (component[start] != UINT_MAX)
                        continue;
                component[start] = (unsigned) n_components;
                reached[n++] = (unsigned) start;
                for (size_t done = 0; done < n; done++)
                        for (size_t j = overlay->first[reached[done]]; j < overlay->first[reached[done] + 1]; j++)
                                if (component[overlay->ends[j]] == UINT_MAX) {
                                        component[overlay->ends[j]] = (unsigned) n_components;
                                        reached[n++] = overlay->ends[j];
                                }
                n_components++;
        }
        if (ret)
                memcpy(ret, component, overlay->n * sizeof(*component));
        return n_components;
}

/*
 * Breadth first from 64 nodes at a time, a bit for each: what one node's neighbours reached in so many hops, it reaches in one
 * more.
 */
static void shape_paths(const SimOverlay *overlay, OverlayShape *shape) {
        size_t n = overlay->n, n_pairs = 0, sum = 0;
        _cleanup_free_ uint64_t *seen = must(calloc(n + 1, sizeof(*seen)));
        _cleanup_free_ uint64_t *front = must(calloc(n + 1, sizeof(*front)));
        _cleanup_free_ uint64_t *next = must(calloc(n + 1, sizeof(*next)));

        shape->n_sources = n <= SHAPE_EXACT_MAX ? n : SHAPE_SOURCES;
        for (size_t from = 0; from < shape->n_sources; from += 64) {
                bool any = true;

                memset(seen, 0, n * sizeof(*seen));
                for (size_t bit = 0; bit < 64 && from + bit < shape->n_sources; bit++)
                        seen[(from + bit) * n / shape->n_sources] |= UINT64_C(1) << bit;
                memcpy(front, seen, n * sizeof(*front));

                for (unsigned hops = 1; any; hops++) {
                        uint64_t *swap;

                        any = false;
                        for (size_t i = 0; i < n; i++) {
                                uint64_t reached = 0;

                                for (size_t j = overlay->first[i]; j < overlay->first[i + 1]; j++)
                                        reached |= front[overlay->ends[j]];
                                next[i] = reached & ~seen[i];
                        }
                        for (size_t i = 0; i < n; i++) {
                                size_t n_new = (size_t) __builtin_popcountll(next[i]);

                                if (n_new == 0)
                                        continue;
                                any = true;
                                seen[i] |= next[i];
                                n_pairs += n_new;
                                sum += n_new * hops;
                                shape->path_max = MAX(shape->path_max, hops);
                        }
                        swap = front;
                        front = next;
                        next = swap;
                }
        }
        shape->path_mean = n_pairs > 0 ? (double) sum / (double) n_pairs : 0;
}

static bool overlay_linked(const SimOverlay *overlay, unsigned a, unsigned b) {
        for (size_t j = overlay->first[a]; j < overlay->first[a + 1]; j++)
                if (overlay->ends[j] == b)
                        return true;
        return false;
}

static double overlay_clustering(const SimOverlay *overlay, size_t i) {
        size_t degree = sim_overlay_degree(overlay, i), n_linked = 0;
        const unsigned *ends = overlay->ends + overlay->first[i];

        for (size_t j = 0; j < degree; j++)
                for (size_t k = 0; k < j; k++)
                        n_linked += overlay_linked(overlay, ends[j], ends[k]);
        return degree < 2 ? 0 : 2.0 * (double) n_linked / (double) (degree * (degree - 1));
}

OverlayShape overlay_shape(const SimOverlay *overlay) {
        OverlayShape shape = { .n = overlay->n, .n_links = overlay->n_links, .degree_min = UINT_MAX };
        _cleanup_free_ unsigned *component = must(calloc(overlay->n + 1, sizeof(*component)));
        _cleanup_free_ size_t *size = must(calloc(overlay->n + 1, sizeof(*size)));

        if (overlay->n == 0)
                return (OverlayShape) {};

        shape.n_components = sim_overlay_components(overlay, component);
        for (size_t i = 0; i < overlay->n; i++) {
                unsigned degree = (unsigned) sim_overlay_degree(overlay, i);

                size[component[i]]++;
                shape.n_largest = MAX(shape.n_largest, size[component[i]]);
                shape.degrees[MIN(degree, SHAPE_DEGREE_MAX)]++;
                shape.degree_min = MIN(shape.degree_min, degree);
                shape.degree_max = MAX(shape.degree_max, degree);
                shape.clustering += overlay_clustering(overlay, i) / (double) overlay->n;
        }
        shape.degree_mean = 2.0 * (double) overlay->n_links / (double) overlay->n;
        shape_paths(overlay, &shape);
        return shape;
}

OverlayShape sim_shape(Sim *sim) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = sim_overlay_new(sim);

        return overlay_shape(overlay);
}
