/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Describe() and GetStatistics() of both daemons have in common. */

#include <jansson.h>

#include "service/service.h"

/* Takes a reference away, for _cleanup_. */
static inline void json_decrefp_(json_t **json) {
        json_decref(*json);
}

/* "role" to "memoryBytes", "limits" and "reloadError": a new object; NULL when out of memory. */
json_t *facts_common(const Service *service);

/* Members by state. */
typedef struct MemberCounts {
        uint64_t alive, suspect, left, dead, lost;      /* alive: suspect ones not among them */
} MemberCounts;

MemberCounts facts_count_members(const Node *node);

/* Replies with @facts, which may be NULL, as one text. */
int facts_reply(sd_bus_message *m, json_t *facts);

typedef struct Gauge {
        const char *name;
        uint64_t value;
} Gauge;

/* Replies with all counters of the node, the gauges that both roles have, and those given. */
int facts_reply_statistics(sd_bus_message *m, const Service *service, const Gauge *gauges, size_t n_gauges);
