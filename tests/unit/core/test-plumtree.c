/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.2: eager and lazy links, announcements, GRAFT and PRUNE; and 8.5: queues that are full. */

#include "overlay.h"

#include <errno.h>

#include "core/offer.h"
#include "core/pace.h"

static int publish(Harness *h, size_t size) {
        static uint8_t payload[PAYLOAD_MAX];
        MessageId id;
        int r = peer_publish(harness_node(h), "/a", slice_of(payload, size), harness_now(h), &id);

        harness_settle(h);
        return r;
}

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

        /* Whoever brings a first copy is eager again. */
        send_message(h, second, 3);
        expect(h, first, MESSAGE_GOSSIP);
        send_message(h, first, 4);
        expect(h, second, MESSAGE_GOSSIP);
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
        assert_true(n_copies > 1);
        assert_non_null(harness_find(h, second, MESSAGE_PRUNE));

        /* When it is eager again its use has to show anew. */
        send_ranges(h, second, MESSAGE_GRAFT, 1, 1);
        send_message(h, first, 10000);
        harness_advance(h, 1 * SEC);
        send_message(h, first, 10001);
        send_message(h, second, 10001);
        assert_int_equal(counted(h, COUNTER_PRUNES_SENT), 2);
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

/* ---- queues ---- */

static void test_publish_is_busy_when_every_link_is_half_full(void **state) {
        Harness *h = *state;
        LinkId links[2] = { link_in(h, 1), link_in(h, 2) };

        for (size_t i = 0; i < 2; i++)
                harness_set_reading(h, links[i], false);
        assert_int_equal(publish(h, 500 * 1024), 0);
        assert_int_equal(publish(h, 5 * 1024), 0);
        assert_int_equal(publish(h, 20 * 1024), 0);
        assert_int_equal(publish(h, 1), -EBUSY);
        assert_true(peer_retry_usec(harness_node(h)) > 0);
        assert_int_equal(peer_sequence(harness_node(h)), 3);
        assert_int_equal(harness_n_deliveries(h), 3);

        /* One that drains is enough: for the other a message is only announced when it does not fit. */
        assert_int_equal(node_on_sent(harness_node(h), links[0], 600 * 1024, 3, harness_now(h)), 0);
        harness_drop_sent(h);
        assert_int_equal(publish(h, 400 * 1024), 0);
        expect(h, links[0], MESSAGE_GOSSIP);
        expect(h, links[1], MESSAGE_GOSSIP);
        assert_int_equal(publish(h, 200 * 1024), 0);
        expect(h, links[0], MESSAGE_GOSSIP);
        expect_nothing(h, links[1]);
}

static void test_links_that_are_lazy_keep_nobody_from_publishing(void **state) {
        Harness *h = *state;
        LinkId full = link_in(h, 1);

        harness_set_reading(h, full, false);
        assert_int_equal(publish(h, 1000 * 1024), 0);
        assert_int_equal(publish(h, 1), -EBUSY);
        send_prune(h, full);
        assert_int_equal(publish(h, 1), 0);
}

static void test_publish_is_busy_while_stores_could_lose_what_is_asked_for(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        usec_t retry_usec;
        LinkId link;
        (void) state;

        settings.params.store_size_max = 1024 * 1024;
        h = peer_new(&settings);
        for (unsigned i = 0; i < 20; i++)               /* nobody can miss anything yet */
                assert_int_equal(publish(h, 100 * 1024), 0);
        link = link_in(h, 1);
        harness_set_answering(h, true);
        harness_advance(h, PACE_USEC);
        for (unsigned i = 0; i < 15; i++)               /* everybody has it from us */
                assert_int_equal(publish(h, 100 * 1024), 0);
        send_prune(h, link);
        (void) link_in(h, 2);
        harness_advance(h, PACE_USEC);
        for (unsigned i = 0; i < 9; i++)
                assert_int_equal(publish(h, 100 * 1024), 0);
        assert_int_equal(publish(h, 100 * 1024), -EBUSY);
        assert_int_equal(peer_sequence(harness_node(h)), 44);
        retry_usec = peer_retry_usec(harness_node(h));
        assert_in_range(retry_usec, 500 * MSEC, PACE_USEC);
        harness_advance(h, retry_usec - 1);
        assert_int_equal(publish(h, 100 * 1024), -EBUSY);
        harness_advance(h, 1);
        assert_int_equal(publish(h, 100 * 1024), 0);
}

/* Of those that it does not know nobody can say that they have the messages from us. */
static void test_a_full_table_of_members_frees_nobody_from_waiting(void **state) {
        (void) state;
        for (unsigned members_max = 0; members_max <= 1; members_max++) {
                NodeSettings settings = quiet_settings(PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = NULL;

                settings.params.store_size_max = 1024 * 1024;
                settings.params.members_max = members_max;
                h = peer_new(&settings);
                (void) link_in(h, 1);
                harness_set_answering(h, true);
                for (unsigned i = 0; i < 9; i++)
                        assert_int_equal(publish(h, 100 * 1024), 0);
                assert_int_equal(publish(h, 100 * 1024), -EBUSY);
        }
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
        assert_int_equal(publish(h, PAYLOAD_MAX), 0);
        expect(h, link, MESSAGE_GOSSIP);
}

/* A peer with a link that reads nothing and has no more room, behind which messages @ret_n + 1 to 2000 wait. */
static Harness *peer_with_full_link(LinkId *from, LinkId *full, uint64_t *ret_n) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        uint64_t sequence = 0;
        Harness *h;

        settings.params.queue_max = 65536;
        h = peer_new(&settings);
        *from = link_in(h, 1);
        *full = link_in(h, 2);
        harness_set_answering(h, true);
        harness_drop_sent(h);
        harness_set_reading(h, *full, false);
        while (sequence < 2000)
                send_message(h, *from, ++sequence);
        for (*ret_n = 0; harness_find(h, *full, MESSAGE_GOSSIP); (*ret_n)++)
                ;
        assert_in_range(*ret_n, 800, 1000);             /* of 68 bytes */
        assert_int_equal(harness_n_deliveries(h), 2000);
        return h;
}

static void test_what_a_full_link_has_no_room_for_waits_and_is_sent_in_order(void **state) {
        _cleanup_(harness_freep) Harness *h = NULL;
        const Message *waited;
        LinkId from, full;
        uint64_t n_sent;
        (void) state;

        h = peer_with_full_link(&from, &full, &n_sent);
        harness_advance(h, 1 * SEC);
        assert_null(harness_find(h, full, MESSAGE_GOSSIP));
        assert_int_equal(node_on_sent(harness_node(h), full, 40000, 1, harness_now(h)), 0);
        harness_advance(h, 1 * MSEC);
        waited = expect(h, full, MESSAGE_GOSSIP);
        assert_int_equal(waited->gossip.id.sequence, ++n_sent);
        assert_true(waited->gossip.age_msec >= 1000);
        send_message(h, from, 2001);                    /* one that would fit does not overtake those that wait */
        harness_set_reading(h, full, true);
        assert_int_equal(node_on_sent(harness_node(h), full, 100000, 1, harness_now(h)), 0);
        harness_advance(h, 100 * MSEC);
        while (n_sent < 2001)
                assert_int_equal(expect(h, full, MESSAGE_GOSSIP)->gossip.id.sequence, ++n_sent);
        send_message(h, from, 2002);                    /* nothing waits any more */
        expect(h, full, MESSAGE_GOSSIP);
        assert_int_equal(counted(h, COUNTER_GOSSIP_REPAIRED), 0);
        assert_int_equal(counted(h, COUNTER_ANNOUNCEMENTS_SENT), 0);
}

static void test_what_waits_for_a_link_that_is_pruned_is_announced(void **state) {
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId from, full;
        uint64_t n_sent;
        const Range *range;
        (void) state;

        h = peer_with_full_link(&from, &full, &n_sent);
        send_prune(h, full);
        range = expect(h, full, MESSAGE_IHAVE)->ranges.ranges;
        assert_int_equal(range->first, n_sent + 1);
        assert_int_equal(range->last, 2000);

        /* What is asked for waits for room, too, and nothing of it is dropped. */
        send_ranges(h, full, MESSAGE_GRAFT, n_sent + 1, 2000);
        expect_nothing(h, full);
        harness_set_reading(h, full, true);
        assert_int_equal(node_on_sent(harness_node(h), full, 100000, 1, harness_now(h)), 0);
        harness_advance(h, 100 * MSEC);
        while (n_sent < 2000)
                assert_int_equal(expect(h, full, MESSAGE_GOSSIP)->gossip.id.sequence, ++n_sent);
        assert_true(counted(h, COUNTER_GOSSIP_REPAIRED) > 1000);
}

static void test_who_is_behind_with_everything_is_told_of_what_is_new(void **state) {
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId from, full;
        uint64_t n_sent;
        (void) state;

        /* One message of each publisher's epoch, so that no two are one range. */
        h = peer_with_full_link(&from, &full, &n_sent);
        for (uint8_t origin = 20; !harness_find(h, full, MESSAGE_IHAVE); origin++) {
                assert_true(origin < 250);
                for (uint64_t sequence = 2; sequence <= 400; sequence += 2)
                        send_gossip(h, from, origin, 1, sequence, 0, 1);
        }
        assert_true(counted(h, COUNTER_ANNOUNCEMENTS_SENT) >= 16384 / MESSAGE_RANGES_MAX);
}

static void test_a_link_that_takes_nothing_for_30_seconds_is_ended(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), slow = link_in(h, 2), deaf = link_in(h, 3);

        harness_set_answering(h, true);                 /* all are alive */
        harness_set_reading(h, slow, false);
        harness_set_reading(h, deaf, false);
        harness_advance(h, 60 * SEC);                   /* who has nothing to take does not stall */
        send_message(h, from, 1);
        send_message(h, from, 2);
        harness_advance(h, 20 * SEC);
        assert_int_equal(node_on_sent(harness_node(h), slow, 1, 1, harness_now(h)), 0);
        harness_advance(h, 9 * SEC);
        assert_true(harness_is_up(h, deaf));
        harness_advance(h, 2 * SEC);
        assert_false(harness_is_up(h, deaf));
        assert_int_equal(harness_notice(h, NOTICE_UNLINKED)->reason, CLOSE_SLOW);
        assert_true(harness_is_up(h, slow));            /* a byte is enough */
        harness_advance(h, 18 * SEC);
        assert_true(harness_is_up(h, slow));
        harness_sleep(h, 60 * SEC);                     /* it was us who slept */
        assert_true(harness_is_up(h, slow));
        harness_advance(h, 28 * SEC);
        assert_true(harness_is_up(h, slow));
        harness_advance(h, 3 * SEC);
        assert_false(harness_is_up(h, slow));
        assert_int_equal(counted(h, COUNTER_LINKS_SLOW), 2);

        /* It is slow, not dead; and nothing is lost: it is still stored here. */
        assert_int_equal(member_of(h, 2).state, MEMBER_ALIVE);
        assert_int_equal(counted(h, COUNTER_GOSSIP_LOST), 0);
        assert_int_equal(peer_n_stored(harness_node(h)), 2);
}

static void test_control_messages_do_not_wait_for_room(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_drop_sent(h);
        harness_set_reading(h, link, false);
        assert_int_equal(publish(h, PAYLOAD_MAX), 0);
        expect(h, link, MESSAGE_GOSSIP);
        send_ping(h, link, 1);
        expect(h, link, MESSAGE_PONG);
        assert_true(harness_is_up(h, link));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_second_copy_makes_its_link_lazy),
                TEST(test_copies_under_way_are_not_pruned_one_by_one),
                TEST(test_a_link_that_has_brought_something_first_is_not_pruned_at_once),
                TEST(test_prune_makes_a_link_lazy_and_graft_eager),
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
                TEST(test_publish_is_busy_when_every_link_is_half_full),
                TEST(test_links_that_are_lazy_keep_nobody_from_publishing),
                cmocka_unit_test(test_publish_is_busy_while_stores_could_lose_what_is_asked_for),
                cmocka_unit_test(test_a_full_table_of_members_frees_nobody_from_waiting),
                cmocka_unit_test(test_an_empty_queue_takes_any_message),
                cmocka_unit_test(test_what_a_full_link_has_no_room_for_waits_and_is_sent_in_order),
                cmocka_unit_test(test_what_waits_for_a_link_that_is_pruned_is_announced),
                cmocka_unit_test(test_who_is_behind_with_everything_is_told_of_what_is_new),
                TEST(test_a_link_that_takes_nothing_for_30_seconds_is_ended),
                TEST(test_control_messages_do_not_wait_for_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
