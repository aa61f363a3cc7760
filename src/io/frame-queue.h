/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Frames that wait to be written, first in, first out: a ring of references. All zeros is an empty queue. */

#include "wire/frame.h"

typedef struct FrameQueue {
        FrameBuffer **ring;
        size_t capacity;        /* of the ring, a power of two or 0 */
        size_t first;
        size_t n;
        size_t n_bytes;
} FrameQueue;

void frame_queue_done(FrameQueue *queue);

/* Room for more. Return: 0, -ENOMEM. */
int frame_queue_grow(FrameQueue *queue);
/* Gives back what only a burst needed, of one that is empty. */
void frame_queue_shrink(FrameQueue *queue);

/* Takes a reference of its own. Return: 0, -ENOMEM. */
static inline int frame_queue_push(FrameQueue *queue, FrameBuffer *frame) {
        if (queue->n == queue->capacity) {
                int r = frame_queue_grow(queue);

                if (r < 0)
                        return r;
        }

        queue->ring[(queue->first + queue->n) & (queue->capacity - 1)] = frame_buffer_ref(frame);
        queue->n++;
        queue->n_bytes += frame->size;
        return 0;
}

/* Borrowed; @index counts from the first, below @n. */
static inline FrameBuffer *frame_queue_at(const FrameQueue *queue, size_t index) {
        assert(index < queue->n);
        return queue->ring[(queue->first + index) & (queue->capacity - 1)];
}

/* Gives its reference to the caller. The queue is not empty. */
static inline FrameBuffer *frame_queue_pop(FrameQueue *queue) {
        FrameBuffer *frame = frame_queue_at(queue, 0);

        queue->first = (queue->first + 1) & (queue->capacity - 1);
        queue->n--;
        queue->n_bytes -= frame->size;
        if (queue->n == 0)
                frame_queue_shrink(queue);
        return frame;
}
