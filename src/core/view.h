/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The peers that we have no link to but could: after HyParView's passive view (Leitao, Pereira, Rodrigues, DSN
 * 2007), and the memory of lost peers, which HyParView does not have.
 *
 * Departures: an entry rests for a while after it refused us or did not answer; the paper keeps bare ids. What
 * failed, or was pushed out, goes into the lost-peer memory instead of being forgotten: without it a partition
 * never heals when no seed helps.
 */

#include "base/address.h"
#include "base/id.h"
#include "base/random.h"
#include "base/usec.h"

typedef struct Candidate {
        NodeId id;              /* null: only the address is known */
        Address address;
        usec_t rest_usec;       /* not to be dialled before */
        bool refused;           /* it rests because it was full: it does not refuse who has no link at all */
} Candidate;

typedef struct View {
        Candidate *passive;
        size_t n_passive, n_passive_max;
        Candidate *lost;        /* the latest last */
        size_t n_lost, n_lost_max;
        Random random;
} View;

/* Return: 0, -ENOMEM. */
int view_init(View *view, size_t n_passive_max, size_t n_lost_max, uint64_t run);
void view_done(View *view);

/* Adds a passive peer; a full view forgets a random one for it (into the lost-peer memory). One that is there
 * already, by id or by address, only learns what is new. */
void view_add(View *view, const NodeId *id, const Address *address);

bool view_has(const View *view, const NodeId *id);

/* Lets a passive peer rest. Nothing happens when it is not there. */
void view_rest(View *view, const Address *address, usec_t until_usec, bool refused);

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

/* A random lost peer, which stays remembered. */
bool view_draw_lost(View *view, Candidate *ret);
