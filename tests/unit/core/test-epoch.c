/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.4: where an epoch of a publisher ends, when it is known, and when nobody can know. */

#include "overlay.h"

static void send_first(Harness *h, LinkId link, uint64_t epoch, const Previous *previous, uint32_t age_msec) {
        Message message;

        message_set(&message, MESSAGE_GOSSIP, gossip, .id = { ID(9), epoch, 1 }, .age_msec = age_msec, .n_hops = 1,
                    .topic = slice_of("/t", 2), .payload = slice_of("x", 1), .has_previous = previous,
                    .previous = previous ? *previous : (Previous) {});
        harness_send(h, link, &message);
}

/* The publisher is known as a member, of that epoch. */
static void meet(Harness *h, uint64_t epoch) {
        Other other = harness_peer(9);

        other.epoch = epoch;
        link_in_of(h, &other, 4);
}

/* One neighbour, who answers every listing with an empty one; and the first message of the publisher's epoch 1. */
static LinkId hear_of_epoch_1(Harness *h) {
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        send_gossip(h, link, 9, 1, 1, 0, 1);
        harness_advance(h, 1 * SEC);
        return link;
}

static void assert_open_end(Harness *h, uint64_t epoch, uint64_t first) {
        const Notice *notice = harness_notice(h, NOTICE_GAP);

        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], 9);
        assert_int_equal(notice->epoch, epoch);
        assert_int_equal(notice->first, first);
        assert_int_equal(notice->last, 0);
        assert_int_equal(notice->count, 0);
}

static void test_an_end_that_nobody_names_is_told_once_after_30_seconds(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);

        send_gossip(h, link, 9, 1, 2, 0, 1);
        meet(h, 2);
        send_first(h, link, 2, NULL, 0);
        assert_int_equal(harness_n_deliveries(h), 3);           /* nothing waits for what nobody knows of */
        harness_advance(h, 30 * SEC - 1);
        assert_null(harness_notice(h, NOTICE_GAP));
        harness_advance(h, 1);
        assert_open_end(h, 1, 3);
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 1);
        harness_advance(h, 60 * SEC);
        assert_null(harness_notice(h, NOTICE_GAP));

        meet(h, 3);
        send_first(h, link, 3, NULL, 0);
        harness_advance(h, 30 * SEC);
        assert_open_end(h, 2, 2);
        assert_null(harness_notice(h, NOTICE_GAP));
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 2);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_an_end_that_is_named_is_no_matter(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);

        meet(h, 2);
        send_first(h, link, 2, &(Previous) { 1, 1 }, 0);
        harness_advance(h, 60 * SEC);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_null(harness_notice(h, NOTICE_GAP));
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 0);
}

/* The first message of the epoch is late. */
static void test_an_end_may_be_named_later(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);

        meet(h, 2);
        send_gossip(h, link, 9, 2, 2, 0, 1);
        harness_advance(h, 100 * MSEC);
        send_first(h, link, 2, &(Previous) { 1, 1 }, 0);
        harness_advance(h, 60 * SEC);
        assert_int_equal(harness_n_deliveries(h), 3);
        assert_null(harness_notice(h, NOTICE_GAP));
}

static void test_what_was_stored_before_our_time_has_its_end_there(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        meet(h, 2);
        send_gossip(h, link, 9, 1, 7, 60000, 1);
        send_first(h, link, 2, NULL, 50000);
        harness_advance(h, 60 * SEC);
        assert_null(harness_notice(h, NOTICE_GAP));
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 0);
}

static void test_nobody_ends_the_epoch_of_another(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);

        meet(h, 1);
        send_first(h, link, 2, NULL, 0);
        harness_advance(h, 60 * SEC);
        assert_null(harness_notice(h, NOTICE_GAP));
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 0);
}

/* All of an epoch is missing: its end is known from the next one, that of the one before from nobody. */
static void test_an_epoch_of_which_nothing_came_is_lost_and_counted(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);
        const Notice *notice;

        meet(h, 3);
        send_first(h, link, 3, &(Previous) { 2, 4 }, 0);
        assert_int_equal(harness_n_deliveries(h), 1);
        harness_advance(h, 31 * SEC);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 4);
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 1);
        for (unsigned i = 0; i < 2; i++) {
                notice = harness_notice(h, NOTICE_GAP);
                assert_non_null(notice);
                assert_int_equal(notice->count, notice->epoch == 2 ? 4 : 0);
                assert_int_equal(notice->first, notice->epoch == 2 ? 1 : 2);
        }
}

static void test_an_epoch_before_our_time_is_not_lost(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        meet(h, 3);
        send_first(h, link, 3, &(Previous) { 2, 4 }, 0);
        harness_advance(h, 60 * SEC);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

/* More epochs than are known of one publisher, one a second. */
static void test_whoever_crashes_again_and_again_is_heard(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);

        meet(h, 20);
        for (uint64_t epoch = 2; epoch <= 20; epoch++) {
                send_first(h, link, epoch, NULL, 0);
                harness_advance(h, 1 * SEC);
        }
        assert_int_equal(harness_n_deliveries(h), 20);
        harness_advance(h, 60 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_UNCERTAIN), 19);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

/* The eighth after one that misses a message: it is heard, and what was missing is counted. */
static void test_an_epoch_that_waits_gives_way_to_later_ones(void **state) {
        Harness *h = *state;
        LinkId link = hear_of_epoch_1(h);
        const Notice *notice;

        meet(h, 20);
        send_gossip(h, link, 9, 1, 3, 0, 1);
        for (uint64_t epoch = 2; epoch <= 8; epoch++)
                send_first(h, link, epoch, NULL, 0);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);

        send_first(h, link, 9, NULL, 0);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 0);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 1);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(harness_delivery(h)->id.sequence, 3);
        notice = harness_notice(h, NOTICE_GAP);
        assert_non_null(notice);
        assert_int_equal(notice->epoch, 1);
        assert_int_equal(notice->first, 2);
        assert_int_equal(notice->count, 1);
        assert_open_end(h, 1, 4);
        harness_advance(h, 1 * SEC);
        assert_int_equal(harness_n_deliveries(h), 10);
        assert_int_equal(harness_delivery(h)->id.epoch, 9);

        /* Nothing of it is told, or delivered, again. */
        send_gossip(h, link, 9, 1, 2, 0, 1);
        send_gossip(h, link, 9, 1, 3, 0, 1);
        harness_advance(h, 60 * SEC);
        assert_int_equal(harness_n_deliveries(h), 10);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 1);
}

/* ---- our own ---- */

static MessageId publish(Harness *h) {
        MessageId id;

        assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), 0);
        harness_settle(h);
        return id;
}

static void test_our_last_message_is_remembered_when_we_stop(void **state) {
        Harness *h = *state;
        Previous last = { 5, 5 };

        assert_false(peer_published(harness_node(h), &last));
        (void) publish(h);
        assert_int_equal(harness_n_persisted(h, PERSIST_PUBLISHED), 1);         /* what was remembered of before */
        (void) publish(h);
        assert_false(peer_published(harness_node(h), &last));
        assert_int_equal(last.sequence, 5);
        assert_int_equal(harness_n_persisted(h, PERSIST_PUBLISHED), 1);         /* and no message after the first one */
        harness_stop(h);
        assert_int_equal(harness_n_persisted(h, PERSIST_PUBLISHED), 2);
        assert_true(peer_published(harness_node(h), &last));
        assert_int_equal(last.epoch, HARNESS_EPOCH);
        assert_int_equal(last.sequence, 2);
}

/* Started with what is remembered of an epoch before. */
static Harness *begin_after(uint64_t epoch, uint64_t sequence) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        Harness *h = harness_new(&settings, OWN);

        peer_set_published(harness_node(h), &(Previous) { epoch, sequence });
        harness_start(h);
        return h;
}

static void test_our_first_message_names_the_one_that_is_remembered(void **state) {
        _cleanup_(harness_freep) Harness *h = begin_after(HARNESS_EPOCH - 3, 17);
        LinkId link = link_in(h, 1);
        const Message *message;

        harness_drop_sent(h);
        (void) publish(h);
        message = expect(h, link, MESSAGE_GOSSIP);
        assert_true(message->gossip.has_previous);
        assert_int_equal(message->gossip.previous.epoch, HARNESS_EPOCH - 3);
        assert_int_equal(message->gossip.previous.sequence, 17);
        (void) publish(h);
        assert_false(expect(h, link, MESSAGE_GOSSIP)->gossip.has_previous);
}

static void test_a_life_without_a_message_remembers_for_the_next(void **state) {
        _cleanup_(harness_freep) Harness *h = begin_after(HARNESS_EPOCH - 3, 17);
        Previous last;

        assert_true(peer_published(harness_node(h), &last));
        harness_stop(h);
        assert_true(peer_published(harness_node(h), &last));
        assert_int_equal(last.epoch, HARNESS_EPOCH - 3);
        assert_int_equal(last.sequence, 17);
}

static void test_what_cannot_have_been_before_is_not_named(void **state) {
        const Previous wrong[] = { { HARNESS_EPOCH, 3 }, { HARNESS_EPOCH + 1, 3 }, { HARNESS_EPOCH - 1, 0 } };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_(harness_freep) Harness *h = begin_after(wrong[i].epoch, wrong[i].sequence);
                LinkId link = link_in(h, 1);

                harness_drop_sent(h);
                (void) publish(h);
                assert_false(expect(h, link, MESSAGE_GOSSIP)->gossip.has_previous);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_an_end_that_nobody_names_is_told_once_after_30_seconds),
                TEST(test_an_end_that_is_named_is_no_matter),
                TEST(test_an_end_may_be_named_later),
                TEST(test_what_was_stored_before_our_time_has_its_end_there),
                TEST(test_nobody_ends_the_epoch_of_another),
                TEST(test_an_epoch_of_which_nothing_came_is_lost_and_counted),
                TEST(test_an_epoch_before_our_time_is_not_lost),
                TEST(test_whoever_crashes_again_and_again_is_heard),
                TEST(test_an_epoch_that_waits_gives_way_to_later_ones),
                TEST(test_our_last_message_is_remembered_when_we_stop),
                cmocka_unit_test(test_our_first_message_names_the_one_that_is_remembered),
                cmocka_unit_test(test_a_life_without_a_message_remembers_for_the_next),
                cmocka_unit_test(test_what_cannot_have_been_before_is_not_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
