/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/links.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/hash.h"
#include "io/clock.h"
#include "io/link.h"
#include "io/listener.h"
#include "io/sockaddr.h"

#define READ_SIZE (64U * 1024U)
#define LISTENERS_MAX 16U
#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)

/*
 *              connected               hung up with flush       all sent, half-closed
 *      DIALING ---------> OPEN ------------------------> FLUSHING ---------> DRAINING
 *         |                |                                |                   |
 *         +----------------+---------------+----------------+-------------------+--> GONE
 *
 * GONE is for the time until the next turn: a handler further up the stack may still hold the connection.
 */
typedef enum ConnectionState {
        CONNECTION_DIALING,
        CONNECTION_OPEN,
        CONNECTION_FLUSHING,
        CONNECTION_DRAINING,
        CONNECTION_GONE,
} ConnectionState;

typedef struct Connection Connection;

struct Connection {
        Links *links;
        LinkId id;
        ConnectionState state;
        Link link;
        bool reset;                     /* a write failed: what is still to be read comes first, then it is over */
        bool failed;                    /* the node is told so in the next turn: .change */
        LinkChange change;
        sd_event_source *io_source;
        uint32_t events;                /* that the source waits for */
        bool is_ready;                  /* in links->ready */
        Connection *ready_prev, *ready_next;
        usec_t deadline_usec;           /* USEC_INFINITY: not in links->timed */
        Connection *timed_prev, *timed_next;
        UT_hash_handle hh;
};

struct Links {
        sd_event *event;                /* reference */
        Node *node;                     /* borrowed */
        const LinksHandlers *handlers;
        void *userdata;

        Listener *listeners[LISTENERS_MAX];
        size_t n_listeners;

        Connection *connections;        /* by id, all but those GONE */
        Connection *ready;              /* have something to do in the next turn */
        size_t n_ready;
        Connection *timed;              /* have a deadline, the oldest first */
        size_t n_flushing;              /* FLUSHING and DRAINING */
        uint64_t n_accepted;

        sd_event_source *turn_source;
        sd_event_source *timer_source;

        uint8_t *buffer;                /* READ_SIZE bytes */
        Message *message;               /* too large for the stack of a handler */
};

static void links_settle(Links *links, int error) {
        links->handlers->settle(links->userdata, error);
}

static usec_t links_now(const Links *links) {
        return event_now(links->event);
}

/* ---- one connection ---- */

static Connection *connection_free(Connection *connection) {
        if (!connection)
                return NULL;

        sd_event_source_disable_unref(connection->io_source);
        link_done(&connection->link);
        free(connection);
        return NULL;
}
DEFINE_CLEANUP(Connection *, connection_free)

static int connection_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* Takes over @fd, on failure as well. It may be negative: then the connection is about to fail. */
static int connection_new(Connection **ret, Links *links, LinkId id, int fd, ConnectionState state) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        int r;

        connection = calloc(1, sizeof(*connection));
        if (!connection) {
                if (fd >= 0)
                        (void) close(fd);
                return -ENOMEM;
        }

        connection->links = links;
        connection->id = id;
        connection->state = state;
        connection->deadline_usec = USEC_INFINITY;
        connection->events = state == CONNECTION_DIALING ? EPOLLOUT : EPOLLIN;
        connection->link.fd = -EBADF;

        if (fd >= 0) {
                link_init(&connection->link, fd);
                r = sd_event_add_io(links->event, &connection->io_source, fd, connection->events, connection_on_io,
                                    connection);
                if (r < 0)
                        return r;
        }

        HASH_ADD(hh, links->connections, id, sizeof(connection->id), connection);
        if (!table_added(connection))
                return -ENOMEM;

        *ret = TAKE_PTR(connection);
        return 0;
}

/* Asks for a visit in the next turn: to write, to report, to be freed. */
static void connection_make_ready(Connection *connection) {
        Links *links = connection->links;

        if (connection->is_ready)
                return;

        DL_APPEND2(links->ready, connection, ready_prev, ready_next);
        connection->is_ready = true;
        if (links->n_ready++ == 0)
                (void) sd_event_source_set_enabled(links->turn_source, SD_EVENT_ONESHOT);
}

static void connection_wait_for(Connection *connection, uint32_t events) {
        if (connection->events == events)
                return;
        if (sd_event_source_set_io_events(connection->io_source, events) >= 0)
                connection->events = events;
}

static void links_arm(Links *links) {
        usec_t deadline_usec = USEC_INFINITY;
        Connection *connection;

        DL_FOREACH2(links->timed, connection, timed_next)
                deadline_usec = MIN(deadline_usec, connection->deadline_usec);

        (void) sd_event_source_set_time(links->timer_source, deadline_usec);
        (void) sd_event_source_set_enabled(links->timer_source,
                                           deadline_usec == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void connection_set_deadline(Connection *connection, usec_t deadline_usec) {
        Links *links = connection->links;

        if (connection->deadline_usec != USEC_INFINITY)
                DL_DELETE2(links->timed, connection, timed_prev, timed_next);
        connection->deadline_usec = deadline_usec;
        if (deadline_usec != USEC_INFINITY)
                DL_APPEND2(links->timed, connection, timed_prev, timed_next);
        links_arm(links);
}

static void connection_set_state(Connection *connection, ConnectionState state) {
        Links *links = connection->links;
        bool was_flushing = connection->state == CONNECTION_FLUSHING || connection->state == CONNECTION_DRAINING;
        bool is_flushing = state == CONNECTION_FLUSHING || state == CONNECTION_DRAINING;

        connection->state = state;
        links->n_flushing = links->n_flushing + is_flushing - was_flushing;
}

/* Closes it at once; the memory goes in the next turn. */
static void connection_cut(Connection *connection) {
        Links *links = connection->links;

        if (connection->state == CONNECTION_GONE)
                return;

        connection_set_state(connection, CONNECTION_GONE);
        if (connection->deadline_usec != USEC_INFINITY)
                connection_set_deadline(connection, USEC_INFINITY);
        HASH_DEL(links->connections, connection);

        connection->io_source = sd_event_source_disable_unref(connection->io_source);
        if (connection->link.fd >= 0)
                (void) close(TAKE_FD(connection->link.fd));
        connection_make_ready(connection);
}

/* The connection ended, and not because the node wished so. */
static void connection_ended(Connection *connection, LinkChange change) {
        Links *links = connection->links;
        bool is_known = connection->state == CONNECTION_DIALING || connection->state == CONNECTION_OPEN;

        connection_cut(connection);
        if (is_known)
                links_settle(links, node_on_link(links->node, connection->id, change, links_now(links)));
}

/* The same, said in the next turn: for failures that come up while an effect is being carried out. */
static void connection_fail(Connection *connection, LinkChange change) {
        connection->failed = true;
        connection->change = change;
        connection_make_ready(connection);
}

/* ---- writing ---- */

/* Everything that was queued is with the kernel: says so to the other end, and waits for its end. */
static void connection_half_close(Connection *connection) {
        if (shutdown(connection->link.fd, SHUT_WR) < 0) {
                connection_cut(connection);
                return;
        }
        connection_set_state(connection, CONNECTION_DRAINING);
        connection_wait_for(connection, EPOLLIN);
}

static void connection_write(Connection *connection) {
        Links *links = connection->links;
        size_t n_data;
        int r;

        if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_FLUSHING)
                return;

        r = link_write(&connection->link, &n_data);
        if (r == -EAGAIN)
                connection_wait_for(connection, EPOLLIN | EPOLLOUT);
        else if (r < 0) {
                /* The other end may have said why in bytes that we have not read yet. After this the socket is readable until
                 * its end, whatever the error was. */
                connection->reset = true;
                connection_wait_for(connection, EPOLLIN);
                if (connection->state == CONNECTION_FLUSHING || shutdown(connection->link.fd, SHUT_RDWR) < 0) {
                        connection_ended(connection, LINK_RESET);
                        return;
                }
        } else {
                connection_wait_for(connection, EPOLLIN);
                if (r > 0)
                        connection_make_ready(connection);
                else if (connection->state == CONNECTION_FLUSHING)
                        connection_half_close(connection);
        }

        if (n_data > 0 && connection->state == CONNECTION_OPEN)
                links_settle(links, node_on_sent(links->node, connection->id, n_data, links_now(links)));
}

/* ---- reading ---- */

static void connection_on_frame(Connection *connection, const Frame *frame) {
        Links *links = connection->links;
        usec_t now_usec = links_now(links);
        int r;

        r = message_decode(links->message, frame);
        if (r > 0)
                r = node_on_message(links->node, connection->id, links->message, now_usec);
        else if (r == 0)
                r = node_on_unknown(links->node, connection->id, frame->type, now_usec);
        else
                r = node_on_malformed(links->node, connection->id, r, now_usec);
        links_settle(links, r);
}

static void connection_on_bytes(Connection *connection, Slice rest) {
        Links *links = connection->links;
        Frame frame;
        int r;

        links_settle(links, node_on_received(links->node, connection->id, links_now(links)));

        while (connection->state == CONNECTION_OPEN) {
                r = link_next_frame(&connection->link, &rest, node_frame_size_max(links->node, connection->id), &frame);
                if (r == 0)
                        return;
                if (r > 0) {
                        connection_on_frame(connection, &frame);
                        continue;
                }
                if (r == -ENOMEM)
                        links_settle(links, r);
                else
                        links_settle(links, node_on_malformed(links->node, connection->id, r, links_now(links)));
                return;
        }
}

static void connection_read(Connection *connection) {
        Links *links = connection->links;
        ssize_t n;

        n = recv(connection->link.fd, links->buffer, READ_SIZE, MSG_DONTWAIT);
        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        connection_ended(connection, LINK_RESET);
        } else if (n == 0) {
                if (connection->state == CONNECTION_FLUSHING)
                        connection_write(connection);   /* the other end will send no more, but may still read */
                connection_ended(connection, connection->reset ? LINK_RESET : LINK_CLOSED);
        } else if (connection->state == CONNECTION_OPEN)
                connection_on_bytes(connection, slice_of(links->buffer, (size_t) n));
}

/* ---- dialling ---- */

/* A socket that dials a local port which nobody listens on may be given that very port, and then it connects to itself. */
static bool is_connected_to_itself(int fd) {
        struct sockaddr_storage local, remote;
        socklen_t local_size = sizeof(local), remote_size = sizeof(remote);
        Address a, b;

        if (getsockname(fd, (struct sockaddr *) &local, &local_size) < 0 ||
            getpeername(fd, (struct sockaddr *) &remote, &remote_size) < 0)
                return false;

        a = sockaddr_to_address((struct sockaddr *) &local);
        b = sockaddr_to_address((struct sockaddr *) &remote);
        return address_equal(&a, &b);
}

static void connection_dialled(Connection *connection) {
        Links *links = connection->links;
        int error = 0;
        socklen_t size = sizeof(error);

        if (getsockopt(connection->link.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                error = errno;
        if (error == 0 && is_connected_to_itself(connection->link.fd))
                error = ECONNREFUSED;
        if (error != 0) {
                connection_ended(connection,
                                 error == ECONNREFUSED || error == ECONNRESET ? LINK_REFUSED : LINK_UNREACHABLE);
                return;
        }

        connection_set_state(connection, CONNECTION_OPEN);
        connection_set_deadline(connection, USEC_INFINITY);
        connection_wait_for(connection, EPOLLIN);
        links_settle(links, node_on_link(links->node, connection->id, LINK_CONNECTED, links_now(links)));
}

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

/* ---- events ---- */

static int connection_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Connection *connection = userdata;

        if (connection->state == CONNECTION_DIALING) {
                connection_dialled(connection);
                return 0;
        }

        if (revents & EPOLLOUT)
                connection_write(connection);
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR) && connection->state != CONNECTION_GONE)
                connection_read(connection);
        return 0;
}

static int links_on_turn(sd_event_source *source, void *userdata) {
        Links *links = userdata;
        bool freed = false;

        for (size_t n = links->n_ready; n > 0; n--) {
                Connection *connection = links->ready;

                DL_DELETE2(links->ready, connection, ready_prev, ready_next);
                connection->is_ready = false;
                links->n_ready--;

                if (connection->state == CONNECTION_GONE) {
                        connection_free(connection);
                        freed = true;
                } else if (connection->failed)
                        connection_ended(connection, connection->change);
                else
                        connection_write(connection);
        }

        if (freed && !links->connections)
                links_settle(links, 0);
        return links->n_ready > 0 ? sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) : 0;
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

        connection_set_state(connection, CONNECTION_FLUSHING);
        connection_set_deadline(connection, usec_add(links_now(links), LINKS_FLUSH_USEC));
        connection_make_ready(connection);
}

static int links_send(Links *links, Connection *connection, const Effect *effect) {
        int r;

        if (connection->state != CONNECTION_OPEN || connection->failed || connection->reset)
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

int links_apply(Links *links, const Effect *effect) {
        Connection *connection;

        if (effect->type == EFFECT_DIAL)
                return links_dial(links, effect->link, &effect->address);

        HASH_FIND(hh, links->connections, &effect->link, sizeof(effect->link), connection);
        if (!connection)
                return 0;

        if (effect->type == EFFECT_SEND)
                return links_send(links, connection, effect);
        if (effect->type == EFFECT_HANG_UP) {
                links_hang_up(links, connection, effect->flush);
                return 0;
        }

        assert(effect->type == EFFECT_MEASURE);
        if (connection->state != CONNECTION_OPEN)
                return 0;
        return node_on_backlog(links->node, connection->id, link_n_ahead(&connection->link), links_now(links));
}

/* ---- all of them ---- */

bool links_has(const Links *links, LinkId link) {
        Connection *connection;

        HASH_FIND(hh, links->connections, &link, sizeof(link), connection);
        return connection && (connection->state == CONNECTION_DIALING || connection->state == CONNECTION_OPEN);
}

size_t links_n(const Links *links) {
        return HASH_COUNT(links->connections);
}

int links_listen(Links *links, const Address *address) {
        static const ListenerHandlers handlers = { .accepted = links_on_accepted, .resting = links_on_resting };
        int r;

        if (links->n_listeners == LISTENERS_MAX)
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

        links->event = sd_event_ref(event);
        links->handlers = handlers;
        links->userdata = userdata;

        links->buffer = malloc(READ_SIZE);
        links->message = malloc(sizeof(*links->message));
        if (!links->buffer || !links->message)
                return -ENOMEM;

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
