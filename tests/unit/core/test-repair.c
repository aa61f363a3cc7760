/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.3: listing what is stored, asking for what is missing, answering. */

#include "overlay.h"

static void send_message(Harness *h, LinkId link, uint64_t sequence) {
        send_gossip(h, link, 9, 1, sequence, 0, 1);
}

static LinkId open_and_accept(Harness *h, uint8_t n) {
        Other other = harness_peer(n);
        LinkId link = harness_open(h, &other);

        send_neighbor(h, link, PRIORITY_LOW, 4);
        expect(h, link, MESSAGE_ACCEPT);
        return link;
}

static void test_each_new_link_begins_with_what_is_stored(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), link;
        const Message *message;

        send_message(h, first, 1);
        send_message(h, first, 2);
        send_gossip(h, first, 10, 1, 1, 0, 1);
        harness_advance(h, 500 * MSEC);
        link = open_and_accept(h, 2);
        message = expect(h, link, MESSAGE_MSG_RANGES);
        assert_int_equal(message->ranges.n_ranges, 2);
        assert_int_equal(message->ranges.ranges[0].first, 1);
        assert_int_equal(message->ranges.ranges[0].last, 2);

        link = dial_to(h, 3);                           /* the same when we have called */
        answer_neighbor(h, link, 3);
        send_accept(h, link, 4);
        assert_int_equal(expect(h, link, MESSAGE_MSG_RANGES)->ranges.n_ranges, 2);
}

/* Else the other end would ask at once for what is under way to it, and pass it on: copies that cut the tree. */
static void test_what_is_stored_for_less_than_500_ms_is_announced_before_the_listing(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), link;
        const Message *message;

        for (uint64_t i = 1; i <= 3; i++)
                send_message(h, first, i);
        harness_advance(h, 1 * MSEC);
        send_message(h, first, 4);
        send_message(h, first, 6);
        harness_advance(h, 499 * MSEC);
        link = open_and_accept(h, 2);
        message = expect(h, link, MESSAGE_IHAVE);
        assert_int_equal(message->ranges.n_ranges, 2);
        assert_int_equal(message->ranges.ranges[0].first, 4);
        assert_int_equal(message->ranges.ranges[0].last, 4);
        assert_int_equal(message->ranges.ranges[1].first, 6);
        expect_range(h, link, MESSAGE_MSG_RANGES, 1, 3);

        /* The same in an answer, which is empty when there is nothing else. */
        send_ranges(h, first, MESSAGE_MSG_RANGES, 1, 0);
        assert_non_null(harness_find(h, first, MESSAGE_IHAVE));
        expect_range(h, first, MESSAGE_MSG_RANGES, 1, 3);
}

static void test_a_listing_is_complete_when_all_of_it_is_announced(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), link;

        send_message(h, first, 1);
        link = open_and_accept(h, 2);
        expect_range(h, link, MESSAGE_IHAVE, 1, 1);
        assert_int_equal(expect(h, link, MESSAGE_MSG_RANGES)->ranges.n_ranges, 0);
}

static void test_what_is_listed_and_missing_is_asked_for(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), link = open_and_accept(h, 2);

        send_message(h, first, 1);
        harness_drop_sent(h);
        send_ranges(h, link, MESSAGE_MSG_RANGES, 1, 3);
        expect_range(h, link, MESSAGE_MSG_WANT, 2, 3);
        expect_nothing(h, link);                        /* ours was the first: theirs is the answer */
        send_message(h, link, 2);
        send_message(h, link, 3);
        assert_int_equal(harness_n_deliveries(h), 3);
        send_ranges(h, link, MESSAGE_MSG_RANGES, 1, 3);
        expect_range(h, link, MESSAGE_IHAVE, 1, 3);
        assert_int_equal(harness_next(h, link)->type, MESSAGE_MSG_RANGES);      /* an answer, and nothing is missing */
        expect_nothing(h, link);

        /* What is listed later may be on its way, like what is announced. */
        send_ranges(h, link, MESSAGE_MSG_RANGES, 1, 4);
        expect_range(h, link, MESSAGE_IHAVE, 1, 3);
        assert_int_equal(harness_next(h, link)->type, MESSAGE_MSG_RANGES);
        expect_nothing(h, link);
        harness_advance(h, 500 * MSEC);
        expect_range(h, link, MESSAGE_MSG_WANT, 4, 4);
}

static void test_only_one_is_asked_for_what_many_have(void **state) {
        Harness *h = *state;
        LinkId a = open_and_accept(h, 1), b = open_and_accept(h, 2);

        harness_drop_sent(h);
        send_ranges(h, a, MESSAGE_MSG_RANGES, 1, 100);
        send_ranges(h, b, MESSAGE_MSG_RANGES, 1, 100);
        expect_range(h, a, MESSAGE_MSG_WANT, 1, 100);
        expect_nothing(h, b);
        send_close(h, a, CLOSE_DONE);
        harness_advance(h, 300 * MSEC);
        expect_range(h, b, MESSAGE_MSG_WANT, 1, 100);
}

static void test_an_unknown_publisher_begins_with_the_lowest_that_is_offered(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), link = open_and_accept(h, 2);

        send_ranges(h, link, MESSAGE_MSG_RANGES, 50, 52);
        send_message(h, first, 53);
        assert_int_equal(harness_n_deliveries(h), 0);
        for (uint64_t i = 50; i <= 52; i++)
                send_message(h, link, i);
        assert_int_equal(harness_n_deliveries(h), 4);
        assert_int_equal(harness_delivery(h)->id.sequence, 53);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_who_asks_gets_what_is_stored_with_its_age(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link = link_in(h, 2);
        const Message *message;

        harness_set_answering(h, true);
        send_gossip(h, from, 9, 1, 1, 5000, 3);
        send_gossip(h, from, 9, 1, 3, 0, 3);
        harness_advance(h, 10 * SEC);
        harness_drop_sent(h);
        send_ranges(h, link, MESSAGE_MSG_WANT, 1, UINT64_MAX);
        message = expect(h, link, MESSAGE_GOSSIP);
        assert_int_equal(message->gossip.id.sequence, 1);
        assert_int_equal(message->gossip.age_msec, 15000);
        assert_int_equal(message->gossip.n_hops, 4);
        assert_memory_equal(message->gossip.payload.data, "payload", 7);
        assert_int_equal(expect(h, link, MESSAGE_GOSSIP)->gossip.id.sequence, 3);
        expect_nothing(h, link);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REPAIRED), 2);
}

static void test_long_answers_come_in_turns(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link = link_in(h, 2);

        for (uint64_t i = 1; i <= 1000; i++)
                send_message(h, from, i);
        harness_drop_sent(h);
        send_ranges(h, link, MESSAGE_MSG_WANT, 1, 1000);
        harness_advance(h, 1 * MSEC);
        for (uint64_t i = 1; i <= 1000; i++)
                assert_int_equal(expect(h, link, MESSAGE_GOSSIP)->gossip.id.sequence, i);
        expect_nothing(h, link);
        assert_true(harness_n_effects_max(h) < 200);
}

static void test_what_is_too_old_is_neither_listed_nor_sent(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId from, link;
        (void) state;

        settings.params.store_age_usec = 60 * SEC;
        h = peer_new(&settings);
        harness_set_answering(h, true);
        from = link_in(h, 1);
        send_message(h, from, 1);
        harness_advance(h, 61 * SEC);
        link = link_in(h, 2);
        send_ranges(h, link, MESSAGE_MSG_WANT, 1, 1);
        assert_null(harness_find(h, link, MESSAGE_GOSSIP));
        harness_advance(h, 20 * SEC);
        assert_int_equal(peer_n_stored(harness_node(h)), 0);
        link = open_and_accept(h, 3);
        assert_int_equal(expect(h, link, MESSAGE_MSG_RANGES)->ranges.n_ranges, 0);
}

static void test_about_once_a_minute_a_neighbour_is_asked(void **state) {
        Harness *h = *state;
        LinkId eager = link_in(h, 1), lazy = link_in(h, 2);
        unsigned n = 0;

        harness_set_answering(h, true);
        send_prune(h, lazy);
        harness_drop_sent(h);
        for (unsigned i = 0; i < 120; i++) {
                harness_advance(h, 10 * SEC);
                if (harness_find(h, lazy, MESSAGE_MSG_RANGES)) {
                        send_ranges(h, lazy, MESSAGE_MSG_RANGES, 1, 0);
                        n++;
                }
                assert_null(harness_find(h, eager, MESSAGE_MSG_RANGES));        /* where a lazy one is */
        }
        assert_in_range(n, 13, 40);
        send_close(h, lazy, CLOSE_DONE);
        harness_advance(h, 100 * SEC);
        assert_non_null(harness_find(h, eager, MESSAGE_MSG_RANGES));
}

static void test_a_listing_of_any_length_ends_with_one_that_is_not_full(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link;
        size_t n = 0;

        for (uint64_t i = 1; i <= 600; i++)
                send_gossip(h, from, (uint8_t) (i % 100 + 1), 1 + i / 100, 1, 0, 1);
        harness_advance(h, 500 * MSEC);
        link = open_and_accept(h, 2);
        assert_int_equal(n = expect(h, link, MESSAGE_MSG_RANGES)->ranges.n_ranges, MESSAGE_RANGES_MAX);
        n += expect(h, link, MESSAGE_MSG_RANGES)->ranges.n_ranges;
        assert_int_equal(n, peer_n_stored(harness_node(h)));
        expect(h, link, MESSAGE_PRUNE);
        expect_nothing(h, link);
}

/* ---- who lies ---- */

static void test_listings_without_end_are_not_answered_without_end(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        unsigned n = 0;

        harness_drop_sent(h);
        for (unsigned i = 0; i < 1000; i++)
                send_ranges(h, link, MESSAGE_MSG_RANGES, 1, 0);
        while (harness_find(h, link, MESSAGE_MSG_RANGES))
                n++;
        assert_in_range(n, 1, 10);
}

static void test_who_asks_for_more_than_it_takes_is_closed(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link = link_in(h, 2);
        Message message = { .type = MESSAGE_GRAFT, .ranges.n_ranges = MESSAGE_RANGES_MAX };
        unsigned n = 0;

        for (uint64_t i = 1; i <= 100; i++)
                send_message(h, from, i);
        harness_drop_sent(h);
        harness_set_reading(h, link, false);
        for (size_t i = 0; i < MESSAGE_RANGES_MAX; i++)
                message.ranges.ranges[i] = (Range) { ID(9), 1, 1, 100 };
        while (harness_is_up(h, link)) {
                harness_send(h, link, &message);
                assert_true(++n < 100);
        }
        assert_string_equal(harness_notice(h, NOTICE_PROTOCOL_ERROR)->detail, "It asks for more than it takes.");
}

static void test_who_asks_for_everything_again_and_again_is_closed(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId from, link;
        unsigned n = 0;
        (void) state;

        settings.params.store_size_max = 1024 * 1024;
        h = peer_new(&settings);
        harness_set_answering(h, true);
        from = link_in(h, 1);
        link = link_in(h, 2);
        for (uint64_t i = 1; i <= 3000; i++)
                send_message(h, from, i);
        while (harness_is_up(h, link)) {
                send_ranges(h, link, MESSAGE_GRAFT, 1, 3000);
                harness_advance(h, 10 * MSEC);
                harness_drop_sent(h);
                assert_true(++n < 100);
        }
        assert_in_range(n, 8, 60);
        assert_string_equal(harness_notice(h, NOTICE_PROTOCOL_ERROR)->detail,
                            "It asks for the same messages again and again.");
        assert_true(harness_is_up(h, from));
}

/* Of little it takes many times as much, too, to be too much. */
static void test_the_less_is_stored_the_less_may_be_asked_for(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link = link_in(h, 2);
        unsigned n = 0;

        harness_set_answering(h, true);
        for (uint64_t i = 1; i <= 100; i++)
                send_message(h, from, i);
        while (harness_is_up(h, link)) {
                size_t size = peer_stored_size(harness_node(h));

                assert_true(size < 64 * 1024);
                send_ranges(h, link, MESSAGE_GRAFT, 1, 100);
                harness_advance(h, 10 * MSEC);
                harness_drop_sent(h);
                assert_true(++n < 1000);
        }
        assert_true(n > 8);
        assert_string_equal(harness_notice(h, NOTICE_PROTOCOL_ERROR)->detail,
                            "It asks for the same messages again and again.");
        assert_true(harness_is_up(h, from));
}

static void test_forged_ranges_cost_one_question(void **state) {
        Harness *h = *state;
        LinkId liar = open_and_accept(h, 1), from = link_in(h, 2);

        harness_set_answering(h, true);
        harness_drop_sent(h);
        send_ranges(h, liar, MESSAGE_MSG_RANGES, 1, UINT64_MAX);
        expect_range(h, liar, MESSAGE_MSG_WANT, 1, UINT64_MAX);
        send_message(h, from, 1);
        send_message(h, from, 2);
        assert_int_equal(harness_n_deliveries(h), 2);
        harness_advance(h, 40 * SEC);
        assert_null(harness_find(h, liar, MESSAGE_MSG_WANT));
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_each_new_link_begins_with_what_is_stored),
                TEST(test_what_is_stored_for_less_than_500_ms_is_announced_before_the_listing),
                TEST(test_a_listing_is_complete_when_all_of_it_is_announced),
                TEST(test_what_is_listed_and_missing_is_asked_for),
                TEST(test_only_one_is_asked_for_what_many_have),
                TEST(test_an_unknown_publisher_begins_with_the_lowest_that_is_offered),
                TEST(test_who_asks_gets_what_is_stored_with_its_age),
                TEST(test_long_answers_come_in_turns),
                cmocka_unit_test(test_what_is_too_old_is_neither_listed_nor_sent),
                TEST(test_about_once_a_minute_a_neighbour_is_asked),
                TEST(test_a_listing_of_any_length_ends_with_one_that_is_not_full),
                TEST(test_listings_without_end_are_not_answered_without_end),
                TEST(test_who_asks_for_more_than_it_takes_is_closed),
                cmocka_unit_test(test_who_asks_for_everything_again_and_again_is_closed),
                TEST(test_the_less_is_stored_the_less_may_be_asked_for),
                TEST(test_forged_ranges_cost_one_question),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
