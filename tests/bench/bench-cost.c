/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What one node pays for one message that it gets from one connection and passes on to four, by the size of the payload:
 *
 *      cost-64, cost-1k, cost-64k, cost-1m
 *
 * Messages come in batches, 64 or as many as are half a MiB, and the next batch when all four have the last.
 */

#include "cluster.h"
#include "load.h"

#define LINKS 4U
#define BATCH 64U
#define BATCH_BYTES (512U * 1024U)

int main(int argc, char **argv) {
        static const struct {
                const char *row;
                size_t size;
                usec_t budget_usec;
        } steps[] = {
                { "cost-64",  64,          2 * USEC_PER_SEC },
                { "cost-1k",  1024,        2 * USEC_PER_SEC },
                { "cost-64k", 64 * 1024,   2 * USEC_PER_SEC },
                { "cost-1m",  1024 * 1024, 2 * USEC_PER_SEC },
        };
        BenchOptions options = bench_options(argc, argv);
        const System *system = system_find(options.system);
        Cluster *cluster;

        if (options.n_nodes != 1)
                bench_fail("This is about one node: --nodes=1.");
        cluster = cluster_new(rig_new(), system, 1, LINKS);
        system->attend(cluster);

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                usec_t end_usec = bench_now() + (options.quick ? USEC_PER_SEC / 20 : steps[i].budget_usec);
                uint64_t batch = CLAMP(BATCH_BYTES / steps[i].size, (size_t) 1, (size_t) BATCH), n = 0, n_lost = 0;
                double cpu_usec = 0;

                do {
                        Outcome outcome = load_run(cluster, &(Load) { .duration_usec = USEC_PER_SEC, .n_max = batch,
                                                                      .size = steps[i].size });

                        n += outcome.n_accepted;
                        n_lost += outcome.n_lost;
                        cpu_usec += outcome.cpu_usec;
                } while (bench_now() < end_usec && n_lost == 0);

                if (n_lost > 0)
                        bench_no_row(&options, steps[i].row, "something was lost");
                else
                        bench_row(&options, steps[i].row, cpu_usec / (double) n);
        }
        cluster_free(cluster);
        return 0;
}
