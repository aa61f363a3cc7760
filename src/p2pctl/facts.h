/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the daemons answer, as JSON values: what is printed for people is taken from the same values that --json
 * prints, so both say the same. Points in time have become durations here (sinceUSec: how long ago; nextUSec: in how
 * long), measured on the daemon's clock, which may be that of another host.
 */

#include <jansson.h>

#include "p2pctl/ctl.h"
#include "p2pctl/format.h"

/* An a{sv} with basic values and arrays of texts; others are left out. Keys begin with a lower-case letter.
 * Return: 0, a negative errno. */
int facts_read_dict(sd_bus_message *m, json_t **ret);

/* The daemon's clock, for facts_read_peers() and the like. An error has been reported. */
int facts_clock(Ctl *ctl, const Instance *instance, usec_t *ret);

/* The JSON object of Describe. An error has been reported. */
int facts_describe(Ctl *ctl, const Instance *instance, json_t **ret);

/* The rows of ListPeers and ListSeeds as arrays of objects. Return: 0, a negative errno. */
int facts_read_peers(sd_bus_message *m, usec_t now, json_t **ret);
int facts_read_seeds(sd_bus_message *m, usec_t now, json_t **ret);

/* How long ago a point in time was; null when it is not known. */
json_t *fact_age(usec_t timestamp, usec_t now);

/* Members of objects, with "" and 0 for what is not there or null. */
const char *fact_text(const json_t *object, const char *key);
uint64_t fact_u64(const json_t *object, const char *key);
/* The value below @key, borrowed; NULL, which stands for an empty object in all of these, when there is none. */
const json_t *fact_object(const json_t *object, const char *key);
/* "12 s ago" for a duration; "-" for null. */
char *fact_ago(const json_t *object, const char *key, char buffer[static AGO_TEXT_SIZE]);
