/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A stream of frames, cut anywhere. The first byte chooses the limit, the second the lengths of the pieces in which the
 * rest arrives; what is found must not depend on them.
 */

#include "base/random.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Found {
        size_t n_frames, n_bytes;
        int error;
} Found;

/* Takes the frames off the beginning of a copy of exactly @size bytes, so that a sanitizer sees a step beyond its end. */
static void take_frames(Found *found, const uint8_t *data, size_t size, size_t size_max) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(size, (size_t) 1));
        size_t at = found->n_bytes;

        assert(copy);
        (void) put_bytes(copy, data, size);

        while (found->error == 0) {
                Frame frame;
                ssize_t n = frame_decode(&frame, copy + at, size - at, size_max);

                if (n < 0)
                        found->error = (int) n;
                if (n <= 0)
                        break;

                assert((size_t) n <= size - at && (size_t) n <= size_max);
                assert(frame.body.data == copy + at + FRAME_HEADER_SIZE);
                assert(frame.body.size == (size_t) n - FRAME_HEADER_SIZE);
                assert(frame.type == copy[at + 4] && frame.flags == copy[at + 5]);
                at += (size_t) n;
                found->n_frames++;
        }
        found->n_bytes = at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const size_t limits[] = { FRAME_SIZE_MAX, FRAME_SIZE_MAX_HANDSHAKE, 64, FRAME_HEADER_SIZE };
        Found whole = {}, pieces = {};
        Random random;
        size_t size_max;

        if (size < 2)
                return 0;

        size_max = limits[data[0] % ELEMENTSOF(limits)];
        random = random_from_run(data[1]);
        data += 2;
        size -= 2;

        take_frames(&whole, data, size, size_max);
        for (size_t arrived = 0; arrived < size;) {
                arrived += MIN(1 + random_below(&random, 1 + size / 8), size - arrived);
                take_frames(&pieces, data, arrived, size_max);
        }

        assert(pieces.n_frames == whole.n_frames && pieces.n_bytes == whole.n_bytes && pieces.error == whole.error);
        return 0;
}
