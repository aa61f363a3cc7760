/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "daemon/log.h"
#include "io/clock.h"

#define STATUS_INTERVAL_USEC USEC_PER_SEC

struct Process {
        sd_event *event;                /* reference */
        const ProcessHandlers *handlers;
        void *userdata;
        bool is_stopping;

        sd_event_source *signal_sources[3];

        sd_event_source *watchdog_source;
        usec_t watchdog_usec;           /* between two looks: a third of what the service manager allows */

        char *status;
        char *status_told;
        usec_t status_told_usec;
        sd_event_source *status_source;
};

Process *process_free(Process *process) {
        if (!process)
                return NULL;

        for (size_t i = 0; i < ELEMENTSOF(process->signal_sources); i++)
                sd_event_source_disable_unref(process->signal_sources[i]);
        sd_event_source_disable_unref(process->watchdog_source);
        sd_event_source_disable_unref(process->status_source);
        sd_event_unref(process->event);
        free(process->status_told);
        free(process->status);
        free(process);
        return NULL;
}

/* ---- signals ---- */

static int process_on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Process *process = userdata;

        if (process->is_stopping) {
                log_notice("Asked once more to stop: stopping at once.");
                return sd_event_exit(process->event, EXIT_FAILURE);
        }

        process->is_stopping = true;
        process->handlers->stop(process->userdata);
        return 0;
}

static int process_on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Process *process = userdata;

        if (!process->is_stopping)
                process->handlers->reload(process->userdata);
        return 0;
}

static int process_add_signals(Process *process) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = {
                { SIGTERM, process_on_stop   },
                { SIGINT,  process_on_stop   },
                { SIGHUP,  process_on_reload },
        };
        sigset_t set;
        int r;

        static_assert(ELEMENTSOF(signals) == ELEMENTSOF(process->signal_sources), "one source each");

        (void) signal(SIGPIPE, SIG_IGN);
        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&set, signals[i].number);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(process->event, &process->signal_sources[i], signals[i].number,
                                        signals[i].handler, process);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the service manager ---- */

static int process_on_watchdog(sd_event_source *source, uint64_t usec, void *userdata) {
        Process *process = userdata;
        int r;

        if (process->handlers->is_healthy(process->userdata))
                (void) sd_notify(false, "WATCHDOG=1");

        r = sd_event_source_set_time(source, usec_add(event_now(process->event), process->watchdog_usec));
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int process_add_watchdog(Process *process) {
        uint64_t usec;
        int r;

        r = sd_watchdog_enabled(false, &usec);
        if (r <= 0)
                return r;

        process->watchdog_usec = MAX(usec / 3, USEC_PER_MSEC);
        r = sd_event_add_time(process->event, &process->watchdog_source, CLOCK_BOOTTIME, 0, process->watchdog_usec / 4,
                              process_on_watchdog, process);
        return r < 0 ? r : sd_event_source_set_exit_on_failure(process->watchdog_source, true);
}

void process_ready(Process *process) {
        (void) sd_notify(false, "READY=1");
}

void process_reloading(Process *process) {
        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now(CLOCK_MONOTONIC));
}

void process_stopping(Process *process) {
        (void) sd_notify(false, "STOPPING=1");
}

int process_end(int status) {
        const char *sentence = log_first_error();

        if (status != EXIT_SUCCESS && sentence) {
                unsigned n_more = log_n_errors() - 1;

                if (n_more > 0)
                        (void) sd_notifyf(false, "STATUS=%s (%u more in the journal)", sentence, n_more);
                else
                        (void) sd_notifyf(false, "STATUS=%s", sentence);
        }
        log_flush();
        return status;
}

static void process_tell_status(Process *process) {
        (void) sd_notifyf(false, "STATUS=%s", process->status);
        process->status_told_usec = event_now(process->event);
        free(process->status_told);
        process->status_told = TAKE_PTR(process->status);
}

static int process_on_status(sd_event_source *source, uint64_t usec, void *userdata) {
        Process *process = userdata;

        if (process->status)
                process_tell_status(process);
        return 0;
}

void process_set_status(Process *process, const char *status, bool at_once) {
        usec_t next_usec = usec_add(process->status_told_usec, STATUS_INTERVAL_USEC);

        free(process->status);
        process->status = process->status_told && streq(process->status_told, status) ? NULL : strdup(status);
        if (!process->status)
                return;

        if (at_once || !process->status_told || event_now(process->event) >= next_usec)
                process_tell_status(process);
        else {
                (void) sd_event_source_set_time(process->status_source, next_usec);
                (void) sd_event_source_set_enabled(process->status_source, SD_EVENT_ONESHOT);
        }
}

/* A file descriptor for each connection: as many as the administrator allows, not as many as is usual. */
static void raise_file_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

int process_new(Process **ret, sd_event *event, const ProcessHandlers *handlers, void *userdata) {
        _cleanup_(process_freep) Process *process = NULL;
        int r;

        process = calloc(1, sizeof(*process));
        if (!process)
                return -ENOMEM;

        process->event = sd_event_ref(event);
        process->handlers = handlers;
        process->userdata = userdata;

        raise_file_limit();
        r = process_add_signals(process);
        if (r < 0)
                return r;
        r = process_add_watchdog(process);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &process->status_source, CLOCK_BOOTTIME, 0, 0, process_on_status, process);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(process->status_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(process);
        return 0;
}
