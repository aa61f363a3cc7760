/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tests of a seed do all the time: a peer that registers, an answer that has to come. */

#include "harness.h"

#include "unit.h"

static inline const Message *expect_message(Harness *harness, LinkId link, MessageType type, const char *file, int line) {
        const Message *message = harness_next(harness, link);

        if (!message)
                print_error("no %s was sent\n", message_type_to_string(type));
        else if (message->type != type)
                print_error("%s was sent instead of %s\n", message_type_to_string(message->type),
                               message_type_to_string(type));
        if (!message || message->type != type)
                _fail(file, line);
        return message;
}

/* The next thing that was sent on @link is a @type. */
#define expect(harness, link, type) expect_message((harness), (link), (type), __FILE__, __LINE__)

static inline void expect_close_reason(Harness *harness, LinkId link, CloseReason reason, const char *file, int line) {
        const Message *message = expect_message(harness, link, MESSAGE_CLOSE, file, line);

        _assert_int_equal(message->close.reason, reason, file, line);
        if (harness_is_up(harness, link))
                _fail(file, line);
}

/* The session is closed, for that reason. */
#define expect_close(harness, link, reason) expect_close_reason((harness), (link), (reason), __FILE__, __LINE__)
#define expect_nothing(harness, link) assert_null(harness_next((harness), (link)))

static inline void send_register(Harness *harness, LinkId link, const Record *record, uint16_t n_links) {
        Message message;

        message_set(&message, MESSAGE_REGISTER, reg, .record = *record, .n_links = n_links);
        harness_send(harness, link, &message);
}

static inline void send_renew(Harness *harness, LinkId link, uint64_t epoch, uint32_t incarnation, uint16_t n_links) {
        Message message;

        message_set(&message, MESSAGE_RENEW, renew, .epoch = epoch, .incarnation = incarnation, .n_links = n_links);
        harness_send(harness, link, &message);
}

static inline void send_refute(Harness *harness, LinkId link, const Other *other, uint64_t epoch, uint32_t incarnation) {
        Message message;

        message_set(&message, MESSAGE_REFUTE, reg, .record = harness_record(other));
        message.reg.record.epoch = epoch;
        message.reg.record.incarnation = incarnation;
        harness_send(harness, link, &message);
}

static inline void send_report(Harness *harness, LinkId link, uint8_t accused) {
        Message message;

        message_set(&message, MESSAGE_DEAD_REPORT, dead_report, .id = ID(accused), .epoch = HARNESS_EPOCH);
        harness_send(harness, link, &message);
}

/* Opens a session for peer 10.0.0.<n> and registers it. */
static inline LinkId register_peer(Harness *harness, uint8_t n, uint16_t n_links) {
        Other other = harness_peer(n);
        Record record = harness_record(&other);
        LinkId link = harness_open(harness, &other);

        assert_int_not_equal(link, 0);
        send_register(harness, link, &record, n_links);
        expect(harness, link, MESSAGE_REGISTER_OK);
        return link;
}

/* One of more peers than there are bytes: registers, and goes without a word. */
static inline void register_one_of_many(Harness *harness, unsigned i) {
        Other other = harness_peer((uint8_t) (1 + i % 200));
        Record record;
        LinkId link;

        other.id.bytes[1] = (uint8_t) (i / 200);
        record = harness_record(&other);
        link = harness_open(harness, &other);
        assert_int_not_equal(link, 0);
        send_register(harness, link, &record, 4);
        expect(harness, link, MESSAGE_REGISTER_OK);
        harness_change(harness, link, LINK_CLOSED);
        harness_drop_sent(harness);
}

static inline uint64_t own_epoch(Harness *harness) {
        return node_identity(harness_node(harness))->epoch;
}

/* How the node holds a member; fails when it does not know it. */
static inline MemberInfo member_of(Harness *harness, uint8_t n) {
        NodeId id = ID(n);
        MemberInfo info = {};

        assert_true(node_member(harness_node(harness), &id, &info));
        return info;
}

static inline bool is_listed(Harness *harness, uint8_t n) {
        NodeId id = ID(n);
        MemberInfo info;

        return node_member(harness_node(harness), &id, &info) && !info.lost &&
               (info.state == MEMBER_ALIVE || info.state == MEMBER_SUSPECT);
}

static inline uint64_t counted(Harness *harness, Counter counter) {
        return node_counter(harness_node(harness), counter);
}

static inline int setup_seed(void **state) {
        NodeSettings settings = harness_settings(ROLE_SEED, PROFILE_LAN);
        Harness *harness = harness_new(&settings, 255);

        harness_start(harness);
        *state = harness;
        return 0;
}

static inline int teardown(void **state) {
        harness_free(*state);
        return 0;
}
