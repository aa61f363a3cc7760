/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <locale.h>
#include <stdio.h>

#include "p2pctl/ctl.h"
#include "p2pctl/option-table.h"
#include "p2pctl/output.h"
#include "p2pctl/remote.h"
#include "p2pctl/verb-table.h"

typedef struct CommandLine {
        const char *verb;               /* NULL: none was given */
        bool given[OPTIONS_MAX];
} CommandLine;

static int parse_options(Ctl *ctl, int argc, char **argv, CommandLine *line) {
        OptionLetters known;
        int c, r;

        opterr = 0;             /* the sentences are ours */
        options_for_getopt(&known);
        while ((c = getopt_long(argc, argv, known.letters, known.names, NULL)) >= 0) {
                const Option *option;

                if (c == '?' || c == ':')
                        return option_fail(argv[optind - 1], optopt, c == ':');

                option = c >= OPTION_LONG ? options + (c - OPTION_LONG) : option_find_letter((char) c);
                line->given[option - options] = true;
                if (option->verb)
                        line->verb = option->verb;
                r = option->parse(ctl, option, optarg);
                if (r != 0)
                        return r;
        }

        if (ctl->host && ctl->user) {
                RemoteHost remote;

                r = remote_host_parse(ctl->host, &remote);
                return r < 0 ? r :
                       ctl_fail(EXIT_USAGE, "-H reaches the services of the system only, --user does not go with it.\n"
                                "Try: ssh %s%s%s%s p2pctl --user", remote.port[0] ? "-p " : "", remote.port,
                                remote.port[0] ? " " : "", remote.destination);
        }
        if ((ctl->host ? 1 : 0) + (ctl->machine ? 1 : 0) + (ctl->bus_choice ? 1 : 0) > 1 || (ctl->user && ctl->bus_choice))
                return ctl_fail(EXIT_USAGE, "of -H, -M and --bus only one can be given, and --user with none but -M.");
        return 0;
}

/* One that the verb does not heed may be the one that matters to who gave it: better a word now than another result. */
static int check_options(const CommandLine *line, const Verb *verb) {
        for (const Option *option = options; option->name; option++)
                if (line->given[option - options] && !option_is_for(option, verb->name)) {
                        _cleanup_free_ char *others = option_verbs_text(option);

                        return ctl_fail(EXIT_USAGE, "--%s does not go with '%s', it is for %s.", option->name, verb->name,
                                        others ?: "others");
                }
        return 0;
}

static int run_verb(Ctl *ctl, const CommandLine *line, const char *name, size_t n_arguments, char **arguments) {
        const Verb *verb = verb_find(name);
        int r;

        if (!verb) {
                _cleanup_free_ char *text = output_text(name);
                const char *meant = verb_suggest(name);

                if (meant)
                        return ctl_fail(EXIT_USAGE, "unknown command '%s'. Did you mean '%s'?", text ?: "?", meant);
                return ctl_fail(EXIT_USAGE, "unknown command '%s'. See: p2pctl help", text ?: "?");
        }
        if (n_arguments < verb->n_arguments_min)
                return ctl_fail(EXIT_USAGE, "too few arguments. Usage: p2pctl %s %s", verb->name, verb->arguments);
        if (n_arguments > verb->n_arguments_max)
                return ctl_fail(EXIT_USAGE, "too many arguments. Usage: p2pctl %s %s", verb->name, verb->arguments);

        /* Who asks for help may have the rest of the command in front of it. */
        r = line->verb ? 0 : check_options(line, verb);
        return r != 0 ? r : verb->function(ctl, n_arguments, arguments);
}

int main(int argc, char **argv) {
        Ctl ctl = { .legend = true, .pager = true };
        CommandLine line = {};
        int r;

        (void) setlocale(LC_ALL, "");
        ctl.color = output_wants_color();
        r = bus_errors_register();
        if (r >= 0)
                r = parse_options(&ctl, argc, argv, &line);
        if (r == 0) {
                const char *verb = line.verb ?: optind < argc ? argv[optind++] : "status";

                r = run_verb(&ctl, &line, verb, (size_t) (argc - optind), argv + optind);
        }

        if (fflush(stdout) != 0 && r == 0)
                r = -errno;
        page_end();
        sd_bus_flush_close_unref(ctl.bus);
        (void) bridge_end(&ctl.bridge);
        free(ctl.instances);

        if (r < 0)
                r = ctl_fail(EXIT_FAILED, "%s.", strerror(-r));
        return r;
}
