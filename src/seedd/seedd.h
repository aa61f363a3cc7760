/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A seed: the node, and its own place in the list of seeds. */

#include "core/seed-node.h"
#include "daemon/daemon.h"
#include "seedd/self.h"
#include "service/service.h"

typedef struct Seedd {
        Daemon daemon;                  /* everything that a peer has as well; .node is the seed's */
        Self self;
        Service service;                /* the bus */
} Seedd;

/* Runs a seed until it is asked to stop. Return: the exit status. */
int seedd_main(const Options *options);

/* Carries out what the node asks for, after each event. @error is what the node said to the event. */
void seedd_settle(Seedd *seedd, int error);
