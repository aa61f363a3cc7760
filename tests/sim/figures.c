/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "figures.h"

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE 100U              /* peers: so large a network serves many runs */
#define RUNS_PER_NETWORK 10U

/* ---- samples ---- */

void samples_done(Samples *samples) {
        free(samples->values);
        *samples = (Samples) {};
}

void samples_add(Samples *samples, double value) {
        if (samples->n >= samples->n_allocated) {
                samples->n_allocated = MAX((size_t) 16, 2 * samples->n_allocated);
                samples->values = reallocarray(samples->values, samples->n_allocated, sizeof(double));
                if (!samples->values)
                        abort();
        }
        samples->values[samples->n++] = value;
}

double samples_mean(const Samples *samples) {
        double sum = 0;

        for (size_t i = 0; i < samples->n; i++)
                sum += samples->values[i];
        return samples->n > 0 ? sum / (double) samples->n : 0;
}

static int double_compare(const void *x, const void *y) {
        double a = *(const double *) x, b = *(const double *) y;

        return (a > b) - (a < b);
}

double samples_quantile(const Samples *samples, double q) {
        _cleanup_free_ double *sorted = NULL;
        double place = q * (double) samples->n;
        size_t index = (size_t) place;

        if (samples->n == 0)
                return 0;
        sorted = malloc(samples->n * sizeof(double));
        if (!sorted)
                abort();
        memcpy(sorted, samples->values, samples->n * sizeof(double));
        qsort(sorted, samples->n, sizeof(double), double_compare);
        if (index > 0 && (double) index >= place)
                index--;
        return sorted[MIN(index, samples->n - 1)];
}

/* ---- the registry ---- */

static const Figure *const figure_tables[] = { figures_views, figures_broadcast, figures_churn, figures_detector, figures_suspicion };

const Figure *figure_at(size_t index) {
        for (size_t i = 0; i < ELEMENTSOF(figure_tables); i++)
                for (const Figure *figure = figure_tables[i]; figure->name; figure++)
                        if (index-- == 0)
                                return figure;
        return NULL;
}

const Figure *figure_find(const char *name) {
        const Figure *figure;

        for (size_t i = 0; (figure = figure_at(i)); i++)
                if (streq(figure->name, name))
                        return figure;
        return NULL;
}

bool figure_run(const Figure *figure, FigureContext *context) {
        context->name = figure->name;
        context->n_begun = context->n_values = context->n_met = 0;
        figure->function(context);
        return context->n_values > 0 && context->n_met == context->n_values;
}

bool figure_next_run(FigureContext *context, uint64_t *ret) {
        if (context->n_begun >= context->n_runs)
                return false;
        *ret = context->run + context->n_begun++;
        return true;
}

/* ---- networks ---- */

static void write_all(int fd, const void *data, size_t size) {
        for (ssize_t n; size > 0; data = (const char *) data + n, size -= (size_t) n) {
                n = write(fd, data, size);
                if (n <= 0)
                        abort();
        }
}

/* Short of @size only when the other end was closed before. */
static size_t read_all(int fd, void *data, size_t size) {
        size_t done = 0;

        for (ssize_t n; done < size; done += (size_t) n) {
                n = read(fd, (char *) data + done, size - done);
                if (n < 0)
                        abort();
                if (n == 0)
                        break;
        }
        return done;
}

void figure_try(Sim *sim, void (*function)(Sim *sim, const void *userdata, double *ret), const void *userdata, double *ret,
                size_t n_ret) {
        size_t size = n_ret * sizeof(double);
        int fds[2], status;
        pid_t pid;

        memset(ret, 0, size);
        if (pipe(fds) < 0 || (pid = fork()) < 0)
                abort();
        if (pid == 0) {
                (void) close(fds[0]);
                function(sim, userdata, ret);
                write_all(fds[1], ret, size);
                _exit(EXIT_SUCCESS);
        }
        (void) close(fds[1]);
        /* What it broke it has said itself. */
        if (read_all(fds[0], ret, size) < size || waitpid(pid, &status, 0) != pid || status != 0)
                abort();
        (void) close(fds[0]);
}

void grown_done(Grown *grown) {
        if (grown->sim)
                grown->sim = sim_free(grown->sim);
}

Sim *grown_for(Grown *grown, FigureContext *context, uint64_t run, Sim *(*grow)(FigureContext *context, uint64_t run)) {
        uint64_t of = context->n < LARGE ? run : run - run % RUNS_PER_NETWORK;

        if (grown->sim && grown->of == of)
                return grown->sim;
        grown_done(grown);
        *grown = (Grown) { grow(context, of), of };
        return grown->sim;
}

/* ---- values ---- */

static void print_json_text(FILE *out, const char *text) {
        fputc('"', out);
        for (; *text; text++)
                fprintf(out, strchr("\"\\", *text) ? "\\%c" : "%c", *text);
        fputc('"', out);
}

void figure_say(FigureContext *context, const char *what, const char *must, bool met, const char *format, ...) {
        char value[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(value, sizeof(value), format, ap);
        va_end(ap);

        context->n_values++;
        context->n_met += met;
        if (context->json) {
                const char *const texts[] = { "figure", context->name, "what", what, "value", value, "must", must };

                fprintf(context->out, "{");
                for (size_t i = 0; i < ELEMENTSOF(texts); i += 2) {
                        fprintf(context->out, "\"%s\": ", texts[i]);
                        print_json_text(context->out, texts[i + 1]);
                        fprintf(context->out, ", ");
                }
                fprintf(context->out, "\"n\": %u, \"runs\": %u, \"run\": %ju, \"met\": %s}\n", context->n, context->n_runs,
                        (uintmax_t) context->run, met ? "true" : "false");
        } else
                fprintf(context->out, "%-8s %-36s %-32s must be %s\n", met ? "met" : "NOT MET", what, value, must);
        (void) fflush(context->out);
}

static void print_samples(char *buffer, size_t size, const Samples *samples, const char *unit) {
        double low = samples_quantile(samples, 0), high = samples_quantile(samples, 1);

        if (samples->n == 0)
                (void) snprintf(buffer, size, "not measured");
        else if (samples->n == 1)
                (void) snprintf(buffer, size, "%.4g%s", low, unit);
        else
                (void) snprintf(buffer, size, "%.4g%s (%.4g to %.4g)", samples_mean(samples), unit, low, high);
}

void figure_between(FigureContext *context, const char *what, const Samples *samples, double low, double high,
                    const char *unit) {
        char value[128], must[64];

        print_samples(value, sizeof(value), samples, unit);
        (void) snprintf(must, sizeof(must), "%.5g to %.5g%s", low, high, unit);
        figure_say(context, what, must,
                   samples->n > 0 && samples_quantile(samples, 0) >= low && samples_quantile(samples, 1) <= high, "%s", value);
}

void figure_at_most(FigureContext *context, const char *what, const Samples *samples, double high, const char *unit) {
        char value[128], must[64];

        print_samples(value, sizeof(value), samples, unit);
        (void) snprintf(must, sizeof(must), "at most %.5g%s", high, unit);
        figure_say(context, what, must, samples->n > 0 && samples_quantile(samples, 1) <= high, "%s", value);
}

void figure_at_least(FigureContext *context, const char *what, const Samples *samples, double low, const char *unit) {
        char value[128], must[64];

        print_samples(value, sizeof(value), samples, unit);
        (void) snprintf(must, sizeof(must), "at least %.5g%s", low, unit);
        figure_say(context, what, must, samples->n > 0 && samples_quantile(samples, 0) >= low, "%s", value);
}

void figure_compare(FigureContext *context, const char *what, const Samples *samples, const char *unit) {
        char value[128];

        print_samples(value, sizeof(value), samples, unit);
        figure_say(context, what, "for comparison", samples->n > 0, "%s", value);
}

void figure_quantile_at_most(FigureContext *context, const char *what, const Samples *samples, double q, double high,
                             const char *unit) {
        double found = samples_quantile(samples, q);
        char must[64];

        (void) snprintf(must, sizeof(must), "at most %.5g%s", high, unit);
        figure_say(context, what, must, samples->n > 0 && found <= high, "%.4g%s (median %.4g, worst %.4g)", found, unit,
                   samples_quantile(samples, 0.5), samples_quantile(samples, 1));
}
