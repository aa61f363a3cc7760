/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one clock of the daemons: CLOCK_BOOTTIME, which goes on while the machine sleeps. */

#include <systemd/sd-event.h>
#include <time.h>

#include "base/macro.h"
#include "base/usec.h"

/* The time at which the loop woke up: every event of one turn has the same. */
static inline usec_t event_now(sd_event *event) {
        uint64_t usec = 0;
        int r;

        r = sd_event_now(event, CLOCK_BOOTTIME, &usec);
        assert(r >= 0);         /* fails only for clocks that do not exist and after a fork */
        (void) r;
        return usec;
}

/* The time now, for what happens before the loop runs. */
static inline usec_t clock_now(clockid_t clock) {
        struct timespec ts;
        int r;

        r = clock_gettime(clock, &ts);
        assert(r >= 0);
        (void) r;
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}
