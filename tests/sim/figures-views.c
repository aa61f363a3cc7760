/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of the overlay: how long its paths are, and what remains of it when many nodes are gone. */

#include "figures.h"
#include "sim-overlay.h"

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

const Figure figures_views[] = {
        { "default-path-1000", "Paths in the overlay of the default profile, half a minute after all are one.",
          1000, 5, figure_default_path },
        { "default-path-10000", "The same with 10,000 nodes.", 10000, 5, figure_default_path },
        { "default-path-100000", "The same with 100,000 nodes.", 100000, 1, figure_default_path },
        {},
};
