/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How much goes through, with messages of 64 bytes:
 *
 *      rate                    the highest rate, from the first sent to the last arrived, at which no observer misses one
 *      delivery-cpu            what one delivery costs all nodes together at that rate
 *      overload-accepted, overload-lost
 *                              as many as are taken, for as long: how many that was, and how many of them the observer that
 *                              got fewest has missed
 *      largest                 payload that arrives at all
 */

#include <math.h>

#include "cluster.h"
#include "load.h"

#define SIZE 64U
#define LARGEST_MAX (4U * 1024U * 1024U)
#define ANSWER_USEC (5 * USEC_PER_SEC)
#define RATE_MIN 16.0
#define QUICK_RATE 2000         /* enough to see that it runs */
#define KEEPS_UP 0.7            /* of the rate that was asked for; below it the publisher is at its end */

typedef struct Bench {
        BenchOptions options;
        const System *system;
        Rig *rig;
        Cluster *cluster;
} Bench;

/* After a loss the network has something to mend, which is not what the next step is to measure. */
static void bench_start(Bench *bench) {
        cluster_free(bench->cluster);
        bench->cluster = cluster_new(bench->rig, bench->system, bench->options.n_nodes, 0);
        if (cluster_wait_known(bench->cluster) == USEC_INFINITY)
                bench_fail("Not all nodes know all.");
        bench->system->attend(bench->cluster);
}

static usec_t duration(const Bench *bench) {
        return bench->options.quick ? USEC_PER_SEC / 5 : 3 * USEC_PER_SEC;
}

typedef enum Step {
        STEP_LOST,
        STEP_WHOLE,
        STEP_AT_END,            /* nothing was lost, but the publisher could not keep up: no higher rate can be asked for */
} Step;

static Step try_rate(Bench *bench, double rate, usec_t duration_usec, Outcome *ret) {
        double achieved;

        *ret = load_run(bench->cluster, &(Load) { .rate = rate, .duration_usec = duration_usec, .size = SIZE });
        if (ret->n_lost > 0 || ret->n_accepted == 0 || ret->seconds <= 0) {
                bench_start(bench);
                return STEP_LOST;
        }
        achieved = (double) ret->n_accepted / ret->seconds;
        return achieved < KEEPS_UP * rate || (bench->options.quick && rate > QUICK_RATE) ? STEP_AT_END : STEP_WHOLE;
}

/* Short bursts first, doubling; what queues can swallow is no rate, so from there down again, for longer. */
static Outcome find_rate(Bench *bench) {
        double rate = RATE_MIN, low = 0;
        Outcome outcome, best = {};
        Step step;

        while ((step = try_rate(bench, rate, duration(bench) / 5, &outcome)) == STEP_WHOLE)
                rate *= 2;

        while (rate >= RATE_MIN / 4 && try_rate(bench, rate, duration(bench), &best) == STEP_LOST) {
                best = (Outcome) {};
                rate /= M_SQRT2;
                low = rate;
        }
        /* Between the one that passed and the one that did not, once. */
        if (low > 0 && best.n_accepted > 0 && !bench->options.quick &&
            try_rate(bench, rate * sqrt(M_SQRT2), duration(bench), &outcome) != STEP_LOST)
                best = outcome;
        return best;
}

static double rate_of(const Outcome *outcome) {
        return outcome->n_accepted > 0 && outcome->seconds > 0 ? (double) outcome->n_accepted / outcome->seconds : 0;
}

/* Who is held back by the network itself, and loses nothing, has found its highest rate: large batches cost less. */
static void measure_rate(Bench *bench) {
        Outcome best = find_rate(bench), overload;

        overload = load_run(bench->cluster, &(Load) { .duration_usec = duration(bench), .size = SIZE });
        if (overload.n_lost == 0 && rate_of(&overload) > rate_of(&best))
                best = overload;

        if (best.n_accepted > 0) {
                bench_row(&bench->options, "rate", rate_of(&best));
                bench_row(&bench->options, "delivery-cpu",
                          best.cpu_usec / (double) best.n_accepted / bench->cluster->n_observers);
        } else {
                bench_no_row(&bench->options, "rate", "something is lost at any rate");
                bench_no_row(&bench->options, "delivery-cpu", "something is lost at any rate");
        }
        bench_row(&bench->options, "overload-accepted", (double) overload.n_accepted);
        bench_row(&bench->options, "overload-lost", (double) overload.n_lost);
}

static void measure_largest(Bench *bench) {
        size_t good = 0, bad = LARGEST_MAX;
        uint64_t number = UINT32_MAX;

        while (bad - good > 1) {
                size_t size = (good + bad) / 2;

                if (size >= PAYLOAD_MIN && load_one(bench->cluster, number++, size, ANSWER_USEC) == USEC_INFINITY)
                        bad = size;
                else
                        good = size;
        }
        bench_row(&bench->options, "largest", (double) good);
}

int main(int argc, char **argv) {
        Bench bench = { .options = bench_options(argc, argv) };

        bench.system = system_find(bench.options.system);
        bench.rig = rig_new();
        bench_start(&bench);
        measure_rate(&bench);
        bench_start(&bench);
        measure_largest(&bench);
        cluster_free(bench.cluster);
        return 0;
}
