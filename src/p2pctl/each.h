/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A verb that asks one instance after the other, and shows of each what it says: text, or a JSON value with the same facts. */

#include <jansson.h>

#include "p2pctl/ctl-bus.h"

typedef struct EachVerb {
        bool is_paged;
        Target target;          /* what it is asked of; with -i all the others are left out */
        bool has_heading;       /* of its own; else it is the name of the instance, where there are several */

        /* Asks. Return: 0 and a value of the caller's; an exit status after a sentence; a negative errno. */
        int (*ask)(Ctl *ctl, const Instance *instance, void *userdata, json_t **ret);
        /* Prints that for people. Return: as ask(). */
        int (*print)(Ctl *ctl, const Instance *instance, const json_t *facts, void *userdata);
} EachVerb;

/* Return: as a verb. */
int each_run(Ctl *ctl, const EachVerb *verb, void *userdata);
