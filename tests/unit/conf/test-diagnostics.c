/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/diagnostics.h"

#include <errno.h>
#include <stdio.h>

#include "unit.h"

static void test_sentence_has_what_is_known_of_the_place(void **state) {
        ConfigDiagnostics d = {};

        config_fail(&d, &((ConfigPosition) { .file = "/etc/a.conf", .line = 12, .key = "links.outgoing" }),
                    "found %d, accepted is 1 to 64.", 0);
        config_fail(&d, &((ConfigPosition) { .file = "/etc/a.conf" }), "is a directory.");
        config_fail(&d, &((ConfigPosition) {}), "Nothing is known.");

        assert_string_equal(d.items[0].text, "/etc/a.conf:12: links.outgoing: found 0, accepted is 1 to 64.");
        assert_string_equal(d.items[1].text, "/etc/a.conf: is a directory.");
        assert_string_equal(d.items[2].text, "Nothing is known.");
        config_diagnostics_done(&d);
}

static void test_first_error_passes_warnings_over(void **state) {
        ConfigDiagnostics d = {};

        assert_null(config_diagnostics_first_error(&d));
        config_warn(&d, &((ConfigPosition) {}), "A warning.");
        assert_null(config_diagnostics_first_error(&d));
        assert_int_equal(d.n_errors, 0);
        config_fail(&d, &((ConfigPosition) {}), "One.");
        config_fail(&d, &((ConfigPosition) {}), "Two.");
        assert_string_equal(config_diagnostics_first_error(&d), "One.");
        assert_int_equal(d.n_errors, 2);

        config_diagnostics_done(&d);
        assert_int_equal(d.n_items, 0);
        assert_null(config_diagnostics_first_error(&d));
}

static void test_list_is_bounded_and_counts_on(void **state) {
        ConfigDiagnostics d = {};

        for (unsigned i = 1; i <= 1000; i++)
                config_fail(&d, &((ConfigPosition) { .line = i }), "Wrong.");
        assert_int_equal(d.n_items, CONFIG_DIAGNOSTICS_MAX);
        assert_int_equal(d.n_dropped, 1000 - CONFIG_DIAGNOSTICS_MAX);
        assert_int_equal(d.n_errors, 1000);
        config_diagnostics_done(&d);
}

static void test_error_behind_a_full_list_of_warnings_is_an_error(void **state) {
        ConfigDiagnostics d = {};

        for (unsigned i = 1; i <= CONFIG_DIAGNOSTICS_MAX; i++)
                config_warn(&d, &((ConfigPosition) { .line = i }), "Odd.");
        config_fail(&d, &((ConfigPosition) {}), "Wrong.");
        assert_int_equal(d.n_errors, 1);
        assert_non_null(config_diagnostics_first_error(&d));
        config_diagnostics_done(&d);
}

static void test_repeated_sentence_is_shown_once_and_counted_twice(void **state) {
        ConfigDiagnostics d = {};

        config_fail(&d, &((ConfigPosition) { .file = "f" }), "Wrong.");
        config_fail(&d, &((ConfigPosition) { .file = "f" }), "Wrong.");
        assert_int_equal(d.n_items, 1);
        assert_int_equal(d.n_errors, 2);
        assert_int_equal(d.n_dropped, 0);
        config_diagnostics_done(&d);
}

static void test_names_from_files_are_escaped_and_errno_is_kept(void **state) {
        ConfigDiagnostics d = {};

        errno = EACCES;
        config_fail(&d, &((ConfigPosition) { .file = "a\n\033[1m", .key = "k\xff" }), "cannot be read: %m.");
        assert_int_equal(errno, EACCES);
        assert_string_equal(d.items[0].text, "a\\n\\x1b[1m: k\\xff: cannot be read: Permission denied.");
        config_diagnostics_done(&d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sentence_has_what_is_known_of_the_place),
                cmocka_unit_test(test_first_error_passes_warnings_over),
                cmocka_unit_test(test_list_is_bounded_and_counts_on),
                cmocka_unit_test(test_error_behind_a_full_list_of_warnings_is_an_error),
                cmocka_unit_test(test_repeated_sentence_is_shown_once_and_counted_twice),
                cmocka_unit_test(test_names_from_files_are_escaped_and_errno_is_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
