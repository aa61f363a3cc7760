/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/tlv-value.h"

#include <errno.h>

#include "scratch.h"

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

int main(void) {
        const struct CMUnitTest tests[] = {
                with_scratch(test_texts_have_bounds),
                with_scratch(test_payload_may_be_empty_and_has_a_bound),
                with_scratch(test_hostile_text_is_refused),
                with_scratch(test_numbers_have_ranges),
                with_scratch(test_versions_are_in_order),
                with_scratch(test_nobody_has_no_place_but_in_after),
                with_scratch(test_addresses_have_a_family_a_size_and_a_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
