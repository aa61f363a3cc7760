/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames: the unit in which messages travel, and the reference-counted buffer in which one waits to be sent.
 *
 *      u32 length      of all that follows, big-endian
 *      u8  type        MessageType
 *      u8  flags       sent as 0, ignored when received
 *      TLVs            length - 2 bytes
 */

#include <sys/types.h>

#include "base/bytes.h"

#define FRAME_LENGTH_SIZE 4U
#define FRAME_HEADER_SIZE 6U
#define FRAME_SIZE_MAX (1024U * 1024U + 4096U)          /* of the whole frame, its length field included */
#define FRAME_SIZE_MAX_HANDSHAKE (64U * 1024U)          /* until HELLO_OK has been sent or received */

typedef struct Frame {
        uint8_t type;
        uint8_t flags;
        Slice body;             /* the TLVs; borrowed from the bytes that were decoded */
} Frame;

/**
 * frame_decode() - find the first frame in a stretch of bytes
 * @ret:        written when the result is positive
 * @size_max:   FRAME_SIZE_MAX, or FRAME_SIZE_MAX_HANDSHAKE
 *
 * The length is checked before anything else is waited for: a frame that could never be accepted is refused at its
 * fourth byte.
 *
 * Return: the size of the frame; 0 when more bytes are needed; -EMSGSIZE when it is longer than @size_max;
 * -EBADMSG when it is shorter than its own header.
 */
ssize_t frame_decode(Frame *ret, const uint8_t *data, size_t size, size_t size_max);

/* An encoded frame, immutable once it is shared. */
typedef struct FrameBuffer {
        unsigned n_ref;
        size_t size;
        uint8_t data[];
} FrameBuffer;

/* A buffer of @size bytes with one reference, its bytes not set; NULL when out of memory. */
FrameBuffer *frame_buffer_new(size_t size);

static inline FrameBuffer *frame_buffer_ref(FrameBuffer *buffer) {
        assert(buffer->n_ref > 0);

        buffer->n_ref++;
        return buffer;
}

/* Takes NULL, returns NULL. */
static inline FrameBuffer *frame_buffer_unref(FrameBuffer *buffer) {
        assert(!buffer || buffer->n_ref > 0);

        if (buffer && --buffer->n_ref == 0)
                free(buffer);
        return NULL;
}

DEFINE_CLEANUP(FrameBuffer *, frame_buffer_unref)
