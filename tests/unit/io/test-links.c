/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connections of a node, over pairs of sockets, and over the loopback interface where somebody calls. */

#include "noting-node.h"

/* ---- reading ---- */

static void test_frames_reach_the_node_in_order_however_they_are_cut(void **state) {
        Fixture *f = *state;
        uint8_t data[100 * 64];
        size_t size = put_pings(data, 0, 100);

        for (LinkId link = 1; link <= 3; link++)
                open_link(f, link, SOCK_STREAM);
        for (size_t at = 0, n; at < size; at += n) {
                n = MIN((size_t) 1 + at % 41, size - at);
                for (LinkId link = 1; link <= 3; link++)
                        write_other(f, link, data + at, n);
                settle(f);
        }
        for (LinkId link = 1; link <= 3; link++) {
                assert_int_equal(f->node.told[link].n_pings, 100);      /* node_on_message() looks at the order */
                assert_true(f->node.told[link].n_received > 100);
                assert_int_equal(f->node.told[link].n_changes, 0);
        }
        assert_true(f->n_settled >= 300);
}

static void test_one_that_sends_much_is_read_in_turn_with_the_others(void **state) {
        _cleanup_free_ uint8_t *data = malloc(160U * 1024U);
        Fixture *f = *state;
        size_t n = 0, size = 0;

        assert_non_null(data);
        while (size < 2 * LINKS_READ_SIZE + 1000)
                size += put_pings(data + size, n++, 1);
        open_link(f, 1, SOCK_STREAM);
        open_link(f, 2, SOCK_STREAM);
        write_other(f, 1, data, size);
        send_pings(f, 2, 0, 1);

        assert_true(turn(f));
        assert_int_equal(f->node.told[2].n_pings, 1);
        assert_in_range(f->node.told[1].n_pings, 1, n * LINKS_READ_SIZE / size + 1);
        settle(f);
        assert_int_equal(f->node.told[1].n_pings, n);
}

static int on_other_source(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        *(uint64_t *) userdata += 1;
        return 0;
}

/* However many are ready: what else the loop has to do comes in between, and nobody is left out. */
static void test_a_turn_is_bounded(void **state) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
        uint64_t n_other = 0, n_before = 0;
        Fixture *f = *state;
        int fd;

        for (LinkId link = 0; link < LINKS_MAX; link++) {
                open_link(f, link, SOCK_STREAM);
                send_pings(f, link, 0, 1);
        }
        fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);            /* ready all the time */
        assert_true(fd >= 0);
        assert_true(sd_event_add_io(f->event, &source, fd, EPOLLIN, on_other_source, &n_other) >= 0);
        assert_true(sd_event_source_set_io_fd_own(source, true) >= 0);

        for (unsigned i = 0; i < 20; i++) {
                assert_true(turn(f));
                assert_true(f->node.n_pings <= n_before + 64);
                assert_true(f->node.n_pings <= (n_other + 1) * 64);
                n_before = f->node.n_pings;
        }
        for (LinkId link = 0; link < LINKS_MAX; link++)
                assert_int_equal(f->node.told[link].n_pings, 1);
}

static void test_what_comes_behind_a_hang_up_is_not_handed_on(void **state) {
        Fixture *f = *state;

        open_link(f, 1, SOCK_STREAM);
        open_link(f, 3, SOCK_STREAM);
        f->node.hangs_up = 1;
        send_pings(f, 1, 0, 10);
        settle(f);
        assert_int_equal(f->node.told[1].n_pings, 1);
        assert_int_equal(f->node.told[1].n_changes, 0);         /* its own wish needs no telling */
        assert_false(links_has(f->links, 1));

        /* Nor what is ready in the same turn. */
        open_link(f, 5, SOCK_STREAM);
        f->node.hangs_up = 5;
        send_pings(f, 3, 0, 1);
        send_pings(f, 5, 0, 1);
        settle(f);
        assert_int_equal(f->node.told[3].n_pings, 1);
        assert_in_range(f->node.told[5].n_pings, 0, 1);
        assert_int_equal(links_n(f->links), 1);
}

/* ---- writing ---- */

static void test_all_that_one_turn_asks_for_leaves_by_one_call(void **state) {
        Fixture *f = *state;
        uint8_t packet[4096];

        open_link(f, 1, SOCK_STREAM);
        open_link(f, 2, SOCK_SEQPACKET);
        f->node.answers_on = 2;
        f->node.n_answers = 3;
        send_pings(f, 1, 0, 2);
        assert_true(turn(f));

        /* Two control frames overtook four of data. */
        assert_int_equal(read_other(f, 2, packet, sizeof(packet)), 600);
        assert_int_equal(read_other(f, 2, packet + 600, sizeof(packet) - 600), 0);
        for (size_t i = 0; i < 6; i++)
                assert_int_equal(packet[100 * i + 50], "aabcbc"[i]);
        assert_int_equal(f->node.told[2].n_data, 400);
        assert_int_equal(f->node.told[2].n_begun, 4);
        settle(f);
        assert_int_equal(read_other(f, 2, packet, sizeof(packet)), 0);
}

static void test_a_turn_is_over_when_all_was_read_and_written(void **state) {
        Fixture *f = *state;

        for (LinkId link = 0; link <= ANSWERED; link++)
                open_link(f, link, SOCK_STREAM);
        f->node.answers_on = ANSWERED;
        f->node.n_answers = 1;
        for (LinkId link = 0; link < ANSWERED; link++)
                send_pings(f, link, 0, 2);
        assert_true(turn(f));
        assert_int_equal(f->n_turned, 1);
        assert_int_equal(f->n_pings_turned, 2 * ANSWERED);
        assert_int_equal(f->n_written_turned, 2 * ANSWERED * 100);
        settle(f);
        assert_int_equal(f->n_turned, 1);
}

static void test_a_turn_that_is_asked_for_comes_once(void **state) {
        Fixture *f = *state;

        links_ask_turn(f->links);
        links_ask_turn(f->links);
        settle(f);
        assert_int_equal(f->n_turned, 1);

        /* Asked for at the end of a turn, the next one comes as well. */
        f->asks_when_turned = true;
        links_ask_turn(f->links);
        settle(f);
        assert_int_equal(f->n_turned, 3);
}

static void test_one_frame_goes_to_several_links(void **state) {
        Fixture *f = *state;
        Effect effect = { .type = EFFECT_SEND, .links = { 3, 77, 1, 2 }, .n_links = 4, .frame = make_frame(50, 'x'), .is_data = true };
        uint8_t packet[100];

        for (LinkId link = 0; link <= 3; link++)
                open_link(f, link, SOCK_STREAM);
        assert_int_equal(links_apply(f->links, &effect), 0);    /* there is no 77 any more */
        effect_release(&effect);
        settle(f);
        for (LinkId link = 1; link <= 3; link++) {
                assert_int_equal(read_other(f, link, packet, sizeof(packet)), 50);
                assert_int_equal(f->node.told[link].n_data, 50);
                assert_int_equal(f->node.told[link].n_begun, 1);
        }
        assert_int_equal(read_other(f, 0, packet, sizeof(packet)), 0);
}

static void test_what_the_kernel_did_not_take_goes_on_when_there_is_room(void **state) {
        _cleanup_free_ uint8_t *data = malloc(4U * FRAME_SIZE_MAX);
        size_t n_read = 0, n_before;
        Fixture *f = *state;

        assert_non_null(data);
        open_link(f, 1, SOCK_STREAM);
        for (unsigned i = 0; i < 4; i++)
                send_frame(f->links, 1, FRAME_SIZE_MAX, (uint8_t) ('a' + i), true);
        settle(f);
        assert_in_range(f->node.told[1].n_data, 1, FRAME_SIZE_MAX);
        assert_int_equal(f->node.told[1].n_begun, 1);           /* the others could still go another way */

        while (n_read < 4U * FRAME_SIZE_MAX) {
                n_before = n_read;
                n_read += read_other(f, 1, data + n_read, 100000);
                settle(f);
                assert_true(n_read > n_before);
        }
        for (size_t i = 0; i < 4; i++) {
                const uint8_t *frame = data + i * FRAME_SIZE_MAX;

                assert_int_equal(get_be32(frame), FRAME_SIZE_MAX - FRAME_LENGTH_SIZE);
                for (size_t k = FRAME_LENGTH_SIZE; k < FRAME_SIZE_MAX; k++)
                        if (frame[k] != "abcd"[i])
                                fail_msg("frame %zu, byte %zu is %u", i, k, frame[k]);
        }
        assert_int_equal(f->node.told[1].n_data, 4U * FRAME_SIZE_MAX);
        assert_int_equal(f->node.told[1].n_begun, 4);
}

static void test_one_that_does_not_read_holds_up_nobody(void **state) {
        uint8_t data[4096];
        Fixture *f = *state;
        size_t n_stuck;

        open_link(f, 1, SOCK_STREAM);
        open_link(f, 2, SOCK_STREAM);
        for (unsigned i = 0; i < 4; i++)
                send_frame(f->links, 1, FRAME_SIZE_MAX, 'x', true);
        settle(f);              /* comes to rest: nothing is tried again and again */
        n_stuck = f->node.told[1].n_data;

        f->node.answers_on = 2;
        f->node.n_answers = 1;
        for (uint64_t i = 0; i < 50; i++) {
                send_pings(f, 1, i, 1);         /* it does speak, */
                send_pings(f, 2, i, 1);
                settle(f);
                assert_int_equal(read_other(f, 2, data, sizeof(data)), 200);
        }
        assert_int_equal(f->node.told[1].n_pings, 50);          /* and is heard */
        assert_int_equal(f->node.told[1].n_data, n_stuck);
        assert_int_equal(f->node.told[1].n_changes, 0);
}

/* ---- ends ---- */

static void assert_ended(Fixture *f, LinkId link, LinkChange change) {
        settle(f);
        assert_int_equal(f->node.told[link].n_changes, 1);
        assert_int_equal(f->node.told[link].change, change);
        assert_false(links_has(f->links, link));
}

static void test_an_end_is_told_once_behind_what_came_before_it(void **state) {
        Fixture *f = *state;

        open_link(f, 1, SOCK_STREAM);
        send_pings(f, 1, 0, 20);
        close_other(f, 1);
        assert_ended(f, 1, LINK_CLOSED);
        assert_int_equal(f->node.told[1].n_pings, 20);

        /* A socket that is closed with bytes in it is reset. */
        open_link(f, 3, SOCK_STREAM);
        send_frame(f->links, 3, 100, 'x', true);
        settle(f);
        close_other(f, 3);
        assert_ended(f, 3, LINK_RESET);

        /* What cannot be written any more: what is there to be read comes first all the same. */
        open_link(f, 5, SOCK_STREAM);
        send_pings(f, 5, 0, 20);
        close_other(f, 5);
        send_frame(f->links, 5, 100, 'x', true);
        assert_ended(f, 5, LINK_RESET);
        assert_int_equal(f->node.told[5].n_pings, 20);
        assert_int_equal(links_n(f->links), 0);
}

static void test_what_is_no_message_is_told_and_what_is_not_known_is_passed_over(void **state) {
        static const uint8_t unknown[] = { 0, 0, 0, 2, 0xfe, 0 }, endless[] = { 0xff, 0xff, 0xff, 0xff }, torn[] = { 0, 0, 0, 1, 1 };
        Fixture *f = *state;

        open_link(f, 1, SOCK_STREAM);
        write_other(f, 1, unknown, sizeof(unknown));
        send_pings(f, 1, 0, 1);
        settle(f);
        assert_int_equal(f->node.told[1].n_unknown, 1);
        assert_int_equal(f->node.told[1].n_pings, 1);

        write_other(f, 1, endless, sizeof(endless));
        settle(f);
        assert_int_equal(f->node.told[1].malformed, -EMSGSIZE);
        open_link(f, 3, SOCK_STREAM);
        write_other(f, 3, torn, sizeof(torn));
        settle(f);
        assert_int_equal(f->node.told[3].malformed, -EBADMSG);
        assert_int_equal(links_n(f->links), 0);
}

static void test_answers_that_nobody_reads_end_the_link(void **state) {
        Fixture *f = *state;

        open_link(f, 1, SOCK_STREAM);
        for (unsigned i = 0; i < 6; i++)
                send_frame(f->links, 1, FRAME_SIZE_MAX, 'x', false);
        assert_int_equal(f->node.told[1].n_changes, 0);         /* not while an effect is being carried out */
        assert_ended(f, 1, LINK_RESET);
}

static void test_a_hang_up_sends_what_was_said_last_but_no_data(void **state) {
        uint8_t data[4096];
        Fixture *f = *state;

        open_link(f, 1, SOCK_STREAM);
        send_frame(f->links, 1, 1000, 'd', true);
        send_frame(f->links, 1, 100, 'c', false);
        hang_up(f->links, 1, true);
        assert_false(links_has(f->links, 1));
        assert_int_equal(links_n(f->links), 1);
        send_pings(f, 1, 0, 5);
        settle(f);
        assert_int_equal(read_other(f, 1, data, sizeof(data)), 100);
        assert_int_equal(data[50], 'c');
        assert_int_equal(recv(f->others[1], data, sizeof(data), 0), 0);         /* and then the end */

        assert_int_equal(links_n(f->links), 1);                 /* until the other end has closed, too */
        close_other(f, 1);
        settle(f);
        assert_int_equal(links_n(f->links), 0);
        assert_int_equal(f->node.told[1].n_pings, 0);
        assert_int_equal(f->node.told[1].n_changes, 0);
}

static void test_so_many_are_flushed_and_no_more(void **state) {
        Fixture *f = *state;
        uint8_t data[8];

        for (LinkId link = 0; link < LINKS_FLUSHING_MAX + 10; link++) {
                open_link(f, link, SOCK_STREAM);
                hang_up(f->links, link, true);
        }
        settle(f);
        assert_int_equal(links_n(f->links), LINKS_FLUSHING_MAX);

        /* Those that began first were cut, the last was not. */
        assert_int_equal(send(f->others[9], "x", 1, MSG_NOSIGNAL), -1);
        assert_int_equal(send(f->others[LINKS_FLUSHING_MAX + 9], "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(recv(f->others[LINKS_FLUSHING_MAX + 9], data, sizeof(data), 0), 0);
}

/* ---- calling ---- */

static void dial(Fixture *f, LinkId link, const Address *address) {
        Effect effect = { .type = EFFECT_DIAL, .link = link, .address = *address };

        assert_int_equal(links_apply(f->links, &effect), 0);
}

/* Calls take their way through the kernel: the loop waits for them. */
static void wait_for_change(Fixture *f, LinkId link) {
        while (f->node.told[link].n_changes == 0)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
}

static void test_a_call_that_is_taken_is_told_at_both_ends(void **state) {
        Address address = address_ipv4((const uint8_t[4]) { 127, 0, 0, 1 }, 0);
        Fixture *f = *state;

        assert_int_equal(links_listen(f->links, &address), 0);
        assert_int_equal(links_n_listening(f->links), 1);
        dial(f, 2, links_listening_at(f->links, 0));
        assert_true(links_has(f->links, 2));
        wait_for_change(f, 2);
        assert_int_equal(f->node.told[2].change, LINK_CONNECTED);
        while (f->node.told[1].n_accepted == 0)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
        assert_int_equal(links_n(f->links), 2);
}

static void test_a_call_that_nobody_takes_is_refused_or_unreachable(void **state) {
        Address address = address_ipv4((const uint8_t[4]) { 127, 0, 0, 1 }, 0);
        Address everybody = address_ipv4((const uint8_t[4]) { 255, 255, 255, 255 }, 6000);
        Fixture *f = *state;

        assert_int_equal(links_listen(f->links, &address), 0);
        address = *links_listening_at(f->links, 0);
        links_stop_listening(f->links);
        dial(f, 2, &address);
        assert_int_equal(f->node.told[2].n_changes, 0);
        wait_for_change(f, 2);
        assert_ended(f, 2, LINK_REFUSED);

        dial(f, 4, &everybody);
        assert_int_equal(f->node.told[4].n_changes, 0);         /* nor this, though it is known already */
        assert_ended(f, 4, LINK_UNREACHABLE);
        assert_int_equal(links_n(f->links), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_frames_reach_the_node_in_order_however_they_are_cut),
                TEST(test_one_that_sends_much_is_read_in_turn_with_the_others),
                TEST(test_a_turn_is_bounded),
                TEST(test_what_comes_behind_a_hang_up_is_not_handed_on),
                TEST(test_all_that_one_turn_asks_for_leaves_by_one_call),
                TEST(test_a_turn_is_over_when_all_was_read_and_written),
                TEST(test_a_turn_that_is_asked_for_comes_once),
                TEST(test_one_frame_goes_to_several_links),
                TEST(test_what_the_kernel_did_not_take_goes_on_when_there_is_room),
                TEST(test_one_that_does_not_read_holds_up_nobody),
                TEST(test_an_end_is_told_once_behind_what_came_before_it),
                TEST(test_what_is_no_message_is_told_and_what_is_not_known_is_passed_over),
                TEST(test_answers_that_nobody_reads_end_the_link),
                TEST(test_a_hang_up_sends_what_was_said_last_but_no_data),
                TEST(test_so_many_are_flushed_and_no_more),
                TEST(test_a_call_that_is_taken_is_told_at_both_ends),
                TEST(test_a_call_that_nobody_takes_is_refused_or_unreachable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
