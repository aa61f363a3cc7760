/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a simulated network sends, and how its messages to everybody get on. */

#include "sim.h"

/* Frames sent since the beginning. SIM_ALL: by any node; type 0: of any type. */
#define SIM_ALL UINT_MAX
uint64_t sim_n_frames(const Sim *sim, unsigned i, unsigned type);
uint64_t sim_n_bytes(const Sim *sim, unsigned type);            /* by all nodes */

/* One message to everybody. A frame counts where and when it arrives at a process that lives. */
typedef struct BroadcastReport {
        unsigned n_delivered;           /* nodes that have it, the publisher included */
        uint64_t n_payloads;            /* frames that brought it */
        double redundancy;              /* RMR of the Plumtree paper: payloads / (deliveries - 1) - 1; 0 for less than two of them */
        unsigned last_hop;              /* links that it crossed to the last one of n_reached */
        unsigned max_hop;
        usec_t last_usec;               /* from publishing until then */
        unsigned n_prompt;              /* of those that read as fast as it comes, and until the last of them had it */
        usec_t last_prompt_usec;
        usec_t published_usec;
        unsigned n_peers;               /* that ran when it was published, */
        unsigned n_reached;             /* and so many of them have it */
} BroadcastReport;

/* Of an unknown message all is 0. */
BroadcastReport sim_broadcast(const Sim *sim, const MessageId *id);

bool sim_has_delivered(const Sim *sim, const MessageId *id, unsigned i);

/* Those that were published since the last reset, in their order, at most @n_max. Return: how many were written. */
size_t sim_broadcasts(const Sim *sim, BroadcastReport *ret, size_t n_max);

#define TRAFFIC_HOPS_MAX 64U
#define TRAFFIC_BUCKET_USEC (10 * USEC_PER_MSEC)
#define TRAFFIC_BUCKETS 1000U

/* All messages since the last reset, those that nodes publish by themselves included. */
typedef struct TrafficReport {
        uint64_t n_published, n_delivered;      /* not counting the publishers' own deliveries */
        uint64_t n_payloads;
        uint64_t hops[TRAFFIC_HOPS_MAX + 1];    /* deliveries after so many links; the last counts all beyond, too */
        uint64_t latencies[TRAFFIC_BUCKETS + 1];        /* deliveries by TRAFFIC_BUCKET_USEC since publishing, likewise */
} TrafficReport;

const TrafficReport *sim_traffic(const Sim *sim);
void sim_traffic_reset(Sim *sim);
