/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 4.3 and 4.4: two sessions with one id, one id at two addresses. */

#include "overlay.h"

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

/* It was on its way when the newest came. */
static void test_the_elder_ends_although_it_becomes_a_link(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId first = harness_open(h, &other), second;

        answer_pings(h);
        second = link_in_of(h, &other, 0);
        send_neighbor(h, first, PRIORITY_LOW, 0);
        assert_non_null(harness_find(h, first, MESSAGE_ACCEPT));
        harness_advance(h, 10 * SEC);
        assert_false(harness_is_up(h, first));
        assert_true(harness_is_up(h, second));
        assert_int_equal(n_links(h), 1);
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

/* Both came to be held of one id, as each said an epoch that the other had raised: one of them still has to go. */
static void test_a_copy_goes_whose_address_is_held_too(void **state) {
        Harness *h = *state;
        Other copy = elsewhere(HARNESS_EPOCH), held = harness_peer(1);
        LinkId check, link;

        hold(h);
        send_close(h, harness_open(h, &copy), CLOSE_DONE);
        while (harness_dialled(h, NULL) != 0)
                ;
        assert_int_equal(member_of(h, 1).record->n_addresses, 2);
        harness_drop_sent(h);

        link = call_from_elsewhere(h, HARNESS_EPOCH + 1, &check);
        assert_true(harness_answer(h, check, &held, NULL));
        expect_close(h, link, CLOSE_DUPLICATE_ID);
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
        other = harness_peer(1);                        /* the address that is held: restarted */
        other.epoch += 2;
        other.remote = harness_address(66, 40000);
        expect_no_check(h, &other);
        other = elsewhere(HARNESS_EPOCH + 2);           /* the epoch that is held: moved, or another of its addresses */
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
        harness_advance(h, 2 * SEC);
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
                TEST(test_the_smaller_id_keeps_the_session_that_came_last),
                TEST_QUIET(test_the_larger_id_uses_the_newest_and_reads_the_elder),
                TEST_QUIET(test_the_elder_ends_although_it_becomes_a_link),
                TEST(test_the_end_of_the_elder_accuses_nobody),
                TEST_QUIET(test_the_elder_is_used_again_when_the_newest_ends),
                TEST(test_a_higher_epoch_replaces_at_once),
                TEST_QUIET(test_a_lower_epoch_does_not_replace),
                TEST(test_dials_that_cross_leave_one_link),
                TEST_QUIET(test_a_copy_of_a_living_node_is_sent_away),
                TEST_QUIET(test_one_node_at_two_addresses_is_no_copy),
                TEST_QUIET(test_a_copy_goes_whose_address_is_held_too),
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
