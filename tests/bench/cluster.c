/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cluster.h"

#include <inttypes.h>
#include <stdio.h>

#include "usage.h"

#define KNOWN_TIMEOUT_USEC (120 * USEC_PER_SEC)

const System *system_find(const char *name) {
        static const System *const systems[] = { &system_p2pnet, &system_p2pnet_stream, &system_p2pnet_wire, &system_serf, &system_nats,
                                                 &system_raw };

        for (size_t i = 0; i < ELEMENTSOF(systems); i++)
                if (streq(systems[i]->name, name)) {
                        if (systems[i]->program && !rig_has_program(systems[i]->program))
                                bench_skip("%s is not installed.", systems[i]->program);
                        return systems[i];
                }
        bench_fail("There is no system '%s'.", name);
}

Cluster *cluster_new(Rig *rig, const System *system, unsigned n, unsigned n_observers) {
        Cluster *cluster = bench_calloc(1, sizeof(*cluster));

        cluster->rig = rig;
        cluster->system = system;
        cluster->n = n;
        cluster->n_observers = n_observers > 0 ? n_observers : n;
        cluster->n_processes = system->has_members ? n : 1;
        cluster->nodes = bench_calloc(n, sizeof(Process *));
        cluster->helpers = bench_calloc(n, sizeof(Process *) * 8);
        cluster->views = bench_calloc((size_t) n * n, sizeof(View));
        cluster->is_gone = bench_calloc(n, sizeof(bool));
        cluster->n_received = bench_calloc(cluster->n_observers, sizeof(uint64_t));
        cluster->victim.number = UINT32_MAX;
        system->start(cluster);
        return cluster;
}

Cluster *cluster_free(Cluster *cluster) {
        if (!cluster)
                return NULL;

        cluster->system->stop(cluster);
        for (unsigned i = 0; i < cluster->n_processes; i++)
                process_end(cluster->nodes[i]);
        for (unsigned i = 0; i < cluster->n_helpers; i++)
                process_end(cluster->helpers[i]);
        free(cluster->n_received);
        free(cluster->is_gone);
        free(cluster->views);
        free(cluster->helpers);
        free(cluster->nodes);
        free(cluster);
        return NULL;
}

/* ---- members ---- */

static bool is_known(View view) {
        return view == VIEW_ALIVE || view == VIEW_SUSPECT;
}

void cluster_view(Cluster *cluster, unsigned observer, unsigned subject, View view) {
        View *held = &cluster->views[(size_t) observer * cluster->n + subject];

        if (observer == subject || cluster->is_gone[observer] || *held == view)
                return;

        if (subject == cluster->victim.number) {
                usec_t now_usec = bench_now();

                if (view != VIEW_ALIVE && cluster->victim.first_usec == 0)
                        cluster->victim.first_usec = now_usec;
                cluster->victim.n_dead += view == VIEW_DEAD;
                cluster->victim.n_dead -= *held == VIEW_DEAD;
                if (cluster->victim.n_dead == cluster->n - cluster->n_gone && cluster->victim.all_usec == 0)
                        cluster->victim.all_usec = now_usec;
        } else if (!cluster->is_gone[subject] && is_known(view) != is_known(*held)) {
                cluster->n_known += is_known(view);
                cluster->n_known -= is_known(*held);
                cluster->changed_usec = bench_now();
        }
        *held = view;
}

static bool all_know_all(void *userdata) {
        Cluster *cluster = userdata;
        size_t n = cluster->n - cluster->n_gone;

        return cluster->n_known == n * (n - 1);
}

usec_t cluster_wait_known(Cluster *cluster) {
        if (!cluster->system->has_members)
                return 0;
        if (!rig_run_until(cluster->rig, all_know_all, cluster, KNOWN_TIMEOUT_USEC))
                return USEC_INFINITY;
        return usec_sub(cluster->changed_usec, cluster->started_usec);
}

void cluster_watch_victim(Cluster *cluster, unsigned number) {
        assert(number < cluster->n && !cluster->is_gone[number]);

        for (unsigned i = 0; i < cluster->n; i++) {
                if (i == number)
                        continue;
                cluster->n_known -= !cluster->is_gone[i] && is_known(cluster->views[(size_t) i * cluster->n + number]);
                cluster->n_known -= !cluster->is_gone[i] && is_known(cluster->views[(size_t) number * cluster->n + i]);
        }
        cluster->is_gone[number] = true;
        cluster->n_gone++;
        memset(&cluster->victim, 0, sizeof(cluster->victim));
        cluster->victim.number = number;
}

static bool victim_is_dead(void *userdata) {
        Cluster *cluster = userdata;

        return cluster->victim.all_usec > 0;
}

bool cluster_wait_dead(Cluster *cluster, usec_t timeout_usec) {
        return rig_run_until(cluster->rig, victim_is_dead, cluster, timeout_usec);
}

/* ---- messages ---- */

void cluster_received(Cluster *cluster, unsigned observer, uint64_t n) {
        cluster->n_received[observer] += n;
        cluster->n_arrived += n;
        cluster->arrived_usec = bench_now();
}

void payload_fill(char *payload, size_t size, uint64_t number) {
        char digits[PAYLOAD_MIN + 1];

        assert(size >= PAYLOAD_MIN);
        (void) snprintf(digits, sizeof(digits), "%016" PRIx64, number);
        memcpy(payload, digits, PAYLOAD_MIN);
        memset(payload + PAYLOAD_MIN, 'x', size - PAYLOAD_MIN);
}

/* ---- cost ---- */

double cluster_cpu_usec(const Cluster *cluster) {
        double sum = 0;
        Usage usage;

        for (unsigned i = 0; i < cluster->n_processes; i++)
                if (!cluster->is_gone[i] && usage_read(cluster->nodes[i]->pid, &usage) >= 0)
                        sum += (double) usage.cpu_nsec / 1000;
        return sum;
}
