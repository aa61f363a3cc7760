/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/log-limit.h"

#include "daemon/log.h"

static int log_limit_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        LogLimit *limit = userdata;
        unsigned n = ratelimit_take_refused(&limit->limit);

        if (n > 0)
                log_info("%u more %s in the last second.", n, n == 1 ? limit->one : limit->many);
        return 0;
}

int log_limit_init(LogLimit *limit, sd_event *event, unsigned n_per_second, const char *one, const char *many) {
        int r;

        *limit = (LogLimit) {
                .rate = { n_per_second, USEC_PER_SEC },
                .one = one,
                .many = many,
        };

        r = sd_event_add_time(event, &limit->source, CLOCK_BOOTTIME, 0, 0, log_limit_on_timer, limit);
        return r < 0 ? r : sd_event_source_set_enabled(limit->source, SD_EVENT_OFF);
}

void log_limit_done(LogLimit *limit) {
        limit->source = sd_event_source_disable_unref(limit->source);
}

bool log_limit_allow(LogLimit *limit, usec_t now_usec) {
        if (ratelimit_allow(&limit->limit, limit->rate, now_usec))
                return true;

        if (limit->limit.n_refused == 1) {
                (void) sd_event_source_set_time(limit->source, usec_add(limit->limit.begin_usec, limit->rate.interval_usec));
                (void) sd_event_source_set_enabled(limit->source, SD_EVENT_ONESHOT);
        }
        return false;
}
