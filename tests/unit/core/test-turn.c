/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/turn.h"

#include "unit.h"

#define NOW (1000 * USEC_PER_SEC)
#define TURN_USEC (USEC_PER_SEC / 400)

static unsigned n_taken(Turns *turns, usec_t now_usec) {
        unsigned n = 0;

        while (n < 10000 && turns_take(turns, TURN_USEC, now_usec))
                n++;
        return n;
}

static void test_so_many_are_taken_at_once(void **state) {
        Turns turns = {};
        (void) state;

        assert_int_equal(n_taken(&turns, NOW), TURNS_AT_ONCE);
        assert_false(turns_take(&turns, TURN_USEC, NOW + TURN_USEC - 1));
        assert_int_equal(n_taken(&turns, NOW + TURN_USEC), 1);
        assert_int_equal(n_taken(&turns, NOW + 11 * TURN_USEC), 10);
}

static void test_a_crowd_is_taken_at_the_pace(void **state) {
        Turns turns = {};
        unsigned n = 0;
        (void) state;

        for (usec_t usec = 0; usec < 10 * USEC_PER_SEC; usec += USEC_PER_MSEC)
                n += turns_take(&turns, TURN_USEC, NOW + usec);
        assert_in_range(n, 4000, 4000 + TURNS_AT_ONCE);
}

static void test_who_stayed_away_does_not_make_up_for_it(void **state) {
        Turns turns = {};
        (void) state;

        assert_int_equal(n_taken(&turns, NOW), TURNS_AT_ONCE);
        assert_int_equal(n_taken(&turns, NOW + USEC_PER_HOUR), TURNS_AT_ONCE);
}

static void test_without_turns_everybody_is_taken(void **state) {
        Turns turns = {};
        (void) state;

        for (unsigned i = 0; i < 10000; i++)
                assert_true(turns_take(&turns, 0, NOW));
}

static void test_each_is_told_a_turn_of_its_own(void **state) {
        Turns turns = {};
        usec_t last_usec = 0;
        (void) state;

        for (unsigned i = 0; i < 1000; i++) {
                usec_t wait_usec = turns_tell(&turns, TURN_USEC, NOW + i);

                assert_in_range(wait_usec, TURN_WAIT_MIN_USEC, TURN_WAIT_MAX_USEC);
                if (i > 0)
                        assert_int_equal(NOW + i + wait_usec, last_usec + TURN_USEC);
                last_usec = NOW + i + wait_usec;
        }
        /* Once they are over, the next one does not wait longer than it has to. */
        assert_int_equal(turns_tell(&turns, TURN_USEC, last_usec), TURN_WAIT_MIN_USEC);
}

static void test_nobody_is_told_to_stay_away_for_longer_than_20_seconds(void **state) {
        Turns turns = {};
        unsigned n_first = 0;
        (void) state;

        for (unsigned i = 0; i < 30000; i++) {
                usec_t wait_usec = turns_tell(&turns, TURN_USEC, NOW);

                assert_in_range(wait_usec, TURN_WAIT_MIN_USEC, TURN_WAIT_MAX_USEC);
                n_first += wait_usec == TURN_WAIT_MIN_USEC;
        }
        assert_int_equal(n_first, 4);           /* 7,921 turns within that time: they were given four times */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_so_many_are_taken_at_once),
                cmocka_unit_test(test_a_crowd_is_taken_at_the_pace),
                cmocka_unit_test(test_who_stayed_away_does_not_make_up_for_it),
                cmocka_unit_test(test_without_turns_everybody_is_taken),
                cmocka_unit_test(test_each_is_told_a_turn_of_its_own),
                cmocka_unit_test(test_nobody_is_told_to_stay_away_for_longer_than_20_seconds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
