/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 8.6: our own periodic messages. */

#include "overlay.h"

#include <stdio.h>

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
        static uint8_t payload[PAYLOAD_MAX];
        LinkId link = link_in(h, 1);
        MessageId id;
        (void) state;

        harness_set_reading(h, link, false);
        assert_int_equal(peer_publish(harness_node(h), "/a", slice_of(payload, sizeof(payload)), harness_now(h), &id), 0);
        harness_settle(h);
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
                cmocka_unit_test(test_10_messages_are_sent_5_seconds_apart),
                cmocka_unit_test(test_messages_wait_for_a_link),
                cmocka_unit_test(test_a_full_queue_only_delays_them),
                cmocka_unit_test(test_no_messages_means_none),
                cmocka_unit_test(test_in_a_large_network_nobody_greets_unless_told_to),
                cmocka_unit_test(test_a_greeting_that_finds_only_an_elder_session_waits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
