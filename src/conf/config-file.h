/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finding and reading configuration files, as systemd does: a file of the administrator (/etc) wins over one made at
 * run time (/run), that over one of the vendor (/usr/lib), by file name; an empty file, or a link to /dev/null,
 * hides those of lower rank and counts as nothing itself. For what an ordinary user runs, the user's own files come first.
 * Drop-ins are read after the main file, in the order of their names over all places, those for one instance after those
 * for all.
 *
 * Only names that end in ".conf" and do not begin with a dot are drop-ins. What cannot be read, is not a regular
 * file, or is larger than 1 MiB is an error with a sentence: a setting that is left out silently may be the one that
 * matters.
 */

#include "base/macro.h"
#include "conf/diagnostics.h"

#define CONFIG_FILE_SIZE_MAX (1024 * 1024)
#define CONFIG_FILES_MAX 256            /* of one configuration */

/* The places; one that is NULL is not looked at. */
typedef struct ConfigPaths {
        const char *own;
        const char *etc;
        const char *run;
        const char *vendor;
        bool etc_given;         /* by somebody who means that very directory: it has to be there */
} ConfigPaths;

#define CONFIG_PATHS_DEFAULT ((ConfigPaths) { .etc = CONFIG_DIR, .run = RUNTIME_DIR, .vendor = VENDOR_CONFIG_DIR })

typedef struct ConfigFile {
        char *path;
        char *text;             /* @size bytes, and one NUL more */
        size_t size;
} ConfigFile;

typedef struct ConfigFiles {
        ConfigFile items[CONFIG_FILES_MAX];
        size_t n_items;         /* in the order of reading: a later one overrides */
        size_t n_refused;       /* diagnostics of files that are there and cannot be used */
} ConfigFiles;

void config_files_free(ConfigFiles *files);
DEFINE_CLEANUP(ConfigFiles *, config_files_free)

/* Where the user's own files are: $XDG_CONFIG_HOME/p2pnet, else ~/.config/p2pnet. The caller's; NULL for root, for services
 * of the system, and for whoever has no home. */
char *config_own_directory(void);

/**
 * config_files_read() - find and read one main file and its drop-ins
 * @ret:         owned by the caller; holds the files that could be read
 * @main_file:   the name of the main file, "p2pnet.conf"
 * @dropins:     names of drop-in directories, "p2pnet.conf.d", lowest rank first; ends with NULL
 * @diagnostics: told about every file that is there and cannot be used
 *
 * Directories and files that do not exist are fine, but for @paths->etc where it was given.
 *
 * Return: 0, also when there were diagnostics; -ENOMEM.
 */
int config_files_read(ConfigFiles **ret, const ConfigPaths *paths, const char *main_file,
                      const char *const *dropins, ConfigDiagnostics *diagnostics);
