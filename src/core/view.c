/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/view.h"

void view_init(View *view, size_t n_passive_max, size_t n_lost_max, uint64_t run) {
        *view = (View) { .n_passive_max = n_passive_max, .n_lost_max = n_lost_max, .random = random_from_run(run) };
        for (size_t i = 0; i < sizeof(view->key.bytes); i++)
                view->key.bytes[i] = (uint8_t) random_u64(&view->random);
}

void view_done(View *view) {
        free(view->passive);
        free(view->lost);
        *view = (View) {};
}

static bool candidate_matches(const Candidate *candidate, const NodeId *id, const Address *address) {
        return (id && !node_id_is_null(id) && node_id_equal(&candidate->id, id)) ||
               (address && address_equal(&candidate->address, address));
}

static Candidate *candidates_find(Candidate *candidates, size_t n, const NodeId *id, const Address *address) {
        for (size_t i = 0; i < n; i++)
                if (candidate_matches(candidates + i, id, address))
                        return candidates + i;
        return NULL;
}

/* Keeps the order: the lost-peer memory needs it, and the passive view is small. */
static void candidates_remove(Candidate *candidates, size_t *n, const NodeId *id, const Address *address) {
        size_t kept = 0;

        for (size_t i = 0; i < *n; i++)
                if (!candidate_matches(candidates + i, id, address))
                        candidates[kept++] = candidates[i];
        *n = kept;
}

/* One more place; NULL: there is no memory for it. */
static Candidate *view_append(View *view, Candidate **candidates, size_t *n, size_t *n_allocated, size_t n_max) {
        assert(*n < n_max);

        if (*n >= *n_allocated) {
                size_t n_wanted = MIN(MAX((size_t) 4, 2 * *n_allocated), n_max);
                Candidate *grown = reallocarray(*candidates, n_wanted, sizeof(*grown));

                if (!grown) {
                        view->failed = true;
                        return NULL;
                }
                *candidates = grown;
                *n_allocated = n_wanted;
        }
        return *candidates + (*n)++;
}

void view_lose(View *view, const NodeId *id, const Address *address) {
        Candidate *place;

        if (view->n_lost_max == 0 || !address_is_dialable(address))
                return;

        candidates_remove(view->lost, &view->n_lost, id, address);
        if (view->n_lost >= view->n_lost_max) {
                memmove(view->lost, view->lost + 1, (view->n_lost - 1) * sizeof(Candidate));
                view->n_lost--;
        }
        place = view_append(view, &view->lost, &view->n_lost, &view->n_lost_allocated, view->n_lost_max);
        if (place)
                *place = (Candidate) { .id = id ? *id : NODE_ID_NULL, .address = *address };
}

/* Free now, or because a random one makes room; NULL: there is no memory for it. */
static Candidate *view_free_place(View *view) {
        Candidate *candidate;

        if (view->n_passive < view->n_passive_max)
                return view_append(view, &view->passive, &view->n_passive, &view->n_passive_allocated, view->n_passive_max);

        candidate = view->passive + random_below(&view->random, view->n_passive);
        if (candidate->bucket == 0)
                view_lose(view, &candidate->id, &candidate->address);
        return candidate;
}

static void view_place(View *view, Candidate *place, const NodeId *id, const Address *address, uint8_t bucket) {
        if (place)
                *place = (Candidate) { .id = id ? *id : NODE_ID_NULL, .address = *address, .bucket = bucket };
}

void view_add(View *view, const NodeId *id, const Address *address) {
        Candidate *candidate;

        if (view->n_passive_max == 0 || !address_is_dialable(address))
                return;

        candidate = candidates_find(view->passive, view->n_passive, id, address);
        if (candidate) {
                Candidate known = *candidate;

                /* By its id here and by its address there, it may have been taken for two; whoever dials goes by
                 * the address, and what rests must not have a twin that does not. */
                for (size_t i = 0; i < view->n_passive; i++) {
                        const Candidate *twin = view->passive + i;

                        if (candidate_matches(twin, id, address) && twin->rest_usec > known.rest_usec) {
                                known.rest_usec = twin->rest_usec;
                                known.refused = twin->refused;
                        }
                }
                candidates_remove(view->passive, &view->n_passive, id, address);
                if (id && !node_id_is_null(id))
                        known.id = *id;
                known.address = *address;
                known.bucket = 0;
                view->passive[view->n_passive++] = known;
                return;
        }

        view_place(view, view_free_place(view), id, address, 0);
}

/* Of a host, whatever its port; IPv6 hosts can have a whole /64 of addresses. */
static uint8_t view_bucket(const View *view, const Address *source) {
        size_t size = source->family == ADDRESS_IPV6 ? 8 : 4;

        return (uint8_t) (1 + siphash24(source->bytes, size, &view->key) % VIEW_BUCKETS);
}

/* A random one of the bucket, if that has all the places it may have. */
static Candidate *view_full_bucket(View *view, uint8_t bucket) {
        Candidate *random = NULL;
        size_t n = 0;

        for (size_t i = 0; i < view->n_passive; i++)
                if (view->passive[i].bucket == bucket && random_below(&view->random, ++n) == 0)
                        random = view->passive + i;
        return n >= MAX(view->n_passive_max / 3, (size_t) 1) ? random : NULL;
}

void view_exchange(View *view, const NodeId *id, const Address *address, const Address *source, Address *sent,
                   size_t *n_sent) {
        uint8_t bucket = view_bucket(view, source);
        Candidate *place;

        if (view->n_passive_max == 0 || !address_is_dialable(address) ||
            candidates_find(view->passive, view->n_passive, id, address))
                return;

        place = view_full_bucket(view, bucket);
        while (!place && view->n_passive >= view->n_passive_max && *n_sent > 0)
                place = candidates_find(view->passive, view->n_passive, NULL, sent + --*n_sent);
        view_place(view, place ? place : view_free_place(view), id, address, bucket);
}

void view_add_from(View *view, const NodeId *id, const Address *address, const Address *source) {
        view_exchange(view, id, address, source, NULL, &(size_t) { 0 });
}

size_t view_sample(View *view, usec_t now_usec, Candidate *ret, size_t n_max) {
        size_t n_seen = 0;

        for (size_t i = 0; i < view->n_passive && n_max > 0; i++) {
                const Candidate *candidate = view->passive + i;
                uint64_t place;

                if (node_id_is_null(&candidate->id) || (candidate->rest_usec > now_usec && !candidate->refused))
                        continue;
                place = n_seen < n_max ? n_seen : random_below(&view->random, n_seen + 1);      /* a reservoir */
                n_seen++;
                if (place < n_max)
                        ret[place] = *candidate;
        }
        return MIN(n_seen, n_max);
}

bool view_has(const View *view, const NodeId *id) {
        return candidates_find(view->passive, view->n_passive, id, NULL);
}

void view_rest(View *view, const Address *address, usec_t until_usec, bool refused) {
        Candidate *candidate = candidates_find(view->passive, view->n_passive, NULL, address);

        if (candidate) {
                candidate->rest_usec = until_usec;
                candidate->refused = refused;
        }
}

bool view_fail(View *view, const Address *address, usec_t until_usec) {
        Candidate *candidate = candidates_find(view->passive, view->n_passive, NULL, address);
        bool again = candidate && candidate->failed;

        view_rest(view, address, until_usec, false);
        if (candidate)
                candidate->failed = true;
        return !again;
}

bool view_replace_failed(View *view, const NodeId *id, const Address *address, usec_t now_usec) {
        if (!address_is_dialable(address))
                return false;
        for (size_t i = 0; i < view->n_passive; i++) {
                Candidate failed = view->passive[i];

                if (!failed.failed || failed.rest_usec <= now_usec)
                        continue;
                view_place(view, view->passive + i, id, address, 0);
                if (failed.bucket == 0)
                        view_lose(view, &failed.id, &failed.address);
                return true;
        }
        return false;
}

void view_remove(View *view, const NodeId *id, const Address *address) {
        candidates_remove(view->passive, &view->n_passive, id, address);
}

void view_forget_lost(View *view, const Address *address) {
        candidates_remove(view->lost, &view->n_lost, NULL, address);
}

void view_forget(View *view, const Address *address) {
        candidates_remove(view->passive, &view->n_passive, NULL, address);
        view_forget_lost(view, address);
}

bool view_draw(View *view, bool isolated, usec_t now_usec, Candidate *ret, usec_t *ret_wait) {
        size_t n = 0;

        *ret_wait = USEC_INFINITY;
        for (size_t i = 0; i < view->n_passive; i++) {
                const Candidate *candidate = view->passive + i;

                if (candidate->rest_usec > now_usec && !(isolated && candidate->refused))
                        *ret_wait = MIN(*ret_wait, candidate->rest_usec);
                else if (random_below(&view->random, ++n) == 0)         /* reservoir of one */
                        *ret = *candidate;
        }
        return n > 0;
}
