/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 6.1 and 6.3: the list of a seed, who comes onto it and who goes. */

#include "core/registry.h"

#include "expect.h"

#define LEASE (90 * USEC_PER_SEC)
#define DAY (24 * USEC_PER_HOUR)

/* Keeps peers registered, and their sessions open, while time passes. */
static void advance_renewing(Harness *h, usec_t duration, LinkId link, uint32_t incarnation) {
        for (usec_t step; duration > 0; duration -= step) {
                step = MIN(duration, 30 * USEC_PER_SEC);
                harness_advance(h, step);
                send_renew(h, link, HARNESS_EPOCH, incarnation, 4);
                assert_non_null(harness_find(h, link, MESSAGE_RENEW_OK));
        }
}

static void test_registering_lists_the_peer(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record = harness_record(&peer);
        LinkId link = harness_open(h, &peer);
        const Message *answer;
        const Notice *notice;

        send_register(h, link, &record, 3);
        answer = expect(h, link, MESSAGE_REGISTER_OK);
        assert_int_equal(answer->register_ok.lease_msec, LEASE / USEC_PER_MSEC);
        assert_int_equal(answer->register_ok.total, 1);
        assert_false(answer->register_ok.has_held);

        assert_true(is_listed(h, 1));
        assert_int_equal(member_of(h, 1).n_links, 3);
        assert_int_equal(member_of(h, 1).registered_usec, harness_now(h));
        assert_int_equal(member_of(h, 1).lease_end_usec, harness_now(h) + LEASE);

        notice = harness_notice(h, NOTICE_REGISTERED);
        assert_non_null(notice);
        assert_string_equal(notice->name, "other");
        assert_int_equal(notice->n, 1);
}

static void test_registering_again_is_no_news(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record = harness_record(&peer);
        LinkId link = register_peer(h, 1, 4);
        const Message *answer;

        assert_non_null(harness_notice(h, NOTICE_REGISTERED));
        send_register(h, link, &record, 4);
        answer = expect(h, link, MESSAGE_REGISTER_OK);
        assert_true(answer->register_ok.has_held);
        assert_int_equal(answer->register_ok.held.epoch, HARNESS_EPOCH);
        assert_int_equal(answer->register_ok.held.state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_REGISTERED));
}

static void test_nobody_registers_another(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record good = harness_record(&peer), bad;
        LinkId link;

        for (unsigned i = 0; i < 5; i++) {
                bad = good;
                if (i == 0)
                        bad.id = ID(2);
                if (i == 1)
                        bad.epoch++;
                if (i == 2)
                        bad.role = ROLE_SEED;
                if (i == 3)
                        bad.state = MEMBER_DEAD;
                if (i == 4)
                        bad.state = MEMBER_SUSPECT;

                link = harness_open(h, &peer);
                send_register(h, link, &bad, 4);
                expect_close(h, link, CLOSE_PROTOCOL);
                assert_non_null(harness_notice(h, NOTICE_PROTOCOL_ERROR));
        }
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_without_an_address_the_observed_one_is_listed(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Address expected = harness_address(1, 6000);
        LinkId link;
        Record record;

        peer.n_addresses = 0;
        record = harness_record(&peer);
        link = harness_open(h, &peer);
        send_register(h, link, &record, 0);

        assert_int_equal(member_of(h, 1).record->n_addresses, 1);
        assert_true(address_equal(member_of(h, 1).record->addresses, &expected));
}

static void test_a_stranger_cannot_have_our_own_host_dialled(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record = harness_record(&peer);
        Address expected = harness_address(1, 6000);
        LinkId link = harness_open(h, &peer);

        record.n_addresses = 3;
        record.addresses[0] = harness_loopback(22);
        record.addresses[1] = address_ipv4((uint8_t[]) { 224, 0, 0, 1 }, 6000);
        record.addresses[2] = address_ipv4((uint8_t[]) { 0, 0, 0, 0 }, 6000);
        send_register(h, link, &record, 0);

        assert_int_equal(member_of(h, 1).record->n_addresses, 1);
        assert_true(address_equal(member_of(h, 1).record->addresses, &expected));
}

static void test_loopback_addresses_are_for_loopback_callers(void **state) {
        Harness *h = *state;
        Other local = harness_peer(1), remote = harness_peer(2);
        Record record;
        LinkId link;
        Message list;

        local.remote = harness_loopback(40000);
        local.addresses[0] = harness_loopback(6000);
        record = harness_record(&local);
        link = harness_open(h, &local);
        send_register(h, link, &record, 0);
        assert_int_equal(member_of(h, 1).record->n_addresses, 1);

        message_set(&list, MESSAGE_LIST, list, .count = 64);
        harness_send(h, link, &list);
        assert_int_equal(harness_find(h, link, MESSAGE_LIST_OK)->list_ok.n_records, 1);

        link = harness_open(h, &remote);
        harness_send(h, link, &list);
        assert_int_equal(harness_find(h, link, MESSAGE_LIST_OK)->list_ok.n_records, 0);
        message_set(&list, MESSAGE_LIST, list, .count = 64, .has_after = true);
        harness_send(h, link, &list);
        assert_int_equal(harness_find(h, link, MESSAGE_LIST_OK)->list_ok.n_records, 0);
}

static void test_a_higher_epoch_replaces_at_once(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record;
        LinkId link;
        const Notice *notice;

        register_peer(h, 1, 4);
        assert_false(harness_notice(h, NOTICE_REGISTERED)->restarted);

        peer.epoch++;
        link = harness_open(h, &peer);
        record = harness_record(&peer);
        record.addresses[0] = harness_address(1, 7000);
        send_register(h, link, &record, 1);
        assert_true(expect(h, link, MESSAGE_REGISTER_OK)->register_ok.has_held);

        assert_int_equal(member_of(h, 1).record->epoch, HARNESS_EPOCH + 1);
        assert_int_equal(member_of(h, 1).record->n_addresses, 1);
        assert_int_equal(member_of(h, 1).record->addresses[0].port, 7000);
        assert_int_equal(member_of(h, 1).n_links, 1);
        notice = harness_notice(h, NOTICE_REGISTERED);
        assert_true(notice->restarted);
        assert_int_equal(notice->n, 1);
}

static void test_leaving_takes_effect_at_once(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        Message leave;
        const Notice *notice;

        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, link, &leave);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        assert_int_equal(node_n_alive(harness_node(h)), 0);
        harness_send(h, link, &leave);

        harness_advance(h, 5 * USEC_PER_SEC - 1);                /* it may be restarting */
        assert_null(harness_notice(h, NOTICE_LEFT));
        harness_advance(h, 1);
        notice = harness_notice(h, NOTICE_LEFT);
        assert_non_null(notice);
        assert_int_equal(notice->n, 0);

        harness_send(h, link, &leave);
        harness_advance(h, 5 * USEC_PER_SEC);
        assert_null(harness_notice(h, NOTICE_LEFT));
        harness_change(h, link, LINK_CLOSED);
        harness_advance(h, DAY - 10 * USEC_PER_SEC - 1);
        assert_int_equal(node_n_members(harness_node(h)), 1);
        harness_advance(h, 1);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_who_leaves_and_is_back_at_once_has_restarted(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        Other peer = harness_peer(1);
        const Notice *notice;
        Record record;
        Message leave;

        assert_false(harness_notice(h, NOTICE_REGISTERED)->known);
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, link, &leave);
        harness_change(h, link, LINK_CLOSED);
        harness_advance(h, 4 * USEC_PER_SEC);

        peer.epoch++;
        link = harness_open(h, &peer);
        record = harness_record(&peer);
        send_register(h, link, &record, 1);
        notice = harness_notice(h, NOTICE_REGISTERED);
        assert_true(notice->restarted);
        assert_true(notice->known);
        harness_advance(h, 5 * USEC_PER_SEC);
        assert_null(harness_notice(h, NOTICE_LEFT));
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
}

static void test_who_leaves_has_the_last_word_on_its_incarnation(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link = register_peer(h, 1, 4);
        Message leave;

        send_refute(h, link, &peer, HARNESS_EPOCH, 3);
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH, .incarnation = 1);
        harness_send(h, link, &leave);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        assert_int_equal(member_of(h, 1).record->incarnation, 3);
}

static void test_the_addresses_that_a_peer_names_itself_come_first(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record = harness_record(&peer);
        LinkId link = register_peer(h, 1, 4);

        for (uint16_t port = 7001; port < 7010; port++) {
                record.addresses[0] = harness_address(1, port);
                send_register(h, link, &record, 4);
                assert_int_equal(member_of(h, 1).record->addresses[0].port, port);
                assert_in_range(member_of(h, 1).record->n_addresses, 2, RECORD_ADDRESSES_MAX);
        }
}

static void test_a_tombstone_lasts_a_day(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);
        Message leave;

        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, link, &leave);
        harness_advance(h, DAY - 1);
        assert_int_equal(member_of(h, 1).state, MEMBER_LEFT);
        harness_advance(h, 1);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void test_who_left_is_told_and_not_listed_until_it_refutes(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        Record record = harness_record(&peer);
        LinkId link = register_peer(h, 1, 4);
        const Message *answer;
        Message leave;

        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH, .incarnation = 2);
        harness_send(h, link, &leave);
        harness_advance(h, 5 * USEC_PER_SEC);

        send_register(h, link, &record, 4);
        answer = expect(h, link, MESSAGE_REGISTER_OK);
        assert_true(answer->register_ok.has_held);
        assert_int_equal(answer->register_ok.held.state, MEMBER_LEFT);
        assert_int_equal(answer->register_ok.held.incarnation, 2);
        assert_false(is_listed(h, 1));

        send_renew(h, link, HARNESS_EPOCH, 0, 4);
        answer = expect(h, link, MESSAGE_RENEW_OK);
        assert_true(answer->renew_ok.has_held);
        assert_int_equal(answer->renew_ok.held.state, MEMBER_LEFT);
        assert_false(is_listed(h, 1));

        send_refute(h, link, &peer, HARNESS_EPOCH, 3);
        assert_true(is_listed(h, 1));
        assert_non_null(harness_notice(h, NOTICE_ALIVE));
        assert_int_equal(member_of(h, 1).lease_end_usec, harness_now(h) + LEASE);
}

static void test_a_higher_epoch_held_is_told(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1), later = harness_peer(1);
        Record record = harness_record(&peer);
        LinkId link;
        const Message *answer;

        later.epoch += 7;
        link = harness_open(h, &later);
        record = harness_record(&later);
        send_register(h, link, &record, 4);
        harness_change(h, link, LINK_RESET);

        link = harness_open(h, &peer);
        record = harness_record(&peer);
        send_register(h, link, &record, 4);
        answer = expect(h, link, MESSAGE_REGISTER_OK);
        assert_true(answer->register_ok.has_held);
        assert_int_equal(answer->register_ok.held.epoch, HARNESS_EPOCH + 7);
        assert_int_equal(member_of(h, 1).record->epoch, HARNESS_EPOCH + 7);

        send_renew(h, link, HARNESS_EPOCH, 0, 4);
        assert_int_equal(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.held.epoch, HARNESS_EPOCH + 7);

        /* It jumps above, and says so on the session that it has. */
        send_refute(h, link, &peer, HARNESS_EPOCH + 8, 0);
        assert_int_equal(member_of(h, 1).record->epoch, HARNESS_EPOCH + 8);
        send_renew(h, link, HARNESS_EPOCH + 8, 0, 4);
        assert_int_equal(expect(h, link, MESSAGE_RENEW_OK)->renew_ok.held.epoch, HARNESS_EPOCH + 8);
}

static void test_refuting_for_another_is_refused(void **state) {
        Harness *h = *state;
        Other other = harness_peer(2);
        LinkId link = register_peer(h, 1, 4);

        register_peer(h, 2, 4);
        send_refute(h, link, &other, HARNESS_EPOCH, 9);
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(member_of(h, 2).record->incarnation, 0);
}

static void test_a_list_is_random_and_bounded(void **state) {
        Harness *h = *state;
        Other asker = harness_peer(200);
        bool seen[256] = {};
        unsigned n_seen = 0;
        const Message *answer;
        Message list;
        LinkId link;

        for (uint8_t n = 1; n <= 30; n++)
                register_peer(h, n, 4);
        link = harness_open(h, &asker);

        message_set(&list, MESSAGE_LIST, list, .count = 5);
        for (unsigned i = 0; i < 40; i++) {
                harness_send(h, link, &list);
                answer = expect(h, link, MESSAGE_LIST_OK);
                assert_int_equal(answer->list_ok.total, 30);
                assert_int_equal(answer->list_ok.n_records, 5);
                for (size_t j = 0; j < 5; j++)
                        seen[answer->list_ok.records[j].id.bytes[0]] = true;
        }
        for (size_t i = 0; i < 256; i++)
                n_seen += seen[i];
        assert_int_equal(n_seen, 30);
}

static void test_pages_bring_everybody_once_and_in_order(void **state) {
        Harness *h = *state;
        Other asker = harness_peer(200);
        const Message *answer;
        unsigned n = 0;
        NodeId last = NODE_ID_NULL;
        Message list;
        LinkId link;

        for (unsigned i = 0; i < 50; i++)
                register_peer(h, (uint8_t) (1 + i * 37 % 50), 4);
        link = harness_open(h, &asker);

        do {
                message_set(&list, MESSAGE_LIST, list, .count = 7, .has_after = true, .after = last);
                harness_send(h, link, &list);
                answer = expect(h, link, MESSAGE_LIST_OK);
                for (size_t i = 0; i < answer->list_ok.n_records; i++) {
                        assert_true(node_id_compare(&answer->list_ok.records[i].id, &last) > 0);
                        last = answer->list_ok.records[i].id;
                        n++;
                }
        } while (answer->list_ok.n_records > 0);
        assert_int_equal(n, 50);
}

static void test_one_who_asks_and_does_not_read_is_closed(void **state) {
        Harness *h = *state;
        Other asker = harness_peer(200);
        LinkId link;
        Message list;
        unsigned n;

        for (unsigned i = 1; i <= 64; i++)
                register_peer(h, (uint8_t) i, 4);
        link = harness_open(h, &asker);
        harness_set_reading(h, link, false);

        message_set(&list, MESSAGE_LIST, list, .count = 64);
        for (n = 0; n < 10000 && harness_is_up(h, link); n++)
                harness_send(h, link, &list);
        assert_true(n < 1000);
        assert_int_equal(counted(h, COUNTER_LINKS_SLOW), 1);
}

static void test_a_full_directory_refuses(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        Other peer = harness_peer(3);
        Record record = harness_record(&peer);
        LinkId link;
        Message leave;

        settings.params.members_max = 2;
        assert_int_equal(node_reconfigure(harness_node(h), &settings, harness_now(h)), 0);
        harness_settle(h);
        link = register_peer(h, 1, 4);
        register_peer(h, 2, 4);

        LinkId refused = harness_open(h, &peer);
        send_register(h, refused, &record, 4);
        expect_close(h, refused, CLOSE_BUSY);
        assert_int_equal(counted(h, COUNTER_MEMBERS_REFUSED), 1);
        assert_int_equal(node_n_members(harness_node(h)), 2);

        /* Who is gone makes room. */
        message_set(&leave, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, link, &leave);
        register_peer(h, 3, 4);
        assert_true(is_listed(h, 3));
}

static void test_the_directory_is_written_at_most_every_10_seconds(void **state) {
        Harness *h = *state;
        LinkId link = register_peer(h, 1, 4);

        harness_advance(h, 1);
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), 1);
        for (uint8_t n = 2; n < 10; n++) {
                register_peer(h, n, 4);
                harness_advance(h, 1 * USEC_PER_SEC);
        }
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), 1);
        harness_advance(h, 2 * USEC_PER_SEC);
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), 2);

        /* Renewals alone change nothing that is worth writing. */
        advance_renewing(h, 60 * USEC_PER_SEC, link, 0);
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), 2);
        harness_stop(h);
        assert_int_equal(harness_n_persisted(h, PERSIST_REGISTRY), 3);
}

static void test_a_snapshot_comes_back_hidden_until_renewal(void **state) {
        Harness *h = *state;
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *next = harness_new(&settings, 255);
        Other peer = harness_peer(1);
        LinkId link = register_peer(h, 1, 4);
        Record records[8], parts[2];
        size_t n;
        Message message;

        register_peer(h, 2, 4);
        message_set(&message, MESSAGE_LEAVE, leave, .epoch = HARNESS_EPOCH);
        harness_send(h, link, &message);
        register_peer(h, 3, 4);
        harness_advance(h, 60 * USEC_PER_SEC);

        n = seed_snapshot(harness_node(h), 0, records, ELEMENTSOF(records), harness_now(h));
        assert_int_equal(n, 3);
        assert_int_equal(seed_snapshot(harness_node(h), 0, records, 2, harness_now(h)), 2);
        assert_int_equal(seed_snapshot(harness_node(h), 2, parts, 2, harness_now(h)), 1);
        assert_true(node_id_equal(&parts[0].id, &records[2].id));
        assert_int_equal(seed_snapshot(harness_node(h), 3, parts, 2, harness_now(h)), 0);
        n = seed_snapshot(harness_node(h), 0, records, ELEMENTSOF(records), harness_now(h));
        for (size_t i = 0; i < n; i++)
                assert_int_equal(records[i].age_msec, 60000);

        assert_int_equal(seed_restore(harness_node(next), records, n, harness_now(next)), 0);
        harness_start(next);
        assert_int_equal(node_n_members(harness_node(next)), 3);
        assert_int_equal(node_n_alive(harness_node(next)), 0);
        assert_int_equal(member_of(next, 1).state, MEMBER_LEFT);
        assert_true(member_of(next, 2).lost);

        peer = harness_peer(2);
        link = harness_open(next, &peer);
        message_set(&message, MESSAGE_LIST, list, .count = 64);
        harness_send(next, link, &message);
        assert_int_equal(expect(next, link, MESSAGE_LIST_OK)->list_ok.n_records, 0);
        send_renew(next, link, HARNESS_EPOCH, 0, 4);
        assert_true(expect(next, link, MESSAGE_RENEW_OK)->renew_ok.has_held);
        assert_true(is_listed(next, 2));

        /* The tombstone keeps its age. */
        harness_advance(next, DAY - 60 * USEC_PER_SEC - 1);
        assert_int_equal(member_of(next, 1).state, MEMBER_LEFT);
        harness_advance(next, 1);
        assert_int_equal(node_n_members(harness_node(next)), 2);
        harness_advance(next, 60 * USEC_PER_SEC);
        assert_int_equal(node_n_members(harness_node(next)), 1);
}

static void test_a_bad_snapshot_does_no_harm(void **state) {
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Other seed = harness_seed(1), peer = harness_peer(2);
        Record records[4];

        settings.params.members_max = 1;
        h = harness_new(&settings, 255);
        records[0] = harness_record(&seed);                     /* not a peer */
        records[1] = harness_record(&peer);
        records[1].epoch = UINT64_C(1) << 63;                   /* no epoch */
        records[2] = harness_record(&peer);
        records[2].state = MEMBER_DEAD;
        records[2].age_msec = 24 * 3600 * 1000;                 /* forgotten by now */
        records[3] = harness_record(&peer);
        assert_int_equal(seed_restore(harness_node(h), records, 4, harness_now(h)), 0);
        harness_start(h);
        assert_int_equal(node_n_members(harness_node(h)), 1);
        assert_true(member_of(h, 2).lost);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_seed, teardown)
                TEST(test_registering_lists_the_peer),
                TEST(test_registering_again_is_no_news),
                TEST(test_nobody_registers_another),
                TEST(test_without_an_address_the_observed_one_is_listed),
                TEST(test_a_stranger_cannot_have_our_own_host_dialled),
                TEST(test_loopback_addresses_are_for_loopback_callers),
                TEST(test_a_higher_epoch_replaces_at_once),
                TEST(test_leaving_takes_effect_at_once),
                TEST(test_who_leaves_and_is_back_at_once_has_restarted),
                TEST(test_who_leaves_has_the_last_word_on_its_incarnation),
                TEST(test_the_addresses_that_a_peer_names_itself_come_first),
                TEST(test_a_tombstone_lasts_a_day),
                TEST(test_who_left_is_told_and_not_listed_until_it_refutes),
                TEST(test_a_higher_epoch_held_is_told),
                TEST(test_refuting_for_another_is_refused),
                TEST(test_a_list_is_random_and_bounded),
                TEST(test_pages_bring_everybody_once_and_in_order),
                TEST(test_one_who_asks_and_does_not_read_is_closed),
                TEST(test_a_full_directory_refuses),
                TEST(test_the_directory_is_written_at_most_every_10_seconds),
                TEST(test_a_snapshot_comes_back_hidden_until_renewal),
                TEST(test_a_bad_snapshot_does_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
