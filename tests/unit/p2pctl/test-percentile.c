/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/percentile.h"

#include <errno.h>

#include "unit.h"

static const uint64_t bounds[] = { 1, 2, 4, 8 };

static void expect(const uint64_t counts[static 5], uint64_t max, unsigned percent, uint64_t expected) {
        uint64_t value;

        assert_int_equal(counts_percentile(bounds, counts, 5, max, percent, &value), 0);
        assert_true(value == expected);
}

static void test_without_values_there_is_none(void **state) {
        uint64_t value;

        assert_int_equal(counts_percentile(bounds, (uint64_t[5]) {}, 5, 0, 50, &value), -ENODATA);
        assert_int_equal(counts_total((uint64_t[5]) {}, 5), 0);
}

static void test_it_is_the_largest_value_of_its_bucket(void **state) {
        const uint64_t counts[] = { 50, 40, 9, 1, 0 };

        assert_int_equal(counts_total(counts, 5), 100);
        expect(counts, 7, 50, 0);
        expect(counts, 7, 51, 1);
        expect(counts, 7, 90, 1);
        expect(counts, 7, 91, 3);
        expect(counts, 7, 99, 3);
        expect(counts, 7, 100, 7);
}

static void test_it_is_never_above_the_largest_value(void **state) {
        expect((uint64_t[]) { 0, 0, 0, 3, 0 }, 5, 50, 5);
        expect((uint64_t[]) { 0, 0, 0, 0, 3 }, 123456, 50, 123456);
}

static void test_a_single_value_is_every_percentile(void **state) {
        for (unsigned percent = 1; percent <= 100; percent++)
                expect((uint64_t[]) { 0, 1, 0, 0, 0 }, 1, percent, 1);
}

static void test_totals_of_any_size_do_not_wrap(void **state) {
        const uint64_t counts[] = { UINT64_MAX / 4, 0, UINT64_MAX / 4, 0, UINT64_MAX / 4 };

        expect(counts, 9, 33, 0);
        expect(counts, 9, 50, 3);
        expect(counts, 9, 99, 9);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_values_there_is_none),
                cmocka_unit_test(test_it_is_the_largest_value_of_its_bucket),
                cmocka_unit_test(test_it_is_never_above_the_largest_value),
                cmocka_unit_test(test_a_single_value_is_every_percentile),
                cmocka_unit_test(test_totals_of_any_size_do_not_wrap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
