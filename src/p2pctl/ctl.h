/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the whole program shares: the options, the connection, the instances that were found.
 *
 * Functions that can fail return 0, a negative errno that nobody has reported yet, or a positive ExitStatus: then it
 * has been said on standard error why, and the program ends with that status. ctl_fail() is where the latter begins.
 */

#include <systemd/sd-bus.h>

#include "base/macro.h"
#include "base/usec.h"
#include "bus/error.h"
#include "p2pctl/bridge.h"
#include "p2pctl/instance.h"

typedef enum JsonMode {
        JSON_MODE_OFF,
        JSON_MODE_SHORT,        /* one line */
        JSON_MODE_PRETTY,
} JsonMode;

typedef struct Ctl {
        /* Options; texts are borrowed from the command line */
        JsonMode json;
        bool color;
        bool pager;
        bool legend;            /* headings and what is said below a table */
        bool full;              /* nothing is shortened */
        bool quiet;
        bool all;
        bool links;
        bool lines;
        bool raw;
        bool dot, svg;
        bool user;
        const char *host;
        const char *machine;
        const char *bus_choice;
        const char *instance;
        const char *config_dir, *runtime_dir, *state_dir;
        bool has_count;
        uint64_t count;
        bool has_timeout;
        usec_t timeout_usec;    /* USEC_INFINITY: for ever */
        const char *since;      /* NULL: from now on */
        uint64_t since_seconds; /* unless it is the id of a message, which has a "-" */
        bool has_first_port;
        uint16_t first_port;

        /* Made by ctl_connect() */
        sd_bus *bus;
        Bridge bridge;          /* the program that brings it, with -H and some -M */
        Instance *instances;
        size_t n_instances;
} Ctl;

/* Says on standard error what failed, why, and what to try: "p2pctl: " comes first, a newline last. Texts of
 * strangers are escaped by the caller. Return: @status. */
int ctl_fail(ExitStatus status, const char *format, ...) _printf_(2, 3);

/* The same without an end: for what is worth a word on standard error. Nothing with --quiet. */
void ctl_note(const Ctl *ctl, const char *format, ...) _printf_(2, 3);
