/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/random.h"

static uint64_t splitmix64(uint64_t *x) {
        uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, unsigned k) {
        return (x << k) | (x >> (64 - k));
}

Random random_from_run(uint64_t run) {
        Random random;

        for (size_t i = 0; i < ELEMENTSOF(random.state); i++)
                random.state[i] = splitmix64(&run);
        return random;
}

uint64_t random_u64(Random *random) {
        uint64_t *s = random->state, result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotate_left(s[3], 45);
        return result;
}

uint64_t random_below(Random *random, uint64_t n) {
        uint64_t x, threshold;

        assert(n > 0);

        /* Values below 2^64 mod n would make the low residues likelier: draw again (OpenBSD's arc4random_uniform). */
        threshold = -n % n;
        do
                x = random_u64(random);
        while (x < threshold);
        return x % n;
}

usec_t random_jitter(Random *random, usec_t t) {
        return t < 2 || t == USEC_INFINITY ? t : usec_add(t / 2, random_below(random, t));
}

void random_shuffle(Random *random, void *base, size_t n, size_t size) {
        uint8_t *bytes = base, swap[64];

        assert(size <= sizeof(swap));

        for (size_t i = n; i > 1; i--) {
                size_t j = random_below(random, i);

                memcpy(swap, bytes + (i - 1) * size, size);
                memmove(bytes + (i - 1) * size, bytes + j * size, size);
                memcpy(bytes + j * size, swap, size);
        }
}
