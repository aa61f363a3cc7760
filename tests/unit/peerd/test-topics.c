/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/topics.h"

#include <stdio.h>

#include "unit.h"

static int setup(void **state) {
        return topics_new((Topics **) state);
}

static int teardown(void **state) {
        topics_free(*state);
        return 0;
}

static void count(Topics *topics, const char *name, size_t payload_size, usec_t now_usec) {
        topics_count(topics, slice_of(name, strlen(name)), payload_size, now_usec);
}

static void count_number(Topics *topics, unsigned number, usec_t now_usec) {
        char name[32];

        (void) snprintf(name, sizeof(name), "/t/%05u", number);
        count(topics, name, 10, now_usec);
}

static bool has(const Topics *topics, const char *name, TopicCounts *ret) {
        _cleanup_free_ TopicRow *rows = NULL;

        assert_int_equal(topics_list(topics, &rows), 0);
        for (size_t i = 0; i < topics_n(topics); i++)
                if (strcmp(rows[i].name, name) == 0) {
                        if (ret)
                                *ret = rows[i].counts;
                        return true;
                }
        return false;
}

static void test_messages_bytes_and_the_last_time_are_kept_by_topic(void **state) {
        Topics *topics = *state;
        TopicCounts counts;

        assert_int_equal(topics_n(topics), 0);
        count(topics, "/a", 5, 100);
        count(topics, "/b", 0, 200);
        count(topics, "/a", 7, 300);

        assert_int_equal(topics_n(topics), 2);
        assert_true(has(topics, "/a", &counts));
        assert_int_equal(counts.n_messages, 2);
        assert_int_equal(counts.n_bytes, 12);
        assert_int_equal(counts.last_usec, 300);
        assert_true(has(topics, "/b", &counts));
        assert_int_equal(counts.n_messages, 1);
        assert_int_equal(counts.n_bytes, 0);
        assert_int_equal(counts.last_usec, 200);
        assert_int_equal(topics_others(topics)->n_messages, 0);
}

static void test_a_topic_is_the_whole_of_its_bytes(void **state) {
        Topics *topics = *state;

        count(topics, "/a", 1, 1);
        topics_count(topics, slice_of("/ab", 2), 1, 2);         /* of a longer buffer: the same as "/a" */
        count(topics, "/ab", 1, 3);
        count(topics, "/A", 1, 4);
        assert_int_equal(topics_n(topics), 3);
}

static void test_they_are_listed_in_the_order_of_their_names(void **state) {
        Topics *topics = *state;
        _cleanup_free_ TopicRow *rows = NULL;

        for (unsigned i = 100; i > 0; i--)
                count_number(topics, i * 37 % 101, i);
        assert_int_equal(topics_list(topics, &rows), 0);
        for (size_t i = 1; i < topics_n(topics); i++)
                assert_true(strcmp(rows[i - 1].name, rows[i].name) < 0);
}

static void test_the_least_recently_used_one_goes_to_the_others(void **state) {
        Topics *topics = *state;
        TopicCounts counts;

        for (unsigned i = 0; i < TOPICS_MAX; i++)
                count_number(topics, i, 1 + i);
        count_number(topics, 0, 5000);                  /* not the oldest any more */
        assert_int_equal(topics_n(topics), TOPICS_MAX);

        count_number(topics, TOPICS_MAX, 6000);
        assert_int_equal(topics_n(topics), TOPICS_MAX);
        assert_true(has(topics, "/t/00000", &counts));
        assert_int_equal(counts.n_messages, 2);
        assert_false(has(topics, "/t/00001", NULL));
        assert_true(has(topics, "/t/00002", NULL));
        assert_int_equal(topics_others(topics)->n_messages, 1);
        assert_int_equal(topics_others(topics)->n_bytes, 10);
        assert_int_equal(topics_others(topics)->last_usec, 2);

        count_number(topics, 1, 7000);                  /* back, as a new one */
        assert_true(has(topics, "/t/00001", &counts));
        assert_int_equal(counts.n_messages, 1);
}

static void test_a_stranger_who_makes_up_topics_costs_no_more_and_nothing_is_lost(void **state) {
        Topics *topics = *state;
        _cleanup_free_ TopicRow *rows = NULL;
        uint64_t n = 0;

        for (unsigned i = 0; i < 50 * TOPICS_MAX; i++)
                count_number(topics, i, 1 + i);
        assert_int_equal(topics_n(topics), TOPICS_MAX);
        assert_int_equal(topics_list(topics, &rows), 0);
        for (size_t i = 0; i < TOPICS_MAX; i++)
                n += rows[i].counts.n_messages;
        assert_int_equal(n + topics_others(topics)->n_messages, 50 * TOPICS_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_messages_bytes_and_the_last_time_are_kept_by_topic),
                TEST(test_a_topic_is_the_whole_of_its_bytes),
                TEST(test_they_are_listed_in_the_order_of_their_names),
                TEST(test_the_least_recently_used_one_goes_to_the_others),
                TEST(test_a_stranger_who_makes_up_topics_costs_no_more_and_nothing_is_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
