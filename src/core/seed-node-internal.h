/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of the seed role share:
 *
 *      registry.c      the directory: registration, leases, lists, the snapshot
 *      report.c        dead reports: asking the accused before it is believed
 *      mesh.c          the other seeds: sharing what one of them learns
 *      seed-node.c     the role's table
 */

#include "core/mesh.h"
#include "core/registry.h"
#include "core/report.h"
#include "core/seed-node.h"

typedef enum SeedTimer {
        TIMER_PERSIST = TIMER_ROLE,     /* Registry.persist */
        TIMER_ACCUSATION,               /* Accusation.timer */
        TIMER_PUSH,                     /* Mesh.push */
        TIMER_RENEWALS,                 /* Mesh.renewals */
} SeedTimer;

struct SeedNode {
        Registry registry;
        Reports reports;
        Mesh mesh;
        bool stopping;
};
