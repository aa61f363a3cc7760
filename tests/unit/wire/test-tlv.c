/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/tlv.h"

#include <errno.h>

#include "body.h"
#include "message-random.h"
#include "message-text.h"

typedef struct Scratch {
        RandomMessage original;
        Message decoded;
        Body body;
        Slice valid;            /* the body of @original, encoded */
        FrameBuffer *buffer;
} Scratch;

static int scratch_setup(void **state) {
        *state = calloc(1, sizeof(Scratch));
        return *state ? 0 : -1;
}

static int scratch_teardown(void **state) {
        Scratch *s = *state;

        s->buffer = frame_buffer_unref(s->buffer);
        free(s);
        return 0;
}

/* A valid message of this type, in @original and @valid; @body begins empty. */
static void scratch_encode(Scratch *s, MessageType type) {
        Random random = random_from_run(type);

        s->buffer = frame_buffer_unref(s->buffer);
        message_random(&random, type, 100, &s->original);
        assert_int_equal(message_encode(&s->buffer, &s->original.message), 0);
        s->valid = slice_of(s->buffer->data + FRAME_HEADER_SIZE, s->buffer->size - FRAME_HEADER_SIZE);
        s->body.size = 0;
}

static int scratch_decode(Scratch *s, MessageType type) {
        return body_decode(type, s->body.data, s->body.size, &s->decoded);
}

/* What becomes of a valid message whose TLV @tag has this value instead. */
static int decode_with(Scratch *s, MessageType type, uint8_t tag, const void *value, size_t size) {
        scratch_encode(s, type);
        body_copy_without(&s->body, s->valid, tag);
        body_add(&s->body, tag, value, size);
        return scratch_decode(s, type);
}

/* The same for a record, with its TLVs: the table is in a REFUTE. */
static int decode_record_with(Scratch *s, uint8_t tag, const void *value, size_t size) {
        Body *record = calloc(1, sizeof(Body));
        Slice valid;
        int r;

        assert_non_null(record);
        scratch_encode(s, MESSAGE_REFUTE);
        assert_int_equal(tlv_at(s->valid.data, &valid), TAG_RECORD);
        body_copy_without(record, valid, tag);
        body_add(record, tag, value, size);

        body_add(&s->body, TAG_RECORD, record->data, record->size);
        r = scratch_decode(s, MESSAGE_REFUTE);
        free(record);
        return r;
}

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

static void test_texts_have_bounds(void **state) {
        static const struct {
                MessageType type;
                TlvTag tag;
                size_t size_min, size_max;
        } rows[] = {
                { MESSAGE_HELLO,    TAG_NETWORK, 1, 64      },
                { MESSAGE_HELLO,    TAG_NAME,    1, 100     },
                { MESSAGE_HELLO_OK, TAG_NAME,    1, 100     },
                { MESSAGE_CLOSE,    TAG_DETAIL,  0, 200     },
                { MESSAGE_GOSSIP,   TAG_TOPIC,   1, 255     },
        };
        char text[256];
        Scratch *s = *state;

        memset(text, 'x', sizeof(text));
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t size = 0; size <= sizeof(text); size++)
                        assert_int_equal(decode_with(s, rows[i].type, (uint8_t) rows[i].tag, text, size),
                                         size >= rows[i].size_min && size <= rows[i].size_max ? 1 : -EBADMSG);

        for (size_t size = 0; size <= 101; size++)
                assert_int_equal(decode_record_with(s, TAG_NAME, text, size), size >= 1 && size <= 100 ? 1 : -EBADMSG);
}

static void test_payload_may_be_empty_and_has_a_bound(void **state) {
        Scratch *s = *state;
        size_t size = 4 + 37 + 4 + 1 + 4 + PAYLOAD_MAX + 1;
        _cleanup_free_ uint8_t *data = calloc(1, size);
        uint8_t *p = data, *length;

        assert_non_null(data);
        p = put_be24(put_u8(p, TAG_STAMP), 37);
        p[0] = p[31] = 1;
        p += 37;
        p = put_u8(put_be24(put_u8(p, TAG_TOPIC), 1), 't');
        length = put_u8(p, TAG_PAYLOAD);

        (void) put_be24(length, 0);
        assert_int_equal(body_decode(MESSAGE_GOSSIP, data, size - PAYLOAD_MAX - 1, &s->decoded), 1);
        assert_int_equal(s->decoded.gossip.payload.size, 0);
        (void) put_be24(length, PAYLOAD_MAX);
        assert_int_equal(body_decode(MESSAGE_GOSSIP, data, size - 1, &s->decoded), 1);
        assert_int_equal(s->decoded.gossip.payload.size, PAYLOAD_MAX);
        (void) put_be24(length, PAYLOAD_MAX + 1);
        assert_int_equal(body_decode(MESSAGE_GOSSIP, data, size, &s->decoded), -EBADMSG);
}

static void test_hostile_text_is_refused(void **state) {
        static const Slice wrong[] = {
                { (const uint8_t *) "a\0b", 3 },
                { (const uint8_t *) "\x1b[2J", 4 },
                { (const uint8_t *) "a\n", 2 },
                { (const uint8_t *) "\x1f", 1 },
                { (const uint8_t *) "\x7f", 1 },
                { (const uint8_t *) "\xc2\x80", 2 },    /* C1, first and last */
                { (const uint8_t *) "\xc2\x9f", 2 },
                { (const uint8_t *) "\xc2", 1 },
                { (const uint8_t *) "\xff", 1 },
                { (const uint8_t *) "\xc0\x80", 2 },
                { (const uint8_t *) "\xed\xa0\x80", 3 },
                { (const uint8_t *) "\xf4\x90\x80\x80", 4 },
        };
        static const char *const right[] = { " ", "~", "\u00a0", "\u07ff", "日本語", "\U0010ffff", "\u202e" };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                assert_int_equal(decode_with(s, MESSAGE_HELLO, TAG_NETWORK, wrong[i].data, wrong[i].size), -EBADMSG);
                assert_int_equal(decode_with(s, MESSAGE_HELLO, TAG_NAME, wrong[i].data, wrong[i].size), -EBADMSG);
                assert_int_equal(decode_with(s, MESSAGE_CLOSE, TAG_DETAIL, wrong[i].data, wrong[i].size), -EBADMSG);
                assert_int_equal(decode_record_with(s, TAG_NAME, wrong[i].data, wrong[i].size), -EBADMSG);
                assert_int_equal(decode_with(s, MESSAGE_GOSSIP, TAG_TOPIC, wrong[i].data, wrong[i].size), -EBADMSG);
        }
        for (size_t i = 0; i < ELEMENTSOF(right); i++) {
                assert_int_equal(decode_with(s, MESSAGE_CLOSE, TAG_DETAIL, right[i], strlen(right[i])), 1);
                assert_string_equal(s->decoded.close.detail, right[i]);
                assert_int_equal(decode_with(s, MESSAGE_GOSSIP, TAG_TOPIC, right[i], strlen(right[i])),
                                 i < 2 ? 1 : -EBADMSG);
        }
}

static void test_numbers_have_ranges(void **state) {
        static const struct {
                MessageType type;
                TlvTag tag;
                size_t size;
                uint64_t min, max;
        } rows[] = {
                { MESSAGE_HELLO,       TAG_ROLE,        1, 1, 2           },
                { MESSAGE_HELLO_OK,    TAG_ROLE,        1, 1, 2           },
                { MESSAGE_HELLO,       TAG_PURPOSE,     1, 0, 1           },
                { MESSAGE_NEIGHBOR,    TAG_PRIORITY,    1, 0, 2           },
                { MESSAGE_CLOSE,       TAG_REASON,      1, 1, 255         },   /* also those of later versions */
                { MESSAGE_DISCONNECT,  TAG_REASON,      1, 1, 255         },
                { MESSAGE_HELLO,       TAG_PORT,        2, 1, 65535       },
                { MESSAGE_HELLO_OK,    TAG_PORT,        2, 1, 65535       },
                { MESSAGE_HELLO_OK,    TAG_VERSION,     2, 1, 65535       },
                { MESSAGE_LIST,        TAG_COUNT,       2, 1, 64          },
                { MESSAGE_PING,        TAG_LINKS,       2, 0, 65535       },
                { MESSAGE_REGISTER_OK, TAG_LEASE,       4, 1, UINT32_MAX  },
                { MESSAGE_RENEW_OK,    TAG_LEASE,       4, 1, UINT32_MAX  },
                { MESSAGE_CLOSE,       TAG_RETRY_AFTER, 4, 0, UINT32_MAX  },
        };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t limit = UINT64_MAX >> (64 - 8 * rows[i].size);
                const uint64_t tries[] = {
                        0, rows[i].min - 1, rows[i].min, rows[i].min + 1,
                        rows[i].max - 1, rows[i].max, rows[i].max + 1, limit,
                };

                for (size_t j = 0; j < ELEMENTSOF(tries); j++) {
                        size_t size = rows[i].size;
                        uint8_t value[8];

                        if (tries[j] > limit)
                                continue;
                        (void) put_be64(value, tries[j]);
                        assert_int_equal(decode_with(s, rows[i].type, (uint8_t) rows[i].tag, value + 8 - size, size),
                                         tries[j] >= rows[i].min && tries[j] <= rows[i].max ? 1 : -EBADMSG);
                }
        }

        for (uint8_t v = 0; v < 8; v++) {
                assert_int_equal(decode_record_with(s, TAG_STATE, &v, 1), v <= 3 ? 1 : -EBADMSG);
                assert_int_equal(decode_record_with(s, TAG_ROLE, &v, 1), v == 1 || v == 2 ? 1 : -EBADMSG);
                assert_int_equal(decode_with(s, MESSAGE_ACCUSED, TAG_HELD, (uint8_t[13]) { [12] = v }, 13),
                                 v <= 3 ? 1 : -EBADMSG);
        }
}

static void test_versions_are_in_order(void **state) {
        static const struct {
                uint8_t min[2], max[2];
                int r;
        } rows[] = {
                { { 0, 1 },       { 0, 1 },       1        },
                { { 0, 1 },       { 0xff, 0xff }, 1        },
                { { 0, 2 },       { 0, 1 },       -EBADMSG },
                { { 1, 0 },       { 0, 0xff },    -EBADMSG },
                { { 0, 0xff },    { 1, 0 },       1        },
                { { 0, 0 },       { 0, 1 },       -EBADMSG },
                { { 0xff, 0xff }, { 0xff, 0xff }, 1        },
        };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (unsigned order = 0; order < 2; order++) {
                        uint8_t without[] = { TAG_VERSION_MIN, TAG_VERSION_MAX };
                        _cleanup_free_ Body *first = calloc(1, sizeof(Body));

                        assert_non_null(first);
                        scratch_encode(s, MESSAGE_HELLO);
                        body_copy_without(first, s->valid, without[0]);
                        body_copy_without(&s->body, slice_of(first->data, first->size), without[1]);
                        if (order == 0)
                                body_add(&s->body, TAG_VERSION_MIN, rows[i].min, 2);
                        body_add(&s->body, TAG_VERSION_MAX, rows[i].max, 2);
                        if (order == 1)
                                body_add(&s->body, TAG_VERSION_MIN, rows[i].min, 2);
                        assert_int_equal(scratch_decode(s, MESSAGE_HELLO), rows[i].r);
                }
}

static void test_nobody_has_no_place_but_in_after(void **state) {
        static const uint8_t nobody[37] = { [31] = 1 }, somebody[37] = { [15] = 1, [31] = 1 };
        static const uint8_t unnumbered[37] = { 1 };
        Scratch *s = *state;

        assert_int_equal(decode_with(s, MESSAGE_HELLO, TAG_ID, nobody, 16), -EBADMSG);
        assert_int_equal(decode_with(s, MESSAGE_HELLO, TAG_ID, somebody, 16), 1);
        assert_int_equal(decode_with(s, MESSAGE_DEAD_REPORT, TAG_ID, nobody, 16), -EBADMSG);
        assert_int_equal(decode_record_with(s, TAG_ID, nobody, 16), -EBADMSG);
        assert_int_equal(decode_record_with(s, TAG_ID, somebody, 16), 1);
        assert_int_equal(decode_with(s, MESSAGE_SYNC_RECORDS, TAG_RENEWAL, nobody, 28), -EBADMSG);
        assert_int_equal(decode_with(s, MESSAGE_SYNC_RECORDS, TAG_RENEWAL, somebody, 28), 1);
        assert_int_equal(decode_with(s, MESSAGE_GOSSIP, TAG_STAMP, nobody, 37), -EBADMSG);
        assert_int_equal(decode_with(s, MESSAGE_GOSSIP, TAG_STAMP, somebody, 37), 1);
        assert_int_equal(decode_with(s, MESSAGE_GOSSIP, TAG_STAMP, unnumbered, 37), -EBADMSG);  /* sequences begin at 1 */
        assert_int_equal(decode_with(s, MESSAGE_LIST, TAG_AFTER, nobody, 16), 1);
        assert_true(s->decoded.list.has_after && node_id_is_null(&s->decoded.list.after));
}

static void test_addresses_have_a_family_a_size_and_a_port(void **state) {
        static const uint8_t ipv4[] = { 4, 0x17, 0x71, 10, 1, 2, 3 }, portless[] = { 4, 0, 0, 10, 1, 2, 3 };
        static const uint8_t ipv6[19] = { 6, 0, 1, [18] = 1 }, portless6[19] = { 6, [18] = 1 };
        static const uint8_t short6[18] = { 6, 0, 1, 1 }, long6[20] = { 6, 0, 1, 1 };
        static const uint8_t family4_of_16[19] = { 4, 0, 1, 1 }, family6_of_4[7] = { 6, 0, 1, 1 };
        static const uint8_t mapped[19] = {
                6, 0x17, 0x71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3,
        };
        static const uint8_t family0[7] = { 0, 0, 1 }, family5[7] = { 5, 0, 1 }, long4[8] = { 4, 0, 1 };
        static const struct {
                const uint8_t *data;
                size_t size;
                int r;
        } rows[] = {
                { ipv4,                         7,  1        },
                { ipv4,                         6,  -EBADMSG },
                { ipv6,                         19, 1        },
                { short6,                       18, -EBADMSG },
                { long6,                        20, -EBADMSG },
                { portless,                     7,  -EBADMSG },
                { portless6,                    19, -EBADMSG },
                { family4_of_16,                19, -EBADMSG },
                { family6_of_4,                 7,  -EBADMSG },
                { family0,                      7,  -EBADMSG },
                { family5,                      7,  -EBADMSG },
                { long4,                        8,  -EBADMSG },
                { NULL,                         0,  -EBADMSG },
                { mapped,                       19, 1        },
        };
        Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(decode_with(s, MESSAGE_HELLO, TAG_ADDRESS, rows[i].data, rows[i].size), rows[i].r);
                assert_int_equal(decode_with(s, MESSAGE_BUSY, TAG_ADDRESS, rows[i].data, rows[i].size), rows[i].r);
                assert_int_equal(decode_with(s, MESSAGE_HELLO_OK, TAG_OBSERVED, rows[i].data, rows[i].size), rows[i].r);
                assert_int_equal(decode_record_with(s, TAG_ADDRESS, rows[i].data, rows[i].size), rows[i].r);
        }

        /* One host is one address, whichever socket it came through. */
        assert_int_equal(decode_with(s, MESSAGE_HELLO_OK, TAG_OBSERVED, mapped, sizeof(mapped)), 1);
        assert_string_equal(ADDRESS_TEXT(&s->decoded.hello_ok.observed), "10.1.2.3:6001");
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

#define with_scratch(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_scratch(test_required_ones_have_to_be_there),
                with_scratch(test_only_repeated_ones_may_come_twice),
                with_scratch(test_fixed_sizes_are_exact),
                with_scratch(test_repeated_ones_have_a_largest_number),
                with_scratch(test_texts_have_bounds),
                with_scratch(test_payload_may_be_empty_and_has_a_bound),
                with_scratch(test_hostile_text_is_refused),
                with_scratch(test_numbers_have_ranges),
                with_scratch(test_versions_are_in_order),
                with_scratch(test_nobody_has_no_place_but_in_after),
                with_scratch(test_addresses_have_a_family_a_size_and_a_port),
                with_scratch(test_unknown_ones_are_skipped_unless_critical),
                with_scratch(test_tag_zero_is_malformed),
                with_scratch(test_order_is_free),
                with_scratch(test_rests_and_false_lengths_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
