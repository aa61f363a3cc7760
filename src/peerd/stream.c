/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "io/byte-queue.h"
#include "peerd/patterns.h"
#include "peerd/since.h"
#include "service/node-bus.h"
#include "wire/stream-record.h"

typedef struct Stream Stream;

struct Stream {
        Streams *all;
        uid_t user;
        int fd;
        sd_event_source *source;        /* waits for the end, and for room while there is none */
        bool waits_for_room;
        Patterns patterns;
        ByteQueue queue;
        uint64_t n_lost;                /* and not told yet */
        usec_t opened_usec;             /* what was published before is not for it */
        Stream *prev, *next;
};

struct Streams {
        Daemon *daemon;                 /* borrowed */
        LocalUsers *users;              /* borrowed */
        Stream *list;
        size_t n;
        sd_event_source *turn_source;   /* writes what one turn of the loop has delivered */
};

/* Of one that is in no list, and not counted. */
static Stream *stream_free(Stream *stream) {
        if (!stream)
                return NULL;

        sd_event_source_disable_unref(stream->source);
        if (stream->fd >= 0)
                (void) close(stream->fd);
        byte_queue_done(&stream->queue);
        patterns_done(&stream->patterns);
        free(stream);
        return NULL;
}
DEFINE_CLEANUP(Stream *, stream_free)

static void stream_end(Stream *stream) {
        Streams *all = stream->all;

        DL_DELETE(all->list, stream);
        all->n--;
        local_users_give(all->users, stream->user);
        stream_free(stream);
}

/* ---- writing ---- */

static void stream_wait_for_room(Stream *stream, bool wait) {
        if (stream->waits_for_room == wait)
                return;
        if (sd_event_source_set_io_events(stream->source, wait ? EPOLLOUT : 0) >= 0)
                stream->waits_for_room = wait;
}

/* What is missing is said before anything that comes behind it. Return: the place behind the record. */
static uint8_t *stream_put_untold(Stream *stream, uint8_t *p) {
        if (stream->n_lost > 0)
                p = stream_put_lost(p, stream->n_lost);
        stream->n_lost = 0;
        return p;
}

/* May end it. */
static void stream_write(Stream *stream) {
        uint8_t *place;
        int r;

        r = byte_queue_write(&stream->queue, stream->fd);
        if (r > 0 && stream->n_lost > 0) {
                /* Nothing may come behind what is missing, and nobody would know. */
                place = byte_queue_reserve(&stream->queue, STREAM_LOST_SIZE);
                if (place) {
                        byte_queue_added(&stream->queue, (size_t) (stream_put_untold(stream, place) - place));
                        r = byte_queue_write(&stream->queue, stream->fd);
                }
        }
        if (r < 0)
                stream_end(stream);
        else
                stream_wait_for_room(stream, r == 0);
}

static int stream_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        if (revents & (EPOLLHUP | EPOLLERR))
                stream_end(userdata);
        else
                stream_write(userdata);
        return 0;
}

static int streams_on_turn(sd_event_source *source, void *userdata) {
        Streams *streams = userdata;
        Stream *stream, *next;

        DL_FOREACH_SAFE(streams->list, stream, next)
                if (!stream->waits_for_room && byte_queue_size(&stream->queue) > 0)
                        stream_write(stream);
        return 0;
}

static void stream_deliver(Stream *stream, const StreamMessage *message) {
        size_t n_waiting = byte_queue_size(&stream->queue), size = stream_message_size(message);
        uint8_t *place;

        if (stream->n_lost > 0)
                size += STREAM_LOST_SIZE;
        place = n_waiting > 0 && n_waiting + size > STREAM_WAITING_MAX ? NULL : byte_queue_reserve(&stream->queue, size);
        if (!place) {
                stream->n_lost++;
                return;
        }
        (void) stream_put_message(stream_put_untold(stream, place), message);
        byte_queue_added(&stream->queue, size);
        if (!stream->waits_for_room)
                (void) sd_event_source_set_enabled(stream->all->turn_source, SD_EVENT_ONESHOT);
}

void streams_deliver(Streams *streams, const Delivery *delivery) {
        char topic[TOPIC_MAX + 1];
        StreamMessage message;
        Stream *stream;

        if (!streams->list)
                return;

        assert(delivery->topic.size <= TOPIC_MAX);
        memcpy(topic, delivery->topic.data, delivery->topic.size);
        topic[delivery->topic.size] = 0;

        message = (StreamMessage) {
                .id = delivery->id,
                .age_usec = delivery->age_usec,
                .n_hops = (uint8_t) MIN(delivery->n_hops, (unsigned) UINT8_MAX),
                .name = slice_of(delivery->origin_name, strlen(delivery->origin_name)),
                .topic = delivery->topic,
                .payload = delivery->payload,
        };
        DL_FOREACH(streams->list, stream)
                if (patterns_match(&stream->patterns, topic) &&
                    since_is_due(stream->opened_usec, delivery->age_usec, daemon_now(streams->daemon)))
                        stream_deliver(stream, &message);
}

/* ---- opening ---- */

static int stream_open(void *userdata, sd_bus_message *m, uid_t user, sd_bus_error *error) {
        _cleanup_(stream_freep) Stream *stream = NULL;
        Streams *streams = userdata;
        int r;

        stream = calloc(1, sizeof(*stream));
        if (!stream)
                return -ENOMEM;
        stream->all = streams;
        stream->user = user;
        stream->fd = -EBADF;
        stream->opened_usec = daemon_now(streams->daemon);

        if ((r = patterns_read(&stream->patterns, m, error)) < 0 ||
            (r = node_bus_read_no_options(m, error)) < 0 ||
            (r = local_users_take(streams->users, user, error)) < 0)
                return r;

        r = stream->fd = local_socket_reply(m);
        if (r >= 0) {
                (void) shutdown(stream->fd, SHUT_RD);   /* nothing is expected from there, and nothing is taken */
                r = sd_event_add_io(streams->daemon->event, &stream->source, stream->fd, 0, stream_on_io, stream);
        }
        if (r < 0) {
                local_users_give(streams->users, user);
                return r;
        }

        DL_APPEND(streams->list, stream);
        streams->n++;
        (void) TAKE_PTR(stream);
        return 1;
}

int streams_open(Streams *streams, sd_bus_message *m, sd_bus_error *error) {
        return local_users_ask(streams->users, m, stream_open, streams, error);
}

/* ---- all of them ---- */

size_t streams_n(const Streams *streams) {
        return streams->n;
}

size_t streams_n_for(const Streams *streams, const char *topic) {
        const Stream *stream;
        size_t n = 0;

        DL_FOREACH(streams->list, stream)
                n += patterns_match(&stream->patterns, topic);
        return n;
}

Streams *streams_free(Streams *streams) {
        if (!streams)
                return NULL;

        while (streams->list)
                stream_end(streams->list);
        sd_event_source_disable_unref(streams->turn_source);
        free(streams);
        return NULL;
}

int streams_new(Streams **ret, Daemon *daemon, LocalUsers *users) {
        _cleanup_(streams_freep) Streams *streams = NULL;
        int r;

        streams = calloc(1, sizeof(*streams));
        if (!streams)
                return -ENOMEM;
        streams->daemon = daemon;
        streams->users = users;

        r = sd_event_add_defer(daemon->event, &streams->turn_source, streams_on_turn, streams);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(streams->turn_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(streams);
        return 0;
}
