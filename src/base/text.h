/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text that people type and read: strict numbers, escaping of what strangers sent, durations and sizes. */

#include "base/macro.h"
#include "base/usec.h"

/* 0..15, or -EINVAL. */
int hex_digit(char c);

/* Decimal digits only: no sign, no space, no empty text. Return: 0, -EINVAL (not a number), -ERANGE. */
int parse_u64(const char *text, uint64_t *ret);

/* 1 to 65535. Return: 0, -EINVAL, -ERANGE. */
int parse_port(const char *text, uint16_t *ret);

/* True when @size bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool utf8_is_valid(const char *text, size_t size);

/* True when every byte is printable ASCII (0x20 to 0x7e). */
bool ascii_is_printable(const char *text, size_t size);

/**
 * text_escape() - make bytes from anywhere safe for a terminal or a log line
 * @data, @size: any bytes
 *
 * Printable UTF-8 stays; control characters (C0, C1, DEL), bidirectional overrides and isolates, broken UTF-8 and the
 * backslash become C escapes such as \n, \\ or \x1b.
 *
 * Return: a NUL-terminated string of the caller's, NULL when out of memory.
 */
char *text_escape(const void *data, size_t size);

/**
 * text_clause() - a sentence as it stands in the middle of another one
 * @sentence:   "Too many connections.", as it came from a remote
 * @buffer:     at least as large as @sentence with its NUL
 *
 * Without the full stop, and with a small letter at its beginning unless the first word is an abbreviation: "too many
 * connections", "HELLO was not the first message". Not escaped.
 *
 * Return: @buffer.
 */
char *text_clause(const char *sentence, char *buffer);

#define DURATION_TEXT_SIZE 48

/* "0.4 ms", "1.6 s", "12 s", "2 min 11 s", "10 min", "3 h 5 min", "2 days 3 h", "never" for USEC_INFINITY. */
char *duration_format(usec_t duration, char buffer[static DURATION_TEXT_SIZE]);
#define DURATION_TEXT(t) duration_format((t), (char[DURATION_TEXT_SIZE]){})

#define SIZE_TEXT_SIZE 32

/* "512 B", "3.4 MiB". */
char *size_format(uint64_t n_bytes, char buffer[static SIZE_TEXT_SIZE]);
#define SIZE_TEXT(n) size_format((n), (char[SIZE_TEXT_SIZE]){})
