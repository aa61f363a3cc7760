/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 6.4: how long an accused has to refute, who is told of it, and what is not believed. */

#include "core/peer-node-internal.h"
#include "overlay.h"

static void send_suspicion(Harness *h, LinkId link, uint8_t accused, uint32_t incarnation, uint8_t accuser, uint8_t n_others) {
        Message message;

        message_set(&message, MESSAGE_MEMBERS, members, .n_suspicions = 1);
        message.members.suspicions[0] = (Suspicion) { ID(accused), HARNESS_EPOCH, incarnation, ID(accuser), n_others };
        harness_send(h, link, &message);
}

static void send_record_on(Harness *h, LinkId link, uint8_t n, uint32_t incarnation, MemberState state) {
        Message message;

        message_set(&message, MESSAGE_MEMBERS, members, .n_records = 1);
        message.members.records[0] = record_of(n, state);
        message.members.records[0].incarnation = incarnation;
        harness_send(h, link, &message);
}

/* A quiet peer with links to 1 and 2 that knows 9, whom it has no link to; everybody answers. */
static Harness *with_links(LinkId links[2]) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        Harness *h = peer_new(&settings);

        harness_set_answering(h, true);
        links[0] = link_in(h, 1);
        links[1] = link_in(h, 2);
        send_record_on(h, links[0], 9, 0, MEMBER_ALIVE);
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);
        return h;
}

static usec_t until_dead(Harness *h, uint8_t n) {
        usec_t since_usec = harness_now(h);

        while (member_of(h, n).state != MEMBER_DEAD) {
                assert_true(harness_now(h) < since_usec + 20 * SEC);
                harness_advance(h, 1 * MSEC);
        }
        return harness_now(h) - since_usec;
}

/* ---- the wait ---- */

static void test_each_further_accuser_shortens_the_wait_as_lifeguard_says(void **state) {
        const Params params = params_of_profile(PROFILE_LAN);
        (void) state;

        assert_int_equal(verdict_wait(&params, 0, 0), 2 * SEC);
        assert_int_equal(verdict_wait(&params, 1, 0), 8 * SEC);
        assert_int_equal(verdict_wait(&params, 1, 1), 2 * SEC);
        assert_int_equal(verdict_wait(&params, 2, 0), 8 * SEC);
        assert_in_range(verdict_wait(&params, 2, 1), 4210 * MSEC, 4220 * MSEC);         /* 8 - 6 ln 2 / ln 3 */
        assert_int_equal(verdict_wait(&params, 3, 0), 8 * SEC);
        assert_int_equal(verdict_wait(&params, 3, 1), 5 * SEC);                         /* 8 - 6 ln 2 / ln 4 */
        assert_in_range(verdict_wait(&params, 3, 2), 3240 * MSEC, 3250 * MSEC);         /* 8 - 6 ln 3 / ln 4 */
        assert_int_equal(verdict_wait(&params, 3, 3), 2 * SEC);
        assert_int_equal(verdict_wait(&params, 255, 255), 2 * SEC);                     /* whatever somebody says */
}

static void test_one_accuser_of_four_is_waited_for_8_seconds(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        const Notice *notice;
        (void) state;

        send_suspicion(h, links[0], 9, 0, 1, 3);
        notice = harness_notice(h, NOTICE_SUSPECT);
        assert_non_null(notice);
        assert_string_equal(notice->detail, "accused by other");
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        assert_in_range(until_dead(h, 9), 8 * SEC - 2 * MSEC, 8 * SEC + 2 * MSEC);
        notice = harness_notice(h, NOTICE_DEAD);
        assert_string_equal(notice->detail, "accused by 1 node");
        assert_int_equal(counted(h, COUNTER_DEATHS), 1);
        assert_int_equal(counted(h, COUNTER_REPORTS_SENT), 0);  /* that is the accuser's */
}

static void test_four_accusers_are_waited_for_2_seconds_from_the_first(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 0, 1, 3);
        harness_advance(h, 500 * MSEC);
        for (uint8_t i = 0; i < 3; i++)
                send_suspicion(h, links[i % 2], 9, 0, (uint8_t) (20 + i), i);  /* the first one's K counts */
        assert_in_range(until_dead(h, 9), 1500 * MSEC - 2 * MSEC, 1500 * MSEC + 2 * MSEC);
        assert_string_equal(harness_notice(h, NOTICE_DEAD)->detail, "accused by 4 nodes");
}

static void test_an_accuser_counts_once_and_nobody_accuses_himself(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 0, 9, 0);
        assert_int_equal(member_of(h, 9).state, MEMBER_ALIVE);
        for (unsigned i = 0; i < 5; i++)
                send_suspicion(h, links[i % 2], 9, 0, 1, 3);
        harness_advance(h, 7 * SEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
}

static void test_whom_somebody_holds_dead_is_waited_for_2_seconds(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_record_on(h, links[0], 9, 0, MEMBER_DEAD);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        assert_in_range(until_dead(h, 9), 2 * SEC - 2 * MSEC, 2 * SEC + 2 * MSEC);

        /* It also shortens a wait that runs. */
        send_record_on(h, links[0], 9, 1, MEMBER_ALIVE);
        send_suspicion(h, links[0], 9, 1, 1, 3);
        harness_advance(h, 1 * SEC);
        send_record_on(h, links[1], 9, 1, MEMBER_DEAD);
        assert_in_range(until_dead(h, 9), 2 * SEC - 2 * MSEC, 2 * SEC + 2 * MSEC);
}

static void test_the_original_numbers_have_no_wait(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LinkId link = link_in(h, 1);
        (void) state;

        send_record_on(h, link, 9, 0, MEMBER_ALIVE);
        send_suspicion(h, link, 9, 0, 1, 0);
        harness_advance(h, 0);
        assert_int_equal(member_of(h, 9).state, MEMBER_DEAD);
}

static void test_waits_do_not_end_while_we_sleep(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 0, 1, 0);
        harness_advance(h, 1 * SEC);
        harness_sleep(h, 60 * SEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);        /* a refutation may be waiting to be read */
        assert_in_range(until_dead(h, 9), 1 * SEC - 2 * MSEC, 1 * SEC + 2 * MSEC);
}

/* A quarter of an interval is enough, and once: who is always late must bury some day, too. */
static void test_a_wait_that_ends_while_we_stand_still_lasts_an_interval_more(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 0, 1, 0);
        harness_advance(h, 1 * SEC);
        harness_sleep(h, 3 * SEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        harness_advance(h, 900 * MSEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        harness_sleep(h, 3 * SEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_DEAD);

        send_record_on(h, links[0], 9, 1, MEMBER_ALIVE);
        send_suspicion(h, links[0], 9, 1, 1, 0);
        harness_advance(h, 1900 * MSEC);
        harness_sleep(h, 3 * SEC);                      /* of another accusation */
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        send_record_on(h, links[0], 9, 2, MEMBER_ALIVE);
        harness_advance(h, 20 * SEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_ALIVE);
}

/* ---- refuting ---- */

static void test_a_higher_incarnation_ends_it(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 0, 1, 0);
        harness_advance(h, 1900 * MSEC);
        send_record_on(h, links[1], 9, 1, MEMBER_ALIVE);
        assert_non_null(harness_notice(h, NOTICE_ALIVE));
        send_suspicion(h, links[0], 9, 0, 2, 0);                /* this was under way */
        harness_advance(h, 20 * SEC);
        assert_int_equal(member_of(h, 9).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_DEAD));
}

static void test_who_is_behind_is_told_what_we_know(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        const Message *better;
        (void) state;

        send_record_on(h, links[1], 9, 3, MEMBER_ALIVE);
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);
        send_suspicion(h, links[0], 9, 2, 1, 3);
        better = expect(h, links[0], MESSAGE_MEMBERS);
        assert_int_equal(better->members.n_records, 1);
        assert_int_equal(better->members.n_suspicions, 0);
        assert_int_equal(better->members.records[0].incarnation, 3);
        harness_advance(h, 100 * MSEC);
        assert_null(harness_find(h, links[1], MESSAGE_MEMBERS));        /* nobody else needs to know */

        send_record_on(h, links[1], 9, 3, MEMBER_LEFT);
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);
        send_suspicion(h, links[0], 9, 3, 1, 3);
        assert_int_equal(expect(h, links[0], MESSAGE_MEMBERS)->members.records[0].state, MEMBER_LEFT);
}

static void test_an_accuser_may_know_a_later_life_than_we_do(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 7, 1, 0);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        assert_int_equal(member_of(h, 9).record->incarnation, 7);
        send_record_on(h, links[1], 9, 7, MEMBER_ALIVE);        /* that is no refutation */
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        send_record_on(h, links[1], 9, 8, MEMBER_ALIVE);
        assert_int_equal(member_of(h, 9).state, MEMBER_ALIVE);
}

static void test_we_refute_what_is_said_of_us_and_tell_everybody(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], OWN, 4, 1, 3);
        assert_int_equal(node_incarnation(harness_node(h)), 5);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(expect(h, links[i], MESSAGE_REFUTE)->reg.record.incarnation, 5);
        send_suspicion(h, links[1], OWN, 4, 2, 3);
        assert_int_equal(node_incarnation(harness_node(h)), 5);
        send_record_on(h, links[1], OWN, 5, MEMBER_DEAD);
        assert_int_equal(node_incarnation(harness_node(h)), 6);
        send_suspicion(h, links[1], OWN, UINT32_MAX, 2, 3);             /* forged: the epoch rises instead */
        assert_int_equal(node_incarnation(harness_node(h)), 0);
        assert_true(node_identity(harness_node(h))->epoch > HARNESS_EPOCH);
}

/* ---- whoever comes later ---- */

static void test_a_new_link_is_told_whom_we_suspect_and_by_whose_word(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        const Message *told;
        (void) state;

        send_record_on(h, links[0], 8, 0, MEMBER_ALIVE);
        send_suspicion(h, links[0], 9, 0, 1, 3);
        send_suspicion(h, links[1], 9, 0, 2, 3);
        harness_advance(h, 100 * MSEC);

        told = expect(h, link_in(h, 3), MESSAGE_MEMBERS);
        assert_int_equal(told->members.n_records, 1);           /* it may not know them */
        assert_int_equal(told->members.records[0].id.bytes[0], 9);
        assert_int_equal(told->members.records[0].state, MEMBER_ALIVE);
        assert_int_equal(told->members.n_suspicions, 2);
        for (uint8_t i = 0; i < 2; i++) {
                const Suspicion *suspicion = told->members.suspicions + i;

                assert_int_equal(suspicion->id.bytes[0], 9);
                assert_int_equal(suspicion->epoch, HARNESS_EPOCH);
                assert_int_equal(suspicion->incarnation, 0);
                assert_int_equal(suspicion->accuser.bytes[0], i + 1);
                assert_int_equal(suspicion->n_others, 3);
        }
}

static void test_a_new_link_is_not_told_of_who_has_refuted_or_is_dead(void **state) {
        LinkId links[2], link;
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_record_on(h, links[0], 8, 0, MEMBER_ALIVE);
        send_suspicion(h, links[0], 9, 0, 1, 0);
        send_suspicion(h, links[0], 8, 0, 1, 0);
        send_record_on(h, links[0], 8, 1, MEMBER_ALIVE);
        (void) until_dead(h, 9);
        harness_drop_sent(h);

        link = link_in(h, 3);
        assert_null(harness_find(h, link, MESSAGE_MEMBERS));
}

/* Seventy of them, each by four: more than one message takes. */
static void test_a_new_link_is_told_of_a_whole_rack(void **state) {
        LinkId links[2], link;
        _cleanup_(harness_freep) Harness *h = with_links(links);
        unsigned n_told = 0;
        uint64_t n_before;
        const Message *told;
        (void) state;

        for (uint8_t n = 20; n < 90; n++) {
                send_record_on(h, links[0], n, 0, MEMBER_ALIVE);
                for (uint8_t accuser = 1; accuser <= 4; accuser++)
                        send_suspicion(h, links[0], n, 0, accuser, 3);
        }
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);
        n_before = node_counter(harness_node(h), COUNTER_NEWS_SENT);

        link = link_in(h, 3);
        while ((told = harness_find(h, link, MESSAGE_MEMBERS)))
                n_told += (unsigned) told->members.n_suspicions;
        assert_int_equal(n_told, 70 * 4);
        assert_true(node_counter(harness_node(h), COUNTER_NEWS_SENT) >= n_before + 70 + n_told);
}

/* ---- whoever has a link to the accused ---- */

static void test_a_living_link_tells_the_accused_and_does_not_wait(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        const Message *told;
        (void) state;

        send_suspicion(h, links[0], 2, 0, 1, 0);
        told = expect(h, links[1], MESSAGE_ACCUSED);
        assert_int_equal(told->accused.held.state, MEMBER_SUSPECT);
        assert_int_equal(told->accused.held.epoch, HARNESS_EPOCH);
        expect(h, links[1], MESSAGE_PING);                      /* and it is asked at once */
        harness_advance(h, 10 * SEC);
        assert_int_equal(member_of(h, 2).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SUSPECT));
}

static void test_a_link_that_does_not_answer_then_counts_from_the_first_accusation(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        harness_set_silent(h, links[1]);
        send_suspicion(h, links[0], 2, 0, 1, 0);
        harness_advance(h, 1400 * MSEC);
        assert_int_equal(member_of(h, 2).state, MEMBER_ALIVE);
        assert_in_range(until_dead(h, 2), 590 * MSEC, 610 * MSEC);      /* 2 s in all: three strikes, and the rest of the wait */
}

/* ---- lies ---- */

static void test_accusations_by_the_thousand_end_the_link(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        unsigned n = 0;
        (void) state;

        while (harness_is_up(h, links[0])) {
                Message message;

                assert_true(n < 10000);
                message_set(&message, MESSAGE_MEMBERS, members, .n_suspicions = 64);
                for (size_t i = 0; i < 64; i++, n++)
                        message.members.suspicions[i] = (Suspicion) { ID(9), HARNESS_EPOCH, n, ID((uint8_t) (10 + n % 90)), 3 };
                harness_send(h, links[0], &message);
        }
        assert_in_range(n, 1024, 1024 + 64 + 20 * 4);
        assert_true(harness_is_up(h, links[1]));
        assert_int_equal(node_n_members(harness_node(h)), 3);
}

/* So much of two members as a link may tell, and more than there can be to pass on. */
static void tell_too_much(Harness *h, LinkId link) {
        for (uint32_t i = 1; i <= 150; i++) {
                send_record_on(h, link, 1, i, MEMBER_ALIVE);
                send_record_on(h, link, 2, i, MEMBER_ALIVE);
                harness_advance(h, 21 * MSEC);
        }
        assert_true(harness_is_up(h, link));
}

static void test_accusations_beyond_what_can_be_are_ignored_and_counted(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        tell_too_much(h, links[0]);
        harness_drop_sent(h);
        send_suspicion(h, links[1], 9, 0, 1, 0);
        assert_int_equal(member_of(h, 9).state, MEMBER_ALIVE);
        assert_int_equal(counted(h, COUNTER_NEWS_IGNORED), 1);
        harness_advance(h, 100 * MSEC);
        assert_null(harness_find(h, links[0], MESSAGE_MEMBERS));

        /* But the other end of a link hears of it. */
        send_suspicion(h, links[0], 2, 150, 1, 0);
        assert_int_equal(expect(h, links[1], MESSAGE_ACCUSED)->accused.held.state, MEMBER_SUSPECT);

        /* One of ourselves is answered all the same, and the next minute is another one. */
        send_suspicion(h, links[1], OWN, 0, 1, 0);
        assert_int_equal(node_incarnation(harness_node(h)), 1);
        harness_advance(h, 60 * SEC);
        send_suspicion(h, links[1], 9, 0, 1, 0);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
}

/* What refutes the accusation may be among what is not passed on. */
static void test_while_too_much_is_told_nobody_is_held_dead(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        send_suspicion(h, links[0], 9, 0, 1, 3);                        /* 8 s */
        tell_too_much(h, links[0]);                                     /* 3 s of them */
        send_suspicion(h, links[1], 9, 0, 2, 3);
        assert_int_equal(member_of(h, 9).state, MEMBER_SUSPECT);
        assert_in_range(until_dead(h, 9), 16 * SEC, 17 * SEC);          /* twice 8 s, looked at once a second */
}

static void test_accusations_of_nobody_are_not_kept_nor_passed_on(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        for (uint8_t n = 50; n < 70; n++)
                send_suspicion(h, links[0], n, 0, 1, 3);
        harness_advance(h, 100 * MSEC);
        expect_nothing(h, links[1]);
        assert_int_equal(node_n_members(harness_node(h)), 3);
}

static void test_epochs_that_cannot_be_are_not_taken_over(void **state) {
        LinkId links[2];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        Message message;
        (void) state;

        message_set(&message, MESSAGE_MEMBERS, members, .n_suspicions = 1);
        message.members.suspicions[0] = (Suspicion) { ID(9), UINT64_C(1) << 63, 0, ID(1), 3 };
        harness_send(h, links[0], &message);
        assert_int_equal(member_of(h, 9).record->epoch, HARNESS_EPOCH);
        assert_int_equal(member_of(h, 9).state, MEMBER_ALIVE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_further_accuser_shortens_the_wait_as_lifeguard_says),
                cmocka_unit_test(test_one_accuser_of_four_is_waited_for_8_seconds),
                cmocka_unit_test(test_four_accusers_are_waited_for_2_seconds_from_the_first),
                cmocka_unit_test(test_an_accuser_counts_once_and_nobody_accuses_himself),
                cmocka_unit_test(test_whom_somebody_holds_dead_is_waited_for_2_seconds),
                cmocka_unit_test(test_the_original_numbers_have_no_wait),
                cmocka_unit_test(test_waits_do_not_end_while_we_sleep),
                cmocka_unit_test(test_a_wait_that_ends_while_we_stand_still_lasts_an_interval_more),
                cmocka_unit_test(test_a_higher_incarnation_ends_it),
                cmocka_unit_test(test_who_is_behind_is_told_what_we_know),
                cmocka_unit_test(test_an_accuser_may_know_a_later_life_than_we_do),
                cmocka_unit_test(test_we_refute_what_is_said_of_us_and_tell_everybody),
                cmocka_unit_test(test_a_new_link_is_told_whom_we_suspect_and_by_whose_word),
                cmocka_unit_test(test_a_new_link_is_not_told_of_who_has_refuted_or_is_dead),
                cmocka_unit_test(test_a_new_link_is_told_of_a_whole_rack),
                cmocka_unit_test(test_a_living_link_tells_the_accused_and_does_not_wait),
                cmocka_unit_test(test_a_link_that_does_not_answer_then_counts_from_the_first_accusation),
                cmocka_unit_test(test_accusations_by_the_thousand_end_the_link),
                cmocka_unit_test(test_accusations_beyond_what_can_be_are_ignored_and_counted),
                cmocka_unit_test(test_while_too_much_is_told_nobody_is_held_dead),
                cmocka_unit_test(test_accusations_of_nobody_are_not_kept_nor_passed_on),
                cmocka_unit_test(test_epochs_that_cannot_be_are_not_taken_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
