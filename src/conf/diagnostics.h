/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is wrong with a configuration, as sentences for whoever wrote it: "FILE:LINE: KEY: found this, accepted is
 * that." They are collected, so that one look shows all mistakes and not the first alone. One list may serve several
 * loads, say of all instances of a machine; a sentence that is already there is not added again.
 */

#include "base/macro.h"

#define CONFIG_DIAGNOSTICS_MAX 32

typedef enum ConfigSeverity {
        CONFIG_WARNING,         /* the configuration works */
        CONFIG_ERROR,           /* the configuration is refused */
} ConfigSeverity;

typedef struct ConfigDiagnostic {
        ConfigSeverity severity;
        char *text;             /* one line: everything that came from a file is escaped */
} ConfigDiagnostic;

typedef struct ConfigDiagnostics {
        ConfigDiagnostic items[CONFIG_DIAGNOSTICS_MAX];
        size_t n_items;
        size_t n_errors;        /* of all, those that found no room included */
        size_t n_dropped;       /* found no room */
} ConfigDiagnostics;

/* Where something was found. What is not known is NULL or 0 and left out of the sentence. */
typedef struct ConfigPosition {
        const char *file;
        unsigned line;
        const char *key;
} ConfigPosition;

/* @format is a sentence without a newline. Keeps errno, so %m works. */
void config_diagnostics_add(ConfigDiagnostics *diagnostics, ConfigSeverity severity, const ConfigPosition *at,
                            const char *format, ...) _printf_(4, 5);
#define config_warn(diagnostics, at, ...) config_diagnostics_add((diagnostics), CONFIG_WARNING, (at), __VA_ARGS__)
#define config_fail(diagnostics, at, ...) config_diagnostics_add((diagnostics), CONFIG_ERROR, (at), __VA_ARGS__)

/* The first error, for a place that has one line; NULL when there is none. Borrowed. */
const char *config_diagnostics_first_error(const ConfigDiagnostics *diagnostics);

/* Empties the list; an empty list is all zeros. */
void config_diagnostics_done(ConfigDiagnostics *diagnostics);
