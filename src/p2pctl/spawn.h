/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two ways to start a seed: as a unit of systemd, or, on a machine without it, as a process of its own. */

#include <sys/types.h>

#include "p2pctl/ctl.h"

/* True when systemd manages the host that the options name. */
bool spawn_has_systemd(const Ctl *ctl);

/* Starts p2p-seedd@PORT.service and waits until systemd has done so. Return: 0; an error has been reported, and
 * others may still start (EXIT_FAILED), or cannot either. */
int spawn_unit(Ctl *ctl, uint16_t port);

/* Starts the program itself in the background and waits until it says that it accepts connections. Its output goes to
 * *@ret_log, the caller's. Return: as above. */
int spawn_process(Ctl *ctl, uint16_t port, pid_t *ret_pid, char **ret_log);
