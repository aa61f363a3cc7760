/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One direction of a virtual connection, as TCP shows it to the two processes: nothing is lost inside it. What the network drops,
 * or cannot carry while the way is cut, holds up all that follows and is sent again later, after a time that doubles with each
 * failure; after a quarter of an hour the kernel gives up. Data beyond what the other process has not read yet waits at its
 * sender. Most directions never see any of this, and have no Flow.
 */

#include "sim-internal.h"

#define WINDOW (128U * 1024U)           /* bytes that the two kernels hold for a process that does not read */
#define AGAIN_MIN_USEC (200 * USEC_PER_MSEC)
#define AGAIN_MAX_USEC (60 * USEC_PER_SEC)
#define GIVE_UP_USEC (15 * USEC_PER_MINUTE)
#define ORPHAN_USEC (60 * USEC_PER_SEC) /* the process is gone or has hung up: its kernel does not try for long */

static Flow *flow_of(End *to) {
        if (!to->flow)
                to->flow = must(calloc(1, sizeof(*to->flow)));
        return to->flow;
}

static void flow_drop_stalled(Flow *flow) {
        for (size_t i = 0; i < flow->n_stalled; i++)
                (void) frame_buffer_unref(flow->stalled[i].frame);
        flow->n_stalled = 0;
}

void flow_free(End *to) {
        Flow *flow = TAKE_PTR(to->flow);

        if (!flow)
                return;
        flow_drop_stalled(flow);
        for (size_t i = 0; i < flow->n_queued; i++)
                (void) frame_buffer_unref(flow->queued[i]);
        free(flow->stalled);
        free(flow->queued);
        free(flow);
}

static void flow_try_again(Sim *sim, Connection *connection, unsigned side, usec_t wait_usec) {
        sim_push(sim, sim->now_usec + wait_usec, (Event) {
                .type = EVENT_RESEND, .node = connection->ends[!side].node, .connection = connection, .side = side,
        });
}

bool flow_stall(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame) {
        End *to = connection->ends + side, *from = connection->ends + !side;
        Flow *flow;

        if (!(to->flow && to->flow->n_stalled > 0) && sim_reaches(sim, from->node, to->node) &&
            (sim->loss == 0 || random_below(&sim->random, 1000000) >= sim->loss))
                return false;

        flow = flow_of(to);
        if (flow->n_stalled == 0) {
                flow->stalled_usec = sim->now_usec;
                flow->again_usec = AGAIN_MIN_USEC;
                flow_try_again(sim, connection, side, AGAIN_MIN_USEC + 2 * sim_latency(sim, from->node, to->node));
        }
        if (flow->n_stalled >= flow->n_stalled_allocated) {
                flow->n_stalled_allocated = MAX((size_t) 4, 2 * flow->n_stalled_allocated);
                flow->stalled = must(reallocarray(flow->stalled, flow->n_stalled_allocated, sizeof(Parcel)));
        }
        flow->stalled[flow->n_stalled++] = (Parcel) { type, frame ? frame_buffer_ref(frame) : NULL };
        return true;
}

void flow_resend(Sim *sim, Connection *connection, unsigned side) {
        End *to = connection->ends + side, *from = connection->ends + !side;
        Flow *flow = to->flow;

        if (!flow || flow->n_stalled == 0)
                return;
        if (!to->open || !sim->nodes[from->node].host_up) {
                flow_drop_stalled(flow);
                return;
        }
        if (sim_reaches(sim, from->node, to->node) &&
            (sim->loss == 0 || random_below(&sim->random, 1000000) >= sim->loss)) {
                for (size_t i = 0; i < flow->n_stalled; i++)
                        sim_carry(sim, connection, side, flow->stalled[i].type, flow->stalled[i].frame);
                flow_drop_stalled(flow);
                return;
        }
        if (sim->now_usec - flow->stalled_usec > (from->open ? GIVE_UP_USEC : ORPHAN_USEC)) {
                flow_drop_stalled(flow);
                if (from->open)
                        sim_push(sim, sim->now_usec, (Event) {
                                .type = EVENT_RESET, .node = from->node, .connection = connection, .side = !side,
                                .link = from->link,
                        });
                return;
        }
        flow->again_usec = MIN(2 * flow->again_usec, AGAIN_MAX_USEC);
        flow_try_again(sim, connection, side, flow->again_usec);
}

/* ---- data, and room for it ---- */

static bool flow_matters(const Sim *sim, const End *to) {
        const SimNode *node = sim->nodes + to->node;

        return to->flow || node->slow > 0 || node->frozen;
}

bool flow_send_data(Sim *sim, Connection *connection, unsigned side, FrameBuffer *frame) {
        End *to = connection->ends + side;
        Flow *flow;

        if (!flow_matters(sim, to)) {
                sim_send(sim, connection, side, EVENT_FRAME, frame);
                return true;
        }
        flow = flow_of(to);
        if (flow->n_queued == 0 && (flow->n_in_flight == 0 || flow->n_in_flight + frame->size <= WINDOW)) {
                flow->n_in_flight += frame->size;
                sim_send(sim, connection, side, EVENT_FRAME, frame);
                return true;
        }
        if (flow->n_queued >= flow->n_queued_allocated) {
                flow->n_queued_allocated = MAX((size_t) 16, 2 * flow->n_queued_allocated);
                flow->queued = must(reallocarray(flow->queued, flow->n_queued_allocated, sizeof(*flow->queued)));
        }
        flow->queued[flow->n_queued++] = frame_buffer_ref(frame);
        return false;
}

void flow_flush(Sim *sim, Connection *connection, unsigned side, bool send) {
        Flow *flow = connection->ends[side].flow;

        for (size_t i = 0; flow && i < flow->n_queued; i++) {
                if (send)
                        sim_send(sim, connection, side, EVENT_FRAME, flow->queued[i]);
                (void) frame_buffer_unref(flow->queued[i]);
        }
        if (flow)
                flow->n_queued = 0;
}

/* The process at the end has read a frame of that size. What was sent before anybody counted is not in the count. */
void flow_read(Sim *sim, Connection *connection, unsigned side, size_t size) {
        End *to = connection->ends + side, *from = connection->ends + !side;
        Flow *flow = to->flow;
        size_t n = 0;

        if (!flow)
                return;
        flow->n_in_flight -= MIN(size, flow->n_in_flight);
        for (; n < flow->n_queued && (flow->n_in_flight == 0 || flow->n_in_flight + flow->queued[n]->size <= WINDOW); n++) {
                flow->n_in_flight += flow->queued[n]->size;
                sim_push(sim, sim->now_usec, (Event) {
                        .type = EVENT_SENT, .node = from->node, .connection = connection, .side = !side, .link = from->link,
                        .size = flow->queued[n]->size,
                });
                sim_send(sim, connection, side, EVENT_FRAME, flow->queued[n]);
                (void) frame_buffer_unref(flow->queued[n]);
        }
        flow->n_queued -= n;
        if (n > 0)
                memmove(flow->queued, flow->queued + n, flow->n_queued * sizeof(*flow->queued));
        if (flow->n_queued == 0 && flow->n_in_flight == 0 && flow->n_stalled == 0 && sim->nodes[to->node].slow == 0)
                flow_free(to);
}

size_t flow_n_ahead(const End *to) {
        const Flow *flow = to->flow;
        size_t n = flow ? flow->n_in_flight : 0;

        for (size_t i = 0; flow && i < flow->n_stalled; i++)
                n += flow->stalled[i].frame ? flow->stalled[i].frame->size : 0;
        return n;
}
