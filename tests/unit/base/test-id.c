/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/id.h"

#include <errno.h>

#include "unit.h"

static const NodeId example = { {
        0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x0a, 0xa0,
} };

static void test_text_is_lower_case_and_read_back(void **state) {
        NodeId id;

        assert_string_equal(NODE_ID_TEXT(&example), "00017f80feff123456789abcdef00aa0");
        assert_int_equal(node_id_parse("00017f80feff123456789abcdef00aa0", &id), 0);
        assert_true(node_id_equal(&id, &example));
        assert_int_equal(node_id_parse("00017F80FEFF123456789aBcDeF00Aa0", &id), 0);
        assert_true(node_id_equal(&id, &example));
}

static void test_anything_but_32_digits_is_refused(void **state) {
        static const char *const wrong[] = {
                "",
                "0",
                "00017f80feff123456789abcdef00aa",
                "00017f80feff123456789abcdef00aa00",
                "00017f80feff123456789abcdef00aag",
                " 0017f80feff123456789abcdef00aa0",
                "0x017f80feff123456789abcdef00aa0",
                "00017f80-feff-1234-5678-9abcdef0",
                "00000000000000000000000000000000",
        };
        NodeId id = example;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(node_id_parse(wrong[i], &id), -EINVAL);
        assert_true(node_id_equal(&id, &example));      /* untouched */
}

static void test_order_is_that_of_the_bytes(void **state) {
        NodeId a = { { 1 } }, b = { { 1, [15] = 1 } }, c = { { 0x80 } };

        assert_true(node_id_compare(&a, &b) < 0);
        assert_true(node_id_compare(&b, &c) < 0);
        assert_true(node_id_compare(&c, &a) > 0);
        assert_int_equal(node_id_compare(&b, &b), 0);
}

static void test_only_zeros_are_null(void **state) {
        NodeId id = NODE_ID_NULL;

        assert_true(node_id_is_null(&id));
        id.bytes[15] = 1;
        assert_false(node_id_is_null(&id));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_is_lower_case_and_read_back),
                cmocka_unit_test(test_anything_but_32_digits_is_refused),
                cmocka_unit_test(test_order_is_that_of_the_bytes),
                cmocka_unit_test(test_only_zeros_are_null),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
