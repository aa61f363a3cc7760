/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The queue of events, and the virtual connections that most of them come from. */

#include "sim-internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

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

static bool event_before(const Event *a, const Event *b) {
        return a->when_usec != b->when_usec ? a->when_usec < b->when_usec : a->serial < b->serial;
}

void sim_push(Sim *sim, Event event) {
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

Event sim_pop(Sim *sim) {
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

void connection_free(Sim *sim, Connection *connection) {
        for (unsigned side = 0; side < 2; side++)
                if (connection->ends[side].keyed)
                        HASH_DELETE(hh, sim->ends, connection->ends + side);
        HASH_DELETE(hh, sim->connections, connection);
        free(connection);
}

void connection_release(Sim *sim, Connection *connection) {
        if (connection->n_events > 0 || connection->ends[0].open || connection->ends[1].open)
                return;
        connection_free(sim, connection);
}

void event_done(Sim *sim, Event *event) {
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

unsigned address_node(const Address *address) {
        return (unsigned) address->bytes[1] << 16 | (unsigned) address->bytes[2] << 8 | address->bytes[3];
}

static bool sim_reaches(const Sim *sim, unsigned a, unsigned b) {
        const SimNode *from = sim->nodes + a, *to = sim->nodes + b;

        return from->host_up && to->host_up &&
               (from->group == to->group || from->group == SIM_EVERY_GROUP || to->group == SIM_EVERY_GROUP);
}

/* The same for both ways and for the whole run, without a table of all pairs. */
static usec_t sim_latency(const Sim *sim, unsigned a, unsigned b) {
        uint64_t pair[2] = { MIN(a, b), MAX(a, b) };
        SipKey key = {};

        memcpy(key.bytes, &sim->run, sizeof(sim->run));
        return SIM_LATENCY_MIN_USEC +
               siphash24(pair, sizeof(pair), &key) % (SIM_LATENCY_MAX_USEC - SIM_LATENCY_MIN_USEC);
}

void sim_send(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame) {
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

Connection *sim_find(Sim *sim, unsigned node, LinkId link, unsigned *ret_side) {
        End *end, wanted = { .key = { node, link } };

        HASH_FIND(hh, sim->ends, &wanted.key, sizeof(wanted.key), end);
        if (!end)
                return NULL;
        *ret_side = end == end->connection->ends ? 0 : 1;
        return end->connection;
}

void sim_number(Sim *sim, End *end, LinkId link) {
        end->link = end->key.link = link;
        end->key.node = end->node;
        HASH_ADD(hh, sim->ends, key, sizeof(end->key), end);
        end->keyed = true;
}

void sim_dial(Sim *sim, unsigned i, LinkId link, const Address *address) {
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
