/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * core/node.h: "Functions return 0, or -ENOMEM: the node is then still valid". One day of a peer, and one of a seed,
 * over and over, and each time another one of its allocations fails; the sanitizers see what is lost, or used after it was freed.
 *
 * The linker leads every allocation of core and wire to allocations.h (--wrap, see meson.build).
 */

#include <errno.h>

#include "allocations.h"
#include "harness.h"
#include "unit.h"

#define SEC USEC_PER_SEC

/* ---- a node and its day ---- */

typedef struct Day {
        EffectQueue effects;
        Node *node;
        usec_t now;
        LinkId dialled[256];            /* by the last byte of the address; 0: it was not */
        unsigned n_failed;              /* calls that returned -ENOMEM */
} Day;

/* Whatever the call asked for is carried out, also after a failure. */
static void day_settle(Day *day, int r) {
        Effect effect;

        allocations.armed = false;
        if (r < 0) {
                assert_int_equal(r, -ENOMEM);
                assert_true(allocations.failed);
                day->n_failed++;
        }
        while (node_pop_effect(day->node, &effect)) {
                if (effect.type == EFFECT_DIAL)
                        day->dialled[effect.address.bytes[3]] = effect.link;
                effect_release(&effect);
        }
}

#define DAY(call) (allocations.armed = true, day_settle(day, (call)))

static void day_hear(Day *day, LinkId link, const Message *message) {
        FrameBuffer *buffer;
        Frame frame;
        Message *received = malloc(sizeof(*received));

        assert_non_null(received);
        assert_int_equal(message_encode(&buffer, message), 0);
        assert_true(frame_decode(&frame, buffer->data, buffer->size, FRAME_SIZE_MAX) > 0);
        assert_int_equal(message_decode(received, &frame), 1);
        DAY(node_on_received(day->node, link, day->now));
        DAY(node_on_message(day->node, link, received, day->now));
        frame_buffer_unref(buffer);
        free(received);
}

static void day_hear_hello_ok(Day *day, LinkId link, const Other *other) {
        Message message = { .type = MESSAGE_HELLO_OK };

        message.hello_ok = (HelloOkMessage) {
                .version = 1, .id = other->id, .epoch = other->epoch, .role = other->role, .name = "other", .port = other->port,
        };
        DAY(node_on_link(day->node, link, LINK_CONNECTED, day->now));
        day_hear(day, link, &message);
}

static void day_advance(Day *day, usec_t duration_usec) {
        usec_t until_usec = day->now + duration_usec;

        while (node_deadline(day->node) <= until_usec) {
                day->now = MAX(day->now, node_deadline(day->node));
                DAY(node_on_deadline(day->node, day->now));
        }
        day->now = until_usec;
}

static void day_hear_of_others(Day *day, LinkId seed) {
        Message message = { .type = MESSAGE_LIST_OK };

        message.list_ok.total = 40;
        message.list_ok.n_records = 40;
        for (uint8_t i = 0; i < 40; i++) {
                Other other = harness_peer((uint8_t) (i + 1));

                message.list_ok.records[i] = harness_record(&other);
        }
        day_hear(day, seed, &message);
}

static void day_be_called(Day *day, LinkId link, const Other *other) {
        Message message = { .type = MESSAGE_HELLO };

        message.hello = (HelloMessage) {
                .network = HARNESS_NETWORK, .version_min = 1, .version_max = 1, .id = other->id, .epoch = other->epoch,
                .role = other->role, .name = "other", .port = other->port, .n_addresses = 1,
                .addresses = { other->addresses[0] },
        };
        DAY(node_on_accepted(day->node, link, &other->remote, day->now));
        day_hear(day, link, &message);
}

static void day_be_asked(Day *day, LinkId link) {
        Message message;

        message_set(&message, MESSAGE_NEIGHBOR, neighbor, .priority = PRIORITY_LOW);
        day_hear(day, link, &message);
}

/* ---- a peer ---- */

static void live_as_a_peer(Day *day) {
        SeedEntry entries[3] = { { .host = "a", .port = 5000 }, { .host = "b", .port = 5000 }, { .host = "c", .port = 5000 } };
        Address seed_address = harness_address(200, 5000), by_hand = harness_address(90, 6000);
        NodeId id = ID(1), away = ID(7);
        Other seed = harness_seed(200), other = harness_peer(1), elsewhere = harness_peer(50);
        NodeSettings settings = *node_settings(day->node);
        MessageId message_id;
        Message message;
        LinkId link = 1;

        DAY(node_start(day->node, day->now));
        DAY(node_set_seeds(day->node, entries, 3, day->now));
        for (unsigned number = 1; number <= 3; number++) {
                LinkId before = day->dialled[200];

                DAY(node_on_resolved(day->node, number, &seed_address, 1, NULL, day->now));
                if (day->dialled[200] != before)
                        day_hear_hello_ok(day, day->dialled[200], &seed);
        }
        message_set(&message, MESSAGE_REGISTER_OK, register_ok, .lease_msec = 90000, .total = 41);
        day_hear(day, day->dialled[200], &message);
        day_hear_of_others(day, day->dialled[200]);

        /* Whom it has dialled for links */
        for (uint8_t n = 1; n <= 40; n++) {
                Other callee = harness_peer(n);

                if (day->dialled[n] == 0)
                        continue;
                day_hear_hello_ok(day, day->dialled[n], &callee);
                message_set(&message, MESSAGE_ACCEPT, accept, .n_links = 1);
                day_hear(day, day->dialled[n], &message);
        }

        /* Who calls: twice from one place, then from another one with the same id */
        for (unsigned i = 0; i < 2; i++) {
                day_be_called(day, link += 2, &elsewhere);
                day_be_asked(day, link);
        }
        elsewhere.epoch++;
        elsewhere.remote.bytes[3] = elsewhere.addresses[0].bytes[3] = 51;
        day_be_called(day, link += 2, &elsewhere);
        day_hear_hello_ok(day, day->dialled[50], &other);
        day_be_asked(day, link);

        for (uint64_t sequence = 1; sequence < 9; sequence += 2) {
                message_set(&message, MESSAGE_GOSSIP, gossip, .id = { ID(77), 1, sequence }, .n_hops = 1,
                            .topic = slice_of("/t", 2), .payload = slice_of("x", 1));
                day_hear(day, link, &message);
        }
        allocations.armed = true;
        day_settle(day, peer_publish(day->node, "/t", slice_of("x", 1), day->now, &message_id) == -ENOMEM ? -ENOMEM : 0);
        DAY(node_ping(day->node, &id, 1, day->now) == -ENOMEM ? -ENOMEM : 0);
        DAY(node_ping(day->node, &away, 1, day->now) == -ENOMEM ? -ENOMEM : 0);
        DAY(peer_crawl(day->node, 2, day->now) == -ENOMEM ? -ENOMEM : 0);
        DAY(peer_connect(day->node, &by_hand, day->now) == -ENOMEM ? -ENOMEM : 0);

        /* A link breaks, witnesses are asked and we are one, accusations are made, seeds change, an epoch is jumped, a new id
         * taken, and the node stops. */
        day_advance(day, 2 * SEC);
        for (uint8_t n = 1; n <= 40; n++)
                DAY(node_on_link(day->node, day->dialled[n], LINK_RESET, day->now));
        for (uint8_t n = 1; n <= 40; n++)
                DAY(node_on_link(day->node, day->dialled[n], LINK_REFUSED, day->now));
        message_set(&message, MESSAGE_PROBE_REQ, probe, .nonce = 1, .id = ID(2));
        day_hear(day, link, &message);
        day_advance(day, 3 * SEC);              /* the witnesses have nothing to say */
        DAY(node_set_seeds(day->node, entries + 1, 2, day->now));
        DAY(node_set_seeds(day->node, entries, 3, day->now));
        message_set(&message, MESSAGE_ACCUSED, accused, .held = { HARNESS_EPOCH + 5, 0, MEMBER_ALIVE });
        day_hear(day, link, &message);
        day_advance(day, 40 * SEC);
        day_be_called(day, link += 2, &other);
        day_be_asked(day, link);
        message.accused.held.epoch = UINT64_MAX;
        day_hear(day, link, &message);
        strcpy(settings.network, "elsewhere");
        DAY(node_reconfigure(day->node, &settings, day->now));
        day_be_called(day, link += 2, &other);
        DAY(node_stop(day->node, day->now));
}

static bool has_lived_as_a_peer(const Node *node) {
        return node_counter(node, COUNTER_GOSSIP_FORWARDED) > 0 && node_counter(node, COUNTER_REPORTS_SENT) > 0;
}

/* ---- a seed ---- */

static void day_hear_report(Day *day, LinkId link, uint8_t accused) {
        Message message;

        message_set(&message, MESSAGE_DEAD_REPORT, dead_report, .id = ID(accused), .epoch = HARNESS_EPOCH);
        day_hear(day, link, &message);
}

/* The other seed speaks of peers from @first on, alive or not, and asks for ours. */
static void day_hear_records(Day *day, LinkId link, uint8_t first, size_t n, uint64_t epoch, MemberState state) {
        Message message = { .type = MESSAGE_SYNC_RECORDS };

        message.sync_records.n_records = n;
        for (size_t i = 0; i < n; i++) {
                Other other = harness_peer((uint8_t) (first + i));

                message.sync_records.records[i] = harness_record(&other);
                message.sync_records.records[i].epoch = epoch;
                message.sync_records.records[i].state = state;
        }
        message.sync_records.n_renewals = 1;
        message.sync_records.renewals[0] = (Renewal) { ID(1), HARNESS_EPOCH, 0 };
        message.sync_records.has_want = true;
        memset(message.sync_records.want, 0xff, sizeof(message.sync_records.want));
        day_hear(day, link, &message);
}

static void day_register(Day *day, LinkId link, uint8_t n) {
        Other peer = harness_peer(n);
        Message message;

        day_be_called(day, link, &peer);
        message_set(&message, MESSAGE_REGISTER, reg, .record = harness_record(&peer), .n_links = 4);
        day_hear(day, link, &message);
        message_set(&message, MESSAGE_LIST, list, .count = 64, .has_after = n % 2);
        day_hear(day, link, &message);
}

static void live_as_a_seed(Day *day) {
        static const uint8_t no_hashes[SYNC_BUCKETS * 8];
        SeedEntry entries[3] = { { .host = "a", .port = 5000 }, { .host = "b", .port = 5000 }, { .host = "c", .port = 5000 } };
        Other seed = harness_seed(200), caller = harness_seed(201), accused = harness_peer(3), elsewhere = harness_peer(4),
              one = harness_peer(1);
        LinkId links[11] = {}, link = 1;
        Record remembered[2] = { harness_record(&accused), harness_record(&elsewhere) };
        Message message;

        DAY(seed_restore(day->node, remembered, 2, day->now));
        DAY(node_start(day->node, day->now));
        DAY(node_set_seeds(day->node, entries, 3, day->now));
        for (unsigned number = 1; number <= 3; number++) {
                Address address = harness_address((uint8_t) (199 + number), 5000);

                DAY(node_on_resolved(day->node, number, &address, 1, NULL, day->now));
        }
        day_hear_hello_ok(day, day->dialled[200], &seed);
        day_be_called(day, link += 2, &caller);
        day_hear_hello_ok(day, day->dialled[201], &caller);
        DAY(node_on_link(day->node, day->dialled[202], LINK_REFUSED, day->now));

        for (uint8_t n = 1; n <= 10; n++)
                day_register(day, links[n] = link += 2, n);
        day_hear_records(day, day->dialled[200], 11, 40, HARNESS_EPOCH, MEMBER_ALIVE);
        message_set(&message, MESSAGE_SYNC_DIGEST, sync_digest, .hashes = slice_of(no_hashes, sizeof(no_hashes)));
        day_hear(day, day->dialled[200], &message);
        day_hear(day, links[1], &message);
        day_advance(day, 12 * SEC);

        /* Who is accused: one that answers, and one that does not */
        for (uint8_t n = 3; n <= 5; n += 2) {
                day_hear_report(day, links[1], n);
                day_hear_report(day, links[2], n);
        }
        day_hear_hello_ok(day, day->dialled[3], &accused);
        for (unsigned i = 0; i < 4; i++) {
                DAY(node_on_link(day->node, day->dialled[5], LINK_REFUSED, day->now));
                day_advance(day, 1 * SEC);
        }

        /* One renews with an incarnation that is new, one refutes, one leaves, and others do so elsewhere. */
        message_set(&message, MESSAGE_RENEW, renew, .epoch = HARNESS_EPOCH, .incarnation = 1, .n_links = 4);
        day_hear(day, links[1], &message);
        message_set(&message, MESSAGE_REFUTE, reg, .record = harness_record(&one));
        message.reg.record.incarnation = 2;
        day_hear(day, links[1], &message);
        message_set(&message, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        day_hear(day, links[2], &message);
        day_hear_records(day, day->dialled[200], 11, 5, HARNESS_EPOCH, MEMBER_LEFT);
        day_hear_records(day, day->dialled[200], 16, 5, HARNESS_EPOCH, MEMBER_DEAD);
        day_hear_records(day, day->dialled[200], 6, 1, HARNESS_EPOCH, MEMBER_DEAD);
        day_hear_records(day, day->dialled[200], 11, 5, HARNESS_EPOCH + 1, MEMBER_ALIVE);

        /* The same id calls from two places, a seed goes and another list comes, leases run out, and the node stops. */
        elsewhere.epoch++;
        elsewhere.remote.bytes[3] = elsewhere.addresses[0].bytes[3] = 51;
        day_be_called(day, link += 2, &elsewhere);
        DAY(node_on_link(day->node, day->dialled[4], LINK_REFUSED, day->now));
        DAY(node_on_link(day->node, day->dialled[200], LINK_RESET, day->now));
        DAY(node_set_seeds(day->node, entries + 1, 1, day->now));
        DAY(node_set_seeds(day->node, entries, 2, day->now));
        day_advance(day, 120 * SEC);
        day_be_called(day, link += 2, &seed);
        DAY(node_stop(day->node, day->now));
}

static bool has_lived_as_a_seed(const Node *node) {
        return node_counter(node, COUNTER_DEATHS) > 0 && node_counter(node, COUNTER_REPORTS_FALSE) > 0 &&
               node_counter(node, COUNTER_SYNC_RECORDS_IN) > 0 && node_counter(node, COUNTER_SYNC_RECORDS_OUT) > 0;
}

/* ---- both ---- */

static void live_while_allocations_fail(Role role, void (*live)(Day *day), bool (*has_lived)(const Node *node)) {
        NodeSettings settings = harness_settings(role, PROFILE_LAN);
        NodeIdentity identity = { .id = ID(128), .epoch = HARNESS_EPOCH };
        unsigned n_days = 0, n_not_born = 0;
        bool is_last;

        settings.params.connections_max = 32;
        do {
                Day day = { .now = HARNESS_START };
                int r;

                allocations.failed = false;
                allocations.n_left = n_days++;
                allocations.armed = true;
                r = effect_queue_init(&day.effects);
                if (r >= 0)
                        r = node_new(&day.node, &settings, &identity, &day.effects, 1);
                allocations.armed = false;
                if (r < 0) {
                        assert_int_equal(r, -ENOMEM);
                        assert_null(day.node);
                        effect_queue_done(&day.effects);
                        n_not_born++;
                        is_last = false;
                        continue;
                }
                live(&day);
                is_last = !allocations.failed;
                assert_int_equal(day.n_failed, is_last ? 0 : 1);        /* it is reported, once */
                if (is_last)
                        /* The day had all that it was meant to have. */
                        assert_true(has_lived(day.node) && node_counter(day.node, COUNTER_FRAMES_MALFORMED) == 0);
                node_free(day.node);
                effect_queue_done(&day.effects);
        } while (!is_last);

        assert_in_range(n_not_born, 4, 100);
        assert_in_range(n_days, 150, 5000);
}

static void test_a_peer_survives_that_any_one_allocation_fails(void **state) {
        live_while_allocations_fail(ROLE_PEER, live_as_a_peer, has_lived_as_a_peer);
}

static void test_a_seed_survives_that_any_one_allocation_fails(void **state) {
        live_while_allocations_fail(ROLE_SEED, live_as_a_seed, has_lived_as_a_seed);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_peer_survives_that_any_one_allocation_fails),
                cmocka_unit_test(test_a_seed_survives_that_any_one_allocation_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
