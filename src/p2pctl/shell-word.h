/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Words as they stand on the command line of a shell. */

#include "base/macro.h"

/**
 * shell_quote() - a text as one word, with a backslash before each character that means something to a shell
 *
 * Return: the caller's; NULL when out of memory, and for what should not get onto a command line by itself: an empty text, one
 * that begins with a dash, and one with characters that text_escape() would change.
 */
char *shell_quote(const char *text);

/* The other way round, also with quotation marks; what a shell would put in place of variables and patterns stays. Return: the
 * caller's; NULL when out of memory. */
char *shell_unquote(const char *word);
