/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether this seed is in the list of seeds. An entry is this seed when it leads, once its name is looked up, to a socket we
 * listen on. A seed that no file names adds itself by a drop-in in the runtime directory, for as long as it runs.
 */

#include "daemon/daemon.h"

typedef struct Self {
        Daemon *daemon;                 /* borrowed */
        Address *host_addresses;        /* of this host's interfaces */
        size_t n_host_addresses;
        unsigned round;                 /* of looking names up: answers to an earlier one do not count */
        unsigned n_asked;               /* names of which the answer is still to come */
        bool is_listed;                 /* by somebody else than us; settled once n_asked is 0 */
        bool has_dropin;                /* our own file is in the list */
        char *trouble;                  /* why the drop-in could not be written, which was said; NULL when it could, or need not */
        sd_event_source *retry_source;  /* armed meanwhile */
        bool is_active;                 /* we hold the port, so that the drop-in of its name is ours */
        bool from_dropin[SEEDS_MAX];    /* that entry is our own drop-in */
} Self;

void self_init(Self *self, Daemon *daemon);
/* Takes the drop-in back. Before the event loop goes. */
void self_done(Self *self);

/* Why nobody on this host finds this seed by its drop-in; NULL when all is well. */
const char *self_trouble(const Self *self);

/* The list is new: marks our own entries in daemon->seeds; names follow as they are looked up. */
void self_look(Self *self, const SeedsConfig *seeds);
