/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/siphash.h"

#include "unit.h"

static const SipKey paper_key = { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } };

/* Appendix A of the paper (15 bytes), and the authors' reference vectors for input 00 01 02 ... of other lengths. */
static void test_hashes_equal_the_published_ones(void **state) {
        static const struct {
                size_t size;
                uint64_t hash;
        } vectors[] = {
                { 0, UINT64_C(0x726fdb47dd0e0e31) },
                { 1, UINT64_C(0x74f839c593dc67fd) },
                { 2, UINT64_C(0x0d6c8009d9a94f5a) },
                { 3, UINT64_C(0x85676696d7fb7e2d) },
                { 4, UINT64_C(0xcf2794e0277187b7) },
                { 5, UINT64_C(0x18765564cd99a68d) },
                { 6, UINT64_C(0xcbc9466e58fee3ce) },
                { 7, UINT64_C(0xab0200f58b01d137) },
                { 8, UINT64_C(0x93f5f5799a932462) },
                { 15, UINT64_C(0xa129ca6149be45e5) },
                { 63, UINT64_C(0x958a324ceb064572) },
        };
        uint8_t data[64];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) i;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++)
                assert_int_equal(siphash24(data, vectors[i].size, &paper_key), vectors[i].hash);
}

/* What tests/model computes with one and three rounds, which it does with two and four for the vectors above. */
static void test_fewer_rounds_are_another_hash(void **state) {
        static const struct {
                size_t size;
                uint64_t hash;
        } vectors[] = {
                { 0, UINT64_C(0xabac0158050fc4dc) },
                { 1, UINT64_C(0xc9f49bf37d57ca93) },
                { 7, UINT64_C(0xd3927d989bb11140) },
                { 8, UINT64_C(0x369095118d299a8e) },
                { 15, UINT64_C(0xd320d86d2a519956) },
                { 16, UINT64_C(0xcc4fdd1a7d908b66) },
                { 24, UINT64_C(0xf464aeb267349c8c) },
                { 32, UINT64_C(0x81157b6c16a7b60d) },
                { 63, UINT64_C(0x9d199062b7bbb3a8) },
        };
        uint8_t data[64];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) i;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++)
                assert_int_equal(siphash13(data, vectors[i].size, &paper_key), vectors[i].hash);
}

static void test_alignment_does_not_matter(void **state) {
        uint8_t data[64 + 8];

        for (size_t shift = 0; shift < 8; shift++) {
                for (size_t i = 0; i < 63; i++)
                        data[shift + i] = (uint8_t) i;
                assert_int_equal(siphash24(data + shift, 63, &paper_key), UINT64_C(0x958a324ceb064572));
        }
}

static void test_key_and_every_byte_matter(void **state) {
        uint8_t data[40] = {};
        SipKey key = {};
        uint64_t hash = siphash24(data, sizeof(data), &key);

        for (size_t i = 0; i < sizeof(data); i++) {
                data[i] = 1;
                assert_int_not_equal(siphash24(data, sizeof(data), &key), hash);
                data[i] = 0;
        }
        for (size_t i = 0; i < sizeof(key.bytes); i++) {
                key.bytes[i] = 0x80;
                assert_int_not_equal(siphash24(data, sizeof(data), &key), hash);
                key.bytes[i] = 0;
        }
        assert_int_not_equal(siphash24(data, sizeof(data) - 1, &key), hash);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hashes_equal_the_published_ones),
                cmocka_unit_test(test_fewer_rounds_are_another_hash),
                cmocka_unit_test(test_alignment_does_not_matter),
                cmocka_unit_test(test_key_and_every_byte_matter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
