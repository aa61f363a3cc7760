/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Random runs of a whole network: faults drawn by run number for some minutes, then peace, then everything must be well again.
 *
 *      sim-random [--runs=N] [--run=FIRST]
 *
 * Without --run the numbers are new each time. A run that fails prints the command that brings it back.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/random.h"
#include "base/text.h"
#include "sim.h"

#define FAULTS_USEC (3 * USEC_PER_MINUTE)
#define PEACE_USEC (60 * USEC_PER_MINUTE)       /* one that died unnoticed is found when its turn comes: one member a minute */

typedef enum Fault {
        FAULT_CRASH,
        FAULT_POWER_CUT,
        FAULT_STOP,
        FAULT_FREEZE,
        FAULT_RESTART,
        FAULT_RESTART_EMPTY,
        FAULT_CLONE,
        FAULT_HALF_OPEN,
        FAULT_PARTITION,
        FAULT_PUBLISH,
        _FAULT_MAX,
} Fault;

typedef struct Run {
        Sim *sim;
        Random random;
        bool enabled[_FAULT_MAX];       /* each run leaves some kinds out entirely */
        unsigned n_seeds, n_clones;
} Run;

static unsigned run_pick(Run *run) {
        return (unsigned) random_below(&run->random, sim_n_nodes(run->sim));
}

static bool run_runs(Run *run, unsigned i) {
        return sim_is_running(run->sim, i);
}

static void run_partition(Run *run) {
        unsigned n_groups = 1 + (unsigned) random_below(&run->random, 3);
        bool some_see_all = random_below(&run->random, 2) > 0;

        for (unsigned i = 0; i < sim_n_nodes(run->sim); i++) {
                unsigned group = (unsigned) random_below(&run->random, n_groups + some_see_all);

                sim_set_group(run->sim, i, group < n_groups ? group : SIM_EVERY_GROUP);
        }
}

static void run_fault(Run *run, Fault fault) {
        Sim *sim = run->sim;
        unsigned i = run_pick(run);
        MessageId id;

        switch (fault) {

        case FAULT_CRASH:
                if (run_runs(run, i))
                        sim_crash(sim, i);
                break;

        case FAULT_POWER_CUT:
                if (run_runs(run, i))
                        sim_power_cut(sim, i);
                break;

        case FAULT_STOP:
                if (run_runs(run, i))
                        sim_stop(sim, i);
                break;

        case FAULT_FREEZE:
                if (run_runs(run, i))
                        sim_freeze(sim, i);
                i = run_pick(run);
                if (run_runs(run, i))
                        sim_thaw(sim, i);
                break;

        case FAULT_RESTART:
                if (!run_runs(run, i))
                        sim_restart(sim, i, true);
                break;

        case FAULT_RESTART_EMPTY:
                if (!run_runs(run, i))
                        sim_restart(sim, i, false);
                break;

        case FAULT_CLONE:
                if (i >= run->n_seeds && run->n_clones++ < 3)
                        sim_start(sim, sim_add_clone(sim, i));
                break;

        case FAULT_HALF_OPEN: {
                unsigned other = run_pick(run);

                if (run_runs(run, i) && run_runs(run, other) && i != other)
                        sim_half_open(sim, i, other);
                break;
        }

        case FAULT_PARTITION:
                run_partition(run);
                break;

        case FAULT_PUBLISH:
                if (run_runs(run, i) && node_settings(sim_node(sim, i))->role == ROLE_PEER)
                        (void) sim_publish(sim, i, "/random", "payload", &id);
                break;

        case _FAULT_MAX:
                break;
        }
}

static bool is_well(Sim *sim) {
        return sim_is_connected(sim) && sim_members_agree(sim) && sim_seeds_agree(sim);
}

/* True when all is well in the end. */
static bool run_one(uint64_t number) {
        _cleanup_(sim_freep) Sim *sim = sim_new(number);
        Run run = { .sim = sim, .random = random_from_run(~number) };
        unsigned n_peers = 5 + (unsigned) random_below(&run.random, 30), n_reached = 0;
        usec_t end_usec;
        MessageId id;

        sim_set_strict(sim);
        run.n_seeds = 1 + (unsigned) random_below(&run.random, 4);
        for (unsigned i = 0; i < run.n_seeds; i++)
                (void) sim_add_seed(sim, true);
        for (unsigned i = 0; i < n_peers; i++)
                (void) sim_add_peer(sim);
        for (Fault fault = 0; fault < _FAULT_MAX; fault++)
                run.enabled[fault] = random_below(&run.random, 3) > 0;

        sim_start_all(sim);
        sim_run_for(sim, random_below(&run.random, 60 * USEC_PER_SEC));
        for (end_usec = sim_now(sim) + FAULTS_USEC; sim_now(sim) < end_usec;) {
                Fault fault = (Fault) random_below(&run.random, _FAULT_MAX);

                if (run.enabled[fault])
                        run_fault(&run, fault);
                sim_run_for(sim, random_below(&run.random, 6 * USEC_PER_SEC));
        }

        for (unsigned i = 0; i < sim_n_nodes(sim); i++) {
                sim_set_group(sim, i, 0);
                if (sim_is_running(sim, i))
                        sim_thaw(sim, i);
                else
                        sim_restart(sim, i, true);
        }
        if (!sim_run_until(sim, is_well, PEACE_USEC)) {
                printf("run %" PRIu64 ": %s%s%safter %s of peace\n", number,
                       sim_is_connected(sim) ? "" : "not one component, ",
                       sim_members_agree(sim) ? "" : "members differ, ",
                       sim_seeds_agree(sim) ? "" : "seeds differ, ", DURATION_TEXT(PEACE_USEC));
                sim_explain(sim);
                return false;
        }

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n_reached += node_settings(sim_node(sim, i))->role == ROLE_PEER;
        if (sim_publish(sim, run.n_seeds, "/last", "payload", &id) < 0)
                return printf("run %" PRIu64 ": a peer of a healthy network cannot publish\n", number), false;
        sim_run_for(sim, 5 * USEC_PER_SEC);
        if (sim_n_delivered(sim, &id) != n_reached)
                return printf("run %" PRIu64 ": a message reached %u of %u peers\n", number, sim_n_delivered(sim, &id),
                              n_reached), false;
        return true;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "runs", required_argument, NULL, 'n' },
                { "run", required_argument, NULL, 'r' },
                {},
        };
        uint64_t n_runs = 1, first, n_failed = 0;

        if (getrandom(&first, sizeof(first), 0) != sizeof(first))
                return perror("getrandom"), EXIT_FAILURE;
        first >>= 32;                   /* short enough to be typed */

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                if (c == '?' || parse_u64(optarg, c == 'n' ? &n_runs : &first) < 0) {
                        fprintf(stderr, "usage: %s [--runs=N] [--run=FIRST]\n", argv[0]);
                        return 64;
                }

        for (uint64_t i = 0; i < n_runs; i++)
                if (!run_one(first + i)) {
                        printf("bring it back with: %s --run=%" PRIu64 "\n", argv[0], first + i);
                        n_failed++;
                }
        printf("runs %" PRIu64 " to %" PRIu64 ": %" PRIu64 " passed, %" PRIu64 " failed\n", first, first + n_runs - 1,
               n_runs - n_failed, n_failed);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
