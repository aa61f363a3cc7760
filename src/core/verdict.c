/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What becomes of an accused: the suspicion of SWIM (Das, Gupta, Motivala, DSN 2002, section 4.2) with the time-outs of
 * Lifeguard (Dadgar, Phillips, Currey, arXiv 1707.00788, section IV-B). PROTOCOL.md, section 6.4.
 *
 * The accuser says suspect(id, epoch, incarnation, accuser, K) on all its links, K being how many others could accuse it, too, at
 * most 3. Every holder waits
 *
 *      max - (max - min) log(C + 1) / log(K + 1)
 *
 * from the first accusation on, C being the further accusers that it has heard of, and then holds the accused dead. Nobody
 * decides for others. The accused refutes by a higher incarnation, which spreads in the same way and overtakes what was
 * said before. A silent link to it stays open until then, so it hears of it from each accuser as soon as it hears anything.
 *
 *      alive --accused--> suspect --time is up--> dead
 *        ^                   |
 *        +---- refuted, or heard by ourselves
 *
 * Departures: K is 0 when nobody else could accuse it, which Lifeguard has no case for, and then min is waited. A death that is
 * found in another's table is passed on in this way with K = 0, so nobody is buried by what was believed elsewhere before
 * he could object. And a holder with a living link to the accused does not suspect it: it tells it, and asks it at once. If
 * it does not answer then, the time counts from the first accusation all the same. While more is told than can be true
 * (members.c), nobody is held dead.
 */

#include <errno.h>
#include <stdio.h>

#include "core/peer-node-internal.h"

#define OTHERS_MAX (VERDICT_ACCUSERS_MAX - 1)

struct Verdict {
        unsigned n_others;              /* K, as the first accusation had it */
        usec_t begin_usec;
        usec_t latest_usec;             /* somebody holds it dead already: it need not be waited for longer */
        bool prolonged;
        unsigned n_accusers;
        NodeId accusers[VERDICT_ACCUSERS_MAX];
};

/* log(C + 1) / log(K + 1), in thousandths. */
static const unsigned shortening[OTHERS_MAX + 1][OTHERS_MAX + 1] = {
        [0] = { 1000 },
        [1] = { 0, 1000 },
        [2] = { 0, 631, 1000 },
        [3] = { 0, 500, 792, 1000 },
};

usec_t verdict_wait(const Params *params, unsigned n_others, unsigned n_further) {
        n_others = MIN(n_others, OTHERS_MAX);
        n_further = MIN(n_further, n_others);
        return params->suspicion_max_usec -
               (params->suspicion_max_usec - params->suspicion_min_usec) * shortening[n_others][n_further] / 1000;
}

static usec_t verdict_end(const Node *node, const Verdict *verdict) {
        usec_t wait_usec = verdict_wait(&node->settings.params, verdict->n_others, verdict->n_accusers - 1);

        return MIN(usec_add(verdict->begin_usec, wait_usec), verdict->latest_usec);
}

unsigned verdict_n_accusers(const Member *member) {
        return member->verdict ? member->verdict->n_accusers : 0;
}

size_t verdict_accusations(const Member *member, Suspicion ret[static VERDICT_ACCUSERS_MAX]) {
        const Record *record = &member->record;
        unsigned n = record->state == MEMBER_SUSPECT ? verdict_n_accusers(member) : 0;

        for (unsigned i = 0; i < n; i++)
                ret[i] = (Suspicion) {
                        .id = record->id,
                        .epoch = record->epoch,
                        .incarnation = record->incarnation,
                        .accuser = member->verdict->accusers[i],
                        .n_others = (uint8_t) member->verdict->n_others,
                };
        return n;
}

void verdict_drop(Node *node, Member *member) {
        if (!member->verdict)
                return;
        free(member->verdict);
        member->verdict = NULL;
        if (member->asked_usec == 0 && !member->parting)
                timer_set(&node->timers, &member->timer, USEC_INFINITY);
}

static bool verdict_has(const Verdict *verdict, const NodeId *accuser) {
        for (unsigned i = 0; i < verdict->n_accusers; i++)
                if (node_id_equal(verdict->accusers + i, accuser))
                        return true;
        return false;
}

/* Only K + 1 accusers are kept, and passed on: more would not shorten the wait. False: not this one. */
static bool verdict_add(Verdict *verdict, const NodeId *accuser) {
        if (verdict->n_accusers > verdict->n_others || verdict_has(verdict, accuser))
                return false;
        verdict->accusers[verdict->n_accusers++] = *accuser;
        return true;
}

static int verdict_of(Member *member, unsigned n_others, usec_t now_usec, Verdict **ret) {
        Verdict *verdict = member->verdict;

        /* It has been heard from since: what was said before is over, for us. */
        if (verdict && member->record.state == MEMBER_ALIVE && member->heard_usec > verdict->begin_usec)
                verdict->n_accusers = 0;
        if (!verdict) {
                verdict = malloc(sizeof(*verdict));
                if (!verdict)
                        return -ENOMEM;
                verdict->n_accusers = 0;
                member->verdict = verdict;
        }
        if (verdict->n_accusers == 0) {
                verdict->n_others = MIN(n_others, OTHERS_MAX);
                verdict->begin_usec = now_usec;
                verdict->latest_usec = USEC_INFINITY;
                verdict->prolonged = false;
        }
        *ret = verdict;
        return 0;
}

static int verdict_say(Node *node, const Member *member, Session *session) {
        Message message;

        message_set(&message, MESSAGE_ACCUSED, accused, .held = member_held(member));
        message.accused.held.state = MEMBER_SUSPECT;
        return session_send(node, session, &message);
}

/* Who has a living link to the accused asks it, and it may refute before anybody has waited for long. */
static int verdict_tell(Node *node, const Member *member, Session *session, usec_t now_usec) {
        int r;

        r = verdict_say(node, member, session);
        return r < 0 ? r : liveness_ping(node, session, USEC_INFINITY, now_usec);
}

static void verdict_suspect(Node *node, Member *member, const NodeId *accuser, usec_t now_usec) {
        const Record *record = &member->record;
        const Member *who = member_table_find(&node->members, accuser);
        Notice *notice;

        member_set_state(&node->members, member, record->epoch, record->incarnation, MEMBER_SUSPECT, now_usec);
        notice = node_notice_member(node, NOTICE_SUSPECT, member);
        if (!node_id_equal(accuser, &node->identity.id))        /* of our own, NOTICE_SILENT has told */
                (void) snprintf(notice->detail, sizeof(notice->detail), "accused by %s", who ? who->record.name : "another peer");
        view_remove(&node->peer->view, &record->id, NULL);
        if (record->n_addresses > 0)
                view_lose(&node->peer->view, &record->id, record->addresses);
        peer_remember(node, now_usec);
}

int verdict_accuse(Node *node, Member *member, const NodeId *accuser, unsigned n_others, LinkId from, usec_t now_usec) {
        bool by_us = node_id_equal(accuser, &node->identity.id), is_new;
        Session *session = session_of(node, &member->record.id);
        Verdict *verdict;
        int r;

        assert(member_state_is_live(member->record.state));

        r = verdict_of(member, n_others, now_usec, &verdict);
        if (r < 0)
                return r;
        is_new = verdict_add(verdict, accuser);
        if (n_others == 0)
                verdict->latest_usec = MIN(verdict->latest_usec,
                                           usec_add(now_usec, node->settings.params.suspicion_min_usec));

        if (!by_us && session && session->link_state == LINK_UP && !session->ending) {
                if (is_new) {
                        r = verdict_tell(node, member, session, now_usec);
                        if (r < 0)
                                return r;
                }
        } else if (by_us || member->asked_usec == 0) {          /* else we know more ourselves in a moment */
                if (member->record.state == MEMBER_ALIVE)
                        verdict_suspect(node, member, accuser, now_usec);
                timer_set(&node->timers, &member->timer, MAX(verdict_end(node, verdict), now_usec));
                if (by_us && session && session->link_state == LINK_SILENT) {
                        r = verdict_say(node, member, session);
                        if (r < 0)
                                return r;
                }
        }
        if (!is_new)
                return 0;
        return members_accusation(node, &(Suspicion) {
                .id = member->record.id,
                .epoch = member->record.epoch,
                .incarnation = member->record.incarnation,
                .accuser = *accuser,
                .n_others = (uint8_t) MIN(n_others, OTHERS_MAX),
        }, from, now_usec);
}

int verdict_on_timer(Node *node, Member *member, usec_t now_usec) {
        const Record *record = &member->record;
        unsigned n = verdict_n_accusers(member);
        Notice *notice;

        if (record->state != MEMBER_SUSPECT)
                return 0;
        if (member->verdict && !member->verdict->prolonged && health_is_late(node)) {
                member->verdict->prolonged = true;      /* it may have refuted while we stood still */
                timer_set(&node->timers, &member->timer, usec_add(now_usec, node->settings.params.liveness_interval_usec));
                return 0;
        }
        if (members_is_flooded(node, now_usec)) {
                /* Its refutation may have been lost in what others lie. */
                timer_set(&node->timers, &member->timer, usec_add(now_usec, node->settings.params.liveness_interval_usec));
                return 0;
        }

        member_set_state(&node->members, member, record->epoch, record->incarnation, MEMBER_DEAD, now_usec);
        node->counters[COUNTER_DEATHS]++;
        notice = node_notice_member(node, NOTICE_DEAD, member);
        (void) snprintf(notice->detail, sizeof(notice->detail), "accused by %u node%s", n, n == 1 ? "" : "s");
        verdict_drop(node, member);
        return links_end_silent(node, &record->id, now_usec);
}

/* More is told than can be true. What others take it for is not known: so the accused hears of it from its neighbours even then. */
static int verdict_ignore(Node *node, const Member *member, const Held *held, usec_t now_usec) {
        Session *session = session_of(node, &member->record.id);

        if (!session || session->link_state != LINK_UP || session->ending || held->epoch != member->record.epoch ||
            held->incarnation != member->record.incarnation)
                return 0;
        return verdict_tell(node, member, session, now_usec);
}

int verdict_on_suspicion(Node *node, const Suspicion *suspicion, LinkId from, usec_t now_usec, bool *ret_outdated) {
        Held held = { suspicion->epoch, suspicion->incarnation, MEMBER_SUSPECT }, known;
        Member *member = member_table_find(&node->members, &suspicion->id);
        int r;

        *ret_outdated = false;
        if (node_id_equal(&suspicion->id, &node->identity.id))
                return node_on_held(node, &held, now_usec);
        if (!member || suspicion->epoch >= EPOCH_MAX || node_id_equal(&suspicion->accuser, &suspicion->id))
                return 0;

        if (!members_may_accuse(node, now_usec))
                return verdict_ignore(node, member, &held, now_usec);

        known = member_held(member);
        if (known.epoch > held.epoch || (known.epoch == held.epoch && known.incarnation > held.incarnation) ||
            (known.epoch == held.epoch && known.incarnation == held.incarnation && known.state == MEMBER_LEFT)) {
                *ret_outdated = true;
                return 0;
        }
        if (known.epoch != held.epoch || known.incarnation != held.incarnation) {
                /* The accuser has heard of a later life than we have. */
                Record record = member->record;

                record.epoch = held.epoch;
                record.incarnation = held.incarnation;
                record.state = MEMBER_ALIVE;
                r = peer_merge(node, &record, from, now_usec);
                if (r < 0)
                        return r;
        }
        if (!member_state_is_live(member->record.state))
                return 0;
        return verdict_accuse(node, member, &suspicion->accuser, suspicion->n_others, from, now_usec);
}

int verdict_on_death(Node *node, const Record *dead, const NodeId *teller, LinkId from, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &dead->id);
        bool outdated;

        if (!member || !member_state_is_live(member->record.state))
                return peer_merge(node, dead, from, now_usec);

        return verdict_on_suspicion(node, &(Suspicion) {
                .id = dead->id,
                .epoch = dead->epoch,
                .incarnation = dead->incarnation,
                .accuser = *teller,
        }, from, now_usec, &outdated);
}

void verdict_clock_jumped(Node *node, usec_t now_usec) {
        /* Refutations may be waiting to be read. */
        for (size_t i = 0; i < node->members.n_live; i++) {
                Member *member = node->members.members[i];

                if (member->record.state == MEMBER_SUSPECT && member->timer.when_usec <= now_usec)
                        timer_set(&node->timers, &member->timer,
                                  usec_add(now_usec, node->settings.params.liveness_interval_usec));
        }
}
