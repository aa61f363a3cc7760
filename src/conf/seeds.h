/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The list of seeds (seeds.conf(5)): what all files name, in the order of the files, each seed once.
 */

#include "base/macro.h"
#include "conf/config-file.h"
#include "conf/diagnostics.h"

#define CONFIG_SEEDS_MAX 64

typedef struct ConfigSeed {
        char *host;             /* a name, or a literal address in its canonical form */
        uint16_t port;
        char *source;           /* "FILE:LINE" */
} ConfigSeed;

typedef struct SeedsConfig {
        ConfigSeed entries[CONFIG_SEEDS_MAX];
        size_t n_entries;
} SeedsConfig;

void seeds_config_free(SeedsConfig *seeds);
DEFINE_CLEANUP(SeedsConfig *, seeds_config_free)

/**
 * seeds_config_load() - read seeds.conf and seeds.d/
 * @ret:         owned by the caller; written only when there was no error. The list may be empty.
 * @diagnostics: told about everything that is wrong
 *
 * Return: 0, perhaps with warnings; -EINVAL after at least one error in @diagnostics; -ENOMEM.
 */
int seeds_config_load(SeedsConfig **ret, const ConfigPaths *paths, ConfigDiagnostics *diagnostics);

/* The same from files that config_files_read() has just read, with the same diagnostics. */
int seeds_config_load_files(SeedsConfig **ret, const ConfigFiles *files, ConfigDiagnostics *diagnostics);

/**
 * seed_host_normalize() - bring the name of a host into the form in which entries are compared
 * @ret: owned by the caller; literal addresses as the system writes them, names in lower case
 *
 * What looks like an IPv4 address and is none ("127.1", "300.0.0.1") is refused, because the resolver reads such
 * words in ways that nobody means; so is an address that cannot be dialled.
 *
 * Return: 0; -EINVAL, neither a name nor an address; -ENOMEM.
 */
int seed_host_normalize(const char *text, char **ret);
