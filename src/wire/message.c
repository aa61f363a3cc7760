/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/message.h"

#include <errno.h>

#include "wire/tlv.h"

#define ONCE(tag, member) TLV_FIELD_ONCE(Message, tag, member)
#define OPTIONAL(tag, member, has) TLV_FIELD_OPTIONAL(Message, tag, member, has)
#define REPEATED(tag, member, n) TLV_FIELD_REPEATED(Message, tag, member, n)

static const TlvField hello_fields[] = {
        ONCE(TAG_NETWORK, hello.network),
        ONCE(TAG_VERSION_MIN, hello.version_min),
        {
                .tag = TAG_VERSION_MAX, .presence = TLV_ONCE,
                .offset = offsetof(Message, hello.version_max), .not_below = TAG_VERSION_MIN,
        },
        ONCE(TAG_ID, hello.id),
        ONCE(TAG_EPOCH, hello.epoch),
        ONCE(TAG_ROLE, hello.role),
        ONCE(TAG_PURPOSE, hello.purpose),
        ONCE(TAG_NAME, hello.name),
        ONCE(TAG_PORT, hello.port),
        REPEATED(TAG_ADDRESS, hello.addresses, hello.n_addresses),
        ONCE(TAG_FEATURES, hello.features),
};

static const TlvField hello_ok_fields[] = {
        ONCE(TAG_VERSION, hello_ok.version),
        ONCE(TAG_ID, hello_ok.id),
        ONCE(TAG_EPOCH, hello_ok.epoch),
        ONCE(TAG_ROLE, hello_ok.role),
        ONCE(TAG_NAME, hello_ok.name),
        ONCE(TAG_PORT, hello_ok.port),
        REPEATED(TAG_ADDRESS, hello_ok.addresses, hello_ok.n_addresses),
        ONCE(TAG_FEATURES, hello_ok.features),
        { .tag = TAG_OBSERVED, .presence = TLV_ADDRESS_OR_NONE, .offset = offsetof(Message, hello_ok.observed) },
        OPTIONAL(TAG_HELD, hello_ok.held, hello_ok.has_held),
};

static const TlvField close_fields[] = {
        ONCE(TAG_REASON, close.reason),
        ONCE(TAG_RETRY_AFTER, close.retry_after_msec),
        ONCE(TAG_DETAIL, close.detail),
};

static const TlvField ping_fields[] = {
        ONCE(TAG_NONCE, ping.nonce),
        ONCE(TAG_LINKS, ping.n_links),
};

static const TlvField pong_fields[] = {
        ONCE(TAG_NONCE, ping.nonce),
        ONCE(TAG_LINKS, ping.n_links),
        REPEATED(TAG_NEIGHBOUR, ping.neighbours, ping.n_neighbours),
};

static const TlvField register_fields[] = {
        ONCE(TAG_RECORD, reg.record),
        ONCE(TAG_LINKS, reg.n_links),
};

static const TlvField register_ok_fields[] = {
        ONCE(TAG_LEASE, register_ok.lease_msec),
        ONCE(TAG_TOTAL, register_ok.total),
        OPTIONAL(TAG_HELD, register_ok.held, register_ok.has_held),
};

static const TlvField list_fields[] = {
        ONCE(TAG_COUNT, list.count),
        OPTIONAL(TAG_AFTER, list.after, list.has_after),
};

static const TlvField list_ok_fields[] = {
        ONCE(TAG_TOTAL, list_ok.total),
        REPEATED(TAG_RECORD, list_ok.records, list_ok.n_records),
};

static const TlvField renew_fields[] = {
        ONCE(TAG_EPOCH, renew.epoch),
        ONCE(TAG_INCARNATION, renew.incarnation),
        ONCE(TAG_LINKS, renew.n_links),
};

static const TlvField renew_ok_fields[] = {
        ONCE(TAG_LEASE, renew_ok.lease_msec),
        ONCE(TAG_TOTAL, renew_ok.total),
        OPTIONAL(TAG_HELD, renew_ok.held, renew_ok.has_held),
        REPEATED(TAG_RECORD, renew_ok.records, renew_ok.n_records),
};

static const TlvField leave_fields[] = {
        ONCE(TAG_EPOCH, leave.epoch),
        ONCE(TAG_INCARNATION, leave.incarnation),
};

static const TlvField dead_report_fields[] = {
        ONCE(TAG_ID, dead_report.id),
        ONCE(TAG_EPOCH, dead_report.epoch),
        ONCE(TAG_INCARNATION, dead_report.incarnation),
};

static const TlvField accused_fields[] = {
        ONCE(TAG_HELD, accused.held),
};

static const TlvField refute_fields[] = {
        ONCE(TAG_RECORD, reg.record),
};

static const TlvField members_fields[] = {
        REPEATED(TAG_RECORD, members.records, members.n_records),
        REPEATED(TAG_SUSPICION, members.suspicions, members.n_suspicions),
};

static const TlvField sync_digest_fields[] = {
        ONCE(TAG_DIGEST, sync_digest.hashes),
};

static const TlvField sync_records_fields[] = {
        REPEATED(TAG_RECORD, sync_records.records, sync_records.n_records),
        REPEATED(TAG_RENEWAL, sync_records.renewals, sync_records.n_renewals),
        OPTIONAL(TAG_BUCKETS, sync_records.want, sync_records.has_want),
};

static const TlvField neighbor_fields[] = {
        ONCE(TAG_PRIORITY, neighbor.priority),
        ONCE(TAG_LINKS, neighbor.n_links),
};

static const TlvField accept_fields[] = {
        ONCE(TAG_LINKS, accept.n_links),
};

static const TlvField busy_fields[] = {
        REPEATED(TAG_ADDRESS, busy.addresses, busy.n_addresses),
};

static const TlvField disconnect_fields[] = {
        ONCE(TAG_REASON, disconnect.reason),
};

static const TlvField shuffle_fields[] = {
        ONCE(TAG_TTL, shuffle.ttl),
        REPEATED(TAG_RECORD, shuffle.records, shuffle.n_records),
};

static const TlvField shuffle_reply_fields[] = {
        REPEATED(TAG_RECORD, shuffle.records, shuffle.n_records),
};

static const TlvField probe_req_fields[] = {
        ONCE(TAG_NONCE, probe.nonce),
        ONCE(TAG_ID, probe.id),
        REPEATED(TAG_ADDRESS, probe.addresses, probe.n_addresses),
};

static const TlvField probe_answer_fields[] = {
        ONCE(TAG_NONCE, probe.nonce),
};

static const TlvField links_fields[] = {
        ONCE(TAG_NONCE, links.nonce),
};

static const TlvField links_ok_fields[] = {
        ONCE(TAG_NONCE, links.nonce),
        REPEATED(TAG_LINK, links.links, links.n_links),
};

static const TlvField ranges_fields[] = {
        REPEATED(TAG_RANGE, ranges.ranges, ranges.n_ranges),
};

static const TlvField gossip_fields[] = {
        ONCE(TAG_STAMP, gossip),
        ONCE(TAG_TOPIC, gossip.topic),
        ONCE(TAG_PAYLOAD, gossip.payload),
        OPTIONAL(TAG_PREVIOUS, gossip.previous, gossip.has_previous),
};

#define LAYOUT(name, fields) { (name), (fields), ELEMENTSOF(fields) }
#define EMPTY(name) { (name), no_fields, 0 }

static const TlvField no_fields[1];             /* a place to point to */

static const TlvLayout layouts[] = {
        [MESSAGE_HELLO]         = LAYOUT("HELLO", hello_fields),
        [MESSAGE_HELLO_OK]      = LAYOUT("HELLO_OK", hello_ok_fields),
        [MESSAGE_CLOSE]         = LAYOUT("CLOSE", close_fields),
        [MESSAGE_PING]          = LAYOUT("PING", ping_fields),
        [MESSAGE_PONG]          = LAYOUT("PONG", pong_fields),
        [MESSAGE_REGISTER]      = LAYOUT("REGISTER", register_fields),
        [MESSAGE_REGISTER_OK]   = LAYOUT("REGISTER_OK", register_ok_fields),
        [MESSAGE_LIST]          = LAYOUT("LIST", list_fields),
        [MESSAGE_LIST_OK]       = LAYOUT("LIST_OK", list_ok_fields),
        [MESSAGE_RENEW]         = LAYOUT("RENEW", renew_fields),
        [MESSAGE_RENEW_OK]      = LAYOUT("RENEW_OK", renew_ok_fields),
        [MESSAGE_LEAVE]         = LAYOUT("LEAVE", leave_fields),
        [MESSAGE_DEAD_REPORT]   = LAYOUT("DEAD_REPORT", dead_report_fields),
        [MESSAGE_ACCUSED]       = LAYOUT("ACCUSED", accused_fields),
        [MESSAGE_REFUTE]        = LAYOUT("REFUTE", refute_fields),
        [MESSAGE_MEMBERS]       = LAYOUT("MEMBERS", members_fields),
        [MESSAGE_SYNC_DIGEST]   = LAYOUT("SYNC_DIGEST", sync_digest_fields),
        [MESSAGE_SYNC_RECORDS]  = LAYOUT("SYNC_RECORDS", sync_records_fields),
        [MESSAGE_NEIGHBOR]      = LAYOUT("NEIGHBOR", neighbor_fields),
        [MESSAGE_ACCEPT]        = LAYOUT("ACCEPT", accept_fields),
        [MESSAGE_BUSY]          = LAYOUT("BUSY", busy_fields),
        [MESSAGE_DISCONNECT]    = LAYOUT("DISCONNECT", disconnect_fields),
        [MESSAGE_SHUFFLE]       = LAYOUT("SHUFFLE", shuffle_fields),
        [MESSAGE_SHUFFLE_REPLY] = LAYOUT("SHUFFLE_REPLY", shuffle_reply_fields),
        [MESSAGE_PROBE_REQ]     = LAYOUT("PROBE_REQ", probe_req_fields),
        [MESSAGE_PROBE_ACK]     = LAYOUT("PROBE_ACK", probe_answer_fields),
        [MESSAGE_PROBE_NACK]    = LAYOUT("PROBE_NACK", probe_answer_fields),
        [MESSAGE_LINKS]         = LAYOUT("LINKS", links_fields),
        [MESSAGE_LINKS_OK]      = LAYOUT("LINKS_OK", links_ok_fields),
        [MESSAGE_GOSSIP]        = LAYOUT("GOSSIP", gossip_fields),
        [MESSAGE_IHAVE]         = LAYOUT("IHAVE", ranges_fields),
        [MESSAGE_GRAFT]         = LAYOUT("GRAFT", ranges_fields),
        [MESSAGE_PRUNE]         = EMPTY("PRUNE"),
        [MESSAGE_MSG_RANGES]    = LAYOUT("MSG_RANGES", ranges_fields),
        [MESSAGE_MSG_WANT]      = LAYOUT("MSG_WANT", ranges_fields),
};

/* NULL for a type that this version does not know. */
static const TlvLayout *layout_of(unsigned type) {
        return type < ELEMENTSOF(layouts) && layouts[type].name ? layouts + type : NULL;
}

const char *message_type_to_string(unsigned type) {
        return type < ELEMENTSOF(layouts) ? layouts[type].name : NULL;
}

const char *close_reason_to_string(unsigned reason) {
        static const char *const names[_CLOSE_REASON_MAX] = {
                [CLOSE_DONE]         = "done",
                [CLOSE_LEAVING]      = "leaving",
                [CLOSE_NETWORK]      = "network",
                [CLOSE_VERSION]      = "version",
                [CLOSE_PROTOCOL]     = "protocol",
                [CLOSE_BUSY]         = "busy",
                [CLOSE_DUPLICATE_ID] = "duplicate-id",
                [CLOSE_SUPERSEDED]   = "superseded",
                [CLOSE_SELF]         = "self",
                [CLOSE_SLOW]         = "slow",
                [CLOSE_IDLE]         = "idle",
                [CLOSE_TIMEOUT]      = "timeout",
                [CLOSE_NOT_ALLOWED]  = "not-allowed",
        };

        return reason < ELEMENTSOF(names) ? names[reason] : NULL;
}

const char *member_state_to_string(MemberState state) {
        static const char *const names[_MEMBER_STATE_MAX] = {
                [MEMBER_ALIVE]   = "alive",
                [MEMBER_SUSPECT] = "suspect",
                [MEMBER_LEFT]    = "left",
                [MEMBER_DEAD]    = "dead",
        };

        return (unsigned) state < ELEMENTSOF(names) ? names[state] : NULL;
}

const char *role_to_string(Role role) {
        static const char *const names[] = {
                [ROLE_PEER] = "peer",
                [ROLE_SEED] = "seed",
        };

        return (unsigned) role < ELEMENTSOF(names) ? names[role] : NULL;
}

int message_decode(Message *ret, const Frame *frame) {
        const TlvLayout *layout = layout_of(frame->type);
        int r;

        if (!layout)
                return 0;

        if (!tlv_load_plain(layout, frame->body, ret)) {
                r = tlv_check(layout, frame->body);
                if (r < 0)
                        return r;
                tlv_load(layout, frame->body, ret);
        }
        ret->type = frame->type;
        if (frame->type == MESSAGE_GOSSIP)
                ret->gossip.body = frame->body;
        return 1;
}

size_t message_encoded_size(const Message *message) {
        const TlvLayout *layout = layout_of(message->type);

        assert(layout);

        return FRAME_HEADER_SIZE + tlv_size(layout, message);
}

int message_encode(FrameBuffer **ret, const Message *message) {
        size_t size = message_encoded_size(message);
        FrameBuffer *buffer;
        uint8_t *p;

        assert(size <= FRAME_SIZE_MAX);

        buffer = frame_buffer_new(size);
        if (!buffer)
                return -ENOMEM;

        p = put_be32(buffer->data, (uint32_t) (size - FRAME_LENGTH_SIZE));
        p = put_u8(put_u8(p, (uint8_t) message->type), 0);
        p = tlv_store(layout_of(message->type), message, p);
        assert(p == buffer->data + size);

        *ret = buffer;
        return 0;
}

int gossip_copy(FrameBuffer **ret, GossipMessage *gossip, uint32_t age_msec, uint8_t n_hops) {
        Slice body = gossip->body;
        FrameBuffer *buffer = frame_buffer_new(FRAME_HEADER_SIZE + body.size);
        uint8_t *p;

        if (!buffer)
                return -ENOMEM;

        p = put_be32(buffer->data, (uint32_t) (buffer->size - FRAME_LENGTH_SIZE));
        p = put_u8(put_u8(p, MESSAGE_GOSSIP), 0);
        (void) put_bytes(p, body.data, body.size);
        tlv_patch_stamp(p, age_msec, n_hops);

        gossip->topic.data = p + (gossip->topic.data - body.data);
        gossip->payload.data = p + (gossip->payload.data - body.data);
        gossip->body.data = p;
        gossip->age_msec = age_msec;
        gossip->n_hops = n_hops;
        *ret = buffer;
        return 0;
}

size_t record_encode(const Record *record, uint8_t buffer[static RECORD_SIZE_MAX]) {
        assert(tlv_size(&tlv_record_layout, record) <= RECORD_SIZE_MAX);

        return (size_t) (tlv_store(&tlv_record_layout, record, buffer) - buffer);
}

int record_decode(Record *ret, Slice data) {
        int r;

        r = tlv_check(&tlv_record_layout, data);
        if (r < 0)
                return r;

        tlv_load(&tlv_record_layout, data, ret);
        return 0;
}
