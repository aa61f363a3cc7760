/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/byte-queue.h"

#include <errno.h>
#include <sys/socket.h>

#define CAPACITY_MIN 4096U
#define CAPACITY_IDLE_MAX (64U * 1024U)

void byte_queue_done(ByteQueue *queue) {
        free(queue->data);
        *queue = (ByteQueue) {};
}

uint8_t *byte_queue_reserve(ByteQueue *queue, size_t size) {
        size_t n = byte_queue_size(queue), capacity;
        uint8_t *data;

        if (size <= queue->capacity - queue->end)
                return queue->data + queue->end;

        /* Moved only when at least as much is free in front as is moved: each byte is, once on average. */
        if (queue->begin >= n && size <= queue->capacity - n) {
                memmove(queue->data, queue->data + queue->begin, n);
                queue->begin = 0;
                queue->end = n;
                return queue->data + n;
        }

        capacity = MAX(queue->capacity * 2, n + size);
        capacity = MAX(capacity, (size_t) CAPACITY_MIN);
        data = malloc(capacity);
        if (!data)
                return NULL;
        if (n > 0)
                memcpy(data, queue->data + queue->begin, n);
        free(queue->data);
        *queue = (ByteQueue) { .data = data, .end = n, .capacity = capacity };
        return data + n;
}

void byte_queue_drop(ByteQueue *queue, size_t size) {
        assert(size <= byte_queue_size(queue));

        queue->begin += size;
        if (queue->begin < queue->end)
                return;
        if (queue->capacity > CAPACITY_IDLE_MAX)
                byte_queue_done(queue);
        queue->begin = queue->end = 0;
}

int byte_queue_write(ByteQueue *queue, int fd) {
        while (byte_queue_size(queue) > 0) {
                ssize_t n = send(fd, queue->data + queue->begin, byte_queue_size(queue), MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -errno;
                byte_queue_drop(queue, (size_t) n);
        }
        return 1;
}
