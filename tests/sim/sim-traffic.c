/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sim-traffic.h"
#include "sim-internal.h"

/* Types are few and far between; a node has a place for each, and one for what has no name. */
static unsigned frame_kind(unsigned type) {
        static uint8_t kinds[256];
        static bool known;

        if (!known) {
                uint8_t n = 0;

                for (unsigned i = 0; i < ELEMENTSOF(kinds); i++)
                        if (message_type_to_string(i))
                                kinds[i] = ++n;
                assert(n < FRAME_KINDS);
                known = true;
        }
        return kinds[type & 0xff];
}

void traffic_sent(Sim *sim, unsigned i, const FrameBuffer *frame) {
        unsigned kind = frame_kind(frame->data[4]);

        sim->nodes[i].n_frames[kind]++;
        sim->n_bytes[kind] += frame->size;
}

uint64_t sim_n_frames(const Sim *sim, unsigned i, unsigned type) {
        uint64_t n = 0;

        if (i == SIM_ALL) {
                for (unsigned j = 0; j < sim->n_nodes; j++)
                        n += sim_n_frames(sim, j, type);
                return n;
        }
        if (type > 0)
                return sim->nodes[i].n_frames[frame_kind(type)];
        for (unsigned kind = 0; kind < FRAME_KINDS; kind++)
                n += sim->nodes[i].n_frames[kind];
        return n;
}

uint64_t sim_n_bytes(const Sim *sim, unsigned type) {
        uint64_t n = 0;

        if (type > 0)
                return sim->n_bytes[frame_kind(type)];
        for (unsigned kind = 0; kind < FRAME_KINDS; kind++)
                n += sim->n_bytes[kind];
        return n;
}

/* ---- messages to everybody ---- */

static Broadcast *broadcast_find(const Sim *sim, const MessageId *id) {
        Broadcast *broadcast;

        HASH_FIND(hh, sim->broadcasts, id, sizeof(*id), broadcast);
        return broadcast;
}

static BroadcastNodes *broadcast_nodes(const Sim *sim, Broadcast *broadcast, unsigned i) {
        size_t n_words = (sim->n_nodes + 63) / 64;

        if (i / 64 >= broadcast->n_words) {
                broadcast->nodes = must(reallocarray(broadcast->nodes, n_words, sizeof(*broadcast->nodes)));
                memset(broadcast->nodes + broadcast->n_words, 0, (n_words - broadcast->n_words) * sizeof(*broadcast->nodes));
                broadcast->n_words = n_words;
        }
        return broadcast->nodes + i / 64;
}

static Broadcast *broadcast_of(Sim *sim, const MessageId *id) {
        Broadcast *broadcast = broadcast_find(sim, id);

        if (broadcast)
                return broadcast;
        broadcast = must(calloc(1, sizeof(*broadcast)));
        broadcast->id = *id;
        broadcast->published_usec = sim->now_usec;
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim_is_running_peer(sim, i)) {
                        broadcast->n_peers++;
                        broadcast_nodes(sim, broadcast, i)->ran |= UINT64_C(1) << i % 64;
                }
        HASH_ADD(hh, sim->broadcasts, id, sizeof(broadcast->id), broadcast);
        return broadcast;
}

void traffic_payload(Sim *sim, const MessageId *id) {
        broadcast_of(sim, id)->n_payloads++;
        sim->traffic.n_payloads++;
}

void traffic_delivered(Sim *sim, unsigned i, const Delivery *delivery) {
        Broadcast *broadcast = broadcast_of(sim, &delivery->id);
        usec_t usec = sim->now_usec - broadcast->published_usec;
        BroadcastNodes *nodes = broadcast_nodes(sim, broadcast, i);
        uint64_t bit = UINT64_C(1) << i % 64;

        if (nodes->has & bit)
                sim_fail(sim, "node %u delivered a message twice", i);
        nodes->has |= bit;
        broadcast->n_deliveries++;
        if (!(nodes->had & bit)) {
                nodes->had |= bit;
                broadcast->n_delivered++;
                if (sim->nodes[i].slow == 0) {
                        broadcast->n_prompt++;
                        broadcast->last_prompt_usec = sim->now_usec;
                }
                if (nodes->ran & bit) {
                        broadcast->n_reached++;
                        broadcast->last_usec = sim->now_usec;
                        broadcast->last_hop = delivery->n_hops;
                        broadcast->max_hop = MAX(broadcast->max_hop, delivery->n_hops);
                }
        }

        if (delivery->own) {
                sim->traffic.n_published++;
                return;
        }
        sim->traffic.n_delivered++;
        sim->traffic.hops[MIN(delivery->n_hops, TRAFFIC_HOPS_MAX)]++;
        sim->traffic.latencies[MIN(usec / TRAFFIC_BUCKET_USEC, (usec_t) TRAFFIC_BUCKETS)]++;
}

void traffic_restarted(Sim *sim, unsigned i) {
        for (Broadcast *broadcast = sim->broadcasts; broadcast; broadcast = broadcast->hh.next)
                if (i / 64 < broadcast->n_words)
                        broadcast->nodes[i / 64].has &= ~(UINT64_C(1) << i % 64);
}

void traffic_free(Sim *sim) {
        Broadcast *broadcast, *next;

        HASH_ITER(hh, sim->broadcasts, broadcast, next) {
                HASH_DELETE(hh, sim->broadcasts, broadcast);
                free(broadcast->nodes);
                free(broadcast);
        }
}

unsigned sim_n_delivered(const Sim *sim, const MessageId *id) {
        const Broadcast *broadcast = broadcast_find(sim, id);

        return broadcast ? broadcast->n_delivered : 0;
}

bool sim_has_delivered(const Sim *sim, const MessageId *id, unsigned i) {
        const Broadcast *broadcast = broadcast_find(sim, id);

        return broadcast && i / 64 < broadcast->n_words && broadcast->nodes[i / 64].has & UINT64_C(1) << i % 64;
}

static BroadcastReport broadcast_report(const Broadcast *broadcast) {
        return (BroadcastReport) {
                .n_delivered = broadcast->n_delivered,
                .n_payloads = broadcast->n_payloads,
                .redundancy = broadcast->n_deliveries < 2 ?
                              0 : (double) broadcast->n_payloads / (double) (broadcast->n_deliveries - 1) - 1,
                .last_hop = broadcast->last_hop,
                .max_hop = broadcast->max_hop,
                .last_usec = usec_sub(broadcast->last_usec, broadcast->published_usec),         /* nobody may have it */
                .n_prompt = broadcast->n_prompt,
                .last_prompt_usec = usec_sub(broadcast->last_prompt_usec, broadcast->published_usec),
                .published_usec = broadcast->published_usec,
                .n_peers = broadcast->n_peers,
                .n_reached = broadcast->n_reached,
        };
}

BroadcastReport sim_broadcast(const Sim *sim, const MessageId *id) {
        const Broadcast *broadcast = broadcast_find(sim, id);

        return broadcast ? broadcast_report(broadcast) : (BroadcastReport) {};
}

size_t sim_broadcasts(const Sim *sim, BroadcastReport *ret, size_t n_max) {
        size_t n = 0;

        for (const Broadcast *broadcast = sim->broadcasts; broadcast && n < n_max; broadcast = broadcast->hh.next)
                if (broadcast->published_usec >= sim->traffic_usec)
                        ret[n++] = broadcast_report(broadcast);
        return n;
}

const TrafficReport *sim_traffic(const Sim *sim) {
        return &sim->traffic;
}

void sim_traffic_reset(Sim *sim) {
        sim->traffic = (TrafficReport) {};
        sim->traffic_usec = sim->now_usec;
        for (Connection *connection = sim->connections; connection; connection = connection->next)
                connection->ends[0].n_payloads = connection->ends[1].n_payloads = 0;
}
