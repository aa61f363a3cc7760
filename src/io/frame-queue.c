/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/frame-queue.h"

#include <errno.h>

#define CAPACITY_MIN 8U
#define CAPACITY_IDLE_MAX 64U   /* a larger ring is given back once it is empty */

void frame_queue_done(FrameQueue *queue) {
        while (queue->n > 0)
                (void) frame_buffer_unref(frame_queue_pop(queue));
        free(queue->ring);
        *queue = (FrameQueue) {};
}

int frame_queue_grow(FrameQueue *queue) {
        size_t capacity = MAX(queue->capacity * 2, (size_t) CAPACITY_MIN);
        FrameBuffer **ring;

        ring = calloc(capacity, sizeof(*ring));
        if (!ring)
                return -ENOMEM;

        for (size_t i = 0; i < queue->n; i++)
                ring[i] = frame_queue_at(queue, i);

        free(queue->ring);
        queue->ring = ring;
        queue->capacity = capacity;
        queue->first = 0;
        return 0;
}

void frame_queue_shrink(FrameQueue *queue) {
        assert(queue->n == 0);

        if (queue->capacity > CAPACITY_IDLE_MAX) {
                free(queue->ring);
                *queue = (FrameQueue) {};
        }
}
