/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/config-text.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

#include "unit.h"

/* Parses @text; the one sentence that it must earn is written to @said, "" when it is accepted. */
static int parse_bytes(config_t *config, const void *text, size_t size, char said[static 512]) {
        ConfigDiagnostics d = {};
        int r;

        r = config_text_parse(config, "f", text, size, &d);
        assert_true(r == 0 || r == -EBADMSG);
        assert_int_equal(d.n_items, r == 0 ? 0 : 1);
        assert_int_equal(d.n_errors, r == 0 ? 0 : 1);
        (void) snprintf(said, 512, "%s", r == 0 ? "" : d.items[0].text);
        config_diagnostics_done(&d);
        return r;
}

static void assert_refused_bytes(const void *text, size_t size, const char *sentence) {
        char said[512];
        config_t config;

        config_init(&config);
        assert_int_equal(parse_bytes(&config, text, size, said), -EBADMSG);
        assert_string_equal(said, sentence);
        config_destroy(&config);
}

static void assert_refused(const char *text, const char *sentence) {
        assert_refused_bytes(text, strlen(text), sentence);
}

/* Accepts the text, in which a has the value @value. */
static void assert_number(const char *text, int value) {
        char said[512];
        config_t config;

        config_init(&config);
        assert_int_equal(parse_bytes(&config, text, strlen(text), said), 0);
        assert_non_null(config_lookup(&config, "a"));
        assert_int_equal(config_setting_get_int64(config_lookup(&config, "a")), value);
        config_destroy(&config);
}

static void assert_text(const char *text, const char *value) {
        char said[512];
        config_t config;

        config_init(&config);
        assert_int_equal(parse_bytes(&config, text, strlen(text), said), 0);
        assert_string_equal(config_setting_get_string(config_lookup(&config, "a")), value);
        config_destroy(&config);
}

static void test_both_ways_to_assign_and_to_separate_are_read(void **state) {
        assert_number("a = 5;", 5);
        assert_number("a: 5", 5);
        assert_number("b = 1 a = 5 c = 2", 5);
        assert_number("b = 1, a = 5,", 5);
        assert_number("g: { x = 1; }; h = { y = 2 } a = 5;", 5);
        assert_number("l = ( ( ), [ 1, 2 ], { x = 1; }, \"t\", -1, true ); a = 5;", 5);
}

static void test_lines_may_end_in_any_way(void **state) {
        assert_number("b = 1;\r\na = 5;\r\n", 5);
        assert_number("# comment\r\na = 5;\f\t ", 5);
        assert_number("\xef\xbb\xbf" "a = 5;", 5);
}

static void test_comment_may_be_the_last_thing_in_a_file(void **state) {
        assert_number("a = 5; # comment", 5);
        assert_number("a = 5; // comment", 5);
        assert_number("a = 5; /* comment\n */", 5);
}

static void test_empty_files_are_read(void **state) {
        static const char *const empty[] = { "", "\n", " \r\n", "# comment", "/**/", "\xef\xbb\xbf" };

        for (size_t i = 0; i < ELEMENTSOF(empty); i++) {
                char said[512];
                config_t config;

                config_init(&config);
                assert_int_equal(parse_bytes(&config, empty[i], strlen(empty[i]), said), 0);
                assert_int_equal(config_setting_length(config_root_setting(&config)), 0);
                config_destroy(&config);
        }
}

static void test_numbers_mean_what_is_written(void **state) {
        assert_number("a = 0;", 0);
        assert_number("a = -0;", 0);
        assert_number("a = +7;", 7);
        assert_number("a = 5L;", 5);
        assert_number("a = -5LL;", -5);
        assert_number("a = 2147483647;", 2147483647);
        assert_number("a = -2147483648;", -2147483647 - 1);
}

static void test_numbers_that_libconfig_would_change_are_refused(void **state) {
        assert_refused("\na = 0x100001388;",
                       "f:2: a: found '0x100001388', which is not a number; numbers are decimal and have no unit.");
        assert_refused("a = 4294972296;",
                       "f:1: a: found '4294972296', no number above 2147483647 is accepted anywhere.");
        assert_refused("a = 2147483648;",
                       "f:1: a: found '2147483648', no number above 2147483647 is accepted anywhere.");
        assert_refused("a = -2147483649;",
                       "f:1: a: found '-2147483649', no number above 2147483647 is accepted anywhere.");
        assert_refused("g = { b = 1; a = 99999999999999999999999999999999999999L; };",
                       "f:1: g.a: found '99999999999999999999999999999999999999L', no number above 2147483647 is "
                       "accepted anywhere.");
        assert_refused("a = 010;", "f:1: a: found '010', a number with a leading zero; write it without.");
}

static void test_what_is_not_a_number_is_refused(void **state) {
        static const char *const wrong[] = {
                "500ms", "5h", "0x", "0b1", "1e", "1e+", "5LLL", "5l", "1-2", "1+2", "--1", "-", "+", ".", "-.",
                "1.2.3", "1_000", "5*", ".e1", "0xFFL", "12abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                char text[128], sentence[256];

                (void) snprintf(text, sizeof(text), "a = %s;", wrong[i]);
                (void) snprintf(sentence, sizeof(sentence), "f:1: a: found '%.40s%s', which is not a number; "
                                "numbers are decimal and have no unit.", wrong[i],
                                strlen(wrong[i]) > 40 ? "..." : "");
                assert_refused(text, sentence);
        }
}

static void test_fractions_are_read_whatever_the_locale(void **state) {
        static const char *const locales[] = { "C", "de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8" };

        for (size_t i = 0; i < ELEMENTSOF(locales); i++) {
                (void) setlocale(LC_ALL, locales[i]);   /* those that are not installed change nothing */
                assert_refused("a = 4,5;", "f:1: found '5', expected the name of a setting.");
                for (size_t j = 0; j < 4; j++) {
                        const char *const texts[] = { "a = 4.5;", "a = .5;", "a = 1e3;", "a = -5.E-2;" };
                        char said[512];
                        config_t config;

                        config_init(&config);
                        assert_int_equal(parse_bytes(&config, texts[j], strlen(texts[j]), said), 0);
                        assert_int_equal(config_setting_type(config_lookup(&config, "a")), CONFIG_TYPE_FLOAT);
                        config_destroy(&config);
                }
        }
        (void) setlocale(LC_ALL, "C");
}

static void test_switches_may_be_written_in_any_case(void **state) {
        static const char *const texts[] = { "a = true;", "a = TRUE;", "a = tRuE;" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char said[512];
                config_t config;

                config_init(&config);
                assert_int_equal(parse_bytes(&config, texts[i], strlen(texts[i]), said), 0);
                assert_true(config_setting_get_bool(config_lookup(&config, "a")));
                config_destroy(&config);
        }
        assert_refused("a = yes;", "f:1: found 'yes', expected a value; a text is written in quotation marks.");
        assert_refused("a = trueish;",
                       "f:1: found 'trueish', expected a value; a text is written in quotation marks.");
        assert_refused("true = 1;", "f:1: found 'true', expected the name of a setting.");
}

static void test_texts_mean_what_is_written(void **state) {
        assert_text("a = \"\";", "");
        assert_text("a = \"x\\n\\r\\t\\f\\\\\\\"\\x41\\X7a\";", "x\n\r\t\f\\\"Az");
        assert_text("a = \"# no comment /* either\";", "# no comment /* either");
        assert_text("a = \"gr\xc3\xbc\xc3\x9f\x65\";", "gr\xc3\xbc\xc3\x9f\x65");
        assert_text("a = \"@include \\\"x\\\"\";", "@include \"x\"");
}

static void test_texts_that_libconfig_would_change_are_refused(void **state) {
        const char *escape = "f:1: unknown escape in a text, accepted are \\n \\r \\t \\f \\\" \\\\ and "
                             "\\x01 to \\xff.";

        assert_refused("a = \"x\\x00y\";", escape);
        assert_refused("a = \"x\\qy\";", escape);
        assert_refused("a = \"x\\x4\";", escape);
        assert_refused("a = \"C:\\dir\";", escape);
        assert_refused("a = \"x\\\n\";", escape);
        assert_refused("a = \"x\" \"y\";", "f:1: found a text, expected a separator before it.");
}

static void test_what_is_left_open_is_named_where_it_begins(void **state) {
        assert_refused("b = 1;\na = \"x;\nc = \"y\";",
                       "f:2: the text that begins here has no closing '\"' on its line.");
        assert_refused("a = \"x", "f:1: the text that begins here has no closing '\"' on its line.");
        assert_refused("a = \"x\\",
                       "f:1: unknown escape in a text, accepted are \\n \\r \\t \\f \\\" \\\\ and \\x01 to \\xff.");
        assert_refused("a = 1;\n/* x\n\n", "f:2: the comment that begins here is not closed by */.");
        assert_refused("a = 1; /*/", "f:1: the comment that begins here is not closed by */.");
        assert_refused("g = {\n a = 1;\n\n", "f:1: the '{' here is not closed.");
        assert_refused("g = {\n a = (\n 1,\n 2\n", "f:2: the '(' here is not closed.");
        assert_refused("a =", "f:1: found the end of the file, expected a value.");
        assert_refused("a", "f:1: found the end of the file, expected '=' and a value after the name.");
}

static void test_comma_before_a_bracket_is_named(void **state) {
        assert_refused("a = ( 1,\n 2,\n);",
                       "f:3: found ')', expected another value; a comma before it is one too many.");
        assert_refused("a = [ 1, ];", "f:1: found ']', expected another value; a comma before it is one too many.");
}

static void test_misplaced_words_are_named(void **state) {
        assert_refused("a 5;", "f:1: found '5', expected '=' and a value after the name.");
        assert_refused("a = ;", "f:1: found ';', expected a value.");
        assert_refused("a = 1;;", "f:1: found ';', expected the name of a setting.");
        assert_refused("a = 1; }", "f:1: found '}', expected the name of a setting.");
        assert_refused("a = 1 )", "f:1: found ')', expected ';'.");
        assert_refused("a = ( 1; 2 );", "f:1: found ';', expected ',' or ')'.");
        assert_refused("a = [ 1 );", "f:1: found ')', expected ',' or ']'.");
        assert_refused("a = { b = 1 ];", "f:1: found ']', expected ';' or '}'.");
        assert_refused("a = { b = };", "f:1: found '}', expected a value.");
        assert_refused("a = [ ( ) ];",
                       "f:1: found '(', expected a plain value; groups and lists are written in ( ).");
        assert_refused("\"a\" = 1;", "f:1: found a text, expected the name of a setting.");
        assert_refused("5 = 1;", "f:1: found '5', expected the name of a setting.");
        assert_refused("{ a = 1; }", "f:1: found '{', expected the name of a setting.");
        assert_refused("= 1;", "f:1: found '=', expected the name of a setting.");
        assert_refused("a & b", "f:1: found '&', which has no meaning outside of a text in quotation marks.");
        assert_refused("a = \xe2\x80\x9cx\xe2\x80\x9d;",
                       "f:1: found '\xe2\x80\x9c', which has no meaning outside of a text in quotation marks.");
        assert_refused("a = \x1b[1m;",
                       "f:1: found '\\x1b', which has no meaning outside of a text in quotation marks.");
        assert_refused("a = 1 / 2", "f:1: found '/', which has no meaning outside of a text in quotation marks.");
}

static void test_dotted_name_is_answered_with_the_way_to_write_it(void **state) {
        assert_refused("links.outgoing = 4;",
                       "f:1: links: names have no dots in a file; write it as GROUP = { NAME = VALUE; };");
}

static void test_includes_are_refused(void **state) {
        const char *sentence = "f:1: found '@'; files are not included by @include, put them into the directory of "
                               "drop-ins.";

        assert_refused("@include \"/dev/stdin\"\n", sentence);
        assert_refused("  @include \"f\"", sentence);
        assert_refused("a = { @include \"x\" };", sentence);
}

static void test_setting_that_comes_twice_is_refused(void **state) {
        assert_refused("a = 1;\na = 2;", "f:2: this setting is set twice in one file.");
        assert_refused("g = { a = 1;\n a = 2; };", "f:2: this setting is set twice in one file.");
        assert_refused("g = { };\ng = { };", "f:2: this setting is set twice in one file.");
}

static void test_array_of_different_kinds_is_refused(void **state) {
        assert_refused("\na = [ 1, \"b\" ];",
                       "f:2: the elements of an array [ ] are of one kind; a list ( ) may mix them.");
}

static void test_bytes_that_are_not_text_are_refused(void **state) {
        assert_refused_bytes("a = 1;\nb\0 = 2;", 14, "f:2: found a NUL byte; this is not a text file.");
        assert_refused_bytes("\0", 1, "f:1: found a NUL byte; this is not a text file.");
        assert_refused("a = \"\xff\";", "f:1: found bytes that are not UTF-8.");
        assert_refused("# Gr\xfc\xdf" "e", "f:1: found bytes that are not UTF-8.");
        assert_refused_bytes("a\0=\0001\0;\0", 8, "f:1: found a NUL byte; this is not a text file.");   /* UTF-16 */
}

/* @depth times @open, "a = 1" or nothing, and nothing closed: the depth is what is refused. */
static void assert_too_deep(const char *open, unsigned depth) {
        size_t size = strlen(open);
        _cleanup_free_ char *text = malloc(size * depth + 1);

        assert_non_null(text);
        for (unsigned i = 0; i < depth; i++)
                memcpy(text + i * size, open, size);
        assert_refused_bytes(text, size * depth, "f:1: more than 16 brackets are open.");
}

static void test_deep_nesting_is_refused_before_anybody_recurses(void **state) {
        assert_too_deep("a={", 17);
        assert_too_deep("a={", 100000);
        assert_too_deep("a=(({", 100000);

        assert_number("a = 1; b = ((((((((((((((((1))))))))))))))));", 1);
        assert_refused("b = (((((((((((((((((1)))))))))))))))));", "f:1: more than 16 brackets are open.");
}

static void test_number_of_settings_is_bounded(void **state) {
        size_t size = 0, capacity = 20000 * 12;
        _cleanup_free_ char *text = malloc(capacity);

        assert_non_null(text);
        for (unsigned i = 0; i < 20000; i++)
                size += (size_t) snprintf(text + size, capacity - size, "k%u=1;", i);
        assert_refused_bytes(text, size, "f:1: has more than 4096 settings, which is all that is accepted.");

        size = (size_t) snprintf(text, capacity, "a = ( 1");
        for (unsigned i = 0; i < 20000; i++)
                size += (size_t) snprintf(text + size, capacity - size, ", 1");
        assert_refused_bytes(text, size, "f:1: has more than 4096 settings, which is all that is accepted.");
}

static void test_huge_words_are_read_or_shortened(void **state) {
        enum { SIZE = 1000000 };
        _cleanup_free_ char *text = malloc(SIZE + 16);
        char said[512];
        config_t config;

        assert_non_null(text);
        memset(text, 'x', SIZE);
        memcpy(text, "a = \"", 5);
        memcpy(text + SIZE, "\";", 3);
        config_init(&config);
        assert_int_equal(parse_bytes(&config, text, strlen(text), said), 0);
        assert_int_equal(strlen(config_setting_get_string(config_lookup(&config, "a"))), SIZE - 5);
        config_destroy(&config);

        memset(text, 'x', SIZE);
        memcpy(text + SIZE, " 5", 3);
        assert_refused(text, "f:1: found '5', expected '=' and a value after the name.");
        memcpy(text + SIZE, " = ", 4);
        memset(text, '1', 4);
        assert_refused(text, "f:1: found '1111xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...', which is not a number; "
                       "numbers are decimal and have no unit.");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways_to_assign_and_to_separate_are_read),
                cmocka_unit_test(test_lines_may_end_in_any_way),
                cmocka_unit_test(test_comment_may_be_the_last_thing_in_a_file),
                cmocka_unit_test(test_empty_files_are_read),
                cmocka_unit_test(test_numbers_mean_what_is_written),
                cmocka_unit_test(test_numbers_that_libconfig_would_change_are_refused),
                cmocka_unit_test(test_what_is_not_a_number_is_refused),
                cmocka_unit_test(test_fractions_are_read_whatever_the_locale),
                cmocka_unit_test(test_switches_may_be_written_in_any_case),
                cmocka_unit_test(test_texts_mean_what_is_written),
                cmocka_unit_test(test_texts_that_libconfig_would_change_are_refused),
                cmocka_unit_test(test_what_is_left_open_is_named_where_it_begins),
                cmocka_unit_test(test_comma_before_a_bracket_is_named),
                cmocka_unit_test(test_misplaced_words_are_named),
                cmocka_unit_test(test_dotted_name_is_answered_with_the_way_to_write_it),
                cmocka_unit_test(test_includes_are_refused),
                cmocka_unit_test(test_setting_that_comes_twice_is_refused),
                cmocka_unit_test(test_array_of_different_kinds_is_refused),
                cmocka_unit_test(test_bytes_that_are_not_text_are_refused),
                cmocka_unit_test(test_deep_nesting_is_refused_before_anybody_recurses),
                cmocka_unit_test(test_number_of_settings_is_bounded),
                cmocka_unit_test(test_huge_words_are_read_or_shortened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
