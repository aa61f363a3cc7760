/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of the seed role share:
 *
 *      registry.c      the directory: registration, leases, lists, the snapshot
 *      report.c        dead reports: asking the accused before it is believed
 *      mesh.c          sessions with the other seeds
 *      exchange.c      what seeds tell each other of their directories
 *      seed-node.c     the role's table
 */

#include "core/exchange.h"
#include "core/mesh.h"
#include "core/registry.h"
#include "core/report.h"
#include "core/seed-node.h"

typedef enum SeedTimer {
        TIMER_PERSIST = TIMER_ROLE,     /* Registry.persist */
        TIMER_ACCUSATION,               /* Accusation.timer */
        TIMER_PUSH,                     /* Exchange.push */
        TIMER_RENEWALS,                 /* Exchange.renewals */
} SeedTimer;

struct SeedNode {
        Registry registry;
        Reports reports;
        Mesh mesh;
        Exchange exchange;
        bool stopping;
};
