/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is promised of messages, and of the memory that they and their senders may take: the order of each publisher at every
 * subscriber, bounds in numbers and in bytes, and that in the end everybody has had what anybody still stores.
 */

#include "core/peer-node-internal.h"
#include "sim-internal.h"

#define EXPIRES_USEC (90 * USEC_PER_SEC)        /* what is about to expire is not listed to neighbours any more */

/* The last message of a publisher, in one of its epochs, that a process delivered; of epoch 0: in the latest of them. */
struct Order {
        UT_hash_handle hh;
        struct {
                NodeId origin;
                uint64_t epoch;
                uint32_t node, life;
        } key;
        MessageId last;
        uint64_t serial;
};

static Order *order_get(Sim *sim, unsigned i, const NodeId *origin, uint64_t epoch) {
        Order *order, wanted = { .key = { *origin, epoch, i, sim->nodes[i].life } };

        HASH_FIND(hh, sim->orders, &wanted.key, sizeof(wanted.key), order);
        if (!order) {
                order = must(calloc(1, sizeof(*order)));
                order->key = wanted.key;
                HASH_ADD(hh, sim->orders, key, sizeof(order->key), order);
        }
        return order;
}

/* A peer takes an earlier epoch for over when the publisher's record, too, says that there was a later one. */
static bool epoch_is_confirmed(const Sim *sim, unsigned i, const MessageId *id) {
        const Member *member = member_table_find(&sim->nodes[i].node->members, &id->origin);

        return member && member->record.epoch >= id->epoch;
}

static void check_follows(const Sim *sim, unsigned i, const Delivery *delivery, const Order *order) {
        const MessageId *id = &delivery->id, *last = &order->last;

        if (id->epoch < last->epoch || (id->epoch == last->epoch && id->sequence <= last->sequence))
                sim_fail(sim, "node %u delivered message %ju/%ju after %ju/%ju of one publisher", i, (uintmax_t) id->epoch,
                         (uintmax_t) id->sequence, (uintmax_t) last->epoch, (uintmax_t) last->sequence);
        if (delivery->serial <= order->serial)
                sim_fail(sim, "node %u counted delivery %ju after %ju", i, (uintmax_t) delivery->serial,
                         (uintmax_t) order->serial);
}

void check_delivery(Sim *sim, unsigned i, const Delivery *delivery) {
        Order *in_epoch, *in_all;

        /* Two that have one id are two publishers, who cannot be told apart. */
        if (!sim->strict || check_is_cloned(sim, &delivery->id.origin))
                return;
        in_epoch = order_get(sim, i, &delivery->id.origin, delivery->id.epoch);
        in_all = order_get(sim, i, &delivery->id.origin, 0);
        check_follows(sim, i, delivery, in_epoch);
        if (epoch_is_confirmed(sim, i, &in_all->last))
                check_follows(sim, i, delivery, in_all);
        in_epoch->last = delivery->id;
        in_epoch->serial = delivery->serial;
        if (delivery->id.epoch >= in_all->last.epoch)
                *in_all = (Order) { .hh = in_all->hh, .key = in_all->key, .last = delivery->id, .serial = delivery->serial };
}

void promise_free(Sim *sim) {
        Order *order, *next;

        HASH_ITER(hh, sim->orders, order, next) {
                HASH_DELETE(hh, sim->orders, order);
                free(order);
        }
}

/* ---- bounds ---- */

static void check_bound(const Sim *sim, unsigned i, const char *what, size_t n, size_t n_max) {
        if (n > n_max)
                sim_fail(sim, "node %u holds %zu %s, %zu are the bound", i, n, what, n_max);
}

void check_bounds(Sim *sim, unsigned i) {
        const Node *node = sim->nodes[i].node;
        const PeerNode *peer = node->peer;
        const Params *params = &node->settings.params;

        check_bound(sim, i, "bytes of messages", peer->store.size, params->store_size_max);
        check_bound(sim, i, "publishers", peer->seen.n_origins, params->origins_max);
        check_bound(sim, i, "passive peers", peer->view.n_passive, params->passive_max);
        check_bound(sim, i, "lost peers", peer->view.n_lost, params->lost_max);
        check_bound(sim, i, "urgent callers", peer->n_high, HIGH_MAX);
        for (const Session *session = node->sessions; session; session = session->next)
                check_bound(sim, i, "bytes that wait on one link", session->n_queued, params->queue_max + FRAME_SIZE_MAX);
        for (size_t j = 0; j < peer->offers.n_links; j++)
                check_bound(sim, i, "offers of one link", peer->offers.links[j].n, OFFERS_PER_LINK_MAX);
}

/* What is said to be stored is there, and nothing else: once a second. */
void check_store(Sim *sim, unsigned i) {
        const Store *store = &sim->nodes[i].node->peer->store;
        size_t size = 0;

        for (const StoreOrigin *origin = store->origins; origin; origin = origin->next) {
                size_t size_of_origin = 0;

                for (size_t j = origin->begin; j < origin->end; j++)
                        size_of_origin += origin->messages[j]->frame->size;
                if (size_of_origin > origin->size)
                        sim_fail(sim, "node %u stores %zu bytes of one publisher, and counts %zu", i, size_of_origin, origin->size);
                size += origin->size;
        }
        if (size != store->size)
                sim_fail(sim, "node %u stores %zu bytes, and counts %zu", i, size, store->size);
}

/* ---- in the end ---- */

/* Nothing is taken of an epoch that a later one has followed already: order.c. */
static bool is_before_its_time(const PeerNode *peer, const Range *range) {
        return seen_n_later(&peer->seen, &range->origin, range->epoch) > 0;
}

/* One message of the range that was not there, nor given up, and that its holder keeps for a while yet. */
static bool peer_lacks(const PeerNode *peer, const Store *held, const Range *range, usec_t now_usec, uint64_t *ret) {
        const SeenOrigin *origin = seen_find(&peer->seen, &range->origin, range->epoch);
        uint64_t first = range->first, last = range->last, missing_first, missing_last;

        if (!origin && is_before_its_time(peer, range))
                return false;
        for (; first <= last; first = missing_last + 1) {
                missing_first = first;
                missing_last = last;
                if (origin && !seen_missing(origin, first, last, &missing_first, &missing_last))
                        return false;
                for (*ret = missing_first; *ret <= missing_last; (*ret)++) {
                        const StoredMessage *message = store_find(held, &range->origin, range->epoch, *ret);

                        if (message && usec_add(stored_age(message, now_usec), EXPIRES_USEC) < held->age_max_usec)
                                return true;
                }
        }
        return false;
}

static bool holds_what_others_lack(Sim *sim, unsigned i, Missing *ret) {
        const Store *held = &sim->nodes[i].node->peer->store;
        StoreCursor cursor = {};
        Range range;

        while (store_ranges(held, &cursor, &range, 1) > 0)
                for (unsigned j = 0; j < sim->n_nodes; j++)
                        if (j != i && sim_is_running_peer(sim, j) && !node_id_equal(sim_id(sim, j), &range.origin) &&
                            peer_lacks(sim->nodes[j].node->peer, held, &range, sim->now_usec, &ret->id.sequence)) {
                                ret->id.origin = range.origin;
                                ret->id.epoch = range.epoch;
                                ret->at = j;
                                ret->held_by = i;
                                return true;
                        }
        return false;
}

bool sim_misses(Sim *sim, Missing *ret) {
        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim_is_running_peer(sim, i) && holds_what_others_lack(sim, i, ret))
                        return true;
        return false;
}

bool sim_holds_back(Sim *sim, Missing *ret) {
        for (unsigned i = 0; i < sim->n_nodes; i++) {
                if (!sim_is_running_peer(sim, i))
                        continue;
                for (const SeenOrigin *origin = sim->nodes[i].node->peer->waiting; origin; origin = origin->next)
                        if (origin->delivered < origin->intervals[origin->n_intervals - 1].last) {
                                *ret = (Missing) { .id = { origin->publisher->id, origin->epoch, origin->delivered + 1 }, .at = i };
                                return true;
                        }
        }
        return false;
}
