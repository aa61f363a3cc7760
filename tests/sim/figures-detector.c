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

static double seconds_since(Sim *sim, usec_t usec) {
        return (double) (sim_now(sim) - usec) / USEC_PER_SEC;
}

static Sim *steady_network(FigureContext *context, uint64_t run) {
        Sim *sim = network(run, N_SEEDS, context->n);

        (void) sim_run_until_every(sim, USEC_PER_SEC, settled, LIMIT_USEC);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        return sim;
}

/* Such a network at any point of anybody's interval. */
static void run_phase(Sim *sim, uint64_t run) {
        sim_run_for(sim, run % 97 * STEP_USEC);
}

typedef struct Death {
        uint64_t run;
        void (*end)(Sim *sim, unsigned i);
        unsigned victim;
} Death;

enum { DEATH_FIRST, DEATH_ALL, DEATH_N_INNOCENT, _DEATH_MAX };

static void one_death(Sim *sim, const void *userdata, double *ret) {
        const Death *death = userdata;
        unsigned n_others = sim_n_nodes(sim) - 1, n_buried;
        usec_t ended_usec, first_usec = 0;

        run_phase(sim, death->run);
        ended_usec = sim_now(sim);
        n_buried = n_burials(sim);
        death->end(sim, death->victim);

        while (n_holding(sim, death->victim, MEMBER_DEAD) < n_others && sim_now(sim) < ended_usec + LIMIT_USEC) {
                sim_run_for(sim, STEP_USEC);
                if (first_usec == 0 && n_holding(sim, death->victim, MEMBER_SUSPECT) > 0)
                        first_usec = sim_now(sim);
        }
        ret[DEATH_ALL] = seconds_since(sim, ended_usec);
        ret[DEATH_FIRST] = first_usec > 0 ? (double) (first_usec - ended_usec) / USEC_PER_SEC : ret[DEATH_ALL];
        ret[DEATH_N_INNOCENT] = n_burials(sim) - n_buried > n_others;
}

/* Ends one node in each run: when the first node suspects it, and when everybody else holds it dead, in seconds. */
static void figure_one_death(FigureContext *context, void (*end)(Sim *sim, unsigned i), double first_max, double all_max) {
        _cleanup_samples_ Samples first = {}, all = {};
        _cleanup_grown_ Grown grown = {};
        unsigned n_innocent = 0;

        for (uint64_t run; figure_next_run(context, &run);) {
                Death death = { run, end, N_SEEDS + (unsigned) (run % context->n) };
                double found[_DEATH_MAX];

                figure_try(grown_for(&grown, context, run, steady_network), one_death, &death, found, _DEATH_MAX);
                samples_add(&first, found[DEATH_FIRST]);
                samples_add(&all, found[DEATH_ALL]);
                n_innocent += found[DEATH_N_INNOCENT] > 0;
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

/* ---- many at once ---- */

static bool all_hold(Sim *sim, const bool *dead, MemberState state) {
        for (unsigned of = 0; of < sim_n_nodes(sim); of++)
                for (unsigned i = 0; dead[of] && i < sim_n_nodes(sim); i++)
                        if (!dead[i] && sim_is_running(sim, i) && (int) state_at(sim, i, of) < (int) state)
                                return false;
        return true;
}

/* Somebody who lives is held dead by somebody who lives. */
static unsigned n_wronged(Sim *sim, const bool *but) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                for (unsigned of = 0; of < sim_n_nodes(sim); of++)      /* nobody holds anything of seeds */
                        n += i != of && !but[i] && !but[of] && sim_is_running(sim, i) && sim_is_running(sim, of) &&
                             state_at(sim, i, of) == MEMBER_DEAD;
        return n;
}

/* Cuts the power of all that are marked: how long until all others hold them dead, in seconds. */
static double cut_and_wait(Sim *sim, const bool *dead, unsigned *ret_n_wronged) {
        usec_t cut_usec = sim_now(sim);

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                if (dead[i])
                        sim_power_cut(sim, i);
        while (!all_hold(sim, dead, MEMBER_DEAD) && sim_now(sim) < cut_usec + LIMIT_USEC)
                sim_run_for(sim, 10 * STEP_USEC);
        *ret_n_wronged += n_wronged(sim, dead);
        return seconds_since(sim, cut_usec);
}

typedef struct Rack {
        uint64_t run;
        unsigned percent;
        bool neighbours;        /* a node and those that it is linked to, instead of a share of all */
} Rack;

enum { RACK_N_DYING, RACK_ALL, RACK_N_WRONG, _RACK_MAX };

static void rack_dies(Sim *sim, const void *userdata, double *ret) {
        const Rack *rack = userdata;
        _cleanup_free_ bool *dead = calloc(sim_n_nodes(sim), sizeof(bool));
        unsigned n = sim_n_nodes(sim) - N_SEEDS, first = N_SEEDS + (unsigned) (rack->run * 37 % n), n_wrong = 0;

        assert(dead);
        run_phase(sim, rack->run);
        /* Links are drawn at random: as many as that, from any number on. */
        for (unsigned i = 0; i < n; i++) {
                unsigned at = N_SEEDS + (first - N_SEEDS + i) % n;

                dead[at] = rack->neighbours ? i == 0 || sim_linked(sim, first, at) : i < n * rack->percent / 100;
                ret[RACK_N_DYING] += dead[at];
        }
        ret[RACK_ALL] = cut_and_wait(sim, dead, &n_wrong);
        ret[RACK_N_WRONG] = n_wrong;
}

/* One run of that: how long it took to be known everywhere. */
static double rack_try(FigureContext *context, Grown *grown, Rack rack, unsigned *ret_n_dying, unsigned *n_wrong) {
        double found[_RACK_MAX];

        figure_try(grown_for(grown, context, rack.run, steady_network), rack_dies, &rack, found, _RACK_MAX);
        *ret_n_dying = (unsigned) found[RACK_N_DYING];
        *n_wrong += (unsigned) found[RACK_N_WRONG];
        return found[RACK_ALL];
}

static void figure_rack_of(FigureContext *context, unsigned percent, double median_max, bool with_tail) {
        _cleanup_samples_ Samples all = {};
        _cleanup_grown_ Grown grown = {};
        unsigned n_wrong = 0, n_dying;

        for (uint64_t run; figure_next_run(context, &run);)
                samples_add(&all, rack_try(context, &grown, (Rack) { .run = run, .percent = percent }, &n_dying, &n_wrong));
        figure_quantile_at_most(context, "dead everywhere, median", &all, 0.5, median_max, " s");
        if (with_tail) {
                figure_quantile_at_most(context, "dead everywhere, 99.5 % of runs", &all, 0.995, 15, " s");
                figure_at_most(context, "dead everywhere, worst", &all, 30, " s");
        }
        figure_say(context, "others held dead", "nobody", n_wrong == 0, "%u times", n_wrong);
}

static void figure_rack_30(FigureContext *context) {
        figure_rack_of(context, 30, 7, true);
}

static void figure_rack_50(FigureContext *context) {
        figure_rack_of(context, 50, 10, false);
}

static void figure_neighbourhood(FigureContext *context) {
        _cleanup_samples_ Samples all = {}, dying = {};
        _cleanup_grown_ Grown grown = {};
        unsigned n_wrong = 0, n_dying;

        for (uint64_t run; figure_next_run(context, &run);) {
                samples_add(&all, rack_try(context, &grown, (Rack) { .run = run, .neighbours = true }, &n_dying, &n_wrong));
                samples_add(&dying, n_dying);
        }
        figure_between(context, "that die together", &dying, 2, 14, "");
        figure_at_most(context, "dead everywhere", &all, 15, " s");
        figure_say(context, "others held dead", "nobody", n_wrong == 0, "%u times", n_wrong);
}

/* ---- few nodes ---- */

static void figure_small_of(FigureContext *context, const char *how, void (*end)(Sim *sim, unsigned i), double first_max,
                            double all_max) {
        _cleanup_samples_ Samples first = {}, all = {};
        unsigned n_wrong = 0, n_runs = context->n_begun;
        char what[64];

        for (uint64_t run; figure_next_run(context, &run);)
                for (unsigned n = 2; n <= 4; n++)
                        for (unsigned n_seeds = 0; n_seeds <= 3; n_seeds++) {
                                _cleanup_(sim_freep) Sim *sim = network(run, n_seeds, n);
                                _cleanup_free_ bool *dead = calloc(sim_n_nodes(sim), sizeof(bool));
                                usec_t ended_usec, first_usec = 0;
                                unsigned victim = n_seeds + (unsigned) (run % n);

                                for (unsigned i = 0; n_seeds == 0 && i < n; i++)
                                        (void) sim_connect(sim, i, (i + 1) % n);        /* else nobody knows anybody */
                                (void) sim_run_until(sim, settled, 60 * USEC_PER_SEC);
                                sim_run_for(sim, 30 * USEC_PER_SEC + run % 97 * STEP_USEC);
                                ended_usec = sim_now(sim);
                                dead[victim] = true;
                                end(sim, victim);
                                while (sim_now(sim) < ended_usec + LIMIT_USEC) {
                                        bool known = true;

                                        sim_run_for(sim, STEP_USEC);
                                        for (unsigned i = n_seeds; i < sim_n_nodes(sim); i++) {
                                                MemberState state;

                                                if (i == victim)
                                                        continue;
                                                state = state_at(sim, i, victim);
                                                known = known && state == MEMBER_DEAD;
                                                if (first_usec == 0 && (int) state >= (int) MEMBER_SUSPECT)
                                                        first_usec = sim_now(sim);
                                        }
                                        if (known)
                                                break;
                                }
                                samples_add(&first, (double) (MAX(first_usec, ended_usec) - ended_usec) / USEC_PER_SEC);
                                samples_add(&all, seconds_since(sim, ended_usec));
                                n_wrong += n_wronged(sim, dead);
                        }
        context->n_begun = n_runs;              /* each kind of end has the same runs */
        (void) snprintf(what, sizeof(what), "%s: first suspicion, 99 %%", how);
        figure_quantile_at_most(context, what, &first, 0.99, first_max, " s");
        (void) snprintf(what, sizeof(what), "%s: dead at all peers, 99 %%", how);
        figure_quantile_at_most(context, what, &all, 0.99, all_max, " s");
        (void) snprintf(what, sizeof(what), "%s: others held dead", how);
        figure_say(context, what, "nobody", n_wrong == 0, "%u times", n_wrong);
}

static void figure_small(FigureContext *context) {
        figure_small_of(context, "crash", sim_crash, 0.4, 3);
        figure_small_of(context, "hang", sim_freeze, 4, 6);
        figure_small_of(context, "power cut", sim_power_cut, 4, 6);
        context->n_begun = context->n_runs;
}

/* ---- what it costs ---- */

static void figure_growth(FigureContext *context) {
        _cleanup_samples_ Samples detection = {}, frames = {};
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;        /* of so many nodes none could hold all */
        params.hello_count = 0;
        for (unsigned n = MAX(context->n / 100, 20U); n <= context->n; n *= 10) {
                double sum = 0, sum_frames = 0;
                unsigned n_taken = context->n_begun, n_deaths = 0;

                for (uint64_t run; figure_next_run(context, &run);) {
                        _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, n, &params);
                        uint64_t before = 0, after = 0;

                        (void) sim_run_until_every(sim, USEC_PER_SEC, connected, LIMIT_USEC);
                        sim_run_for(sim, 120 * USEC_PER_SEC);
                        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                                before += node_counter(sim_node(sim, i), COUNTER_FRAMES_OUT);
                        sim_run_for(sim, 60 * USEC_PER_SEC);
                        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                                after += node_counter(sim_node(sim, i), COUNTER_FRAMES_OUT);
                        sum_frames += (double) (after - before) / n / 60;

                        for (unsigned k = 0; k < MIN(32U, n / 4); k++) {        /* the means of fewer differ by chance */
                                unsigned victim = N_SEEDS + (unsigned) ((run * 31 + k * 7) % n);
                                usec_t since_usec = sim_now(sim);

                                if (!sim_is_running(sim, victim))
                                        continue;
                                sim_power_cut(sim, victim);
                                while (n_holding(sim, victim, MEMBER_SUSPECT) == 0 && sim_now(sim) < since_usec + LIMIT_USEC)
                                        sim_run_for(sim, STEP_USEC);
                                sum += seconds_since(sim, since_usec);
                                n_deaths++;
                                sim_run_for(sim, 5 * USEC_PER_SEC);
                        }
                }
                samples_add(&detection, sum / MAX(n_deaths, 1U));
                samples_add(&frames, sum_frames / context->n_runs);
                figure_say(context, "peers; time to detect; frames a second of an idle node", "see below", true,
                           "%u; %.2f s; %.2f", n, detection.values[detection.n - 1], frames.values[frames.n - 1]);
                if (n * 10 <= context->n)
                        context->n_begun = n_taken;     /* the same runs for each size */
        }
        figure_say(context, "time to detect, largest to smallest", "at most 1.10",
                   samples_quantile(&detection, 1) <= 1.10 * samples_quantile(&detection, 0), "%.3f",
                   samples_quantile(&detection, 1) / samples_quantile(&detection, 0));
        figure_say(context, "idle frames, largest to smallest", "at most 1.05",
                   samples_quantile(&frames, 1) <= 1.05 * samples_quantile(&frames, 0), "%.3f",
                   samples_quantile(&frames, 1) / samples_quantile(&frames, 0));
}

/* ---- partitions ---- */

static void figure_healed(FigureContext *context) {
        _cleanup_samples_ Samples joined = {}, agreed = {};
        unsigned n_wrong = 0;

        for (uint64_t run; figure_next_run(context, &run);)
                for (unsigned share = 2; share <= 50; share += 48) {
                        _cleanup_(sim_freep) Sim *sim = steady_network(context, run);
                        unsigned n_before;
                        usec_t healed_usec;

                        run_phase(sim, run);
                        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                                sim_set_group(sim, i, i * 37 % sim_n_nodes(sim) * 100 / sim_n_nodes(sim) < share);
                        sim_run_for(sim, 60 * USEC_PER_MINUTE);
                        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                                sim_set_group(sim, i, 0);
                        healed_usec = sim_now(sim);
                        n_before = n_burials(sim);
                        (void) sim_run_until_every(sim, 10 * STEP_USEC, connected, 2 * LIMIT_USEC);
                        samples_add(&joined, seconds_since(sim, healed_usec));
                        (void) sim_run_until_every(sim, 10 * STEP_USEC, settled, 2 * LIMIT_USEC);
                        samples_add(&agreed, seconds_since(sim, healed_usec) - joined.values[joined.n - 1]);
                        n_wrong += n_burials(sim) - n_before;
                }
        figure_at_most(context, "one component", &joined, 60, " s");
        figure_at_most(context, "tables agree after that", &agreed, 60, " s");
        figure_say(context, "declared dead by what the other part believed", "nobody", n_wrong == 0, "%u times", n_wrong);
}

const Figure figures_detector[] = {
        { "crash-50", "One process of 50 crashes: its kernel resets what was open.", 50, 200, figure_crash },
        { "crash-1000", "One process of 1,000 crashes.", 1000, 200, figure_crash },
        { "hang-50", "One process of 50 hangs: its kernel goes on accepting.", 50, 200, figure_hang },
        { "hang-1000", "One process of 1,000 hangs.", 1000, 200, figure_hang },
        { "power-cut-50", "One host of 50 is silent.", 50, 200, figure_power_cut },
        { "power-cut-1000", "One host of 1,000 is silent.", 1000, 200, figure_power_cut },
        { "rack-30", "30 % of the network lose power at once.", 100, 1000, figure_rack_30 },
        { "rack-50", "50 % of the network lose power at once.", 100, 100, figure_rack_50 },
        { "neighbourhood-100", "One of 100 dies together with all its neighbours.", 100, 20, figure_neighbourhood },
        { "neighbourhood-1000", "One of 1,000 dies together with all its neighbours.", 1000, 5, figure_neighbourhood },
        { "few-nodes", "Networks of 2, 3 and 4 peers with 0 to 3 seeds: one crashes, hangs, or is cut off.", 4, 200, figure_small },
        { "growth", "Time to detect, and frames of an idle node, in networks of n / 100, n / 10 and n.", 10000, 5, figure_growth },
        { "healed-tables", "Two parts, 50/50 and 2/98, an hour apart, come together again.", 100, 5, figure_healed },
        {},
};
