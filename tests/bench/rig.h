/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The place a measurement happens in: a network namespace of its own, so that no port is taken and a packet may be dropped;
 * a directory; an event loop; and the processes that were started. However the program ends, on Ctrl-C too, they
 * are ended by their ids and the directory is removed; if it is killed, the kernel ends them.
 */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/macro.h"
#include "base/usec.h"

typedef struct Rig {
        sd_event *event;
        char *directory;
        struct Process *processes;
} Rig;

/* Takes a line of what the process says, without its end; @number is that of rig_start(). */
typedef void (*LineHandler)(void *userdata, unsigned number, const char *line);

typedef struct Process {
        Rig *rig;
        pid_t pid;
        char name[32];
        unsigned number;
        bool is_expected_to_end;
        sd_event_source *child_source;

        LineHandler on_line;
        void *userdata;
        int out;
        sd_event_source *out_source;
        char line[1024];
        size_t n_line;

        struct Process *prev, *next;
} Process;

/* Makes it; exits with 77 where there can be no namespace. One for each program. */
Rig *rig_new(void);

/* A path in the directory; the caller's to free. */
char *rig_path(const Rig *rig, const char *name);
/* Writes a file there, and the directories above it. */
void rig_write(const Rig *rig, const char *name, const char *text);
/* Whether there is such a program in PATH, or at that path. */
bool rig_has_program(const char *name);

/**
 * rig_start() - start a process
 * @name:       for messages, and of its log in the directory
 * @number:     handed to @on_line
 * @argv:       NULL-terminated; the program is looked for in PATH
 * @on_line:    gets what it says; NULL: that goes to the log
 *
 * One that ends unasked ends the measurement.
 */
Process *rig_start(Rig *rig, const char *name, unsigned number, const char *const argv[], LineHandler on_line,
                   void *userdata);
/* Ends it at once, and frees it. Takes NULL. */
void process_end(Process *process);
/* Sends it a signal; after SIGKILL it still has to be ended. */
void process_signal(Process *process, int signal_number);

/* Runs the loop until the condition is true. Return: false when that took too long. */
bool rig_run_until(Rig *rig, bool (*condition)(void *userdata), void *userdata, usec_t timeout_usec);
void rig_run_for(Rig *rig, usec_t usec);

/* A TCP connection to 127.0.0.1, not blocking, without delay. Return: the fd, a negative errno. */
int rig_connect(uint16_t port);
