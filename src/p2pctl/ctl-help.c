/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdio.h>

#include "p2pctl/output.h"
#include "p2pctl/verb-table.h"

static const char help_options[] =
        "  -i --instance=NAME             Ask peer@6001, seed@5000, 6001 or all\n"
        "  -H --host=[USER@]HOST          Ask on another host, through ssh\n"
        "  -M --machine=CONTAINER         Ask in a local container\n"
        "     --user                      Ask the services of this user\n"
        "     --bus=system|user|ADDRESS   Ask on that bus\n"
        "  -j --json=pretty|short|off     Print JSON (-j: pretty on a terminal, else short)\n"
        "  -a --all                       peers: also those that are dead, left or lost\n"
        "     --links                     peers: only those that it is linked to\n"
        "     --count=N                   subscribe, ping: end after N\n"
        "     --timeout=SECONDS           wait-online, subscribe, monitor: end after so long (0: never)\n"
        "     --raw                       subscribe: print payloads alone, as they are\n"
        "     --first-port=PORT           spawn-seeds: begin there (5000)\n"
        "     --config-dir=DIR            config check, spawn-seeds: instead of " CONFIG_DIR "\n"
        "     --runtime-dir=DIR           config check, spawn-seeds: instead of " RUNTIME_DIR "\n"
        "     --state-dir=DIR             spawn-seeds: instead of " STATE_DIR "\n"
        "  -l --full                      Shorten nothing\n"
        "  -q --quiet                     Print only what was asked for, and errors\n"
        "     --no-legend                 Print no headings and no summaries\n"
        "     --no-pager                  Do not use a pager\n"
        "     --color=auto|always|never   Use colours\n"
        "  -h --help                      Show this help\n"
        "     --version                   Show the version\n";

static json_t *verb_to_json(const Verb *verb) {
        return json_pack("{s:s, s:s, s:s}", "command", verb->name, "arguments", verb->arguments, "summary",
                         verb->summary);
}

static int help_all(const Ctl *ctl) {
        if (ctl->json != JSON_MODE_OFF) {
                _cleanup_(json_decrefp) json_t *array = json_array();

                for (const Verb *verb = verbs; verb->name; verb++)
                        if (verb->function && json_array_append_new(array, verb_to_json(verb)) < 0)
                                return -ENOMEM;
                return json_print(ctl, json_pack("{s:O}", "commands", array));
        }

        page_begin(ctl);
        printf("p2pctl [OPTIONS...] [COMMAND] ...\n\nAsk and manage the nodes of a peer-to-peer network.\n");
        for (const Verb *verb = verbs; verb->name; verb++)
                if (verb->function)
                        verb_print_usage(verb);
                else
                        printf("\n%s%s:%s\n", color_of(ctl, COLOR_BOLD), verb->name, color_of(ctl, COLOR_PLAIN));
        printf("\n%sOptions:%s\n%s\nSee p2pctl(1) for everything else.\n", color_of(ctl, COLOR_BOLD),
               color_of(ctl, COLOR_PLAIN), help_options);
        return 0;
}

int verb_help(Ctl *ctl, size_t n_arguments, char **arguments) {
        const Verb *verb;

        if (n_arguments == 0)
                return help_all(ctl);

        verb = verb_find(arguments[0]);
        if (!verb) {
                _cleanup_free_ char *text = output_text(arguments[0]);
                const char *meant = verb_suggest(arguments[0]);

                return ctl_fail(EXIT_USAGE, "unknown command '%s'.%s%s%s", text ?: "?", meant ? " Did you mean '" :
                                "",
                                meant ?: "", meant ? "'?" : "");
        }
        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, verb_to_json(verb));
        printf("p2pctl %s %s\n%s.\n", verb->name, verb->arguments, verb->summary);
        return 0;
}

int verb_version(Ctl *ctl, size_t n_arguments, char **arguments) {
        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:s}", "version", PROJECT_VERSION));
        printf("p2pctl %s\n", PROJECT_VERSION);
        return 0;
}
