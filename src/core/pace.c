/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/pace.h"

#define SLOT_USEC (PACE_USEC / PACE_SLOTS)

/* Drops what has left the window: a slot does as a whole, when its end has. */
static void advance(Pace *pace, usec_t now_usec) {
        usec_t n = usec_sub(now_usec, pace->newest_usec) / SLOT_USEC;

        if (n > PACE_SLOTS || pace->total == 0) {
                *pace = (Pace) { .newest_usec = now_usec };
                return;
        }
        for (; n > 0; n--) {
                pace->newest = (pace->newest + 1) % PACE_SLOTS;
                pace->newest_usec += SLOT_USEC;
                pace->total -= pace->slots[pace->newest];
                pace->slots[pace->newest] = 0;
        }
}

void pace_add(Pace *pace, size_t size, usec_t now_usec) {
        advance(pace, now_usec);
        pace->slots[pace->newest] += size;
        pace->total += size;
}

usec_t pace_wait_usec(Pace *pace, size_t size, size_t max, usec_t now_usec) {
        usec_t wait_usec = 0;
        size_t left;

        advance(pace, now_usec);
        left = pace->total;
        for (unsigned i = 1; left > 0 && (size > max || left > max - size); i++) {
                left -= pace->slots[(pace->newest + i) % PACE_SLOTS];
                wait_usec = pace->newest_usec + i * SLOT_USEC - now_usec;
        }
        return wait_usec;
}
