/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulator as a tool: p2psim(1). */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "config.h"
#include "figures.h"
#include "plan-random.h"
#include "plan-run.h"
#include "sim-report.h"
#include "sim-svg.h"

#define EXIT_USAGE 2
#define SCENARIO_SIZE_MAX (1024U * 1024U)
#define RANDOM_PEERS_MIN 5U
#define RANDOM_PEERS_MAX 34U

typedef enum Action {
        ACTION_PLAN, ACTION_RANDOM, ACTION_FIGURES, ACTION_LIST_FIGURES,
} Action;

typedef struct Options {
        Action action;
        Plan plan;                      /* what a scenario begins with */
        bool has_run, has_peers;
        uint64_t n_runs;                /* 0: not given */
        unsigned n_peers_max;           /* RANDOM: n_peers of the plan to that many */
        uint64_t n_messages;            /* UINT64_MAX: not given */
        const char *figure, *svg, *scenario;
        bool json, print, strict;
} Options;

static const char help[] =
        "p2psim [OPTION...] [SCENARIO]\n\n"
        "Simulates a p2pnet network: the protocol of the daemons on a virtual clock and virtual connections.\n\n"
        "  --seeds=N             seeds (3)\n"
        "  --peers=N             peers (20); with --random also MIN-MAX\n"
        "  --profile=NAME        local, lan, wan or classic (lan)\n"
        "  --members-max=N       others that a peer keeps in its list\n"
        "  --latency=MIN-MAX     one way, between any two nodes (10ms-100ms)\n"
        "  --loss=SHARE          frames that have to be sent again, such as 0.5% (0%)\n"
        "  --duration=TIME       simulated time (1m)\n"
        "  --messages=N          published in the second half of it, and measured (20 without a scenario)\n"
        "  --settle=TIME         after that, wait until all is well; fail when it is not by then\n"
        "  --strict              check every rule after every step\n"
        "  --run=N               the number from which everything random is drawn (1)\n"
        "  --print               print the scenario that the other options make, and do not run it\n"
        "  --json                report as JSON\n"
        "  --svg=FILE            draw the overlay and plots\n\n"
        "  --random              draw the scenario, faults and all, by run number (new ones without --run)\n"
        "  --runs=N              so many runs, one number after the other (1)\n\n"
        "  --figure=NAME         measure a figure, or all; --peers, --runs and --run change what it is meant for\n"
        "  --list-figures        print their names\n\n"
        "  -h, --help            print this\n"
        "  --version             print the version\n\n"
        "Exit status: 0, 1 when a run fails or a figure is not met, 2 when the command line or the scenario is wrong.\n";

static _noreturn_ _printf_(1, 2) void usage_error(const char *format, ...) {
        va_list ap;

        fprintf(stderr, "p2psim: ");
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fprintf(stderr, "\n");
        exit(EXIT_USAGE);
}

/* ---- bringing a failure back ---- */

static char replay[512];

/* A rule that is broken, and an assertion of the core, end the process. */
static void on_abort(int number) {
        (void) !write(STDERR_FILENO, replay, strlen(replay));
        (void) signal(number, SIG_DFL);
        (void) raise(number);
}

static _printf_(1, 2) void set_replay(const char *format, ...) {
        int n = snprintf(replay, sizeof(replay), "Bring it back with: ");
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(replay + n, sizeof(replay) - (size_t) n - 1, format, ap);
        va_end(ap);
        memcpy(replay + strlen(replay), "\n", 2);
}

/* ---- the command line ---- */

static uint64_t take_u64(const char *option, const char *text, uint64_t min, uint64_t max) {
        uint64_t n;

        if (parse_u64(text, &n) < 0 || n < min || n > max)
                usage_error("Found --%s=%s, a number from %" PRIu64 " to %" PRIu64 " is accepted.", option, text, min, max);
        return n;
}

static usec_t take_time(const char *option, const char *text) {
        usec_t usec;

        if (plan_parse_time(text, &usec) < 0)
                usage_error("Found --%s=%s, a time such as 300ms, 10s, 5m or 2h is accepted.", option, text);
        return usec;
}

static void take_latency(Plan *plan, const char *text) {
        char first[32] = {};
        const char *dash = strchr(text, '-');

        if (dash && (size_t) (dash - text) < sizeof(first))
                memcpy(first, text, (size_t) (dash - text));
        if (!dash || plan_parse_time(first, &plan->latency_min_usec) < 0 ||
            plan_parse_time(dash + 1, &plan->latency_max_usec) < 0 || plan->latency_min_usec < 1 ||
            plan->latency_min_usec > plan->latency_max_usec || plan->latency_max_usec > 10 * USEC_PER_SEC)
                usage_error("Found --latency=%s, a time and a longer one of at most 10s, such as 10ms-100ms, are accepted.", text);
}

static void take_peers(Options *options, const char *text) {
        char first[16] = {};
        const char *dash = strchr(text, '-');

        if (dash && (size_t) (dash - text) < sizeof(first))
                memcpy(first, text, (size_t) (dash - text));
        options->has_peers = true;
        options->plan.n_peers = (unsigned) take_u64("peers", dash ? first : text, 1, PLAN_PEERS_MAX);
        options->n_peers_max = dash ? (unsigned) take_u64("peers", dash + 1, options->plan.n_peers, PLAN_PEERS_MAX) :
                                      options->plan.n_peers;
}

enum {
        OPTION_SEEDS = 256, OPTION_PEERS, OPTION_PROFILE, OPTION_MEMBERS_MAX, OPTION_LATENCY, OPTION_LOSS, OPTION_DURATION,
        OPTION_MESSAGES, OPTION_SETTLE, OPTION_STRICT, OPTION_RUN, OPTION_PRINT, OPTION_JSON, OPTION_SVG, OPTION_RANDOM,
        OPTION_RUNS, OPTION_FIGURE, OPTION_LIST_FIGURES, OPTION_VERSION,
};

static const struct option long_options[] = {
        { "seeds",        required_argument, NULL, OPTION_SEEDS },
        { "peers",        required_argument, NULL, OPTION_PEERS },
        { "profile",      required_argument, NULL, OPTION_PROFILE },
        { "members-max",  required_argument, NULL, OPTION_MEMBERS_MAX },
        { "latency",      required_argument, NULL, OPTION_LATENCY },
        { "loss",         required_argument, NULL, OPTION_LOSS },
        { "duration",     required_argument, NULL, OPTION_DURATION },
        { "messages",     required_argument, NULL, OPTION_MESSAGES },
        { "settle",       required_argument, NULL, OPTION_SETTLE },
        { "strict",       no_argument,       NULL, OPTION_STRICT },
        { "run",          required_argument, NULL, OPTION_RUN },
        { "print",        no_argument,       NULL, OPTION_PRINT },
        { "json",         no_argument,       NULL, OPTION_JSON },
        { "svg",          required_argument, NULL, OPTION_SVG },
        { "random",       no_argument,       NULL, OPTION_RANDOM },
        { "runs",         required_argument, NULL, OPTION_RUNS },
        { "figure",       required_argument, NULL, OPTION_FIGURE },
        { "list-figures", no_argument,       NULL, OPTION_LIST_FIGURES },
        { "help",         no_argument,       NULL, 'h' },
        { "version",      no_argument,       NULL, OPTION_VERSION },
        {},
};

static void options_done(Options *options) {
        plan_done(&options->plan);
}

static void take_option(Options *options, int c) {
        Plan *plan = &options->plan;
        uint64_t share;

        switch (c) {
        case OPTION_SEEDS:
                plan->n_seeds = (unsigned) take_u64("seeds", optarg, 0, PLAN_SEEDS_MAX);
                break;
        case OPTION_PEERS:
                take_peers(options, optarg);
                break;
        case OPTION_PROFILE:
                plan->profile = profile_from_string(optarg);
                if (plan->profile < 0)
                        usage_error("There is no profile '%s'; local, lan, wan and classic are accepted.", optarg);
                break;
        case OPTION_MEMBERS_MAX:
                plan->members_max = (unsigned) take_u64("members-max", optarg, 0, PLAN_PEERS_MAX);
                break;
        case OPTION_LATENCY:
                take_latency(plan, optarg);
                break;
        case OPTION_LOSS:
                if (plan_parse_share(optarg, &share) < 0)
                        usage_error("Found --loss=%s, a share such as 0.5%% is accepted.", optarg);
                plan->loss = (unsigned) share;
                break;
        case OPTION_DURATION:
                plan->until_usec = take_time("duration", optarg);
                break;
        case OPTION_MESSAGES:
                options->n_messages = take_u64("messages", optarg, 0, PLAN_ACTIONS_MAX / 2);
                break;
        case OPTION_SETTLE:
                plan->settle_usec = take_time("settle", optarg);
                break;
        case OPTION_STRICT:
                options->strict = true;
                break;
        case OPTION_RUN:
                plan->run = take_u64("run", optarg, 0, UINT64_MAX / 16);
                options->has_run = true;
                break;
        case OPTION_PRINT:
                options->print = true;
                break;
        case OPTION_JSON:
                options->json = true;
                break;
        case OPTION_SVG:
                options->svg = optarg;
                break;
        case OPTION_RANDOM:
                options->action = ACTION_RANDOM;
                break;
        case OPTION_RUNS:
                options->n_runs = take_u64("runs", optarg, 1, 1000000);
                break;
        case OPTION_FIGURE:
                options->action = ACTION_FIGURES;
                options->figure = optarg;
                break;
        case OPTION_LIST_FIGURES:
                options->action = ACTION_LIST_FIGURES;
                break;
        case OPTION_VERSION:
                printf("p2psim %s\n", PROJECT_VERSION);
                exit(EXIT_SUCCESS);
        case 'h':
                fputs(help, stdout);
                exit(EXIT_SUCCESS);
        default:
                exit(EXIT_USAGE);       /* getopt has said why */
        }
}

static void read_scenario(Plan *plan, const char *name) {
        _cleanup_free_ char *text = malloc(SCENARIO_SIZE_MAX + 1);
        char error[PLAN_ERROR_MAX];
        FILE *file = streq(name, "-") ? stdin : fopen(name, "re");
        size_t size;
        int r;

        if (!file)
                usage_error("%s cannot be read: %s.", name, strerror(errno));
        if (!text)
                abort();
        size = fread(text, 1, SCENARIO_SIZE_MAX + 1, file);
        if (ferror(file))
                usage_error("%s cannot be read: %s.", name, strerror(errno));
        if (file != stdin)
                (void) fclose(file);
        if (size > SCENARIO_SIZE_MAX)
                usage_error("%s is larger than the 1 MiB that are accepted.", name);
        r = plan_parse(plan, slice_of(text, size), error);
        if (r == -EBADMSG)
                usage_error("%s, %s", name, error);
        if (r < 0)
                abort();
}

/* ---- what it does ---- */

static double seconds_now(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Messages in the second half, each from another peer. */
static void add_messages(Plan *plan, uint64_t n) {
        usec_t half_usec = plan->until_usec / 2;
        PlanAction measure = { .at_usec = half_usec, .verb = VERB_MEASURE };

        if (n > 0 && plan_add(plan, measure) < 0)
                abort();
        for (uint64_t i = 0; i < n; i++) {
                unsigned from = plan->n_seeds + (unsigned) (i * 7919 % plan->n_peers);
                PlanAction action = {
                        .at_usec = half_usec + (half_usec * 3 / 4) * i / n, .verb = VERB_PUBLISH, .first = from, .last = from,
                        .number = 1,
                };

                if (plan_add(plan, action) < 0)
                        usage_error("More than %u actions are not accepted.", PLAN_ACTIONS_MAX);
        }
}

static void draw(const Options *options, Sim *sim, const SimReport *report) {
        _cleanup_(sim_overlay_freep) SimOverlay *overlay = sim_overlay_new(sim);
        FILE *file = fopen(options->svg, "we");

        if (!file || svg_write(report, overlay, file) < 0 || fclose(file) != 0)
                usage_error("%s cannot be written: %s.", options->svg, strerror(errno));
}

static bool run_plan(const Options *options, const Plan *plan, bool report_always) {
        char complaint[PLAN_COMPLAINT_MAX];
        double begun = seconds_now();
        _cleanup_(sim_freep) Sim *sim = plan_network(plan, options->strict || options->action == ACTION_RANDOM);
        _cleanup_free_ SimReport *report = NULL;
        usec_t settled_usec = 0;
        bool good = true;

        plan_run(plan, sim);
        if (plan->settle_usec > 0)
                good = plan_settle(plan, sim, &settled_usec, complaint);
        if (report_always || options->svg) {
                report = sim_report_new(sim, plan->run, seconds_now() - begun);
                if (report_always && options->json)
                        sim_report_print_json(report, sim, stdout);
                else if (report_always)
                        sim_report_print(report, sim, stdout);
                if (options->svg)
                        draw(options, sim, report);
        }
        if (!good) {
                fprintf(stderr, "run %" PRIu64 ": %s\n", plan->run, complaint);
                if (sim_n_nodes(sim) <= 300)
                        sim_explain(sim);
                fprintf(stderr, "%s", replay);
        } else if (plan->settle_usec > 0 && report_always && !options->json)
                printf("well again after %.1f s\n", (double) settled_usec / USEC_PER_SEC);
        return good;
}

static int run_random(Options *options, const char *program) {
        uint64_t n_runs = MAX(options->n_runs, UINT64_C(1)), first = options->plan.run, n_failed = 0;

        if (!options->has_run) {
                if (getrandom(&first, sizeof(first), 0) != sizeof(first))
                        return perror("p2psim: getrandom"), EXIT_FAILURE;
                first >>= 32;           /* short enough to be typed */
        }
        if (!options->has_peers) {
                options->plan.n_peers = RANDOM_PEERS_MIN;
                options->n_peers_max = RANDOM_PEERS_MAX;
        }
        for (uint64_t i = 0; i < n_runs; i++) {
                _cleanup_(plan_done) Plan plan;

                set_replay("%s --random --run=%" PRIu64 " --peers=%u-%u", program, first + i, options->plan.n_peers,
                           options->n_peers_max);
                if (plan_random(&plan, first + i, options->plan.n_peers, options->n_peers_max) < 0)
                        abort();
                if (options->print)
                        plan_print(&plan, stdout);
                else
                        n_failed += !run_plan(options, &plan, options->json || n_runs == 1);
        }
        if (!options->print && !options->json)
                printf("runs %" PRIu64 " to %" PRIu64 ": %" PRIu64 " passed, %" PRIu64 " failed\n", first, first + n_runs - 1,
                       n_runs - n_failed, n_failed);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool measure(const Options *options, const Figure *figure, const char *program) {
        FigureContext context = {
                .n = options->has_peers ? options->plan.n_peers : figure->n,
                .n_runs = options->n_runs > 0 ? (unsigned) options->n_runs : figure->n_runs,
                .run = options->plan.run, .json = options->json, .out = stdout,
        };

        set_replay("%s --figure=%s --peers=%u --runs=%u --run=%" PRIu64, program, figure->name, context.n, context.n_runs,
                   context.run);
        if (!options->json)
                printf("%s: %s n = %u, runs %" PRIu64 " to %" PRIu64 "\n", figure->name, figure->sentence, context.n, context.run,
                       context.run + context.n_runs - 1);
        (void) fflush(stdout);
        return figure_run(figure, &context);
}

static int run_figures(const Options *options, const char *program) {
        const Figure *figure = figure_find(options->figure);
        bool met = true;

        if (figure)
                return measure(options, figure, program) ? EXIT_SUCCESS : EXIT_FAILURE;
        if (!streq(options->figure, "all"))
                usage_error("There is no figure '%s'; --list-figures prints them.", options->figure);
        for (size_t i = 0; (figure = figure_at(i)); i++)
                met = measure(options, figure, program) && met;
        return met ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int list_figures(void) {
        const Figure *figure;

        for (size_t i = 0; (figure = figure_at(i)); i++)
                printf("%-28s %6u %5u  %s\n", figure->name, figure->n, figure->n_runs, figure->sentence);
        return EXIT_SUCCESS;
}

static int run_scenario(Options *options, int argc, char **argv) {
        Plan *plan = &options->plan;
        size_t n = 0;

        if (options->n_messages == UINT64_MAX)
                options->n_messages = options->scenario ? 0 : 20;
        add_messages(plan, options->n_messages);
        if (options->print) {
                plan_print(plan, stdout);
                return EXIT_SUCCESS;
        }

        replay[0] = '\0';
        for (int i = 0; i < argc && n < sizeof(replay); i++)
                n += (size_t) snprintf(replay + n, sizeof(replay) - n, "%s%s", i > 0 ? " " : "Bring it back with: ", argv[i]);
        if (n + 1 < sizeof(replay))
                memcpy(replay + n, "\n", 2);
        return run_plan(options, plan, true) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        _cleanup_(options_done) Options options = { .plan = plan_default(), .n_messages = UINT64_MAX };

        for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0;)
                take_option(&options, c);
        if (optind + 1 < argc)
                usage_error("One scenario is accepted, not %d.", argc - optind);
        if (optind < argc) {
                if (options.action != ACTION_PLAN)
                        usage_error("A scenario goes neither with --random nor with a figure.");
                options.scenario = argv[optind];
                read_scenario(&options.plan, options.scenario);
        }
        if (options.n_peers_max > options.plan.n_peers && options.action != ACTION_RANDOM)
                usage_error("A range of --peers goes with --random only.");
        (void) signal(SIGABRT, on_abort);

        switch (options.action) {
        case ACTION_PLAN:
                return run_scenario(&options, argc, argv);
        case ACTION_RANDOM:
                return run_random(&options, argv[0]);
        case ACTION_FIGURES:
                return run_figures(&options, argv[0]);
        case ACTION_LIST_FIGURES:
                return list_figures();
        }
        return EXIT_FAILURE;
}
