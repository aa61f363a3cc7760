/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "p2pctl/ctl-bus.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/spawn.h"
#include "p2pctl/verbs.h"

#define SEEDS_MAX 64U
#define FIRST_PORT_DEFAULT 5000U

static int parse_count(const char *text, uint64_t *ret) {
        _cleanup_free_ char *escaped = NULL;
        uint64_t n;

        if (parse_u64(text, &n) >= 0 && n >= 1 && n <= SEEDS_MAX) {
                *ret = n;
                return 0;
        }
        escaped = output_text(text);
        return ctl_fail(EXIT_USAGE, "'%s' seeds cannot be started; accepted is a number from 1 to %u.",
                        escaped ?: "?",
                        SEEDS_MAX);
}

static int ask_count(uint64_t *ret) {
        char line[32];

        if (!isatty(STDIN_FILENO))
                return ctl_fail(EXIT_USAGE, "how many seeds? Say it: p2pctl spawn-seeds 3");

        fprintf(stderr, "How many seeds (1 to %u)? ", SEEDS_MAX);
        if (!fgets(line, sizeof(line), stdin))
                return ctl_fail(EXIT_USAGE, "no number was given.");
        line[strcspn(line, "\n")] = 0;
        return parse_count(line, ret);
}

/* Whether somebody listens on that port, on any address. The daemons set SO_REUSEADDR as well, so a connection that
 * has just ended does not count. */
static bool port_is_taken(uint16_t port) {
        const struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        const struct {
                const void *address;
                socklen_t size;
                int family;
        } tries[] = {
                { &any4, sizeof(any4), AF_INET  },
                { &any6, sizeof(any6), AF_INET6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(tries); i++) {
                int fd = socket(tries[i].family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
                bool taken;

                if (fd < 0)
                        continue;       /* no IPv6 here, and so nobody on it */
                (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                if (tries[i].family == AF_INET6)
                        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
                taken = bind(fd, tries[i].address, tries[i].size) < 0 && errno == EADDRINUSE;
                (void) close(fd);
                if (taken)
                        return true;
        }
        return false;
}

static bool seed_runs(const Ctl *ctl, uint16_t port) {
        for (size_t i = 0; i < ctl->n_instances; i++)
                if (ctl->instances[i].seed && ctl->instances[i].port == port)
                        return true;
        return false;
}

typedef enum Outcome {
        OUTCOME_STARTED,
        OUTCOME_SKIPPED,        /* the port is not free */
} Outcome;

static int spawn_one(Ctl *ctl, bool systemd, uint16_t port, json_t *started, Outcome *ret) {
        _cleanup_free_ char *log = NULL;
        json_t *facts;
        pid_t pid = 0;          /* 0: systemd knows */
        int r;

        *ret = OUTCOME_SKIPPED;
        if (seed_runs(ctl, port)) {
                ctl_note(ctl, "seed@%u runs already, trying the next port.", port);
                return 0;
        }
        /* Ports of another host cannot be tried from here; the seed itself says it there. */
        if (!ctl->host && !ctl->machine && port_is_taken(port)) {
                ctl_note(ctl, "port %u is in use, trying the next.", port);
                return 0;
        }

        r = systemd ? spawn_unit(ctl, port) : spawn_process(ctl, port, &pid, &log);
        if (r != 0)
                return r;

        *ret = OUTCOME_STARTED;
        facts = json_pack("{s:s, s:i, s:o, s:o}", "instance", instance_make(true, port).text, "port", (int) port,
                          "pid", pid > 0 ? json_integer(pid) : json_null(), "log", json_text(log));
        if (!facts || json_array_append_new(started, facts) < 0)
                return -ENOMEM;
        if (ctl->json == JSON_MODE_OFF && !ctl->quiet) {
                _cleanup_free_ char *log_text = output_text(log ?: "");

                if (pid > 0)
                        printf("started seed@%u, process %d, its log is %s\n", port, (int) pid, log_text ?: "");
                else
                        printf("started seed@%u\n", port);
                (void) fflush(stdout);
        }
        return 0;
}

/* A seed that does not start is seldom the only one that would not: so the first failure ends it. */
int verb_spawn_seeds(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *started = json_array();
        uint64_t n_wanted, n_started = 0;
        uint32_t port = ctl->has_first_port ? ctl->first_port : FIRST_PORT_DEFAULT;
        bool systemd = spawn_has_systemd(ctl);
        int r;

        if (!started)
                return -ENOMEM;
        r = n_arguments > 0 ? parse_count(arguments[0], &n_wanted) : ask_count(&n_wanted);
        if (r != 0)
                return r;
        r = systemd ? ctl_connect_manager(ctl) : ctl_connect(ctl);
        if (r != 0 && (systemd || r < 0))
                return r;
        if (!systemd)
                ctl_note(ctl, "systemd does not run here, so the seeds are started as plain processes.");

        for (r = 0; n_started < n_wanted && port <= UINT16_MAX; port++) {
                Outcome outcome;

                r = spawn_one(ctl, systemd, (uint16_t) port, started, &outcome);
                if (r != 0)
                        break;
                if (outcome == OUTCOME_STARTED)
                        n_started++;
        }

        if (ctl->json != JSON_MODE_OFF) {
                int r_print = json_print(ctl, json_pack("{s:b, s:O}", "systemd", (int) systemd, "started", started));

                r = r ?: r_print;
        }
        if (r == 0 && n_started < n_wanted)
                r = ctl_fail(EXIT_FAILED, "no port is left above %u.", UINT16_MAX);
        return r > 0 && n_started > 0 ? EXIT_PARTIAL : r;
}
