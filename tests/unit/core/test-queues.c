/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.5: queues that are full, publishing that has to wait. */

#include "overlay.h"

#include <errno.h>

#include "core/pace.h"

static void send_message(Harness *h, LinkId link, uint64_t sequence) {
        send_gossip(h, link, 9, 1, sequence, 0, 1);
}

static int publish(Harness *h, size_t size) {
        static uint8_t payload[PAYLOAD_MAX];
        MessageId id;
        int r = peer_publish(harness_node(h), "/a", slice_of(payload, size), harness_now(h), &id);

        harness_settle(h);
        return r;
}

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
        LinkId full = link_in(h, 1), lazy = link_in(h, 2);

        send_prune(h, lazy);
        harness_set_reading(h, full, false);
        assert_int_equal(publish(h, 1000 * 1024), 0);
        assert_int_equal(publish(h, 1), -EBUSY);
        send_close(h, full, CLOSE_DONE);
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
        (void) link_in(h, 2);
        send_prune(h, link);
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
