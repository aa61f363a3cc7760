/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What p2pnet.conf and its drop-ins say (p2pnet.conf(5)), for one instance, "peer@6001" or "seed@5000". A
 * configuration is loaded into a fresh struct, so the old one stays in force until the new one is whole.
 */

#include "base/address.h"
#include "base/macro.h"
#include "base/usec.h"
#include "conf/config-file.h"
#include "conf/config-item.h"
#include "conf/diagnostics.h"
#include "core/params.h"

typedef enum SecurityMode {
        SECURITY_UNSET,         /* fine as long as nobody else can reach us */
        SECURITY_NONE,          /* chosen: anybody who reaches us can read and write */
} SecurityMode;

typedef struct Config {
        char *network;
        Profile profile;
        char *node_name;                /* NULL: host name and port */
        ConfigTags tags;

        ConfigAddresses listen;         /* at least one; without ports */
        ConfigAddresses advertise;      /* port 0: the port we listen on; none: derived from what we listen on */

        /*
         * The profile's numbers with those that were set by hand in their place. For a seed, members_max and
         * connections_max are what a seed needs.
         */
        Params params;

        int log_level;                  /* of syslog(3) */
        int gossip_log_level;           /* of first copies of gossip */

        SecurityMode security_mode;
        bool accept_plaintext;

        unsigned subscriptions_max;     /* per local user */
        unsigned records_max;           /* of a seed: already in params.members_max */
} Config;

void config_free(Config *config);
DEFINE_CLEANUP(Config *, config_free)

/* True for "peer@PORT" and "seed@PORT", PORT without leading zeros. */
bool config_instance_is_valid(const char *instance);

/**
 * config_load() - read the configuration of one instance
 * @ret:         owned by the caller; written only when there was no error
 * @paths:       where to look; a machine without any file gets the defaults
 * @instance:    "peer@6001" or "seed@5000"; NULL: what all peers have in common
 * @diagnostics: told about everything that is wrong; those of earlier loads may be in it
 *
 * Return: 0, perhaps with warnings; -EINVAL after at least one error in @diagnostics, or for an instance that is
 * none; -ENOMEM.
 */
int config_load(Config **ret, const ConfigPaths *paths, const char *instance, ConfigDiagnostics *diagnostics);

/* The same from files that config_files_read() has just read, with the same diagnostics. */
int config_load_files(Config **ret, const ConfigFiles *files, const char *instance, ConfigDiagnostics *diagnostics);

/* Every setting there is, for documentation to be held against. */
const ConfigItem *config_all_items(size_t *ret_n_items);
