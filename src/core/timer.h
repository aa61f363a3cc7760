/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Points in time at which something is due: a binary heap of timers that live inside their owners. A timer keeps
 * its place in the heap from timer_init() to timer_done(), at USEC_INFINITY when nothing is due, so setting one
 * cannot fail. Timers that are due at the same time come in the order in which they were set.
 */

#include "base/macro.h"
#include "base/usec.h"

#define TIMERS_MAX ((1U << 24) - 1)      /* in one queue */

typedef struct Timer {
        usec_t when_usec;
        uint32_t serial;        /* of those that are due in one microsecond; it may begin anew */
        unsigned index : 24;    /* in the heap, from 1; 0 outside of it */
        unsigned kind : 8;      /* the owner's word for what is due */
} Timer;

typedef struct TimerQueue {
        Timer **heap;           /* [0] is not used */
        size_t n, n_allocated;
        uint32_t serial;
} TimerQueue;

void timer_queue_done(TimerQueue *queue);

/* Return: 0, -ENOMEM, also for more than TIMERS_MAX. */
int timer_init(TimerQueue *queue, Timer *timer, unsigned kind);
/* Does nothing for one that was never initialised. */
void timer_done(TimerQueue *queue, Timer *timer);

/* USEC_INFINITY: nothing is due any more. */
void timer_set(TimerQueue *queue, Timer *timer, usec_t when_usec);

static inline bool timer_is_set(const Timer *timer) {
        return timer->when_usec != USEC_INFINITY;
}

/* The timer that is due first, no longer set; NULL when nothing is due at @now_usec. */
Timer *timer_queue_pop(TimerQueue *queue, usec_t now_usec);
usec_t timer_queue_next(const TimerQueue *queue);
