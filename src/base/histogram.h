/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How values are distributed, in a fixed amount of memory: counts by bounds that are given once. Either every unit has a
 * bucket of its own, for what is counted in ones, or each bound is twice the one before it, for durations.
 */

#include "base/macro.h"

#define HISTOGRAM_BOUNDS 24U

typedef struct Histogram {
        uint64_t unit;          /* the lowest bound */
        bool linear;            /* bounds are multiples of it; else they double */
        uint64_t counts[HISTOGRAM_BOUNDS + 1];  /* of what is below the bound of that number, and not below the one before; the
                                                 * last: of what is not below any */
        uint64_t sum, max;      /* of the values; a sum that would be too large stays at the largest number */
} Histogram;

/* The bound of a bucket; the last bucket has none. */
uint64_t histogram_bound(const Histogram *histogram, size_t i);

void histogram_add(Histogram *histogram, uint64_t value);
