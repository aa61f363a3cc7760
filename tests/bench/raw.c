/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The least that a forwarder can cost, to compare ours with: raw-forwarder, fed with the same GOSSIP frames as our own
 * daemons. RAW_FORWARDER in the environment says where it is.
 */

#include "cluster.h"
#include "stream.h"
#include "wire/message.h"

#define PORT 6900U
#define TOPIC "/bench"

typedef struct Raw {
        Cluster *cluster;
        Stream **observers, *publisher;
        uint64_t sequence;
} Raw;

static void raw_start(Cluster *cluster) {
        const char *program = getenv("RAW_FORWARDER");
        Raw *raw = bench_calloc(1, sizeof(*raw));

        if (!program)
                bench_fail("RAW_FORWARDER has to say where the raw forwarder is.");
        cluster->data = raw;
        raw->cluster = cluster;
        cluster->started_usec = bench_now();
        cluster->nodes[0] = rig_start(cluster->rig, "raw-forwarder", 0, (const char *const[]) { program, "6900", NULL }, NULL, NULL);
        cluster->nodes[0]->is_expected_to_end = true;   /* when we hang up */
}

static size_t raw_on_bytes(Stream *stream, const uint8_t *data, size_t size) {
        Raw *raw = stream->userdata;
        size_t n_done = 0;
        uint64_t n_frames = 0;
        Frame frame;
        ssize_t n;

        while ((n = frame_decode(&frame, data + n_done, size - n_done, FRAME_SIZE_MAX)) > 0) {
                n_done += (size_t) n;
                n_frames++;
        }
        if (n < 0)
                bench_fail("Got a malformed frame.");
        if (n_frames > 0)
                cluster_received(raw->cluster, stream->number, n_frames);
        return n_done;
}

static void raw_attend(Cluster *cluster) {
        Raw *raw = cluster->data;

        raw->observers = bench_calloc(cluster->n_observers, sizeof(Stream *));
        for (unsigned i = 0; i < cluster->n_observers; i++)
                raw->observers[i] = stream_new(cluster->rig, PORT, raw_on_bytes, raw, i);
        raw->publisher = stream_new(cluster->rig, PORT, raw_on_bytes, raw, cluster->n_observers);
}

static bool raw_publish(Cluster *cluster, uint64_t number, size_t size) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        static char payload[PAYLOAD_MAX];
        static Message message;
        Raw *raw = cluster->data;

        if (!stream_has_room(raw->publisher))
                return false;

        payload_fill(payload, size, number);
        message_set(&message, MESSAGE_GOSSIP, gossip, .id = { { { 1 } }, 1, ++raw->sequence }, .n_hops = 1,
                    .topic = slice_of(TOPIC, strlen(TOPIC)), .payload = slice_of(payload, size));
        if (message_encode(&frame, &message) < 0)
                bench_fail("Out of memory.");
        stream_send(raw->publisher, frame->data, frame->size);
        cluster->n_accepted++;
        return true;
}

static void raw_stop(Cluster *cluster) {
        Raw *raw = cluster->data;

        for (unsigned i = 0; raw->observers && i < cluster->n_observers; i++)
                stream_free(raw->observers[i]);
        free(raw->observers);
        stream_free(raw->publisher);
        free(raw);
}

const System system_raw = {
        .name = "raw",
        .start = raw_start,
        .attend = raw_attend,
        .publish = raw_publish,
        .stop = raw_stop,
};
