/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages that are to be sent or announced, as ranges of sequence numbers, first in, first out. A queue of zeros is empty.
 */

#include "wire/message.h"

typedef struct RangeQueue {
        Range *ranges;          /* those that wait, from @first on */
        unsigned first, n, n_allocated;
} RangeQueue;

/* Return: 0, -ENOMEM. */
int range_queue_append(RangeQueue *queue, const Range *ranges, size_t n);
/* One message, which extends one of the last ranges if it follows on it. Return: 0, -ENOMEM. */
int range_queue_append_message(RangeQueue *queue, const MessageId *id);

/* NULL: it is empty. */
static inline Range *range_queue_first(const RangeQueue *queue) {
        return queue->n > 0 ? queue->ranges + queue->first : NULL;
}

void range_queue_drop(RangeQueue *queue, size_t n);     /* the first ones */
void range_queue_done(RangeQueue *queue);
