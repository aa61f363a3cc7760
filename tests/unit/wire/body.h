/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bodies put together TLV by TLV, well or badly. */

#include "base/bytes.h"
#include "unit.h"
#include "wire/message.h"

typedef struct Body {
        uint8_t data[128 * 1024];
        size_t size;
} Body;

static inline void body_add(Body *body, uint8_t tag, const void *value, size_t size) {
        uint8_t *p = body->data + body->size;

        assert_true(size <= sizeof(body->data) - body->size - 4);
        (void) put_bytes(put_be24(put_u8(p, tag), (uint32_t) size), value, size);
        body->size += 4 + size;
}

/* The first TLV at @data. */
static inline uint8_t tlv_at(const uint8_t *data, Slice *ret_value) {
        *ret_value = slice_of(data + 4, get_be24(data + 1));
        return data[0];
}

/* Copies the TLVs of @source but those of @tag. */
static inline void body_copy_without(Body *body, Slice source, uint8_t tag) {
        for (size_t i = 0; i < source.size;) {
                Slice value;
                uint8_t t = tlv_at(source.data + i, &value);

                if (t != tag)
                        body_add(body, t, value.data, value.size);
                i += 4 + value.size;
        }
}

/* Decodes a copy of exactly the right size, so that a sanitizer sees a step beyond its end. The copy is freed: the
 * slices of @ret are gone. When the body is refused @ret must be as it was. */
static inline int body_decode(MessageType type, const uint8_t *data, size_t size, Message *ret) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(size, (size_t) 1));
        _cleanup_free_ Message *before = malloc(sizeof(Message));
        int r;

        assert_non_null(copy);
        assert_non_null(before);
        (void) put_bytes(copy, data, size);
        memcpy(before, ret, sizeof(*ret));

        r = message_decode(ret, &(Frame) { .type = (uint8_t) type, .body = slice_of(copy, size) });
        if (r <= 0)
                assert_memory_equal(ret, before, sizeof(*ret));
        return r;
}
