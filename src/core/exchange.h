/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What seeds tell each other (PROTOCOL.md, 7.2 and 7.3), and peers that compare their tables with ours:
 *
 *      every 200 ms, when there is something      the records that changed here
 *      every 10 s                                 the ids that renewed here, and a digest of the whole table
 *      on a digest that differs                   the records of the buckets that differ, and a request for theirs
 *
 * To other seeds only what was learned first hand is pushed: seeds form a full mesh, and what got lost on the way the digests
 * find. A whole table goes out in parts, each when the one before it
 * has left, so that no stranger makes us queue all of it.
 *
 * Every seed may add and renew. That somebody is dead or has left we take from a configured seed only
 * (mesh_believes()). And not when the member renewed here after it died there: then we keep it, and it hears at its
 * next renewal what is said of it.
 */

#include "core/node-internal.h"

#define EXCHANGE_PUSH_USEC (200 * USEC_PER_MSEC)
#define EXCHANGE_PUSH_MAX 512U                  /* records that one push takes along */
#define EXCHANGE_RENEWALS_MAX (4 * MESSAGE_RENEWALS_MAX)
#define EXCHANGE_ANSWER_MAX 256U                /* records at a time to one who compares, or one bucket */
#define EXCHANGE_ANSWERED_MAX 32U               /* peers that get theirs within EXCHANGE_PUSH_USEC */
#define ANSWERS_RATE ((Rate) { EXCHANGE_ANSWERED_MAX, EXCHANGE_PUSH_USEC })
#define DIGESTS_RATE ((Rate) { 4, 4 * USEC_PER_SEC })   /* one session may send so many digests in that time */

typedef struct Exchange {
        Timer push, renewals;
        bool changed, renewed;          /* at least one member is marked so */
        bool telling;                   /* a round of renewals is not at its end */
        RateLimit answers;              /* to peers that compare */
        LinkId answered;                /* the last one that was not answered at once: the next one's turn is next */
} Exchange;

int exchange_init(Node *node);
void exchange_done(Node *node);
void exchange_start(Node *node, usec_t now_usec);

/* A peer told us something that the others are to know; a lease was renewed here. */
void exchange_changed(Node *node, Member *member, usec_t now_usec);
void exchange_renewed(Node *node, Member *member);

int exchange_on_push(Node *node, usec_t now_usec);
int exchange_on_renewals(Node *node, usec_t now_usec);
int exchange_on_digest(Node *node, Session *session, const SyncDigestMessage *message, usec_t now_usec);
int exchange_on_records(Node *node, Session *session, const SyncRecordsMessage *message, usec_t now_usec);
