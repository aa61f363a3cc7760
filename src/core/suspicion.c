/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A peer that we were linked to does not answer. When its connection broke without CLOSE it is called at its address,
 * as often as there are strikes: whoever answers there with its id clears it, a refusal spares the other strikes. Others
 * are asked meanwhile whether they hear from it (witness.c): if one does, only our way to it is bad. Else it is accused:
 * everybody is told (verdict.c), and it is reported to the seeds that we are registered with (PROTOCOL.md, section 6.4).
 */

#include "core/peer-node-internal.h"

/* Of so many random members the one that was silent for longest is asked: SWIM goes round all of them for the same
 * reason, that none may be missed for ever. More than there can be links. */
#define PROBE_DRAWS 32U

/* A process that ends closes one socket after the other: it may still take a call when our link to it has broken, and breaks
 * that off in a moment. */
#define AGAIN_USEC (20 * USEC_PER_MSEC)

/* Who answers with certain tidings has its time, too, which may need a session of a witness's own. */
#define WITNESSES_PATIENCE 3U

#define UNHEARD_ENOUGH 3U               /* witnesses that spare a silent link its last strike */

static usec_t suspicion_timeout(const Node *node) {
        return (node->health + 1) * liveness_timeout(&node->settings.params, &(Liveness) {});
}

static int suspicion_ask(Node *node, Member *member, usec_t now_usec) {
        const Address *address = address_is_set(&member->reached) ? &member->reached : member->record.addresses;

        timer_set(&node->timers, &member->timer, USEC_INFINITY);
        return session_dial(node, address, SESSION_FOR_VERDICT, &member->record.id,
                            suspicion_timeout(node), now_usec, NULL);
}

static int suspicion_begin(Node *node, Member *member, uint8_t n_others, usec_t now_usec) {
        member->n_tries = 1;
        member->n_others = n_others;
        member->asked_again = member->concluded = false;
        member->asked_usec = now_usec;
        return suspicion_ask(node, member, now_usec);
}

uint8_t suspicion_n_others(const Session *session) {
        unsigned n_linked = session->n_links > 0 ? session->n_links - 1 : 0;
        unsigned n = session->up->n_neighbours > 0 ? session->up->n_neighbours : n_linked;

        return (uint8_t) MIN(n, 3U);
}

/* That might find out about one that is not linked to us: all others. */
static uint8_t n_strangers(const Node *node) {
        return (uint8_t) MIN(node->members.n_live > 0 ? node->members.n_live - 1 : 0, (size_t) 3);
}

/* Those that do not answer us at all are not asked before the others. */
static usec_t silent_since(const Member *member) {
        return MAX(member->heard_usec, member->missed_usec);
}

int suspicion_probe(Node *node, usec_t now_usec) {
        Member *longest = NULL;
        size_t n;

        timer_set(&node->timers, &node->peer->probe, usec_add(now_usec, random_jitter(&node->random, PROBE_USEC)));

        n = member_table_draw(&node->members, &node->random, PROBE_DRAWS);
        for (size_t i = 0; i < n; i++) {
                Member *member = node->members.members[i];

                if (member->record.state == MEMBER_ALIVE && member->record.n_addresses > 0 && member->asked_usec == 0 &&
                    !session_of(node, &member->record.id) &&
                    (!longest || silent_since(member) < silent_since(longest)))
                        longest = member;
        }
        if (!longest)
                return 0;

        return suspicion_begin(node, longest, n_strangers(node), now_usec);
}

int suspicion_question(Node *node, const NodeId *id, usec_t now_usec) {
        Member *member = member_table_find(&node->members, id);
        int r;

        if (!member || member->record.state != MEMBER_ALIVE || member->asked_usec > 0 || member->record.n_addresses == 0)
                return 0;
        r = suspicion_begin(node, member, n_strangers(node), now_usec);
        return r < 0 ? r : 1;
}

int suspicion_lost(Node *node, const Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        int r;

        if (!member || member->record.state != MEMBER_ALIVE || member->asked_usec > 0 || member->record.n_addresses == 0)
                return 0;
        if (session_of(node, &session->id) && session_of(node, &session->id) != session)
                return 0;               /* it has already called again */

        r = witness_ask(node, &session->id, session->up->neighbours, session->up->n_neighbours, now_usec);
        if (r < 0)
                return r;
        return suspicion_begin(node, member, suspicion_n_others(session), now_usec);
}

int suspicion_link_ended(Node *node, const Session *session, usec_t now_usec) {
        const Member *member = member_table_find(&node->members, &session->id);

        return member && member->asked_usec > 0 ? 0 : witness_done(node, &session->id, now_usec);
}

int suspicion_clear(Node *node, Member *member, usec_t now_usec) {
        member->asked_usec = 0;
        member->concluded = false;
        return witness_done(node, &member->record.id, now_usec);
}

static int suspicion_accuse(Node *node, Member *member, usec_t now_usec) {
        Notice *notice;
        int n;

        if (member->record.state != MEMBER_ALIVE)
                return 0;
        if (!health_may_accuse(node, now_usec)) {
                node->counters[COUNTER_ACCUSATIONS_WITHHELD]++;
                return 0;
        }

        member->missed_usec = now_usec;
        member->accused = true;
        n = registrar_report(node, member);
        if (n < 0)
                return n;

        notice = node_notice_member(node, NOTICE_SILENT, member);
        notice->n = member->n_tries;
        notice->n_max = (unsigned) n;
        notice->duration = member->duration_usec;
        notice->evidence = member->evidence;
        return verdict_accuse(node, member, &node->identity.id, member->n_others, 0, now_usec);
}

int suspicion_clock_jumped(Node *node, usec_t now_usec) {
        int r;

        /* Nobody is accused for one interval: what was being asked is asked anew. */
        for (size_t i = 0; i < node->members.n; i++) {
                Member *member = node->members.members[i];

                if (member->asked_usec > 0) {
                        member->n_tries = 1;
                        member->concluded = false;
                        r = witness_done(node, &member->record.id, now_usec);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* The witnesses have had their say, as far as they had one. */
static int suspicion_decide(Node *node, Member *member, usec_t now_usec) {
        bool heard = witness_opinion(node, &member->record.id) == OPINION_HEARD;
        int r;

        member->asked_usec = 0;
        member->concluded = false;
        timer_set(&node->timers, &member->timer, USEC_INFINITY);
        r = witness_conclude(node, &member->record.id, now_usec);
        if (r < 0)
                return r;
        if (heard) {
                member->missed_usec = now_usec;
                node->counters[COUNTER_ACCUSATIONS_SPARED]++;
        } else {
                r = suspicion_accuse(node, member, now_usec);
                if (r < 0)
                        return r;
        }
        return member->record.state == MEMBER_SUSPECT ? 0 : links_end_silent(node, &member->record.id, now_usec);
}

/* All but the last strike, and three others have not heard it either: one more would say no more. */
static bool is_silent_to_all(const Node *node, const Session *session) {
        return session->link_state == LINK_UP && !session->ending && session->up->liveness.outstanding &&
               session->up->liveness.n_strikes + 1 >= node->settings.params.liveness_strikes &&
               witness_n_unheard(node, &session->id) >= UNHEARD_ENOUGH;
}

int suspicion_on_witness(Node *node, const NodeId *suspect, usec_t now_usec) {
        Member *member = member_table_find(&node->members, suspect);
        Session *session = session_of(node, suspect);

        if (session && is_silent_to_all(node, session))
                return node->ops->silent(node, session, now_usec);
        if (!member || !member->concluded)
                return 0;

        switch (witness_opinion(node, suspect)) {

        case OPINION_OPEN:
                return 0;

        case OPINION_PARTLY_UNHEARD:
                /* Its host says that nobody listens there, and another node has found the same. */
                if (member->evidence == EVIDENCE_SILENT)
                        return 0;
                break;

        case OPINION_NONE:
        case OPINION_UNHEARD:
        case OPINION_HEARD:
                break;
        }
        return suspicion_decide(node, member, now_usec);
}

/* What the strikes have shown. */
static int suspicion_conclude(Node *node, Member *member, Evidence evidence, unsigned n_strikes, usec_t now_usec) {
        int r;

        member->evidence = evidence;
        member->n_tries = n_strikes;
        member->duration_usec = usec_sub(now_usec, member->asked_usec);
        member->concluded = true;
        timer_set(&node->timers, &member->timer, usec_add(now_usec, WITNESSES_PATIENCE * suspicion_timeout(node)));

        if (evidence != EVIDENCE_SILENT) {
                r = duty_on_found_gone(node, &member->record.id);
                if (r < 0)
                        return r;
        }
        r = witness_ask(node, &member->record.id, NULL, 0, now_usec);
        return r < 0 ? r : suspicion_on_witness(node, &member->record.id, now_usec);
}

int suspicion_silent(Node *node, Member *member, unsigned n_strikes, usec_t now_usec) {
        member->evidence = EVIDENCE_SILENT;
        member->n_tries = n_strikes;
        member->duration_usec = usec_sub(now_usec, member->asked_usec);
        member->concluded = true;
        if (witness_opinion(node, &member->record.id) != OPINION_OPEN)
                return suspicion_decide(node, member, now_usec);
        timer_set(&node->timers, &member->timer, usec_add(now_usec, suspicion_timeout(node)));
        return 0;
}

int suspicion_found(Node *node, Member *member, Evidence evidence, usec_t now_usec) {
        if (member->record.state != MEMBER_ALIVE || member->asked_usec > 0)
                return 0;
        member->asked_usec = now_usec;
        member->n_others = n_strangers(node);
        return suspicion_conclude(node, member, evidence, 1, now_usec);
}

int suspicion_opened(Node *node, Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        int r;

        if (member) {
                r = suspicion_clear(node, member, now_usec);
                if (r < 0)
                        return r;
        }
        r = peer_heard_of(node, session, now_usec);
        if (r < 0)
                return r;
        return session_close(node, session, CLOSE_DONE, NULL, now_usec);
}

static bool was_broken_off(const Session *session, SessionEnd end) {
        return end == END_UNREACHABLE && session->state == SESSION_HELLO_SENT && session->reason != CLOSE_TIMEOUT;
}

int suspicion_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->subject);

        if (!member || member->asked_usec == 0 || member->concluded)
                return 0;               /* or it called meanwhile */

        if (was_broken_off(session, end) && !member->asked_again) {
                member->asked_again = true;
                member->n_tries--;      /* no strike, for nobody was silent */
                timer_set(&node->timers, &member->timer, usec_add(now_usec, AGAIN_USEC));
                return 0;
        }

        switch (end) {

        case END_REFUSED:
                return suspicion_conclude(node, member, EVIDENCE_REFUSED, member->n_tries, now_usec);

        case END_WRONG_ID:
                return suspicion_conclude(node, member, EVIDENCE_OTHER_ID, member->n_tries, now_usec);

        case END_UNREACHABLE:
        case END_LOST:
        case END_CLOSED:
        case END_BY_US:         /* what it answered could not be read */
                /* What fails at once, for want of a route or of a file descriptor perhaps, is no silence yet. */
                timer_set(&node->timers, &member->timer,
                          timer_is_set(&session->timer) ? MAX(session->timer.when_usec, now_usec) : now_usec);
                return 0;
        }
        return 0;
}

int suspicion_on_member_timer(Node *node, Member *member, usec_t now_usec) {
        if (member->asked_usec == 0)
                return 0;               /* cleared meanwhile */
        if (member->concluded)
                return suspicion_decide(node, member, now_usec);
        if (++member->n_tries <= node->settings.params.liveness_strikes)
                return suspicion_ask(node, member, now_usec);
        return suspicion_conclude(node, member, EVIDENCE_SILENT, member->n_tries - 1, now_usec);
}
