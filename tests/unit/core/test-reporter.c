/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who reports others to a seed: how much of it is heard, and who is believed. */

#include "core/report.h"

#include "expect-report.h"

/* A report that @n refutes at once. */
static void report_falsely(Harness *h, uint8_t reporter, uint8_t n) {
        send_report(h, links[reporter], n);
        send_renew(h, links[n], HARNESS_EPOCH, 0, 4);
        harness_change(h, harness_dialled(h, NULL), LINK_REFUSED);
}

static void test_who_is_wrong_four_times_is_ignored_for_ten_minutes(void **state) {
        Harness *h = *state;
        const Notice *notice;

        for (uint8_t n = 3; n < 6; n++)
                report_falsely(h, 2, n);
        assert_null(harness_notice(h, NOTICE_REPORTER_IGNORED));
        report_falsely(h, 2, 6);
        notice = harness_notice(h, NOTICE_REPORTER_IGNORED);
        assert_non_null(notice);
        assert_int_equal(notice->id.bytes[0], 2);
        assert_int_equal(notice->duration, 10 * USEC_PER_MINUTE);

        send_report(h, links[2], 7);
        assert_int_equal(reports_n_accusations(harness_node(h)), 0);
        assert_null(harness_notice(h, NOTICE_REPORTER_IGNORED));
        send_report(h, links[8], 7);                            /* others are still listened to */
        assert_int_equal(reports_n_accusations(harness_node(h)), 1);
        send_renew(h, links[7], HARNESS_EPOCH, 0, 4);

        for (unsigned i = 0; i < 20; i++) {
                harness_advance(h, 30 * USEC_PER_SEC);
                for (uint8_t n = 2; n < 10; n++)
                        send_renew(h, links[n], HARNESS_EPOCH, 0, 4);
        }
        send_report(h, links[2], 7);
        assert_int_equal(reports_n_accusations(harness_node(h)), 1);
}

static void test_old_mistakes_are_forgiven(void **state) {
        Harness *h = *state;

        /* Three false ones, then five true ones, then one false: three of the last eight. */
        for (uint8_t n = 3; n < 6; n++)
                report_falsely(h, 2, n);
        for (uint8_t n = 3; n < 8; n++) {
                send_renew(h, links[n], HARNESS_EPOCH, 0, 0);
                lose(h, n);
                send_report(h, links[2], n);
                refuse_both(h, n);
                assert_int_equal(member_of(h, n).state, MEMBER_DEAD);
        }
        report_falsely(h, 2, 8);
        assert_null(harness_notice(h, NOTICE_REPORTER_IGNORED));
        report_falsely(h, 2, 9);
        assert_null(harness_notice(h, NOTICE_REPORTER_IGNORED));
}

static void test_one_reporter_has_at_most_16_open(void **state) {
        Harness *h = *state;

        for (uint8_t n = 20; n < 60; n++)
                register_peer(h, n, 4);
        for (uint8_t n = 20; n < 60; n++)
                send_report(h, links[2], n);
        assert_int_equal(reports_n_accusations(harness_node(h)), REPORTS_OPEN_MAX);
        assert_int_equal(reports_n_reporters(harness_node(h)), 1);
}

static void test_one_reporter_is_heard_32_times_a_minute(void **state) {
        Harness *h = *state;
        unsigned n_heard = 0;

        for (unsigned i = 0; i < 50; i++) {
                size_t before = reports_n_accusations(harness_node(h));
                uint8_t n = (uint8_t) (100 + i);
                LinkId link = register_peer(h, n, 0);

                harness_change(h, link, LINK_RESET);
                send_report(h, links[2], n);
                if (reports_n_accusations(harness_node(h)) > before) {
                        refuse_both(h, n);              /* settled, and true: it does not stay open */
                        n_heard++;
                }
        }
        assert_int_equal(n_heard, REPORTS_PER_MINUTE);

        harness_advance(h, USEC_PER_MINUTE);
        send_report(h, links[2], 149);
        assert_int_equal(reports_n_accusations(harness_node(h)), 1);
}

static void test_reporters_are_forgotten_when_there_are_too_many(void **state) {
        Harness *h = *state;

        for (unsigned i = 0; i < REPORTERS_MAX + 20; i++) {
                Other other = harness_peer((uint8_t) (20 + i % 200));
                Record record;
                LinkId link;

                other.id.bytes[1] = (uint8_t) (i / 200);
                record = harness_record(&other);
                link = harness_open(h, &other);
                send_register(h, link, &record, 4);
                send_report(h, link, 1);
                send_renew(h, links[1], HARNESS_EPOCH, 0, 4);
                harness_change(h, link, LINK_CLOSED);
                harness_drop_sent(h);
        }
        assert_int_equal(reports_n_reporters(harness_node(h)), REPORTERS_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peers, teardown)
                TEST(test_who_is_wrong_four_times_is_ignored_for_ten_minutes),
                TEST(test_old_mistakes_are_forgiven),
                TEST(test_one_reporter_has_at_most_16_open),
                TEST(test_one_reporter_is_heard_32_times_a_minute),
                TEST(test_reporters_are_forgotten_when_there_are_too_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
