/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From where on a subscriber wants messages: by default those published after it has subscribed. */

#include <systemd/sd-bus.h>

#include "base/usec.h"
#include "wire/message.h"

typedef struct Since {
        enum {
                SINCE_NOW,
                SINCE_AGO,              /* stored ones, too, that were published at most @ago_usec ago */
                SINCE_MESSAGE,          /* those that were delivered here after that one */
        } kind;
        usec_t ago_usec;
        MessageId id;
} Since;

#define SINCE_AGE_SLACK_USEC USEC_PER_SEC       /* the age of a message is what its holders add up */

/* Whether a message was published after that time, as far as its age tells; 0: they all were. */
static inline bool since_is_due(usec_t published_usec, usec_t age_usec, usec_t now_usec) {
        return published_usec == 0 || usec_add(now_usec, SINCE_AGE_SLACK_USEC) >= usec_add(published_usec, age_usec);
}

/* The a{sv} of Subscribe(). Return: 0, or an error, with a sentence in @error. */
int since_read(sd_bus_message *m, Since *ret, sd_bus_error *error);
