/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The seed role: which session and message is whose business. Sessions here are of three kinds: peers that
 * register, other seeds (meshed), and those by which we ask somebody who stands accused (FOR_VERDICT).
 */

#include <errno.h>

#include "core/seed-node-internal.h"

int seed_node_new(Node *node) {
        int r;

        node->seed = calloc(1, sizeof(*node->seed));
        if (!node->seed)
                return -ENOMEM;

        r = registry_init(node);
        if (r < 0)
                return r;
        return exchange_init(node);
}

static void seed_free(Node *node) {
        exchange_done(node);
        reports_done(node);
        registry_done(node);
        free(node->seed);
        node->seed = NULL;
}

static int seed_start(Node *node, usec_t now_usec) {
        registry_start_afresh(node, now_usec);
        exchange_start(node, now_usec);
        return mesh_link(node, now_usec);
}

static int seed_stop(Node *node, usec_t now_usec) {
        node->seed->stopping = true;
        reports_drop(node, now_usec);
        registry_persist(node, now_usec);
        return 0;
}

static int seed_opened(Node *node, Session *session, usec_t now_usec) {
        if (session->use == SESSION_FOR_VERDICT)
                return reports_opened(node, session, now_usec);
        if (session->use == SESSION_FOR_SEED || session->role == ROLE_SEED)
                return mesh_opened(node, session, now_usec);

        /* A peer: it has until the session's timer to register. That it called is a sign of life already. */
        return reports_answered(node, &session->id, session->epoch, session, now_usec);
}

static int seed_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        int r;

        r = reports_ended(node, session, end, now_usec);
        if (r < 0)
                return r;
        return session->meshed || session->seed ? mesh_ended(node, session, end, now_usec) : 0;
}

static int seed_misplaced(Node *node, Session *session, usec_t now_usec) {
        return session_protocol_error(node, session, "That message has no place on a session with a seed.", now_usec);
}

static int seed_on_peer_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        switch (message->type) {

        case MESSAGE_REGISTER:
                return registry_on_register(node, session, &message->reg, now_usec);
        case MESSAGE_RENEW:
                return registry_on_renew(node, session, &message->renew, now_usec);
        case MESSAGE_LIST:
                return registry_on_list(node, session, &message->list, now_usec);
        case MESSAGE_LEAVE:
                return registry_on_leave(node, session, &message->leave, now_usec);
        case MESSAGE_REFUTE:
                return registry_on_refute(node, session, &message->reg.record, now_usec);
        case MESSAGE_DEAD_REPORT:
                return reports_on_report(node, session, &message->dead_report, now_usec);
        case MESSAGE_SYNC_DIGEST:
                return exchange_on_digest(node, session, &message->sync_digest, now_usec);
        default:
                return seed_misplaced(node, session, now_usec);
        }
}

static int seed_on_seed_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        switch (message->type) {

        case MESSAGE_SYNC_DIGEST:
                return exchange_on_digest(node, session, &message->sync_digest, now_usec);
        case MESSAGE_SYNC_RECORDS:
                return exchange_on_records(node, session, &message->sync_records, now_usec);
        default:
                return seed_misplaced(node, session, now_usec);
        }
}

static int seed_on_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        LinkId link = session->link;
        int r;

        if (session->use != SESSION_FOR_VERDICT)
                return session->meshed ? seed_on_seed_message(node, session, message, now_usec) :
                                         seed_on_peer_message(node, session, message, now_usec);

        /* The accused answers for itself, and that is all we wanted. */
        if (message->type != MESSAGE_REFUTE)
                return seed_misplaced(node, session, now_usec);
        r = registry_on_refute(node, session, &message->reg.record, now_usec);
        if (r < 0)
                return r;
        session = session_find(node, link);
        return session ? session_close(node, session, CLOSE_DONE, NULL, now_usec) : 0;
}

static int seed_on_timer(Node *node, Timer *timer, usec_t now_usec) {
        if (timer->kind == TIMER_MEMBER)
                return registry_on_member_timer(node, container_of(timer, Member, timer), now_usec);

        switch ((SeedTimer) timer->kind) {

        case TIMER_PERSIST:
                registry_persist(node, now_usec);
                return 0;
        case TIMER_ACCUSATION:
                return reports_on_timer(node, timer, now_usec);
        case TIMER_PUSH:
                return exchange_on_push(node, now_usec);
        case TIMER_RENEWALS:
                return exchange_on_renewals(node, now_usec);
        }
        return 0;
}

static int seed_on_session_timer(Node *node, Session *session, usec_t now_usec) {
        const Member *member = member_table_find(&node->members, &session->id);
        usec_t idle_usec = usec_add(session->received_usec, node->settings.params.lease_usec);

        if (session->use == SESSION_FOR_VERDICT)
                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
        if (session->meshed)
                return mesh_on_session_timer(node, session, now_usec);
        if (!member || member->registered_usec == 0)
                return session_close(node, session, CLOSE_IDLE, "You did not register.", now_usec);
        if (now_usec >= idle_usec)
                return session_close(node, session, CLOSE_IDLE, "Nothing was heard for the time of a lease.", now_usec);

        session_set_timer(node, session, idle_usec);
        return 0;
}

static int seed_clock_jumped(Node *node, usec_t late_usec, usec_t now_usec) {
        reports_drop(node, now_usec);
        registry_start_afresh(node, now_usec);
        return 0;
}

/* A new length of the lease is good from now on. */
static int seed_reconfigured(Node *node, usec_t now_usec) {
        registry_start_afresh(node, now_usec);
        return 0;
}

static NodeState seed_state(const Node *node) {
        return NODE_ONLINE;
}

static unsigned seed_n_links(const Node *node) {
        return 0;
}

static void seed_member_info(const Node *node, const Member *member, MemberInfo *ret) {
        ret->registered_usec = member->registered_usec;
        ret->lease_end_usec = member_is_live(member) ? member->timer.when_usec : 0;
}

/* What only peers have: links, and a record of their own in lists. */

static int seed_ignores_session(Node *node, Session *session, usec_t now_usec) {
        return 0;
}

/* Who is registered says LEAVE. */
static int seed_ignores_leaving(Node *node, const Session *session, usec_t now_usec) {
        return 0;
}

static int seed_ignores_slot(Node *node, SeedSlot *slot, usec_t now_usec) {
        return 0;
}

static int seed_ignores(Node *node, usec_t now_usec) {
        return 0;
}

const RoleOps seed_ops = {
        .start = seed_start,
        .stop = seed_stop,
        .free = seed_free,
        .opened = seed_opened,
        .ended = seed_ended,
        .left = seed_ignores_leaving,
        .message = seed_on_message,
        .timer = seed_on_timer,
        .session_timer = seed_on_session_timer,
        .seed_timer = seed_ignores_slot,
        .seed_failed = mesh_on_seed_failed,
        .seeds_changed = mesh_link,
        .doubted = seed_ignores_session,
        .silent = seed_ignores_session,
        .alive = reports_on_pong,
        .own_record_changed = seed_ignores,
        .clock_jumped = seed_clock_jumped,
        .reconfigured = seed_reconfigured,
        .state = seed_state,
        .n_links = seed_n_links,
        .member_info = seed_member_info,
};
