/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/output.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "p2pctl/format.h"

#define SEPARATOR "  "
#define SHORTENED_MIN 8U        /* columns; less says nothing */
#define JSON_INTEGER_MAX ((UINT64_C(1) << 53) - 1)

static const char *const color_sequences[] = {
        [COLOR_PLAIN]  = "\033[0m",
        [COLOR_BOLD]   = "\033[1m",
        [COLOR_GREEN]  = "\033[32m",
        [COLOR_YELLOW] = "\033[33m",
        [COLOR_RED]    = "\033[31m",
        [COLOR_GRAY]   = "\033[90m",
};

const char *color_of(const Ctl *ctl, Color color) {
        return ctl->color ? color_sequences[color] : "";
}

Color color_of_state(const char *state) {
        static const struct {
                const char *state;
                Color color;
        } table[] = {
                { "alive",       COLOR_GREEN  },
                { "online",      COLOR_GREEN  },
                { "registered",  COLOR_GREEN  },
                { "linked",      COLOR_GREEN  },
                { "joined",      COLOR_GREEN  },
                { "suspect",     COLOR_YELLOW },
                { "isolated",    COLOR_YELLOW },
                { "trying",      COLOR_YELLOW },
                { "lost",        COLOR_YELLOW },
                { "dead",        COLOR_RED    },
                { "unreachable", COLOR_RED    },
                { "left",        COLOR_GRAY   },
                { "standby",     COLOR_GRAY   },
                { "self",        COLOR_GRAY   },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(table[i].state, state))
                        return table[i].color;
        return COLOR_PLAIN;
}

bool output_is_utf8(void) {
        return streq(nl_langinfo(CODESET), "UTF-8");
}

bool output_wants_color(void) {
        const char *term = getenv("TERM");

        return isempty(getenv("NO_COLOR")) && isatty(STDOUT_FILENO) && !isempty(term) && !streq(term, "dumb");
}

char *output_text(const char *text) {
        return text_escape(text, strlen(text));
}

int table_new(const Ctl *ctl, struct libscols_table **ret) {
        _cleanup_(scols_unref_tablep) struct libscols_table *table = NULL;
        struct winsize size;

        table = scols_new_table();
        if (!table)
                return -ENOMEM;

        /* Cells are escaped by us; the library would escape the backslashes again. */
        if (scols_table_enable_noencoding(table, 1) < 0 ||
            scols_table_enable_noheadings(table, !ctl->legend) < 0 ||
            scols_table_enable_colors(table, ctl->color) < 0 ||
            scols_table_set_column_separator(table, SEPARATOR) < 0)
                return -ENOMEM;

        /* The library looks for a terminal once; the pager may be in between by now. */
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0 && !ctl->full)
                (void) scols_table_set_termwidth(table, size.ws_col);

        *ret = TAKE_PTR(table);
        return 0;
}

int table_add_column(const Ctl *ctl, struct libscols_table *table, const char *name, unsigned flags) {
        int scols_flags = 0;

        if (flags & COLUMN_RIGHT)
                scols_flags |= SCOLS_FL_RIGHT;
        if ((flags & COLUMN_SHORTEN) && !ctl->full)
                scols_flags |= SCOLS_FL_TRUNC;
        return scols_table_new_column(table, name, 0, scols_flags) ? 0 : -ENOMEM;
}

int table_add_row(struct libscols_table *table, struct libscols_line **ret) {
        *ret = scols_table_new_line(table, NULL);
        return *ret ? 0 : -ENOMEM;
}

int row_set(struct libscols_line *row, size_t column, const char *text) {
        _cleanup_free_ char *escaped = NULL;

        escaped = output_text(isempty(text) ? "-" : text);
        if (!escaped)
                return -ENOMEM;
        if (scols_line_refer_data(row, column, escaped) < 0)
                return -ENOMEM;
        (void) TAKE_PTR(escaped);       /* the table's from here on */
        return 0;
}

int row_set_color(const Ctl *ctl, struct libscols_line *row, size_t column, const char *text, Color color) {
        int r;

        r = row_set(row, column, text);
        if (r < 0 || !ctl->color || color == COLOR_PLAIN)
                return r;
        return scols_cell_set_color(scols_line_get_cell(row, column), color_sequences[color]) < 0 ? -ENOMEM : 0;
}

static const char *cell_text(struct libscols_table *table, size_t row, size_t column) {
        return scols_cell_get_data(scols_line_get_cell(scols_table_get_line(table, row), column)) ?: "";
}

static size_t column_width(struct libscols_table *table, size_t column) {
        size_t width = scols_table_is_noheadings(table) ? 0 : text_width(scols_column_get_name(scols_table_get_column(table, column)));

        for (size_t i = 0; i < scols_table_get_nlines(table); i++)
                width = MAX(width, text_width(cell_text(table, i, column)));
        return width;
}

static int column_shorten(struct libscols_table *table, size_t column, size_t width) {
        for (size_t i = 0; i < scols_table_get_nlines(table); i++) {
                char *text = text_shorten(cell_text(table, i, column), width, output_is_utf8());

                if (!text)
                        return -ENOMEM;
                if (scols_line_refer_data(scols_table_get_line(table, i), column, text) < 0) {
                        free(text);
                        return -ENOMEM;
                }
        }
        return 0;
}

/* The library would cut without a sign of it. */
static int table_fit(struct libscols_table *table) {
        size_t n = scols_table_get_ncols(table), room = scols_table_get_termwidth(table), total = 0;

        for (size_t i = 0; i < n; i++)
                total += column_width(table, i) + (i > 0 ? strlen(SEPARATOR) : 0);

        for (size_t i = 0; i < n && total > room; i++) {
                size_t width = column_width(table, i), shortened;
                int r;

                if (!(scols_column_get_flags(scols_table_get_column(table, i)) & SCOLS_FL_TRUNC) || width <= SHORTENED_MIN)
                        continue;
                shortened = MAX(width - MIN(width, total - room), (size_t) SHORTENED_MIN);
                r = column_shorten(table, i, shortened);
                if (r < 0)
                        return r;
                total -= width - shortened;
        }
        return 0;
}

int table_print(struct libscols_table *table) {
        int r;

        if (isatty(STDOUT_FILENO)) {
                r = table_fit(table);
                if (r < 0)
                        return r;
        }
        (void) fflush(stdout);
        return scols_print_table(table) < 0 ? -EIO : 0;
}

int json_print(const Ctl *ctl, json_t *value) {
        _cleanup_(json_decrefp) json_t *owned = value;
        size_t flags = JSON_ENCODE_ANY | JSON_ENSURE_ASCII;     /* so that it is safe on a terminal, too */

        if (!owned)
                return -ENOMEM;

        flags |= ctl->json == JSON_MODE_PRETTY ? JSON_INDENT(4) : JSON_COMPACT;
        if (json_dumpf(owned, stdout, flags) < 0)
                return ferror(stdout) ? -EIO : -ENOMEM;
        (void) putchar('\n');
        return 0;
}

json_t *json_u64(uint64_t value) {
        return value > JSON_INTEGER_MAX ? json_null() : json_integer((json_int_t) value);
}

json_t *json_text(const char *text) {
        return isempty(text) ? json_null() : json_string(text);
}
