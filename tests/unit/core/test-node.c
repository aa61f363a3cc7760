/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/node.h: life, settings and identity of a node; docs/PROTOCOL.md, section 4.5: what is held of it. */

#include "overlay.h"

#include <ctype.h>
#include <errno.h>

#include "base/text.h"

#define EPOCH_LIMIT (UINT64_C(1) << 63)

static uint64_t own_epoch(Harness *h) {
        return node_identity(harness_node(h))->epoch;
}

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

/* ---- what is held of us ---- */

static void test_a_higher_epoch_is_jumped_over(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);
        const Message *refute;
        const Notice *notice;
        MessageId id;

        assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), 0);
        harness_settle(h);
        assert_int_equal(peer_sequence(harness_node(h)), 1);
        harness_drop_sent(h);

        send_accused(h, link, HARNESS_EPOCH + 10, 5, MEMBER_ALIVE);
        assert_true(own_epoch(h) > HARNESS_EPOCH + 10);
        assert_int_equal(node_incarnation(harness_node(h)), 0);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 1);
        notice = harness_notice(h, NOTICE_EPOCH);
        assert_non_null(notice);
        assert_int_equal(notice->epoch, own_epoch(h));

        /* Every link and every seed hears of it, once; that nothing is said before it is written down, the harness checks. */
        refute = expect(h, link, MESSAGE_REFUTE);
        assert_int_equal(refute->reg.record.epoch, own_epoch(h));
        assert_int_equal(refute->reg.record.incarnation, 0);
        assert_int_equal(refute->reg.record.state, MEMBER_ALIVE);
        expect_nothing(h, link);
        assert_int_equal(expect(h, seed, MESSAGE_REFUTE)->reg.record.epoch, own_epoch(h));
        expect_nothing(h, seed);

        assert_int_equal(peer_sequence(harness_node(h)), 0);
        assert_int_equal(peer_publish(harness_node(h), "/t", slice_of("x", 1), harness_now(h), &id), 0);
        harness_settle(h);
        assert_int_equal(id.sequence, 1);
        assert_int_equal(id.epoch, own_epoch(h));
}

static void test_held_in_answers_counts_as_well(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        Held held = { HARNESS_EPOCH + 10, 0, MEMBER_DEAD };
        LinkId link = dial_to(h, 1), seed;
        Other seed_other = harness_seed(200);
        uint64_t epoch;

        assert_true(harness_answer(h, link, &other, &held));
        epoch = own_epoch(h);
        assert_true(epoch > HARNESS_EPOCH + 10);

        harness_set_seeds(h, (uint8_t[]) { 200, 0 });
        seed = resolve_seed(h, 200);
        assert_true(harness_answer(h, seed, &seed_other, NULL));
        expect(h, seed, MESSAGE_REGISTER);
        held.epoch = epoch + 10;
        send_register_ok(h, seed, 90000, 1, &held);
        assert_true(own_epoch(h) > epoch + 10);
        epoch = own_epoch(h);
        assert_int_equal(expect(h, seed, MESSAGE_REFUTE)->reg.record.epoch, epoch);

        held.epoch = epoch + 10;
        send_renew_ok(h, seed, 90000, 1, &held, NULL, 0);
        assert_true(own_epoch(h) > epoch + 10);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 3);
}

static void test_an_earlier_life_is_no_accusation(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        send_accused(h, link, HARNESS_EPOCH - 1, 99, MEMBER_DEAD);
        expect_nothing(h, link);
        assert_int_equal(own_epoch(h), HARNESS_EPOCH);
        assert_int_equal(node_incarnation(harness_node(h)), 0);
}

static void test_only_what_is_wrong_is_refuted(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Notice *notice;

        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_ALIVE);
        assert_int_equal(node_incarnation(harness_node(h)), 0);
        expect_nothing(h, link);

        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_SUSPECT);
        assert_int_equal(node_incarnation(harness_node(h)), 1);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.incarnation, 1);
        notice = harness_notice(h, NOTICE_REFUTED);
        assert_non_null(notice);
        assert_int_equal(notice->held_state, MEMBER_SUSPECT);

        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_DEAD);           /* was refuted already */
        assert_int_equal(node_incarnation(harness_node(h)), 1);
        expect_nothing(h, link);

        send_accused(h, link, HARNESS_EPOCH, 1, MEMBER_LEFT);
        assert_int_equal(node_incarnation(harness_node(h)), 2);
        send_accused(h, link, HARNESS_EPOCH, 7, MEMBER_ALIVE);          /* of an incarnation that we never had */
        assert_int_equal(node_incarnation(harness_node(h)), 8);

        assert_int_equal(own_epoch(h), HARNESS_EPOCH);
        assert_int_equal(counted(h, COUNTER_REFUTATIONS), 3);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 0);  /* incarnations live as long as we do */
}

static void test_behind_the_last_incarnation_comes_the_next_epoch(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        send_accused(h, link, HARNESS_EPOCH, UINT32_MAX - 1, MEMBER_DEAD);
        assert_int_equal(node_incarnation(harness_node(h)), UINT32_MAX);
        assert_int_equal(own_epoch(h), HARNESS_EPOCH);
        send_accused(h, link, HARNESS_EPOCH, UINT32_MAX, MEMBER_SUSPECT);
        assert_true(own_epoch(h) > HARNESS_EPOCH);
        assert_int_equal(node_incarnation(harness_node(h)), 0);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 1);
}

static void test_behind_the_last_epoch_comes_a_new_id(void **state) {
        const uint64_t shown[] = { EPOCH_LIMIT - 1, EPOCH_LIMIT, UINT64_MAX - 1, UINT64_MAX };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = peer_new(&settings);
                NodeId before = node_identity(harness_node(h))->id;
                LinkId link = link_in(h, 1);

                send_accused(h, link, shown[i], 0, MEMBER_ALIVE);
                assert_false(node_id_equal(&before, &node_identity(harness_node(h))->id));
                assert_true(own_epoch(h) > HARNESS_EPOCH);
                assert_true(own_epoch(h) < EPOCH_LIMIT);
                assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 1);
                assert_false(harness_is_up(h, link));
        }
}

static void test_a_new_id_may_be_taken_in_the_middle_of_an_answer(void **state) {
        const Held held = { UINT64_MAX, 0, MEMBER_ALIVE };
        (void) state;

        for (unsigned i = 0; i < 5; i++) {
                NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = peer_new(&settings);
                NodeId before = node_identity(harness_node(h))->id;
                Other other = harness_peer(1);
                Record own = record_of(OWN, MEMBER_DEAD);
                Message records = { .type = MESSAGE_SYNC_RECORDS };
                LinkId link = i == 0 ? dial_to(h, 1) : set_seed(h);

                own.epoch = UINT64_MAX;
                records.sync_records.n_records = 1;
                records.sync_records.records[0] = own;
                switch (i) {
                case 0:
                        assert_true(harness_answer(h, link, &other, &held));
                        break;
                case 1:
                        send_register_ok(h, link, 90000, 1, &held);
                        break;
                case 2:
                        send_renew_ok(h, link, 90000, 1, &held, NULL, 0);
                        break;
                case 3:
                        send_list_ok(h, link, 1, &own, 1);
                        break;
                case 4:
                        harness_send(h, link, &records);
                        break;
                }
                assert_false(node_id_equal(&before, &node_identity(harness_node(h))->id));
                assert_false(harness_is_up(h, link));
                assert_int_equal(harness_find(h, link, MESSAGE_CLOSE)->close.reason, CLOSE_DONE);
                harness_advance(h, 1 * SEC);
                assert_int_equal(harness_asked_for(h, 200), i > 0);     /* and it begins again */
        }
}

static void test_an_accusation_is_refuted_where_it_was_made(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);  /* no link yet, and no seed */

        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_DEAD);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.incarnation, 1);
        expect_nothing(h, link);
}

static void test_others_that_jump_an_epoch_can_leave_as_before(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = link_in(h, 1);

        send_refute(h, link, &other, HARNESS_EPOCH + 5, 0);
        assert_int_equal(member_of(h, 1).record->epoch, HARNESS_EPOCH + 5);
        assert_true(member_of(h, 1).linked);
        send_close(h, link, CLOSE_LEAVING);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        expect_no_dial(h);
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
        send_record(h, seed, 3, MEMBER_ALIVE);
        assert_int_equal(node_n_members(harness_node(h)), 2);
        assert_int_equal(counted(h, COUNTER_MEMBERS_REFUSED), 1);

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
        send_accused(h, link, EPOCH_LIMIT, 0, MEMBER_ALIVE);
        assert_int_equal(n_links(h), 0);
        assert_true(harness_n_effects_max(h) > 3 * 248);
}

/* Sixty-four at a time, with ids that nobody else has. */
static void send_suspects(Harness *h, LinkId seed, unsigned n) {
        for (unsigned i = 0; i < n; i += MESSAGE_RECORDS_MAX) {
                Record records[MESSAGE_RECORDS_MAX];

                for (unsigned j = 0; j < MESSAGE_RECORDS_MAX; j++) {
                        records[j] = record_of(1, MEMBER_SUSPECT);
                        records[j].id.bytes[1] = (uint8_t) ((i + j) / 256);
                        records[j].id.bytes[2] = (uint8_t) (i + j);
                }
                send_list_ok(h, seed, 1, records, MESSAGE_RECORDS_MAX);
        }
        assert_int_equal(node_n_suspect(harness_node(h)), n);
}

static void test_a_seed_with_thousands_of_suspects_fits(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);
        unsigned n = 0;

        send_suspects(h, seed, 6400);
        harness_drop_sent(h);
        send_register_ok(h, seed, 90000, 1, NULL);
        while (harness_find(h, seed, MESSAGE_DEAD_REPORT))
                n++;
        assert_in_range(n, 1, 16);      /* as many as a seed takes of one reporter */
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

/* ---- ping ---- */

static int ping(Harness *h, uint8_t n, uint64_t token) {
        NodeId id = ID(n);
        int r = node_ping(harness_node(h), &id, token, harness_now(h));

        harness_settle(h);
        return r;
}

static void expect_pong(Harness *h, uint64_t token, int error) {
        const Effect *pong = harness_pong(h);

        assert_non_null(pong);
        assert_int_equal(pong->token, token);
        assert_int_equal(pong->error, error);
}

static void test_a_ping_goes_over_the_link(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Message *sent;
        const Effect *pong;
        uint64_t nonces[2];

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(ping(h, 1, 70 + i), 0);
                sent = expect(h, link, MESSAGE_PING);
                nonces[i] = sent->ping.nonce;
                harness_advance(h, 10 * MSEC);
        }
        assert_null(harness_pong(h));
        send_pong(h, link, nonces[1] + 1, 0);           /* of another question */
        assert_null(harness_pong(h));

        send_pong(h, link, nonces[1], 0);
        pong = harness_pong(h);
        assert_non_null(pong);
        assert_int_equal(pong->token, 71);
        assert_int_equal(pong->error, 0);
        assert_int_equal(pong->rtt_usec, 10 * MSEC);
        send_pong(h, link, nonces[0], 0);
        pong = harness_pong(h);
        assert_int_equal(pong->token, 70);
        assert_int_equal(pong->rtt_usec, 20 * MSEC);

        send_pong(h, link, nonces[0], 0);               /* once */
        assert_null(harness_pong(h));
        assert_true(harness_is_up(h, link));
}

static void test_a_ping_of_a_member_without_a_link_is_a_session_of_its_own(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;
        const Effect *pong;
        uint64_t nonce;

        send_record(h, seed, 1, MEMBER_ALIVE);
        expect_no_dial(h);
        assert_int_equal(ping(h, 1, 70), 0);
        link = expect_dial(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        assert_int_equal(expect(h, link, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        send_hello_ok(h, link, &other);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        harness_advance(h, 3 * MSEC);
        send_pong(h, link, nonce, 0);
        pong = harness_pong(h);
        assert_non_null(pong);
        assert_int_equal(pong->token, 70);
        assert_int_equal(pong->rtt_usec, 3 * MSEC);
        expect_close(h, link, CLOSE_DONE);
}

static void test_a_ping_of_a_member_held_dead_is_answered_after_its_refutation(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;
        uint64_t nonce;

        send_record(h, seed, 1, MEMBER_DEAD);
        assert_int_equal(ping(h, 1, 70), 0);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &other, NULL));
        expect(h, link, MESSAGE_ACCUSED);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        send_refute(h, link, &other, HARNESS_EPOCH, 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        send_pong(h, link, nonce, 0);
        expect_pong(h, 70, 0);
}

static void test_a_ping_says_why_it_failed(void **state) {
        Harness *h = *state;
        Other wrong = harness_peer(2), right = harness_peer(1);
        LinkId seed = set_seed(h), link;

        send_record(h, seed, 1, MEMBER_ALIVE);

        assert_int_equal(ping(h, 1, 1), 0);
        harness_change(h, expect_dial(h, 1), LINK_REFUSED);
        expect_pong(h, 1, -ECONNREFUSED);

        assert_int_equal(ping(h, 1, 2), 0);
        harness_change(h, expect_dial(h, 1), LINK_UNREACHABLE);
        expect_pong(h, 2, -EHOSTUNREACH);

        assert_int_equal(ping(h, 1, 3), 0);
        harness_advance(h, 5 * SEC);
        expect_pong(h, 3, -ETIMEDOUT);
        while (harness_dialled(h, NULL) != 0)
                ;

        assert_int_equal(ping(h, 1, 4), 0);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &wrong, NULL));
        expect_pong(h, 4, -EHOSTUNREACH);

        assert_int_equal(ping(h, 1, 5), 0);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &right, NULL));
        harness_advance(h, 10 * SEC);           /* HELLO_OK came, PONG does not */
        expect_pong(h, 5, -ETIMEDOUT);
        assert_null(harness_pong(h));
}

static void test_a_link_that_ends_answers_its_pings(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        assert_int_equal(ping(h, 1, 70), 0);
        assert_int_equal(ping(h, 1, 71), 0);
        harness_change(h, link, LINK_RESET);
        expect_pong(h, 70, -EHOSTUNREACH);
        expect_pong(h, 71, -EHOSTUNREACH);

        link = link_in(h, 2);
        assert_int_equal(ping(h, 2, 72), 0);
        harness_advance(h, 60 * SEC);           /* silent: three strikes */
        expect_pong(h, 72, -ETIMEDOUT);
        assert_null(harness_pong(h));
}

static void test_a_ping_that_cannot_be_sent_says_so(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);
        Record homeless = record_of(1, MEMBER_ALIVE);

        assert_int_equal(ping(h, 9, 1), -ESRCH);
        homeless.n_addresses = 0;
        send_list_ok(h, seed, 1, &homeless, 1);
        assert_int_equal(ping(h, 1, 1), -EHOSTUNREACH);
        assert_null(harness_pong(h));
        expect_no_dial(h);
}

static void test_64_pings_are_under_way_at_most(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        uint64_t nonce;

        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(ping(h, 1, i), 0);
        assert_int_equal(ping(h, 1, 64), -EBUSY);
        nonce = expect(h, link, MESSAGE_PING)->ping.nonce;
        send_pong(h, link, nonce, 0);
        expect_pong(h, 0, 0);
        assert_int_equal(ping(h, 1, 65), 0);
        assert_int_equal(ping(h, 1, 66), -EBUSY);
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
                TEST(test_a_higher_epoch_is_jumped_over),
                TEST(test_held_in_answers_counts_as_well),
                TEST(test_an_earlier_life_is_no_accusation),
                TEST(test_only_what_is_wrong_is_refuted),
                TEST(test_behind_the_last_incarnation_comes_the_next_epoch),
                cmocka_unit_test(test_behind_the_last_epoch_comes_a_new_id),
                cmocka_unit_test(test_a_new_id_may_be_taken_in_the_middle_of_an_answer),
                TEST_QUIET(test_an_accusation_is_refuted_where_it_was_made),
                TEST(test_others_that_jump_an_epoch_can_leave_as_before),
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
                TEST(test_a_seed_with_thousands_of_suspects_fits),
                TEST(test_a_list_full_of_ourselves_is_answered_once),
                TEST(test_a_ping_goes_over_the_link),
                TEST_QUIET(test_a_ping_of_a_member_without_a_link_is_a_session_of_its_own),
                TEST_QUIET(test_a_ping_of_a_member_held_dead_is_answered_after_its_refutation),
                TEST_QUIET(test_a_ping_says_why_it_failed),
                TEST_QUIET(test_a_link_that_ends_answers_its_pings),
                TEST_QUIET(test_a_ping_that_cannot_be_sent_says_so),
                TEST(test_64_pings_are_under_way_at_most),
                TEST_QUIET(test_members_can_be_walked_and_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
