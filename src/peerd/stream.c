/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/stream.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "io/byte-queue.h"
#include "peerd/overflow.h"
#include "peerd/reader.h"
#include "wire/stream-record.h"

#define NAME_SIZE (sizeof("stream-") + 20)

typedef struct Stream Stream;

struct Stream {
        Streams *all;
        uid_t user;
        char name[NAME_SIZE];           /* that its losses are signalled under */
        int fd;
        sd_event_source *source;        /* waits for the end, and for room while there is none */
        bool waits_for_room;
        Reader reader;
        ByteQueue queue;
        uint64_t n_lost;                /* and not told in the stream yet */
        Overflow overflow;
        Stream *prev, *next;
};

struct Streams {
        Daemon *daemon;                 /* borrowed */
        Service *service;               /* borrowed */
        LocalUsers *users;              /* borrowed */
        Stream *list;
        size_t n;
        uint64_t n_opened;
        bool has_delivered;             /* and not written yet; a turn of the links is asked for */
};

/* Of one that is in no list, and not counted. */
static Stream *stream_free(Stream *stream) {
        if (!stream)
                return NULL;

        sd_event_source_disable_unref(stream->source);
        if (stream->fd >= 0)
                (void) close(stream->fd);
        overflow_done(&stream->overflow);
        byte_queue_done(&stream->queue);
        reader_done(&stream->reader);
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

static void stream_lost(Stream *stream, uint64_t n) {
        stream->n_lost += n;
        overflow_lost(&stream->overflow, n);
}

static void stream_tell_overflow(void *userdata, uint64_t n) {
        Stream *stream = userdata;

        service_emit(stream->all->service, "Overflow", "st", stream->name, n);
        if (overflow_may_log(&stream->overflow))
                log_facts(LOG_NOTICE, LOG_FACTS(.message_id = MESSAGE_ID_GOSSIP_LOST, .reason = "a stream is not read fast enough"),
                          "The reader of %s, of user %u, does not keep up: messages are dropped for it, %llu so far.",
                          stream->name, (unsigned) stream->user, (unsigned long long) stream->overflow.n);
}

static StreamMessage message_of(const Delivery *delivery) {
        return (StreamMessage) {
                .id = delivery->id,
                .age_usec = delivery->age_usec,
                .n_hops = (uint8_t) MIN(delivery->n_hops, (unsigned) UINT8_MAX),
                .name = slice_of(delivery->origin_name, strlen(delivery->origin_name)),
                .topic = delivery->topic,
                .payload = delivery->payload,
        };
}

/* With what has to be said before it. */
static size_t stream_size_of(const Stream *stream, const StreamMessage *message) {
        return stream_message_size(message) + (stream->n_lost > 0 ? STREAM_LOST_SIZE : 0);
}

/* Who has read everything gets any message, however large. */
static bool stream_has_room(const Stream *stream, size_t size) {
        size_t n_waiting = byte_queue_size(&stream->queue);

        return n_waiting == 0 || n_waiting + size <= STREAM_WAITING_MAX;
}

static void stream_put(Stream *stream, const StreamMessage *message) {
        size_t size = stream_size_of(stream, message);
        uint8_t *place = byte_queue_reserve(&stream->queue, size);

        if (!place) {
                stream_lost(stream, 1);
                return;
        }
        (void) stream_put_message(stream_put_untold(stream, place), message);
        byte_queue_added(&stream->queue, size);
        if (!stream->waits_for_room && !stream->all->has_delivered) {
                stream->all->has_delivered = true;
                links_ask_turn(stream->all->daemon->links);
        }
}

/* Goes on in the store where it is, as far as there is room. */
static void stream_catch_up(Stream *stream) {
        Delivery delivery;

        while (reader_next(&stream->reader, stream->all->daemon, &delivery)) {
                StreamMessage message = message_of(&delivery);

                stream_lost(stream, reader_take_missing(&stream->reader));
                if (!stream_has_room(stream, stream_size_of(stream, &message)))
                        return;
                stream_put(stream, &message);
                reader_took(&stream->reader, &delivery);
        }
        stream_lost(stream, reader_take_missing(&stream->reader));
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
        if (r < 0) {
                stream_end(stream);
                return;
        }
        stream_wait_for_room(stream, r == 0);
        stream_catch_up(stream);
}

static int stream_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        if (revents & (EPOLLHUP | EPOLLERR))
                stream_end(userdata);
        else
                stream_write(userdata);
        return 0;
}

void streams_write(Streams *streams) {
        Stream *stream, *next;

        if (!streams->has_delivered)
                return;

        /* First: who has room again may be given more from the store, which is for the turn after this one. */
        streams->has_delivered = false;
        DL_FOREACH_SAFE(streams->list, stream, next)
                if (!stream->waits_for_room && byte_queue_size(&stream->queue) > 0)
                        stream_write(stream);
}

static void stream_deliver(Stream *stream, const StreamMessage *message) {
        if (stream_has_room(stream, stream_size_of(stream, message)))
                stream_put(stream, message);
        else
                stream_lost(stream, 1);
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

        message = message_of(delivery);
        DL_FOREACH(streams->list, stream)
                if (reader_on_delivery(&stream->reader, delivery, topic, daemon_now(streams->daemon)))
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
        (void) snprintf(stream->name, sizeof(stream->name), "stream-%llu", (unsigned long long) ++streams->n_opened);
        overflow_init(&stream->overflow, streams->daemon->event, stream_tell_overflow, stream);

        if ((r = reader_read(&stream->reader, m, daemon_now(streams->daemon), error)) < 0 ||
            (r = reader_begin(&stream->reader, streams->daemon, error)) < 0 ||
            (r = local_users_take(streams->users, user, error)) < 0)
                return r;

        r = stream->fd = local_socket_reply(m, stream->name, true);
        if (r >= 0)
                r = sd_event_add_io(streams->daemon->event, &stream->source, stream->fd, 0, stream_on_io, stream);
        if (r < 0) {
                local_users_give(streams->users, user);
                return r;
        }

        DL_APPEND(streams->list, stream);
        streams->n++;
        stream_catch_up(TAKE_PTR(stream));
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
                n += patterns_match(&stream->reader.patterns, topic);
        return n;
}

Streams *streams_free(Streams *streams) {
        if (!streams)
                return NULL;

        while (streams->list)
                stream_end(streams->list);
        free(streams);
        return NULL;
}

int streams_new(Streams **ret, Daemon *daemon, Service *service, LocalUsers *users) {
        Streams *streams;

        streams = calloc(1, sizeof(*streams));
        if (!streams)
                return -ENOMEM;
        streams->daemon = daemon;
        streams->service = service;
        streams->users = users;
        *ret = streams;
        return 0;
}
