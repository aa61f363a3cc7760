/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/seen.h"

#include <errno.h>

#include "base/random.h"

#include "unit.h"

static MessageId message(uint8_t origin, uint64_t epoch, uint64_t sequence) {
        MessageId id = { .epoch = epoch, .sequence = sequence };

        memset(id.origin.bytes, origin, sizeof(id.origin.bytes));
        return id;
}

static int add(Seen *seen, uint8_t origin, uint64_t epoch, uint64_t sequence) {
        MessageId id = message(origin, epoch, sequence);
        uint64_t given_up;
        int r = seen_add(seen, &id, 1, &given_up);

        assert_int_equal(given_up, 0);
        return r;
}

static void test_each_message_is_new_once(void **state) {
        Random random = random_from_run(1);
        bool known[300] = {};
        Seen seen;

        seen_init(&seen, 4, 1024);
        for (unsigned i = 0; i < 5000; i++) {
                uint64_t sequence = 1 + random_below(&random, ELEMENTSOF(known) - 1);

                assert_int_equal(add(&seen, 1, 1, sequence), known[sequence] ? 0 : 1);
                known[sequence] = true;
        }
        seen_done(&seen);
}

static void test_origins_and_epochs_are_apart(void **state) {
        Seen seen;

        seen_init(&seen, 4, 4);
        assert_int_equal(add(&seen, 1, 1, 7), 1);
        assert_int_equal(add(&seen, 2, 1, 7), 1);
        assert_int_equal(add(&seen, 1, 2, 7), 1);
        assert_int_equal(add(&seen, 1, 1, 7), 0);
        assert_int_equal(add(&seen, 2, 1, 7), 0);
        assert_int_equal(add(&seen, 1, 2, 7), 0);
        seen_done(&seen);
}

static void test_the_largest_sequences_are_exact_too(void **state) {
        Seen seen;

        seen_init(&seen, 1, 8);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX - 1), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 1), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX), 0);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX - 1), 0);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 2), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 1), 0);
        seen_done(&seen);
}

static void test_a_stream_in_order_takes_one_interval(void **state) {
        Seen seen;

        seen_init(&seen, 1, 1);
        for (uint64_t i = 1; i <= 1000; i++)
                assert_int_equal(add(&seen, 1, 1, i), 1);
        for (uint64_t i = 1; i <= 1000; i++)
                assert_int_equal(add(&seen, 1, 1, i), 0);
        seen_done(&seen);
}

static void test_beyond_the_bound_the_oldest_gap_is_given_up_and_counted(void **state) {
        MessageId id;
        uint64_t given_up;
        Seen seen;

        seen_init(&seen, 1, 3);
        assert_int_equal(add(&seen, 1, 1, 10), 1);
        assert_int_equal(add(&seen, 1, 1, 20), 1);
        assert_int_equal(add(&seen, 1, 1, 30), 1);

        id = message(1, 1, 40);
        assert_int_equal(seen_add(&seen, &id, 1, &given_up), 1);
        assert_int_equal(given_up, 9);

        /* What was given up counts as seen: never twice, rather not at all. */
        for (uint64_t i = 10; i <= 20; i++)
                assert_int_equal(add(&seen, 1, 1, i), 0);
        assert_int_equal(add(&seen, 1, 1, 21), 1);
        assert_int_equal(add(&seen, 1, 1, 39), 1);
        seen_done(&seen);
}

static void test_too_many_origins_are_refused_until_one_is_silent(void **state) {
        MessageId id;
        uint64_t given_up;
        Seen seen;

        seen_init(&seen, 2, 8);
        for (uint8_t origin = 1; origin <= 2; origin++) {
                id = message(origin, 1, 1);
                assert_int_equal(seen_add(&seen, &id, origin * USEC_PER_SEC, &given_up), 1);
        }
        id = message(3, 1, 1);
        assert_int_equal(seen_add(&seen, &id, 3 * USEC_PER_SEC, &given_up), -ENOSPC);

        /* The first one speaks again, so the second is the one that is silent longest. */
        id = message(1, 1, 2);
        assert_int_equal(seen_add(&seen, &id, 4 * USEC_PER_SEC, &given_up), 1);
        id = message(3, 1, 1);
        assert_int_equal(seen_add(&seen, &id, 2 * USEC_PER_SEC + SEEN_FORGET_USEC - 1, &given_up), -ENOSPC);
        assert_int_equal(seen_add(&seen, &id, 2 * USEC_PER_SEC + SEEN_FORGET_USEC, &given_up), 1);
        id = message(1, 1, 2);
        assert_int_equal(seen_add(&seen, &id, 2 * USEC_PER_SEC + SEEN_FORGET_USEC, &given_up), 0);
        id = message(2, 1, 1);
        assert_int_equal(seen_add(&seen, &id, 2 * USEC_PER_SEC + SEEN_FORGET_USEC, &given_up), -ENOSPC);
        seen_done(&seen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_message_is_new_once),
                cmocka_unit_test(test_origins_and_epochs_are_apart),
                cmocka_unit_test(test_the_largest_sequences_are_exact_too),
                cmocka_unit_test(test_a_stream_in_order_takes_one_interval),
                cmocka_unit_test(test_beyond_the_bound_the_oldest_gap_is_given_up_and_counted),
                cmocka_unit_test(test_too_many_origins_are_refused_until_one_is_silent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
