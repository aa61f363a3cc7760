/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The overlay: after HyParView's active view (Leitao, Pereira, Rodrigues, DSN 2007), PROTOCOL.md section 5.
 *
 *      NONE --NEIGHBOR sent--> ASKED --ACCEPT--> UP            the caller: candidates.c
 *                                    --BUSY----> the session ends, the next candidate is dialled
 *      NONE --NEIGHBOR received--> UP                          the callee, with room: admission.c
 *                              --> UNDECIDED --> UP, or BUSY   the callee, full: its silent links are asked first
 *      UP --strikes used up--> SILENT --anything received--> UP        another link has taken its place, and the surplus goes
 *                                     --dead, or heard by witnesses--> the session ends
 *
 * Departures from the paper: links to outgoing and from incoming sides are counted apart, so that a flood of callers
 * cannot take the places of those we chose; links are replaced in time (rotation.c); and lost peers are remembered and tried
 * again, without which a network that fell apart stays so when no seed helps. The paper's FORWARD_JOIN, a walk that finds a newcomer
 * its links, is a shuffle here.
 */

#include <limits.h>

#include "core/peer-node-internal.h"

#define REST_BUSY_USEC (10 * USEC_PER_SEC)
#define REST_FAILED_USEC (30 * USEC_PER_SEC)
#define HINTS_RATE ((Rate) { 32, 10 * USEC_PER_SEC })   /* addresses that are taken from BUSY */
#define ANSWER_USEC (5 * USEC_PER_SEC)          /* for ACCEPT or BUSY */
#define SILENT_MARGIN_USEC (10 * USEC_PER_SEC)  /* a silent link has ended by then, whatever became of the suspicion */

/* ---- up and down ---- */

unsigned links_counted(const Node *node) {
        return node->settings.params.links_shared ? links_n(node) : node->peer->n_out;
}

static Notice *links_notice(Node *node, NoticeType type, const Session *session) {
        Notice *notice = node_notice_session(node, type, session);

        notice->n = session_outgoing(session) ? node->peer->n_out : node->peer->n_in;
        notice->n_max = session_outgoing(session) || node->settings.params.links_shared ?
                        node->settings.params.links_outgoing : node->settings.params.links_inbound;
        return notice;
}

/* Of those that carry no messages, if there are any: so the tree stays whole. */
static Session *links_youngest_out(Node *node, const Session *but) {
        Session *youngest = NULL;

        for (Session *session = node->sessions; session; session = session->next) {
                if (session == but || session->link_state != LINK_UP || !session_outgoing(session) || session->ending)
                        continue;
                if (!youngest || session->up->gossip.is_lazy > youngest->up->gossip.is_lazy ||
                    (session->up->gossip.is_lazy == youngest->up->gossip.is_lazy &&
                     session->up->linked_usec >= youngest->up->linked_usec))
                        youngest = session;
        }
        return youngest;
}

/* When the memory is full, those go first that we hold alive: they are in our part of the network, and others know them. */
static void links_remember(Node *node, const NodeId *id, const Address *address) {
        View *view = &node->peer->view;

        for (size_t i = 0; i < view->n_lost && view->n_lost >= view->n_lost_max; i++) {
                const Member *member = member_table_find(&node->members, &view->lost[i].id);

                if (member && member->record.state == MEMBER_ALIVE) {
                        Address known = view->lost[i].address;

                        view_forget_lost(view, &known);
                }
        }
        view_lose(view, id, address);
}

/* It counts from here on. */
static int link_begin(Node *node, Session *session, usec_t now_usec) {
        PeerNode *peer = node->peer;
        int r;

        r = session_set_up(node, session, now_usec);
        if (r < 0)
                return r;
        session_set_timer(node, session, USEC_INFINITY);
        if (session_outgoing(session))
                peer->n_out++;
        else
                peer->n_in++;
        shuffle_link_up(session);
        view_remove(&peer->view, &session->id, session->addresses);
        links_remember(node, &session->id, session->addresses);         /* worth coming back to, some day */
        peer_remember(node, now_usec);
        links_notice(node, NOTICE_LINKED, session);
        r = repair_link_up(node, session, now_usec);
        if (r < 0)
                return r;
        r = plumtree_link_up(node, session, now_usec);
        if (r < 0)
                return r;
        if (session_outgoing(session)) {
                r = members_compare(node, session);
                if (r < 0)
                        return r;
        }
        return members_link_up(node, session, now_usec);
}

/*
 * The one that a new link takes the place of. Whoever merges two halves may have had all the links it wants; whoever rotates had.
 * When all others carry messages, there is one too many until the next time.
 */
static Session *links_replaced(Node *node, const Session *session, usec_t now_usec) {
        const Params *params = &node->settings.params;
        unsigned n = links_counted(node);
        Session *out;

        if (!session_outgoing(session) || n <= params->links_outgoing || (session->priority != PRIORITY_MERGE && !session->rotates))
                return NULL;
        if (params->links_evict_any)
                return links_random(node, session);
        out = session->rotates ? rotation_victim(node, session, now_usec) : NULL;
        if (out)
                return out;
        out = links_youngest_out(node, session);
        return n > params->links_outgoing + 1 || !plumtree_has_tree(node) || (out && out->up->gossip.is_lazy) ? out : NULL;
}

int links_up(Node *node, Session *session, usec_t now_usec) {
        Session *out;
        int r;

        r = link_begin(node, session, now_usec);
        if (r < 0)
                return r;
        r = shuffle_join(node, now_usec);
        if (r < 0)
                return r;

        out = links_replaced(node, session, now_usec);
        if (out) {
                r = links_disconnect(node, out, CLOSE_BUSY,
                                     session->rotates ? "It was long enough: another link takes its turn." :
                                     "A link to another part of the network replaces it.", now_usec);
                if (r < 0)
                        return r;
        }
        return links_fill(node, now_usec);
}

static void link_down(Node *node, Session *session, usec_t now_usec) {
        if (session_outgoing(session)) {
                node->peer->n_out--;
                peer_remember(node, now_usec);          /* it may have been an anchor */
        }
        else
                node->peer->n_in--;
        session->link_state = LINK_NONE;
        liveness_forget(node, session);
        plumtree_link_down(node, session);
}

/* The session is done with the link; what is remembered and told is why the link ended. */
static int links_end(Node *node, Session *session, SessionEnd end, CloseReason reason, const char *detail, usec_t now_usec) {
        int r;

        r = session_send_close(node, session, CLOSE_DONE, detail);
        if (r < 0)
                return r;
        session_hang_up(node, session->link, true);
        session->reason = reason;
        return session_end(node, session, end, now_usec);
}

int links_disconnect(Node *node, Session *session, CloseReason reason, const char *detail, usec_t now_usec) {
        Message message = { .type = MESSAGE_DISCONNECT, .disconnect.reason = reason };
        int r;

        r = session_send(node, session, &message);
        if (r < 0)
                return r;
        return links_end(node, session, END_BY_US, reason, detail, now_usec);
}

/* ---- silent ones ---- */

int links_silence(Node *node, Session *session, usec_t now_usec) {
        Notice *notice;
        int r;

        link_down(node, session, now_usec);
        session->link_state = LINK_SILENT;
        session->reason = CLOSE_TIMEOUT;
        session_set_timer(node, session,
                          usec_add(now_usec, 2 * node->settings.params.suspicion_max_usec + SILENT_MARGIN_USEC));
        notice = links_notice(node, NOTICE_UNLINKED, session);
        notice->by_us = true;

        r = links_decide(node, now_usec);
        return r < 0 ? r : links_fill(node, now_usec);
}

static int links_drop_surplus(Node *node, const Session *but, const char *detail, usec_t now_usec) {
        const Params *params = &node->settings.params;
        Session *session;
        int r;

        while (links_counted(node) > params->links_outgoing && (session = links_youngest_out(node, but))) {
                r = links_disconnect(node, session, CLOSE_BUSY, detail, now_usec);
                if (r < 0)
                        return r;
        }
        while (!params->links_shared && node->peer->n_in > params->links_inbound + 1 &&
               (session = links_least_missed_in(node, but))) {
                r = links_disconnect(node, session, CLOSE_BUSY, detail, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The other end may have noticed nothing, as one that was paused: so what has replaced the link goes, not the link. */
int links_restore(Node *node, Session *session, usec_t now_usec) {
        int r;

        session->reason = 0;
        r = link_begin(node, session, now_usec);
        if (r < 0)
                return r;
        return links_drop_surplus(node, session, "The link that it has replaced is back.", now_usec);
}

static Session *link_silent_with(Node *node, const NodeId *id) {
        Session *session = session_of(node, id);

        return session && session->link_state == LINK_SILENT && !session->ending ? session : NULL;
}

int links_ask_again(Node *node, const NodeId *id, usec_t now_usec) {
        Session *session = link_silent_with(node, id);

        if (!session || timer_is_set(&session->up->liveness.timer))
                return 0;
        liveness_forget(node, session);
        return liveness_ping(node, session, USEC_INFINITY, now_usec);
}

int links_end_silent(Node *node, const NodeId *id, usec_t now_usec) {
        Session *session = link_silent_with(node, id);

        return session ? session_close(node, session, CLOSE_TIMEOUT, "Liveness requests were not answered.", now_usec) : 0;
}

/* ---- dialling ---- */

int links_dial_as(Node *node, const NodeId *id, const Address *address, Priority priority, bool rotates,
                  usec_t now_usec) {
        Session *session;
        int r;

        r = session_dial(node, address, SESSION_FOR_LINK, node_id_is_null(id) ? NULL : id, DIAL_USEC, now_usec, &session);
        if (r < 0)
                return r;

        session->priority = priority;
        session->rotates = rotates;
        view_rest(&node->peer->view, address, usec_add(now_usec, DIAL_USEC + ANSWER_USEC), false);
        return 0;
}

int links_dial(Node *node, const NodeId *id, const Address *address, Priority priority, usec_t now_usec) {
        return links_dial_as(node, id, address, priority, false, now_usec);
}

int links_opened(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_NEIGHBOR };
        int r;

        if (session->use != SESSION_FOR_LINK)
                return 0;               /* the caller says what it wants */

        if (session->role != ROLE_PEER) {
                view_forget(&node->peer->view, &session->remote);
                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
        }

        if (session->priority != PRIORITY_MERGE)
                session->priority = links_n(node) == 0 ? PRIORITY_HIGH : PRIORITY_LOW;
        message.neighbor.priority = session->priority;
        message.neighbor.n_links = node_n_own_links(node);
        r = session_send(node, session, &message);
        if (r < 0)
                return r;

        session->link_state = LINK_ASKED;
        session_set_timer(node, session, usec_add(now_usec, ANSWER_USEC));
        return 0;
}

/* ---- answers ---- */

static int links_on_busy(Node *node, Session *session, const BusyMessage *busy, usec_t now_usec) {
        PeerNode *peer = node->peer;
        usec_t rest_usec = session->priority == PRIORITY_LOW ? REST_BUSY_USEC : REST_FAILED_USEC;
        Address remote = session->remote;
        int r;

        node->counters[COUNTER_BUSY_RECEIVED]++;
        node_notice_session(node, NOTICE_BUSY, session);
        for (size_t i = 0; i < busy->n_addresses; i++)
                if (ratelimit_allow(&peer->hints, HINTS_RATE, now_usec))
                        view_add_from(&peer->view, NULL, busy->addresses + i, &session->remote);

        r = session_close(node, session, CLOSE_DONE, NULL, now_usec);
        if (r < 0)
                return r;
        view_rest(&peer->view, &remote, usec_add(now_usec, random_jitter(&node->random, rest_usec)),
                  rest_usec == REST_BUSY_USEC);
        return links_fill(node, now_usec);
}

int links_on_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        switch (message->type) {

        case MESSAGE_NEIGHBOR:
                return links_on_neighbor(node, session, &message->neighbor, now_usec);

        case MESSAGE_ACCEPT:
                if (session->link_state != LINK_ASKED)
                        break;
                session->n_links = message->accept.n_links;
                if (links_counted(node) >= node->settings.params.links_outgoing && session->priority != PRIORITY_MERGE &&
                    !session->rotates)
                        return links_disconnect(node, session, CLOSE_BUSY, "Others were faster.", now_usec);
                return links_up(node, session, now_usec);

        case MESSAGE_BUSY:
                if (session->link_state != LINK_ASKED)
                        break;
                return links_on_busy(node, session, &message->busy, now_usec);

        case MESSAGE_DISCONNECT:
                return links_end(node, session, END_CLOSED, message->disconnect.reason, NULL, now_usec);

        case MESSAGE_REFUTE:
                if (!node_id_equal(&message->reg.record.id, &session->id) || message->reg.record.epoch >= EPOCH_MAX)
                        break;
                session->epoch = MAX(session->epoch, message->reg.record.epoch);
                return peer_merge(node, &message->reg.record, session->link, now_usec);

        default:
                break;
        }
        return session_protocol_error(node, session, "A message that has no place on this session.", now_usec);
}

/* ---- ends ---- */

static int links_up_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        Notice *notice;

        link_down(node, session, now_usec);
        notice = links_notice(node, NOTICE_UNLINKED, session);
        notice->by_us = end == END_BY_US;
        if (end == END_LOST)
                notice->reason = 0;

        if (end == END_LOST)
                return suspicion_lost(node, session, now_usec);
        if (session->reason == (end == END_CLOSED ? CLOSE_LEAVING : CLOSE_TIMEOUT) || node->state == NODE_STOPPING)
                return 0;               /* nobody to dial soon */

        view_add(&node->peer->view, &session->id, session->addresses);
        view_rest(&node->peer->view, session->addresses,
                  usec_add(now_usec, random_jitter(&node->random, REST_BUSY_USEC)), true);
        return 0;
}

static int links_dial_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        View *view = &node->peer->view;
        Member *member = member_table_find(&node->members, &session->subject);

        switch (end) {

        case END_REFUSED:
                if (member && member->record.state == MEMBER_ALIVE && address_equal(&member->reached, &session->remote) &&
                    !session_of(node, &session->subject))
                        return suspicion_found(node, member, EVIDENCE_REFUSED, now_usec);
                break;

        case END_WRONG_ID:
                /* Whoever it is, or ourselves: the address is not the one of the peer that we looked for. */
                view_forget(view, &session->remote);
                if (!member)
                        return 0;
                member_remove_address(member, &session->remote);
                if (member->record.n_addresses > 0)
                        return 0;
                return suspicion_found(node, member, EVIDENCE_OTHER_ID, now_usec);

        case END_CLOSED:
                if (session->state == SESSION_OPEN && session->reason == CLOSE_LEAVING)
                        return 0;
                break;

        case END_UNREACHABLE:
        case END_LOST:
                break;

        case END_BY_US:
                return 0;
        }

        links_remember(node, &session->subject, &session->remote);
        if (!view_fail(view, &session->remote, usec_add(now_usec, random_jitter(&node->random, REST_FAILED_USEC))) && !member)
                view_remove(view, NULL, &session->remote);
        return 0;
}

int links_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        int r = 0;

        if (session->link_state == LINK_UP)
                r = links_up_ended(node, session, end, now_usec);
        else if (session->link_state == LINK_SILENT)
                r = end == END_LOST ? suspicion_lost(node, session, now_usec) : 0;
        else if (session->use == SESSION_FOR_LINK)
                r = links_dial_ended(node, session, end, now_usec);
        if (r < 0)
                return r;

        r = links_decide(node, now_usec);
        if (r < 0)
                return r;
        return links_fill(node, now_usec);
}

int links_trim(Node *node, usec_t now_usec) {
        int r;

        r = links_drop_surplus(node, NULL, "Fewer links are configured now.", now_usec);
        return r < 0 ? r : links_fill(node, now_usec);
}
