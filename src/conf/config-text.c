/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What libconfig 1.5 does with odd input (tried, and read in its sources), and what we do about it.
 *
 *   input                         libconfig 1.5                             here
 *   0x100001388                   5000: hexadecimal wraps at 32 bits        refused: numbers are decimal
 *   4294972296                    5000: so do decimal numbers               refused: at most 2147483647
 *   010                           10, but 8 in later versions               refused: a leading zero
 *   5L                            5, of another type                        accepted
 *   500ms                         500, then a setting named ms              refused: not a number
 *   4,5                           4, then a setting named 5                 refused, whatever the locale
 *   (1, 2,)                       "syntax error"                            refused: the comma is named
 *   ("a" "b")                     ("ab"): a forgotten comma                 refused
 *   a = 1; and an open comment    a = 1: the comment hides the rest         refused: the comment is named
 *   a = 1; # no newline at end    "syntax error"                            accepted: a newline is added
 *   text over several lines       accepted; a forgotten '"' eats lines      refused where it begins
 *   "a\x00b", "a\qb"              "ab", "a\qb"                              refused: unknown escape
 *   a NUL byte                    ends the file silently                    refused
 *   a byte order mark             "syntax error"                            skipped
 *   CR LF                         accepted                                  accepted
 *   bytes that are not UTF-8      accepted in text                          refused
 *   "x" = 1                       "syntax error", and leaks the text        refused before libconfig sees it
 *   a.b = 1                       "syntax error"                            refused with the way to write it
 *   a = 1; a = 2                  "duplicate setting name"                  refused
 *   [1, "b"]                      "mismatched element type in array"        refused
 *   @include "/dev/tty"           opens it, relative to the working         refused: there are drop-ins
 *                                 directory of the process, up to 10 deep
 *   100,000 open brackets         "memory exhausted" at a depth of some     refused beyond 16
 *                                 thousand; frees recursively
 *   20,000 settings in a group    4 s: looks for duplicates one by one      refused beyond 4,096
 *   no memory                     ends the process                          a file has at most 1 MiB
 *   TRUE, False                   accepted                                  accepted
 *   a = 1 b = 2, a = 1, b = 2     accepted                                  accepted
 */

#include "conf/config-text.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/text.h"

/* Punctuation stands for itself; ':' is read as '='. */
enum {
        TOKEN_END = 0,
        TOKEN_NAME = 'a',
        TOKEN_TEXT = '"',
        TOKEN_NUMBER = '0',
        TOKEN_SWITCH = 't',
};

typedef enum Expect {
        EXPECT_NAME,            /* of a setting, or the end of the group */
        EXPECT_EQUALS,
        EXPECT_VALUE,
        EXPECT_ELEMENT,         /* the first of a list or array, or its end */
        EXPECT_SEPARATOR,       /* after a value */
} Expect;

typedef struct Scan {
        const char *p;
        const char *end;
        unsigned line;
        const char *token;      /* what was read last */
        size_t token_size;
        char key[96];           /* the path of the name read last; shortened, it is only for sentences */
        size_t group_size;      /* so much of it is the group that we are in */

        struct {
                char bracket;
                unsigned line;
                size_t group_size;      /* before it was opened */
        } open[CONFIG_NESTING_MAX];
        size_t n_open;
        size_t n_settings;

        const char *file;
        ConfigDiagnostics *diagnostics;
} Scan;

#define scan_fail(scan, key, ...) scan_fail_at((scan), (scan)->line, (key), __VA_ARGS__)
#define scan_fail_at(scan, at_line, at_key, ...)                                                                    \
        (config_fail((scan)->diagnostics,                                                                           \
                     &((ConfigPosition) { .file = (scan)->file, .line = (at_line), .key = (at_key) }), __VA_ARGS__), \
         -EBADMSG)

static bool is_name_start(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_name(char c) {
        return is_name_start(c) || is_digit(c) || c == '-' || c == '_';
}

/* What was read last, for a sentence: quoted, escaped, and not too long. */
static char *scan_token_text(const Scan *scan) {
        size_t size = MIN(scan->token_size, (size_t) 40);

        if (scan->token_size == 0)
                return strdup("the end of the file");
        if (scan->token[0] == '"')
                return strdup("a text");

        _cleanup_free_ char *escaped = text_escape(scan->token, size);
        char *quoted;

        if (!escaped || asprintf(&quoted, "'%s%s'", escaped, size < scan->token_size ? "..." : "") < 0)
                return NULL;
        return quoted;
}

/* Spaces and comments. */
static int scan_skip(Scan *scan) {
        while (scan->p < scan->end) {
                char next = scan->p + 1 < scan->end ? scan->p[1] : 0;

                if (*scan->p == '\n') {
                        scan->line++;
                        scan->p++;
                } else if (*scan->p == ' ' || *scan->p == '\t' || *scan->p == '\r' || *scan->p == '\f')
                        scan->p++;
                else if (*scan->p == '#' || (*scan->p == '/' && next == '/'))
                        scan->p = memchr(scan->p, '\n', (size_t) (scan->end - scan->p)) ?: scan->end;
                else if (*scan->p == '/' && next == '*') {
                        const char *close = memmem(scan->p + 2, (size_t) (scan->end - scan->p) - 2, "*/", 2);

                        if (!close)
                                return scan_fail(scan, NULL, "the comment that begins here is not closed by */.");
                        for (; scan->p < close + 2; scan->p++)
                                scan->line += *scan->p == '\n';
                } else
                        return 0;
        }
        return 0;
}

static int scan_text(Scan *scan) {
        for (scan->p++; scan->p < scan->end && *scan->p != '\n'; scan->p++) {
                size_t left = (size_t) (scan->end - scan->p);

                if (*scan->p == '"') {
                        scan->p++;
                        return TOKEN_TEXT;
                }
                if (*scan->p != '\\')
                        continue;
                if (left >= 2 && strchr("nrtf\\\"", scan->p[1]))
                        scan->p++;
                else if (left >= 4 && (scan->p[1] | 0x20) == 'x' && hex_digit(scan->p[2]) >= 0 &&
                         hex_digit(scan->p[3]) >= 0 && (scan->p[2] != '0' || scan->p[3] != '0'))
                        scan->p += 3;
                else
                        return scan_fail(scan, NULL, "unknown escape in a text, accepted are \\n \\r \\t \\f \\\" "
                                         "\\\\ and \\x01 to \\xff.");
        }
        return scan_fail(scan, NULL, "the text that begins here has no closing '\"' on its line.");
}

/* One of "12", "-12", "12L", "1.5", "1e3"; the last two are read by libconfig, and refused by the setting. */
static int scan_number(Scan *scan) {
        const char *p = scan->token, *end, *digits, *key = isempty(scan->key) ? NULL : scan->key;
        _cleanup_free_ char *found = NULL;
        size_t n_digits, n_fraction = 0, n_exponent = 0;
        uint64_t value = 0;
        bool negative;

        while (scan->p < scan->end && (is_name(*scan->p) || *scan->p == '.' || *scan->p == '+'))
                scan->p++;
        end = scan->p;
        scan->token_size = (size_t) (end - scan->token);
        found = scan_token_text(scan);

        negative = *p == '-';
        p += *p == '-' || *p == '+';
        digits = p;
        for (; p < end && is_digit(*p); p++)
                value = value > UINT32_MAX ? value : 10 * value + (uint64_t) (*p - '0');
        n_digits = (size_t) (p - digits);

        if (n_digits > 0 && p < end && *p == 'L') {
                p += p + 1 < end && p[1] == 'L' ? 2 : 1;
        } else if (p < end) {
                if (*p == '.')
                        for (p++; p < end && is_digit(*p); p++)
                                n_fraction++;
                if (n_digits + n_fraction > 0 && p < end && (*p | 0x20) == 'e') {
                        p += p + 1 < end && (p[1] == '-' || p[1] == '+') ? 2 : 1;
                        for (; p < end && is_digit(*p); p++)
                                n_exponent++;
                        if (n_exponent == 0)
                                p = digits;
                }
                if (p == end && n_digits + n_fraction > 0)
                        return TOKEN_NUMBER;
        }

        if (n_digits == 0 || p != end)
                return scan_fail(scan, key, "found %s, which is not a number; numbers are decimal and have no unit.",
                                 found ?: "something");
        if (n_digits > 1 && digits[0] == '0')
                return scan_fail(scan, key, "found %s, a number with a leading zero; write it without.",
                                 found ?: "something");
        if (value > (uint64_t) INT32_MAX + negative)
                return scan_fail(scan, key, "found %s, no number above %d is accepted anywhere.",
                                 found ?: "something", INT32_MAX);
        return TOKEN_NUMBER;
}

/* Return: a token, or -EBADMSG after a diagnostic. */
static int scan_next(Scan *scan) {
        int r;

        r = scan_skip(scan);
        if (r < 0)
                return r;

        scan->token = scan->p;
        scan->token_size = 0;
        if (scan->p == scan->end)
                return TOKEN_END;

        scan->token_size = 1;
        if (*scan->p == '"')
                return scan_text(scan);
        if (is_digit(*scan->p) || *scan->p == '-' || *scan->p == '+' || *scan->p == '.')
                return scan_number(scan);
        if (is_name_start(*scan->p)) {
                while (scan->p < scan->end && is_name(*scan->p))
                        scan->p++;
                scan->token_size = (size_t) (scan->p - scan->token);
                if ((scan->token_size == 4 && strncasecmp(scan->token, "true", 4) == 0) ||
                    (scan->token_size == 5 && strncasecmp(scan->token, "false", 5) == 0))
                        return TOKEN_SWITCH;
                return TOKEN_NAME;
        }
        if (*scan->p && strchr("=:,;{}()[]", *scan->p)) {
                scan->p++;
                return scan->token[0] == ':' ? '=' : (unsigned char) scan->token[0];
        }
        if (*scan->p == '@')
                return scan_fail(scan, NULL, "found '@'; files are not included by @include, put them into the "
                                 "directory of drop-ins.");

        /* A whole character, not half of one. */
        while (scan->token + scan->token_size < scan->end && (scan->token[scan->token_size] & 0xc0) == 0x80)
                scan->token_size++;
        _cleanup_free_ char *found = scan_token_text(scan);

        return scan_fail(scan, NULL, "found %s, which has no meaning outside of a text in quotation marks.",
                         found ?: "something");
}

static char scan_bracket(const Scan *scan) {
        return scan->n_open == 0 ? '{' : scan->open[scan->n_open - 1].bracket;
}

static int scan_open(Scan *scan, int token) {
        if (scan->n_open == CONFIG_NESTING_MAX)
                return scan_fail(scan, NULL, "more than %d brackets are open.", CONFIG_NESTING_MAX);

        scan->open[scan->n_open].bracket = (char) token;
        scan->open[scan->n_open].line = scan->line;
        scan->open[scan->n_open++].group_size = scan->group_size;
        scan->group_size = strlen(scan->key);
        return token == '{' ? EXPECT_NAME : EXPECT_ELEMENT;
}

static int scan_close(Scan *scan) {
        scan->group_size = scan->open[--scan->n_open].group_size;
        return EXPECT_SEPARATOR;
}

static bool scan_closes(const Scan *scan, int token) {
        return scan->n_open > 0 && token == (scan_bracket(scan) == '{' ? '}' : scan_bracket(scan) == '(' ? ')' : ']');
}

/* @token is not what belongs here. */
static int scan_unexpected(Scan *scan, int token, const char *expected) {
        _cleanup_free_ char *found = scan_token_text(scan);

        if (token == TOKEN_END && scan->n_open > 0)
                return scan_fail_at(scan, scan->open[scan->n_open - 1].line, NULL,
                                    "the '%c' here is not closed.", scan_bracket(scan));
        return scan_fail(scan, NULL, "found %s, expected %s.", found ?: "something", expected);
}

/* Return: what to expect after @token, or -EBADMSG after a diagnostic. */
static int scan_value(Scan *scan, int token) {
        switch (token) {

        case TOKEN_TEXT:
        case TOKEN_NUMBER:
        case TOKEN_SWITCH:
                return EXPECT_SEPARATOR;

        case '{':
        case '(':
        case '[':
                if (scan_bracket(scan) == '[')
                        return scan_unexpected(scan, token, "a plain value; groups and lists are written in ( )");
                return scan_open(scan, token);

        case TOKEN_NAME:
                return scan_unexpected(scan, token, "a value; a text is written in quotation marks");

        case ')':
        case ']':
                if (scan_closes(scan, token))
                        return scan_unexpected(scan, token, "another value; a comma before it is one too many");
                return scan_unexpected(scan, token, "a value");

        default:
                return scan_unexpected(scan, token, "a value");
        }
}

/* Return: what to expect after @token, or -EBADMSG after a diagnostic. */
static int scan_separator(Scan *scan, int token) {
        if (scan_closes(scan, token))
                return scan_close(scan);
        if (token == TOKEN_TEXT)
                return scan_unexpected(scan, token, "a separator before it");

        if (scan_bracket(scan) != '{') {
                if (token == ',')
                        return EXPECT_VALUE;
                return scan_unexpected(scan, token, scan_bracket(scan) == '(' ? "',' or ')'" : "',' or ']'");
        }

        if (token == ';' || token == ',')
                return EXPECT_NAME;
        if (token == TOKEN_NAME)
                return EXPECT_EQUALS;
        return scan_unexpected(scan, token, scan->n_open > 0 ? "';' or '}'" : "';'");
}

/* Return: what to expect after @token, or -EBADMSG after a diagnostic. */
static int scan_step(Scan *scan, Expect expect, int token) {
        switch (expect) {

        case EXPECT_NAME:
                if (token == TOKEN_NAME)
                        return EXPECT_EQUALS;
                if (token == '}' && scan_closes(scan, token))
                        return scan_close(scan);
                return scan_unexpected(scan, token, "the name of a setting");

        case EXPECT_EQUALS:
                if (token == '=')
                        return EXPECT_VALUE;
                return scan_unexpected(scan, token, "'=' and a value after the name");

        case EXPECT_ELEMENT:
                if (scan_closes(scan, token))
                        return scan_close(scan);
                return scan_value(scan, token);

        case EXPECT_VALUE:
                return scan_value(scan, token);

        case EXPECT_SEPARATOR:
                return scan_separator(scan, token);
        }

        assert(false && "not reached");
        return -EBADMSG;
}

static void scan_set_key(Scan *scan) {
        (void) snprintf(scan->key + scan->group_size, sizeof(scan->key) - scan->group_size, "%s%.*s",
                        scan->group_size > 0 ? "." : "", (int) MIN(scan->token_size, sizeof(scan->key)), scan->token);
}

static int scan_all(Scan *scan) {
        int expect = EXPECT_NAME;

        for (;;) {
                int token = scan_next(scan);

                if (token < 0)
                        return token;
                if (token == TOKEN_END && scan->n_open == 0 && (expect == EXPECT_NAME || expect == EXPECT_SEPARATOR))
                        return 0;

                expect = scan_step(scan, (Expect) expect, token);
                if (expect < 0)
                        return expect;

                if (token == TOKEN_NAME) {
                        scan_set_key(scan);
                        if (scan->p < scan->end && *scan->p == '.')
                                return scan_fail(scan, scan->key, "names have no dots in a file; write it as "
                                                 "GROUP = { NAME = VALUE; };");
                }
                if ((token == '=' || token == ',') && ++scan->n_settings > CONFIG_SETTINGS_MAX)
                        return scan_fail(scan, NULL, "has more than %d settings, which is all that is accepted.",
                                         CONFIG_SETTINGS_MAX);
        }
}

/* Bytes that no file has: the first line with one is named. */
static int scan_bytes(Scan *scan) {
        for (const char *p = scan->p; p < scan->end; scan->line++) {
                const char *end = memchr(p, '\n', (size_t) (scan->end - p)) ?: scan->end;

                if (memchr(p, 0, (size_t) (end - p)))
                        return scan_fail(scan, NULL, "found a NUL byte; this is not a text file.");
                if (!utf8_is_valid(p, (size_t) (end - p)))
                        return scan_fail(scan, NULL, "found bytes that are not UTF-8.");
                p = end + 1;
        }
        scan->line = 1;
        return 0;
}

static size_t byte_order_mark_size(const char *text, size_t size) {
        return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int config_text_check(const char *file, const char *text, size_t size, ConfigDiagnostics *diagnostics) {
        Scan scan = {
                .p = text + byte_order_mark_size(text, size),
                .end = text + size,
                .line = 1,
                .file = file,
                .diagnostics = diagnostics,
        };
        int r;

        r = scan_bytes(&scan);
        if (r < 0)
                return r;
        return scan_all(&scan);
}

int config_text_parse(config_t *config, const char *file, const char *text, size_t size,
                      ConfigDiagnostics *diagnostics) {
        size_t skip = byte_order_mark_size(text, size);
        _cleanup_free_ char *copy = NULL;
        int r;

        r = config_text_check(file, text, size, diagnostics);
        if (r < 0)
                return r;

        if (asprintf(&copy, "%.*s\n", (int) (size - skip), text + skip) < 0) {
                copy = NULL;
                return -ENOMEM;
        }
        if (config_read_string(config, copy))
                return 0;

        config_fail(diagnostics, &((ConfigPosition) { .file = file, .line = (unsigned) config_error_line(config) }),
                    "%s", streq(config_error_text(config), "duplicate setting name") ?
                    "this setting is set twice in one file." :
                    streq(config_error_text(config), "mismatched element type in array") ?
                    "the elements of an array [ ] are of one kind; a list ( ) may mix them." :
                    config_error_text(config));
        return -EBADMSG;
}
