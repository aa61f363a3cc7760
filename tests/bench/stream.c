/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CONNECT_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define CONNECT_PAUSE_USEC (5 * USEC_PER_MSEC)
#define READ_SIZE (256U * 1024U)

static void stream_wait_for(Stream *stream, uint32_t events) {
        if (stream->events == events || !stream->source)
                return;
        if (sd_event_source_set_io_events(stream->source, events) < 0)
                bench_fail("Cannot watch a connection.");
        stream->events = events;
}

static void stream_end(Stream *stream) {
        stream->has_ended = true;
        stream->source = sd_event_source_disable_unref(stream->source);
}

static void stream_write(Stream *stream) {
        ssize_t n = send(stream->fd, stream->out + stream->n_out_sent, stream->n_out - stream->n_out_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        stream_wait_for(stream, EPOLLIN);       /* its end may be read there */
                return;
        }
        stream->n_out_sent += (size_t) n;
        if (stream->n_out_sent < stream->n_out)
                return;
        stream->n_out = stream->n_out_sent = 0;
        stream_wait_for(stream, EPOLLIN);
}

static void stream_read(Stream *stream) {
        size_t n_done;
        ssize_t n;

        if (stream->in_capacity - stream->n_in < READ_SIZE) {
                stream->in_capacity = stream->n_in + 2 * READ_SIZE;
                stream->in = realloc(stream->in, stream->in_capacity);
                if (!stream->in)
                        bench_fail("Out of memory.");
        }
        n = recv(stream->fd, stream->in + stream->n_in, READ_SIZE, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                stream_end(stream);
                return;
        }
        stream->n_in += (size_t) n;
        n_done = stream->handler(stream, stream->in, stream->n_in);
        stream->n_in -= n_done;
        memmove(stream->in, stream->in + n_done, stream->n_in);
}

static int stream_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Stream *stream = userdata;

        if (revents & EPOLLOUT)
                stream_write(stream);
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                stream_read(stream);
        return 0;
}

Stream *stream_new(Rig *rig, uint16_t port, StreamHandler handler, void *userdata, unsigned number) {
        usec_t end_usec = bench_now() + CONNECT_TIMEOUT_USEC;
        int fd;

        while ((fd = rig_connect(port)) < 0) {
                if (bench_now() >= end_usec)
                        bench_fail("Nobody listens on port %u: %s.", port, strerror(-fd));
                rig_run_for(rig, CONNECT_PAUSE_USEC);
        }
        return stream_of(rig, fd, handler, userdata, number);
}

Stream *stream_of(Rig *rig, int fd, StreamHandler handler, void *userdata, unsigned number) {
        Stream *stream = bench_calloc(1, sizeof(*stream));

        stream->handler = handler;
        stream->userdata = userdata;
        stream->number = number;
        stream->events = EPOLLIN;
        stream->fd = fd;
        if (sd_event_add_io(rig->event, &stream->source, stream->fd, EPOLLIN, stream_on_io, stream) < 0)
                bench_fail("Cannot watch a connection.");
        return stream;
}

Stream *stream_free(Stream *stream) {
        if (!stream)
                return NULL;

        sd_event_source_disable_unref(stream->source);
        (void) close(stream->fd);
        free(stream->in);
        free(stream->out);
        free(stream);
        return NULL;
}

uint8_t *stream_reserve(Stream *stream, size_t size) {
        uint8_t *place;

        if (stream->n_out + size > stream->out_capacity) {
                memmove(stream->out, stream->out + stream->n_out_sent, stream->n_out - stream->n_out_sent);
                stream->n_out -= stream->n_out_sent;
                stream->n_out_sent = 0;
        }
        if (stream->n_out + size > stream->out_capacity) {
                stream->out_capacity = 2 * (stream->n_out + size);
                stream->out = realloc(stream->out, stream->out_capacity);
                if (!stream->out)
                        bench_fail("Out of memory.");
        }

        place = stream->out + stream->n_out;
        stream->n_out += size;
        stream_wait_for(stream, EPOLLIN | EPOLLOUT);
        return place;
}

void stream_send(Stream *stream, const void *data, size_t size) {
        memcpy(stream_reserve(stream, size), data, size);
}
