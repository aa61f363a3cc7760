/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A seed's directory on disk, so that a restart forgets neither who was there nor who is dead. Ages go on while the seed is
 * down, by this host's wall clock, which is compared with itself only.
 */

#include "core/seed-node.h"
#include "daemon/state-dir.h"

/**
 * registry_file_decode() - the body of the file
 * @ret:        a new array, the caller's
 * @elapsed_usec: added to each age
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int registry_file_decode(Record **ret, size_t *ret_n, Slice body, usec_t elapsed_usec);

/* Before the node is started. Return: 0, also when there is nothing; -ENOMEM. */
int registry_file_load(StateDir *dir, Node *node, usec_t now_usec);

/* Return: 0, or an error that has been said. */
int registry_file_save(StateDir *dir, const Node *node, usec_t now_usec);
