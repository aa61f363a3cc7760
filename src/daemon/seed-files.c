/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/seed-files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "base/usec.h"
#include "daemon/log.h"
#include "io/clock.h"

#define PLACES 4U
#define CHANGES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF)

typedef struct Watch {
        SeedFiles *files;
        char *path;
        bool is_parent;                 /* of seeds.conf and seeds.d: of what changes there only those two matter */
        sd_event_source *source;        /* NULL while there is no such directory */
} Watch;

struct SeedFiles {
        sd_event *event;                /* reference */
        SeedFilesChanged changed;
        void *userdata;
        Watch watches[2 * PLACES];
        size_t n_watches;
        bool is_polling;
        sd_event_source *timer_source;
};

SeedFiles *seed_files_free(SeedFiles *files) {
        if (!files)
                return NULL;

        for (size_t i = 0; i < files->n_watches; i++) {
                sd_event_source_disable_unref(files->watches[i].source);
                free(files->watches[i].path);
        }
        sd_event_source_disable_unref(files->timer_source);
        sd_event_unref(files->event);
        free(files);
        return NULL;
}

static int seed_files_arm(SeedFiles *files, usec_t delay_usec) {
        int r;

        r = sd_event_source_set_time(files->timer_source, usec_add(event_now(files->event), delay_usec));
        return r < 0 ? r : sd_event_source_set_enabled(files->timer_source, SD_EVENT_ONESHOT);
}

static int watch_on_change(sd_event_source *source, const struct inotify_event *change, void *userdata) {
        Watch *watch = userdata;

        if (watch->is_parent && change->len > 0 && !streq(change->name, "seeds.conf") && !streq(change->name, "seeds.d"))
                return 0;
        if (change->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
                watch->source = sd_event_source_disable_unref(watch->source);

        return seed_files_arm(watch->files, SEED_FILES_SETTLE_USEC);
}

/* Directories come and go; those that are there and not watched yet are from now on. */
static void seed_files_add_watches(SeedFiles *files) {
        files->is_polling = false;

        for (size_t i = 0; i < files->n_watches; i++) {
                Watch *watch = &files->watches[i];
                int r;

                if (watch->source)
                        continue;
                r = sd_event_add_inotify(files->event, &watch->source, watch->path, CHANGES | IN_ONLYDIR, watch_on_change,
                                         watch);
                if (r == -EMFILE || r == -ENOSPC || r == -ENFILE)
                        files->is_polling = true;
        }
}

static int seed_files_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        SeedFiles *files = userdata;

        seed_files_add_watches(files);
        files->changed(files->userdata);
        return files->is_polling ? seed_files_arm(files, SEED_FILES_POLL_USEC) : 0;
}

int seed_files_watch(SeedFiles **ret, sd_event *event, const ConfigPaths *paths, SeedFilesChanged changed, void *userdata) {
        const char *places[PLACES] = { paths->own, paths->etc, paths->run, paths->vendor };
        _cleanup_(seed_files_freep) SeedFiles *files = NULL;
        int r;

        files = calloc(1, sizeof(*files));
        if (!files)
                return -ENOMEM;

        files->event = sd_event_ref(event);
        files->changed = changed;
        files->userdata = userdata;

        for (size_t i = 0; i < 2 * PLACES; i++) {
                Watch *watch = &files->watches[files->n_watches];

                if (!places[i / 2])
                        continue;
                *watch = (Watch) { .files = files, .is_parent = i % 2 == 0 };
                if (asprintf(&watch->path, "%s%s", places[i / 2], watch->is_parent ? "" : "/seeds.d") < 0)
                        return -ENOMEM;
                files->n_watches++;
        }

        r = sd_event_add_time(event, &files->timer_source, CLOCK_BOOTTIME, 0, SEED_FILES_SETTLE_USEC, seed_files_on_timer,
                              files);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(files->timer_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        seed_files_add_watches(files);
        if (files->is_polling)
                log_debug("No inotify watch to be had: looking at the list of seeds every %u seconds.",
                          (unsigned) (SEED_FILES_POLL_USEC / USEC_PER_SEC));

        /* A seed that started at the same time may have come to the list after it was read, and before it was watched. */
        r = seed_files_arm(files, SEED_FILES_SETTLE_USEC);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(files);
        return 0;
}
