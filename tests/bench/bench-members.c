/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What nodes know of each other, and what they cost when nothing happens:
 *
 *      know-all                        all started at once, until each knows all others
 *      rss, private                    memory of one node, the median of all, after that
 *      idle-cpu, idle-wakeups          of one node, the median of all, while nothing is published
 *      kill-first, kill-all            SIGKILL: until the first says suspect, until all say dead
 *      stop-first, stop-all            SIGSTOP, its kernel still acknowledges
 *      cut-first, cut-all              a power cut, see cut.h
 */

#include <signal.h>

#include "cluster.h"
#include "cut.h"
#include "usage.h"

#define DETECT_TIMEOUT_USEC (100 * USEC_PER_SEC)
#define SETTLE_USEC (5 * USEC_PER_SEC)
#define FEW 10U                 /* with fewer nodes each detection begins anew, so that it is one of N */

typedef struct Kind {
        const char *row_first, *row_all;
        int signal_number;              /* 0: a power cut */
} Kind;

static const Kind kinds[] = {
        { "kill-first", "kill-all", SIGKILL },
        { "stop-first", "stop-all", SIGSTOP },
        { "cut-first",  "cut-all",  0       },
};

typedef struct Bench {
        BenchOptions options;
        Rig *rig;
        const System *system;
        Cluster *cluster;
} Bench;

static usec_t bench_start(Bench *bench) {
        bench->cluster = cluster_new(bench->rig, bench->system, bench->options.n_nodes, 0);
        return cluster_wait_known(bench->cluster);
}

static void seconds_row(const Bench *bench, const char *row, usec_t usec, usec_t since_usec, const char *why_not) {
        if (usec > since_usec && usec != USEC_INFINITY)
                bench_row(&bench->options, row, (double) (usec - since_usec) / (double) USEC_PER_SEC);
        else
                bench_no_row(&bench->options, row, why_not);
}

static void measure_memory(Bench *bench) {
        unsigned n = bench->cluster->n_processes;
        double resident[50], private[50];

        assert(n <= ELEMENTSOF(resident));
        for (unsigned i = 0; i < n; i++) {
                Memory memory;

                if (memory_read(bench->cluster->nodes[i]->pid, &memory) < 0)
                        bench_fail("Cannot read the memory of %s.", bench->cluster->nodes[i]->name);
                resident[i] = (double) memory.resident / (1024 * 1024);
                private[i] = (double) memory.private / (1024 * 1024);
        }
        bench_row(&bench->options, "rss", bench_percentile(resident, n, 0.5));
        bench_row(&bench->options, "private", bench_percentile(private, n, 0.5));
}

static void measure_idle(Bench *bench) {
        unsigned n = bench->cluster->n_processes;
        usec_t window_usec = bench->options.quick ? USEC_PER_SEC : 30 * USEC_PER_SEC, began_usec;
        double cpu[50], waits[50], seconds;
        Usage before[50], after;

        assert(n <= ELEMENTSOF(before));
        began_usec = bench_now();
        for (unsigned i = 0; i < n; i++)
                if (usage_read(bench->cluster->nodes[i]->pid, &before[i]) < 0)
                        bench_fail("Cannot read the times of %s.", bench->cluster->nodes[i]->name);
        rig_run_for(bench->rig, window_usec);
        seconds = (double) (bench_now() - began_usec) / (double) USEC_PER_SEC;
        for (unsigned i = 0; i < n; i++) {
                if (usage_read(bench->cluster->nodes[i]->pid, &after) < 0)
                        bench_fail("Cannot read the times of %s.", bench->cluster->nodes[i]->name);
                /* A thread that has ended takes its past with it. */
                cpu[i] = (double) (after.cpu_nsec - MIN(before[i].cpu_nsec, after.cpu_nsec)) / 1e9 / seconds * 100;
                waits[i] = (double) (after.n_waits - MIN(before[i].n_waits, after.n_waits)) / seconds;
        }
        bench_row(&bench->options, "idle-cpu", bench_percentile(cpu, n, 0.5));
        bench_row(&bench->options, "idle-wakeups", bench_percentile(waits, n, 0.5));
}

static void measure_detection(Bench *bench, const Kind *kind, unsigned number) {
        Process *process = bench->cluster->nodes[number];
        usec_t began_usec;

        if (kind->signal_number == 0 && !cut_is_possible()) {
                bench_no_row(&bench->options, kind->row_first, "packets cannot be dropped here: no nft");
                bench_no_row(&bench->options, kind->row_all, "packets cannot be dropped here: no nft");
                return;
        }

        cluster_watch_victim(bench->cluster, number);
        began_usec = bench_now();
        if (kind->signal_number != 0)
                process_signal(process, kind->signal_number);
        else
                cut_process(process);
        (void) cluster_wait_dead(bench->cluster, DETECT_TIMEOUT_USEC);

        seconds_row(bench, kind->row_first, bench->cluster->victim.first_usec, began_usec, "nobody noticed in 100 s");
        seconds_row(bench, kind->row_all, bench->cluster->victim.all_usec, began_usec, "not all noticed in 100 s");
        process_signal(process, SIGKILL);
        if (kind->signal_number == 0)
                cut_mend();
}

static void run(Bench *bench) {
        usec_t usec = bench_start(bench);
        usec_t settle_usec = bench->options.quick ? USEC_PER_SEC / 5 : SETTLE_USEC;

        if (!bench->system->has_members)
                bench->system->attend(bench->cluster);
        else
                seconds_row(bench, "know-all", usec, 0, "not all knew all after 120 s");

        rig_run_for(bench->rig, settle_usec);
        measure_memory(bench);
        measure_idle(bench);

        for (size_t i = 0; bench->system->has_members && i < ELEMENTSOF(kinds); i++) {
                if (i > 0 && bench->options.n_nodes < FEW) {
                        bench->cluster = cluster_free(bench->cluster);
                        (void) bench_start(bench);
                }
                rig_run_for(bench->rig, settle_usec);
                measure_detection(bench, &kinds[i], bench->options.n_nodes - 1 - (bench->options.n_nodes < FEW ? 0 : (unsigned) i));
        }
        bench->cluster = cluster_free(bench->cluster);
}

int main(int argc, char **argv) {
        Bench bench = { .options = bench_options(argc, argv) };

        bench.system = system_find(bench.options.system);
        bench.rig = rig_new();
        run(&bench);
        return 0;
}
