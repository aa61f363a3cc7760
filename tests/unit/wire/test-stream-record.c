/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/stream-record.h"

#include <errno.h>

#include "unit.h"

static void test_a_publish_is_these_bytes(void **state) {
        static const uint8_t expected[] = { 0, 0, 0, 8, 1, 16, 2, '/', 'x', 'a', 'b', 'c' };
        uint8_t buffer[sizeof(expected)];
        Slice topic, payload;
        StreamRecord record;

        assert_ptr_equal(stream_put_publish(buffer, slice_of("/x", 2), slice_of("abc", 3)), buffer + sizeof(buffer));
        assert_memory_equal(buffer, expected, sizeof(expected));

        assert_int_equal(stream_record_next(&record, slice_of(buffer, sizeof(buffer)), STREAM_PUBLISH_MAX), 1);
        assert_int_equal(record.type, STREAM_PUBLISH);
        assert_int_equal(record.size, sizeof(expected));
        assert_int_equal(stream_publish_decode(record.body, &topic, &payload), 0);
        assert_int_equal(topic.size, 2);
        assert_memory_equal(topic.data, "/x", 2);
        assert_int_equal(payload.size, 3);
        assert_memory_equal(payload.data, "abc", 3);
}

static void test_a_message_is_these_bytes(void **state) {
        static const uint8_t expected[] = {
                0, 0, 0, 53, 1, 1,
                7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 3,
                0, 0, 0, 0, 0, 0, 3, 232, 4, 3, 2, 0, 'w', 'e', 'b', '/', 'x', 'p', 'q',
        };
        const StreamMessage message = {
                .id = { { { 7, [15] = 9 } }, 2, 259 }, .age_usec = 1000, .n_hops = 4,
                .name = slice_of("web", 3), .topic = slice_of("/x", 2), .payload = slice_of("pq", 2),
        };
        uint8_t buffer[sizeof(expected)];
        StreamMessage found;
        StreamRecord record;

        assert_int_equal(stream_message_size(&message), sizeof(expected));
        assert_ptr_equal(stream_put_message(buffer, &message), buffer + sizeof(buffer));
        assert_memory_equal(buffer, expected, sizeof(expected));

        assert_int_equal(stream_record_next(&record, slice_of(buffer, sizeof(buffer)), STREAM_MESSAGE_MAX), 1);
        assert_int_equal(stream_message_decode(&found, record.body), 0);
        assert_memory_equal(&found.id.origin, &message.id.origin, NODE_ID_SIZE);
        assert_int_equal(found.id.epoch, 2);
        assert_int_equal(found.id.sequence, 259);
        assert_int_equal(found.age_usec, 1000);
        assert_int_equal(found.n_hops, 4);
        assert_int_equal(found.name.size, 3);
        assert_int_equal(found.topic.size, 2);
        assert_int_equal(found.payload.size, 2);
        assert_memory_equal(found.payload.data, "pq", 2);
}

static void test_answers_are_these_bytes(void **state) {
        static const uint8_t lost[] = { 0, 0, 0, 10, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0 };
        static const uint8_t accepted[] = { 0, 0, 0, 22, 1, 17, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3 };
        static const uint8_t refused[] = { 0, 0, 0, 3, 1, 18, 3 };
        static const uint8_t closed[] = { 0, 0, 0, 3, 1, 19, 2 };
        uint8_t buffer[STREAM_ANSWER_MAX];

        assert_ptr_equal(stream_put_lost(buffer, 256), buffer + STREAM_LOST_SIZE);
        assert_memory_equal(buffer, lost, sizeof(lost));
        assert_ptr_equal(stream_put_accepted(buffer, 5, 9, 3), buffer + STREAM_ANSWER_MAX);
        assert_memory_equal(buffer, accepted, sizeof(accepted));
        assert_ptr_equal(stream_put_refused(buffer, STREAM_TOO_LARGE), buffer + sizeof(refused));
        assert_memory_equal(buffer, refused, sizeof(refused));
        assert_ptr_equal(stream_put_closed(buffer, STREAM_MALFORMED), buffer + sizeof(closed));
        assert_memory_equal(buffer, closed, sizeof(closed));
}

static void test_every_beginning_of_a_record_waits_for_the_rest(void **state) {
        uint8_t buffer[64];
        size_t size = (size_t) (stream_put_publish(buffer, slice_of("/x", 2), slice_of("abc", 3)) - buffer);
        StreamRecord record;

        for (size_t i = 0; i < size; i++)
                assert_int_equal(stream_record_next(&record, slice_of(buffer, i), STREAM_PUBLISH_MAX), 0);
}

static void test_wrong_headers_are_refused_at_their_last_byte(void **state) {
        static const struct {
                uint8_t bytes[STREAM_HEADER_SIZE];
                int error;
        } cases[] = {
                { { 0, 0, 0, 2, 0, 16 }, -EPROTONOSUPPORT },
                { { 0, 0, 0, 2, 2, 16 }, -EPROTONOSUPPORT },
                { { 0, 0, 0, 1, 1, 16 }, -EBADMSG },
                { { 0, 0, 0, 0, 1, 16 }, -EBADMSG },
                { { 0xff, 0xff, 0xff, 0xff, 1, 16 }, -EMSGSIZE },
                { { 0, 0, 0, 97, 1, 16 }, -EMSGSIZE },          /* 101 bytes in all */
        };
        StreamRecord record;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(stream_record_next(&record, slice_of(cases[i].bytes, STREAM_HEADER_SIZE), 100), cases[i].error);
        assert_int_equal(record.type, STREAM_PUBLISH);
        assert_int_equal(record.size, 101);             /* so that it can be skipped */
}

static void test_wrong_bodies_of_publish_are_told_apart(void **state) {
        static uint8_t large[1 + 2 + PAYLOAD_MAX + 1] = { 2, '/', 'x' };
        Slice topic, payload;

        assert_int_equal(stream_publish_decode(slice_of("", 0), &topic, &payload), -EBADMSG);
        assert_int_equal(stream_publish_decode(slice_of("\3/x", 3), &topic, &payload), -EBADMSG);
        assert_int_equal(stream_publish_decode(slice_of("\0abc", 4), &topic, &payload), -EINVAL);
        assert_int_equal(stream_publish_decode(slice_of("\2/\nabc", 6), &topic, &payload), -EINVAL);
        assert_int_equal(stream_publish_decode(slice_of("\2/\xc3""abc", 6), &topic, &payload), -EINVAL);
        assert_int_equal(stream_publish_decode(slice_of("\2/x", 3), &topic, &payload), 0);
        assert_int_equal(payload.size, 0);
        assert_int_equal(stream_publish_decode(slice_of(large, sizeof(large) - 1), &topic, &payload), 0);
        assert_int_equal(payload.size, PAYLOAD_MAX);
        assert_int_equal(stream_publish_decode(slice_of(large, sizeof(large)), &topic, &payload), -EMSGSIZE);
}

static void test_wrong_bodies_of_message_are_refused(void **state) {
        uint8_t body[STREAM_MESSAGE_FIXED + 5] = { [41] = 3, [42] = 2 };
        StreamMessage message;

        assert_int_equal(stream_message_decode(&message, slice_of(body, sizeof(body))), 0);
        assert_int_equal(message.payload.size, 0);
        assert_int_equal(stream_message_decode(&message, slice_of(body, sizeof(body) - 1)), -EBADMSG);
        assert_int_equal(stream_message_decode(&message, slice_of(body, STREAM_MESSAGE_FIXED - 1)), -EBADMSG);
        assert_int_equal(stream_message_decode(&message, slice_of(body, 0)), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_publish_is_these_bytes),
                cmocka_unit_test(test_a_message_is_these_bytes),
                cmocka_unit_test(test_answers_are_these_bytes),
                cmocka_unit_test(test_every_beginning_of_a_record_waits_for_the_rest),
                cmocka_unit_test(test_wrong_headers_are_refused_at_their_last_byte),
                cmocka_unit_test(test_wrong_bodies_of_publish_are_told_apart),
                cmocka_unit_test(test_wrong_bodies_of_message_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
