/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/patterns.h"

#include <errno.h>
#include <fnmatch.h>

#include "base/text.h"
#include "wire/message.h"

void patterns_done(Patterns *patterns) {
        for (size_t i = 0; i < patterns->n; i++)
                free(patterns->patterns[i]);
        patterns->n = 0;
}

int patterns_read(Patterns *patterns, sd_bus_message *m, sd_bus_error *error) {
        const char *pattern;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &pattern)) > 0) {
                size_t size = strlen(pattern);

                if (patterns->n == PATTERNS_MAX)
                        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Found more than %u patterns.",
                                                 PATTERNS_MAX);
                if (size < 1 || size > TOPIC_MAX || !ascii_is_printable(pattern, size))
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                                 "A pattern has %zu bytes or is not printable; accepted are 1 to %u bytes of "
                                                 "printable ASCII.", size, TOPIC_MAX);
                patterns->patterns[patterns->n] = strdup(pattern);
                if (!patterns->patterns[patterns->n])
                        return -ENOMEM;
                patterns->n++;
        }
        if (r < 0)
                return r;
        if (patterns->n == 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Found no pattern, at least one is needed.");
        return sd_bus_message_exit_container(m);
}

bool patterns_match(const Patterns *patterns, const char *topic) {
        for (size_t i = 0; i < patterns->n; i++)
                if (fnmatch(patterns->patterns[i], topic, 0) == 0)
                        return true;
        return false;
}
