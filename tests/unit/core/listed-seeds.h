/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A peer and the seeds of its list. */

#include "overlay.h"

static inline SeedInfo seed_info(Harness *h, size_t index) {
        return node_seed_at(harness_node(h), index);
}

/* How many of the names seed-1 to seed-<n> are being looked up. */
static inline unsigned n_asked_for(Harness *h, uint8_t n) {
        unsigned n_asked = 0;

        for (uint8_t i = 1; i <= n; i++)
                n_asked += harness_asked_for(h, i);
        return n_asked;
}

static inline void set_seeds_up_to(Harness *h, uint8_t n) {
        uint8_t numbers[SEEDS_MAX + 1] = {};

        for (uint8_t i = 0; i < n; i++)
                numbers[i] = (uint8_t) (i + 1);
        harness_set_seeds(h, numbers);
}
