/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The life of a daemon's process: signals, and what the service manager is told (sd_notify(3)): ready, status, reloading,
 * stopping, and that the loop is healthy. Everything works without a service manager.
 */

#include <sysexits.h>
#include <systemd/sd-event.h>

#include "base/macro.h"
#include "base/usec.h"

typedef struct Process Process;

typedef struct ProcessHandlers {
        /* SIGTERM or SIGINT, the first time: leave in order, then end the loop. A second one ends it at once. */
        void (*stop)(void *userdata);
        /* SIGHUP. */
        void (*reload)(void *userdata);
        /* Asked before the watchdog is fed, by a timer of the loop: false when the loop turns, but the work is not done. */
        bool (*is_healthy)(void *userdata);
} ProcessHandlers;

/* Call it before any thread is started: signals are blocked, and taken by the loop. @handlers is static. */
int process_new(Process **ret, sd_event *event, const ProcessHandlers *handlers, void *userdata);
Process *process_free(Process *process);
DEFINE_CLEANUP(Process *, process_free)

void process_ready(Process *process);
void process_reloading(Process *process);       /* until process_ready() */
void process_stopping(Process *process);

/**
 * process_end() - the last thing that a program does
 * @status:     its exit status
 *
 * When it failed, the first error that was logged becomes the STATUS= line, which "systemctl status" shows of a failed unit.
 * Then it waits for the journal, see log_flush().
 *
 * Return: @status.
 */
int process_end(int status);

/* The STATUS= line, at most once a second; of several in that time the last one is told. One that somebody waits for,
 * @at_once, is told now. */
void process_set_status(Process *process, const char *status, bool at_once);
