/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rig.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "bench.h"

static Rig *the_rig;            /* for the end, which may come from anywhere */

/* ---- the end ---- */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw) {
        (void) remove(path);
        return 0;
}

static void rig_clean_up(void) {
        Rig *rig = the_rig;

        if (!rig)
                return;
        the_rig = NULL;
        while (rig->processes)
                process_end(rig->processes);
        (void) nftw(rig->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(rig->directory);
        sd_event_unref(rig->event);
        free(rig);
}

static int rig_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        exit(128 + (int) info->ssi_signo);
}

/* ---- the namespace ---- */

static bool write_text(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool good;

        if (fd < 0)
                return false;
        good = write(fd, text, strlen(text)) == (ssize_t) strlen(text);
        (void) close(fd);
        return good;
}

/* Whoever is not root becomes it in a user namespace, where nothing belongs to it but what it makes. */
static bool enter_namespace(void) {
        char users[64], groups[64];

        if (unshare(CLONE_NEWNET) == 0)
                return true;
        (void) snprintf(users, sizeof(users), "0 %u 1", (unsigned) geteuid());
        (void) snprintf(groups, sizeof(groups), "0 %u 1", (unsigned) getegid());
        return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_text("/proc/self/setgroups", "deny") &&
               write_text("/proc/self/uid_map", users) && write_text("/proc/self/gid_map", groups);
}

static bool raise_loopback(void) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

        r = ioctl(fd, SIOCSIFFLAGS, &request);
        (void) close(fd);
        return r == 0;
}

Rig *rig_new(void) {
        const char *temporary = getenv("TMPDIR");
        sigset_t signals;
        Rig *rig;

        if (!enter_namespace() || !raise_loopback())
                bench_skip("There can be no network namespace here: %s.", strerror(errno));

        rig = bench_calloc(1, sizeof(*rig));
        if (asprintf(&rig->directory, "%s/p2pnet-bench-XXXXXX", isempty(temporary) ? "/tmp" : temporary) < 0 ||
            !mkdtemp(rig->directory))
                bench_fail("Cannot make a directory: %s.", strerror(errno));
        the_rig = rig;
        (void) atexit(rig_clean_up);

        (void) signal(SIGPIPE, SIG_IGN);
        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGCHLD);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        if (sd_event_new(&rig->event) < 0 || sd_event_add_signal(rig->event, NULL, SIGINT, rig_on_signal, rig) < 0 ||
            sd_event_add_signal(rig->event, NULL, SIGTERM, rig_on_signal, rig) < 0)
                bench_fail("Cannot set up the event loop.");
        return rig;
}

/* ---- files ---- */

char *rig_path(const Rig *rig, const char *name) {
        char *path;

        if (asprintf(&path, "%s/%s", rig->directory, name) < 0)
                bench_fail("Out of memory.");
        return path;
}

static void make_parents(char *path, size_t from) {
        for (size_t i = from; path[i]; i++)
                if (path[i] == '/') {
                        path[i] = 0;
                        (void) mkdir(path, 0755);
                        path[i] = '/';
                }
}

void rig_write(const Rig *rig, const char *name, const char *text) {
        _cleanup_free_ char *path = rig_path(rig, name);
        FILE *file;

        make_parents(path, strlen(rig->directory) + 1);
        file = fopen(path, "we");
        if (!file || fputs(text, file) < 0 || fclose(file) != 0)
                bench_fail("Cannot write %s: %s.", path, strerror(errno));
}

bool rig_has_program(const char *name) {
        const char *directories = getenv("PATH") ?: "/usr/bin:/bin";
        char path[4096];

        if (strchr(name, '/'))
                return access(name, X_OK) == 0;
        for (const char *p = directories; *p;) {
                size_t n = strcspn(p, ":");

                (void) snprintf(path, sizeof(path), "%.*s/%s", (int) n, p, name);
                if (access(path, X_OK) == 0)
                        return true;
                p += n + (p[n] == ':');
        }
        return false;
}

/* ---- processes ---- */

static int process_on_end(sd_event_source *source, const siginfo_t *info, void *userdata) {
        Process *process = userdata;

        if (!process->is_expected_to_end)
                bench_fail("%s (process %d) ended by itself, with %d.", process->name, (int) info->si_pid, info->si_status);
        process->pid = 0;
        return 0;
}

static void process_take(Process *process, const char *text, size_t size) {
        for (size_t i = 0; i < size; i++) {
                if (text[i] == '\n') {
                        process->line[process->n_line] = 0;
                        process->on_line(process->userdata, process->number, process->line);
                        process->n_line = 0;
                } else if (process->n_line < sizeof(process->line) - 1)
                        process->line[process->n_line++] = text[i];
        }
}

static int process_on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Process *process = userdata;
        char buffer[16384];
        ssize_t n;

        n = read(fd, buffer, sizeof(buffer));
        if (n > 0)
                process_take(process, buffer, (size_t) n);
        else if (n == 0 || errno != EAGAIN)
                process->out_source = sd_event_source_disable_unref(process->out_source);
        return 0;
}

static _noreturn_ void child_run(const char *const argv[], int out, pid_t parent) {
        sigset_t none;

        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) setpgid(0, 0);           /* Ctrl-C is for us alone */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(127);
        (void) dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        (void) dup2(out, STDOUT_FILENO);
        (void) dup2(out, STDERR_FILENO);
        (void) unsetenv("NOTIFY_SOCKET");
        (void) execvp(argv[0], (char *const *) argv);
        _exit(127);
}

/* Where it writes to; what we read of that, if we do, is in process->out. */
static int process_open_output(Process *process) {
        _cleanup_free_ char *log = NULL;
        int fds[2], fd;

        process->out = -EBADF;
        if (process->on_line) {
                if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
                        bench_fail("Cannot make a pipe: %s.", strerror(errno));
                process->out = fds[0];
                return fds[1];
        }

        log = rig_path(process->rig, process->name);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
                bench_fail("Cannot write %s: %s.", log, strerror(errno));
        return fd;
}

Process *rig_start(Rig *rig, const char *name, unsigned number, const char *const argv[], LineHandler on_line,
                   void *userdata) {
        Process *process = bench_calloc(1, sizeof(*process));
        pid_t parent = getpid();
        int out;

        process->rig = rig;
        process->number = number;
        process->on_line = on_line;
        process->userdata = userdata;
        (void) snprintf(process->name, sizeof(process->name), "%s", name);
        out = process_open_output(process);

        (void) fflush(NULL);
        process->pid = fork();
        if (process->pid < 0)
                bench_fail("Cannot start %s: %s.", name, strerror(errno));
        if (process->pid == 0)
                child_run(argv, out, parent);

        (void) close(out);
        DL_APPEND(rig->processes, process);
        if (sd_event_add_child(rig->event, &process->child_source, process->pid, WEXITED, process_on_end, process) < 0 ||
            (process->out >= 0 && sd_event_add_io(rig->event, &process->out_source, process->out, EPOLLIN,
                                                  process_on_output, process) < 0))
                bench_fail("Cannot watch %s.", name);
        return process;
}

void process_signal(Process *process, int signal_number) {
        if (signal_number == SIGKILL)
                process->is_expected_to_end = true;
        if (process->pid > 0 && kill(process->pid, signal_number) < 0)
                bench_fail("Cannot send signal %d to %s: %s.", signal_number, process->name, strerror(errno));
}

void process_end(Process *process) {
        if (!process)
                return;

        sd_event_source_disable_unref(process->child_source);
        sd_event_source_disable_unref(process->out_source);
        if (process->pid > 0) {
                (void) kill(process->pid, SIGKILL);
                while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        if (process->out >= 0)
                (void) close(process->out);
        DL_DELETE(process->rig->processes, process);
        free(process);
}

/* ---- the loop ---- */

bool rig_run_until(Rig *rig, bool (*condition)(void *userdata), void *userdata, usec_t timeout_usec) {
        usec_t end_usec = usec_add(bench_now(), timeout_usec);

        while (!condition(userdata)) {
                usec_t now_usec = bench_now();
                int r;

                if (now_usec >= end_usec)
                        return false;
                r = sd_event_run(rig->event, end_usec - now_usec);
                if (r < 0)
                        bench_fail("The event loop failed: %s.", strerror(-r));
        }
        return true;
}

static bool never(void *userdata) {
        return false;
}

void rig_run_for(Rig *rig, usec_t usec) {
        (void) rig_run_until(rig, never, NULL, usec);
}

int rig_connect(uint16_t port) {
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htobe16(port),
                .sin_addr.s_addr = htobe32(INADDR_LOOPBACK),
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int));
        (void) fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
}
