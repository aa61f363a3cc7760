/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/log.h"

typedef struct RoleText {
        const char *program;
        const char *what;
        uint16_t port;          /* the first one of that role */
} RoleText;

static const RoleText *role_text(Role role) {
        static const RoleText peer = { "p2p-peerd", "Runs a peer of a p2pnet network.", 6001 };
        static const RoleText seed = { "p2p-seedd", "Runs a seed of a p2pnet network.", 5000 };

        return role == ROLE_SEED ? &seed : &peer;
}

static void print_help(const RoleText *text) {
        printf("%s [PORT] [OPTIONS...]\n"
               "\n"
               "%s\n"
               "\n"
               "  PORT               TCP port to listen on; asked for on a terminal when missing\n"
               "     --config-dir=DIR   read the configuration there, and only there\n"
               "     --runtime-dir=DIR  share what seeds run on this host there\n"
               "     --state-dir=DIR    keep what must outlive a restart there\n"
               "     --bus=BUS          \"system\", \"user\", \"none\", or a D-Bus address\n"
               "  -h --help             show this help\n"
               "     --version          show the version\n"
               "\n"
               "See man:%s(8) for what they are when not given.\n",
               text->program, text->what, text->program);
}

static int fail(const RoleText *text, const char *format, ...) _printf_(2, 3);
static int fail(const RoleText *text, const char *format, ...) {
        char sentence[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(sentence, sizeof(sentence), format, ap);
        va_end(ap);

        if (streq(log_target(), "journal")) {           /* a unit: nobody is there who could try */
                sentence[0] = (char) toupper((unsigned char) sentence[0]);
                log_error("%s", sentence);
        } else
                fprintf(stderr, "%s: %s\nTry: %s --help\n", text->program, sentence, text->program);
        return -EINVAL;
}

static int ask_port(const RoleText *text, uint16_t *ret) {
        char line[64], end;
        uint16_t port;

        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return fail(text, "the port to listen on is missing, such as %u.", text->port);

        for (;;) {
                fprintf(stderr, "Port to listen on [%u]: ", text->port);
                if (!fgets(line, sizeof(line), stdin)) {
                        fputc('\n', stderr);
                        return -EINVAL;
                }
                if (sscanf(line, " %c", &end) != 1) {
                        *ret = text->port;
                        return 0;
                }

                line[strcspn(line, "\n")] = 0;
                if (parse_port(line, &port) >= 0) {
                        *ret = port;
                        return 0;
                }
                fprintf(stderr, "That is no number from 1 to 65535.\n");
        }
}

int options_parse(Options *ret, Role role, int argc, char **argv) {
        enum { OPTION_CONFIG_DIR = 0x100, OPTION_RUNTIME_DIR, OPTION_STATE_DIR, OPTION_BUS, OPTION_VERSION };
        static const struct option long_options[] = {
                { "bus",         required_argument, NULL, OPTION_BUS         },
                { "config-dir",  required_argument, NULL, OPTION_CONFIG_DIR  },
                { "help",        no_argument,       NULL, 'h'                },
                { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
                { "state-dir",   required_argument, NULL, OPTION_STATE_DIR   },
                { "version",     no_argument,       NULL, OPTION_VERSION     },
                {}
        };
        const RoleText *text = role_text(role);
        Options options = {};
        int c, r;

        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                const char **directory = NULL;

                switch (c) {
                case 'h':
                        print_help(text);
                        return 0;
                case OPTION_VERSION:
                        printf("%s %s\n", text->program, PROJECT_VERSION);
                        return 0;
                case OPTION_CONFIG_DIR:
                        directory = &options.config_dir;
                        break;
                case OPTION_RUNTIME_DIR:
                        directory = &options.runtime_dir;
                        break;
                case OPTION_STATE_DIR:
                        directory = &options.state_dir;
                        break;
                case OPTION_BUS:
                        options.bus = optarg;
                        if (isempty(optarg))
                                return fail(text, "--bus= needs a bus.");
                        continue;
                default:
                        fprintf(stderr, "Try: %s --help\n", text->program);     /* getopt has said what is wrong */
                        return -EINVAL;
                }

                if (optarg[0] != '/')
                        return fail(text, "a directory has to be an absolute path, found \"%s\".", optarg);
                *directory = optarg;
        }

        if (argc - optind > 1)
                return fail(text, "one port is accepted, found \"%s\" besides.", argv[optind + 1]);

        if (argc - optind == 1) {
                if (parse_port(argv[optind], &options.port) < 0)
                        return fail(text, "found \"%s\", accepted as a port is a number from 1 to 65535, such as %u.", argv[optind],
                                    text->port);
        } else {
                r = ask_port(text, &options.port);
                if (r < 0)
                        return r;
        }

        *ret = options;
        return 1;
}
