/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The members as a peer knows them (docs/PROTOCOL.md, 6.3 and 6.4), and what it remembers. */

#include "overlay.h"

/* ---- what is told of members ---- */

static void say(Harness *h, LinkId seed, uint8_t n, uint64_t epoch, uint32_t incarnation, MemberState state) {
        Record record = record_of(n, state);

        record.epoch = epoch;
        record.incarnation = incarnation;
        send_list_ok(h, seed, 1, &record, 1);
}

static void expect_told(Harness *h, NoticeType type, bool restarted, bool known) {
        const Notice *notice = harness_notice(h, type);

        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], 1);
        assert_string_equal(notice->name, "other");
        assert_int_equal(notice->address.bytes[3], 1);
        assert_int_equal(notice->restarted, restarted);
        assert_int_equal(notice->known, known);
}

static void expect_nothing_told(Harness *h) {
        const NoticeType types[] = { NOTICE_JOINED, NOTICE_LEFT, NOTICE_SUSPECT, NOTICE_DEAD, NOTICE_ALIVE };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                assert_null(harness_notice(h, types[i]));
}

static void test_every_change_is_told_once(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);

        say(h, seed, 1, 10, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, false, false);
        say(h, seed, 1, 10, 0, MEMBER_ALIVE);
        expect_nothing_told(h);

        say(h, seed, 1, 10, 0, MEMBER_SUSPECT);         /* who suspects somebody says so in another way */
        expect_nothing_told(h);
        say(h, seed, 1, 10, 0, MEMBER_DEAD);
        expect_told(h, NOTICE_SUSPECT, false, false);
        say(h, seed, 1, 10, 1, MEMBER_ALIVE);
        expect_told(h, NOTICE_ALIVE, false, true);
        say(h, seed, 1, 10, 0, MEMBER_DEAD);            /* it has refuted that */
        expect_nothing_told(h);

        say(h, seed, 1, 10, 1, MEMBER_DEAD);
        expect_told(h, NOTICE_SUSPECT, false, false);
        harness_advance(h, 2 * SEC);
        expect_told(h, NOTICE_DEAD, false, false);
        say(h, seed, 1, 10, 1, MEMBER_DEAD);
        expect_nothing_told(h);
        say(h, seed, 1, 11, 0, MEMBER_ALIVE);           /* the dead join, with whatever epoch */
        expect_told(h, NOTICE_JOINED, false, false);

        say(h, seed, 1, 12, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, true, true);      /* restarted, and nobody had missed it */
        expect_nothing_told(h);
}

static void test_who_leaves_has_left_when_it_is_not_back_at_once(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);

        say(h, seed, 1, 10, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, false, false);
        say(h, seed, 1, 10, 0, MEMBER_LEFT);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        assert_int_equal(node_n_alive(harness_node(h)), 0);
        harness_advance(h, 5 * SEC - 1);
        expect_nothing_told(h);
        harness_advance(h, 1);
        expect_told(h, NOTICE_LEFT, false, false);
        harness_advance(h, 20 * SEC);
        expect_nothing_told(h);

        say(h, seed, 1, 11, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, false, false);
}

static void test_who_leaves_and_is_back_at_once_has_restarted(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);

        say(h, seed, 1, 10, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, false, false);
        say(h, seed, 1, 10, 0, MEMBER_LEFT);
        harness_advance(h, 5 * SEC - 1);
        say(h, seed, 1, 11, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, true, true);
        harness_advance(h, 20 * SEC);
        expect_nothing_told(h);

        /* With the epoch that it had, it only has not left: nobody was told that, either. */
        say(h, seed, 1, 11, 0, MEMBER_LEFT);
        harness_advance(h, 1 * SEC);
        say(h, seed, 1, 11, 1, MEMBER_ALIVE);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        harness_advance(h, 20 * SEC);
        expect_nothing_told(h);
}

static void test_who_leaves_and_is_found_dead_at_once_is_dead(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);

        say(h, seed, 1, 10, 0, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, false, false);
        say(h, seed, 1, 10, 0, MEMBER_LEFT);
        say(h, seed, 1, 10, 0, MEMBER_DEAD);
        expect_nothing_told(h);
        harness_advance(h, 5 * SEC);
        expect_told(h, NOTICE_DEAD, false, false);
        expect_nothing_told(h);
}

static void test_who_was_gone_before_we_heard_of_it_is_not_news(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);

        say(h, seed, 1, 10, 0, MEMBER_DEAD);
        expect_nothing_told(h);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_int_equal(node_n_alive(harness_node(h)), 0);
}

static void test_addresses_of_equal_records_are_joined(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h);
        Record record = record_of(1, MEMBER_ALIVE);

        for (uint8_t i = 0; i < 6; i++) {
                record.addresses[0] = harness_address((uint8_t) (10 + i), 6000);
                send_list_ok(h, seed, 1, &record, 1);
        }
        assert_int_equal(member_of(h, 1).record->n_addresses, 4);
        for (uint8_t i = 0; i < 4; i++)
                assert_int_equal(member_of(h, 1).record->addresses[i].bytes[3], 10 + i);

        record.incarnation++;                           /* a newer one says what counts now */
        send_list_ok(h, seed, 1, &record, 1);
        assert_int_equal(member_of(h, 1).record->n_addresses, 1);
}

/* ---- speaking for itself ---- */

static void test_a_caller_is_a_member(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        MemberInfo info;

        assert_int_not_equal(harness_open(h, &other), 0);
        expect_told(h, NOTICE_JOINED, false, false);
        info = member_of(h, 1);
        assert_int_equal(info.state, MEMBER_ALIVE);
        assert_int_equal(info.record->epoch, HARNESS_EPOCH);
        assert_string_equal(info.record->name, "other");
        assert_int_equal(info.record->n_addresses, 1);
        assert_int_equal(info.heard_usec, harness_now(h));
        assert_false(info.linked);
}

static void test_a_seed_is_no_member(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(9);

        set_seed(h);
        assert_int_not_equal(harness_open(h, &seed), 0);
        assert_int_equal(node_n_members(harness_node(h)), 0);
        expect_nothing_told(h);
}

static void test_the_dead_stay_dead_until_they_refute(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h), link;

        say(h, seed, 1, HARNESS_EPOCH, 3, MEMBER_DEAD);
        link = harness_call(h, &other);
        assert_int_equal(expect(h, link, MESSAGE_HELLO_OK)->hello_ok.held.state, MEMBER_DEAD);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        send_neighbor(h, link, PRIORITY_LOW, 0);        /* which does not keep it from being linked */
        expect(h, link, MESSAGE_ACCEPT);

        send_refute(h, link, &other, HARNESS_EPOCH, 3);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        expect_nothing_told(h);
        send_refute(h, link, &other, HARNESS_EPOCH, 4);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        expect_told(h, NOTICE_JOINED, false, false);
}

static void test_a_restarted_member_needs_no_refutation(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId seed = set_seed(h);

        say(h, seed, 1, HARNESS_EPOCH, 3, MEMBER_DEAD);
        other.epoch++;
        assert_int_not_equal(harness_open(h, &other), 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_int_equal(member_of(h, 1).record->incarnation, 0);
        expect_told(h, NOTICE_JOINED, false, false);
}

static void test_an_earlier_life_that_leaves_changes_nothing(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);

        say(h, seed, 1, HARNESS_EPOCH + 1, 0, MEMBER_ALIVE);    /* it has restarted, and this connection is of before */
        send_close(h, link, CLOSE_LEAVING);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_LEFT));
}

/* ---- memory ---- */

static void test_the_peers_of_the_last_time_are_dialled_at_the_start(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = harness_new(&settings, OWN);
        LostPeer lost[2] = { { ID(1), harness_address(1, 6000) }, { ID(2), harness_address(2, 6000) } };
        Other wrong = harness_peer(9);
        LinkId link;
        (void) state;

        assert_int_equal(peer_set_lost(harness_node(h), lost, 2), 0);
        expect_no_dial(h);
        harness_start(h);
        link = harness_dialled(h, NULL);
        assert_int_not_equal(link, 0);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
        expect_no_dial(h);

        /* Somebody else lives there now: nobody to remember. */
        assert_true(harness_answer(h, link, &wrong, NULL));
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(peer_lost(harness_node(h), lost, 2), 1);
}

static void test_what_is_remembered_is_written_down_once_for_many(void **state) {
        Harness *h = *state;

        harness_set_answering(h, true);
        for (uint8_t n = 1; n <= 5; n++)
                link_in(h, n);
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 0);
        harness_advance(h, 5 * SEC);
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 1);
        harness_advance(h, 20 * SEC);
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 1);
        link_in(h, 6);
        harness_advance(h, 5 * SEC);
        assert_int_equal(harness_n_persisted(h, PERSIST_PEERS), 2);
}

/* ---- settings ---- */

static void test_new_intervals_count_from_the_reload(void **state) {
        Harness *h = *state;
        NodeSettings settings = *node_settings(harness_node(h));
        LinkId link = link_in(h, 1);

        settings.params.liveness_interval_usec = 20 * SEC;
        settings.params.hello_interval_usec = 7 * SEC;
        settings.params.hello_count = 1;
        settings.params.shuffle_usec = 0;
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        harness_drop_sent(h);
        harness_advance(h, 7 * SEC - 1);
        expect_nothing(h, link);
        harness_advance(h, 1);
        expect(h, link, MESSAGE_GOSSIP);
        harness_advance(h, 13 * SEC - 1);
        expect_nothing(h, link);
        harness_advance(h, 1);
        expect(h, link, MESSAGE_PING);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_every_change_is_told_once),
                TEST(test_who_leaves_has_left_when_it_is_not_back_at_once),
                TEST(test_who_leaves_and_is_back_at_once_has_restarted),
                TEST(test_who_leaves_and_is_found_dead_at_once_is_dead),
                TEST(test_who_was_gone_before_we_heard_of_it_is_not_news),
                TEST(test_addresses_of_equal_records_are_joined),
                TEST(test_a_caller_is_a_member),
                TEST(test_a_seed_is_no_member),
                TEST(test_the_dead_stay_dead_until_they_refute),
                TEST(test_a_restarted_member_needs_no_refutation),
                TEST(test_an_earlier_life_that_leaves_changes_nothing),
                cmocka_unit_test(test_the_peers_of_the_last_time_are_dialled_at_the_start),
                TEST(test_what_is_remembered_is_written_down_once_for_many),
                TEST(test_new_intervals_count_from_the_reload),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
