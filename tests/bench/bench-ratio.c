/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One node that passes messages on to four, beside a forwarder that does nothing else (raw-forwarder.c), by the size of the payload
 * and by how many messages come at once:
 *
 *      forward-SIZE-BATCH      CPU of our node for one message
 *      raw-SIZE-BATCH          the same of the raw forwarder
 *      ratio-SIZE-BATCH        the first divided by the second
 *
 * The two take turns of a tenth of a second, so that whatever else the machine does meets both; figures are medians of turns.
 */

#include <stdio.h>

#include "cluster.h"
#include "load.h"

#define LINKS 4U
#define TURNS 15U
#define TURN_USEC (USEC_PER_SEC / 10)

/* Return: CPU of the node for one message, in microseconds; negative when something was lost. */
static double turn(Cluster *cluster, size_t size, uint64_t batch, usec_t duration_usec) {
        usec_t end_usec = bench_now() + duration_usec;
        double cpu_usec = 0;
        uint64_t n = 0;

        do {
                Outcome outcome = load_run(cluster, &(Load) { .duration_usec = USEC_PER_SEC, .n_max = batch, .size = size });

                if (outcome.n_lost > 0)
                        return -1;
                n += outcome.n_accepted;
                cpu_usec += outcome.cpu_usec;
        } while (bench_now() < end_usec);
        return cpu_usec / (double) n;
}

static void print_rows(const BenchOptions *options, const char *what, double *ours, double *raw, size_t n) {
        char row[64];
        double own = bench_percentile(ours, n, 0.5), least = bench_percentile(raw, n, 0.5);

        (void) snprintf(row, sizeof(row), "forward-%s", what);
        bench_row(options, row, own);
        (void) snprintf(row, sizeof(row), "raw-%s", what);
        bench_row(options, row, least);
        (void) snprintf(row, sizeof(row), "ratio-%s", what);
        if (least > 0)
                bench_row(options, row, own / least);
        else
                bench_no_row(options, row, "the raw forwarder was too quick to be measured");
}

int main(int argc, char **argv) {
        static const struct {
                const char *what;
                size_t size;
                uint64_t batch;
        } steps[] = {
                { "64-1", 64, 1 },   { "64-8", 64, 8 },   { "64-64", 64, 64 },   { "64-512", 64, 512 },
                { "1k-1", 1024, 1 }, { "1k-8", 1024, 8 }, { "1k-64", 1024, 64 }, { "1k-512", 1024, 512 },
        };
        BenchOptions options = bench_options(argc, argv);
        const System *system = system_find(options.system);
        unsigned n_turns = options.quick ? 1 : TURNS;
        usec_t turn_usec = options.quick ? TURN_USEC / 10 : TURN_USEC;
        Rig *rig = rig_new();
        Cluster *ours, *raw;

        if (options.n_nodes != 1)
                bench_fail("This is about one node: --nodes=1.");
        ours = cluster_new(rig, system, 1, LINKS);
        raw = cluster_new(rig, &system_raw, 1, LINKS);
        system->attend(ours);
        system_raw.attend(raw);

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                double ours_usec[TURNS], raw_usec[TURNS];

                for (unsigned k = 0; k < n_turns; k++) {
                        ours_usec[k] = turn(ours, steps[i].size, steps[i].batch, turn_usec);
                        raw_usec[k] = turn(raw, steps[i].size, steps[i].batch, turn_usec);
                        if (ours_usec[k] < 0 || raw_usec[k] < 0)
                                bench_fail("Something was lost.");
                }
                print_rows(&options, steps[i].what, ours_usec, raw_usec, n_turns);
        }
        cluster_free(raw);
        cluster_free(ours);
        return 0;
}
