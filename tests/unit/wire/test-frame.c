/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/frame.h"

#include <errno.h>

#include "unit.h"

/* On the heap and exactly @size long, so that a sanitizer sees a step beyond its end. */
static uint8_t *frame_bytes(uint32_t length, size_t size) {
        uint8_t *data = malloc(MAX(size, (size_t) 1)), header[FRAME_HEADER_SIZE] = { 0, 0, 0, 0, 0x50, 0x7f };

        assert_non_null(data);
        memset(data, 0xaa, MAX(size, (size_t) 1));
        (void) put_be32(header, length);
        memcpy(data, header, MIN(size, sizeof(header)));
        return data;
}

static void test_every_split_waits_for_the_rest(void **state) {
        Frame frame = { .type = 1 }, before = frame;

        for (size_t size = 0; size <= 24; size++) {
                _cleanup_free_ uint8_t *data = frame_bytes(20, size);
                ssize_t n = frame_decode(&frame, data, size, FRAME_SIZE_MAX);

                if (size < 24) {
                        assert_int_equal(n, 0);
                        assert_memory_equal(&frame, &before, sizeof(frame));
                        continue;
                }
                assert_int_equal(n, 24);
                assert_int_equal(frame.type, 0x50);
                assert_int_equal(frame.flags, 0x7f);
                assert_ptr_equal(frame.body.data, data + 6);
                assert_int_equal(frame.body.size, 18);
        }
}

static void test_frames_follow_each_other(void **state) {
        const uint8_t data[] = { 0, 0, 0, 2, 1, 0, 0, 0, 0, 3, 2, 0, 99, 0, 0, 0, 2, 3 };
        Frame frame;

        assert_int_equal(frame_decode(&frame, data, sizeof(data), FRAME_SIZE_MAX), 6);
        assert_int_equal(frame.type, 1);
        assert_int_equal(frame.body.size, 0);
        assert_int_equal(frame_decode(&frame, data + 6, sizeof(data) - 6, FRAME_SIZE_MAX), 7);
        assert_int_equal(frame.type, 2);
        assert_int_equal(frame.body.size, 1);
        assert_int_equal(frame.body.data[0], 99);
        assert_int_equal(frame_decode(&frame, data + 13, sizeof(data) - 13, FRAME_SIZE_MAX), 0);
}

static void test_frames_shorter_than_their_header_are_refused_at_once(void **state) {
        Frame frame;

        for (uint32_t length = 0; length < 2; length++)
                for (size_t size = 0; size < 8; size++) {
                        _cleanup_free_ uint8_t *data = frame_bytes(length, size);

                        assert_int_equal(frame_decode(&frame, data, size, FRAME_SIZE_MAX), size < 4 ? 0 : -EBADMSG);
                }
}

static void test_limits_are_of_the_whole_frame(void **state) {
        static const size_t limits[] = { FRAME_SIZE_MAX, FRAME_SIZE_MAX_HANDSHAKE };
        Frame frame;

        assert_int_equal(FRAME_SIZE_MAX, 1052672);
        assert_int_equal(FRAME_SIZE_MAX_HANDSHAKE, 65536);

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                _cleanup_free_ uint8_t *data = frame_bytes((uint32_t) limits[i] - 4, limits[i]);

                assert_int_equal(frame_decode(&frame, data, limits[i] - 1, limits[i]), 0);
                assert_int_equal(frame_decode(&frame, data, limits[i], limits[i]), limits[i]);
                assert_int_equal(frame.body.size, limits[i] - FRAME_HEADER_SIZE);
        }
}

static void test_too_long_is_refused_at_the_fourth_byte(void **state) {
        static const struct {
                size_t limit;
                uint32_t length;
        } rows[] = {
                { FRAME_SIZE_MAX, FRAME_SIZE_MAX - 3 },
                { FRAME_SIZE_MAX, UINT32_MAX },
                { FRAME_SIZE_MAX, UINT32_MAX - 3 },
                { FRAME_SIZE_MAX_HANDSHAKE, FRAME_SIZE_MAX_HANDSHAKE - 3 },
                { FRAME_SIZE_MAX_HANDSHAKE, FRAME_SIZE_MAX - 4 },
        };
        Frame frame;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t size = 0; size < 8; size++) {
                        _cleanup_free_ uint8_t *data = frame_bytes(rows[i].length, size);

                        assert_int_equal(frame_decode(&frame, data, size, rows[i].limit), size < 4 ? 0 : -EMSGSIZE);
                }
}

static void test_buffer_lives_as_long_as_its_last_reference(void **state) {
        FrameBuffer *buffer = frame_buffer_new(16);

        assert_non_null(buffer);
        assert_int_equal(buffer->size, 16);
        assert_int_equal(buffer->n_ref, 1);
        assert_ptr_equal(frame_buffer_ref(buffer), buffer);
        assert_null(frame_buffer_unref(buffer));
        memset(buffer->data, 1, buffer->size);          /* still ours */
        assert_int_equal(buffer->n_ref, 1);
        assert_null(frame_buffer_unref(buffer));
        assert_null(frame_buffer_unref(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_split_waits_for_the_rest),
                cmocka_unit_test(test_frames_follow_each_other),
                cmocka_unit_test(test_frames_shorter_than_their_header_are_refused_at_once),
                cmocka_unit_test(test_limits_are_of_the_whole_frame),
                cmocka_unit_test(test_too_long_is_refused_at_the_fourth_byte),
                cmocka_unit_test(test_buffer_lives_as_long_as_its_last_reference),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
