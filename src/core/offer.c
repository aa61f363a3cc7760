/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/offer.h"

#include <errno.h>

/* ---- links ---- */

static OfferLink *link_find(const Offers *offers, LinkId link) {
        for (size_t i = 0; i < offers->n_links; i++)
                if (offers->links[i].link == link)
                        return offers->links + i;
        return NULL;
}

static int link_get(Offers *offers, LinkId link, OfferLink **ret) {
        OfferLink *found = link_find(offers, link);

        if (!found) {
                if (offers->n_links == offers->n_links_allocated) {
                        size_t n = MAX((size_t) 4, 2 * offers->n_links_allocated);
                        OfferLink *links = reallocarray(offers->links, n, sizeof(*links));

                        if (!links)
                                return -ENOMEM;
                        offers->links = links;
                        offers->n_links_allocated = n;
                }
                found = offers->links + offers->n_links++;
                *found = (OfferLink) { .link = link };
        }
        *ret = found;
        return 0;
}

unsigned offers_broken(const Offers *offers, LinkId link) {
        const OfferLink *found = link_find(offers, link);

        return found ? found->n_broken : 0;
}

/* ---- origins ---- */

static OfferOrigin *origin_find(const Offers *offers, const NodeId *id, uint64_t epoch) {
        OfferKey key = { .id = *id, .epoch = epoch };
        OfferOrigin *origin;

        if (!offers->origins)
                return NULL;            /* nearly always: nothing is missing */
        HASH_FIND(hh, offers->origins, &key, sizeof(key), origin);
        return origin;
}

static void origin_free(Offers *offers, OfferOrigin *origin) {
        HASH_DELETE(hh, offers->origins, origin);
        free(origin->offers);
        free(origin);
}

void offers_done(Offers *offers) {
        while (offers->origins)
                origin_free(offers, offers->origins);
        free(offers->links);
        *offers = (Offers) {};
}

static int origin_get(Offers *offers, const Range *range, OfferOrigin **ret) {
        OfferOrigin *origin = origin_find(offers, &range->origin, range->epoch);

        if (!origin) {
                origin = calloc(1, sizeof(*origin));
                if (!origin)
                        return -ENOMEM;
                origin->key = (OfferKey) { .id = range->origin, .epoch = range->epoch };
                HASH_ADD(hh, offers->origins, key, sizeof(OfferKey), origin);
                if (!table_added(origin)) {
                        free(origin);
                        return -ENOMEM;
                }
        }
        *ret = origin;
        return 0;
}

static void origin_remove(Offers *offers, OfferOrigin *origin, size_t i) {
        OfferLink *link = link_find(offers, origin->offers[i].link);

        if (link)
                link->n--;
        memmove(origin->offers + i, origin->offers + i + 1, (origin->n - i - 1) * sizeof(*origin->offers));
        origin->n--;
}

/* ---- offers ---- */

/* What a link announces again and again while messages flow is one offer, and what it lists anew is no other one. */
static bool origin_merge(OfferOrigin *origin, const Range *range, LinkId link, bool is_listed, usec_t now_usec) {
        for (size_t i = origin->n; i > 0; i--) {
                Offer *offer = origin->offers + i - 1;

                if (offer->link != link)
                        continue;
                if (offer->first <= range->first && range->last <= offer->last)
                        return true;
                if (offer->asked_usec == 0 && offer->is_listed == is_listed && offer->last + 1 == range->first &&
                    usec_sub(now_usec, offer->made_usec) < OFFER_MERGE_USEC) {
                        offer->last = range->last;
                        return true;
                }
        }
        return false;
}

int offers_add(Offers *offers, const Range *range, LinkId link, bool is_listed, usec_t wait_usec, usec_t now_usec) {
        OfferOrigin *origin;
        OfferLink *maker;
        int r;

        r = link_get(offers, link, &maker);
        if (r < 0)
                return r;
        r = origin_get(offers, range, &origin);
        if (r < 0)
                return r;
        if (origin_merge(origin, range, link, is_listed, now_usec))
                return 1;

        if (maker->n < OFFERS_PER_LINK_MAX && origin->n == origin->n_allocated) {
                size_t n = MAX((size_t) 2, 2 * origin->n_allocated);
                Offer *grown = reallocarray(origin->offers, n, sizeof(*grown));

                if (grown) {
                        origin->offers = grown;
                        origin->n_allocated = n;
                } else
                        r = -ENOMEM;
        }
        if (r < 0 || maker->n >= OFFERS_PER_LINK_MAX) {
                if (origin->n == 0)
                        origin_free(offers, origin);
                return r;
        }

        origin->offers[origin->n++] = (Offer) {
                .link = link, .first = range->first, .last = range->last, .is_listed = is_listed, .made_usec = now_usec,
                .due_usec = usec_add(now_usec, wait_usec),
        };
        maker->n++;
        return 1;
}

void offers_came(Offers *offers, const MessageId *id, LinkId link, usec_t now_usec) {
        OfferOrigin *origin = origin_find(offers, &id->origin, id->epoch);

        if (!origin)
                return;
        for (size_t i = 0; i < origin->n; i++) {
                Offer *offer = origin->offers + i;

                if (offer->link != link || offer->asked_usec == 0 || id->sequence < offer->first || id->sequence > offer->last)
                        continue;
                offer->asked_usec = now_usec;
                offer->is_kept = true;
                link_find(offers, link)->n_broken = 0;
        }
}

void offers_forget_link(Offers *offers, LinkId link) {
        OfferLink *found = link_find(offers, link);
        OfferOrigin *origin, *next;

        if (!found)
                return;
        HASH_ITER(hh, offers->origins, origin, next) {
                for (size_t i = origin->n; i > 0; i--)
                        if (origin->offers[i - 1].link == link)
                                origin_remove(offers, origin, i - 1);
                if (origin->n == 0)
                        origin_free(offers, origin);
        }
        *found = offers->links[--offers->n_links];
}

bool offers_cover(const Offers *offers, const NodeId *id, uint64_t epoch, uint64_t first, uint64_t last) {
        const OfferOrigin *origin = origin_find(offers, id, epoch);

        for (size_t i = 0; origin && i < origin->n; i++)
                if (origin->offers[i].first <= last && first <= origin->offers[i].last)
                        return true;
        return false;
}

bool offers_made(const Offers *offers, const MessageId *id, LinkId link) {
        const OfferOrigin *origin = origin_find(offers, &id->origin, id->epoch);

        for (size_t i = 0; origin && i < origin->n; i++)
                if (origin->offers[i].link == link && origin->offers[i].first <= id->sequence && id->sequence <= origin->offers[i].last)
                        return true;
        return false;
}

uint64_t offers_lowest(const Offers *offers, const NodeId *id, uint64_t epoch) {
        const OfferOrigin *origin = origin_find(offers, id, epoch);
        uint64_t lowest = 0;

        for (size_t i = 0; origin && i < origin->n; i++)
                if (lowest == 0 || origin->offers[i].first < lowest)
                        lowest = origin->offers[i].first;
        return lowest;
}

/* ---- asking ---- */

static bool offer_is_under_way(const Offer *offer, usec_t now_usec) {
        return offer->asked_usec > 0 && now_usec < usec_add(offer->asked_usec, OFFER_T2_USEC);
}

/* The first stretch from @first to @last that nobody was asked for just now. */
static bool origin_idle(const OfferOrigin *origin, usec_t now_usec, uint64_t *first, uint64_t *last) {
        bool moved;

        do {
                moved = false;
                for (size_t i = 0; i < origin->n; i++) {
                        const Offer *offer = origin->offers + i;

                        if (!offer_is_under_way(offer, now_usec) || offer->last < *first || offer->first > *last)
                                continue;
                        if (offer->first > *first) {
                                *last = offer->first - 1;
                                continue;
                        }
                        if (offer->last >= *last)
                                return false;
                        *first = offer->last + 1;
                        moved = true;
                }
        } while (moved);
        return true;
}

static bool seen_lacks(const SeenOrigin *seen, uint64_t first, uint64_t last, uint64_t *ret_first, uint64_t *ret_last) {
        if (seen)
                return seen_missing(seen, first, last, ret_first, ret_last);
        *ret_first = first;
        *ret_last = last;
        return true;
}

typedef struct Asking {
        OfferRequest *requests;
        size_t n, n_max;
        usec_t next_usec;
} Asking;

/* Asks for what is missing of one offer, and under way from nobody. */
static void offer_ask(const OfferOrigin *origin, Offer *offer, const SeenOrigin *seen, usec_t now_usec, Asking *asking) {
        uint64_t first = offer->first, last;
        bool asked = false, more = true;

        while (more && seen_lacks(seen, first, offer->last, &first, &last)) {
                uint64_t whole = last;

                if (origin_idle(origin, now_usec, &first, &last)) {
                        if (asking->n == asking->n_max) {
                                /* What is left is asked for in the next round. */
                                offer->first = first;
                                offer->due_usec = now_usec + 1;
                                return;
                        }
                        asking->requests[asking->n++] = (OfferRequest) {
                                .link = offer->link, .is_listed = offer->is_listed,
                                .range = { origin->key.id, origin->key.epoch, first, last },
                        };
                        asked = true;
                } else
                        last = whole;
                more = last < offer->last;
                first = last + 1;
        }
        if (asked)
                offer->asked_usec = now_usec;
        else
                offer->due_usec = usec_add(now_usec, OFFER_T2_USEC);
}

static void origin_ask(Offers *offers, OfferOrigin *origin, const SeenOrigin *seen, usec_t now_usec, Asking *asking) {
        for (size_t i = 0; i < origin->n;) {
                Offer *offer = origin->offers + i;
                uint64_t first, last;

                if (!seen_lacks(seen, offer->first, offer->last, &first, &last)) {
                        origin_remove(offers, origin, i);
                        continue;
                }
                offer->first = first;   /* what precedes it has come */

                if (offer->asked_usec > 0 && now_usec >= usec_add(offer->asked_usec, OFFER_LIFE_USEC)) {
                        OfferLink *link = link_find(offers, offer->link);

                        link->n_broken += !offer->is_kept;
                        origin_remove(offers, origin, i);
                        continue;
                }
                if (offer->asked_usec == 0 && now_usec >= offer->due_usec)
                        offer_ask(origin, offer, seen, now_usec, asking);
                asking->next_usec = MIN(asking->next_usec, offer->asked_usec == 0 ? offer->due_usec :
                                                           usec_add(offer->asked_usec, OFFER_LIFE_USEC));
                i++;
        }
}

size_t offers_ask(Offers *offers, const Seen *seen, usec_t now_usec, OfferRequest *ret, size_t n_max, usec_t *ret_next) {
        Asking asking = { .requests = ret, .n_max = n_max, .next_usec = USEC_INFINITY };
        OfferOrigin *origin, *next;

        HASH_ITER(hh, offers->origins, origin, next) {
                origin_ask(offers, origin, seen_find(seen, &origin->key.id, origin->key.epoch), now_usec, &asking);
                if (origin->n == 0)
                        origin_free(offers, origin);
        }
        *ret_next = asking.next_usec;
        return asking.n;
}
