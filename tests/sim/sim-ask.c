/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking at a network: what its nodes hold and did, and whether they agree. */

#include "sim-internal.h"
#include "sim-overlay.h"

#include <inttypes.h>
#include <stdio.h>

usec_t sim_now(const Sim *sim) {
        return sim->now_usec;
}

Node *sim_node(const Sim *sim, unsigned i) {
        return sim->nodes[i].node;
}

bool sim_is_running(const Sim *sim, unsigned i) {
        return sim->nodes[i].node;
}

const NodeId *sim_id(const Sim *sim, unsigned i) {
        return sim->nodes[i].node ? &node_identity(sim->nodes[i].node)->id : &sim->nodes[i].stored.id;
}

int sim_publish(Sim *sim, unsigned i, const char *topic, const char *payload, MessageId *ret) {
        int r;

        r = peer_publish(sim->nodes[i].node, topic, slice_of(payload, strlen(payload)), sim->now_usec, ret);
        sim_settle(sim, i, 0);
        return r;
}

int sim_connect(Sim *sim, unsigned i, unsigned other) {
        Address address = sim_address(other);
        int r;

        r = peer_connect(sim->nodes[i].node, &address, sim->now_usec);
        sim_settle(sim, i, 0);
        return r;
}

unsigned sim_n_hellos(const Sim *sim, unsigned of, unsigned at) {
        Hellos *hellos, wanted = { .key = { *sim_id(sim, of), at } };

        HASH_FIND(hh, sim->hellos, &wanted.key, sizeof(wanted.key), hellos);
        return hellos ? hellos->n : 0;
}

static Noticed sim_noticed(const Sim *sim, unsigned i, NoticeType type) {
        const SimNode *node = sim->nodes + i;

        for (size_t n = 0; n < node->n_noticed; n++)
                if (node->noticed[n].type == type)
                        return node->noticed[n];
        return (Noticed) {};
}

unsigned sim_n_notices(const Sim *sim, unsigned i, NoticeType type) {
        return sim_noticed(sim, i, type).n;
}

usec_t sim_last_notice_usec(const Sim *sim, unsigned i, NoticeType type) {
        return sim_noticed(sim, i, type).last_usec;
}

bool sim_holds(Sim *sim, unsigned i, unsigned other, MemberInfo *ret) {
        return node_member(sim->nodes[i].node, sim_id(sim, other), ret);
}

bool sim_linked(Sim *sim, unsigned i, unsigned other) {
        MemberInfo info;

        return sim->nodes[i].node && sim->nodes[other].node && sim_holds(sim, i, other, &info) && info.linked;
}

uint64_t sim_trace(const Sim *sim) {
        return sim->trace;
}

bool sim_is_running_peer(const Sim *sim, unsigned i) {
        return sim->nodes[i].node && sim->nodes[i].role == ROLE_PEER && !sim->nodes[i].frozen;
}

static unsigned sim_n_running_peers(const Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim->n_nodes; i++)
                n += sim_is_running_peer(sim, i);
        return n;
}

bool sim_is_connected(Sim *sim) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = sim_overlay_new(sim);

        return sim_overlay_components(overlay, NULL) <= 1;
}

static bool sim_holds_exactly_the_running(Sim *sim, unsigned at) {
        unsigned n_alive = 0, n_wanted = sim_n_running_peers(sim) - sim_is_running_peer(sim, at);
        Node *node = sim->nodes[at].node;

        for (size_t j = 0; j < node_n_members(node); j++) {
                MemberInfo info = node_member_at(node, j);

                if (info.state == MEMBER_ALIVE && !info.lost)
                        n_alive++;
        }
        if (n_alive != n_wanted)
                return false;
        for (unsigned i = 0; i < sim->n_nodes; i++) {
                MemberInfo info;

                if (i != at && sim_is_running_peer(sim, i) &&
                    (!sim_holds(sim, at, i, &info) || info.state != MEMBER_ALIVE || info.lost))
                        return false;
        }
        return true;
}

/* Asked again and again until it is so: who differed last is looked at first. */
bool sim_members_agree(Sim *sim) {
        for (unsigned n = 0; n < sim->n_nodes; n++) {
                unsigned i = (sim->differed + n) % sim->n_nodes;

                if (sim_is_running_peer(sim, i) && !sim_holds_exactly_the_running(sim, i)) {
                        sim->differed = i;
                        return false;
                }
        }
        return true;
}

bool sim_seeds_agree(Sim *sim) {
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim->nodes[i].node && sim->nodes[i].role == ROLE_SEED && !sim->nodes[i].frozen &&
                    !sim_holds_exactly_the_running(sim, i))
                        return false;
        return true;
}

void sim_explain(Sim *sim) {
        for (unsigned at = 0; at < sim->n_nodes; at++) {
                const SimNode *node = sim->nodes + at;

                if (!node->node)
                        continue;
                if (node->role == ROLE_PEER && peer_n_links(node->node) == 0)
                        fprintf(stderr, "%s (%u) has no link\n", SIM_NAME(sim, at), at);
                for (size_t j = 0; j < node_n_members(node->node); j++) {
                        MemberInfo info = node_member_at(node->node, j);
                        bool known = false;

                        for (unsigned i = 0; i < sim->n_nodes; i++)
                                known = known || (sim_is_running_peer(sim, i) && node_id_equal(sim_id(sim, i), &info.record->id));
                        if (!known && info.state == MEMBER_ALIVE && !info.lost)
                                fprintf(stderr, "%s (%u) holds %s alive, id %s, who does not run\n", SIM_NAME(sim, at), at,
                                        info.record->name, NODE_ID_TEXT(&info.record->id));
                }
                for (unsigned i = 0; i < sim->n_nodes; i++) {
                        MemberInfo info;

                        if (i == at || !sim_is_running_peer(sim, i))
                                continue;
                        if (!sim_holds(sim, at, i, &info))
                                fprintf(stderr, "%s (%u) does not know %s (%u)\n", SIM_NAME(sim, at), at,
                                        SIM_NAME(sim, i), i);
                        else if (info.state != MEMBER_ALIVE || info.lost)
                                fprintf(stderr, "%s (%u) holds %s (%u) %s%s at %" PRIu64 "/%u, which is at %" PRIu64 "/%u\n",
                                        SIM_NAME(sim, at), at, SIM_NAME(sim, i), i,
                                        member_state_to_string(info.state), info.lost ? " and lost" : "", info.record->epoch,
                                        info.record->incarnation, node_identity(sim->nodes[i].node)->epoch,
                                        node_incarnation(sim->nodes[i].node));
                }
        }
}
