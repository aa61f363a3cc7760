/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a peer and a seed have in common: from the command line to a node that listens, the effects that both carry out in the
 * same way, reloading, and leaving in order. The programs embed a Daemon and own what is theirs.
 */

#include "conf/config.h"
#include "daemon/directories.h"
#include "daemon/log-limit.h"
#include "daemon/process.h"
#include "daemon/seed-files.h"
#include "daemon/state-dir.h"
#include "io/clock.h"
#include "io/links.h"
#include "io/resolver.h"

#define INSTANCE_TEXT_SIZE sizeof("peer@65535")
#define STATUS_SIZE 1024U

typedef struct Daemon Daemon;

typedef struct DaemonHandlers {
        /* The program's settle function: carries the effects out after an event, and calls daemon_settled(). */
        void (*settle)(void *userdata, int error);
        /* As LinksHandlers.turned. NULL: that is nothing to it. */
        void (*turned)(void *userdata);
        /* The node is new: what was remembered on disk. Return: 0, -ENOMEM. */
        int (*restore)(void *userdata);
        /* The list of seeds is new; before the node is given it. */
        void (*seeds_loaded)(void *userdata, const SeedsConfig *seeds);
        /* "5 members, 6 links, 2 of 3 seeds" */
        void (*describe)(void *userdata, char status[static STATUS_SIZE]);
} DaemonHandlers;

struct Daemon {
        const DaemonHandlers *handlers;
        void *userdata;

        Role role;
        uint16_t port;
        char instance[INSTANCE_TEXT_SIZE];      /* "peer@6001" */
        char host_name[256];
        Directories directories;

        sd_event *event;
        Process *process;
        Links *links;
        Resolver *resolver;
        StateDir *state;
        bool is_identity_saved;
        const char *identity_reason;            /* why the id is a new one, where that is worth a word; static */
        SeedFiles *seed_files;
        Config *config;
        EffectQueue effects;
        Node *node;

        SeedsConfig *first_seeds;               /* from daemon_init() to daemon_run() */
        SeedEntry seeds[SEEDS_MAX];             /* as the node was given them */
        size_t n_seeds;
        char *seeds_refused;                    /* why the files cannot be used just now, so as to say it once */

        sd_event_source *deadline_source;
        usec_t deadline_usec;                   /* for which it is armed */
        sd_event_source *stop_source;
        LogLimit notice_limit;
        RateLimit resting_limit;
        NodeState state_logged;
        sd_event_source *state_source;          /* armed while the node is cut off and that was not said yet */
        usec_t started_usec;                    /* CLOCK_REALTIME */

        char *reload_refused;                   /* why the last reload was, or NULL */
        bool is_reloading;                      /* whoever asked for it reads the status as soon as it is over */
        bool is_running;                        /* the node has started */
        uint64_t away;                          /* a bit for each address listened on that this host does not have */
        sd_event_source *look_source;           /* armed while there is one */
        bool is_ready_held;                     /* the service manager is to be told a little later */
        sd_event_source *ready_source;
        bool status_is_stale;
        bool is_stopping;
};

/**
 * daemon_init() - everything until the node can be started
 * @daemon:     filled in; to be given to daemon_done() in any case
 * @handlers:   static
 *
 * Return: 0, or the exit status of sysexits.h after a sentence.
 */
int daemon_init(Daemon *daemon, Role role, const Options *options, const DaemonHandlers *handlers, void *userdata);
void daemon_done(Daemon *daemon);

/* Starts the node and runs the loop until it is over. Return: the exit status. */
int daemon_run(Daemon *daemon);

/* Carries out every effect but EFFECT_DELIVER, EFFECT_PONG and EFFECT_CRAWLED, which are for the program. Return: 0, -ENOMEM. */
int daemon_apply(Daemon *daemon, const Effect *effect);

/* The queue of effects is empty: arms the timer, tells the status. After an error (what the core returned, or daemon_apply()) it
 * ends the loop. */
void daemon_settled(Daemon *daemon, int error);

/* Appends to what DaemonHandlers.describe has written; what does not fit is cut. */
void status_add(char status[static STATUS_SIZE], const char *format, ...) _printf_(2, 3);

/* Between the two the service manager is not told that we are ready, for READY_MAX_USEC at most: whoever waits for it wants to
 * find us on the bus. The first may be called before daemon_run() only; the second any time, and more than once. */
void daemon_hold_ready(Daemon *daemon);
void daemon_release_ready(Daemon *daemon);

/**
 * daemon_reload() - read the configuration again
 * @ret_reason: may be NULL; when it is refused, one line for each mistake, the caller's, or NULL when out of memory
 *
 * Return: 0, -EINVAL when the new one is refused and the old one stays in force, -ENOMEM.
 */
int daemon_reload(Daemon *daemon, char **ret_reason);

/* The node gets daemon->seeds once more: the program has changed .self of some. */
void daemon_seeds_changed(Daemon *daemon);

static inline usec_t daemon_now(const Daemon *daemon) {
        return event_now(daemon->event);
}
