/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/node.h: life and settings of a node. */

#include "overlay.h"

#include <ctype.h>
#include <errno.h>

#include "base/text.h"

/* ---- counters ---- */

static void test_every_counter_has_a_name_of_its_own(void **state) {
        (void) state;

        for (Counter i = 0; i < _COUNTER_MAX; i++) {
                const char *name = counter_to_string(i);

                assert_false(isempty(name));
                assert_true(isupper((unsigned char) name[0]));
                for (const char *p = name; *p; p++)
                        assert_true(isalnum((unsigned char) *p));
                for (Counter j = 0; j < i; j++)
                        assert_string_not_equal(name, counter_to_string(j));
        }
        assert_null(counter_to_string(_COUNTER_MAX));
}

static void test_every_state_has_a_name(void **state) {
        (void) state;

        for (NodeState i = 0; i < _NODE_STATE_MAX; i++)
                assert_false(isempty(node_state_to_string(i)));
        assert_null(node_state_to_string(_NODE_STATE_MAX));
        for (SeedState i = 0; i < _SEED_STATE_MAX; i++)
                assert_false(isempty(seed_state_to_string(i)));
        assert_null(seed_state_to_string(_SEED_STATE_MAX));
}

/* ---- state ---- */

static void test_a_node_starts_then_is_isolated_then_online(void **state) {
        Harness *h = *state;
        LinkId link;

        assert_int_equal(node_started_usec(harness_node(h)), HARNESS_START);
        assert_int_equal(node_state(harness_node(h)), NODE_STARTING);
        harness_advance(h, 5 * SEC - 1);
        assert_int_equal(node_state(harness_node(h)), NODE_STARTING);
        harness_advance(h, 1);
        assert_int_equal(node_state(harness_node(h)), NODE_ISOLATED);
        link = link_in(h, 1);
        assert_int_equal(node_state(harness_node(h)), NODE_ONLINE);
        send_close(h, link, CLOSE_LEAVING);
        assert_int_equal(node_state(harness_node(h)), NODE_ISOLATED);

        assert_int_equal(harness_notice(h, NOTICE_STATE)->state, NODE_ISOLATED);
        assert_int_equal(harness_notice(h, NOTICE_STATE)->state, NODE_ONLINE);
        assert_int_equal(harness_notice(h, NOTICE_STATE)->state, NODE_ISOLATED);
        assert_null(harness_notice(h, NOTICE_STATE));
}

static void test_a_peer_alone_is_online_with_its_seed(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);

        assert_int_equal(node_state(harness_node(h)), NODE_ONLINE);
        harness_advance(h, 6 * SEC);
        send_record(h, seed, 1, MEMBER_ALIVE);          /* known, and not linked */
        assert_int_equal(node_state(harness_node(h)), NODE_ISOLATED);
}

static void test_before_its_start_a_node_does_nothing(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = harness_new(&settings, OWN);
        Address remote = harness_address(1, 1);
        MessageId id;
        (void) state;

        harness_set_seeds(h, (uint8_t[]) { 200, 0 });
        assert_false(harness_asked_for(h, 200));
        assert_false(harness_is_up(h, harness_accept(h, &remote)));
        harness_stop(h);
        harness_advance(h, 60 * SEC);
        assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), -ENOTCONN);
        assert_int_equal(peer_connect(harness_node(h), &remote, harness_now(h)), -ENOTCONN);
        harness_settle(h);
        expect_no_dial(h);

        harness_start(h);
        assert_true(harness_asked_for(h, 200));
}

/* ---- stop ---- */

static void test_a_stop_says_goodbye_to_everybody(void **state) {
        Harness *h = *state;
        Other caller = harness_peer(3), probe = harness_peer(4);
        LinkId seeds[2], links[5], dialling;

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 0 });
        seeds[0] = register_with(h, 200);
        seeds[1] = register_with(h, 201);
        probe.purpose = PURPOSE_PROBE;
        links[0] = link_in(h, 1);
        links[1] = link_out(h, 2);
        links[2] = harness_open(h, &caller);
        links[3] = harness_open(h, &probe);
        links[4] = harness_accept(h, &caller.remote);
        dialling = dial_to(h, 5);
        harness_drop_sent(h);
        while (harness_dialled(h, NULL) != 0)
                ;

        harness_stop(h);
        for (size_t i = 0; i < ELEMENTSOF(seeds); i++) {
                const Message *leave = expect(h, seeds[i], MESSAGE_LEAVE);

                assert_int_equal(leave->leave.epoch, HARNESS_EPOCH);
                assert_int_equal(leave->leave.incarnation, 0);
                expect_close(h, seeds[i], CLOSE_LEAVING);
        }
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                expect_close(h, links[i], CLOSE_LEAVING);
        assert_int_equal(harness_n_up(h), 0);
        assert_int_equal(harness_n_dialling(h), 0);
        expect_nothing(h, dialling);
        assert_int_equal(node_state(harness_node(h)), NODE_STOPPING);
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 1);
        assert_null(harness_notice(h, NOTICE_SEED_LOST));
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));
}

static void test_after_a_stop_nothing_happens(void **state) {
        Harness *h = *state;
        Node *node = harness_node(h);
        Address address = harness_address(9, 6000), seed = harness_address(201, 5000);
        NodeId known = ID(1);
        MessageId id;

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 202, 0 });
        link_in(h, 1);
        while (harness_dialled(h, NULL) != 0)
                ;
        harness_stop(h);
        harness_stop(h);
        assert_true(node_deadline(node) == USEC_INFINITY);

        assert_false(harness_is_up(h, harness_accept(h, &address)));
        harness_set_seeds(h, (uint8_t[]) { 203, 0 });
        assert_false(harness_asked_for(h, 203));
        for (unsigned number = 1; number <= 4; number++)
                assert_int_equal(node_on_resolved(node, number, &seed, 1, NULL, harness_now(h)), 0);
        assert_int_equal(node_reconfigure(node, node_settings(node), harness_now(h)), 0);
        assert_int_equal(node_on_deadline(node, harness_now(h) + 100 * SEC), 0);
        assert_int_equal(node_ping(node, &known, 1, harness_now(h)), -ENOTCONN);
        assert_int_equal(peer_connect(node, &address, harness_now(h)), -ENOTCONN);
        assert_int_equal(peer_disconnect(node, &known, harness_now(h)), -ESRCH);
        assert_int_equal(peer_publish(node, "/t", slice_of("x", 1), harness_now(h), &id), -ENOTCONN);
        harness_settle(h);
        expect_no_dial(h);
        assert_int_equal(node_n_sessions(node), 0);
        assert_int_equal(node_state(node), NODE_STOPPING);
}

/* ---- settings ---- */

static void reconfigure(Harness *h, const NodeSettings *settings) {
        assert_int_equal(node_reconfigure(harness_node(h), settings, harness_now(h)), 0);
        harness_settle(h);
}

static void test_a_new_network_name_ends_all_sessions(void **state) {
        Harness *h = *state;
        NodeSettings settings = *node_settings(harness_node(h));
        Other caller = harness_peer(3);
        LinkId seed = set_seed(h), in = link_in(h, 1), out = link_out(h, 2), waiting = harness_accept(h, &caller.remote), link;

        while (harness_dialled(h, NULL) != 0)
                ;
        harness_drop_sent(h);
        strcpy(settings.network, "elsewhere");
        reconfigure(h, &settings);
        expect_close(h, seed, CLOSE_DONE);
        expect_close(h, in, CLOSE_DONE);
        expect_close(h, out, CLOSE_DONE);
        expect_close(h, waiting, CLOSE_DONE);
        assert_int_equal(n_links(h), 0);

        expect_close(h, harness_call(h, &caller), CLOSE_NETWORK);
        link = harness_dialled(h, NULL);
        assert_int_not_equal(link, 0);
        harness_change(h, link, LINK_CONNECTED);
        assert_string_equal(expect(h, link, MESSAGE_HELLO)->hello.network, "elsewhere");
        harness_advance(h, 1 * SEC);
        assert_true(harness_asked_for(h, 200));
}

static void test_fewer_outgoing_links_end_the_youngest(void **state) {
        Harness *h = *state;
        NodeSettings settings = *node_settings(harness_node(h));
        LinkId links[4];

        for (uint8_t i = 0; i < 4; i++) {
                links[i] = link_out(h, (uint8_t) (i + 1));
                harness_advance(h, 1);
        }
        settings.params.links_outgoing = 2;
        reconfigure(h, &settings);
        assert_int_equal(peer_n_links_out(harness_node(h)), 2);
        for (unsigned i = 2; i < 4; i++) {
                const Message *message = harness_find(h, links[i], MESSAGE_DISCONNECT);

                assert_non_null(message);
                assert_int_equal(message->disconnect.reason, CLOSE_BUSY);
                expect_close(h, links[i], CLOSE_DONE);
        }
        assert_true(harness_is_up(h, links[0]));
        assert_true(harness_is_up(h, links[1]));

        harness_set_answering(h, true);
        settings.params.links_outgoing = 3;             /* and more are looked for again, once those have rested */
        reconfigure(h, &settings);
        harness_advance(h, 15 * SEC);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
}

static void test_fewer_inbound_links_end_the_most_linked(void **state) {
        Harness *h = *state;
        NodeSettings settings = *node_settings(harness_node(h));
        LinkId links[8];

        for (uint8_t i = 0; i < 8; i++) {
                Other other = harness_peer((uint8_t) (i + 1));

                links[i] = link_in_of(h, &other, i);
        }
        settings.params.links_inbound = 3;              /* and the extra place */
        reconfigure(h, &settings);
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(harness_is_up(h, links[i]), i < 4);
        assert_int_equal(member_of(h, 8).state, MEMBER_ALIVE);
}

static void test_a_new_name_is_told_from_then_on(void **state) {
        Harness *h = *state;
        NodeSettings settings = *node_settings(harness_node(h));
        Other other = harness_peer(1);

        strcpy(settings.name, "renamed");
        reconfigure(h, &settings);
        assert_string_equal(expect(h, harness_call(h, &other), MESSAGE_HELLO_OK)->hello_ok.name, "renamed");
}

static void test_a_full_table_takes_no_more_members(void **state) {
        Harness *h = *state;
        NodeSettings settings = *node_settings(harness_node(h));
        LinkId seed = set_seed(h);

        settings.params.members_max = 2;
        reconfigure(h, &settings);
        send_record(h, seed, 1, MEMBER_ALIVE);
        send_record(h, seed, 2, MEMBER_ALIVE);
        for (uint8_t n = 3; n < 20; n++) {              /* some of them take another's place: test-sample.c */
                send_record(h, seed, n, MEMBER_ALIVE);
                assert_int_equal(node_n_members(harness_node(h)), 2);
        }
        assert_in_range(counted(h, COUNTER_MEMBERS_REFUSED), 1, 17);

        /* Who is not in the table can be linked all the same. */
        link_in(h, 4);
        assert_int_equal(n_links(h), 1);
        assert_int_equal(node_n_members(harness_node(h)), 2);
}

/* ---- effects are bounded ---- */

static void test_a_stop_with_all_connections_fits(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        NodeId id = ID(1);
        (void) state;

        settings.params.links_inbound = 256;
        settings.params.connections_per_host_max = 256;
        h = peer_new(&settings);
        set_seed(h);
        for (unsigned i = 0; i < 250; i++) {
                Other other = harness_peer((uint8_t) (i + 1));

                if (i + 1 != OWN && i + 1 != 200)
                        link_in_of(h, &other, 0);
        }
        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(node_ping(harness_node(h), &id, i, harness_now(h)), 0);
        harness_settle(h);
        assert_int_equal(n_links(h), 248);

        harness_stop(h);
        assert_true(harness_n_effects_max(h) > 3 * 248 + 64);   /* and the queue, which checks that itself, took them */
        assert_int_equal(harness_n_up(h), 0);
}

static void test_a_new_id_with_all_connections_fits(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link = 0;
        (void) state;

        settings.params.links_inbound = 256;
        h = peer_new(&settings);
        for (unsigned i = 0; i < 250; i++) {
                Other other = harness_peer((uint8_t) (i + 1));

                if (i + 1 != OWN)
                        link = link_in_of(h, &other, 0);
        }
        send_accused(h, link, UINT64_C(1) << 63, 0, MEMBER_ALIVE);
        assert_int_equal(n_links(h), 0);
        assert_true(harness_n_effects_max(h) > 3 * 248);
}

static void test_a_list_full_of_ourselves_is_answered_once(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);
        Record records[MESSAGE_RECORDS_MAX];

        for (unsigned i = 0; i < MESSAGE_RECORDS_MAX; i++) {
                records[i] = record_of(OWN, MEMBER_DEAD);
                records[i].epoch = HARNESS_EPOCH + (i == 7 ? 1000 : i) * (UINT64_C(1) << 21);
        }
        harness_drop_sent(h);
        send_list_ok(h, seed, 1, records, MESSAGE_RECORDS_MAX);
        assert_true(own_epoch(h) > records[7].epoch);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 1);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.epoch, own_epoch(h));
        expect_nothing(h, link);
        assert_int_equal(node_n_members(harness_node(h)), 1);

        /* And the same in the other two messages that have a place for records. */
        for (unsigned i = 0; i < 3; i++) {
                records[i] = record_of(OWN, MEMBER_SUSPECT);
                records[i].epoch = own_epoch(h);
                records[i].incarnation = i;
        }
        send_renew_ok(h, seed, 90000, 1, &(Held) { own_epoch(h), 0, MEMBER_ALIVE }, records, 3);
        assert_int_equal(node_incarnation(harness_node(h)), 3);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.incarnation, 3);
        expect_nothing(h, link);
        assert_int_equal(node_n_members(harness_node(h)), 1);
}

/* ---- members as people see them ---- */

static void test_members_can_be_walked_and_asked_for(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);
        bool seen[4] = {};
        NodeId unknown = ID(9);
        MemberInfo info;

        send_record(h, seed, 2, MEMBER_SUSPECT);
        send_record(h, seed, 3, MEMBER_DEAD);
        assert_int_equal(node_n_members(harness_node(h)), 3);
        assert_int_equal(node_n_alive(harness_node(h)), 2);
        assert_int_equal(node_n_suspect(harness_node(h)), 1);
        for (size_t i = 0; i < 3; i++) {
                info = node_member_at(harness_node(h), i);
                assert_in_range(info.record->id.bytes[0], 1, 3);
                seen[info.record->id.bytes[0]] = true;
        }
        assert_true(seen[1] && seen[2] && seen[3]);
        assert_false(node_member(harness_node(h), &unknown, &info));

        info = member_of(h, 1);
        assert_true(info.linked);
        assert_true(info.incoming);
        assert_int_equal(info.linked_usec, HARNESS_START);
        assert_int_equal(info.n_links, 4);
        send_ping(h, link, 1);
        harness_advance(h, 500 * MSEC);
        send_ping(h, link, 1);
        assert_int_equal(member_of(h, 1).heard_usec, HARNESS_START + 500 * MSEC);
        info = member_of(h, 2);
        assert_false(info.linked);
        assert_int_equal(info.heard_usec, 0);
        assert_int_equal(info.state, MEMBER_SUSPECT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                cmocka_unit_test(test_every_counter_has_a_name_of_its_own),
                cmocka_unit_test(test_every_state_has_a_name),
                TEST_QUIET(test_a_node_starts_then_is_isolated_then_online),
                TEST_QUIET(test_a_peer_alone_is_online_with_its_seed),
                cmocka_unit_test(test_before_its_start_a_node_does_nothing),
                TEST(test_a_stop_says_goodbye_to_everybody),
                TEST(test_after_a_stop_nothing_happens),
                TEST(test_a_new_network_name_ends_all_sessions),
                TEST(test_fewer_outgoing_links_end_the_youngest),
                TEST(test_fewer_inbound_links_end_the_most_linked),
                TEST(test_a_new_name_is_told_from_then_on),
                TEST_QUIET(test_a_full_table_takes_no_more_members),
                cmocka_unit_test(test_a_stop_with_all_connections_fits),
                cmocka_unit_test(test_a_new_id_with_all_connections_fits),
                TEST(test_a_list_full_of_ourselves_is_answered_once),
                TEST_QUIET(test_members_can_be_walked_and_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
