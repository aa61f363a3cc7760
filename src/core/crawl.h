/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The picture of the whole overlay, which nobody holds: on demand a peer asks every live member for its links (LINKS, PROTOCOL.md
 * 10), over the session that it has, else by a short one. Members are asked a few at a time, each gets a second, and all of
 * it ends after five. One crawl runs at a time, and whoever asks meanwhile, or soon after, gets the same answer.
 *
 * Above CRAWL_MEMBERS_MAX members only so many, drawn at random, are asked. Nothing that a crawl finds has any consequence for
 * members or links: who does not answer is not suspected, and what is said is shown, not believed.
 */

#include "core/peer-node-internal.h"

#define CRAWL_MEMBERS_MAX 1000U
/* At a time. With latencies of 10 to 100 ms, in the simulator, 200 members take 4.2 s with 16 and 1.3 s with 64. */
#define CRAWL_QUESTIONS_MAX 64U
#define CRAWL_QUESTION_USEC (1 * USEC_PER_SEC)
#define CRAWL_USEC (5 * USEC_PER_SEC)
/* So long its result is good, and longer when many members had to be called: anybody on the host may ask, and nobody shall have
 * the network called at by asking often. */
#define CRAWL_FRESH_USEC (2 * USEC_PER_SEC)
#define CRAWL_FRESH_PER_CALL_USEC (10 * USEC_PER_MSEC)
#define CRAWL_CALLERS_MAX 64U
#define LINKS_INTERVAL_USEC (500 * USEC_PER_MSEC)       /* between two answers to LINKS on one session */

/* Somebody asks for our links. */
int crawl_on_links(Node *node, Session *session, const LinksMessage *message, usec_t now_usec);

int crawl_on_links_ok(Node *node, Session *session, const LinksMessage *message, usec_t now_usec);
/* A session that was dialled FOR_CRAWL is open. */
int crawl_opened(Node *node, Session *session, usec_t now_usec);
/* A session that we may have asked on has ended, whatever it was for. */
void crawl_ended(Node *node, const Session *session, usec_t now_usec);
int crawl_on_timer(Node *node, usec_t now_usec);
/* The node stops: whoever waits for an answer is told so. */
void crawl_stop(Node *node);
void crawl_free(Crawl *crawl);
