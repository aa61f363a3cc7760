/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/histogram.h"

#include <assert.h>

uint64_t histogram_bound(const Histogram *histogram, size_t i) {
        assert(i < HISTOGRAM_BOUNDS);

        return histogram->linear ? histogram->unit * (i + 1) : histogram->unit << i;
}

void histogram_add(Histogram *histogram, uint64_t value) {
        uint64_t units = value / histogram->unit;
        size_t i;

        if (histogram->linear)
                i = (size_t) MIN(units, (uint64_t) HISTOGRAM_BOUNDS);
        else
                i = units == 0 ? 0 : MIN((size_t) (64 - __builtin_clzll(units)), (size_t) HISTOGRAM_BOUNDS);

        histogram->counts[i]++;
        histogram->sum = histogram->sum > UINT64_MAX - value ? UINT64_MAX : histogram->sum + value;
        histogram->max = MAX(histogram->max, value);
}
