/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"

#define NODES_MAX 500U

static _noreturn_ void usage(const char *what) {
        fprintf(stderr, "%s: %s\nusage: --system=p2pnet|p2pnet-stream|p2pnet-wire|serf|nats --nodes=1..%u [--quick]\n",
                program_invocation_short_name, what, NODES_MAX);
        exit(2);
}

BenchOptions bench_options(int argc, char **argv) {
        BenchOptions options = {};
        uint64_t n;

        for (int i = 1; i < argc; i++) {
                if (strncmp(argv[i], "--system=", 9) == 0)
                        options.system = argv[i] + 9;
                else if (strncmp(argv[i], "--nodes=", 8) == 0) {
                        if (parse_u64(argv[i] + 8, &n) < 0 || n < 1 || n > NODES_MAX)
                                usage("wrong number of nodes.");
                        options.n_nodes = (unsigned) n;
                } else if (streq(argv[i], "--quick"))
                        options.quick = true;
                else
                        usage("unknown option.");
        }
        if (!options.system || options.n_nodes == 0)
                usage("--system and --nodes are needed.");
        return options;
}

usec_t bench_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static void row_begin(const BenchOptions *options, const char *row) {
        printf("{\"row\": \"%s\", \"system\": \"%s\", \"nodes\": %u, ", row, options->system, options->n_nodes);
}

void bench_row(const BenchOptions *options, const char *row, double value) {
        assert(isfinite(value));

        row_begin(options, row);
        printf("\"value\": %.9g}\n", value);
        (void) fflush(stdout);
}

void bench_no_row(const BenchOptions *options, const char *row, const char *why) {
        row_begin(options, row);
        printf("\"value\": null, \"why\": \"%s\"}\n", why);
        (void) fflush(stdout);
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t n, double share) {
        size_t rank;

        if (n == 0)
                return 0;
        qsort(values, n, sizeof(*values), compare);
        rank = (size_t) ceil(share * (double) n);
        return values[CLAMP(rank, (size_t) 1, n) - 1];
}

static _printf_(1, 0) void say(const char *format, va_list arguments) {
        (void) fflush(stdout);
        fprintf(stderr, "%s: ", program_invocation_short_name);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
}

void bench_fail(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
        exit(EXIT_FAILURE);             /* the rig cleans up at exit */
}

void bench_skip(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
        exit(EXIT_SKIP);
}

void *bench_calloc(size_t n, size_t size) {
        void *p = calloc(n, size);

        if (!p)
                bench_fail("Out of memory.");
        return p;
}
