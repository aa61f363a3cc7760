/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/format.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <wchar.h>

#define SUGGESTION_SIZE_MAX 32U         /* longer words are not compared */
#define SUGGESTION_DISTANCE_MAX 2U

#define TIMEOUT_SECONDS_MAX (365U * 24U * 3600U)

char *ago_format(usec_t timestamp, usec_t now, char buffer[static AGO_TEXT_SIZE]) {
        usec_t age = usec_sub(now, timestamp);

        if (timestamp == 0)
                (void) snprintf(buffer, AGO_TEXT_SIZE, "-");
        else if (age < USEC_PER_SEC)
                (void) snprintf(buffer, AGO_TEXT_SIZE, "just now");
        else
                (void) snprintf(buffer, AGO_TEXT_SIZE, "%s ago", DURATION_TEXT(age));
        return buffer;
}

char *wait_format(usec_t duration, char buffer[static DURATION_TEXT_SIZE]) {
        usec_t s = MAX(duration / USEC_PER_SEC + (duration % USEC_PER_SEC > 0), (usec_t) 1);

        if (s < 60)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "%" PRIu64 " s", s);
        else
                (void) duration_format(duration, buffer);
        return buffer;
}

char *rtt_format(usec_t rtt, char buffer[static DURATION_TEXT_SIZE]) {
        if (rtt == 0)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "-");
        else
                (void) duration_format(rtt, buffer);
        return buffer;
}

char *count_format(uint64_t n, const char *noun, char buffer[static COUNT_TEXT_SIZE]) {
        (void) snprintf(buffer, COUNT_TEXT_SIZE, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
        return buffer;
}

char *id_format(const char *id, bool full, bool utf8, char buffer[static ID_TEXT_SIZE]) {
        bool shorten = !full && strlen(id) > 8 + 3;

        (void) snprintf(buffer, ID_TEXT_SIZE, "%.*s%s", shorten ? 8 : (int) ID_TEXT_SIZE - 1, id,
                        !shorten ? "" : utf8 ? "…" : "...");
        return buffer;
}

/* The bytes of the first character, and its columns. */
static size_t first_character(const char *text, size_t *ret_width) {
        size_t n = strnlen(text, MB_LEN_MAX), n_bytes;
        mbstate_t state = {};
        int width;
        wchar_t c;

        *ret_width = 1;
        n_bytes = mbrtowc(&c, text, n, &state);
        if (n_bytes == 0 || n_bytes > n)
                return 1;
        width = wcwidth(c);
        if (width >= 0)
                *ret_width = (size_t) width;
        return n_bytes;
}

/* The bytes of the characters that fit into @width columns. */
static size_t fitting_size(const char *text, size_t width) {
        const char *p = text;

        while (*p) {
                size_t n_columns, n = first_character(p, &n_columns);

                if (n_columns > width)
                        break;
                width -= n_columns;
                p += n;
        }
        return (size_t) (p - text);
}

size_t text_width(const char *text) {
        size_t width = 0;

        while (*text) {
                size_t n_columns;

                text += first_character(text, &n_columns);
                width += n_columns;
        }
        return width;
}

char *text_shorten(const char *text, size_t width, bool utf8) {
        const char *sign = utf8 ? "…" : "...";
        size_t sign_width = utf8 ? 1 : 3;
        char *shortened;

        if (text_width(text) <= width)
                return strdup(text);
        if (asprintf(&shortened, "%.*s%s", (int) fitting_size(text, width - MIN(width, sign_width)), text, sign) < 0)
                return NULL;
        return shortened;
}

char *base64_encode(const void *data, size_t size) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const uint8_t *p = data;
        char *text, *out;

        text = out = malloc((size + 2) / 3 * 4 + 1);
        if (!text)
                return NULL;

        for (size_t i = 0; i < size; i += 3) {
                size_t n = MIN(size - i, (size_t) 3);
                uint32_t group = (uint32_t) p[i] << 16 |
                                 (n > 1 ? (uint32_t) p[i + 1] << 8 : 0) |
                                 (n > 2 ? (uint32_t) p[i + 2] : 0);

                *out++ = digits[group >> 18];
                *out++ = digits[group >> 12 & 63];
                *out++ = n > 1 ? digits[group >> 6 & 63] : '=';
                *out++ = n > 2 ? digits[group & 63] : '=';
        }
        *out = 0;
        return text;
}

bool payload_is_text(const void *data, size_t size) {
        return size == 0 || (utf8_is_valid(data, size) && !memchr(data, 0, size));
}

/* Optimal string alignment (Damerau-Levenshtein without editing a pair twice), over three rows of the table. */
static unsigned word_distance(const char *a, const char *b) {
        unsigned rows[3][SUGGESTION_SIZE_MAX + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n > SUGGESTION_SIZE_MAX || m > SUGGESTION_SIZE_MAX)
                return UINT32_MAX;

        for (size_t j = 0; j <= m; j++)
                rows[0][j] = (unsigned) j;
        for (size_t i = 1; i <= n; i++) {
                unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

                row[0] = (unsigned) i;
                for (size_t j = 1; j <= m; j++) {
                        row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
                        row[j] = MIN(row[j], above[j] + 1);
                        row[j] = MIN(row[j], row[j - 1] + 1);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = MIN(row[j], above2[j - 2] + 1);
                }
        }
        return rows[n % 3][m];
}

const char *suggestion(const char *text, const char *const *names, size_t n_names) {
        unsigned best_distance = SUGGESTION_DISTANCE_MAX + 1;
        const char *best = NULL, *prefixed = NULL;
        size_t size = strlen(text), n_prefixed = 0;

        if (size == 0)
                return NULL;

        for (size_t i = 0; i < n_names; i++) {
                unsigned distance = word_distance(text, names[i]);

                if (strncmp(names[i], text, size) == 0) {
                        prefixed = names[i];
                        n_prefixed++;
                }
                /* A short word is soon at distance two of any other. */
                if (distance < best_distance && distance < strlen(names[i]) / 2 + 1) {
                        best = names[i];
                        best_distance = distance;
                }
        }
        return n_prefixed == 1 ? prefixed : best;
}

const char *const log_levels[N_LOG_LEVELS] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

int ago_parse(const char *text, uint64_t *ret_seconds) {
        static const struct {
                const char *name;
                uint64_t seconds;
        } units[] = { { "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 60 * 60 }, { "d", 24 * 60 * 60 } };
        size_t n_digits = strspn(text, "0123456789");
        char digits[12] = "";
        uint64_t value;
        int r;

        if (n_digits == 0)
                return -EINVAL;
        if (n_digits >= sizeof(digits))
                return -ERANGE;
        memcpy(digits, text, n_digits);
        r = parse_u64(digits, &value);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(text + n_digits, units[i].name)) {
                        if (value > TIMEOUT_SECONDS_MAX / units[i].seconds)
                                return -ERANGE;
                        *ret_seconds = value * units[i].seconds;
                        return 0;
                }
        return -EINVAL;
}

int timeout_parse(const char *text, usec_t *ret) {
        char whole[24] = "";
        const char *point = strchr(text, '.');
        size_t n_whole = point ? (size_t) (point - text) : strlen(text);
        usec_t unit = USEC_PER_SEC, fraction = 0;
        uint64_t seconds;
        int r;

        if (n_whole >= sizeof(whole))
                return -ERANGE;
        memcpy(whole, text, n_whole);
        r = parse_u64(whole, &seconds);
        if (r < 0)
                return r;
        if (seconds > TIMEOUT_SECONDS_MAX)
                return -ERANGE;

        if (point) {
                if (!point[1])
                        return -EINVAL;
                for (const char *p = point + 1; *p; p++) {
                        if (*p < '0' || *p > '9')
                                return -EINVAL;
                        unit /= 10;
                        fraction += unit * (usec_t) (*p - '0');
                }
        }

        *ret = seconds * USEC_PER_SEC + fraction;
        if (*ret == 0)
                *ret = USEC_INFINITY;
        return 0;
}
