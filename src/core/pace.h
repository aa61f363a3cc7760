/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How much was published lately, in bytes: a sliding window, in slots, so that its cost does not grow with the rate. One of zeros
 * is empty.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/usec.h"

#define PACE_USEC (600 * USEC_PER_MSEC)         /* the window */
#define PACE_SLOTS 16U

typedef struct Pace {
        size_t slots[PACE_SLOTS];       /* the newest at @newest, older ones behind it, round */
        unsigned newest;
        usec_t newest_usec;             /* when that one began */
        size_t total;
} Pace;

void pace_add(Pace *pace, size_t size, usec_t now_usec);

/**
 * pace_wait_usec() - how long until @size more bytes are no more than @max within the window
 *
 * Whatever is larger than @max alone waits until the window is empty.
 *
 * Return: 0: not at all.
 */
usec_t pace_wait_usec(Pace *pace, size_t size, size_t max, usec_t now_usec);
