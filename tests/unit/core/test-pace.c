/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/pace.h"

#include "unit.h"

#define NOW (1000 * USEC_PER_SEC)

static void test_what_fits_into_the_window_does_not_wait(void **state) {
        Pace pace = {};
        (void) state;

        assert_int_equal(pace_wait_usec(&pace, 100, 100, NOW), 0);
        pace_add(&pace, 60, NOW);
        assert_int_equal(pace_wait_usec(&pace, 40, 100, NOW), 0);
        assert_true(pace_wait_usec(&pace, 41, 100, NOW) > 0);
}

static void test_who_waits_as_long_as_told_may_go_on(void **state) {
        Pace pace = {};
        usec_t now_usec = NOW;
        size_t total = 0;
        (void) state;

        for (unsigned i = 0; i < 1000; i++) {
                size_t size = 1 + i % 37;
                usec_t wait_usec = pace_wait_usec(&pace, size, 100, now_usec);

                assert_true(wait_usec <= PACE_USEC);
                if (wait_usec > 0)
                        assert_true(pace_wait_usec(&pace, size, 100, now_usec + wait_usec - 1) > 0);
                now_usec += wait_usec;
                assert_int_equal(pace_wait_usec(&pace, size, 100, now_usec), 0);
                pace_add(&pace, size, now_usec);
                total += size;
                now_usec += i % 5 * USEC_PER_MSEC;
        }
        /* Never more than 100 within a window, so not faster than this; and not much slower. */
        assert_true(total <= ((now_usec - NOW) / (PACE_USEC - PACE_USEC / PACE_SLOTS) + 1) * 100);
        assert_true(total >= (now_usec - NOW) / PACE_USEC * 60);
}

static void test_what_is_larger_than_the_bound_waits_until_nothing_is_under_way(void **state) {
        Pace pace = {};
        (void) state;

        assert_int_equal(pace_wait_usec(&pace, 1000, 100, NOW), 0);
        pace_add(&pace, 1000, NOW);
        assert_true(pace_wait_usec(&pace, 1, 100, NOW) >= PACE_USEC - PACE_USEC / PACE_SLOTS);
        assert_true(pace_wait_usec(&pace, 1000, 100, NOW + PACE_USEC / 2) > 0);
        assert_int_equal(pace_wait_usec(&pace, 1000, 100, NOW + PACE_USEC), 0);
}

static void test_a_clock_that_jumps_does_no_harm(void **state) {
        Pace pace = {};
        (void) state;

        pace_add(&pace, 100, NOW);
        assert_true(pace_wait_usec(&pace, 1, 100, NOW - 10 * USEC_PER_SEC) > 0);
        assert_int_equal(pace_wait_usec(&pace, 1, 100, NOW + 365 * 24 * 3600 * USEC_PER_SEC), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_fits_into_the_window_does_not_wait),
                cmocka_unit_test(test_who_waits_as_long_as_told_may_go_on),
                cmocka_unit_test(test_what_is_larger_than_the_bound_waits_until_nothing_is_under_way),
                cmocka_unit_test(test_a_clock_that_jumps_does_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
