/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages at a given rate, and what became of them. */

#include "cluster.h"

typedef struct Load {
        double rate;            /* messages per second; 0: as many as are taken */
        usec_t duration_usec;
        uint64_t n_max;         /* or so many, if that comes first; 0: no such bound */
        size_t size;
} Load;

typedef struct Outcome {
        uint64_t n_accepted;
        uint64_t n_lost;        /* of them, at the observer that got fewest; all of them once a connection is ended */
        double seconds;         /* from the first that was sent to the last that arrived */
        double cpu_usec;        /* of all nodes */
} Outcome;

/* Sends, and waits until everything has arrived, or nothing more comes. */
Outcome load_run(Cluster *cluster, const Load *load);

/* One message; waits until all observers have it. Return: how long that took, USEC_INFINITY when it did not happen. */
usec_t load_one(Cluster *cluster, uint64_t number, size_t size, usec_t timeout_usec);
