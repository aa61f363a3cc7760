/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* NATS: one server, the hub, and a connection of ours for each node; its text protocol, no more of it than is needed. */

#include <stdio.h>

#include "base/text.h"
#include "cluster.h"
#include "stream.h"

#define PORT 4222U
#define SUBJECT "bench"
#define ATTEND_TIMEOUT_USEC (60 * USEC_PER_SEC)

typedef struct Nats {
        Cluster *cluster;
        Stream **observers, *publisher;
        unsigned n_attending;
} Nats;

static void nats_start(Cluster *cluster) {
        Nats *nats = bench_calloc(1, sizeof(*nats));

        cluster->data = nats;
        nats->cluster = cluster;
        cluster->started_usec = bench_now();
        cluster->nodes[0] = rig_start(cluster->rig, "nats-server", 0,
                                      (const char *const[]) { system_nats.program, "-a", "127.0.0.1", "-p", "4222", NULL }, NULL,
                                      NULL);
}

/* Return: the size of what begins here, 0 when it is not whole. */
static size_t nats_take(Stream *stream, const char *text, size_t size) {
        Nats *nats = stream->userdata;
        const char *end = memchr(text, '\n', size), *last;
        size_t line_size, payload_size;

        if (!end)
                return 0;
        line_size = (size_t) (end - text) + 1;

        if (strncmp(text, "MSG ", 4) == 0) {
                for (last = end - 1; last > text && last[-1] != ' '; last--)
                        ;
                payload_size = strtoul(last, NULL, 10);
                if (size < line_size + payload_size + 2)
                        return 0;
                cluster_received(nats->cluster, stream->number, 1);
                return line_size + payload_size + 2;
        }
        if (strncmp(text, "PING", 4) == 0)
                stream_send(stream, "PONG\r\n", 6);
        else if (strncmp(text, "PONG", 4) == 0 && !stream->is_ready) {
                stream->is_ready = true;
                nats->n_attending++;
        } else if (strncmp(text, "-ERR", 4) == 0) {
                nats->cluster->n_accepted--;
                nats->cluster->n_refused++;
                stream->has_ended = true;       /* or will have in a moment */
        }
        return line_size;
}

static size_t nats_on_bytes(Stream *stream, const uint8_t *data, size_t size) {
        size_t n_done = 0, n;

        while (n_done < size && (n = nats_take(stream, (const char *) data + n_done, size - n_done)) > 0)
                n_done += n;
        return n_done;
}

static Stream *nats_open(Nats *nats, unsigned number, bool subscribe) {
        static const char hello[] = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n",
                          interest[] = "SUB " SUBJECT " 1\r\n", ping[] = "PING\r\n";
        Stream *stream = stream_new(nats->cluster->rig, PORT, nats_on_bytes, nats, number);

        stream_send(stream, hello, strlen(hello));
        if (subscribe)
                stream_send(stream, interest, strlen(interest));
        stream_send(stream, ping, strlen(ping));        /* its answer comes behind the rest */
        return stream;
}

static bool all_attend(void *userdata) {
        Nats *nats = userdata;

        return nats->n_attending == nats->cluster->n_observers + 1;
}

static void nats_attend(Cluster *cluster) {
        Nats *nats = cluster->data;

        nats->observers = bench_calloc(cluster->n_observers, sizeof(Stream *));
        for (unsigned i = 0; i < cluster->n_observers; i++)
                nats->observers[i] = nats_open(nats, i, true);
        nats->publisher = nats_open(nats, cluster->n_observers, false);
        if (!rig_run_until(cluster->rig, all_attend, nats, ATTEND_TIMEOUT_USEC))
                bench_fail("nats-server does not answer.");
}

static bool nats_publish(Cluster *cluster, uint64_t number, size_t size) {
        Nats *nats = cluster->data;
        char line[64];
        char *payload;

        /* It ends a connection that sends too much at once. */
        if (nats->publisher->has_ended) {
                nats->publisher = stream_free(nats->publisher);
                nats->publisher = nats_open(nats, cluster->n_observers, false);
        }
        if (!stream_has_room(nats->publisher))
                return false;

        (void) snprintf(line, sizeof(line), "PUB " SUBJECT " %zu\r\n", size);
        stream_send(nats->publisher, line, strlen(line));
        payload = (char *) stream_reserve(nats->publisher, size + 2);
        payload_fill(payload, size, number);
        memcpy(payload + size, "\r\n", 2);
        cluster->n_accepted++;
        return true;
}

static void nats_stop(Cluster *cluster) {
        Nats *nats = cluster->data;

        for (unsigned i = 0; nats->observers && i < cluster->n_observers; i++)
                stream_free(nats->observers[i]);
        free(nats->observers);
        stream_free(nats->publisher);
        free(nats);
}

const System system_nats = {
        .name = "nats",
        .program = "nats-server",
        .start = nats_start,
        .attend = nats_attend,
        .publish = nats_publish,
        .stop = nats_stop,
};
