/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The list of seeds on disk, and word when it changes: a seed that starts on this host adds a file, and everybody here is to
 * notice without a restart. By inotify; where that is not to be had (a host has a limited number of instances) the files are
 * looked at every SEED_FILES_POLL_USEC.
 */

#include <systemd/sd-event.h>

#include "base/usec.h"
#include "conf/config-file.h"
#include "conf/seeds.h"

#define SEED_FILES_SETTLE_USEC (200 * USEC_PER_MSEC)    /* several files that change together are one change */
#define SEED_FILES_POLL_USEC (15 * USEC_PER_SEC)

typedef struct SeedFiles SeedFiles;

/* Something in or around seeds.conf may have changed. */
typedef void (*SeedFilesChanged)(void *userdata);

/* @paths is copied. @changed is called soon for a first time, for what changed before the watch. Return: 0, -ENOMEM and
 * other errors of sd-event. */
int seed_files_watch(SeedFiles **ret, sd_event *event, const ConfigPaths *paths, SeedFilesChanged changed, void *userdata);
SeedFiles *seed_files_free(SeedFiles *files);
DEFINE_CLEANUP(SeedFiles *, seed_files_free)
