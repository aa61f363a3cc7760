/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/since.h"

#include <errno.h>

#include "base/text.h"
#include "bus/message-id.h"

#define AGO_SECONDS_MAX (366U * 24U * 60U * 60U)

static int since_read_value(sd_bus_message *m, Since *ret, sd_bus_error *error) {
        uint64_t seconds;
        const char *type, *text;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;

        if (streq(type, "t")) {
                r = sd_bus_message_read(m, "v", "t", &seconds);
                if (r < 0)
                        return r;
                *ret = (Since) { .kind = SINCE_AGO, .ago_usec = MIN(seconds, (uint64_t) AGO_SECONDS_MAX) * USEC_PER_SEC };
                return 0;
        }
        if (streq(type, "s")) {
                r = sd_bus_message_read(m, "v", "s", &text);
                if (r < 0)
                        return r;
                ret->kind = SINCE_MESSAGE;
                if (message_id_parse(text, &ret->id) >= 0)
                        return 0;
        }
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                "The option 'since' has to be a number of seconds (t), or the id of a message (s).");
}

int since_read(sd_bus_message *m, Since *ret, sd_bus_error *error) {
        int r;

        *ret = (Since) {};
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                if (!streq(key, "since"))
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Found the option '%.40s', accepted is since.",
                                                 key);
                r = since_read_value(m, ret, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}
