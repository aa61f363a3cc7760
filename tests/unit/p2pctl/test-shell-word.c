/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/shell-word.h"
#include "unit.h"

static void assert_quoted(const char *text, const char *expected) {
        _cleanup_free_ char *word = shell_quote(text);

        assert_string_equal(word, expected);
}

static void assert_unquoted(const char *word, const char *expected) {
        _cleanup_free_ char *text = shell_unquote(word);

        assert_string_equal(text, expected);
}

static void test_what_means_nothing_to_a_shell_stays(void **state) {
        assert_quoted("web-1:6001", "web-1:6001");
        assert_quoted("user@[fd00::1]", "user@\\[fd00::1\\]");
        assert_quoted("a%b+c,d./=_", "a%b+c,d./=_");
        assert_quoted("t\xc3\xbcr", "t\xc3\xbcr");
}

static void test_all_else_gets_a_backslash(void **state) {
        assert_quoted("$(rm -rf ~)", "\\$\\(rm\\ -rf\\ \\~\\)");
        assert_quoted("`id`;a&b|c<d>e", "\\`id\\`\\;a\\&b\\|c\\<d\\>e");
        assert_quoted("it's \"so\" #!*?{}^", "it\\'s\\ \\\"so\\\"\\ \\#\\!\\*\\?\\{\\}\\^");
}

static void test_what_should_not_get_onto_a_command_line_is_refused(void **state) {
        static const char *const texts[] = { "", "-a", "a\nb", "a\tb", "\033[1m", "back\\slash", "\xff", "\xe2\x80\xae", "\x7f" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_null(shell_quote(texts[i]));
}

static void test_quotation_marks_and_backslashes_go(void **state) {
        assert_unquoted("peer@6001", "peer@6001");
        assert_unquoted("'peer@6001'", "peer@6001");
        assert_unquoted("a\\ b", "a b");
        assert_unquoted("\"a \\\"b\\\"\"'c\\d'", "a \"b\"c\\d");
        assert_unquoted("it\"'\"s", "it's");
        assert_unquoted("$HOME/*", "$HOME/*");
        assert_unquoted("'open", "open");
        assert_unquoted("end\\", "end\\");
        assert_unquoted("", "");
}

static void test_what_is_quoted_comes_back(void **state) {
        char text[3] = "";

        for (char a = ' '; a <= '~'; a++)
                for (char b = ' '; b <= '~'; b++) {
                        _cleanup_free_ char *word = NULL;

                        text[0] = a;
                        text[1] = b;
                        word = shell_quote(text);
                        if (a == '-' || a == '\\' || b == '\\')
                                assert_null(word);
                        else
                                assert_unquoted(word, text);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_means_nothing_to_a_shell_stays),
                cmocka_unit_test(test_all_else_gets_a_backslash),
                cmocka_unit_test(test_what_should_not_get_onto_a_command_line_is_refused),
                cmocka_unit_test(test_quotation_marks_and_backslashes_go),
                cmocka_unit_test(test_what_is_quoted_comes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
