/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/range-queue.h"

#include <errno.h>

#define ALLOCATED_MIN 4U
#define LOOKBACK 16U            /* ranges that a message may extend: so many publishers may take turns */

static int make_room(RangeQueue *queue, size_t n) {
        if (queue->first + queue->n + n <= queue->n_allocated)
                return 0;
        if (queue->n + n > queue->n_allocated) {
                size_t n_allocated = MAX(queue->n + n, queue->n_allocated > 0 ? 2 * queue->n_allocated : ALLOCATED_MIN);
                Range *ranges = reallocarray(queue->ranges, n_allocated, sizeof(*ranges));

                if (!ranges)
                        return -ENOMEM;
                queue->ranges = ranges;
                queue->n_allocated = n_allocated;
        }
        memmove(queue->ranges, queue->ranges + queue->first, queue->n * sizeof(*queue->ranges));
        queue->first = 0;
        return 0;
}

int range_queue_append(RangeQueue *queue, const Range *ranges, size_t n) {
        int r;

        if (n == 0)
                return 0;
        r = make_room(queue, n);
        if (r < 0)
                return r;
        memcpy(queue->ranges + queue->first + queue->n, ranges, n * sizeof(*ranges));
        queue->n += n;
        return 0;
}

int range_queue_append_message(RangeQueue *queue, const MessageId *id) {
        for (size_t i = 0; i < MIN(queue->n, (size_t) LOOKBACK); i++) {
                Range *range = queue->ranges + queue->first + queue->n - 1 - i;

                if (range->last + 1 == id->sequence && range->epoch == id->epoch && node_id_equal(&range->origin, &id->origin)) {
                        range->last++;
                        return 0;
                }
        }
        return range_queue_append(queue, &(Range) { id->origin, id->epoch, id->sequence, id->sequence }, 1);
}

void range_queue_drop(RangeQueue *queue, size_t n) {
        queue->first += n;
        queue->n -= n;
        if (queue->n == 0)
                queue->first = 0;
}

void range_queue_done(RangeQueue *queue) {
        free(queue->ranges);
        *queue = (RangeQueue) {};
}
