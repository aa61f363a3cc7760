/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message-random.h"

const MessageType message_types[] = {
        MESSAGE_HELLO, MESSAGE_HELLO_OK, MESSAGE_CLOSE, MESSAGE_PING, MESSAGE_PONG,
        MESSAGE_REGISTER, MESSAGE_REGISTER_OK, MESSAGE_LIST, MESSAGE_LIST_OK, MESSAGE_RENEW, MESSAGE_RENEW_OK,
        MESSAGE_LEAVE, MESSAGE_DEAD_REPORT, MESSAGE_ACCUSED, MESSAGE_REFUTE,
        MESSAGE_MEMBERS, MESSAGE_SYNC_DIGEST, MESSAGE_SYNC_RECORDS,
        MESSAGE_NEIGHBOR, MESSAGE_ACCEPT, MESSAGE_BUSY, MESSAGE_DISCONNECT, MESSAGE_SHUFFLE, MESSAGE_SHUFFLE_REPLY,
        MESSAGE_PROBE_REQ, MESSAGE_PROBE_ACK, MESSAGE_PROBE_NACK, MESSAGE_LINKS, MESSAGE_LINKS_OK,
        MESSAGE_GOSSIP, MESSAGE_IHAVE, MESSAGE_GRAFT, MESSAGE_PRUNE, MESSAGE_MSG_RANGES, MESSAGE_MSG_WANT,
};
const size_t n_message_types = ELEMENTSOF(message_types);

/* Either end as often as anything between. */
static uint64_t between(Random *random, uint64_t low, uint64_t high) {
        switch (random_below(random, 4)) {
        case 0:
                return low;
        case 1:
                return high;
        default:
                return low == 0 && high == UINT64_MAX ? random_u64(random) : low + random_below(random, high - low + 1);
        }
}

static bool coin(Random *random) {
        return random_below(random, 2) == 1;
}

static uint64_t any_u64(Random *random) {
        return between(random, 0, UINT64_MAX);
}

static uint32_t any_u32(Random *random) {
        return (uint32_t) between(random, 0, UINT32_MAX);
}

static uint16_t any_u16(Random *random, uint16_t low) {
        return (uint16_t) between(random, low, UINT16_MAX);
}

static void any_bytes(Random *random, uint8_t *p, size_t size) {
        for (; size >= 8; size -= 8)
                p = put_be64(p, random_u64(random));
        for (; size > 0; size--)
                p = put_u8(p, (uint8_t) random_u64(random));
}

static NodeId any_id(Random *random) {
        NodeId id = {};

        if (random_below(random, 8) == 0)
                id.bytes[random_below(random, NODE_ID_SIZE)] = 1;       /* all but nobody */
        else
                any_bytes(random, id.bytes, NODE_ID_SIZE);
        return id;
}

/* UTF-8 of one to four bytes a character, without the control characters. */
static void any_text(Random *random, char *text, size_t size_min, size_t size_max) {
        size_t left = between(random, size_min, size_max);
        uint8_t *p = (uint8_t *) text;

        while (left > 0) {
                size_t n = 1 + random_below(random, MIN(left, (size_t) 4));
                uint32_t c;

                switch (n) {
                case 1:
                        p = put_u8(p, (uint8_t) between(random, 0x20, 0x7e));
                        break;
                case 2:
                        c = (uint32_t) between(random, 0xa0, 0x7ff);
                        p = put_be16(p, (uint16_t) (0xc080 | c >> 6 << 8 | (c & 0x3f)));
                        break;
                case 3:
                        c = (uint32_t) between(random, 0x800, 0xffff);
                        if (c >= 0xd800 && c < 0xe000)
                                c -= 0x800;             /* no surrogates */
                        p = put_be24(p, 0xe08080 | c >> 12 << 16 | (c >> 6 & 0x3f) << 8 | (c & 0x3f));
                        break;
                case 4:
                        c = (uint32_t) between(random, 0x10000, 0x10ffff);
                        p = put_u8(p, (uint8_t) (0xf0 | c >> 18));
                        p = put_be24(p, 0x808080 | (c >> 12 & 0x3f) << 16 | (c >> 6 & 0x3f) << 8 | (c & 0x3f));
                        break;
                }
                left -= n;
        }
        *p = 0;
}

static Address any_address(Random *random) {
        uint8_t bytes[16];

        any_bytes(random, bytes, sizeof(bytes));
        if (coin(random))
                return address_ipv4(bytes, any_u16(random, 1));
        return address_ipv6(bytes, any_u16(random, 1));
}

static size_t any_addresses(Random *random, Address *addresses, size_t n_max) {
        size_t n = between(random, 0, n_max);

        for (size_t i = 0; i < n; i++)
                addresses[i] = any_address(random);
        return n;
}

static Role any_role(Random *random) {
        return coin(random) ? ROLE_PEER : ROLE_SEED;
}

static MemberState any_state(Random *random) {
        return (MemberState) random_below(random, _MEMBER_STATE_MAX);
}

static Held any_held(Random *random) {
        return (Held) { .epoch = any_u64(random), .incarnation = any_u32(random), .state = any_state(random) };
}

static void any_record(Random *random, Record *ret) {
        ret->id = any_id(random);
        ret->epoch = any_u64(random);
        ret->incarnation = any_u32(random);
        ret->state = any_state(random);
        ret->role = any_role(random);
        ret->age_msec = any_u32(random);
        any_text(random, ret->name, 1, NODE_NAME_MAX);
        ret->n_addresses = any_addresses(random, ret->addresses, RECORD_ADDRESSES_MAX);
}

static size_t any_records(Random *random, Record *records, size_t n_max) {
        size_t n = between(random, 0, n_max);

        for (size_t i = 0; i < n; i++)
                any_record(random, records + i);
        return n;
}

static void any_hello(Random *random, HelloMessage *m) {
        any_text(random, m->network, 1, NETWORK_NAME_MAX);
        m->version_min = any_u16(random, 1);
        m->version_max = any_u16(random, m->version_min);
        m->id = any_id(random);
        m->epoch = any_u64(random);
        m->role = any_role(random);
        m->purpose = coin(random) ? PURPOSE_SESSION : PURPOSE_PROBE;
        any_text(random, m->name, 1, NODE_NAME_MAX);
        m->port = any_u16(random, 1);
        m->n_addresses = any_addresses(random, m->addresses, RECORD_ADDRESSES_MAX);
        m->features = any_u64(random);
}

static void any_hello_ok(Random *random, HelloOkMessage *m) {
        m->version = any_u16(random, 1);
        m->id = any_id(random);
        m->epoch = any_u64(random);
        m->role = any_role(random);
        any_text(random, m->name, 1, NODE_NAME_MAX);
        m->port = any_u16(random, 1);
        m->n_addresses = any_addresses(random, m->addresses, RECORD_ADDRESSES_MAX);
        m->features = any_u64(random);
        m->observed = coin(random) ? any_address(random) : (Address) {};
        m->has_held = coin(random);
        m->held = any_held(random);
}

static void any_sync_records(Random *random, SyncRecordsMessage *m) {
        m->n_records = any_records(random, m->records, MESSAGE_RECORDS_MAX);
        m->n_renewals = between(random, 0, MESSAGE_RENEWALS_MAX);
        for (size_t i = 0; i < m->n_renewals; i++)
                m->renewals[i] = (Renewal) {
                        .id = any_id(random), .epoch = any_u64(random), .age_msec = any_u32(random),
                };
        m->has_want = coin(random);
        any_bytes(random, m->want, sizeof(m->want));
}

static void any_members(Random *random, MembersMessage *m) {
        m->n_records = any_records(random, m->records, MESSAGE_RECORDS_MAX);
        m->n_suspicions = between(random, 0, MESSAGE_SUSPICIONS_MAX);
        for (size_t i = 0; i < m->n_suspicions; i++)
                m->suspicions[i] = (Suspicion) {
                        .id = any_id(random),
                        .epoch = any_u64(random),
                        .incarnation = any_u32(random),
                        .accuser = any_id(random),
                        .n_others = (uint8_t) between(random, 0, UINT8_MAX),
                };
}

static void any_links(Random *random, LinksMessage *m) {
        m->nonce = any_u64(random);
        m->n_links = between(random, 0, MESSAGE_LINKS_MAX);
        for (size_t i = 0; i < m->n_links; i++)
                m->links[i] = (LinkInfo) {
                        .id = any_id(random),
                        .flags = (uint8_t) between(random, 0, UINT8_MAX),
                        .rtt_usec = any_u32(random),
                };
}

static void any_ranges(Random *random, RangesMessage *m) {
        m->n_ranges = between(random, 0, MESSAGE_RANGES_MAX);
        for (size_t i = 0; i < m->n_ranges; i++) {
                Range *range = m->ranges + i;

                range->origin = any_id(random);
                range->epoch = any_u64(random);
                range->first = between(random, 1, UINT64_MAX);
                range->last = between(random, range->first, UINT64_MAX);
        }
}

static void any_ping(Random *random, PingMessage *m) {
        m->nonce = any_u64(random);
        m->n_links = any_u16(random, 0);
        m->n_neighbours = between(random, 0, MESSAGE_NEIGHBOURS_MAX);
        for (size_t i = 0; i < m->n_neighbours; i++)
                m->neighbours[i] = (Neighbour) { .id = any_id(random), .address = any_address(random) };
}

static void any_gossip(Random *random, size_t payload_max, RandomMessage *ret) {
        GossipMessage *m = &ret->message.gossip;

        m->id = (MessageId) {
                .origin = any_id(random),
                .epoch = any_u64(random),
                .sequence = between(random, 1, UINT64_MAX),
        };
        m->age_msec = any_u32(random);
        m->n_hops = (uint8_t) between(random, 0, UINT8_MAX);
        m->topic = slice_of(ret->topic, between(random, 1, TOPIC_MAX));
        for (size_t i = 0; i < m->topic.size; i++)
                ret->topic[i] = (uint8_t) between(random, 0x20, 0x7e);
        m->payload = slice_of(ret->payload, between(random, 0, payload_max));
        any_bytes(random, ret->payload, m->payload.size);
        m->has_previous = coin(random);
        m->previous = (Previous) { .epoch = any_u64(random), .sequence = between(random, 1, UINT64_MAX) };
}

void message_random(Random *random, MessageType type, size_t payload_max, RandomMessage *ret) {
        Message *m = &ret->message;

        m->type = type;
        switch (type) {
        case MESSAGE_HELLO:
                any_hello(random, &m->hello);
                return;
        case MESSAGE_HELLO_OK:
                any_hello_ok(random, &m->hello_ok);
                return;
        case MESSAGE_CLOSE:
                m->close.reason = (CloseReason) between(random, 1, UINT8_MAX);
                m->close.retry_after_msec = any_u32(random);
                any_text(random, m->close.detail, 0, DETAIL_MAX);
                return;
        case MESSAGE_PING:
        case MESSAGE_PONG:
                any_ping(random, &m->ping);
                return;
        case MESSAGE_REGISTER:
        case MESSAGE_REFUTE:
                any_record(random, &m->reg.record);
                m->reg.n_links = any_u16(random, 0);
                return;
        case MESSAGE_REGISTER_OK:
                m->register_ok = (RegisterOkMessage) {
                        .lease_msec = (uint32_t) between(random, 1, UINT32_MAX),
                        .total = any_u32(random),
                        .has_held = coin(random),
                        .held = any_held(random),
                };
                return;
        case MESSAGE_LIST:
                m->list = (ListMessage) {
                        .count = (uint16_t) between(random, 1, MESSAGE_RECORDS_MAX),
                        .has_after = coin(random),
                        .after = coin(random) ? any_id(random) : NODE_ID_NULL,
                };
                return;
        case MESSAGE_LIST_OK:
                m->list_ok.total = any_u32(random);
                m->list_ok.n_records = any_records(random, m->list_ok.records, MESSAGE_RECORDS_MAX);
                return;
        case MESSAGE_RENEW:
                m->renew = (RenewMessage) {
                        .epoch = any_u64(random), .incarnation = any_u32(random), .n_links = any_u16(random, 0),
                };
                return;
        case MESSAGE_RENEW_OK:
                m->renew_ok.lease_msec = (uint32_t) between(random, 1, UINT32_MAX);
                m->renew_ok.total = any_u32(random);
                m->renew_ok.has_held = coin(random);
                m->renew_ok.held = any_held(random);
                m->renew_ok.n_records = any_records(random, m->renew_ok.records, MESSAGE_RECORDS_MAX);
                return;
        case MESSAGE_LEAVE:
                m->leave = (LeaveMessage) { .epoch = any_u64(random), .incarnation = any_u32(random) };
                return;
        case MESSAGE_DEAD_REPORT:
                m->dead_report = (DeadReportMessage) {
                        .id = any_id(random), .epoch = any_u64(random), .incarnation = any_u32(random),
                };
                return;
        case MESSAGE_ACCUSED:
                m->accused.held = any_held(random);
                return;
        case MESSAGE_SYNC_DIGEST:
                m->sync_digest.hashes = slice_of(ret->digest, sizeof(ret->digest));
                any_bytes(random, ret->digest, sizeof(ret->digest));
                return;
        case MESSAGE_SYNC_RECORDS:
                any_sync_records(random, &m->sync_records);
                return;
        case MESSAGE_NEIGHBOR:
                m->neighbor.priority = (Priority) random_below(random, PRIORITY_MERGE + 1);
                m->neighbor.n_links = any_u16(random, 0);
                return;
        case MESSAGE_ACCEPT:
                m->accept.n_links = any_u16(random, 0);
                return;
        case MESSAGE_BUSY:
                m->busy.n_addresses = any_addresses(random, m->busy.addresses, MESSAGE_ADDRESSES_MAX);
                return;
        case MESSAGE_DISCONNECT:
                m->disconnect.reason = (CloseReason) between(random, 1, UINT8_MAX);
                return;
        case MESSAGE_GOSSIP:
                any_gossip(random, payload_max, ret);
                return;
        case MESSAGE_MEMBERS:
                any_members(random, &m->members);
                return;
        case MESSAGE_SHUFFLE:
        case MESSAGE_SHUFFLE_REPLY:
                m->shuffle.ttl = (uint32_t) between(random, 0, UINT8_MAX);
                m->shuffle.n_records = any_records(random, m->shuffle.records, SHUFFLE_RECORDS_MAX);
                return;
        case MESSAGE_PROBE_REQ:
        case MESSAGE_PROBE_ACK:
        case MESSAGE_PROBE_NACK:
                m->probe.nonce = any_u64(random);
                m->probe.id = any_id(random);
                m->probe.n_addresses = any_addresses(random, m->probe.addresses, RECORD_ADDRESSES_MAX);
                return;
        case MESSAGE_LINKS:
        case MESSAGE_LINKS_OK:
                any_links(random, &m->links);
                return;
        case MESSAGE_IHAVE:
        case MESSAGE_GRAFT:
        case MESSAGE_MSG_RANGES:
        case MESSAGE_MSG_WANT:
                any_ranges(random, &m->ranges);
                return;
        case MESSAGE_PRUNE:
                return;
        }
        assert(false);
}
