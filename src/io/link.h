/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bytes of one connection: frames that wait to be written, and the beginning of a frame that has not come whole.
 * It knows nothing of the event loop and of the node; links.h drives it.
 *
 * Control frames overtake data frames, but never one whose first byte is already with the kernel.
 */

#include "core/effect.h"
#include "io/frame-queue.h"

/*
 * What may wait in the control queue of a link. The core asks for few and small control frames, except in answer to
 * requests: an end that asks and never reads would fill our memory with answers. The longest legal burst, the records of
 * a whole member table, stays well below.
 */
#define LINK_CONTROL_MAX (4U * 1024U * 1024U)

/* Unsent bytes that the kernel takes. More would only delay the control frames that come behind them. */
#define LINK_NOTSENT_MAX (64 * 1024)

typedef struct Link {
        int fd;                         /* owned */

        /* Output */
        FrameQueue control, data;
        FrameBuffer *current;           /* partly with the kernel */
        size_t current_written;
        bool current_is_data;
        uint64_t n_written;             /* bytes since the connection was made */

        /* The frame last sent with "measure": waiting in the control queue, or at a known place in the stream */
        bool measured, measured_begun;
        uint64_t measured_number;       /* of all control frames; those before it have lower numbers */
        uint64_t measured_offset;       /* bytes written before its first, once begun */
        uint64_t n_control_begun;       /* control frames of which the kernel has at least a byte */

        /* Input: the part of a frame that has come, if it has not come whole */
        uint8_t *partial;
        size_t partial_size, partial_capacity;
        bool partial_taken;             /* it is whole and was handed out */
} Link;

/* Makes the socket non-blocking and takes it over; every option is a wish, a socket without it works. */
void link_init(Link *link, int fd);
void link_done(Link *link);

/**
 * link_push() - queue a frame
 * @frame:      the queue takes a reference of its own
 * @is_data:    behind all control frames
 * @measure:    it is a control frame, and what is ahead of it can be asked by link_n_ahead()
 *
 * Return: 0; -ENOMEM; -ENOBUFS when the other end has let LINK_CONTROL_MAX pile up.
 */
int link_push(Link *link, FrameBuffer *frame, bool is_data, bool measure);

/* Drops the data frames that have not begun: nobody reads what comes behind CLOSE, and CLOSE overtakes them. */
void link_drop_data(Link *link);

static inline bool link_has_output(const Link *link) {
        return link->current || link->control.n > 0 || link->data.n > 0;
}

/**
 * link_write() - hand queued frames to the kernel, by one system call
 * @ret_n_data: bytes of data frames among what was taken
 * @ret_n_begun: data frames of which the first byte was taken
 *
 * Return: 0 when nothing is left; 1 when the kernel took all it was offered and there is more; -EAGAIN when it takes no more
 * now; another error when the connection is broken.
 */
int link_write(Link *link, size_t *ret_n_data, size_t *ret_n_begun);

/* Bytes sent before the last measured frame that the other end has not acknowledged. 0 when none was measured. */
size_t link_n_ahead(const Link *link);

/**
 * link_next_frame() - take the next frame out of received bytes
 * @rest:       the bytes that were received; those that are used up are cut off its front
 * @size_max:   of a frame
 * @ret:        borrows from @rest or from the link: valid until the next call
 *
 * What a frame announces is never believed in advance: memory grows with the bytes that came.
 *
 * Return: 1 with a frame; 0 when all bytes are used up; -EMSGSIZE and -EBADMSG as frame_decode(); -ENOMEM.
 */
int link_next_frame(Link *link, Slice *rest, size_t size_max, Frame *ret);
