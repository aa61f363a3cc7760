/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

int parse_u64(const char *text, uint64_t *ret) {
        uint64_t v = 0;

        if (isempty(text))
                return -EINVAL;
        for (const char *p = text; *p; p++)
                if (*p < '0' || *p > '9')
                        return -EINVAL;

        for (; *text; text++)
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, (uint64_t) (*text - '0'), &v))
                        return -ERANGE;

        *ret = v;
        return 0;
}

int parse_port(const char *text, uint16_t *ret) {
        uint64_t v;
        int r;

        r = parse_u64(text, &v);
        if (r < 0)
                return r;
        if (v < 1 || v > UINT16_MAX)
                return -ERANGE;

        *ret = (uint16_t) v;
        return 0;
}

/* Decodes one character. Return: its length in bytes, 0 when the bytes are not well-formed. */
static size_t utf8_decode(const uint8_t *p, size_t size, uint32_t *ret) {
        size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 :
                   p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
        uint32_t c;

        if (n == 0 || n > size)
                return 0;
        if (n == 1) {
                *ret = p[0];
                return 1;
        }

        c = p[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }
        if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                return 0;

        *ret = c;
        return n;
}

bool utf8_is_valid(const char *text, size_t size) {
        uint32_t c;

        for (size_t i = 0, n; i < size; i += n) {
                n = utf8_decode((const uint8_t *) text + i, size - i, &c);
                if (n == 0)
                        return false;
        }
        return true;
}

bool ascii_is_printable(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (text[i] < 0x20 || text[i] > 0x7e)
                        return false;
        return true;
}

/* Characters that move the cursor, reorder the line or hide: not for somebody else's terminal. */
static bool character_is_harmful(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c < 0xa0) ||           /* C0, DEL, C1 */
               c == 0x061c || (c >= 0x200b && c <= 0x200f) ||   /* marks and zero-width characters */
               (c >= 0x2028 && c <= 0x202e) ||                  /* separators, embeddings, overrides */
               (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||   /* invisible operators, isolates, BOM */
               (c >= 0xfff9 && c <= 0xfffb);                    /* interlinear annotation */
}

char *text_escape(const void *data, size_t size) {
        static const char letters[] = "abtnvfr";                /* \a is 7, \r is 13 */
        const uint8_t *p = data;
        char *out, *q;

        out = q = malloc(4 * size + 1);         /* "\x1b" is the longest form of one byte */
        if (!out)
                return NULL;

        for (size_t i = 0; i < size;) {
                uint32_t c = 0;
                size_t n = utf8_decode(p + i, size - i, &c);

                if (n > 0 && c != '\\' && !character_is_harmful(c)) {
                        q = memcpy(q, p + i, n);
                        q += n;
                        i += n;
                        continue;
                }
                if (p[i] == '\\')
                        q += sprintf(q, "\\\\");
                else if (p[i] >= 7 && p[i] <= 13)
                        q += sprintf(q, "\\%c", letters[p[i] - 7]);
                else
                        for (size_t j = 0; j < MAX(n, (size_t) 1); j++)
                                q += sprintf(q, "\\x%02x", p[i + j]);
                i += MAX(n, (size_t) 1);
        }
        *q = 0;
        return out;
}

char *text_clause(const char *sentence, char *buffer) {
        size_t size = strlen(sentence);

        if (size > 0 && sentence[size - 1] == '.')
                size--;
        memcpy(buffer, sentence, size);
        buffer[size] = 0;
        if (size > 1 && buffer[0] >= 'A' && buffer[0] <= 'Z' && (buffer[1] == ' ' || (buffer[1] >= 'a' && buffer[1] <= 'z')))
                buffer[0] = (char) (buffer[0] - 'A' + 'a');
        return buffer;
}

/* A second unit that is zero is left out: "10 min". */
static void duration_format_two(char buffer[static DURATION_TEXT_SIZE], uint64_t n, const char *unit, uint64_t rest,
                                const char *rest_unit) {
        if (rest == 0)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "%" PRIu64 " %s", n, unit);
        else
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "%" PRIu64 " %s %" PRIu64 " %s", n, unit, rest, rest_unit);
}

/* Digits are cut, not rounded: 999.99 ms must not become "1000.0 ms". */
char *duration_format(usec_t t, char buffer[static DURATION_TEXT_SIZE]) {
        uint64_t s = t / USEC_PER_SEC;

        if (t == USEC_INFINITY)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "never");
        else if (t < USEC_PER_SEC)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " ms", t / 1000, t / 100 % 10);
        else if (t < 10 * USEC_PER_SEC)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " s", s, t / 100000 % 10);
        else if (s < 60)
                (void) snprintf(buffer, DURATION_TEXT_SIZE, "%" PRIu64 " s", s);
        else if (s < 3600)
                duration_format_two(buffer, s / 60, "min", s % 60, "s");
        else if (s < 48 * 3600)
                duration_format_two(buffer, s / 3600, "h", s / 60 % 60, "min");
        else
                duration_format_two(buffer, s / 86400, "days", s / 3600 % 24, "h");
        return buffer;
}

char *size_format(uint64_t n, char buffer[static SIZE_TEXT_SIZE]) {
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        unsigned unit = 0, shift;

        if (n < 1024) {
                (void) snprintf(buffer, SIZE_TEXT_SIZE, "%" PRIu64 " B", n);
                return buffer;
        }
        for (shift = 10; n >> shift >= 1024; shift += 10)
                unit++;
        (void) snprintf(buffer, SIZE_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " %s",
                        n >> shift, (n & ((UINT64_C(1) << shift) - 1)) * 10 >> shift, units[unit]);
        return buffer;
}
