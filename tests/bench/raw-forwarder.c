/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a forwarder costs at the least: bytes that come from one connection go to all others. It knows no messages, no protocol
 * and no bounds; one read of 64 KiB, one send() to each of the others, and what a socket does not take waits in a buffer.
 *
 * usage: raw-forwarder PORT
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/text.h"

#define CONNECTIONS_MAX 64
#define READ_SIZE (64U * 1024U)

typedef struct Connection {
        int fd;
        uint8_t *waiting;
        size_t n_waiting, n_sent, capacity;
} Connection;

static Connection connections[CONNECTIONS_MAX];
static unsigned n_connections;

static _noreturn_ void fail(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static void watch(int epoll_fd, int operation, int fd, unsigned number, uint32_t events) {
        if (epoll_ctl(epoll_fd, operation, fd, &(struct epoll_event) { .events = events, .data.u32 = number }) < 0)
                fail("epoll_ctl");
}

static void keep(Connection *connection, const uint8_t *data, size_t size) {
        if (connection->n_waiting + size > connection->capacity) {
                connection->capacity = 2 * (connection->n_waiting + size);
                connection->waiting = realloc(connection->waiting, connection->capacity);
                if (!connection->waiting)
                        fail("realloc");
        }
        memcpy(connection->waiting + connection->n_waiting, data, size);
        connection->n_waiting += size;
}

static void forward(int epoll_fd, unsigned number, const uint8_t *data, size_t size) {
        Connection *connection = connections + number;
        ssize_t n = 0;

        if (connection->n_waiting == 0) {
                n = send(connection->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && errno != EAGAIN)
                        fail("send");
                if (n == (ssize_t) size)
                        return;
                watch(epoll_fd, EPOLL_CTL_MOD, connection->fd, number, EPOLLIN | EPOLLOUT);
        }
        keep(connection, data + MAX(n, (ssize_t) 0), size - (size_t) MAX(n, (ssize_t) 0));
}

static void flush(int epoll_fd, unsigned number) {
        Connection *connection = connections + number;
        ssize_t n = send(connection->fd, connection->waiting + connection->n_sent, connection->n_waiting - connection->n_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
                return;
        connection->n_sent += (size_t) n;
        if (connection->n_sent == connection->n_waiting) {
                connection->n_sent = connection->n_waiting = 0;
                watch(epoll_fd, EPOLL_CTL_MOD, connection->fd, number, EPOLLIN);
        }
}

static int listen_at(uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) < 0 ||
            bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, CONNECTIONS_MAX) < 0)
                fail("listen");
        return fd;
}

static void accept_one(int epoll_fd, int listening) {
        int fd = accept(listening, NULL, NULL);

        if (fd < 0 || n_connections == CONNECTIONS_MAX)
                fail("accept");
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int));
        connections[n_connections] = (Connection) { .fd = fd };
        watch(epoll_fd, EPOLL_CTL_ADD, fd, n_connections++, EPOLLIN);
}

static void read_and_forward(int epoll_fd, unsigned number) {
        static uint8_t buffer[READ_SIZE];
        ssize_t n = recv(connections[number].fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n == 0)
                exit(EXIT_SUCCESS);             /* the measurement is over */
        if (n < 0)
                return;
        for (unsigned i = 0; i < n_connections; i++)
                if (i != number)
                        forward(epoll_fd, i, buffer, (size_t) n);
}

int main(int argc, char **argv) {
        struct epoll_event events[CONNECTIONS_MAX];
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listening, n;
        uint16_t port;

        if (argc != 2 || parse_port(argv[1], &port) < 0) {
                fprintf(stderr, "usage: raw-forwarder PORT\n");
                return 2;
        }
        listening = listen_at(port);
        watch(epoll_fd, EPOLL_CTL_ADD, listening, CONNECTIONS_MAX, EPOLLIN);

        for (;;) {
                n = epoll_wait(epoll_fd, events, ELEMENTSOF(events), -1);
                for (int i = 0; i < n; i++) {
                        unsigned number = events[i].data.u32;

                        if (number == CONNECTIONS_MAX)
                                accept_one(epoll_fd, listening);
                        else {
                                if (events[i].events & EPOLLOUT)
                                        flush(epoll_fd, number);
                                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                                        read_and_forward(epoll_fd, number);
                        }
                }
        }
}
