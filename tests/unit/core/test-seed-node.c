/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/seed-node.h"

#include "expect.h"

#define SEC USEC_PER_SEC

static void test_a_seed_is_online_once_it_started(void **state) {
        Harness *h = *state;
        const Notice *notice = harness_notice(h, NOTICE_STATE);

        assert_int_equal(node_state(harness_node(h)), NODE_ONLINE);
        assert_int_equal(notice->state, NODE_ONLINE);
}

static void test_stopping_closes_every_session_and_writes_the_directory(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        Other seed = harness_seed(210);
        LinkId other = harness_open(h, &seed);
        unsigned n = harness_n_persisted(h, PERSIST_REGISTRY);

        harness_stop(h);
        expect_close(h, link, CLOSE_LEAVING);
        expect_close(h, other, CLOSE_LEAVING);
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), n + 1);
        assert_int_equal(node_state(harness_node(h)), NODE_STOPPING);
        assert_int_equal(node_deadline(harness_node(h)), USEC_INFINITY);

        /* Whatever comes afterwards does nothing. */
        assert_false(harness_is_up(h, harness_accept(h, &seed.remote)));
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), n + 1);
}

static void test_messages_that_have_no_place_here_end_the_session(void **state) {
        static const MessageType types[] = {
                MESSAGE_REGISTER_OK, MESSAGE_LIST_OK, MESSAGE_RENEW_OK, MESSAGE_SYNC_RECORDS,
                MESSAGE_NEIGHBOR, MESSAGE_ACCEPT, MESSAGE_BUSY, MESSAGE_DISCONNECT,
        };
        Harness *h = *state;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                Message message = { .type = types[i] };
                LinkId link = register_peer(h, 1, 4);

                switch (types[i]) {
                case MESSAGE_REGISTER_OK:
                        message.register_ok.lease_msec = 1;
                        break;
                case MESSAGE_RENEW_OK:
                        message.renew_ok.lease_msec = 1;
                        break;
                case MESSAGE_DISCONNECT:
                        message.disconnect.reason = CLOSE_BUSY;
                        break;
                default:
                        break;
                }
                harness_send(h, link, &message);
                expect_close(h, link, CLOSE_PROTOCOL);
                assert_non_null(harness_notice(h, NOTICE_PROTOCOL_ERROR));
        }
        assert_int_equal(counted(h, COUNTER_FRAMES_MALFORMED), ELEMENTSOF(types));
}

static void test_a_peer_that_says_nothing_for_a_lease_is_closed(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        Message ping;

        harness_advance(h, 40 * SEC);
        send_renew(h, link, HARNESS_EPOCH, 0, 4);
        expect(h, link, MESSAGE_RENEW_OK);
        harness_advance(h, 20 * SEC);
        message_set(&ping, MESSAGE_PING, ping, .nonce = 1);
        harness_send(h, link, &ping);
        expect(h, link, MESSAGE_PONG);
        harness_advance(h, 90 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_IDLE);
}

static void test_who_renews_keeps_its_session(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        for (unsigned i = 0; i < 100; i++) {
                harness_advance(h, 30 * SEC);
                send_renew(h, link, HARNESS_EPOCH, 0, 4);
                expect(h, link, MESSAGE_RENEW_OK);
        }
        assert_true(harness_is_up(h, link));
        assert_true(is_listed(h, 1));
}

static void test_a_session_outlives_a_clock_jump(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        harness_sleep(h, 3600 * SEC);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 89 * SEC);
        assert_true(harness_is_up(h, link));
}

static void test_a_newer_session_of_a_peer_changes_nothing_in_the_list(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId first = register_peer(h, 1, 4), second = harness_open(h, &peer);

        assert_int_not_equal(second, 0);
        assert_true(is_listed(h, 1));
        send_renew(h, second, HARNESS_EPOCH, 0, 4);
        assert_true(expect(h, second, MESSAGE_RENEW_OK)->renew_ok.has_held);
        harness_advance(h, 15 * SEC);
        assert_false(harness_is_up(h, first));
        assert_true(harness_is_up(h, second));
}

static void test_another_network_ends_all_sessions_but_keeps_the_seed(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        LinkId link = register_peer(h, 1, 4);

        strcpy(settings.network, "other");
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(node_state(harness_node(h)), NODE_ONLINE);
}

static void test_the_same_events_give_the_same_effects(void **state) {
        uint64_t drawn[2] = {};

        for (unsigned run = 0; run < 2; run++) {
                NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = harness_new(&settings, 255);
                Message list;
                LinkId link = 0;

                harness_start(h);
                for (uint8_t n = 1; n < 40; n++)
                        link = register_peer(h, n, 4);
                message_set(&list, MESSAGE_LIST, list, .count = 8);
                for (unsigned i = 0; i < 20; i++) {
                        const Message *answer;

                        harness_send(h, link, &list);
                        answer = expect(h, link, MESSAGE_LIST_OK);
                        for (size_t j = 0; j < answer->list_ok.n_records; j++)
                                drawn[run] = drawn[run] * 31 + answer->list_ok.records[j].id.bytes[0];
                }
        }
        assert_int_equal(drawn[0], drawn[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_seed, teardown)
                TEST(test_a_seed_is_online_once_it_started),
                TEST(test_stopping_closes_every_session_and_writes_the_directory),
                TEST(test_messages_that_have_no_place_here_end_the_session),
                TEST(test_a_peer_that_says_nothing_for_a_lease_is_closed),
                TEST(test_who_renews_keeps_its_session),
                TEST(test_a_session_outlives_a_clock_jump),
                TEST(test_a_newer_session_of_a_peer_changes_nothing_in_the_list),
                TEST(test_another_network_ends_all_sessions_but_keeps_the_seed),
                TEST(test_the_same_events_give_the_same_effects),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
