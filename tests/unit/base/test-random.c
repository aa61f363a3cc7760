/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/random.h"

#include "unit.h"

/* The first outputs of the authors' xoshiro256starstar.c from state 1, 2, 3, 4. */
static void test_sequence_is_that_of_xoshiro256starstar(void **state) {
        static const uint64_t expected[] = {
                11520, 0, 1509978240, UINT64_C(1215971899390074240), UINT64_C(1216172134540287360),
                UINT64_C(607988272756665600), UINT64_C(16172922978634559625),
        };
        Random random = { { 1, 2, 3, 4 } };

        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                assert_int_equal(random_u64(&random), expected[i]);
}

/* The first outputs of the authors' splitmix64.c from 0. */
static void test_run_is_spread_by_splitmix64(void **state) {
        Random random = random_from_run(0);

        assert_int_equal(random.state[0], UINT64_C(0xe220a8397b1dcdaf));
        assert_int_equal(random.state[1], UINT64_C(0x6e789e6aa1b965f4));
        assert_int_equal(random.state[2], UINT64_C(0x06c45d188009454f));
        assert_int_equal(random.state[3], UINT64_C(0xf88bb8a8724c81ec));
}

static void test_same_run_gives_the_same_sequence(void **state) {
        Random a = random_from_run(7), b = random_from_run(7), c = random_from_run(8);
        unsigned n_same = 0;

        for (unsigned i = 0; i < 1000; i++) {
                uint64_t v = random_u64(&a);

                assert_int_equal(v, random_u64(&b));
                n_same += v == random_u64(&c);
        }
        assert_int_equal(n_same, 0);
}

static void test_below_stays_below_and_reaches_everything(void **state) {
        Random random = random_from_run(1);
        unsigned count[6] = {};

        for (unsigned i = 0; i < 6000; i++) {
                uint64_t v = random_below(&random, 6);

                assert_true(v < 6);
                count[v]++;
        }
        for (unsigned i = 0; i < 6; i++)
                assert_in_range(count[i], 850, 1150);   /* 1000 +- 5 sigma */

        assert_int_equal(random_below(&random, 1), 0);
        for (unsigned i = 0; i < 1000; i++)
                assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
}

/* With n = 3 * 2^62 the plain remainder would fall below 2^62 twice as often as into each other third. */
static void test_below_has_no_modulo_bias(void **state) {
        Random random = random_from_run(2);
        unsigned n_low = 0;

        for (unsigned i = 0; i < 6000; i++)
                n_low += random_below(&random, UINT64_C(3) << 62) < UINT64_C(1) << 62;
        assert_in_range(n_low, 1800, 2200);
}

static void test_jitter_is_half_up_or_down(void **state) {
        static const usec_t spans[] = { 2, 3, 1000, USEC_PER_SEC, USEC_PER_SEC + 1 };
        Random random = random_from_run(3);

        for (size_t i = 0; i < ELEMENTSOF(spans); i++) {
                usec_t lowest = USEC_INFINITY, highest = 0;

                for (unsigned j = 0; j < 2000; j++) {
                        usec_t t = random_jitter(&random, spans[i]);

                        assert_true(t >= spans[i] / 2 && t < spans[i] + spans[i] / 2);
                        lowest = MIN(lowest, t);
                        highest = MAX(highest, t);
                }
                assert_true(lowest <= spans[i] / 2 + spans[i] / 100);
                assert_true(highest >= spans[i] / 2 + spans[i] - 1 - spans[i] / 100);
        }
}

static void test_jitter_leaves_the_extremes_alone(void **state) {
        Random random = random_from_run(4);

        assert_int_equal(random_jitter(&random, 0), 0);
        assert_int_equal(random_jitter(&random, 1), 1);
        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(random_jitter(&random, USEC_INFINITY), USEC_INFINITY);
                assert_true(random_jitter(&random, USEC_INFINITY - 1) >= (USEC_INFINITY - 1) / 2);
        }
}

static void test_shuffle_keeps_every_element(void **state) {
        Random random = random_from_run(5);
        uint16_t list[100];
        bool seen[100] = {}, moved = false;

        for (uint16_t i = 0; i < 100; i++)
                list[i] = i;
        random_shuffle(&random, list, ELEMENTSOF(list), sizeof(list[0]));
        for (uint16_t i = 0; i < 100; i++) {
                assert_true(list[i] < 100 && !seen[list[i]]);
                seen[list[i]] = true;
                moved = moved || list[i] != i;
        }
        assert_true(moved);

        random_shuffle(&random, NULL, 0, sizeof(list[0]));
        random_shuffle(&random, list, 1, sizeof(list[0]));
}

/* All six orders of three elements come equally often. */
static void test_shuffle_is_uniform(void **state) {
        Random random = random_from_run(6);
        unsigned count[27] = {};

        for (unsigned i = 0; i < 6000; i++) {
                struct {
                        char bytes[64];         /* the largest element */
                } list[3] = { { { 0 } }, { { 1 } }, { { 2 } } };

                random_shuffle(&random, list, 3, sizeof(list[0]));
                count[list[0].bytes[0] * 9 + list[1].bytes[0] * 3 + list[2].bytes[0]]++;
        }
        for (unsigned i = 0; i < 27; i++)
                if (count[i] > 0)
                        assert_in_range(count[i], 850, 1150);
        assert_int_equal(count[5] + count[7] + count[11] + count[15] + count[19] + count[21], 6000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sequence_is_that_of_xoshiro256starstar),
                cmocka_unit_test(test_run_is_spread_by_splitmix64),
                cmocka_unit_test(test_same_run_gives_the_same_sequence),
                cmocka_unit_test(test_below_stays_below_and_reaches_everything),
                cmocka_unit_test(test_below_has_no_modulo_bias),
                cmocka_unit_test(test_jitter_is_half_up_or_down),
                cmocka_unit_test(test_jitter_leaves_the_extremes_alone),
                cmocka_unit_test(test_shuffle_keeps_every_element),
                cmocka_unit_test(test_shuffle_is_uniform),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
