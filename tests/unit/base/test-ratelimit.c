/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/ratelimit.h"

#include "unit.h"

static void test_burst_is_let_through_and_the_rest_counted(void **state) {
        Rate rate = { 3, USEC_PER_SEC };
        RateLimit limit = {};

        for (unsigned i = 0; i < 3; i++)
                assert_true(ratelimit_allow(&limit, rate, 100 + i));
        for (unsigned i = 0; i < 5; i++)
                assert_false(ratelimit_allow(&limit, rate, 200 + i));

        assert_int_equal(ratelimit_take_refused(&limit), 5);
        assert_int_equal(ratelimit_take_refused(&limit), 0);
}

static void test_window_begins_with_its_first_event(void **state) {
        Rate rate = { 1, USEC_PER_SEC };
        RateLimit limit = {};

        assert_true(ratelimit_allow(&limit, rate, 500));
        assert_false(ratelimit_allow(&limit, rate, 500 + USEC_PER_SEC - 1));
        assert_true(ratelimit_allow(&limit, rate, 500 + USEC_PER_SEC));
        assert_false(ratelimit_allow(&limit, rate, 500 + 2 * USEC_PER_SEC - 1));
        assert_true(ratelimit_allow(&limit, rate, 500 + 2 * USEC_PER_SEC));
}

static void test_first_event_at_time_zero_counts(void **state) {
        Rate rate = { 1, USEC_PER_SEC };
        RateLimit limit = {};

        assert_true(ratelimit_allow(&limit, rate, 0));
        assert_false(ratelimit_allow(&limit, rate, 0));
}

static void test_no_burst_lets_nothing_through(void **state) {
        Rate rate = { 0, USEC_PER_SEC };
        RateLimit limit = {};

        for (usec_t t = 0; t < 5 * USEC_PER_SEC; t += USEC_PER_SEC)
                assert_false(ratelimit_allow(&limit, rate, t));
        assert_int_equal(ratelimit_take_refused(&limit), 5);
}

static void test_infinite_interval_never_starts_again(void **state) {
        Rate rate = { 1, USEC_INFINITY };
        RateLimit limit = {};

        assert_true(ratelimit_allow(&limit, rate, 1));
        assert_false(ratelimit_allow(&limit, rate, USEC_INFINITY - 1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_burst_is_let_through_and_the_rest_counted),
                cmocka_unit_test(test_window_begins_with_its_first_event),
                cmocka_unit_test(test_first_event_at_time_zero_counts),
                cmocka_unit_test(test_no_burst_lets_nothing_through),
                cmocka_unit_test(test_infinite_interval_never_starts_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
