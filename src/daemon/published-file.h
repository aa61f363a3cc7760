/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The last message that a peer has published, for the first one of its next life to name: so whoever missed the end of this life
 * learns how much that was. Written when the peer stops, removed before it publishes again: after a crash there is none, and nobody
 * is told a number that may be wrong. Nothing is written for a message.
 */

#include "core/peer-node.h"
#include "daemon/state-dir.h"

#define STORED_PUBLISHED_SIZE 32U

typedef struct StoredPublished {
        NodeId publisher;
        Previous last;
} StoredPublished;

/* The body of the file. Return: 0, -EBADMSG. */
int stored_published_decode(StoredPublished *ret, Slice body);
void stored_published_encode(const StoredPublished *published, uint8_t body[static STORED_PUBLISHED_SIZE]);

/* Before the node is started. Return: 0, also when there is nothing; -ENOMEM. */
int published_file_load(StateDir *dir, Node *node);

/* Return: 0, or an error that has been said. */
int published_file_save(StateDir *dir, const Node *node);
