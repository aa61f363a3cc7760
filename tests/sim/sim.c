/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/random.h"

#define PORT 6000
#define CONNECT_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define KINDS_MAX 64U

typedef struct Connection Connection;

typedef struct End {
        UT_hash_handle hh;
        struct {
                uint64_t node;
                LinkId link;
        } key;
        bool keyed;             /* in Sim.ends: has a link number */
        Connection *connection;
        unsigned node;
        LinkId link;
        bool open;              /* this end has not hung up and was not told that it is over */
        usec_t arrives_usec;    /* of the last thing on its way to this end: what follows comes later */
} End;

struct Connection {
        UT_hash_handle hh;
        uint64_t number;
        unsigned n_events;      /* that refer to it */
        End ends[2];            /* the caller, the callee */
};

typedef enum EventType {
        EVENT_CONNECTED,        /* at the caller */
        EVENT_ACCEPTED,         /* at the callee */
        EVENT_REFUSED,
        EVENT_UNREACHABLE,
        EVENT_FRAME,
        EVENT_CLOSED,
        EVENT_RESET,
        EVENT_RESOLVED,
} EventType;

typedef struct Event {
        usec_t when_usec;
        uint64_t serial;
        EventType type;
        unsigned node;
        unsigned life;          /* of the node's process: an event for an earlier one is void */
        Connection *connection;
        unsigned side;          /* the end at which it happens */
        LinkId link;
        FrameBuffer *frame;
        unsigned seed;
        Address address;
} Event;

typedef struct Delivered {
        UT_hash_handle hh;
        struct {
                MessageId id;
                uint64_t node;
        } key;
} Delivered;

typedef struct Count {
        UT_hash_handle hh;
        MessageId id;
        unsigned n;
} Count;

typedef struct SimNode {
        Node *node;             /* NULL: no process */
        NodeSettings settings;
        NodeIdentity stored;    /* its state directory */
        LostPeer lost[256];
        size_t n_lost;
        Record *snapshot;
        size_t n_snapshot;
        bool has_seeds;
        bool host_up;
        bool frozen;
        unsigned group;
        unsigned life;
        LinkId last_accepted;
        Event *waiting;         /* what came while it was frozen */
        size_t n_waiting, n_waiting_allocated;
        unsigned n_notices[KINDS_MAX];
        usec_t notice_usec[KINDS_MAX];
        bool listed;
} SimNode;

struct Sim {
        Random random;
        Params params;
        usec_t now_usec;
        SimNode *nodes;
        size_t n_nodes;
        Event *heap;
        size_t n_events, n_allocated;
        uint64_t serial, last_connection;
        Connection *connections;
        End *ends;              /* by node and link */
        Delivered *delivered;
        Count *counts;
        unsigned *hellos;       /* of x at, n_nodes squared, grown with the nodes */
        size_t hellos_side;
        uint64_t trace;
        uint64_t run;
};

static void *must(void *p) {
        if (!p)
                abort();
        return p;
}

static void must_ok(int r) {
        if (r < 0) {
                fprintf(stderr, "simulator: %s\n", strerror(-r));
                abort();
        }
}

static _noreturn_ _printf_(2, 3) void sim_fail(const Sim *sim, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        fprintf(stderr, "run %" PRIu64 ", at %.3f s: ", sim->run, (double) sim->now_usec / USEC_PER_SEC);
        vfprintf(stderr, format, ap);
        fprintf(stderr, "\n");
        va_end(ap);
        abort();
}

/* ---- events ---- */

static bool event_before(const Event *a, const Event *b) {
        return a->when_usec != b->when_usec ? a->when_usec < b->when_usec : a->serial < b->serial;
}

static void sim_push(Sim *sim, Event event) {
        size_t i;

        if (sim->n_events >= sim->n_allocated) {
                sim->n_allocated = MAX((size_t) 1024, 2 * sim->n_allocated);
                sim->heap = must(reallocarray(sim->heap, sim->n_allocated, sizeof(Event)));
        }
        event.serial = ++sim->serial;
        event.life = sim->nodes[event.node].life;
        if (event.connection)
                event.connection->n_events++;

        for (i = sim->n_events++; i > 0 && event_before(&event, sim->heap + (i - 1) / 2); i = (i - 1) / 2)
                sim->heap[i] = sim->heap[(i - 1) / 2];
        sim->heap[i] = event;
}

static Event sim_pop(Sim *sim) {
        Event first = sim->heap[0], last = sim->heap[--sim->n_events];
        size_t i = 0;

        for (size_t child; (child = 2 * i + 1) < sim->n_events; i = child) {
                if (child + 1 < sim->n_events && event_before(sim->heap + child + 1, sim->heap + child))
                        child++;
                if (!event_before(sim->heap + child, &last))
                        break;
                sim->heap[i] = sim->heap[child];
        }
        if (sim->n_events > 0)
                sim->heap[i] = last;
        return first;
}

static void connection_free(Sim *sim, Connection *connection) {
        for (unsigned side = 0; side < 2; side++)
                if (connection->ends[side].keyed)
                        HASH_DELETE(hh, sim->ends, connection->ends + side);
        HASH_DELETE(hh, sim->connections, connection);
        free(connection);
}

static void connection_release(Sim *sim, Connection *connection) {
        if (connection->n_events > 0 || connection->ends[0].open || connection->ends[1].open)
                return;
        connection_free(sim, connection);
}

static void event_done(Sim *sim, Event *event) {
        event->frame = frame_buffer_unref(event->frame);
        if (event->connection) {
                event->connection->n_events--;
                connection_release(sim, event->connection);
        }
}

/* ---- the network ---- */

Address sim_address(unsigned i) {
        return address_ipv4((uint8_t[]) { 10, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i }, PORT);
}

static unsigned address_node(const Address *address) {
        return (unsigned) address->bytes[1] << 16 | (unsigned) address->bytes[2] << 8 | address->bytes[3];
}

static bool sim_reaches(const Sim *sim, unsigned a, unsigned b) {
        return sim->nodes[a].host_up && sim->nodes[b].host_up && sim->nodes[a].group == sim->nodes[b].group;
}

/* The same for both ways and for the whole run, without a table of all pairs. */
static usec_t sim_latency(const Sim *sim, unsigned a, unsigned b) {
        uint64_t pair[2] = { MIN(a, b), MAX(a, b) };
        SipKey key = {};

        memcpy(key.bytes, &sim->run, sizeof(sim->run));
        return SIM_LATENCY_MIN_USEC +
               siphash24(pair, sizeof(pair), &key) % (SIM_LATENCY_MAX_USEC - SIM_LATENCY_MIN_USEC);
}

/* On its way to one end: never overtakes what was sent before. */
static void sim_send(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame) {
        End *to = connection->ends + side, *from = connection->ends + !side;
        usec_t arrives_usec = sim->now_usec + sim_latency(sim, from->node, to->node);

        if (!to->open || !sim_reaches(sim, from->node, to->node))
                return;
        to->arrives_usec = MAX(arrives_usec, to->arrives_usec + 1);
        sim_push(sim, (Event) {
                .when_usec = to->arrives_usec, .type = type, .node = to->node, .connection = connection, .side = side,
                .link = to->link, .frame = frame ? frame_buffer_ref(frame) : NULL,
        });
}

static Connection *sim_find(Sim *sim, unsigned node, LinkId link, unsigned *ret_side) {
        End *end, wanted = { .key = { node, link } };

        HASH_FIND(hh, sim->ends, &wanted.key, sizeof(wanted.key), end);
        if (!end)
                return NULL;
        *ret_side = end == end->connection->ends ? 0 : 1;
        return end->connection;
}

/* From here on the end is found by the number that its node knows it by. */
static void sim_number(Sim *sim, End *end, LinkId link) {
        end->link = end->key.link = link;
        end->key.node = end->node;
        HASH_ADD(hh, sim->ends, key, sizeof(end->key), end);
        end->keyed = true;
}

static void sim_dial(Sim *sim, unsigned i, LinkId link, const Address *address) {
        unsigned to = address_node(address);
        Event event = { .node = i, .link = link, .type = EVENT_UNREACHABLE };
        Connection *connection;
        usec_t latency_usec;

        if (to >= sim->n_nodes || !sim_reaches(sim, i, to)) {
                event.when_usec = sim->now_usec + CONNECT_TIMEOUT_USEC;
                sim_push(sim, event);
                return;
        }

        latency_usec = sim_latency(sim, i, to);
        event.when_usec = sim->now_usec + 2 * latency_usec;
        if (!sim->nodes[to].node) {
                event.type = EVENT_REFUSED;
                sim_push(sim, event);
                return;
        }

        connection = must(malloc(sizeof(*connection)));
        *connection = (Connection) {
                .number = ++sim->last_connection,
                .ends = {
                        { .connection = connection, .node = i, .open = true, .arrives_usec = event.when_usec },
                        { .connection = connection, .node = to, .open = true, .arrives_usec = sim->now_usec + latency_usec },
                },
        };
        HASH_ADD(hh, sim->connections, number, sizeof(uint64_t), connection);
        sim_number(sim, connection->ends, link);

        event.type = EVENT_CONNECTED;
        event.connection = connection;
        sim_push(sim, event);
        sim_push(sim, (Event) {
                .when_usec = sim->now_usec + latency_usec, .type = EVENT_ACCEPTED, .node = to, .connection = connection,
                .side = 1,
        });
}

/* ---- nodes ---- */

static void sim_note(Sim *sim, uint64_t a, uint64_t b, const void *data, size_t size) {
        static const SipKey zero;
        uint64_t words[4] = { sim->trace, sim->now_usec, a, b };

        sim->trace = siphash24(words, sizeof(words), &zero);
        if (size > 0)
                sim->trace ^= siphash24(data, size, &zero);
}

static void sim_deliver(Sim *sim, unsigned i, const Delivery *delivery) {
        Delivered *delivered = must(calloc(1, sizeof(*delivered))), *old;
        Count *count;

        delivered->key.id = delivery->id;
        delivered->key.node = (uint64_t) i << 32 | sim->nodes[i].life;
        HASH_FIND(hh, sim->delivered, &delivered->key, sizeof(delivered->key), old);
        if (old)
                sim_fail(sim, "node %u delivered a message twice", i);
        HASH_ADD(hh, sim->delivered, key, sizeof(delivered->key), delivered);

        HASH_FIND(hh, sim->counts, &delivery->id, sizeof(delivery->id), count);
        if (!count) {
                count = must(calloc(1, sizeof(*count)));
                count->id = delivery->id;
                HASH_ADD(hh, sim->counts, id, sizeof(count->id), count);
        }
        count->n++;

        if (delivery->topic.size == strlen("/p2pnet/hello") && memcmp(delivery->topic.data, "/p2pnet/hello", 13) == 0)
                for (unsigned of = 0; of < sim->n_nodes; of++)
                        if (node_id_equal(&sim->nodes[of].stored.id, &delivery->id.origin)) {
                                sim->hellos[of * sim->hellos_side + i]++;
                                break;
                        }
}

static void sim_persist(Sim *sim, unsigned i, PersistWhat what) {
        SimNode *node = sim->nodes + i;

        switch (what) {
        case PERSIST_IDENTITY:
                node->stored = *node_identity(node->node);
                break;
        case PERSIST_PEERS:
                node->n_lost = peer_lost(node->node, node->lost, ELEMENTSOF(node->lost));
                break;
        case PERSIST_REGISTRY:
                free(node->snapshot);
                node->n_snapshot = node_n_members(node->node);
                node->snapshot = must(calloc(node->n_snapshot + 1, sizeof(Record)));
                node->n_snapshot = seed_snapshot(node->node, node->snapshot, node->n_snapshot, sim->now_usec);
                break;
        }
}

static void sim_hang_up(Sim *sim, unsigned i, LinkId link) {
        unsigned side;
        Connection *connection = sim_find(sim, i, link, &side);

        if (!connection || !connection->ends[side].open)
                return;
        connection->ends[side].open = false;
        sim_send(sim, connection, !side, EVENT_CLOSED, NULL);
        connection_release(sim, connection);
}

static void sim_effect(Sim *sim, unsigned i, Effect *effect) {
        SimNode *node = sim->nodes + i;
        Connection *connection;
        unsigned side;

        switch (effect->type) {

        case EFFECT_DIAL:
                sim_note(sim, i, effect->link, &effect->address, sizeof(effect->address));
                sim_dial(sim, i, effect->link, &effect->address);
                break;

        case EFFECT_SEND:
                sim_note(sim, i, effect->link, effect->frame->data, effect->frame->size);
                connection = sim_find(sim, i, effect->link, &side);
                if (connection && connection->ends[side].open)
                        sim_send(sim, connection, !side, EVENT_FRAME, effect->frame);
                if (effect->is_data)
                        must_ok(node_on_sent(node->node, effect->link, effect->frame->size, sim->now_usec));
                if (effect->measure)
                        must_ok(node_on_backlog(node->node, effect->link, 0, sim->now_usec));
                break;

        case EFFECT_MEASURE:
                must_ok(node_on_backlog(node->node, effect->link, 0, sim->now_usec));
                break;

        case EFFECT_HANG_UP:
                sim_note(sim, i, effect->link, "hang up", 7);
                sim_hang_up(sim, i, effect->link);
                break;

        case EFFECT_RESOLVE: {
                unsigned number = UINT32_MAX;

                (void) sscanf(effect->resolve.host, "seed-%u", &number);
                sim_push(sim, (Event) {
                        .when_usec = sim->now_usec, .type = EVENT_RESOLVED, .node = i, .seed = effect->resolve.seed,
                        .address = sim_address(number),
                });
                break;
        }

        case EFFECT_PERSIST:
                sim_persist(sim, i, effect->persist);
                break;

        case EFFECT_DELIVER:
                sim_note(sim, i, effect->delivery.id.sequence, &effect->delivery.id, sizeof(effect->delivery.id));
                sim_deliver(sim, i, &effect->delivery);
                break;

        case EFFECT_PONG:
                break;

        case EFFECT_NOTICE:
                sim_note(sim, i, (uint64_t) effect->notice.type, NULL, 0);
                node->n_notices[effect->notice.type]++;
                node->notice_usec[effect->notice.type] = sim->now_usec;
                if (getenv("SIM_VERBOSE"))
                        fprintf(stderr, "%10.3f %3u %s notice %d %s n=%u/%u reason=%d %s\n",
                                (double) sim->now_usec / USEC_PER_SEC, i, node->settings.name, (int) effect->notice.type,
                                effect->notice.name, effect->notice.n, effect->notice.n_max, (int) effect->notice.reason,
                                effect->notice.detail);
                break;
        }
        effect_release(effect);
}

static void sim_settle(Sim *sim, unsigned i, int r) {
        Effect effect;

        must_ok(r);
        while (node_pop_effect(sim->nodes[i].node, &effect))
                sim_effect(sim, i, &effect);
        sim_check(sim, i);
}

static void sim_on_frame(Sim *sim, const Event *event) {
        Node *node = sim->nodes[event->node].node;
        Message message;
        Frame frame;
        int r;

        if (frame_decode(&frame, event->frame->data, event->frame->size, node_frame_size_max(node, event->link)) <= 0)
                sim_fail(sim, "node %u was sent a frame that it may not receive", event->node);
        r = message_decode(&message, &frame);
        if (r <= 0)
                sim_fail(sim, "node %u was sent a message that it cannot read", event->node);
        sim_settle(sim, event->node, node_on_received(node, event->link, sim->now_usec));
        sim_settle(sim, event->node, node_on_message(node, event->link, &message, sim->now_usec));
}

static void sim_handle(Sim *sim, Event *event) {
        SimNode *node = sim->nodes + event->node;
        End *end = event->connection ? event->connection->ends + event->side : NULL;

        if (event->life != node->life || !node->node || (end && !end->open)) {
                /* The process it was for is gone: a kernel resets what comes for it. */
                if (end && event->type != EVENT_RESET && event->type != EVENT_CLOSED)
                        sim_send(sim, event->connection, !event->side, EVENT_RESET, NULL);
                if (end)
                        end->open = false;
                event_done(sim, event);
                return;
        }
        if (node->frozen) {
                if (node->n_waiting >= node->n_waiting_allocated) {
                        node->n_waiting_allocated = MAX((size_t) 16, 2 * node->n_waiting_allocated);
                        node->waiting = must(reallocarray(node->waiting, node->n_waiting_allocated, sizeof(Event)));
                }
                node->waiting[node->n_waiting++] = *event;
                return;
        }

        switch (event->type) {

        case EVENT_CONNECTED:
                sim_settle(sim, event->node, node_on_link(node->node, event->link, LINK_CONNECTED, sim->now_usec));
                break;

        case EVENT_ACCEPTED: {
                Address remote = sim_address(event->connection->ends[0].node);

                remote.port = (uint16_t) (40000 + event->connection->number % 20000);
                sim_number(sim, end, node->last_accepted += 2);
                sim_settle(sim, event->node, node_on_accepted(node->node, end->link, &remote, sim->now_usec));
                break;
        }

        case EVENT_REFUSED:
                sim_settle(sim, event->node, node_on_link(node->node, event->link, LINK_REFUSED, sim->now_usec));
                break;

        case EVENT_UNREACHABLE:
                sim_settle(sim, event->node, node_on_link(node->node, event->link, LINK_UNREACHABLE, sim->now_usec));
                break;

        case EVENT_FRAME:
                event->link = end->link;
                sim_on_frame(sim, event);
                break;

        case EVENT_CLOSED:
        case EVENT_RESET:
                end->open = false;
                sim_settle(sim, event->node,
                           node_on_link(node->node, end->link, event->type == EVENT_RESET ? LINK_RESET : LINK_CLOSED,
                                        sim->now_usec));
                break;

        case EVENT_RESOLVED: {
                bool known = event->address.bytes[0] == 10 && address_node(&event->address) < sim->n_nodes;

                sim_settle(sim, event->node, node_on_resolved(node->node, event->seed, &event->address, known,
                                                              "no such name", sim->now_usec));
                break;
        }
        }
        event_done(sim, event);
}

void sim_run_for(Sim *sim, usec_t duration_usec) {
        usec_t end_usec = sim->now_usec + duration_usec;

        for (;;) {
                usec_t next_usec = sim->n_events > 0 ? sim->heap[0].when_usec : USEC_INFINITY, timer_usec = USEC_INFINITY;
                unsigned timer_node = 0;

                for (unsigned i = 0; i < sim->n_nodes; i++) {
                        const SimNode *node = sim->nodes + i;

                        if (node->node && !node->frozen && node_deadline(node->node) < timer_usec) {
                                timer_usec = node_deadline(node->node);
                                timer_node = i;
                        }
                }
                if (MIN(next_usec, timer_usec) > end_usec)
                        break;

                if (next_usec <= timer_usec) {
                        Event event = sim_pop(sim);

                        sim->now_usec = MAX(sim->now_usec, event.when_usec);
                        sim_handle(sim, &event);
                } else {
                        sim->now_usec = MAX(sim->now_usec, timer_usec);
                        sim_settle(sim, timer_node, node_on_deadline(sim->nodes[timer_node].node, sim->now_usec));
                }
        }
        sim->now_usec = end_usec;
}

bool sim_run_until(Sim *sim, bool (*condition)(Sim *sim), usec_t limit_usec) {
        usec_t end_usec = sim->now_usec + limit_usec;

        while (!condition(sim)) {
                if (sim->now_usec >= end_usec)
                        return false;
                sim_run_for(sim, 10 * USEC_PER_MSEC);
        }
        return true;
}

/* ---- making and breaking ---- */

Sim *sim_new(uint64_t run) {
        Sim *sim = must(calloc(1, sizeof(*sim)));

        sim->run = run;
        sim->random = random_from_run(run);
        sim->params = params_of_profile(PROFILE_LAN);
        sim->now_usec = USEC_PER_SEC;
        return sim;
}

Sim *sim_free(Sim *sim) {
        Delivered *delivered, *next_delivered;
        Count *count, *next_count;

        for (unsigned i = 0; i < sim->n_nodes; i++) {
                sim->nodes[i].node = node_free(sim->nodes[i].node);
                for (size_t j = 0; j < sim->nodes[i].n_waiting; j++)
                        event_done(sim, sim->nodes[i].waiting + j);
                free(sim->nodes[i].waiting);
                free(sim->nodes[i].snapshot);
        }
        while (sim->n_events > 0) {
                Event event = sim_pop(sim);

                event_done(sim, &event);
        }
        for (Connection *connection = sim->connections, *next; connection; connection = next) {
                next = connection->hh.next;
                connection_free(sim, connection);
        }
        HASH_ITER(hh, sim->delivered, delivered, next_delivered) {
                HASH_DELETE(hh, sim->delivered, delivered);
                free(delivered);
        }
        HASH_ITER(hh, sim->counts, count, next_count) {
                HASH_DELETE(hh, sim->counts, count);
                free(count);
        }
        free(sim->hellos);
        free(sim->nodes);
        free(sim->heap);
        free(sim);
        return NULL;
}

void sim_set_params(Sim *sim, const Params *params) {
        sim->params = *params;
}

static unsigned sim_add(Sim *sim, Role role, bool listed) {
        unsigned i = (unsigned) sim->n_nodes++;
        unsigned *hellos;
        SimNode *node;

        sim->nodes = must(reallocarray(sim->nodes, sim->n_nodes, sizeof(SimNode)));
        node = sim->nodes + i;
        *node = (SimNode) {
                .settings = { .role = role, .network = "sim", .port = PORT, .n_advertised = 1, .params = sim->params },
                .has_seeds = true,
                .host_up = true,
                .listed = listed,
                .last_accepted = 1,
                .stored.epoch = 1000000,
        };
        node->settings.advertised[0] = sim_address(i);
        (void) snprintf(node->settings.name, sizeof(node->settings.name), "%s-%u", role == ROLE_SEED ? "seed" : "peer", i);
        for (size_t j = 0; j < NODE_ID_SIZE; j++)
                node->stored.id.bytes[j] = (uint8_t) random_u64(&sim->random);

        hellos = must(calloc(sim->n_nodes * sim->n_nodes, sizeof(*hellos)));
        for (size_t of = 0; of < sim->hellos_side; of++)
                memcpy(hellos + of * sim->n_nodes, sim->hellos + of * sim->hellos_side, sim->hellos_side * sizeof(*hellos));
        free(sim->hellos);
        sim->hellos = hellos;
        sim->hellos_side = sim->n_nodes;
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
        return i;
}

unsigned sim_n_nodes(const Sim *sim) {
        return (unsigned) sim->n_nodes;
}

void sim_start(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;
        SeedEntry seeds[SEEDS_MAX] = {};
        size_t n_seeds = 0;

        assert(!node->node);

        node->host_up = true;
        node->life++;
        /* No two clocks agree to the microsecond, not even those of two copies that boot together. */
        node->stored.epoch = MAX(node->stored.epoch + 1, sim->now_usec + random_below(&sim->random, USEC_PER_SEC));
        must_ok(node_new(&node->node, &node->settings, &node->stored, random_u64(&sim->random)));
        if (node->settings.role == ROLE_PEER)
                must_ok(peer_set_lost(node->node, node->lost, node->n_lost));
        else
                must_ok(seed_restore(node->node, node->snapshot, node->n_snapshot, sim->now_usec));

        for (unsigned j = 0; j < sim->n_nodes && node->has_seeds && n_seeds < SEEDS_MAX; j++) {
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

/* The process is gone; @said: the kernel tells the other ends. */
static void sim_end(Sim *sim, unsigned i, bool said) {
        SimNode *node = sim->nodes + i;

        node->node = node_free(node->node);
        node->life++;
        node->frozen = false;
        for (size_t j = 0; j < node->n_waiting; j++)
                event_done(sim, node->waiting + j);
        node->n_waiting = 0;

        for (Connection *connection = sim->connections, *next; connection; connection = next) {
                next = connection->hh.next;
                for (unsigned side = 0; side < 2; side++) {
                        if (connection->ends[side].node != i || !connection->ends[side].open)
                                continue;
                        connection->ends[side].open = false;
                        if (said)
                                sim_send(sim, connection, !side, EVENT_RESET, NULL);
                }
                connection_release(sim, connection);
        }
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
        sim->nodes[i].frozen = true;
}

void sim_thaw(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;
        Event *waiting = TAKE_PTR(node->waiting);
        size_t n = node->n_waiting;

        node->n_waiting = node->n_waiting_allocated = 0;
        node->frozen = false;
        for (size_t j = 0; j < n; j++)
                sim_handle(sim, waiting + j);
        free(waiting);
}

void sim_restart(Sim *sim, unsigned i, bool keep_state) {
        SimNode *node = sim->nodes + i;

        if (!keep_state) {
                for (size_t j = 0; j < NODE_ID_SIZE; j++)
                        node->stored.id.bytes[j] = (uint8_t) random_u64(&sim->random);
                node->stored.epoch = 1;
                node->n_lost = node->n_snapshot = 0;
        }
        sim_start(sim, i);
}

void sim_forget_seeds(Sim *sim, unsigned i) {
        sim->nodes[i].has_seeds = false;
        if (sim->nodes[i].node)
                sim_settle(sim, i, node_set_seeds(sim->nodes[i].node, NULL, 0, sim->now_usec));
}

void sim_set_group(Sim *sim, unsigned i, unsigned group) {
        sim->nodes[i].group = group;
}

void sim_half_open(Sim *sim, unsigned i, unsigned other) {
        for (Connection *connection = sim->connections, *next; connection; connection = next) {
                next = connection->hh.next;
                for (unsigned side = 0; side < 2; side++) {
                        End *end = connection->ends + side;

                        if (end->node != i || connection->ends[!side].node != other || !end->open)
                                continue;
                        end->open = false;
                        sim_settle(sim, i, node_on_link(sim->nodes[i].node, end->link, LINK_RESET, sim->now_usec));
                }
        }
}

/* ---- asking ---- */

usec_t sim_now(const Sim *sim) {
        return sim->now_usec;
}

Node *sim_node(Sim *sim, unsigned i) {
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

unsigned sim_n_delivered(const Sim *sim, const MessageId *id) {
        const Count *count;

        HASH_FIND(hh, sim->counts, id, sizeof(*id), count);
        return count ? count->n : 0;
}

unsigned sim_n_hellos(const Sim *sim, unsigned of, unsigned at) {
        return sim->hellos[of * sim->hellos_side + at];
}

unsigned sim_n_notices(const Sim *sim, unsigned i, NoticeType type) {
        return sim->nodes[i].n_notices[type];
}

usec_t sim_last_notice_usec(const Sim *sim, unsigned i, NoticeType type) {
        return sim->nodes[i].notice_usec[type];
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

static bool sim_is_running_peer(const Sim *sim, unsigned i) {
        return sim->nodes[i].node && sim->nodes[i].settings.role == ROLE_PEER && !sim->nodes[i].frozen;
}

static unsigned sim_n_running_peers(const Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim->n_nodes; i++)
                n += sim_is_running_peer(sim, i);
        return n;
}

bool sim_is_connected(Sim *sim) {
        _cleanup_free_ unsigned *reached = must(calloc(sim->n_nodes, sizeof(*reached)));
        _cleanup_free_ bool *seen = must(calloc(sim->n_nodes, sizeof(*seen)));
        size_t n = 0;

        for (unsigned i = 0; i < sim->n_nodes && n == 0; i++)
                if (sim_is_running_peer(sim, i)) {
                        reached[n++] = i;
                        seen[i] = true;
                }
        for (size_t done = 0; done < n; done++)
                for (unsigned i = 0; i < sim->n_nodes; i++)
                        if (!seen[i] && sim_is_running_peer(sim, i) && sim_linked(sim, reached[done], i) &&
                            sim_linked(sim, i, reached[done])) {
                                seen[i] = true;
                                reached[n++] = i;
                        }
        return n == sim_n_running_peers(sim);
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

bool sim_members_agree(Sim *sim) {
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim_is_running_peer(sim, i) && !sim_holds_exactly_the_running(sim, i))
                        return false;
        return true;
}

bool sim_seeds_agree(Sim *sim) {
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim->nodes[i].node && sim->nodes[i].settings.role == ROLE_SEED && !sim->nodes[i].frozen &&
                    !sim_holds_exactly_the_running(sim, i))
                        return false;
        return true;
}

void sim_explain(Sim *sim) {
        for (unsigned at = 0; at < sim->n_nodes; at++) {
                const SimNode *node = sim->nodes + at;

                if (!node->node)
                        continue;
                if (node->settings.role == ROLE_PEER && peer_n_links(node->node) == 0)
                        fprintf(stderr, "%s (%u) has no link\n", node->settings.name, at);
                for (size_t j = 0; j < node_n_members(node->node); j++) {
                        MemberInfo info = node_member_at(node->node, j);
                        bool known = false;

                        for (unsigned i = 0; i < sim->n_nodes; i++)
                                known = known || (sim_is_running_peer(sim, i) && node_id_equal(sim_id(sim, i), &info.record->id));
                        if (!known && info.state == MEMBER_ALIVE && !info.lost)
                                fprintf(stderr, "%s (%u) holds %s alive, id %s, who does not run\n", node->settings.name, at,
                                        info.record->name, NODE_ID_TEXT(&info.record->id));
                }
                for (unsigned i = 0; i < sim->n_nodes; i++) {
                        MemberInfo info;

                        if (i == at || !sim_is_running_peer(sim, i))
                                continue;
                        if (!sim_holds(sim, at, i, &info))
                                fprintf(stderr, "%s (%u) does not know %s (%u)\n", node->settings.name, at,
                                        sim->nodes[i].settings.name, i);
                        else if (info.state != MEMBER_ALIVE || info.lost)
                                fprintf(stderr, "%s (%u) holds %s (%u) %s%s at %" PRIu64 "/%u, which is at %" PRIu64 "/%u\n",
                                        node->settings.name, at, sim->nodes[i].settings.name, i,
                                        member_state_to_string(info.state), info.lost ? " and lost" : "", info.record->epoch,
                                        info.record->incarnation, node_identity(sim->nodes[i].node)->epoch,
                                        node_incarnation(sim->nodes[i].node));
                }
        }
}

void sim_check(Sim *sim, unsigned i) {
        const SimNode *node = sim->nodes + i;
        const Params *params = &node->settings.params;
        unsigned n_links, n_out;

        if (!node->node || node->settings.role != ROLE_PEER)
                return;

        n_links = peer_n_links(node->node);
        n_out = peer_n_links_out(node->node);
        if (params->links_shared ? n_links > params->links_outgoing + 1 + params->links_outgoing :
                                   n_links - n_out > params->links_inbound + 1)
                sim_fail(sim, "node %u has %u links, %u of them outgoing", i, n_links, n_out);
        if (node_member(node->node, &node_identity(node->node)->id, &(MemberInfo) {}))
                sim_fail(sim, "node %u holds itself as a member", i);
        if (node_n_sessions(node->node) > params->connections_max + 1)
                sim_fail(sim, "node %u has %zu sessions", i, node_n_sessions(node->node));
}
