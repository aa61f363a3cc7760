/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members as a peer knows them: what it is told of them, who is told of that, and what it hears from them itself. */

#include <errno.h>

#include "core/peer-node-internal.h"

#define NEWCOMER_USEC (500 * USEC_PER_MSEC)
#define INTRODUCED_RENEWALS 2U          /* one of each seed, in a network with three */

static NoticeType notice_of_change(MemberChange change, MemberState was, const Member *member) {
        switch (change) {

        case MEMBER_ADDED:
        case MEMBER_RESTARTED:
                return NOTICE_JOINED;

        case MEMBER_REVIVED:
                return was == MEMBER_SUSPECT ? NOTICE_ALIVE : NOTICE_JOINED;

        case MEMBER_SUSPECTED:
                return NOTICE_SUSPECT;

        case MEMBER_GONE:
                return member->record.state == MEMBER_LEFT ? _NOTICE_INVALID : NOTICE_DEAD;     /* left: peer_on_parted() */

        case MEMBER_UNCHANGED:
        case MEMBER_ADDED_GONE:
        case MEMBER_UPDATED:
                break;
        }
        return _NOTICE_INVALID;
}

/* Somebody holds a member dead that we have a living link to: it is told, at once and first. */
static int peer_tell_accused(Node *node, const Member *member) {
        Session *session = session_of(node, &member->record.id);
        Message message = { .type = MESSAGE_ACCUSED, .accused.held = member_held(member) };

        if (!session || session->link_state != LINK_UP)
                return 0;
        return session_send(node, session, &message);
}

int peer_merge(Node *node, const Record *record, LinkId from, usec_t now_usec) {
        MemberState was = _MEMBER_STATE_INVALID;
        bool sampled = false;
        Held before = {}, after;
        NoticeType type;
        Member *member;
        int change, r;

        if (record->role != ROLE_PEER || record->epoch >= EPOCH_MAX)
                return 0;

        member = member_table_find(&node->members, &record->id);
        if (member) {
                was = member->record.state;
                before = member_held(member);
        }
        change = member_table_merge(&node->members, record, now_usec, &member);
        if (change == -ENOSPC && record->state == MEMBER_ALIVE && sample_make_room(node, &record->id, from != 0)) {
                sampled = true;
                change = member_table_merge(&node->members, record, now_usec, &member);
        }
        if (change == -ENOSPC) {
                node->counters[COUNTER_MEMBERS_REFUSED]++;
                return 0;
        }
        if (change < 0)
                return change;
        if (was == _MEMBER_STATE_INVALID)
                member->rank = sample_rank(&node->peer->sample, &record->id);

        if (sampled) {
                /* Who takes the place of another one has not joined, unless somebody says so; and who was told of all knows it. */
                member->is_newcomer = from != 0;
                if (member->is_newcomer)
                        node_notice_member(node, NOTICE_JOINED, member);
                return 0;
        }
        if (change == MEMBER_ADDED)
                node->peer->sample.highest = UINT64_MAX;        /* whatever its rank is */
        type = notice_of_change(change, was, member);
        if (type != _NOTICE_INVALID) {
                Notice *notice = node_notice_member(node, type, member);

                notice->restarted = change == MEMBER_RESTARTED;
                notice->known = change == MEMBER_RESTARTED || was == MEMBER_ALIVE || was == MEMBER_SUSPECT;
        }
        after = member_held(member);
        if (change == MEMBER_UNCHANGED || (change != MEMBER_ADDED && held_compare(&after, &before) == 0))
                return 0;
        verdict_drop(node, member);
        member->accused = false;
        if (change != MEMBER_ADDED_GONE) {
                r = members_news(node, member, from, now_usec);
                if (r < 0)
                        return r;
        }
        if (change == MEMBER_GONE) {
                r = suspicion_clear(node, member, now_usec);
                if (r < 0)
                        return r;
                member->parting = record->state == MEMBER_LEFT;
                if (member->parting)
                        timer_set(&node->timers, &member->timer, usec_add(now_usec, RESTART_USEC));
                view_remove(&node->peer->view, &record->id, NULL);
                r = peer_tell_accused(node, member);
                return r < 0 ? r : links_end_silent(node, &record->id, now_usec);
        }
        return member->record.state == MEMBER_ALIVE ? links_ask_again(node, &record->id, now_usec) : 0;
}

void peer_wait_for(Node *node, const NodeId *id, bool revived, usec_t now_usec) {
        Member *member = member_table_find(&node->members, id);
        View *view = &node->peer->view;

        if (!member || member->record.state != MEMBER_ALIVE || node_id_equal(id, &node->identity.id))
                return;
        /* Who appears after our start may be of another part of the network, which has links of its own. */
        if (revived && node->peer->settled)
                member->introduced = INTRODUCED_RENEWALS;
        /* If both dialled in the same moment, they would meet half-way, and one of both links replace the other. */
        if (member->record.n_addresses == 0 || view->n_passive >= view->n_passive_max || session_of(node, id))
                return;
        view_add(view, id, member->record.addresses);
        view_rest(view, member->record.addresses, usec_add(now_usec, random_jitter(&node->random, NEWCOMER_USEC)), false);
}

int peer_on_parted(Node *node, Member *member) {
        member->parting = false;
        node_notice_member(node, member->record.state == MEMBER_LEFT ? NOTICE_LEFT : NOTICE_DEAD, member);
        return 0;
}

int peer_heard_of(Node *node, const Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        Record record = {
                .id = session->id,
                .epoch = session->epoch,
                .state = MEMBER_ALIVE,
                .role = session->role,
        };
        int r;

        if (session->role != ROLE_PEER)
                return 0;

        memcpy(record.name, session->name, strlen(session->name) + 1);
        while (record.n_addresses < session->n_addresses) {
                record.addresses[record.n_addresses] = session->addresses[record.n_addresses];
                record.n_addresses++;
        }
        if (member && member->record.epoch == session->epoch)
                record.incarnation = member->record.incarnation;
        r = peer_merge(node, &record, session->link, now_usec);
        if (r < 0)
                return r;

        member = member_table_find(&node->members, &session->id);
        if (!member)
                return 0;               /* no room for it */
        member->heard_usec = now_usec;
        r = suspicion_clear(node, member, now_usec);
        if (r < 0)
                return r;
        member->introduced = 0;
        if (session_outgoing(session))
                member->reached = session->remote;
        /* It was our own suspicion, or one that we only heard of: it answers. Dead it stays until it refutes, which
         * it was told. */
        if (member->record.state == MEMBER_SUSPECT && member->record.epoch == session->epoch) {
                member->accused = false;
                verdict_drop(node, member);
                member_set_state(&node->members, member, member->record.epoch, member->record.incarnation, MEMBER_ALIVE,
                                 now_usec);
                node_notice_member(node, NOTICE_ALIVE, member);
        }
        return links_ask_again(node, &session->id, now_usec);
}

int peer_left(Node *node, const Session *session, usec_t now_usec) {
        const Member *member = member_table_find(&node->members, &session->id);
        Record record;

        if (!member || member->record.epoch != session->epoch)
                return 0;
        record = member->record;
        record.state = MEMBER_LEFT;
        return peer_merge(node, &record, session->link, now_usec);
}
