/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/line-publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2pctl/ctl-bus.h"
#include "wire/stream-record.h"

#define INPUT_SIZE (PAYLOAD_MAX + 64U * 1024U)
#define OUTPUT_SIZE (STREAM_PUBLISH_MAX + 64U * 1024U)

typedef struct Buffer {
        uint8_t *data;
        size_t begin, end;
} Buffer;

typedef struct LinePublisher {
        Ctl *ctl;
        const Instance *instance;
        Slice topic;
        int fd, signal_fd;
        sigset_t signals_before;
        Buffer input, output;           /* INPUT_SIZE and OUTPUT_SIZE bytes */
        uint8_t answers[4096];
        size_t n_answers;               /* bytes of them that are not a whole one yet */
        uint64_t n_lines, n_accepted, n_refused;
        bool input_ended;               /* nothing more is read, */
        bool output_ended;              /* nor written */
        bool is_too_long;               /* the line behind the last one */
        bool is_done;                   /* all was answered that will be */
} LinePublisher;

static size_t buffer_size(const Buffer *buffer) {
        return buffer->end - buffer->begin;
}

static void publisher_done(LinePublisher *publisher) {
        if (publisher->signal_fd >= 0) {
                (void) close(publisher->signal_fd);
                (void) sigprocmask(SIG_SETMASK, &publisher->signals_before, NULL);
        }
        if (publisher->fd >= 0)
                (void) close(publisher->fd);
        free(publisher->output.data);
        free(publisher->input.data);
}

/* ---- lines ---- */

static void publisher_end_input(LinePublisher *publisher) {
        publisher->input_ended = true;
}

static void publisher_drop_input(LinePublisher *publisher) {
        publisher->input.begin = publisher->input.end = 0;
}

/* Return: 0, or an error that has been reported. */
static int publisher_read(LinePublisher *publisher) {
        Buffer *input = &publisher->input;
        ssize_t n;

        memmove(input->data, input->data + input->begin, buffer_size(input));
        input->end -= input->begin;
        input->begin = 0;

        n = read(STDIN_FILENO, input->data + input->end, INPUT_SIZE - input->end);
        if (n > 0)
                input->end += (size_t) n;
        else if (n == 0)
                publisher_end_input(publisher);
        else if (errno != EINTR && errno != EAGAIN)
                return ctl_fail(EXIT_FAILED, "cannot read standard input: %s.", strerror(errno));
        return 0;
}

/* The next line that can be sent. Return: the bytes of input that it takes, 0: there is none. */
static size_t publisher_next_line(LinePublisher *publisher, Slice *ret) {
        const Buffer *input = &publisher->input;
        const uint8_t *begin = input->data + input->begin, *end;

        if (buffer_size(input) == 0)
                return 0;
        end = memchr(begin, '\n', buffer_size(input));
        if (!end && !publisher->input_ended && buffer_size(input) <= PAYLOAD_MAX)
                return 0;

        *ret = slice_of(begin, end ? (size_t) (end - begin) : buffer_size(input));
        return ret->size + (end ? 1 : 0);
}

/* Makes records of lines while there is room for them. */
static void publisher_take_lines(LinePublisher *publisher) {
        Buffer *output = &publisher->output;
        size_t size;
        Slice line;

        while (!publisher->is_too_long && (size = publisher_next_line(publisher, &line)) > 0) {
                if (line.size > PAYLOAD_MAX) {
                        publisher->is_too_long = true;
                        publisher_end_input(publisher);
                        return;
                }
                if (STREAM_HEADER_SIZE + 1 + publisher->topic.size + line.size > OUTPUT_SIZE - output->end)
                        return;
                output->end = (size_t) (stream_put_publish(output->data + output->end, publisher->topic, line) - output->data);
                publisher->input.begin += size;
                publisher->n_lines++;
        }
}

/* ---- the socket ---- */

static void publisher_write(LinePublisher *publisher) {
        Buffer *output = &publisher->output;
        ssize_t n;

        n = send(publisher->fd, output->data + output->begin, buffer_size(output), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
                output->begin += (size_t) n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR) {
                /* The peer has ended it; what it has said before is still to be read. */
                output->begin = output->end;
                publisher->output_ended = true;
                publisher_end_input(publisher);
                publisher_drop_input(publisher);
        }
        if (output->begin == output->end)
                output->begin = output->end = 0;
}

static void publisher_on_answer(LinePublisher *publisher, const StreamRecord *answer) {
        if (answer->type == STREAM_ACCEPTED && answer->body.size >= 20)
                publisher->n_accepted += get_be32(answer->body.data + 16);
        else if (answer->type == STREAM_REFUSED)
                publisher->n_refused++;
}

static void publisher_read_answers(LinePublisher *publisher) {
        StreamRecord answer;
        Slice rest;
        ssize_t n;
        int r;

        n = recv(publisher->fd, publisher->answers + publisher->n_answers, sizeof(publisher->answers) - publisher->n_answers,
                 MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                publisher->is_done = true;
                return;
        }

        rest = slice_of(publisher->answers, publisher->n_answers + (size_t) n);
        while ((r = stream_record_next(&answer, rest, sizeof(publisher->answers))) > 0) {
                publisher_on_answer(publisher, &answer);
                rest = slice_of(rest.data + answer.size, rest.size - answer.size);
        }
        if (r < 0)
                publisher->is_done = true;      /* no answer that we know: as if it had ended */
        memmove(publisher->answers, rest.data, rest.size);
        publisher->n_answers = rest.size;
}

/* ---- all of it ---- */

/* The first signal ends the input, a second one the program. */
static void publisher_on_signal(LinePublisher *publisher) {
        struct signalfd_siginfo info;

        if (read(publisher->signal_fd, &info, sizeof(info)) < 0)        /* taken, so that it is not delivered when it may be */
                return;
        publisher_end_input(publisher);
        publisher_drop_input(publisher);
        (void) sigprocmask(SIG_SETMASK, &publisher->signals_before, NULL);
        (void) close(TAKE_FD(publisher->signal_fd));
}

/* Sends what there is, until the peer takes no more. */
static void publisher_send(LinePublisher *publisher) {
        do {
                publisher_take_lines(publisher);
                if (buffer_size(&publisher->output) == 0)
                        break;
                publisher_write(publisher);
        } while (buffer_size(&publisher->output) == 0);

        if (!publisher->input_ended || publisher->output_ended || buffer_size(&publisher->output) > 0)
                return;
        publisher->output_ended = true;
        (void) shutdown(publisher->fd, SHUT_WR);
}

/* Return: 0, or an error, reported or not. */
static int publisher_turn(LinePublisher *publisher) {
        bool has_output = buffer_size(&publisher->output) > 0;
        struct pollfd polled[] = {
                { .fd = publisher->fd, .events = (short) (POLLIN | (has_output ? POLLOUT : 0)) },
                { .fd = publisher->input_ended || has_output ? -1 : STDIN_FILENO, .events = POLLIN },
                { .fd = publisher->signal_fd, .events = POLLIN },
        };
        int r;

        if (poll(polled, ELEMENTSOF(polled), -1) < 0)
                return errno == EINTR ? 0 : -errno;

        if (polled[2].revents)
                publisher_on_signal(publisher);
        else if (polled[1].revents) {
                r = publisher_read(publisher);
                if (r != 0)
                        return r;
        }
        publisher_send(publisher);
        if (polled[0].revents & ~POLLOUT)
                publisher_read_answers(publisher);
        return 0;
}

/* What came of it, if it is not what was wanted. */
static int publisher_report(const LinePublisher *publisher) {
        ExitStatus status = publisher->n_accepted > 0 ? EXIT_PARTIAL : EXIT_FAILED;

        if (publisher->is_too_long)
                return ctl_fail(status, "line %" PRIu64 " has more than %u bytes, at most that many are accepted.",
                                publisher->n_lines + 1, PAYLOAD_MAX);
        if (publisher->n_refused > 0)
                return ctl_fail(status, "%s refused %" PRIu64 " of %" PRIu64 " lines.", publisher->instance->text,
                                publisher->n_refused, publisher->n_lines);
        if (publisher->n_accepted < publisher->n_lines || !publisher->output_ended)
                return ctl_fail(status, "%s has stopped after %" PRIu64 " of %" PRIu64 " lines that were read.",
                                publisher->instance->text, publisher->n_accepted, publisher->n_lines);
        return 0;
}

static int publisher_open(LinePublisher *publisher) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int fd, r;

        if (sd_bus_can_send(publisher->ctl->bus, 'h') <= 0)
                return ctl_fail(EXIT_FAILED, "publish --lines asks the peer for a socket, and there is none to be had from %s.\n"
                                "Run it there.", ctl_host_text(publisher->ctl));
        r = ctl_call(publisher->ctl, publisher->instance, "OpenPublisher", CALL_TIMEOUT_USEC, &reply, "a{sv}", 0);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;
        publisher->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return publisher->fd < 0 ? -errno : 0;
}

static int publisher_run(LinePublisher *publisher) {
        sigset_t signals;
        int r;

        publisher->input.data = malloc(INPUT_SIZE);
        publisher->output.data = malloc(OUTPUT_SIZE);
        if (!publisher->input.data || !publisher->output.data)
                return -ENOMEM;
        r = publisher_open(publisher);
        if (r != 0)
                return r;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &signals, &publisher->signals_before) < 0)
                return -errno;
        publisher->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (publisher->signal_fd < 0)
                return -errno;

        while (!publisher->is_done) {
                r = publisher_turn(publisher);
                if (r != 0)
                        return r;
        }
        return publisher_report(publisher);
}

int publish_lines(Ctl *ctl, const Instance *instance, const char *topic, uint64_t *ret_n) {
        LinePublisher publisher = {
                .ctl = ctl, .instance = instance, .topic = slice_of(topic, strlen(topic)), .fd = -EBADF, .signal_fd = -EBADF,
        };
        int r;

        r = publisher_run(&publisher);
        *ret_n = publisher.n_accepted;
        publisher_done(&publisher);
        return r;
}
