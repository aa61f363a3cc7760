/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/store.h"

#include <errno.h>

#include "allocations.h"
#include "base/random.h"
#include "unit.h"

#define SEC USEC_PER_SEC
#define MIB (1024U * 1024U)

static MessageId message(uint8_t origin, uint64_t sequence) {
        MessageId id = { .epoch = 1, .sequence = sequence };

        memset(id.origin.bytes, origin, sizeof(id.origin.bytes));
        return id;
}

static int add_of(Store *store, uint8_t origin, uint64_t sequence, size_t size, usec_t age, usec_t now, StoredMessage **ret) {
        MessageId id = message(origin, sequence);
        FrameBuffer *frame = frame_buffer_new(size);
        int r;

        assert_non_null(frame);
        memset(frame->data, origin, size);
        r = store_add(store, &id, frame, age, now, ret);
        assert_int_equal(frame->n_ref, r == 1 ? 2 : 1);         /* by reference: there is no second copy */
        frame_buffer_unref(frame);
        return r;
}

static int add(Store *store, uint8_t origin, uint64_t sequence) {
        return add_of(store, origin, sequence, 100, 0, 1 * SEC, NULL);
}

static bool has(const Store *store, uint8_t origin, uint64_t sequence) {
        MessageId id = message(origin, sequence);

        return store_find(store, &id.origin, 1, sequence);
}

static size_t n_of(const Store *store, uint8_t origin) {
        size_t n = 0;

        for (uint64_t i = 1; i < 3000; i++)
                n += has(store, origin, i);
        return n;
}

static void test_a_message_is_found_by_its_id(void **state) {
        MessageId id = message(1, 5);
        StoredMessage *stored;
        Store store;

        store_init(&store, MIB, 600 * SEC);
        assert_null(store_find(&store, &id.origin, 1, 5));
        assert_int_equal(add_of(&store, 1, 5, 100, 3 * SEC, 10 * SEC, &stored), 1);
        assert_ptr_equal(store_find(&store, &id.origin, 1, 5), stored);
        assert_null(store_find(&store, &id.origin, 2, 5));
        assert_null(store_find(&store, &id.origin, 1, 4));
        assert_ptr_equal(store_find_from(&store, &id.origin, 1, 1), stored);
        assert_null(store_find_from(&store, &id.origin, 1, 6));
        assert_int_equal(stored_age(stored, 10 * SEC), 3 * SEC);
        assert_int_equal(stored_age(stored, 14 * SEC), 7 * SEC);
        assert_int_equal(add(&store, 1, 5), 0);         /* it is there */
        assert_int_equal(store.n, 1);
        store_done(&store);
}

static void test_messages_go_when_they_are_too_old(void **state) {
        Store store;

        store_init(&store, MIB, 600 * SEC);
        assert_int_equal(add_of(&store, 1, 1, 100, 0, 1 * SEC, NULL), 1);
        assert_int_equal(add_of(&store, 1, 2, 100, 500 * SEC, 2 * SEC, NULL), 1);       /* it was long under way */
        assert_int_equal(add_of(&store, 2, 1, 100, 590 * SEC, 2 * SEC, NULL), 1);
        assert_int_equal(add_of(&store, 3, 1, 100, 601 * SEC, 2 * SEC, NULL), 0);
        store_expire(&store, 12 * SEC);
        assert_true(has(&store, 2, 1));
        store_expire(&store, 13 * SEC);
        assert_false(has(&store, 2, 1));
        assert_true(has(&store, 1, 1));
        store_expire(&store, 602 * SEC);
        assert_int_equal(store.n, 0);
        assert_int_equal(store.size, 0);
        assert_null(store.origins);
        store_done(&store);
}

static void test_the_bytes_are_bounded_and_the_oldest_go(void **state) {
        Store store;

        store_init(&store, MIB, 600 * SEC);
        for (uint64_t i = 1; i <= 2000; i++) {
                assert_int_equal(add_of(&store, 1, i, 1000, 0, SEC, NULL), 1);
                assert_true(store.size <= MIB);
        }
        assert_true(has(&store, 1, 2000));
        assert_false(has(&store, 1, 1));
        assert_true(n_of(&store, 1) > 800);             /* most of it is used */
        store_done(&store);
}

static void test_who_publishes_most_loses_first_and_all_keep_a_share(void **state) {
        Store store;

        store_init(&store, MIB, 600 * SEC);
        for (uint8_t origin = 2; origin <= 9; origin++)
                for (uint64_t i = 1; i <= 50; i++)
                        assert_int_equal(add_of(&store, origin, i, 1000, 0, SEC, NULL), 1);
        for (uint64_t i = 1; i <= 2500; i++)
                (void) add_of(&store, 1, i, 1000, 0, 2 * SEC, NULL);
        for (uint8_t origin = 2; origin <= 9; origin++)
                assert_int_equal(n_of(&store, origin), 50);     /* less than 64 KiB: nothing of it is gone */
        assert_true(has(&store, 1, 2500));

        /* With many more the share is a smaller one, and the same for all. */
        for (uint64_t i = 1; i <= 100; i++)
                for (uint8_t origin = 100; origin <= 200; origin++)
                        (void) add_of(&store, origin, i, 1000, 0, 3 * SEC, NULL);
        for (uint8_t origin = 100; origin <= 200; origin++)
                assert_in_range(n_of(&store, origin), 6, 12);
        assert_true(store.size <= MIB);
        store_done(&store);
}

static void test_what_fits_into_the_room_of_an_origin_is_kept(void **state) {
        const NodeId own = message(1, 1).origin;
        Random random = random_from_run(1);
        Store store;
        (void) state;

        for (unsigned run = 0; run < 100; run++) {
                unsigned n_others = (unsigned) random_below(&random, 12);
                uint64_t sequence = 0;
                size_t room;

                store_init(&store, MIB, 600 * SEC);
                for (uint8_t other = 2; other < 2 + n_others; other++)
                        for (uint64_t n = random_below(&random, 800); n > 0; n--)
                                (void) add_of(&store, other, n, 1000, 0, 1 * SEC, NULL);
                room = store_room(&store, &own, 1, SIZE_MAX);
                assert_true(room >= MIB / 16 * 15 / (n_others + 1));
                assert_true(store_room(&store, &own, 1, 1000) >= 1000);
                for (size_t left = room; left >= store_cost(1000); left -= store_cost(1000))
                        assert_int_equal(add_of(&store, 1, ++sequence, 1000, 0, 1 * SEC, NULL), 1);
                assert_int_equal(n_of(&store, 1), sequence);
                if (n_others == 0)
                        assert_int_equal(room, MIB / 16 * 15);
                store_done(&store);
        }
}

static void test_one_that_is_larger_than_all_of_it_is_not_kept(void **state) {
        Store store;

        store_init(&store, MIB, 600 * SEC);
        assert_int_equal(add(&store, 1, 1), 1);
        assert_int_equal(add_of(&store, 1, 2, MIB, 0, SEC, NULL), 0);
        assert_true(has(&store, 1, 1));
        store_done(&store);
}

static void test_smaller_bounds_are_kept_to_at_once(void **state) {
        Store store;

        store_init(&store, 4 * MIB, 600 * SEC);
        for (uint64_t i = 1; i <= 2000; i++)
                assert_int_equal(add_of(&store, 1, i, 1000, 0, SEC, NULL), 1);
        store_set_bounds(&store, MIB, 10 * SEC);
        store_expire(&store, 2 * SEC);
        assert_true(store.size <= MIB && store.size > MIB / 2);
        store_expire(&store, 12 * SEC);
        assert_int_equal(store.n, 0);
        store_done(&store);
}

static void test_ranges_are_those_kept(void **state) {
        static const uint64_t sequences[] = { 7, 3, 1, 2, 9, 8, 20 };
        static const uint64_t firsts[] = { 1, 7, 20 }, lasts[] = { 3, 9, 20 };
        StoreCursor cursor = {};
        Range ranges[8];
        Store store;

        store_init(&store, MIB, 600 * SEC);
        assert_int_equal(store_ranges(&store, &cursor, ranges, ELEMENTSOF(ranges)), 0);
        for (size_t i = 0; i < ELEMENTSOF(sequences); i++)
                assert_int_equal(add(&store, 1, sequences[i]), 1);
        assert_int_equal(add(&store, 2, 5), 1);

        /* In pieces of any size */
        for (size_t n_max = 1; n_max <= 5; n_max++) {
                size_t n = 0, got;

                cursor = (StoreCursor) {};
                do {
                        assert_true(n + n_max <= ELEMENTSOF(ranges));
                        got = store_ranges(&store, &cursor, ranges + n, n_max);
                        n += got;
                } while (got == n_max);
                assert_int_equal(n, 4);
                for (size_t i = 0; i < 3; i++) {
                        assert_int_equal(ranges[i].origin.bytes[0], 1);
                        assert_int_equal(ranges[i].epoch, 1);
                        assert_int_equal(ranges[i].first, firsts[i]);
                        assert_int_equal(ranges[i].last, lasts[i]);
                }
                assert_int_equal(ranges[3].origin.bytes[0], 2);
                assert_int_equal(ranges[3].first, 5);
        }
        store_done(&store);
}

static void test_what_is_fresh_is_listed_apart(void **state) {
        /* Number 3 was filled in late: it is listed where the settled ones are. */
        static const struct { uint64_t sequence; usec_t stored; } messages[] = {
                { 1, 1 * SEC }, { 2, 1 * SEC }, { 3, 5 * SEC }, { 4, 2 * SEC }, { 5, 3 * SEC }, { 7, 3 * SEC },
        };
        static const struct { StorePart part; usec_t after; size_t n; uint64_t first, last; } expected[] = {
                { STORE_ALL,     2 * SEC, 2, 1, 5 },
                { STORE_FRESH,   2 * SEC, 2, 5, 5 },
                { STORE_SETTLED, 2 * SEC, 1, 1, 4 },
                { STORE_FRESH,   3 * SEC, 0, 0, 0 },
                { STORE_SETTLED, 3 * SEC, 2, 1, 5 },
                { STORE_FRESH,   0,       2, 1, 5 },
                { STORE_SETTLED, 0,       0, 0, 0 },
        };
        Store store;

        store_init(&store, MIB, 600 * SEC);
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                assert_int_equal(add_of(&store, 1, messages[i].sequence, 100, 0, messages[i].stored, NULL), 1);
        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                for (size_t n_max = 1; n_max <= 4; n_max++) {
                        StoreCursor cursor = { .part = expected[i].part, .after_usec = expected[i].after };
                        Range ranges[8];
                        size_t n = 0, got;

                        do {
                                got = store_ranges(&store, &cursor, ranges + n, n_max);
                                n += got;
                        } while (got == n_max);
                        assert_int_equal(n, expected[i].n);
                        if (n > 0) {
                                assert_int_equal(ranges[0].first, expected[i].first);
                                assert_int_equal(ranges[0].last, expected[i].last);
                        }
                }
        store_done(&store);
}

/* Against a plain table of what is there. */
static void test_stretches_of_any_shape_are_listed_exactly(void **state) {
        Random random = random_from_run(3);

        for (unsigned round = 0; round < 200; round++) {
                bool there[300] = {};
                StoreCursor cursor = {};
                Range range;
                uint64_t next = 1;
                Store store;

                store_init(&store, MIB, 600 * SEC);
                for (uint64_t i = 1; i < ELEMENTSOF(there) - 1; i++) {
                        there[i] = random_below(&random, 1 + round % 10) != 0 || round % 10 == 0;
                        if (there[i])
                                assert_int_equal(add(&store, 1, i), 1);
                }
                while (store_ranges(&store, &cursor, &range, 1) == 1) {
                        for (; next < range.first; next++)
                                assert_false(there[next]);
                        for (; next <= range.last; next++)
                                assert_true(there[next]);
                        assert_false(there[next]);
                }
                for (; next < ELEMENTSOF(there); next++)
                        assert_false(there[next]);
                store_done(&store);
        }
}

static void test_what_was_delivered_is_found_in_that_order(void **state) {
        StoredMessage *stored[5];
        Store store;

        store_init(&store, MIB, 600 * SEC);
        assert_int_equal(store_last_serial(&store), 0);
        assert_null(store_next_delivered(&store, 0));
        for (uint8_t i = 0; i < 4; i++)
                assert_int_equal(add_of(&store, i, 1, 100, (4U - i) * 100 * SEC, SEC, &stored[i]), 1);
        assert_int_equal(store_delivered(&store, NULL), 0);             /* one that was not kept */
        assert_int_equal(store_delivered(&store, stored[2]), 0);
        assert_int_equal(store_delivered(&store, stored[0]), 0);
        assert_int_equal(store_delivered(&store, NULL), 0);
        assert_int_equal(store_delivered(&store, stored[1]), 0);
        assert_int_equal(store_last_serial(&store), 5);
        assert_int_equal(stored[2]->serial, 2);
        assert_int_equal(stored[3]->serial, 0);                         /* held back */

        assert_ptr_equal(store_next_delivered(&store, 0), stored[2]);
        assert_ptr_equal(store_next_delivered(&store, 2), stored[0]);
        assert_ptr_equal(store_next_delivered(&store, 3), stored[1]);
        assert_null(store_next_delivered(&store, 5));

        store_expire(&store, 302 * SEC);                /* 0 and 1 are too old now */
        assert_ptr_equal(store_next_delivered(&store, 0), stored[2]);
        assert_null(store_next_delivered(&store, 2));
        store_expire(&store, 1000 * SEC);
        assert_null(store_next_delivered(&store, 0));
        assert_int_equal(store_last_serial(&store), 5);

        assert_int_equal(add_of(&store, 9, 1, 100, 0, 1000 * SEC, &stored[4]), 1);
        assert_int_equal(store_delivered(&store, stored[4]), 0);
        assert_int_equal(stored[4]->serial, 6);
        assert_ptr_equal(store_next_delivered(&store, 0), stored[4]);
        store_done(&store);
}

static void test_a_long_stream_keeps_its_order_and_its_bounds(void **state) {
        uint64_t serial = 0, expected = 0;
        StoredMessage *stored;
        Store store;

        store_init(&store, MIB, 600 * SEC);
        for (uint64_t i = 1; i <= 20000; i++) {
                assert_int_equal(add_of(&store, (uint8_t) (i % 5), i, 500, 0, SEC, &stored), 1);
                assert_int_equal(store_delivered(&store, stored), 0);
        }
        assert_int_equal(store_last_serial(&store), 20000);
        while ((stored = store_next_delivered(&store, serial))) {
                assert_int_equal(stored->sequence, stored->serial);
                assert_true(stored->serial > serial);
                serial = stored->serial;
                expected++;
        }
        assert_int_equal(serial, 20000);
        assert_int_equal(expected, store.n);
        assert_true(store.n_delivered_allocated <= 8192);
        store_done(&store);
}

/* Each allocation in turn: it is reported, and what was there before is there afterwards. */
static void test_it_stays_whole_when_an_allocation_fails(void **state) {
        unsigned n_failed = 0, n_reported = 0;

        for (unsigned n = 0; n < 200; n++) {
                Store store;

                store_init(&store, MIB, 600 * SEC);
                allocations.failed = false;
                allocations.n_left = n;
                for (uint64_t i = 1; i <= 40; i++) {
                        MessageId id = message((uint8_t) (i % 7), i);
                        FrameBuffer *frame = frame_buffer_new(100);
                        StoredMessage *stored = NULL;
                        int r;

                        allocations.armed = true;
                        r = store_add(&store, &id, frame, 0, SEC, &stored);
                        if (r == 1)
                                r = store_delivered(&store, stored);
                        allocations.armed = false;
                        if (r < 0) {
                                assert_int_equal(r, -ENOMEM);
                                assert_true(allocations.failed);
                                n_reported++;
                        }
                        assert_int_equal(frame->n_ref, stored ? 2 : 1);
                        frame_buffer_unref(frame);
                }
                assert_true(store.n >= 39);
                n_failed += allocations.failed;
                store_done(&store);
        }
        assert_in_range(n_failed, 60, 199);
        assert_int_equal(n_reported, n_failed);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_message_is_found_by_its_id),
                cmocka_unit_test(test_messages_go_when_they_are_too_old),
                cmocka_unit_test(test_the_bytes_are_bounded_and_the_oldest_go),
                cmocka_unit_test(test_who_publishes_most_loses_first_and_all_keep_a_share),
                cmocka_unit_test(test_what_fits_into_the_room_of_an_origin_is_kept),
                cmocka_unit_test(test_one_that_is_larger_than_all_of_it_is_not_kept),
                cmocka_unit_test(test_smaller_bounds_are_kept_to_at_once),
                cmocka_unit_test(test_ranges_are_those_kept),
                cmocka_unit_test(test_what_is_fresh_is_listed_apart),
                cmocka_unit_test(test_stretches_of_any_shape_are_listed_exactly),
                cmocka_unit_test(test_what_was_delivered_is_found_in_that_order),
                cmocka_unit_test(test_a_long_stream_keeps_its_order_and_its_bounds),
                cmocka_unit_test(test_it_stays_whole_when_an_allocation_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
