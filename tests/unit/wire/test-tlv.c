/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/tlv.h"

#include <errno.h>

#include "message-text.h"
#include "scratch.h"

/* The columns: in which message, which TLV, whether it has to be there, whether it may come twice. */
static const struct {
        MessageType type;
        TlvTag tag;
        bool required, repeated;
        size_t size;            /* when fixed */
} places[] = {
        { MESSAGE_HELLO,        TAG_NETWORK,     true,  false, 0    },
        { MESSAGE_HELLO,        TAG_VERSION_MIN, true,  false, 2    },
        { MESSAGE_HELLO,        TAG_VERSION_MAX, true,  false, 2    },
        { MESSAGE_HELLO,        TAG_ID,          true,  false, 16   },
        { MESSAGE_HELLO,        TAG_EPOCH,       true,  false, 8    },
        { MESSAGE_HELLO,        TAG_ROLE,        true,  false, 1    },
        { MESSAGE_HELLO,        TAG_PURPOSE,     true,  false, 1    },
        { MESSAGE_HELLO,        TAG_NAME,        true,  false, 0    },
        { MESSAGE_HELLO,        TAG_PORT,        true,  false, 2    },
        { MESSAGE_HELLO,        TAG_ADDRESS,     false, true,  0    },
        { MESSAGE_HELLO,        TAG_FEATURES,    true,  false, 8    },
        { MESSAGE_HELLO_OK,     TAG_VERSION,     true,  false, 2    },
        { MESSAGE_HELLO_OK,     TAG_ID,          true,  false, 16   },
        { MESSAGE_HELLO_OK,     TAG_EPOCH,       true,  false, 8    },
        { MESSAGE_HELLO_OK,     TAG_ROLE,        true,  false, 1    },
        { MESSAGE_HELLO_OK,     TAG_NAME,        true,  false, 0    },
        { MESSAGE_HELLO_OK,     TAG_PORT,        true,  false, 2    },
        { MESSAGE_HELLO_OK,     TAG_ADDRESS,     false, true,  0    },
        { MESSAGE_HELLO_OK,     TAG_FEATURES,    true,  false, 8    },
        { MESSAGE_HELLO_OK,     TAG_OBSERVED,    false, false, 0    },
        { MESSAGE_HELLO_OK,     TAG_HELD,        false, false, 13   },
        { MESSAGE_CLOSE,        TAG_REASON,      true,  false, 1    },
        { MESSAGE_CLOSE,        TAG_RETRY_AFTER, true,  false, 4    },
        { MESSAGE_CLOSE,        TAG_DETAIL,      true,  false, 0    },
        { MESSAGE_PING,         TAG_NONCE,       true,  false, 8    },
        { MESSAGE_PING,         TAG_LINKS,       true,  false, 2    },
        { MESSAGE_PONG,         TAG_NONCE,       true,  false, 8    },
        { MESSAGE_PONG,         TAG_LINKS,       true,  false, 2    },
        { MESSAGE_REGISTER,     TAG_RECORD,      true,  false, 0    },
        { MESSAGE_REGISTER,     TAG_LINKS,       true,  false, 2    },
        { MESSAGE_REGISTER_OK,  TAG_LEASE,       true,  false, 4    },
        { MESSAGE_REGISTER_OK,  TAG_TOTAL,       true,  false, 4    },
        { MESSAGE_REGISTER_OK,  TAG_HELD,        false, false, 13   },
        { MESSAGE_LIST,         TAG_COUNT,       true,  false, 2    },
        { MESSAGE_LIST,         TAG_AFTER,       false, false, 16   },
        { MESSAGE_LIST_OK,      TAG_TOTAL,       true,  false, 4    },
        { MESSAGE_LIST_OK,      TAG_RECORD,      false, true,  0    },
        { MESSAGE_RENEW,        TAG_EPOCH,       true,  false, 8    },
        { MESSAGE_RENEW,        TAG_INCARNATION, true,  false, 4    },
        { MESSAGE_RENEW,        TAG_LINKS,       true,  false, 2    },
        { MESSAGE_RENEW_OK,     TAG_LEASE,       true,  false, 4    },
        { MESSAGE_RENEW_OK,     TAG_TOTAL,       true,  false, 4    },
        { MESSAGE_RENEW_OK,     TAG_HELD,        false, false, 13   },
        { MESSAGE_RENEW_OK,     TAG_RECORD,      false, true,  0    },
        { MESSAGE_LEAVE,        TAG_EPOCH,       true,  false, 8    },
        { MESSAGE_LEAVE,        TAG_INCARNATION, true,  false, 4    },
        { MESSAGE_DEAD_REPORT,  TAG_ID,          true,  false, 16   },
        { MESSAGE_DEAD_REPORT,  TAG_EPOCH,       true,  false, 8    },
        { MESSAGE_DEAD_REPORT,  TAG_INCARNATION, true,  false, 4    },
        { MESSAGE_ACCUSED,      TAG_HELD,        true,  false, 13   },
        { MESSAGE_REFUTE,       TAG_RECORD,      true,  false, 0    },
        { MESSAGE_SYNC_DIGEST,  TAG_DIGEST,      true,  false, 2048 },
        { MESSAGE_SYNC_RECORDS, TAG_RECORD,      false, true,  0    },
        { MESSAGE_SYNC_RECORDS, TAG_RENEWAL,     false, true,  28   },
        { MESSAGE_SYNC_RECORDS, TAG_BUCKETS,     false, false, 32   },
        { MESSAGE_NEIGHBOR,     TAG_PRIORITY,    true,  false, 1    },
        { MESSAGE_NEIGHBOR,     TAG_LINKS,       true,  false, 2    },
        { MESSAGE_ACCEPT,       TAG_LINKS,       true,  false, 2    },
        { MESSAGE_BUSY,         TAG_ADDRESS,     false, true,  0    },
        { MESSAGE_DISCONNECT,   TAG_REASON,      true,  false, 1    },
        { MESSAGE_GOSSIP,       TAG_STAMP,       true,  false, 37   },
        { MESSAGE_GOSSIP,       TAG_TOPIC,       true,  false, 0    },
        { MESSAGE_GOSSIP,       TAG_PAYLOAD,     true,  false, 0    },
};

static void test_required_ones_have_to_be_there(void **state) {
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                scratch_encode(s, places[i].type);
                body_copy_without(&s->body, s->valid, (uint8_t) places[i].tag);
                assert_int_equal(scratch_decode(s, places[i].type), places[i].required ? -EBADMSG : 1);
        }
}

static Slice example_of(TlvTag tag) {
        static const uint8_t address[] = { 4, 0x17, 0x71, 127, 0, 0, 1 }, held[13], bytes[32] = { 1 };
        static uint8_t record[RECORD_SIZE_MAX];
        static const Record member = { .id = { { 1 } }, .role = ROLE_PEER, .name = "a" };

        if (tag == TAG_RECORD)
                return slice_of(record, record_encode(&member, record));
        if (tag == TAG_ADDRESS || tag == TAG_OBSERVED)
                return slice_of(address, sizeof(address));
        if (tag == TAG_RENEWAL)
                return slice_of(bytes, 28);
        if (tag == TAG_HELD)
                return slice_of(held, sizeof(held));
        if (tag == TAG_AFTER)
                return slice_of(bytes, 16);
        assert_int_equal(tag, TAG_BUCKETS);
        return slice_of(bytes, 32);
}

static void test_only_repeated_ones_may_come_twice(void **state) {
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                Slice value = {};

                scratch_encode(s, places[i].type);
                body_copy_without(&s->body, s->valid, (uint8_t) places[i].tag);
                if (places[i].required)
                        for (size_t j = 0; j < s->valid.size; j += 4 + value.size)
                                if (tlv_at(s->valid.data + j, &value) == places[i].tag)
                                        break;
                if (!places[i].required)
                        value = example_of(places[i].tag);

                body_add(&s->body, (uint8_t) places[i].tag, value.data, value.size);
                assert_int_equal(scratch_decode(s, places[i].type), 1);
                body_add(&s->body, (uint8_t) places[i].tag, value.data, value.size);
                assert_int_equal(scratch_decode(s, places[i].type), places[i].repeated ? 1 : -EBADMSG);

                /* The critical bit does not make it another one. */
                s->body.size -= 4 + value.size;
                body_add(&s->body, (uint8_t) (places[i].tag | TLV_CRITICAL), value.data, value.size);
                assert_int_equal(scratch_decode(s, places[i].type), places[i].repeated ? 1 : -EBADMSG);
        }
}

static void test_fixed_sizes_are_exact(void **state) {
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                size_t size = places[i].size;
                uint8_t value[2050];

                if (size == 0)
                        continue;
                memset(value, 0, sizeof(value));
                value[0] = value[31] = 1;       /* an id that is somebody's, a sequence above 0 */
                if (size <= 8)
                        memset(value, 0, size);
                value[size - 1] = 1;
                if (places[i].tag == TAG_VERSION_MAX)
                        memset(value, 0xff, 2);

                assert_int_equal(decode_with(s, places[i].type, (uint8_t) places[i].tag, value, size), 1);
                assert_int_equal(decode_with(s, places[i].type, (uint8_t) places[i].tag, value, size - 1), -EBADMSG);
                assert_int_equal(decode_with(s, places[i].type, (uint8_t) places[i].tag, value, size + 1), -EBADMSG);
                assert_int_equal(decode_with(s, places[i].type, (uint8_t) places[i].tag, value, 0), -EBADMSG);
        }
}

static void test_repeated_ones_have_a_largest_number(void **state) {
        static const struct {
                MessageType type;
                TlvTag tag;
                size_t n_max;
        } rows[] = {
                { MESSAGE_HELLO,        TAG_ADDRESS, 4   },
                { MESSAGE_HELLO_OK,     TAG_ADDRESS, 4   },
                { MESSAGE_LIST_OK,      TAG_RECORD,  64  },
                { MESSAGE_RENEW_OK,     TAG_RECORD,  64  },
                { MESSAGE_SYNC_RECORDS, TAG_RECORD,  64  },
                { MESSAGE_SYNC_RECORDS, TAG_RENEWAL, 512 },
                { MESSAGE_BUSY,         TAG_ADDRESS, 8   },
        };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Slice value = example_of(rows[i].tag);

                scratch_encode(s, rows[i].type);
                body_copy_without(&s->body, s->valid, (uint8_t) rows[i].tag);
                for (size_t n = 1; n <= rows[i].n_max; n++) {
                        body_add(&s->body, (uint8_t) rows[i].tag, value.data, value.size);
                        assert_int_equal(scratch_decode(s, rows[i].type), 1);
                }
                body_add(&s->body, (uint8_t) rows[i].tag, value.data, value.size);
                assert_int_equal(scratch_decode(s, rows[i].type), -EBADMSG);
        }
}

/* They may stand anywhere, repeatedly, and be empty; also in a record; and known ones that have no place here. */
static void test_unknown_ones_are_skipped_unless_critical(void **state) {
        static const uint8_t unknown[] = { TAG_LINK + 1, 42, 43, 100, 127 };
        Scratch *s = *state;

        for (size_t i = 0; i < n_message_types; i++)
                for (size_t j = 0; j < ELEMENTSOF(unknown); j++) {
                        _cleanup_free_ char *expected = NULL, *text = NULL;
                        _cleanup_free_ uint8_t *copy = NULL;
                        Frame frame = { .type = (uint8_t) message_types[i] };

                        scratch_encode(s, message_types[i]);
                        body_add(&s->body, unknown[j], "whatever", 8);
                        body_copy_without(&s->body, s->valid, 0);
                        body_add(&s->body, unknown[j], NULL, 0);
                        body_add(&s->body, unknown[j], "\xff", 1);

                        copy = malloc(s->body.size);
                        assert_non_null(copy);
                        memcpy(copy, s->body.data, s->body.size);
                        frame.body = slice_of(copy, s->body.size);
                        assert_int_equal(message_decode(&s->decoded, &frame), 1);
                        text = message_to_text(&s->decoded);
                        expected = message_to_text(&s->original.message);
                        assert_string_equal(text, expected);

                        body_add(&s->body, unknown[j] | TLV_CRITICAL, NULL, 0);
                        assert_int_equal(scratch_decode(s, message_types[i]), -EBADMSG);
                }

        assert_int_equal(decode_record_with(s, 127, "x", 1), 1);
        assert_int_equal(decode_record_with(s, 127 | TLV_CRITICAL, "x", 1), -EBADMSG);
        assert_int_equal(decode_record_with(s, TAG_PAYLOAD, "x", 1), 1);
        assert_int_equal(decode_with(s, MESSAGE_PING, TAG_NETWORK, NULL, 0), 1);        /* unknown here */
        assert_int_equal(decode_with(s, MESSAGE_PING, TAG_NETWORK | TLV_CRITICAL, "p2p", 3), -EBADMSG);
}

static void test_tag_zero_is_malformed(void **state) {
        Scratch *s = *state;

        assert_int_equal(decode_with(s, MESSAGE_PING, 0, NULL, 0), -EBADMSG);
        assert_int_equal(decode_with(s, MESSAGE_PING, TLV_CRITICAL, NULL, 0), -EBADMSG);
        assert_int_equal(decode_record_with(s, 0, NULL, 0), -EBADMSG);
}

static void test_order_is_free(void **state) {
        Scratch *s = *state;

        for (size_t i = 0; i < n_message_types; i++) {
                _cleanup_free_ size_t *starts = calloc(1024, sizeof(size_t));
                _cleanup_free_ char *expected = NULL, *text = NULL;
                Slice value;
                size_t n = 0;
                Frame frame = { .type = (uint8_t) message_types[i] };

                assert_non_null(starts);
                scratch_encode(s, message_types[i]);
                for (size_t j = 0; j < s->valid.size; j += 4 + value.size) {
                        starts[n++] = j;
                        (void) tlv_at(s->valid.data + j, &value);
                }

                /* From the last kind of TLV to the first; those of one kind keep their order. */
                while (n > 0) {
                        size_t first = n - 1;

                        while (first > 0 && s->valid.data[starts[first - 1]] == s->valid.data[starts[n - 1]])
                                first--;
                        for (size_t j = first; j < n; j++) {
                                uint8_t tag = tlv_at(s->valid.data + starts[j], &value);

                                body_add(&s->body, tag | TLV_CRITICAL, value.data, value.size);
                        }
                        n = first;
                }

                frame.body = slice_of(s->body.data, s->body.size);
                assert_int_equal(message_decode(&s->decoded, &frame), 1);
                text = message_to_text(&s->decoded);
                expected = message_to_text(&s->original.message);
                assert_string_equal(text, expected);
        }
}

static void test_rests_and_false_lengths_are_refused(void **state) {
        static const uint8_t rests[][5] = {
                { 127 },                        /* 1 to 3 bytes: no header */
                { 127, 0, 0, 1 },               /* a value that is not there */
                { 127, 0, 0, 2, 0 },
                { 127, 0xff, 0xff, 0xff, 0 },
                { TAG_LINKS, 0, 0, 2, 0 },
        };
        static const size_t sizes[][2] = { { 1, 3 }, { 4, 4 }, { 5, 5 }, { 4, 5 }, { 4, 5 } };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(rests); i++)
                for (size_t size = sizes[i][0]; size <= sizes[i][1]; size++) {
                        scratch_encode(s, MESSAGE_PING);
                        body_copy_without(&s->body, s->valid, TAG_LINKS);
                        if (i < 4)
                                body_add(&s->body, TAG_LINKS, (const uint8_t[2]) {}, 2);
                        memcpy(s->body.data + s->body.size, rests[i], size);
                        s->body.size += size;
                        assert_int_equal(scratch_decode(s, MESSAGE_PING), -EBADMSG);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_scratch(test_required_ones_have_to_be_there),
                with_scratch(test_only_repeated_ones_may_come_twice),
                with_scratch(test_fixed_sizes_are_exact),
                with_scratch(test_repeated_ones_have_a_largest_number),
                with_scratch(test_unknown_ones_are_skipped_unless_critical),
                with_scratch(test_tag_zero_is_malformed),
                with_scratch(test_order_is_free),
                with_scratch(test_rests_and_false_lengths_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
