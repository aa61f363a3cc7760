/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On a machine without systemd. The seed gets a session of its own, so that it outlives the terminal, and tells us by
 * sd_notify(3) that it accepts connections, as it would tell systemd.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "p2pctl/output.h"
#include "p2pctl/spawn.h"

#define START_TIMEOUT_USEC (15 * USEC_PER_SEC)
#define NOTIFY_SIZE_MAX 4096U
#define LOG_TAIL_MAX 2048

static void fd_closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

/* What the seeds' state directories are in, and their logs: by the rules that the daemons have. The caller's. */
static char *state_base(const Ctl *ctl) {
        const char *state_home = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");
        char *path;
        int r;

        if (ctl->state_dir)
                r = asprintf(&path, "%s", ctl->state_dir);
        else if (geteuid() == 0 || (isempty(state_home) && isempty(home)))
                r = asprintf(&path, "%s", STATE_DIR);
        else if (!isempty(state_home))
                r = asprintf(&path, "%s/p2pnet", state_home);
        else
                r = asprintf(&path, "%s/.local/state/p2pnet", home);
        return r < 0 ? NULL : path;
}

static int make_directories(const char *path) {
        _cleanup_free_ char *prefix = strdup(path);

        if (!prefix)
                return -ENOMEM;
        for (char *p = prefix + 1; ; p++)
                if (*p == '/' || !*p) {
                        char kept = *p;

                        *p = 0;
                        if (mkdir(prefix, 0755) < 0 && errno != EEXIST)
                                return -errno;
                        if (!kept)
                                return 0;
                        *p = kept;
                }
}

/* A socket on a name that the kernel chooses. @name gets what NOTIFY_SOCKET has to say. */
static int notify_listen(char name[static sizeof(struct sockaddr_un)]) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(address);
        _cleanup_(fd_closep) int fd = -EBADF;
        int on = 1;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
            bind(fd, (struct sockaddr *) &address, offsetof(struct sockaddr_un, sun_path)) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                return -errno;

        /* An abstract name begins with a NUL byte, which sd_notify() writes as "@". */
        size -= offsetof(struct sockaddr_un, sun_path);
        memcpy(name, address.sun_path, size);
        name[0] = '@';
        name[size] = 0;
        return TAKE_FD(fd);
}

/* One datagram. Return: true when @pid says that it is ready. */
static bool notify_receive(int fd, pid_t pid) {
        char data[NOTIFY_SIZE_MAX + 1];
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec iov = { data, NOTIFY_SIZE_MAX };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof(control) };
        bool from_child = false;
        ssize_t n;

        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return false;
        data[n] = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred credentials;

                        memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
                        from_child = credentials.pid == pid;
                }
        return from_child && (strncmp(data, "READY=1", 7) == 0 || strstr(data, "\nREADY=1"));
}

static usec_t clock_now(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_BOOTTIME, &now);
        return (usec_t) now.tv_sec * USEC_PER_SEC + (usec_t) now.tv_nsec / 1000;
}

/* Return: 0 ready, -ECHILD it has ended, -ETIMEDOUT, -EINTR. */
static int wait_until_ready(int notify_fd, pid_t pid) {
        _cleanup_(fd_closep) int pid_fd = pidfd_open(pid, 0);
        usec_t now = clock_now(), end = now + START_TIMEOUT_USEC;

        if (pid_fd < 0)
                return -errno;
        for (; now < end; now = clock_now()) {
                struct pollfd fds[] = {
                        { .fd = notify_fd, .events = POLLIN },
                        { .fd = pid_fd, .events = POLLIN },
                };

                if (poll(fds, ELEMENTSOF(fds), (int) ((end - now) / USEC_PER_MSEC) + 1) < 0)
                        return -errno;
                if ((fds[0].revents & POLLIN) && notify_receive(notify_fd, pid))
                        return 0;
                if (fds[1].revents & POLLIN)
                        return -ECHILD;
        }
        return -ETIMEDOUT;
}

/* In the child, which has nothing to give back. */
static _noreturn_ void run_daemon(
                const Ctl *ctl,
                const char *program,
                uint16_t port,
                const char *state_dir,
                const char *notify,
                int log_fd) {

        char port_text[8];
        const char *arguments[16] = { program, port_text };
        size_t n = 2;
        const struct {
                const char *option, *value;
        } passed_on[] = {
                { "--config-dir",  ctl->config_dir                           },
                { "--runtime-dir", ctl->runtime_dir                          },
                { "--state-dir",   state_dir                                 },
                { "--bus",         ctl->bus_choice ?: ctl->user ? "user" : NULL },
        };
        int null_fd = open("/dev/null", O_RDONLY);
        sigset_t none;

        (void) snprintf(port_text, sizeof(port_text), "%u", port);
        for (size_t i = 0; i < ELEMENTSOF(passed_on); i++)
                if (passed_on[i].value) {
                        arguments[n++] = passed_on[i].option;
                        arguments[n++] = passed_on[i].value;
                }

        if (setsid() < 0 || setenv("NOTIFY_SOCKET", notify, 1) < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
            dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
                _exit(126);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) execv(program, (char *const *) arguments);
        dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
        _exit(127);
}

/* The last line of what the daemon wrote, escaped: why it ended. The caller's; NULL when there is none. */
static char *log_last_line(int fd) {
        char data[LOG_TAIL_MAX];
        off_t size = lseek(fd, 0, SEEK_END);
        ssize_t n, begin;

        n = pread(fd, data, sizeof(data), size > LOG_TAIL_MAX ? size - LOG_TAIL_MAX : 0);
        while (n > 0 && data[n - 1] == '\n')
                n--;
        if (n <= 0)
                return NULL;
        for (begin = n; begin > 0 && data[begin - 1] != '\n'; begin--)
                ;
        return text_escape(data + begin, (size_t) (n - begin));
}

int spawn_process(Ctl *ctl, uint16_t port, pid_t *ret_pid, char **ret_log) {
        _cleanup_free_ char *program = NULL, *directory = NULL, *state_dir = NULL, *log = NULL, *last_line = NULL;
        _cleanup_(fd_closep) int notify_fd = -EBADF, log_fd = -EBADF;
        char notify[sizeof(struct sockaddr_un)];
        const char *private_dir = secure_getenv("P2PNET_PRIVATE_DIR");
        pid_t pid;
        int r;

        directory = state_base(ctl);
        if (!directory || asprintf(&program, "%s/p2p-seedd", isempty(private_dir) ? PRIVATE_DIR : private_dir) < 0 ||
            asprintf(&state_dir, "%s/seed-%u", directory, port) < 0 || asprintf(&log, "%s.log", state_dir) < 0)
                return -ENOMEM;
        if (access(program, X_OK) < 0)
                return ctl_fail(EXIT_FAILED, "cannot run %s: %s.", program, strerror(errno));

        r = make_directories(directory);
        if (r < 0)
                return ctl_fail(r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_FAILED,
                                "cannot make the directory %s for the log: %s.\nChoose another with --state-dir=DIR",
                                directory, strerror(-r));
        log_fd = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (log_fd < 0)
                return ctl_fail(errno == EACCES ? EXIT_NOT_PERMITTED : EXIT_FAILED, "cannot write to %s: %s.", log,
                                strerror(errno));
        notify_fd = notify_listen(notify);
        if (notify_fd < 0)
                return ctl_fail(EXIT_FAILED, "cannot make a socket: %s.", strerror(-notify_fd));

        (void) fflush(stdout);
        pid = fork();
        if (pid < 0)
                return ctl_fail(EXIT_FAILED, "cannot start a process: %s.", strerror(errno));
        if (pid == 0)
                run_daemon(ctl, program, port, state_dir, notify, log_fd);

        r = wait_until_ready(notify_fd, pid);
        if (r >= 0) {
                *ret_pid = pid;
                *ret_log = TAKE_PTR(log);
                return 0;
        }

        last_line = log_last_line(log_fd);
        if (r != -ECHILD) {
                (void) kill(pid, SIGTERM);
                return ctl_fail(r == -ETIMEDOUT ? EXIT_TIMED_OUT : EXIT_FAILED,
                                "seed@%u was not ready after %s, and is being stopped; its log is %s", port,
                                DURATION_TEXT(START_TIMEOUT_USEC), log);
        }
        (void) waitpid(pid, NULL, 0);
        return ctl_fail(EXIT_FAILED, "seed@%u did not start: %s", port, last_line ?: "it said nothing.");
}
