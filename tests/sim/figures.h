/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Figures: named experiments in the simulator that say of each value that they measure what it must be, and whether it is.
 *
 * To add one, write a function that takes runs from figure_next_run() until there are none, measures, and hands each value to
 * one of the functions below; and name it in the table of its file.
 */

#include <stdio.h>

#include "scenario.h"

/* A value as it was in several runs. */
typedef struct Samples {
        double *values;
        size_t n, n_allocated;
} Samples;

void samples_done(Samples *samples);
#define _cleanup_samples_ _cleanup_(samples_done)
void samples_add(Samples *samples, double value);
double samples_mean(const Samples *samples);            /* 0 without any, like the next one */
/* The smallest value that a share of @q of them does not exceed; 0.5: the median, 0: the smallest, 1: the largest. */
double samples_quantile(const Samples *samples, double q);

typedef struct FigureContext {
        unsigned n;             /* peers */
        unsigned n_runs;
        uint64_t run;           /* the first of them */
        bool json;

        unsigned n_begun;       /* runs that were taken */
        unsigned n_values, n_met;
        const char *name;
        FILE *out;
} FigureContext;

typedef struct Figure {
        const char *name;       /* words with "-" between them */
        const char *sentence;   /* what is done and measured */
        unsigned n, n_runs;     /* that it is meant for */
        void (*function)(FigureContext *context);
} Figure;

/* Each ends with an entry without a name. */
extern const Figure figures_views[], figures_broadcast[], figures_churn[], figures_detector[], figures_suspicion[];

/* NULL: there is none of that name. */
const Figure *figure_find(const char *name);
/* The @index-th of all; NULL: there are no more. */
const Figure *figure_at(size_t index);
/* Prints its values to context->out. True when all are met, and there is at least one. */
bool figure_run(const Figure *figure, FigureContext *context);

/* ---- for the experiments ---- */

/* False: there are no more runs. */
bool figure_next_run(FigureContext *context, uint64_t *ret);

/*
 * What happens next to a network, without its having happened: calls @function in a copy of this process (fork(2)), which hands
 * back @n_ret numbers, 0 until it sets them. So a network that took long to grow serves many experiments.
 */
void figure_try(Sim *sim, void (*function)(Sim *sim, const void *userdata, double *ret), const void *userdata, double *ret,
                size_t n_ret);

/* A network that is kept for several runs, each of which tries something with it. */
typedef struct Grown {
        Sim *sim;
        uint64_t of;
} Grown;

void grown_done(Grown *grown);
#define _cleanup_grown_ _cleanup_(grown_done)
/* The network of a run: ten runs with networks of 100 peers and more have one in common. */
Sim *grown_for(Grown *grown, FigureContext *context, uint64_t run, Sim *(*grow)(FigureContext *context, uint64_t run));

/* One value in words, for what the others cannot say. */
void figure_say(FigureContext *context, const char *what, const char *must, bool met, const char *format, ...)
        _printf_(5, 6);
/* Every sample lies in the range, its ends included. @unit may be "" or such as " s", " %". */
void figure_between(FigureContext *context, const char *what, const Samples *samples, double low, double high,
                    const char *unit);
void figure_at_most(FigureContext *context, const char *what, const Samples *samples, double high, const char *unit);
void figure_at_least(FigureContext *context, const char *what, const Samples *samples, double low, const char *unit);
/* For comparison only: of a control, or to understand another value. */
void figure_compare(FigureContext *context, const char *what, const Samples *samples, const char *unit);
/* A share of @q of the samples is at most @high. */
void figure_quantile_at_most(FigureContext *context, const char *what, const Samples *samples, double q, double high,
                             const char *unit);
