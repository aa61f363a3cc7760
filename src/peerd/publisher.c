/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/publisher.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "io/byte-queue.h"
#include "service/node-bus.h"
#include "wire/stream-record.h"

#define READ_SIZE (64U * 1024U)
#define ANSWERS_MAX (64U * 1024U)               /* beyond it nothing more is read */
#define RETRY_MIN_USEC USEC_PER_MSEC            /* doubling, while links take nothing */
#define RETRY_MAX_USEC (64 * USEC_PER_MSEC)

typedef struct Publisher Publisher;

struct Publisher {
        Publishers *all;
        uid_t user;
        int fd;
        sd_event_source *source;
        ByteQueue records;              /* as read; at most one that is not whole, and what one read brings */
        size_t n_skip;                  /* of a record that is too long, still to come */
        ByteQueue answers;
        bool is_stalled;                /* the first record waits for room on the links */
        bool has_ended;                 /* the program has said all that it will say */
        bool is_closing;                /* we have: when the answers are gone it is over */

        /* Accepted in a row, with consecutive numbers, and not answered yet */
        uint64_t epoch, first;
        uint32_t n_accepted;

        Publisher *prev, *next;
};

struct Publishers {
        Daemon *daemon;                 /* borrowed */
        LocalUsers *users;              /* borrowed */
        const PublishersHandlers *handlers;
        void *userdata;
        Publisher *list;
        size_t n;
        sd_event_source *retry_source;
        usec_t retry_usec;
};

/* Of one that is in no list, and not counted. */
static Publisher *publisher_free(Publisher *publisher) {
        if (!publisher)
                return NULL;

        sd_event_source_disable_unref(publisher->source);
        if (publisher->fd >= 0)
                (void) close(publisher->fd);
        byte_queue_done(&publisher->answers);
        byte_queue_done(&publisher->records);
        free(publisher);
        return NULL;
}
DEFINE_CLEANUP(Publisher *, publisher_free)

static void publisher_end(Publisher *publisher) {
        Publishers *all = publisher->all;

        DL_DELETE(all->list, publisher);
        all->n--;
        local_users_give(all->users, publisher->user);
        publisher_free(publisher);
}

/* ---- answers ---- */

/* Room for one; without memory the program is told nothing more, and sees the end of the socket. */
static uint8_t *publisher_answer(Publisher *publisher) {
        uint8_t *place = byte_queue_reserve(&publisher->answers, STREAM_ANSWER_MAX);

        if (!place)
                publisher->is_closing = true;
        return place;
}

static void publisher_answered(Publisher *publisher, const uint8_t *place, const uint8_t *end) {
        byte_queue_added(&publisher->answers, (size_t) (end - place));
}

static void publisher_tell_accepted(Publisher *publisher) {
        uint8_t *place;

        if (publisher->n_accepted == 0)
                return;
        place = publisher_answer(publisher);
        if (place)
                publisher_answered(publisher, place,
                                   stream_put_accepted(place, publisher->epoch, publisher->first, publisher->n_accepted));
        publisher->n_accepted = 0;
}

static void publisher_accepted(Publisher *publisher, const MessageId *id) {
        publisher->all->retry_usec = RETRY_MIN_USEC;
        if (publisher->n_accepted > 0 && publisher->n_accepted < UINT32_MAX && publisher->epoch == id->epoch &&
            publisher->first + publisher->n_accepted == id->sequence) {
                publisher->n_accepted++;
                return;
        }
        publisher_tell_accepted(publisher);
        publisher->epoch = id->epoch;
        publisher->first = id->sequence;
        publisher->n_accepted = 1;
}

static void publisher_refused(Publisher *publisher, StreamRefusal refusal) {
        uint8_t *place;

        publisher_tell_accepted(publisher);
        place = publisher_answer(publisher);
        if (place)
                publisher_answered(publisher, place, stream_put_refused(place, refusal));
}

static void publisher_close(Publisher *publisher, StreamClosing closing) {
        uint8_t *place;

        publisher_tell_accepted(publisher);
        place = publisher_answer(publisher);
        if (place)
                publisher_answered(publisher, place, stream_put_closed(place, closing));
        publisher->is_closing = true;
}

/* ---- records ---- */

/* Return: whether it is done with; else the publisher is stalled or closing. */
static bool publisher_publish(Publisher *publisher, Slice body) {
        Publishers *all = publisher->all;
        Slice topic, payload;
        char text[TOPIC_MAX + 1];
        MessageId id;
        int r;

        r = stream_publish_decode(body, &topic, &payload);
        if (r >= 0) {
                memcpy(text, topic.data, topic.size);
                text[topic.size] = 0;
                r = all->handlers->publish(all->userdata, text, payload, &id);
        }

        if (r >= 0)
                publisher_accepted(publisher, &id);
        else if (r == -EINVAL)
                publisher_refused(publisher, STREAM_BAD_TOPIC);
        else if (r == -EMSGSIZE)
                publisher_refused(publisher, STREAM_TOO_LARGE);
        else if (r == -EBADMSG)
                publisher_close(publisher, STREAM_MALFORMED);
        else if (r == -ESHUTDOWN)
                publisher_close(publisher, STREAM_STOPPING);
        else
                publisher->is_stalled = true;           /* Busy; or there is no memory just now */
        return !publisher->is_stalled && !publisher->is_closing;
}

/* Return: whether there was a record to deal with. */
static bool publisher_take_record(Publisher *publisher) {
        StreamRecord record;
        int r;

        if (publisher->n_skip > 0) {
                size_t n = MIN(publisher->n_skip, byte_queue_size(&publisher->records));

                byte_queue_drop(&publisher->records, n);
                publisher->n_skip -= n;
                if (publisher->n_skip > 0)
                        return false;
        }

        r = stream_record_next(&record, byte_queue_slice(&publisher->records), STREAM_PUBLISH_MAX);
        if (r == 0)
                return false;
        if (r == -EPROTONOSUPPORT)
                publisher_close(publisher, STREAM_BAD_VERSION);
        else if ((r < 0 && r != -EMSGSIZE) || record.type != STREAM_PUBLISH)
                publisher_close(publisher, STREAM_MALFORMED);
        else if (r == -EMSGSIZE) {
                publisher_refused(publisher, STREAM_TOO_LARGE);
                publisher->n_skip = record.size;
        } else if (publisher_publish(publisher, record.body))
                byte_queue_drop(&publisher->records, record.size);
        return true;
}

static void publishers_retry_later(Publishers *publishers) {
        if (sd_event_source_set_time(publishers->retry_source,
                                     usec_add(daemon_now(publishers->daemon), publishers->retry_usec)) >= 0)
                (void) sd_event_source_set_enabled(publishers->retry_source, SD_EVENT_ONESHOT);
}

static void publisher_wait(Publisher *publisher) {
        bool wants_input = !publisher->is_stalled && !publisher->has_ended && !publisher->is_closing &&
                           byte_queue_size(&publisher->answers) < ANSWERS_MAX;
        uint32_t events = (wants_input ? (uint32_t) EPOLLIN : 0) |
                          (byte_queue_size(&publisher->answers) > 0 ? (uint32_t) EPOLLOUT : 0);

        /* A socket that was closed at the other end says so for ever: nobody listens while there is nothing to do. */
        (void) sd_event_source_set_io_events(publisher->source, events);
        (void) sd_event_source_set_enabled(publisher->source, events == 0 ? SD_EVENT_OFF : SD_EVENT_ON);
}

/* Deals with what was read, says what became of it, and waits for the next thing. May end it. */
static void publisher_run(Publisher *publisher) {
        while (!publisher->is_stalled && !publisher->is_closing && publisher_take_record(publisher))
                ;
        if (publisher->has_ended && !publisher->is_stalled && !publisher->is_closing) {
                if (byte_queue_size(&publisher->records) > 0 || publisher->n_skip > 0)
                        publisher_close(publisher, STREAM_MALFORMED);   /* in the middle of a record */
                publisher->is_closing = true;
        }
        publisher_tell_accepted(publisher);

        /* Who does not read its answers any more has nobody to tell; what it has said holds. */
        if (byte_queue_write(&publisher->answers, publisher->fd) < 0)
                byte_queue_done(&publisher->answers);
        if (publisher->is_closing && byte_queue_size(&publisher->answers) == 0) {
                publisher_end(publisher);
                return;
        }

        if (publisher->is_stalled)
                publishers_retry_later(publisher->all);
        publisher_wait(publisher);
}

static void publisher_read(Publisher *publisher) {
        uint8_t *place = byte_queue_reserve(&publisher->records, READ_SIZE);
        ssize_t n;

        if (!place) {
                publisher->is_closing = true;
                return;
        }
        n = recv(publisher->fd, place, READ_SIZE, MSG_DONTWAIT);
        if (n > 0)
                byte_queue_added(&publisher->records, (size_t) n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                publisher->has_ended = true;
}

static int publisher_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Publisher *publisher = userdata;

        if (!publisher->is_stalled && !publisher->has_ended && !publisher->is_closing &&
            byte_queue_size(&publisher->answers) < ANSWERS_MAX && revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                publisher_read(publisher);
        publisher_run(publisher);
        return 0;
}

static int publishers_on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Publishers *publishers = userdata;
        Publisher *publisher, *next;

        publishers->retry_usec = MIN(2 * publishers->retry_usec, RETRY_MAX_USEC);
        DL_FOREACH_SAFE(publishers->list, publisher, next)
                if (publisher->is_stalled) {
                        publisher->is_stalled = false;
                        publisher_run(publisher);
                }
        return 0;
}

/* ---- opening ---- */

static int publisher_open(void *userdata, sd_bus_message *m, uid_t user, sd_bus_error *error) {
        _cleanup_(publisher_freep) Publisher *publisher = NULL;
        Publishers *publishers = userdata;
        int r;

        publisher = calloc(1, sizeof(*publisher));
        if (!publisher)
                return -ENOMEM;
        publisher->all = publishers;
        publisher->user = user;
        publisher->fd = -EBADF;

        if ((r = node_bus_read_no_options(m, error)) < 0 ||
            (r = local_users_take(publishers->users, user, error)) < 0)
                return r;

        r = publisher->fd = local_socket_reply(m, NULL, false);
        if (r >= 0)
                r = sd_event_add_io(publishers->daemon->event, &publisher->source, publisher->fd, EPOLLIN, publisher_on_io,
                                    publisher);
        if (r < 0) {
                local_users_give(publishers->users, user);
                return r;
        }

        DL_APPEND(publishers->list, publisher);
        publishers->n++;
        (void) TAKE_PTR(publisher);
        return 1;
}

int publishers_open(Publishers *publishers, sd_bus_message *m, sd_bus_error *error) {
        return local_users_ask(publishers->users, m, publisher_open, publishers, error);
}

/* ---- all of them ---- */

size_t publishers_n(const Publishers *publishers) {
        return publishers->n;
}

Publishers *publishers_free(Publishers *publishers) {
        if (!publishers)
                return NULL;

        while (publishers->list)
                publisher_end(publishers->list);
        sd_event_source_disable_unref(publishers->retry_source);
        free(publishers);
        return NULL;
}

int publishers_new(Publishers **ret, Daemon *daemon, LocalUsers *users, const PublishersHandlers *handlers, void *userdata) {
        _cleanup_(publishers_freep) Publishers *publishers = NULL;
        int r;

        publishers = calloc(1, sizeof(*publishers));
        if (!publishers)
                return -ENOMEM;
        *publishers = (Publishers) {
                .daemon = daemon, .users = users, .handlers = handlers, .userdata = userdata, .retry_usec = RETRY_MIN_USEC,
        };

        r = sd_event_add_time(daemon->event, &publishers->retry_source, CLOCK_BOOTTIME, 0, 1, publishers_on_retry, publishers);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(publishers->retry_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(publishers);
        return 0;
}
