/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One of our own connections to a node, over TCP or a socket that it has handed out: what is sent waits in one buffer and leaves
 * in large pieces.
 */

#include "rig.h"

#define STREAM_WAITING_MAX (256U * 1024U)

typedef struct Stream Stream;

/* Takes what has come. Return: how many bytes of it are done with; the rest comes again, with more behind it. */
typedef size_t (*StreamHandler)(Stream *stream, const uint8_t *data, size_t size);

struct Stream {
        StreamHandler handler;
        void *userdata;
        unsigned number;
        bool is_ready;                  /* for the protocol's use: the other end has accepted us */
        bool has_ended;

        int fd;
        sd_event_source *source;
        uint32_t events;
        uint8_t *in, *out;
        size_t n_in, in_capacity, n_out, n_out_sent, out_capacity;
};

/* Connects to that port of 127.0.0.1, and waits for somebody who listens there: a second thing that a node is started for. */
Stream *stream_new(Rig *rig, uint16_t port, StreamHandler handler, void *userdata, unsigned number);
/* The same of a connected socket, which it takes over. */
Stream *stream_of(Rig *rig, int fd, StreamHandler handler, void *userdata, unsigned number);
Stream *stream_free(Stream *stream);

/* Room for that many bytes behind what waits; they leave when the loop runs. */
uint8_t *stream_reserve(Stream *stream, size_t size);
void stream_send(Stream *stream, const void *data, size_t size);
static inline bool stream_has_room(const Stream *stream) {
        return stream->n_out - stream->n_out_sent < STREAM_WAITING_MAX;
}
