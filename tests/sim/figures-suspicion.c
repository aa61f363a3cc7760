/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of failure detection where most of what looks dead is not: nodes that stand still for a while, ways that are broken. */

#include "base/random.h"
#include "figures.h"

#define STEP_USEC (20 * USEC_PER_MSEC)
#define LIMIT_USEC (120 * USEC_PER_SEC)
#define DURATION_USEC (10 * USEC_PER_MINUTE)

static uint64_t n_frames(Sim *sim) {
        uint64_t n = 0;

        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                n += sim_is_running(sim, i) ? node_counter(sim_node(sim, i), COUNTER_FRAMES_OUT) : 0;
        return n;
}

/* ---- nodes that stand still for a while ---- */

#define PAUSE_MIN_USEC (1 * USEC_PER_SEC)
#define PAUSE_MAX_USEC (32 * USEC_PER_SEC)
#define N_CRASHES 9U

/* What came of a number of such nodes, over all runs. */
typedef struct Pauses {
        unsigned n_pauses;
        unsigned n_false;               /* deaths told by nodes that were never paused, of nodes that never were, and live */
        uint64_t n_frames;
        Samples crashes;                /* a real one each minute: when all that are never paused hold it dead */
} Pauses;

/* Those that are paused come first, in random order. */
typedef struct Paused {
        unsigned number;
        bool stands;
        usec_t next_usec;
} Paused;

typedef struct Watch {
        Sim *sim;
        const bool *is_paused;          /* ever, by number */
        bool *ended;
        unsigned *n_told;               /* deaths, by number of who tells */
        bool *held;                     /* dead, by number of who holds and of whom */
} Watch;

static usec_t pause_length(Random *random) {
        return PAUSE_MIN_USEC + random_below(random, PAUSE_MAX_USEC - PAUSE_MIN_USEC);
}

/* Deaths that have come up since the last call, between nodes that are never paused. */
static unsigned watch_false_deaths(Watch *watch) {
        unsigned n = sim_n_nodes(watch->sim), n_false = 0;

        for (unsigned i = N_SEEDS; i < n; i++) {
                unsigned n_told = sim_n_notices(watch->sim, i, NOTICE_DEAD);

                if (watch->is_paused[i] || watch->ended[i] || n_told == watch->n_told[i])
                        continue;
                watch->n_told[i] = n_told;
                for (unsigned of = N_SEEDS; of < n; of++) {
                        bool held = of != i && state_at(watch->sim, i, of) == MEMBER_DEAD;

                        n_false += held && !watch->held[i * n + of] && !watch->is_paused[of] && !watch->ended[of];
                        watch->held[i * n + of] = held;
                }
        }
        return n_false;
}

static bool watch_is_known_dead(const Watch *watch, unsigned of) {
        for (unsigned i = N_SEEDS; i < sim_n_nodes(watch->sim); i++)
                if (!watch->is_paused[i] && !watch->ended[i] && state_at(watch->sim, i, of) != MEMBER_DEAD)
                        return false;
        return true;
}

static void paused_turn(Watch *watch, Paused *paused, unsigned n_paused, Random *random, Pauses *pauses) {
        for (unsigned i = 0; i < n_paused; i++) {
                if (sim_now(watch->sim) < paused[i].next_usec)
                        continue;
                if (paused[i].stands)
                        sim_thaw(watch->sim, paused[i].number);
                else {
                        /* Its process, or its whole host, which gets nothing meanwhile. */
                        (random_below(random, 2) == 0 ? sim_freeze : sim_suspend)(watch->sim, paused[i].number);
                        pauses->n_pauses++;
                }
                paused[i].stands = !paused[i].stands;
                paused[i].next_usec = usec_add(sim_now(watch->sim), pause_length(random));
        }
}

/* For ten minutes @n_paused nodes stand still and go on by turns; each minute one of the others crashes. */
static void pause_some(FigureContext *context, uint64_t run, unsigned n_paused, const Params *params, Pauses *pauses) {
        _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, context->n, params);
        unsigned n = sim_n_nodes(sim), n_crashed = 0, victim = 0;
        _cleanup_free_ bool *is_paused = calloc(n, sizeof(bool)), *ended = calloc(n, sizeof(bool)),
                            *held = calloc((size_t) n * n, sizeof(bool));
        _cleanup_free_ unsigned *n_told = calloc(n, sizeof(unsigned));
        _cleanup_free_ Paused *order = calloc(context->n, sizeof(Paused));
        Random random = random_from_run(run);
        Watch watch = { sim, is_paused, ended, n_told, held };
        usec_t begin_usec, crashed_usec = 0;

        for (unsigned i = 0; i < context->n; i++)
                order[i].number = N_SEEDS + i;
        random_shuffle(&random, order, context->n, sizeof(*order));
        (void) sim_run_until_every(sim, USEC_PER_SEC, settled, LIMIT_USEC);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        begin_usec = sim_now(sim);
        for (unsigned i = 0; i < n_paused; i++) {
                is_paused[order[i].number] = true;
                order[i].next_usec = usec_add(begin_usec, random_below(&random, PAUSE_MAX_USEC));
        }
        (void) watch_false_deaths(&watch);
        pauses->n_frames -= n_frames(sim);

        while (sim_now(sim) < begin_usec + DURATION_USEC) {
                paused_turn(&watch, order, n_paused, &random, pauses);
                if (n_crashed < N_CRASHES && sim_now(sim) >= begin_usec + (n_crashed + 1) * USEC_PER_MINUTE) {
                        victim = order[context->n - 1 - n_crashed++].number;
                        ended[victim] = true;
                        crashed_usec = sim_now(sim);
                        pauses->n_frames += node_counter(sim_node(sim, victim), COUNTER_FRAMES_OUT);
                        sim_crash(sim, victim);
                }
                sim_run_for(sim, STEP_USEC);
                pauses->n_false += watch_false_deaths(&watch);
                if (crashed_usec > 0 && watch_is_known_dead(&watch, victim)) {
                        samples_add(&pauses->crashes, (double) (sim_now(sim) - crashed_usec) / USEC_PER_SEC);
                        crashed_usec = 0;
                }
        }
        pauses->n_frames += n_frames(sim);
        if (crashed_usec > 0)
                samples_add(&pauses->crashes, (double) (sim_now(sim) - crashed_usec) / USEC_PER_SEC);
}

static Pauses pause_in_all_runs(FigureContext *context, unsigned n_paused, const Params *params) {
        unsigned n_begun = context->n_begun;
        Pauses pauses = {};

        for (uint64_t run; figure_next_run(context, &run);)
                pause_some(context, run, n_paused, params, &pauses);
        context->n_begun = n_begun;             /* each number of them has the same runs */
        return pauses;
}

static double frames_per_pause(const Pauses *pauses, const Pauses *none) {
        return pauses->n_pauses > 0 ? ((double) pauses->n_frames - (double) none->n_frames) / pauses->n_pauses : 0;
}

static void figure_paused(FigureContext *context) {
        Params params = params_of_profile(PROFILE_LAN), plain = params;
        unsigned n_false = 0, n_false_few = 0, n_false_plain = 0;
        double per_pause = 0, later_most = 0;
        Pauses none = pause_in_all_runs(context, 0, &params);

        plain.witnesses = false;                /* three misses, and dead */
        plain.suspicion_min_usec = plain.suspicion_max_usec = 0;

        for (unsigned n = 1; n <= MIN(32U, context->n / 3); n *= 2) {
                Pauses pauses = pause_in_all_runs(context, n, &params), control = pause_in_all_runs(context, n, &plain);
                double later = samples_mean(&pauses.crashes) / samples_mean(&none.crashes), frames = frames_per_pause(&pauses, &none);

                figure_say(context, "paused; false deaths; of plain three misses; frames for each pause; crash known everywhere",
                           "see below", true, "%u; %u; %u; %.0f; %.2f s (%.2f s with none paused)", n, pauses.n_false,
                           control.n_false, frames, samples_mean(&pauses.crashes), samples_mean(&none.crashes));
                n_false += pauses.n_false;
                n_false_few += n <= 4 ? pauses.n_false : 0;
                n_false_plain += control.n_false;
                later_most = MAX(later_most, later);
                if (n == 4)
                        per_pause = frames;
                if (n == 32)
                        figure_say(context, "frames for each pause, 32 paused to 4 paused", "at most 2",
                                   frames <= 2 * per_pause, "%.2f", frames / per_pause);
                samples_done(&pauses.crashes);
                samples_done(&control.crashes);
        }
        figure_say(context, "false deaths, up to 4 paused", "0", n_false_few == 0, "%u", n_false_few);
        figure_say(context, "false deaths, plain three misses to these", "at least 50 times",
                   n_false_plain >= 50 * MAX(n_false, 1U), "%u to %u", n_false_plain, n_false);
        figure_say(context, "crash known everywhere, later than with none paused", "at most 20 %", later_most <= 1.2, "%.0f %%",
                   100 * (later_most - 1));
        samples_done(&none.crashes);
        context->n_begun = context->n_runs;
}

/* ---- ways that are broken ---- */

typedef struct Broken {
        unsigned n_links;
        unsigned n_accused, n_accused_most;     /* of all runs, and of one */
        unsigned n_dead;
        uint64_t n_frames;
} Broken;

/* One of a hundred links is dead from now on, whatever its ends do. */
static unsigned break_links(Sim *sim, uint64_t run, bool both_ways) {
        Random random = random_from_run(run);
        unsigned n = 0;

        for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                for (unsigned other = N_SEEDS; other < i; other++) {
                        bool turned;

                        if (!sim_linked(sim, i, other) || random_below(&random, 100) != 0)
                                continue;
                        turned = random_below(&random, 2) == 0;
                        sim_block(sim, turned ? i : other, turned ? other : i, true);
                        if (both_ways)
                                sim_block(sim, turned ? other : i, turned ? i : other, true);
                        n++;
                }
        return n;
}

static Broken break_in_all_runs(FigureContext *context, bool both_ways, const Params *params, usec_t duration_usec) {
        unsigned n_begun = context->n_begun;
        Broken broken = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, context->n, params);
                unsigned n_accused = 0, n_buried;
                uint64_t before;

                (void) sim_run_until_every(sim, USEC_PER_SEC, settled, LIMIT_USEC);
                sim_run_for(sim, 60 * USEC_PER_SEC);            /* until the ends of all links have named their neighbours */
                n_buried = n_burials(sim);
                before = n_frames(sim);
                for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                        n_accused -= sim_n_notices(sim, i, NOTICE_SILENT);
                broken.n_links += break_links(sim, run, both_ways);
                sim_run_for(sim, duration_usec);
                for (unsigned i = N_SEEDS; i < sim_n_nodes(sim); i++)
                        n_accused += sim_n_notices(sim, i, NOTICE_SILENT);
                broken.n_accused += n_accused;
                broken.n_accused_most = MAX(broken.n_accused_most, n_accused);
                broken.n_dead += n_burials(sim) - n_buried;
                broken.n_frames += n_frames(sim) - before;
        }
        context->n_begun = n_begun;
        return broken;
}

static void figure_dead_links(FigureContext *context) {
        Params params = params_of_profile(PROFILE_LAN), alone = params, plain = params;

        alone.witnesses = false;
        plain.witnesses = false;
        plain.suspicion_min_usec = plain.suspicion_max_usec = 0;

        for (unsigned both_ways = 0; both_ways < 2; both_ways++) {
                Broken full = break_in_all_runs(context, both_ways, &params, DURATION_USEC);
                Broken suspected = break_in_all_runs(context, both_ways, &alone, DURATION_USEC);
                /* There the dead come at once, by the thousand, and each of them costs a storm. */
                Broken control = break_in_all_runs(context, both_ways, &plain, USEC_PER_MINUTE);
                const char *how = both_ways ? "both ways" : "one way";
                char what[96];

                (void) snprintf(what, sizeof(what), "%s: held dead", how);
                figure_say(context, what, "0", full.n_dead == 0, "%u, for %u dead links", full.n_dead, full.n_links);
                (void) snprintf(what, sizeof(what), "%s: accused in one run, worst", how);
                figure_say(context, what, "at most 1", full.n_accused_most <= 1, "%u (%u in all)", full.n_accused_most,
                           full.n_accused);
                (void) snprintf(what, sizeof(what), "%s: held dead within a minute without witnesses and suspicion", how);
                figure_say(context, what, "more than 0", control.n_dead > 0, "%u", control.n_dead);
                (void) snprintf(what, sizeof(what), "%s: held dead without witnesses alone", how);
                figure_say(context, what, "0, at how many times the frames", suspected.n_dead == 0, "%u, %.3f times; %u accused",
                           suspected.n_dead, (double) suspected.n_frames / (double) full.n_frames, suspected.n_accused);
        }
        context->n_begun = context->n_runs;
}

const Figure figures_suspicion[] = {
        { "paused", "1 to 32 nodes stand still for 1 to 32 s by turns, for 10 min; each minute another one crashes.", 100, 5,
          figure_paused },
        { "dead-links", "1 % of the links are dead for 10 min, both ways or one way.", 1000, 5, figure_dead_links },
        {},
};
