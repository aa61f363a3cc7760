/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/frame.h"

#include <errno.h>

ssize_t frame_decode(Frame *ret, const uint8_t *data, size_t size, size_t size_max) {
        size_t frame_size;

        if (size < FRAME_LENGTH_SIZE)
                return 0;

        frame_size = FRAME_LENGTH_SIZE + (size_t) get_be32(data);
        if (frame_size > size_max)
                return -EMSGSIZE;
        if (frame_size < FRAME_HEADER_SIZE)
                return -EBADMSG;
        if (size < frame_size)
                return 0;

        *ret = (Frame) {
                .type = data[4],
                .flags = data[5],
                .body = slice_of(data + FRAME_HEADER_SIZE, frame_size - FRAME_HEADER_SIZE),
        };
        return (ssize_t) frame_size;
}

FrameBuffer *frame_buffer_new(size_t size) {
        FrameBuffer *buffer;

        assert(size <= SIZE_MAX - sizeof(FrameBuffer));

        buffer = malloc(sizeof(FrameBuffer) + size);
        if (!buffer)
                return NULL;

        buffer->n_ref = 1;
        buffer->size = size;
        return buffer;
}
