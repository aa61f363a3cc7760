/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Making networks, starting and ending their processes. */

#include "sim-internal.h"

#include <stdio.h>

Sim *sim_new(uint64_t run) {
        Params params = params_of_profile(PROFILE_LAN);
        Sim *sim = must(calloc(1, sizeof(*sim)));

        sim->run = run;
        sim->random = random_from_run(run);
        sim->now_usec = USEC_PER_SEC;
        sim->latency_min_usec = SIM_LATENCY_MIN_USEC;
        sim->latency_max_usec = SIM_LATENCY_MAX_USEC;
        must_ok(effect_queue_init(&sim->effects));
        sim_set_params(sim, &params);
        return sim;
}

Sim *sim_free(Sim *sim) {
        Hellos *hellos, *next_hellos;

        for (unsigned i = 0; i < sim->n_nodes; i++) {
                sim->nodes[i].node = node_free(sim->nodes[i].node);
                for (size_t j = 0; j < sim->nodes[i].n_waiting; j++)
                        event_done(sim, sim->nodes[i].waiting[j]);
                free(sim->nodes[i].waiting);
                disk_free(sim->nodes + i);
                free(sim->nodes[i].noticed);
        }
        while (sim->n_events > 0)
                event_done(sim, sim_pop(sim));
        while (sim->connections)
                connection_free(sim, sim->connections);
        HASH_ITER(hh, sim->hellos, hellos, next_hellos) {
                HASH_DELETE(hh, sim->hellos, hellos);
                free(hellos);
        }
        traffic_free(sim);
        check_free(sim);
        promise_free(sim);
        sim_free_blocked(sim);
        effect_queue_done(&sim->effects);
        free(sim->by_deadline);
        free(sim->nodes);
        free(sim->heap);
        for (SimParams *params = sim->params, *next; params; params = next) {
                next = params->next;
                free(params);
        }
        free(sim);
        return NULL;
}

void sim_set_params(Sim *sim, const Params *params) {
        SimParams *latest = must(malloc(sizeof(*latest)));

        *latest = (SimParams) { sim->params, *params };
        sim->params = latest;
}

char *sim_name(const Sim *sim, unsigned i, char buffer[static SIM_NAME_SIZE]) {
        (void) snprintf(buffer, SIM_NAME_SIZE, "%s-%u", sim->nodes[i].role == ROLE_SEED ? "seed" : "peer", i);
        return buffer;
}

static unsigned sim_add(Sim *sim, Role role, bool listed) {
        unsigned i = (unsigned) sim->n_nodes++;
        SimNode *node;

        sim->nodes = must(reallocarray(sim->nodes, sim->n_nodes, sizeof(SimNode)));
        sim->by_deadline = must(reallocarray(sim->by_deadline, sim->n_nodes, sizeof(unsigned)));
        sim->by_deadline[i] = i;                /* the last place: it has no deadline yet */
        sim->n_listed += listed;
        node = sim->nodes + i;
        *node = (SimNode) {
                .role = role,
                .params = &sim->params->params,
                .has_seeds = true,
                .host_up = true,
                .listed = listed,
                .last_accepted = 1,
                .deadline_usec = USEC_INFINITY,
                .heap_index = i,
                .stored.epoch = 1000000,
        };
        for (size_t j = 0; j < NODE_ID_SIZE; j++)
                node->stored.id.bytes[j] = (uint8_t) random_u64(&sim->random);

        return i;
}

unsigned sim_add_seed(Sim *sim, bool listed) {
        return sim_add(sim, ROLE_SEED, listed);
}

unsigned sim_add_peer(Sim *sim) {
        return sim_add(sim, ROLE_PEER, false);
}

unsigned sim_add_clone(Sim *sim, unsigned of) {
        unsigned i = sim_add(sim, ROLE_PEER, false);

        sim->nodes[i].stored = sim->nodes[of].stored;
        sim->nodes[i].published = sim->nodes[of].published;
        return i;
}

unsigned sim_n_nodes(const Sim *sim) {
        return (unsigned) sim->n_nodes;
}

void sim_start(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;
        NodeSettings settings = {
                .role = node->role, .network = "sim", .port = PORT, .n_advertised = 1, .advertised[0] = node_address(sim, i),
                .params = *node->params,
        };
        SeedEntry seeds[SEEDS_MAX] = {};
        size_t n_seeds = 0;
        usec_t clock_usec;

        assert(!node->node);

        node->host_up = true;
        node->life++;
        sim_harm(sim, i);
        traffic_restarted(sim, i);
        /* No two clocks agree to the microsecond, not even those of two copies that boot together. */
        clock_usec = sim->now_usec + random_below(&sim->random, USEC_PER_SEC);
        clock_usec = node->clock_offset >= 0 || clock_usec > (usec_t) -node->clock_offset ?
                     clock_usec + (usec_t) node->clock_offset : 0;
        node->stored.epoch = MAX(node->stored.epoch + 1, clock_usec);
        (void) strcpy(settings.name, SIM_NAME(sim, i));
        must_ok(node_new(&node->node, &settings, &node->stored, &sim->effects, random_u64(&sim->random)));
        sim_restore(sim, i);

        for (unsigned j = 0; node->has_seeds && n_seeds < MIN(sim->n_listed, (size_t) SEEDS_MAX); j++) {
                if (!sim->nodes[j].listed)
                        continue;
                (void) snprintf(seeds[n_seeds].host, sizeof(seeds[n_seeds].host), "seed-%u", j);
                seeds[n_seeds].port = PORT;
                seeds[n_seeds++].self = i == j;
        }
        must_ok(node_set_seeds(node->node, seeds, n_seeds, sim->now_usec));
        sim_settle(sim, i, node_start(node->node, sim->now_usec));
}

void sim_start_all(Sim *sim) {
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (!sim->nodes[i].node)
                        sim_start(sim, i);
}

void sim_start_spread(Sim *sim, usec_t duration_usec) {
        usec_t start_usec = sim->now_usec;

        for (unsigned i = 0; i < sim->n_nodes; i++) {
                if (!sim->nodes[i].node)
                        sim_start(sim, i);
                sim_run_for(sim, start_usec + duration_usec * (i + 1) / sim->n_nodes - sim->now_usec);
        }
}

/* The process is gone; @said: the kernel tells the other ends. */
void sim_end(Sim *sim, unsigned i, bool said) {
        SimNode *node = sim->nodes + i;

        node->node = node_free(node->node);
        node->life++;
        node->frozen = node->suspended = false;
        sim_harm(sim, i);
        sim_rearm(sim, i);
        for (size_t j = 0; j < node->n_waiting; j++)
                event_done(sim, node->waiting[j]);
        node->n_waiting = 0;

        for (End *end = node->ends; end; end = end->next) {
                sim_unnumber(sim, end);         /* the next process of this node counts its links anew */
                if (end->open && said)
                        sim_send(sim, end_connection(end), !end->side, EVENT_RESET, NULL);
                end->open = false;
        }
        for (End *end = node->ends, *next; end; end = next) {
                /* Both ends of a node's connection to itself are in its list, one behind the other. */
                for (next = end->next; next && end_connection(next) == end_connection(end); next = next->next)
                        ;
                connection_release(sim, end_connection(end));
        }
}

void sim_restart(Sim *sim, unsigned i, bool keep_state) {
        if (!keep_state)
                sim_wipe(sim, i);
        sim_start(sim, i);
}
