/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core-driver-internal.h"

#include <stdio.h>

#include "core/peer-node-internal.h"
#include "core/seed-node-internal.h"

#define EVENTS_MAX 400U
#define MEMBERS_MAX 24U
#define CONNECTIONS_MAX 16U
#define ORIGINS_MAX 12U
#define INTERVALS_MAX 8U
#define STORE_SIZE_MAX (16U * 1024U)
#define DIALS_MAX_EVER 200U     /* under way at a time: links, seeds, checks, verdicts, pings and suspects together */

/* ---- events ---- */

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

                assert(seed_snapshot(node, 0, records, MEMBERS_MAX, now) == node_n_members(node));
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
        uint8_t what = take(d);

        if (what >= 12 * 20) {
                answer_all(d);
                return;
        }
        harness_drop_sent(d->harness);
        switch (what % 20) {
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

static void check_broadcast(const Node *node) {
        const PeerNode *peer = node->peer;
        size_t n_origins = 0;

        for (const SeenOrigin *origin = peer->seen.heard; origin; origin = origin->heard_next) {
                n_origins++;
                assert(origin->n_intervals <= INTERVALS_MAX + 1U);
                assert(origin->delivered <= seen_whole(origin));
                for (size_t i = 1; i < origin->n_intervals; i++)
                        assert(origin->intervals[i].first > origin->intervals[i - 1].last + 1 &&
                               origin->intervals[i].last >= origin->intervals[i].first);
        }
        assert(n_origins == peer->seen.n_origins && n_origins <= ORIGINS_MAX);
        assert(peer->store.size <= STORE_SIZE_MAX);
        assert(peer->announced.n < MESSAGE_RANGES_MAX);
        for (size_t i = 0; i < peer->offers.n_links; i++)
                assert(peer->offers.links[i].n <= OFFERS_PER_LINK_MAX);
}

static void driver_check(Driver *d) {
        const Node *node = harness_node(d->harness);
        size_t n_accepted = 0, n_handshakes = 0;

        /* Every session is a connection and every connection a session; a slot and its session know each other. */
        assert(node->n_sessions == harness_n_up(d->harness) + harness_n_dialling(d->harness));
        for (const Session *session = node->sessions; session; session = session->next) {
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

                for (const Session *session = node->sessions; session; session = session->next)
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

                check_broadcast(node);
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
        settings.params.origins_max = ORIGINS_MAX;
        settings.params.intervals_max = INTERVALS_MAX;
        settings.params.store_size_max = STORE_SIZE_MAX;
        d.harness = harness_new(&settings, 0x40);
        if (size > 0 && data[0] & 1)
                drive_seeds(&d);
        harness_start(d.harness);

        for (unsigned i = 0; i < EVENTS_MAX && d.data < d.end; i++) {
                drive_event(&d);
                driver_check(&d);
        }
        harness_stop(d.harness);
        assert(harness_n_up(d.harness) + harness_n_dialling(d.harness) == 0);
        harness_free(d.harness);
        return 0;
}
