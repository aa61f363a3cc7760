/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/overview-bus.h"

#include <errno.h>
#include <stdio.h>

#include "peerd/peerd.h"
#include "service/node-bus.h"

static Peerd *peerd_of(void *userdata) {
        return container_of(userdata, Peerd, service);
}

/* ---- GetHistogram ---- */

static int fail_no_histogram(const char *name, sd_bus_error *error) {
        char names[256] = "";
        size_t size = 0;

        for (Distribution i = 0; i < _DISTRIBUTION_MAX && size < sizeof(names); i++)
                size += (size_t) snprintf(names + size, sizeof(names) - size, "%s%s", i == 0 ? "" : ", ",
                                          distribution_to_string(i));
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Found '%.60s', accepted is one of %s.", name, names);
}

int overview_bus_get_histogram(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Histogram *histogram;
        Distribution distribution;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        distribution = distribution_from_string(name);
        if (distribution < 0)
                return fail_no_histogram(name, error);
        histogram = &peerd_of(userdata)->distributions.histograms[distribution];

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "t");
        for (size_t i = 0; r >= 0 && i < HISTOGRAM_BOUNDS; i++)
                r = sd_bus_message_append(reply, "t", histogram_bound(histogram, i));
        if (r < 0 || (r = sd_bus_message_close_container(reply)) < 0 ||
            (r = sd_bus_message_append_array(reply, 't', histogram->counts, sizeof(histogram->counts))) < 0 ||
            (r = sd_bus_message_append(reply, "tt", histogram->sum, histogram->max)) < 0)
                return r;
        return sd_bus_message_send(reply);
}

/* ---- ListTopics ---- */

int overview_bus_list_topics(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Peerd *peerd = peerd_of(userdata);
        const TopicCounts *others = topics_others(peerd->topics);
        _cleanup_free_ TopicRow *rows = NULL;
        int r;

        r = topics_list(peerd->topics, &rows);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(stttt)");
        for (size_t i = 0; r >= 0 && i < topics_n(peerd->topics); i++)
                r = sd_bus_message_append(reply, "(stttt)", rows[i].name, rows[i].counts.n_messages, rows[i].counts.n_bytes,
                                          rows[i].counts.last_usec,
                                          (uint64_t) (subscriptions_n_for(peerd->subscriptions, rows[i].name) +
                                                      streams_n_for(peerd->streams, rows[i].name)));
        if (r < 0 || (r = sd_bus_message_close_container(reply)) < 0 ||
            (r = sd_bus_message_append(reply, "(ttt)", others->n_messages, others->n_bytes, others->last_usec)) < 0)
                return r;
        return sd_bus_message_send(reply);
}

/* ---- GetTopology ---- */

int overview_bus_get_topology(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Peerd *peerd = peerd_of(userdata);
        int r;

        if ((r = service_check_running(userdata, error)) < 0 ||
            (r = node_bus_read_no_options(m, error)) < 0)
                return r;
        r = calls_get_topology(peerd->calls, m, error);
        peerd_settle(peerd, 0);
        return r;
}
