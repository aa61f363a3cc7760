/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Time, in microseconds. Points in time are CLOCK_BOOTTIME and are handed in by whoever owns a clock; nothing in
 * base, wire or core reads one.
 */

#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC ((usec_t) 1000)
#define USEC_PER_SEC ((usec_t) 1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)

/* Saturating: what would overflow, or was infinite before, is USEC_INFINITY. */
static inline usec_t usec_add(usec_t a, usec_t b) {
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

/* Saturating: never below zero; an infinite time stays infinite. */
static inline usec_t usec_sub(usec_t a, usec_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}
