/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "p2pctl/output.h"

static pid_t pager_pid;         /* 0: none */

/* In the child. The user's word for a pager is a shell command, as everywhere. */
static _noreturn_ void pager_run(const char *command, int fd) {
        (void) dup2(fd, STDIN_FILENO);
        (void) close(fd);
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);

        /* F: end by itself when it fits on the screen; R: colours; S: long lines are cut; X: leave the screen as it
         * is; M: say where we are; K: end on Ctrl-C. */
        (void) setenv("LESS", "FRSXMK", 0);
        (void) setenv("LESSCHARSET", output_is_utf8() ? "utf-8" : "ascii", 0);
        /* Under sudo the pager would be a way to a shell of root's. */
        if (getenv("SUDO_UID"))
                (void) setenv("LESSSECURE", "1", 1);
        if (command && !getenv("SUDO_UID"))
                (void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
        else
                (void) execlp("less", "less", (char *) NULL);

        /* There is no less: then hand it through. */
        (void) execlp("cat", "cat", (char *) NULL);
        _exit(127);
}

void page_begin(const Ctl *ctl) {
        const char *command = secure_getenv("P2PNET_PAGER") ?: secure_getenv("PAGER");
        int fds[2];
        pid_t pid;

        if (!ctl->pager || pager_pid > 0 || !isatty(STDOUT_FILENO))
                return;
        if (command && (streq(command, "") || streq(command, "cat")))
                return;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;

        (void) fflush(stdout);
        pid = fork();
        if (pid == 0)
                pager_run(command, fds[0]);
        if (pid > 0) {
                pager_pid = pid;
                (void) dup2(fds[1], STDOUT_FILENO);
        }
        (void) close(fds[0]);
        (void) close(fds[1]);
}

void page_end(void) {
        if (pager_pid <= 0)
                return;

        (void) fflush(stdout);
        (void) close(STDOUT_FILENO);
        while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
                ;
        pager_pid = 0;
}
