/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.4: the order of a publisher's messages, gaps, epochs. */

#include "overlay.h"

static void send_message(Harness *h, LinkId link, uint64_t sequence) {
        send_gossip(h, link, 9, 1, sequence, 0, 1);
}

static void send_first(Harness *h, LinkId link, uint64_t epoch, uint64_t previous_epoch, uint64_t previous) {
        Message message;

        message_set(&message, MESSAGE_GOSSIP, gossip, .id = { ID(9), epoch, 1 }, .n_hops = 1, .topic = slice_of("/t", 2),
                    .payload = slice_of("x", 1), .has_previous = true, .previous = { previous_epoch, previous });
        harness_send(h, link, &message);
}

/* The publisher is known as a member, of that epoch. */
static LinkId meet(Harness *h, uint64_t epoch) {
        Other other = harness_peer(9);

        other.epoch = epoch;
        return link_in_of(h, &other, 4);
}

/* All neighbours say that they store nothing. */
static void list_nothing(Harness *h, const LinkId *links, size_t n) {
        for (size_t i = 0; i < n; i++) {
                assert_non_null(harness_find(h, links[i], MESSAGE_MSG_RANGES));
                send_ranges(h, links[i], MESSAGE_MSG_RANGES, 1, 0);
        }
}

/* As often as they are asked. */
static void list_nothing_for(Harness *h, usec_t usec, const LinkId *links, size_t n) {
        for (usec_t end_usec = harness_now(h) + usec; harness_now(h) < end_usec;) {
                harness_advance(h, 100 * MSEC);
                for (size_t i = 0; i < n; i++)
                        if (harness_find(h, links[i], MESSAGE_MSG_RANGES))
                                send_ranges(h, links[i], MESSAGE_MSG_RANGES, 1, 0);
        }
}

static void assert_gap(Harness *h, uint64_t first, uint64_t last, uint64_t count) {
        const Notice *notice = harness_notice(h, NOTICE_GAP);

        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], 9);
        assert_int_equal(notice->first, first);
        assert_int_equal(notice->last, last);
        assert_int_equal(notice->count, count);
}

static void test_a_message_behind_a_gap_waits_until_it_is_filled(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);

        send_message(h, from, 1);
        harness_drop_sent(h);
        send_message(h, from, 4);
        send_message(h, from, 3);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.id.sequence, 4);         /* forwarded it is at once */
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.id.sequence, 3);
        send_message(h, from, 2);
        assert_int_equal(harness_n_deliveries(h), 4);
        assert_int_equal(harness_delivery(h)->id.sequence, 4);
        assert_int_equal(harness_delivery(h)->serial, 4);
        send_message(h, from, 5);
        assert_int_equal(harness_n_deliveries(h), 5);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_neighbours_are_asked_for_a_gap_and_it_is_counted_when_none_offers_it(void **state) {
        Harness *h = *state;
        LinkId links[2] = { link_in(h, 1), link_in(h, 2) };

        harness_set_answering(h, true);
        send_message(h, links[0], 1);
        harness_advance(h, 2 * SEC);
        harness_drop_sent(h);
        send_message(h, links[0], 5);
        harness_advance(h, 499 * MSEC);
        assert_null(harness_find(h, links[0], MESSAGE_MSG_RANGES));
        harness_advance(h, 1 * MSEC);
        list_nothing(h, links, 2);
        list_nothing_for(h, 4 * SEC, links, 2);         /* it may be under way to them, too */
        assert_int_equal(harness_n_deliveries(h), 1);
        list_nothing_for(h, 2 * SEC, links, 1);
        assert_int_equal(harness_n_deliveries(h), 1);
        list_nothing(h, links + 1, 1);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(harness_delivery(h)->id.sequence, 5);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 3);
        assert_gap(h, 2, 4, 3);
        assert_null(harness_notice(h, NOTICE_GAP));

        /* What comes too late is dropped like a later copy. */
        harness_drop_sent(h);
        send_message(h, links[0], 3);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 3);
}

static void test_a_gap_before_an_old_message_is_counted_at_once_when_nobody_offers_it(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        send_message(h, link, 1);
        harness_advance(h, 2 * SEC);
        harness_drop_sent(h);
        send_gossip(h, link, 9, 1, 3, 5000, 1);        /* what was published before it is no longer under way */
        harness_advance(h, 500 * MSEC);
        list_nothing(h, &link, 1);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_gap(h, 2, 2, 1);
}

static void test_a_gap_that_is_offered_is_waited_for_30_seconds(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), other = link_in(h, 2);

        harness_set_answering(h, true);
        send_message(h, link, 1);
        send_message(h, link, 5);
        send_ranges(h, other, MESSAGE_IHAVE, 2, 4);
        harness_advance(h, 29 * SEC);
        assert_int_equal(harness_n_deliveries(h), 1);
        harness_advance(h, 2 * SEC);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_gap(h, 2, 4, 3);
}

static void test_a_gap_is_given_up_before_the_store_drops_what_is_behind_it(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.store_size_max = 1024 * 1024;
        h = peer_new(&settings);
        link = link_in(h, 1);
        harness_set_answering(h, true);
        send_message(h, link, 1);
        send_ranges(h, link, MESSAGE_IHAVE, 2, 2);      /* it is offered, and never comes */
        for (uint64_t sequence = 3; sequence <= 20000; sequence++)
                send_message(h, link, sequence);
        harness_advance(h, 1 * SEC);
        assert_int_equal(harness_n_deliveries(h), 19999);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 1);
        assert_gap(h, 2, 2, 1);
}

static void test_without_any_neighbour_a_gap_is_waited_for_30_seconds(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        send_message(h, link, 1);
        send_message(h, link, 3);
        send_close(h, link, CLOSE_DONE);
        harness_advance(h, 29 * SEC);
        assert_int_equal(harness_n_deliveries(h), 1);
        harness_advance(h, 2 * SEC);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_gap(h, 2, 2, 1);
}

static void test_many_gaps_are_told_once_a_second_with_the_sum(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        harness_advance(h, 2 * SEC);
        for (uint64_t i = 1; i <= 21; i += 2)
                send_message(h, link, i);
        list_nothing_for(h, 6 * SEC, &link, 1);
        assert_int_equal(harness_n_deliveries(h), 11);
        assert_gap(h, 2, 20, 10);
        send_message(h, link, 23);
        list_nothing_for(h, 7 * SEC, &link, 1);
        assert_gap(h, 22, 22, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 11);
}

static void test_the_gaps_of_a_publisher_are_bounded(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.intervals_max = 3;
        h = peer_new(&settings);
        link = link_in(h, 1);
        send_message(h, link, 1);
        send_message(h, link, 11);
        send_message(h, link, 21);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
        send_message(h, link, 31);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 9);           /* 2 to 10 */
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(harness_delivery(h)->id.sequence, 11);
        send_message(h, link, 5);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);     /* given up */
}

/* What others published before is not ours to miss; but it may be on its way by a longer one. */
static void test_the_first_message_of_a_stranger_waits_for_those_before_it(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        send_message(h, link, 7);
        assert_int_equal(harness_n_deliveries(h), 0);
        harness_advance(h, 100 * MSEC);
        send_message(h, link, 6);
        harness_advance(h, 399 * MSEC);
        assert_int_equal(harness_n_deliveries(h), 0);
        harness_advance(h, 1 * MSEC);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(harness_delivery(h)->id.sequence, 7);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
        send_message(h, link, 8);
        assert_int_equal(harness_n_deliveries(h), 3);
        send_gossip(h, link, 10, 1, 1, 0, 1);           /* one that begins at the beginning waits for nothing */
        assert_int_equal(harness_n_deliveries(h), 4);
}

static void test_very_much_at_once_is_delivered_in_turns(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        for (uint64_t i = 2; i <= 3000; i++)
                send_message(h, link, i);
        assert_int_equal(harness_n_deliveries(h), 0);
        send_message(h, link, 1);
        harness_advance(h, 1 * MSEC);
        assert_int_equal(harness_n_deliveries(h), 3000);
        assert_int_equal(harness_delivery(h)->id.sequence, 3000);
        assert_true(harness_n_effects_max(h) < 400);
}

static void test_what_the_store_cannot_hold_back_is_lost_and_counted(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.store_size_max = 100 * 1024;
        h = peer_new(&settings);
        link = link_in(h, 1);
        for (uint64_t i = 2; i <= 2000; i++)
                send_message(h, link, i);
        send_message(h, link, 1);
        for (unsigned i = 0; i < 20; i++)
                harness_advance(h, 1 * MSEC);
        assert_int_equal(harness_n_deliveries(h) + counted(h, COUNTER_GOSSIP_LOST), 2000);
        assert_true(counted(h, COUNTER_GOSSIP_LOST) > 0);
        assert_int_equal(harness_delivery(h)->id.sequence, 2000);
}

/* ---- epochs ---- */

static void test_a_new_epoch_waits_for_the_end_of_the_one_before(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_set_answering(h, true);
        send_message(h, link, 1);
        meet(h, 2);
        send_first(h, link, 2, 1, 3);
        assert_int_equal(harness_n_deliveries(h), 1);
        send_message(h, link, 3);
        send_message(h, link, 2);
        harness_advance(h, 200 * MSEC);
        assert_int_equal(harness_n_deliveries(h), 4);
        assert_int_equal(harness_delivery(h)->id.epoch, 2);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_what_is_missing_at_the_end_of_an_epoch_is_counted(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), publisher;

        harness_set_answering(h, true);
        harness_advance(h, 2 * SEC);
        send_message(h, link, 1);
        publisher = meet(h, 2);
        harness_advance(h, 2 * SEC);
        send_first(h, link, 2, 1, 3);
        list_nothing_for(h, 7 * SEC, (LinkId[]) { link, publisher }, 2);
        assert_int_equal(harness_n_deliveries(h), 2);
        assert_int_equal(harness_delivery(h)->id.epoch, 2);
        assert_gap(h, 2, 3, 2);

        /* An epoch that is over stays over. */
        send_message(h, link, 4);
        harness_advance(h, 2 * SEC);
        assert_int_equal(harness_n_deliveries(h), 2);
}

static void test_what_was_published_in_an_epoch_before_our_time_is_not_delivered_late(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        meet(h, 2);
        send_gossip(h, link, 9, 2, 1, 0, 1);
        send_gossip(h, link, 9, 1, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
        send_gossip(h, link, 9, 3, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 2);
}

/* Whoever publishes in the name of another, in a later epoch, does not make it late. */
static void test_a_forged_epoch_silences_nobody(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        meet(h, 1);
        send_message(h, link, 1);
        send_gossip(h, link, 9, 77, 1, 0, 1);
        send_message(h, link, 2);
        assert_int_equal(harness_n_deliveries(h), 3);
        assert_int_equal(harness_delivery(h)->id.epoch, 1);
        send_first(h, link, 78, 1, 1000);
        harness_set_answering(h, true);
        harness_advance(h, 60 * SEC);
        send_message(h, link, 3);
        assert_int_equal(harness_delivery(h)->id.sequence, 3);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_our_own_new_epoch_names_the_last_message_of_the_one_before(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Message *message;
        MessageId id;

        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), 0);
        send_accused(h, link, HARNESS_EPOCH + 5, 0, MEMBER_ALIVE);
        assert_true(node_identity(harness_node(h))->epoch > HARNESS_EPOCH + 5);
        harness_drop_sent(h);
        assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), 0);
        harness_settle(h);
        message = expect(h, link, MESSAGE_GOSSIP);
        assert_int_equal(message->gossip.id.sequence, 1);
        assert_true(message->gossip.has_previous);
        assert_int_equal(message->gossip.previous.epoch, HARNESS_EPOCH);
        assert_int_equal(message->gossip.previous.sequence, 2);
        assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), 0);
        harness_settle(h);
        assert_false(expect(h, link, MESSAGE_GOSSIP)->gossip.has_previous);
}

/* ---- what was delivered ---- */

static void test_what_was_delivered_can_be_read_again_in_order(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        uint64_t serial = 0;
        Delivery delivery;
        MessageId id;

        harness_set_answering(h, true);
        send_gossip(h, link, 9, 1, 1, 2000, 1);
        assert_int_equal(peer_publish(harness_node(h), "/own", slice_of("x", 1), harness_now(h), &id), 0);
        send_message(h, link, 3);                       /* held back: nobody has read it */
        assert_int_equal(peer_last_serial(harness_node(h)), 2);
        harness_advance(h, 100 * MSEC);

        assert_true(peer_next_stored(harness_node(h), serial, harness_now(h), &delivery));
        assert_int_equal(delivery.serial, 1);
        assert_int_equal(delivery.age_usec, 2100 * MSEC);
        assert_memory_equal(delivery.payload.data, "payload", 7);
        assert_true(peer_next_stored(harness_node(h), 1, harness_now(h), &delivery));
        assert_true(delivery.own);
        assert_string_equal(delivery.origin_name, "under-test");
        assert_false(peer_next_stored(harness_node(h), 2, harness_now(h), &delivery));
        assert_int_equal(peer_serial_of(harness_node(h), &id), 2);
        id.sequence++;
        assert_int_equal(peer_serial_of(harness_node(h), &id), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_message_behind_a_gap_waits_until_it_is_filled),
                TEST(test_neighbours_are_asked_for_a_gap_and_it_is_counted_when_none_offers_it),
                TEST(test_a_gap_before_an_old_message_is_counted_at_once_when_nobody_offers_it),
                TEST(test_a_gap_that_is_offered_is_waited_for_30_seconds),
                cmocka_unit_test(test_a_gap_is_given_up_before_the_store_drops_what_is_behind_it),
                TEST(test_without_any_neighbour_a_gap_is_waited_for_30_seconds),
                TEST(test_many_gaps_are_told_once_a_second_with_the_sum),
                cmocka_unit_test(test_the_gaps_of_a_publisher_are_bounded),
                TEST(test_the_first_message_of_a_stranger_waits_for_those_before_it),
                TEST(test_very_much_at_once_is_delivered_in_turns),
                cmocka_unit_test(test_what_the_store_cannot_hold_back_is_lost_and_counted),
                TEST(test_a_new_epoch_waits_for_the_end_of_the_one_before),
                TEST(test_what_is_missing_at_the_end_of_an_epoch_is_counted),
                TEST(test_what_was_published_in_an_epoch_before_our_time_is_not_delivered_late),
                TEST(test_a_forged_epoch_silences_nobody),
                TEST(test_our_own_new_epoch_names_the_last_message_of_the_one_before),
                TEST(test_what_was_delivered_can_be_read_again_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
