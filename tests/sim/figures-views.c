/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of the overlay: how long its paths are, and what remains of it when many nodes are gone. */

#include "base/random.h"
#include "figures.h"
#include "sim-overlay.h"

/* Between two peers that join. The first ones have to be done with it before the next comes: of ten nodes that make each other
 * places all at once, some may be left over with links to each other only. */
#define JOIN_USEC (100 * USEC_PER_MSEC)
#define JOIN_FIRST_USEC (2 * USEC_PER_SEC)
#define JOIN_FIRST 50U
#define HYPARVIEW_USEC (10 * USEC_PER_MINUTE)   /* for the views to settle: 20 shuffles each */

/* Nobody needs to know everybody: links come from the view. */
static Sim *overlay_network(uint64_t run, unsigned n_peers) {
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;
        params.hello_count = 0;
        return network_of_params(run, N_SEEDS, n_peers, &params);
}

static void figure_default_path(FigureContext *context) {
        _cleanup_samples_ Samples mean = {}, max = {}, components = {};
        double mean_max = context->n <= 1000 ? 3.7 : context->n <= 10000 ? 4.8 : 5.9;
        double hops_max = context->n <= 1000 ? 6 : context->n <= 10000 ? 8 : 9;

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = overlay_network(run, context->n);
                OverlayShape shape;

                (void) sim_run_until_every(sim, USEC_PER_SEC, connected, 10 * USEC_PER_MINUTE);
                sim_run_for(sim, 30 * USEC_PER_SEC);
                shape = sim_shape(sim);
                samples_add(&mean, shape.path_mean);
                samples_add(&max, shape.path_max);
                samples_add(&components, (double) shape.n_components);
        }
        figure_at_most(context, "components", &components, 1, "");
        figure_at_most(context, "average path", &mean, mean_max, " hops");
        figure_at_most(context, "longest path", &max, hops_max, " hops");
}

/* Peers come one by one, as in the paper, each through one that is there already. Nobody is a seed, nobody remembers. */
static Sim *hyparview_network(uint64_t run, unsigned n_peers, bool asked_first) {
        Params params = params_of_profile(PROFILE_HYPARVIEW);
        Random random = random_from_run(run);
        Sim *sim = sim_new(run);

        params.links_asked_first = asked_first;
        params.liveness_interval_usec = 10 * USEC_PER_SEC;      /* nobody dies while they join; it spares most of the events */
        sim_set_params(sim, &params);
        for (unsigned i = 0; i < n_peers; i++) {
                (void) sim_add_peer(sim);
                sim_start(sim, i);
                if (i > 0)
                        (void) sim_connect(sim, i, (unsigned) random_below(&random, i));
                sim_run_for(sim, i < JOIN_FIRST ? JOIN_FIRST_USEC : JOIN_USEC);
        }
        sim_run_for(sim, HYPARVIEW_USEC);
        return sim;
}

static void figure_hyparview(FigureContext *context) {
        _cleanup_samples_ Samples mean = {}, max = {}, clustering = {}, full = {}, components = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = hyparview_network(run, context->n, false);
                OverlayShape shape = sim_shape(sim);

                samples_add(&mean, shape.path_mean);
                samples_add(&max, shape.path_max);
                samples_add(&clustering, shape.clustering);
                samples_add(&full, 100.0 * (double) shape.degrees[5] / (double) shape.n);
                samples_add(&components, (double) shape.n_components);
        }
        figure_at_most(context, "components", &components, 1, "");
        figure_between(context, "average path", &mean, 6.25, 6.55, " hops");
        figure_between(context, "longest path", &max, 8, 10, " hops");
        figure_at_most(context, "clustering", &clustering, 0.001, "");
        figure_at_least(context, "nodes with 5 links", &full, 99, " %");
}

const Figure figures_views[] = {
        { "hyparview-shape", "The overlay of the profile `hyparview`, joined one by one, 10 min later.",
          10000, 5, figure_hyparview },
        { "default-path-1000", "Paths in the overlay of the default profile, half a minute after all are one.",
          1000, 5, figure_default_path },
        { "default-path-10000", "The same with 10,000 nodes.", 10000, 5, figure_default_path },
        { "default-path-100000", "The same with 100,000 nodes.", 100000, 1, figure_default_path },
        {},
};
