/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the bytes of an input say, and the messages that others send because of them. */

#include "core-driver-internal.h"
#include "message-random.h"

/* ---- what the bytes say ---- */

uint8_t take(Driver *d) {
        return d->data < d->end ? *d->data++ : 0;
}

uint8_t take_below(Driver *d, uint8_t n) {
        return (uint8_t) (take(d) % n);
}

bool take_bool(Driver *d) {
        return take(d) & 1;
}

NodeId take_id(Driver *d) {
        return harness_id((uint8_t) (take_below(d, 16) + 0x40));
}

static uint64_t take_epoch(Driver *d) {
        uint8_t byte = take(d);

        switch (byte) {
        case 255:
                return UINT64_MAX;
        case 254:
                return EPOCH_MAX - 1;
        case 253:
                return 0;
        default:
                return HARNESS_EPOCH + byte % 4;
        }
}

static uint32_t take_incarnation(Driver *d) {
        uint8_t byte = take(d);

        return byte == 255 ? UINT32_MAX : byte % 4;
}

static uint32_t take_age(Driver *d) {
        static const uint32_t ages[] = { 0, 1, 1000, 10000, 89999, 90000, 24 * 3600 * 1000, UINT32_MAX };

        return ages[take_below(d, ELEMENTSOF(ages))];
}

Address take_address(Driver *d) {
        uint8_t byte = take(d);
        uint16_t port = byte & 0x80 ? 5000 : 6000;

        if (byte & 0x40)
                return harness_loopback(port);
        if (byte == 0x3f)
                return address_ipv4((uint8_t[]) { 0, 0, 0, 0 }, port);
        return harness_address((uint8_t) (byte % 16), port);
}

Held take_held(Driver *d) {
        return (Held) { take_epoch(d), take_incarnation(d), (MemberState) take_below(d, _MEMBER_STATE_MAX) };
}

Other take_other(Driver *d) {
        Other other = {
                .id = take_id(d),
                .epoch = take_epoch(d),
                .role = take_bool(d) ? ROLE_PEER : ROLE_SEED,
                .purpose = take_below(d, 8) == 0 ? PURPOSE_PROBE : PURPOSE_SESSION,
                .name = "other",
                .remote = take_address(d),
                .n_addresses = take_below(d, 3),
        };

        other.port = other.role == ROLE_SEED ? 5000 : 6000;
        for (size_t i = 0; i < other.n_addresses; i++)
                other.addresses[i] = take_address(d);
        return other;
}

static Record take_record(Driver *d, const NodeId *id) {
        Held held = take_held(d);
        Record record = {
                .id = id ? *id : take_id(d),
                .epoch = held.epoch,
                .incarnation = held.incarnation,
                .state = held.state,
                .role = take_below(d, 8) == 0 ? ROLE_SEED : ROLE_PEER,
                .age_msec = take_age(d),
                .name = "other",
                .n_addresses = take_below(d, 3),
        };

        for (size_t i = 0; i < record.n_addresses; i++)
                record.addresses[i] = take_address(d);
        return record;
}

/* ---- messages ---- */

void add_link(Driver *d, LinkId link) {
        if (link == 0)
                return;
        if (d->n_links < LINKS_MAX)
                d->links[d->n_links++] = link;
        else
                d->links[link % LINKS_MAX] = link;
}

LinkId take_link(Driver *d) {
        return d->n_links > 0 ? d->links[take(d) % d->n_links] : 0;
}

static void send_digest(Driver *d, LinkId link) {
        uint8_t bytes[SYNC_BUCKETS * 8] = {};
        Message message;

        bytes[8 * (0x40 + take_below(d, 16))] = take(d);
        message_set(&message, MESSAGE_SYNC_DIGEST, sync_digest, .hashes = slice_of(bytes, sizeof(bytes)));
        harness_send(d->harness, link, &message);
}

static void send_sync_records(Driver *d, LinkId link) {
        Message message = { .type = MESSAGE_SYNC_RECORDS };
        SyncRecordsMessage *records = &message.sync_records;

        records->n_records = take_below(d, 4);
        for (size_t i = 0; i < records->n_records; i++)
                records->records[i] = take_record(d, NULL);
        records->n_renewals = take_below(d, 3);
        for (size_t i = 0; i < records->n_renewals; i++)
                records->renewals[i] = (Renewal) { take_id(d), take_epoch(d), take_age(d) };
        records->has_want = take_bool(d);
        memset(records->want, records->has_want ? take(d) : 0, sizeof(records->want));
        harness_send(d->harness, link, &message);
}

/* ---- what peers tell peers ---- */

static void add_records(Driver *d, Record *records, size_t *n, uint8_t n_max) {
        *n = take_below(d, (uint8_t) (n_max + 1));
        for (size_t i = 0; i < *n; i++)
                records[i] = take_record(d, NULL);
}

static void add_neighbours(Driver *d, PingMessage *pong) {
        pong->n_neighbours = take_below(d, MESSAGE_NEIGHBOURS_MAX + 1);
        for (size_t i = 0; i < pong->n_neighbours; i++)
                pong->neighbours[i] = (Neighbour) { take_id(d), take_address(d) };
}

static uint64_t take_sequence(Driver *d) {
        uint8_t byte = take(d);

        return byte >= 250 ? UINT64_MAX - (255U - byte) : 1U + byte;
}

static Range take_range(Driver *d) {
        Range range = { take_id(d), take_epoch(d), take_sequence(d), 0 };
        uint8_t n = take(d);

        range.last = n == 255 ? UINT64_MAX : range.first + MIN((uint64_t) n, UINT64_MAX - range.first);
        return range;
}

/* 512 of them are a listing that goes on. */
static void add_ranges(Driver *d, RangesMessage *ranges) {
        uint8_t n = take(d);
        size_t n_taken = n % 5;

        ranges->n_ranges = n == 255 ? MESSAGE_RANGES_MAX : n_taken;
        for (size_t i = 0; i < ranges->n_ranges; i++) {
                if (i <= n_taken)
                        ranges->ranges[i] = take_range(d);
                else {
                        uint64_t sequence = 1000 + 2 * i;       /* none adjoins another */

                        ranges->ranges[i] = ranges->ranges[0];
                        ranges->ranges[i].first = ranges->ranges[i].last = sequence;
                }
        }
}

static void send_ranges(Driver *d, LinkId link, MessageType type) {
        static Message m;

        m.type = type;
        add_ranges(d, &m.ranges);
        harness_send(d->harness, link, &m);
}

static void send_gossip(Driver *d, LinkId link, const NodeId *origin, uint64_t epoch, uint64_t sequence) {
        static uint8_t payload[3 * UINT8_MAX];
        Message m;

        message_set(&m, MESSAGE_GOSSIP, gossip, .id = { *origin, epoch, sequence }, .age_msec = take_age(d), .n_hops = take(d),
                    .topic = slice_of("topic", 5), .payload = slice_of(payload, take(d) * 3));
        m.gossip.has_previous = take_bool(d);
        if (m.gossip.has_previous)
                m.gossip.previous = (Previous) { take_epoch(d), take_sequence(d) };
        harness_send(d->harness, link, &m);
}

static void send_told(Driver *d, LinkId link) {
        static Message m;
        NodeId id;
        uint64_t epoch;

        switch (take_below(d, 16)) {
        case 0:
        case 1:
        case 2:
                m.type = MESSAGE_MEMBERS;
                add_records(d, m.members.records, &m.members.n_records, 3);
                m.members.n_suspicions = take_below(d, 4);
                for (size_t i = 0; i < m.members.n_suspicions; i++)
                        m.members.suspicions[i] = (Suspicion) {
                                take_id(d), take_epoch(d), take_incarnation(d), take_id(d), take_below(d, 5),
                        };
                break;
        case 3:
        case 4:
                m.type = MESSAGE_SHUFFLE;
                m.shuffle.ttl = take_below(d, 8);
                add_records(d, m.shuffle.records, &m.shuffle.n_records, SHUFFLE_RECORDS_MAX);
                break;
        case 5:
                m.type = MESSAGE_SHUFFLE_REPLY;
                add_records(d, m.shuffle.records, &m.shuffle.n_records, SHUFFLE_RECORDS_MAX);
                break;
        case 6:
        case 7:
                message_set(&m, MESSAGE_PROBE_REQ, probe, .nonce = take(d), .id = take_id(d), .n_addresses = take_below(d, 3));
                for (size_t i = 0; i < m.probe.n_addresses; i++)
                        m.probe.addresses[i] = take_address(d);
                break;
        case 8:
                message_set(&m, take_bool(d) ? MESSAGE_PROBE_ACK : MESSAGE_PROBE_NACK, probe, .nonce = take(d));
                break;
        case 9:
                message_set(&m, MESSAGE_PONG, ping, .nonce = take(d), .n_links = take(d));
                add_neighbours(d, &m.ping);
                break;
        case 10:
                send_ranges(d, link, MESSAGE_IHAVE);
                return;
        case 11:
                send_ranges(d, link, MESSAGE_GRAFT);
                return;
        case 12:
                send_ranges(d, link, MESSAGE_MSG_RANGES);
                return;
        case 13:
                send_ranges(d, link, MESSAGE_MSG_WANT);
                return;
        case 14:
                if (take_below(d, 4) == 0)
                        message_set(&m, MESSAGE_LINKS, links, .nonce = take(d));
                else
                        m.type = MESSAGE_PRUNE;
                break;
        default:
                id = take_id(d);
                epoch = take_epoch(d);
                send_gossip(d, link, &id, epoch, take_sequence(d));
                return;
        }
        harness_send(d->harness, link, &m);
}

void send_meant(Driver *d, LinkId link) {
        static uint8_t payload[1000];
        Session *session = session_find(harness_node(d->harness), link);
        NodeId id = session && !node_id_is_null(&session->id) ? session->id : take_id(d);
        uint64_t epoch = session ? session->epoch : take_epoch(d);
        uint16_t n_links = take_below(d, 8);
        uint8_t what;
        Message m;

        if (take_below(d, 16) == 0)
                epoch = take_epoch(d);

        what = take(d);
        if (what >= 8 * 24) {
                send_told(d, link);
                return;
        }
        switch (what % 24) {
        case 0:
        case 1: {
                Record record = take_record(d, &id);

                record.epoch = epoch;
                if (take_below(d, 8) != 0) {
                        record.state = MEMBER_ALIVE;
                        record.role = ROLE_PEER;
                }
                if (take_bool(d))
                        message_set(&m, MESSAGE_REGISTER, reg, .record = record, .n_links = n_links);
                else
                        message_set(&m, MESSAGE_REFUTE, reg, .record = record);
                break;
        }
        case 2:
                message_set(&m, MESSAGE_RENEW, renew, .epoch = epoch, .incarnation = take_incarnation(d), .n_links = n_links);
                break;
        case 3:
                message_set(&m, MESSAGE_LIST, list, .count = (uint16_t) (1 + take_below(d, 64)), .has_after = take_bool(d),
                            .after = take_id(d));
                break;
        case 4:
                message_set(&m, MESSAGE_LEAVE, leave, .epoch = epoch, .incarnation = take_incarnation(d));
                break;
        case 5:
        case 6:
                message_set(&m, MESSAGE_DEAD_REPORT, dead_report, .id = take_id(d), .epoch = take_epoch(d),
                            .incarnation = take_incarnation(d));
                break;
        case 7:
                message_set(&m, MESSAGE_ACCUSED, accused, .held = take_held(d));
                break;
        case 8:
                send_digest(d, link);
                return;
        case 9:
        case 10:
                send_sync_records(d, link);
                return;
        case 11:
                message_set(&m, MESSAGE_PING, ping, .nonce = take(d), .n_links = n_links);
                break;
        case 12:
                message_set(&m, MESSAGE_PONG, ping, .nonce = take(d), .n_links = n_links);
                break;
        case 13:
        case 14:
                message_set(&m, MESSAGE_NEIGHBOR, neighbor, .priority = (Priority) take_below(d, 3), .n_links = n_links);
                break;
        case 15:
        case 16:
                message_set(&m, MESSAGE_ACCEPT, accept, .n_links = n_links);
                break;
        case 17:
                message_set(&m, MESSAGE_BUSY, busy, .n_addresses = 2, .addresses = { take_address(d), take_address(d) });
                break;
        case 18:
                message_set(&m, MESSAGE_DISCONNECT, disconnect, .reason = CLOSE_BUSY);
                break;
        case 19:
                message_set(&m, MESSAGE_CLOSE, close, .reason = (CloseReason) (1 + take_below(d, 14)));
                break;
        case 20: {
                Message ok = { .type = MESSAGE_REGISTER_OK };

                ok.register_ok = (RegisterOkMessage) {
                        .lease_msec = 1 + take_age(d) / 2, .total = take(d), .has_held = take_bool(d), .held = take_held(d),
                };
                harness_send(d->harness, link, &ok);
                return;
        }
        case 21: {
                Message ok = { .type = MESSAGE_RENEW_OK };

                ok.renew_ok = (RenewOkMessage) {
                        .lease_msec = 1 + take_age(d) / 2, .total = take(d), .has_held = take_bool(d), .held = take_held(d),
                        .n_records = 1, .records = { take_record(d, NULL) },
                };
                harness_send(d->harness, link, &ok);
                return;
        }
        case 22: {
                Message ok = { .type = MESSAGE_LIST_OK };

                ok.list_ok = (ListOkMessage) {
                        .total = take(d), .n_records = 2, .records = { take_record(d, NULL), take_record(d, NULL) },
                };
                harness_send(d->harness, link, &ok);
                return;
        }
        default:
                message_set(&m, MESSAGE_GOSSIP, gossip, .id = { take_id(d), take_epoch(d), 1 + take(d) }, .age_msec = take_age(d),
                            .n_hops = take(d), .topic = slice_of("topic", 5), .payload = slice_of(payload, take(d) * 3));
                break;
        }
        harness_send(d->harness, link, &m);
}

void send_random(Driver *d, LinkId link) {
        static RandomMessage any;
        MessageType type = message_types[take(d) % n_message_types];
        Random random = random_from_run(take(d));

        message_random(&random, type, 2000, &any);
        harness_send(d->harness, link, &any.message);
}

void send_frame(Driver *d, LinkId link) {
        uint8_t buffer[FRAME_HEADER_SIZE + 64], *p;
        size_t size = take_below(d, 64);

        p = put_be32(buffer, (uint32_t) (size + 2));
        p = put_u8(put_u8(p, take(d)), 0);
        for (size_t i = 0; i < size; i++)
                p = put_u8(p, take(d));
        harness_send_bytes(d->harness, link, buffer, (size_t) (p - buffer));
}

/* ---- answers ---- */

void answer_links(Driver *d) {
        for (size_t i = 0; i < d->n_links; i++) {
                const Message *asked = harness_is_up(d->harness, d->links[i]) ? harness_find(d->harness, d->links[i], MESSAGE_LINKS) : NULL;
                uint64_t nonce;
                Message m;

                if (!asked)
                        continue;
                nonce = asked->links.nonce + (take_below(d, 8) == 0);
                message_set(&m, MESSAGE_LINKS_OK, links, .nonce = nonce, .n_links = take_below(d, 5));
                for (size_t k = 0; k < m.links.n_links; k++)
                        m.links.links[k] = (LinkInfo) { take_id(d), take(d), take_age(d) };
                harness_send(d->harness, d->links[i], &m);
        }
}

/* The messages that it asked for, the first few of each range: all, or with gaps. */
static void answer_request(Driver *d, LinkId link, const RangesMessage *ranges) {
        Range first[4];
        size_t n = MIN(ranges->n_ranges, ELEMENTSOF(first));
        uint64_t step = 1 + take_below(d, 3);

        memcpy(first, ranges->ranges, n * sizeof(*first));
        for (size_t i = 0; i < n; i++)
                for (uint64_t k = 0; k < 4 && k * step <= first[i].last - first[i].first; k++)
                        send_gossip(d, link, &first[i].origin, first[i].epoch, first[i].first + k * step);
}

static void answer_one(Driver *d, LinkId link, const Message *asked, bool rightly) {
        static Message m;

        switch ((unsigned) asked->type) {
        case MESSAGE_PING:
                message_set(&m, MESSAGE_PONG, ping, .nonce = asked->ping.nonce + !rightly, .n_links = 3);
                add_neighbours(d, &m.ping);
                break;
        case MESSAGE_NEIGHBOR:
                message_set(&m, MESSAGE_ACCEPT, accept, .n_links = 1);
                break;
        case MESSAGE_SHUFFLE:
                m.type = MESSAGE_SHUFFLE_REPLY;
                add_records(d, m.shuffle.records, &m.shuffle.n_records, SHUFFLE_RECORDS_MAX);
                break;
        case MESSAGE_PROBE_REQ:
                message_set(&m, take_bool(d) ? MESSAGE_PROBE_ACK : MESSAGE_PROBE_NACK, probe, .nonce = asked->probe.nonce + !rightly);
                break;
        case MESSAGE_MSG_RANGES:
                send_ranges(d, link, MESSAGE_MSG_RANGES);
                return;
        case MESSAGE_GRAFT:
        case MESSAGE_MSG_WANT:
                answer_request(d, link, &asked->ranges);
                return;
        default:
                return;
        }
        harness_send(d->harness, link, &m);
}

void answer_all(Driver *d) {
        static Message asked;

        for (size_t i = 0; i < d->n_links; i++) {
                LinkId link = d->links[i];
                const Message *sent;

                /* An answer may lead to the next question. */
                for (unsigned n = 0; n < 16 && harness_is_up(d->harness, link) && (sent = harness_next(d->harness, link)); n++) {
                        uint8_t how;

                        if (d->data == d->end)
                                return;
                        how = take(d);
                        asked = *sent;
                        if (how % 8 != 0)
                                answer_one(d, link, &asked, how % 8 != 1);
                }
        }
}
