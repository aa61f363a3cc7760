/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The body of a message: its type is the first byte, and a type of 0 is a record alone. What decodes must encode to
 * something that decodes as the same again, and is not longer than what it came from.
 */

#include "message-text.h"
#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same(const Message *a, const Message *b) {
        _cleanup_free_ char *text_a = message_to_text(a), *text_b = message_to_text(b);

        assert(text_a && text_b && streq(text_a, text_b));
}

static void try_record(Slice body) {
        static Message a, b;
        uint8_t buffer[RECORD_SIZE_MAX];
        size_t size;

        if (record_decode(&a.reg.record, body) < 0)
                return;

        size = record_encode(&a.reg.record, buffer);
        assert(size <= body.size);
        assert(record_decode(&b.reg.record, slice_of(buffer, size)) == 0);

        a.type = b.type = MESSAGE_REFUTE;
        assert_same(&a, &b);
}

static void try_message(uint8_t type, Slice body) {
        static Message a, b;
        _cleanup_(frame_buffer_unrefp) FrameBuffer *buffer = NULL;
        Frame frame = { .type = type, .body = body };
        int r;

        r = message_decode(&a, &frame);
        if (r <= 0)
                return;

        r = message_encode(&buffer, &a);
        assert(r == 0);
        assert(buffer->size == message_encoded_size(&a));
        assert(frame_decode(&frame, buffer->data, buffer->size, FRAME_SIZE_MAX) == (ssize_t) buffer->size);
        assert(frame.type == type);
        assert(frame.body.size <= body.size);
        assert(message_decode(&b, &frame) == 1);
        assert_same(&a, &b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *copy = NULL;
        Slice body;

        if (size < 1 || size > FRAME_SIZE_MAX)
                return 0;

        /* Exactly as long as the body, so that a sanitizer sees a step beyond its end. */
        copy = malloc(MAX(size - 1, (size_t) 1));
        assert(copy);
        (void) put_bytes(copy, data + 1, size - 1);
        body = slice_of(copy, size - 1);

        if (data[0] == 0)
                try_record(body);
        else
                try_message(data[0], body);
        return 0;
}
