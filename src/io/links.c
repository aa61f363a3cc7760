/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/links.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "io/connection.h"
#include "io/sockaddr.h"

#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)
#define EVENTS_MAX 64           /* taken at once; the next come after whatever else the loop has to do */

/* ---- events ---- */

/* Whoever has something to do. Connections that are GONE are freed here and nowhere else. */
static int links_turn(Links *links) {
        size_t n_visited = links->n_ready;
        usec_t now_usec = links_now(links);
        int r = 0;

        links->is_turning = true;
        links->is_asked = false;
        for (size_t n = n_visited; n > 0 && r >= 0; n--) {
                Connection *connection = links->ready;

                DL_DELETE2(links->ready, connection, ready_prev, ready_next);
                connection->is_ready = false;
                links->n_ready--;

                if (connection->state == CONNECTION_GONE)
                        connection_free(connection);
                else if (connection->failed)
                        connection_ended(connection, connection->change);
                else
                        r = connection_write(connection, now_usec);
        }

        if (n_visited > 0)
                links_settle(links, r);
        links->handlers->turned(links->userdata);
        links->is_turning = false;
        return sd_event_source_set_enabled(links->turn_source, links->is_asked ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* The event was something else than a connection: a timer, a call. */
static int links_on_turn(sd_event_source *source, void *userdata) {
        return links_turn(userdata);
}

/*
 * sd-event waits once for each source that it dispatches. So connections are watched by an epoll of their own, which is a single
 * source: all of them that are ready are read one after the other, and then everything is written that this has led to.
 */
static int links_on_epoll(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct epoll_event events[EVENTS_MAX];
        Links *links = userdata;
        int n;

        links->is_turning = true;
        n = epoll_wait(fd, events, ELEMENTSOF(events), 0);
        for (int i = 0; i < n; i++) {
                Connection *connection = events[i].data.ptr;

                /* A dial that failed at once has its turn below, and nothing to say here. */
                if (connection->state != CONNECTION_GONE && !connection->failed)
                        connection_on_io(connection, events[i].events);
        }
        return links_turn(links);
}

static Connection *links_first_overdue(Links *links, usec_t now_usec) {
        Connection *connection;

        DL_FOREACH2(links->timed, connection, timed_next)
                if (connection->deadline_usec <= now_usec)
                        return connection;
        return NULL;
}

static int links_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Links *links = userdata;
        Connection *connection;

        while ((connection = links_first_overdue(links, links_now(links))))
                connection_ended(connection, LINK_UNREACHABLE);         /* a dial; the node knows nothing of the others */

        links_arm(links);
        return 0;
}

static void links_on_accepted(void *userdata, int fd, const Address *remote) {
        Links *links = userdata;
        LinkId id = 2 * links->n_accepted++ + 1;
        Connection *connection;
        int r;

        r = connection_new(&connection, links, id, fd, CONNECTION_OPEN);
        if (r >= 0)
                r = node_on_accepted(links->node, id, remote, links_now(links));
        links_settle(links, r);
}

static void links_on_resting(void *userdata, int error) {
        Links *links = userdata;

        links->handlers->resting(links->userdata, error);
}

/* ---- effects ---- */

static int links_dial(Links *links, LinkId id, const Address *address) {
        struct sockaddr_storage sockaddr;
        socklen_t size = sockaddr_from_address(address, &sockaddr);
        Connection *connection;
        int fd, r;

        /* Without a socket (too many open files; a family that this host does without) the dial fails as one without a
         * route does. */
        fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        r = connection_new(&connection, links, id, fd, CONNECTION_DIALING);
        if (r < 0)
                return r;

        if (fd < 0)
                connection_fail(connection, LINK_UNREACHABLE);
        else if (connect(fd, (struct sockaddr *) &sockaddr, size) < 0 && errno != EINPROGRESS)
                connection_fail(connection, errno == ECONNREFUSED ? LINK_REFUSED : LINK_UNREACHABLE);
        else
                connection_set_deadline(connection, usec_add(links_now(links), LINKS_DIAL_USEC));
        return 0;
}

static void links_hang_up(Links *links, Connection *connection, bool flush) {
        if (connection->state != CONNECTION_OPEN || connection->failed || !flush) {
                connection_cut(connection);
                return;
        }

        if (links->n_flushing >= LINKS_FLUSHING_MAX) {
                Connection *oldest;

                DL_FOREACH2(links->timed, oldest, timed_next)
                        if (oldest->state == CONNECTION_FLUSHING || oldest->state == CONNECTION_DRAINING)
                                break;
                connection_cut(oldest);
        }

        link_drop_data(&connection->link);
        connection_set_state(connection, CONNECTION_FLUSHING);
        connection_set_deadline(connection, usec_add(links_now(links), LINKS_FLUSH_USEC));
        connection_make_ready(connection);
}

static Connection *links_find(const Links *links, LinkId link) {
        Connection *connection;

        HASH_FIND_NUMBER(links->connections, link, connection);
        return connection;
}

static int links_send_on(Links *links, LinkId link, const Effect *effect) {
        Connection *connection = links_find(links, link);
        int r;

        if (!connection || connection->state != CONNECTION_OPEN || connection->failed || connection->reset)
                return 0;

        r = link_push(&connection->link, effect->frame, effect->is_data, effect->measure);
        if (r == -ENOBUFS) {
                connection_fail(connection, LINK_RESET);
                return 0;
        }
        if (r < 0)
                return r;

        connection_make_ready(connection);
        return effect->measure ? node_on_backlog(links->node, connection->id, link_n_ahead(&connection->link),
                                                 links_now(links)) : 0;
}

static int links_send(Links *links, const Effect *effect) {
        for (size_t i = 0; i < effect->n_links; i++) {
                int r = links_send_on(links, effect->links[i], effect);

                if (r < 0)
                        return r;
        }
        return 0;
}

int links_apply(Links *links, const Effect *effect) {
        Connection *connection;

        if (effect->type == EFFECT_SEND)
                return links_send(links, effect);
        if (effect->type == EFFECT_DIAL)
                return links_dial(links, effect->link, &effect->address);

        connection = links_find(links, effect->link);
        if (!connection)
                return 0;

        if (effect->type == EFFECT_HANG_UP) {
                links_hang_up(links, connection, effect->flush);
                return 0;
        }

        assert(effect->type == EFFECT_MEASURE);
        if (connection->state != CONNECTION_OPEN)
                return 0;
        return node_on_backlog(links->node, connection->id, link_n_ahead(&connection->link), links_now(links));
}

void links_ask_turn(Links *links) {
        if (!links->is_turning && !links->is_asked)
                (void) sd_event_source_set_enabled(links->turn_source, SD_EVENT_ONESHOT);
        links->is_asked = true;
}

/* ---- all of them ---- */

bool links_has(const Links *links, LinkId link) {
        const Connection *connection = links_find(links, link);

        return connection && (connection->state == CONNECTION_DIALING || connection->state == CONNECTION_OPEN);
}

size_t links_n(const Links *links) {
        return HASH_COUNT(links->connections);
}

int links_listen(Links *links, const Address *address) {
        static const ListenerHandlers handlers = { .accepted = links_on_accepted, .resting = links_on_resting };
        int r;

        if (links->n_listeners == LINKS_LISTENING_MAX)
                return -E2BIG;

        r = listener_new(&links->listeners[links->n_listeners], links->event, address, &handlers, links);
        if (r < 0)
                return r;

        links->n_listeners++;
        return 0;
}

size_t links_n_listening(const Links *links) {
        return links->n_listeners;
}

const Address *links_listening_at(const Links *links, size_t index) {
        assert(index < links->n_listeners);
        return listener_address(links->listeners[index]);
}

void links_stop_listening(Links *links) {
        while (links->n_listeners > 0)
                listener_free(links->listeners[--links->n_listeners]);
}

Links *links_free(Links *links) {
        Connection *connection, *next;

        if (!links)
                return NULL;

        links_stop_listening(links);
        HASH_ITER(hh, links->connections, connection, next)
                connection_cut(connection);
        DL_FOREACH_SAFE2(links->ready, connection, next, ready_next)
                connection_free(connection);

        sd_event_source_disable_unref(links->timer_source);
        sd_event_source_disable_unref(links->turn_source);
        sd_event_source_disable_unref(links->epoll_source);
        if (links->epoll_fd >= 0)
                (void) close(links->epoll_fd);
        sd_event_unref(links->event);
        free(links->message);
        free(links->buffer);
        free(links);
        return NULL;
}

void links_set_node(Links *links, Node *node) {
        links->node = node;
}

int links_new(Links **ret, sd_event *event, const LinksHandlers *handlers, void *userdata) {
        _cleanup_(links_freep) Links *links = NULL;
        int r;

        links = calloc(1, sizeof(*links));
        if (!links)
                return -ENOMEM;

        links->epoll_fd = -EBADF;
        links->event = sd_event_ref(event);
        links->handlers = handlers;
        links->userdata = userdata;

        links->buffer = malloc(LINKS_READ_SIZE);
        links->message = malloc(sizeof(*links->message));
        if (!links->buffer || !links->message)
                return -ENOMEM;

        links->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (links->epoll_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &links->epoll_source, links->epoll_fd, EPOLLIN, links_on_epoll, links);
        if (r < 0)
                return r;
        r = sd_event_source_set_exit_on_failure(links->epoll_source, true);
        if (r < 0)
                return r;

        r = sd_event_add_defer(event, &links->turn_source, links_on_turn, links);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(links->turn_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_source_set_exit_on_failure(links->turn_source, true);
        if (r < 0)
                return r;

        r = sd_event_add_time(event, &links->timer_source, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, links_on_timer, links);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(links->timer_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_source_set_exit_on_failure(links->timer_source, true);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(links);
        return 0;
}
