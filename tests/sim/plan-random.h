/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Plans drawn by run number: some minutes of faults of all kinds but those that this run leaves out entirely, then everything is
 * mended but for who crashed last, and all must be well again. */

#include "plan.h"

/* @n_peers_min to @n_peers_max peers, 1 to 4 seeds. Return: 0, -ENOMEM. */
int plan_random(Plan *ret, uint64_t run, unsigned n_peers_min, unsigned n_peers_max);
