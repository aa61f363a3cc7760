/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The C codec for a script. A frame in hex per line of standard input; a line of standard output for each:
 *
 *      accept HEX TEXT         decoded; HEX is what encoding it again gives, TEXT as in message-text.h
 *      skip | refuse           an unknown type; a malformed body
 *      long | short | more     a length beyond the limit, below the header, or beyond the line
 *
 * With --random RUN COUNT: HEX TEXT of that many messages of each type, as message-random.h makes them.
 */

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "message-random.h"
#include "message-text.h"

#define PAYLOAD_SIZE_MAX 400

static int print_message(const char *verdict, const Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *buffer = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = message_encode(&buffer, message);
        if (r < 0)
                return r;
        text = message_to_text(message);
        if (!text)
                return -ENOMEM;

        fputs(verdict, stdout);
        for (size_t i = 0; i < buffer->size; i++)
                printf("%02x", buffer->data[i]);
        printf(" %s\n", text);
        return 0;
}

static int print_random(uint64_t run, uint64_t count) {
        _cleanup_free_ RandomMessage *message = malloc(sizeof(RandomMessage));
        Random random = random_from_run(run);
        int r;

        if (!message)
                return -ENOMEM;

        for (; count > 0; count--)
                for (size_t i = 0; i < n_message_types; i++) {
                        message_random(&random, message_types[i], PAYLOAD_SIZE_MAX, message);
                        r = print_message("", &message->message);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* In place: the bytes begin where the text began. */
static int hex_decode(char *line, size_t *ret_size) {
        uint8_t *bytes = (uint8_t *) line;
        size_t size = strcspn(line, "\n");

        if (size % 2 != 0)
                return -EINVAL;
        for (size_t i = 0; i < size / 2; i++) {
                int high = hex_digit(line[2 * i]), low = hex_digit(line[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                bytes[i] = (uint8_t) (high << 4 | low);
        }
        *ret_size = size / 2;
        return 0;
}

static int judge(Message *message, const char *bytes, size_t size) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(size, (size_t) 1));   /* a sanitizer sees a step beyond its end */
        Frame frame;
        ssize_t n;
        int r;

        if (!copy)
                return -ENOMEM;

        n = frame_decode(&frame, put_bytes(copy, bytes, size) - size, size, FRAME_SIZE_MAX);
        if (n <= 0)
                return puts(n == 0 ? "more" : n == -EMSGSIZE ? "long" : "short"), 0;

        r = message_decode(message, &frame);
        if (r <= 0)
                return puts(r == 0 ? "skip" : "refuse"), 0;
        return print_message("accept ", message);
}

int main(int argc, char **argv) {
        _cleanup_free_ Message *message = malloc(sizeof(Message));
        _cleanup_free_ char *line = NULL;
        uint64_t run, count;
        size_t line_size = 0, size;

        if (!message)
                return EXIT_FAILURE;

        if (argc == 4 && streq(argv[1], "--random") && parse_u64(argv[2], &run) == 0 && parse_u64(argv[3], &count) == 0)
                return print_random(run, count) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc != 1) {
                fprintf(stderr, "Usage: codec-tool [--random RUN COUNT]\n");
                return EXIT_FAILURE;
        }

        while (getline(&line, &line_size, stdin) >= 0) {
                if (hex_decode(line, &size) < 0) {
                        fprintf(stderr, "Not a line of hex digits: %s", line);
                        return EXIT_FAILURE;
                }
                if (judge(message, line, size) < 0)
                        return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
