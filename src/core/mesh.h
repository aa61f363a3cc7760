/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A seed and the other seeds (PROTOCOL.md, section 7): each keeps a session with every other one of its list, and tells it what peers
 * have told it.
 *
 *      every 200 ms, when there is something      the records that changed here
 *      every 10 s                                 the ids that renewed here, and a digest of the whole table
 *      on a digest that differs                   the records of the buckets that differ, and a request for theirs
 *
 * Only what was learned first hand is pushed: seeds form a full mesh, and what got lost on the way the digests find.
 *
 * Whom we believe: every seed may add and renew. That somebody is dead or has left we believe a configured seed only: one that we
 * dialled from the list, or whose observed host and listening port are those of an entry. And not when the member
 * renewed here after it died there: then we keep it, and it hears at its next renewal what is said of it.
 */

#include "core/node-internal.h"

#define MESH_PUSH_USEC (200 * USEC_PER_MSEC)
#define MESH_DIGEST_USEC (10 * USEC_PER_SEC)
#define MESH_SILENT_USEC (35 * USEC_PER_SEC)    /* three digests did not come */
#define MESH_PUSH_MAX 512U                      /* records that one push takes along */
#define MESH_RENEWALS_MAX (4 * MESSAGE_RENEWALS_MAX)
#define MESH_ANSWER_MAX 256U                    /* records sent at a time to one who compares; whole buckets, so it may be a few more */
#define MESH_ANSWERED_MAX 128U                  /* sessions that get theirs in one go */
#define MESH_UNLISTED_MAX 16U                   /* sessions with seeds that are not in our list */
#define DIGESTS_USEC (4 * USEC_PER_SEC)         /* a peer may send so many digests in that time */
#define DIGESTS_BURST 4U

typedef struct Mesh {
        Timer push, renewals;
        size_t n_linked;                /* sessions with seeds */
        bool changed, renewed;          /* at least one member is marked so */
        bool telling;                   /* a round of renewals is not at its end */
} Mesh;

int mesh_init(Node *node);
void mesh_done(Node *node);
int mesh_start(Node *node, usec_t now_usec);

/* Finds a session for every seed of the list that has none. */
int mesh_link(Node *node, usec_t now_usec);
int mesh_opened(Node *node, Session *session, usec_t now_usec);
int mesh_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec);
int mesh_on_session_timer(Node *node, Session *session, usec_t now_usec);

int mesh_on_digest(Node *node, Session *session, const SyncDigestMessage *message, usec_t now_usec);
int mesh_on_records(Node *node, Session *session, const SyncRecordsMessage *message, usec_t now_usec);

/* A peer told us something that the others are to know; a lease was renewed here. */
void mesh_changed(Node *node, Member *member, usec_t now_usec);
void mesh_renewed(Node *node, Member *member);

int mesh_on_push(Node *node, usec_t now_usec);
int mesh_on_renewals(Node *node, usec_t now_usec);
