/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/seen.h"

#include <errno.h>

#include "base/random.h"

#include "unit.h"

#define FORGET_USEC (10 * USEC_PER_MINUTE)

static NodeId id_of(uint8_t byte) {
        NodeId id;

        memset(id.bytes, byte, sizeof(id.bytes));
        return id;
}

static int hear(Seen *seen, uint8_t id, uint64_t epoch, usec_t now_usec, SeenOrigin **ret) {
        NodeId origin = id_of(id);

        return seen_hear(seen, &origin, epoch, now_usec, ret);
}

static int add(Seen *seen, uint8_t id, uint64_t epoch, uint64_t sequence) {
        SeenOrigin *origin;

        assert_true(hear(seen, id, epoch, 1, &origin) >= 0);
        return seen_add(origin, sequence, 1);
}

static void test_each_message_is_new_once(void **state) {
        Random random = random_from_run(1);
        bool known[300] = {};
        Seen seen;

        seen_init(&seen, 4, FORGET_USEC);
        for (unsigned i = 0; i < 5000; i++) {
                uint64_t sequence = 1 + random_below(&random, ELEMENTSOF(known) - 1);
                NodeId id = id_of(1);

                assert_int_equal(add(&seen, 1, 1, sequence), known[sequence] ? 0 : 1);
                known[sequence] = true;
                for (uint64_t j = 1; j < ELEMENTSOF(known); j += 7)
                        assert_int_equal(seen_has(seen_find(&seen, &id, 1), j), known[j]);
        }
        seen_done(&seen);
}

static void test_origins_and_epochs_are_apart(void **state) {
        Seen seen;

        seen_init(&seen, 4, FORGET_USEC);
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

        seen_init(&seen, 1, FORGET_USEC);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX - 1), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 1), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX), 0);
        assert_int_equal(add(&seen, 1, UINT64_MAX, UINT64_MAX - 1), 0);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 2), 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 1), 0);
        seen_skip(seen.heard, UINT64_MAX);
        assert_int_equal(seen.heard->n_intervals, 1);
        assert_int_equal(add(&seen, 1, UINT64_MAX, 77), 0);
        seen_done(&seen);
}

static void test_a_stream_in_order_takes_one_interval(void **state) {
        Seen seen;

        seen_init(&seen, 1, FORGET_USEC);
        for (uint64_t i = 1; i <= 1000; i++)
                assert_int_equal(add(&seen, 1, 1, i), 1);
        for (uint64_t i = 1; i <= 1000; i++)
                assert_int_equal(add(&seen, 1, 1, i), 0);
        assert_int_equal(seen.heard->n_intervals, 1);
        assert_int_equal(seen_whole(seen.heard), 1000);
        seen_done(&seen);
}

static void test_what_is_missing_is_found_stretch_by_stretch(void **state) {
        static const uint64_t sequences[] = { 1, 2, 5, 6, 9 };
        static const struct {
                uint64_t first, last;
                bool missing;
                uint64_t missing_first, missing_last;
        } cases[] = {
                { 1, 2, false, 0, 0 }, { 1, 9, true, 3, 4 }, { 3, 3, true, 3, 3 }, { 4, 100, true, 4, 4 },
                { 5, 6, false, 0, 0 }, { 5, 100, true, 7, 8 }, { 9, 9, false, 0, 0 }, { 9, UINT64_MAX, true, 10, UINT64_MAX },
                { 20, 30, true, 20, 30 },
        };
        Seen seen;

        seen_init(&seen, 1, FORGET_USEC);
        for (size_t i = 0; i < ELEMENTSOF(sequences); i++)
                assert_int_equal(add(&seen, 1, 1, sequences[i]), 1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t first, last;

                assert_int_equal(seen_missing(seen.heard, cases[i].first, cases[i].last, &first, &last), cases[i].missing);
                if (cases[i].missing) {
                        assert_int_equal(first, cases[i].missing_first);
                        assert_int_equal(last, cases[i].missing_last);
                }
        }
        seen_done(&seen);
}

/* Counts as seen: never twice, rather not at all. */
static void test_what_is_skipped_counts_as_seen(void **state) {
        Seen seen;

        seen_init(&seen, 1, FORGET_USEC);
        assert_int_equal(add(&seen, 1, 1, 10), 1);
        assert_int_equal(add(&seen, 1, 1, 20), 1);
        assert_int_equal(add(&seen, 1, 1, 30), 1);
        seen_skip(seen.heard, 9);
        assert_int_equal(seen_whole(seen.heard), 10);
        seen_skip(seen.heard, 15);
        assert_int_equal(seen_whole(seen.heard), 15);
        seen_skip(seen.heard, 3);                       /* nothing new */
        assert_int_equal(seen_whole(seen.heard), 15);
        seen_skip(seen.heard, 25);                      /* over an interval */
        assert_int_equal(seen_whole(seen.heard), 25);
        for (uint64_t i = 1; i <= 25; i++)
                assert_int_equal(add(&seen, 1, 1, i), 0);
        assert_int_equal(add(&seen, 1, 1, 26), 1);
        seen_skip(seen.heard, 29);
        assert_int_equal(seen_whole(seen.heard), 30);
        assert_int_equal(seen.heard->n_intervals, 1);
        seen_done(&seen);
}

static void test_a_gap_is_as_old_as_it_was_noticed(void **state) {
        SeenOrigin *origin;
        Seen seen;

        seen_init(&seen, 1, FORGET_USEC);
        assert_int_equal(hear(&seen, 1, 1, 5, &origin), 1);
        assert_int_equal(seen_add(origin, 10, 100), 1);
        assert_int_equal(seen_add(origin, 20, 200), 1);
        assert_int_equal(seen_add(origin, 5, 300), 1);          /* 1 to 4 were missing before */
        assert_int_equal(origin->intervals[1].noticed_usec, 100);
        assert_int_equal(origin->intervals[2].noticed_usec, 100);
        assert_int_equal(origin->intervals[3].noticed_usec, 200);
        seen_done(&seen);
}

static void test_too_many_origins_are_refused_until_one_is_silent(void **state) {
        SeenOrigin *origin;
        Seen seen;

        seen_init(&seen, 2, FORGET_USEC);
        for (uint8_t id = 1; id <= 2; id++)
                assert_int_equal(hear(&seen, id, 1, id * USEC_PER_SEC, &origin), 1);
        assert_int_equal(hear(&seen, 3, 1, 3 * USEC_PER_SEC, &origin), -ENOSPC);

        /* The first one speaks again, so the second is the one that is silent longest. */
        assert_int_equal(hear(&seen, 1, 1, 4 * USEC_PER_SEC, &origin), 0);
        assert_int_equal(hear(&seen, 3, 1, 2 * USEC_PER_SEC + FORGET_USEC - 1, &origin), -ENOSPC);

        /* Of which nothing may be held back. */
        seen.heard->is_waiting = true;
        assert_int_equal(hear(&seen, 3, 1, 2 * USEC_PER_SEC + FORGET_USEC, &origin), -ENOSPC);
        seen.heard->is_waiting = false;
        assert_int_equal(hear(&seen, 3, 1, 2 * USEC_PER_SEC + FORGET_USEC, &origin), 1);
        assert_int_equal(hear(&seen, 1, 1, 2 * USEC_PER_SEC + FORGET_USEC, &origin), 0);
        assert_int_equal(hear(&seen, 2, 1, 2 * USEC_PER_SEC + FORGET_USEC, &origin), -ENOSPC);
        seen_done(&seen);
}

static void test_a_publisher_has_8_epochs_at_most(void **state) {
        SeenOrigin *origin;
        Seen seen;
        NodeId id = id_of(1);

        seen_init(&seen, 100, FORGET_USEC);
        for (uint64_t epoch = 10; epoch < 10 + SEEN_EPOCHS_MAX; epoch++) {
                assert_int_equal(hear(&seen, 1, epoch, epoch, &origin), 1);
                assert_ptr_equal(origin->publisher->latest, origin);
                assert_true(epoch == 10 || origin->older->epoch == epoch - 1);
        }
        assert_null(seen_in_the_way(&seen, &id, 99));
        origin = seen_find(&seen, &id, 10);
        origin->is_waiting = true;
        assert_ptr_equal(seen_in_the_way(&seen, &id, 99), origin);
        assert_null(seen_in_the_way(&seen, &id, 9));
        assert_null(seen_in_the_way(&seen, &id, 12));
        assert_int_equal(hear(&seen, 1, 99, 100, &origin), -ENOSPC);
        seen_find(&seen, &id, 10)->is_waiting = false;

        assert_int_equal(hear(&seen, 1, 9, 100, &origin), -ENOSPC);     /* an older one is refused, */
        assert_int_equal(hear(&seen, 1, 99, 100, &origin), 1);          /* a newer one displaces the oldest */
        assert_null(seen_find(&seen, &id, 10));
        assert_non_null(seen_find(&seen, &id, 11));
        assert_int_equal(hear(&seen, 1, 10, 100, &origin), -ENOSPC);
        assert_int_equal(hear(&seen, 2, 10, 100, &origin), 1);          /* others are others */
        assert_int_equal(seen.n_origins, SEEN_EPOCHS_MAX + 1);
        seen_done(&seen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_message_is_new_once),
                cmocka_unit_test(test_origins_and_epochs_are_apart),
                cmocka_unit_test(test_the_largest_sequences_are_exact_too),
                cmocka_unit_test(test_a_stream_in_order_takes_one_interval),
                cmocka_unit_test(test_what_is_missing_is_found_stretch_by_stretch),
                cmocka_unit_test(test_what_is_skipped_counts_as_seen),
                cmocka_unit_test(test_a_gap_is_as_old_as_it_was_noticed),
                cmocka_unit_test(test_too_many_origins_are_refused_until_one_is_silent),
                cmocka_unit_test(test_a_publisher_has_8_epochs_at_most),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
