/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A peer that is registered with a seed, and renews that. */

#include "overlay.h"

/* What a seed holds of it. */
static const Held held_alive = { .epoch = HARNESS_EPOCH };

/* How long it takes. */
static inline usec_t time_to_renewal(Harness *h, LinkId link) {
        usec_t since_usec = harness_now(h);

        while (!harness_find(h, link, MESSAGE_RENEW)) {
                assert_true(harness_now(h) < since_usec + 60 * SEC);
                harness_advance(h, 10 * MSEC);
        }
        return harness_now(h) - since_usec;
}
