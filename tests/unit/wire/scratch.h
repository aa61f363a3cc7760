/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that are valid but for what a test does to them. */

#include "body.h"
#include "message-random.h"
#include "wire/tlv.h"

typedef struct Scratch {
        RandomMessage original;
        Message decoded;
        Body body;
        Slice valid;            /* the body of @original, encoded */
        FrameBuffer *buffer;
} Scratch;

static inline int scratch_setup(void **state) {
        *state = calloc(1, sizeof(Scratch));
        return *state ? 0 : -1;
}

static inline int scratch_teardown(void **state) {
        Scratch *s = *state;

        s->buffer = frame_buffer_unref(s->buffer);
        free(s);
        return 0;
}

/* A valid message of this type, in @original and @valid; @body begins empty. */
static inline void scratch_encode(Scratch *s, MessageType type) {
        Random random = random_from_run(type);

        s->buffer = frame_buffer_unref(s->buffer);
        message_random(&random, type, 100, &s->original);
        assert_int_equal(message_encode(&s->buffer, &s->original.message), 0);
        s->valid = slice_of(s->buffer->data + FRAME_HEADER_SIZE, s->buffer->size - FRAME_HEADER_SIZE);
        s->body.size = 0;
}

static inline int scratch_decode(Scratch *s, MessageType type) {
        return body_decode(type, s->body.data, s->body.size, &s->decoded);
}

/* What becomes of a valid message whose TLV @tag has this value instead. */
static inline int decode_with(Scratch *s, MessageType type, uint8_t tag, const void *value, size_t size) {
        scratch_encode(s, type);
        body_copy_without(&s->body, s->valid, tag);
        body_add(&s->body, tag, value, size);
        return scratch_decode(s, type);
}

/* The same for a record, with its TLVs: the table is in a REFUTE. */
static inline int decode_record_with(Scratch *s, uint8_t tag, const void *value, size_t size) {
        Body *record = calloc(1, sizeof(Body));
        Slice valid;
        int r;

        assert_non_null(record);
        scratch_encode(s, MESSAGE_REFUTE);
        assert_int_equal(tlv_at(s->valid.data, &valid), TAG_RECORD);
        body_copy_without(record, valid, tag);
        body_add(record, tag, value, size);

        body_add(&s->body, TAG_RECORD, record->data, record->size);
        r = scratch_decode(s, MESSAGE_REFUTE);
        free(record);
        return r;
}

#define with_scratch(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
