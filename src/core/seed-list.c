/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The configured seeds. One attempt at a seed resolves its name and dials the addresses in turn until a session
 * opens; when none leads anywhere the seed waits: 100 ms, doubling to 20 s, +-50 %. Which seeds are tried is the
 * role's choice: a peer wants a majority (registrar.c), a seed all others (mesh.c).
 */

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "core/node-internal.h"

#define BACKOFF_MIN_USEC (100 * USEC_PER_MSEC)
#define BACKOFF_MAX_USEC (20 * USEC_PER_SEC)

const char *seed_state_to_string(SeedState state) {
        static const char *const names[_SEED_STATE_MAX] = {
                [SEED_STANDBY] = "standby",
                [SEED_RESOLVING] = "trying",
                [SEED_CONNECTING] = "trying",
                [SEED_REGISTERED] = "registered",
                [SEED_UNREACHABLE] = "unreachable",
                [SEED_SELF] = "self",
        };

        return state < _SEED_STATE_MAX ? names[state] : NULL;
}

char *seed_slot_text(const SeedSlot *slot, char buffer[static SEED_TEXT_MAX]) {
        bool is_ipv6 = strchr(slot->entry.host, ':');

        (void) snprintf(buffer, SEED_TEXT_MAX, is_ipv6 ? "[%s]:%u" : "%s:%u", slot->entry.host, slot->entry.port);
        return buffer;
}

static void slot_set_state(SeedSlot *slot, SeedState state, usec_t now_usec) {
        if (slot->state != state)
                slot->since_usec = now_usec;
        slot->state = state;
}

static int slot_failed(Node *node, SeedSlot *slot, bool quiet, usec_t now_usec) {
        slot->backoff_usec = slot->backoff_usec == 0 ? BACKOFF_MIN_USEC : MIN(2 * slot->backoff_usec, BACKOFF_MAX_USEC);
        slot_set_state(slot, SEED_UNREACHABLE, now_usec);
        timer_set(&node->timers, &slot->timer, usec_add(now_usec, random_jitter(&node->random, slot->backoff_usec)));

        if (!slot->said && !quiet && node->state != NODE_STOPPING) {
                Notice *notice = node_notice(node, NOTICE_SEED_UNREACHABLE);

                seed_slot_text(slot, notice->seed);
                notice->address = slot->address;
                memcpy(notice->detail, slot->error, sizeof(notice->detail));
                slot->said = true;
        }
        return node->ops->seed_failed(node, slot, now_usec);
}

static int slot_dial_next(Node *node, SeedSlot *slot, usec_t now_usec) {
        int r;

        if (slot->next_address >= slot->n_addresses)
                return slot_failed(node, slot, false, now_usec);

        slot->address = slot->addresses[slot->next_address++];
        slot_set_state(slot, SEED_CONNECTING, now_usec);
        r = session_dial(node, &slot->address, SESSION_FOR_SEED, NULL, DIAL_USEC, now_usec, &slot->session);
        if (r < 0)
                return r;
        slot->session->seed = slot;
        return 0;
}

int seed_slot_try(Node *node, SeedSlot *slot, usec_t now_usec) {
        Effect *effect;

        assert(!slot->session);

        timer_set(&node->timers, &slot->timer, USEC_INFINITY);
        slot_set_state(slot, SEED_RESOLVING, now_usec);
        effect = effect_queue_push(&node->effects, EFFECT_RESOLVE);
        effect->resolve.seed = slot->number;
        effect->resolve.port = slot->entry.port;
        memcpy(effect->resolve.host, slot->entry.host, sizeof(effect->resolve.host));
        return 0;
}

int seed_list_on_resolved(Node *node, unsigned number, const Address *addresses, size_t n, const char *detail,
                          usec_t now_usec) {
        SeedSlot *slot = NULL;

        for (size_t i = 0; i < node->n_seeds; i++)
                if (node->seeds[i]->number == number)
                        slot = node->seeds[i];
        if (!slot || slot->state != SEED_RESOLVING)
                return 0;

        slot->n_addresses = MIN(n, (size_t) SEED_ADDRESSES_MAX);
        slot->next_address = 0;
        for (size_t i = 0; i < slot->n_addresses; i++)
                slot->addresses[i] = addresses[i];
        if (n == 0)
                (void) snprintf(slot->error, sizeof(slot->error), "%s", isempty(detail) ? "the name is not known" : detail);
        return slot_dial_next(node, slot, now_usec);
}

int seed_slot_opened(Node *node, SeedSlot *slot, Session *session, usec_t now_usec) {
        slot->session = session;
        session->seed = slot;
        slot->id = session->id;
        memcpy(slot->name, session->name, strlen(session->name) + 1);
        slot->error[0] = 0;
        slot->said = false;
        slot->confirmed = node->settings.role == ROLE_SEED;
        timer_set(&node->timers, &slot->timer, USEC_INFINITY);
        slot_set_state(slot, SEED_REGISTERED, now_usec);
        return 0;
}

static void slot_explain(SeedSlot *slot, const Session *session, SessionEnd end) {
        char detail[DETAIL_MAX + 1];
        const char *text = NULL;

        switch (end) {
        case END_REFUSED:
                text = "nobody listens there";
                break;
        case END_UNREACHABLE:
                text = session->state == SESSION_DIALING ? "no connection" : "it does not answer";
                break;
        case END_WRONG_ID:
                text = "that is this node itself";
                break;
        case END_LOST:
                text = "the connection broke";
                break;
        case END_CLOSED:
                (void) text_clause(session->detail ?: "", detail);
                (void) snprintf(slot->error, sizeof(slot->error), "it closed the session (%s)%s%s",
                                close_reason_to_string(session->reason) ?: "unknown reason", isempty(detail) ? "" : ": ",
                                detail);
                return;
        case END_BY_US:
                text = session->reason == CLOSE_NOT_ALLOWED ? "that is a peer, not a seed" : "we closed the session";
                break;
        }
        (void) snprintf(slot->error, sizeof(slot->error), "%s", text);
}

int seed_slot_ended(Node *node, SeedSlot *slot, SessionEnd end, usec_t now_usec) {
        bool was_registered = slot->state == SEED_REGISTERED;

        slot_explain(slot, slot->session, end);
        /* Only somebody who corrects the list mends that; meanwhile each attempt takes the place of a link to that peer. */
        if (end == END_BY_US && slot->session->reason == CLOSE_NOT_ALLOWED)
                slot->backoff_usec = BACKOFF_MAX_USEC;
        slot->session = NULL;

        if (end == END_WRONG_ID) {
                slot->entry.self = true;
                slot_set_state(slot, SEED_SELF, now_usec);
                return node->ops->seed_failed(node, slot, now_usec);
        }
        if (was_registered && usec_sub(now_usec, slot->since_usec) > BACKOFF_MAX_USEC)
                slot->backoff_usec = 0;
        if (was_registered)
                return slot_failed(node, slot, true, now_usec);         /* the role says that it is lost */
        return slot_dial_next(node, slot, now_usec);
}

int seed_slot_on_timer(Node *node, SeedSlot *slot, usec_t now_usec) {
        if (slot->state == SEED_REGISTERED)
                return node->ops->seed_timer(node, slot, now_usec);
        if (slot->state != SEED_UNREACHABLE)
                return 0;

        /* Its waiting is over: the role decides whether it is still needed. */
        slot_set_state(slot, SEED_STANDBY, now_usec);
        return node->ops->seeds_changed(node, now_usec);
}

static bool entry_equal(const SeedEntry *a, const SeedEntry *b) {
        return a->port == b->port && streq(a->host, b->host);
}

void seed_list_release_aliases(Node *node, const NodeId *id, usec_t now_usec) {
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];

                if (slot->alias && node_id_equal(&slot->id, id)) {
                        slot->alias = false;
                        slot_set_state(slot, SEED_STANDBY, now_usec);
                }
        }
}

static void slot_free(Node *node, SeedSlot *slot) {
        timer_done(&node->timers, &slot->timer);
        free(slot);
}

static int slot_new(Node *node, const SeedEntry *entry, usec_t now_usec, SeedSlot **ret) {
        SeedSlot *slot;
        int r;

        slot = malloc(sizeof(*slot));
        if (!slot)
                return -ENOMEM;
        *slot = (SeedSlot) {
                .entry = *entry,
                .number = ++node->last_seed_number,
                .state = entry->self ? SEED_SELF : SEED_STANDBY,
                .since_usec = now_usec,
        };

        r = timer_init(&node->timers, &slot->timer, TIMER_SEED);
        if (r < 0) {
                free(slot);
                return r;
        }
        *ret = slot;
        return 0;
}

/* Ends what an entry that is gone had under way. */
static int slot_drop(Node *node, SeedSlot *slot, usec_t now_usec) {
        Session *session = TAKE_PTR(slot->session);
        int r = 0;

        if (session) {
                session->seed = NULL;
                r = session_close(node, session, CLOSE_DONE, NULL, now_usec);
        }
        if (!slot->alias && !node_id_is_null(&slot->id))
                seed_list_release_aliases(node, &slot->id, now_usec);
        slot_free(node, slot);
        return r;
}

static SeedSlot *seed_list_find(const Node *node, const SeedEntry *entry) {
        for (size_t i = 0; i < node->n_seeds; i++)
                if (entry_equal(&node->seeds[i]->entry, entry))
                        return node->seeds[i];
        return NULL;
}

int seed_list_set(Node *node, const SeedEntry *entries, size_t n, usec_t now_usec) {
        SeedSlot *fresh[SEEDS_MAX], *old[SEEDS_MAX];
        size_t n_old = node->n_seeds, n_fresh = 0;
        int r;

        assert(n <= SEEDS_MAX);

        /* All that can fail comes first, and leaves the list as it is. */
        for (size_t i = 0; i < n; i++) {
                SeedSlot *slot = NULL;

                for (size_t j = 0; j < n_fresh && !slot; j++)
                        if (entry_equal(&fresh[j]->entry, entries + i))
                                slot = fresh[j];
                if (slot)
                        continue;       /* named twice */

                slot = seed_list_find(node, entries + i);
                r = slot ? 0 : slot_new(node, entries + i, now_usec, &slot);
                if (r < 0) {
                        while (n_fresh-- > 0)
                                if (!seed_list_find(node, &fresh[n_fresh]->entry))
                                        slot_free(node, fresh[n_fresh]);
                        return r;
                }
                fresh[n_fresh++] = slot;
        }

        memcpy(old, node->seeds, n_old * sizeof(*old));
        memcpy(node->seeds, fresh, n_fresh * sizeof(*fresh));
        node->n_seeds = n_fresh;
        for (size_t i = 0; i < n_old; i++)
                if (!seed_list_find(node, &old[i]->entry)) {
                        r = slot_drop(node, old[i], now_usec);
                        if (r < 0)
                                return r;
                }
        return 0;
}

void seed_list_free(Node *node) {
        for (size_t i = 0; i < node->n_seeds; i++)
                slot_free(node, node->seeds[i]);
        node->n_seeds = 0;
}
