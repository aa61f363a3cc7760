/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Drives the nodes: hands them events, carries out what they ask for, and moves the clock. */

#include "sim-internal.h"

#include <stdio.h>

static void sim_note(Sim *sim, uint64_t a, uint64_t b, const void *data, size_t size) {
        static const SipKey zero;
        uint64_t words[4] = { sim->trace, sim->now_usec, a, b };

        sim->trace = siphash24(words, sizeof(words), &zero);
        if (size > 0)
                sim->trace ^= siphash24(data, size, &zero);
}

static void sim_count_hello(Sim *sim, const NodeId *of, unsigned at) {
        Hellos *hellos, wanted = { .key = { *of, at } };

        HASH_FIND(hh, sim->hellos, &wanted.key, sizeof(wanted.key), hellos);
        if (!hellos) {
                hellos = must(calloc(1, sizeof(*hellos)));
                hellos->key = wanted.key;
                HASH_ADD(hh, sim->hellos, key, sizeof(hellos->key), hellos);
        }
        hellos->n++;
}

static void sim_deliver(Sim *sim, unsigned i, const Delivery *delivery) {
        traffic_delivered(sim, i, delivery);
        check_delivery(sim, i, delivery);
        if (delivery->topic.size == strlen("/p2pnet/hello") && memcmp(delivery->topic.data, "/p2pnet/hello", 13) == 0)
                sim_count_hello(sim, &delivery->id.origin, i);
}

static void sim_hang_up(Sim *sim, unsigned i, LinkId link, bool flush) {
        unsigned side;
        Connection *connection = sim_find(sim, i, link, &side);

        if (!connection || !connection->ends[side].open)
                return;
        connection->ends[side].open = false;
        flow_flush(sim, connection, !side, flush);
        sim_send(sim, connection, !side, EVENT_CLOSED, NULL);
        connection_release(sim, connection);
}

static bool sim_send_as(Sim *sim, Connection *connection, unsigned side, FrameBuffer *frame, bool is_data) {
        if (is_data)
                return flow_send_data(sim, connection, side, frame);
        sim_send(sim, connection, side, EVENT_FRAME, frame);
        return true;
}

static void sim_send_effect(Sim *sim, unsigned i, LinkId link, const Effect *effect) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = liar_answer(sim, i, effect->frame);
        SimNode *node = sim->nodes + i;
        unsigned type = frame->data[4], side;
        Connection *connection = sim_find(sim, i, link, &side);
        bool open = connection && connection->ends[side].open, taken = true;
        size_t n_ahead = open ? flow_n_ahead(connection->ends + !side) : 0;

        traffic_sent(sim, i, frame);
        if (open && !(node->mute && (type == MESSAGE_GOSSIP || type == MESSAGE_IHAVE))) {
                FrameBuffer *sent = frame;
                bool altered = alter_frame(sim, i, connection, !side, &sent);

                if (sent)
                        taken = sim_send_as(sim, connection, !side, sent, effect->is_data);
                if (altered)
                        (void) frame_buffer_unref(sent);
        }
        if (effect->is_data && taken)
                must_ok(node_on_sent(node->node, link, effect->frame->size, 1, sim->now_usec));
        if (effect->measure)
                must_ok(node_on_backlog(node->node, link, n_ahead, sim->now_usec));
}

static void sim_count_notice(Sim *sim, unsigned i, NoticeType type) {
        SimNode *node = sim->nodes + i;
        size_t n = 0;

        while (n < node->n_noticed && node->noticed[n].type != type)
                n++;
        if (n == node->n_noticed) {
                node->noticed = must(reallocarray(node->noticed, ++node->n_noticed, sizeof(Noticed)));
                node->noticed[n] = (Noticed) { .type = type };
        }
        node->noticed[n].n++;
        node->noticed[n].last_usec = sim->now_usec;
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
                for (size_t k = 0; k < effect->n_links; k++) {
                        sim_note(sim, i, effect->links[k], effect->frame->data, effect->frame->size);
                        sim_send_effect(sim, i, effect->links[k], effect);
                }
                break;

        case EFFECT_MEASURE:
                connection = sim_find(sim, i, effect->link, &side);
                must_ok(node_on_backlog(node->node, effect->link, connection ? flow_n_ahead(connection->ends + !side) : 0,
                                        sim->now_usec));
                break;

        case EFFECT_HANG_UP:
                sim_note(sim, i, effect->link, "hang up", 7);
                sim_hang_up(sim, i, effect->link, effect->flush);
                break;

        case EFFECT_RESOLVE: {
                unsigned number = UINT32_MAX;

                (void) sscanf(effect->resolve.host, "seed-%u", &number);
                sim_push(sim, sim->now_usec, (Event) {
                        .type = EVENT_RESOLVED, .node = i, .seed = effect->resolve.seed,
                        .address = number < sim->n_nodes ? node_address(sim, number) : sim_address(number),
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
        case EFFECT_CRAWLED:
                break;

        case EFFECT_NOTICE:
                sim_note(sim, i, (uint64_t) effect->notice.type, NULL, 0);
                check_notice(sim, i, &effect->notice);
                sim_count_notice(sim, i, effect->notice.type);
                if (getenv("SIM_VERBOSE"))
                        fprintf(stderr, "%10.3f %3u %s notice %d %s n=%u/%u reason=%d %s\n",
                                (double) sim->now_usec / USEC_PER_SEC, i, SIM_NAME(sim, i), (int) effect->notice.type,
                                effect->notice.name, effect->notice.n, effect->notice.n_max, (int) effect->notice.reason,
                                effect->notice.detail);
                break;
        }
        effect_release(effect);
}

static void sim_carry_out(Sim *sim, unsigned i) {
        Effect effect;

        while (node_pop_effect(sim->nodes[i].node, &effect))
                sim_effect(sim, i, &effect);
}

void sim_settle(Sim *sim, unsigned i, int r) {
        must_ok(r);
        sim_carry_out(sim, i);
        sim_rearm(sim, i);
        sim_check(sim, i);
}

/* As a daemon takes it: io/connection.c. */
static void sim_on_unreadable(Sim *sim, const Event *event, int error) {
        Node *node = sim->nodes[event->node].node;

        flow_read(sim, event->connection, event->side, event->frame->size);
        sim_settle(sim, event->node, node_on_received(node, event->link, sim->now_usec));
        if (error == 0)
                sim_settle(sim, event->node, node_on_unknown(node, event->link, event->frame->data[FRAME_LENGTH_SIZE],
                                                             sim->now_usec));
        else
                sim_settle(sim, event->node, node_on_malformed(node, event->link, error, sim->now_usec));
}

static void sim_on_frame(Sim *sim, const Event *event) {
        Node *node = sim->nodes[event->node].node;
        Message message;
        Frame frame;
        int r;

        r = (int) frame_decode(&frame, event->frame->data, event->frame->size, node_frame_size_max(node, event->link));
        if (r <= 0 && !sim->has_altered)
                sim_fail(sim, "node %u was sent a frame that it may not receive", event->node);
        if (r > 0)
                r = message_decode(&message, &frame);
        if (r <= 0) {
                if (!sim->has_lied)
                        sim_fail(sim, "node %u was sent a message that it cannot read", event->node);
                sim_on_unreadable(sim, event, r);
                return;
        }
        if (message.type == MESSAGE_GOSSIP) {
                traffic_payload(sim, &message.gossip.id);
                event->connection->ends[event->side].n_payloads++;
        }
        check_message(sim, event->node, &message);
        liar_told(sim, event->node, &message);
        flow_read(sim, event->connection, event->side, event->frame->size);
        must_ok(node_on_received(node, event->link, sim->now_usec));
        sim_carry_out(sim, event->node);
        sim_settle(sim, event->node, node_on_message(node, event->link, &message, sim->now_usec));
}

void sim_handle(Sim *sim, Event *event) {
        SimNode *node = sim->nodes + event->node;
        End *end = event->connection ? event->connection->ends + event->side : NULL;

        if (event->type == EVENT_RESEND) {
                flow_resend(sim, event->connection, event->side);
                event_done(sim, event);
                return;
        }
        if (event->life != node->life || !node->node || (end && !end->open)) {
                /* The process it was for is gone: a kernel resets what comes for it. */
                if (end && event->type != EVENT_RESET && event->type != EVENT_CLOSED && event->type != EVENT_SENT)
                        sim_send(sim, event->connection, !event->side, EVENT_RESET, NULL);
                if (end)
                        end->open = false;
                event_done(sim, event);
                return;
        }
        if (node->frozen) {
                if (node->n_waiting >= node->n_waiting_allocated) {
                        node->n_waiting_allocated = MAX((size_t) 16, 2 * node->n_waiting_allocated);
                        node->waiting = must(reallocarray(node->waiting, node->n_waiting_allocated, sizeof(Event *)));
                }
                node->waiting[node->n_waiting++] = event;
                return;
        }

        if (end && node->slow > 0 && sim->now_usec < node->reads_usec) {
                sim_put_back(sim, node->reads_usec, event);
                return;
        }

        switch (event->type) {

        case EVENT_CONNECTED:
                sim_settle(sim, event->node, node_on_link(node->node, event->link, LINK_CONNECTED, sim->now_usec));
                break;

        case EVENT_ACCEPTED: {
                Address remote = node_address(sim, event->connection->ends[0].node);

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
                if (node->slow > 0)
                        node->reads_usec = sim->now_usec + event->frame->size * USEC_PER_SEC / node->slow;
                sim_on_frame(sim, event);
                break;

        case EVENT_SENT:
                sim_settle(sim, event->node, node_on_sent(node->node, end->link, event->size, 1, sim->now_usec));
                break;

        case EVENT_RESEND:
                break;

        case EVENT_CLOSED:
        case EVENT_RESET:
                end->open = false;
                sim_settle(sim, event->node,
                           node_on_link(node->node, end->link, event->type == EVENT_RESET ? LINK_RESET : LINK_CLOSED,
                                        sim->now_usec));
                break;

        case EVENT_RESOLVED: {
                bool known = address_node(sim, &event->address) != UINT_MAX;

                sim_settle(sim, event->node, node_on_resolved(node->node, event->seed, &event->address, known,
                                                              "no such name", sim->now_usec));
                break;
        }
        }
        event_done(sim, event);
}

/* ---- time ---- */

static bool node_before(const Sim *sim, unsigned a, unsigned b) {
        usec_t a_usec = sim->nodes[a].deadline_usec, b_usec = sim->nodes[b].deadline_usec;

        return a_usec != b_usec ? a_usec < b_usec : a < b;
}

static void heap_place(Sim *sim, size_t index, unsigned i) {
        sim->by_deadline[index] = i;
        sim->nodes[i].heap_index = index;
}

void sim_rearm(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;
        usec_t deadline_usec = node->node && !node->frozen ? node_deadline(node->node) : USEC_INFINITY;
        size_t index = node->heap_index;

        if (deadline_usec == node->deadline_usec)
                return;
        node->deadline_usec = deadline_usec;

        for (; index > 0 && node_before(sim, i, sim->by_deadline[(index - 1) / 2]); index = (index - 1) / 2)
                heap_place(sim, index, sim->by_deadline[(index - 1) / 2]);
        for (size_t child; (child = 2 * index + 1) < sim->n_nodes; index = child) {
                if (child + 1 < sim->n_nodes && node_before(sim, sim->by_deadline[child + 1], sim->by_deadline[child]))
                        child++;
                if (!node_before(sim, sim->by_deadline[child], i))
                        break;
                heap_place(sim, index, sim->by_deadline[child]);
        }
        heap_place(sim, index, i);
}

void sim_run_for(Sim *sim, usec_t duration_usec) {
        usec_t end_usec = sim->now_usec + duration_usec;

        assert(sim->effects.n == 0);
        while (sim->n_nodes > 0) {
                unsigned timer_node = sim->by_deadline[0];
                usec_t timer_usec = sim->nodes[timer_node].deadline_usec;
                usec_t next_usec = sim->n_events > 0 ? sim->heap[0].when_usec : USEC_INFINITY;

                if (MIN(next_usec, timer_usec) > end_usec)
                        break;
                check_links(sim);

                if (next_usec <= timer_usec) {
                        sim->now_usec = MAX(sim->now_usec, next_usec);
                        sim_handle(sim, sim_pop(sim));
                } else {
                        sim->now_usec = MAX(sim->now_usec, timer_usec);
                        sim_settle(sim, timer_node, node_on_deadline(sim->nodes[timer_node].node, sim->now_usec));
                }
        }
        sim->now_usec = end_usec;
}

bool sim_run_until_every(Sim *sim, usec_t step_usec, bool (*condition)(Sim *sim), usec_t limit_usec) {
        usec_t end_usec = sim->now_usec + limit_usec;

        while (!condition(sim)) {
                if (sim->now_usec >= end_usec)
                        return false;
                sim_run_for(sim, step_usec);
        }
        return true;
}

bool sim_run_until(Sim *sim, bool (*condition)(Sim *sim), usec_t limit_usec) {
        return sim_run_until_every(sim, 10 * USEC_PER_MSEC, condition, limit_usec);
}
