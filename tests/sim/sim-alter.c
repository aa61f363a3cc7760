/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Frames that do not arrive as they were sent: wrong, late, twice, or out of their order. TCP does none of that; a program with a
 * bug, or one that means ill, does. Whoever gets such a frame may end the session over it, and nothing worse may come of it.
 */

#include "sim-internal.h"

#define LATE_USEC (20 * USEC_PER_SEC)
#define ORDER_USEC (300 * USEC_PER_MSEC)        /* what comes after a frame overtakes it when it is sent that soon */
#define WRONG_BYTES_MAX 8U                      /* next to each other */

void sim_set_alter(Sim *sim, unsigned i, Alteration alteration, unsigned per_million) {
        assert(alteration < _ALTER_MAX);

        sim_harm(sim, i);
        sim->nodes[i].alter[alteration] = per_million;
        sim->has_altered = sim->has_altered || per_million > 0;
        sim->has_lied = sim->has_lied || (alteration == ALTER_WRONG && per_million > 0);
}

bool sim_alters(const Sim *sim, unsigned i) {
        for (Alteration alteration = 0; alteration < _ALTER_MAX; alteration++)
                if (sim->nodes[i].alter[alteration] > 0)
                        return true;
        return false;
}

static bool alter_is_drawn(Sim *sim, unsigned i, Alteration alteration) {
        unsigned per_million = sim->nodes[i].alter[alteration];

        return per_million > 0 && random_below(&sim->random, 1000000) < per_million;
}

/* The length stays: of a stream that is out of step nothing can be read any more, which is the simplest of cases. */
static FrameBuffer *wrong_frame(Sim *sim, const FrameBuffer *frame) {
        FrameBuffer *wrong = must(frame_buffer_new(frame->size));
        size_t at = FRAME_LENGTH_SIZE + random_below(&sim->random, frame->size - FRAME_LENGTH_SIZE);
        size_t n = MIN(1 + random_below(&sim->random, WRONG_BYTES_MAX), frame->size - at);

        memcpy(wrong->data, frame->data, frame->size);
        for (size_t j = at; j < at + n; j++)
                wrong->data[j] = (uint8_t) random_u64(&sim->random);
        return wrong;
}

static void carry_later(Sim *sim, Connection *connection, unsigned side, FrameBuffer *frame, usec_t delay_usec) {
        const End *to = connection->ends + side, *from = connection->ends + !side;

        sim_push(sim, sim->now_usec + sim_latency(sim, from->node, to->node) + delay_usec, (Event) {
                .type = EVENT_FRAME, .node = to->node, .connection = connection, .side = side, .link = to->link,
                .frame = frame_buffer_ref(frame),
        });
}

bool alter_frame(Sim *sim, unsigned i, Connection *connection, unsigned side, FrameBuffer **frame) {
        if (!sim_alters(sim, i))
                return false;
        *frame = alter_is_drawn(sim, i, ALTER_WRONG) ? wrong_frame(sim, *frame) : frame_buffer_ref(*frame);
        if (alter_is_drawn(sim, i, ALTER_TWICE))
                carry_later(sim, connection, side, *frame, random_below(&sim->random, ORDER_USEC));
        if (alter_is_drawn(sim, i, ALTER_LATE))
                carry_later(sim, connection, side, *frame, random_below(&sim->random, LATE_USEC));
        else if (alter_is_drawn(sim, i, ALTER_ORDER))
                carry_later(sim, connection, side, *frame, random_below(&sim->random, ORDER_USEC));
        else
                return true;
        *frame = frame_buffer_unref(*frame);
        return true;
}
