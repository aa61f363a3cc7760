/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A peer: the node, and what local programs and the journal get of it. */

#include "core/peer-node.h"
#include "daemon/daemon.h"
#include "peerd/calls.h"
#include "peerd/publisher.h"
#include "peerd/stream.h"
#include "peerd/subscription.h"
#include "peerd/topics.h"
#include "service/service.h"

typedef struct Peerd {
        Daemon daemon;                  /* everything that a seed has as well; .node is the peer's */
        Distributions distributions;    /* what the node observes, for GetHistogram() */
        LogLimit delivery_limit;
        Service service;                /* the bus */
        LocalUsers *users;
        Subscriptions *subscriptions;
        Streams *streams;
        Publishers *publishers;
        Calls *calls;
        Topics *topics;
} Peerd;

/* Runs a peer until it is asked to stop. Return: the exit status. */
int peerd_main(const Options *options);

/* Carries out what the node asks for, after each event. @error is what the node said to the event. */
void peerd_settle(Peerd *peerd, int error);
