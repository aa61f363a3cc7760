/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cut.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

#define PORTS_MAX 64U
#define INODES_MAX 512U

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

static bool nft(const char *rules) {
        FILE *pipe = popen("nft -f - 2>/dev/null", "we");

        return pipe && fputs(rules, pipe) >= 0 && pclose(pipe) == 0;
}

bool cut_is_possible(void) {
        return (rig_has_program("nft") || rig_has_program("/usr/sbin/nft")) && nft("add table inet bench\n");
}

void cut_mend(void) {
        (void) nft("delete table inet bench\n");
}

static size_t socket_inodes(pid_t pid, unsigned long inodes[static INODES_MAX]) {
        _cleanup_(closedirp) DIR *dir = NULL;
        char path[512], target[64];
        size_t n = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        dir = opendir(path);
        for (struct dirent *entry; dir && n < INODES_MAX && (entry = readdir(dir));) {
                ssize_t size;

                (void) snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int) pid, entry->d_name);
                size = readlink(path, target, sizeof(target) - 1);
                if (size <= 0)
                        continue;
                target[size] = 0;
                if (sscanf(target, "socket:[%lu]", &inodes[n]) == 1)
                        n++;
        }
        return n;
}

/* The local ports of those sockets in one of the tables of /proc/net. */
static size_t add_ports(const char *table, const unsigned long inodes[], size_t n_inodes, unsigned ports[static PORTS_MAX],
                        size_t n_ports) {
        _cleanup_(fclosep) FILE *file = fopen(table, "re");
        unsigned long inode;
        unsigned port;
        char line[512];

        while (file && n_ports < PORTS_MAX && fgets(line, sizeof(line), file)) {
                if (sscanf(line, "%*u: %*[^:]:%x %*s %*s %*s %*s %*s %*u %*u %lu", &port, &inode) != 2)
                        continue;
                for (size_t i = 0; i < n_inodes; i++)
                        if (inodes[i] == inode) {
                                ports[n_ports++] = port;
                                break;
                        }
        }
        return n_ports;
}

/* They are dropped where they come in: the sender of one that is dropped on its way out would be told. */
void cut_process(Process *process) {
        static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6" };
        unsigned long inodes[INODES_MAX];
        char rules[4096], elements[1024] = "";
        unsigned ports[PORTS_MAX];
        size_t n_inodes, n_ports = 0, n = 0;

        process_signal(process, SIGSTOP);
        n_inodes = socket_inodes(process->pid, inodes);
        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                n_ports = add_ports(tables[i], inodes, n_inodes, ports, n_ports);
        if (n_ports == 0)
                bench_fail("Found no socket of %s.", process->name);
        for (size_t i = 0; i < n_ports; i++)
                n += (size_t) snprintf(elements + n, sizeof(elements) - n, "%s%u", i > 0 ? ", " : "", ports[i]);

        (void) snprintf(rules, sizeof(rules),
                        "add table inet bench\n"
                        "add set inet bench cut { type inet_service; }\n"
                        "add chain inet bench in { type filter hook input priority 0; }\n"
                        "add element inet bench cut { %s }\n"
                        "add rule inet bench in meta l4proto { tcp, udp } th sport @cut drop\n"
                        "add rule inet bench in meta l4proto { tcp, udp } th dport @cut drop\n",
                        elements);
        if (!nft(rules))
                bench_fail("Cannot drop the packets of %s.", process->name);
}
