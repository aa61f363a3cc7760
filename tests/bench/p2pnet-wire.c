/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages without the bus: peers of our own, which speak the protocol with the product's own wire code. One that
 * publishes is linked to the first peer, and one that counts to each. They are no members of any seed, and nobody dials them.
 */

#include <stdio.h>
#include <sys/random.h>

#include "p2pnet.h"
#include "stream.h"
#include "wire/message.h"

#define ATTEND_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define TOPIC "/bench"
#define NOWHERE 9U              /* the port that we say we listen on */

static void wire_send(Stream *stream, const Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;

        if (message_encode(&frame, message) < 0)
                bench_fail("Out of memory.");
        stream_send(stream, frame->data, frame->size);
}

static void wire_on_frame(Stream *stream, const Frame *frame) {
        static Message message;                 /* 35 KiB */
        P2pnet *p2pnet = stream->userdata;

        switch (frame->type) {

        case MESSAGE_GOSSIP:
                if (stream != p2pnet->publisher)
                        cluster_received(p2pnet->cluster, stream->number, 1);
                break;

        case MESSAGE_HELLO_OK:
                message_set(&message, MESSAGE_NEIGHBOR, neighbor, PRIORITY_HIGH, 0);
                wire_send(stream, &message);
                break;

        case MESSAGE_ACCEPT:
                stream->is_ready = true;
                p2pnet->n_attending++;
                break;

        case MESSAGE_PING:
                if (message_decode(&message, frame) <= 0)
                        bench_fail("Got a malformed PING.");
                message.type = MESSAGE_PONG;
                wire_send(stream, &message);
                break;

        case MESSAGE_BUSY:
                bench_fail("A peer has no room for one more link.");

        case MESSAGE_CLOSE:
        case MESSAGE_DISCONNECT:
                p2pnet->cluster->is_broken = true;
                break;

        default:
                break;
        }
}

static size_t wire_on_bytes(Stream *stream, const uint8_t *data, size_t size) {
        size_t n_done = 0;
        Frame frame;
        ssize_t n;

        while ((n = frame_decode(&frame, data + n_done, size - n_done, FRAME_SIZE_MAX)) > 0) {
                wire_on_frame(stream, &frame);
                n_done += (size_t) n;
        }
        if (n < 0)
                bench_fail("Got a malformed frame.");
        return n_done;
}

static NodeId random_id(void) {
        NodeId id;

        if (getrandom(&id, sizeof(id), 0) != sizeof(id))
                bench_fail("There are no random bytes.");
        return id;
}

static Stream *wire_open(Cluster *cluster, unsigned node, unsigned number, const NodeId *id) {
        static Message message;
        Stream *stream = stream_new(cluster->rig, (uint16_t) (P2PNET_PEER_PORT + node), wire_on_bytes, cluster->data, number);

        message_set(&message, MESSAGE_HELLO, hello, .network = "p2pnet", .version_min = PROTOCOL_VERSION_MIN,
                    .version_max = PROTOCOL_VERSION_MAX, .id = *id, .epoch = 1, .role = ROLE_PEER, .purpose = PURPOSE_SESSION,
                    .port = NOWHERE);
        (void) snprintf(message.hello.name, sizeof(message.hello.name), "observer-%u", number);
        wire_send(stream, &message);
        return stream;
}

static bool all_attend(void *userdata) {
        P2pnet *p2pnet = userdata;

        return p2pnet->n_attending == p2pnet->cluster->n_observers + 1;
}

static NodeId publisher_id;

static void wire_attend(Cluster *cluster) {
        P2pnet *p2pnet = cluster->data;

        p2pnet->observers = bench_calloc(cluster->n_observers, sizeof(Stream *));
        for (unsigned i = 0; i < cluster->n_observers; i++) {
                NodeId id = random_id();

                p2pnet->observers[i] = wire_open(cluster, i % cluster->n, i, &id);
        }
        publisher_id = random_id();
        p2pnet->publisher = wire_open(cluster, 0, cluster->n_observers, &publisher_id);
        if (!rig_run_until(cluster->rig, all_attend, p2pnet, ATTEND_TIMEOUT_USEC))
                bench_fail("%u of %u links stand.", p2pnet->n_attending, cluster->n_observers + 1);
}

static bool wire_publish(Cluster *cluster, uint64_t number, size_t size) {
        static char payload[PAYLOAD_MAX];
        static Message message;
        P2pnet *p2pnet = cluster->data;

        if (p2pnet->publisher->has_ended) {
                cluster->is_broken = true;
                return false;
        }
        if (!stream_has_room(p2pnet->publisher))
                return false;
        if (size > PAYLOAD_MAX) {               /* no message can be made of it */
                cluster->n_refused++;
                return true;
        }

        payload_fill(payload, size, number);
        message_set(&message, MESSAGE_GOSSIP, gossip, .id = { publisher_id, 1, ++p2pnet->sequence }, .n_hops = 1,
                    .topic = slice_of(TOPIC, strlen(TOPIC)), .payload = slice_of(payload, size));
        wire_send(p2pnet->publisher, &message);
        cluster->n_accepted++;
        return true;
}

const System system_p2pnet_wire = {
        .name = "p2pnet-wire",
        .has_members = true,
        .start = p2pnet_start,
        .attend = wire_attend,
        .publish = wire_publish,
        .stop = p2pnet_stop,
};
