/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of Daemon share:
 *
 *      daemon.c                starting, stopping, the events of its life
 *      daemon-listen.c         where it listens
 *      daemon-effects.c        what the core asks for
 *      daemon-config.c         what the administrator asks for
 */

#include "daemon/daemon.h"

/* ---- daemon-listen.c ---- */

/* Return: 0, or the exit status after a sentence. */
int daemon_listen(Daemon *daemon);
/* The first address listened on that this host does not have, without the port; NULL when there is none. */
const char *daemon_address_away(const Daemon *daemon, char buffer[static ADDRESS_TEXT_SIZE]);

/* ---- daemon-effects.c ---- */

/* The node has been cut off for a while, which is worth a line now. */
int daemon_on_still_isolated(sd_event_source *source, uint64_t usec, void *userdata);

/* ---- daemon-config.c ---- */

/* Both or none. Return: 0; -EINVAL with why in @diagnostics; -ENOMEM. */
int daemon_load_files(const Daemon *daemon, Config **ret_config, SeedsConfig **ret_seeds, ConfigDiagnostics *diagnostics);
void daemon_log_diagnostics(const ConfigDiagnostics *diagnostics);

/* The node gets a new list of seeds. Return: what it says to that. */
int daemon_take_seeds(Daemon *daemon, const SeedsConfig *seeds);

/* Files changed, and nobody asked for a reload: what is wrong with them is said once. */
void daemon_on_seed_files(void *userdata);
