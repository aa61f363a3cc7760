/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/distribution.h"

#include "base/text.h"
#include "base/usec.h"

static const struct {
        const char *name;
        uint64_t unit;
        bool linear;
} kinds[_DISTRIBUTION_MAX] = {
        /* Ages go over the wire in whole milliseconds, rounded down. */
        [DISTRIBUTION_DELIVERY_AGE] = { "DeliveryAgeUSec", USEC_PER_MSEC, false },
        [DISTRIBUTION_DELIVERY_HOPS] = { "DeliveryHops", 1, true },
        [DISTRIBUTION_ROUND_TRIP] = { "RoundTripUSec", 16, false },
};

void distributions_init(Distributions *distributions) {
        *distributions = (Distributions) {};
        for (Distribution i = 0; i < _DISTRIBUTION_MAX; i++)
                distributions->histograms[i] = (Histogram) { .unit = kinds[i].unit, .linear = kinds[i].linear };
}

const char *distribution_to_string(Distribution distribution) {
        return distribution >= 0 && distribution < _DISTRIBUTION_MAX ? kinds[distribution].name : NULL;
}

Distribution distribution_from_string(const char *name) {
        for (Distribution i = 0; i < _DISTRIBUTION_MAX; i++)
                if (streq(kinds[i].name, name))
                        return i;
        return _DISTRIBUTION_INVALID;
}
