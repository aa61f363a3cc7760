/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Breaking networks, and mending them. Whatever is done to a node is noted: what it does soon after is no wonder. */

#include "sim-internal.h"

void sim_harm(Sim *sim, unsigned i) {
        sim->nodes[i].harmed_usec = sim->now_usec;
}

static void sim_harm_all(Sim *sim) {
        sim->harmed_usec = sim->now_usec;
}

void sim_stop(Sim *sim, unsigned i) {
        sim_settle(sim, i, node_stop(sim->nodes[i].node, sim->now_usec));
        sim_end(sim, i, true);
}

void sim_crash(Sim *sim, unsigned i) {
        sim_end(sim, i, true);
}

void sim_power_cut(Sim *sim, unsigned i) {
        sim->nodes[i].host_up = false;
        sim_end(sim, i, false);
}

void sim_freeze(Sim *sim, unsigned i) {
        sim_harm(sim, i);
        sim->nodes[i].frozen = true;
        sim_rearm(sim, i);
}

void sim_thaw(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;
        Event **waiting = TAKE_PTR(node->waiting);
        size_t n = node->n_waiting;

        sim_harm(sim, i);
        node->n_waiting = node->n_waiting_allocated = 0;
        node->frozen = node->suspended = false;
        sim_rearm(sim, i);
        for (size_t j = 0; j < n; j++)
                sim_handle(sim, waiting[j]);
        free(waiting);
}

void sim_forget_seeds(Sim *sim, unsigned i) {
        sim->nodes[i].has_seeds = false;
        if (sim->nodes[i].node)
                sim_settle(sim, i, node_set_seeds(sim->nodes[i].node, NULL, 0, sim->now_usec));
}

void sim_suspend(Sim *sim, unsigned i) {
        sim_freeze(sim, i);
        sim->nodes[i].suspended = true;
}

void sim_set_group(Sim *sim, unsigned i, unsigned group) {
        sim_harm_all(sim);
        sim->nodes[i].group = group;
}

void sim_half_open(Sim *sim, unsigned i, unsigned other) {
        sim_harm(sim, i);
        sim_harm(sim, other);
        for (End *end = sim->nodes[i].ends, *next; end; end = next) {
                next = end->next;
                if (end_other(end)->node != other || !end->open)
                        continue;
                end->open = false;
                sim_settle(sim, i, node_on_link(sim->nodes[i].node, end->link, LINK_RESET, sim->now_usec));
        }
}

/* ---- the ways between nodes ---- */

void sim_block(Sim *sim, unsigned from, unsigned to, bool block) {
        uint64_t way = (uint64_t) from << 32 | to;
        Blocked *blocked;

        sim_harm(sim, from);
        sim_harm(sim, to);
        HASH_FIND(hh, sim->blocked, &way, sizeof(way), blocked);
        if (block && !blocked) {
                blocked = must(calloc(1, sizeof(*blocked)));
                blocked->way = way;
                HASH_ADD(hh, sim->blocked, way, sizeof(blocked->way), blocked);
        } else if (!block && blocked) {
                HASH_DELETE(hh, sim->blocked, blocked);
                free(blocked);
        }
}

void sim_free_blocked(Sim *sim) {
        Blocked *blocked, *next;

        HASH_ITER(hh, sim->blocked, blocked, next) {
                HASH_DELETE(hh, sim->blocked, blocked);
                free(blocked);
        }
}

void sim_heal(Sim *sim) {
        sim_harm_all(sim);
        sim_free_blocked(sim);
        for (unsigned i = 0; i < sim->n_nodes; i++)
                sim->nodes[i].group = 0;
}

void sim_set_latency(Sim *sim, usec_t min_usec, usec_t max_usec) {
        sim->latency_min_usec = min_usec;
        sim->latency_max_usec = max_usec;
}

void sim_set_loss(Sim *sim, unsigned per_million) {
        sim_harm_all(sim);
        sim->loss = per_million;
}

/* ---- nodes that are not as they should be ---- */

void sim_set_slow(Sim *sim, unsigned i, uint64_t bytes_per_sec) {
        sim_harm(sim, i);
        sim->nodes[i].slow = bytes_per_sec;
}

void sim_set_mute(Sim *sim, unsigned i, bool mute) {
        sim->nodes[i].mute = mute;
}

void sim_set_clock(Sim *sim, unsigned i, int64_t offset_usec) {
        sim->nodes[i].clock_offset = offset_usec;
}

void sim_move(Sim *sim, unsigned i) {
        assert(!sim->nodes[i].node);

        sim->nodes[i].generation++;
}
