/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/range-queue.h"

#include <errno.h>

#include "unit.h"

static MessageId message_of(uint8_t origin, uint64_t epoch, uint64_t sequence) {
        MessageId id = { .epoch = epoch, .sequence = sequence };

        memset(id.origin.bytes, origin, sizeof(id.origin.bytes));
        return id;
}

static void append(RangeQueue *queue, uint8_t origin, uint64_t epoch, uint64_t sequence) {
        MessageId id = message_of(origin, epoch, sequence);

        assert_int_equal(range_queue_append_message(queue, &id), 0);
}

static void assert_first(const RangeQueue *queue, uint8_t origin, uint64_t epoch, uint64_t first, uint64_t last) {
        const Range *range = range_queue_first(queue);

        assert_non_null(range);
        assert_int_equal(range->origin.bytes[0], origin);
        assert_int_equal(range->epoch, epoch);
        assert_int_equal(range->first, first);
        assert_int_equal(range->last, last);
}

static void test_what_follows_on_each_other_is_one_range(void **state) {
        RangeQueue queue = {};
        (void) state;

        assert_null(range_queue_first(&queue));
        for (uint64_t i = 1; i <= 1000; i++)
                for (uint8_t origin = 1; origin <= 16; origin++)
                        append(&queue, origin, 7, i);
        assert_int_equal(queue.n, 16);
        assert_first(&queue, 1, 7, 1, 1000);
        append(&queue, 2, 7, 1001);
        append(&queue, 1, 7, 1002);                     /* a gap */
        append(&queue, 1, 8, 1003);                     /* another epoch */
        assert_int_equal(queue.n, 18);
        range_queue_drop(&queue, 1);
        assert_first(&queue, 2, 7, 1, 1001);
        range_queue_drop(&queue, 15);
        assert_first(&queue, 1, 7, 1002, 1002);
        range_queue_done(&queue);
        assert_null(range_queue_first(&queue));
}

static void test_first_in_is_first_out(void **state) {
        RangeQueue queue = {};
        uint64_t in = 0, out = 0;
        (void) state;

        /* As it grows, shrinks to nothing, and grows again, at the beginning of its memory and behind it. */
        for (unsigned round = 0; round < 2000; round++) {
                Range ranges[7];
                size_t n_in = round % 8, n_out = MIN(queue.n, (size_t) (round * 5 % 9));

                for (size_t i = 0; i < n_in; i++, in++)
                        ranges[i] = (Range) { message_of(1, 1, 1).origin, 1, 10 * in, 10 * in };
                assert_int_equal(range_queue_append(&queue, ranges, n_in), 0);
                for (; n_out > 0; n_out--, out++) {
                        assert_first(&queue, 1, 1, 10 * out, 10 * out);
                        range_queue_drop(&queue, 1);
                }
                assert_int_equal(queue.n, in - out);
                assert_true(queue.n_allocated <= 64);
        }
        assert_true(out > 5000);
        range_queue_done(&queue);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_follows_on_each_other_is_one_range),
                cmocka_unit_test(test_first_in_is_first_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
