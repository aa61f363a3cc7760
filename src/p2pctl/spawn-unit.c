/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/spawn.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

/* systemd gives a unit its own time to start; this one is for a systemd that does not answer any more. */
#define JOB_TIMEOUT_USEC (5 * USEC_PER_MINUTE)

typedef struct Job {
        char *path;             /* NULL: not known yet */
        char result[32];        /* "" while it runs */
} Job;

bool spawn_has_systemd(const Ctl *ctl) {
        /* Of other hosts it is taken for granted: the way to them leads through systemd's programs. */
        return ctl->host || ctl->machine || sd_booted() > 0;
}

static int job_on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *unit, *result;
        Job *job = userdata;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
                return 0;
        if (job->path && streq(job->path, path))
                (void) snprintf(job->result, sizeof(job->result), "%s", result);
        return 0;
}

static int job_wait(Ctl *ctl, Job *job) {
        struct timespec now;
        usec_t end;

        (void) clock_gettime(CLOCK_BOOTTIME, &now);
        end = (usec_t) now.tv_sec * USEC_PER_SEC + JOB_TIMEOUT_USEC;

        while (!job->result[0]) {
                int r;

                (void) clock_gettime(CLOCK_BOOTTIME, &now);
                if ((usec_t) now.tv_sec * USEC_PER_SEC >= end)
                        return -ETIMEDOUT;
                r = sd_bus_process(ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(ctl->bus, USEC_PER_SEC);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return 0;
}

static int start_unit(Ctl *ctl, const char *unit, uint16_t port, Job *job) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(ctl->bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "StartUnit", &error, &reply,
                               "ss", unit, "replace");
        if (r < 0 && sd_bus_error_has_names(&error, "org.freedesktop.systemd1.NoSuchUnit",
                                            "org.freedesktop.systemd1.LoadFailed"))
                return ctl_fail(EXIT_FAILED, "systemd knows no %s: is p2pnet installed?", unit);
        if (r < 0)
                return ctl_report(ctl, NULL, r, &error);

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        job->path = strdup(path);
        if (!job->path)
                return -ENOMEM;

        r = job_wait(ctl, job);
        if (r == -ETIMEDOUT)
                return ctl_fail(EXIT_TIMED_OUT, "%s is still starting after %llu minutes.", unit,
                                (unsigned long long) (JOB_TIMEOUT_USEC / USEC_PER_MINUTE));
        if (r < 0)
                return ctl_report(ctl, NULL, r, NULL);
        if (!streq(job->result, "done"))
                return ctl_fail(EXIT_FAILED, "seed@%u did not start (%s). See why: journalctl -u %s", port,
                                job->result,
                                unit);
        return 0;
}

int spawn_unit(Ctl *ctl, uint16_t port) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Job job = {};
        char unit[40];
        int r;

        (void) snprintf(unit, sizeof(unit), "p2p-seedd@%u.service", port);

        /* In this order, so that the end of a short job is not missed: it is read after the reply that names it. */
        r = sd_bus_match_signal(ctl->bus, &slot, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved",
                                job_on_removed, &job);
        if (r < 0)
                return ctl_report(ctl, NULL, r, NULL);
        r = sd_bus_call_method(ctl->bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", &error, NULL, "");
        if (r < 0 && !sd_bus_error_has_name(&error, "org.freedesktop.systemd1.AlreadySubscribed"))
                return ctl_report(ctl, NULL, r, &error);

        r = start_unit(ctl, unit, port, &job);
        free(job.path);
        return r;
}
