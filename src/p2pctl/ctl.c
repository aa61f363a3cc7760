/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

/* What was printed so far comes first, also where both streams lead to one place. */
static _printf_(1, 0) void say(const char *format, va_list arguments) {
        (void) fflush(stdout);
        (void) fputs("p2pctl: ", stderr);
        (void) vfprintf(stderr, format, arguments);
        (void) fputc('\n', stderr);
}

int ctl_fail(ExitStatus status, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
        return status;
}

void ctl_note(const Ctl *ctl, const char *format, ...) {
        va_list arguments;

        if (ctl->quiet)
                return;
        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
}
