/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 4.1: for how long a connection waits, and what has a place on it. */

#include "overlay.h"

#include <errno.h>

/* ---- for how long ---- */

static void test_a_hello_that_does_not_come_in_5_seconds_is_not_awaited(void **state) {
        Harness *h = *state;
        Address remote = harness_address(1, 40000);
        LinkId link = harness_accept(h, &remote);

        harness_advance(h, 5 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_TIMEOUT);
        assert_int_equal(counted(h, COUNTER_SESSIONS_FAILED), 1);
        assert_int_equal(node_n_sessions(harness_node(h)), 0);
}

static void test_half_a_hello_does_not_buy_time(void **state) {
        Harness *h = *state;
        Address remote = harness_address(1, 40000);
        LinkId link = harness_accept(h, &remote);

        for (unsigned i = 0; i < 50; i++) {
                harness_advance(h, 100 * MSEC - 1);
                harness_send_bytes(h, link, (uint8_t[]) { 0 }, 1);
        }
        harness_advance(h, 1 * SEC);
        expect_close(h, link, CLOSE_TIMEOUT);
}

static void test_a_dial_that_does_not_connect_is_given_up(void **state) {
        Harness *h = *state;
        dial_to(h, 1);
        harness_advance(h, 5 * SEC - 1);
        assert_int_equal(harness_n_dialling(h), 1);
        harness_advance(h, 1);
        assert_int_equal(harness_n_dialling(h), 0);
        assert_int_equal(counted(h, COUNTER_SESSIONS_FAILED), 1);
}

static void test_a_hello_ok_that_does_not_come_is_given_up(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);

        harness_change(h, link, LINK_CONNECTED);
        expect(h, link, MESSAGE_HELLO);
        harness_advance(h, 5 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        assert_false(harness_is_up(h, link));
        assert_int_equal(counted(h, COUNTER_SESSIONS_FAILED), 1);
}

static void test_a_session_that_nobody_uses_is_closed_after_30_seconds(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);

        harness_advance(h, 30 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_IDLE);
}

static void test_pings_do_not_keep_a_session_that_is_no_link(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);

        for (unsigned i = 0; i < 29; i++) {
                harness_advance(h, 1 * SEC);
                send_ping(h, link, i);
                assert_int_equal(expect(h, link, MESSAGE_PONG)->ping.nonce, i);
        }
        harness_advance(h, 1 * SEC);
        expect_close(h, link, CLOSE_IDLE);
}

/* ---- what has a place before the handshake is done ---- */

static const MessageType not_hello[] = {
        MESSAGE_PING, MESSAGE_PONG, MESSAGE_HELLO_OK, MESSAGE_NEIGHBOR, MESSAGE_ACCEPT, MESSAGE_ACCUSED, MESSAGE_DISCONNECT,
        MESSAGE_LEAVE, MESSAGE_LIST,
};

static void send_any(Harness *h, LinkId link, MessageType type) {
        Message message = { .type = type };

        switch (type) {

        case MESSAGE_HELLO:
                message.hello = (HelloMessage) { .network = HARNESS_NETWORK, .version_min = 1, .version_max = 1, .id = ID(1),
                                                 .role = ROLE_PEER, .name = "x", .port = 1 };
                break;

        case MESSAGE_HELLO_OK:
                message.hello_ok = (HelloOkMessage) { .version = 1, .id = ID(1), .role = ROLE_PEER, .name = "x", .port = 1 };
                break;

        case MESSAGE_DISCONNECT:
                message.disconnect.reason = CLOSE_DONE;
                break;

        case MESSAGE_LIST:
                message.list.count = 1;
                break;

        default:
                break;
        }
        harness_send(h, link, &message);
}

static void test_nothing_but_hello_begins_a_session(void **state) {
        Harness *h = *state;

        for (size_t i = 0; i < ELEMENTSOF(not_hello); i++) {
                Address remote = harness_address((uint8_t) (i + 1), 40000);
                LinkId link = harness_accept(h, &remote);

                send_any(h, link, not_hello[i]);
                expect_close(h, link, CLOSE_PROTOCOL);
                assert_non_null(harness_notice(h, NOTICE_PROTOCOL_ERROR));
        }
        assert_int_equal(counted(h, COUNTER_FRAMES_MALFORMED), ELEMENTSOF(not_hello));
        assert_int_equal(node_n_sessions(harness_node(h)), 0);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_nothing_but_hello_ok_answers_hello(void **state) {
        Harness *h = *state;

        for (size_t i = 0; i < ELEMENTSOF(not_hello); i++) {
                LinkId link = dial_to(h, (uint8_t) (i + 1));

                harness_change(h, link, LINK_CONNECTED);
                expect(h, link, MESSAGE_HELLO);
                send_any(h, link, not_hello[i] == MESSAGE_HELLO_OK ? MESSAGE_HELLO : not_hello[i]);
                expect_close(h, link, CLOSE_PROTOCOL);
        }
}

static void test_whoever_calls_may_close_before_it_said_hello(void **state) {
        Harness *h = *state;
        Address remote = harness_address(1, 40000);
        LinkId link = harness_accept(h, &remote);

        send_close(h, link, CLOSE_LEAVING);
        expect_nothing(h, link);
        assert_false(harness_is_up(h, link));
        assert_int_equal(counted(h, COUNTER_FRAMES_MALFORMED), 0);
}

static void test_a_second_handshake_is_refused(void **state) {
        Harness *h = *state;
        const MessageType types[] = { MESSAGE_HELLO, MESSAGE_HELLO_OK };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                Other other = harness_peer((uint8_t) (i + 1));
                LinkId in = harness_open(h, &other), out = link_out(h, (uint8_t) (i + 11));

                send_any(h, in, types[i]);
                expect_close(h, in, CLOSE_PROTOCOL);
                harness_drop_sent(h);
                send_any(h, out, types[i]);
                expect_close(h, out, CLOSE_PROTOCOL);
        }
}

static const uint8_t unknown_frame[] = { 0, 0, 0, 2, 0x7e, 0 }, later_frame[] = { 0, 0, 0, 3, 0x60, 0, 0xff };

static void test_an_unknown_type_ends_a_handshake_and_nothing_later(void **state) {
        Harness *h = *state;
        Address remote = harness_address(1, 40000);
        Other other = harness_peer(2);
        LinkId link = harness_accept(h, &remote);

        harness_send_bytes(h, link, unknown_frame, sizeof(unknown_frame));
        expect_close(h, link, CLOSE_PROTOCOL);

        link = dial_to(h, 3);
        harness_change(h, link, LINK_CONNECTED);
        expect(h, link, MESSAGE_HELLO);
        harness_send_bytes(h, link, later_frame, sizeof(later_frame));
        expect_close(h, link, CLOSE_PROTOCOL);

        link = harness_open(h, &other);
        harness_send_bytes(h, link, unknown_frame, sizeof(unknown_frame));
        harness_send_bytes(h, link, later_frame, sizeof(later_frame));
        assert_true(harness_is_up(h, link));
        expect_nothing(h, link);
        assert_int_equal(counted(h, COUNTER_FRAMES_UNKNOWN), 4);
        assert_int_equal(counted(h, COUNTER_FRAMES_MALFORMED), 2);
}

static void test_a_malformed_body_ends_a_session(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1), bystander = harness_peer(2);
        LinkId link = harness_open(h, &other), beside = harness_open(h, &bystander);
        const uint8_t ping_without_nonce[] = { 0, 0, 0, 2, MESSAGE_PING, 0 }, too_short[] = { 0, 0, 0, 1, 0 };
        const Notice *notice;

        harness_send_bytes(h, link, ping_without_nonce, sizeof(ping_without_nonce));
        expect_close(h, link, CLOSE_PROTOCOL);
        notice = harness_notice(h, NOTICE_PROTOCOL_ERROR);
        assert_non_null(notice);
        assert_true(node_id_equal(&notice->id, &other.id));
        assert_true(notice->incoming);
        assert_false(isempty(notice->detail));

        link = harness_open(h, &other);
        harness_send_bytes(h, link, too_short, sizeof(too_short));
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_true(harness_is_up(h, beside));
}

static void test_frames_are_smaller_until_the_handshake_is_done(void **state) {
        Harness *h = *state;
        Address remote = harness_address(1, 40000);
        Other caller = harness_peer(1);
        LinkId link = harness_accept(h, &remote);
        const uint8_t over[] = { 0, 0, 0xff, 0xfd }, largest[] = { 0, 0x10, 0x0f, 0xfc }, too_large[] = { 0, 0x10, 0x0f, 0xfd };

        assert_int_equal(node_frame_size_max(harness_node(h), link), 65536);
        harness_send_bytes(h, link, over, sizeof(over));
        expect_close(h, link, CLOSE_PROTOCOL);

        link = harness_open(h, &caller);
        assert_int_equal(node_frame_size_max(harness_node(h), link), 1052672);
        harness_send_bytes(h, link, largest, sizeof(largest));
        assert_true(harness_is_up(h, link));            /* the rest may follow */
        harness_send_bytes(h, link, too_large, sizeof(too_large));
        expect_close(h, link, CLOSE_PROTOCOL);

        link = dial_to(h, 2);
        harness_change(h, link, LINK_CONNECTED);
        assert_int_equal(node_frame_size_max(harness_node(h), link), 65536);
        expect(h, link, MESSAGE_HELLO);
        harness_send_bytes(h, link, over, sizeof(over));
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(node_frame_size_max(harness_node(h), link), 65536);

        link = link_out(h, 2);
        assert_int_equal(node_frame_size_max(harness_node(h), link), 1052672);
}

/* ---- probes ---- */

static LinkId open_probe(Harness *h, uint8_t n) {
        Other other = harness_peer(n);

        other.purpose = PURPOSE_PROBE;
        return harness_open(h, &other);
}

static void test_a_probe_is_answered_and_changes_nothing(void **state) {
        Harness *h = *state;
        LinkId link = open_probe(h, 1);

        assert_int_not_equal(link, 0);
        send_ping(h, link, 77);
        assert_int_equal(expect(h, link, MESSAGE_PONG)->ping.nonce, 77);
        send_pong(h, link, 78, 0);
        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_ALIVE);
        expect_nothing(h, link);
        assert_true(harness_is_up(h, link));
        assert_int_equal(node_n_members(harness_node(h)), 0);
        expect_no_dial(h);
        send_close(h, link, CLOSE_DONE);
        assert_false(harness_is_up(h, link));
}

static void test_a_refutation_is_heard_on_a_probe(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = open_probe(h, 1);

        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_SUSPECT);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.incarnation, 1);
        send_refute(h, link, &other, HARNESS_EPOCH, 1);
        assert_true(harness_is_up(h, link));
}

static void test_nothing_else_has_a_place_on_a_probe(void **state) {
        Harness *h = *state;
        const MessageType types[] = { MESSAGE_NEIGHBOR, MESSAGE_ACCEPT, MESSAGE_LIST, MESSAGE_LEAVE, MESSAGE_DISCONNECT };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                LinkId link = open_probe(h, (uint8_t) (i + 1));

                send_any(h, link, types[i]);
                expect_close(h, link, CLOSE_PROTOCOL);
        }
        assert_int_equal(n_links(h), 0);
}

static void test_a_probe_is_closed_after_10_seconds(void **state) {
        Harness *h = *state;
        LinkId link = open_probe(h, 1);

        harness_advance(h, 9 * SEC);
        send_ping(h, link, 1);
        expect(h, link, MESSAGE_PONG);
        harness_advance(h, 1 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_IDLE);
}

static void test_a_probe_does_not_count_as_a_second_session(void **state) {
        Harness *h = *state;
        LinkId link, probe;

        harness_set_answering(h, true);
        link = link_in(h, 200);
        probe = open_probe(h, 200);
        assert_true(harness_is_up(h, link));
        harness_change(h, probe, LINK_CLOSED);
        harness_advance(h, 11 * SEC);
        assert_true(harness_is_up(h, link));
        assert_int_equal(n_links(h), 1);
}

/* ---- ends ---- */

static void test_what_ended_can_be_fed_on_and_does_nothing(void **state) {
        Harness *h = *state;
        Node *node = harness_node(h);
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);
        Message message = { .type = MESSAGE_PING };

        send_close(h, link, CLOSE_DONE);
        harness_drop_sent(h);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(node_on_link(node, link, LINK_CLOSED, harness_now(h)), 0);
                assert_int_equal(node_on_received(node, link, harness_now(h)), 0);
                assert_int_equal(node_on_message(node, link, &message, harness_now(h)), 0);
                assert_int_equal(node_on_unknown(node, link, 0x7e, harness_now(h)), 0);
                assert_int_equal(node_on_malformed(node, link, -EBADMSG, harness_now(h)), 0);
                assert_int_equal(node_on_sent(node, link, 1, 1, harness_now(h)), 0);
                assert_int_equal(node_on_backlog(node, link, 1, harness_now(h)), 0);
                assert_int_equal(node_frame_size_max(node, link), 65536);
                link = 4711;                    /* and one that never was */
        }
        harness_settle(h);
        assert_int_equal(counted(h, COUNTER_FRAMES_MALFORMED), 0);
}

static void test_a_message_before_the_connection_ends_the_attempt(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);
        Message message = { .type = MESSAGE_PING };

        assert_int_equal(node_on_message(harness_node(h), link, &message, harness_now(h)), 0);
        harness_settle(h);
        assert_int_equal(harness_n_dialling(h), 0);
        assert_non_null(harness_notice(h, NOTICE_PROTOCOL_ERROR));
        expect_nothing(h, link);
}

static void test_a_connection_is_made_once(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);

        harness_change(h, link, LINK_CONNECTED);
        harness_change(h, link, LINK_CONNECTED);
        expect(h, link, MESSAGE_HELLO);
        expect_nothing(h, link);
}

static void test_what_the_other_end_refuses_is_told(void **state) {
        Harness *h = *state;
        const CloseReason told[] = { CLOSE_NETWORK, CLOSE_VERSION, CLOSE_PROTOCOL, CLOSE_NOT_ALLOWED };

        for (size_t i = 0; i < ELEMENTSOF(told); i++) {
                Address address = harness_address((uint8_t) (i + 1), 6000);
                const Notice *notice;
                Message message;
                LinkId link;

                link = dial_to(h, (uint8_t) (i + 1));
                harness_change(h, link, LINK_CONNECTED);
                message_set(&message, MESSAGE_CLOSE, close, .reason = told[i], .detail = "Because.");
                harness_send(h, link, &message);
                assert_false(harness_is_up(h, link));

                notice = harness_notice(h, NOTICE_SESSION_REFUSED);
                assert_non_null(notice);
                assert_int_equal(notice->reason, told[i]);
                assert_false(notice->by_us);
                assert_string_equal(notice->detail, "Because.");
                assert_true(address_equal(&notice->address, &address));
        }
}

static void test_a_reason_from_a_later_version_ends_a_session_like_any(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);

        send_close(h, link, (CloseReason) 200);
        assert_false(harness_is_up(h, link));
        assert_null(harness_notice(h, NOTICE_PROTOCOL_ERROR));
}

static void test_bytes_and_frames_are_counted(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);
        uint64_t n_bytes = counted(h, COUNTER_BYTES_OUT), n_frames = counted(h, COUNTER_FRAMES_OUT);

        assert_int_equal(counted(h, COUNTER_SESSIONS_IN), 1);
        assert_int_equal(counted(h, COUNTER_FRAMES_IN), 1);
        send_ping(h, link, 1);
        assert_int_equal(counted(h, COUNTER_FRAMES_IN), 2);
        assert_int_equal(counted(h, COUNTER_FRAMES_OUT), n_frames + 1);
        assert_int_equal(counted(h, COUNTER_BYTES_OUT), n_bytes + 6 + 4 + 8 + 4 + 2);
        link_out(h, 2);
        assert_int_equal(counted(h, COUNTER_SESSIONS_OUT), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_hello_that_does_not_come_in_5_seconds_is_not_awaited),
                TEST(test_half_a_hello_does_not_buy_time),
                TEST(test_a_dial_that_does_not_connect_is_given_up),
                TEST(test_a_hello_ok_that_does_not_come_is_given_up),
                TEST_QUIET(test_a_session_that_nobody_uses_is_closed_after_30_seconds),
                TEST_QUIET(test_pings_do_not_keep_a_session_that_is_no_link),
                TEST(test_nothing_but_hello_begins_a_session),
                TEST(test_nothing_but_hello_ok_answers_hello),
                TEST(test_whoever_calls_may_close_before_it_said_hello),
                TEST(test_a_second_handshake_is_refused),
                TEST(test_an_unknown_type_ends_a_handshake_and_nothing_later),
                TEST(test_a_malformed_body_ends_a_session),
                TEST(test_frames_are_smaller_until_the_handshake_is_done),
                TEST(test_a_probe_is_answered_and_changes_nothing),
                TEST(test_a_refutation_is_heard_on_a_probe),
                TEST(test_nothing_else_has_a_place_on_a_probe),
                TEST(test_a_probe_is_closed_after_10_seconds),
                TEST(test_a_probe_does_not_count_as_a_second_session),
                TEST(test_what_ended_can_be_fed_on_and_does_nothing),
                TEST(test_a_message_before_the_connection_ends_the_attempt),
                TEST(test_a_connection_is_made_once),
                TEST(test_what_the_other_end_refuses_is_told),
                TEST(test_a_reason_from_a_later_version_ends_a_session_like_any),
                TEST(test_bytes_and_frames_are_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
