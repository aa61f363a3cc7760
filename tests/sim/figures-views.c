/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of the overlay: how long its paths are, and what remains of it when many nodes are gone. */

#include "figures.h"
#include "sim-overlay.h"
#include "sim-traffic.h"

#define SETTLE_USEC (3 * USEC_PER_MINUTE)       /* the same, where their links alone matter */

/* One round of liveness: the interval, and three strikes of 0.5 s at least (1.5 s more after a round trip of 200 ms). Then
 * everybody knows which of its links are dead. */
#define ROUND_USEC (5 * USEC_PER_SEC)
#define SOON_USEC USEC_PER_SEC                  /* no link that is only silent is given up any earlier */
#define HYPARVIEW_USEC (10 * USEC_PER_MINUTE)   /* for the views to settle: 20 shuffles each */

/* Nobody needs to know everybody: links come from the view. */
static Params overlay_params(void) {
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;
        params.hello_count = 0;
        return params;
}

static Sim *overlay_network(uint64_t run, unsigned n_peers) {
        Params params = overlay_params();

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

static void figure_hyparview(FigureContext *context) {
        _cleanup_samples_ Samples mean = {}, max = {}, clustering = {}, full = {}, components = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = hyparview_network(run, context->n, false, 10 * USEC_PER_SEC);
                OverlayShape shape;

                sim_run_for(sim, HYPARVIEW_USEC);
                shape = sim_shape(sim);
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

/* ---- crashes ---- */

static double largest_percent(Sim *sim) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = sim_overlay_new(sim);
        _cleanup_free_ unsigned *component = calloc(overlay->n + 1, sizeof(*component));
        _cleanup_free_ size_t *sizes = calloc(overlay->n + 1, sizeof(*sizes));
        size_t largest = 0;

        assert(component && sizes);
        (void) sim_overlay_components(overlay, component);
        for (size_t i = 0; i < overlay->n; i++)
                largest = MAX(largest, ++sizes[component[i]]);
        return overlay->n == 0 ? 0 : 100.0 * (double) largest / (double) overlay->n;
}

/*
 * The share that the largest piece has of the survivors: by the links that are left, which is for percolation on a graph of degree 5
 * to say and not for the protocol; when those that are known to be dead have been replaced, before anything periodic has happened,
 * which is what the HyParView paper calls before the next membership round; after one round of liveness, and after two.
 */
enum { CRASH_LEFT, CRASH_SOON, CRASH_FIRST, CRASH_LATER, _CRASH_MAX };

typedef struct Crash {
        uint64_t run;
        unsigned percent;
        void (*end)(Sim *sim, unsigned i);
} Crash;

static void crash_some(Sim *sim, const void *userdata, double *ret) {
        const Crash *crash = userdata;

        end_some(sim, crash->run, crash->percent, crash->end);
        ret[CRASH_LEFT] = largest_percent(sim);
        sim_run_for(sim, SOON_USEC);
        ret[CRASH_SOON] = largest_percent(sim);
        sim_run_for(sim, ROUND_USEC - SOON_USEC);
        ret[CRASH_FIRST] = largest_percent(sim);
        sim_run_for(sim, ROUND_USEC);
        ret[CRASH_LATER] = largest_percent(sim);
}

#define CRASH_STEPS 8U          /* of 10 % of the nodes each */

/* A control says what it finds: nothing is asked of it. */
static void crash_say(FigureContext *context, unsigned percent, const char *when, const Samples *samples, double least) {
        char what[64];

        (void) snprintf(what, sizeof(what), "%u %%: in one piece %s", percent, when);
        if (least > 0)
                figure_at_least(context, what, samples, least, " %");
        else
                figure_compare(context, what, samples, " %");
}

typedef struct CrashLeast {
        double soon, soon_80;   /* percent; 0: of a control */
        double first, later;
} CrashLeast;

static void figure_crash_of(FigureContext *context, bool asked_first, void (*end)(Sim *sim, unsigned i), CrashLeast least) {
        Samples samples[CRASH_STEPS][_CRASH_MAX] = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = hyparview_network(run, context->n, asked_first, USEC_PER_SEC);

                sim_run_for(sim, SETTLE_USEC);
                for (unsigned step = 0; step < CRASH_STEPS; step++) {
                        double found[_CRASH_MAX];

                        figure_try(sim, crash_some, &(Crash) { run, 10 * (step + 1), end }, found, _CRASH_MAX);
                        for (unsigned i = 0; i < _CRASH_MAX; i++)
                                samples_add(&samples[step][i], found[i]);
                }
        }
        for (unsigned step = 0; step < CRASH_STEPS; step++) {
                unsigned percent = 10 * (step + 1);

                crash_say(context, percent, "by the links left", &samples[step][CRASH_LEFT], 0);
                crash_say(context, percent, "before a round", &samples[step][CRASH_SOON], percent < 80 ? least.soon : least.soon_80);
                crash_say(context, percent, "after one round", &samples[step][CRASH_FIRST], least.first);
                crash_say(context, percent, "after two rounds", &samples[step][CRASH_LATER], least.later);
                for (unsigned i = 0; i < _CRASH_MAX; i++)
                        samples_done(&samples[step][i]);
        }
}

static void figure_hyparview_crash(FigureContext *context) {
        figure_crash_of(context, true, sim_crash, (CrashLeast) { 99, 98.5, 100, 100 });
}

static void figure_hyparview_crash_unasked(FigureContext *context) {
        figure_crash_of(context, false, sim_crash, (CrashLeast) {});
}

static void figure_hyparview_cut(FigureContext *context) {
        figure_crash_of(context, true, sim_power_cut, (CrashLeast) { .first = 98.5, .later = 100 });
}

static void figure_hyparview_cut_unasked(FigureContext *context) {
        figure_crash_of(context, false, sim_power_cut, (CrashLeast) {});
}

/* The share of the survivors that is in one piece after one round, and the seconds until all are. */
static void crash_most(Sim *sim, const void *userdata, double *ret) {
        const Crash *crash = userdata;
        usec_t ended_usec;

        end_some(sim, crash->run, crash->percent, crash->end);
        ended_usec = sim_now(sim);
        sim_run_for(sim, ROUND_USEC);
        ret[0] = largest_percent(sim);
        (void) sim_run_until_every(sim, USEC_PER_SEC, connected, 5 * USEC_PER_MINUTE);
        ret[1] = (double) (sim_now(sim) - ended_usec) / USEC_PER_SEC;
}

static void figure_default_crash(FigureContext *context) {
        static const unsigned percents[] = { 90, 95 };
        Samples share[ELEMENTSOF(percents)] = {}, time[ELEMENTSOF(percents)] = {};
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 1000;              /* 10,000 tables of 10,000 do not fit into a machine like this */
        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, context->n, &params);

                (void) sim_run_until_every(sim, USEC_PER_SEC, connected, 2 * USEC_PER_MINUTE);
                sim_run_for(sim, USEC_PER_MINUTE);
                for (size_t i = 0; i < ELEMENTSOF(percents); i++) {
                        double found[2];

                        figure_try(sim, crash_most, &(Crash) { run, percents[i], sim_crash }, found, ELEMENTSOF(found));
                        samples_add(share + i, found[0]);
                        samples_add(time + i, found[1]);
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(percents); i++) {
                char what[64];

                crash_say(context, percents[i], "after one round", share + i, 100);
                (void) snprintf(what, sizeof(what), "%u %%: all in one piece after", percents[i]);
                figure_at_most(context, what, time + i, (double) ROUND_USEC / USEC_PER_SEC, " s");
                samples_done(share + i);
                samples_done(time + i);
        }
}

/* ---- partitions ---- */

#define SAID 20U                                /* messages of each side before it is healed */
#define EXCHANGE_USEC (5 * USEC_PER_MINUTE)     /* that it is waited for, at most */

/* What became of one. */
typedef struct Healing {
        double one_seconds;     /* until all are one component, or that was given up; and since then: */
        double agreed_seconds;  /* until all tables agree */
        double exchanged_seconds;       /* until all that anybody stores is stored everywhere */
        double reached_worst;   /* percent of the peers, by a message that was published just before it was healed */
        unsigned n_buried;      /* of those that live, once it was healed */
} Healing;

static double seconds_since(Sim *sim, usec_t since_usec) {
        return (double) (sim_now(sim) - since_usec) / USEC_PER_SEC;
}

static bool nothing_is_missing(Sim *sim) {
        return !sim_misses(sim, &(Missing) {});
}

/* The first peers of a share of @percent, and the first seed, are cut off from the others for a while, and both sides go on saying
 * something. */
static Healing partition_and_heal(Sim *sim, unsigned n_seeds, unsigned percent, usec_t duration_usec, usec_t limit_usec) {
        unsigned n_peers = sim_n_nodes(sim) - n_seeds, n_buried, n_said = 0;
        MessageId said[2 * SAID];
        usec_t since_usec;
        Healing healing = { .reached_worst = 100 };

        for (unsigned i = 0; i < n_peers * percent / 100; i++)
                sim_set_group(sim, n_seeds + i, 1);
        if (n_seeds > 0)
                sim_set_group(sim, 0, 1);
        sim_run_for(sim, duration_usec - SAID * USEC_PER_SEC);
        for (unsigned i = 0; i < SAID; i++) {
                n_said += sim_publish(sim, n_seeds, "/first", "payload", said + n_said) == 0;
                n_said += sim_publish(sim, sim_n_nodes(sim) - 1, "/last", "payload", said + n_said) == 0;
                sim_run_for(sim, USEC_PER_SEC);
        }

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                sim_set_group(sim, i, 0);
        n_buried = n_burials(sim);
        since_usec = sim_now(sim);
        (void) sim_run_until_every(sim, USEC_PER_SEC, connected, limit_usec);
        healing.one_seconds = seconds_since(sim, since_usec);
        since_usec = sim_now(sim);
        (void) sim_run_until_every(sim, USEC_PER_SEC, nothing_is_missing, EXCHANGE_USEC);
        healing.exchanged_seconds = seconds_since(sim, since_usec);
        if (!settled(sim))
                (void) sim_run_until_every(sim, USEC_PER_SEC, settled, EXCHANGE_USEC);
        healing.agreed_seconds = seconds_since(sim, since_usec);
        healing.n_buried = n_burials(sim) - n_buried;
        for (unsigned i = 0; i < n_said; i++)
                healing.reached_worst = MIN(healing.reached_worst, 100.0 * sim_n_delivered(sim, said + i) / n_peers);
        return healing;
}

/* @members_max: 0: everybody holds everybody. */
static void figure_partition_of(FigureContext *context, unsigned percent, bool seeds, usec_t duration_usec, unsigned members_max,
                                double seconds_max) {
        _cleanup_samples_ Samples one = {}, agreed = {}, exchanged = {}, reached = {}, buried = {};
        Params params = params_of_profile(PROFILE_LAN);
        char what[64];

        if (members_max > 0)
                params.members_max = members_max;
        context->n_begun = 0;
        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, context->n, &params);
                Healing healing;

                (void) sim_run_until_every(sim, USEC_PER_SEC, connected, 2 * USEC_PER_MINUTE);
                sim_run_for(sim, USEC_PER_MINUTE);
                for (unsigned j = 0; !seeds && j < sim_n_nodes(sim); j++) {
                        sim_forget_seeds(sim, j);
                        if (j < N_SEEDS)
                                sim_stop(sim, j);
                }
                healing = partition_and_heal(sim, N_SEEDS, percent, duration_usec, 30 * USEC_PER_MINUTE);
                samples_add(&one, healing.one_seconds);
                samples_add(&agreed, healing.agreed_seconds);
                samples_add(&exchanged, healing.exchanged_seconds);
                samples_add(&reached, healing.reached_worst);
                samples_add(&buried, healing.n_buried);
        }
        (void) snprintf(what, sizeof(what), "%u/%u: one component after", percent, 100 - percent);
        figure_at_most(context, what, &one, seconds_max, " s");
        if (members_max == 0) {
                (void) snprintf(what, sizeof(what), "%u/%u: tables agree, after that", percent, 100 - percent);
                figure_at_most(context, what, &agreed, 60, " s");
        }
        (void) snprintf(what, sizeof(what), "%u/%u: all that is stored is exchanged, after that", percent, 100 - percent);
        figure_at_most(context, what, &exchanged, 60, " s");
        (void) snprintf(what, sizeof(what), "%u/%u: reached by what was published just before", percent, 100 - percent);
        figure_at_least(context, what, &reached, 100, " %");
        /* A full table forgets the dead for the living that it hears of, and finds them dead again: to the end, and a wait or two
                 * beyond. */
        if (members_max == 0) {
                (void) snprintf(what, sizeof(what), "%u/%u: somebody declared dead once it is healed", percent, 100 - percent);
                figure_at_most(context, what, &buried, 0, "");
        }
}

static void figure_partition(FigureContext *context, bool seeds, usec_t duration_usec, unsigned members_max, double seconds_max) {
        figure_partition_of(context, 50, seeds, duration_usec, members_max, seconds_max);
        figure_partition_of(context, 2, seeds, duration_usec, members_max, seconds_max);
}

static void figure_partition_hour(FigureContext *context) {
        figure_partition(context, true, 60 * USEC_PER_MINUTE, 0, 60);
}

static void figure_partition_hour_no_seeds(FigureContext *context) {
        figure_partition(context, false, 60 * USEC_PER_MINUTE, 0, 20 * 60);
}

static void figure_partition_hour_full(FigureContext *context) {
        figure_partition(context, true, 60 * USEC_PER_MINUTE, MAX(context->n / 4, 8U), 60);
}

static void figure_partition_day(FigureContext *context) {
        figure_partition(context, true, 24 * 60 * USEC_PER_MINUTE, 0, 60);
}

static void figure_partition_day_no_seeds(FigureContext *context) {
        figure_partition(context, false, 24 * 60 * USEC_PER_MINUTE, 0, 20 * 60);
}

/* The control: nobody is remembered, and nobody else is asked. */
static void figure_hyparview_partition(FigureContext *context) {
        unsigned n_split = 0, n_runs = 0;

        for (uint64_t run; figure_next_run(context, &run); n_runs++) {
                _cleanup_(sim_freep) Sim *sim = hyparview_network(run, context->n, true, USEC_PER_SEC);

                sim_run_for(sim, SETTLE_USEC);
                (void) partition_and_heal(sim, 0, 50, 60 * USEC_PER_MINUTE, 20 * USEC_PER_MINUTE);
                n_split += !connected(sim);
        }
        figure_say(context, "still split 20 min after", "in all runs", n_split == n_runs, "in %u of %u runs", n_split, n_runs);
}

/* ---- many at once ---- */

#define JOIN_SECONDS 10U
#define JOINED_SECONDS 45U              /* looked at, at least: everybody has renewed once by then */
#define JOINED_SECONDS_MAX 70U

/* Both ways. */
static uint64_t n_frames_of(Sim *sim, unsigned i) {
        return sim_n_frames(sim, i, 0) + node_counter(sim_node(sim, i), COUNTER_FRAMES_IN);
}

static void figure_joins(FigureContext *context) {
        _cleanup_samples_ Samples time = {}, frames = {};
        Params params = overlay_params();

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = sim_new(run);
                uint64_t before[N_SEEDS] = {};
                usec_t first_usec, one_usec = 0;

                network_add_seeds(sim, N_SEEDS, context->n, &params);
                for (unsigned i = 1; i < N_SEEDS; i++)          /* the first one is down */
                        sim_start(sim, i);
                first_usec = sim_now(sim);
                for (unsigned second = 0; second < (one_usec > 0 ? JOINED_SECONDS : JOINED_SECONDS_MAX); second++) {
                        for (unsigned i = 0; i < context->n / 10; i++) {
                                if (second < JOIN_SECONDS) {
                                        (void) sim_add_peer(sim);
                                        sim_start(sim, sim_n_nodes(sim) - 1);
                                }
                                sim_run_for(sim, first_usec + (second * USEC_PER_SEC) +
                                                 USEC_PER_SEC * (i + 1) / (context->n / 10) - sim_now(sim));
                        }
                        for (unsigned i = 1; i < N_SEEDS; i++) {
                                uint64_t n = n_frames_of(sim, i);

                                samples_add(&frames, (double) (n - before[i]));
                                before[i] = n;
                        }
                        if (second + 1 >= JOIN_SECONDS && one_usec == 0 && connected(sim))
                                one_usec = sim_now(sim);
                }
                samples_add(&time, (double) ((one_usec > 0 ? one_usec : sim_now(sim)) - first_usec) / USEC_PER_SEC - JOIN_SECONDS);
        }
        figure_at_most(context, "one component, after the last joined", &time, 60, " s");
        figure_at_most(context, "frames of a seed in one second, both ways", &frames, 5000, "");
}

const Figure figures_views[] = {
        { "hyparview-crash", "The largest piece of the survivors after a crash, of profile `hyparview` with a question before BUSY.",
          10000, 5, figure_hyparview_crash },
        { "hyparview-crash-unasked", "A control: the same without the question, as in the paper.",
          1000, 5, figure_hyparview_crash_unasked },
        { "hyparview-cut", "The same with the question, and nobody to refuse a call: power is cut.",
          1000, 5, figure_hyparview_cut },
        { "hyparview-cut-unasked", "A control: the same without the question.", 1000, 5, figure_hyparview_cut_unasked },
        { "hyparview-partition", "The profile `hyparview` after a partition of an hour.", 200, 5, figure_hyparview_partition },
        { "default-crash", "A crash of 90 and of 95 % of a network with seeds.", 10000, 5, figure_default_crash },
        { "partition-hour", "A partition of an hour, with seeds on both sides.", 200, 5, figure_partition_hour },
        { "partition-hour-no-seeds", "The same when there are no seeds any more.", 200, 5, figure_partition_hour_no_seeds },
        { "partition-hour-full", "The same with seeds, and tables that hold a quarter of all.", 200, 5, figure_partition_hour_full },
        { "partition-day", "A partition of a day, with seeds on both sides.", 200, 5, figure_partition_day },
        { "partition-day-no-seeds", "The same when there are no seeds any more.", 200, 5, figure_partition_day_no_seeds },
        { "joins", "Everybody joins within 10 s while one of three seeds is down.", 10000, 5, figure_joins },
        { "hyparview-shape", "The overlay of the profile `hyparview`, joined one by one, 10 min later.",
          10000, 5, figure_hyparview },
        { "default-path-1000", "Paths in the overlay of the default profile, half a minute after all are one.",
          1000, 5, figure_default_path },
        { "default-path-10000", "The same with 10,000 nodes.", 10000, 5, figure_default_path },
        { "default-path-100000", "The same with 100,000 nodes.", 100000, 1, figure_default_path },
        {},
};
