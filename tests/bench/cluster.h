/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * N nodes of one of the systems that are compared, what each of them says of the others, and messages between them. The
 * measuring programs know nothing else of a system.
 */

#include "bench.h"
#include "rig.h"

typedef enum View {
        VIEW_UNKNOWN,
        VIEW_ALIVE,
        VIEW_SUSPECT,
        VIEW_DEAD,
} View;

typedef struct Cluster Cluster;

typedef struct System {
        const char *name;
        const char *program;            /* that has to be installed; NULL: ours */
        bool has_members;               /* its nodes say who is there; else there is one node, the hub */

        /* Starts all nodes at once, and returns at once. */
        void (*start)(Cluster *cluster);
        /* The publisher and the observers are there, and will hear each other. */
        void (*attend)(Cluster *cluster);
        /* Return: false when it takes no more just now; to be tried again after the loop has run. */
        bool (*publish)(Cluster *cluster, uint64_t number, size_t size);
        /* Lets go of what start() and attend() made, but for the processes. */
        void (*stop)(Cluster *cluster);
} System;

struct Cluster {
        Rig *rig;
        const System *system;
        unsigned n;                     /* nodes */
        unsigned n_observers;           /* of messages: number i listens at node i % n */
        void *data;                     /* of the system */

        Process **nodes;                /* n of them, or the hub alone */
        unsigned n_processes;           /* of @nodes */
        Process **helpers;              /* seeds and the bus */
        unsigned n_helpers;

        /* Members: views[i * n + j] is what node i says of node j */
        View *views;
        bool *is_gone;                  /* killed by us */
        unsigned n_gone;
        usec_t started_usec;            /* when the first node was about to be started */
        size_t n_known;                 /* pairs of nodes that are not gone where one says alive or suspect of the other */
        usec_t changed_usec;            /* when @n_known last changed */
        struct {
                unsigned number;
                usec_t first_usec, all_usec;    /* when the first suspected it, and all knew it dead; 0: not yet */
                unsigned n_dead;
        } victim;

        /* Messages */
        uint64_t n_accepted, n_refused; /* what the system said to the publisher */
        uint64_t *n_received;           /* by observer */
        uint64_t n_arrived;             /* of all observers */
        usec_t arrived_usec;            /* the last one */
        bool is_broken;                 /* a connection of ours was ended */
};

#define PAYLOAD_MIN 16U

/* NULL when the system is not installed. */
const System *system_find(const char *name);

/* Starts the nodes. @n_observers: 0 is one at each node. */
Cluster *cluster_new(Rig *rig, const System *system, unsigned n, unsigned n_observers);
/* Waits until all know all. Return: how long that took since the start, USEC_INFINITY when it takes over two minutes. */
usec_t cluster_wait_known(Cluster *cluster);
Cluster *cluster_free(Cluster *cluster);

/* What a system tells of itself. */
void cluster_view(Cluster *cluster, unsigned observer, unsigned subject, View view);
void cluster_received(Cluster *cluster, unsigned observer, uint64_t n);

/* From now on that node is gone, and it is written down who notices. */
void cluster_watch_victim(Cluster *cluster, unsigned number);
/* Return: whether all others know it. */
bool cluster_wait_dead(Cluster *cluster, usec_t timeout_usec);

/* What all processes of the cluster that count have cost until now, in microseconds. */
double cluster_cpu_usec(const Cluster *cluster);

/* A payload begins with its number; @size is at least PAYLOAD_MIN. */
void payload_fill(char *payload, size_t size, uint64_t number);

extern const System system_p2pnet, system_p2pnet_stream, system_p2pnet_wire, system_serf, system_nats, system_raw;
