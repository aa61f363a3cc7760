/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/sockaddr.h"

#define ACCEPTS_PER_TURN 16U

struct Listener {
        sd_event *event;                /* reference */
        int fd;
        sd_event_source *io_source;
        sd_event_source *rest_source;
        Address address;
        const ListenerHandlers *handlers;
        void *userdata;
};

Listener *listener_free(Listener *listener) {
        if (!listener)
                return NULL;

        sd_event_source_disable_unref(listener->rest_source);
        sd_event_source_disable_unref(listener->io_source);
        if (listener->fd >= 0)
                (void) close(listener->fd);
        sd_event_unref(listener->event);
        free(listener);
        return NULL;
}

const Address *listener_address(const Listener *listener) {
        return &listener->address;
}

static int listener_on_rested(sd_event_source *source, uint64_t usec, void *userdata) {
        Listener *listener = userdata;

        return sd_event_source_set_enabled(listener->io_source, SD_EVENT_ON);
}

static int listener_rest(Listener *listener, int error) {
        usec_t end_usec = usec_add(event_now(listener->event), LISTENER_REST_USEC);
        int r;

        r = sd_event_source_set_enabled(listener->io_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_source_set_time(listener->rest_source, end_usec);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(listener->rest_source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        listener->handlers->resting(listener->userdata, error);
        return 0;
}

static int listener_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Listener *listener = userdata;

        for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
                struct sockaddr_storage sockaddr;
                socklen_t size = sizeof(sockaddr);
                Address remote;
                int accepted;

                accepted = accept4(fd, (struct sockaddr *) &sockaddr, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (accepted < 0) {
                        if (errno == EAGAIN)
                                return 0;
                        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                                return listener_rest(listener, -errno);
                        continue;       /* that connection broke before we took it, says accept(2); others may wait */
                }

                remote = sockaddr_to_address((struct sockaddr *) &sockaddr);
                listener->handlers->accepted(listener->userdata, accepted, &remote);
        }
        return 0;
}

static int listener_bind(Listener *listener) {
        struct sockaddr_storage sockaddr;
        socklen_t size = sockaddr_from_address(&listener->address, &sockaddr);

        listener->fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (listener->fd < 0)
                return -errno;

        /* On Linux this does not let a second program listen, it lets a restart go past old connections. */
        if (setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) < 0)
                return -errno;
        if (sockaddr.ss_family == AF_INET6 &&
            setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int) { 1 }, sizeof(int)) < 0)
                return -errno;
        /* An address may be configured here before an interface has it; connections arrive as soon as it does. */
        if (setsockopt(listener->fd, SOL_IP, IP_FREEBIND, &(int) { 1 }, sizeof(int)) < 0)
                return -errno;
        if (bind(listener->fd, (struct sockaddr *) &sockaddr, size) < 0)
                return -errno;
        if (listen(listener->fd, SOMAXCONN) < 0)
                return -errno;

        size = sizeof(sockaddr);
        if (getsockname(listener->fd, (struct sockaddr *) &sockaddr, &size) < 0)
                return -errno;
        listener->address = sockaddr_to_address((struct sockaddr *) &sockaddr);
        return 0;
}

int listener_new(Listener **ret, sd_event *event, const Address *address, const ListenerHandlers *handlers, void *userdata) {
        _cleanup_(listener_freep) Listener *listener = NULL;
        int r;

        listener = malloc(sizeof(*listener));
        if (!listener)
                return -ENOMEM;

        *listener = (Listener) {
                .event = sd_event_ref(event),
                .fd = -EBADF,
                .address = *address,
                .handlers = handlers,
                .userdata = userdata,
        };

        r = listener_bind(listener);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &listener->io_source, listener->fd, EPOLLIN, listener_on_io, listener);
        if (r < 0)
                return r;
        r = sd_event_source_set_exit_on_failure(listener->io_source, true);
        if (r < 0)
                return r;

        r = sd_event_add_time(event, &listener->rest_source, CLOCK_BOOTTIME, 0, 0, listener_on_rested, listener);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(listener->rest_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_source_set_exit_on_failure(listener->rest_source, true);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(listener);
        return 0;
}
