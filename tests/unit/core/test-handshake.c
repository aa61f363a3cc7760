/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 4.1: who may come in. */

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
        harness_advance(h, 2 * SEC);
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
