/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of failure detection: how soon the dead are known, and who else is taken for one. */

#include "figures.h"

#define STEP_USEC (10 * USEC_PER_MSEC)
#define LIMIT_USEC (120 * USEC_PER_SEC)

/* How many nodes hold @of in that state or a graver one, of those that run. */
static unsigned n_holding(Sim *sim, unsigned of, MemberState state) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n += i != of && sim_is_running(sim, i) && (int) state_at(sim, i, of) >= (int) state;
        return n;
}

/* Ends one node in each run: when the first node suspects it, and when everybody else holds it dead, in seconds. */
static void figure_one_death(FigureContext *context, void (*end)(Sim *sim, unsigned i), double first_max, double all_max) {
        _cleanup_samples_ Samples first = {}, all = {};
        unsigned n_innocent = 0;

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network(run, N_SEEDS, context->n);
                unsigned victim = N_SEEDS + (unsigned) (run % context->n), n_others = N_SEEDS + context->n - 1, n_buried;
                usec_t ended_usec, first_usec = 0;

                (void) sim_run_until_every(sim, USEC_PER_SEC, settled, LIMIT_USEC);
                sim_run_for(sim, 30 * USEC_PER_SEC + run % 97 * STEP_USEC);     /* at any point of anybody's interval */
                ended_usec = sim_now(sim);
                n_buried = n_burials(sim);
                end(sim, victim);

                while (n_holding(sim, victim, MEMBER_DEAD) < n_others && sim_now(sim) < ended_usec + LIMIT_USEC) {
                        sim_run_for(sim, STEP_USEC);
                        if (first_usec == 0 && n_holding(sim, victim, MEMBER_SUSPECT) > 0)
                                first_usec = sim_now(sim);
                }
                samples_add(&first, (double) ((first_usec > 0 ? first_usec : sim_now(sim)) - ended_usec) / USEC_PER_SEC);
                samples_add(&all, (double) (sim_now(sim) - ended_usec) / USEC_PER_SEC);
                n_innocent += n_burials(sim) - n_buried > n_others;
        }
        figure_quantile_at_most(context, "first suspicion, 99 % of runs", &first, 0.99, first_max, " s");
        figure_quantile_at_most(context, "dead everywhere, 99 % of runs", &all, 0.99, all_max, " s");
        figure_say(context, "somebody else declared dead", "in 0 runs", n_innocent == 0, "in %u runs", n_innocent);
}

static void figure_crash(FigureContext *context) {
        figure_one_death(context, sim_crash, 0.35, 3);
}

static void figure_hang(FigureContext *context) {
        figure_one_death(context, sim_freeze, 3, 5);
}

static void figure_power_cut(FigureContext *context) {
        figure_one_death(context, sim_power_cut, 3, 5);
}

const Figure figures_detector[] = {
        { "crash-50", "One process of 50 crashes: its kernel resets what was open.", 50, 200, figure_crash },
        { "crash-1000", "One process of 1,000 crashes.", 1000, 200, figure_crash },
        { "hang-50", "One process of 50 hangs: its kernel goes on accepting.", 50, 200, figure_hang },
        { "hang-1000", "One process of 1,000 hangs.", 1000, 200, figure_hang },
        { "power-cut-50", "One host of 50 is silent.", 50, 200, figure_power_cut },
        { "power-cut-1000", "One host of 1,000 is silent.", 1000, 200, figure_power_cut },
        {},
};
