/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 4.1, 4.3 and 4.4: who may come in, two sessions with one id, one id at two addresses. */

#include "overlay.h"

/* ---- HELLO ---- */

static void test_hello_and_hello_ok_say_who_we_are(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_call(h, &other);
        const Message *message = expect(h, link, MESSAGE_HELLO_OK);

        assert_int_equal(message->hello_ok.version, 1);
        assert_true(node_id_equal(&message->hello_ok.id, &node_identity(harness_node(h))->id));
        assert_int_equal(message->hello_ok.epoch, HARNESS_EPOCH);
        assert_int_equal(message->hello_ok.role, ROLE_PEER);
        assert_string_equal(message->hello_ok.name, "under-test");
        assert_int_equal(message->hello_ok.port, HARNESS_PORT);
        assert_int_equal(message->hello_ok.n_addresses, 1);
        assert_true(address_equal(&message->hello_ok.addresses[0], &node_settings(harness_node(h))->advertised[0]));
        assert_true(address_equal(&message->hello_ok.observed, &other.remote));
        assert_false(message->hello_ok.has_held);

        link = dial_to(h, 2);
        harness_change(h, link, LINK_CONNECTED);
        message = expect(h, link, MESSAGE_HELLO);
        assert_string_equal(message->hello.network, HARNESS_NETWORK);
        assert_int_equal(message->hello.version_min, 1);
        assert_int_equal(message->hello.version_max, 1);
        assert_true(node_id_equal(&message->hello.id, &node_identity(harness_node(h))->id));
        assert_int_equal(message->hello.epoch, HARNESS_EPOCH);
        assert_int_equal(message->hello.role, ROLE_PEER);
        assert_int_equal(message->hello.purpose, PURPOSE_SESSION);
        assert_string_equal(message->hello.name, "under-test");
        assert_int_equal(message->hello.port, HARNESS_PORT);
        assert_int_equal(message->hello.n_addresses, 1);
        assert_int_equal(message->hello.features, 0);
}

static void test_another_network_is_refused_with_both_names(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        Message hello = harness_hello(&other);
        LinkId link = harness_accept(h, &other.remote);
        const Message *message;
        const Notice *notice;

        strcpy(hello.hello.network, "Test");            /* case counts */
        harness_send(h, link, &hello);
        message = expect(h, link, MESSAGE_CLOSE);
        assert_int_equal(message->close.reason, CLOSE_NETWORK);
        assert_non_null(strstr(message->close.detail, "\"test\""));
        assert_non_null(strstr(message->close.detail, "\"Test\""));
        assert_false(harness_is_up(h, link));

        notice = harness_notice(h, NOTICE_SESSION_REFUSED);
        assert_non_null(notice);
        assert_int_equal(notice->reason, CLOSE_NETWORK);
        assert_true(notice->by_us);
        assert_non_null(strstr(notice->detail, "\"Test\""));
        assert_int_equal(node_n_members(harness_node(h)), 0);
        assert_int_equal(counted(h, COUNTER_SESSIONS_REFUSED), 1);
}

static void test_versions_have_to_overlap(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        Message hello = harness_hello(&other);
        LinkId link = harness_accept(h, &other.remote);
        const Message *message;

        hello.hello.version_min = 2;
        hello.hello.version_max = 9;
        harness_send(h, link, &hello);
        message = expect(h, link, MESSAGE_CLOSE);
        assert_int_equal(message->close.reason, CLOSE_VERSION);
        assert_non_null(strstr(message->close.detail, "2 to 9"));
        assert_non_null(harness_notice(h, NOTICE_SESSION_REFUSED));

        link = harness_accept(h, &other.remote);
        hello.hello.version_min = 1;
        harness_send(h, link, &hello);
        assert_int_equal(expect(h, link, MESSAGE_HELLO_OK)->hello_ok.version, 1);
}

static void test_epochs_are_below_2_to_the_63(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        const uint64_t wrong[] = { UINT64_C(1) << 63, UINT64_MAX };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                LinkId link;

                other.epoch = wrong[i];
                link = harness_call(h, &other);
                expect_close(h, link, CLOSE_PROTOCOL);

                link = dial_to(h, 1);
                assert_true(harness_answer(h, link, &other, NULL));
                expect_close(h, link, CLOSE_PROTOCOL);
        }
        other.epoch = (UINT64_C(1) << 63) - 1;
        assert_int_not_equal(harness_open(h, &other), 0);
}

static void test_whoever_has_our_id_and_epoch_is_ourselves(void **state) {
        Harness *h = *state;
        Other self = harness_peer(OWN);
        LinkId link = harness_call(h, &self);

        expect_close(h, link, CLOSE_SELF);
        self.purpose = PURPOSE_PROBE;
        link = harness_call(h, &self);
        expect_close(h, link, CLOSE_SELF);
        assert_null(harness_notice(h, NOTICE_DUPLICATE_REFUSED));
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_whoever_has_our_id_and_another_epoch_is_a_copy(void **state) {
        Harness *h = *state;
        NodeIdentity before = *node_identity(harness_node(h));
        const uint64_t epochs[] = { HARNESS_EPOCH - 1, HARNESS_EPOCH + 1 };

        for (size_t i = 0; i < ELEMENTSOF(epochs); i++) {
                Other copy = harness_peer(OWN);
                const Notice *notice;

                copy.epoch = epochs[i];
                expect_close(h, harness_call(h, &copy), CLOSE_DUPLICATE_ID);
                notice = harness_notice(h, NOTICE_DUPLICATE_REFUSED);
                assert_non_null(notice);
                assert_true(node_id_equal(&notice->id, &copy.id));
        }
        assert_memory_equal(&before, node_identity(harness_node(h)), sizeof(before));
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

/* ---- HELLO_OK ---- */

static void test_hello_ok_carries_what_is_held(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;
        const Message *ok;
        Record record = record_of(1, MEMBER_ALIVE);

        record.incarnation = 7;
        send_list_ok(h, seed, 2, &record, 1);
        other.epoch = HARNESS_EPOCH + 1;
        link = harness_call(h, &other);
        ok = expect(h, link, MESSAGE_HELLO_OK);
        assert_true(ok->hello_ok.has_held);
        assert_int_equal(ok->hello_ok.held.epoch, HARNESS_EPOCH);
        assert_int_equal(ok->hello_ok.held.incarnation, 7);
        assert_int_equal(ok->hello_ok.held.state, MEMBER_ALIVE);

        record.epoch = HARNESS_EPOCH + 5;
        record.state = MEMBER_DEAD;
        send_list_ok(h, seed, 2, &record, 1);
        other.purpose = PURPOSE_PROBE;
        ok = expect(h, harness_call(h, &other), MESSAGE_HELLO_OK);
        assert_int_equal(ok->hello_ok.held.epoch, HARNESS_EPOCH + 5);
        assert_int_equal(ok->hello_ok.held.state, MEMBER_DEAD);
}

static void test_a_callee_held_as_not_alive_is_told_first(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);
        const MemberState states[] = { MEMBER_SUSPECT, MEMBER_LEFT, MEMBER_DEAD };

        for (uint8_t i = 0; i < ELEMENTSOF(states); i++) {
                uint8_t n = (uint8_t) (i + 1);
                Other other = harness_peer(n);
                const Message *accused;
                LinkId link;

                send_record(h, seed, n, states[i]);
                link = dial_to(h, n);
                assert_true(harness_answer(h, link, &other, NULL));
                accused = expect(h, link, MESSAGE_ACCUSED);
                assert_int_equal(accused->accused.held.epoch, HARNESS_EPOCH);
                assert_int_equal(accused->accused.held.state, states[i]);
                expect(h, link, MESSAGE_NEIGHBOR);
        }
}

static void test_a_callee_with_a_higher_epoch_needs_no_telling(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;

        send_record(h, seed, 1, MEMBER_DEAD);
        other.epoch++;
        link = dial_to(h, 1);
        assert_true(harness_answer(h, link, &other, NULL));
        expect(h, link, MESSAGE_NEIGHBOR);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
}

static void test_another_id_than_expected_is_sent_away(void **state) {
        Harness *h = *state;
        Other other = harness_peer(2);
        LinkId seed = set_seed(h), link;

        send_record(h, seed, 1, MEMBER_ALIVE);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &other, NULL));
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(n_links(h), 0);
}

static void test_our_own_answer_is_told_so(void **state) {
        Harness *h = *state;
        Other self = harness_peer(OWN);
        LinkId link = dial_to(h, 1);

        assert_true(harness_answer(h, link, &self, NULL));
        expect_close(h, link, CLOSE_SELF);
        expect_no_dial(h);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_a_version_that_was_not_offered_is_no_answer(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);
        Message ok;

        harness_change(h, link, LINK_CONNECTED);
        expect(h, link, MESSAGE_HELLO);
        message_set(&ok, MESSAGE_HELLO_OK, hello_ok, .version = 2, .id = ID(1), .role = ROLE_PEER, .name = "x", .port = 1);
        harness_send(h, link, &ok);
        expect_close(h, link, CLOSE_PROTOCOL);
}

static void test_who_advertises_nothing_is_where_it_is_seen(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        Address expected = other.remote;

        other.n_addresses = 0;
        assert_int_not_equal(harness_open(h, &other), 0);
        expected.port = other.port;
        assert_int_equal(member_of(h, 1).record->n_addresses, 1);
        assert_true(address_equal(&member_of(h, 1).record->addresses[0], &expected));
}

/* ---- CLOSE(duplicate-id) ---- */

static LinkId call_and_be_a_copy(Harness *h, uint8_t n) {
        LinkId link = dial_to(h, n);

        harness_change(h, link, LINK_CONNECTED);
        expect(h, link, MESSAGE_HELLO);
        send_close(h, link, CLOSE_DUPLICATE_ID);
        return link;
}

static void test_a_copy_takes_a_new_id_and_begins_again(void **state) {
        Harness *h = *state;
        NodeIdentity before = *node_identity(harness_node(h));
        LinkId linked = link_in(h, 1), link;
        const Notice *notice;
        const Message *hello;

        call_and_be_a_copy(h, 2);
        assert_false(node_id_equal(&before.id, &node_identity(harness_node(h))->id));
        assert_true(node_identity(harness_node(h))->epoch > before.epoch);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 1);
        notice = harness_notice(h, NOTICE_DUPLICATE_ID);
        assert_non_null(notice);
        assert_true(node_id_equal(&notice->id, &node_identity(harness_node(h))->id));

        assert_int_equal(harness_find(h, linked, MESSAGE_CLOSE)->close.reason, CLOSE_DONE);
        assert_false(harness_is_up(h, linked));
        assert_int_equal(harness_n_up(h), 0);

        /* The harness checks that nothing is said before it was written down. */
        link = expect_dial(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        hello = expect(h, link, MESSAGE_HELLO);
        assert_true(node_id_equal(&hello->hello.id, &node_identity(harness_node(h))->id));
        assert_int_equal(hello->hello.epoch, node_identity(harness_node(h))->epoch);
}

static void test_a_new_id_is_taken_once_in_10_seconds(void **state) {
        Harness *h = *state;
        NodeId id;

        call_and_be_a_copy(h, 1);
        id = node_identity(harness_node(h))->id;
        harness_advance(h, 10 * SEC - 1);
        assert_false(harness_is_up(h, call_and_be_a_copy(h, 2)));
        assert_true(node_id_equal(&id, &node_identity(harness_node(h))->id));
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 1);

        harness_advance(h, 1);
        call_and_be_a_copy(h, 3);
        assert_false(node_id_equal(&id, &node_identity(harness_node(h))->id));
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 2);
}

static void test_only_the_answer_to_hello_says_that_we_are_a_copy(void **state) {
        Harness *h = *state;
        Other other = harness_peer(3);
        LinkId out = link_out(h, 1), in = link_in(h, 2), waiting = harness_accept(h, &other.remote);

        send_close(h, out, CLOSE_DUPLICATE_ID);
        send_close(h, in, CLOSE_DUPLICATE_ID);
        send_close(h, waiting, CLOSE_DUPLICATE_ID);
        assert_int_equal(harness_n_up(h), 0);
        assert_int_equal(harness_n_persisted(h, PERSIST_IDENTITY), 0);
        assert_null(harness_notice(h, NOTICE_DUPLICATE_ID));
}

/* ---- two sessions with one id ---- */

static void answer_pings(Harness *h) {
        harness_set_answering(h, true);
}

static void test_the_smaller_id_keeps_the_session_that_came_last(void **state) {
        Harness *h = *state;
        Other other = harness_peer(200);
        LinkId first = link_in(h, 200), second;

        second = harness_open(h, &other);
        assert_int_not_equal(second, 0);
        assert_int_equal(harness_find(h, first, MESSAGE_CLOSE)->close.reason, CLOSE_SUPERSEDED);
        assert_false(harness_is_up(h, first));
        assert_true(harness_is_up(h, second));

        /* That is no sign of death. */
        assert_int_equal(member_of(h, 200).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SILENT));
        send_neighbor(h, second, PRIORITY_LOW, 0);
        assert_non_null(harness_find(h, second, MESSAGE_ACCEPT));
        assert_int_equal(n_links(h), 1);
}

static void test_the_larger_id_uses_the_newest_and_reads_the_elder(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId first = link_in(h, 1), second;

        answer_pings(h);
        second = link_in_of(h, &other, 0);
        assert_true(harness_is_up(h, first));
        assert_int_equal(n_links(h), 2);
        harness_drop_sent(h);

        send_ping(h, first, 1);                         /* still read and answered */
        expect(h, first, MESSAGE_PONG);
        send_gossip(h, first, 9, 1, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 1);

        harness_drop_sent(h);
        send_gossip(h, link_in(h, 3), 9, 1, 2, 0, 1);
        assert_non_null(harness_find(h, second, MESSAGE_GOSSIP));
        assert_null(harness_find(h, first, MESSAGE_GOSSIP));

        harness_advance(h, 10 * SEC - 1);
        assert_true(harness_is_up(h, first));
        harness_advance(h, 1);
        assert_int_equal(harness_find(h, first, MESSAGE_CLOSE)->close.reason, CLOSE_SUPERSEDED);
        assert_false(harness_is_up(h, first));
        assert_true(harness_is_up(h, second));
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
}

static void test_the_end_of_the_elder_accuses_nobody(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId first = link_in(h, 1), second = link_in_of(h, &other, 0);

        answer_pings(h);
        harness_change(h, first, LINK_RESET);
        harness_advance(h, 20 * SEC);
        assert_true(harness_is_up(h, second));
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_true(member_of(h, 1).linked);
        assert_null(harness_notice(h, NOTICE_SILENT));
        expect_no_dial(h);
}

static void test_the_elder_is_used_again_when_the_newest_ends(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId first = link_in(h, 1), second = harness_open(h, &other);

        answer_pings(h);
        harness_change(h, second, LINK_RESET);
        assert_true(member_of(h, 1).linked);
        harness_advance(h, 60 * SEC);
        assert_true(harness_is_up(h, first));
        assert_int_equal(n_links(h), 1);
        harness_drop_sent(h);
        send_gossip(h, link_in(h, 2), 9, 1, 1, 0, 1);
        assert_non_null(harness_find(h, first, MESSAGE_GOSSIP));
}

static void test_a_higher_epoch_replaces_at_once(void **state) {
        Harness *h = *state;
        const uint8_t ids[] = { 1, 200 };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                Other other = harness_peer(ids[i]);
                LinkId first = link_in(h, ids[i]), second;

                other.epoch++;
                second = link_in_of(h, &other, 0);
                assert_int_equal(harness_find(h, first, MESSAGE_CLOSE)->close.reason, CLOSE_SUPERSEDED);
                assert_false(harness_is_up(h, first));
                assert_true(harness_is_up(h, second));
                assert_int_equal(member_of(h, ids[i]).record->epoch, HARNESS_EPOCH + 1);
                assert_int_equal(member_of(h, ids[i]).state, MEMBER_ALIVE);
        }
}

static void test_a_lower_epoch_does_not_replace(void **state) {
        Harness *h = *state;
        const uint8_t ids[] = { 1, 200 };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                Other other = harness_peer(ids[i]);
                LinkId first = link_in(h, ids[i]), second;
                const Message *ok;

                other.epoch--;
                second = harness_call(h, &other);
                ok = expect(h, second, MESSAGE_HELLO_OK);       /* which tells it of its higher epoch */
                assert_int_equal(ok->hello_ok.held.epoch, HARNESS_EPOCH);
                expect_close(h, second, CLOSE_SUPERSEDED);
                assert_true(harness_is_up(h, first));
                assert_true(member_of(h, ids[i]).linked);
                assert_int_equal(member_of(h, ids[i]).record->epoch, HARNESS_EPOCH);

                /* And the same when we have called. */
                second = dial_to(h, ids[i] + 1);
                assert_true(harness_answer(h, second, &other, NULL));
                expect_close(h, second, CLOSE_SUPERSEDED);
                assert_true(harness_is_up(h, first));
                assert_true(member_of(h, ids[i]).linked);
                send_close(h, first, CLOSE_DONE);
                harness_drop_sent(h);
        }
        assert_null(harness_notice(h, NOTICE_SILENT));
}

static void test_dials_that_cross_leave_one_link(void **state) {
        Harness *h = *state;
        const uint8_t ids[] = { 1, 200 };

        answer_pings(h);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                Other other = harness_peer(ids[i]);
                LinkId out = dial_to(h, ids[i]), in;

                harness_change(h, out, LINK_CONNECTED);
                in = link_in_of(h, &other, 0);                  /* it calls while our HELLO is under way, */
                send_hello_ok(h, out, &other);                        /* and answers ours then */
                assert_non_null(harness_find(h, out, MESSAGE_NEIGHBOR));
                send_accept(h, out, 1);
                if (ids[i] < OWN)
                        send_close(h, in, CLOSE_SUPERSEDED);
                assert_false(harness_is_up(h, in));
                assert_true(harness_is_up(h, out));
                assert_true(member_of(h, ids[i]).linked);
                assert_false(member_of(h, ids[i]).incoming);
                harness_advance(h, 15 * SEC);
                assert_true(harness_is_up(h, out));
                assert_int_equal(n_links(h), i + 1);
        }
        assert_null(harness_notice(h, NOTICE_SILENT));
}

/* ---- one id at two addresses ---- */

/* Peer 1 is held alive at 10.0.0.1:6000. */
static void hold(Harness *h) {
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);

        send_close(h, link, CLOSE_DONE);
        while (harness_dialled(h, NULL) != 0)
                ;
        harness_drop_sent(h);
}

/* Somebody with its id calls from elsewhere. */
static Other elsewhere(uint64_t epoch) {
        Other other = harness_peer(1);

        other.epoch = epoch;
        other.remote = harness_address(66, 40000);
        other.addresses[0] = harness_address(66, 6000);
        return other;
}

/* It calls, and the address held is dialled. */
static LinkId call_from_elsewhere(Harness *h, uint64_t epoch, LinkId *ret_check) {
        Other other = elsewhere(epoch);
        LinkId link = harness_call(h, &other);

        expect_nothing(h, link);
        assert_true(harness_is_up(h, link));
        *ret_check = expect_dial(h, 1);
        return link;
}

static void test_a_copy_of_a_living_node_is_sent_away(void **state) {
        Harness *h = *state;
        Other held = harness_peer(1);
        LinkId check, link;
        const Notice *notice;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        harness_change(h, check, LINK_CONNECTED);
        assert_int_equal(expect(h, check, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        send_hello_ok(h, check, &held);
        expect_close(h, check, CLOSE_DONE);
        expect_close(h, link, CLOSE_DUPLICATE_ID);
        notice = harness_notice(h, NOTICE_DUPLICATE_REFUSED);
        assert_non_null(notice);
        assert_true(node_id_equal(&notice->id, &held.id));
        assert_int_equal(notice->address.bytes[3], 66);
        assert_int_equal(member_of(h, 1).record->epoch, HARNESS_EPOCH);
}

static void test_one_node_at_two_addresses_is_no_copy(void **state) {
        Harness *h = *state;
        Other same = harness_peer(1);
        LinkId check, link;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        same.epoch++;                           /* the caller's own */
        assert_true(harness_answer(h, check, &same, NULL));
        expect_close(h, check, CLOSE_DONE);
        expect(h, link, MESSAGE_HELLO_OK);
        assert_null(harness_notice(h, NOTICE_DUPLICATE_REFUSED));
}

static void test_a_holder_that_is_gone_does_not_shut_out(void **state) {
        Harness *h = *state;
        const LinkChange ends[] = { LINK_REFUSED, LINK_UNREACHABLE, LINK_RESET, LINK_CLOSED };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                LinkId check, link;

                hold(h);
                link = call_from_elsewhere(h, HARNESS_EPOCH - 1, &check);
                harness_change(h, check, ends[i]);
                expect(h, link, MESSAGE_HELLO_OK);
                harness_change(h, link, LINK_CLOSED);
        }
        /* Whether the old one is dead is not for a stranger's call to decide. */
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
}

static void test_a_holder_that_does_not_answer_is_waited_for_1_second(void **state) {
        Harness *h = *state;
        LinkId check, link;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        harness_change(h, check, LINK_CONNECTED);
        harness_advance(h, 1 * SEC - 1);
        expect_nothing(h, link);
        harness_advance(h, 1);
        expect(h, link, MESSAGE_HELLO_OK);
        assert_false(harness_is_up(h, check));
}

static void test_another_id_at_the_address_held_does_not_shut_out(void **state) {
        Harness *h = *state;
        Other other = harness_peer(2);
        LinkId check, link;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        assert_true(harness_answer(h, check, &other, NULL));
        expect_close(h, check, CLOSE_DONE);
        expect(h, link, MESSAGE_HELLO_OK);
}

static void test_a_holder_that_sends_away_does_not_shut_out(void **state) {
        Harness *h = *state;
        LinkId check, link;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        harness_change(h, check, LINK_CONNECTED);
        send_close(h, check, CLOSE_BUSY);
        expect(h, link, MESSAGE_HELLO_OK);
}

static void expect_no_check(Harness *h, const Other *other) {
        LinkId link;

        harness_drop_sent(h);
        link = harness_call(h, other);
        expect(h, link, MESSAGE_HELLO_OK);
        expect_no_dial(h);
        send_close(h, link, CLOSE_DONE);
}

static void test_nobody_is_asked_without_need(void **state) {
        Harness *h = *state;
        LinkId seed;
        Other other;

        hold(h);
        other = elsewhere(HARNESS_EPOCH);               /* the epoch that is held: moved, or another of its addresses */
        expect_no_check(h, &other);
        other = harness_peer(1);                        /* the address that is held: restarted */
        other.epoch += 2;
        other.remote = harness_address(66, 40000);
        expect_no_check(h, &other);
        other = elsewhere(HARNESS_EPOCH + 9);           /* a probe takes nobody's place */
        other.purpose = PURPOSE_PROBE;
        expect_no_check(h, &other);

        seed = set_seed(h);
        (void) seed;
        send_record(h, seed, 1, MEMBER_DEAD);
        other = harness_peer(1);
        other.epoch = HARNESS_EPOCH + 2;
        {
                Record record = harness_record(&other);

                record.state = MEMBER_DEAD;
                send_list_ok(h, seed, 1, &record, 1);
        }
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        other = elsewhere(HARNESS_EPOCH + 9);           /* a dead record never refuses a connection */
        expect_no_check(h, &other);
}

static void test_a_caller_that_waits_may_go(void **state) {
        Harness *h = *state;
        Other held = harness_peer(1);
        LinkId check, link;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        harness_change(h, link, LINK_CLOSED);
        assert_true(harness_answer(h, check, &held, NULL));
        expect_close(h, check, CLOSE_DONE);
        assert_null(harness_notice(h, NOTICE_DUPLICATE_REFUSED));
}

static void test_a_caller_that_waits_has_to_keep_still(void **state) {
        Harness *h = *state;
        LinkId check, link;

        hold(h);
        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        send_neighbor(h, link, PRIORITY_LOW, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
        harness_change(h, check, LINK_REFUSED);
        assert_int_equal(n_links(h), 0);
}

static void test_callers_that_wait_still_count_as_handshakes(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Address remote = harness_address(9, 1);
        LinkId check;
        (void) state;

        settings.params.handshakes_max = 1;
        h = peer_new(&settings);
        hold(h);
        call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        expect_close(h, harness_accept(h, &remote), CLOSE_BUSY);
        harness_change(h, check, LINK_REFUSED);
        assert_true(harness_is_up(h, harness_accept(h, &remote)));
}

static void test_checks_are_bounded(void **state) {
        Harness *h = *state;
        Other other = elsewhere(HARNESS_EPOCH + 1);
        LinkId checks[16], links[16];

        hold(h);
        for (size_t i = 0; i < 16; i++)
                links[i] = call_from_elsewhere(h, HARNESS_EPOCH + 1, checks + i);
        expect_close(h, harness_call(h, &other), CLOSE_BUSY);
        expect_no_dial(h);

        harness_change(h, checks[3], LINK_REFUSED);
        expect(h, links[3], MESSAGE_HELLO_OK);
        assert_true(harness_is_up(h, links[4]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_hello_and_hello_ok_say_who_we_are),
                TEST(test_another_network_is_refused_with_both_names),
                TEST(test_versions_have_to_overlap),
                TEST_QUIET(test_epochs_are_below_2_to_the_63),
                TEST(test_whoever_has_our_id_and_epoch_is_ourselves),
                TEST(test_whoever_has_our_id_and_another_epoch_is_a_copy),
                TEST(test_hello_ok_carries_what_is_held),
                TEST(test_a_callee_held_as_not_alive_is_told_first),
                TEST(test_a_callee_with_a_higher_epoch_needs_no_telling),
                TEST(test_another_id_than_expected_is_sent_away),
                TEST(test_our_own_answer_is_told_so),
                TEST(test_a_version_that_was_not_offered_is_no_answer),
                TEST(test_who_advertises_nothing_is_where_it_is_seen),
                TEST(test_a_copy_takes_a_new_id_and_begins_again),
                TEST(test_a_new_id_is_taken_once_in_10_seconds),
                TEST(test_only_the_answer_to_hello_says_that_we_are_a_copy),
                TEST(test_the_smaller_id_keeps_the_session_that_came_last),
                TEST_QUIET(test_the_larger_id_uses_the_newest_and_reads_the_elder),
                TEST(test_the_end_of_the_elder_accuses_nobody),
                TEST_QUIET(test_the_elder_is_used_again_when_the_newest_ends),
                TEST(test_a_higher_epoch_replaces_at_once),
                TEST_QUIET(test_a_lower_epoch_does_not_replace),
                TEST(test_dials_that_cross_leave_one_link),
                TEST_QUIET(test_a_copy_of_a_living_node_is_sent_away),
                TEST_QUIET(test_one_node_at_two_addresses_is_no_copy),
                TEST_QUIET(test_a_holder_that_is_gone_does_not_shut_out),
                TEST_QUIET(test_a_holder_that_does_not_answer_is_waited_for_1_second),
                TEST_QUIET(test_another_id_at_the_address_held_does_not_shut_out),
                TEST_QUIET(test_a_holder_that_sends_away_does_not_shut_out),
                TEST_QUIET(test_nobody_is_asked_without_need),
                TEST_QUIET(test_a_caller_that_waits_may_go),
                TEST_QUIET(test_a_caller_that_waits_has_to_keep_still),
                cmocka_unit_test(test_callers_that_wait_still_count_as_handshakes),
                TEST_QUIET(test_checks_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
