/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A running daemon, written peer@6001 or seed@5000 as the part of its unit's name that tells it from others. */

#include "base/macro.h"
#include "bus/names.h"

#define INSTANCE_TEXT_SIZE sizeof("peer@65535")

typedef struct Instance {
        bool seed;
        uint16_t port;
        char text[INSTANCE_TEXT_SIZE];
        char bus_name[INSTANCE_NAME_SIZE];
} Instance;

Instance instance_make(bool seed, uint16_t port);

/* Of a name on the bus. Return: 0, -EINVAL when it is not that of an instance. */
int instance_from_bus_name(const char *name, Instance *ret);

/* Peers before seeds, lower ports first: the first of several is the one that answers. For qsort(). */
int instance_compare(const void *a, const void *b);

/* What -i may say. */
typedef struct InstanceFilter {
        bool all;
        bool peers, seeds;      /* which kinds it may be */
        uint16_t port;          /* 0: any */
} InstanceFilter;

/* "peer@6001", "seed@5000", "6001" (of either kind), "all". Return: 0, -EINVAL. */
int instance_filter_parse(const char *text, InstanceFilter *ret);

static inline bool instance_matches(const Instance *instance, const InstanceFilter *filter) {
        return (instance->seed ? filter->seeds : filter->peers) && (filter->port == 0 || filter->port ==
        instance->port);
}
