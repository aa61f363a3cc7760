/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What another seed told of members: whose word holds, for how long, and against what. */

#include "expect-mesh.h"

static void test_synced_records_carry_their_age(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        const Notice *notice;

        send_record(h, link, 1, MEMBER_ALIVE, 60000);
        assert_true(is_listed(h, 1));
        assert_int_equal(member_of(h, 1).registered_usec, 0);
        notice = harness_notice(h, NOTICE_JOINED);
        assert_non_null(notice);
        assert_int_equal(notice->n, 1);

        /* Leases that began before our start are given their full time, so look at a later one. */
        harness_advance(h, 130 * SEC);
        link = link_seed(h, 201);
        send_record(h, link, 2, MEMBER_ALIVE, 60000);
        harness_advance(h, 30 * SEC - 1);
        assert_true(is_listed(h, 2));
        harness_advance(h, 1);
        assert_true(member_of(h, 2).lost);
}

static void test_what_is_older_than_a_lease_is_not_taken(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);

        send_record(h, link, 1, MEMBER_ALIVE, 90000);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_renewals_extend_and_never_shorten(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        usec_t end;

        for (unsigned i = 0; i < 10; i++) {
                /* Leases that began before our start have their full time, so let that be long ago. */
                harness_advance(h, 30 * SEC);
                send_digest(h, link, (uint8_t[]) { 0 });
        }
        register_peer(h, 1, 4);
        end = member_of(h, 1).lease_end_usec;
        harness_advance(h, 20 * SEC);
        send_renewal(h, link, 1, HARNESS_EPOCH, 30000);
        assert_int_equal(member_of(h, 1).lease_end_usec, end);
        send_renewal(h, link, 1, HARNESS_EPOCH, 5000);
        assert_int_equal(member_of(h, 1).lease_end_usec, end + 15 * SEC);
        send_renewal(h, link, 1, HARNESS_EPOCH - 1, 0);
        assert_int_equal(member_of(h, 1).lease_end_usec, end + 15 * SEC);
        send_record(h, link, 1, MEMBER_ALIVE, 1000);
        assert_int_equal(member_of(h, 1).lease_end_usec, end + 19 * SEC);
        send_renewal(h, link, 9, HARNESS_EPOCH, 0);
        assert_int_equal(node_n_members(harness_node(h)), 1);
}

static void test_a_renewal_elsewhere_brings_a_lost_one_back(void **state) {
        Harness *h = *state;
        LinkId link;

        harness_change(h, register_peer(h, 1, 4), LINK_RESET);
        harness_advance(h, 90 * SEC);
        assert_true(member_of(h, 1).lost);
        link = link_seed(h, 200);
        send_renewal(h, link, 1, HARNESS_EPOCH, 90000);
        assert_true(member_of(h, 1).lost);
        send_renewal(h, link, 1, HARNESS_EPOCH, 1000);
        assert_true(is_listed(h, 1));
}

static void test_a_death_is_taken_from_a_seed_of_the_list(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), peer;

        peer = register_peer(h, 1, 4);
        harness_advance(h, 10 * SEC);
        send_record(h, link, 1, MEMBER_DEAD, 1000);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        assert_non_null(harness_notice(h, NOTICE_DEAD));
        assert_int_equal(harness_find(h, peer, MESSAGE_ACCUSED)->accused.held.state, MEMBER_DEAD);
        assert_int_equal(counted(h, COUNTER_DEATHS), 0);        /* decided elsewhere */

        /* Its time runs from the death. */
        harness_advance(h, 24 * USEC_PER_HOUR - SEC - 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        harness_advance(h, 1);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_who_leaves_and_is_back_at_once_has_restarted_for_other_seeds_too(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        Record back = record_of(1, MEMBER_ALIVE, 0);
        const Notice *notice;

        send_record(h, link, 1, MEMBER_ALIVE, 0);
        assert_false(harness_notice(h, NOTICE_JOINED)->known);
        send_record(h, link, 1, MEMBER_LEFT, 0);
        harness_advance(h, 4 * SEC);
        back.epoch++;
        send_records(h, link, &back, 1);
        notice = harness_notice(h, NOTICE_JOINED);
        assert_true(notice->restarted);
        assert_true(notice->known);

        /* What comes late was not at once. */
        harness_advance(h, 10 * SEC);
        back.state = MEMBER_LEFT;
        back.age_msec = 5000;
        send_records(h, link, &back, 1);
        harness_advance(h, 1);
        assert_non_null(harness_notice(h, NOTICE_LEFT));
        back.epoch++;
        back.state = MEMBER_ALIVE;
        send_records(h, link, &back, 1);
        notice = harness_notice(h, NOTICE_JOINED);
        assert_false(notice->restarted);
        assert_false(notice->known);
        assert_null(harness_notice(h, NOTICE_ALIVE));

        /* Left, and dead after all: that is told when the time to come back is over. */
        back.state = MEMBER_LEFT;
        back.age_msec = 0;
        send_records(h, link, &back, 1);
        back.state = MEMBER_DEAD;
        send_records(h, link, &back, 1);
        assert_null(harness_notice(h, NOTICE_DEAD));
        harness_advance(h, 5 * SEC);
        assert_non_null(harness_notice(h, NOTICE_DEAD));
        assert_null(harness_notice(h, NOTICE_LEFT));
}

static void test_a_seed_that_called_from_a_listed_address_is_believed(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        LinkId link;

        resolve(h, 200);
        harness_change(h, harness_dialled(h, NULL), LINK_REFUSED);
        link = harness_open(h, &seed);
        register_peer(h, 1, 4);
        harness_advance(h, 2 * SEC);
        send_record(h, link, 1, MEMBER_LEFT, 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        assert_null(harness_notice(h, NOTICE_LEFT));
        harness_advance(h, 5 * SEC);
        assert_non_null(harness_notice(h, NOTICE_LEFT));
}

static void test_a_seed_that_lost_its_id_is_believed_beside_its_old_session(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        LinkId link;

        link_seed(h, 200);              /* half open by now */
        seed.id = ID(212);
        link = harness_open(h, &seed);
        register_peer(h, 1, 4);
        harness_advance(h, 2 * SEC);
        send_record(h, link, 1, MEMBER_LEFT, 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
}

static void test_unlisted_seeds_may_add_but_not_remove(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(210), same_host = harness_seed(211);
        LinkId link, other;

        resolve(h, 200);
        link = harness_open(h, &seed);
        same_host.remote = harness_address(200, 40000);         /* the host of a listed one, another port */
        same_host.port = 5001;
        same_host.addresses[0] = harness_address(200, 5001);
        other = harness_open(h, &same_host);

        register_peer(h, 1, 4);
        harness_advance(h, 2 * SEC);
        send_record(h, link, 1, MEMBER_DEAD, 0);
        send_record(h, other, 1, MEMBER_LEFT, 0);
        send_record(h, link, 2, MEMBER_DEAD, 0);
        assert_true(is_listed(h, 1));
        assert_int_equal(node_n_members(harness_node(h)), 1);
        assert_int_equal(counted(h, COUNTER_MEMBERS_REFUSED), 3);
        send_record(h, link, 2, MEMBER_ALIVE, 0);
        assert_true(is_listed(h, 2));
}

static void test_a_death_before_the_last_renewal_is_not_taken_and_the_member_hears_of_it(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link = link_seed(h, 200), session;
        const Message *answer;

        session = register_peer(h, 1, 4);
        harness_advance(h, 10 * SEC);
        send_renew(h, session, HARNESS_EPOCH, 0, 4);
        harness_advance(h, 5 * SEC);
        harness_drop_sent(h);
        send_record(h, link, 1, MEMBER_DEAD, 6000);
        assert_true(is_listed(h, 1));

        send_renew(h, session, HARNESS_EPOCH, 0, 4);
        answer = expect(h, session, MESSAGE_RENEW_OK);
        assert_true(answer->renew_ok.has_held);
        assert_int_equal(answer->renew_ok.held.state, MEMBER_DEAD);
        assert_int_equal(answer->renew_ok.held.incarnation, 0);

        send_refute(h, session, &peer, HARNESS_EPOCH, 1);
        send_renew(h, session, HARNESS_EPOCH, 1, 4);
        answer = expect(h, session, MESSAGE_RENEW_OK);
        assert_int_equal(answer->renew_ok.held.state, MEMBER_ALIVE);
        assert_int_equal(answer->renew_ok.held.incarnation, 1);
}

static void test_the_death_of_an_earlier_life_changes_nothing(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        Record record = record_of(1, MEMBER_DEAD, 0);

        register_peer(h, 1, 4);
        harness_advance(h, SEC);
        record.epoch--;
        send_records(h, link, &record, 1);
        assert_true(is_listed(h, 1));
}

static void test_records_that_cannot_be_are_skipped(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);
        Other seed = harness_seed(9);
        Record bad[5];

        bad[0] = harness_record(&seed);                         /* seeds are in nobody's list */
        bad[1] = record_of(1, MEMBER_ALIVE, 0);
        bad[1].epoch = UINT64_C(1) << 63;
        bad[2] = record_of(0x80, MEMBER_ALIVE, 0);              /* us */
        bad[3] = record_of(2, MEMBER_ALIVE, 0);
        bad[3].n_addresses = 0;                                 /* nobody could reach it */
        bad[4] = record_of(3, MEMBER_DEAD, 24 * 3600 * 1000);   /* forgotten by now */
        send_records(h, link, bad, ELEMENTSOF(bad));
        assert_int_equal(node_n_members(harness_node(h)), 0);
        assert_true(harness_is_up(h, link));
}

static void test_a_suspicion_is_not_shared(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200);

        send_record(h, link, 1, MEMBER_SUSPECT, 0);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_int_equal(node_n_suspect(harness_node(h)), 0);
}

static void test_a_refutation_heard_elsewhere_clears_the_accused(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), reporter;
        Record record = record_of(1, MEMBER_ALIVE, 0);

        register_peer(h, 1, 4);
        reporter = register_peer(h, 2, 4);
        send_report(h, reporter, 1);
        record.incarnation = 1;
        send_records(h, link, &record, 1);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
        assert_int_equal(member_of(h, 1).record->incarnation, 1);
}

static void test_a_renewal_elsewhere_clears_the_accused_if_it_is_later(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), reporter;

        harness_change(h, register_peer(h, 1, 4), LINK_RESET);
        reporter = register_peer(h, 2, 4);
        harness_advance(h, 5 * SEC);
        send_report(h, reporter, 1);
        harness_advance(h, SEC / 2);
        send_renewal(h, link, 1, HARNESS_EPOCH, 1000);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 0);
        send_renewal(h, link, 1, HARNESS_EPOCH, 100);
        assert_int_equal(counted(h, COUNTER_REPORTS_FALSE), 1);
}

static void test_a_member_of_another_seed_needs_one_reporter(void **state) {
        Harness *h = *state;
        LinkId link = link_seed(h, 200), reporter;

        send_record(h, link, 1, MEMBER_ALIVE, 0);
        reporter = register_peer(h, 2, 4);
        send_report(h, reporter, 1);
        for (unsigned i = 0; i < 2; i++)
                harness_change(h, harness_dialled(h, NULL), LINK_REFUSED);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
}

static void test_a_full_directory_refuses_synced_ones(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        LinkId link = link_seed(h, 200);

        settings.params.members_max = 1;
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        send_record(h, link, 1, MEMBER_ALIVE, 0);
        send_record(h, link, 2, MEMBER_ALIVE, 0);
        assert_int_equal(node_n_members(harness_node(h)), 1);
        assert_int_equal(counted(h, COUNTER_MEMBERS_REFUSED), 1);
        assert_true(harness_is_up(h, link));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_mesh, teardown)
                TEST(test_synced_records_carry_their_age),
                TEST(test_what_is_older_than_a_lease_is_not_taken),
                TEST(test_renewals_extend_and_never_shorten),
                TEST(test_a_renewal_elsewhere_brings_a_lost_one_back),
                TEST(test_a_death_is_taken_from_a_seed_of_the_list),
                TEST(test_who_leaves_and_is_back_at_once_has_restarted_for_other_seeds_too),
                TEST(test_a_seed_that_called_from_a_listed_address_is_believed),
                TEST(test_a_seed_that_lost_its_id_is_believed_beside_its_old_session),
                TEST(test_unlisted_seeds_may_add_but_not_remove),
                TEST(test_a_death_before_the_last_renewal_is_not_taken_and_the_member_hears_of_it),
                TEST(test_the_death_of_an_earlier_life_changes_nothing),
                TEST(test_records_that_cannot_be_are_skipped),
                TEST(test_a_suspicion_is_not_shared),
                TEST(test_a_refutation_heard_elsewhere_clears_the_accused),
                TEST(test_a_renewal_elsewhere_clears_the_accused_if_it_is_later),
                TEST(test_a_member_of_another_seed_needs_one_reporter),
                TEST(test_a_full_directory_refuses_synced_ones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
