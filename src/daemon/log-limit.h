/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For lines that a remote can cause: so many a second, and then one line that says how many more there were. */

#include <systemd/sd-event.h>

#include "base/ratelimit.h"

typedef struct LogLimit {
        RateLimit limit;
        Rate rate;
        const char *one, *many;         /* "event", "events": "12 more events in the last second." */
        sd_event_source *source;        /* armed while something was left out */
} LogLimit;

/* @one and @many are static. Return: 0, or an error of sd-event. */
int log_limit_init(LogLimit *limit, sd_event *event, unsigned n_per_second, const char *one, const char *many);
void log_limit_done(LogLimit *limit);

/* True when one more line may be written. */
bool log_limit_allow(LogLimit *limit, usec_t now_usec);
