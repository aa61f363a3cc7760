/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Serf, with its profile "lan": an agent for each node. What it knows is read from its log, line by line as it is written;
 * messages are user events, sent through the first agent's RPC (MessagePack over TCP).
 */

#include <stdio.h>

#include "base/bytes.h"
#include "base/text.h"
#include "cluster.h"
#include "stream.h"

#define BIND_PORT 7000U
#define RPC_PORT 8000U
#define CALLS_MAX 64U           /* under way at once */
#define EVENT_MAX (4U * 1024U * 1024U)

typedef struct Serf {
        Cluster *cluster;
        Stream *rpc;
        bool is_greeted;
        uint64_t sequence;
        unsigned n_calls;
} Serf;

/* "n12 127.0.0.1" is node 12. Return: -1 for anything else. */
static int node_of_name(const Cluster *cluster, const char *text) {
        char digits[8];
        uint64_t number;
        size_t n;

        if (text[0] != 'n')
                return -1;
        n = strspn(text + 1, "0123456789");
        (void) snprintf(digits, sizeof(digits), "%.*s", (int) MIN(n, sizeof(digits) - 1), text + 1);
        return parse_u64(digits, &number) >= 0 && number < cluster->n ? (int) number : -1;
}

static void serf_on_line(void *userdata, unsigned number, const char *line) {
        static const struct {
                const char *text;
                View view;
        } says[] = {
                { "serf: EventMemberJoin: ",   VIEW_ALIVE   },
                { "memberlist: Suspect ",      VIEW_SUSPECT },
                { "serf: EventMemberFailed: ", VIEW_DEAD    },
                { "serf: EventMemberLeave: ",  VIEW_DEAD    },
        };
        Serf *serf = userdata;

        if (strstr(line, "agent: Received event: user-event: ")) {
                cluster_received(serf->cluster, number, 1);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(says); i++) {
                const char *found = strstr(line, says[i].text);
                int subject = found ? node_of_name(serf->cluster, found + strlen(says[i].text)) : -1;

                if (subject >= 0)
                        cluster_view(serf->cluster, number, (unsigned) subject, says[i].view);
        }
}

static void serf_start(Cluster *cluster) {
        Serf *serf = bench_calloc(1, sizeof(*serf));

        cluster->data = serf;
        serf->cluster = cluster;
        cluster->started_usec = bench_now();
        for (unsigned i = 0; i < cluster->n; i++) {
                char name[32], node[32], bind[64], rpc[64], join[64];

                (void) snprintf(name, sizeof(name), "serf-%u", i);
                (void) snprintf(node, sizeof(node), "-node=n%u", i);
                (void) snprintf(bind, sizeof(bind), "-bind=127.0.0.1:%u", BIND_PORT + i);
                (void) snprintf(rpc, sizeof(rpc), "-rpc-addr=127.0.0.1:%u", RPC_PORT + i);
                (void) snprintf(join, sizeof(join), "-retry-join=127.0.0.1:%u", BIND_PORT);
                /* A second is the shortest pause that it accepts. */
                cluster->nodes[i] = rig_start(cluster->rig, name, i,
                                              (const char *const[]) { "serf", "agent", node, bind, rpc, "-retry-interval=1s",
                                                                      i > 0 ? join : NULL, NULL },
                                              serf_on_line, serf);
        }
}

/* Answers are maps { "Error": text, "Seq": number }, with a body only to what we never ask. */
static size_t serf_on_answer(Stream *stream, const uint8_t *data, size_t size) {
        static const char key[] = "\xa5" "Error";
        Serf *serf = stream->userdata;
        size_t n_done = 0;

        for (;;) {
                const uint8_t *found = memmem(data + n_done, size - n_done, key, strlen(key)), *value;

                if (!found || found + strlen(key) >= data + size)
                        return n_done;
                value = found + strlen(key);
                n_done = (size_t) (value - data) + 1;

                if (!serf->is_greeted)
                        serf->is_greeted = true;
                else {
                        serf->n_calls--;
                        *(*value == 0xa0 ? &serf->cluster->n_accepted : &serf->cluster->n_refused) += 1;
                }
        }
}

/* A text in MessagePack: its kind by its size. */
static void append_text(Stream *stream, const char *text, size_t size) {
        uint8_t head[5], *p = head;

        if (size < 32)
                p = put_u8(p, (uint8_t) (0xa0 | size));
        else if (size < 65536)
                p = put_be16(put_u8(p, 0xda), (uint16_t) size);
        else
                p = put_be32(put_u8(p, 0xdb), (uint32_t) size);
        stream_send(stream, head, (size_t) (p - head));
        stream_send(stream, text, size);
}

static void append_word(Stream *stream, const char *word) {
        append_text(stream, word, strlen(word));
}

static void append_header(Serf *serf, const char *command) {
        uint8_t number[9];

        stream_send(serf->rpc, "\x82", 1);              /* a map of two */
        append_word(serf->rpc, "Command");
        append_word(serf->rpc, command);
        append_word(serf->rpc, "Seq");
        (void) put_be64(put_u8(number, 0xcf), serf->sequence++);
        stream_send(serf->rpc, number, sizeof(number));
}

static bool is_greeted(void *userdata) {
        return ((Serf *) userdata)->is_greeted;
}

static void serf_attend(Cluster *cluster) {
        Serf *serf = cluster->data;

        serf->rpc = stream_new(cluster->rig, RPC_PORT, serf_on_answer, serf, 0);
        append_header(serf, "handshake");
        stream_send(serf->rpc, "\x81", 1);
        append_word(serf->rpc, "Version");
        stream_send(serf->rpc, "\x01", 1);
        if (!rig_run_until(cluster->rig, is_greeted, serf, 30 * USEC_PER_SEC))
                bench_fail("Serf's RPC does not answer.");
}

static bool serf_publish(Cluster *cluster, uint64_t number, size_t size) {
        static char payload[EVENT_MAX];
        Serf *serf = cluster->data;
        char name[32];

        assert(size <= EVENT_MAX);

        if (serf->n_calls >= CALLS_MAX || !stream_has_room(serf->rpc))
                return false;
        payload_fill(payload, size, number);
        (void) snprintf(name, sizeof(name), "b%llu", (unsigned long long) number);      /* events of one name may be joined */
        append_header(serf, "event");
        stream_send(serf->rpc, "\x83", 1);
        append_word(serf->rpc, "Name");
        append_word(serf->rpc, name);
        append_word(serf->rpc, "Payload");
        append_text(serf->rpc, payload, size);
        append_word(serf->rpc, "Coalesce");
        stream_send(serf->rpc, "\xc2", 1);              /* false */
        serf->n_calls++;
        return true;
}

static void serf_stop(Cluster *cluster) {
        Serf *serf = cluster->data;

        stream_free(serf->rpc);
        free(serf);
}

const System system_serf = {
        .name = "serf",
        .program = "serf",
        .has_members = true,
        .start = serf_start,
        .attend = serf_attend,
        .publish = serf_publish,
        .stop = serf_stop,
};
