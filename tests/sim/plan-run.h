/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carrying a plan out. */

#include "plan.h"
#include "sim.h"

/* The network of a plan, started. */
Sim *plan_network(const Plan *plan, bool strict);

/* Lets everything happen until plan->until_usec after the start. What cannot happen, does not: nobody crashes twice. */
void plan_run(const Plan *plan, Sim *sim);

/**
 * plan_settle() - whether all is well within plan->settle_usec, and a message then reaches everybody
 * @ret_usec:   how long it took
 * @complaint:  on failure, a sentence
 */
#define PLAN_COMPLAINT_MAX 200U
bool plan_settle(const Plan *plan, Sim *sim, usec_t *ret_usec, char complaint[static PLAN_COMPLAINT_MAX]);
