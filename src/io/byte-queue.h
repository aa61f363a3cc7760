/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes that wait for a socket of a local program, one stretch of memory. All zeros is an empty one. */

#include "base/bytes.h"

typedef struct ByteQueue {
        uint8_t *data;
        size_t begin, end, capacity;
} ByteQueue;

static inline size_t byte_queue_size(const ByteQueue *queue) {
        return queue->end - queue->begin;
}

static inline Slice byte_queue_slice(const ByteQueue *queue) {
        return queue->data ? slice_of(queue->data + queue->begin, byte_queue_size(queue)) : (Slice) {};
}

void byte_queue_done(ByteQueue *queue);

/* Room for @size bytes behind those that wait; byte_queue_added() makes them wait, too. NULL when out of memory. */
uint8_t *byte_queue_reserve(ByteQueue *queue, size_t size);
static inline void byte_queue_added(ByteQueue *queue, size_t size) {
        assert(size <= queue->capacity - queue->end);
        queue->end += size;
}

/* Takes bytes off the front. Memory beyond a few pages is given back when none are left. */
void byte_queue_drop(ByteQueue *queue, size_t size);

/* Writes what the socket takes. Return: 1 when nothing is left, 0 when it takes no more now, an error when nobody reads there
 * any more. */
int byte_queue_write(ByteQueue *queue, int fd);
