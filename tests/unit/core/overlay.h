/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tests of a peer do all the time: others that call it or are called, links, seeds that it is registered with. */

#include "expect.h"

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

/* The node under test has the id of sixteen 128: others have smaller or larger ones, as a test needs them. */
#define OWN 128

static inline void send_neighbor(Harness *h, LinkId link, Priority priority, uint16_t n_links) {
        Message message;

        message_set(&message, MESSAGE_NEIGHBOR, neighbor, .priority = priority, .n_links = n_links);
        harness_send(h, link, &message);
}

static inline void send_accept(Harness *h, LinkId link, uint16_t n_links) {
        Message message;

        message_set(&message, MESSAGE_ACCEPT, accept, .n_links = n_links);
        harness_send(h, link, &message);
}

static inline void send_busy(Harness *h, LinkId link, const Address *addresses, size_t n) {
        Message message;

        message_set(&message, MESSAGE_BUSY, busy, .n_addresses = n);
        for (size_t i = 0; i < n; i++)
                message.busy.addresses[i] = addresses[i];
        harness_send(h, link, &message);
}

static inline void send_probe(Harness *h, LinkId link, MessageType type, uint64_t nonce, uint8_t about) {
        Message message;

        message_set(&message, type, probe, .nonce = nonce);
        if (type == MESSAGE_PROBE_REQ)
                message.probe.id = ID(about);
        harness_send(h, link, &message);
}

static inline void send_disconnect(Harness *h, LinkId link, CloseReason reason) {
        Message message;

        message_set(&message, MESSAGE_DISCONNECT, disconnect, .reason = reason);
        harness_send(h, link, &message);
}

/* As whoever says so does, it hangs up at once. */
static inline void send_close(Harness *h, LinkId link, CloseReason reason) {
        Message message;

        message_set(&message, MESSAGE_CLOSE, close, .reason = reason);
        harness_send(h, link, &message);
}

static inline void send_ping(Harness *h, LinkId link, uint64_t nonce) {
        Message message;

        message_set(&message, MESSAGE_PING, ping, .nonce = nonce);
        harness_send(h, link, &message);
}

static inline void send_pong(Harness *h, LinkId link, uint64_t nonce, uint16_t n_links) {
        Message message;

        message_set(&message, MESSAGE_PONG, ping, .nonce = nonce, .n_links = n_links);
        harness_send(h, link, &message);
}

/* For a connection that is up already: harness_answer() without the connecting. */
static inline void send_hello_ok(Harness *h, LinkId link, const Other *other) {
        Message message = { .type = MESSAGE_HELLO_OK };

        message.hello_ok = (HelloOkMessage) {
                .version = 1,
                .id = other->id,
                .epoch = other->epoch,
                .role = other->role,
                .name = "other",
                .port = other->port,
                .n_addresses = other->n_addresses,
        };
        memcpy(message.hello_ok.addresses, other->addresses, sizeof(message.hello_ok.addresses));
        harness_send(h, link, &message);
}

static inline void send_accused(Harness *h, LinkId link, uint64_t epoch, uint32_t incarnation, MemberState state) {
        Message message;

        message_set(&message, MESSAGE_ACCUSED, accused, .held = { epoch, incarnation, state });
        harness_send(h, link, &message);
}

static inline void send_gossip(Harness *h, LinkId link, uint8_t origin, uint64_t epoch, uint64_t sequence, uint32_t age_msec,
                               uint8_t n_hops) {
        Message message;

        message_set(&message, MESSAGE_GOSSIP, gossip,
                    .id = { ID(origin), epoch, sequence },
                    .age_msec = age_msec,
                    .n_hops = n_hops,
                    .topic = slice_of("/topic", 6),
                    .payload = slice_of("payload", 7));
        harness_send(h, link, &message);
}

/* IHAVE, GRAFT, MSG_RANGES or MSG_WANT with one range of origin 9 in epoch 1; none when @last is 0. */
static inline void send_ranges(Harness *h, LinkId link, MessageType type, uint64_t first, uint64_t last) {
        Message message = { .type = type };

        if (last > 0) {
                message.ranges.n_ranges = 1;
                message.ranges.ranges[0] = (Range) { .origin = ID(9), .epoch = 1, .first = first, .last = last };
        }
        harness_send(h, link, &message);
}

static inline void send_prune(Harness *h, LinkId link) {
        Message message = { .type = MESSAGE_PRUNE };

        harness_send(h, link, &message);
}

/* The next message on that link has that type, and one range of origin 9. */
static inline void expect_range(Harness *h, LinkId link, MessageType type, uint64_t first, uint64_t last) {
        const Message *message = harness_next(h, link);

        assert_non_null(message);
        assert_int_equal(message->type, type);
        assert_int_equal(message->ranges.n_ranges, 1);
        assert_true(node_id_equal(&message->ranges.ranges[0].origin, &(NodeId[]) { ID(9) }[0]));
        assert_int_equal(message->ranges.ranges[0].first, first);
        assert_int_equal(message->ranges.ranges[0].last, last);
}

/* ---- peers ---- */

static inline Harness *peer_new(const NodeSettings *settings) {
        Harness *h = harness_new(settings, OWN);

        harness_start(h);
        return h;
}

static inline int setup_peer(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);

        *state = peer_new(&settings);
        return 0;
}

/* One that asks nobody for links, but whom a test dials by hand, and publishes and shuffles nothing by itself. */
static inline NodeSettings quiet_settings(Profile profile) {
        NodeSettings settings = harness_settings(ROLE_PEER, profile);

        if (!settings.params.links_shared)      /* where those that come count, too */
                settings.params.links_outgoing = 0;
        settings.params.hello_count = 0;
        settings.params.shuffle_usec = 0;
        return settings;
}

static inline int setup_quiet_peer(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);

        *state = peer_new(&settings);
        return 0;
}

/* The node lists what it stores, as it does on each new link; the other end stores nothing. */
static inline void expect_listing(Harness *h, LinkId link) {
        Message message = { .type = MESSAGE_MSG_RANGES };

        assert_non_null(harness_find(h, link, MESSAGE_MSG_RANGES));
        harness_send(h, link, &message);
}

/* That peer calls and becomes a link; what else happens, dials for one, is the test's to look at. */
static inline LinkId link_in_of(Harness *h, const Other *other, uint16_t n_links) {
        LinkId link = harness_open(h, other);

        assert_int_not_equal(link, 0);
        send_neighbor(h, link, PRIORITY_LOW, n_links);
        assert_non_null(harness_find(h, link, MESSAGE_ACCEPT));
        expect_listing(h, link);
        return link;
}

static inline LinkId link_in(Harness *h, uint8_t n) {
        Other other = harness_peer(n);

        return link_in_of(h, &other, 4);
}

/* The node has dialled @link: that peer answers and is asked for a link. */
static inline void answer_neighbor(Harness *h, LinkId link, uint8_t n) {
        Other other = harness_peer(n);

        assert_int_not_equal(link, 0);
        assert_true(harness_answer(h, link, &other, NULL));
        assert_non_null(harness_find(h, link, MESSAGE_NEIGHBOR));
}

/* The node is told to dial 10.0.0.<n>; what else it dials is left alone. */
static inline LinkId dial_to(Harness *h, uint8_t n) {
        Address address = harness_address(n, 6000), dialled = {};
        LinkId link;

        assert_int_equal(peer_connect(harness_node(h), &address, harness_now(h)), 0);
        harness_settle(h);
        do
                link = harness_dialled(h, &dialled);
        while (link != 0 && !address_equal(&dialled, &address));
        assert_int_not_equal(link, 0);
        return link;
}

static inline LinkId link_out(Harness *h, uint8_t n) {
        LinkId link = dial_to(h, n);

        answer_neighbor(h, link, n);
        send_accept(h, link, 4);
        assert_true(harness_is_up(h, link));
        expect_listing(h, link);
        return link;
}

static inline unsigned n_links(Harness *h) {
        return peer_n_links(harness_node(h));
}

/* No dial is under way that nobody looked at. */
#define expect_no_dial(h) assert_int_equal(harness_dialled((h), NULL), 0)

/* The next dial, which has to be to 10.0.0.<n>. */
static inline LinkId expect_dial_to(Harness *h, uint8_t n, const char *file, int line) {
        Address address = {};
        LinkId link = harness_dialled(h, &address);

        _assert_int_equal(address.bytes[3], n, file, line);
        return link;
}
#define expect_dial(h, n) expect_dial_to((h), (n), __FILE__, __LINE__)

/* ---- callers ---- */

/* A node that takes callers, and dials nobody by itself. */
static inline Harness *quiet_peer(unsigned n_inbound) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);

        settings.params.links_inbound = n_inbound;
        return peer_new(&settings);
}

static inline LinkId ask(Harness *h, uint8_t n, Priority priority) {
        Other other = harness_peer(n);
        LinkId link = harness_open(h, &other);

        assert_int_not_equal(link, 0);
        send_neighbor(h, link, priority, 0);
        return link;
}

static inline void expect_accepted(Harness *h, LinkId link) {
        expect(h, link, MESSAGE_ACCEPT);
}

static inline void expect_busy(Harness *h, LinkId link) {
        expect(h, link, MESSAGE_BUSY);
        assert_true(harness_is_up(h, link));
        send_close(h, link, CLOSE_DONE);
}

static inline void expect_disconnected(Harness *h, LinkId link, CloseReason reason) {
        const Message *message = harness_find(h, link, MESSAGE_DISCONNECT);

        assert_non_null(message);
        assert_int_equal(message->disconnect.reason, reason);
        expect_close(h, link, CLOSE_DONE);
}

/* ---- seeds ---- */

/* So many members that nobody asks for differences only because it has registered. */
#define FRESH_TOTAL 257U

static inline void send_register_ok(Harness *h, LinkId link, uint32_t lease_msec, uint32_t total, const Held *held) {
        Message message;

        message_set(&message, MESSAGE_REGISTER_OK, register_ok, .lease_msec = lease_msec, .total = total, .has_held = held);
        if (held)
                message.register_ok.held = *held;
        harness_send(h, link, &message);
}

static inline void send_renew_ok(Harness *h, LinkId link, uint32_t lease_msec, uint32_t total, const Held *held,
                                 const Record *records, size_t n) {
        Message message = { .type = MESSAGE_RENEW_OK };

        message.renew_ok.lease_msec = lease_msec;
        message.renew_ok.total = total;
        message.renew_ok.has_held = held;
        if (held)
                message.renew_ok.held = *held;
        message.renew_ok.n_records = n;
        for (size_t i = 0; i < n; i++)
                message.renew_ok.records[i] = records[i];
        harness_send(h, link, &message);
}

static inline void send_list_ok(Harness *h, LinkId link, uint32_t total, const Record *records, size_t n) {
        Message message = { .type = MESSAGE_LIST_OK };

        message.list_ok.total = total;
        message.list_ok.n_records = n;
        for (size_t i = 0; i < n; i++)
                message.list_ok.records[i] = records[i];
        harness_send(h, link, &message);
}

static inline Record record_of(uint8_t n, MemberState state) {
        Other other = harness_peer(n);
        Record record = harness_record(&other);

        record.state = state;
        return record;
}

/* One peer that a seed speaks of, and says that it knows no more: so nobody asks again. One that a seed holds dead and we alive
 * is a suspect for 2 s, unless we have a link with it. */
static inline void send_record(Harness *h, LinkId link, uint8_t n, MemberState state) {
        Record records[2] = { record_of(n, MEMBER_ALIVE), record_of(n, state == MEMBER_SUSPECT ? MEMBER_DEAD : state) };

        send_list_ok(h, link, 1, records + (state != MEMBER_SUSPECT), 1 + (state == MEMBER_SUSPECT));
}

/* One that knows peers 1 to @n from its memory, and has dialled the first of them. */
static inline Harness *peer_with_candidates(unsigned n) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        Harness *h = harness_new(&settings, OWN);
        LostPeer lost[32] = {};

        for (unsigned i = 0; i < n; i++)
                lost[i].address = harness_address((uint8_t) (i + 1), 6000);
        assert_int_equal(peer_set_lost(harness_node(h), lost, n), 0);
        harness_start(h);
        return h;
}

/* The host of the next dial, 0: there is none. */
static inline uint8_t next_dial(Harness *h, LinkId *ret) {
        Address address = {};

        *ret = harness_dialled(h, &address);
        return *ret == 0 ? 0 : address.bytes[3];
}

/* The name of that seed is looked up and leads to 10.0.0.<n>, port 5000, which is dialled. */
static inline LinkId resolve_seed(Harness *h, uint8_t n) {
        Address address = harness_address(n, 5000), dialled = {};
        LinkId link;

        assert_true(harness_asked_for(h, n));
        harness_resolve(h, n, &address, 1);
        link = harness_dialled(h, &dialled);
        assert_true(address_equal(&dialled, &address));
        return link;
}

/* And answers, up to the whole registration; nobody else is there. */
static inline LinkId register_with(Harness *h, uint8_t n) {
        Other seed = harness_seed(n);
        LinkId link = resolve_seed(h, n);

        assert_true(harness_answer(h, link, &seed, NULL));
        expect(h, link, MESSAGE_REGISTER);
        send_register_ok(h, link, 90000, FRESH_TOTAL, NULL);
        expect(h, link, MESSAGE_LIST);
        send_list_ok(h, link, 1, NULL, 0);
        return link;
}

/* A peer with one seed, 10.0.0.200, that it is registered with. */
static inline LinkId set_seed(Harness *h) {
        harness_set_seeds(h, (uint8_t[]) { 200, 0 });
        return register_with(h, 200);
}
