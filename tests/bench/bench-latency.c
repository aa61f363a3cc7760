/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One message of 64 bytes after another, each once the last node has the one before:
 *
 *      latency-p50, latency-p99        from handing it over until the last observer has it
 *      message-cpu                     what one message costs all nodes together, by the number of nodes
 *      lost-calm                       messages that were accepted and did not arrive in 10 s
 */

#include "cluster.h"
#include "load.h"

#define SIZE 64U
#define MESSAGES_MAX 500U
#define BUDGET_USEC (20 * USEC_PER_SEC)
#define TIMEOUT_USEC (10 * USEC_PER_SEC)
#define WARM_UP 5U
#define PAUSE_USEC (2 * USEC_PER_MSEC)

int main(int argc, char **argv) {
        BenchOptions options = bench_options(argc, argv);
        const System *system = system_find(options.system);
        unsigned n_messages = options.quick ? 10 : MESSAGES_MAX, n = 0, n_lost = 0;
        double latency[MESSAGES_MAX], cpu_usec = 0;
        Cluster *cluster;
        usec_t end_usec;

        cluster = cluster_new(rig_new(), system, options.n_nodes, 0);
        if (cluster_wait_known(cluster) == USEC_INFINITY)
                bench_fail("Not all nodes know all.");
        system->attend(cluster);

        for (unsigned i = 0; i < WARM_UP; i++)
                (void) load_one(cluster, i, SIZE, TIMEOUT_USEC);
        end_usec = bench_now() + BUDGET_USEC;
        cpu_usec = cluster_cpu_usec(cluster);
        for (unsigned i = 0; i < n_messages && bench_now() < end_usec; i++) {
                usec_t usec = load_one(cluster, WARM_UP + i, SIZE, TIMEOUT_USEC);

                if (usec == USEC_INFINITY)
                        n_lost++;
                else
                        latency[n++] = (double) usec / (double) USEC_PER_MSEC;
                rig_run_for(cluster->rig, PAUSE_USEC);
        }
        cpu_usec = cluster_cpu_usec(cluster) - cpu_usec;

        if (n > 0) {
                bench_row(&options, "latency-p50", bench_percentile(latency, n, 0.5));
                bench_row(&options, "latency-p99", bench_percentile(latency, n, 0.99));
                bench_row(&options, "message-cpu", cpu_usec / (n + n_lost));
        }
        bench_row(&options, "lost-calm", n_lost);
        cluster_free(cluster);
        return 0;
}
