/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Callers by turns: so many are taken in a second, and whoever comes beyond that is told when to come again, each for a turn of
 * its own. So a crowd that calls at once, or comes back at once, is served one after the other, and does not call again and again
 * meanwhile. One of zeros has taken nobody.
 */

#include <stdbool.h>

#include "base/usec.h"

#define TURNS_AT_ONCE 256U                      /* that are taken when nobody came before */
#define TURN_WAIT_MIN_USEC (200 * USEC_PER_MSEC)
#define TURN_WAIT_MAX_USEC (20 * USEC_PER_SEC)

typedef struct Turns {
        usec_t taken_usec;      /* the turns of those that were taken end then, if they follow one another */
        usec_t told_usec;       /* the last one that somebody was told */
} Turns;

/* Whether one more is taken now, each for a turn of @turn_usec; 0: everybody is. */
bool turns_take(Turns *turns, usec_t turn_usec, usec_t now_usec);

/* For one that is not: how long it is to stay away, from TURN_WAIT_MIN_USEC to TURN_WAIT_MAX_USEC. When all turns until then are
 * given, they are given once more from the first one on: whoever comes too early gets another one. */
usec_t turns_tell(Turns *turns, usec_t turn_usec, usec_t now_usec);
