/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message-text.h"

#include <inttypes.h>
#include <stdio.h>

static void print_hex(FILE *f, const char *name, const void *data, size_t size) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *p = data;

        fprintf(f, " %s=", name);
        for (size_t i = 0; i < size; i++) {
                fputc(digits[p[i] >> 4], f);
                fputc(digits[p[i] & 15], f);
        }
}

static void print_text(FILE *f, const char *name, const char *text) {
        print_hex(f, name, text, strlen(text));
}

static void print_id(FILE *f, const char *name, const NodeId *id) {
        fprintf(f, " %s=%s", name, NODE_ID_TEXT(id));
}

static void print_number(FILE *f, const char *name, uint64_t v) {
        fprintf(f, " %s=%" PRIu64, name, v);
}

static void print_address(FILE *f, const Address *a) {
        fprintf(f, "%u/", a->family);
        for (size_t i = 0; i < (a->family == ADDRESS_IPV4 ? 4 : 16); i++)
                fprintf(f, "%02x", a->bytes[i]);
        fprintf(f, "/%u", a->port);
}

static void print_addresses(FILE *f, const Address *addresses, size_t n) {
        fputs(" address=[", f);
        for (size_t i = 0; i < n; i++) {
                fputs(i > 0 ? "," : "", f);
                print_address(f, addresses + i);
        }
        fputc(']', f);
}

static void print_held(FILE *f, bool has, const Held *held) {
        if (has)
                fprintf(f, " held=%" PRIu64 "/%" PRIu32 "/%d", held->epoch, held->incarnation, held->state);
}

static void print_record(FILE *f, const Record *record) {
        fputc('{', f);
        print_id(f, "id", &record->id);
        print_number(f, "epoch", record->epoch);
        print_number(f, "incarnation", record->incarnation);
        print_number(f, "state", record->state);
        print_number(f, "role", record->role);
        print_text(f, "name", record->name);
        print_number(f, "age", record->age_msec);
        print_addresses(f, record->addresses, record->n_addresses);
        fputs(" }", f);
}

static void print_records(FILE *f, const Record *records, size_t n) {
        fputs(" record=[", f);
        for (size_t i = 0; i < n; i++) {
                fputs(i > 0 ? "," : "", f);
                print_record(f, records + i);
        }
        fputc(']', f);
}

static void print_ranges(FILE *f, const Range *ranges, size_t n) {
        fputs(" range=[", f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%s%s/%" PRIu64 "/%" PRIu64 "/%" PRIu64, i > 0 ? "," : "",
                        NODE_ID_TEXT(&ranges[i].origin), ranges[i].epoch, ranges[i].first, ranges[i].last);
        fputc(']', f);
}

static void print_members(FILE *f, const MembersMessage *m) {
        print_records(f, m->records, m->n_records);
        fputs(" suspicion=[", f);
        for (size_t i = 0; i < m->n_suspicions; i++) {
                const Suspicion *a = m->suspicions + i;

                fprintf(f, "%s%s/%" PRIu64 "/%" PRIu32, i > 0 ? "," : "", NODE_ID_TEXT(&a->id), a->epoch, a->incarnation);
                fprintf(f, "/%s/%u", NODE_ID_TEXT(&a->accuser), a->n_others);
        }
        fputc(']', f);
}

static void print_neighbours(FILE *f, const PingMessage *m) {
        fputs(" neighbour=[", f);
        for (size_t i = 0; i < m->n_neighbours; i++) {
                fprintf(f, "%s%s/", i > 0 ? "," : "", NODE_ID_TEXT(&m->neighbours[i].id));
                print_address(f, &m->neighbours[i].address);
        }
        fputc(']', f);
}

static void print_links(FILE *f, const LinksMessage *m) {
        fputs(" link=[", f);
        for (size_t i = 0; i < m->n_links; i++)
                fprintf(f, "%s%s/%u/%" PRIu32, i > 0 ? "," : "",
                        NODE_ID_TEXT(&m->links[i].id), m->links[i].flags, m->links[i].rtt_usec);
        fputc(']', f);
}

static void print_hello(FILE *f, const HelloMessage *m) {
        print_text(f, "network", m->network);
        print_number(f, "version_min", m->version_min);
        print_number(f, "version_max", m->version_max);
        print_id(f, "id", &m->id);
        print_number(f, "epoch", m->epoch);
        print_number(f, "role", m->role);
        print_number(f, "purpose", m->purpose);
        print_text(f, "name", m->name);
        print_number(f, "port", m->port);
        print_addresses(f, m->addresses, m->n_addresses);
        print_number(f, "features", m->features);
}

static void print_hello_ok(FILE *f, const HelloOkMessage *m) {
        print_number(f, "version", m->version);
        print_id(f, "id", &m->id);
        print_number(f, "epoch", m->epoch);
        print_number(f, "role", m->role);
        print_text(f, "name", m->name);
        print_number(f, "port", m->port);
        print_addresses(f, m->addresses, m->n_addresses);
        print_number(f, "features", m->features);
        if (address_is_set(&m->observed)) {
                fputs(" observed=", f);
                print_address(f, &m->observed);
        }
        print_held(f, m->has_held, &m->held);
}

static void print_sync_records(FILE *f, const SyncRecordsMessage *m) {
        print_records(f, m->records, m->n_records);
        fputs(" renewal=[", f);
        for (size_t i = 0; i < m->n_renewals; i++)
                fprintf(f, "%s%s/%" PRIu64 "/%" PRIu32, i > 0 ? "," : "",
                        NODE_ID_TEXT(&m->renewals[i].id), m->renewals[i].epoch, m->renewals[i].age_msec);
        fputc(']', f);
        if (m->has_want)
                print_hex(f, "buckets", m->want, sizeof(m->want));
}

static void print_message(FILE *f, const Message *m) {
        fputs(message_type_to_string(m->type), f);

        switch (m->type) {
        case MESSAGE_HELLO:
                print_hello(f, &m->hello);
                return;
        case MESSAGE_HELLO_OK:
                print_hello_ok(f, &m->hello_ok);
                return;
        case MESSAGE_CLOSE:
                print_number(f, "reason", m->close.reason);
                print_number(f, "retry_after", m->close.retry_after_msec);
                print_text(f, "detail", m->close.detail);
                return;
        case MESSAGE_PING:
        case MESSAGE_PONG:
                print_number(f, "nonce", m->ping.nonce);
                print_number(f, "links", m->ping.n_links);
                if (m->type == MESSAGE_PONG)
                        print_neighbours(f, &m->ping);
                return;
        case MESSAGE_REGISTER:
                fputs(" record=", f);
                print_record(f, &m->reg.record);
                print_number(f, "links", m->reg.n_links);
                return;
        case MESSAGE_REGISTER_OK:
                print_number(f, "lease", m->register_ok.lease_msec);
                print_number(f, "total", m->register_ok.total);
                print_held(f, m->register_ok.has_held, &m->register_ok.held);
                return;
        case MESSAGE_LIST:
                print_number(f, "count", m->list.count);
                if (m->list.has_after)
                        print_id(f, "after", &m->list.after);
                return;
        case MESSAGE_LIST_OK:
                print_number(f, "total", m->list_ok.total);
                print_records(f, m->list_ok.records, m->list_ok.n_records);
                return;
        case MESSAGE_RENEW:
                print_number(f, "epoch", m->renew.epoch);
                print_number(f, "incarnation", m->renew.incarnation);
                print_number(f, "links", m->renew.n_links);
                return;
        case MESSAGE_RENEW_OK:
                print_number(f, "lease", m->renew_ok.lease_msec);
                print_number(f, "total", m->renew_ok.total);
                print_held(f, m->renew_ok.has_held, &m->renew_ok.held);
                print_records(f, m->renew_ok.records, m->renew_ok.n_records);
                return;
        case MESSAGE_LEAVE:
                print_number(f, "epoch", m->leave.epoch);
                print_number(f, "incarnation", m->leave.incarnation);
                return;
        case MESSAGE_DEAD_REPORT:
                print_id(f, "id", &m->dead_report.id);
                print_number(f, "epoch", m->dead_report.epoch);
                print_number(f, "incarnation", m->dead_report.incarnation);
                return;
        case MESSAGE_ACCUSED:
                print_held(f, true, &m->accused.held);
                return;
        case MESSAGE_REFUTE:
                fputs(" record=", f);
                print_record(f, &m->reg.record);
                return;
        case MESSAGE_SYNC_DIGEST:
                print_hex(f, "digest", m->sync_digest.hashes.data, m->sync_digest.hashes.size);
                return;
        case MESSAGE_SYNC_RECORDS:
                print_sync_records(f, &m->sync_records);
                return;
        case MESSAGE_NEIGHBOR:
                print_number(f, "priority", m->neighbor.priority);
                print_number(f, "links", m->neighbor.n_links);
                return;
        case MESSAGE_ACCEPT:
                print_number(f, "links", m->accept.n_links);
                return;
        case MESSAGE_BUSY:
                print_addresses(f, m->busy.addresses, m->busy.n_addresses);
                return;
        case MESSAGE_DISCONNECT:
                print_number(f, "reason", m->disconnect.reason);
                return;
        case MESSAGE_GOSSIP:
                fprintf(f, " stamp=%s/%" PRIu64 "/%" PRIu64 "/%" PRIu32 "/%u", NODE_ID_TEXT(&m->gossip.id.origin),
                        m->gossip.id.epoch, m->gossip.id.sequence, m->gossip.age_msec, m->gossip.n_hops);
                print_hex(f, "topic", m->gossip.topic.data, m->gossip.topic.size);
                print_hex(f, "payload", m->gossip.payload.data, m->gossip.payload.size);
                if (m->gossip.has_previous)
                        fprintf(f, " previous=%" PRIu64 "/%" PRIu64, m->gossip.previous.epoch, m->gossip.previous.sequence);
                return;
        case MESSAGE_MEMBERS:
                print_members(f, &m->members);
                return;
        case MESSAGE_SHUFFLE:
                print_number(f, "ttl", m->shuffle.ttl);
                print_records(f, m->shuffle.records, m->shuffle.n_records);
                return;
        case MESSAGE_SHUFFLE_REPLY:
                print_records(f, m->shuffle.records, m->shuffle.n_records);
                return;
        case MESSAGE_PROBE_REQ:
                print_number(f, "nonce", m->probe.nonce);
                print_id(f, "id", &m->probe.id);
                print_addresses(f, m->probe.addresses, m->probe.n_addresses);
                return;
        case MESSAGE_PROBE_ACK:
        case MESSAGE_PROBE_NACK:
                print_number(f, "nonce", m->probe.nonce);
                return;
        case MESSAGE_LINKS:
                print_number(f, "nonce", m->links.nonce);
                return;
        case MESSAGE_LINKS_OK:
                print_number(f, "nonce", m->links.nonce);
                print_links(f, &m->links);
                return;
        case MESSAGE_IHAVE:
        case MESSAGE_GRAFT:
        case MESSAGE_MSG_RANGES:
        case MESSAGE_MSG_WANT:
                print_ranges(f, m->ranges.ranges, m->ranges.n_ranges);
                return;
        case MESSAGE_PRUNE:
                return;
        }
        assert(false);
}

char *message_to_text(const Message *message) {
        char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;

        print_message(f, message);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
