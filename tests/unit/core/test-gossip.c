/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8: messages to everybody, and our own periodic ones. */

#include "overlay.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"

static int publish(Harness *h, const char *topic, size_t size, MessageId *ret) {
        static uint8_t payload[PAYLOAD_MAX + 1];
        MessageId id;
        int r = peer_publish(harness_node(h), topic, slice_of(payload, size), harness_now(h), ret ?: &id);

        harness_settle(h);
        return r;
}

/* ---- publishing ---- */

static void test_a_message_is_delivered_here_and_sent_on_every_link(void **state) {
        Harness *h = *state;
        LinkId links[3] = { link_in(h, 1), link_out(h, 2), link_in(h, 3) };
        const Delivery *delivery;
        MessageId id;

        assert_int_equal(peer_publish(harness_node(h), "/a", slice_of("hi", 2), harness_now(h), &id), 0);
        harness_settle(h);
        assert_true(node_id_equal(&id.origin, &node_identity(harness_node(h))->id));
        assert_int_equal(id.epoch, HARNESS_EPOCH);
        assert_int_equal(id.sequence, 1);
        assert_int_equal(peer_sequence(harness_node(h)), 1);

        assert_int_equal(harness_n_deliveries(h), 1);
        delivery = harness_delivery(h);
        assert_true(delivery->own);
        assert_int_equal(delivery->id.sequence, 1);
        assert_string_equal(delivery->origin_name, "under-test");
        assert_string_equal(delivery->from_name, "");
        assert_int_equal(delivery->n_hops, 0);
        assert_int_equal(delivery->age_usec, 0);
        assert_int_equal(delivery->topic.size, 2);
        assert_memory_equal(delivery->topic.data, "/a", 2);
        assert_int_equal(delivery->payload.size, 2);
        assert_memory_equal(delivery->payload.data, "hi", 2);

        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                const Message *message = harness_find(h, links[i], MESSAGE_GOSSIP);

                assert_non_null(message);
                assert_int_equal(message->gossip.id.sequence, 1);
                assert_int_equal(message->gossip.n_hops, 1);
                assert_int_equal(message->gossip.age_msec, 0);
                assert_int_equal(message->gossip.payload.size, 2);
                assert_null(harness_find(h, links[i], MESSAGE_GOSSIP));
        }
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_FORWARDED), 3);

        assert_int_equal(publish(h, "/a", 0, &id), 0);
        assert_int_equal(id.sequence, 2);
}

static void test_a_topic_is_1_to_255_bytes_of_printable_ascii(void **state) {
        Harness *h = *state;
        char longest[257] = {};
        const char *wrong[] = { "", "\x1f", "a\nb", "a\x7f", "\xc3\xa9", longest };

        link_in(h, 1);
        memset(longest, 'a', 256);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(publish(h, wrong[i], 1, NULL), -EINVAL);
        longest[255] = 0;
        assert_int_equal(publish(h, longest, 1, NULL), 0);
        assert_int_equal(publish(h, " ~", 1, NULL), 0);
        assert_int_equal(publish(h, "a", 1, NULL), 0);
        assert_int_equal(peer_sequence(harness_node(h)), 3);
}

static void test_a_payload_is_1_mib_at_most(void **state) {
        Harness *h = *state;

        link_in(h, 1);
        assert_int_equal(publish(h, "/a", PAYLOAD_MAX + 1, NULL), -EMSGSIZE);
        assert_int_equal(harness_n_deliveries(h), 0);
        assert_int_equal(publish(h, "/a", PAYLOAD_MAX, NULL), 0);
        assert_int_equal(publish(h, "/a", 0, NULL), 0);
        assert_int_equal(harness_n_deliveries(h), 2);
}

static void test_without_a_link_nothing_is_published(void **state) {
        Harness *h = *state;
        Other other = harness_peer(2);

        assert_int_equal(publish(h, "/a", 1, NULL), -ENOTCONN);
        assert_int_not_equal(harness_open(h, &other), 0);       /* a session is no link */
        assert_int_equal(publish(h, "/a", 1, NULL), -ENOTCONN);
        send_close(h, link_in(h, 1), CLOSE_DONE);
        assert_int_equal(publish(h, "/a", 1, NULL), -ENOTCONN);
        assert_int_equal(peer_sequence(harness_node(h)), 0);
        assert_int_equal(harness_n_deliveries(h), 0);
}

static void test_the_elder_of_two_sessions_is_no_link_to_publish_on(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);          /* the smaller id: its elder session lives on for a while */
        LinkId first = link_in(h, 1), second = harness_open(h, &other);

        assert_true(harness_is_up(h, first));
        assert_int_equal(publish(h, "/a", 1, NULL), -ENOTCONN);
        assert_int_equal(harness_n_deliveries(h), 0);
        send_neighbor(h, second, PRIORITY_LOW, 0);
        assert_int_equal(publish(h, "/a", 1, NULL), 0);
        assert_non_null(harness_find(h, second, MESSAGE_GOSSIP));
        assert_null(harness_find(h, first, MESSAGE_GOSSIP));
}

static void test_a_full_queue_refuses_and_nothing_is_queued(void **state) {
        Harness *h = *state;
        LinkId full = link_in(h, 1), empty = link_in(h, 2);

        harness_drop_sent(h);
        harness_set_reading(h, full, false);
        assert_int_equal(publish(h, "/a", PAYLOAD_MAX - 1000, NULL), 0);
        assert_int_equal(publish(h, "/a", 2000, NULL), -EBUSY);
        assert_int_equal(peer_sequence(harness_node(h)), 1);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_non_null(harness_find(h, empty, MESSAGE_GOSSIP));
        assert_null(harness_find(h, empty, MESSAGE_GOSSIP));
        assert_true(harness_is_up(h, full));

        /* What still fits is taken, and once it has drained, so is the rest. */
        assert_int_equal(publish(h, "/a", 100, NULL), 0);
        assert_int_equal(node_on_sent(harness_node(h), full, 2 * PAYLOAD_MAX, 1, harness_now(h)), 0);
        assert_int_equal(publish(h, "/a", 2000, NULL), 0);
        assert_int_equal(peer_sequence(harness_node(h)), 3);
}

static void test_an_empty_queue_takes_any_message(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.queue_max = 65536;
        h = peer_new(&settings);
        link = link_in(h, 1);
        harness_set_reading(h, link, false);
        assert_int_equal(publish(h, "/a", PAYLOAD_MAX, NULL), 0);
        assert_non_null(harness_find(h, link, MESSAGE_GOSSIP));
        assert_int_equal(publish(h, "/a", 0, NULL), -EBUSY);
}

static void test_the_bound_counts_what_waits_to_the_byte(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        size_t size;
        (void) state;

        settings.params.queue_max = 2000;
        h = peer_new(&settings);
        link = link_in(h, 1);
        harness_set_reading(h, link, false);
        size = counted(h, COUNTER_BYTES_OUT);
        assert_int_equal(publish(h, "/a", 100, NULL), 0);
        size = counted(h, COUNTER_BYTES_OUT) - size;            /* of a frame around 100 bytes */
        assert_int_equal(publish(h, "/a", 2000 - 2 * size + 100 + 1, NULL), -EBUSY);
        assert_int_equal(publish(h, "/a", 2000 - 2 * size + 100, NULL), 0);
        assert_int_equal(publish(h, "/a", 0, NULL), -EBUSY);
}

/* ---- forwarding ---- */

static void test_the_first_copy_goes_to_all_but_its_source(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to[2] = { link_in(h, 2), link_out(h, 3) };
        const Delivery *delivery;

        harness_drop_sent(h);
        send_gossip(h, from, 9, 77, 5, 1000, 3);
        assert_int_equal(harness_n_deliveries(h), 1);
        delivery = harness_delivery(h);
        assert_false(delivery->own);
        assert_int_equal(delivery->id.origin.bytes[0], 9);
        assert_int_equal(delivery->id.epoch, 77);
        assert_int_equal(delivery->id.sequence, 5);
        assert_int_equal(delivery->n_hops, 3);
        assert_int_equal(delivery->age_usec, 1 * SEC);
        assert_string_equal(delivery->from_name, "other");
        assert_string_equal(delivery->origin_name, "");         /* nobody knows it yet */
        assert_memory_equal(delivery->payload.data, "payload", 7);

        for (size_t i = 0; i < 2; i++) {
                const Message *message = expect(h, to[i], MESSAGE_GOSSIP);

                assert_int_equal(message->gossip.n_hops, 4);
                assert_int_equal(message->gossip.id.origin.bytes[0], 9);
                assert_int_equal(message->gossip.id.sequence, 5);
                assert_int_equal(message->gossip.topic.size, 6);
                assert_int_equal(message->gossip.payload.size, 7);
        }
        expect_nothing(h, from);
        assert_int_equal(counted(h, COUNTER_GOSSIP_RECEIVED), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_FORWARDED), 2);
}

static void test_later_copies_are_dropped(void **state) {
        Harness *h = *state;
        LinkId links[2] = { link_in(h, 1), link_in(h, 2) };

        for (unsigned i = 0; i < 3; i++)
                for (size_t j = 0; j < 2; j++)
                        send_gossip(h, links[j], 9, 1, 1, 0, (uint8_t) (i + j + 1));
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 5);
        assert_int_equal(counted(h, COUNTER_GOSSIP_FORWARDED), 1);
        send_gossip(h, links[0], 9, 2, 1, 0, 1);        /* the same number in another epoch is another message */
        assert_int_equal(harness_n_deliveries(h), 2);
}

static void test_our_own_message_that_comes_back_is_a_duplicate(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        assert_int_equal(publish(h, "/a", 1, NULL), 0);
        send_gossip(h, link, OWN, HARNESS_EPOCH, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);
}

static void test_the_age_grows_by_half_the_round_trip(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);

        harness_advance(h, 1 * SEC);
        uint64_t nonce = expect(h, from, MESSAGE_PING)->ping.nonce;
        harness_set_answering(h, true);
        harness_advance(h, 240 * MSEC);
        send_pong(h, from, nonce, 0);
        assert_int_equal(member_of(h, 1).rtt_usec, 240 * MSEC);
        harness_drop_sent(h);
        send_gossip(h, from, 9, 1, 1, 1000, 1);
        assert_int_equal(harness_find(h, to, MESSAGE_GOSSIP)->gossip.age_msec, 1120);
        assert_int_equal(harness_delivery(h)->age_usec, 1120 * MSEC);
}

static void test_names_come_from_the_member_table(void **state) {
        Harness *h = *state;
        Other other = harness_peer(2);
        LinkId link = link_in(h, 1);

        other.name = "somebody";
        link_in_of(h, &other, 0);
        send_gossip(h, link, 2, HARNESS_EPOCH, 1, 0, 2);
        assert_string_equal(harness_delivery(h)->origin_name, "somebody");
        assert_string_equal(harness_delivery(h)->from_name, "other");
}

/* ---- refusing ---- */

static void test_what_no_honest_copy_says_is_refused(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), other = link_in(h, 2);

        harness_drop_sent(h);
        send_gossip(h, link, 9, 1, 1, 600001, 1);                       /* older than 10 min */
        send_gossip(h, link, 9, 1, 1, UINT32_MAX, 1);
        send_gossip(h, link, 9, 1, 1, 0, 255);                          /* of 255 hops */
        send_gossip(h, link, OWN, HARNESS_EPOCH + 1, 1, 0, 1);          /* in our name, and not by us */
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 4);
        assert_int_equal(harness_n_deliveries(h), 0);
        expect_nothing(h, other);
        assert_true(harness_is_up(h, link));

        /* Nor were they seen. */
        send_gossip(h, link, 9, 1, 1, 600000, 254);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(expect(h, other, MESSAGE_GOSSIP)->gossip.n_hops, 255);
        send_gossip(h, link, OWN, HARNESS_EPOCH - 1, 1, 0, 1);          /* of an earlier life of ours */
        assert_int_equal(harness_n_deliveries(h), 2);
}

static void test_gossip_has_no_place_before_a_link(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);

        send_gossip(h, link, 9, 1, 1, 0, 1);
        expect_close(h, link, CLOSE_PROTOCOL);
        link = dial_to(h, 2);
        answer_neighbor(h, link, 2);
        send_gossip(h, link, 9, 1, 1, 0, 1);            /* before ACCEPT */
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(harness_n_deliveries(h), 0);
}

static void test_gaps_are_bounded_and_counted(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.intervals_max = 2;
        h = peer_new(&settings);
        link = link_in(h, 1);
        send_gossip(h, link, 9, 1, 1, 0, 1);
        send_gossip(h, link, 9, 1, 11, 0, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
        send_gossip(h, link, 9, 1, 21, 0, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 9);           /* 2 to 10 */
        send_gossip(h, link, 9, 1, 5, 0, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_DUPLICATES), 1);     /* given up */
        send_gossip(h, link, 9, 1, 15, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 4);                   /* not this one */
}

static void test_origins_are_bounded(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.origins_max = 2;
        h = peer_new(&settings);
        link = link_in(h, 1);
        harness_set_answering(h, true);
        send_gossip(h, link, 8, 1, 1, 0, 1);
        send_gossip(h, link, 9, 1, 1, 0, 1);
        send_gossip(h, link, 10, 1, 1, 0, 1);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 1);
        assert_int_equal(publish(h, "/a", 1, NULL), -EBUSY);            /* we would be an origin, too */
        assert_int_equal(harness_n_deliveries(h), 2);

        harness_advance(h, 10 * USEC_PER_MINUTE);
        send_gossip(h, link, 10, 1, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 3);
        assert_int_equal(publish(h, "/a", 1, NULL), 0);
}

/* ---- slow links ---- */

static void send_large(Harness *h, LinkId from, uint64_t sequence) {
        static uint8_t payload[512 * 1024];
        Message message;

        message_set(&message, MESSAGE_GOSSIP, gossip, .id = { ID(9), 1, sequence }, .n_hops = 1, .topic = slice_of("/t", 2),
                    .payload = slice_of(payload, sizeof(payload)));
        harness_send(h, from, &message);
}

static void test_a_burst_waits_for_a_link_that_drains_it_later(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), behind = link_in(h, 2);
        unsigned n = 0;

        harness_drop_sent(h);
        harness_set_reading(h, behind, false);
        for (uint64_t i = 1; i <= 31; i++)
                send_large(h, from, i);
        assert_true(harness_is_up(h, behind));
        assert_int_equal(publish(h, "/a", 1, NULL), -EBUSY);    /* what is to be ours waits meanwhile */
        assert_true(harness_is_up(h, behind));

        assert_int_equal(node_on_sent(harness_node(h), behind, 31 * (PAYLOAD_MAX / 2 + 200), 31, harness_now(h)), 0);
        assert_int_equal(publish(h, "/a", 1, NULL), 0);
        while (harness_find(h, behind, MESSAGE_GOSSIP))
                n++;
        assert_int_equal(n, 32);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_a_link_that_falls_back_too_far_is_ended(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), slow = link_in(h, 2), quick = link_in(h, 3);
        const Notice *notice;

        harness_drop_sent(h);
        harness_set_reading(h, slow, false);
        for (uint64_t i = 1; i <= 32; i++) {            /* 16 times a queue, and what frames need besides */
                assert_true(harness_is_up(h, slow));
                send_large(h, from, i);
        }
        for (unsigned i = 1; i <= 31; i++)
                expect(h, slow, MESSAGE_GOSSIP);
        expect_close(h, slow, CLOSE_SLOW);
        assert_int_equal(counted(h, COUNTER_LINKS_SLOW), 1);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_non_null(notice);
        assert_int_equal(notice->reason, CLOSE_SLOW);
        assert_true(notice->by_us);
        assert_int_equal(notice->total, 32);            /* those that waited, and the one that found no room */
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 32);

        /* It is slow, not dead; and the others got all. */
        assert_int_equal(member_of(h, 2).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SILENT));
        for (unsigned i = 1; i <= 32; i++)
                expect(h, quick, MESSAGE_GOSSIP);
        assert_int_equal(harness_n_deliveries(h), 32);
        assert_true(harness_is_up(h, from));
}

static void test_a_link_that_takes_nothing_for_30_seconds_is_ended(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), slow = link_in(h, 2), deaf = link_in(h, 3);

        harness_set_answering(h, true);                 /* all are alive */
        harness_set_reading(h, slow, false);
        harness_set_reading(h, deaf, false);
        harness_advance(h, 60 * SEC);                   /* who has nothing to take does not stall */
        send_gossip(h, from, 9, 1, 1, 0, 1);
        send_gossip(h, from, 9, 1, 2, 0, 1);
        harness_advance(h, 20 * SEC);
        assert_int_equal(node_on_sent(harness_node(h), slow, 1, 1, harness_now(h)), 0);
        harness_advance(h, 9 * SEC);
        assert_true(harness_is_up(h, deaf));
        harness_advance(h, 2 * SEC);
        assert_false(harness_is_up(h, deaf));
        assert_int_equal(harness_notice(h, NOTICE_UNLINKED)->total, 2);
        assert_true(harness_is_up(h, slow));            /* a byte is enough */
        harness_advance(h, 18 * SEC);
        assert_true(harness_is_up(h, slow));
        harness_sleep(h, 60 * SEC);                     /* it was us who slept */
        assert_true(harness_is_up(h, slow));
        harness_advance(h, 28 * SEC);
        assert_true(harness_is_up(h, slow));
        harness_advance(h, 3 * SEC);
        assert_false(harness_is_up(h, slow));
        assert_int_equal(harness_notice(h, NOTICE_UNLINKED)->total, 1);
        assert_int_equal(counted(h, COUNTER_LINKS_SLOW), 2);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 3);
}

static void test_all_that_waited_for_a_link_is_counted(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(2);
        LinkId from = link_in(h, 1), slow = link_in(h, 2);
        uint64_t n_sequence = 0;
        const Notice *notice;

        harness_set_reading(h, slow, false);
        while (n_sequence < 10)
                send_gossip(h, from, 9, 1, ++n_sequence, 0, 1);
        /* The kernel has three of them, and a part of the fourth, which goes to its end. */
        assert_int_equal(node_on_sent(harness_node(h), slow, 300, 4, harness_now(h)), 0);
        assert_int_equal(peer_disconnect(harness_node(h), &peer.id, harness_now(h)), 0);
        harness_settle(h);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_int_equal(notice->total, 6);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 6);
}

static void test_nothing_is_lost_for_who_is_gone(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), gone[3] = { link_in(h, 2), link_in(h, 3), link_in(h, 4) };

        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                harness_set_reading(h, gone[i], false);
        send_gossip(h, from, 9, 1, 1, 0, 1);
        send_close(h, gone[0], CLOSE_LEAVING);
        harness_change(h, gone[1], LINK_RESET);
        harness_set_answering(h, true);
        harness_set_silent(h, gone[2]);
        harness_advance(h, 20 * SEC);
        assert_int_equal(n_links(h), 1);
        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                assert_int_equal(harness_notice(h, NOTICE_UNLINKED)->total, 0);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
}

static void test_many_slow_links_end_together(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId from;
        (void) state;

        settings.params.links_inbound = 100;
        settings.params.queue_max = 10;
        h = peer_new(&settings);
        from = link_in(h, 120);
        for (uint8_t n = 1; n <= 90; n++)
                harness_set_reading(h, link_in(h, n), false);
        send_gossip(h, from, 125, 1, 1, 0, 1);
        assert_int_equal(n_links(h), 91);
        for (uint64_t i = 2; i <= 10; i++)
                send_gossip(h, from, 125, 1, i, 0, 1);
        assert_int_equal(n_links(h), 1);
        assert_int_equal(counted(h, COUNTER_LINKS_SLOW), 90);
        assert_true(harness_is_up(h, from));
}

static void test_control_messages_do_not_wait_for_room(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_drop_sent(h);
        harness_set_reading(h, link, false);
        assert_int_equal(publish(h, "/a", PAYLOAD_MAX, NULL), 0);
        expect(h, link, MESSAGE_GOSSIP);
        send_ping(h, link, 1);
        expect(h, link, MESSAGE_PONG);
        assert_true(harness_is_up(h, link));
}

/* ---- our own periodic messages ---- */

static Harness *greeter(unsigned count, bool always) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        Harness *h;

        settings.params.links_outgoing = 0;
        settings.params.hello_count = count;
        settings.params.hello_always = always;
        h = peer_new(&settings);
        harness_set_answering(h, true);
        return h;
}

static void test_10_messages_are_sent_5_seconds_apart(void **state) {
        _cleanup_(harness_freep) Harness *h = greeter(10, false);
        LinkId link = link_in(h, 1);
        (void) state;

        for (unsigned i = 1; i <= 10; i++) {
                const Message *message;
                char text[64];

                harness_advance(h, 5 * SEC - 1);
                assert_null(harness_find(h, link, MESSAGE_GOSSIP));
                harness_advance(h, 1);
                message = harness_find(h, link, MESSAGE_GOSSIP);
                assert_non_null(message);
                (void) snprintf(text, sizeof(text), "hello %u from under-test", i);
                assert_int_equal(message->gossip.payload.size, strlen(text));
                assert_memory_equal(message->gossip.payload.data, text, strlen(text));
                assert_int_equal(message->gossip.topic.size, strlen("/p2pnet/hello"));
                assert_memory_equal(message->gossip.topic.data, "/p2pnet/hello", strlen("/p2pnet/hello"));
                assert_int_equal(message->gossip.id.sequence, i);
        }
        harness_advance(h, 60 * SEC);
        assert_null(harness_find(h, link, MESSAGE_GOSSIP));
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 10);
}

static void test_messages_wait_for_a_link(void **state) {
        _cleanup_(harness_freep) Harness *h = greeter(2, false);
        LinkId link;
        (void) state;

        harness_advance(h, 63 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 0);
        link = link_in(h, 1);
        harness_advance(h, 2 * SEC);
        assert_non_null(harness_find(h, link, MESSAGE_GOSSIP));
        harness_advance(h, 60 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 2);
}

static void test_a_full_queue_only_delays_them(void **state) {
        _cleanup_(harness_freep) Harness *h = greeter(3, false);
        LinkId link = link_in(h, 1);
        (void) state;

        harness_set_reading(h, link, false);
        assert_int_equal(publish(h, "/a", PAYLOAD_MAX, NULL), 0);
        harness_advance(h, 20 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 1);
        assert_int_equal(node_on_sent(harness_node(h), link, 2 * PAYLOAD_MAX, 1, harness_now(h)), 0);
        harness_set_reading(h, link, true);
        harness_advance(h, 60 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 4);
}

static void test_no_messages_means_none(void **state) {
        _cleanup_(harness_freep) Harness *h = greeter(0, true);
        (void) state;

        link_in(h, 1);
        harness_advance(h, 60 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 0);
}

/* One link, and so many members besides. */
static void know_others(Harness *h, unsigned n) {
        Record records[MESSAGE_RECORDS_MAX];
        LinkId seed = set_seed(h);

        for (unsigned i = 0; i < n; i++)
                records[i] = record_of((uint8_t) (i + 2), MEMBER_ALIVE);
        link_in(h, 1);
        send_list_ok(h, seed, 1, records, n);
        assert_int_equal(node_n_alive(harness_node(h)), n + 1);
}

static void test_in_a_large_network_nobody_greets_unless_told_to(void **state) {
        static const struct {
                unsigned n_others;
                bool always, sends;
        } cases[] = { { 63, false, true }, { 64, false, false }, { 64, true, true } };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(harness_freep) Harness *h = greeter(10, cases[i].always);

                know_others(h, cases[i].n_others);
                harness_advance(h, 6 * SEC);
                assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), cases[i].sends ? 1 : 0);
        }
}

static void test_a_greeting_that_finds_only_an_elder_session_waits(void **state) {
        _cleanup_(harness_freep) Harness *h = greeter(1, false);
        Other other = harness_peer(1);
        LinkId second;
        (void) state;

        link_in(h, 1);
        harness_advance(h, 4 * SEC);
        second = harness_open(h, &other);
        harness_advance(h, 2 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 0);
        send_neighbor(h, second, PRIORITY_LOW, 0);
        harness_advance(h, 5 * SEC);
        assert_int_equal(counted(h, COUNTER_GOSSIP_PUBLISHED), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_message_is_delivered_here_and_sent_on_every_link),
                TEST(test_a_topic_is_1_to_255_bytes_of_printable_ascii),
                TEST(test_a_payload_is_1_mib_at_most),
                TEST(test_without_a_link_nothing_is_published),
                TEST(test_the_elder_of_two_sessions_is_no_link_to_publish_on),
                TEST(test_a_full_queue_refuses_and_nothing_is_queued),
                cmocka_unit_test(test_an_empty_queue_takes_any_message),
                cmocka_unit_test(test_the_bound_counts_what_waits_to_the_byte),
                TEST(test_the_first_copy_goes_to_all_but_its_source),
                TEST(test_later_copies_are_dropped),
                TEST(test_our_own_message_that_comes_back_is_a_duplicate),
                TEST(test_the_age_grows_by_half_the_round_trip),
                TEST(test_names_come_from_the_member_table),
                TEST(test_what_no_honest_copy_says_is_refused),
                TEST(test_gossip_has_no_place_before_a_link),
                cmocka_unit_test(test_gaps_are_bounded_and_counted),
                cmocka_unit_test(test_origins_are_bounded),
                TEST(test_a_burst_waits_for_a_link_that_drains_it_later),
                TEST(test_a_link_that_falls_back_too_far_is_ended),
                TEST(test_a_link_that_takes_nothing_for_30_seconds_is_ended),
                TEST(test_all_that_waited_for_a_link_is_counted),
                TEST(test_nothing_is_lost_for_who_is_gone),
                cmocka_unit_test(test_many_slow_links_end_together),
                TEST(test_control_messages_do_not_wait_for_room),
                cmocka_unit_test(test_10_messages_are_sent_5_seconds_apart),
                cmocka_unit_test(test_messages_wait_for_a_link),
                cmocka_unit_test(test_a_full_queue_only_delays_them),
                cmocka_unit_test(test_no_messages_means_none),
                cmocka_unit_test(test_in_a_large_network_nobody_greets_unless_told_to),
                cmocka_unit_test(test_a_greeting_that_finds_only_an_elder_session_waits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
