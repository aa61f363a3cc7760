/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/mesh.h"

#include <errno.h>

#include "core/seed-node-internal.h"

static bool slot_has_address(const SeedSlot *slot, const Session *session) {
        for (size_t i = 0; i < slot->n_addresses; i++)
                for (size_t j = 0; j < session->n_addresses; j++)
                        if (address_same_host(slot->addresses + i, &session->remote) &&
                            slot->addresses[i].port == session->addresses[j].port)
                                return true;
        return false;
}

/* The entry of the list that a session belongs to: the one that led to that id before, the one that was dialled, or
 * the one whose address it comes from. */
static SeedSlot *mesh_slot_of(const Node *node, const Session *session) {
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];

                if (slot->state != SEED_SELF && node_id_equal(&slot->id, &session->id))
                        return slot;
        }
        if (session->seed)
                return session->seed;
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];

                if (slot->state != SEED_SELF && slot->state != SEED_REGISTERED && slot_has_address(slot, session))
                        return slot;
        }
        return NULL;
}

bool mesh_believes(const Node *node, const Session *session) {
        if (session->seed)
                return true;
        for (size_t i = 0; i < node->n_seeds; i++)
                if (slot_has_address(node->seeds[i], session))
                        return true;
        return false;
}

/* From now on this session is that entry's, whichever of both ends opened it. */
static int mesh_take(Node *node, SeedSlot *slot, Session *session, usec_t now_usec) {
        SeedSlot *other = session->seed;

        if (slot->session && slot->session != session)
                slot->session->seed = NULL;
        if (other && other != slot) {
                other->session = NULL;
                other->id = session->id;
                other->alias = true;
                other->state = SEED_SELF;
                other->since_usec = now_usec;
        }
        return seed_slot_opened(node, slot, session, now_usec);
}

/* A session with that seed which no entry has yet. */
static Session *mesh_find(const Node *node, const SeedSlot *slot) {
        for (Session *session = node->sessions; session; session = session->next)
                if (session->meshed && session->current && !session->ending && !session->seed &&
                    (node_id_equal(&session->id, &slot->id) || slot_has_address(slot, session)))
                        return session;
        return NULL;
}

int mesh_link(Node *node, usec_t now_usec) {
        int r;

        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];
                Session *session;

                if (slot->state != SEED_STANDBY || slot->session)
                        continue;
                session = mesh_find(node, slot);
                r = session ? mesh_take(node, slot, session, now_usec) : seed_slot_try(node, slot, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void notice_seed(Node *node, NoticeType type, const Session *session, const SeedSlot *slot) {
        Notice *notice = node_notice_session(node, type, session);

        if (slot)
                seed_slot_text(slot, notice->seed);
        else
                address_format(session->addresses, notice->seed);
}

static bool told_remove(Mesh *mesh, const NodeId *id) {
        for (size_t i = 0; i < mesh->n_told; i++)
                if (node_id_equal(&mesh->told[i], id)) {
                        memmove(mesh->told + i, mesh->told + i + 1, (--mesh->n_told - i) * sizeof(mesh->told[0]));
                        return true;
                }
        return false;
}

static void mesh_tell_linked(Node *node, const Session *session, const SeedSlot *slot) {
        Mesh *mesh = &node->seed->mesh;

        if (!told_remove(mesh, &session->id))
                notice_seed(node, NOTICE_SEED_LINKED, session, slot);
        if (mesh->n_told == ELEMENTSOF(mesh->told))
                (void) told_remove(mesh, &mesh->told[0]);
        mesh->told[mesh->n_told++] = session->id;
}

int mesh_opened(Node *node, Session *session, usec_t now_usec) {
        Mesh *mesh = &node->seed->mesh;
        SeedSlot *slot;
        int r;

        if (session->role != ROLE_SEED)
                return session_close(node, session, CLOSE_NOT_ALLOWED, "A seed was expected at this address.", now_usec);

        slot = mesh_slot_of(node, session);
        if (!slot && mesh->n_linked >= node->n_seeds + MESH_UNLISTED_MAX)
                return session_close(node, session, CLOSE_BUSY, "Too many seeds.", now_usec);

        session->meshed = true;
        mesh->n_linked++;
        if (slot) {
                r = mesh_take(node, slot, session, now_usec);
                if (r < 0)
                        return r;
        }
        mesh_tell_linked(node, session, slot);

        /* The one that called compares at once; after that each side does so in its own time. */
        session_set_timer(node, session, usec_add(now_usec, random_jitter(&node->random, DIGEST_USEC)));
        return session_outgoing(session) ? sync_send_digest(node, session) : 0;
}

int mesh_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        SeedSlot *slot = session->seed;
        Session *other = node_id_is_null(&session->id) ? NULL : session_of(node, &session->id);
        NodeId id = session->id;
        int r;

        if (session->meshed)
                node->seed->mesh.n_linked--;
        if (node->seed->stopping)
                return 0;

        if (slot && other && other->role == ROLE_SEED) {
                /* Another session with the same seed has replaced this one. */
                session->seed = NULL;
                return mesh_take(node, slot, other, now_usec);
        }
        if (session->meshed && !other && session->reason != CLOSE_SUPERSEDED) {
                (void) told_remove(&node->seed->mesh, &id);
                notice_seed(node, NOTICE_SEED_UNLINKED, session, slot);
        }
        if (!slot)
                return 0;

        r = seed_slot_ended(node, slot, end, now_usec);
        if (r < 0)
                return r;
        session->seed = NULL;

        /* Entries that were not needed while this one led to the same seed may be the better ones now. */
        seed_list_release_aliases(node, &id, now_usec);
        return mesh_link(node, now_usec);
}

int mesh_on_seed_failed(Node *node, SeedSlot *slot, usec_t now_usec) {
        if (slot->said)
                (void) told_remove(&node->seed->mesh, &slot->id);
        return 0;
}

int mesh_on_session_timer(Node *node, Session *session, usec_t now_usec) {
        usec_t silent_usec = usec_add(session->received_usec, MESH_SILENT_USEC);
        const Exchange *exchange = &node->seed->exchange;

        if (now_usec >= silent_usec)
                return session_close(node, session, CLOSE_TIMEOUT, "Nothing was heard for 35 s.", now_usec);

        if (exchange->changed && timer_is_set(&exchange->push)) {
                /* The digest counts what is about to be pushed, so it goes behind that. */
                session_set_timer(node, session, exchange->push.when_usec);
                return 0;
        }
        session_set_timer(node, session, MIN(usec_add(now_usec, DIGEST_USEC), silent_usec));
        if (session->seed)
                session->seed->backoff_usec = 0;        /* it has lasted: the next attempt will be a first one */
        return session->n_queued <= node->settings.params.queue_max ? sync_send_digest(node, session) : 0;
}
