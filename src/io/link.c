/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOVECS_MAX 512U
#define PARTIAL_IDLE_MAX 4096U  /* a larger buffer is given back once its frame is complete */

void link_init(Link *link, int fd) {
        assert(fd >= 0);

        *link = (Link) { .fd = fd };

        (void) fcntl(fd, F_SETFL, O_NONBLOCK);
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int) { LINK_NOTSENT_MAX }, sizeof(int));
}

void link_done(Link *link) {
        free(link->partial);
        (void) frame_buffer_unref(link->current);
        frame_queue_done(&link->data);
        frame_queue_done(&link->control);
        if (link->fd >= 0)
                (void) close(link->fd);
        *link = (Link) { .fd = -EBADF };
}

int link_push(Link *link, FrameBuffer *frame, bool is_data, bool measure) {
        int r;

        assert(!measure || !is_data);

        /* An empty queue takes any frame; the bound of the data queue is the core's. */
        if (!is_data && link->control.n > 0 && link->control.n_bytes + frame->size > LINK_CONTROL_MAX)
                return -ENOBUFS;

        r = frame_queue_push(is_data ? &link->data : &link->control, frame);
        if (r < 0)
                return r;

        if (measure) {
                link->measured = true;
                link->measured_begun = false;
                link->measured_number = link->n_control_begun + link->control.n - 1;
        }
        return 0;
}

void link_drop_data(Link *link) {
        frame_queue_done(&link->data);
}

/* Makes the next queued frame the current one: the kernel is about to get, or has got, its first byte. */
static void link_begin_next(Link *link) {
        assert(!link->current);

        link->current_is_data = link->control.n == 0;
        link->current_written = 0;
        link->current = frame_queue_pop(link->current_is_data ? &link->data : &link->control);

        if (link->current_is_data)
                return;
        if (link->measured && link->measured_number == link->n_control_begun) {
                link->measured_begun = true;
                link->measured_offset = link->n_written;
        }
        link->n_control_begun++;
}

/* Adds to both counts. */
static void link_wrote(Link *link, size_t n, size_t *n_data, size_t *n_begun) {
        while (n > 0) {
                size_t k;

                if (!link->current) {
                        link_begin_next(link);
                        *n_begun += link->current_is_data;
                }

                k = MIN(n, link->current->size - link->current_written);
                if (link->current_is_data)
                        *n_data += k;
                link->current_written += k;
                link->n_written += k;
                n -= k;

                if (link->current_written == link->current->size)
                        link->current = frame_buffer_unref(link->current);
        }
}

static size_t add_iovecs(struct iovec iov[static IOVECS_MAX], size_t n, const FrameQueue *queue) {
        for (size_t i = 0; i < queue->n && n < IOVECS_MAX; i++) {
                FrameBuffer *frame = frame_queue_at(queue, i);

                iov[n++] = (struct iovec) { .iov_base = frame->data, .iov_len = frame->size };
        }
        return n;
}

int link_write(Link *link, size_t *ret_n_data, size_t *ret_n_begun) {
        struct iovec iov[IOVECS_MAX];
        size_t n_iov = 0, n_offered = 0;
        ssize_t n;

        *ret_n_data = *ret_n_begun = 0;

        if (link->current)
                iov[n_iov++] = (struct iovec) {
                        .iov_base = link->current->data + link->current_written,
                        .iov_len = link->current->size - link->current_written,
                };
        n_iov = add_iovecs(iov, n_iov, &link->control);
        n_iov = add_iovecs(iov, n_iov, &link->data);
        if (n_iov == 0)
                return 0;

        for (size_t i = 0; i < n_iov; i++)
                n_offered += iov[i].iov_len;

        n = sendmsg(link->fd, &(struct msghdr) { .msg_iov = iov, .msg_iovlen = n_iov }, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
                /* ENOBUFS and ENOMEM: the kernel is short of memory just now, the connection is as good as before */
                return errno == EINTR ? 1 : errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -errno;

        link_wrote(link, (size_t) n, ret_n_data, ret_n_begun);
        if ((size_t) n < n_offered)
                return -EAGAIN;
        return link_has_output(link);
}

/* Bytes that the kernel has and the other end has not acknowledged. */
static size_t link_n_unacknowledged(const Link *link) {
        int n = 0;

        if (ioctl(link->fd, SIOCOUTQ, &n) < 0 || n < 0)
                return 0;
        return (size_t) n;
}

size_t link_n_ahead(const Link *link) {
        size_t n = link_n_unacknowledged(link);
        uint64_t n_acknowledged;

        if (!link->measured)
                return 0;

        if (!link->measured_begun) {
                if (link->current)
                        n += link->current->size - link->current_written;
                for (size_t i = 0; i < link->measured_number - link->n_control_begun; i++)
                        n += frame_queue_at(&link->control, i)->size;
                return n;
        }

        n_acknowledged = link->n_written - MIN((uint64_t) n, link->n_written);
        return link->measured_offset > n_acknowledged ? (size_t) (link->measured_offset - n_acknowledged) : 0;
}

/* Moves up to @n bytes from @rest to the partial frame. */
static int link_keep(Link *link, Slice *rest, size_t n) {
        n = MIN(n, rest->size);

        if (link->partial_size + n > link->partial_capacity) {
                size_t capacity = MAX(link->partial_size + n, link->partial_capacity * 2);
                uint8_t *p;

                p = realloc(link->partial, capacity);
                if (!p)
                        return -ENOMEM;
                link->partial = p;
                link->partial_capacity = capacity;
        }

        memcpy(link->partial + link->partial_size, rest->data, n);
        link->partial_size += n;
        *rest = slice_of(rest->data + n, rest->size - n);
        return 0;
}

static void link_forget_partial(Link *link) {
        link->partial_taken = false;
        link->partial_size = 0;
        if (link->partial_capacity > PARTIAL_IDLE_MAX) {
                free(link->partial);
                link->partial = NULL;
                link->partial_capacity = 0;
        }
}

int link_next_frame(Link *link, Slice *rest, size_t size_max, Frame *ret) {
        ssize_t n;
        int r;

        if (link->partial_taken)
                link_forget_partial(link);

        while (link->partial_size > 0) {
                size_t n_needed = FRAME_LENGTH_SIZE;

                if (rest->size == 0)
                        return 0;
                if (link->partial_size >= FRAME_LENGTH_SIZE)
                        n_needed += get_be32(link->partial);

                r = link_keep(link, rest, n_needed - link->partial_size);
                if (r < 0)
                        return r;

                n = frame_decode(ret, link->partial, link->partial_size, size_max);
                if (n < 0)
                        return (int) n;
                if (n > 0) {
                        link->partial_taken = true;
                        return 1;
                }
        }

        if (rest->size == 0)
                return 0;

        n = frame_decode(ret, rest->data, rest->size, size_max);
        if (n < 0)
                return (int) n;
        if (n == 0)
                return link_keep(link, rest, rest->size);

        *rest = slice_of(rest->data + n, rest->size - (size_t) n);
        return 1;
}
