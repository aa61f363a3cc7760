/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/delivery.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "bus/message-id.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"

#define SHOWN_MAX 200U          /* bytes of a payload */

static bool is_hello(const Delivery *delivery) {
        return delivery->topic.size == strlen(HELLO_TOPIC) && memcmp(delivery->topic.data, HELLO_TOPIC, delivery->topic.size) == 0;
}

/* ": "hello 3 from web-2:6002"" of a hello, and of any other message how long it is. */
static char *describe_payload(const Delivery *delivery) {
        _cleanup_free_ char *text = NULL;
        size_t size = delivery->payload.size;
        char *description;
        int n;

        if (is_hello(delivery)) {
                text = text_escape(delivery->payload.data, MIN(size, (size_t) SHOWN_MAX));
                if (!text)
                        return NULL;
                n = asprintf(&description, ": \"%s\"%s", text, size > SHOWN_MAX ? "…" : "");
        } else
                n = asprintf(&description, ", %zu byte%s", size, size == 1 ? "" : "s");
        return n < 0 ? NULL : description;
}

void delivery_log(const Delivery *delivery, int level) {
        _cleanup_free_ char *name = NULL, *payload = NULL;
        const char *origin_name = delivery->origin_name;
        const char *origin = NODE_ID_TEXT(&delivery->id.origin);
        char short_id[8 + sizeof("…")], topic[TOPIC_MAX + 1];

        if (level > log_level())
                return;

        if (isempty(origin_name)) {
                (void) snprintf(short_id, sizeof(short_id), "%.8s…", origin);
                origin_name = short_id;
        }

        name = text_escape(origin_name, strlen(origin_name));
        payload = describe_payload(delivery);
        if (!name || !payload) {
                (void) log_oom();
                return;
        }
        (void) snprintf(topic, sizeof(topic), "%.*s", (int) delivery->topic.size, (const char *) delivery->topic.data);

        log_facts(level,
                  LOG_FACTS(.message_id = MESSAGE_ID_GOSSIP,
                            .gossip_id = MESSAGE_ID_TEXT(&delivery->id),
                            .gossip_topic = topic,
                            .peer_id = origin),
                  "%s %" PRIu64 "%s%s on %s%s.", delivery->own ? "Published gossip" : "Gossip", delivery->id.sequence,
                  delivery->own ? "" : " from ", delivery->own ? "" : name, topic, payload);
}
