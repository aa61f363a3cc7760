/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A peer that we were linked to does not answer. When its connection broke without CLOSE it is called at its address,
 * as often as there are strikes: whoever answers there with its id clears it, a refusal settles it at once. Then it is
 * accused: suspect here, and reported to the seeds that we are registered with, who decide
 * (PROTOCOL.md, section 6.4).
 *
 * One that we had no link to, and that does not answer when it is asked or dialled, may have left in order without
 * our having heard of it. A seed is asked for what differs between our tables first, and it is accused when it is
 * still held alive afterwards. Once: if it lives, others reach it and we do not, and as long as we have not heard from it
 * ourselves, another failure says nothing new. Without this, two hosts that cannot see each other bury each other's
 * living again and again.
 */

#include "core/peer-node-internal.h"

/* Of so many random members the one that was silent for longest is asked: SWIM goes round all of them for the same
 * reason, that none may be missed for ever. More than there can be links. */
#define PROBE_DRAWS 32U

/* A process that ends closes one socket after the other: it may still take a call when our link to it has broken, and breaks
 * that off in a moment. */
#define AGAIN_USEC (20 * USEC_PER_MSEC)

/* Whom others reach and we do not is not accused each minute; but it may die after that, and the seeds forget it. */
#define ACCUSED_AGAIN_USEC (30 * USEC_PER_MINUTE)

#define DOUBT_USEC (2500 * USEC_PER_MSEC)       /* for the answer of a seed */

static int suspicion_ask(Node *node, Member *member, usec_t now_usec) {
        const Address *address = address_is_set(&member->reached) ? &member->reached : member->record.addresses;

        timer_set(&node->timers, &member->timer, USEC_INFINITY);
        return session_dial(node, address, SESSION_FOR_VERDICT, &member->record.id,
                            liveness_timeout(&node->settings.params, &(Liveness) {}), now_usec, NULL);
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
                    member->doubted_usec == 0 && !session_of(node, &member->record.id) &&
                    (!longest || silent_since(member) < silent_since(longest)))
                        longest = member;
        }
        if (!longest)
                return 0;

        longest->n_tries = 1;
        longest->probed = true;
        longest->asked_again = false;
        longest->asked_usec = now_usec;
        return suspicion_ask(node, longest, now_usec);
}

int suspicion_lost(Node *node, const Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);

        if (!member || member->record.state != MEMBER_ALIVE || member->asked_usec > 0 || member->record.n_addresses == 0)
                return 0;
        if (session_of(node, &session->id) && session_of(node, &session->id) != session)
                return 0;               /* it has already called again */

        member->n_tries = 1;
        member->probed = false;
        member->asked_again = false;
        member->asked_usec = now_usec;
        return suspicion_ask(node, member, now_usec);
}

int suspicion_doubt(Node *node, Member *member, Evidence evidence, unsigned n_strikes, usec_t duration_usec,
                    usec_t now_usec) {
        int r;

        member->asked_usec = 0;
        if (member->record.state != MEMBER_ALIVE || member->doubted_usec > 0)
                return 0;
        /* Another id at its only address is no matter of who reaches whom, and leaves nothing to ask next time. */
        if (evidence != EVIDENCE_OTHER_ID &&
            member->missed_usec > 0 && member->heard_usec <= member->missed_usec &&
            now_usec < usec_add(member->accused_usec, ACCUSED_AGAIN_USEC)) {
                member->missed_usec = now_usec;
                return 0;
        }
        r = registrar_ask_differences(node);
        if (r < 0)
                return r;
        if (r == 0)                     /* nobody knows better */
                return suspicion_accuse(node, member, evidence, n_strikes, duration_usec, now_usec);

        member->n_tries = n_strikes;
        member->doubted_usec = now_usec;
        member->evidence = evidence;
        member->duration_usec = duration_usec;
        if (!timer_is_set(&node->peer->doubt))
                timer_set(&node->timers, &node->peer->doubt, usec_add(now_usec, DOUBT_USEC));
        return 0;
}

int suspicion_on_doubt(Node *node, usec_t now_usec) {
        usec_t next_usec = USEC_INFINITY;
        int r;

        for (size_t i = 0; i < node->members.n; i++) {
                Member *member = node->members.members[i];
                usec_t doubted_usec = member->doubted_usec;

                if (doubted_usec == 0)
                        continue;
                if (now_usec < usec_add(doubted_usec, DOUBT_USEC)) {
                        next_usec = MIN(next_usec, usec_add(doubted_usec, DOUBT_USEC));
                        continue;
                }
                member->doubted_usec = 0;
                if (member->heard_usec > doubted_usec || session_of(node, &member->record.id))
                        continue;
                r = suspicion_accuse(node, member, member->evidence, member->n_tries, member->duration_usec, now_usec);
                if (r < 0)
                        return r;
        }
        timer_set(&node->timers, &node->peer->doubt, next_usec);
        return 0;
}

int suspicion_clock_jumped(Node *node, usec_t now_usec) {
        /* Nobody is accused for one interval: what was being asked is asked anew, and a seed may have answered meanwhile. */
        for (size_t i = 0; i < node->members.n; i++) {
                Member *member = node->members.members[i];

                if (member->asked_usec > 0)
                        member->n_tries = 1;
                if (member->doubted_usec > 0)
                        member->doubted_usec = now_usec;
        }
        return suspicion_on_doubt(node, now_usec);
}

/* What the strikes have shown. */
static int suspicion_conclude(Node *node, Member *member, Evidence evidence, unsigned n_strikes, usec_t now_usec) {
        usec_t duration_usec = usec_sub(now_usec, member->asked_usec);

        return member->probed ? suspicion_doubt(node, member, evidence, n_strikes, duration_usec, now_usec) :
                                suspicion_accuse(node, member, evidence, n_strikes, duration_usec, now_usec);
}

int suspicion_accuse(Node *node, Member *member, Evidence evidence, unsigned n_strikes, usec_t duration_usec,
                     usec_t now_usec) {
        const Record *record = &member->record;
        Notice *notice;
        int n;

        member->asked_usec = 0;
        if (record->state != MEMBER_ALIVE)
                return 0;

        member->missed_usec = member->accused_usec = now_usec;
        member_set_state(&node->members, member, record->epoch, record->incarnation, MEMBER_SUSPECT, now_usec);
        n = registrar_report(node, member, now_usec);
        if (n < 0)
                return n;

        notice = node_notice_member(node, NOTICE_SILENT, member);
        notice->n = n_strikes;
        notice->n_max = (unsigned) n;
        notice->duration = duration_usec;
        notice->evidence = evidence;
        node_notice_member(node, NOTICE_SUSPECT, member);

        view_remove(&node->peer->view, &record->id, NULL);
        if (record->n_addresses > 0)
                view_lose(&node->peer->view, &record->id, record->addresses);
        peer_remember(node, now_usec);
        return 0;
}

int suspicion_opened(Node *node, Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        int r;

        if (member)
                member->asked_usec = 0;
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

        if (end == END_BY_US || !member || member->asked_usec == 0)
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
                /* What fails at once, for want of a route or of a file descriptor perhaps, is no silence yet. */
                timer_set(&node->timers, &member->timer,
                          timer_is_set(&session->timer) ? MAX(session->timer.when_usec, now_usec) : now_usec);
                return 0;

        case END_BY_US:
                break;
        }
        return 0;
}

int suspicion_on_member_timer(Node *node, Member *member, usec_t now_usec) {
        if (member->asked_usec == 0)
                return 0;               /* cleared meanwhile */
        if (++member->n_tries <= node->settings.params.liveness_strikes)
                return suspicion_ask(node, member, now_usec);
        return suspicion_conclude(node, member, EVIDENCE_SILENT, member->n_tries - 1, now_usec);
}
