/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/histogram.h"

#include "unit.h"

static uint64_t total(const Histogram *histogram) {
        uint64_t n = 0;

        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
                n += histogram->counts[i];
        return n;
}

static void test_bounds_double_or_count_units(void **state) {
        Histogram doubling = { .unit = 16 }, linear = { .unit = 1, .linear = true };

        assert_int_equal(histogram_bound(&doubling, 0), 16);
        assert_int_equal(histogram_bound(&doubling, 1), 32);
        assert_int_equal(histogram_bound(&doubling, HISTOGRAM_BOUNDS - 1), 16ULL << (HISTOGRAM_BOUNDS - 1));
        assert_int_equal(histogram_bound(&linear, 0), 1);
        assert_int_equal(histogram_bound(&linear, HISTOGRAM_BOUNDS - 1), HISTOGRAM_BOUNDS);
}

/* Each bound itself, and what is next to it, of both kinds. */
static void test_a_value_is_below_its_bound_and_not_below_the_one_before(void **state) {
        for (int linear = 0; linear <= 1; linear++)
                for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
                        for (int distance = -1; distance <= 1; distance++) {
                                Histogram histogram = { .unit = 1000, .linear = linear };
                                uint64_t value = histogram_bound(&histogram, i) + (uint64_t) distance;
                                size_t bucket = distance < 0 ? i : i + 1;

                                histogram_add(&histogram, value);
                                assert_int_equal(histogram.counts[bucket], 1);
                                assert_int_equal(total(&histogram), 1);
                        }
}

static void test_what_is_above_all_bounds_is_counted_too(void **state) {
        Histogram histogram = { .unit = 1 };

        histogram_add(&histogram, UINT64_MAX);
        histogram_add(&histogram, 0);
        assert_int_equal(histogram.counts[HISTOGRAM_BOUNDS], 1);
        assert_int_equal(histogram.counts[0], 1);
}

static void test_sum_and_largest_are_exact_and_never_wrap(void **state) {
        Histogram histogram = { .unit = 1 };

        histogram_add(&histogram, 5);
        histogram_add(&histogram, 900);
        histogram_add(&histogram, 70);
        assert_int_equal(histogram.sum, 975);
        assert_int_equal(histogram.max, 900);

        histogram_add(&histogram, UINT64_MAX - 10);
        assert_true(histogram.sum == UINT64_MAX);
        assert_true(histogram.max == UINT64_MAX - 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bounds_double_or_count_units),
                cmocka_unit_test(test_a_value_is_below_its_bound_and_not_below_the_one_before),
                cmocka_unit_test(test_what_is_above_all_bounds_is_counted_too),
                cmocka_unit_test(test_sum_and_largest_are_exact_and_never_wrap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
