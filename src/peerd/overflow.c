/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/overflow.h"

#include "io/clock.h"

#define INTERVAL_USEC USEC_PER_SEC

void overflow_init(Overflow *overflow, sd_event *event, void (*tell)(void *userdata, uint64_t n), void *userdata) {
        *overflow = (Overflow) {
                .event = event, .tell = tell, .userdata = userdata,
        };
}

void overflow_done(Overflow *overflow) {
        overflow->source = sd_event_source_disable_unref(overflow->source);
}

static void overflow_tell(Overflow *overflow) {
        uint64_t n = overflow->n_untold;

        overflow->n_untold = 0;
        overflow->told_usec = event_now(overflow->event);
        overflow->tell(overflow->userdata, n);
}

static int overflow_on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        overflow_tell(userdata);
        return 0;
}

void overflow_lost(Overflow *overflow, uint64_t n) {
        usec_t next_usec = usec_add(overflow->told_usec, INTERVAL_USEC);

        if (n == 0)
                return;
        overflow->n += n;
        overflow->n_untold += n;

        if (event_now(overflow->event) >= next_usec)
                overflow_tell(overflow);
        else if (!overflow->source)
                (void) sd_event_add_time(overflow->event, &overflow->source, CLOCK_BOOTTIME, next_usec, 0, overflow_on_time, overflow);
        else if (sd_event_source_get_enabled(overflow->source, NULL) == 0 &&
                 sd_event_source_set_time(overflow->source, next_usec) >= 0)
                (void) sd_event_source_set_enabled(overflow->source, SD_EVENT_ONESHOT);
}

bool overflow_may_log(Overflow *overflow) {
        return ratelimit_allow(&overflow->log_limit, (Rate) { 1, USEC_PER_MINUTE }, event_now(overflow->event));
}
