/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t get_le64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));       /* one load, where a loop over bytes is not recognized as one */
        return le64toh(v);
}

static inline uint64_t rotate_left(uint64_t x, unsigned k) {
        return (x << k) | (x >> (64 - k));
}

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4]) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate_left(v[1], 13) ^ v[0];
        v[3] = rotate_left(v[3], 16) ^ v[2];
        v[0] = rotate_left(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate_left(v[1], 17) ^ v[2];
        v[3] = rotate_left(v[3], 21) ^ v[0];
        v[2] = rotate_left(v[2], 32);
}

/* Numbers of rounds that are known where this is inlined let the state stay in registers. */
static inline __attribute__((always_inline)) uint64_t siphash(const uint8_t *p, size_t size, const SipKey *key, unsigned n_each,
                                                              unsigned n_last) {
        uint64_t k0 = get_le64(key->bytes), k1 = get_le64(key->bytes + 8), last = (uint64_t) size << 56;
        uint64_t v[4] = {
                k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573),
        };

        for (; size >= 8; size -= 8, p += 8) {
                uint64_t word = get_le64(p);

                v[3] ^= word;
                for (unsigned i = 0; i < n_each; i++)
                        sip_round(v);
                v[0] ^= word;
        }
        for (size_t i = 0; i < size; i++)
                last |= (uint64_t) p[i] << (8 * i);

        v[3] ^= last;
        for (unsigned i = 0; i < n_each; i++)
                sip_round(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (unsigned i = 0; i < n_last; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash24(const void *data, size_t size, const SipKey *key) {
        return siphash(data, size, key, 2, 4);
}

uint64_t siphash13(const void *data, size_t size, const SipKey *key) {
        return siphash(data, size, key, 1, 3);
}
