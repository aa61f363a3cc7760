/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who offers what we lack: Plumtree's list of missing messages (Leitao, Pereira, Rodrigues, SRDS 2007), in ranges. An offer comes
 * with IHAVE or with MSG_RANGES, and is asked for when the messages have had OFFER_T1_USEC to come by themselves. One link is
 * asked for each message; when nothing comes from it for OFFER_T2_USEC, the next one is.
 *
 * Departures: offers are ranges, and one that was asked for counts as under way for as long as some of its messages come; it
 * stays known after that, as nobody knows whether the answer waits behind other data.
 *
 * Bounded: a number of offers for each link, further ones are not noted. Who does not keep them is counted.
 */

#include "base/hash.h"
#include "core/effect.h"
#include "core/seen.h"

#define OFFER_T1_USEC (500 * USEC_PER_MSEC)
#define OFFER_T2_USEC (250 * USEC_PER_MSEC)
#define OFFER_LIFE_USEC (30 * USEC_PER_SEC)     /* after it was asked for, or something of it came */
#define OFFER_MERGE_USEC (100 * USEC_PER_MSEC)  /* offers of one link that come within this time are one, if they adjoin */
#define OFFERS_PER_LINK_MAX 4096U

typedef struct Offer {
        LinkId link;
        uint64_t first, last;
        usec_t made_usec;
        usec_t due_usec;        /* to be asked for */
        usec_t asked_usec;      /* it was, or when something of it came last; 0: not yet */
        bool is_listed;         /* by MSG_RANGES */
        bool is_kept;           /* something of it came */
} Offer;

typedef struct OfferKey {
        NodeId id;
        uint64_t epoch;
} OfferKey;

typedef struct OfferOrigin {
        UT_hash_handle hh;
        OfferKey key;
        Offer *offers;          /* in the order in which they came */
        size_t n, n_allocated;
} OfferOrigin;

typedef struct OfferLink {
        LinkId link;
        unsigned n;             /* its offers */
        unsigned n_broken;      /* that ran out without a message, since it last kept one */
} OfferLink;

typedef struct Offers {
        OfferOrigin *origins;
        OfferLink *links;
        size_t n_links, n_links_allocated;
} Offers;

void offers_done(Offers *offers);

/**
 * offers_add() - a link offers messages, some of which we lack
 * @wait_usec:  how long they may come by themselves: OFFER_T1_USEC, or 0 when nobody else can be sending them
 *
 * Return: 1; 0: it has made too many others; -ENOMEM.
 */
int offers_add(Offers *offers, const Range *range, LinkId link, bool is_listed, usec_t wait_usec, usec_t now_usec);

/* A message came on that link. */
void offers_came(Offers *offers, const MessageId *id, LinkId link, usec_t now_usec);
/* That link is gone. */
void offers_forget_link(Offers *offers, LinkId link);

/* Whether somebody offers one of those messages. */
bool offers_cover(const Offers *offers, const NodeId *id, uint64_t epoch, uint64_t first, uint64_t last);
/* Whether that link offers it, and so has it. */
bool offers_made(const Offers *offers, const MessageId *id, LinkId link);
/* The lowest sequence that is offered; 0: none. */
uint64_t offers_lowest(const Offers *offers, const NodeId *id, uint64_t epoch);
/* How many offers of that link ran out, since it last kept one. */
unsigned offers_broken(const Offers *offers, LinkId link);

typedef struct OfferRequest {
        LinkId link;
        bool is_listed;
        Range range;
} OfferRequest;

/**
 * offers_ask() - what is to be asked for now, and of whom
 * @seen:       what we have
 * @ret_next:   when to call again; USEC_INFINITY: nothing is offered
 *
 * Drops what is not missing any more.
 *
 * Return: the number of requests, at most @n_max.
 */
size_t offers_ask(Offers *offers, const Seen *seen, usec_t now_usec, OfferRequest *ret, size_t n_max, usec_t *ret_next);
