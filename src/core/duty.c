/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Duties of a witness: another node asks us whether we hear from a suspect (witness.c is who asks). We send a PING to the suspect
 * over our link, or open a short session of our own; PROBE_ACK is for the answer to that, PROBE_NACK for its time being up.
 * PROTOCOL.md, section 5.3.
 *
 * Only the answer to our own question counts: what was in flight when the suspect died would pass for life else. On a session
 * of its own the HELLO is that question.
 *
 * A call of our own that was refused says so as well as one that is made for the question, and sooner: all neighbours of a process
 * that crashes call it in the same moment, and ask each other.
 *
 * Nobody can make us call third parties at will: duties, and the calls for them, are bounded.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define DUTIES_MAX 64U
#define DUTIES_PER_ASKER 4U
/* Calls to those whom others ask us about, and of these to addresses that we have from nobody else. */
#define CALLS_RATE ((Rate) { 64, 10 * USEC_PER_SEC })
#define HINTS_RATE ((Rate) { 8, 10 * USEC_PER_SEC })

struct Duty {
        Duty *next;
        LinkId asker;
        uint64_t asked;         /* nonce of the question */
        NodeId suspect;
        Address address;        /* to call it at, when there is no link */
        LinkId via;             /* the session on which it is being asked; 0: it waits for one of the budget */
        uint64_t nonce;         /* of our PING */
        usec_t until_usec;
};

static void duty_free(Node *node, Duty *duty) {
        Duty **p = &node->peer->duties;

        while (*p != duty)
                p = &(*p)->next;
        *p = duty->next;
        node->peer->n_duties--;
        free(duty);
}

static int duty_reply(Node *node, LinkId asker, uint64_t nonce, MessageType type) {
        Session *session = session_find(node, asker);
        Message message;

        if (!session || session->ending)
                return 0;               /* nobody wants to know any more */
        message_set(&message, type, probe, .nonce = nonce);
        return session_send(node, session, &message);
}

static int duty_answer(Node *node, Duty *duty, MessageType type) {
        LinkId asker = duty->asker;
        uint64_t nonce = duty->asked;

        duty_free(node, duty);
        return duty_reply(node, asker, nonce, type);
}

static Duty *duty_find_via(const Node *node, LinkId via) {
        Duty *duty = node->peer->duties;

        while (duty && duty->via != via)
                duty = duty->next;
        return duty;
}

static int duty_begin(Node *node, Duty *duty, usec_t now_usec) {
        Session *session = session_of(node, &duty->suspect);
        Message ping;

        if (session && session->link_state == LINK_UP) {
                message_set(&ping, MESSAGE_PING, ping, .nonce = duty->nonce, .n_links = node_n_own_links(node));
                node->counters[COUNTER_PINGS_SENT]++;
                duty->via = session->link;
                return session_send(node, session, &ping);
        }
        if (node->peer->n_witness_sessions >= WITNESS_SESSIONS_MAX)
                return 0;
        return witness_dial(node, &duty->address, &duty->suspect, now_usec, &duty->via);
}

static void duties_arm(Node *node) {
        usec_t until_usec = USEC_INFINITY;

        for (const Duty *duty = node->peer->duties; duty; duty = duty->next)
                until_usec = MIN(until_usec, duty->until_usec);
        timer_set(&node->timers, &node->peer->duty, until_usec);
}

/* Where we know it to be, else where the asker says: that is the smaller part of them, and limited. */
static bool duty_address(Node *node, const ProbeMessage *question, Address *ret, usec_t now_usec) {
        const Member *member = member_table_find(&node->members, &question->id);

        if (member && (address_is_set(&member->reached) || member->record.n_addresses > 0))
                *ret = address_is_set(&member->reached) ? member->reached : member->record.addresses[0];
        else if (question->n_addresses > 0 && address_is_dialable(question->addresses) &&
                 ratelimit_allow(&node->peer->duty_hints, HINTS_RATE, now_usec))
                *ret = question->addresses[0];
        else
                return false;
        return ratelimit_allow(&node->peer->duty_calls, CALLS_RATE, now_usec);
}

/* We have called it ourselves just now, and nobody listened. */
static bool is_found_gone(const Node *node, const NodeId *suspect) {
        const Member *member = member_table_find(&node->members, suspect);

        return member && member->asked_usec > 0 && member->concluded && member->evidence != EVIDENCE_SILENT;
}

int duty_on_question(Node *node, const Session *session, const ProbeMessage *question, usec_t now_usec) {
        PeerNode *peer = node->peer;
        const Session *linked = session_of(node, &question->id);
        unsigned n_same = 0;
        Duty *duty;
        int r;

        if (node_id_equal(&question->id, &node->identity.id))
                return duty_reply(node, session->link, question->nonce, MESSAGE_PROBE_ACK);
        if (is_found_gone(node, &question->id))
                return duty_reply(node, session->link, question->nonce, MESSAGE_PROBE_NACK);

        for (duty = peer->duties; duty; duty = duty->next)
                n_same += duty->asker == session->link;
        if (n_same >= DUTIES_PER_ASKER || peer->n_duties >= DUTIES_MAX)
                return 0;

        duty = malloc(sizeof(*duty));
        if (!duty)
                return -ENOMEM;
        *duty = (Duty) {
                .asker = session->link,
                .asked = question->nonce,
                .suspect = question->id,
                .nonce = random_u64(&node->random),
                .until_usec = usec_add(now_usec, witness_patience(node)),
        };
        if ((!linked || linked->link_state != LINK_UP) && !duty_address(node, question, &duty->address, now_usec)) {
                free(duty);
                return 0;
        }
        duty->next = peer->duties;
        peer->duties = duty;
        peer->n_duties++;
        r = duty_begin(node, duty, now_usec);
        if (r < 0)
                return r;
        duties_arm(node);
        return 0;
}

int duty_on_found_gone(Node *node, const NodeId *suspect) {
        for (Duty *duty = node->peer->duties, *next; duty; duty = next) {
                int r;

                next = duty->next;
                if (!node_id_equal(&duty->suspect, suspect))
                        continue;
                r = duty_answer(node, duty, MESSAGE_PROBE_NACK);
                if (r < 0)
                        return r;
        }
        duties_arm(node);
        return 0;
}

int duty_on_timer(Node *node, usec_t now_usec) {
        int r;

        for (Duty *duty = node->peer->duties, *next; duty; duty = next) {
                LinkId via = duty->via;
                Session *session;

                next = duty->next;
                if (duty->until_usec > now_usec)
                        continue;
                if (via == 0 || health_is_late(node)) {
                        duty_free(node, duty);  /* we have not asked it, or not read what it has answered: we know nothing */
                        continue;
                }
                r = duty_answer(node, duty, MESSAGE_PROBE_NACK);
                if (r < 0)
                        return r;
                session = session_find(node, via);
                if (session && session->use == SESSION_FOR_WITNESS) {
                        r = session_close(node, session, CLOSE_DONE, NULL, now_usec);
                        if (r < 0)
                                return r;
                        next = node->peer->duties;      /* others may have found an end in this */
                }
        }
        duties_arm(node);
        return 0;
}

int duty_on_pong(Node *node, const Session *session, uint64_t nonce) {
        for (Duty *duty = node->peer->duties; duty; duty = duty->next)
                if (duty->via == session->link && duty->nonce == nonce) {
                        int r = duty_answer(node, duty, MESSAGE_PROBE_ACK);

                        duties_arm(node);
                        return r;
                }
        return 0;
}

int duty_opened(Node *node, LinkId via) {
        Duty *duty = duty_find_via(node, via);
        int r;

        if (!duty)
                return 0;
        r = duty_answer(node, duty, MESSAGE_PROBE_ACK);
        if (r < 0)
                return r;
        duties_arm(node);
        return 0;
}

int duty_ended(Node *node, LinkId via) {
        Duty *duty;
        int r;

        while ((duty = duty_find_via(node, via))) {
                r = duty_answer(node, duty, MESSAGE_PROBE_NACK);
                if (r < 0)
                        return r;
        }
        duties_arm(node);
        return 0;
}

int duty_go_on(Node *node, usec_t now_usec) {
        int r;

        for (Duty *duty = node->peer->duties; duty; duty = duty->next)
                if (duty->via == 0) {
                        r = duty_begin(node, duty, now_usec);
                        if (r < 0)
                                return r;
                }
        return 0;
}

void duty_free_all(Node *node) {
        while (node->peer->duties)
                duty_free(node, node->peer->duties);
}
