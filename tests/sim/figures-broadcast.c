/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of broadcast: whom messages reach, at what cost, and when. */

#include "figures.h"
#include "sim-traffic.h"

#define N_WARM_UP 20U           /* messages before those that count */
#define N_MESSAGES 20U

static void figure_one_sender(FigureContext *context) {
        _cleanup_samples_ Samples reached = {}, redundancy = {}, last_hop = {};
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;
        params.hello_count = 0;
        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, context->n, &params);
                MessageId ids[N_WARM_UP + N_MESSAGES] = {};
                double worst_reached = 100, worst_hop = 0, sum = 0;

                sim_run_for(sim, 60 * USEC_PER_SEC);
                for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                        (void) sim_publish(sim, N_SEEDS, "/figure", "payload", ids + i);
                        sim_run_for(sim, 2 * USEC_PER_SEC);
                }
                sim_run_for(sim, 5 * USEC_PER_SEC);
                for (size_t i = N_WARM_UP; i < ELEMENTSOF(ids); i++) {
                        BroadcastReport report = sim_broadcast(sim, ids + i);

                        worst_reached = MIN(worst_reached, 100.0 * report.n_delivered / context->n);
                        worst_hop = MAX(worst_hop, (double) report.last_hop);
                        sum += report.redundancy;
                }
                samples_add(&reached, worst_reached);
                samples_add(&redundancy, sum / N_MESSAGES);
                samples_add(&last_hop, worst_hop);
        }
        figure_at_least(context, "reached by each message", &reached, 100, " %");
        figure_at_most(context, "redundancy (RMR)", &redundancy, 0.01, "");
        figure_at_most(context, "last delivery", &last_hop, 15, " hops");
}

const Figure figures_broadcast[] = {
        { "one-sender", "One node publishes; after 20 messages the next 20 are measured.", 10000, 5, figure_one_sender },
        {},
};
