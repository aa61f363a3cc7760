/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Comparing two tables (PROTOCOL.md, 7.3): a digest of 256 hashes finds the buckets that differ, and only those are
 * sent. A peer's digest counts the peer itself, as everybody else's table does; a seed is in nobody's table.
 */

#include <errno.h>

#include "core/node-internal.h"

#define DIGEST_SIZE (SYNC_BUCKETS * sizeof(uint64_t))

void sync_digest(const Node *node, bool with_self, uint64_t ret[static SYNC_BUCKETS]) {
        const NodeIdentity *self = &node->identity;

        if (node->members.buckets)
                memcpy(ret, node->members.buckets, DIGEST_SIZE);
        else
                memset(ret, 0, DIGEST_SIZE);
        if (with_self)
                ret[self->id.bytes[0]] ^= member_hash(&self->id, self->epoch, node->incarnation, MEMBER_ALIVE);
}

int sync_send_digest(Node *node, Session *session) {
        uint64_t hashes[SYNC_BUCKETS];
        uint8_t bytes[DIGEST_SIZE], *p = bytes;
        Message message;

        sync_digest(node, node->settings.role == ROLE_PEER, hashes);
        for (size_t i = 0; i < SYNC_BUCKETS; i++)
                p = put_be64(p, hashes[i]);
        message_set(&message, MESSAGE_SYNC_DIGEST, sync_digest, .hashes = slice_of(bytes, sizeof(bytes)));
        return session_send(node, session, &message);
}

unsigned sync_compare(const Node *node, Slice hashes, uint8_t ret_mask[static SYNC_BUCKETS / 8]) {
        uint64_t ours[SYNC_BUCKETS];
        unsigned n = 0;

        assert(hashes.size == DIGEST_SIZE);

        sync_digest(node, node->settings.role == ROLE_PEER, ours);
        memset(ret_mask, 0, SYNC_BUCKETS / 8);
        for (size_t i = 0; i < SYNC_BUCKETS; i++)
                if (get_be64(hashes.data + i * sizeof(uint64_t)) != ours[i]) {
                        sync_mark(ret_mask, i);
                        n++;
                }
        return n;
}

uint32_t member_age_msec(const Member *member, usec_t now_usec) {
        bool live = member_state_is_live(member->record.state);
        usec_t age_usec = usec_sub(now_usec, live ? member->renewed_usec : member->since_usec);

        return (uint32_t) MIN(age_usec / USEC_PER_MSEC, (usec_t) UINT32_MAX);
}

void sync_begin(Message *message) {
        message->type = MESSAGE_SYNC_RECORDS;
        message->sync_records.n_records = message->sync_records.n_renewals = 0;
        message->sync_records.has_want = false;
}

bool sync_add(const Member *member, const Session *session, SyncRecordsMessage *message, usec_t now_usec) {
        Record *record = message->records + message->n_records;

        assert(message->n_records < MESSAGE_RECORDS_MAX);

        if (member->hidden)
                return false;
        if (!record_for_caller(&member->record, &session->remote, record) && member_state_is_live(record->state))
                return false;
        if (!member_state_is_live(record->state))
                record->n_addresses = 0;        /* nobody is to dial them */
        record->age_msec = member_age_msec(member, now_usec);
        message->n_records++;
        return true;
}

int sync_flush(Node *node, Session *session, Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        int r;

        r = message_encode(&frame, message);
        if (r < 0)
                return r;

        node->counters[COUNTER_SYNC_RECORDS_OUT] += message->sync_records.n_records;
        message->sync_records.n_records = 0;
        /* As data: it may be much, so what waits is counted, and whoever asks for more has to wait for it. */
        session_send_frame(node, session, frame, true);
        return 0;
}

int sync_send_records(Node *node, Session *session, const uint8_t mask[static SYNC_BUCKETS / 8], const uint8_t *want,
                      usec_t now_usec) {
        Message message;
        SyncRecordsMessage *records = &message.sync_records;
        Record own;
        int r;

        sync_begin(&message);
        for (size_t i = 0; i < node->members.n; i++) {
                const Member *member = node->members.members[i];

                if (!sync_marked(mask, member->record.id.bytes[0]))
                        continue;
                if (records->n_records == MESSAGE_RECORDS_MAX) {
                        r = sync_flush(node, session, &message);
                        if (r < 0)
                                return r;
                }
                (void) sync_add(member, session, records, now_usec);
        }
        if (node->settings.role == ROLE_PEER && sync_marked(mask, node->identity.id.bytes[0])) {
                if (records->n_records == MESSAGE_RECORDS_MAX) {
                        r = sync_flush(node, session, &message);
                        if (r < 0)
                                return r;
                }
                /* HELLO says no incarnation. */
                own = node_record(node);
                (void) record_for_caller(&own, &session->remote, records->records + records->n_records++);
        }

        if (want) {
                records->has_want = true;
                memcpy(records->want, want, sizeof(records->want));
        }
        if (records->n_records == 0 && !want)
                return 0;
        return sync_flush(node, session, &message);
}
