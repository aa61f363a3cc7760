/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connections of a node, over pairs of sockets, and over the loopback interface where somebody calls. The node is one
 * of this test's own: it writes down what it is told. The loop is turned by hand and never waits, so "nothing more to do" is
 * something that can be asked.
 */

#include "io/links.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/connection.h"
#include "io/sockaddr.h"
#include "unit.h"

#define LINKS_MAX 200U
#define TURNS_MAX 100000U
#define ANSWERED 9U             /* the link on which a node answers that has many others */

/* What was said of one link. */
typedef struct Told {
        uint64_t n_pings, next_nonce;
        size_t n_received;              /* times that bytes came */
        size_t n_data, n_begun;         /* sent */
        unsigned n_unknown, n_changes, n_accepted;
        LinkChange change;
        int malformed;
} Told;

struct Node {
        Told told[LINKS_MAX];
        uint64_t n_pings;
        LinkId answers_on, hangs_up;    /* what it does when a PING comes on whatever link; 0: nothing */
        unsigned n_answers;
        Links *links;
};

typedef struct Fixture {
        sd_event *event;
        Links *links;
        Node node;
        int others[LINKS_MAX];          /* the far ends, by link */
        unsigned n_settled;
        unsigned n_turned;
        bool asks_when_turned;          /* for one more */
        size_t n_pings_turned;          /* of the node, and ... */
        size_t n_written_turned;        /* bytes at the far end of ANSWERED, when the last turn was over */
} Fixture;

/* ---- the node ---- */

static inline FrameBuffer *make_frame(size_t size, uint8_t fill) {
        FrameBuffer *frame = frame_buffer_new(size);

        assert_non_null(frame);
        memset(frame->data, fill, size);
        (void) put_be32(frame->data, (uint32_t) size - FRAME_LENGTH_SIZE);
        return frame;
}

static inline void send_frame(Links *links, LinkId link, size_t size, uint8_t fill, bool is_data) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = make_frame(size, fill);
        Effect effect = { .type = EFFECT_SEND, .links = { link }, .n_links = 1, .frame = frame, .is_data = is_data };

        assert_int_equal(links_apply(links, &effect), 0);
}

static inline void hang_up(Links *links, LinkId link, bool flush) {
        Effect effect = { .type = EFFECT_HANG_UP, .link = link, .flush = flush };

        assert_int_equal(links_apply(links, &effect), 0);
}

int node_on_accepted(Node *node, LinkId link, const Address *remote, usec_t now_usec) {
        assert_true(link_id_is_accepted(link) && link < LINKS_MAX && address_is_set(remote));
        node->told[link].n_accepted++;
        return 0;
}

int node_on_link(Node *node, LinkId link, LinkChange change, usec_t now_usec) {
        node->told[link].n_changes++;
        node->told[link].change = change;
        return 0;
}

int node_on_received(Node *node, LinkId link, usec_t now_usec) {
        node->told[link].n_received++;
        return 0;
}

int node_on_message(Node *node, LinkId link, const Message *message, usec_t now_usec) {
        assert_int_equal(message->type, MESSAGE_PING);
        assert_int_equal(message->ping.nonce, node->told[link].next_nonce++);
        node->told[link].n_pings++;
        node->n_pings++;
        if (node->answers_on)
                for (unsigned i = 0; i < node->n_answers; i++)
                        send_frame(node->links, node->answers_on, 100, (uint8_t) ('a' + i), i > 0);
        if (node->hangs_up)
                hang_up(node->links, node->hangs_up, false);
        return 0;
}

int node_on_unknown(Node *node, LinkId link, unsigned type, usec_t now_usec) {
        node->told[link].n_unknown++;
        return 0;
}

/* Like the node proper it hangs up. */
int node_on_malformed(Node *node, LinkId link, int error, usec_t now_usec) {
        node->told[link].malformed = error;
        hang_up(node->links, link, false);
        return 0;
}

size_t node_frame_size_max(const Node *node, LinkId link) {
        return FRAME_SIZE_MAX;
}

int node_on_sent(Node *node, LinkId link, size_t n_bytes, size_t n_frames, usec_t now_usec) {
        node->told[link].n_data += n_bytes;
        node->told[link].n_begun += n_frames;
        return 0;
}

int node_on_backlog(Node *node, LinkId link, size_t n_ahead, usec_t now_usec) {
        return 0;
}

/* ---- around it ---- */

static inline void on_settle(void *userdata, int error) {
        Fixture *f = userdata;

        assert_int_equal(error, 0);
        f->n_settled++;
}

static inline void on_turned(void *userdata) {
        Fixture *f = userdata;
        int n = 0;

        f->n_turned++;
        if (f->asks_when_turned)
                links_ask_turn(f->links);
        f->asks_when_turned = false;
        f->n_pings_turned = f->node.n_pings;
        if (f->others[ANSWERED] >= 0)
                assert_int_equal(ioctl(f->others[ANSWERED], FIONREAD, &n), 0);
        f->n_written_turned = (size_t) n;
}

static inline void on_resting(void *userdata, int error) {
        fail_msg("no connection is accepted: %s", strerror(-error));
}

static inline int setup(void **state) {
        static const LinksHandlers handlers = { .settle = on_settle, .turned = on_turned, .resting = on_resting };
        Fixture *f = calloc(1, sizeof(*f));

        if (!f || sd_event_new(&f->event) < 0 || links_new(&f->links, f->event, &handlers, f) < 0)
                return -1;
        for (size_t i = 0; i < LINKS_MAX; i++)
                f->others[i] = -EBADF;
        f->node.links = f->links;
        links_set_node(f->links, &f->node);
        *state = f;
        return 0;
}

static inline int teardown(void **state) {
        Fixture *f = *state;

        links_free(f->links);
        sd_event_unref(f->event);
        for (size_t i = 0; i < LINKS_MAX; i++)
                if (f->others[i] >= 0)
                        (void) close(f->others[i]);
        free(f);
        return 0;
}

/* With SOCK_SEQPACKET each call that sends is a packet at the other end. */
static inline void open_link(Fixture *f, LinkId link, int type) {
        Connection *connection;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        f->others[link] = fds[1];
        assert_int_equal(connection_new(&connection, f->links, link, fds[0], CONNECTION_OPEN), 0);
}

static inline void close_other(Fixture *f, LinkId link) {
        (void) close(TAKE_FD(f->others[link]));
}

/* One event of the loop. Return: whether there was any. */
static inline bool turn(Fixture *f) {
        int r = sd_event_run(f->event, 0);

        assert_true(r >= 0);
        return r > 0;
}

/* Until there is nothing to do but to wait; a loop that never comes to rest fails. */
static inline void settle(Fixture *f) {
        for (unsigned n = 0; turn(f); n++)
                assert_true(n < TURNS_MAX);
}

/* Return: the size of what was written to @data, PINGs with the next nonces from @first on. */
static inline size_t put_pings(uint8_t *data, uint64_t first, size_t n) {
        uint8_t *p = data;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
                Message message;

                message_set(&message, MESSAGE_PING, ping, .nonce = first + i);
                assert_int_equal(message_encode(&frame, &message), 0);
                p = put_bytes(p, frame->data, frame->size);
        }
        return (size_t) (p - data);
}

static inline void write_other(Fixture *f, LinkId link, const uint8_t *data, size_t size) {
        assert_int_equal(send(f->others[link], data, size, MSG_NOSIGNAL), size);
}

static inline void send_pings(Fixture *f, LinkId link, uint64_t first, size_t n) {
        uint8_t data[64 * 64];

        assert_true(n <= 64);
        write_other(f, link, data, put_pings(data, first, n));
}

/* What is there to be read now, up to @size bytes. */
static inline size_t read_other(Fixture *f, LinkId link, uint8_t *data, size_t size) {
        ssize_t n = recv(f->others[link], data, size, 0);

        if (n < 0)
                assert_int_equal(errno, EAGAIN);
        return n < 0 ? 0 : (size_t) n;
}
