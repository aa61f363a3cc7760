/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What only a seed does: its directory survives a restart. */

#include "core/node.h"

/**
 * seed_snapshot() - the directory as records, for the disk, at once or in parts
 * @first:      how many of them to leave out, as they were written before
 * @ret:        array of @n_max records, the caller's
 *
 * Live, lost, left and dead members; their ages are as of @now_usec.
 *
 * Return: number of records written; less than @n_max: these were the last.
 */
size_t seed_snapshot(const Node *node, size_t first, Record *ret, size_t n_max, usec_t now_usec);

/* Before node_start(): living records are neither listed nor sent until their nodes renew; the others keep their
 * age. */
int seed_restore(Node *node, const Record *records, size_t n, usec_t now_usec);
