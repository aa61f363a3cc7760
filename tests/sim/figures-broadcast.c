/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of broadcast: whom messages reach, at what cost, and when. */

#include "figures.h"

#include <sys/resource.h>

#include "sim-traffic.h"

#define N_WARM_UP 20U           /* messages before those that count */
#define N_MESSAGES 20U

typedef struct Steady {
        Samples reached;        /* %, by the worst message */
        Samples redundancy;     /* in the mean */
        Samples last_hop;       /* the worst */
        Samples size;           /* KiB for each node */
} Steady;

static void steady_done(Steady *steady) {
        samples_done(&steady->reached);
        samples_done(&steady->redundancy);
        samples_done(&steady->last_hop);
        samples_done(&steady->size);
}

/* The largest size that the process has had: what earlier runs needed is free for later ones. */
static double resident_kib(void) {
        struct rusage usage;

        if (getrusage(RUSAGE_SELF, &usage) < 0)
                abort();
        return (double) usage.ru_maxrss;
}

static void steady_measure(Steady *steady, uint64_t run, unsigned n_peers, const Params *params) {
        _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, n_peers, params);
        MessageId ids[N_WARM_UP + N_MESSAGES] = {};
        double worst_reached = 100, worst_hop = 0, sum = 0;

        sim_run_for(sim, 60 * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                (void) sim_publish(sim, N_SEEDS, "/figure", "payload", ids + i);
                sim_run_for(sim, 2 * USEC_PER_SEC);
        }
        sim_run_for(sim, 5 * USEC_PER_SEC);
        for (size_t i = N_WARM_UP; i < ELEMENTSOF(ids); i++) {
                BroadcastReport report = sim_broadcast(sim, ids + i);

                worst_reached = MIN(worst_reached, 100.0 * report.n_delivered / n_peers);
                worst_hop = MAX(worst_hop, (double) report.last_hop);
                sum += report.redundancy;
        }
        samples_add(&steady->reached, worst_reached);
        samples_add(&steady->redundancy, sum / N_MESSAGES);
        samples_add(&steady->last_hop, worst_hop);
        samples_add(&steady->size, resident_kib() / n_peers);
}

/* One node publishes, in a network of nodes that list so many others each. */
static Steady steady_of(FigureContext *context, unsigned members_max) {
        Params params = params_of_profile(PROFILE_LAN);
        Steady steady = {};

        params.members_max = members_max;
        params.hello_count = 0;
        for (uint64_t run; figure_next_run(context, &run);)
                steady_measure(&steady, run, context->n, &params);
        return steady;
}

static void figure_one_sender(FigureContext *context) {
        _cleanup_(steady_done) Steady steady = steady_of(context, 64);

        figure_at_least(context, "reached by each message", &steady.reached, 100, " %");
        figure_at_most(context, "redundancy (RMR)", &steady.redundancy, 0.01, "");
        figure_at_most(context, "last delivery", &steady.last_hop, 15, " hops");
}

static void figure_members_none(FigureContext *context) {
        _cleanup_(steady_done) Steady steady = steady_of(context, 0);

        figure_at_least(context, "reached by each message", &steady.reached, 100, " %");
        figure_at_most(context, "redundancy (RMR)", &steady.redundancy, 0.05, "");
        figure_at_most(context, "memory of the process, by node", &steady.size, 8, " KiB");
}

/* ---- many senders ---- */

/* A network without the periodic messages, and with a tree: some messages have been published. */
static Sim *network_that_has_grown(uint64_t run, unsigned n_peers, bool strict) {
        Params params = params_of_profile(PROFILE_LAN);
        Sim *sim = sim_new(run);
        MessageId id;

        params.members_max = 64;
        params.hello_count = 0;
        if (strict)
                sim_set_strict(sim);
        network_begin(sim, N_SEEDS, n_peers, &params);
        sim_run_for(sim, 60 * USEC_PER_SEC);
        for (unsigned i = 0; i < N_WARM_UP; i++) {
                (void) sim_publish(sim, N_SEEDS, "/figure", "payload", &id);
                sim_run_for(sim, 2 * USEC_PER_SEC);
        }
        return sim;
}

static Sim *grown_network(FigureContext *context, uint64_t run) {
        return network_that_has_grown(run, context->n, false);
}

static void figure_many_senders(FigureContext *context) {
        _cleanup_samples_ Samples reached = {}, redundancy = {}, last = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = grown_network(context, run);
                MessageId ids[10 * N_MESSAGES] = {};
                double worst_reached = 100, worst_last = 0, sum = 0;

                for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                        (void) sim_publish(sim, N_SEEDS + (unsigned) (i * 7919 + run) % context->n, "/figure", "payload", ids + i);
                        sim_run_for(sim, 100 * USEC_PER_MSEC);
                }
                sim_run_for(sim, 10 * USEC_PER_SEC);
                for (size_t i = ELEMENTSOF(ids) / 2; i < ELEMENTSOF(ids); i++) {
                        BroadcastReport report = sim_broadcast(sim, ids + i);

                        worst_reached = MIN(worst_reached, 100.0 * report.n_delivered / context->n);
                        worst_last = MAX(worst_last, (double) report.last_usec / USEC_PER_SEC);
                        sum += report.redundancy;
                }
                samples_add(&reached, worst_reached);
                samples_add(&redundancy, sum / (ELEMENTSOF(ids) / 2));
                samples_add(&last, worst_last);
        }
        figure_at_least(context, "reached by each message", &reached, 100, " %");
        figure_at_most(context, "redundancy (RMR)", &redundancy, 0.02, "");
        figure_at_most(context, "last delivery", &last, 0.6, " s");
}

/* ---- faults ---- */

#define CRASH_STEPS 8U          /* of 10 % of the nodes each */

enum { CRASH_REACHED, CRASH_REDUNDANCY, _CRASH_MAX };

static bool all_have(Sim *sim, const MessageId *ids, size_t n, unsigned n_peers) {
        for (size_t i = 0; i < n; i++)
                if (sim_n_delivered(sim, ids + i) < n_peers)
                        return false;
        return true;
}

/* The nodes that come behind the sender are gone; 20 messages, and two minutes at most for all of those that live to have them. */
static void crash_some(Sim *sim, const void *userdata, double *ret) {
        unsigned n_dead = *(const unsigned *) userdata, n_peers = sim_n_nodes(sim) - N_SEEDS - n_dead;
        MessageId ids[N_MESSAGES] = {};
        usec_t end_usec;

        for (unsigned i = 1; i <= n_dead; i++)
                sim_crash(sim, N_SEEDS + i);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                (void) sim_publish(sim, N_SEEDS, "/figure", "payload", ids + i);
                sim_run_for(sim, 1 * USEC_PER_SEC);
        }
        end_usec = sim_now(sim) + 120 * USEC_PER_SEC;
        while (!all_have(sim, ids, ELEMENTSOF(ids), n_peers) && sim_now(sim) < end_usec)
                sim_run_for(sim, 1 * USEC_PER_SEC);
        sim_run_for(sim, 5 * USEC_PER_SEC);             /* for copies that nobody needs */

        ret[CRASH_REACHED] = 100;
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                BroadcastReport report = sim_broadcast(sim, ids + i);

                ret[CRASH_REACHED] = MIN(ret[CRASH_REACHED], 100.0 * report.n_delivered / n_peers);
                ret[CRASH_REDUNDANCY] += report.redundancy / N_MESSAGES;
        }
}

static void figure_after_a_crash(FigureContext *context) {
        Samples reached[CRASH_STEPS] = {}, redundancy[CRASH_STEPS] = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = grown_network(context, run);

                for (unsigned step = 0; step < CRASH_STEPS; step++) {
                        unsigned n_dead = context->n * (step + 1) / 10;
                        double found[_CRASH_MAX];

                        figure_try(sim, crash_some, &n_dead, found, _CRASH_MAX);
                        samples_add(reached + step, found[CRASH_REACHED]);
                        samples_add(redundancy + step, found[CRASH_REDUNDANCY]);
                }
        }
        for (unsigned step = 0; step < CRASH_STEPS; step++) {
                char what[64];

                (void) snprintf(what, sizeof(what), "reached after repair, %u %% dead", 10 * (step + 1));
                figure_at_least(context, what, reached + step, 100, " %");
                (void) snprintf(what, sizeof(what), "redundancy (RMR), %u %% dead", 10 * (step + 1));
                figure_at_most(context, what, redundancy + step, 0.45, "");
                samples_done(reached + step);
                samples_done(redundancy + step);
        }
}

static void figure_silent_forwarders(FigureContext *context) {
        _cleanup_samples_ Samples reached = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = grown_network(context, run);
                unsigned n_mute = context->n / 5;
                double worst = 100;

                for (unsigned i = 0; i < n_mute; i++)
                        sim_set_mute(sim, N_SEEDS + 1 + 4 * i, true);
                for (unsigned i = 0; i < N_MESSAGES; i++) {
                        MessageId id = {};

                        (void) sim_publish(sim, N_SEEDS, "/figure", "payload", &id);
                        sim_run_for(sim, 5 * USEC_PER_SEC);
                        worst = MIN(worst, 100.0 * sim_n_delivered(sim, &id) / context->n);
                }
                samples_add(&reached, worst);
        }
        /* Those that are silent get the messages like others: what is missing of all is missing of the honest at most. */
        figure_at_least(context, "reached in 5 s", &reached, 99.92, " %");
}

/* @n messages, evenly over the time. Return: how many were taken. */
static uint64_t publish_many(Sim *sim, uint64_t n, usec_t duration_usec) {
        uint64_t n_taken = 0;

        for (uint64_t i = 0; i < n; i++) {
                MessageId id;

                n_taken += sim_publish(sim, N_SEEDS, "/figure", "payload", &id) >= 0;
                sim_run_for(sim, duration_usec / n);
        }
        return n_taken;
}

/* What the node misses is delivered, or counted; nothing of what is stored anywhere is only counted. That it is delivered in order,
 * and once, the simulator itself sees to. */
static void figure_away(FigureContext *context, uint64_t n, usec_t duration_usec) {
        _cleanup_samples_ Samples retained = {}, missing = {}, neither = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network_that_has_grown(run, context->n, true);
                unsigned away = N_SEEDS + context->n - 1;
                uint64_t n_taken, n_stored, n_received, n_lost;

                n_received = node_counter(sim_node(sim, away), COUNTER_GOSSIP_RECEIVED);
                n_lost = node_counter(sim_node(sim, away), COUNTER_GOSSIP_LOST);
                sim_set_group(sim, away, 1);
                n_taken = publish_many(sim, n, duration_usec);
                n_stored = MIN(n_taken, peer_n_stored(sim_node(sim, N_SEEDS)));
                sim_heal(sim);
                sim_run_for(sim, 120 * USEC_PER_SEC);
                n_received = node_counter(sim_node(sim, away), COUNTER_GOSSIP_RECEIVED) - n_received;
                n_lost = node_counter(sim_node(sim, away), COUNTER_GOSSIP_LOST) - n_lost;
                samples_add(&retained, (double) n_stored);
                samples_add(&missing, (double) (n_stored - MIN(n_stored, n_received)));
                samples_add(&neither, (double) n_taken - (double) n_received - (double) n_lost);
        }
        figure_at_least(context, "within the retention", &retained, 1, " messages");
        figure_at_most(context, "of them missing 2 min later", &missing, 0, " messages");
        figure_between(context, "neither delivered nor counted as lost", &neither, 0, 0, " messages");
}

static void figure_back_again(FigureContext *context) {
        figure_away(context, 6000, 60 * USEC_PER_SEC);
}

static void figure_back_again_long(FigureContext *context) {
        figure_away(context, 600000, 10 * USEC_PER_MINUTE);
}

/* ---- slow readers ---- */

#define SLOW_BYTES_PER_SEC 50000U       /* half of what comes */
#define N_SLOW_MESSAGES 1000U           /* 100 a second; the second half is measured */

typedef struct SlowReport {
        double reached;                 /* % of the others, the worst message */
        double last;                    /* s, until the last of the others has it, in the mean */
        double stored;                  /* bytes, the most */
} SlowReport;

static SlowReport measure_slow(uint64_t run, unsigned n_peers, unsigned n_slow) {
        _cleanup_(sim_freep) Sim *sim = network_that_has_grown(run, n_peers, true);
        SlowReport report = { .reached = 100 };
        MessageId ids[N_SLOW_MESSAGES] = {};
        char payload[1024 + 1] = {};

        memset(payload, 'x', sizeof(payload) - 1);
        for (unsigned i = 0; i < n_slow; i++)
                sim_set_slow(sim, N_SEEDS + 1 + 20 * i, SLOW_BYTES_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                (void) sim_publish(sim, N_SEEDS, "/figure", payload, ids + i);
                sim_run_for(sim, 10 * USEC_PER_MSEC);
        }
        sim_run_for(sim, 10 * USEC_PER_SEC);
        for (size_t i = ELEMENTSOF(ids) / 2; i < ELEMENTSOF(ids); i++) {
                BroadcastReport message = sim_broadcast(sim, ids + i);

                report.reached = MIN(report.reached, 100.0 * message.n_prompt / (n_peers - n_slow));
                report.last += (double) message.last_prompt_usec / USEC_PER_SEC / (ELEMENTSOF(ids) / 2);
        }
        for (unsigned i = 0; i < n_peers; i++)
                report.stored = MAX(report.stored, (double) peer_stored_size(sim_node(sim, N_SEEDS + i)));
        return report;
}

static void figure_slow_readers(FigureContext *context) {
        _cleanup_samples_ Samples reached = {}, later = {}, stored = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                SlowReport without = measure_slow(run, context->n, 0), with = measure_slow(run, context->n, context->n / 20);

                samples_add(&reached, with.reached);
                samples_add(&later, 100 * (with.last / without.last - 1));
                samples_add(&stored, with.stored / 1024 / 1024);
        }
        figure_at_least(context, "reached of the others", &reached, 100, " %");
        figure_at_most(context, "their last delivery is later by", &later, 20, " %");
        figure_at_most(context, "messages stored by one node", &stored, 16, " MiB");
}

const Figure figures_broadcast[] = {
        { "one-sender", "One node publishes; after 20 messages the next 20 are measured.", 10000, 5, figure_one_sender },
        { "members-none", "The same in a network of nodes that list nobody.", 100000, 1, figure_members_none },
        { "many-senders", "200 nodes publish one message each, 10 a second; the last 100 are measured.", 10000, 5,
          figure_many_senders },
        { "after-a-crash", "10 to 80 % of the nodes die at once; the next 20 messages are measured.", 10000, 5,
          figure_after_a_crash },
        { "silent-forwarders", "20 % of the nodes accept messages and pass none on.", 10000, 5, figure_silent_forwarders },
        { "back-again", "A node is cut off for a minute of 100 messages a second, and comes back.", 50, 5, figure_back_again },
        { "back-again-long", "The same for 10 minutes of 1,000 messages a second.", 10, 5, figure_back_again_long },
        { "slow-readers", "5 % of the nodes read half of 100 messages of 1 KiB a second; once more with none of them.", 10000, 5,
          figure_slow_readers },
        {},
};
