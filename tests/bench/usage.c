/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

static FILE *open_proc(pid_t pid, const char *task, const char *name) {
        char path[128];

        if (task)
                (void) snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int) pid, task, name);
        else
                (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        return fopen(path, "re");
}

/* The number behind each line that begins so, added up. */
static uint64_t sum_lines(FILE *file, const char *const names[], size_t n_names) {
        uint64_t sum = 0;
        char line[256];

        while (fgets(line, sizeof(line), file))
                for (size_t i = 0; i < n_names; i++)
                        if (strncmp(line, names[i], strlen(names[i])) == 0)
                                sum += strtoull(line + strlen(names[i]), NULL, 10);
        return sum;
}

static void usage_add_thread(pid_t pid, const char *task, Usage *usage) {
        static const char *const waits[] = { "voluntary_ctxt_switches:" };
        _cleanup_(fclosep) FILE *schedstat = open_proc(pid, task, "schedstat");
        _cleanup_(fclosep) FILE *status = open_proc(pid, task, "status");
        uint64_t nsec;

        if (!schedstat || !status)
                return;                 /* a thread may end at any moment */
        if (fscanf(schedstat, "%" SCNu64, &nsec) == 1)
                usage->cpu_nsec += nsec;
        usage->n_waits += sum_lines(status, waits, ELEMENTSOF(waits));
}

int usage_read(pid_t pid, Usage *ret) {
        _cleanup_(closedirp) DIR *dir = NULL;
        Usage usage = {};
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
        dir = opendir(path);
        if (!dir)
                return -errno;

        for (struct dirent *entry; (entry = readdir(dir));)
                if (entry->d_name[0] != '.')
                        usage_add_thread(pid, entry->d_name, &usage);
        *ret = usage;
        return 0;
}

int memory_read(pid_t pid, Memory *ret) {
        static const char *const resident[] = { "Rss:" }, *const private[] = { "Private_Clean:", "Private_Dirty:" };
        _cleanup_(fclosep) FILE *file = open_proc(pid, NULL, "smaps_rollup");

        if (!file)
                return -errno;
        ret->resident = 1024 * sum_lines(file, resident, ELEMENTSOF(resident));
        rewind(file);
        ret->private = 1024 * sum_lines(file, private, ELEMENTSOF(private));
        return 0;
}
