/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/bridge.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

#define WORDS_MAX 2048
#define END_TIMEOUT_MSEC 2000

static void fd_closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

/* Return: 0, or what posix_spawnp(3) found, as a negative errno. */
static int spawn(const char *const *command, int socket_fd, int said_fd, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        if ((r = posix_spawn_file_actions_adddup2(&actions, socket_fd, STDIN_FILENO)) == 0 &&
            (r = posix_spawn_file_actions_adddup2(&actions, socket_fd, STDOUT_FILENO)) == 0 &&
            (r = posix_spawn_file_actions_adddup2(&actions, said_fd, STDERR_FILENO)) == 0)
                r = posix_spawnp(ret, command[0], &actions, NULL, (char *const *) command, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int bus_begin(int *fd, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, *fd, *fd);
        if (r < 0)
                return r;
        *fd = -EBADF;           /* the bus closes it */
        if ((r = sd_bus_set_description(bus, "p2pctl")) < 0 ||
            (r = sd_bus_set_bus_client(bus, true)) < 0 ||
            (r = sd_bus_start(bus)) < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

int bridge_open(Bridge *bridge, const char *const *command, sd_bus **ret) {
        _cleanup_(fd_closep) int ours = -EBADF, theirs = -EBADF, said = -EBADF;
        int pair[2], r;
        pid_t pid;

        said = memfd_create("p2pctl", MFD_CLOEXEC);
        if (said < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];

        r = spawn(command, theirs, said, &pid);
        if (r < 0)
                return r;
        *bridge = (Bridge) { .pid = pid, .said_fd = TAKE_FD(said) };
        return bus_begin(&ours, ret);
}

int bridge_end(Bridge *bridge) {
        _cleanup_(fd_closep) int pid_fd = -EBADF;
        pid_t pid = bridge->pid;
        int status;

        if (pid == 0)
                return 0;
        bridge->pid = 0;

        pid_fd = pidfd_open(pid, 0);
        if (pid_fd < 0 || poll(&(struct pollfd) { .fd = pid_fd, .events = POLLIN }, 1, END_TIMEOUT_MSEC) <= 0)
                (void) kill(pid, SIGTERM);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

char *bridge_last_words(const Bridge *bridge) {
        char data[WORDS_MAX];
        off_t size = lseek(bridge->said_fd, 0, SEEK_END);
        ssize_t n, begin;

        n = pread(bridge->said_fd, data, sizeof(data), size > WORDS_MAX ? size - WORDS_MAX : 0);
        while (n > 0 && strchr("\r\n. ", data[n - 1]))
                n--;
        if (n <= 0)
                return NULL;
        for (begin = n; begin > 0 && data[begin - 1] != '\n'; begin--)
                ;
        return text_escape(data + begin, (size_t) (n - begin));
}
