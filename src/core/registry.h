/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A seed's directory (PROTOCOL.md, section 6): who is registered, for how long, and who is not there any more.
 *
 *                    REGISTER                    lease runs out
 *      (unknown) ---------------> listed -------------------------------> lost
 *                                 |  ^   <-------------------------------  |
 *                           LEAVE |  |     REGISTER, RENEW, another seed   | 24 h
 *                         verdict |  | REGISTER with a higher epoch,       v
 *                                 v  | REFUTE                          (unknown)
 *                          left or dead ------------------------------------^
 *                                                    24 h
 *
 * Lost is an opinion of this seed alone: such a member (Member.hidden) is neither listed nor sent, but comes back
 * without having to register. So are those of a snapshot, until they renew. What a member says of itself beats what
 * others say of it only with a higher epoch or incarnation, so a dead one is told and has to refute.
 */

#include "core/node-internal.h"

#define FORGET_USEC (24 * USEC_PER_HOUR)        /* lost, left and dead members are remembered for so long */
#define PERSIST_USEC (10 * USEC_PER_SEC)        /* the directory is written down at most so often */
#define EXPIRED_MAX 64U                         /* leases that end in one go; a burst takes several */
#define RENEW_RECORDS 8U

typedef struct Registry {
        usec_t afresh_usec;             /* no lease ends earlier than one lease after this */
        usec_t expired_usec;            /* when leases ended last, and how many at that moment */
        unsigned n_expired;
        usec_t persisted_usec;          /* 0: never */
        Timer persist;
} Registry;

int registry_init(Node *node);
void registry_done(Node *node);

/* Requests of a peer's session. They answer it, and may close it. */
int registry_on_register(Node *node, Session *session, const RegisterMessage *message, usec_t now_usec);
int registry_on_renew(Node *node, Session *session, const RenewMessage *message, usec_t now_usec);
int registry_on_list(Node *node, Session *session, const ListMessage *message, usec_t now_usec);
int registry_on_leave(Node *node, Session *session, const LeaveMessage *message, usec_t now_usec);
int registry_on_refute(Node *node, Session *session, const Record *record, usec_t now_usec);

/* End of a lease, or of the time for which a member is remembered. */
int registry_on_member_timer(Node *node, Member *member, usec_t now_usec);
void registry_persist(Node *node, usec_t now_usec);

/* Gives every lease its full time again: after a start, and when the clock has jumped. */
void registry_start_afresh(Node *node, usec_t now_usec);

/* After a change of what the directory says: arms the member's timer, has it written down. */
void registry_changed(Node *node, Member *member, usec_t now_usec);
/* A member's lease was renewed at @when_usec, here or at another seed; it is listed again if it was lost. True when
 * it was. */
bool registry_renewed(Node *node, Member *member, usec_t when_usec, usec_t now_usec);
/* A copy with only those addresses that the one who sent it can know of, and that can be dialled. */
Record registry_clean(const Record *record, const Address *from);

/* An answer whose size the asker does not pay for: closes the session of one who asks and does not read. */
int registry_answer(Node *node, Session *session, const Message *message, usec_t now_usec);
