/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/timer.h"

#include <errno.h>

static bool timer_before(const Timer *a, const Timer *b) {
        return a->when_usec != b->when_usec ? a->when_usec < b->when_usec : (int32_t) (a->serial - b->serial) < 0;
}

static void heap_put(TimerQueue *queue, size_t i, Timer *timer) {
        queue->heap[i] = timer;
        timer->index = (unsigned) i;
}

/* Moves a timer whose time changed to its place. */
static void heap_settle(TimerQueue *queue, Timer *timer) {
        size_t i = timer->index;

        while (i > 1 && timer_before(timer, queue->heap[i / 2])) {
                heap_put(queue, i, queue->heap[i / 2]);
                i /= 2;
        }
        for (size_t child; (child = 2 * i) <= queue->n; i = child) {
                if (child < queue->n && timer_before(queue->heap[child + 1], queue->heap[child]))
                        child++;
                if (!timer_before(queue->heap[child], timer))
                        break;
                heap_put(queue, i, queue->heap[child]);
        }
        heap_put(queue, i, timer);
}

void timer_queue_done(TimerQueue *queue) {
        assert(queue->n == 0);

        free(queue->heap);
        *queue = (TimerQueue) {};
}

int timer_init(TimerQueue *queue, Timer *timer, unsigned kind) {
        if (queue->n >= TIMERS_MAX)
                return -ENOMEM;
        if (queue->n + 1 >= queue->n_allocated) {
                size_t n = MAX((size_t) 32, queue->n_allocated + queue->n_allocated / 2);
                Timer **heap = reallocarray(queue->heap, n, sizeof(*heap));

                if (!heap)
                        return -ENOMEM;
                queue->heap = heap;
                queue->n_allocated = n;
        }

        *timer = (Timer) { .when_usec = USEC_INFINITY, .serial = ++queue->serial, .kind = kind };
        queue->n++;
        heap_put(queue, queue->n, timer);
        return 0;
}

void timer_done(TimerQueue *queue, Timer *timer) {
        Timer *last;

        if (timer->index == 0)
                return;

        last = queue->heap[queue->n--];
        if (last != timer) {
                heap_put(queue, timer->index, last);
                heap_settle(queue, last);
        }
        *timer = (Timer) { .when_usec = USEC_INFINITY };
}

void timer_set(TimerQueue *queue, Timer *timer, usec_t when_usec) {
        assert(timer->index > 0);

        timer->when_usec = when_usec;
        timer->serial = ++queue->serial;
        heap_settle(queue, timer);
}

Timer *timer_queue_pop(TimerQueue *queue, usec_t now_usec) {
        Timer *timer;

        if (queue->n == 0 || queue->heap[1]->when_usec > now_usec || queue->heap[1]->when_usec == USEC_INFINITY)
                return NULL;

        timer = queue->heap[1];
        timer_set(queue, timer, USEC_INFINITY);
        return timer;
}

usec_t timer_queue_next(const TimerQueue *queue) {
        return queue->n == 0 ? USEC_INFINITY : queue->heap[1]->when_usec;
}
