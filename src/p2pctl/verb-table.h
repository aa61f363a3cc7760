/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "p2pctl/verbs.h"
#include "p2pctl/words.h"

typedef struct Verb {
        const char *name;
        const char *arguments;          /* "PEER...", for people */
        size_t n_arguments_min, n_arguments_max;
        const char *summary;            /* one line; NULL begins a group with @name as its heading */
        VerbFunction *function;
        Words words;                    /* what its arguments can be; those that @arguments names stand for themselves */
        bool hidden;                    /* for programs: not in `p2pctl help` */
} Verb;

/* In the order of `p2pctl help`; ends with an empty one. */
extern const Verb verbs[];

/* NULL when there is none. */
const Verb *verb_find(const char *name);

/* The verb that was probably meant, or NULL. */
const char *verb_suggest(const char *name);

/* "peers [PATTERN]" */
void verb_print_usage(const Verb *verb);
