/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/each.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/percentile.h"
#include "p2pctl/verbs.h"

/* ---- counters ---- */

static int compare_entries(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int read_statistics(sd_bus_message *m, json_t **ret) {
        _cleanup_(json_decrefp) json_t *object = json_object();
        const char *name;
        uint64_t value;
        int r;

        if (!object)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{st}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{st}", &name, &value)) > 0)
                if (json_object_set_new(object, name, json_u64(value)) < 0)
                        return -ENOMEM;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return 0;
}

static int print_statistics(const Ctl *ctl, const json_t *statistics) {
        _cleanup_(scols_unref_tablep) struct libscols_table *table = NULL;
        _cleanup_free_ const char **names = NULL;
        size_t n = 0;
        int r;

        names = calloc(json_object_size(statistics) + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        for (void *i = json_object_iter((json_t *) statistics); i; i = json_object_iter_next((json_t *) statistics,
                                                                                             i))
                names[n++] = json_object_iter_key(i);
        qsort(names, n, sizeof(*names), compare_entries);

        if ((r = table_new(ctl, &table)) < 0 ||
            (r = table_add_column(ctl, table, "STATISTIC", 0)) < 0 ||
            (r = table_add_column(ctl, table, "VALUE", COLUMN_RIGHT)) < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                char value[24];
                struct libscols_line *row;

                (void) snprintf(value, sizeof(value), "%" PRIu64, fact_u64(statistics, names[i]));
                if ((r = table_add_row(table, &row)) < 0 ||
                    (r = row_set(row, 0, names[i])) < 0 ||
                    (r = row_set(row, 1, value)) < 0)
                        return r;
        }
        return table_print(table);
}

/* ---- histograms ---- */

static const struct {
        const char *name;               /* on the bus */
        const char *key;                /* in JSON */
        const char *title;
        bool is_duration;
} histograms[] = {
        { "DeliveryAgeUSec", "deliveryAgeUSec", "Age at delivery",        true  },
        { "DeliveryHops",    "deliveryHops",    "Links crossed",          false },
        { "RoundTripUSec",   "roundTripUSec",   "Round trip over a link", true  },
};

static const struct {
        const char *key;
        const char *title;
        unsigned percent;
} percentiles[] = {
        { "p50", "P50", 50 },
        { "p90", "P90", 90 },
        { "p99", "P99", 99 },
};

static json_t *json_numbers(const uint64_t *values, size_t n) {
        _cleanup_(json_decrefp) json_t *array = json_array();

        for (size_t i = 0; array && i < n; i++)
                if (json_array_append_new(array, json_u64(values[i])) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static int read_histogram(sd_bus_message *m, json_t **ret) {
        _cleanup_(json_decrefp) json_t *object = NULL;
        size_t bounds_size, counts_size, n;
        const uint64_t *bounds, *counts;
        uint64_t sum, max;
        int r;

        if ((r = sd_bus_message_read_array(m, 't', (const void **) &bounds, &bounds_size)) < 0 ||
            (r = sd_bus_message_read_array(m, 't', (const void **) &counts, &counts_size)) < 0 ||
            (r = sd_bus_message_read(m, "tt", &sum, &max)) < 0)
                return r;
        n = counts_size / sizeof(*counts);
        if (bounds_size / sizeof(*bounds) + 1 != n)
                return -EBADMSG;

        object = json_pack("{s:o, s:o, s:o, s:o, s:o}",
                           "count", json_u64(counts_total(counts, n)),
                           "sum", json_u64(sum),
                           "max", json_u64(max),
                           "bounds", json_numbers(bounds, n - 1),
                           "counts", json_numbers(counts, n));
        if (!object)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(percentiles); i++) {
                uint64_t value;
                json_t *json = counts_percentile(bounds, counts, n, max, percentiles[i].percent, &value) < 0 ? json_null() :
                                                                                                           json_u64(value);

                if (json_object_set_new(object, percentiles[i].key, json) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(object);
        return 0;
}

static int ask_histograms(Ctl *ctl, const Instance *instance, json_t **ret) {
        _cleanup_(json_decrefp) json_t *object = json_object();

        if (!object)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(histograms); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                json_t *histogram;
                int r;

                r = ctl_call(ctl, instance, "GetHistogram", CALL_TIMEOUT_USEC, &reply, "s", histograms[i].name);
                if (r != 0)
                        return r;
                r = read_histogram(reply, &histogram);
                if (r < 0)
                        return r;
                if (json_object_set_new(object, histograms[i].key, histogram) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(object);
        return 0;
}

static int set_value(struct libscols_line *row, size_t column, const json_t *histogram, const char *key, bool is_duration) {
        char text[DURATION_TEXT_SIZE] = "";

        if (fact_u64(histogram, "count") > 0 && is_duration)
                (void) duration_format(fact_u64(histogram, key), text);
        else if (fact_u64(histogram, "count") > 0)
                (void) snprintf(text, sizeof(text), "%" PRIu64, fact_u64(histogram, key));
        return row_set(row, column, text);
}

static int print_histograms(const Ctl *ctl, const json_t *values) {
        _cleanup_(scols_unref_tablep) struct libscols_table *table = NULL;
        int r;

        if ((r = table_new(ctl, &table)) < 0 ||
            (r = table_add_column(ctl, table, "HISTOGRAM", 0)) < 0 ||
            (r = table_add_column(ctl, table, "COUNT", COLUMN_RIGHT)) < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(percentiles); i++)
                r = table_add_column(ctl, table, percentiles[i].title, COLUMN_RIGHT);
        if (r < 0 || (r = table_add_column(ctl, table, "MAX", COLUMN_RIGHT)) < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(histograms); i++) {
                const json_t *histogram = fact_object(values, histograms[i].key);
                struct libscols_line *row;
                char count[24];
                size_t column = 0;

                (void) snprintf(count, sizeof(count), "%" PRIu64, fact_u64(histogram, "count"));
                if ((r = table_add_row(table, &row)) < 0 ||
                    (r = row_set(row, column++, histograms[i].title)) < 0 ||
                    (r = row_set(row, column++, count)) < 0)
                        return r;
                for (size_t k = 0; k < ELEMENTSOF(percentiles); k++) {
                        r = set_value(row, column++, histogram, percentiles[k].key, histograms[i].is_duration);
                        if (r < 0)
                                return r;
                }
                r = set_value(row, column, histogram, "max", histograms[i].is_duration);
                if (r < 0)
                        return r;
        }
        (void) putchar('\n');
        return table_print(table);
}

/* ---- the verb ---- */

static int ask_statistics(Ctl *ctl, const Instance *instance, void *userdata, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        json_t *statistics, *histograms_of = NULL;
        int r;

        r = ctl_call(ctl, instance, "GetStatistics", CALL_TIMEOUT_USEC, &reply, "");
        if (r != 0)
                return r;
        r = read_statistics(reply, &statistics);
        if (r < 0)
                return r;
        /* A seed has neither links nor messages. */
        r = instance->seed ? 0 : ask_histograms(ctl, instance, &histograms_of);
        if (r != 0) {
                json_decref(statistics);
                return r;
        }
        *ret = json_pack("{s:s, s:o, s:o*}", "instance", instance->text, "statistics", statistics, "histograms", histograms_of);
        return 0;
}

static int show_statistics(Ctl *ctl, const Instance *instance, const json_t *facts, void *userdata) {
        int r;

        r = print_statistics(ctl, json_object_get(facts, "statistics"));
        if (r >= 0 && !instance->seed)
                r = print_histograms(ctl, fact_object(facts, "histograms"));
        if (r < 0)
                return r;
        if (ctl->legend && !ctl->quiet && !ctl_asks_all(ctl))
                printf("\nFrom %s.\n", instance->text);
        return 0;
}

int verb_statistics(Ctl *ctl, size_t n_arguments, char **arguments) {
        static const EachVerb verb = { .is_paged = true, .ask = ask_statistics, .print = show_statistics };

        return each_run(ctl, &verb, NULL);
}
