/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sim-report.h"

#include <inttypes.h>

#define UNDER_WAY_USEC (2 * USEC_PER_SEC)

SimReport *sim_report_new(Sim *sim, uint64_t run, double seconds) {
        SimReport *report = calloc(1, sizeof(*report));

        if (!report)
                abort();
        report->run = run;
        report->trace = sim_trace(sim);
        report->usec = sim_now(sim);
        report->seconds = seconds;
        report->n_nodes = sim_n_nodes(sim);
        report->shape = sim_shape(sim);
        report->n_frames = sim_n_frames(sim, SIM_ALL, 0);
        report->n_bytes = sim_n_bytes(sim, 0);
        report->traffic = *sim_traffic(sim);
        report->n_messages = sim_broadcasts(sim, report->messages, REPORT_MESSAGES_MAX);
        /* They come in the order of publishing: the last ones may still be under way. */
        while (report->n_messages > 0 &&
               report->messages[report->n_messages - 1].published_usec + UNDER_WAY_USEC > report->usec)
                report->n_messages--;
        for (unsigned i = 0; i < report->n_nodes; i++) {
                report->n_running += sim_is_running(sim, i);
                report->n_suspicions += sim_n_notices(sim, i, NOTICE_SUSPECT);
                report->n_deaths += sim_n_notices(sim, i, NOTICE_DEAD) + sim_n_notices(sim, i, NOTICE_REPORTED_DEAD);
        }
        return report;
}

usec_t traffic_latency(const TrafficReport *traffic, double q) {
        uint64_t n = 0;

        for (size_t i = 0; i < TRAFFIC_BUCKETS; i++) {
                n += traffic->latencies[i];
                if ((double) n >= q * (double) traffic->n_delivered)
                        return (i + 1) * TRAFFIC_BUCKET_USEC;
        }
        return TRAFFIC_BUCKETS * TRAFFIC_BUCKET_USEC;
}

typedef struct Means {
        double reached_worst, reached, redundancy, last_hop;
        usec_t last_usec;
} Means;

static Means report_means(const SimReport *report) {
        Means means = { .reached_worst = 1 };

        for (size_t i = 0; i < report->n_messages; i++) {
                const BroadcastReport *message = report->messages + i;
                double reached = message->n_peers > 0 ? (double) message->n_reached / message->n_peers : 0;

                means.reached_worst = MIN(means.reached_worst, reached);
                means.reached += reached / (double) report->n_messages;
                means.redundancy += message->redundancy / (double) report->n_messages;
                means.last_hop = MAX(means.last_hop, (double) message->last_hop);
                means.last_usec = MAX(means.last_usec, message->last_usec);
        }
        return means;
}

static double seconds_of(usec_t usec) {
        return (double) usec / USEC_PER_SEC;
}

void sim_report_print(const SimReport *report, Sim *sim, FILE *out) {
        const OverlayShape *shape = &report->shape;
        Means means = report_means(report);

        fprintf(out, "run %" PRIu64 ": %u of %u nodes run after %.1f s, simulated in %.1f s; trace %016" PRIx64 "\n",
                report->run, report->n_running, report->n_nodes, seconds_of(report->usec), report->seconds, report->trace);
        fprintf(out, "overlay: %zu peers, %zu links, %zu component%s; degree %u to %u, mean %.2f; path %.3f hops, longest %u%s; "
                "clustering %.4f\n", shape->n, shape->n_links, shape->n_components, shape->n_components == 1 ? "" : "s",
                shape->degree_min, shape->degree_max, shape->degree_mean, shape->path_mean, shape->path_max,
                shape->n_sources < shape->n ? " or more" : "", shape->clustering);
        if (report->n_messages > 0)
                fprintf(out, "messages: %zu; reached %.4f of the peers, the worst %.4f; redundancy %.3f; last after %.0f hops or "
                        "%.3f s\n", report->n_messages, means.reached, means.reached_worst, means.redundancy, means.last_hop,
                        seconds_of(means.last_usec));
        if (report->traffic.n_delivered > 0)
                fprintf(out, "deliveries: %" PRIu64 "; half of them within %.2f s, 99 %% within %.2f s\n",
                        report->traffic.n_delivered, seconds_of(traffic_latency(&report->traffic, 0.5)),
                        seconds_of(traffic_latency(&report->traffic, 0.99)));
        fprintf(out, "suspicions: %u said, deaths: %u said\n", report->n_suspicions, report->n_deaths);
        fprintf(out, "frames: %" PRIu64 " with %" PRIu64 " bytes\n", report->n_frames, report->n_bytes);
        for (unsigned type = 0; type < 256; type++)
                if (message_type_to_string(type) && sim_n_frames(sim, SIM_ALL, type) > 0)
                        fprintf(out, "  %-14s %12" PRIu64 " %14" PRIu64 " bytes\n", message_type_to_string(type),
                                sim_n_frames(sim, SIM_ALL, type), sim_n_bytes(sim, type));
}

void sim_report_print_json(const SimReport *report, Sim *sim, FILE *out) {
        const OverlayShape *shape = &report->shape;
        Means means = report_means(report);
        bool first = true;

        fprintf(out, "{\"run\": %" PRIu64 ", \"trace\": \"%016" PRIx64 "\", \"nodes\": %u, \"running\": %u, \"seconds\": %.6f, "
                "\"real_seconds\": %.3f,\n", report->run, report->trace, report->n_nodes, report->n_running,
                seconds_of(report->usec), report->seconds);
        fprintf(out, " \"overlay\": {\"peers\": %zu, \"links\": %zu, \"components\": %zu, \"largest\": %zu, \"path_mean\": %.6f, "
                "\"path_max\": %u, \"path_sources\": %zu, \"clustering\": %.6f, \"degree_mean\": %.6f, \"degree_min\": %u, "
                "\"degree_max\": %u},\n", shape->n, shape->n_links, shape->n_components, shape->n_largest, shape->path_mean,
                shape->path_max, shape->n_sources, shape->clustering, shape->degree_mean, shape->degree_min, shape->degree_max);
        fprintf(out, " \"messages\": {\"count\": %zu, \"reached\": %.6f, \"reached_worst\": %.6f, \"redundancy\": %.6f, "
                "\"last_hop\": %.0f, \"last_seconds\": %.6f, \"latency_50_seconds\": %.3f, \"latency_99_seconds\": %.3f},\n",
                report->n_messages, means.reached, means.reached_worst, means.redundancy, means.last_hop,
                seconds_of(means.last_usec), seconds_of(traffic_latency(&report->traffic, 0.5)),
                seconds_of(traffic_latency(&report->traffic, 0.99)));
        fprintf(out, " \"suspicions\": %u, \"deaths\": %u, \"bytes\": %" PRIu64 ",\n \"frames\": {", report->n_suspicions,
                report->n_deaths, report->n_bytes);
        for (unsigned type = 0; type < 256; type++)
                if (message_type_to_string(type) && sim_n_frames(sim, SIM_ALL, type) > 0) {
                        fprintf(out, "%s\"%s\": %" PRIu64, first ? "" : ", ", message_type_to_string(type),
                                sim_n_frames(sim, SIM_ALL, type));
                        first = false;
                }
        fprintf(out, "}}\n");
}
