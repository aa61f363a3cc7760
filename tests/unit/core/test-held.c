/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 4.5: what others hold of a node, and what it does about it. */

#include "overlay.h"

#define EPOCH_LIMIT (UINT64_C(1) << 63)

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

/* It changes nothing; who says so is told again, as it may take us for another node. */
static void test_an_earlier_life_is_no_accusation(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        const Message *refute;

        send_accused(h, link, HARNESS_EPOCH - 1, 99, MEMBER_DEAD);
        refute = expect(h, link, MESSAGE_REFUTE);
        assert_int_equal(refute->reg.record.epoch, HARNESS_EPOCH);
        assert_int_equal(refute->reg.record.incarnation, 0);
        expect_nothing(h, link);
        assert_int_equal(own_epoch(h), HARNESS_EPOCH);
        assert_int_equal(node_incarnation(harness_node(h)), 0);

        send_accused(h, link, HARNESS_EPOCH - 1, 99, MEMBER_ALIVE);     /* nothing to refute */
        expect_nothing(h, link);
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

        send_accused(h, link, HARNESS_EPOCH, 0, MEMBER_DEAD);           /* was refuted already: it is said again */
        assert_int_equal(node_incarnation(harness_node(h)), 1);
        assert_int_equal(expect(h, link, MESSAGE_REFUTE)->reg.record.incarnation, 1);
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

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_a_higher_epoch_is_jumped_over),
                TEST(test_held_in_answers_counts_as_well),
                TEST(test_an_earlier_life_is_no_accusation),
                TEST(test_only_what_is_wrong_is_refuted),
                TEST(test_behind_the_last_incarnation_comes_the_next_epoch),
                cmocka_unit_test(test_behind_the_last_epoch_comes_a_new_id),
                cmocka_unit_test(test_a_new_id_may_be_taken_in_the_middle_of_an_answer),
                TEST_QUIET(test_an_accusation_is_refuted_where_it_was_made),
                TEST(test_others_that_jump_an_epoch_can_leave_as_before),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
