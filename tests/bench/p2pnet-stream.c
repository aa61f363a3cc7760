/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages as programs with many of them send and get them: OpenPublisher() at the first peer, OpenStream() at each. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "bus/names.h"
#include "p2pnet.h"
#include "stream.h"
#include "wire/stream-record.h"

#define TOPIC "/bench"
#define TIMEOUT_USEC (60 * USEC_PER_SEC)

/* The bodies of a stream's records, one after the other. */
static size_t take_records(Stream *stream, const uint8_t *data, size_t size, void (*take)(Stream *stream, const StreamRecord *record)) {
        StreamRecord record;
        size_t n_done = 0;
        int r;

        while ((r = stream_record_next(&record, slice_of(data + n_done, size - n_done), STREAM_MESSAGE_MAX)) > 0) {
                take(stream, &record);
                n_done += record.size;
        }
        if (r < 0)
                bench_fail("Got a malformed record.");
        return n_done;
}

static void take_message(Stream *stream, const StreamRecord *record) {
        P2pnet *p2pnet = stream->userdata;

        if (record->type == STREAM_MESSAGE)
                cluster_received(p2pnet->cluster, stream->number, 1);
        else if (record->type == STREAM_LOST)           /* counted as lost, since they have not come; and this is why */
                fprintf(stderr, "Observer %u was too slow: its node has dropped %" PRIu64 " messages for it.\n", stream->number,
                        get_be64(record->body.data));
}

static size_t on_messages(Stream *stream, const uint8_t *data, size_t size) {
        return take_records(stream, data, size, take_message);
}

static void take_answer(Stream *stream, const StreamRecord *record) {
        P2pnet *p2pnet = stream->userdata;

        switch (record->type) {
        case STREAM_ACCEPTED:
                p2pnet->cluster->n_accepted += get_be32(record->body.data + 16);
                break;
        case STREAM_REFUSED:
                p2pnet->cluster->n_refused++;
                break;
        default:
                bench_fail("The publisher was closed.");
        }
}

static size_t on_answers(Stream *stream, const uint8_t *data, size_t size) {
        return take_records(stream, data, size, take_answer);
}

/* Calls and waits: nothing is measured yet. */
static Stream *open_socket(Cluster *cluster, unsigned node, bool is_publisher, StreamHandler handler, unsigned number) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        P2pnet *p2pnet = cluster->data;
        int fd;

        if (sd_bus_message_new_method_call(p2pnet->bus, &m, INSTANCE_NAME(BUS_NAME_PEER, (uint16_t) (P2PNET_PEER_PORT + node)),
                                           BUS_PATH_ROOT, BUS_INTERFACE_MANAGER,
                                           is_publisher ? "OpenPublisher" : "OpenStream") < 0 ||
            (!is_publisher && sd_bus_message_append(m, "as", 1, TOPIC) < 0) ||
            sd_bus_message_append(m, "a{sv}", 0) < 0)
                bench_fail("Out of memory.");
        if (sd_bus_call(p2pnet->bus, m, TIMEOUT_USEC, &error, &reply) < 0 || sd_bus_message_read(reply, "h", &fd) < 0)
                bench_fail("A socket cannot be opened: %s", error.message ?: "no reply.");
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                bench_fail("There is no room for one more socket.");
        return stream_of(cluster->rig, fd, handler, p2pnet, number);
}

static void stream_attend(Cluster *cluster) {
        P2pnet *p2pnet = cluster->data;

        p2pnet->observers = bench_calloc(cluster->n_observers, sizeof(Stream *));
        for (unsigned i = 0; i < cluster->n_observers; i++)
                p2pnet->observers[i] = open_socket(cluster, i % cluster->n, false, on_messages, i);
        p2pnet->publisher = open_socket(cluster, 0, true, on_answers, cluster->n_observers);
}

static bool stream_publish(Cluster *cluster, uint64_t number, size_t size) {
        P2pnet *p2pnet = cluster->data;
        char *payload;

        if (p2pnet->publisher->has_ended)
                bench_fail("The publisher has ended.");
        if (!stream_has_room(p2pnet->publisher))
                return false;

        payload = bench_calloc(1, size);
        payload_fill(payload, size, number);
        (void) stream_put_publish(stream_reserve(p2pnet->publisher, STREAM_HEADER_SIZE + 1 + strlen(TOPIC) + size),
                                  slice_of(TOPIC, strlen(TOPIC)), slice_of(payload, size));
        free(payload);
        return true;
}

const System system_p2pnet_stream = {
        .name = "p2pnet-stream",
        .has_members = true,
        .start = p2pnet_start,
        .attend = stream_attend,
        .publish = stream_publish,
        .stop = p2pnet_stop,
};
