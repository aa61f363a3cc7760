/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The queue of events, and the virtual connections that most of them come from. */

#include "sim-internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SYN_AGAIN_USEC (1 * USEC_PER_SEC)

void *must(void *p) {
        if (!p)
                abort();
        return p;
}

void must_ok(int r) {
        if (r < 0) {
                fprintf(stderr, "simulator: %s\n", strerror(-r));
                abort();
        }
}

_noreturn_ _printf_(2, 3) void sim_fail(const Sim *sim, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        fprintf(stderr, "run %" PRIu64 ", at %.3f s: ", sim->run, (double) sim->now_usec / USEC_PER_SEC);
        vfprintf(stderr, format, ap);
        fprintf(stderr, "\n");
        va_end(ap);
        abort();
}

/* ---- events ---- */

static bool due_before(const Due *a, const Due *b) {
        return a->when_usec != b->when_usec ? a->when_usec < b->when_usec : a->serial < b->serial;
}

void sim_push(Sim *sim, usec_t when_usec, Event event) {
        Event *pushed = must(malloc(sizeof(*pushed)));

        *pushed = event;
        pushed->life = sim->nodes[event.node].life;
        if (event.connection)
                event.connection->n_events++;
        sim_put_back(sim, when_usec, pushed);
}

void sim_put_back(Sim *sim, usec_t when_usec, Event *event) {
        Due due = { when_usec, ++sim->serial, event };
        size_t i;

        if (sim->n_events >= sim->n_allocated) {
                sim->n_allocated = MAX((size_t) 1024, 2 * sim->n_allocated);
                sim->heap = must(reallocarray(sim->heap, sim->n_allocated, sizeof(Due)));
        }
        for (i = sim->n_events++; i > 0 && due_before(&due, sim->heap + (i - 1) / 2); i = (i - 1) / 2)
                sim->heap[i] = sim->heap[(i - 1) / 2];
        sim->heap[i] = due;
}

Event *sim_pop(Sim *sim) {
        Event *first = sim->heap[0].event;
        Due last = sim->heap[--sim->n_events];
        size_t i = 0;

        for (size_t child; (child = 2 * i + 1) < sim->n_events; i = child) {
                if (child + 1 < sim->n_events && due_before(sim->heap + child + 1, sim->heap + child))
                        child++;
                if (!due_before(sim->heap + child, &last))
                        break;
                sim->heap[i] = sim->heap[child];
        }
        if (sim->n_events > 0)
                sim->heap[i] = last;
        return first;
}

void connection_free(Sim *sim, Connection *connection) {
        for (unsigned side = 0; side < 2; side++) {
                End *end = connection->ends + side;

                flow_free(end);
                sim_unnumber(sim, end);
                DL_DELETE(sim->nodes[end->node].ends, end);
        }
        DL_DELETE(sim->connections, connection);
        sim->n_connections--;
        free(connection);
}

void connection_release(Sim *sim, Connection *connection) {
        if (connection->n_events > 0 || connection->ends[0].open || connection->ends[1].open)
                return;
        connection_free(sim, connection);
}

void event_done(Sim *sim, Event *event) {
        (void) frame_buffer_unref(event->frame);
        if (event->connection) {
                event->connection->n_events--;
                connection_release(sim, event->connection);
        }
        free(event);
}

/* ---- the network ---- */

Address sim_address(unsigned i) {
        return address_ipv4((uint8_t[]) { 10, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i }, PORT);
}

Address node_address(const Sim *sim, unsigned i) {
        Address address = sim_address(i);

        address.bytes[0] = (uint8_t) (10 + sim->nodes[i].generation % 100);
        return address;
}

unsigned address_node(const Sim *sim, const Address *address) {
        unsigned i = (unsigned) address->bytes[1] << 16 | (unsigned) address->bytes[2] << 8 | address->bytes[3];

        return i < sim->n_nodes && address->bytes[0] == 10 + sim->nodes[i].generation % 100 ? i : UINT_MAX;
}

bool sim_reaches(const Sim *sim, unsigned from, unsigned to) {
        const SimNode *a = sim->nodes + from, *b = sim->nodes + to;
        const Blocked *blocked = NULL;
        uint64_t way = (uint64_t) from << 32 | to;

        if (sim->blocked)
                HASH_FIND(hh, sim->blocked, &way, sizeof(way), blocked);
        return !blocked && a->host_up && b->host_up && !a->suspended && !b->suspended &&
               (a->group == b->group || a->group == SIM_EVERY_GROUP || b->group == SIM_EVERY_GROUP);
}

/* The same for both ways and for the whole run, without a table of all pairs. */
usec_t sim_latency(const Sim *sim, unsigned a, unsigned b) {
        uint64_t pair[2] = { MIN(a, b), MAX(a, b) };
        SipKey key = {};

        memcpy(key.bytes, &sim->run, sizeof(sim->run));
        return sim->latency_min_usec +
               siphash24(pair, sizeof(pair), &key) % MAX(sim->latency_max_usec - sim->latency_min_usec, (usec_t) 1);
}

/* It never overtakes what was carried before. */
void sim_carry(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame) {
        End *to = connection->ends + side, *from = connection->ends + !side;
        usec_t arrives_usec = sim->now_usec + sim_latency(sim, from->node, to->node);

        to->arrives_usec = MAX(arrives_usec, to->arrives_usec + 1);
        sim_push(sim, to->arrives_usec, (Event) {
                .type = type, .node = to->node, .connection = connection, .side = side, .link = to->link,
                .frame = frame ? frame_buffer_ref(frame) : NULL,
        });
}

void sim_send(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame) {
        if (connection->ends[side].open && !flow_stall(sim, connection, side, type, frame))
                sim_carry(sim, connection, side, type, frame);
}

static uint32_t hash_of_end(unsigned node, LinkId link) {
        return hash_of_number((uint64_t) node << 32 ^ link);
}

Connection *sim_find(Sim *sim, unsigned node, LinkId link, unsigned *ret_side) {
        uint32_t hash = hash_of_end(node, link);

        for (IndexEntry *entry = index_first(&sim->ends, hash); entry; entry = index_next(entry)) {
                End *end = container_of(entry, End, by_link);

                if (end->node == node && end->link == link) {
                        *ret_side = end->side;
                        return end_connection(end);
                }
        }
        return NULL;
}

void sim_number(Sim *sim, End *end, LinkId link) {
        end->link = link;
        must_ok(index_add(&sim->ends, &end->by_link, hash_of_end(end->node, link)));
        end->numbered = true;
}

void sim_unnumber(Sim *sim, End *end) {
        if (end->numbered)
                index_remove(&sim->ends, &end->by_link);
        end->numbered = false;
}

void sim_dial(Sim *sim, unsigned i, LinkId link, const Address *address) {
        unsigned to = address_node(sim, address);
        Event event = { .node = i, .link = link, .type = EVENT_UNREACHABLE };
        Connection *connection;
        usec_t latency_usec, done_usec;

        if (to == UINT_MAX || !sim_reaches(sim, i, to) || !sim_reaches(sim, to, i)) {
                sim_push(sim, sim->now_usec + CONNECT_TIMEOUT_USEC, event);
                return;
        }

        latency_usec = sim_latency(sim, i, to);
        while (sim->loss > 0 && random_below(&sim->random, 1000000) < sim->loss)
                latency_usec += SYN_AGAIN_USEC;
        done_usec = sim->now_usec + 2 * latency_usec;
        if (!sim->nodes[to].node) {
                event.type = EVENT_REFUSED;
                sim_push(sim, done_usec, event);
                return;
        }

        connection = must(malloc(sizeof(*connection)));
        *connection = (Connection) {
                .number = ++sim->last_connection,
                .agreed_usec = sim->now_usec,
                .ends = {
                        { .node = i, .open = true, .arrives_usec = done_usec },
                        { .side = true, .node = to, .open = true, .arrives_usec = sim->now_usec + latency_usec },
                },
        };
        DL_APPEND(sim->connections, connection);
        sim->n_connections++;
        for (unsigned side = 0; side < 2; side++)
                DL_APPEND(sim->nodes[connection->ends[side].node].ends, connection->ends + side);
        sim_number(sim, connection->ends, link);

        event.type = EVENT_CONNECTED;
        event.connection = connection;
        sim_push(sim, done_usec, event);
        sim_push(sim, sim->now_usec + latency_usec, (Event) {
                .type = EVENT_ACCEPTED, .node = to, .connection = connection, .side = 1,
        });
}
