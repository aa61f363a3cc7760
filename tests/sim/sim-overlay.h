/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The overlay of a simulated network as a graph, and its shape: the running peers, and the links that both ends know of. */

#include "sim.h"

typedef struct SimOverlay {
        size_t n;               /* nodes of the graph */
        unsigned *nodes;        /* their numbers in the simulator, ascending */
        size_t n_links;
        size_t *first;          /* of node i: ends[first[i]] to ends[first[i + 1] - 1], */
        unsigned *ends;         /* as nodes of the graph, ascending */
        uint32_t *payloads;     /* messages to everybody that each of these links carried, both ways, since sim_traffic_reset() */
} SimOverlay;

SimOverlay *sim_overlay_new(Sim *sim);
SimOverlay *sim_overlay_free(SimOverlay *overlay);
DEFINE_CLEANUP(SimOverlay *, sim_overlay_free)

static inline size_t sim_overlay_degree(const SimOverlay *overlay, size_t i) {
        return overlay->first[i + 1] - overlay->first[i];
}

/* Numbers the components from 0, in @ret when it is not NULL. Return: how many there are. */
size_t sim_overlay_components(const SimOverlay *overlay, unsigned *ret);

#define SHAPE_DEGREE_MAX 64U

typedef struct OverlayShape {
        size_t n, n_links, n_components;
        size_t n_largest;               /* nodes of the largest component */
        size_t n_sources;               /* paths were measured from so many nodes: all of them, unless they are too many */
        double path_mean;               /* over all ordered pairs that reach each other */
        unsigned path_max;              /* hops: a lower bound unless n_sources is n */
        double clustering;              /* mean over nodes of the share of their neighbours' pairs that are linked (Watts, Strogatz) */
        double degree_mean;
        unsigned degree_min, degree_max;
        size_t degrees[SHAPE_DEGREE_MAX + 1];   /* nodes of each; the last counts all beyond, too */
} OverlayShape;

/* Up to so many nodes paths are measured from everywhere, above from so many nodes that lie evenly in their order. */
#define SHAPE_EXACT_MAX 12000U
#define SHAPE_SOURCES 2048U

OverlayShape overlay_shape(const SimOverlay *overlay);
/* The same for a network as it is now. */
OverlayShape sim_shape(Sim *sim);
