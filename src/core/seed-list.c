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
        (void) snprintf(buffer, SEED_TEXT_MAX, strchr(slot->host, ':') ? "[%s]:%u" : "%s:%u", slot->host, slot->port);
        return buffer;
}

static void slot_set_state(SeedSlot *slot, SeedState state, usec_t now_usec) {
        if (slot->state != state)
                slot->since_usec = now_usec;
        slot->state = state;
}

/* Replaces one of its texts; an empty one is NULL. Return: 0, -ENOMEM: it is as it was. */
static int slot_set_text(char **text, const char *value) {
        char *copy = isempty(value) ? NULL : strdup(value);

        if (!copy && !isempty(value))
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

static int slot_rest(Node *node, SeedSlot *slot, bool quiet, usec_t wait_usec, usec_t now_usec) {
        slot_set_state(slot, SEED_UNREACHABLE, now_usec);
        timer_set(&node->timers, &slot->timer, usec_add(now_usec, wait_usec));

        if (!slot->said && !quiet && node->state != NODE_STOPPING) {
                Notice *notice = node_notice(node, NOTICE_SEED_UNREACHABLE);

                seed_slot_text(slot, notice->seed);
                notice->address = slot->address;
                if (slot->error)
                        memcpy(notice->detail, slot->error, strlen(slot->error) + 1);
                slot->said = true;
        }
        return node->ops->seed_failed(node, slot, now_usec);
}

static int slot_failed(Node *node, SeedSlot *slot, bool quiet, usec_t now_usec) {
        slot->backoff_usec = slot->backoff_usec == 0 ? BACKOFF_MIN_USEC : MIN(2 * slot->backoff_usec, BACKOFF_MAX_USEC);
        return slot_rest(node, slot, quiet, random_jitter(&node->random, slot->backoff_usec), now_usec);
}

/* It gave us a turn, and others the turns next to it: we keep to it, and never come earlier. */
static int slot_turned_away(Node *node, SeedSlot *slot, uint32_t retry_msec, usec_t now_usec) {
        usec_t wait_usec = MIN(retry_msec * USEC_PER_MSEC, BACKOFF_MAX_USEC);

        return slot_rest(node, slot, false, wait_usec + random_below(&node->random, wait_usec / 8 + 1), now_usec);
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
        effect = effect_queue_push(node->effects, EFFECT_RESOLVE);
        effect->resolve.seed = slot->number;
        effect->resolve.port = slot->port;
        memcpy(effect->resolve.host, slot->host, strlen(slot->host) + 1);
        return 0;
}

int seed_list_on_resolved(Node *node, unsigned number, const Address *addresses, size_t n, const char *detail,
                          usec_t now_usec) {
        SeedSlot *slot = NULL;
        Address *copy;
        int r = 0;

        for (size_t i = 0; i < node->n_seeds; i++)
                if (node->seeds[i]->number == number)
                        slot = node->seeds[i];
        if (!slot || slot->state != SEED_RESOLVING)
                return 0;

        n = MIN(n, (size_t) SEED_ADDRESSES_MAX);
        copy = reallocarray(slot->addresses, MAX(n, (size_t) 1), sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        slot->addresses = copy;
        slot->n_addresses = n;
        slot->next_address = 0;
        for (size_t i = 0; i < n; i++)
                slot->addresses[i] = addresses[i];
        if (n == 0)
                r = slot_set_text(&slot->error, isempty(detail) ? "the name is not known" : detail);
        return r < 0 ? r : slot_dial_next(node, slot, now_usec);
}

int seed_slot_opened(Node *node, SeedSlot *slot, Session *session, usec_t now_usec) {
        slot->session = session;
        session->seed = slot;
        slot->id = session->id;
        (void) slot_set_text(&slot->error, NULL);
        slot->said = false;
        slot->confirmed = node->settings.role == ROLE_SEED;
        timer_set(&node->timers, &slot->timer, USEC_INFINITY);
        slot_set_state(slot, SEED_REGISTERED, now_usec);
        return slot_set_text(&slot->name, session->name);
}

static int slot_explain(SeedSlot *slot, const Session *session, SessionEnd end) {
        char detail[DETAIL_MAX + 1], sentence[DETAIL_MAX + 1];
        const char *text = sentence;

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
                (void) snprintf(sentence, sizeof(sentence), "it closed the session (%s)%s%s",
                                close_reason_to_string(session->reason) ?: "unknown reason", isempty(detail) ? "" : ": ",
                                detail);
                break;
        case END_BY_US:
                text = session->reason == CLOSE_NOT_ALLOWED ? "that is a peer, not a seed" : "we closed the session";
                break;
        }
        return slot_set_text(&slot->error, text);
}

int seed_slot_ended(Node *node, SeedSlot *slot, SessionEnd end, usec_t now_usec) {
        bool was_registered = slot->state == SEED_REGISTERED;
        uint32_t retry_msec = end == END_CLOSED && slot->session->reason == CLOSE_BUSY ? slot->session->retry_msec : 0;
        int r;

        r = slot_explain(slot, slot->session, end);
        /* Only somebody who corrects the list mends that; meanwhile each attempt takes the place of a link to that peer. */
        if (end == END_BY_US && slot->session->reason == CLOSE_NOT_ALLOWED)
                slot->backoff_usec = BACKOFF_MAX_USEC;
        slot->session = NULL;
        if (r < 0)
                return r;

        if (end == END_WRONG_ID) {
                slot->self = true;
                slot_set_state(slot, SEED_SELF, now_usec);
                return node->ops->seed_failed(node, slot, now_usec);
        }
        if (was_registered && usec_sub(now_usec, slot->since_usec) > BACKOFF_MAX_USEC)
                slot->backoff_usec = 0;
        if (was_registered)
                return slot_failed(node, slot, true, now_usec);         /* the role says that it is lost */
        if (retry_msec > 0)
                return slot_turned_away(node, slot, retry_msec, now_usec);
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

static bool slot_is_of(const SeedSlot *slot, const char *host, uint16_t port) {
        return slot->port == port && streq(slot->host, host);
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
        free(slot->host);
        free(slot->addresses);
        free(slot->name);
        free(slot->error);
        free(slot);
}

static int slot_new(Node *node, const SeedEntry *entry, usec_t now_usec, SeedSlot **ret) {
        SeedSlot *slot;
        int r;

        slot = malloc(sizeof(*slot));
        if (!slot)
                return -ENOMEM;
        *slot = (SeedSlot) {
                .host = strdup(entry->host),
                .port = entry->port,
                .self = entry->self,
                .number = ++node->last_seed_number,
                .state = entry->self ? SEED_SELF : SEED_STANDBY,
                .since_usec = now_usec,
        };

        r = slot->host ? timer_init(&node->timers, &slot->timer, TIMER_SEED) : -ENOMEM;
        if (r < 0) {
                free(slot->host);
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

static SeedSlot *slots_find(SeedSlot *const *slots, size_t n, const char *host, uint16_t port) {
        for (size_t i = 0; i < n; i++)
                if (slot_is_of(slots[i], host, port))
                        return slots[i];
        return NULL;
}

static SeedSlot *seed_list_find(const Node *node, const char *host, uint16_t port) {
        return slots_find(node->seeds, node->n_seeds, host, port);
}

int seed_list_set(Node *node, const SeedEntry *entries, size_t n, usec_t now_usec) {
        _cleanup_free_ SeedSlot **old = NULL;
        size_t n_old = node->n_seeds, n_fresh = 0;
        SeedSlot **fresh;
        int r;

        assert(n <= SEEDS_MAX);

        fresh = calloc(MAX(n, (size_t) 1), sizeof(SeedSlot *));
        if (!fresh)
                return -ENOMEM;

        /* All that can fail comes first, and leaves the list as it is. */
        for (size_t i = 0; i < n; i++) {
                const SeedEntry *entry = entries + i;
                SeedSlot *slot;

                if (slots_find(fresh, n_fresh, entry->host, entry->port))
                        continue;       /* named twice */

                slot = seed_list_find(node, entry->host, entry->port);
                r = slot ? 0 : slot_new(node, entry, now_usec, &slot);
                if (r < 0) {
                        while (n_fresh-- > 0)
                                if (!seed_list_find(node, fresh[n_fresh]->host, fresh[n_fresh]->port))
                                        slot_free(node, fresh[n_fresh]);
                        free(fresh);
                        return r;
                }
                fresh[n_fresh++] = slot;
        }

        old = node->seeds;
        node->seeds = fresh;
        node->n_seeds = n_fresh;
        for (size_t i = 0; i < n_old; i++)
                if (!seed_list_find(node, old[i]->host, old[i]->port)) {
                        r = slot_drop(node, old[i], now_usec);
                        if (r < 0)
                                return r;
                }
        return 0;
}

void seed_list_free(Node *node) {
        for (size_t i = 0; i < node->n_seeds; i++)
                slot_free(node, node->seeds[i]);
        free(node->seeds);
        node->seeds = NULL;
        node->n_seeds = 0;
}
