/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the counts of a histogram say. They are those of GetHistogram(): @n of them, for @n - 1 ascending bounds. */

#include "base/macro.h"

uint64_t counts_total(const uint64_t *counts, size_t n);

/**
 * counts_percentile() - what so many per cent of all values do not exceed
 * @max:        the largest value
 * @percent:    1 to 100
 * @ret:        the largest value that the bucket can hold in which the percentile lies; never above @max
 *
 * Return: 0, -ENODATA without any values.
 */
int counts_percentile(const uint64_t *bounds, const uint64_t *counts, size_t n, uint64_t max, unsigned percent, uint64_t *ret);
