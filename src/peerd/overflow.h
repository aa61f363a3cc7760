/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that a local program has lost because it did not read: told at most once a second, with the sum. */

#include <systemd/sd-event.h>

#include "base/ratelimit.h"

typedef struct Overflow {
        sd_event *event;                        /* borrowed */
        void (*tell)(void *userdata, uint64_t n);       /* @n more are lost */
        void *userdata;
        uint64_t n;                             /* of all times, */
        uint64_t n_untold;                      /* and of them not told yet */
        usec_t told_usec;
        RateLimit log_limit;                    /* for what the journal is told */
        sd_event_source *source;                /* armed while there is something to be told */
} Overflow;

void overflow_init(Overflow *overflow, sd_event *event, void (*tell)(void *userdata, uint64_t n), void *userdata);
/* Also for one that is all zeros. */
void overflow_done(Overflow *overflow);

void overflow_lost(Overflow *overflow, uint64_t n);
/* Whether the journal may have a line about it, too. */
bool overflow_may_log(Overflow *overflow);
