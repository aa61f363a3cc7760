/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/percentile.h"

#include <errno.h>

uint64_t counts_total(const uint64_t *counts, size_t n) {
        uint64_t total = 0;

        for (size_t i = 0; i < n; i++)
                total += counts[i];
        return total;
}

int counts_percentile(const uint64_t *bounds, const uint64_t *counts, size_t n, uint64_t max, unsigned percent, uint64_t *ret) {
        uint64_t total = counts_total(counts, n), wanted, seen = 0;

        if (total == 0)
                return -ENODATA;

        /* As many as that, rounded up; in two steps, which no total makes too large. */
        wanted = total / 100 * percent + (total % 100 * percent + 99) / 100;
        for (size_t i = 0; i + 1 < n; i++) {
                seen += counts[i];
                if (seen >= wanted) {
                        *ret = MIN(bounds[i] - 1, max);
                        return 0;
                }
        }
        *ret = max;
        return 0;
}
