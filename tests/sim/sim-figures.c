/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Measures figures in the simulator, and says of each value whether it is what it must be.
 *
 *      sim-figures --list
 *      sim-figures [--n=PEERS] [--runs=N] [--run=FIRST] [--json] NAME... | --all
 *
 * The exit status is 1 when a value is not met.
 */

#include <getopt.h>
#include <inttypes.h>

#include "base/text.h"
#include "figures.h"

static int usage(const char *program) {
        fprintf(stderr, "usage: %s --list | [--n=PEERS] [--runs=N] [--run=FIRST] [--json] NAME... | --all\n", program);
        return 64;
}

static bool measure(const Figure *figure, uint64_t n, uint64_t n_runs, uint64_t run, bool json) {
        FigureContext context = {
                .n = n > 0 ? (unsigned) n : figure->n,
                .n_runs = n_runs > 0 ? (unsigned) n_runs : figure->n_runs,
                .run = run, .json = json, .out = stdout,
        };

        if (!json)
                printf("%s: %s n = %u, runs %" PRIu64 " to %" PRIu64 "\n", figure->name, figure->sentence, context.n, run,
                       run + context.n_runs - 1);
        (void) fflush(stdout);
        return figure_run(figure, &context);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "list", no_argument, NULL, 'l' },
                { "all", no_argument, NULL, 'a' },
                { "json", no_argument, NULL, 'j' },
                { "n", required_argument, NULL, 'n' },
                { "runs", required_argument, NULL, 'r' },
                { "run", required_argument, NULL, 'f' },
                {},
        };
        uint64_t n = 0, n_runs = 0, run = 1;
        bool all = false, json = false, met = true;
        const Figure *figure;

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                switch (c) {
                case 'l':
                        for (size_t i = 0; (figure = figure_at(i)); i++)
                                printf("%-24s %6u %4u  %s\n", figure->name, figure->n, figure->n_runs, figure->sentence);
                        return EXIT_SUCCESS;
                case 'a':
                        all = true;
                        break;
                case 'j':
                        json = true;
                        break;
                case 'n':
                case 'r':
                case 'f':
                        if (parse_u64(optarg, c == 'n' ? &n : c == 'r' ? &n_runs : &run) < 0 || n > 1000000 || n_runs > 1000000)
                                return usage(argv[0]);
                        break;
                default:
                        return usage(argv[0]);
                }
        if (all == (optind < argc))
                return usage(argv[0]);

        for (size_t i = 0; all && (figure = figure_at(i)); i++)
                met = measure(figure, n, n_runs, run, json) && met;
        for (int i = optind; i < argc; i++) {
                figure = figure_find(argv[i]);
                if (!figure) {
                        fprintf(stderr, "%s: there is no figure '%s'; --list prints them.\n", argv[0], argv[i]);
                        return 64;
                }
                met = measure(figure, n, n_runs, run, json) && met;
        }
        return met ? EXIT_SUCCESS : EXIT_FAILURE;
}
