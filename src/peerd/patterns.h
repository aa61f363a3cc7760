/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The patterns that a local program subscribes to: of fnmatch(3), without flags. All zeros has none. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

#define PATTERNS_MAX 64U

typedef struct Patterns {
        char *patterns[PATTERNS_MAX];
        size_t n;
} Patterns;

void patterns_done(Patterns *patterns);

/* Reads an "as". Return: 0; an error, with @error set when it has one, and then @patterns still has to be done with. */
int patterns_read(Patterns *patterns, sd_bus_message *m, sd_bus_error *error);

bool patterns_match(const Patterns *patterns, const char *topic);
