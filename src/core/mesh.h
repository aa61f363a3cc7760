/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A seed's sessions with the other seeds (PROTOCOL.md, 7.1): one with every other one of its list, whichever of the
 * two opened it. What is said on them is exchange.h's.
 *
 * A session belongs to the entry of the list that led to that id before, that was dialled, or from whose address it
 * comes; entries that lead to one seed share it (the others are aliases). When two sessions with one seed settle on
 * one (session.c), the entry goes with the one that stays, and nobody hears of a seed that was lost. Seeds that are
 * not in the list may call, too; their number is bounded.
 */

#include "core/node-internal.h"

#define DIGEST_USEC (10 * USEC_PER_SEC)
#define MESH_SILENT_USEC (35 * USEC_PER_SEC)    /* three digests did not come */
#define MESH_UNLISTED_MAX 16U                   /* sessions with seeds that are not in our list */

typedef struct Mesh {
        size_t n_linked;                /* sessions with seeds */
        /* Seeds that NOTICE_SEED_LINKED was given of, and nothing to the contrary since: one that dials us while we dial
         * it is linked once, whichever session opens first or ends first. The oldest comes first. */
        NodeId told[SEEDS_MAX + MESH_UNLISTED_MAX];
        size_t n_told;
} Mesh;

/* Finds a session for every seed of the list that has none. */
int mesh_link(Node *node, usec_t now_usec);
int mesh_opened(Node *node, Session *session, usec_t now_usec);
int mesh_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec);
/* No address of an entry leads anywhere, which may have been said. */
int mesh_on_seed_failed(Node *node, SeedSlot *slot, usec_t now_usec);
int mesh_on_session_timer(Node *node, Session *session, usec_t now_usec);

/* Whether a seed may say that somebody is gone: we dialled it from the list, or it comes from the host of an entry
 * and listens on its port. */
bool mesh_believes(const Node *node, const Session *session);
