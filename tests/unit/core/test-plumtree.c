/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.2: eager and lazy links, announcements, GRAFT and PRUNE. */

#include "overlay.h"

#include "core/offer.h"

static void send_message(Harness *h, LinkId link, uint64_t sequence) {
        send_gossip(h, link, 9, 1, sequence, 0, 1);
}

/* ---- the tree ---- */

static void test_a_second_copy_makes_its_link_lazy(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        harness_advance(h, 20 * MSEC);          /* they are told of each other */
        harness_drop_sent(h);
        send_message(h, first, 1);
        expect(h, second, MESSAGE_GOSSIP);
        send_message(h, second, 1);
        expect(h, second, MESSAGE_PRUNE);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 1);

        send_message(h, first, 2);
        expect_nothing(h, second);
        harness_advance(h, 100 * MSEC);
        expect_range(h, second, MESSAGE_IHAVE, 2, 2);
        expect_nothing(h, first);

        /* What was on its way when it was pruned says nothing: both ends are lazy, or both eager. */
        send_message(h, second, 3);
        expect(h, first, MESSAGE_GOSSIP);
        send_message(h, first, 4);
        expect_nothing(h, second);
}

static void test_copies_under_way_are_not_pruned_one_by_one(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        for (uint64_t i = 1; i <= 50; i++)
                send_message(h, first, i);
        harness_drop_sent(h);
        for (uint64_t i = 1; i <= 50; i++)
                send_message(h, second, i);
        expect(h, second, MESSAGE_PRUNE);
        expect_nothing(h, second);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 50);

        /* But one that has not listened is told again. */
        harness_advance(h, 500 * MSEC);
        harness_drop_sent(h);
        send_message(h, second, 1);
        expect(h, second, MESSAGE_PRUNE);
}

/* A cycle that messages of several publishers go round is cut in one place: by and by. */
static void test_a_link_that_has_brought_something_first_is_not_pruned_at_once(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);
        unsigned n_copies = 0;

        harness_set_answering(h, true);
        harness_advance(h, 1 * SEC);
        send_message(h, second, 1);
        send_message(h, first, 2);
        harness_drop_sent(h);
        send_message(h, second, 2);
        for (uint64_t sequence = 3; counted(h, COUNTER_PRUNES_SENT) == 0; sequence++, n_copies++) {
                assert_true(n_copies < 3000);           /* 5 min, with a chance of 1 in 200 each time */
                harness_advance(h, 100 * MSEC);
                send_message(h, first, sequence);
                send_message(h, second, sequence);
        }
        assert_true(n_copies >= 20);                    /* a cycle that is new is cut where it is new */
        assert_non_null(harness_find(h, second, MESSAGE_PRUNE));

        /* When it is eager again its use has to show anew. */
        send_ranges(h, second, MESSAGE_GRAFT, 1, 1);
        harness_advance(h, 1 * SEC);
        send_message(h, first, 10000);
        send_message(h, second, 10000);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 2);
}

/* It is one of the tree, though it has brought nothing itself yet. */
static void test_a_link_that_carries_messages_for_a_second_is_not_pruned_at_once(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        harness_set_answering(h, true);
        for (uint64_t i = 1; i <= 11; i++) {
                send_message(h, first, i);
                harness_advance(h, 100 * MSEC);
        }
        send_message(h, second, 11);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 0);

        /* But when no other message is under way, that is where the cycle is cut, and nowhere else. */
        harness_advance(h, 900 * MSEC);
        send_message(h, first, 12);
        send_message(h, second, 12);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 1);
}

/* Who passes on late what it missed makes no cycle by that. */
static void test_a_late_copy_does_not_make_its_link_lazy(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        harness_set_answering(h, true);
        send_message(h, first, 1);
        harness_advance(h, 500 * MSEC);
        send_message(h, second, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 0);
        send_message(h, first, 2);
        send_message(h, second, 2);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 1);
}

/* ---- new links ---- */

static void test_where_there_is_a_tree_a_new_link_is_lazy(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2), third;

        send_prune(h, second);
        third = link_in(h, 3);
        expect(h, third, MESSAGE_PRUNE);
        harness_drop_sent(h);
        send_message(h, first, 1);
        expect_nothing(h, third);

        /* But the other end may need it. */
        send_ranges(h, third, MESSAGE_GRAFT, 0, 0);
        expect_range(h, third, MESSAGE_IHAVE, 1, 1);
        send_message(h, first, 2);
        expect(h, third, MESSAGE_GOSSIP);
        expect_nothing(h, second);
}

/* What it is to get comes on this one; a second one would make a cycle. */
static void test_the_first_link_of_a_newcomer_is_eager(void **state) {
        Harness *h = *state;
        Other newcomer = harness_peer(3), other = harness_peer(4);
        LinkId first = link_in(h, 1), third, fourth;

        send_prune(h, link_in(h, 2));
        third = link_in_of(h, &newcomer, 0);
        fourth = link_in_of(h, &other, 1);
        expect(h, fourth, MESSAGE_PRUNE);
        assert_null(harness_find(h, third, MESSAGE_PRUNE));
        harness_drop_sent(h);
        send_message(h, first, 1);
        expect(h, third, MESSAGE_GOSSIP);
        expect_nothing(h, fourth);
}

static void test_a_new_link_replaces_an_eager_one_that_is_gone(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2), lazy = link_in(h, 3), third, fourth;

        send_prune(h, lazy);
        send_close(h, second, CLOSE_DONE);
        third = link_in(h, 4);
        assert_int_equal(expect(h, third, MESSAGE_GRAFT)->ranges.n_ranges, 0);
        fourth = link_in(h, 5);
        expect(h, fourth, MESSAGE_PRUNE);
        harness_drop_sent(h);
        send_message(h, first, 1);
        expect(h, third, MESSAGE_GOSSIP);
        expect_nothing(h, fourth);
}

static void test_a_lazy_link_that_is_gone_is_not_replaced(void **state) {
        Harness *h = *state;
        LinkId lazy, other;

        (void) link_in(h, 1);
        lazy = link_in(h, 2);
        send_prune(h, lazy);
        other = link_in(h, 3);
        send_close(h, lazy, CLOSE_DONE);
        expect(h, link_in(h, 4), MESSAGE_PRUNE);
        assert_true(harness_is_up(h, other));
}

/* Else nothing would come to it but what it asks for. */
static void test_who_has_no_other_eager_link_does_not_agree_to_prune(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        harness_drop_sent(h);
        send_prune(h, first);
        expect_nothing(h, first);
        send_prune(h, second);
        assert_int_equal(expect(h, second, MESSAGE_GRAFT)->ranges.n_ranges, 0);
        assert_int_equal(counted(h, COUNTER_GRAFTS_SENT), 1);
        send_message(h, first, 1);
        expect(h, second, MESSAGE_GOSSIP);

        /* One that was sent before that GRAFT came there is void. */
        harness_drop_sent(h);
        send_prune(h, second);
        expect_nothing(h, second);
        send_message(h, first, 2);
        expect(h, second, MESSAGE_GOSSIP);
}

static void test_prune_makes_a_link_lazy_and_graft_eager(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);

        send_prune(h, to);
        send_message(h, from, 1);
        expect_nothing(h, to);
        harness_advance(h, 100 * MSEC);
        expect_range(h, to, MESSAGE_IHAVE, 1, 1);
        send_ranges(h, to, MESSAGE_GRAFT, 1, 1);
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.id.sequence, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REPAIRED), 1);
        send_message(h, from, 2);
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.id.sequence, 2);
}

/* Else its PRUNE would be taken for one that our GRAFT has crossed, and one end alone be lazy. */
static void test_a_link_that_was_grafted_is_not_pruned_for_what_was_under_way(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);

        send_prune(h, to);
        for (uint64_t i = 1; i <= 3; i++)
                send_message(h, from, i);
        send_ranges(h, to, MESSAGE_GRAFT, 0, 0);
        harness_advance(h, 150 * MSEC);
        send_message(h, to, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 0);
        harness_drop_sent(h);
        send_message(h, from, 4);
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.id.sequence, 4);

        harness_advance(h, 150 * MSEC);
        send_message(h, to, 2);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 1);
}

/* Whoever announces or lists a message has it. */
static void test_nobody_is_sent_what_it_has_offered(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), has = link_in(h, 2), lacks = link_in(h, 3);

        harness_drop_sent(h);
        send_ranges(h, has, MESSAGE_IHAVE, 2, 3);
        for (uint64_t i = 1; i <= 4; i++)
                send_message(h, from, i);
        for (uint64_t i = 1; i <= 4; i++)
                assert_int_equal(expect(h, lacks, MESSAGE_GOSSIP)->gossip.id.sequence, i);
        assert_int_equal(expect(h, has, MESSAGE_GOSSIP)->gossip.id.sequence, 1);
        assert_int_equal(expect(h, has, MESSAGE_GOSSIP)->gossip.id.sequence, 4);
        expect_nothing(h, has);
}

/* It would be neither sent nor announced on that link. */
static void test_what_is_collected_is_announced_on_a_link_that_becomes_eager(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);

        send_prune(h, to);
        send_message(h, from, 1);
        send_message(h, from, 2);
        expect_nothing(h, to);
        send_ranges(h, to, MESSAGE_GRAFT, 0, 0);
        expect_range(h, to, MESSAGE_IHAVE, 1, 2);
        send_message(h, from, 3);
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.id.sequence, 3);
}

static void test_announcements_are_collected_into_ranges(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), lazy = link_in(h, 2);
        const Message *message;

        send_prune(h, lazy);
        for (uint64_t i = 1; i <= 30; i++) {
                send_gossip(h, from, 9, 1, i, 0, 1);
                send_gossip(h, from, 10, 1, i, 0, 1);
        }
        expect_nothing(h, lazy);
        harness_advance(h, 20 * MSEC);
        message = expect(h, lazy, MESSAGE_IHAVE);
        assert_int_equal(message->ranges.n_ranges, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(message->ranges.ranges[i].origin.bytes[0], 9 + i);
                assert_int_equal(message->ranges.ranges[i].first, 1);
                assert_int_equal(message->ranges.ranges[i].last, 30);
        }
        harness_advance(h, 500 * MSEC);
        expect_nothing(h, lazy);
}

/* When the next message is announced on @lazy, in ms. */
static unsigned announced_after(Harness *h, LinkId from, LinkId lazy, uint64_t sequence) {
        unsigned n = 0;

        harness_advance(h, 1 * SEC);
        harness_drop_sent(h);
        for (send_message(h, from, sequence); !harness_find(h, lazy, MESSAGE_IHAVE); n++) {
                assert_true(n < 1000);
                harness_advance(h, 1 * MSEC);
        }
        return n;
}

static void test_few_announcements_are_collected_for_longer_while_the_tree_is_whole(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), lazy = link_in(h, 2), asks = link_in(h, 3);
        uint64_t sequence = 0;
        unsigned first;

        harness_set_answering(h, true);
        send_prune(h, lazy);
        first = announced_after(h, from, lazy, ++sequence);
        assert_in_range(first, 50, 100);
        for (unsigned i = 0; announced_after(h, from, lazy, ++sequence) == first; i++)
                assert_true(i < 20);                    /* drawn each time */

        /* Something was missed. */
        send_ranges(h, asks, MESSAGE_GRAFT, 1, 1);
        assert_int_equal(announced_after(h, from, lazy, ++sequence), 20);
        harness_advance(h, 57 * SEC);
        assert_int_equal(announced_after(h, from, lazy, ++sequence), 20);
        harness_advance(h, 2 * SEC);
        assert_in_range(announced_after(h, from, lazy, ++sequence), 50, 100);

        /* And here: what another link has announced does not come. */
        send_ranges(h, asks, MESSAGE_IHAVE, sequence + 1, sequence + 1);
        harness_advance(h, 500 * MSEC);
        assert_int_equal(counted(h, COUNTER_GRAFTS_SENT), 1);
        sequence++;
        assert_int_equal(announced_after(h, from, lazy, sequence), 20);
}

static void test_many_announcements_wait_20_ms(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), lazy = link_in(h, 2);

        send_prune(h, lazy);
        for (uint64_t i = 1; i <= 100; i++)             /* more than 4 KiB of them */
                send_message(h, from, i);
        harness_advance(h, 19 * MSEC);
        expect_nothing(h, lazy);
        harness_advance(h, 1 * MSEC);
        expect_range(h, lazy, MESSAGE_IHAVE, 1, 100);

        /* Each time anew. */
        send_message(h, from, 101);
        harness_advance(h, 49 * MSEC);
        expect_nothing(h, lazy);
        harness_advance(h, 51 * MSEC);
        expect_range(h, lazy, MESSAGE_IHAVE, 101, 101);
}

static void test_very_many_announcements_do_not_wait(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), lazy = link_in(h, 2);

        send_prune(h, lazy);
        for (uint64_t epoch = 1; epoch <= MESSAGE_RANGES_MAX; epoch++)
                send_gossip(h, from, (uint8_t) (epoch % 100 + 1), 1 + epoch / 100, 1, 0, 1);
        assert_int_equal(expect(h, lazy, MESSAGE_IHAVE)->ranges.n_ranges, MESSAGE_RANGES_MAX);
}

static void test_what_is_announced_and_does_not_come_is_grafted(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        harness_set_answering(h, true);
        send_message(h, first, 1);
        harness_advance(h, 20 * MSEC);          /* they are told of each other */
        harness_drop_sent(h);
        send_ranges(h, first, MESSAGE_IHAVE, 1, 3);
        harness_advance(h, 10 * MSEC);
        send_ranges(h, second, MESSAGE_IHAVE, 1, 3);
        harness_advance(h, 489 * MSEC);
        expect_nothing(h, first);
        harness_advance(h, 1 * MSEC);
        expect_range(h, first, MESSAGE_GRAFT, 2, 3);
        expect_nothing(h, second);
        send_message(h, first, 2);
        harness_drop_sent(h);
        harness_advance(h, 249 * MSEC);
        expect_nothing(h, second);
        harness_advance(h, 300 * MSEC);                 /* nothing more came */
        assert_int_equal(harness_find(h, second, MESSAGE_GRAFT)->ranges.ranges[0].first, 3);
        assert_int_equal(counted(h, COUNTER_GRAFTS_SENT), 2);

        /* A copy that we have asked for is no reason to prune. */
        send_message(h, first, 3);
        send_message(h, second, 3);
        assert_null(harness_find(h, second, MESSAGE_PRUNE));
}

static void test_grafting_makes_the_link_eager(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), lazy = link_in(h, 2);

        harness_set_answering(h, true);
        send_prune(h, lazy);
        send_ranges(h, lazy, MESSAGE_IHAVE, 1, 1);
        harness_advance(h, 500 * MSEC);
        expect_range(h, lazy, MESSAGE_GRAFT, 1, 1);
        send_gossip(h, from, 10, 1, 1, 0, 1);
        expect(h, lazy, MESSAGE_GOSSIP);
}

static void test_classic_prunes_nobody(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId links[2];
        (void) state;

        h = peer_new(&settings);
        links[0] = link_in(h, 1);
        links[1] = link_in(h, 2);
        for (uint64_t i = 1; i <= 3; i++) {
                send_message(h, links[0], i);
                expect(h, links[1], MESSAGE_GOSSIP);
                send_message(h, links[1], i);
                expect_nothing(h, links[1]);
        }
}

static void test_all_of_it_has_no_place_before_a_link(void **state) {
        static const MessageType types[] = {
                MESSAGE_IHAVE, MESSAGE_GRAFT, MESSAGE_PRUNE, MESSAGE_MSG_RANGES, MESSAGE_MSG_WANT,
        };
        Harness *h = *state;

        for (uint8_t i = 0; i < ELEMENTSOF(types); i++) {
                Other other = harness_peer((uint8_t) (i + 1));
                LinkId link = harness_open(h, &other);

                if (types[i] == MESSAGE_PRUNE)
                        send_prune(h, link);
                else
                        send_ranges(h, link, types[i], 1, 1);
                expect_close(h, link, CLOSE_PROTOCOL);
        }
}

/* ---- who lies ---- */

static void test_who_announces_what_it_does_not_have_is_closed(void **state) {
        Harness *h = *state;
        LinkId liar = link_in(h, 1), honest = link_in(h, 2);
        Message message = { .type = MESSAGE_IHAVE, .ranges.n_ranges = MESSAGE_RANGES_MAX };

        harness_set_answering(h, true);
        for (size_t i = 0; i < MESSAGE_RANGES_MAX; i++)
                message.ranges.ranges[i] = (Range) { .origin = ID(9), .epoch = 1000 + i, .first = 1, .last = UINT64_MAX };
        harness_send(h, liar, &message);
        harness_advance(h, 29 * SEC);
        assert_true(harness_is_up(h, liar));
        harness_advance(h, 5 * SEC);
        assert_false(harness_is_up(h, liar));
        assert_string_equal(harness_notice(h, NOTICE_PROTOCOL_ERROR)->detail,
                            "It announces messages that it does not send when asked.");
        assert_true(harness_is_up(h, honest));
}

static void test_endless_announcements_cost_no_more_than_4096_places(void **state) {
        Harness *h = *state;
        LinkId liar = link_in(h, 1), honest = link_in(h, 2);
        Message message = { .type = MESSAGE_IHAVE, .ranges.n_ranges = MESSAGE_RANGES_MAX };

        for (uint64_t n = 0; n < 100; n++) {
                for (size_t i = 0; i < MESSAGE_RANGES_MAX; i++)
                        message.ranges.ranges[i] = (Range) { ID(9), 1 + n * MESSAGE_RANGES_MAX + i, 1, 1 };
                harness_send(h, liar, &message);
        }
        harness_set_answering(h, true);
        harness_advance(h, 2 * SEC);
        assert_true(counted(h, COUNTER_GRAFTS_SENT) <= 2 * OFFERS_PER_LINK_MAX / 256);
        send_ranges(h, honest, MESSAGE_IHAVE, 1, 1);
        harness_advance(h, 1 * SEC);
        assert_non_null(harness_find(h, honest, MESSAGE_GRAFT));        /* who is honest is heard all the same */
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_second_copy_makes_its_link_lazy),
                TEST(test_copies_under_way_are_not_pruned_one_by_one),
                TEST(test_a_link_that_has_brought_something_first_is_not_pruned_at_once),
                TEST(test_a_link_that_carries_messages_for_a_second_is_not_pruned_at_once),
                TEST(test_a_late_copy_does_not_make_its_link_lazy),
                TEST(test_where_there_is_a_tree_a_new_link_is_lazy),
                TEST(test_the_first_link_of_a_newcomer_is_eager),
                TEST(test_a_new_link_replaces_an_eager_one_that_is_gone),
                TEST(test_a_lazy_link_that_is_gone_is_not_replaced),
                TEST(test_who_has_no_other_eager_link_does_not_agree_to_prune),
                TEST(test_prune_makes_a_link_lazy_and_graft_eager),
                TEST(test_a_link_that_was_grafted_is_not_pruned_for_what_was_under_way),
                TEST(test_nobody_is_sent_what_it_has_offered),
                TEST(test_what_is_collected_is_announced_on_a_link_that_becomes_eager),
                TEST(test_announcements_are_collected_into_ranges),
                TEST(test_few_announcements_are_collected_for_longer_while_the_tree_is_whole),
                TEST(test_many_announcements_wait_20_ms),
                TEST(test_very_many_announcements_do_not_wait),
                TEST(test_what_is_announced_and_does_not_come_is_grafted),
                TEST(test_grafting_makes_the_link_eager),
                cmocka_unit_test(test_classic_prunes_nobody),
                TEST(test_all_of_it_has_no_place_before_a_link),
                TEST(test_who_announces_what_it_does_not_have_is_closed),
                TEST(test_endless_announcements_cost_no_more_than_4096_places),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
