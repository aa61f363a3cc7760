/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Dead reports (PROTOCOL.md, section 6): a registered peer says that another is dead. The accusation is a note of
 * this seed, never part of a record and never sent on. The accused is asked, over its session by PING if it has
 * one, and by a connection of our own:
 *
 *      (nothing) --report--> dialling --no try succeeds--> asked --no PONG in its time--> unanswered --> dead
 *          ^                    |  ^                         |                               |      a second reporter, or
 *          |                    |  +---- the next round -----|-------------------------------+      the lease runs out,
 *          |                    v                            |                                      or few links known,
 *          +---- false <--- HELLO_OK, PONG, REFUTE, renewal -+                                      or the last round
 *
 * Usually all neighbours of the dead report it, and the second of them decides. But when these died with it, there may be
 * one left: then we ask again, some seconds apart, and believe it when no round was answered. A member that is alive answers
 * one of them, at its address or on its session, whatever is said of it; and one that missed them all learns of it when it
 * comes back, and refutes.
 *
 * An accused that never told us how many links it has counts as one with few: we know it from another seed only, and
 * whether a second reporter is registered here is chance. One whose lease has run out needs no second reporter either. The
 * profile classic believes the first report without asking.
 *
 * What a reporter can cause is bounded: open accusations, reports a minute, rounds and tries for each of them, and, for the
 * sake of third parties, how often one address and one host are dialled. One whose reports turn out false is not listened
 * to for a while.
 */

#include "core/node-internal.h"

#define VERDICT_TRIES 2U                                /* in the first round; one in each later one */
#define VERDICT_USEC (1 * USEC_PER_SEC)                 /* for each try */
#define VERDICT_REFUTE_USEC (2 * USEC_PER_SEC)          /* for an accused that answered to refute */
#define VERDICT_LINKS_FEW 3U                            /* below that, one reporter is enough */
#define VERDICT_ROUNDS 3U                               /* after so many without an answer, too */
#define VERDICT_ROUND_USEC (2 * USEC_PER_SEC)           /* from the last try of one to the first of the next */
#define ACCUSATION_MARGIN_USEC (1 * USEC_PER_SEC)       /* leases that run out together are ended a few at a time */
#define ACCUSATION_RETRY_USEC (200 * USEC_PER_MSEC)     /* of one that has to wait for its dial-back */
#define ACCUSATION_REPORTERS_MAX 8U
#define ACCUSATIONS_MAX 1024U
#define DIAL_BACKS_MAX 64U                              /* at a time */
#define REPORTERS_MAX 1024U
#define REPORTS_OPEN_MAX 16U                            /* per reporter */
#define REPORTS_PER_MINUTE 32U
#define REPORTS_RATE ((Rate) { REPORTS_PER_MINUTE, USEC_PER_MINUTE })
#define REPORTS_FALSE_MAX 4U                            /* among the last eight */
#define REPORTER_IGNORED_USEC (10 * USEC_PER_MINUTE)

/* Dials to one address and to one host are counted in a table of fixed size, under a keyed hash: two that meet in
 * it wait for each other at times. */
#define TARGETS_MAX 1024U
#define TARGET_USEC (10 * USEC_PER_SEC)
#define TARGET_ADDRESS_DIALS 4U
#define TARGET_HOST_DIALS 128U
#define TARGET_ADDRESS_RATE ((Rate) { TARGET_ADDRESS_DIALS, TARGET_USEC })
#define TARGET_HOST_RATE ((Rate) { TARGET_HOST_DIALS, TARGET_USEC })

typedef struct Accusation Accusation;
typedef struct Reporter Reporter;

typedef struct Reports {
        Accusation *accusations;        /* by the id of the accused */
        Reporter *reporters;            /* by id, in the order in which they last reported */
        size_t n_dialing;               /* sessions FOR_VERDICT */
        RateLimit addresses[TARGETS_MAX], hosts[TARGETS_MAX];
} Reports;

typedef enum Outcome {
        OUTCOME_NONE,           /* nobody knows: it left or restarted, or nobody else has seen it */
        OUTCOME_FALSE,
        OUTCOME_TRUE,
} Outcome;

void reports_done(Node *node);
void reports_drop(Node *node, usec_t now_usec);         /* all accusations: nobody can tell any more */

int reports_on_report(Node *node, Session *session, const DeadReportMessage *message, usec_t now_usec);

/* Ends the accusation of a member, if there is one. */
void reports_settle(Node *node, const NodeId *id, Outcome outcome, usec_t now_usec);

/* A sign of life from a node in that epoch. If it stands accused it is told, so that it refutes and those who
 * suspect it learn of it. @session: on which it came; NULL when another seed has it. */
int reports_answered(Node *node, const NodeId *id, uint64_t epoch, Session *session, usec_t now_usec);
/* The same, of a renewal at that time, which may be older than the accusation. */
int reports_on_renewal(Node *node, const Member *member, usec_t when_usec, usec_t now_usec);
/* Its lease ran out. */
int reports_on_lost(Node *node, const Member *member, usec_t now_usec);
int reports_on_pong(Node *node, Session *session, usec_t now_usec);

/* Of a dial-back. */
int reports_opened(Node *node, Session *session, usec_t now_usec);
/* Of any session. */
int reports_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec);
int reports_on_timer(Node *node, Timer *timer, usec_t now_usec);

/* For tests: how much is kept. */
size_t reports_n_accusations(const Node *node);
size_t reports_n_reporters(const Node *node);
