/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/facts.h"
#include "p2pctl/line-publisher.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"
#include "wire/message.h"

#define PUBLISH_TOPIC_MAX 255U

/* All of standard input, if it is not too much. */
static int read_input(char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = malloc(PAYLOAD_MAX + 1);
        size_t size = 0;

        if (!data)
                return -ENOMEM;
        while (size <= PAYLOAD_MAX) {
                ssize_t n = read(STDIN_FILENO, data + size, PAYLOAD_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return ctl_fail(EXIT_FAILED, "cannot read standard input: %s.", strerror(errno));
                if (n == 0) {
                        *ret = TAKE_PTR(data);
                        *ret_size = size;
                        return 0;
                }
                size += (size_t) n;
        }
        return ctl_fail(EXIT_USAGE, "standard input has more than %u bytes, at most that many are accepted.",
                        PAYLOAD_MAX);
}

static int check_topic(const char *topic) {
        _cleanup_free_ char *escaped = NULL;
        size_t size = strlen(topic);

        if (size == 0)
                return ctl_fail(EXIT_USAGE, "the topic is empty; accepted are 1 to %u printable ASCII characters.",
                                PUBLISH_TOPIC_MAX);
        if (size > PUBLISH_TOPIC_MAX)
                return ctl_fail(EXIT_USAGE, "the topic has %zu characters, at most %u are accepted.", size,
                                PUBLISH_TOPIC_MAX);
        if (ascii_is_printable(topic, size))
                return 0;

        escaped = output_text(topic);
        return ctl_fail(EXIT_USAGE, "the topic '%s' has characters that are not printable ASCII.", escaped ?: "?");
}

static int call_publish(
                Ctl *ctl,
                const Instance *instance,
                const char *topic,
                const void *payload,
                size_t size,
                sd_bus_message **ret) {

        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if ((r = sd_bus_message_new_method_call(ctl->bus, &m, instance->bus_name, BUS_PATH_ROOT,
                                                BUS_INTERFACE_MANAGER, "Publish")) < 0 ||
            (r = sd_bus_message_append(m, "s", topic)) < 0 ||
            (r = sd_bus_message_append_array(m, 'y', payload, size)) < 0 ||
            (r = sd_bus_message_append(m, "a{sv}", 0)) < 0)
                return r;

        r = sd_bus_call(ctl->bus, m, CALL_TIMEOUT_USEC, &error, ret);
        if (r < 0)
                return ctl_report(ctl, instance, r, &error);
        return 0;
}

/* Return: 0, or an error that has been reported. */
static int ask_n_links(Ctl *ctl, const Instance *instance, uint64_t *ret) {
        _cleanup_(json_decrefp) json_t *facts = NULL;
        const json_t *links;
        int r;

        r = facts_describe(ctl, instance, &facts);
        if (r != 0)
                return r;
        links = fact_object(facts, "links");
        *ret = fact_u64(links, "outgoing") + fact_u64(links, "inbound");
        return 0;
}

static int publish_one(Ctl *ctl, const Instance *instance, const char *topic, const char *payload, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t sequence, n_links;
        const char *id;
        int r;

        r = call_publish(ctl, instance, topic, payload, size, &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "st", &id, &sequence);
        if (r < 0)
                return r;

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:s, s:s, s:o, s:s}", "instance", instance->text, "id", id,
                                                 "sequence", json_u64(sequence), "topic", topic));
        if (ctl->quiet)
                return 0;

        r = ask_n_links(ctl, instance, &n_links);
        if (r != 0)
                return r;
        if (ctl->full || strlen(id) < NODE_ID_TEXT_SIZE)
                printf("published %s", id);
        else
                printf("published %.8s%s%s", id, output_is_utf8() ? "…" : "...", id + NODE_ID_TEXT_SIZE - 1);
        if (n_links > 0)
                printf(" to %s\n", COUNT_TEXT(n_links, "link"));
        else
                printf("; there is no link yet, it waits for one\n");
        return 0;
}

/* How many there were is said whatever has ended it. */
static int publish_input_lines(Ctl *ctl, const Instance *instance, const char *topic) {
        uint64_t n, n_links;
        int status, r;

        status = publish_lines(ctl, instance, topic, &n);
        if (status < 0 || (status > 0 && n == 0))
                return status;

        if (ctl->json != JSON_MODE_OFF) {
                r = json_print(ctl, json_pack("{s:s, s:o, s:s}", "instance", instance->text, "published", json_u64(n), "topic", topic));
                return r < 0 ? r : status;
        }
        if (ctl->quiet)
                return status;

        printf("published %s", COUNT_TEXT(n, "message"));
        if (status == 0 && n > 0) {
                r = ask_n_links(ctl, instance, &n_links);
                if (r == 0 && n_links > 0)
                        printf(" to %s", COUNT_TEXT(n_links, "link"));
                else if (r == 0)
                        printf("; there is no link yet, %s for one", n == 1 ? "it waits" : "they wait");
        }
        printf("\n");
        return status;
}

int verb_publish(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_free_ char *input = NULL;
        const char *topic = arguments[0], *payload = n_arguments > 1 ? arguments[1] : "";
        const Instance *instance;
        size_t size = strlen(payload);
        int r;

        r = check_topic(topic);
        if (r != 0)
                return r;
        if (ctl->lines && n_arguments > 1 && !streq(payload, "-"))
                return ctl_fail(EXIT_USAGE, "--lines takes the messages from standard input; found a payload as well.");
        if (!ctl->lines && streq(payload, "-")) {
                r = read_input(&input, &size);
                if (r != 0)
                        return r;
                payload = input;
        }

        r = ctl_select_one(ctl, TARGET_PEER, &instance);
        if (r != 0)
                return r;
        return ctl->lines ? publish_input_lines(ctl, instance, topic) : publish_one(ctl, instance, topic, payload, size);
}
