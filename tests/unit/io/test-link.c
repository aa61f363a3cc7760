/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sockaddr.h"
#include "unit.h"

/* A link, and the other end of its connection over the loopback interface. */
typedef struct Fixture {
        Link link;
        int other;
} Fixture;

static int setup(void **state) {
        Fixture *fixture = calloc(1, sizeof(*fixture));
        Address address = address_ipv4((const uint8_t[4]) { 127, 0, 0, 1 }, 0);
        struct sockaddr_storage sockaddr;
        socklen_t size = sockaddr_from_address(&address, &sockaddr);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (!fixture || bind(listener, (struct sockaddr *) &sockaddr, size) < 0 || listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *) &sockaddr, &size) < 0 ||
            connect(fd, (struct sockaddr *) &sockaddr, size) < 0)
                return -1;

        fixture->other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        (void) close(listener);
        link_init(&fixture->link, fd);
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = *state;

        link_done(&fixture->link);
        (void) close(fixture->other);
        free(fixture);
        return 0;
}

/* A frame whose body is @fill throughout. */
static FrameBuffer *make_frame(size_t size, uint8_t fill) {
        FrameBuffer *frame = frame_buffer_new(size);

        assert_non_null(frame);
        memset(frame->data, fill, size);
        (void) put_be32(frame->data, (uint32_t) size - FRAME_LENGTH_SIZE);
        return frame;
}

static void push(Link *link, size_t size, uint8_t fill, bool is_data, bool measure) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = make_frame(size, fill);

        assert_int_equal(link_push(link, frame, is_data, measure), 0);
}

/* Reads @size bytes at the other end, and writes at ours whenever there is nothing to be read. */
static void read_bytes(Fixture *fixture, uint8_t *data, size_t size) {
        size_t n_data, n_begun;

        while (size > 0) {
                ssize_t n = recv(fixture->other, data, size, MSG_DONTWAIT);

                assert_int_not_equal(n, 0);
                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        (void) link_write(&fixture->link, &n_data, &n_begun);
                        continue;
                }
                data += n;
                size -= (size_t) n;
        }
}

/* Return: what its body is filled with. */
static uint8_t read_frame(Fixture *fixture, size_t *ret_size) {
        uint8_t header[FRAME_LENGTH_SIZE];
        _cleanup_free_ uint8_t *body = NULL;
        size_t size;

        read_bytes(fixture, header, sizeof(header));
        size = get_be32(header);
        body = malloc(size);
        assert_non_null(body);
        read_bytes(fixture, body, size);
        for (size_t i = 1; i < size; i++)
                assert_int_equal(body[i], body[0]);
        *ret_size = size + FRAME_LENGTH_SIZE;
        return body[0];
}

static void test_control_frames_overtake_data_frames(void **state) {
        Fixture *fixture = *state;
        size_t n_data, n_begun, size;

        push(&fixture->link, 100, 'd', true, false);
        push(&fixture->link, 50, 'c', false, false);
        assert_int_equal(link_write(&fixture->link, &n_data, &n_begun), 0);
        assert_int_equal(n_data, 100);
        assert_int_equal(n_begun, 1);

        assert_int_equal(read_frame(fixture, &size), 'c');
        assert_int_equal(size, 50);
        assert_int_equal(read_frame(fixture, &size), 'd');
        assert_int_equal(size, 100);
}

/* Fills the kernel's buffers: until it takes no more. */
static size_t fill(Link *link) {
        size_t n_sent = 0, n_data, n_begun, n_begun_all = 0;
        int r;

        for (unsigned i = 0; i < 16; i++)
                push(link, FRAME_SIZE_MAX, 'd', true, false);
        do {
                r = link_write(link, &n_data, &n_begun);
                n_sent += n_data;
                n_begun_all += n_begun;
        } while (r > 0);
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(n_begun_all, (n_sent + FRAME_SIZE_MAX - 1) / FRAME_SIZE_MAX);
        return n_sent;
}

static void test_no_frame_is_torn_by_a_control_frame(void **state) {
        Fixture *fixture = *state;
        size_t n_sent = fill(&fixture->link), n_received = 0, size, n_whole;
        bool seen = false;

        assert_true(n_sent % FRAME_SIZE_MAX != 0);      /* one is partly with the kernel */
        n_whole = n_sent / FRAME_SIZE_MAX + 1;
        push(&fixture->link, 50, 'c', false, false);

        while (n_received < 17) {
                if (read_frame(fixture, &size) == 'c') {
                        assert_int_equal(n_received, n_whole);
                        seen = true;
                }
                n_received++;
        }
        assert_true(seen);
}

static void test_what_is_ahead_of_a_ping_shrinks_as_the_other_end_reads(void **state) {
        Fixture *fixture = *state;
        size_t ahead, size;

        assert_int_equal(link_n_ahead(&fixture->link), 0);      /* nothing was measured */

        (void) fill(&fixture->link);
        push(&fixture->link, 50, 'c', false, true);
        ahead = link_n_ahead(&fixture->link);
        assert_true(ahead > 0);

        for (unsigned i = 0; i < 17; i++) {
                size_t now;

                (void) read_frame(fixture, &size);
                now = link_n_ahead(&fixture->link);
                assert_true(now <= ahead);
                ahead = now;
        }

        /* The acknowledgements of the last bytes may still be on their way. */
        for (unsigned i = 0; i < 1000 && link_n_ahead(&fixture->link) > 0; i++)
                (void) usleep(1000);
        assert_int_equal(link_n_ahead(&fixture->link), 0);
}

static void test_nothing_ahead_when_nothing_was_sent_before(void **state) {
        Fixture *fixture = *state;
        size_t n_data, n_begun;

        push(&fixture->link, 100, 'd', true, false);
        push(&fixture->link, 50, 'c', false, true);
        assert_int_equal(link_n_ahead(&fixture->link), 0);      /* the data comes behind it */
        assert_int_equal(link_write(&fixture->link, &n_data, &n_begun), 0);
        assert_int_equal(link_n_ahead(&fixture->link), 0);
}

static void test_control_frames_to_an_end_that_never_reads_are_bounded(void **state) {
        Fixture *fixture = *state;
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = make_frame(1000, 'c');
        size_t n = 0;
        int r;

        do
                r = link_push(&fixture->link, frame, false, false);
        while (r == 0 && ++n < 1000000);
        assert_int_equal(r, -ENOBUFS);
        assert_true(n * 1000 <= LINK_CONTROL_MAX);
}

/* Feeds @stream in pieces of @step bytes and expects bodies 'a', 'b', 'c' in that order. */
static void feed(const uint8_t *stream, size_t size, size_t step) {
        Link link = { .fd = -EBADF };
        unsigned n = 0;

        for (size_t i = 0; i < size; i += step) {
                _cleanup_free_ uint8_t *piece = malloc(MIN(step, size - i));
                Slice rest = slice_of(piece, MIN(step, size - i));
                Frame frame;

                assert_non_null(piece);
                memcpy(piece, stream + i, rest.size);
                while (link_next_frame(&link, &rest, FRAME_SIZE_MAX, &frame) > 0) {
                        assert_int_equal(frame.type, "abc"[n]);
                        for (size_t k = 0; k < frame.body.size; k++)
                                assert_int_equal(frame.body.data[k], "abc"[n]);
                        n++;
                }
                assert_int_equal(rest.size, 0);
        }
        assert_int_equal(n, 3);
        link_done(&link);
}

static void test_frames_come_whole_however_the_stream_is_cut(void **state) {
        static const size_t sizes[] = { 6, 5000, 70 };
        uint8_t stream[6 + 5000 + 70], *p = stream;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = make_frame(sizes[i], (uint8_t) "abc"[i]);

                p = put_bytes(p, frame->data, frame->size);
        }

        for (size_t step = 1; step <= 20; step++)
                feed(stream, sizeof(stream), step);
        feed(stream, sizeof(stream), 4999);
        feed(stream, sizeof(stream), sizeof(stream));
}

static void test_memory_follows_the_bytes_that_came_not_the_announced_size(void **state) {
        Link link = { .fd = -EBADF };
        uint8_t bytes[100] = {};
        Slice rest = slice_of(bytes, sizeof(bytes));
        Frame frame;

        (void) put_be32(bytes, FRAME_SIZE_MAX - FRAME_LENGTH_SIZE);
        assert_int_equal(link_next_frame(&link, &rest, FRAME_SIZE_MAX, &frame), 0);
        assert_int_equal(link.partial_size, sizeof(bytes));
        assert_true(link.partial_capacity <= 2 * sizeof(bytes));
        link_done(&link);
}

static void test_a_frame_that_is_too_long_ends_the_link_at_its_fourth_byte(void **state) {
        Link link = { .fd = -EBADF };
        uint8_t bytes[4];
        Frame frame;
        int r = 0;

        (void) put_be32(bytes, FRAME_SIZE_MAX_HANDSHAKE);
        for (size_t i = 0; i < sizeof(bytes); i++) {
                Slice rest = slice_of(bytes + i, 1);

                assert_int_equal(r, 0);
                r = link_next_frame(&link, &rest, FRAME_SIZE_MAX_HANDSHAKE, &frame);
        }
        assert_int_equal(r, -EMSGSIZE);
        link_done(&link);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_control_frames_overtake_data_frames, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_frame_is_torn_by_a_control_frame, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_ahead_of_a_ping_shrinks_as_the_other_end_reads, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nothing_ahead_when_nothing_was_sent_before, setup, teardown),
                cmocka_unit_test_setup_teardown(test_control_frames_to_an_end_that_never_reads_are_bounded, setup, teardown),
                cmocka_unit_test(test_frames_come_whole_however_the_stream_is_cut),
                cmocka_unit_test(test_memory_follows_the_bytes_that_came_not_the_announced_size),
                cmocka_unit_test(test_a_frame_that_is_too_long_ends_the_link_at_its_fourth_byte),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
