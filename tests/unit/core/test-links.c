/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 5.1 and 5.2: how links come and go, and who is refused. */

#include "overlay.h"

#include <errno.h>

/* ---- calling ---- */

static void test_a_caller_asks_first_then_is_linked(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);
        Other other = harness_peer(1);
        const Notice *notice;
        const Message *message;

        assert_true(harness_answer(h, link, &other, NULL));
        message = expect(h, link, MESSAGE_NEIGHBOR);
        assert_int_equal(message->neighbor.n_links, 0);
        expect_nothing(h, link);
        assert_int_equal(n_links(h), 0);
        assert_false(member_of(h, 1).linked);

        send_accept(h, link, 3);
        assert_int_equal(n_links(h), 1);
        assert_int_equal(peer_n_links_out(harness_node(h)), 1);
        assert_true(member_of(h, 1).linked);
        assert_false(member_of(h, 1).incoming);
        assert_int_equal(member_of(h, 1).n_links, 3);
        notice = harness_notice(h, NOTICE_LINKED);
        assert_non_null(notice);
        assert_false(notice->incoming);
        assert_int_equal(notice->n, 1);
        assert_int_equal(notice->n_max, 4);
        assert_true(address_equal(&notice->address, &other.addresses[0]));
}

static void test_who_has_no_link_asks_with_high_priority(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(3);
        Other other;
        LinkId links[3];
        uint8_t ids[3];
        (void) state;

        for (unsigned i = 0; i < 3; i++)
                ids[i] = next_dial(h, links + i);
        other = harness_peer(ids[0]);
        assert_true(harness_answer(h, links[0], &other, NULL));
        assert_int_equal(expect(h, links[0], MESSAGE_NEIGHBOR)->neighbor.priority, PRIORITY_HIGH);
        send_accept(h, links[0], 1);
        other = harness_peer(ids[1]);
        assert_true(harness_answer(h, links[1], &other, NULL));         /* what it is then, not when it dialled */
        assert_int_equal(expect(h, links[1], MESSAGE_NEIGHBOR)->neighbor.priority, PRIORITY_LOW);
}

static void test_three_are_dialled_at_a_time_and_four_in_all(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(10);
        LinkId links[5];
        uint8_t ids[5];
        (void) state;

        for (unsigned i = 0; i < 3; i++)
                ids[i] = next_dial(h, links + i);
        expect_no_dial(h);

        answer_neighbor(h, links[0], ids[0]);
        expect_no_dial(h);                      /* it has not been accepted yet */
        send_accept(h, links[0], 1);
        ids[3] = next_dial(h, links + 3);
        assert_int_not_equal(ids[3], 0);
        expect_no_dial(h);

        answer_neighbor(h, links[1], ids[1]);
        send_accept(h, links[1], 1);
        expect_no_dial(h);                      /* two are up, two are being dialled */
        for (unsigned i = 2; i < 4; i++) {
                answer_neighbor(h, links[i], ids[i]);
                send_accept(h, links[i], 1);
        }
        expect_no_dial(h);
        assert_int_equal(peer_n_links_out(harness_node(h)), 4);
        for (unsigned i = 0; i < 4; i++)
                for (unsigned j = 0; j < i; j++)
                        assert_int_not_equal(ids[i], ids[j]);
}

/* Hosts that lost power take no calls, and refuse none: when most are gone, waiting 5 s for each would take minutes. */
static void test_who_is_slow_to_take_a_call_does_not_hold_up_the_others(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(20);
        LinkId link, first = 0;
        unsigned n = 0;
        (void) state;

        while (next_dial(h, &link) != 0) {
                first = first ?: link;
                n++;
        }
        assert_int_equal(n, 3);
        harness_advance(h, 500 * MSEC - 1);
        expect_no_dial(h);
        for (unsigned i = 2; i <= 4; i++) {
                harness_advance(h, i == 2 ? 1 : 500 * MSEC);
                while (next_dial(h, &link) != 0)
                        n++;
                assert_int_equal(n, 3 * i);
        }
        harness_advance(h, 500 * MSEC);
        expect_no_dial(h);                      /* twelve at most */

        answer_neighbor(h, first, 1);           /* late, and welcome */
        send_accept(h, first, 1);
        assert_int_equal(n_links(h), 1);
}

static void test_inbound_links_do_not_count_against_outgoing_ones(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(10);
        LinkId link;
        (void) state;

        for (uint8_t n = 100; n < 108; n++)
                link_in(h, n);
        for (unsigned i = 0; i < 4; i++) {
                uint8_t id = next_dial(h, &link);

                assert_int_not_equal(id, 0);
                answer_neighbor(h, link, id);
                send_accept(h, link, 1);
        }
        assert_int_equal(peer_n_links_out(harness_node(h)), 4);
        assert_int_equal(n_links(h), 12);
}

static void test_when_one_fails_the_next_is_dialled(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(8);
        LinkId links[4], link;
        uint8_t id;
        (void) state;

        for (unsigned i = 0; i < 3; i++)
                (void) next_dial(h, links + i);
        harness_change(h, links[0], LINK_REFUSED);
        assert_int_not_equal(next_dial(h, &link), 0);
        harness_change(h, links[1], LINK_UNREACHABLE);
        assert_int_not_equal(next_dial(h, &link), 0);

        harness_change(h, links[2], LINK_CONNECTED);
        harness_change(h, links[2], LINK_RESET);
        id = next_dial(h, &link);
        assert_int_not_equal(id, 0);

        answer_neighbor(h, link, id);
        send_busy(h, link, NULL, 0);
        expect_close(h, link, CLOSE_DONE);
        assert_non_null(harness_notice(h, NOTICE_BUSY));
        assert_int_equal(counted(h, COUNTER_BUSY_RECEIVED), 1);
        assert_int_not_equal(next_dial(h, &link), 0);
        expect_no_dial(h);
}

static void test_an_answer_to_neighbor_comes_within_5_seconds(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);

        answer_neighbor(h, link, 1);
        harness_advance(h, 5 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_TIMEOUT);
        assert_int_equal(n_links(h), 0);
}

static void test_who_was_too_slow_is_not_needed(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = harness_new(&settings, OWN);
        LostPeer lost[2] = { { .address = harness_address(1, 6000) }, { .address = harness_address(2, 6000) } };
        LinkId first, second;
        uint8_t ids[2];
        (void) state;

        assert_int_equal(peer_set_lost(harness_node(h), lost, 2), 0);
        harness_start(h);
        ids[0] = next_dial(h, &first);
        ids[1] = next_dial(h, &second);
        answer_neighbor(h, first, ids[0]);
        answer_neighbor(h, second, ids[1]);
        settings.params.links_outgoing = 1;     /* while both are being asked */
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        send_accept(h, first, 1);
        send_accept(h, second, 1);
        expect_disconnected(h, second, CLOSE_BUSY);
        assert_true(harness_is_up(h, first));
        assert_int_equal(n_links(h), 1);
}

static void test_a_seed_is_no_link(void **state) {
        Harness *h = *state;
        LinkId link = dial_to(h, 1);
        Other seed = harness_seed(1);

        assert_true(harness_answer(h, link, &seed, NULL));
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(node_n_members(harness_node(h)), 0);
        assert_int_equal(peer_lost(harness_node(h), &(LostPeer) {}, 1), 0);
        expect_no_dial(h);
}

static void test_ourselves_are_no_link(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(1);
        LinkId link;
        (void) state;

        assert_int_equal(next_dial(h, &link), 1);
        harness_change(h, link, LINK_CONNECTED);
        expect(h, link, MESSAGE_HELLO);
        send_close(h, link, CLOSE_SELF);
        assert_int_equal(peer_lost(harness_node(h), &(LostPeer) {}, 1), 0);
        harness_advance(h, 60 * SEC);
        expect_no_dial(h);
}

static void test_whom_we_have_a_session_with_is_not_dialled(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId session = harness_open(h, &other);       /* it has not said what for */

        harness_advance(h, 20 * SEC);
        expect_no_dial(h);
        send_close(h, session, CLOSE_DONE);
        harness_advance(h, 1 * SEC);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
}

/* ---- merging ---- */

static void test_a_merge_gives_up_the_youngest_of_too_many(void **state) {
        Harness *h = *state;
        LinkId links[4], merged;

        harness_set_answering(h, true);
        for (uint8_t i = 0; i < 4; i++) {
                links[i] = link_out(h, (uint8_t) (i + 1));
                harness_advance(h, 10 * MSEC);
        }
        harness_drop_sent(h);
        merged = link_out(h, 5);
        expect_disconnected(h, links[3], CLOSE_BUSY);
        for (unsigned i = 0; i < 3; i++)
                assert_true(harness_is_up(h, links[i]));
        assert_true(harness_is_up(h, merged));
        assert_int_equal(peer_n_links_out(harness_node(h)), 4);
}

/* ---- ends ---- */

static void test_a_disconnect_ends_the_link_and_says_why(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Notice *notice;

        send_disconnect(h, link, CLOSE_BUSY);
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(n_links(h), 0);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_non_null(notice);
        assert_int_equal(notice->reason, CLOSE_BUSY);
        assert_false(notice->by_us);
        assert_true(notice->incoming);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SILENT));
}

static void test_our_disconnect_says_why(void **state) {
        Harness *h = *state;
        NodeId id = ID(1), unknown = ID(2);
        Other caller = harness_peer(3);
        LinkId link = link_in(h, 1);
        const Notice *notice;

        harness_drop_sent(h);
        assert_int_not_equal(harness_open(h, &caller), 0);
        assert_int_equal(peer_disconnect(harness_node(h), &unknown, harness_now(h)), -ESRCH);
        assert_int_equal(peer_disconnect(harness_node(h), &caller.id, harness_now(h)), -ESRCH);     /* no link */
        assert_int_equal(peer_disconnect(harness_node(h), &id, harness_now(h)), 0);
        harness_settle(h);
        expect_disconnected(h, link, CLOSE_DONE);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_int_equal(notice->reason, CLOSE_DONE);
        assert_true(notice->by_us);
        assert_int_equal(peer_disconnect(harness_node(h), &id, harness_now(h)), -ESRCH);
}

static void test_who_leaves_in_order_has_left(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Notice *notice;

        send_close(h, link, CLOSE_LEAVING);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        notice = harness_notice(h, NOTICE_UNLINKED);
        assert_int_equal(notice->reason, CLOSE_LEAVING);
        assert_false(notice->by_us);
        harness_set_answering(h, true);
        harness_advance(h, 5 * SEC);
        assert_non_null(harness_notice(h, NOTICE_LEFT));
        assert_null(harness_notice(h, NOTICE_SUSPECT));
        expect_no_dial(h);
}

/* Whatever a session was opened for, its other end knows best that it goes. */
static void test_who_leaves_in_order_says_so_on_any_session(void **state) {
        Harness *h = *state;
        Other called = harness_peer(2), asked = harness_peer(4), probing = harness_peer(5), stranger = harness_peer(6);
        const uint8_t all[] = { 2, 3, 4, 5 };
        LinkId link;

        send_close(h, harness_open(h, &called), CLOSE_LEAVING);

        link = dial_to(h, 3);
        answer_neighbor(h, link, 3);
        send_close(h, link, CLOSE_LEAVING);

        send_disconnect(h, link_in(h, 4), CLOSE_DONE);
        assert_int_equal(node_ping(harness_node(h), &asked.id, 1, harness_now(h)), 0);
        harness_settle(h);
        link = expect_dial(h, 4);
        assert_true(harness_answer(h, link, &asked, NULL));
        send_close(h, link, CLOSE_LEAVING);

        send_disconnect(h, link_in(h, 5), CLOSE_DONE);
        probing.purpose = PURPOSE_PROBE;
        send_close(h, harness_open(h, &probing), CLOSE_LEAVING);

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(member_of(h, all[i]).state, MEMBER_LEFT);

        /* Nobody has said who it is before the handshake is done; an earlier life speaks for itself alone. */
        link = dial_to(h, 3);
        harness_change(h, link, LINK_CONNECTED);
        send_close(h, link, CLOSE_LEAVING);
        send_disconnect(h, link_in(h, 6), CLOSE_DONE);
        link = harness_call(h, &stranger);
        stranger.epoch++;
        assert_int_not_equal(harness_open(h, &stranger), 0);
        if (harness_is_up(h, link))
                send_close(h, link, CLOSE_LEAVING);
        assert_int_equal(member_of(h, 6).state, MEMBER_ALIVE);
}

static void test_the_place_of_a_lost_link_is_filled(void **state) {
        _cleanup_(harness_freep) Harness *h = peer_with_candidates(6);
        LinkId links[4], link;
        uint8_t ids[4];
        (void) state;

        for (unsigned i = 0; i < 4; i++) {
                ids[i] = next_dial(h, links + i);
                answer_neighbor(h, links[i], ids[i]);
                send_accept(h, links[i], 1);
        }
        expect_no_dial(h);
        send_close(h, links[0], CLOSE_LEAVING);
        assert_int_not_equal(next_dial(h, &link), 0);
        expect_no_dial(h);
}

/* ---- by hand ---- */

static void test_a_connection_by_hand_is_refused_when_it_makes_no_sense(void **state) {
        Harness *h = *state;
        Address address = harness_address(1, 6000), nowhere = { .family = ADDRESS_IPV4 };
        LinkId link = dial_to(h, 1);

        assert_int_equal(peer_connect(harness_node(h), &nowhere, harness_now(h)), -EINVAL);
        assert_int_equal(peer_connect(harness_node(h), &address, harness_now(h)), -EALREADY);
        answer_neighbor(h, link, 1);
        send_accept(h, link, 1);
        assert_int_equal(peer_connect(harness_node(h), &address, harness_now(h)), -EALREADY);
        send_disconnect(h, link, CLOSE_DONE);
        assert_int_equal(peer_connect(harness_node(h), &address, harness_now(h)), 0);
        harness_settle(h);
}

static void test_a_seed_is_not_connected_to_by_hand(void **state) {
        Harness *h = *state;
        Address address = harness_address(200, 5000);
        LinkId seed = set_seed(h);

        assert_int_equal(peer_connect(harness_node(h), &address, harness_now(h)), -EISCONN);
        harness_settle(h);
        expect_no_dial(h);
        assert_true(harness_is_up(h, seed));
        assert_int_equal(node_n_registered(harness_node(h)), 1);

        /* Somebody else may be there now. */
        harness_change(h, seed, LINK_RESET);
        assert_int_equal(peer_connect(harness_node(h), &address, harness_now(h)), 0);
        harness_settle(h);
}

/* ---- what has no place ---- */

static void test_messages_out_of_place_end_the_session(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(9), caller = harness_peer(1), stranger = harness_peer(7);
        LinkId link = link_in(h, 1);

        harness_drop_sent(h);
        send_neighbor(h, link, PRIORITY_LOW, 0);                /* twice */
        expect_close(h, link, CLOSE_PROTOCOL);

        link = harness_open(h, &caller);
        send_accept(h, link, 1);                                /* nobody asked it */
        expect_close(h, link, CLOSE_PROTOCOL);
        link = harness_open(h, &caller);
        send_busy(h, link, NULL, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
        link = harness_open(h, &caller);
        send_register(h, link, &(Record) { .id = ID(1), .role = ROLE_PEER, .name = "x" }, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
        link = harness_open(h, &caller);
        send_report(h, link, 2);
        expect_close(h, link, CLOSE_PROTOCOL);
        link = harness_open(h, &caller);
        send_refute(h, link, &stranger, HARNESS_EPOCH, 1);      /* for somebody else */
        expect_close(h, link, CLOSE_PROTOCOL);
        link = harness_open(h, &caller);
        send_refute(h, link, &caller, UINT64_C(1) << 63, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
        link = harness_open(h, &seed);
        send_neighbor(h, link, PRIORITY_LOW, 0);                /* seeds have no links */
        expect_close(h, link, CLOSE_PROTOCOL);
        link = dial_to(h, 3);
        answer_neighbor(h, link, 3);
        send_neighbor(h, link, PRIORITY_LOW, 0);                /* we were asking */
        expect_close(h, link, CLOSE_PROTOCOL);
        link = link_out(h, 4);
        harness_drop_sent(h);
        send_accept(h, link, 1);                                /* twice */
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(n_links(h), 0);
        assert_null(harness_notice(h, NOTICE_SILENT));
}

/* ---- classic ---- */

static Harness *classic_peer(void) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);

        return peer_new(&settings);
}

static void test_classic_counts_both_directions(void **state) {
        _cleanup_(harness_freep) Harness *h = classic_peer();
        (void) state;

        link_out(h, 1);
        link_out(h, 2);
        link_in(h, 3);
        link_in(h, 4);
        expect_no_dial(h);
        expect_busy(h, ask(h, 5, PRIORITY_LOW));
        assert_int_equal(n_links(h), 4);
        expect_accepted(h, ask(h, 6, PRIORITY_HIGH));           /* the fifth place */
        assert_int_equal(n_links(h), 5);
        harness_drop_sent(h);
        expect_accepted(h, ask(h, 7, PRIORITY_HIGH));           /* one of those that came makes room */
        assert_int_equal(n_links(h), 5);
        assert_int_equal(peer_n_links_out(harness_node(h)), 2);
}

static void test_classic_callers_never_cost_a_link_of_our_own(void **state) {
        _cleanup_(harness_freep) Harness *h = classic_peer();
        LinkId links[4];
        (void) state;

        for (uint8_t i = 0; i < 4; i++) {
                links[i] = link_out(h, (uint8_t) (i + 1));
                harness_advance(h, 1);
        }
        harness_drop_sent(h);
        expect_accepted(h, ask(h, 5, PRIORITY_HIGH));
        expect_accepted(h, ask(h, 6, PRIORITY_HIGH));
        expect_accepted(h, ask(h, 7, PRIORITY_HIGH));
        assert_int_equal(n_links(h), 5);
        for (unsigned i = 0; i < 4; i++)
                assert_true(harness_is_up(h, links[i]));
        assert_true(member_of(h, 7).linked);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_caller_asks_first_then_is_linked),
                cmocka_unit_test(test_who_has_no_link_asks_with_high_priority),
                cmocka_unit_test(test_three_are_dialled_at_a_time_and_four_in_all),
                cmocka_unit_test(test_who_is_slow_to_take_a_call_does_not_hold_up_the_others),
                cmocka_unit_test(test_inbound_links_do_not_count_against_outgoing_ones),
                cmocka_unit_test(test_when_one_fails_the_next_is_dialled),
                TEST(test_an_answer_to_neighbor_comes_within_5_seconds),
                cmocka_unit_test(test_who_was_too_slow_is_not_needed),
                TEST(test_a_seed_is_no_link),
                cmocka_unit_test(test_ourselves_are_no_link),
                TEST(test_whom_we_have_a_session_with_is_not_dialled),
                TEST(test_a_merge_gives_up_the_youngest_of_too_many),
                TEST_QUIET(test_a_disconnect_ends_the_link_and_says_why),
                TEST_QUIET(test_our_disconnect_says_why),
                TEST_QUIET(test_who_leaves_in_order_has_left),
                TEST_QUIET(test_who_leaves_in_order_says_so_on_any_session),
                cmocka_unit_test(test_the_place_of_a_lost_link_is_filled),
                TEST_QUIET(test_a_connection_by_hand_is_refused_when_it_makes_no_sense),
                TEST_QUIET(test_a_seed_is_not_connected_to_by_hand),
                TEST_QUIET(test_messages_out_of_place_end_the_session),
                cmocka_unit_test(test_classic_counts_both_directions),
                cmocka_unit_test(test_classic_callers_never_cost_a_link_of_our_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
