/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "load.h"

#define PACE_USEC USEC_PER_MSEC
#define QUIET_USEC (3 * USEC_PER_SEC)   /* without any arrival: the rest is lost */

typedef struct Target {
        Cluster *cluster;
        uint64_t *n_before;
        uint64_t n_answered_before, n_accepted_before;
        uint64_t n_sent;
} Target;

static Target target_begin(Cluster *cluster) {
        Target target = {
                .cluster = cluster,
                .n_before = bench_calloc(cluster->n_observers, sizeof(uint64_t)),
                .n_answered_before = cluster->n_accepted + cluster->n_refused,
                .n_accepted_before = cluster->n_accepted,
        };

        memcpy(target.n_before, cluster->n_received, cluster->n_observers * sizeof(uint64_t));
        return target;
}

static uint64_t n_accepted(const Target *target) {
        return target->cluster->n_accepted - target->n_accepted_before;
}

static uint64_t n_fewest(const Target *target) {
        uint64_t n = UINT64_MAX;

        for (unsigned i = 0; i < target->cluster->n_observers; i++)
                n = MIN(n, target->cluster->n_received[i] - target->n_before[i]);
        return n;
}

static bool has_all(void *userdata) {
        const Target *target = userdata;

        return target->cluster->n_accepted + target->cluster->n_refused - target->n_answered_before >= target->n_sent &&
               n_fewest(target) >= n_accepted(target);
}

/* Everything has arrived, or nothing does any more. */
static void wait_for_rest(Target *target) {
        uint64_t n_arrived;

        do
                n_arrived = target->cluster->n_arrived;
        while (!rig_run_until(target->cluster->rig, has_all, target, QUIET_USEC) && target->cluster->n_arrived > n_arrived);
}

/* What is due by now, as far as it is taken. */
static void send_due(Target *target, const Load *load, usec_t since_usec) {
        double n_due = load->rate * (double) (bench_now() - since_usec) / (double) USEC_PER_SEC;

        while ((load->n_max == 0 || target->n_sent < load->n_max) && (load->rate <= 0 || (double) target->n_sent < n_due) &&
               target->cluster->system->publish(target->cluster, target->n_sent, load->size))
                target->n_sent++;
}

Outcome load_run(Cluster *cluster, const Load *load) {
        double cpu_usec = cluster_cpu_usec(cluster);
        Target target = target_begin(cluster);
        usec_t began_usec = bench_now();
        Outcome outcome = {};
        bool over = false;

        cluster->arrived_usec = began_usec;
        while (!over) {
                send_due(&target, load, began_usec);
                over = bench_now() >= began_usec + load->duration_usec || cluster->is_broken ||
                       (load->n_max > 0 && target.n_sent >= load->n_max);
                if (sd_event_run(cluster->rig->event, load->rate > 0 ? PACE_USEC : 10 * PACE_USEC) < 0)
                        bench_fail("The event loop failed.");
        }
        wait_for_rest(&target);

        outcome.n_accepted = n_accepted(&target);
        outcome.n_lost = outcome.n_accepted - MIN(n_fewest(&target), outcome.n_accepted);
        if (cluster->is_broken && outcome.n_lost == 0)
                outcome.n_lost = 1;
        outcome.seconds = (double) (cluster->arrived_usec - began_usec) / (double) USEC_PER_SEC;
        outcome.cpu_usec = cluster_cpu_usec(cluster) - cpu_usec;
        free(target.n_before);
        return outcome;
}

static bool one_is_settled(void *userdata) {
        const Target *target = userdata;

        return has_all(userdata) || (target->cluster->n_refused + target->cluster->n_accepted > target->n_answered_before &&
                                     n_accepted(target) == 0);
}

usec_t load_one(Cluster *cluster, uint64_t number, size_t size, usec_t timeout_usec) {
        Target target = target_begin(cluster);
        usec_t began_usec, usec = USEC_INFINITY;

        while (!cluster->system->publish(cluster, number, size))
                rig_run_for(cluster->rig, PACE_USEC);
        target.n_sent = 1;
        began_usec = bench_now();
        if (rig_run_until(cluster->rig, one_is_settled, &target, timeout_usec) && n_accepted(&target) == 1 &&
            cluster->arrived_usec >= began_usec)
                usec = cluster->arrived_usec - began_usec;
        free(target.n_before);
        return usec;
}
