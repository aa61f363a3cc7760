/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 10: asking all members for their links, and being asked. */

#include "overlay.h"

#include <errno.h>

#include "core/crawl.h"

static int crawl(Harness *h) {
        int r = peer_crawl(harness_node(h), 1, harness_now(h));

        harness_settle(h);
        return r;
}

static unsigned n_answers(Harness *h) {
        int error;
        unsigned n = harness_n_crawled(h, &error);

        assert_true(n == 0 || error == 0);
        return n;
}

static const Topology *topology(Harness *h) {
        const Topology *topology = peer_topology(harness_node(h));

        assert_non_null(topology);
        return topology;
}

/* The nonce of the question on that link. */
static uint64_t expect_links(Harness *h, LinkId link) {
        const Message *message = harness_find(h, link, MESSAGE_LINKS);

        assert_non_null(message);
        return message->links.nonce;
}

static void send_links(Harness *h, LinkId link, uint64_t nonce) {
        Message message;

        message_set(&message, MESSAGE_LINKS, links, .nonce = nonce);
        harness_send(h, link, &message);
}

static void send_links_ok(Harness *h, LinkId link, uint64_t nonce, const uint8_t *ends, size_t n) {
        Message message;

        message_set(&message, MESSAGE_LINKS_OK, links, .nonce = nonce, .n_links = n);
        for (size_t i = 0; i < n; i++)
                message.links.links[i] = (LinkInfo) { ID(ends[i]), LINK_EAGER, 1000 };
        harness_send(h, link, &message);
}

static TopologyAnswer answer_of(Harness *h, uint8_t n) {
        const Topology *found = topology(h);
        NodeId id = ID(n);

        for (size_t i = 0; i < found->n_nodes; i++)
                if (node_id_equal(&found->nodes[i].id, &id))
                        return found->nodes[i].answer;
        fail();
        return TOPOLOGY_NOT_ASKED;
}

/* Members 1 to @n, who have called once and gone. */
static void know(Harness *h, uint8_t n) {
        for (uint8_t i = 1; i <= n; i++) {
                Other other = harness_peer(i);

                send_close(h, harness_open(h, &other), CLOSE_DONE);
        }
        harness_drop_sent(h);
        expect_no_dial(h);
}

/* So many more, by what others say. */
static void know_many(Harness *h, unsigned n, bool dialable) {
        MemberTable *members = &harness_node(h)->members;
        unsigned first = (unsigned) members->n;

        members->n_max = 5000;
        for (unsigned i = first; i < first + n; i++) {
                Record record = record_of(1, MEMBER_ALIVE);
                Member *member;

                record.id.bytes[0] = (uint8_t) (i >> 8);
                record.id.bytes[1] = (uint8_t) i;
                record.n_addresses = dialable;
                assert_true(member_table_merge(members, &record, harness_now(h), &member) >= 0);
        }
}

/* ---- being asked ---- */

static void test_a_peer_names_its_links_to_whoever_asks(void **state) {
        Harness *h = *state;
        Other stranger = harness_peer(9);
        const Message *message;
        LinkId probe;

        link_in(h, 1);
        link_out(h, 2);
        stranger.purpose = PURPOSE_PROBE;
        probe = harness_open(h, &stranger);
        send_links(h, probe, 4711);
        message = harness_find(h, probe, MESSAGE_LINKS_OK);
        assert_non_null(message);
        assert_int_equal(message->links.nonce, 4711);
        assert_int_equal(message->links.n_links, 2);
        for (size_t i = 0; i < 2; i++) {
                const LinkInfo *link = message->links.links + i;

                assert_int_equal(link->flags, link->id.bytes[0] == 1 ? LINK_EAGER : LINK_EAGER | LINK_OUTGOING);
        }
        assert_true(harness_is_up(h, probe));
}

static void test_without_links_the_answer_is_empty(void **state) {
        Harness *h = *state;
        Other stranger = harness_peer(9);
        LinkId session = harness_open(h, &stranger);
        const Message *message;

        send_links(h, session, 1);
        message = harness_find(h, session, MESSAGE_LINKS_OK);
        assert_non_null(message);
        assert_int_equal(message->links.n_links, 0);
}

static void test_a_session_gets_two_answers_a_second_and_no_more(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), other = link_in(h, 2);
        unsigned n = 0;

        harness_set_answering(h, true);
        for (unsigned i = 0; i < 100; i++) {
                send_links(h, link, i);
                harness_advance(h, 20 * MSEC);
        }
        while (harness_find(h, link, MESSAGE_LINKS_OK))
                n++;
        assert_in_range(n, 4, 5);
        send_links(h, other, 1);
        assert_non_null(harness_find(h, other, MESSAGE_LINKS_OK));
        assert_true(harness_is_up(h, link));
}

static void test_a_seed_has_no_links_to_name(void **state) {
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = harness_new(&settings, OWN);
        Other stranger = harness_peer(9);
        LinkId session;

        harness_start(h);
        session = harness_open(h, &stranger);
        send_links(h, session, 1);
        expect_close(h, session, CLOSE_PROTOCOL);
}

/* ---- asking ---- */

static void test_alone_the_answer_comes_at_once(void **state) {
        Harness *h = *state;

        assert_int_equal(crawl(h), 0);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(topology(h)->n_nodes, 1);
        assert_int_equal(topology(h)->n_members, 0);
        assert_string_equal(topology(h)->nodes[0].name, "under-test");
}

static void test_linked_members_are_asked_over_their_links(void **state) {
        Harness *h = *state;
        LinkId first = link_in(h, 1), second = link_in(h, 2);

        harness_drop_sent(h);
        assert_int_equal(crawl(h), 0);
        expect_no_dial(h);
        send_links_ok(h, first, expect_links(h, first), (uint8_t[]) { OWN, 2 }, 2);
        assert_int_equal(n_answers(h), 0);
        send_links_ok(h, second, expect_links(h, second), (uint8_t[]) { OWN, 1 }, 2);
        assert_int_equal(n_answers(h), 1);

        assert_int_equal(topology(h)->n_nodes, 3);
        assert_int_equal(topology(h)->n_links, 3);
        assert_int_equal(topology(h)->n_members, 2);
        assert_int_equal(topology(h)->n_answered, 2);
        for (size_t i = 0; i < 3; i++)
                assert_false(topology(h)->links[i].flags & TOPOLOGY_DENIED);
        assert_true(harness_is_up(h, first) && harness_is_up(h, second));
}

static void test_others_are_asked_by_a_short_session(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        const Message *hello;
        LinkId link;

        know(h, 1);
        assert_int_equal(crawl(h), 0);
        link = expect_dial(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        hello = harness_find(h, link, MESSAGE_HELLO);
        assert_non_null(hello);
        assert_int_equal(hello->hello.purpose, PURPOSE_PROBE);
        send_hello_ok(h, link, &other);
        send_links_ok(h, link, expect_links(h, link), (uint8_t[]) { 1 }, 0);
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(answer_of(h, 1), TOPOLOGY_ANSWERED);
}

static void test_who_does_not_answer_is_waited_for_one_second(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 9), refused = 0, silent = 0, nobody = 0, wrong = 0;
        Other three = harness_peer(3), five = harness_peer(5);

        harness_set_answering(h, true);
        know(h, 5);
        crawl(h);
        expect_links(h, link);
        for (uint8_t i = 1; i <= 5; i++) {
                Address address;
                LinkId dialled = harness_dialled(h, &address);

                assert_int_not_equal(dialled, 0);
                switch (address.bytes[3]) {
                case 1:
                        harness_change(h, refused = dialled, LINK_REFUSED);
                        break;
                case 2:
                        nobody = dialled;
                        break;
                case 3:
                        assert_true(harness_answer(h, silent = dialled, &three, NULL));
                        break;
                case 4:
                        assert_true(harness_answer(h, wrong = dialled, &five, NULL));   /* another one is there */
                        break;
                default:
                        harness_change(h, dialled, LINK_CONNECTED);
                        harness_change(h, dialled, LINK_CLOSED);
                }
        }
        harness_advance(h, 999 * MSEC);
        assert_int_equal(n_answers(h), 0);
        assert_true(harness_is_up(h, silent));
        assert_false(harness_is_up(h, wrong));
        harness_advance(h, 2 * MSEC);
        assert_int_equal(n_answers(h), 1);

        assert_int_equal(answer_of(h, 1), TOPOLOGY_UNREACHABLE);
        assert_int_equal(answer_of(h, 2), TOPOLOGY_UNREACHABLE);
        assert_int_equal(answer_of(h, 3), TOPOLOGY_SILENT);
        assert_int_equal(answer_of(h, 4), TOPOLOGY_UNREACHABLE);
        assert_int_equal(answer_of(h, 5), TOPOLOGY_UNREACHABLE);
        assert_int_equal(answer_of(h, 9), TOPOLOGY_SILENT);
        assert_false(harness_is_up(h, nobody));
        assert_false(harness_is_up(h, silent));
        assert_false(harness_is_up(h, refused));
        assert_true(harness_is_up(h, link));                    /* a link stays */
        for (uint8_t i = 1; i <= 5; i++)                        /* and nobody is suspected for it */
                assert_int_equal(member_of(h, i).state, MEMBER_ALIVE);
}

static void test_64_are_asked_at_a_time_and_all_within_five_seconds(void **state) {
        Harness *h = *state;
        size_t n_not_asked = 0;

        know_many(h, 500, true);
        crawl(h);
        assert_int_equal(harness_n_dialling(h), CRAWL_QUESTIONS_MAX);
        for (unsigned i = 0; i < 50; i++) {
                harness_advance(h, 100 * MSEC - (i == 0));
                assert_true(harness_n_dialling(h) <= CRAWL_QUESTIONS_MAX);
        }
        assert_int_equal(n_answers(h), 0);
        harness_advance(h, 1 * MSEC);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(harness_n_dialling(h), 0);

        assert_int_equal(topology(h)->n_members, 500);
        for (size_t i = 1; i < topology(h)->n_nodes; i++)
                n_not_asked += topology(h)->nodes[i].answer == TOPOLOGY_NOT_ASKED;
        assert_int_equal(n_not_asked, 500 - 5 * CRAWL_QUESTIONS_MAX);
}

static void test_of_more_than_1000_members_so_many_are_drawn(void **state) {
        Harness *h = *state;
        size_t n_late = 0;

        know_many(h, 2500, false);      /* there is nothing to dial */
        know_many(h, 500, true);
        crawl(h);
        harness_advance(h, 4 * SEC);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(topology(h)->n_members, 3000);
        assert_int_equal(topology(h)->n_nodes, 1 + CRAWL_MEMBERS_MAX);
        for (size_t i = 1; i < topology(h)->n_nodes; i++)
                n_late += address_is_set(&topology(h)->nodes[i].address);
        assert_in_range(n_late, 100, 240);              /* a sixth of 1,000 */
}

static void test_one_that_is_answered_makes_room_for_the_next(void **state) {
        Harness *h = *state;
        unsigned n = 0;
        Address address;

        know(h, 40);
        crawl(h);
        for (LinkId link; (link = harness_dialled(h, &address)) != 0; n++) {
                Other other = harness_peer(address.bytes[3]);

                assert_true(harness_answer(h, link, &other, NULL));
                send_links_ok(h, link, expect_links(h, link), NULL, 0);
        }
        assert_int_equal(n, 40);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(topology(h)->n_answered, 40);
}

static void test_whoever_asks_meanwhile_or_soon_after_gets_the_same_answer(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);
        uint64_t nonce;

        harness_set_answering(h, true);
        crawl(h);
        nonce = expect_links(h, link);
        for (unsigned i = 1; i < CRAWL_CALLERS_MAX; i++)
                assert_int_equal(crawl(h), 0);
        assert_int_equal(crawl(h), -EBUSY);
        assert_null(harness_find(h, link, MESSAGE_LINKS));
        send_links_ok(h, link, nonce, NULL, 0);
        assert_int_equal(n_answers(h), CRAWL_CALLERS_MAX);

        harness_advance(h, 1999 * MSEC);
        assert_int_equal(crawl(h), 0);
        assert_int_equal(n_answers(h), 1);
        assert_null(harness_find(h, link, MESSAGE_LINKS));
        harness_advance(h, 2 * MSEC);
        assert_null(peer_topology(harness_node(h)));            /* what nobody may get any more is not kept */
        assert_int_equal(crawl(h), 0);
        assert_int_equal(n_answers(h), 0);
        expect_links(h, link);
}

static void test_the_more_had_to_be_called_the_longer_the_answer_is_good(void **state) {
        Harness *h = *state;

        know_many(h, 300, true);
        crawl(h);
        harness_advance(h, 5 * SEC);
        assert_int_equal(n_answers(h), 1);
        harness_advance(h, 2999 * MSEC);
        assert_int_equal(crawl(h), 0);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(harness_n_dialling(h), 0);
        harness_advance(h, 2 * MSEC);
        assert_int_equal(crawl(h), 0);
        assert_int_equal(n_answers(h), 0);
        assert_int_equal(harness_n_dialling(h), CRAWL_QUESTIONS_MAX);
}

/* ---- lies ---- */

static void test_only_the_answer_to_the_question_counts(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), other = link_in(h, 2);
        uint64_t nonce;

        send_links_ok(h, link, 0, (uint8_t[]) { 2 }, 1);        /* nobody has asked */
        assert_null(peer_topology(harness_node(h)));
        harness_drop_sent(h);
        crawl(h);
        nonce = expect_links(h, link);
        send_links_ok(h, link, nonce + 1, (uint8_t[]) { 2 }, 1);
        send_links_ok(h, other, nonce, (uint8_t[]) { 1 }, 1);
        assert_int_equal(n_answers(h), 0);
        send_links_ok(h, other, expect_links(h, other), NULL, 0);
        send_links_ok(h, link, nonce, NULL, 0);
        assert_int_equal(n_answers(h), 1);
        for (unsigned i = 0; i < 1000; i++)
                send_links_ok(h, link, nonce, (uint8_t[]) { 2 }, 1);
        assert_int_equal(n_answers(h), 0);
        assert_int_equal(topology(h)->n_links, 2);              /* those that we have ourselves */
        assert_true(harness_is_up(h, link));
}

static void test_lies_add_no_nodes_and_are_marked(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), other = link_in(h, 2);
        uint8_t nobody[MESSAGE_LINKS_MAX];

        for (uint8_t i = 0; i < MESSAGE_LINKS_MAX; i++)
                nobody[i] = (uint8_t) (150 + i % 50);
        nobody[0] = 2;
        nobody[1] = 1;          /* a link to itself */
        harness_drop_sent(h);
        crawl(h);
        send_links_ok(h, link, expect_links(h, link), nobody, MESSAGE_LINKS_MAX);
        send_links_ok(h, other, expect_links(h, other), (uint8_t[]) { OWN }, 1);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(topology(h)->n_nodes, 3);
        assert_int_equal(topology(h)->n_unknown, MESSAGE_LINKS_MAX - 2);
        assert_int_equal(topology(h)->n_links, 3);
        assert_int_equal(topology(h)->links[2].flags, topology(h)->links[2].a == 1 && topology(h)->nodes[1].id.bytes[0] == 1 ?
                         TOPOLOGY_EAGER_A | TOPOLOGY_NAMED_BY_A | TOPOLOGY_DENIED :
                         TOPOLOGY_EAGER_B | TOPOLOGY_NAMED_BY_B | TOPOLOGY_DENIED);
        assert_int_equal(node_n_members(harness_node(h)), 2);   /* nothing of it is believed */
}

/* ---- in the middle ---- */

static void test_who_leaves_is_not_waited_for(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1);

        harness_drop_sent(h);
        crawl(h);
        send_close(h, link, CLOSE_LEAVING);
        harness_advance(h, 1 * MSEC);
        expect_no_dial(h);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(answer_of(h, 1), TOPOLOGY_UNREACHABLE);
}

/* Two have just linked twice, say, and one of the two sessions goes. */
static void test_a_session_that_ends_is_replaced_by_one_for_the_question(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = link_in(h, 1);

        harness_drop_sent(h);
        crawl(h);
        send_close(h, link, CLOSE_SUPERSEDED);
        harness_advance(h, 1 * MSEC);
        link = expect_dial(h, 1);
        assert_true(harness_answer(h, link, &other, NULL));
        send_links_ok(h, link, expect_links(h, link), NULL, 0);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(answer_of(h, 1), TOPOLOGY_ANSWERED);
}

static void test_a_node_that_stops_tells_those_who_wait(void **state) {
        Harness *h = *state;
        int error = 0;

        know(h, 3);
        crawl(h);
        harness_stop(h);
        assert_int_equal(harness_n_crawled(h, &error), 1);
        assert_int_equal(error, -ENOTCONN);
        assert_int_equal(crawl(h), -ENOTCONN);
}

static void test_a_node_that_slept_ends_what_it_had_begun(void **state) {
        Harness *h = *state;

        know(h, 3);
        crawl(h);
        harness_sleep(h, 3600 * SEC);
        assert_int_equal(n_answers(h), 1);
        assert_int_equal(topology(h)->n_answered, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_peer_names_its_links_to_whoever_asks),
                TEST(test_without_links_the_answer_is_empty),
                TEST(test_a_session_gets_two_answers_a_second_and_no_more),
                cmocka_unit_test(test_a_seed_has_no_links_to_name),
                TEST(test_alone_the_answer_comes_at_once),
                TEST(test_linked_members_are_asked_over_their_links),
                TEST(test_others_are_asked_by_a_short_session),
                TEST(test_who_does_not_answer_is_waited_for_one_second),
                TEST(test_64_are_asked_at_a_time_and_all_within_five_seconds),
                TEST(test_of_more_than_1000_members_so_many_are_drawn),
                TEST(test_one_that_is_answered_makes_room_for_the_next),
                TEST(test_whoever_asks_meanwhile_or_soon_after_gets_the_same_answer),
                TEST(test_the_more_had_to_be_called_the_longer_the_answer_is_good),
                TEST(test_only_the_answer_to_the_question_counts),
                TEST(test_lies_add_no_nodes_and_are_marked),
                TEST(test_who_leaves_is_not_waited_for),
                TEST(test_a_session_that_ends_is_replaced_by_one_for_the_question),
                TEST(test_a_node_that_stops_tells_those_who_wait),
                TEST(test_a_node_that_slept_ends_what_it_had_begun),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
