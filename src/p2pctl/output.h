/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How things reach standard output: colours, tables, JSON, a pager. */

#include <jansson.h>
#include <libsmartcols.h>

#include "p2pctl/ctl.h"

DEFINE_CLEANUP(struct libscols_table *, scols_unref_table)

typedef enum Color {
        COLOR_PLAIN,
        COLOR_BOLD,
        COLOR_GREEN,
        COLOR_YELLOW,
        COLOR_RED,
        COLOR_GRAY,
} Color;

/* The escape sequence that begins a colour; "" when colours are off. color_of(ctl, COLOR_PLAIN) ends it. */
const char *color_of(const Ctl *ctl, Color color);

/* Of a state of a member, seed or node. */
Color color_of_state(const char *state);

/* True when the locale's characters are UTF-8, and so "●" and "…" can be printed. */
bool output_is_utf8(void);

/* Colours by default: on a terminal that is not dumb, unless NO_COLOR says otherwise. */
bool output_wants_color(void);

/**
 * output_text() - a text of a stranger's, ready to be printed
 *
 * Return: the caller's, NULL when out of memory.
 */
char *output_text(const char *text);

/* Sends standard output through $P2PNET_PAGER, $PAGER or less, if it is a terminal and the options allow it;
 * page_end() waits for it. Without a pager both do nothing. */
void page_begin(const Ctl *ctl);
void page_end(void);

/* ---- tables ---- */

#define COLUMN_RIGHT    (1U << 0)
#define COLUMN_SHORTEN  (1U << 1)       /* when the terminal is too narrow, unless --full */

/* Return: 0, -ENOMEM. */
int table_new(const Ctl *ctl, struct libscols_table **ret);
int table_add_column(const Ctl *ctl, struct libscols_table *table, const char *name, unsigned flags);

/* Appends an empty row. */
int table_add_row(struct libscols_table *table, struct libscols_line **ret);

/* Sets a cell to a text of our own, or to one of a stranger's, which is escaped; an empty one becomes "-". */
int row_set(struct libscols_line *row, size_t column, const char *text);
int row_set_color(const Ctl *ctl, struct libscols_line *row, size_t column, const char *text, Color color);

int table_print(struct libscols_table *table);

/* ---- JSON ---- */

/* Prints a value as the options say, with a newline, and drops the caller's reference. NULL stands for the memory
 * that was missing when it was made. Return: 0, -ENOMEM. */
int json_print(const Ctl *ctl, json_t *value);

/* An integer; what is above what JSON readers take for granted (infinite times) becomes null. */
json_t *json_u64(uint64_t value);

/* A text, or null when it is empty. */
json_t *json_text(const char *text);
