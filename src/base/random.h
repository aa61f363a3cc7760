/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A repeatable pseudo-random generator: xoshiro256** (Blackman, Vigna, "Scrambled linear pseudorandom number
 * generators", ACM TOMS 47, 2021), filled from a run number by SplitMix64. Not for secrets: ids and keys come from
 * the kernel.
 */

#include "base/macro.h"
#include "base/usec.h"

typedef struct Random {
        uint64_t state[4];
} Random;

/* The same run number gives the same sequence on every machine. */
Random random_from_run(uint64_t run);

uint64_t random_u64(Random *random);

/* Uniform in [0, n), without modulo bias. @n must not be 0. */
uint64_t random_below(Random *random, uint64_t n);

/* Uniform in [t/2, t + t/2): the "+-50 %" of every periodic timer, so that nodes do not march in step.
 * Below 2 us, and when infinite, @t itself. */
usec_t random_jitter(Random *random, usec_t t);

/* Shuffles @n elements of @size bytes in place (Fisher-Yates); @size is at most 64. */
void random_shuffle(Random *random, void *base, size_t n, size_t size);
