/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <locale.h>

#include "p2pctl/format.h"
#include "unit.h"

static void test_times_are_told_from_now(void **state) {
        assert_string_equal(AGO_TEXT(100 * USEC_PER_SEC, 112 * USEC_PER_SEC), "12 s ago");
        assert_string_equal(AGO_TEXT(100 * USEC_PER_SEC, 100 * USEC_PER_SEC + 999999), "just now");
        assert_string_equal(AGO_TEXT(100 * USEC_PER_SEC, 99 * USEC_PER_SEC), "just now");
        assert_string_equal(AGO_TEXT(0, 112 * USEC_PER_SEC), "-");
        assert_string_equal(WAIT_TEXT(0), "1 s");
        assert_string_equal(WAIT_TEXT(594600), "1 s");
        assert_string_equal(WAIT_TEXT(28 * USEC_PER_SEC + 1), "29 s");
        assert_string_equal(WAIT_TEXT(90 * USEC_PER_SEC), "1 min 30 s");
        assert_string_equal(RTT_TEXT(0), "-");
        assert_string_equal(RTT_TEXT(400), "0.4 ms");
}

static void test_one_is_not_many(void **state) {
        assert_string_equal(COUNT_TEXT(0, "peer"), "0 peers");
        assert_string_equal(COUNT_TEXT(1, "peer"), "1 peer");
        assert_string_equal(COUNT_TEXT(2, "peer"), "2 peers");
}

static void assert_shortened(const char *text, size_t width, bool utf8, const char *wanted) {
        _cleanup_free_ char *shortened = text_shorten(text, width, utf8);

        assert_non_null(shortened);
        assert_string_equal(shortened, wanted);
        assert_true(text_width(shortened) <= width);
}

static void test_what_is_too_wide_is_shortened_with_a_sign_of_it(void **state) {
        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        assert_shortened("/deploy", 7, true, "/deploy");
        assert_shortened("/deploy", 6, true, "/depl…");
        assert_shortened("/deploy", 6, false, "/de...");
        assert_shortened("grün", 4, true, "grün");
        assert_shortened("grüner", 4, true, "grü…");
        assert_int_equal(text_width("日本"), 4);               /* two columns each, and neither is cut in two */
        assert_shortened("日本語", 4, true, "日…");
        assert_int_equal(text_width("a\xff\xc3"), 3);
        assert_non_null(setlocale(LC_CTYPE, "C"));
        assert_shortened("/deploy", 6, false, "/de...");
}

static void test_ids_are_shortened_where_that_helps(void **state) {
        static const char id[] = "7c1e90aa000000000000000000000001";
        char buffer[ID_TEXT_SIZE];

        assert_string_equal(id_format(id, false, true, buffer), "7c1e90aa…");
        assert_string_equal(id_format(id, false, false, buffer), "7c1e90aa...");
        assert_string_equal(id_format(id, true, true, buffer), id);
        assert_string_equal(id_format("abc", false, true, buffer), "abc");
}

/* RFC 4648, section 10. */
static void test_base64_is_that_of_the_rfc(void **state) {
        static const char *const cases[][2] = {
                { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
                { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" }, { "\xfb\xf0", "+/A=" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = base64_encode(cases[i][0], strlen(cases[i][0]));

                assert_string_equal(text, cases[i][1]);
        }
}

static void test_only_text_is_told_as_text(void **state) {
        assert_true(payload_is_text(NULL, 0));
        assert_true(payload_is_text("über\n", 6));
        assert_false(payload_is_text("a\0b", 3));
        assert_false(payload_is_text("\xff", 1));
        assert_false(payload_is_text("\xed\xa0\x80", 3));       /* a surrogate */
}

static void test_a_slip_of_the_finger_is_recognised(void **state) {
        static const char *const names[] = { "status", "peers", "seeds", "show", "subscribe", "reload", "is-online" };
        static const char *const cases[][2] = {
                { "pers", "peers" }, { "peeers", "peers" }, { "perrs", "peers" }, { "peesr", "peers" }, { "stauts", "status" },
                { "sub", "subscribe" }, { "relaod", "reload" }, { "isonline", "is-online" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(suggestion(cases[i][0], names, ELEMENTSOF(names)), cases[i][1]);
}

static void test_another_word_suggests_nothing(void **state) {
        static const char *const names[] = { "status", "peers", "seeds", "show" };
        static const char *const others[] = {
                "", "x", "frobnicate", "pppppppppppppppppppppppppppppppppppppppppppppppppp", "-",
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_null(suggestion(others[i], names, ELEMENTSOF(names)));
}

static void test_timeouts_are_seconds(void **state) {
        usec_t usec;

        assert_int_equal(timeout_parse("3", &usec), 0);
        assert_int_equal(usec, 3 * USEC_PER_SEC);
        assert_int_equal(timeout_parse("1.5", &usec), 0);
        assert_int_equal(usec, 1500000);
        assert_int_equal(timeout_parse("0.25", &usec), 0);
        assert_int_equal(usec, 250000);
        assert_int_equal(timeout_parse("0", &usec), 0);
        assert_true(usec == USEC_INFINITY);
        assert_int_equal(timeout_parse("31536000", &usec), 0);
}

static void test_other_timeouts_are_refused(void **state) {
        static const char *const invalid[] = { "", "-1", "1s", "1.", ".5", "1.2.3", "1,5", " 1", "x" };
        usec_t usec;

        for (size_t i = 0; i < ELEMENTSOF(invalid); i++)
                assert_int_equal(timeout_parse(invalid[i], &usec), -EINVAL);
        assert_int_equal(timeout_parse("31536001", &usec), -ERANGE);
        assert_int_equal(timeout_parse("99999999999999999999999999999999", &usec), -ERANGE);
}

static void test_times_ago_have_units(void **state) {
        static const struct {
                const char *text;
                uint64_t seconds;
        } valid[] = { { "0", 0 }, { "90", 90 }, { "90s", 90 }, { "5min", 300 }, { "2h", 7200 }, { "365d", 31536000 } };
        static const char *const invalid[] = { "", "min", "-1", "5 min", "5m", "1.5h", "5minutes", "x" };
        static const char *const too_long[] = { "366d", "31536001", "99999999999999999999" };
        uint64_t seconds;

        for (size_t i = 0; i < ELEMENTSOF(valid); i++) {
                assert_int_equal(ago_parse(valid[i].text, &seconds), 0);
                assert_int_equal(seconds, valid[i].seconds);
        }
        for (size_t i = 0; i < ELEMENTSOF(invalid); i++)
                assert_int_equal(ago_parse(invalid[i], &seconds), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(too_long); i++)
                assert_int_equal(ago_parse(too_long[i], &seconds), -ERANGE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_times_are_told_from_now),
                cmocka_unit_test(test_one_is_not_many),
                cmocka_unit_test(test_what_is_too_wide_is_shortened_with_a_sign_of_it),
                cmocka_unit_test(test_ids_are_shortened_where_that_helps),
                cmocka_unit_test(test_base64_is_that_of_the_rfc),
                cmocka_unit_test(test_only_text_is_told_as_text),
                cmocka_unit_test(test_a_slip_of_the_finger_is_recognised),
                cmocka_unit_test(test_another_word_suggests_nothing),
                cmocka_unit_test(test_times_ago_have_units),
                cmocka_unit_test(test_timeouts_are_seconds),
                cmocka_unit_test(test_other_timeouts_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
