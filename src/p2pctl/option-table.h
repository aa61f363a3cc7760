/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options: what getopt(3), `p2pctl help` and the completion of the shell know of them is made from one table. */

#include <getopt.h>

#include "p2pctl/ctl.h"
#include "p2pctl/words.h"

#define OPTIONS_MAX 32U

typedef struct Option Option;

/* Takes the value over into @ctl. @value is NULL when the option has none. Return: 0, or an ExitStatus after a sentence. */
typedef int OptionParser(Ctl *ctl, const Option *option, const char *value);

struct Option {
        char letter;            /* "-i"; 0 when it has none */
        const char *name;       /* "--instance" without the dashes */
        const char *value;      /* "NAME" for people, or all that it may be, "pretty|short|off"; NULL when it takes none */
        const char *summary;    /* one line */
        const char *verbs;      /* that it is for, "ping subscribe"; NULL: for any */
        Words words;
        OptionParser *parse;
        size_t offset;          /* in Ctl, of what @parse sets; only some need that */
        bool letter_is_alone;   /* the letter takes no value, though the name does */
        const char *verb;       /* that it stands for */
};

/* In the order of `p2pctl help`; ends with an empty one. */
extern const Option options[];

/* @size bytes of @name. NULL when there is none. */
const Option *option_find(const char *name, size_t size);
const Option *option_find_letter(char letter);

bool option_is_for(const Option *option, const char *verb);

/* "subscribe, ping". The caller's; NULL when out of memory. */
char *option_verbs_text(const Option *option);

/* For getopt_long(): what comes back is the letter of an option, or OPTION_LONG plus its place in the table. */
#define OPTION_LONG 0x100
typedef struct OptionLetters {
        char letters[2 * OPTIONS_MAX + 2];
        struct option names[OPTIONS_MAX + 1];
} OptionLetters;

void options_for_getopt(OptionLetters *ret);

/* Says what is wrong with the word that getopt_long() took for an option, after it has returned '?' or ':'. */
int option_fail(const char *word, int letter, bool is_value_missing);

/* "  -i --instance=NAME             Ask peer@6001, ..." */
void option_print(const Option *option, bool with_verbs);
