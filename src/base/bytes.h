/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Borrowed stretches of bytes, and big-endian integers in them. No alignment is assumed. */

#include "base/macro.h"

typedef struct Slice {
        const uint8_t *data;    /* borrowed */
        size_t size;
} Slice;

static inline Slice slice_of(const void *data, size_t size) {
        return (Slice) { .data = data, .size = size };
}

static inline uint16_t get_be16(const uint8_t *p) {
        return (uint16_t) (p[0] << 8 | p[1]);
}

static inline uint32_t get_be24(const uint8_t *p) {
        return (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];
}

static inline uint32_t get_be32(const uint8_t *p) {
        return (uint32_t) get_be16(p) << 16 | get_be16(p + 2);
}

static inline uint64_t get_be64(const uint8_t *p) {
        return (uint64_t) get_be32(p) << 32 | get_be32(p + 4);
}

static inline uint8_t *put_u8(uint8_t *p, uint8_t v) {
        *p = v;
        return p + 1;
}

static inline uint8_t *put_be16(uint8_t *p, uint16_t v) {
        p[0] = (uint8_t) (v >> 8);
        p[1] = (uint8_t) v;
        return p + 2;
}

static inline uint8_t *put_be24(uint8_t *p, uint32_t v) {
        return put_be16(put_u8(p, (uint8_t) (v >> 16)), (uint16_t) v);
}

static inline uint8_t *put_be32(uint8_t *p, uint32_t v) {
        return put_be16(put_be16(p, (uint16_t) (v >> 16)), (uint16_t) v);
}

static inline uint8_t *put_be64(uint8_t *p, uint64_t v) {
        return put_be32(put_be32(p, (uint32_t) (v >> 32)), (uint32_t) v);
}

/* @size may be 0, and then @data NULL. Returns the byte after what was written. */
static inline uint8_t *put_bytes(uint8_t *p, const void *data, size_t size) {
        if (size > 0)
                memcpy(p, data, size);
        return p + size;
}
