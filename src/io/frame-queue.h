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

/* Takes a reference of its own. Return: 0, -ENOMEM. */
int frame_queue_push(FrameQueue *queue, FrameBuffer *frame);

/* Gives its reference to the caller. The queue is not empty. */
FrameBuffer *frame_queue_pop(FrameQueue *queue);

/* Borrowed; @index counts from the first, below @n. */
static inline FrameBuffer *frame_queue_at(const FrameQueue *queue, size_t index) {
        assert(index < queue->n);
        return queue->ring[(queue->first + index) & (queue->capacity - 1)];
}
