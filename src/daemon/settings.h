/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From the configuration, which an administrator wrote, to the settings of a node. Pure. */

#include "conf/config.h"
#include "core/node.h"

/**
 * settings_from_config() - what the core wants to know
 * @host_name:  of this machine, for nodes that have no name of their own
 *
 * What a node advertises is what is configured, else what it listens on unless that is a wildcard: then it is for others to
 * see where it is.
 */
NodeSettings settings_from_config(const Config *config, Role role, uint16_t port, const char *host_name);

/* True when what only a restart can change is different. */
bool settings_need_restart(const Config *old, const Config *new);
