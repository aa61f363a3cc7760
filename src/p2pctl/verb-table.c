/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/verb-table.h"

#include <stdio.h>

#include "p2pctl/format.h"

#define VERBS_MAX 64U

const Verb verbs[] = {
        { "Asking" },
        { "status",      "",                  0, 0,        "What a node is doing (also without a command)",
          verb_status },
        { "peers",       "[PATTERN]",         0, 1,        "Who else is there",
          verb_peers, WORDS_PEERS },
        { "show",        "[PEER...]",         0, SIZE_MAX, "All that is known about a peer, or the node itself",
          verb_show, WORDS_PEERS },
        { "seeds",       "",                  0, 0,        "The seeds and what became of them",
          verb_seeds },
        { "statistics",  "",                  0, 0,        "Counters, and how long things take",
          verb_statistics },
        { "topics",      "",                  0, 0,        "What messages are about, and how many there were",
          verb_topics },
        { "topology",    "",                  0, 0,        "All nodes and the links between them",
          verb_topology },
        { "monitor",     "",                  0, 0,        "Watch what happens until Ctrl-C",
          verb_monitor },
        { "is-online",   "",                  0, 0,        "Whether it has found the network (exit status)",
          verb_is_online },
        { "wait-online", "",                  0, 0,        "Wait until a peer has found the network",
          verb_wait_online },

        { "Messages" },
        { "publish",     "TOPIC [PAYLOAD|-]", 1, 2,        "Send a message to every node (-: from standard input)",
          verb_publish },
        { "subscribe",   "PATTERN...",        1, SIZE_MAX, "Print messages whose topic matches",
          verb_subscribe },

        { "Managing" },
        { "ping",        "PEER",              1, 1,        "Measure the way to a peer and back",
          verb_ping, WORDS_PEERS },
        { "connect",     "ADDRESS...",        1, SIZE_MAX, "Link to a peer",
          verb_connect, WORDS_ADDRESSES },
        { "disconnect",  "PEER...",           1, SIZE_MAX, "End the link to a peer",
          verb_disconnect, WORDS_LINKED },
        { "reload",      "",                  0, 0,        "Read the configuration again",
          verb_reload },
        { "log-level",   "[LEVEL]",           0, 1,        "Show or set how much is logged",
          verb_log_level, WORDS_LOG_LEVELS },
        { "spawn-seeds", "[N]",               0, 1,        "Start N seeds on free ports",
          verb_spawn_seeds },
        { "config",      "check [INSTANCE]",  1, 2,        "Look for mistakes in the configuration files",
          verb_config, WORDS_CONFIGURED },

        { "Help" },
        { "help",        "[COMMAND]",         0, 1,        "This text",
          verb_help, WORDS_VERBS },
        { "version",     "",                  0, 0,        "Which version this is",
          verb_version },
        { "complete",    "-- WORD...",        1, SIZE_MAX, "What the last word of a command can become, for a shell",
          verb_complete, .hidden = true },
        {}
};

const Verb *verb_find(const char *name) {
        for (const Verb *verb = verbs; verb->name; verb++)
                if (verb->function && streq(verb->name, name))
                        return verb;
        return NULL;
}

const char *verb_suggest(const char *name) {
        const char *names[VERBS_MAX];
        size_t n = 0;

        for (const Verb *verb = verbs; verb->name; verb++)
                if (verb->function && !verb->hidden) {
                        assert(n < VERBS_MAX);
                        names[n++] = verb->name;
                }
        return suggestion(name, names, n);
}

void verb_print_usage(const Verb *verb) {
        char usage[64];

        (void) snprintf(usage, sizeof(usage), "%s %s", verb->name, verb->arguments);
        printf("  %-30s %s\n", usage, verb->summary);
}
