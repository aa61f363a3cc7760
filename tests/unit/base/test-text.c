/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/text.h"

#include <errno.h>

#include "unit.h"

/* On the heap and exactly @size long, so that a sanitizer sees a step beyond its end. */
static char *copy_of(const char *data, size_t size) {
        char *copy = malloc(MAX(size, (size_t) 1));

        assert_non_null(copy);
        if (size > 0)
                memcpy(copy, data, size);
        return copy;
}

static void assert_escaped(const char *data, size_t size, const char *expected) {
        _cleanup_free_ char *copy = copy_of(data, size);
        _cleanup_free_ char *escaped = text_escape(copy, size);

        assert_non_null(escaped);
        assert_string_equal(escaped, expected);
}
#define ESCAPED(literal, expected) assert_escaped(literal, sizeof(literal) - 1, expected)

static void test_harmless_text_stays(void **state) {
        ESCAPED("", "");
        ESCAPED("alpha beta-7 ~!@#$%^&*()\"'<>", "alpha beta-7 ~!@#$%^&*()\"'<>");
        ESCAPED("Grüße, Übergröße, 日本語, 🐟", "Grüße, Übergröße, 日本語, 🐟");
}

static void test_terminal_controls_are_escaped(void **state) {
        ESCAPED("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\a");
        ESCAPED("line\r\nMar  1 host sshd: forged\n", "line\\r\\nMar  1 host sshd: forged\\n");
        ESCAPED("\a\b\t\n\v\f\r", "\\a\\b\\t\\n\\v\\f\\r");
        ESCAPED("\x01\x06\x0e\x1f\x7f", "\\x01\\x06\\x0e\\x1f\\x7f");
        ESCAPED("a\0b", "a\\x00b");
        ESCAPED("\xc2\x9b" "31m", "\\xc2\\x9b31m");             /* C1: a CSI in one character */
        ESCAPED("\xc2\x80\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0");
}

static void test_backslashes_cannot_forge_an_escape(void **state) {
        ESCAPED("\\x1b", "\\\\x1b");
        ESCAPED("\\", "\\\\");
}

static void test_reordering_and_invisible_characters_are_escaped(void **state) {
        ESCAPED("user\u202egnp.exe", "user\\xe2\\x80\\xaegnp.exe");
        ESCAPED("\u202a\u202b\u202c\u202d", "\\xe2\\x80\\xaa\\xe2\\x80\\xab\\xe2\\x80\\xac\\xe2\\x80\\xad");
        ESCAPED("\u2066\u2067\u2068\u2069", "\\xe2\\x81\\xa6\\xe2\\x81\\xa7\\xe2\\x81\\xa8\\xe2\\x81\\xa9");
        ESCAPED("\u200e\u200f\u061c", "\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xd8\\x9c");
        ESCAPED("a\u200bb\ufeff", "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf");
        ESCAPED("\u2028\u2029", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
}

static void test_broken_utf8_is_escaped_byte_by_byte(void **state) {
        ESCAPED("\x80", "\\x80");
        ESCAPED("\xff\xfe", "\\xff\\xfe");
        ESCAPED("a\xc3", "a\\xc3");                             /* ends in the middle */
        ESCAPED("\xe2\x82", "\\xe2\\x82");
        ESCAPED("\xf0\x9f\x90", "\\xf0\\x9f\\x90");
        ESCAPED("\xc3z", "\\xc3z");
        ESCAPED("\xc0\xaf", "\\xc0\\xaf");                      /* overlong */
        ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80");             /* surrogate */
        ESCAPED("\xc0\x8a", "\\xc0\\x8a");                      /* an overlong newline is no newline */
}

static void test_escaped_text_is_always_printable(void **state) {
        char data[3];

        for (unsigned a = 0; a < 256; a++)
                for (unsigned b = 0; b < 256; b++) {
                        _cleanup_free_ char *escaped = NULL;

                        data[0] = (char) a;
                        data[1] = (char) b;
                        data[2] = (char) (a ^ b);
                        escaped = text_escape(data, sizeof(data));
                        assert_non_null(escaped);
                        assert_true(utf8_is_valid(escaped, strlen(escaped)));
                        for (const char *p = escaped; *p; p++)
                                assert_true((uint8_t) *p >= 0x20 && *p != 0x7f);
                        assert_true(strlen(escaped) >= 1);
                }
}

static void test_utf8_is_that_of_rfc3629(void **state) {
        static const struct {
                const char *text;
                bool valid;
        } rows[] = {
                { "",                   true  },
                { "\x7f",               true  },
                { "\xc2\x80",           true  },
                { "\xdf\xbf",           true  },
                { "\xe0\xa0\x80",       true  },
                { "\xed\x9f\xbf",       true  },
                { "\xee\x80\x80",       true  },
                { "\xef\xbf\xbf",       true  },
                { "\xf0\x90\x80\x80",   true  },
                { "\xf4\x8f\xbf\xbf",   true  },
                { "\x80",               false },
                { "\xbf",               false },
                { "\xc1\xbf",           false },
                { "\xc2",               false },
                { "\xc2\x7f",           false },
                { "\xc2\xc0",           false },
                { "\xe0\x9f\xbf",       false },
                { "\xe0\xa0",           false },
                { "\xed\xa0\x80",       false },
                { "\xed\xbf\xbf",       false },
                { "\xf0\x8f\xbf\xbf",   false },
                { "\xf4\x90\x80\x80",   false },
                { "\xf5\x80\x80\x80",   false },
                { "\xf0\x90\x80",       false },
                { "\xfe",               false },
                { "\xff",               false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                size_t size = strlen(rows[i].text);
                _cleanup_free_ char *copy = copy_of(rows[i].text, size);

                assert_int_equal(utf8_is_valid(copy, size), rows[i].valid);
        }
        assert_true(utf8_is_valid("a\0b", 3));          /* NUL is a character; whoever minds says so */
}

static void test_printable_ascii_has_no_neighbours(void **state) {
        for (int c = 0; c < 256; c++) {
                char byte = (char) c;

                assert_int_equal(ascii_is_printable(&byte, 1), c >= 0x20 && c <= 0x7e);
        }
        assert_true(ascii_is_printable("", 0));
        assert_false(ascii_is_printable("abc\n", 4));
}

static void test_numbers_are_digits_and_nothing_else(void **state) {
        static const char *const wrong[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "1,000", "a", "٣", "-" };
        uint64_t v = 42;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(parse_u64(wrong[i], &v), -EINVAL);
        assert_int_equal(parse_u64(NULL, &v), -EINVAL);
        assert_int_equal(parse_u64("18446744073709551616", &v), -ERANGE);
        assert_int_equal(parse_u64("99999999999999999999", &v), -ERANGE);
        assert_int_equal(parse_u64("100000000000000000000000000000000000000000", &v), -ERANGE);
        assert_int_equal(parse_u64("99999999999999999999x", &v), -EINVAL);
        assert_int_equal(v, 42);

        assert_int_equal(parse_u64("0", &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(parse_u64("18446744073709551615", &v), 0);
        assert_int_equal(v, UINT64_MAX);
        assert_int_equal(parse_u64("000000000000000000000000000000017", &v), 0);
        assert_int_equal(v, 17);
}

static void test_ports_are_1_to_65535(void **state) {
        uint16_t port = 42;

        assert_int_equal(parse_port("0", &port), -ERANGE);
        assert_int_equal(parse_port("65536", &port), -ERANGE);
        assert_int_equal(parse_port("99999999999999999999", &port), -ERANGE);
        assert_int_equal(parse_port("http", &port), -EINVAL);
        assert_int_equal(parse_port("-1", &port), -EINVAL);
        assert_int_equal(port, 42);
        assert_int_equal(parse_port("1", &port), 0);
        assert_int_equal(port, 1);
        assert_int_equal(parse_port("65535", &port), 0);
        assert_int_equal(port, 65535);
}

static void test_hex_digits(void **state) {
        for (int c = -128; c < 128; c++) {
                int expected = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
                               c >= 'A' && c <= 'F' ? c - 'A' + 10 : -EINVAL;

                assert_int_equal(hex_digit((char) c), expected);
        }
}

static void test_a_sentence_fits_into_the_middle_of_another(void **state) {
        static const struct {
                const char *sentence, *clause;
        } rows[] = {
                { "Too many connections.",                 "too many connections"                },
                { "A seed was expected at this address.",  "a seed was expected at this address" },
                { "HELLO was expected.",                   "HELLO was expected"                  },
                { "no address of ours",                    "no address of ours"                  },
                { "Éteint.",                               "Éteint"                              },
                { "D-Bus",                                 "D-Bus"                               },
                { "X",                                     "X"                                   },
                { "...",                                   ".."                                  },
                { ".",                                     ""                                    },
                { "",                                      ""                                    },
        };
        char buffer[64];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(text_clause(rows[i].sentence, buffer), rows[i].clause);
}

static void test_durations_read_well_at_every_size(void **state) {
        static const struct {
                usec_t usec;
                const char *text;
        } rows[] = {
                { 0,                                                    "0.0 ms"      },
                { 400,                                                  "0.4 ms"      },
                { 1499,                                                 "1.4 ms"      },
                { 999999,                                               "999.9 ms"    },
                { USEC_PER_SEC,                                         "1.0 s"       },
                { 1600000,                                              "1.6 s"       },
                { 10 * USEC_PER_SEC - 1,                                "9.9 s"       },
                { 10 * USEC_PER_SEC,                                    "10 s"        },
                { 60 * USEC_PER_SEC - 1,                                "59 s"        },
                { 131 * USEC_PER_SEC,                                   "2 min 11 s"  },
                { 10 * USEC_PER_MINUTE,                                 "10 min"      },
                { 2 * USEC_PER_HOUR + 59 * USEC_PER_SEC,                "2 h"         },
                { 72 * USEC_PER_HOUR,                                   "3 days"      },
                { USEC_PER_HOUR - 1,                                    "59 min 59 s" },
                { 3 * USEC_PER_HOUR + 5 * USEC_PER_MINUTE,              "3 h 5 min"   },
                { 48 * USEC_PER_HOUR - 1,                               "47 h 59 min" },
                { 51 * USEC_PER_HOUR,                                   "2 days 3 h"  },
                { USEC_INFINITY - 1,                                    "213503982 days 8 h" },
                { USEC_INFINITY,                                        "never"       },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(DURATION_TEXT(rows[i].usec), rows[i].text);
}

static void test_sizes_read_well_at_every_size(void **state) {
        static const struct {
                uint64_t size;
                const char *text;
        } rows[] = {
                { 0,                            "0 B"        },
                { 512,                          "512 B"      },
                { 1023,                         "1023 B"     },
                { 1024,                         "1.0 KiB"    },
                { 1024 * 1024 - 1,              "1023.9 KiB" },
                { 1024 * 1024,                  "1.0 MiB"    },
                { 3565158,                      "3.3 MiB"    },
                { 3565159,                      "3.4 MiB"    },
                { UINT64_C(1) << 40,            "1.0 TiB"    },
                { UINT64_MAX,                   "15.9 EiB"   },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(SIZE_TEXT(rows[i].size), rows[i].text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_harmless_text_stays),
                cmocka_unit_test(test_terminal_controls_are_escaped),
                cmocka_unit_test(test_backslashes_cannot_forge_an_escape),
                cmocka_unit_test(test_reordering_and_invisible_characters_are_escaped),
                cmocka_unit_test(test_broken_utf8_is_escaped_byte_by_byte),
                cmocka_unit_test(test_escaped_text_is_always_printable),
                cmocka_unit_test(test_utf8_is_that_of_rfc3629),
                cmocka_unit_test(test_printable_ascii_has_no_neighbours),
                cmocka_unit_test(test_numbers_are_digits_and_nothing_else),
                cmocka_unit_test(test_ports_are_1_to_65535),
                cmocka_unit_test(test_hex_digits),
                cmocka_unit_test(test_a_sentence_fits_into_the_middle_of_another),
                cmocka_unit_test(test_durations_read_well_at_every_size),
                cmocka_unit_test(test_sizes_read_well_at_every_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
