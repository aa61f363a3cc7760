/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a daemon finds things. An option says it, else the service manager ($STATE_DIRECTORY, $RUNTIME_DIRECTORY), else it is:
 *
 *                      root                            another user
 *      configuration   /etc/p2pnet, /usr/lib/p2pnet    ${XDG_CONFIG_HOME:-~/.config}/p2pnet, and the same
 *      runtime         /run/p2pnet                     $XDG_RUNTIME_DIR/p2pnet, else /tmp/p2pnet-UID/p2pnet
 *      state           /var/lib/p2pnet/ROLE-PORT       ${XDG_STATE_HOME:-~/.local/state}/p2pnet/ROLE-PORT
 *
 * With --config-dir= nothing of the user's and the vendor's configuration is read: who says so wants a network apart. That
 * directory has to be there, or the configuration is refused.
 */

#include <sys/types.h>

#include "conf/config-file.h"
#include "daemon/options.h"

typedef struct Directories {
        char *config;
        bool config_given;              /* by an option: it has to be there */
        char *own_config;               /* or NULL */
        char *vendor_config;            /* or NULL */
        char *runtime;                  /* NULL when there is none that can be trusted */
        char *state;
} Directories;

/**
 * directories_find() - by the rules above; the runtime directory is created
 *
 * What goes wrong with the runtime directory is said in the log; the daemon lives without it.
 *
 * Return: 0, -ENOMEM.
 */
int directories_find(Directories *ret, const Options *options, Role role);
void directories_done(Directories *directories);

/* Makes a directory and those above it. Return: 0, also when it is there; a negative errno. */
int directories_make(const char *path, mode_t mode);

/* Borrows. */
ConfigPaths directories_config_paths(const Directories *directories);
