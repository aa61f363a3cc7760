/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of both daemons: PROGRAM [PORT] [OPTIONS]. */

#include "base/macro.h"
#include "wire/message.h"

typedef struct Options {
        uint16_t port;
        /* Borrowed from the command line; NULL when not given. */
        const char *config_dir;
        const char *runtime_dir;
        const char *state_dir;
        const char *bus;
} Options;

/**
 * options_parse() - read the command line; asks for a missing port on a terminal
 *
 * Return: 1; 0 when all is done (help, version); -EINVAL after a sentence on standard error.
 */
int options_parse(Options *ret, Role role, int argc, char **argv);
