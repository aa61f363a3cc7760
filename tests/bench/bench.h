/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every program of tests/bench does alike: options, rows, the end.
 *
 * A program measures once and prints each figure as one line of JSON; run.py runs it several times and makes the
 * table. Nothing is asserted about a figure. A program that cannot measure says why and ends with 1, or with 77 where this
 * machine does not allow it (no network namespace), which a test counts as skipped.
 */

#include "base/macro.h"
#include "base/usec.h"

#define EXIT_SKIP 77

typedef struct BenchOptions {
        const char *system;     /* "p2pnet", "p2pnet-stream", "p2pnet-wire", "serf", "nats" */
        unsigned n_nodes;
        bool quick;             /* only to see that everything runs: short windows, few messages */
} BenchOptions;

/* Reads --system=, --nodes= and --quick; exits with 2 and a sentence when they are wrong. */
BenchOptions bench_options(int argc, char **argv);

/* CLOCK_MONOTONIC, read now. */
usec_t bench_now(void);

/* One figure. Units are those of the table in rows.py. */
void bench_row(const BenchOptions *options, const char *row, double value);
/* A figure that there is none of, and why. */
void bench_no_row(const BenchOptions *options, const char *row, const char *why);

/* Sorts the values. Return: the value that the share (0 to 1) of them does not exceed; 0 of none. */
double bench_percentile(double *values, size_t n, double share);

/* A sentence to stderr; then everything that was started is ended and removed, and so are we. */
_noreturn_ void bench_fail(const char *format, ...) _printf_(1, 2);
_noreturn_ void bench_skip(const char *format, ...) _printf_(1, 2);

/* For what fails only when memory does. */
void *bench_calloc(size_t n, size_t size);
