/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The peers that we have no link to but could: after HyParView's passive view (Leitao, Pereira, Rodrigues, DSN
 * 2007), and the memory of lost peers, which HyParView does not have.
 *
 * Departures: an entry rests for a while after it refused us or did not answer; the paper keeps bare ids. What
 * failed, or was pushed out, goes into the lost-peer memory instead of being forgotten: without it a partition
 * never heals when no seed helps. And what one host tells us fills a part of the view only: the host is hashed with a
 * key of our own into one of VIEW_BUCKETS buckets, and a bucket has at most a third of the places. So nobody can
 * surround us by naming many addresses, nor choose whom its hosts share a bucket with.
 */

#include "base/address.h"
#include "base/id.h"
#include "base/random.h"
#include "base/siphash.h"
#include "base/usec.h"

#define VIEW_BUCKETS 16U

typedef struct Candidate {
        NodeId id;              /* null: only the address is known */
        Address address;
        uint8_t bucket;         /* of the host that told us, from 1; 0: we know it from a seed, or from itself */
        bool failed;            /* when it was dialled last */
        bool refused;           /* it rests because it was full: it does not refuse who has no link at all */
        usec_t rest_usec;       /* not to be dialled before */
} Candidate;

typedef struct View {
        Candidate *passive;
        size_t n_passive, n_passive_max, n_passive_allocated;
        Candidate *lost;        /* the latest last */
        size_t n_lost, n_lost_max, n_lost_allocated;
        bool failed;            /* there was no memory for somebody */
        SipKey key;             /* of the buckets */
        Random random;
} View;

/* Both lists grow with what is in them. Whoever there is no memory for is not taken up, which View.failed says. */
void view_init(View *view, size_t n_passive_max, size_t n_lost_max, uint64_t run);
void view_done(View *view);

/* Adds a passive peer; a full view forgets a random one for it (into the lost-peer memory, unless it is known from
 * hearsay only). One that is there already, by id or by address, only learns what is new. */
void view_add(View *view, const NodeId *id, const Address *address);

/* The same for what @source says: one that is there already is left alone. When the bucket of the source is full, a random
 * one of the same bucket goes. */
void view_add_from(View *view, const NodeId *id, const Address *address, const Address *source);

/**
 * view_exchange() - take over a peer from a shuffle
 * @sent:       addresses of the passive peers that went the other way; those used up are taken off its end
 *
 * As view_add_from(); but a full view first gives up those that it has sent away, so that an exchange forgets nobody.
 */
void view_exchange(View *view, const NodeId *id, const Address *address, const Address *source, Address *sent,
                   size_t *n_sent);

/* Up to @n_max random ones, all different, of those that have an id and are not known to fail; they stay. Return: how many. */
size_t view_sample(View *view, usec_t now_usec, Candidate *ret, size_t n_max);

bool view_has(const View *view, const NodeId *id);

/* Lets a passive peer rest. Nothing happens when it is not there. */
void view_rest(View *view, const Address *address, usec_t until_usec, bool refused);

/* The same for one that failed. False when it did so the last time, too. */
bool view_fail(View *view, const Address *address, usec_t until_usec);

/* Adds a passive peer in the place of one that failed and rests, which goes into the lost-peer memory. False: there is none. */
bool view_replace_failed(View *view, const NodeId *id, const Address *address, usec_t now_usec);

/* Moves a peer to the lost-peer memory: it did not answer, or it is linked and worth remembering. */
void view_lose(View *view, const NodeId *id, const Address *address);

/* Drops a peer from the passive view (by id if not null, and by address): it is linked now, or is ourselves. */
void view_remove(View *view, const NodeId *id, const Address *address);
/* And from both: nobody worth remembering is there. */
void view_forget(View *view, const Address *address);

/**
 * view_draw() - a random passive peer to dial
 * @isolated:   we have no link: those that rest because they were full are drawn, too
 * @ret_wait:   when none can be drawn, the time at which the first has rested (USEC_INFINITY: there is none)
 *
 * Return: true and a copy; it stays in the view.
 */
bool view_draw(View *view, bool isolated, usec_t now_usec, Candidate *ret, usec_t *ret_wait);

/* Drops a peer from the lost-peer memory alone. */
void view_forget_lost(View *view, const Address *address);
