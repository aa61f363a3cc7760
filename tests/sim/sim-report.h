/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What became of a simulated network, in words or as JSON. */

#include <stdio.h>

#include "sim-overlay.h"
#include "sim-traffic.h"

#define REPORT_MESSAGES_MAX 4096U

typedef struct SimReport {
        uint64_t run, trace;
        usec_t usec;                    /* virtual time that passed */
        double seconds;                 /* real time that it took */
        unsigned n_nodes, n_running;
        OverlayShape shape;
        uint64_t n_frames, n_bytes;
        TrafficReport traffic;
        size_t n_messages;              /* in the next one */
        BroadcastReport messages[REPORT_MESSAGES_MAX];
        unsigned n_suspicions, n_deaths;        /* said by any node of any other */
} SimReport;

/* A new one, to be given to free(). Messages count that were published since sim_traffic_reset(). */
SimReport *sim_report_new(Sim *sim, uint64_t run, double seconds);

/* The latency below which a share @q of all deliveries were; to TRAFFIC_BUCKET_USEC. */
usec_t traffic_latency(const TrafficReport *traffic, double q);

void sim_report_print(const SimReport *report, Sim *sim, FILE *out);
void sim_report_print_json(const SimReport *report, Sim *sim, FILE *out);
