/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Following instances while they come and go: for verbs that run until somebody ends them. A signal is taken from
 * nobody but the connection that owns the name of an instance just now.
 */

#include <systemd/sd-event.h>

#include "p2pctl/ctl.h"

typedef struct Follow Follow;

typedef enum FollowChange {
        FOLLOW_RUNS,            /* when following begins: it is there */
        FOLLOW_STARTED,         /* it came, or came back */
        FOLLOW_STOPPED,
} FollowChange;

typedef void FollowHandler(const Instance *instance, FollowChange change, void *userdata);

/**
 * follow_new() - begin to follow
 * @ctl:        connected
 * @instances:  borrowed
 * @handler:    called from follow_run() only
 *
 * An error has been reported.
 */
int follow_new(
                Follow **ret,
                Ctl *ctl,
                const Instance *const *instances,
                size_t n_instances,
                FollowHandler *handler,
                void *userdata);
Follow *follow_free(Follow *follow);
DEFINE_CLEANUP(Follow *, follow_free)

/* The instance that sent a message, NULL when it was none of those that are followed. */
const Instance *follow_sender(const Follow *follow, sd_bus_message *m);

sd_event *follow_event(Follow *follow);

/**
 * follow_run() - serve the connection
 * @timeout_usec: USEC_INFINITY: for ever
 *
 * Return: 0 when somebody ended it: sd_event_exit() with 0, SIGINT, SIGTERM, or standard output that nobody reads any
 * more; EXIT_TIMED_OUT (not reported); else as everywhere.
 */
int follow_run(Follow *follow, usec_t timeout_usec);

/* "12:04:31", the local time now. */
#define CLOCK_TEXT_SIZE sizeof("00:00:00")
char *clock_text(char buffer[static CLOCK_TEXT_SIZE]);
#define CLOCK_TEXT() clock_text((char[CLOCK_TEXT_SIZE]){})
