/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.1: publishing, the first copy of a message, later ones, and those that are refused. */

#include "overlay.h"

#include <errno.h>

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

/* The next effect that sends, others left out; it is not carried out, so the node waits for it to be gone. */
static Effect next_sent(Harness *h) {
        Effect effect;

        for (;;) {
                assert_true(node_pop_effect(harness_node(h), &effect));
                if (effect.type == EFFECT_SEND)
                        return effect;
                effect_release(&effect);
        }
}

static void test_a_message_for_several_links_is_asked_for_at_once(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId links[SEND_LINKS_MAX + 1];
        Effect effect;
        MessageId id;

        settings.params.links_inbound = ELEMENTSOF(links);
        h = peer_new(&settings);
        for (uint8_t i = 0; i < ELEMENTSOF(links); i++)
                links[i] = link_in(h, i + 1);
        assert_int_equal(peer_publish(harness_node(h), "/a", slice_of("one", 3), harness_now(h), &id), 0);
        assert_int_equal(peer_publish(harness_node(h), "/a", slice_of("two", 3), harness_now(h), &id), 0);

        for (unsigned i = 0; i < 2; i++) {
                effect = next_sent(h);
                assert_true(effect.is_data);
                assert_int_equal(effect.n_links, SEND_LINKS_MAX);
                assert_memory_equal(effect.links, links, sizeof(effect.links));
                effect_release(&effect);

                effect = next_sent(h);
                assert_int_equal(effect.n_links, 1);
                assert_int_equal(effect.links[0], links[SEND_LINKS_MAX]);
                effect_release(&effect);
        }
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

static void test_without_a_link_a_message_waits_in_the_store(void **state) {
        Harness *h = *state;
        const Message *listing;
        Message want;
        Other other = harness_peer(1);
        LinkId link;

        assert_int_equal(publish(h, "/a", 1, NULL), 0);
        assert_int_equal(harness_n_deliveries(h), 1);           /* who subscribes here gets it at once */
        link = harness_open(h, &other);
        assert_int_equal(publish(h, "/a", 1, NULL), 0);         /* a session is no link */
        assert_int_equal(peer_n_stored(harness_node(h)), 2);
        harness_advance(h, 500 * MSEC);

        send_neighbor(h, link, PRIORITY_LOW, 0);
        expect(h, link, MESSAGE_ACCEPT);
        listing = expect(h, link, MESSAGE_MSG_RANGES);
        assert_int_equal(listing->ranges.n_ranges, 1);
        want = (Message) { .type = MESSAGE_MSG_WANT, .ranges = { .n_ranges = 1, .ranges = { listing->ranges.ranges[0] } } };
        harness_send(h, link, &want);
        assert_int_equal(expect(h, link, MESSAGE_GOSSIP)->gossip.id.sequence, 1);
        assert_int_equal(expect(h, link, MESSAGE_GOSSIP)->gossip.id.sequence, 2);
        expect_nothing(h, link);
}

static void test_the_elder_of_two_sessions_is_no_link_to_publish_on(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);          /* the smaller id: its elder session lives on for a while */
        LinkId first = link_in(h, 1), second = harness_open(h, &other);

        assert_true(harness_is_up(h, first));
        assert_int_equal(publish(h, "/a", 1, NULL), 0);
        expect_nothing(h, first);
        send_neighbor(h, second, PRIORITY_LOW, 0);
        assert_int_equal(publish(h, "/a", 1, NULL), 0);
        assert_non_null(harness_find(h, second, MESSAGE_GOSSIP));
        assert_null(harness_find(h, first, MESSAGE_GOSSIP));
}

/* ---- forwarding ---- */

static void test_the_first_copy_goes_to_all_but_its_source(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to[2] = { link_in(h, 2), link_out(h, 3) };
        const Delivery *delivery;

        harness_drop_sent(h);
        send_gossip(h, from, 9, 77, 1, 1000, 3);
        assert_int_equal(harness_n_deliveries(h), 1);
        delivery = harness_delivery(h);
        assert_false(delivery->own);
        assert_int_equal(delivery->id.origin.bytes[0], 9);
        assert_int_equal(delivery->id.epoch, 77);
        assert_int_equal(delivery->id.sequence, 1);
        assert_int_equal(delivery->serial, 1);
        assert_int_equal(delivery->n_hops, 3);
        assert_int_equal(delivery->age_usec, 1 * SEC);
        assert_string_equal(delivery->from_name, "other");
        assert_string_equal(delivery->origin_name, "");         /* nobody knows it yet */
        assert_memory_equal(delivery->payload.data, "payload", 7);

        for (size_t i = 0; i < 2; i++) {
                const Message *message = expect(h, to[i], MESSAGE_GOSSIP);

                assert_int_equal(message->gossip.n_hops, 4);
                assert_int_equal(message->gossip.id.origin.bytes[0], 9);
                assert_int_equal(message->gossip.id.sequence, 1);
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
        uint64_t nonce = harness_find(h, from, MESSAGE_PING)->ping.nonce;
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
        send_gossip(h, link, 9, 1, 1, 615001, 1);                       /* older than 10 min, and 15 s */
        send_gossip(h, link, 9, 1, 1, UINT32_MAX, 1);
        send_gossip(h, link, 9, 1, 1, 0, 255);                          /* of 255 hops */
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 3);
        assert_int_equal(harness_n_deliveries(h), 0);
        expect_nothing(h, other);
        assert_true(harness_is_up(h, link));

        /* Nor were they seen. */
        send_gossip(h, link, 9, 1, 1, 615000, 254);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(expect(h, other, MESSAGE_GOSSIP)->gossip.n_hops, 255);
        send_gossip(h, link, OWN, HARNESS_EPOCH - 1, 1, 0, 1);          /* of an earlier life of ours */
        assert_int_equal(harness_n_deliveries(h), 2);
}

/* Whoever believes it would take what we publish for something older. */
static void test_what_is_said_in_our_name_is_refused_and_followed_by_a_later_epoch(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Node *node = harness_node(h);
        uint64_t epoch;
        MessageId id;

        assert_int_equal(publish(h, "/a", 1, &id), 0);
        send_gossip(h, link, OWN, HARNESS_EPOCH, 1, 0, 1);              /* our own, come home */
        assert_int_equal(node_identity(node)->epoch, HARNESS_EPOCH);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 0);

        harness_drop_sent(h);
        send_gossip(h, link, OWN, HARNESS_EPOCH, 2, 0, 1);
        epoch = node_identity(node)->epoch;
        assert_true(epoch > HARNESS_EPOCH);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.epoch, epoch);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 1);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(publish(h, "/a", 1, &id), 0);
        assert_int_equal(id.epoch, epoch);
        assert_int_equal(id.sequence, 1);

        send_gossip(h, link, OWN, epoch + 5, 1, 0, 1);
        assert_true(node_identity(node)->epoch > epoch + 5);
        assert_true(harness_is_up(h, link));
}

/* It need not come here itself: others have it, and believe it. */
static void test_what_is_announced_or_listed_in_our_name_is_followed_by_a_later_epoch(void **state) {
        const MessageType types[] = { MESSAGE_IHAVE, MESSAGE_MSG_RANGES };
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Node *node = harness_node(h);
        MessageId id;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                Message message = { .type = types[i] };
                Range *range = message.ranges.ranges;
                uint64_t epoch = node_identity(node)->epoch;

                assert_int_equal(publish(h, "/a", 1, &id), 0);
                message.ranges.n_ranges = 1;
                *range = (Range) { .origin = id.origin, .epoch = epoch, .first = 1, .last = 1 };
                harness_send(h, link, &message);
                assert_int_equal(node_identity(node)->epoch, epoch);    /* our own */
                range->last = 2;
                harness_send(h, link, &message);
                assert_true(node_identity(node)->epoch > epoch);
                harness_advance(h, 1 * SEC);
                assert_null(harness_find(h, link, MESSAGE_GRAFT));
                assert_null(harness_find(h, link, MESSAGE_MSG_WANT));
        }
        assert_true(harness_is_up(h, link));
}

/* Four times in 10 s, and for what came meanwhile when these are over. */
static void test_epochs_are_not_left_too_often(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Node *node = harness_node(h);
        uint64_t epoch = 0, shown;

        for (unsigned i = 0; i < 100; i++) {
                epoch = node_identity(node)->epoch;
                send_gossip(h, link, OWN, epoch + 7, 1, 0, 1);
                assert_int_equal(node_identity(node)->epoch > epoch, i < 4);
        }
        shown = epoch + 1000;
        send_gossip(h, link, OWN, shown, 1, 0, 1);
        assert_int_equal(node_identity(node)->epoch, epoch);
        harness_advance(h, 12 * SEC);
        assert_true(node_identity(node)->epoch > shown);
        epoch = node_identity(node)->epoch;
        harness_advance(h, 60 * SEC);
        assert_int_equal(node_identity(node)->epoch, epoch);
}

/* A message may overtake the record of its publisher's new life, and so may that of a second one: not any number. */
static void test_epochs_that_no_record_confirms_displace_nothing(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        link_in(h, 2);
        send_gossip(h, link, 2, HARNESS_EPOCH, 1, 0, 2);
        for (uint64_t i = 1; i <= 100; i++)
                send_gossip(h, link, 2, HARNESS_EPOCH + i, 1, 0, 2);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REFUSED), 98);
        send_gossip(h, link, 2, HARNESS_EPOCH, 2, 0, 2);
        assert_int_equal(harness_delivery(h)->id.epoch, HARNESS_EPOCH);
        assert_int_equal(harness_delivery(h)->id.sequence, 2);
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

        harness_advance(h, 20 * USEC_PER_MINUTE);               /* twice as long as messages are stored */
        send_gossip(h, link, 10, 1, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 3);
        assert_int_equal(publish(h, "/a", 1, NULL), 0);
}

/* A later version may say more of a message. */
static void test_what_this_version_does_not_know_travels_on(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);
        static const uint8_t frame[] = {
                0, 0, 0, 68, MESSAGE_GOSSIP, 0,
                99, 0, 0, 3, 'n', 'e', 'w',
                33, 0, 0, 2, '/', 't',
                32, 0, 0, 37, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1,
                0, 0, 0, 5, 3,
                34, 0, 0, 8, 'p', 'a', 'y', 'l', 'o', 'a', 'd', '!',
        };

        harness_drop_sent(h);
        harness_send_bytes(h, from, frame, sizeof(frame));
        assert_int_equal(harness_delivery(h)->payload.size, 8);
        assert_memory_equal(harness_delivery(h)->payload.data, "payload!", 8);
        assert_memory_equal(harness_delivery(h)->topic.data, "/t", 2);
        assert_int_equal(harness_delivery(h)->frame->size, sizeof(frame));
        assert_memory_equal(harness_delivery(h)->frame->data, frame, 19);
        assert_int_equal(expect(h, to, MESSAGE_GOSSIP)->gossip.n_hops, 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_message_is_delivered_here_and_sent_on_every_link),
                cmocka_unit_test(test_a_message_for_several_links_is_asked_for_at_once),
                TEST(test_a_topic_is_1_to_255_bytes_of_printable_ascii),
                TEST(test_a_payload_is_1_mib_at_most),
                TEST(test_without_a_link_a_message_waits_in_the_store),
                TEST(test_the_elder_of_two_sessions_is_no_link_to_publish_on),
                TEST(test_the_first_copy_goes_to_all_but_its_source),
                TEST(test_later_copies_are_dropped),
                TEST(test_our_own_message_that_comes_back_is_a_duplicate),
                TEST(test_what_this_version_does_not_know_travels_on),
                TEST(test_the_age_grows_by_half_the_round_trip),
                TEST(test_names_come_from_the_member_table),
                TEST(test_what_no_honest_copy_says_is_refused),
                TEST(test_what_is_said_in_our_name_is_refused_and_followed_by_a_later_epoch),
                TEST(test_what_is_announced_or_listed_in_our_name_is_followed_by_a_later_epoch),
                TEST(test_epochs_are_not_left_too_often),
                TEST(test_epochs_that_no_record_confirms_displace_nothing),
                TEST(test_gossip_has_no_place_before_a_link),
                cmocka_unit_test(test_origins_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
