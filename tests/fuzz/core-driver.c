/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core-driver.h"

#include <stdio.h>

#include "core/node-internal.h"
#include "core/seed-node-internal.h"
#include "harness.h"
#include "message-random.h"

#define EVENTS_MAX 400U
#define LINKS_MAX 64U
#define MEMBERS_MAX 24U
#define CONNECTIONS_MAX 16U
#define DIALS_MAX_EVER 200U     /* under way at a time: links, seeds, checks, verdicts, pings and suspects together */

typedef struct Driver {
        Harness *harness;
        Role role;
        const uint8_t *data, *end;
        LinkId links[LINKS_MAX];
        size_t n_links;
} Driver;

/* ---- what the bytes say ---- */

static uint8_t take(Driver *d) {
        return d->data < d->end ? *d->data++ : 0;
}

static uint8_t take_below(Driver *d, uint8_t n) {
        return (uint8_t) (take(d) % n);
}

static bool take_bool(Driver *d) {
        return take(d) & 1;
}

/* Ids 1 to 15 are others, 0 is the node itself. */
static NodeId take_id(Driver *d) {
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

static Address take_address(Driver *d) {
        uint8_t byte = take(d);
        uint16_t port = byte & 0x80 ? 5000 : 6000;

        if (byte & 0x40)
                return harness_loopback(port);
        if (byte == 0x3f)
                return address_ipv4((uint8_t[]) { 0, 0, 0, 0 }, port);
        return harness_address((uint8_t) (byte % 16), port);
}

static Held take_held(Driver *d) {
        return (Held) { take_epoch(d), take_incarnation(d), (MemberState) take_below(d, _MEMBER_STATE_MAX) };
}

static Other take_other(Driver *d) {
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

static void add_link(Driver *d, LinkId link) {
        if (link == 0)
                return;
        if (d->n_links < LINKS_MAX)
                d->links[d->n_links++] = link;
        else
                d->links[link % LINKS_MAX] = link;
}

static LinkId take_link(Driver *d) {
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

/* Messages that mean something: their ids and numbers are those of the small set. */
static void send_meant(Driver *d, LinkId link) {
        static uint8_t payload[1000];
        Session *session = session_find(harness_node(d->harness), link);
        NodeId id = session && !node_id_is_null(&session->id) ? session->id : take_id(d);
        uint64_t epoch = session ? session->epoch : take_epoch(d);
        uint16_t n_links = take_below(d, 8);
        Message m;

        if (take_below(d, 16) == 0)
                epoch = take_epoch(d);

        switch (take_below(d, 24)) {
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

/* Any valid message, made from a number. */
static void send_random(Driver *d, LinkId link) {
        static RandomMessage any;
        MessageType type = message_types[take(d) % n_message_types];
        Random random = random_from_run(take(d));

        message_random(&random, type, 2000, &any);
        harness_send(d->harness, link, &any.message);
}

/* A frame whose header is good, with whatever follows in the input. */
static void send_frame(Driver *d, LinkId link) {
        uint8_t buffer[FRAME_HEADER_SIZE + 64], *p;
        size_t size = take_below(d, 64);

        p = put_be32(buffer, (uint32_t) (size + 2));
        p = put_u8(put_u8(p, take(d)), 0);
        for (size_t i = 0; i < size; i++)
                p = put_u8(p, take(d));
        harness_send_bytes(d->harness, link, buffer, (size_t) (p - buffer));
}

/* ---- events ---- */

/* Whoever was asked for its links names some, rightly or wrongly. */
static void answer_links(Driver *d) {
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

static void drive_dial(Driver *d) {
        Address address;
        LinkId link = harness_dialled(d->harness, &address);
        Other other;
        Held held;

        if (link == 0)
                return;
        switch (take_below(d, 5)) {
        case 0:
                harness_change(d->harness, link, LINK_REFUSED);
                return;
        case 1:
                harness_change(d->harness, link, LINK_UNREACHABLE);
                return;
        case 2:
                harness_change(d->harness, link, LINK_CONNECTED);
                break;
        default: {
                const Session *session = session_find(harness_node(d->harness), link);

                other = take_other(d);
                if (session && !node_id_is_null(&session->subject) && take_below(d, 4) != 0)
                        other.id = session->subject;
                held = take_held(d);
                (void) harness_answer(d->harness, link, &other, take_bool(d) ? &held : NULL);
                break;
        }
        }
        add_link(d, link);
        answer_links(d);
}

static void drive_seeds(Driver *d) {
        uint8_t numbers[4] = {}, n = take_below(d, 4);

        for (size_t i = 0; i < n; i++)
                numbers[i] = (uint8_t) (1 + take_below(d, 8));
        harness_set_seeds(d->harness, numbers);
}

static void drive_resolve(Driver *d) {
        uint8_t n = (uint8_t) (1 + take_below(d, 8));
        Address addresses[2] = { take_address(d), take_address(d) };

        if (harness_asked_for(d->harness, n))
                harness_resolve(d->harness, n, addresses, take_below(d, 3));
}

static void drive_settings(Driver *d) {
        Node *node = harness_node(d->harness);
        NodeSettings settings = *node_settings(node);

        settings.params.members_max = 1 + take_below(d, MEMBERS_MAX);
        settings.params.report_checked = take_bool(d);
        settings.params.links_outgoing = 1 + take_below(d, 4);
        if (take_below(d, 8) == 0)
                settings.network[0] = take_bool(d) ? 't' : 'x';
        (void) node_reconfigure(node, &settings, harness_now(d->harness));
        harness_settle(d->harness);
}

static void drive_own(Driver *d) {
        Node *node = harness_node(d->harness);
        NodeId id = take_id(d);
        Address address = take_address(d);
        usec_t now = harness_now(d->harness);
        uint8_t what = take_below(d, 4);
        MessageId message;

        /* To ping itself means nothing; so that is where a peer asks for the links of all. */
        if (what == 0 && d->role == ROLE_PEER && node_id_equal(&id, &node_identity(node)->id)) {
                (void) peer_crawl(node, 1, now);
                harness_settle(d->harness);
                answer_links(d);
        } else if (what == 0)
                (void) node_ping(node, &id, 1, now);
        else if (d->role == ROLE_SEED) {
                static Record records[MEMBERS_MAX];

                assert(seed_snapshot(node, records, MEMBERS_MAX, now) == node_n_members(node));
        } else if (what == 1)
                (void) peer_publish(node, "topic", slice_of("text", 4), now, &message);
        else if (what == 2)
                (void) peer_connect(node, &address, now);
        else
                (void) peer_disconnect(node, &id, now);
        harness_settle(d->harness);
}

static void drive_time(Driver *d) {
        static const usec_t steps[] = {
                1, USEC_PER_MSEC, 100 * USEC_PER_MSEC, USEC_PER_SEC, 5 * USEC_PER_SEC, 30 * USEC_PER_SEC,
                90 * USEC_PER_SEC, 24 * USEC_PER_HOUR,
        };
        uint8_t step = take_below(d, ELEMENTSOF(steps));

        /* A day in small steps takes too long: once is enough, and as one sleep. */
        if (steps[step] > USEC_PER_HOUR || take_below(d, 8) == 0)
                harness_sleep(d->harness, steps[step]);
        else
                harness_advance(d->harness, steps[step]);
}

static void drive_event(Driver *d) {
        switch (take_below(d, 20)) {
        case 0: {
                Address address = take_address(d);

                add_link(d, harness_accept(d->harness, &address));
                break;
        }
        case 1:
        case 2:
        case 3: {
                Other other = take_other(d);

                add_link(d, harness_call(d->harness, &other));
                break;
        }
        case 4:
        case 5:
        case 6:
        case 7:
        case 8:
                send_meant(d, take_link(d));
                break;
        case 9:
                send_random(d, take_link(d));
                break;
        case 10:
                send_frame(d, take_link(d));
                break;
        case 11:
                harness_change(d->harness, take_link(d), take_bool(d) ? LINK_CLOSED : LINK_RESET);
                break;
        case 12:
        case 13:
                drive_dial(d);
                break;
        case 14:
                drive_resolve(d);
                break;
        case 15:
                drive_seeds(d);
                break;
        case 16:
                drive_own(d);
                break;
        case 17:
                if (take_below(d, 4) == 0)
                        drive_settings(d);
                else
                        harness_set_reading(d->harness, take_link(d), take_bool(d));
                break;
        default:
                drive_time(d);
                break;
        }
}

/* ---- promises ---- */

static void check_members(const MemberTable *table) {
        uint64_t buckets[SYNC_BUCKETS] = {};
        size_t n_suspect = 0;

        for (size_t i = 0; i < table->n; i++) {
                const Member *member = table->members[i];
                const Record *r = &member->record;

                assert(member->index == i);
                assert(member_is_live(member) == (i < table->n_live));
                assert(r->epoch < EPOCH_MAX);
                n_suspect += member_is_live(member) && r->state == MEMBER_SUSPECT;
                if (!member->hidden)
                        buckets[r->id.bytes[0]] ^= member_hash(&r->id, r->epoch, r->incarnation, r->state);
        }
        assert(n_suspect == table->n_suspect);
        assert(table->buckets ? memcmp(buckets, table->buckets, sizeof(buckets)) == 0 : table->n == 0);
}

static void driver_check(Driver *d) {
        const Node *node = harness_node(d->harness);
        size_t n_accepted = 0, n_handshakes = 0;

        /* Every session is a connection and every connection a session; a slot and its session know each other. */
        assert(node->n_sessions == harness_n_up(d->harness) + harness_n_dialling(d->harness));
        for (const Session *session = node->sessions; session; session = session->hh.next) {
                n_accepted += session->use == SESSION_ACCEPTED;
                n_handshakes += session->handshake;
                assert(!session->ending);
                assert(timer_is_set(&session->timer) || session->state == SESSION_OPEN);
                assert(!session->seed || session->seed->session == session);
                assert(!session->current || session_of(node, &session->id) == session);
        }
        for (size_t i = 0; i < node->n_seeds; i++)
                assert(!node->seeds[i]->session || node->seeds[i]->session->seed == node->seeds[i]);

        assert(n_accepted <= CONNECTIONS_MAX);
        assert(n_handshakes == node->n_handshakes);
        assert(node->n_sessions - n_accepted <= DIALS_MAX_EVER);
        assert(node->n_checks <= CHECKS_MAX);
        assert(node->members.n <= MEMBERS_MAX);
        check_members(&node->members);

        if (d->role == ROLE_SEED) {
                size_t n_meshed = 0;

                for (const Session *session = node->sessions; session; session = session->hh.next)
                        n_meshed += session->meshed;
                assert(n_meshed == node->seed->mesh.n_linked);
                assert(node->members.n_suspect == 0);
                assert(reports_n_accusations(node) <= MEMBERS_MAX + ACCUSATIONS_MAX);
                assert(reports_n_reporters(node) <= REPORTERS_MAX);
                assert(node->seed->reports.n_dialing <= DIAL_BACKS_MAX);
                for (size_t i = 0; i < node->members.n; i++)
                        assert(timer_is_set(&node->members.members[i]->timer));
        } else {
                const Topology *topology = peer_topology(node);

                assert(peer_n_links(node) <= node->n_sessions);
                assert(!topology || topology->n_nodes <= 1 + 2 * MEMBERS_MAX);
                for (size_t i = 0; topology && i < topology->n_links; i++)
                        assert(topology->links[i].a < topology->links[i].b && topology->links[i].b < topology->n_nodes);
        }
}

int core_drive(Role role, const uint8_t *data, size_t size) {
        NodeSettings settings = harness_settings(role, PROFILE_LAN);
        Driver d = { .role = role, .data = data, .end = data + size };

        settings.params.members_max = MEMBERS_MAX;
        settings.params.connections_max = CONNECTIONS_MAX;
        settings.params.handshakes_max = CONNECTIONS_MAX / 2;
        settings.params.queue_max = 16 * 1024;
        d.harness = harness_new(&settings, 0x40);
        if (size > 0 && data[0] & 1)
                drive_seeds(&d);
        harness_start(d.harness);

        for (unsigned i = 0; i < EVENTS_MAX && d.data < d.end; i++) {
                drive_event(&d);
                driver_check(&d);
                harness_drop_sent(d.harness);
        }
        harness_stop(d.harness);
        assert(harness_n_up(d.harness) + harness_n_dialling(d.harness) == 0);
        harness_free(d.harness);
        return 0;
}
