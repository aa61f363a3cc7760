/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Connections: being called and calling, sending, and the one place where they end. What is said before a session
 * is open stands in handshake.c.
 */

#include <errno.h>
#include <utlist.h>

#include "core/node-internal.h"

Session *session_find(const Node *node, LinkId link) {
        for (IndexEntry *entry = index_first(&node->sessions_by_link, hash_of_number(link)); entry; entry = index_next(entry)) {
                Session *session = container_of(entry, Session, by_link);

                if (session->link == link)
                        return session;
        }
        return NULL;
}

Session *session_of(const Node *node, const NodeId *id) {
        for (IndexEntry *entry = index_first(&node->sessions_by_id, hash_of_bytes(id, sizeof(*id))); entry; entry = index_next(entry)) {
                Session *session = container_of(entry, Session, by_id);

                if (node_id_equal(&session->id, id))
                        return session;
        }
        return NULL;
}

/* One host is this one, and any number of nodes may run on it. */
static bool is_from_other_host(const Session *session) {
        return session->use == SESSION_ACCEPTED && !address_is_loopback(&session->remote);
}

static uint32_t hash_of_host(const Address *address) {
        return hash_of_bytes(address->bytes, sizeof(address->bytes));
}

static size_t n_accepted_from(const Node *node, const Address *host) {
        size_t n = 0;

        for (IndexEntry *entry = index_first(&node->sessions_by_host, hash_of_host(host)); entry; entry = index_next(entry))
                n += address_same_host(&container_of(entry, Session, by_host)->remote, host);
        return n;
}

static int session_new(Node *node, LinkId link, SessionUse use, const Address *remote, usec_t now_usec, Session **ret) {
        Session *session;
        int r;

        session = malloc(sizeof(*session));
        if (!session)
                return -ENOMEM;
        *session = (Session) {
                .link = link, .use = use, .remote = *remote, .name = "", .since_usec = now_usec, .received_usec = now_usec,
        };

        r = timer_init(&node->timers, &session->timer, TIMER_SESSION);
        if (r >= 0)
                r = index_add(&node->sessions_by_link, &session->by_link, hash_of_number(link));
        if (r >= 0 && is_from_other_host(session)) {
                r = index_add(&node->sessions_by_host, &session->by_host, hash_of_host(remote));
                if (r < 0)
                        index_remove(&node->sessions_by_link, &session->by_link);
        }
        if (r < 0) {
                timer_done(&node->timers, &session->timer);
                free(session);
                return r;
        }
        DL_APPEND(node->sessions, session);
        node->n_sessions++;
        *ret = session;
        return 0;
}

static int session_up_new(Node *node, Session *session) {
        SessionUp *up = calloc(1, sizeof(*up));

        if (!up)
                return -ENOMEM;
        if (timer_init(&node->timers, &up->liveness.timer, TIMER_LIVENESS) < 0) {
                free(up);
                return -ENOMEM;
        }
        up->session = session;
        if (session->handshake_usec > 0)
                liveness_sample(&up->liveness, session->handshake_usec);
        session->up = up;
        return 0;
}

int session_set_up(Node *node, Session *session, usec_t now_usec) {
        int r;

        r = session->up ? 0 : session_up_new(node, session);
        if (r < 0)
                return r;
        session->up->linked_usec = now_usec;
        session->link_state = LINK_UP;
        return 0;
}

static void session_up_free(Node *node, SessionUp *up) {
        if (!up)
                return;
        timer_done(&node->timers, &up->liveness.timer);
        arrears_free(up->gossip.arrears);
        free(up);
}

void session_handshake_done(Node *node, Session *session) {
        if (session->handshake)
                node->n_handshakes--;
        session->handshake = false;
}

/* Another open session with the same node takes the place of one that goes, and does not end as it was about to. */
static int session_promote(Node *node, const NodeId *id, usec_t now_usec) {
        for (Session *other = node->sessions; other; other = other->next)
                if (other->lingering && node_id_equal(&other->id, id)) {
                        other->lingering = false;
                        session_set_timer(node, other, other->link_state == LINK_UP ? USEC_INFINITY :
                                                                                      usec_add(now_usec, UNUSED_USEC));
                        return session_make_current(node, other);
                }
        return 0;
}

int session_make_current(Node *node, Session *session) {
        int r;

        r = index_add(&node->sessions_by_id, &session->by_id, hash_of_bytes(&session->id, sizeof(session->id)));
        if (r < 0)
                return r;
        session->current = true;
        return 0;
}

void session_uncurrent(Node *node, Session *session) {
        if (session->current)
                index_remove(&node->sessions_by_id, &session->by_id);
        session->current = false;
}

/* @error is what became of pings that wait for an answer on it. */
static void session_free(Node *node, Session *session, int error) {
        session_handshake_done(node, session);
        if (session->use == SESSION_FOR_CHECK)
                node->n_checks--;
        for (size_t i = 0; node->pings && i < PINGS_MAX; i++)
                if (node->pings[i].link == session->link) {
                        Effect *effect = effect_queue_push(node->effects, EFFECT_PONG);

                        effect->token = node->pings[i].token;
                        effect->error = error;
                        node->pings[i].link = 0;
                }
        session_uncurrent(node, session);
        index_remove(&node->sessions_by_link, &session->by_link);
        if (is_from_other_host(session))
                index_remove(&node->sessions_by_host, &session->by_host);
        DL_DELETE(node->sessions, session);
        node->n_sessions--;
        timer_done(&node->timers, &session->timer);
        session_up_free(node, session->up);
        free(session->owed);
        free(session->addresses);
        free(session);
}

void session_free_all(Node *node) {
        while (node->sessions)
                session_free(node, node->sessions, -EHOSTUNREACH);
}

void session_enter(Node *node, Session *session, SessionState state, usec_t until_usec, usec_t now_usec) {
        session->state = state;
        session->since_usec = now_usec;
        timer_set(&node->timers, &session->timer, until_usec);
}

static bool session_is_roles(const Session *session) {
        switch (session->use) {
        case SESSION_FOR_LINK:
        case SESSION_FOR_SEED:
        case SESSION_FOR_VERDICT:
        case SESSION_FOR_SHUFFLE:
        case SESSION_FOR_WITNESS:
        case SESSION_FOR_CRAWL:
                return true;
        case SESSION_ACCEPTED:
                return session->state == SESSION_OPEN && session->purpose == PURPOSE_SESSION;
        case SESSION_FOR_CHECK:
        case SESSION_FOR_PING:
                return false;
        }
        return false;
}

static int session_error(const Session *session, SessionEnd end) {
        if (end == END_REFUSED)
                return -ECONNREFUSED;
        if (end != END_CLOSED && (session->reason == CLOSE_TIMEOUT || session->reason == CLOSE_IDLE))
                return -ETIMEDOUT;
        return -EHOSTUNREACH;
}

/* The connection is gone, or its hanging up has been asked for: the one place where sessions end. */
int session_end(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        bool was_current = session->current;
        NodeId id = session->id;
        int r = 0, promoted = 0;

        if (end != END_BY_US && end != END_CLOSED)
                node->counters[COUNTER_SESSIONS_FAILED]++;

        session_uncurrent(node, session);
        if (was_current)
                promoted = session_promote(node, &id, now_usec);

        session->ending = true;
        if (end == END_CLOSED && session->reason == CLOSE_LEAVING && session->state == SESSION_OPEN)
                r = node->ops->left(node, session, now_usec);
        if (r >= 0 && session->use == SESSION_FOR_CHECK && session->state != SESSION_OPEN)
                r = session_checked(node, session, false, now_usec);
        else if (r >= 0 && session_is_roles(session))
                r = node->ops->ended(node, session, end, now_usec);

        session_free(node, session, session_error(session, end));
        return r < 0 ? r : promoted;
}

void session_hang_up(Node *node, LinkId link, bool flush) {
        Effect *effect = effect_queue_push(node->effects, EFFECT_HANG_UP);

        effect->link = link;
        effect->flush = flush;
}

/* One frame for several links, which follow each other, is one effect. */
static Effect *session_effect_for(Node *node, FrameBuffer *frame, bool is_data) {
        Effect *effect = effect_queue_last(node->effects);

        if (effect && effect->type == EFFECT_SEND && effect->frame == frame && effect->is_data == is_data &&
            effect->n_links < SEND_LINKS_MAX)
                return effect;
        effect = effect_queue_push(node->effects, EFFECT_SEND);
        effect->frame = frame_buffer_ref(frame);
        effect->is_data = is_data;
        return effect;
}

void session_send_frame(Node *node, Session *session, FrameBuffer *frame, bool is_data) {
        Effect *effect = session_effect_for(node, frame, is_data);

        effect->links[effect->n_links++] = session->link;
        if (is_data)
                session->n_queued += frame->size;
        node->counters[COUNTER_FRAMES_OUT]++;
        node->counters[COUNTER_BYTES_OUT] += frame->size;
}

int session_send(Node *node, Session *session, const Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        int r;

        r = message_encode(&frame, message);
        if (r < 0)
                return r;

        session_send_frame(node, session, frame, false);
        return 0;
}

int session_send_close(Node *node, Session *session, CloseReason reason, const char *detail) {
        Message message = { .type = MESSAGE_CLOSE, .close = { .reason = reason, .retry_after_msec = session->retry_msec } };

        if (detail)
                (void) strncpy(message.close.detail, detail, DETAIL_MAX);
        return session_send(node, session, &message);
}

int session_close(Node *node, Session *session, CloseReason reason, const char *detail, usec_t now_usec) {
        bool connected = session->state != SESSION_DIALING;
        int r;

        if (session->ending)
                return 0;
        if (connected) {
                r = session_send_close(node, session, reason, detail);
                if (r < 0)
                        return r;
        }
        session_hang_up(node, session->link, connected);
        session->reason = reason;
        return session_end(node, session, END_BY_US, now_usec);
}

int session_protocol_error(Node *node, Session *session, const char *detail, usec_t now_usec) {
        Notice *notice = node_notice_session(node, NOTICE_PROTOCOL_ERROR, session);

        (void) strncpy(notice->detail, detail, DETAIL_MAX);
        node->counters[COUNTER_FRAMES_MALFORMED]++;
        return session_close(node, session, CLOSE_PROTOCOL, detail, now_usec);
}

static Session *session_not_ending(Node *node) {
        Session *session = node->sessions;

        while (session && session->ending)
                session = session->next;
        return session;
}

int session_close_all(Node *node, CloseReason reason, usec_t now_usec) {
        int r = 0;

        node->closing = true;
        for (Session *session; r >= 0 && (session = session_not_ending(node));)
                r = session_close(node, session, reason, NULL, now_usec);
        node->closing = false;
        return r;
}

int session_dial(Node *node, const Address *address, SessionUse use, const NodeId *subject, usec_t timeout_usec,
                 usec_t now_usec, Session **ret) {
        Session *session;
        Effect *effect;
        int r;

        r = session_new(node, node->last_link + 2, use, address, now_usec, &session);
        if (r < 0)
                return r;
        node->last_link += 2;

        session->purpose = use == SESSION_FOR_LINK || use == SESSION_FOR_SEED ? PURPOSE_SESSION : PURPOSE_PROBE;
        if (subject)
                session->subject = *subject;
        if (use == SESSION_FOR_CHECK)
                node->n_checks++;
        session_enter(node, session, SESSION_DIALING, usec_add(now_usec, timeout_usec), now_usec);

        effect = effect_queue_push(node->effects, EFFECT_DIAL);
        effect->link = session->link;
        effect->address = *address;
        node->counters[COUNTER_SESSIONS_OUT]++;
        if (ret)
                *ret = session;
        return 0;
}

/* ---- being called ---- */

/* Crowds call seeds. */
static bool session_has_turn(Node *node, usec_t now_usec) {
        const Params *params = &node->settings.params;

        return node->n_handshakes < params->handshakes_max &&
               (node->settings.role != ROLE_SEED || turns_take(&node->turns, params->turn_usec, now_usec));
}

int session_accept(Node *node, LinkId link, const Address *remote, usec_t now_usec) {
        const Params *params = &node->settings.params;
        Session *session;
        size_t n_same;
        int r;

        n_same = n_accepted_from(node, remote);
        r = session_new(node, link, SESSION_ACCEPTED, remote, now_usec, &session);
        if (r < 0)
                return r;
        session->state = SESSION_HELLO_AWAITED;
        node->counters[COUNTER_SESSIONS_IN]++;

        if (node->n_sessions > params->connections_max || n_same >= params->connections_per_host_max) {
                node->counters[COUNTER_SESSIONS_REFUSED]++;
                return session_close(node, session, CLOSE_BUSY, "Too many connections.", now_usec);
        }
        if (!session_has_turn(node, now_usec)) {
                node->counters[COUNTER_SESSIONS_REFUSED]++;
                session->retry_msec = (uint32_t) (turns_tell(&node->turns, params->turn_usec, now_usec) / USEC_PER_MSEC);
                return session_close(node, session, CLOSE_BUSY, "Too many call at once.", now_usec);
        }

        node->n_handshakes++;
        session->handshake = true;
        session_enter(node, session, SESSION_HELLO_AWAITED, usec_add(now_usec, HANDSHAKE_USEC), now_usec);
        return 0;
}

/* ---- both ---- */

static int session_on_close(Node *node, Session *session, const CloseMessage *message, usec_t now_usec) {
        bool handshake = session->state == SESSION_HELLO_SENT;
        CloseReason reason = message->reason;
        int r;

        session->reason = reason;
        session->retry_msec = message->retry_after_msec;
        session->detail = message->detail;
        session_hang_up(node, session->link, false);

        if (reason == CLOSE_NETWORK || reason == CLOSE_VERSION || reason == CLOSE_PROTOCOL || reason == CLOSE_NOT_ALLOWED) {
                Notice *notice = node_notice_session(node, NOTICE_SESSION_REFUSED, session);

                notice->reason = reason;
                memcpy(notice->detail, message->detail, sizeof(notice->detail));
        }

        r = session_end(node, session, handshake && reason == CLOSE_SELF ? END_WRONG_ID : END_CLOSED, now_usec);
        if (r < 0)
                return r;

        /* Only who was called may say so, and not more often than a clone could be started anew. */
        if (reason == CLOSE_DUPLICATE_ID && handshake && ratelimit_allow(&node->id_changes, ID_CHANGES_RATE, now_usec))
                return node_take_new_id(node, now_usec);
        return 0;
}

static int session_on_pong(Node *node, Session *session, const PingMessage *pong, usec_t now_usec) {
        session->n_links = pong->n_links;

        for (size_t i = 0; node->pings && i < PINGS_MAX; i++)
                if (node->pings[i].link == session->link && node->pings[i].nonce == pong->nonce) {
                        Effect *effect = effect_queue_push(node->effects, EFFECT_PONG);

                        effect->token = node->pings[i].token;
                        effect->rtt_usec = usec_sub(now_usec, node->pings[i].sent_usec);
                        node->pings[i].link = 0;
                        if (session->use == SESSION_FOR_PING)
                                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
                        return 0;
                }
        if (node->ops->ponged && session->link_state == LINK_UP) {
                int r = node->ops->ponged(node, session, pong, now_usec);

                if (r < 0)
                        return r;
        }
        return liveness_on_pong(node, session, pong, now_usec);
}

static Held own_held(const Node *node) {
        return (Held) { node->identity.epoch, node->incarnation, MEMBER_ALIVE };
}

/* What changes the role tells links and seeds; whoever else asked is not among them. And who holds something earlier is told again:
 * if it takes us for another node, it learns that by the id of our record. */
static int session_on_accused(Node *node, Session *session, const Held *held, usec_t now_usec) {
        Held before = own_held(node), own;
        Message refute = { .type = MESSAGE_REFUTE };
        LinkId link = session->link;
        int r;

        r = node_on_held(node, held, now_usec);
        if (r < 0)
                return r;
        session = session_find(node, link);
        if (!session)
                return 0;               /* a new id ends all sessions */

        own = own_held(node);
        if (held_compare(&own, &before) != 0) {
                if (session->link_state == LINK_UP || session->use == SESSION_FOR_SEED)
                        return 0;
        } else if (held->state == MEMBER_ALIVE || held_compare(held, &own) > 0)
                return 0;
        refute.reg.record = node_record(node);
        return session_send(node, session, &refute);
}

static int session_on_open_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        switch (message->type) {

        case MESSAGE_PING: {
                Message pong;

                message_set(&pong, MESSAGE_PONG, ping, message->ping.nonce, node_n_own_links(node));
                session->n_links = message->ping.n_links;
                if (node->ops->name_neighbours && session->link_state == LINK_UP)
                        node->ops->name_neighbours(node, session, &pong.ping);
                return session_send(node, session, &pong);
        }

        case MESSAGE_PONG:
                return session_on_pong(node, session, &message->ping, now_usec);

        case MESSAGE_ACCUSED:
                return session_on_accused(node, session, &message->accused.held, now_usec);

        case MESSAGE_REFUTE:
                /* On a probe only to whoever asked, and told the other end what is held of it, does it mean
                 * something. */
                if (session_is_roles(session) || session->use == SESSION_FOR_PING)
                        return node->ops->message(node, session, message, now_usec);
                return 0;

        case MESSAGE_PROBE_REQ:
                /* What a session with PURPOSE_PROBE is for, too, at a peer. */
                if (session_is_roles(session) || (session->use == SESSION_ACCEPTED && node->settings.role == ROLE_PEER))
                        return node->ops->message(node, session, message, now_usec);
                return session_protocol_error(node, session, "Nobody may be asked about here.", now_usec);

        case MESSAGE_LINKS:
        case MESSAGE_LINKS_OK:
                return node->ops->message(node, session, message, now_usec);

        default:
                if (session_is_roles(session) || message->type == MESSAGE_SHUFFLE_REPLY)
                        return node->ops->message(node, session, message, now_usec);
                return session_protocol_error(node, session,
                                              "Only PING, PONG, ACCUSED, REFUTE, SHUFFLE_REPLY, LINKS, LINKS_OK and CLOSE have a "
                                              "place here.",
                                              now_usec);
        }
}

int session_on_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        if (message->type == MESSAGE_CLOSE && session->state != SESSION_DIALING)
                return session_on_close(node, session, &message->close, now_usec);

        switch (session->state) {

        case SESSION_HELLO_AWAITED:
                if (message->type == MESSAGE_HELLO)
                        return session_on_hello(node, session, &message->hello, now_usec);
                return session_protocol_error(node, session, "The first message was not HELLO.", now_usec);

        case SESSION_HELLO_SENT:
                if (message->type == MESSAGE_HELLO_OK)
                        return session_on_hello_ok(node, session, &message->hello_ok, now_usec);
                return session_protocol_error(node, session, "The answer to HELLO was not HELLO_OK.", now_usec);

        case SESSION_OPEN:
                if (message->type != MESSAGE_HELLO && message->type != MESSAGE_HELLO_OK)
                        return session_on_open_message(node, session, message, now_usec);
                return session_protocol_error(node, session, "A second handshake on one connection.", now_usec);

        case SESSION_CHECKING:
                return session_protocol_error(node, session, "A message before HELLO_OK was received.", now_usec);

        case SESSION_DIALING:
                break;
        }
        return session_protocol_error(node, session, "A message on a connection that is not open.", now_usec);
}

int session_on_link(Node *node, Session *session, LinkChange change, usec_t now_usec) {
        switch (change) {

        case LINK_CONNECTED:
                if (session->state != SESSION_DIALING)
                        return 0;
                session->state = SESSION_HELLO_SENT;
                session->since_usec = session->received_usec = now_usec;
                return session_send_hello(node, session);

        case LINK_REFUSED:
                return session_end(node, session, END_REFUSED, now_usec);

        case LINK_UNREACHABLE:
                return session_end(node, session, END_UNREACHABLE, now_usec);

        case LINK_CLOSED:
        case LINK_RESET:
                return session_end(node, session, session->state == SESSION_OPEN ? END_LOST : END_UNREACHABLE, now_usec);
        }
        return 0;
}

int session_on_timer(Node *node, Session *session, usec_t now_usec) {
        switch (session->state) {

        case SESSION_DIALING:
        case SESSION_HELLO_SENT:
                session_hang_up(node, session->link, false);
                session->reason = CLOSE_TIMEOUT;
                return session_end(node, session, END_UNREACHABLE, now_usec);

        case SESSION_HELLO_AWAITED:
                node->counters[COUNTER_SESSIONS_FAILED]++;
                return session_close(node, session, CLOSE_TIMEOUT, "No HELLO in time.", now_usec);

        case SESSION_CHECKING:
                return session_open_accepted(node, session, now_usec);

        case SESSION_OPEN:
                if (session->lingering)
                        return session_close(node, session, CLOSE_SUPERSEDED, NULL, now_usec);
                if (session->purpose == PURPOSE_PROBE && !session_is_roles(session))
                        return session_close(node, session, CLOSE_IDLE, NULL, now_usec);
                return node->ops->session_timer(node, session, now_usec);
        }
        return 0;
}
