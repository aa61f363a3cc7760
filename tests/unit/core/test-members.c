/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, sections 6.4 and 7.3: what a peer tells its links of members, and how two of them compare their tables. */

#include "core/peer-node-internal.h"
#include "overlay.h"

static void send_members(Harness *h, LinkId link, const Record *records, size_t n) {
        Message message;

        message_set(&message, MESSAGE_MEMBERS, members, .n_records = n);
        for (size_t i = 0; i < n; i++)
                message.members.records[i] = records[i];
        harness_send(h, link, &message);
}

static void send_one(Harness *h, LinkId link, uint8_t n, uint32_t incarnation, MemberState state) {
        Record record = record_of(n, state);

        record.incarnation = incarnation;
        send_members(h, link, &record, 1);
}

static void send_suspicion(Harness *h, LinkId link, uint8_t accused, uint8_t accuser, uint8_t n_others) {
        Message message;

        message_set(&message, MESSAGE_MEMBERS, members, .n_suspicions = 1);
        message.members.suspicions[0] = (Suspicion) { ID(accused), HARNESS_EPOCH, 0, ID(accuser), n_others };
        harness_send(h, link, &message);
}

/* Three links, with everything said that is to be said of them. */
static Harness *with_links(LinkId links[3]) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        Harness *h = peer_new(&settings);

        harness_set_answering(h, true);
        for (uint8_t i = 0; i < 3; i++)
                links[i] = link_in(h, (uint8_t) (i + 1));
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);
        return h;
}

/* ---- news ---- */

static void test_who_comes_goes_and_refutes_is_told_to_all_links_but_one(void **state) {
        const struct {
                uint32_t incarnation;
                MemberState state;
        } lives[] = { { 0, MEMBER_ALIVE }, { 1, MEMBER_ALIVE }, { 1, MEMBER_LEFT }, { 2, MEMBER_ALIVE } };
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(lives); i++) {
                send_one(h, links[i % 3], 9, lives[i].incarnation, lives[i].state);
                for (size_t j = 0; j < 3; j++)
                        expect_nothing(h, links[j]);            /* more may come */
                harness_advance(h, 20 * MSEC);
                for (size_t j = 0; j < 3; j++) {
                        const Message *told;

                        if (j == i % 3) {
                                expect_nothing(h, links[j]);
                                continue;
                        }
                        told = expect(h, links[j], MESSAGE_MEMBERS);
                        assert_int_equal(told->members.n_records, 1);
                        assert_int_equal(told->members.n_suspicions, 0);
                        assert_int_equal(told->members.records[0].id.bytes[0], 9);
                        assert_int_equal(told->members.records[0].incarnation, lives[i].incarnation);
                        assert_int_equal(told->members.records[0].state, lives[i].state);
                }
                send_one(h, links[(i + 1) % 3], 9, lives[i].incarnation, lives[i].state);       /* and not twice */
                harness_advance(h, 100 * MSEC);
                for (size_t j = 0; j < 3; j++)
                        expect_nothing(h, links[j]);
        }
}

static void test_who_calls_us_is_news_to_the_others(void **state) {
        LinkId links[3], link;
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        link = link_in(h, 9);
        harness_advance(h, 20 * MSEC);
        assert_int_equal(expect(h, links[0], MESSAGE_MEMBERS)->members.records[0].id.bytes[0], 9);
        assert_null(harness_find(h, link, MESSAGE_MEMBERS));

        harness_drop_sent(h);
        send_close(h, link, CLOSE_LEAVING);
        harness_advance(h, 20 * MSEC);
        assert_int_equal(expect(h, links[0], MESSAGE_MEMBERS)->members.records[0].state, MEMBER_LEFT);
}

static void test_news_of_a_moment_share_a_frame_of_at_most_64(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        size_t n_frames = 0, n = 0;
        const Message *told;
        (void) state;

        for (uint8_t i = 10; i < 110; i++)
                send_one(h, links[0], i, 0, MEMBER_ALIVE);
        harness_advance(h, 20 * MSEC);
        while ((told = harness_next(h, links[1]))) {
                assert_int_equal(told->type, MESSAGE_MEMBERS);
                n += told->members.n_records;
                n_frames++;
        }
        assert_int_equal(n, 100);
        assert_int_equal(n_frames, 2);
        expect_nothing(h, links[0]);
}

static void test_accusations_are_passed_on_up_to_as_many_as_count(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        const Message *told;
        (void) state;

        send_one(h, links[0], 9, 0, MEMBER_ALIVE);
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);
        for (uint8_t accuser = 20; accuser < 30; accuser++)
                send_suspicion(h, links[0], 9, accuser, 2);
        harness_advance(h, 20 * MSEC);
        told = expect(h, links[1], MESSAGE_MEMBERS);
        assert_int_equal(told->members.n_suspicions, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(told->members.suspicions[i].id.bytes[0], 9);
                assert_int_equal(told->members.suspicions[i].accuser.bytes[0], 20 + i);
                assert_int_equal(told->members.suspicions[i].n_others, 2);
        }
        expect_nothing(h, links[0]);
        harness_advance(h, 100 * MSEC);
        expect_nothing(h, links[1]);
}

static void test_our_own_accusation_goes_to_all_links(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        (void) state;

        harness_set_silent(h, links[0]);
        harness_advance(h, 10 * SEC);
        for (size_t i = 1; i < 3; i++) {
                const Message *told = harness_find(h, links[i], MESSAGE_MEMBERS);

                assert_non_null(told);
                assert_int_equal(told->members.n_suspicions, 1);
                assert_int_equal(told->members.suspicions[0].id.bytes[0], 1);
                assert_int_equal(told->members.suspicions[0].accuser.bytes[0], OWN);
                assert_int_equal(told->members.suspicions[0].n_others, 3);      /* it spoke of four links */
        }
}

static void test_loopback_addresses_are_not_told_to_other_hosts(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        Record record = record_of(9, MEMBER_ALIVE);
        (void) state;

        record.addresses[0] = harness_loopback(6000);
        send_members(h, links[0], &record, 1);
        harness_advance(h, 100 * MSEC);
        expect_nothing(h, links[1]);
}

static void test_news_have_a_place_on_links_only(void **state) {
        LinkId links[3], session;
        _cleanup_(harness_freep) Harness *h = with_links(links);
        Other other = harness_peer(9);
        Message message;
        (void) state;

        session = harness_open(h, &other);
        message_set(&message, MESSAGE_MEMBERS, members, .n_records = 0);
        harness_send(h, session, &message);
        expect_close(h, session, CLOSE_PROTOCOL);
        session = harness_open(h, &other);
        message.type = MESSAGE_SYNC_RECORDS;
        message.sync_records.n_records = message.sync_records.n_renewals = 0;
        message.sync_records.has_want = false;
        harness_send(h, session, &message);
        expect_close(h, session, CLOSE_PROTOCOL);
}

static void test_records_by_the_thousand_end_the_link(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link, other;
        unsigned n = 0;
        (void) state;

        settings.params.members_max = 100;
        h = peer_new(&settings);
        link = link_in(h, 1);
        other = link_in(h, 2);
        while (harness_is_up(h, link)) {
                Record records[64];

                assert_true(n < 100000);
                for (size_t i = 0; i < 64; i++, n++) {
                        records[i] = record_of(9, MEMBER_ALIVE);
                        records[i].id.bytes[1] = (uint8_t) n;
                        records[i].id.bytes[2] = (uint8_t) (n >> 8);
                }
                send_members(h, link, records, 64);
        }
        assert_in_range(n, 1024, 1024 + 20 * 100 + 64);
        assert_int_equal(node_n_members(harness_node(h)), 100);
        assert_true(harness_is_up(h, other));
}

/* Each of two links tells less than it may; the third one is told less than it would close us for: so much at once, and as much
 * again in a minute. What was too much is told later, once, as it is held then. */
static void test_what_several_links_tell_is_passed_on_as_far_as_one_may_tell_it(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId links[3];
        size_t n_told = 0, max = 512 + 8 * 5;
        uint32_t last[2] = {};
        (void) state;

        h = peer_new(&settings);
        harness_set_answering(h, true);
        for (uint8_t i = 0; i < 3; i++)
                links[i] = link_in(h, (uint8_t) (i + 1));
        for (uint32_t i = 1; i <= 500; i++) {
                const Message *told;

                for (uint8_t k = 0; k < 2; k++) {
                        Record record = record_of((uint8_t) (9 + k), MEMBER_ALIVE);

                        record.incarnation = i;
                        send_members(h, links[k], &record, 1);
                }
                harness_advance(h, 21 * MSEC);
                while ((told = harness_find(h, links[2], MESSAGE_MEMBERS)))
                        n_told += told->members.n_records;
        }
        assert_in_range(n_told, max - 3, max + max * 500 * 21 / 60000 + 1);     /* our links were news, too */
        assert_in_range(counted(h, COUNTER_NEWS_IGNORED), 1000 - n_told, 1000 - max + 3);
        assert_true(members_is_flooded(harness_node(h), harness_now(h)));

        harness_advance(h, 1 * SEC);
        for (const Message *told; (told = harness_find(h, links[2], MESSAGE_MEMBERS));)
                for (size_t i = 0; i < told->members.n_records; i++, n_told++)
                        last[told->members.records[i].id.bytes[0] - 9] = told->members.records[i].incarnation;
        assert_int_equal(last[0], 500);
        assert_int_equal(last[1], 500);
        harness_advance(h, 60 * SEC);
        while (harness_find(h, links[2], MESSAGE_MEMBERS))
                n_told++;
        assert_in_range(n_told, max, max + max * (500 * 21 + 1000) / 60000 + 1);        /* nothing more */
        assert_false(members_is_flooded(harness_node(h), harness_now(h)));
        assert_int_equal(member_of(h, 9).record->incarnation, 500);     /* and taken over */
        for (uint8_t i = 0; i < 3; i++)
                assert_true(harness_is_up(h, links[i]));
}

/* ---- comparing ---- */

static void test_whoever_dials_a_link_compares_and_once_a_minute_one_of_them_is_picked(void **state) {
        LinkId links[3], link;
        _cleanup_(harness_freep) Harness *h = with_links(links);
        unsigned n = 0;
        (void) state;

        link = link_out(h, 9);
        expect(h, link, MESSAGE_SYNC_DIGEST);
        link_in(h, 10);
        harness_advance(h, 1 * SEC);
        harness_drop_sent(h);
        harness_advance(h, 600 * SEC);
        for (size_t i = 0; i < 3; i++)
                while (harness_find(h, links[i], MESSAGE_SYNC_DIGEST))
                        n++;
        while (harness_find(h, link, MESSAGE_SYNC_DIGEST))
                n++;
        assert_in_range(n, 3, 20);
}

/* The digest of a table that holds only those in @numbers, alive. */
static void send_digest_of(Harness *h, LinkId link, const uint8_t *numbers) {
        uint64_t hashes[SYNC_BUCKETS] = {};
        uint8_t bytes[SYNC_BUCKETS * 8], *p = bytes;
        Message message;

        for (; *numbers; numbers++) {
                NodeId id = ID(*numbers);

                hashes[*numbers] ^= member_hash(&id, HARNESS_EPOCH, 0, MEMBER_ALIVE);
        }
        for (size_t i = 0; i < SYNC_BUCKETS; i++)
                p = put_be64(p, hashes[i]);
        message_set(&message, MESSAGE_SYNC_DIGEST, sync_digest, .hashes = slice_of(bytes, sizeof(bytes)));
        harness_send(h, link, &message);
}

static void test_what_differs_is_sent_and_asked_for(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        const Message *answer;
        bool seen[256] = {};
        (void) state;

        send_digest_of(h, links[0], (const uint8_t[]) { 1, 2, 3, OWN, 0 });
        expect_nothing(h, links[0]);                            /* that is what we hold */

        send_digest_of(h, links[0], (const uint8_t[]) { 1, 2, 77, 0 });
        answer = expect(h, links[0], MESSAGE_SYNC_RECORDS);
        for (size_t i = 0; i < answer->sync_records.n_records; i++)
                seen[answer->sync_records.records[i].id.bytes[0]] = true;
        assert_int_equal(answer->sync_records.n_records, 2);
        assert_true(seen[3] && seen[OWN]);                      /* with our incarnation, which HELLO does not say */
        assert_true(answer->sync_records.has_want);
        assert_true(sync_marked(answer->sync_records.want, 77) && sync_marked(answer->sync_records.want, 3));
        assert_false(sync_marked(answer->sync_records.want, 1));
}

static void test_what_is_asked_for_is_sent_and_what_came_is_learned(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        Message message = { .type = MESSAGE_SYNC_RECORDS };
        const Message *answer;
        (void) state;

        message.sync_records.n_records = 1;
        message.sync_records.records[0] = record_of(77, MEMBER_ALIVE);
        message.sync_records.has_want = true;
        sync_mark(message.sync_records.want, 2);
        harness_send(h, links[0], &message);
        assert_int_equal(member_of(h, 77).state, MEMBER_ALIVE);
        answer = expect(h, links[0], MESSAGE_SYNC_RECORDS);
        assert_int_equal(answer->sync_records.n_records, 1);
        assert_int_equal(answer->sync_records.records[0].id.bytes[0], 2);
        assert_false(answer->sync_records.has_want);
        harness_advance(h, 20 * MSEC);
        assert_int_equal(expect(h, links[1], MESSAGE_MEMBERS)->members.records[0].id.bytes[0], 77);
}

static void test_digests_without_end_are_not_answered(void **state) {
        LinkId links[3];
        _cleanup_(harness_freep) Harness *h = with_links(links);
        unsigned n = 0;
        (void) state;

        for (unsigned i = 0; i < 100; i++)
                send_digest_of(h, links[0], (const uint8_t[]) { 1, 0 });
        while (harness_find(h, links[0], MESSAGE_SYNC_RECORDS))
                n++;
        assert_int_equal(n, 4);
}

/* A table that lacks somebody would be found different for ever. */
static void test_a_full_table_is_not_compared(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.members_max = 2;
        h = peer_new(&settings);
        harness_set_answering(h, true);
        link_in(h, 2);
        link = link_out(h, 1);
        send_digest_of(h, link, (const uint8_t[]) { 77, 0 });
        harness_advance(h, 200 * SEC);
        assert_null(harness_find(h, link, MESSAGE_SYNC_DIGEST));
        assert_null(harness_find(h, link, MESSAGE_SYNC_RECORDS));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_comes_goes_and_refutes_is_told_to_all_links_but_one),
                cmocka_unit_test(test_who_calls_us_is_news_to_the_others),
                cmocka_unit_test(test_news_of_a_moment_share_a_frame_of_at_most_64),
                cmocka_unit_test(test_accusations_are_passed_on_up_to_as_many_as_count),
                cmocka_unit_test(test_our_own_accusation_goes_to_all_links),
                cmocka_unit_test(test_loopback_addresses_are_not_told_to_other_hosts),
                cmocka_unit_test(test_news_have_a_place_on_links_only),
                cmocka_unit_test(test_records_by_the_thousand_end_the_link),
                cmocka_unit_test(test_what_several_links_tell_is_passed_on_as_far_as_one_may_tell_it),
                cmocka_unit_test(test_whoever_dials_a_link_compares_and_once_a_minute_one_of_them_is_picked),
                cmocka_unit_test(test_what_differs_is_sent_and_asked_for),
                cmocka_unit_test(test_what_is_asked_for_is_sent_and_what_came_is_learned),
                cmocka_unit_test(test_digests_without_end_are_not_answered),
                cmocka_unit_test(test_a_full_table_is_not_compared),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
