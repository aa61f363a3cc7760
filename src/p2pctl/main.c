/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2pctl/ctl.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/remote.h"
#include "p2pctl/verb-table.h"

enum {
        OPTION_VERSION = 0x100,
        OPTION_USER,
        OPTION_BUS,
        OPTION_JSON,
        OPTION_LINKS,
        OPTION_COUNT,
        OPTION_TIMEOUT,
        OPTION_RAW,
        OPTION_FIRST_PORT,
        OPTION_CONFIG_DIR,
        OPTION_RUNTIME_DIR,
        OPTION_STATE_DIR,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_COLOR,
};

static const struct option options[] = {
        { "all",         no_argument,       NULL, 'a'                },
        { "bus",         required_argument, NULL, OPTION_BUS         },
        { "color",       required_argument, NULL, OPTION_COLOR       },
        { "config-dir",  required_argument, NULL, OPTION_CONFIG_DIR  },
        { "count",       required_argument, NULL, OPTION_COUNT       },
        { "first-port",  required_argument, NULL, OPTION_FIRST_PORT  },
        { "full",        no_argument,       NULL, 'l'                },
        { "help",        no_argument,       NULL, 'h'                },
        { "host",        required_argument, NULL, 'H'                },
        { "instance",    required_argument, NULL, 'i'                },
        { "json",        required_argument, NULL, OPTION_JSON        },
        { "links",       no_argument,       NULL, OPTION_LINKS       },
        { "machine",     required_argument, NULL, 'M'                },
        { "no-legend",   no_argument,       NULL, OPTION_NO_LEGEND   },
        { "no-pager",    no_argument,       NULL, OPTION_NO_PAGER    },
        { "quiet",       no_argument,       NULL, 'q'                },
        { "raw",         no_argument,       NULL, OPTION_RAW         },
        { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
        { "state-dir",   required_argument, NULL, OPTION_STATE_DIR   },
        { "timeout",     required_argument, NULL, OPTION_TIMEOUT     },
        { "user",        no_argument,       NULL, OPTION_USER        },
        { "version",     no_argument,       NULL, OPTION_VERSION     },
        {}
};

static int fail_value(const char *option, const char *value, const char *accepted) {
        _cleanup_free_ char *text = output_text(value);

        return ctl_fail(EXIT_USAGE, "%s: found '%s', accepted is %s.", option, text ?: "?", accepted);
}

static int parse_json(Ctl *ctl, const char *value) {
        if (streq(value, "pretty"))
                ctl->json = JSON_MODE_PRETTY;
        else if (streq(value, "short"))
                ctl->json = JSON_MODE_SHORT;
        else if (streq(value, "off"))
                ctl->json = JSON_MODE_OFF;
        else
                return fail_value("--json", value, "pretty, short or off");
        return 0;
}

static int parse_color(Ctl *ctl, const char *value) {
        if (streq(value, "always"))
                ctl->color = true;
        else if (streq(value, "never"))
                ctl->color = false;
        else if (!streq(value, "auto"))
                return fail_value("--color", value, "auto, always or never");
        return 0;
}

/* The daemons refuse it likewise: nothing would be wrong with the files in a directory that is mistyped. */
static int parse_config_dir(const char *value, const char **ret) {
        struct stat st;

        if (stat(value, &st) < 0 || !S_ISDIR(st.st_mode))
                return fail_value("--config-dir", value, "a directory that exists");
        *ret = value;
        return 0;
}

static int parse_option(Ctl *ctl, int c, const char *value) {
        switch (c) {
        case 'a':
                ctl->all = true;
                return 0;
        case 'l':
                ctl->full = true;
                return 0;
        case 'q':
                ctl->quiet = true;
                return 0;
        case 'j':
                ctl->json = isatty(STDOUT_FILENO) ? JSON_MODE_PRETTY : JSON_MODE_SHORT;
                return 0;
        case 'H':
                ctl->host = value;
                if (remote_host_parse(value, &(RemoteHost) {}) < 0)
                        return fail_value("-H", value, "[USER@]HOST[:PORT][/CONTAINER], an IPv6 address in brackets");
                return 0;
        case 'M':
                ctl->machine = value;
                if (remote_machine_parse(value, &(RemoteMachine) {}) < 0)
                        return fail_value("-M", value, "[USER@]CONTAINER, or .host for this host");
                return 0;
        case 'i':
                ctl->instance = value;
                return 0;
        case OPTION_USER:
                ctl->user = true;
                return 0;
        case OPTION_BUS:
                ctl->bus_choice = value;
                return 0;
        case OPTION_JSON:
                return parse_json(ctl, value);
        case OPTION_LINKS:
                ctl->links = true;
                return 0;
        case OPTION_COUNT:
                ctl->has_count = true;
                if (parse_u64(value, &ctl->count) < 0 || ctl->count == 0)
                        return fail_value("--count", value, "a number from 1 on");
                return 0;
        case OPTION_TIMEOUT:
                ctl->has_timeout = true;
                if (timeout_parse(value, &ctl->timeout_usec) < 0)
                        return fail_value("--timeout", value,
                                          "a number of seconds, such as 10 or 0.5, at most a year");
                return 0;
        case OPTION_RAW:
                ctl->raw = true;
                return 0;
        case OPTION_FIRST_PORT:
                ctl->has_first_port = true;
                if (parse_port(value, &ctl->first_port) < 0)
                        return fail_value("--first-port", value, "a number from 1 to 65535");
                return 0;
        case OPTION_CONFIG_DIR:
                return parse_config_dir(value, &ctl->config_dir);
        case OPTION_RUNTIME_DIR:
                ctl->runtime_dir = value;
                return 0;
        case OPTION_STATE_DIR:
                ctl->state_dir = value;
                return 0;
        case OPTION_NO_LEGEND:
                ctl->legend = false;
                return 0;
        case OPTION_NO_PAGER:
                ctl->pager = false;
                return 0;
        case OPTION_COLOR:
                return parse_color(ctl, value);
        default:                /* '?': getopt has said what it does not know */
                return ctl_fail(EXIT_USAGE, "see: p2pctl help");
        }
}

/* @ret_verb is set when an option stands for a verb. */
static int parse_options(Ctl *ctl, int argc, char **argv, const char **ret_verb) {
        int c, r;

        while ((c = getopt_long(argc, argv, "ahH:i:jlM:q", options, NULL)) >= 0) {
                if (c == 'h')
                        *ret_verb = "help";
                else if (c == OPTION_VERSION)
                        *ret_verb = "version";
                else {
                        r = parse_option(ctl, c, optarg);
                        if (r != 0)
                                return r;
                }
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

static int run_verb(Ctl *ctl, const char *name, size_t n_arguments, char **arguments) {
        const Verb *verb = verb_find(name);

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

        return verb->function(ctl, n_arguments, arguments);
}

int main(int argc, char **argv) {
        Ctl ctl = { .legend = true, .pager = true };
        const char *verb = NULL;
        int r;

        (void) setlocale(LC_ALL, "");
        ctl.color = output_wants_color();
        r = bus_errors_register();
        if (r >= 0)
                r = parse_options(&ctl, argc, argv, &verb);
        if (r == 0) {
                if (!verb)
                        verb = optind < argc ? argv[optind++] : "status";
                r = run_verb(&ctl, verb, (size_t) (argc - optind), argv + optind);
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
