/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/mesh.h"

#include "expect-mesh.h"

static void test_every_other_seed_is_dialled(void **state) {
        Harness *h = *state;
        const Notice *notice;

        assert_int_equal(node_n_wanted(harness_node(h)), 2);
        link_seed(h, 200);
        link_seed(h, 201);
        assert_int_equal(node_n_registered(harness_node(h)), 2);
        notice = harness_notice(h, NOTICE_SEED_LINKED);
        assert_string_equal(notice->seed, "seed-200:5000");
        assert_non_null(harness_notice(h, NOTICE_SEED_LINKED));
}

static void test_a_seed_that_goes_is_dialled_again(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);

        harness_change(h, link, LINK_RESET);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
        assert_non_null(harness_notice(h, NOTICE_SEED_UNLINKED));
        harness_advance(h, SEC);
        link_seed(h, 200);
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
}

static void test_a_peer_at_a_seeds_address_is_not_taken_for_one(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(200);
        LinkId link;

        resolve(h, 200);
        link = harness_dialled(h, NULL);
        assert_true(harness_answer(h, link, &peer, NULL));
        expect_close(h, link, CLOSE_NOT_ALLOWED);
        assert_int_not_equal(seed_info(h, 0).state, SEED_REGISTERED);
}

static void test_ourselves_in_the_list_are_no_other_seed(void **state) {
        Harness *h = *state;
        Other self = harness_seed(0x80);
        LinkId link;

        resolve(h, 200);
        link = harness_dialled(h, NULL);
        assert_true(harness_answer(h, link, &self, NULL));
        assert_int_equal(seed_info(h, 0).state, SEED_SELF);
        assert_int_equal(node_n_wanted(harness_node(h)), 1);
        harness_advance(h, 60 * SEC);
        assert_false(harness_asked_for(h, 200));
}

static void test_a_seed_that_called_is_not_dialled(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        LinkId link = link_seed(h, 200), other;

        harness_change(h, link, LINK_RESET);
        other = harness_open(h, &seed);
        assert_int_not_equal(other, 0);
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        harness_advance(h, 20 * SEC);
        assert_false(harness_asked_for(h, 200));

        harness_change(h, other, LINK_RESET);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
        harness_advance(h, 30 * SEC);
        assert_true(harness_asked_for(h, 200));
}

static void test_two_seeds_that_dial_each_other_settle_on_one_session(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        LinkId dialled, accepted;

        resolve(h, 200);
        dialled = harness_dialled(h, NULL);
        accepted = harness_open(h, &seed);
        assert_int_not_equal(accepted, 0);
        assert_true(harness_answer(h, dialled, &seed, NULL));

        /* Ours is the smaller id: the newer one stays, and nobody has been without a seed. */
        expect_close(h, accepted, CLOSE_SUPERSEDED);
        assert_null(harness_notice(h, NOTICE_SEED_UNLINKED));
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        expect(h, dialled, MESSAGE_SYNC_DIGEST);
        harness_advance(h, 30 * SEC);
        harness_change(h, dialled, LINK_CLOSED);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
}

static void test_the_larger_id_follows_the_newest_session(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(100);
        Address address = harness_address(100, 5000);
        LinkId dialled, accepted;
        Message close;

        harness_set_seeds(h, (uint8_t[]) { 100, 0 });
        harness_resolve(h, 100, &address, 1);
        dialled = harness_dialled(h, NULL);
        assert_true(harness_answer(h, dialled, &seed, NULL));
        accepted = harness_open(h, &seed);
        assert_int_not_equal(accepted, 0);
        assert_true(harness_is_up(h, dialled));

        message_set(&close, MESSAGE_CLOSE, close, .reason = CLOSE_SUPERSEDED);
        harness_send(h, dialled, &close);
        assert_null(harness_notice(h, NOTICE_SEED_UNLINKED));
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        harness_advance(h, 20 * SEC);
        assert_false(harness_asked_for(h, 100));
        assert_true(harness_is_up(h, accepted));
}

/* The session that they opened is not known to be with a seed of the list before our name is resolved, and it may end before
 * the one that replaces it opens. */
static void test_that_a_seed_is_linked_is_told_once(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(100);
        Address address = harness_address(100, 5000);
        LinkId dialled, accepted;
        Message close;

        harness_set_seeds(h, (uint8_t[]) { 100, 0 });
        accepted = harness_open(h, &seed);
        assert_string_equal(harness_notice(h, NOTICE_SEED_LINKED)->seed, "10.0.0.100:5000");
        harness_resolve(h, 100, &address, 1);
        dialled = harness_dialled(h, NULL);
        message_set(&close, MESSAGE_CLOSE, close, .reason = CLOSE_SUPERSEDED);
        harness_send(h, accepted, &close);
        assert_true(harness_answer(h, dialled, &seed, NULL));
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        assert_null(harness_notice(h, NOTICE_SEED_LINKED));

        /* It calls once more, as after a name that it has for us, too. */
        accepted = harness_open(h, &seed);
        harness_send(h, dialled, &close);
        assert_null(harness_notice(h, NOTICE_SEED_LINKED));
        assert_null(harness_notice(h, NOTICE_SEED_UNLINKED));

        harness_change(h, accepted, LINK_RESET);
        assert_non_null(harness_notice(h, NOTICE_SEED_UNLINKED));
        assert_int_not_equal(harness_open(h, &seed), 0);
        assert_non_null(harness_notice(h, NOTICE_SEED_LINKED));
}

static void test_a_seed_that_did_not_come_back_is_told_again(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        LinkId link = link_seed(h, 200);
        Message close;

        assert_non_null(harness_notice(h, NOTICE_SEED_LINKED));
        message_set(&close, MESSAGE_CLOSE, close, .reason = CLOSE_SUPERSEDED);
        harness_send(h, link, &close);
        assert_null(harness_notice(h, NOTICE_SEED_UNLINKED));
        harness_advance(h, SEC);
        resolve(h, 200);
        harness_change(h, harness_dialled(h, NULL), LINK_REFUSED);
        assert_non_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));
        assert_int_not_equal(harness_open(h, &seed), 0);
        assert_non_null(harness_notice(h, NOTICE_SEED_LINKED));
}

static void test_two_names_of_one_seed_are_one_seed(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        Address address = harness_address(201, 5000);
        LinkId first = link_seed(h, 200), second;

        harness_resolve(h, 201, &address, 1);
        second = harness_dialled(h, NULL);
        assert_true(harness_answer(h, second, &seed, NULL));
        expect_close(h, first, CLOSE_SUPERSEDED);
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        assert_int_equal(seed_info(h, 1).state, SEED_SELF);
        assert_int_equal(node_n_wanted(harness_node(h)), 1);
        harness_advance(h, 30 * SEC);
        assert_true(harness_is_up(h, second));
        assert_false(harness_asked_for(h, 200));
        assert_false(harness_asked_for(h, 201));

        /* When it goes, both names are tried again. */
        harness_change(h, second, LINK_RESET);
        harness_advance(h, 30 * SEC);
        assert_true(harness_asked_for(h, 200));
        assert_true(harness_asked_for(h, 201));
}

static void test_a_silent_seed_is_left_after_35_seconds(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);

        harness_advance(h, 35 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        assert_non_null(harness_find(h, link, MESSAGE_CLOSE));
        assert_false(harness_is_up(h, link));
}

static void test_a_seed_that_is_heard_is_kept(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);

        for (unsigned i = 0; i < 20; i++) {
                harness_advance(h, 10 * SEC);
                send_digest(h, link, (uint8_t[]) { 0 });
        }
        assert_true(harness_is_up(h, link));
}

static void test_a_digest_is_sent_every_10_seconds(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        unsigned n = 0;

        for (unsigned i = 0; i < 10; i++) {
                harness_advance(h, 10 * SEC);
                send_digest(h, link, (uint8_t[]) { 0 });
                while (harness_find(h, link, MESSAGE_SYNC_DIGEST))
                        n++;
        }
        assert_in_range(n, 9, 11);
}

static void test_unlisted_seeds_are_bounded(void **state) {
        Harness *h = *state;
        unsigned n = 0;

        for (unsigned i = 1; i < 60; i++) {
                Other seed = harness_seed((uint8_t) i);

                if (harness_open(h, &seed) != 0)
                        n++;
        }
        assert_int_equal(n, 59);
        assert_int_equal(harness_n_up(h), 2 + MESH_UNLISTED_MAX);
        link_seed(h, 200);              /* a listed one always has its place */
}

static void test_a_seed_cannot_register(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(210);
        Record record = record_of(210, MEMBER_ALIVE, 0);
        LinkId link = harness_open(h, &seed);

        send_register(h, link, &record, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
}

static void test_a_peer_cannot_send_records(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        send_record(h, link, 2, MEMBER_ALIVE, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(node_n_members(harness_node(h)), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_mesh, teardown)
                TEST(test_every_other_seed_is_dialled),
                TEST(test_a_seed_that_goes_is_dialled_again),
                TEST(test_a_peer_at_a_seeds_address_is_not_taken_for_one),
                TEST(test_ourselves_in_the_list_are_no_other_seed),
                TEST(test_a_seed_that_called_is_not_dialled),
                TEST(test_two_seeds_that_dial_each_other_settle_on_one_session),
                TEST(test_the_larger_id_follows_the_newest_session),
                TEST(test_that_a_seed_is_linked_is_told_once),
                TEST(test_a_seed_that_did_not_come_back_is_told_again),
                TEST(test_two_names_of_one_seed_are_one_seed),
                TEST(test_a_silent_seed_is_left_after_35_seconds),
                TEST(test_a_seed_that_is_heard_is_kept),
                TEST(test_a_digest_is_sent_every_10_seconds),
                TEST(test_unlisted_seeds_are_bounded),
                TEST(test_a_seed_cannot_register),
                TEST(test_a_peer_cannot_send_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
