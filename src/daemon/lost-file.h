/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The peers that a peer remembers, so that it finds back to its network when no seed is up. */

#include "core/peer-node.h"
#include "daemon/state-dir.h"

#define LOST_FILE_PEERS_MAX 4096U

/* Return: the number of peers written to @ret (at most @n_max, the rest is left out), or -EBADMSG. */
int lost_file_decode(LostPeer *ret, size_t n_max, Slice body);

/* Before the node is started. Return: 0, also when there is nothing; -ENOMEM. */
int lost_file_load(StateDir *dir, Node *node);

/* Return: 0, or an error that has been said. */
int lost_file_save(StateDir *dir, const Node *node);
