/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/message.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "body.h"
#include "message-random.h"
#include "message-text.h"

typedef struct Scratch {
        RandomMessage original;
        Message decoded;
} Scratch;

static int scratch_setup(void **state) {
        *state = malloc(sizeof(Scratch));
        if (!*state)
                return -1;

        memset(*state, 0xaa, sizeof(Scratch));
        return 0;
}

static int scratch_teardown(void **state) {
        free(*state);
        return 0;
}

static FrameBuffer *encoded(const Message *message) {
        FrameBuffer *buffer;

        assert_int_equal(message_encode(&buffer, message), 0);
        return buffer;
}

static Slice body_of(const FrameBuffer *buffer) {
        return slice_of(buffer->data + FRAME_HEADER_SIZE, buffer->size - FRAME_HEADER_SIZE);
}

static void assert_same_message(const Message *a, const Message *b) {
        _cleanup_free_ char *text_a = message_to_text(a), *text_b = message_to_text(b);

        assert_non_null(text_a);
        assert_non_null(text_b);
        assert_string_equal(text_a, text_b);
}

static void test_every_message_comes_back_as_it_was(void **state) {
        Scratch *s = *state;
        Random random = random_from_run(11);

        for (unsigned i = 0; i < 60; i++)
                for (size_t j = 0; j < n_message_types; j++) {
                        _cleanup_(frame_buffer_unrefp) FrameBuffer *buffer = NULL, *again = NULL;
                        Frame frame;

                        message_random(&random, message_types[j], i % 20 == 0 ? PAYLOAD_MAX : 2000, &s->original);
                        buffer = encoded(&s->original.message);
                        assert_int_equal(buffer->size, message_encoded_size(&s->original.message));
                        assert_int_equal(frame_decode(&frame, buffer->data, buffer->size, FRAME_SIZE_MAX), buffer->size);
                        assert_int_equal(frame.type, message_types[j]);
                        assert_int_equal(frame.flags, 0);

                        assert_int_equal(message_decode(&s->decoded, &frame), 1);
                        assert_same_message(&s->decoded, &s->original.message);

                        again = encoded(&s->decoded);
                        assert_int_equal(again->size, buffer->size);
                        assert_memory_equal(again->data, buffer->data, buffer->size);
                }
}

static void test_bytes_are_those_of_the_specification(void **state) {
        static const uint8_t ping[] = {
                0, 0, 0, 20, 0x04, 0,
                20, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8,
                21, 0, 0, 2, 0x12, 0x34,
        };
        static const uint8_t busy[] = {
                0, 0, 0, 36, 0x32, 0,
                11, 0, 0, 7, 4, 0x17, 0x71, 127, 0, 0, 1,
                11, 0, 0, 19, 6, 0x17, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        };
        static const uint8_t gossip[] = {
                0, 0, 0, 55, 0x50, 0,
                32, 0, 0, 37,
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 7, 8,
                33, 0, 0, 1, 't',
                34, 0, 0, 3, 0, 0xff, '\n',
        };
        _cleanup_(frame_buffer_unrefp) FrameBuffer *a = NULL, *b = NULL, *c = NULL;
        Scratch *s = *state;
        Message *m = &s->original.message;

        *m = (Message) { .type = MESSAGE_PING, .ping = { .nonce = UINT64_C(0x0102030405060708), .n_links = 0x1234 } };
        a = encoded(m);
        assert_int_equal(a->size, sizeof(ping));
        assert_memory_equal(a->data, ping, sizeof(ping));

        *m = (Message) { .type = MESSAGE_BUSY, .busy.n_addresses = 2 };
        m->busy.addresses[0] = address_ipv4((const uint8_t[]) { 127, 0, 0, 1 }, 6001);
        m->busy.addresses[1] = address_ipv6((const uint8_t[16]) { [15] = 1 }, 6002);
        b = encoded(m);
        assert_int_equal(b->size, sizeof(busy));
        assert_memory_equal(b->data, busy, sizeof(busy));

        *m = (Message) { .type = MESSAGE_GOSSIP, .gossip = {
                .id = {
                        .origin = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
                        .epoch = 5,
                        .sequence = 6,
                },
                .age_msec = 7,
                .n_hops = 8,
                .topic = slice_of("t", 1),
                .payload = slice_of("\0\xff\n", 3),
        } };
        c = encoded(m);
        assert_int_equal(c->size, sizeof(gossip));
        assert_memory_equal(c->data, gossip, sizeof(gossip));
}

/* A cut body is refused, or it is the body of a shorter message: one that lost whole optional TLVs at its end. */
static void test_cut_bodies_never_say_more_than_is_there(void **state) {
        Scratch *s = *state;
        Random random = random_from_run(12);
        unsigned n_refused = 0;

        for (unsigned i = 0; i < 4; i++)
                for (size_t j = 0; j < n_message_types; j++) {
                        _cleanup_(frame_buffer_unrefp) FrameBuffer *buffer = NULL;
                        Slice body;

                        message_random(&random, message_types[j], 300, &s->original);
                        buffer = encoded(&s->original.message);
                        body = body_of(buffer);

                        /* Every byte of the first kilobyte, then in strides that meet every place in a record. */
                        for (size_t cut = 0; cut < body.size; cut += cut < 1024 ? 1 : 67) {
                                _cleanup_free_ uint8_t *copy = malloc(MAX(cut, (size_t) 1));
                                _cleanup_(frame_buffer_unrefp) FrameBuffer *again = NULL;
                                Frame frame = { .type = (uint8_t) message_types[j], .body = slice_of(copy, cut) };
                                int r;

                                assert_non_null(copy);
                                memcpy(copy, body.data, cut);
                                r = message_decode(&s->decoded, &frame);
                                if (r < 0) {
                                        assert_int_equal(r, -EBADMSG);
                                        n_refused++;
                                        continue;
                                }
                                assert_int_equal(r, 1);
                                again = encoded(&s->decoded);
                                assert_int_equal(again->size, FRAME_HEADER_SIZE + cut);
                                assert_memory_equal(body_of(again).data, copy, cut);
                        }
                }
        assert_true(n_refused > 1000);
}

static void test_only_the_counted_part_is_written(void **state) {
        Scratch *s = *state;
        const uint8_t *bytes = (const uint8_t *) &s->decoded;
        _cleanup_(frame_buffer_unrefp) FrameBuffer *busy = NULL, *gossip = NULL;
        Message *m = &s->original.message;
        Frame frame;

        memset(&s->decoded, 0xaa, sizeof(s->decoded));
        *m = (Message) { .type = MESSAGE_BUSY, .busy.n_addresses = 1 };
        m->busy.addresses[0] = address_ipv4((const uint8_t[]) { 1, 2, 3, 4 }, 1);
        busy = encoded(m);
        assert_true(frame_decode(&frame, busy->data, busy->size, FRAME_SIZE_MAX) > 0);
        assert_int_equal(message_decode(&s->decoded, &frame), 1);
        for (size_t i = offsetof(Message, busy.addresses[1]); i < sizeof(Message); i++)
                assert_int_equal(bytes[i], 0xaa);

        memset(&s->decoded, 0xaa, sizeof(s->decoded));
        *m = (Message) { .type = MESSAGE_GOSSIP, .gossip = {
                .id = { .origin = { { 1 } }, .sequence = 1 },
                .topic = slice_of("topic", 5),
                .payload = slice_of("data", 4),
        } };
        gossip = encoded(m);
        assert_true(frame_decode(&frame, gossip->data, gossip->size, FRAME_SIZE_MAX) > 0);
        assert_int_equal(message_decode(&s->decoded, &frame), 1);
        for (size_t i = offsetof(Message, gossip) + sizeof(GossipMessage); i < sizeof(Message); i++)
                assert_int_equal(bytes[i], 0xaa);
        assert_ptr_equal(s->decoded.gossip.payload.data, gossip->data + gossip->size - 4);      /* borrowed, not copied */
}

static void test_types_without_a_body_are_skipped_unseen(void **state) {
        static const uint8_t garbage[] = { 0xff, 0xff, 0xff };
        Scratch *s = *state;

        for (unsigned type = 0; type < 256; type++) {
                bool known = false;

                for (size_t i = 0; i < n_message_types; i++)
                        known = known || message_types[i] == type;
                assert_int_equal(body_decode(type, garbage, sizeof(garbage), &s->decoded), known ? -EBADMSG : 0);
        }
}

static void test_records_stand_alone(void **state) {
        Scratch *s = *state;
        Random random = random_from_run(13);

        for (unsigned i = 0; i < 500; i++) {
                uint8_t buffer[RECORD_SIZE_MAX];
                Record *record = &s->decoded.reg.record;
                size_t size;

                message_random(&random, MESSAGE_REFUTE, 0, &s->original);
                size = record_encode(&s->original.message.reg.record, buffer);
                assert_true(size <= RECORD_SIZE_MAX);

                assert_int_equal(record_decode(record, slice_of(buffer, size)), 0);
                s->decoded.type = MESSAGE_REFUTE;
                assert_same_message(&s->decoded, &s->original.message);

                for (size_t cut = 0; cut < size; cut += 1 + random_below(&random, 8)) {
                        _cleanup_free_ uint8_t *copy = malloc(MAX(cut, (size_t) 1));
                        uint8_t shorter[RECORD_SIZE_MAX];

                        assert_non_null(copy);
                        memcpy(copy, buffer, cut);
                        if (record_decode(record, slice_of(copy, cut)) == 0) {
                                assert_int_equal(record_encode(record, shorter), cut);  /* lost addresses, nothing else */
                                assert_memory_equal(shorter, copy, cut);
                        }
                }
        }
}

static void assert_not_encodable(const Message *message) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                FrameBuffer *buffer;

                (void) signal(SIGABRT, SIG_DFL);
                (void) close(STDERR_FILENO);            /* the message of assert() */
                (void) message_encode(&buffer, message);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_our_own_mistakes_do_not_reach_the_wire(void **state) {
        Scratch *s = *state;
        Message *m = &s->original.message;

        assert_not_encodable(&(Message) { .type = 0x60 });
        assert_not_encodable(&(Message) { .type = 0x7f });
        assert_not_encodable(&(Message) { .type = MESSAGE_DISCONNECT });                        /* reason 0 */
        assert_not_encodable(&(Message) { .type = MESSAGE_DISCONNECT, .disconnect.reason = 256 });
        assert_not_encodable(&(Message) { .type = MESSAGE_LIST, .list.count = 65 });
        assert_not_encodable(&(Message) { .type = MESSAGE_ACCUSED, .accused.held.state = _MEMBER_STATE_MAX });
        assert_not_encodable(&(Message) { .type = MESSAGE_DEAD_REPORT });                       /* of nobody */
        assert_not_encodable(&(Message) { .type = MESSAGE_BUSY, .busy.n_addresses = MESSAGE_ADDRESSES_MAX + 1 });
        assert_not_encodable(&(Message) { .type = MESSAGE_BUSY, .busy.n_addresses = 1 });       /* no address */

        *m = (Message) { .type = MESSAGE_CLOSE, .close.reason = CLOSE_DONE };
        memset(m->close.detail, 'x', sizeof(m->close.detail));                                  /* no closing NUL */
        assert_not_encodable(m);
        (void) strcpy(m->close.detail, "two\nlines");
        assert_not_encodable(m);

        *m = (Message) { .type = MESSAGE_GOSSIP, .gossip = {
                .id = { .origin = { { 1 } }, .sequence = 1 }, .topic = slice_of("topic", 5),
                .payload = slice_of(s->original.payload, PAYLOAD_MAX + 1),
        } };
        assert_not_encodable(m);
}

static void test_names_are_complete_and_distinct(void **state) {
        for (size_t i = 0; i < n_message_types; i++)
                assert_non_null(message_type_to_string(message_types[i]));
        assert_string_equal(message_type_to_string(MESSAGE_HELLO), "HELLO");
        assert_string_equal(message_type_to_string(MESSAGE_SYNC_RECORDS), "SYNC_RECORDS");
        assert_string_equal(message_type_to_string(MESSAGE_MSG_WANT), "MSG_WANT");
        assert_null(message_type_to_string(0));
        assert_null(message_type_to_string(0x06));
        assert_null(message_type_to_string(MESSAGE_MSG_WANT + 1));
        assert_null(message_type_to_string(255));
        assert_null(message_type_to_string(UINT32_MAX));

        for (unsigned i = 1; i < _CLOSE_REASON_MAX; i++) {
                assert_non_null(close_reason_to_string(i));
                for (unsigned j = 1; j < i; j++)
                        assert_string_not_equal(close_reason_to_string(i), close_reason_to_string(j));
        }
        assert_string_equal(close_reason_to_string(CLOSE_DUPLICATE_ID), "duplicate-id");
        assert_null(close_reason_to_string(0));
        assert_null(close_reason_to_string(_CLOSE_REASON_MAX));

        assert_string_equal(member_state_to_string(MEMBER_ALIVE), "alive");
        assert_string_equal(member_state_to_string(MEMBER_SUSPECT), "suspect");
        assert_string_equal(member_state_to_string(MEMBER_LEFT), "left");
        assert_string_equal(member_state_to_string(MEMBER_DEAD), "dead");
        assert_null(member_state_to_string(_MEMBER_STATE_MAX));
        assert_null(member_state_to_string(_MEMBER_STATE_INVALID));

        assert_string_equal(role_to_string(ROLE_PEER), "peer");
        assert_string_equal(role_to_string(ROLE_SEED), "seed");
        assert_null(role_to_string(0));
        assert_null(role_to_string(3));
}

#define with_scratch(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_scratch(test_every_message_comes_back_as_it_was),
                with_scratch(test_bytes_are_those_of_the_specification),
                with_scratch(test_cut_bodies_never_say_more_than_is_there),
                with_scratch(test_only_the_counted_part_is_written),
                with_scratch(test_types_without_a_body_are_skipped_unseen),
                with_scratch(test_records_stand_alone),
                with_scratch(test_our_own_mistakes_do_not_reach_the_wire),
                cmocka_unit_test(test_names_are_complete_and_distinct),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
