/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The handshake (PROTOCOL.md, section 4), and the two questions that ids raise:
 *
 * - Two sessions with one id: a higher epoch replaces at once. Otherwise the node with the smaller id keeps the one
 *   whose HELLO finished last and ends the other; the node with the larger id uses the newest meanwhile. So
 *   simultaneous dials settle, and a half-open connection never shuts anybody out.
 * - One id at two addresses: the address held is asked first. If a node with that id but another epoch answers there,
 *   the newcomer is a copy and is sent away with CLOSE(duplicate-id). The epoch tells a copy from a node that is reached
 *   by two of its own addresses.
 */

#include <errno.h>
#include <stdio.h>

#include "core/node-internal.h"

/* A caller that is @holder to go by its id, and is not. */
static void notice_duplicate(Node *node, const Session *caller, const char *holder) {
        Notice *notice = node_notice_session(node, NOTICE_DUPLICATE_REFUSED, caller);

        (void) snprintf(notice->name, sizeof(notice->name), "%s", holder);
}

/* The known holder of an id has been asked: @clone when it lives, and is not the one that called. */
int session_checked(Node *node, Session *check, bool clone, usec_t now_usec) {
        Session *waiting = session_find(node, check->waiting);

        if (!waiting || waiting->state != SESSION_CHECKING)
                return 0;
        if (!clone)
                return session_open_accepted(node, waiting, now_usec);

        notice_duplicate(node, waiting, check->name);
        return session_close(node, waiting, CLOSE_DUPLICATE_ID, "Another living node has your id.", now_usec);
}

static int session_refuse(Node *node, Session *session, CloseReason reason, const char *detail, usec_t now_usec) {
        Notice *notice = node_notice_session(node, NOTICE_SESSION_REFUSED, session);

        notice->reason = reason;
        notice->by_us = true;
        (void) strncpy(notice->detail, detail, DETAIL_MAX);
        node->counters[COUNTER_SESSIONS_REFUSED]++;
        return session_close(node, session, reason, detail, now_usec);
}

/* Settles which of two sessions with one node is used. Return: 1, 0 when it is not this new one (closed), -ENOMEM. */
static int session_supersede(Node *node, Session *session, usec_t now_usec) {
        Session *old = session_of(node, &session->id);
        int r;

        if (old && session->epoch < old->epoch) {
                r = session_close(node, session, CLOSE_SUPERSEDED, NULL, now_usec);
                return r < 0 ? r : 0;
        }

        if (old)
                session_uncurrent(node, old);
        r = session_make_current(node, session);
        if (r < 0)
                return r;

        if (!old)
                return 1;
        if (session->epoch > old->epoch || node_id_compare(&node->identity.id, &session->id) < 0) {
                r = session_close(node, old, CLOSE_SUPERSEDED, NULL, now_usec);
                return r < 0 ? r : 1;
        }
        old->lingering = true;
        timer_set(&node->timers, &old->timer, usec_add(now_usec, LINGER_USEC));
        return 1;
}

/* Their HELLO is good, and their id is theirs. */
int session_open_accepted(Node *node, Session *session, usec_t now_usec) {
        bool is_probe = session->purpose == PURPOSE_PROBE;
        Message message = {
                .type = MESSAGE_HELLO_OK,
                .hello_ok = {
                        .version = PROTOCOL_VERSION_MAX,
                        .id = node->identity.id,
                        .epoch = node->identity.epoch,
                        .role = node->settings.role,
                        .port = node->settings.port,
                        .n_addresses = node->settings.n_advertised,
                        .observed = session->remote,
                },
        };
        const Member *member;
        int r;

        memcpy(message.hello_ok.name, node->settings.name, sizeof(message.hello_ok.name));
        memcpy(message.hello_ok.addresses, node->settings.advertised, sizeof(message.hello_ok.addresses));
        member = member_table_find(&node->members, &session->id);
        if (member) {
                message.hello_ok.has_held = true;
                message.hello_ok.held = member_held(member);
        }
        r = session_send(node, session, &message);
        if (r < 0)
                return r;

        session_handshake_done(node, session);
        session_enter(node, session, SESSION_OPEN,
                          usec_add(now_usec, is_probe ? PROBE_SESSION_USEC : UNUSED_USEC), now_usec);
        if (is_probe)
                return 0;

        r = session_supersede(node, session, now_usec);
        if (r <= 0)
                return r;
        return node->ops->opened(node, session, now_usec);
}

/* Return: 0, -ENOMEM. */
static int session_learn(Session *session, const NodeId *id, uint64_t epoch, Role role, const char *name,
                          const Address *addresses, size_t n_addresses, uint16_t port) {
        Address effective[RECORD_ADDRESSES_MAX];
        size_t n = node_effective_addresses(addresses, n_addresses, &session->remote, port, effective);
        Address *learned = malloc(n * sizeof(*learned) + strlen(name) + 1);

        if (!learned)
                return -ENOMEM;
        memcpy(learned, effective, n * sizeof(*learned));
        session->name = strcpy((char *) (learned + n), name);
        session->addresses = learned;
        session->n_addresses = (unsigned) n;
        session->id = *id;
        session->epoch = epoch;
        session->role = role;
        return 0;
}

/* One of the addresses held of the caller's id at which it does not claim to be, at random; NULL: there is none. */
static const Address *held_elsewhere(Node *node, const Session *session, const Member *member) {
        const Address *elsewhere = NULL;
        unsigned n = 0;

        for (size_t i = 0; i < member->record.n_addresses; i++) {
                const Address *held = member->record.addresses + i;
                bool claimed = false;

                for (size_t j = 0; j < session->n_addresses; j++)
                        claimed = claimed || address_equal(held, session->addresses + j);
                if (!claimed && random_below(&node->random, ++n) == 0)
                        elsewhere = held;
        }
        return elsewhere;
}

int session_on_hello(Node *node, Session *session, const HelloMessage *hello, usec_t now_usec) {
        char detail[DETAIL_MAX + 1];
        const Address *elsewhere;
        const Member *member;
        Session *check;
        int r;

        session->purpose = hello->purpose;
        r = session_learn(session, &hello->id, hello->epoch, hello->role, hello->name, hello->addresses, hello->n_addresses,
                          hello->port);
        if (r < 0)
                return r;

        if (!streq(hello->network, node->settings.network)) {
                (void) snprintf(detail, sizeof(detail), "This is network \"%s\", the caller belongs to \"%s\".",
                                node->settings.network, hello->network);
                return session_refuse(node, session, CLOSE_NETWORK, detail, now_usec);
        }
        if (hello->version_min > PROTOCOL_VERSION_MAX || hello->version_max < PROTOCOL_VERSION_MIN) {
                (void) snprintf(detail, sizeof(detail), "The caller speaks protocol versions %u to %u, this node %u to %u.",
                                hello->version_min, hello->version_max, PROTOCOL_VERSION_MIN, PROTOCOL_VERSION_MAX);
                return session_refuse(node, session, CLOSE_VERSION, detail, now_usec);
        }
        if (hello->epoch >= EPOCH_MAX)
                return session_protocol_error(node, session, "The epoch in HELLO is 2^63 or more.", now_usec);

        if (node_id_equal(&hello->id, &node->identity.id)) {
                if (hello->epoch == node->identity.epoch)
                        return session_close(node, session, CLOSE_SELF, NULL, now_usec);
                notice_duplicate(node, session, node->settings.name);
                return session_close(node, session, CLOSE_DUPLICATE_ID, "This node has that id.", now_usec);
        }
        if (hello->purpose == PURPOSE_PROBE)
                return session_open_accepted(node, session, now_usec);

        member = member_table_find(&node->members, &hello->id);
        if (!member || !member_is_live(member) || member->record.epoch == hello->epoch)
                return session_open_accepted(node, session, now_usec);
        elsewhere = held_elsewhere(node, session, member);
        if (!elsewhere)
                return session_open_accepted(node, session, now_usec);

        if (node->n_checks >= CHECKS_MAX)
                return session_close(node, session, CLOSE_BUSY, "Too many ids are being checked.", now_usec);
        session_enter(node, session, SESSION_CHECKING, usec_add(now_usec, 2 * CHECK_USEC), now_usec);
        r = session_dial(node, elsewhere, SESSION_FOR_CHECK, &hello->id, CHECK_USEC, now_usec, &check);
        if (r < 0)
                return r;
        check->waiting = session->link;
        return 0;
}

/* ---- having called ---- */

int session_send_hello(Node *node, Session *session) {
        Message message = {
                .type = MESSAGE_HELLO,
                .hello = {
                        .version_min = PROTOCOL_VERSION_MIN,
                        .version_max = PROTOCOL_VERSION_MAX,
                        .id = node->identity.id,
                        .epoch = node->identity.epoch,
                        .role = node->settings.role,
                        .purpose = session->purpose,
                        .port = node->settings.port,
                        .n_addresses = node->settings.n_advertised,
                },
        };

        memcpy(message.hello.network, node->settings.network, sizeof(message.hello.network));
        memcpy(message.hello.name, node->settings.name, sizeof(message.hello.name));
        memcpy(message.hello.addresses, node->settings.advertised, sizeof(message.hello.addresses));
        return session_send(node, session, &message);
}

static int session_wrong_id(Node *node, Session *session, CloseReason reason, usec_t now_usec) {
        int r;

        r = session_send_close(node, session, reason, NULL);
        if (r < 0)
                return r;
        session_hang_up(node, session->link, true);
        return session_end(node, session, END_WRONG_ID, now_usec);
}

static int session_send_ping_for(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_PING };

        for (size_t i = 0; node->pings && i < PINGS_MAX; i++)
                if (node->pings[i].link == session->link) {
                        node->pings[i].sent_usec = now_usec;
                        message.ping.nonce = node->pings[i].nonce;
                        return session_send(node, session, &message);
                }
        return 0;
}

int session_on_hello_ok(Node *node, Session *session, const HelloOkMessage *ok, usec_t now_usec) {
        const Member *member;
        bool check_clone;
        int r;

        r = session_learn(session, &ok->id, ok->epoch, ok->role, ok->name, ok->addresses, ok->n_addresses, ok->port);
        if (r < 0)
                return r;
        session->handshake_usec = MAX(usec_sub(now_usec, session->since_usec), (usec_t) 1);

        if (ok->version < PROTOCOL_VERSION_MIN || ok->version > PROTOCOL_VERSION_MAX || ok->epoch >= EPOCH_MAX)
                return session_protocol_error(node, session, "HELLO_OK names a version or an epoch that cannot be.", now_usec);
        if (node_id_equal(&ok->id, &node->identity.id))
                return session_wrong_id(node, session, CLOSE_SELF, now_usec);
        if (!node_id_is_null(&session->subject) && !node_id_equal(&ok->id, &session->subject))
                return session_wrong_id(node, session, CLOSE_DONE, now_usec);

        session_enter(node, session, SESSION_OPEN,
                          usec_add(now_usec, session->purpose == PURPOSE_PROBE ? PROBE_SESSION_USEC : UNUSED_USEC), now_usec);

        /* Both of these before anything else is said on the session: see D4 of PROTOCOL.md, "what is held of you". */
        member = member_table_find(&node->members, &ok->id);
        if (member && (!member_state_is_live(member->record.state) || member->record.state == MEMBER_SUSPECT) &&
            member->record.epoch >= ok->epoch) {
                Message message = { .type = MESSAGE_ACCUSED, .accused.held = member_held(member) };

                r = session_send(node, session, &message);
                if (r < 0)
                        return r;
        }

        switch (session->use) {

        case SESSION_FOR_CHECK: {
                const Session *waiting = session_find(node, session->waiting);

                check_clone = waiting && waiting->epoch != ok->epoch;
                r = session_checked(node, session, check_clone, now_usec);
                if (r < 0)
                        return r;
                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
        }

        case SESSION_FOR_PING:
                return session_send_ping_for(node, session, now_usec);

        case SESSION_FOR_LINK:
        case SESSION_FOR_SEED:
                r = session_supersede(node, session, now_usec);
                if (r <= 0)
                        return r;
                break;

        case SESSION_FOR_VERDICT:
        case SESSION_FOR_SHUFFLE:
        case SESSION_FOR_WITNESS:
        case SESSION_FOR_CRAWL:
        case SESSION_ACCEPTED:
                break;
        }

        if (ok->has_held) {
                LinkId link = session->link;

                r = node_on_held(node, &ok->held, now_usec);
                if (r < 0)
                        return r;
                session = session_find(node, link);     /* a new id ends all sessions */
                if (!session)
                        return 0;
        }
        return node->ops->opened(node, session, now_usec);
}
