/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How what a node observes is distributed. The node fills in what its shell keeps, see node_set_distributions(). */

#include "base/histogram.h"

typedef enum Distribution {
        DISTRIBUTION_DELIVERY_AGE,      /* of messages of others when they were delivered here, in us */
        DISTRIBUTION_DELIVERY_HOPS,     /* links that these have crossed */
        DISTRIBUTION_ROUND_TRIP,        /* over links, in us, each measurement by itself */
        _DISTRIBUTION_MAX,
        _DISTRIBUTION_INVALID = -22,    /* -EINVAL */
} Distribution;

typedef struct Distributions {
        Histogram histograms[_DISTRIBUTION_MAX];
} Distributions;

/* All empty, with their bounds. */
void distributions_init(Distributions *distributions);

/* "DeliveryHops", the name in GetHistogram. */
const char *distribution_to_string(Distribution distribution);
Distribution distribution_from_string(const char *name);
