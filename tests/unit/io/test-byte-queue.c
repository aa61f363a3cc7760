/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/byte-queue.h"

#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static void add(ByteQueue *queue, const char *text) {
        uint8_t *place = byte_queue_reserve(queue, strlen(text));

        assert_non_null(place);
        memcpy(place, text, strlen(text));
        byte_queue_added(queue, strlen(text));
}

static void assert_waiting(const ByteQueue *queue, const char *text) {
        assert_int_equal(byte_queue_size(queue), strlen(text));
        assert_memory_equal(byte_queue_slice(queue).data, text, strlen(text));
}

static void test_bytes_come_out_as_they_went_in(void **state) {
        ByteQueue queue = {};

        assert_int_equal(byte_queue_slice(&queue).size, 0);
        add(&queue, "abc");
        add(&queue, "def");
        assert_waiting(&queue, "abcdef");
        byte_queue_drop(&queue, 4);
        assert_waiting(&queue, "ef");
        byte_queue_drop(&queue, 2);
        assert_int_equal(byte_queue_size(&queue), 0);
        byte_queue_done(&queue);
}

static void test_what_waits_survives_moving_and_growing(void **state) {
        ByteQueue queue = {};
        uint32_t written = 0, read = 0;

        /* Three in, two out, until hundreds wait; then only out. */
        while (written < 3000 || read < written) {
                for (unsigned i = 0; i < 3 && written < 3000; i++) {
                        uint8_t *place = byte_queue_reserve(&queue, 4);

                        assert_non_null(place);
                        (void) put_be32(place, written++);
                        byte_queue_added(&queue, 4);
                }
                for (unsigned i = 0; i < 2 && read < written; i++) {
                        assert_int_equal(get_be32(byte_queue_slice(&queue).data), read++);
                        byte_queue_drop(&queue, 4);
                }
                assert_true(queue.capacity <= 16384);
        }
        byte_queue_done(&queue);
}

static void test_much_memory_is_given_back_when_nothing_waits(void **state) {
        ByteQueue queue = {};

        assert_non_null(byte_queue_reserve(&queue, 1024 * 1024));
        byte_queue_added(&queue, 1024 * 1024);
        byte_queue_drop(&queue, 1024 * 1024 - 1);
        assert_non_null(queue.data);
        byte_queue_drop(&queue, 1);
        assert_null(queue.data);
}

static void test_a_socket_takes_what_it_has_room_for(void **state) {
        size_t n_waiting = 4 * 1024 * 1024, n_read = 0;
        static char buffer[65536];
        ByteQueue queue = {};
        int fds[2], r;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(byte_queue_write(&queue, fds[0]), 1);
        memset(byte_queue_reserve(&queue, n_waiting), 'x', n_waiting);
        byte_queue_added(&queue, n_waiting);

        do {
                ssize_t n;

                r = byte_queue_write(&queue, fds[0]);
                assert_true(r >= 0);
                n = read(fds[1], buffer, sizeof(buffer));
                assert_true(n > 0);
                n_read += (size_t) n;
        } while (r == 0);
        while (n_read < n_waiting)
                n_read += (size_t) read(fds[1], buffer, sizeof(buffer));
        assert_int_equal(n_read, n_waiting);

        (void) close(fds[1]);
        add(&queue, "x");
        assert_true(byte_queue_write(&queue, fds[0]) < 0);
        byte_queue_done(&queue);
        (void) close(fds[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes_come_out_as_they_went_in),
                cmocka_unit_test(test_what_waits_survives_moving_and_growing),
                cmocka_unit_test(test_much_memory_is_given_back_when_nothing_waits),
                cmocka_unit_test(test_a_socket_takes_what_it_has_room_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
