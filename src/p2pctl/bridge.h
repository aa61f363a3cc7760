/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus that a program brings to its standard input and output: systemd-stdio-bridge at the other end of ssh, or in a
 * container. sd_bus_open_system_remote() does it the same way, but keeps to itself why the program has failed.
 *
 * The program stays in our process group and on our terminal, so that ssh can ask for what it needs and Ctrl-C ends both. What
 * it writes to standard error is kept until somebody wants to know.
 */

#include <systemd/sd-bus.h>

#include "base/macro.h"

typedef struct Bridge {
        pid_t pid;              /* 0: none runs */
        int said_fd;            /* a file in memory: what it wrote to standard error */
} Bridge;

/**
 * bridge_open() - run a program and begin to talk to the bus behind it
 * @command:    found by $PATH; ends with NULL
 * @ret:        the caller closes it, before bridge_end()
 *
 * Return: 0; -ENOENT when there is no such program; another negative errno.
 */
int bridge_open(Bridge *bridge, const char *const *command, sd_bus **ret);

/**
 * bridge_end() - wait for the program, and end it if it does not by itself
 *
 * Does nothing when none runs. Return: its exit status; -EINTR when it was ended by a signal, ours or another.
 */
int bridge_end(Bridge *bridge);

/* The last line that it wrote, escaped and without the full stop. The caller's; NULL when there is none. */
char *bridge_last_words(const Bridge *bridge);
