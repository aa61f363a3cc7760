/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/diagnostics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

/* Return: a new "FILE:LINE: KEY: SENTENCE", NULL when out of memory. */
_printf_(2, 0)
static char *diagnostic_format(const ConfigPosition *at, const char *format, va_list ap) {
        _cleanup_free_ char *sentence = NULL, *file = NULL, *key = NULL;
        char line[sizeof(":4294967295")] = "";
        char *text;

        if (vasprintf(&sentence, format, ap) < 0) {
                sentence = NULL;        /* undefined by vasprintf() */
                return NULL;
        }
        file = at->file ? text_escape(at->file, strlen(at->file)) : strdup("");
        key = at->key ? text_escape(at->key, strlen(at->key)) : strdup("");
        if (!file || !key)
                return NULL;
        if (at->line > 0)
                (void) snprintf(line, sizeof(line), ":%u", at->line);

        if (asprintf(&text, "%s%s%s%s%s%s", file, line, isempty(file) ? "" : ": ", key, isempty(key) ? "" : ": ",
                     sentence) < 0)
                return NULL;
        return text;
}

void config_diagnostics_add(ConfigDiagnostics *diagnostics, ConfigSeverity severity, const ConfigPosition *at,
                            const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        int saved_errno = errno;
        va_list ap;

        va_start(ap, format);
        text = diagnostic_format(at, format, ap);
        va_end(ap);

        for (size_t i = 0; text && i < diagnostics->n_items; i++)
                if (streq(diagnostics->items[i].text, text)) {
                        /* Said before, of another instance that reads the same file: it counts for that one, too. */
                        if (severity == CONFIG_ERROR)
                                diagnostics->n_errors++;
                        errno = saved_errno;
                        return;
                }

        if (severity == CONFIG_ERROR)
                diagnostics->n_errors++;
        if (text && diagnostics->n_items < CONFIG_DIAGNOSTICS_MAX)
                diagnostics->items[diagnostics->n_items++] = (ConfigDiagnostic) {
                        .severity = severity,
                        .text = TAKE_PTR(text),
                };
        else
                diagnostics->n_dropped++;
        errno = saved_errno;
}

const char *config_diagnostics_first_error(const ConfigDiagnostics *diagnostics) {
        for (size_t i = 0; i < diagnostics->n_items; i++)
                if (diagnostics->items[i].severity == CONFIG_ERROR)
                        return diagnostics->items[i].text;

        return diagnostics->n_errors > 0 ? "the configuration has errors that found no room in the list" : NULL;
}

void config_diagnostics_done(ConfigDiagnostics *diagnostics) {
        for (size_t i = 0; i < diagnostics->n_items; i++)
                free(diagnostics->items[i].text);
        *diagnostics = (ConfigDiagnostics) {};
}
