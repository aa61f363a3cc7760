/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The member table: what a node holds of the others, and the rule by which two opinions merge. Records order by
 * (epoch, incarnation), then dead > left > suspect > alive; a higher one replaces a lower one, whoever brings it.
 * Peers and seeds keep the same table; a seed's also has members that only it knows of (hidden).
 *
 * The table keeps a hash of each of 256 buckets up to date (PROTOCOL.md, 7.3), by which two nodes find what differs
 * between them.
 */

#include "base/hash.h"
#include "base/index.h"
#include "base/random.h"
#include "core/effect.h"
#include "core/timer.h"
#include "wire/message.h"

/* Who leaves in order and is back so soon, with a higher epoch, has restarted: for others it was never gone. */
#define RESTART_USEC (5 * USEC_PER_SEC)

typedef struct Verdict Verdict;         /* verdict.c: one block of memory, no more */

typedef struct Member {
        IndexEntry by_id;
        unsigned index;         /* in MemberTable.members */
        unsigned n_links;       /* it last spoke of; UINT_MAX: unknown */
        Record record;          /* age_msec is not kept here */
        Address reached;        /* the last address at which it answered; unset: never dialled */
        bool hidden;            /* a seed's: lost, or not heard of since its restart: neither listed nor sent */
        bool parting;           /* it has left, and nobody was told yet: it may only be restarting */
        usec_t since_usec;      /* in this state */
        usec_t heard_usec;      /* last direct sign of life; 0: none yet */
        usec_t renewed_usec;    /* a seed's: last renewal anywhere, as a point in our time */

        /* The end of RESTART_USEC while it is parting. Else a peer's: the next call to one that does not answer, or
         * the end of the wait for an accused; a seed's: end of
         * lease, end of tombstone. */
        Timer timer;

        Verdict *verdict;       /* a peer's: what others say, too, and until when it is waited; NULL: nobody accuses it */
        union {
                /* A peer's */
                struct {
                        usec_t asked_usec;      /* when the first call to a suspect that is not linked began, 0: none runs */
                        unsigned n_tries;       /* so many calls */
                        bool concluded;         /* the strikes are over, the witnesses have the word: with @evidence */
                        bool asked_again;       /* because it took a call and broke it off; once for each question */
                        uint8_t n_others;       /* that could accuse it, too */
                        bool accused;           /* by us, and not heard from since */
                        bool is_withheld;       /* its record is to be told, but too much is (members.c) */
                        bool is_newcomer;       /* heard of when the table was full, from who said so unasked: one of the newest
                                                 * (sample.c) */
                        uint8_t introduced;     /* by a seed, as alive, and not heard from: so many renewals may still link us
                                                 * to it */
                        Evidence evidence;      /* what the strikes have shown, */
                        usec_t duration_usec;   /* and how long they took */
                        usec_t missed_usec;     /* when it last failed to answer all strikes; 0: never */
                        uint64_t rank;          /* in the sample of a full table (sample.c) */
                };
                /* A seed's */
                struct {
                        usec_t registered_usec; /* with us; 0: known from another seed only */
                        Held disputed;          /* a death that another seed speaks of, older than the last renewal here; alive:
                                                 * none */
                        bool changed, renewed;  /* here, since the other seeds were last told */
                };
        };
} Member;

typedef struct MemberTable {
        Index index;            /* by id */
        Member **members;       /* dense: first those that are alive or suspect and not hidden, then the others */
        size_t n, n_live, n_allocated, n_max;
        size_t n_suspect;
        Member *recent;         /* found last by member_table_find_again(); NULL when it is gone */
        uint64_t *buckets;      /* SYNC_BUCKETS of them; NULL: nobody was ever here, and all are 0 */
        TimerQueue *timers;     /* borrowed */
        unsigned timer_kind;
} MemberTable;

void member_table_init(MemberTable *table, TimerQueue *timers, unsigned timer_kind, size_t n_max);
void member_table_done(MemberTable *table);

Member *member_table_find(const MemberTable *table, const NodeId *id);
/* The same, for whoever asks for one many times in a row: no hash is needed to see that it is that one. */
Member *member_table_find_again(MemberTable *table, const NodeId *id);

typedef enum MemberChange {
        MEMBER_UNCHANGED,       /* older than, or the same as, what is held */
        MEMBER_ADDED,           /* unknown before, alive or suspect now */
        MEMBER_ADDED_GONE,      /* unknown before, and already dead or left */
        MEMBER_RESTARTED,       /* was alive, suspect or parting, and is alive with a higher epoch */
        MEMBER_UPDATED,         /* something changed, the state that others were told did not */
        MEMBER_REVIVED,         /* was suspect, dead, left or hidden, and is alive */
        MEMBER_SUSPECTED,
        MEMBER_GONE,            /* dead or left now */
} MemberChange;

/**
 * member_table_merge() - take over a record if it says more than what is held
 * @ret:        the member, also when nothing changed; NULL when there was no room for a new one
 *
 * A full table makes room by forgetting the longest gone member; when all are alive, a new record is refused
 * (-ENOSPC). Addresses of an equal record are added to those held, as different seeds see different ones.
 *
 * Return: a MemberChange, -ENOSPC, -ENOMEM.
 */
int member_table_merge(MemberTable *table, const Record *record, usec_t now_usec, Member **ret);

/* Changes what orders records; keeps buckets and order of the table. */
void member_set_state(MemberTable *table, Member *member, uint64_t epoch, uint32_t incarnation, MemberState state,
                      usec_t now_usec);
void member_set_hidden(MemberTable *table, Member *member, bool hidden, usec_t now_usec);
void member_set_addresses(Member *member, const Address *addresses, size_t n);
void member_remove_address(Member *member, const Address *address);
bool member_has_address(const Member *member, const Address *address);

void member_table_remove(MemberTable *table, Member *member);

static inline bool member_state_is_live(MemberState state) {
        return state == MEMBER_ALIVE || state == MEMBER_SUSPECT;
}

static inline bool member_is_live(const Member *member) {
        return !member->hidden && member_state_is_live(member->record.state);
}

/* Brings @n random live members, all different, to the front of table->members. Return: how many, at most @n. */
size_t member_table_draw(MemberTable *table, Random *random, size_t n);

static inline Held member_held(const Member *member) {
        return (Held) {
                .epoch = member->record.epoch,
                .incarnation = member->record.incarnation,
                .state = member->record.state,
        };
}

/* < 0, 0, > 0 as a is older than, equal to, newer than b. */
int held_compare(const Held *a, const Held *b);

/* What a record adds to the hash of its bucket. */
uint64_t member_hash(const NodeId *id, uint64_t epoch, uint32_t incarnation, MemberState state);

/* A copy without the addresses that a caller who does not sit on this host could not use. False when none remains. */
bool record_for_caller(const Record *record, const Address *caller, Record *ret);
