/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/timer.h"

#include "base/random.h"

#include "unit.h"

static void test_timers_come_in_the_order_of_their_times(void **state) {
        Random random = random_from_run(1);
        TimerQueue queue = {};
        Timer timers[200];
        usec_t last = 0;

        for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
                assert_int_equal(timer_init(&queue, timers + i, 0), 0);
                timer_set(&queue, timers + i, random_below(&random, 1000));
        }
        for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
                usec_t next = timer_queue_next(&queue);
                Timer *timer = timer_queue_pop(&queue, next);

                assert_non_null(timer);
                assert_true(next >= last);
                assert_int_equal(timer->when_usec, USEC_INFINITY);
                last = next;
        }
        assert_int_equal(timer_queue_next(&queue), USEC_INFINITY);
        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                timer_done(&queue, timers + i);
        timer_queue_done(&queue);
}

static void assert_equal_times_keep_their_order(uint32_t serial) {
        TimerQueue queue = { .serial = serial };
        Timer timers[20];

        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                assert_int_equal(timer_init(&queue, timers + i, 0), 0);
        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                timer_set(&queue, timers + (i * 7) % ELEMENTSOF(timers), 5);
        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                assert_ptr_equal(timer_queue_pop(&queue, 5), timers + (i * 7) % ELEMENTSOF(timers));
        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                timer_done(&queue, timers + i);
        timer_queue_done(&queue);
}

static void test_equal_times_come_in_the_order_in_which_they_were_set(void **state) {
        assert_equal_times_keep_their_order(0);
}

static void test_they_do_when_the_count_begins_anew(void **state) {
        assert_equal_times_keep_their_order(UINT32_MAX - 30);
}

static void test_nothing_is_due_early_and_infinity_never(void **state) {
        TimerQueue queue = {};
        Timer a, b;

        assert_int_equal(timer_queue_next(&queue), USEC_INFINITY);
        assert_null(timer_queue_pop(&queue, USEC_INFINITY));

        assert_int_equal(timer_init(&queue, &a, 3), 0);
        assert_int_equal(timer_init(&queue, &b, 4), 0);
        assert_false(timer_is_set(&a));
        timer_set(&queue, &a, 100);
        assert_true(timer_is_set(&a));
        assert_int_equal(timer_queue_next(&queue), 100);
        assert_null(timer_queue_pop(&queue, 99));
        assert_ptr_equal(timer_queue_pop(&queue, 100), &a);
        assert_int_equal(a.kind, 3);
        assert_false(timer_is_set(&a));
        assert_null(timer_queue_pop(&queue, USEC_INFINITY));

        timer_set(&queue, &b, 7);
        timer_set(&queue, &b, USEC_INFINITY);
        assert_null(timer_queue_pop(&queue, USEC_INFINITY));
        timer_done(&queue, &a);
        timer_done(&queue, &b);
        timer_queue_done(&queue);
}

static void test_a_timer_that_is_done_does_not_come(void **state) {
        Random random = random_from_run(2);
        TimerQueue queue = {};
        Timer timers[100], never = {};
        size_t n = 0;

        timer_done(&queue, &never);
        for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
                assert_int_equal(timer_init(&queue, timers + i, (unsigned) i), 0);
                timer_set(&queue, timers + i, random_below(&random, 50));
        }
        for (size_t i = 0; i < ELEMENTSOF(timers); i += 2) {
                timer_done(&queue, timers + i);
                timer_done(&queue, timers + i);
        }
        for (Timer *timer; (timer = timer_queue_pop(&queue, 50)); n++)
                assert_int_equal(timer->kind % 2, 1);
        assert_int_equal(n, ELEMENTSOF(timers) / 2);
        for (size_t i = 1; i < ELEMENTSOF(timers); i += 2)
                timer_done(&queue, timers + i);
        timer_queue_done(&queue);
}

/* Against the simplest queue there is: a look at all. */
static void test_any_sequence_agrees_with_a_plain_list(void **state) {
        Random random = random_from_run(3);
        TimerQueue queue = {};
        Timer timers[64];
        bool there[64] = {};

        for (unsigned step = 0; step < 20000; step++) {
                size_t i = random_below(&random, ELEMENTSOF(timers));
                usec_t now = random_below(&random, 100), least = USEC_INFINITY;

                switch (random_below(&random, 4)) {
                case 0:
                        if (there[i])
                                timer_done(&queue, timers + i);
                        else
                                assert_int_equal(timer_init(&queue, timers + i, 0), 0);
                        there[i] = !there[i];
                        break;
                case 1:
                        (void) timer_queue_pop(&queue, now);
                        break;
                default:
                        if (there[i])
                                timer_set(&queue, timers + i, now);
                        break;
                }
                for (size_t j = 0; j < ELEMENTSOF(timers); j++)
                        if (there[j])
                                least = MIN(least, timers[j].when_usec);
                assert_true(timer_queue_next(&queue) == least);
        }
        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                if (there[i])
                        timer_done(&queue, timers + i);
        timer_queue_done(&queue);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_timers_come_in_the_order_of_their_times),
                cmocka_unit_test(test_equal_times_come_in_the_order_in_which_they_were_set),
                cmocka_unit_test(test_they_do_when_the_count_begins_anew),
                cmocka_unit_test(test_nothing_is_due_early_and_infinity_never),
                cmocka_unit_test(test_a_timer_that_is_done_does_not_come),
                cmocka_unit_test(test_any_sequence_agrees_with_a_plain_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
