/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From the text of one file to libconfig's tree of settings. libconfig 1.5 says "syntax error" and a line, and
 * swallows a good deal without a word; so a strict reading of ours goes first and says what is wrong in a sentence.
 * What it lets through means the same to every version of libconfig. The list of what it is strict about is at the
 * top of config-text.c.
 */

#include <libconfig.h>

#include "base/macro.h"
#include "conf/diagnostics.h"

#define CONFIG_NESTING_MAX 16
#define CONFIG_SETTINGS_MAX 4096        /* settings and elements of one file */

/* Return: 0, or -EBADMSG after exactly one diagnostic. */
int config_text_check(const char *file, const char *text, size_t size, ConfigDiagnostics *diagnostics);

/**
 * config_text_parse() - read one file's text
 * @config: initialized by config_init(); to be destroyed by the caller in any case
 * @file:   for the diagnostics; libconfig's own notion of file names stays empty
 *
 * Return: 0; -EBADMSG after a diagnostic; -ENOMEM.
 */
int config_text_parse(config_t *config, const char *file, const char *text, size_t size,
                      ConfigDiagnostics *diagnostics);
