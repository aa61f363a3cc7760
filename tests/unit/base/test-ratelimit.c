/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/ratelimit.h"

#include "unit.h"

static void test_burst_is_let_through_and_the_rest_counted(void **state) {
        RateLimit limit = { .interval_usec = USEC_PER_SEC, .burst = 3 };

        for (unsigned i = 0; i < 3; i++)
                assert_true(ratelimit_allow(&limit, 100 + i));
        for (unsigned i = 0; i < 5; i++)
                assert_false(ratelimit_allow(&limit, 200 + i));

        assert_int_equal(ratelimit_take_refused(&limit), 5);
        assert_int_equal(ratelimit_take_refused(&limit), 0);
}

static void test_window_begins_with_its_first_event(void **state) {
        RateLimit limit = { .interval_usec = USEC_PER_SEC, .burst = 1 };

        assert_true(ratelimit_allow(&limit, 500));
        assert_false(ratelimit_allow(&limit, 500 + USEC_PER_SEC - 1));
        assert_true(ratelimit_allow(&limit, 500 + USEC_PER_SEC));
        assert_false(ratelimit_allow(&limit, 500 + 2 * USEC_PER_SEC - 1));
        assert_true(ratelimit_allow(&limit, 500 + 2 * USEC_PER_SEC));
}

static void test_first_event_at_time_zero_counts(void **state) {
        RateLimit limit = { .interval_usec = USEC_PER_SEC, .burst = 1 };

        assert_true(ratelimit_allow(&limit, 0));
        assert_false(ratelimit_allow(&limit, 0));
}

static void test_no_burst_lets_nothing_through(void **state) {
        RateLimit limit = { .interval_usec = USEC_PER_SEC };

        for (usec_t t = 0; t < 5 * USEC_PER_SEC; t += USEC_PER_SEC)
                assert_false(ratelimit_allow(&limit, t));
        assert_int_equal(ratelimit_take_refused(&limit), 5);
}

static void test_infinite_interval_never_starts_again(void **state) {
        RateLimit limit = { .interval_usec = USEC_INFINITY, .burst = 1 };

        assert_true(ratelimit_allow(&limit, 1));
        assert_false(ratelimit_allow(&limit, USEC_INFINITY - 1));
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
