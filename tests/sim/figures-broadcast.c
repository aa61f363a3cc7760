/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures of broadcast: whom messages reach, at what cost, and when. */

#include "figures.h"
#include "sim-traffic.h"

#define N_WARM_UP 20U           /* messages before those that count */
#define N_MESSAGES 20U

static void figure_one_sender(FigureContext *context) {
        _cleanup_samples_ Samples reached = {}, redundancy = {}, last_hop = {};
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;
        params.hello_count = 0;
        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = network_of_params(run, N_SEEDS, context->n, &params);
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

                        worst_reached = MIN(worst_reached, 100.0 * report.n_delivered / context->n);
                        worst_hop = MAX(worst_hop, (double) report.last_hop);
                        sum += report.redundancy;
                }
                samples_add(&reached, worst_reached);
                samples_add(&redundancy, sum / N_MESSAGES);
                samples_add(&last_hop, worst_hop);
        }
        figure_at_least(context, "reached by each message", &reached, 100, " %");
        figure_at_most(context, "redundancy (RMR)", &redundancy, 0.01, "");
        figure_at_most(context, "last delivery", &last_hop, 15, " hops");
}

/* ---- many senders ---- */

/* A network without the periodic messages, and with a tree: some messages have been published. */
static Sim *grown_network(uint64_t run, unsigned n_peers) {
        Params params = params_of_profile(PROFILE_LAN);
        MessageId id;
        Sim *sim;

        params.members_max = 64;
        params.hello_count = 0;
        sim = network_of_params(run, N_SEEDS, n_peers, &params);
        sim_run_for(sim, 60 * USEC_PER_SEC);
        for (unsigned i = 0; i < N_WARM_UP; i++) {
                (void) sim_publish(sim, N_SEEDS, "/figure", "payload", &id);
                sim_run_for(sim, 2 * USEC_PER_SEC);
        }
        return sim;
}

static void figure_many_senders(FigureContext *context) {
        _cleanup_samples_ Samples reached = {}, redundancy = {}, last = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = grown_network(run, context->n);
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

static void figure_after_a_crash(FigureContext *context) {
        for (unsigned percent = 10; percent <= 80; percent += 10) {
                _cleanup_samples_ Samples reached = {}, redundancy = {};
                FigureContext again = *context;
                char what[2][64];

                again.n_begun = 0;
                for (uint64_t run; figure_next_run(&again, &run);) {
                        _cleanup_(sim_freep) Sim *sim = grown_network(run, context->n);
                        unsigned n_dead = context->n * percent / 100;
                        MessageId ids[N_MESSAGES] = {};
                        double worst = 100, sum = 0;

                        for (unsigned i = 1; i <= n_dead; i++)
                                sim_crash(sim, N_SEEDS + i);
                        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                                (void) sim_publish(sim, N_SEEDS, "/figure", "payload", ids + i);
                                sim_run_for(sim, 1 * USEC_PER_SEC);
                        }
                        sim_run_for(sim, 120 * USEC_PER_SEC);
                        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                                BroadcastReport report = sim_broadcast(sim, ids + i);

                                worst = MIN(worst, 100.0 * report.n_delivered / (context->n - n_dead));
                                sum += report.redundancy;
                        }
                        samples_add(&reached, worst);
                        samples_add(&redundancy, sum / N_MESSAGES);
                }
                context->n_begun = again.n_begun;
                (void) snprintf(what[0], sizeof(what[0]), "reached after repair, %u %% dead", percent);
                (void) snprintf(what[1], sizeof(what[1]), "redundancy (RMR), %u %% dead", percent);
                figure_at_least(context, what[0], &reached, 100, " %");
                figure_at_most(context, what[1], &redundancy, 0.45, "");
        }
}

static void figure_silent_forwarders(FigureContext *context) {
        _cleanup_samples_ Samples reached = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = grown_network(run, context->n);
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

static void figure_back_again(FigureContext *context) {
        _cleanup_samples_ Samples missing = {}, lost = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(sim_freep) Sim *sim = grown_network(run, context->n);
                unsigned away = N_SEEDS + context->n - 1;
                uint64_t before, n = 0;

                before = node_counter(sim_node(sim, away), COUNTER_GOSSIP_RECEIVED);
                sim_set_group(sim, away, 1);
                for (unsigned second = 0; second < 60; second++)
                        for (unsigned i = 0; i < 100; i++, n++) {
                                MessageId id;

                                (void) sim_publish(sim, N_SEEDS, "/figure", "payload", &id);
                                sim_run_for(sim, 10 * USEC_PER_MSEC);
                        }
                sim_heal(sim);
                sim_run_for(sim, 120 * USEC_PER_SEC);
                samples_add(&missing, (double) (before + n - node_counter(sim_node(sim, away), COUNTER_GOSSIP_RECEIVED)));
                samples_add(&lost, (double) node_counter(sim_node(sim, away), COUNTER_GOSSIP_LOST));
        }
        figure_at_most(context, "within the retention, and missing 2 min later", &missing, 0, " messages");
        figure_at_most(context, "counted as lost", &lost, 0, " messages");
}

const Figure figures_broadcast[] = {
        { "one-sender", "One node publishes; after 20 messages the next 20 are measured.", 10000, 5, figure_one_sender },
        { "many-senders", "200 nodes publish one message each, 10 a second; the last 100 are measured.", 10000, 5,
          figure_many_senders },
        { "after-a-crash", "10 to 80 % of the nodes die at once; the next 20 messages are measured.", 10000, 5,
          figure_after_a_crash },
        { "silent-forwarders", "20 % of the nodes accept messages and pass none on.", 10000, 5, figure_silent_forwarders },
        { "back-again", "A node is cut off for a minute of 100 messages a second, and comes back.", 50, 5, figure_back_again },
        {},
};
