/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/usec.h"

#include "unit.h"

static void test_sums_saturate(void **state) {
        assert_int_equal(usec_add(1, 2), 3);
        assert_int_equal(usec_add(USEC_INFINITY - 1, 1), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY - 1, 2), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY, 5), USEC_INFINITY);
        assert_int_equal(usec_add(5, USEC_INFINITY), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY, USEC_INFINITY), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY - 2, 1), USEC_INFINITY - 1);
}

static void test_differences_stop_at_zero(void **state) {
        assert_int_equal(usec_sub(3, 2), 1);
        assert_int_equal(usec_sub(2, 2), 0);
        assert_int_equal(usec_sub(2, 3), 0);
        assert_int_equal(usec_sub(2, USEC_INFINITY), 0);
}

static void test_infinity_less_anything_is_infinite(void **state) {
        assert_int_equal(usec_sub(USEC_INFINITY, 1), USEC_INFINITY);
        assert_int_equal(usec_sub(USEC_INFINITY, USEC_INFINITY), USEC_INFINITY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sums_saturate),
                cmocka_unit_test(test_differences_stop_at_zero),
                cmocka_unit_test(test_infinity_less_anything_is_infinite),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
