/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the driver share: core-driver.c has the events and the promises, core-messages.c what others send. */

#include "core-driver.h"
#include "core/node-internal.h"
#include "harness.h"

#define LINKS_MAX 64U

typedef struct Driver {
        Harness *harness;
        Role role;
        const uint8_t *data, *end;
        LinkId links[LINKS_MAX];
        size_t n_links;
} Driver;

/* ---- what the bytes say; behind the last one all are 0 ---- */

uint8_t take(Driver *d);
uint8_t take_below(Driver *d, uint8_t n);
bool take_bool(Driver *d);
/* Ids 1 to 15 are others, 0 is the node itself. */
NodeId take_id(Driver *d);
Address take_address(Driver *d);
Held take_held(Driver *d);
Other take_other(Driver *d);
/* One that is open, or was; 0: none yet. */
LinkId take_link(Driver *d);
void add_link(Driver *d, LinkId link);

/* ---- messages ---- */

/* Those that mean something: their ids and numbers are those of the small set. */
void send_meant(Driver *d, LinkId link);
/* Any valid message, made from a number. */
void send_random(Driver *d, LinkId link);
/* A frame whose header is good, with whatever follows in the input. */
void send_frame(Driver *d, LinkId link);

/* Whoever was asked for its links names some, rightly or wrongly. */
void answer_links(Driver *d);
/* What the node sent last is answered, rightly, wrongly or not. */
void answer_all(Driver *d);
