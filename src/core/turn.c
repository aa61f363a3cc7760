/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/turn.h"

#include "base/macro.h"

bool turns_take(Turns *turns, usec_t turn_usec, usec_t now_usec) {
        usec_t from_usec = MAX(turns->taken_usec, now_usec);

        if (from_usec - now_usec > (TURNS_AT_ONCE - 1) * turn_usec)
                return false;
        turns->taken_usec = from_usec + turn_usec;
        return true;
}

usec_t turns_tell(Turns *turns, usec_t turn_usec, usec_t now_usec) {
        usec_t first_usec = usec_add(now_usec, TURN_WAIT_MIN_USEC);

        turns->told_usec = MAX(usec_add(turns->told_usec, turn_usec), first_usec);
        if (turns->told_usec > usec_add(now_usec, TURN_WAIT_MAX_USEC))
                turns->told_usec = first_usec;
        return turns->told_usec - now_usec;
}
