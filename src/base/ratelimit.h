/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * At most so many events per interval, counted in fixed windows; what is refused is counted, too. The rate is the caller's, and
 * mostly a constant: of the many things that are limited each keeps its count alone. One of zeros has counted nothing yet.
 */

#include "base/macro.h"
#include "base/usec.h"

typedef struct Rate {
        unsigned burst;
        usec_t interval_usec;
} Rate;

typedef struct RateLimit {
        usec_t begin_usec;      /* of the current window; 0 before the first event */
        unsigned n;             /* let through in this window */
        unsigned n_refused;     /* since the caller last took it */
} RateLimit;

/* True when one more event is allowed at @now_usec. */
static inline bool ratelimit_allow(RateLimit *limit, Rate rate, usec_t now_usec) {
        if (limit->n == 0 || now_usec >= usec_add(limit->begin_usec, rate.interval_usec)) {
                limit->begin_usec = now_usec;
                limit->n = 0;
        }
        if (limit->n < rate.burst) {
                limit->n++;
                return true;
        }
        limit->n_refused++;
        return false;
}

/* How many were refused since the last call: for the line that sums them up. */
static inline unsigned ratelimit_take_refused(RateLimit *limit) {
        unsigned n = limit->n_refused;

        limit->n_refused = 0;
        return n;
}
