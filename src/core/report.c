/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/report.h"

#include <errno.h>
#include <limits.h>

#include "core/seed-node-internal.h"

typedef enum AccusationState {
        ACCUSATION_QUEUED,      /* its dial-back has to wait: too many run, or too many went there */
        ACCUSATION_DIALING,
        ACCUSATION_ASKED,       /* the dial-back failed, but its PING may still be answered */
        ACCUSATION_UNANSWERED,  /* waits for a second reporter, or the next round */
} AccusationState;

struct Accusation {
        UT_hash_handle hh;
        NodeId id;
        Held held;                      /* the life and incarnation that is accused */
        AccusationState state;
        usec_t begin_usec;
        unsigned n_rounds;              /* of questions, the one that runs included */
        usec_t asked_usec;              /* the last of them */
        unsigned n_tries;               /* of the dial-back, in all rounds */
        LinkId link;                    /* DIALING: the try */
        LinkId asked;                   /* the session on which a PING was sent; 0: none */
        usec_t asked_until_usec;
        Timer timer;
        size_t n_reporters;
        NodeId reporters[ACCUSATION_REPORTERS_MAX];
};

struct Reporter {
        UT_hash_handle hh;
        NodeId id;
        RateLimit reports;
        unsigned n_open;                /* accusations that it takes part in */
        uint8_t history;                /* one bit per settled report, the last one lowest; set: false */
        usec_t ignored_until_usec;
};

size_t reports_n_accusations(const Node *node) {
        return HASH_COUNT(node->seed->reports.accusations);
}

size_t reports_n_reporters(const Node *node) {
        return HASH_COUNT(node->seed->reports.reporters);
}

/* ---- reporters ---- */

static Reporter *reporter_find(const Reports *reports, const NodeId *id) {
        Reporter *reporter;

        HASH_FIND(hh, reports->reporters, id, sizeof(*id), reporter);
        return reporter;
}

static void reporter_forget(Reports *reports, Reporter *reporter) {
        HASH_DELETE(hh, reports->reporters, reporter);
        free(reporter);
}

/* Makes it the one that reported last. When there are too many, the one that has been quiet longest is forgotten. */
static int reporter_get(Reports *reports, const NodeId *id, Reporter **ret) {
        Reporter *reporter = reporter_find(reports, id);

        if (reporter)
                HASH_DELETE(hh, reports->reporters, reporter);
        else {
                if (HASH_COUNT(reports->reporters) >= REPORTERS_MAX) {
                        Reporter *oldest = reports->reporters;

                        while (oldest && oldest->n_open > 0)
                                oldest = oldest->hh.next;
                        if (!oldest)
                                return -ENOSPC;
                        reporter_forget(reports, oldest);
                }
                reporter = malloc(sizeof(*reporter));
                if (!reporter)
                        return -ENOMEM;
                *reporter = (Reporter) { .id = *id };
        }

        HASH_ADD(hh, reports->reporters, id, sizeof(NodeId), reporter);
        if (!table_added(reporter)) {
                free(reporter);
                return -ENOMEM;
        }
        *ret = reporter;
        return 0;
}

static void reporter_settle(Node *node, const NodeId *id, const Member *accused, Outcome outcome, usec_t now_usec) {
        Reporter *reporter = reporter_find(&node->seed->reports, id);
        const Member *member = member_table_find(&node->members, id);
        Notice *notice;

        if (!reporter)
                return;

        reporter->n_open--;
        if (outcome == OUTCOME_NONE)
                return;
        reporter->history = (uint8_t) (reporter->history << 1 | (outcome == OUTCOME_FALSE));
        if (outcome == OUTCOME_TRUE)
                return;

        node->counters[COUNTER_REPORTS_FALSE]++;
        if (accused) {
                notice = node_notice_member(node, NOTICE_REPORT_FALSE, accused);
                notice->n = (unsigned) node->members.n_live;
                if (member)
                        memcpy(notice->other_name, member->record.name, sizeof(notice->other_name));
        }
        if (__builtin_popcount(reporter->history) < (int) REPORTS_FALSE_MAX)
                return;

        reporter->history = 0;
        reporter->ignored_until_usec = usec_add(now_usec, REPORTER_IGNORED_USEC);
        if (member)
                node_notice_member(node, NOTICE_REPORTER_IGNORED, member)->duration = REPORTER_IGNORED_USEC;
}

/* ---- accusations ---- */

static Accusation *accusation_find(const Node *node, const NodeId *id) {
        Accusation *accusation;

        HASH_FIND(hh, node->seed->reports.accusations, id, sizeof(*id), accusation);
        return accusation;
}

static void accusation_free(Node *node, Accusation *accusation) {
        HASH_DELETE(hh, node->seed->reports.accusations, accusation);
        timer_done(&node->timers, &accusation->timer);
        free(accusation);
}

static int accusation_new(Node *node, const Member *member, usec_t now_usec, Accusation **ret) {
        Accusation *accusation;
        int r;

        accusation = malloc(sizeof(*accusation));
        if (!accusation)
                return -ENOMEM;
        *accusation = (Accusation) { .id = member->record.id, .held = member_held(member), .begin_usec = now_usec };

        r = timer_init(&node->timers, &accusation->timer, TIMER_ACCUSATION);
        if (r < 0) {
                free(accusation);
                return r;
        }
        HASH_ADD(hh, node->seed->reports.accusations, id, sizeof(NodeId), accusation);
        if (!table_added(accusation)) {
                timer_done(&node->timers, &accusation->timer);
                free(accusation);
                return -ENOMEM;
        }
        *ret = accusation;
        return 0;
}

/* A round is over, and the next one has not begun, or has to wait. */
static bool accusation_was_unanswered(const Accusation *accusation) {
        return accusation->state == ACCUSATION_UNANSWERED ||
               (accusation->state == ACCUSATION_QUEUED && accusation->n_rounds > 1);
}

static bool accusation_has_reporter(const Accusation *accusation, const NodeId *id) {
        for (size_t i = 0; i < accusation->n_reporters; i++)
                if (node_id_equal(accusation->reporters + i, id))
                        return true;
        return false;
}

static void accusation_settle(Node *node, Accusation *accusation, Outcome outcome, usec_t now_usec) {
        const Member *accused = member_table_find(&node->members, &accusation->id);

        for (size_t i = 0; i < accusation->n_reporters; i++)
                reporter_settle(node, accusation->reporters + i, accused, outcome, now_usec);
        accusation_free(node, accusation);
}

static int send_accused(Node *node, Session *session, const Held *held, MemberState state) {
        Message message;

        message_set(&message, MESSAGE_ACCUSED, accused, .held = { held->epoch, held->incarnation, state });
        return session_send(node, session, &message);
}

/* The accused, when it is still what was accused; otherwise nothing is left to decide. */
static Member *accusation_member(const Node *node, const Accusation *accusation) {
        Member *member = member_table_find(&node->members, &accusation->id);
        Held held;

        if (!member || !member_state_is_live(member->record.state))
                return NULL;
        held = member_held(member);
        return held_compare(&held, &accusation->held) == 0 ? member : NULL;
}

static int accusation_dead(Node *node, Accusation *accusation, Member *member, usec_t now_usec) {
        Session *session = session_of(node, &accusation->id);
        Held held = accusation->held;
        Notice *notice;

        member_set_hidden(&node->members, member, false, now_usec);
        member_set_state(&node->members, member, held.epoch, held.incarnation, MEMBER_DEAD, now_usec);
        member->registered_usec = 0;
        registry_changed(node, member, now_usec);
        exchange_changed(node, member, now_usec);
        node->counters[COUNTER_DEATHS]++;

        notice = node_notice_member(node, NOTICE_REPORTED_DEAD, member);
        notice->n = (unsigned) node->members.n_live;
        notice->n_max = (unsigned) accusation->n_reporters;
        accusation_settle(node, accusation, OUTCOME_TRUE, now_usec);

        return session ? send_accused(node, session, &held, MEMBER_DEAD) : 0;
}

/* By then it has renewed, somewhere, or its lease has run out. */
static usec_t accusation_end_usec(const Node *node, const Accusation *accusation) {
        return usec_add(accusation->begin_usec, usec_add(node->settings.params.lease_usec, ACCUSATION_MARGIN_USEC));
}

/* The accused has not answered. */
static int accusation_judge(Node *node, Accusation *accusation, usec_t now_usec) {
        Member *member = accusation_member(node, accusation);

        if (!member) {
                accusation_settle(node, accusation, OUTCOME_NONE, now_usec);
                return 0;
        }
        if (accusation->n_reporters >= 2 || member->n_links < VERDICT_LINKS_FEW || member->n_links == UINT_MAX ||
            member->hidden || accusation->n_rounds >= VERDICT_ROUNDS)
                return accusation_dead(node, accusation, member, now_usec);

        accusation->state = ACCUSATION_UNANSWERED;
        timer_set(&node->timers, &accusation->timer, MAX(usec_add(accusation->asked_usec, VERDICT_ROUND_USEC), now_usec));
        return 0;
}

static int accusation_unanswered(Node *node, Accusation *accusation, usec_t now_usec) {
        if (accusation->asked != 0 && now_usec < accusation->asked_until_usec) {
                accusation->state = ACCUSATION_ASKED;
                timer_set(&node->timers, &accusation->timer, accusation->asked_until_usec);
                return 0;
        }
        return accusation_judge(node, accusation, now_usec);
}

static bool reports_may_dial(Reports *reports, const Address *address, usec_t now_usec) {
        uint8_t key[1 + sizeof(address->bytes) + 2], *p = key;
        uint64_t host, port;

        p = put_bytes(put_u8(p, address->family), address->bytes, sizeof(address->bytes));
        host = siphash24(key, (size_t) (p - key), &hash_key);
        p = put_be16(p, address->port);
        port = siphash24(key, (size_t) (p - key), &hash_key);

        return ratelimit_allow(reports->addresses + port % TARGETS_MAX, TARGET_ADDRESS_RATE, now_usec) &&
               ratelimit_allow(reports->hosts + host % TARGETS_MAX, TARGET_HOST_RATE, now_usec);
}

static int accusation_dial(Node *node, Accusation *accusation, usec_t now_usec) {
        Reports *reports = &node->seed->reports;
        const Member *member = accusation_member(node, accusation);
        const Address *address;
        Session *session;
        int r;

        if (!member) {
                accusation_settle(node, accusation, OUTCOME_NONE, now_usec);
                return 0;
        }
        if (accusation->n_tries >= VERDICT_TRIES + accusation->n_rounds - 1 || member->record.n_addresses == 0)
                return accusation_unanswered(node, accusation, now_usec);

        address = member->record.addresses + accusation->n_tries % member->record.n_addresses;
        if (reports->n_dialing >= DIAL_BACKS_MAX || !reports_may_dial(reports, address, now_usec)) {
                accusation->state = ACCUSATION_QUEUED;
                timer_set(&node->timers, &accusation->timer, usec_add(now_usec, ACCUSATION_RETRY_USEC));
                return 0;
        }

        r = session_dial(node, address, SESSION_FOR_VERDICT, &accusation->id, VERDICT_USEC, now_usec, &session);
        if (r < 0)
                return r;
        reports->n_dialing++;
        accusation->state = ACCUSATION_DIALING;
        accusation->link = session->link;
        accusation->n_tries++;
        accusation->asked_usec = now_usec;
        timer_set(&node->timers, &accusation->timer, USEC_INFINITY);
        return 0;
}

/* Asks the accused in both ways: one more round. */
static int accusation_ask(Node *node, Accusation *accusation, usec_t now_usec) {
        Session *session = session_of(node, &accusation->id);
        int r;

        if (session) {
                Message ping;

                message_set(&ping, MESSAGE_PING, ping, .nonce = random_u64(&node->random));
                r = session_send(node, session, &ping);
                if (r < 0)
                        return r;
                node->counters[COUNTER_PINGS_SENT]++;
                accusation->asked = session->link;
                accusation->asked_until_usec = usec_add(now_usec, VERDICT_TRIES * VERDICT_USEC);
        }
        accusation->n_rounds++;
        accusation->asked_usec = now_usec;
        return accusation_dial(node, accusation, now_usec);
}

int reports_on_timer(Node *node, Timer *timer, usec_t now_usec) {
        Accusation *accusation = container_of(timer, Accusation, timer);

        switch (accusation->state) {

        case ACCUSATION_QUEUED:
                if (now_usec < accusation_end_usec(node, accusation))
                        return accusation_dial(node, accusation, now_usec);
                break;

        case ACCUSATION_ASKED:
                return accusation_unanswered(node, accusation, now_usec);

        case ACCUSATION_DIALING:
                return 0;

        case ACCUSATION_UNANSWERED:
                return accusation_ask(node, accusation, now_usec);
        }
        accusation_settle(node, accusation, OUTCOME_NONE, now_usec);
        return 0;
}

/* ---- what comes in ---- */

static bool reporter_may_report(Reporter *reporter, usec_t now_usec) {
        return ratelimit_allow(&reporter->reports, REPORTS_RATE, now_usec) && now_usec >= reporter->ignored_until_usec &&
               reporter->n_open < REPORTS_OPEN_MAX;
}

int reports_on_report(Node *node, Session *session, const DeadReportMessage *message, usec_t now_usec) {
        Reports *reports = &node->seed->reports;
        const Member *who = member_table_find(&node->members, &session->id);
        Member *member = member_table_find(&node->members, &message->id);
        Accusation *accusation;
        Reporter *reporter;
        bool is_new;
        int r;

        node->counters[COUNTER_REPORTS_RECEIVED]++;
        if (!who || !member_is_live(who) || who->registered_usec == 0 || who->record.epoch != session->epoch)
                return 0;
        if (!member || !member_state_is_live(member->record.state) || member == who ||
            member->record.epoch != message->epoch || member->record.incarnation != message->incarnation)
                return 0;

        accusation = accusation_find(node, &message->id);
        if (accusation && !accusation_member(node, accusation)) {
                accusation_settle(node, accusation, OUTCOME_NONE, now_usec);
                accusation = NULL;
        }

        r = reporter_get(reports, &session->id, &reporter);
        if (r == -ENOSPC)
                return 0;
        if (r < 0)
                return r;
        if (!reporter_may_report(reporter, now_usec))
                return 0;

        is_new = !accusation;
        if (is_new) {
                if (HASH_COUNT(reports->accusations) >= ACCUSATIONS_MAX)
                        return 0;
                r = accusation_new(node, member, now_usec, &accusation);
                if (r < 0)
                        return r;
        } else if (accusation->n_reporters >= ACCUSATION_REPORTERS_MAX ||
                   accusation_has_reporter(accusation, &session->id))
                return 0;

        accusation->reporters[accusation->n_reporters++] = session->id;
        reporter->n_open++;

        if (!node->settings.params.report_checked)
                return accusation_dead(node, accusation, member, now_usec);
        if (is_new)
                return accusation_ask(node, accusation, now_usec);
        return accusation_was_unanswered(accusation) ? accusation_judge(node, accusation, now_usec) : 0;
}

void reports_settle(Node *node, const NodeId *id, Outcome outcome, usec_t now_usec) {
        Accusation *accusation = accusation_find(node, id);

        if (accusation)
                accusation_settle(node, accusation, outcome, now_usec);
}

int reports_answered(Node *node, const NodeId *id, uint64_t epoch, Session *session, usec_t now_usec) {
        Accusation *accusation = accusation_find(node, id);
        Session *registered = session_of(node, id);
        Held held;
        int r;

        if (!accusation)
                return 0;

        held = accusation->held;
        if (epoch > held.epoch) {
                /* It died, perhaps, and is back. */
                accusation_settle(node, accusation, OUTCOME_NONE, now_usec);
                return 0;
        }

        accusation_settle(node, accusation, OUTCOME_FALSE, now_usec);
        if (session) {
                r = send_accused(node, session, &held, MEMBER_SUSPECT);
                if (r < 0)
                        return r;
        }
        if (registered && registered != session)
                return send_accused(node, registered, &held, MEMBER_SUSPECT);
        return 0;
}

int reports_on_renewal(Node *node, const Member *member, usec_t when_usec, usec_t now_usec) {
        const Accusation *accusation = accusation_find(node, &member->record.id);

        if (!accusation || when_usec <= accusation->begin_usec)
                return 0;
        return reports_answered(node, &member->record.id, member->record.epoch, NULL, now_usec);
}

int reports_on_lost(Node *node, const Member *member, usec_t now_usec) {
        Accusation *accusation = accusation_find(node, &member->record.id);

        if (!accusation || !accusation_was_unanswered(accusation))
                return 0;
        return accusation_judge(node, accusation, now_usec);
}

int reports_on_pong(Node *node, Session *session, usec_t now_usec) {
        return reports_answered(node, &session->id, session->epoch, session, now_usec);
}

int reports_opened(Node *node, Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        Accusation *accusation = accusation_find(node, &session->id);

        if (member) {
                member->reached = session->remote;
                member->heard_usec = now_usec;
        }
        if (!accusation || session->epoch > accusation->held.epoch) {
                reports_settle(node, &session->id, OUTCOME_NONE, now_usec);
                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
        }

        session_set_timer(node, session, usec_add(now_usec, VERDICT_REFUTE_USEC));
        return reports_answered(node, &session->id, session->epoch, session, now_usec);
}

int reports_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        bool is_dial_back = session->use == SESSION_FOR_VERDICT;
        Accusation *accusation = accusation_find(node, is_dial_back ? &session->subject : &session->id);

        if (is_dial_back)
                node->seed->reports.n_dialing--;
        if (!accusation)
                return 0;

        if (accusation->asked == session->link)
                accusation->asked = 0;          /* its PONG will not come any more */
        if (accusation->state == ACCUSATION_ASKED && accusation->asked == 0)
                return accusation_unanswered(node, accusation, now_usec);
        if (accusation->state != ACCUSATION_DIALING || accusation->link != session->link)
                return 0;

        if (end == END_BY_US) {
                /* All our sessions are being closed: that says nothing about the accused. */
                accusation->n_tries--;
                accusation->state = ACCUSATION_QUEUED;
                timer_set(&node->timers, &accusation->timer, usec_add(now_usec, ACCUSATION_RETRY_USEC));
                return 0;
        }
        return accusation_dial(node, accusation, now_usec);
}

void reports_drop(Node *node, usec_t now_usec) {
        while (node->seed->reports.accusations)
                accusation_settle(node, node->seed->reports.accusations, OUTCOME_NONE, now_usec);
}

void reports_done(Node *node) {
        Reports *reports = &node->seed->reports;

        while (reports->accusations)
                accusation_free(node, reports->accusations);
        while (reports->reporters)
                reporter_forget(reports, reports->reporters);
}
