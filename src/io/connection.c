/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "io/sockaddr.h"

Connection *connection_free(Connection *connection) {
        if (!connection)
                return NULL;

        link_done(&connection->link);
        free(connection);
        return NULL;
}

int connection_new(Connection **ret, Links *links, LinkId id, int fd, ConnectionState state) {
        _cleanup_(connection_freep) Connection *connection = NULL;

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
                if (epoll_ctl(links->epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event) { .events = connection->events,
                                                                                          .data.ptr = connection }) < 0)
                        return -errno;
        }

        HASH_ADD_NUMBER(links->connections, id, connection);
        if (!table_added(connection))
                return -ENOMEM;

        *ret = TAKE_PTR(connection);
        return 0;
}

void connection_make_ready(Connection *connection) {
        Links *links = connection->links;

        if (connection->is_ready)
                return;

        DL_APPEND2(links->ready, connection, ready_prev, ready_next);
        connection->is_ready = true;
        links->n_ready++;
        links_ask_turn(links);
}

static void connection_wait_for(Connection *connection, uint32_t events) {
        if (connection->events == events)
                return;
        if (epoll_ctl(connection->links->epoll_fd, EPOLL_CTL_MOD, connection->link.fd,
                      &(struct epoll_event) { .events = events, .data.ptr = connection }) >= 0)
                connection->events = events;
}

void links_arm(Links *links) {
        usec_t deadline_usec = USEC_INFINITY;
        Connection *connection;

        DL_FOREACH2(links->timed, connection, timed_next)
                deadline_usec = MIN(deadline_usec, connection->deadline_usec);

        (void) sd_event_source_set_time(links->timer_source, deadline_usec);
        (void) sd_event_source_set_enabled(links->timer_source,
                                           deadline_usec == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void connection_set_deadline(Connection *connection, usec_t deadline_usec) {
        Links *links = connection->links;

        if (connection->deadline_usec != USEC_INFINITY)
                DL_DELETE2(links->timed, connection, timed_prev, timed_next);
        connection->deadline_usec = deadline_usec;
        if (deadline_usec != USEC_INFINITY)
                DL_APPEND2(links->timed, connection, timed_prev, timed_next);
        links_arm(links);
}

void connection_set_state(Connection *connection, ConnectionState state) {
        Links *links = connection->links;
        bool was_flushing = connection->state == CONNECTION_FLUSHING || connection->state == CONNECTION_DRAINING;
        bool is_flushing = state == CONNECTION_FLUSHING || state == CONNECTION_DRAINING;

        connection->state = state;
        links->n_flushing = links->n_flushing + is_flushing - was_flushing;
}

void connection_cut(Connection *connection) {
        Links *links = connection->links;

        if (connection->state == CONNECTION_GONE)
                return;

        connection_set_state(connection, CONNECTION_GONE);
        if (connection->deadline_usec != USEC_INFINITY)
                connection_set_deadline(connection, USEC_INFINITY);
        HASH_DEL(links->connections, connection);

        if (connection->link.fd >= 0)           /* which takes it out of the epoll as well */
                (void) close(TAKE_FD(connection->link.fd));
        connection_make_ready(connection);
}

void connection_ended(Connection *connection, LinkChange change) {
        Links *links = connection->links;
        bool is_known = connection->state == CONNECTION_DIALING || connection->state == CONNECTION_OPEN;

        connection_cut(connection);
        if (is_known)
                links_settle(links, node_on_link(links->node, connection->id, change, links_now(links)));
}

void connection_fail(Connection *connection, LinkChange change) {
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

int connection_write(Connection *connection, usec_t now_usec) {
        size_t n_data, n_begun;
        int r;

        if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_FLUSHING)
                return 0;

        r = link_write(&connection->link, &n_data, &n_begun);
        if (r == -EAGAIN)
                connection_wait_for(connection, EPOLLIN | EPOLLOUT);
        else if (r < 0) {
                /* The other end may have said why in bytes that we have not read yet. After this the socket is readable until
                 * its end, whatever the error was. */
                connection->reset = true;
                connection_wait_for(connection, EPOLLIN);
                if (connection->state == CONNECTION_FLUSHING || shutdown(connection->link.fd, SHUT_RDWR) < 0) {
                        connection_ended(connection, LINK_RESET);
                        return 0;
                }
        } else {
                connection_wait_for(connection, EPOLLIN);
                if (r > 0)
                        connection_make_ready(connection);
                else if (connection->state == CONNECTION_FLUSHING)
                        connection_half_close(connection);
        }

        if (n_data == 0 || connection->state != CONNECTION_OPEN)
                return 0;
        return node_on_sent(connection->links->node, connection->id, n_data, n_begun, now_usec);
}

/* ---- reading ---- */

static void connection_on_frame(Connection *connection, const Frame *frame, usec_t now_usec) {
        Links *links = connection->links;
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
        usec_t now_usec = links_now(links);
        Frame frame;
        int r;

        links_settle(links, node_on_received(links->node, connection->id, now_usec));

        while (connection->state == CONNECTION_OPEN) {
                r = link_next_frame(&connection->link, &rest, node_frame_size_max(links->node, connection->id), &frame);
                if (r == 0)
                        return;
                if (r > 0) {
                        connection_on_frame(connection, &frame, now_usec);
                        continue;
                }
                if (r == -ENOMEM)
                        links_settle(links, r);
                else
                        links_settle(links, node_on_malformed(links->node, connection->id, r, now_usec));
                return;
        }
}

static void connection_read(Connection *connection) {
        Links *links = connection->links;
        ssize_t n;

        n = recv(connection->link.fd, links->buffer, LINKS_READ_SIZE, MSG_DONTWAIT);
        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        connection_ended(connection, LINK_RESET);
        } else if (n == 0) {
                if (connection->state == CONNECTION_FLUSHING)
                        (void) connection_write(connection, links_now(links));  /* the other end will send no more, but may still read */
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

/* ---- events ---- */

void connection_on_io(Connection *connection, uint32_t revents) {
        if (connection->state == CONNECTION_DIALING) {
                connection_dialled(connection);
                return;
        }

        if (revents & EPOLLOUT)
                connection_make_ready(connection);
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                connection_read(connection);
}
