/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, 6.1: which seeds a peer asks, and what it does when one fails. */

#include "listed-seeds.h"

static uint8_t first_asked_for(Harness *h, uint8_t n) {
        for (uint8_t i = 1; i <= n; i++)
                if (harness_asked_for(h, i))
                        return i;
        return 0;
}

/* The name of that seed leads nowhere. */
static void fail_seed(Harness *h, uint8_t n) {
        harness_resolve(h, n, NULL, 0);
}

/* ---- a majority ---- */

static void test_a_majority_is_asked(void **state) {
        static const uint8_t wanted[][2] = { { 1, 1 }, { 2, 2 }, { 3, 2 }, { 4, 3 }, { 5, 3 }, { 8, 5 }, { 64, 33 } };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = peer_new(&settings);

                set_seeds_up_to(h, wanted[i][0]);
                assert_int_equal(n_asked_for(h, wanted[i][0]), wanted[i][1]);
                assert_int_equal(node_n_seeds(harness_node(h)), wanted[i][0]);
                assert_int_equal(node_n_wanted(harness_node(h)), wanted[i][1]);
        }
}

static void test_without_seeds_nobody_is_asked(void **state) {
        Harness *h = *state;

        set_seeds_up_to(h, 0);
        harness_advance(h, 60 * SEC);
        assert_int_equal(node_n_wanted(harness_node(h)), 0);
        assert_int_equal(node_n_registered(harness_node(h)), 0);
        expect_no_dial(h);
}

static void test_the_majority_is_drawn_at_random(void **state) {
        unsigned n_drawn[6] = {};
        (void) state;

        for (uint64_t run = 1; run <= 300; run++) {
                NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = harness_new_run(&settings, OWN, run);

                harness_start(h);
                set_seeds_up_to(h, 5);
                for (uint8_t i = 1; i <= 5; i++)
                        n_drawn[i] += harness_asked_for(h, i);
        }
        for (uint8_t i = 1; i <= 5; i++)
                assert_in_range(n_drawn[i], 140, 220);          /* three of five: 180 */
}

static void test_a_seed_that_fails_is_replaced_by_another(void **state) {
        Harness *h = *state;
        uint8_t failed;

        set_seeds_up_to(h, 3);
        failed = first_asked_for(h, 3);
        fail_seed(h, failed);
        assert_int_equal(n_asked_for(h, 3), 2);
        assert_false(harness_asked_for(h, failed));

        /* When all have failed, all are tried again. */
        for (unsigned i = 0; i < 2; i++)
                fail_seed(h, first_asked_for(h, 3));
        assert_int_equal(n_asked_for(h, 3), 0);
        harness_advance(h, 200 * MSEC);
        assert_int_equal(n_asked_for(h, 3), 2);
}

static void test_a_registered_seed_that_goes_is_replaced(void **state) {
        Harness *h = *state;
        LinkId links[4] = {};
        uint8_t gone = 0, other = 0;
        const Notice *notice;

        set_seeds_up_to(h, 3);
        for (uint8_t i = 1; i <= 3; i++)
                if (harness_asked_for(h, i))
                        links[i] = register_with(h, i);
                else
                        other = i;
        gone = links[1] != 0 ? 1 : 2;
        assert_int_equal(node_n_registered(harness_node(h)), 2);
        while (harness_notice(h, NOTICE_SEED_REGISTERED))
                ;

        harness_change(h, links[gone], LINK_RESET);
        notice = harness_notice(h, NOTICE_SEED_LOST);
        assert_non_null(notice);
        assert_int_equal(notice->n, 1);
        assert_int_equal(notice->n_max, 2);
        assert_string_equal(notice->detail, "the connection broke");
        assert_true(harness_asked_for(h, other));
        register_with(h, other);
        assert_int_equal(node_n_registered(harness_node(h)), 2);
        harness_advance(h, 20 * SEC);
        assert_int_equal(n_asked_for(h, 3), 0);                 /* the first one is not needed now, */
        assert_int_equal(seed_info(h, gone - 1U).state, SEED_UNREACHABLE);      /* but it is not well for all that */
        assert_string_equal(seed_info(h, gone - 1U).error, "the connection broke");
}

/* ---- attempts ---- */

static void test_all_addresses_of_a_name_are_tried_in_turn(void **state) {
        Harness *h = *state;
        Address addresses[10], dialled;

        for (uint8_t i = 0; i < 10; i++)
                addresses[i] = harness_address((uint8_t) (100 + i), 5000);
        set_seeds_up_to(h, 1);
        assert_int_equal(seed_info(h, 0).state, SEED_RESOLVING);
        harness_resolve(h, 1, addresses, 10);
        for (unsigned i = 0; i < 8; i++) {                      /* of more, nobody needs to know */
                LinkId link = harness_dialled(h, &dialled);

                assert_int_not_equal(link, 0);
                assert_int_equal(seed_info(h, 0).state, SEED_CONNECTING);
                assert_true(address_equal(&dialled, addresses + i));
                harness_change(h, link, LINK_REFUSED);
        }
        expect_no_dial(h);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
}

static void test_attempts_are_made_after_100_ms_doubling_to_20_s(void **state) {
        Harness *h = *state;
        usec_t backoff_usec = 100 * MSEC;
        bool was_early = false, was_late = false;

        set_seeds_up_to(h, 1);
        for (unsigned i = 0; i < 30; i++) {
                usec_t since_usec = harness_now(h), next_usec;

                fail_seed(h, 1);
                next_usec = seed_info(h, 0).next_usec;
                assert_in_range(next_usec - since_usec, backoff_usec / 2, backoff_usec * 3 / 2);
                was_early |= next_usec - since_usec < backoff_usec * 3 / 4;
                was_late |= next_usec - since_usec > backoff_usec * 5 / 4;

                harness_advance(h, next_usec - since_usec - 1);
                assert_false(harness_asked_for(h, 1));
                harness_advance(h, 1);
                assert_true(harness_asked_for(h, 1));
                backoff_usec = MIN(2 * backoff_usec, 20 * SEC);
        }
        assert_true(was_early && was_late);
}

static void test_a_registration_ends_the_backing_off(void **state) {
        Harness *h = *state;
        LinkId link;

        set_seeds_up_to(h, 1);
        for (unsigned i = 0; i < 10; i++) {
                fail_seed(h, 1);
                harness_advance(h, 30 * SEC);
        }
        link = register_with(h, 1);
        harness_change(h, link, LINK_CLOSED);
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 50 * MSEC, 150 * MSEC);
}

static void test_a_seed_that_sends_away_at_once_is_backed_off_from(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);

        set_seeds_up_to(h, 1);
        for (unsigned i = 0; i < 10; i++) {
                LinkId link = resolve_seed(h, 1);

                assert_true(harness_answer(h, link, &seed, NULL));
                send_close(h, link, CLOSE_BUSY);
                assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
                if (i < 9)
                        harness_advance(h, 30 * SEC);
        }
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 10 * SEC, 30 * SEC);
}

/* The seed of one address turns us away. */
static void turn_away(Harness *h, uint32_t retry_msec) {
        Message message = { .type = MESSAGE_CLOSE, .close = { .reason = CLOSE_BUSY, .retry_after_msec = retry_msec, .detail = "" } };
        LinkId link = resolve_seed(h, 1);

        harness_change(h, link, LINK_CONNECTED);
        harness_send(h, link, &message);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
}

static void test_who_is_told_when_to_call_again_does_not_call_before(void **state) {
        static const uint32_t told_msec[] = { 200, 1000, 7000, 20000 };
        Harness *h = *state;

        set_seeds_up_to(h, 1);
        for (size_t i = 0; i < ELEMENTSOF(told_msec); i++) {
                usec_t wait_usec;

                turn_away(h, told_msec[i]);
                expect_no_dial(h);
                wait_usec = seed_info(h, 0).next_usec - harness_now(h);
                assert_in_range(wait_usec, told_msec[i] * MSEC, told_msec[i] * MSEC * 9 / 8);
                harness_advance(h, wait_usec);
        }
        /* That it was busy is no failure: the next one is waited for like the first. */
        fail_seed(h, 1);
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 50 * MSEC, 150 * MSEC);
}

static void test_nobody_is_stayed_away_from_for_more_than_20_seconds(void **state) {
        Harness *h = *state;

        set_seeds_up_to(h, 1);
        turn_away(h, UINT32_MAX);
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 20 * SEC, 20 * SEC * 9 / 8);
}

static void test_a_busy_seed_is_replaced_by_another(void **state) {
        Harness *h = *state;

        set_seeds_up_to(h, 2);
        harness_set_seeds(h, (uint8_t[]) { 1, 2, 3, 0 });
        for (uint8_t i = 1; i <= 3; i++) {
                Message message = { .type = MESSAGE_CLOSE, .close = { .reason = CLOSE_BUSY, .retry_after_msec = 9000, .detail = "" } };
                LinkId link;

                if (!harness_asked_for(h, i))
                        continue;
                link = resolve_seed(h, i);
                harness_change(h, link, LINK_CONNECTED);
                harness_send(h, link, &message);
                break;
        }
        assert_int_equal(n_asked_for(h, 3), 2);
}

/* ---- what is said of it ---- */

static void test_it_is_said_once_that_a_seed_cannot_be_reached(void **state) {
        Harness *h = *state;
        const Notice *notice;

        set_seeds_up_to(h, 1);
        fail_seed(h, 1);
        notice = harness_notice(h, NOTICE_SEED_UNREACHABLE);
        assert_non_null(notice);
        assert_string_equal(notice->seed, "seed-1:5000");
        assert_string_equal(notice->detail, "no such name");
        assert_string_equal(seed_info(h, 0).error, "no such name");
        for (unsigned i = 0; i < 5; i++) {
                harness_advance(h, 30 * SEC);
                fail_seed(h, 1);
        }
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));

        harness_advance(h, 30 * SEC);
        send_close(h, register_with(h, 1), CLOSE_LEAVING);      /* one spell is over, another one begins: */
        assert_non_null(harness_notice(h, NOTICE_SEED_LOST));
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));        /* one event, one sentence */
        harness_advance(h, 30 * SEC);
        fail_seed(h, 1);
        assert_non_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));
}

static void test_a_name_without_a_reason_is_not_known(void **state) {
        Harness *h = *state;
        unsigned number = 0;

        set_seeds_up_to(h, 1);
        for (number = 1; number < 10; number++)
                assert_int_equal(node_on_resolved(harness_node(h), number, NULL, 0, NULL, harness_now(h)), 0);
        harness_settle(h);
        assert_string_equal(seed_info(h, 0).error, "the name is not known");
}

static void test_it_is_said_how_the_last_attempt_failed(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);
        Message message;
        LinkId link;

        set_seeds_up_to(h, 1);
        harness_change(h, resolve_seed(h, 1), LINK_REFUSED);
        assert_string_equal(seed_info(h, 0).error, "nobody listens there");

        harness_advance(h, 30 * SEC);
        harness_change(h, resolve_seed(h, 1), LINK_UNREACHABLE);
        assert_string_equal(seed_info(h, 0).error, "no connection");

        harness_advance(h, 30 * SEC);
        link = resolve_seed(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        harness_advance(h, 5 * SEC);
        assert_string_equal(seed_info(h, 0).error, "it does not answer");
        assert_false(harness_is_up(h, link));

        harness_advance(h, 30 * SEC);
        link = resolve_seed(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        message_set(&message, MESSAGE_CLOSE, close, .reason = CLOSE_NETWORK, .detail = "Not this one.");
        harness_send(h, link, &message);
        assert_string_equal(seed_info(h, 0).error, "it closed the session (network): not this one");

        harness_advance(h, 30 * SEC);
        link = resolve_seed(h, 1);
        assert_true(harness_answer(h, link, &seed, NULL));
        send_close(h, link, (CloseReason) 99);
        assert_string_equal(seed_info(h, 0).error, "it closed the session (unknown reason)");

        harness_advance(h, 30 * SEC);
        register_with(h, 1);
        assert_string_equal(seed_info(h, 0).error, "");
}

static void test_a_registered_seed_can_be_shown(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);
        SeedInfo info;
        LinkId link;

        set_seeds_up_to(h, 1);
        info = seed_info(h, 0);
        assert_true(node_id_is_null(&info.id));
        assert_string_equal(info.name, "");
        link = register_with(h, 1);
        send_list_ok(h, link, 17, NULL, 0);
        info = seed_info(h, 0);
        assert_string_equal(info.entry.host, "seed-1");
        assert_int_equal(info.entry.port, 5000);
        assert_int_equal(info.state, SEED_REGISTERED);
        assert_true(address_equal(&info.address, &seed.addresses[0]));
        assert_true(node_id_equal(&info.id, &seed.id));
        assert_string_equal(info.name, "other");
        assert_int_equal(info.total, 17);
        assert_in_range(info.next_usec, HARNESS_START + 27 * SEC, HARNESS_START + 30 * SEC);
        assert_int_equal(info.since_usec, HARNESS_START);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
                cmocka_unit_test(test_a_majority_is_asked),
                TEST(test_without_seeds_nobody_is_asked),
                cmocka_unit_test(test_the_majority_is_drawn_at_random),
                TEST(test_a_seed_that_fails_is_replaced_by_another),
                TEST(test_a_registered_seed_that_goes_is_replaced),
                TEST(test_all_addresses_of_a_name_are_tried_in_turn),
                TEST(test_attempts_are_made_after_100_ms_doubling_to_20_s),
                TEST(test_a_registration_ends_the_backing_off),
                TEST(test_a_seed_that_sends_away_at_once_is_backed_off_from),
                TEST(test_who_is_told_when_to_call_again_does_not_call_before),
                TEST(test_nobody_is_stayed_away_from_for_more_than_20_seconds),
                TEST(test_a_busy_seed_is_replaced_by_another),
                TEST(test_it_is_said_once_that_a_seed_cannot_be_reached),
                TEST(test_a_name_without_a_reason_is_not_known),
                TEST(test_it_is_said_how_the_last_attempt_failed),
                TEST(test_a_registered_seed_can_be_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
