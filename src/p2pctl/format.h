/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts for people and for JSON that base/text.h does not have. Nothing here asks anybody anything. */

#include "base/macro.h"
#include "base/text.h"
#include "base/usec.h"

#define AGO_TEXT_SIZE (DURATION_TEXT_SIZE + sizeof(" ago"))

/* "12 s ago", "just now" below a second, "-" for a point in time that is not known (0). A point that lies in the
 * future, as that of a clock read a moment later, is now. */
char *ago_format(usec_t timestamp, usec_t now, char buffer[static AGO_TEXT_SIZE]);
#define AGO_TEXT(timestamp, now) ago_format((timestamp), (now), (char[AGO_TEXT_SIZE]){})

/* Until something that is to come: "12 s", whole seconds and at least one. */
char *wait_format(usec_t duration, char buffer[static DURATION_TEXT_SIZE]);
#define WAIT_TEXT(duration) wait_format((duration), (char[DURATION_TEXT_SIZE]){})

/* "0.4 ms", "-" for 0. */
char *rtt_format(usec_t rtt, char buffer[static DURATION_TEXT_SIZE]);
#define RTT_TEXT(rtt) rtt_format((rtt), (char[DURATION_TEXT_SIZE]){})

/* "1 peer", "3 peers": the plural of @noun is made with an s. */
#define COUNT_TEXT_SIZE 64
char *count_format(uint64_t n, const char *noun, char buffer[static COUNT_TEXT_SIZE]);
#define COUNT_TEXT(n, noun) count_format((n), (noun), (char[COUNT_TEXT_SIZE]){})

/* The first eight digits of a node id, and a sign that there are more; @full or too short for that: all of them, as
 * far as they fit. @utf8: the sign is one character. */
#define ID_TEXT_SIZE 40
char *id_format(const char *id, bool full, bool utf8, char buffer[static ID_TEXT_SIZE]);

/* How many columns of a terminal a text takes in this locale; a byte that is no character takes one. */
size_t text_width(const char *text);

/* What fits into @width columns, with a sign at its end that there is more when there is; @utf8: the sign is one character. The
 * caller's, NULL when out of memory. */
char *text_shorten(const char *text, size_t width, bool utf8);

/* RFC 4648, section 4, with padding. Return: the caller's, NULL when out of memory. */
char *base64_encode(const void *data, size_t size);

/* Can stand in JSON as a text: well-formed UTF-8 without NUL. */
bool payload_is_text(const void *data, size_t size);

/* The @names member that was probably meant by @text: at most two letters wrong, too many, missing or swapped, or the
 * only one that begins with it. NULL when there is none. */
const char *suggestion(const char *text, const char *const *names, size_t n_names);

/* Of syslog(3), by their numbers. */
#define N_LOG_LEVELS 8
extern const char *const log_levels[N_LOG_LEVELS];

/* "90", "90s", "5min", "2h", "1d": in seconds, at most a year. Return: 0, -EINVAL, -ERANGE. */
int ago_parse(const char *text, uint64_t *ret_seconds);

/* "3", "1.5": seconds, for options. 0 is USEC_INFINITY. Return: 0, -EINVAL, -ERANGE. */
int timeout_parse(const char *text, usec_t *ret);
