/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 *      Subscribe()          the bus says whose it is
 *          ---> ASKING_USER -------------------------> ACTIVE ---> Close(), or the subscriber leaves the bus
 *
 * One that asks for stored messages is behind at first: it reads them from the store, as fast as it confirms them, and what is
 * delivered meanwhile as well, until there is nothing left there that it has not got.
 *
 * A subscriber could leave between its call and our match for that; so the bus is asked once, behind the match, whether
 * it is still there.
 */

#include "peerd/subscription.h"

#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#include "base/text.h"
#include "bus/message-id.h"
#include "bus/names.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "core/peer-node.h"
#include "peerd/delivery.h"
#include "peerd/overflow.h"
#include "peerd/reader.h"
#include "service/node-bus.h"

#define ASKING_MAX 64U                  /* calls that wait for the bus */
#define SIGNAL_OVERHEAD 512U            /* of a message beside its payload, topic and name, roughly */
#define PATH_SIZE (sizeof(BUS_PATH_SUBSCRIPTIONS "/s") + 20)

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

typedef struct Subscription Subscription;

struct Subscription {
        Subscriptions *all;
        sd_bus *bus;                    /* borrowed: it outlives the subscription */
        sd_bus_message *call;           /* Subscribe(), while ASKING_USER; NULL when active */
        char *subscriber;               /* unique name */
        uid_t user;
        bool is_counted;                /* among what the user has */
        Reader reader;
        char path[PATH_SIZE];

        sd_bus_slot *user_slot, *match_slot, *owner_slot, *object_slot;
        sd_bus_message *closer;         /* a Close() of somebody else, while the bus says who that is */
        sd_bus_slot *closer_slot;

        /* Flow control */
        sd_bus_slot *ping_slot;         /* set while a Ping is on its way */
        size_t n_unconfirmed;           /* bytes */
        size_t n_behind_ping;           /* of them, sent after that Ping */
        uint64_t n_delivered;
        Overflow overflow;

        Subscription *prev, *next;
};

struct Subscriptions {
        Service *service;               /* borrowed */
        LocalUsers *users;              /* borrowed */
        Subscription *list;
        size_t n_active, n_asking;
        uint64_t n_made;
};

/* ---- life ---- */

static Subscription *subscription_free(Subscription *subscription) {
        if (!subscription)
                return NULL;

        overflow_done(&subscription->overflow);
        sd_bus_slot_unref(subscription->ping_slot);
        sd_bus_slot_unref(subscription->closer_slot);
        sd_bus_message_unref(subscription->closer);
        sd_bus_slot_unref(subscription->object_slot);
        sd_bus_slot_unref(subscription->owner_slot);
        sd_bus_slot_unref(subscription->match_slot);
        sd_bus_slot_unref(subscription->user_slot);
        reader_done(&subscription->reader);
        free(subscription->subscriber);
        sd_bus_message_unref(subscription->call);
        free(subscription);
        return NULL;
}
DEFINE_CLEANUP(Subscription *, subscription_free)

static void subscription_end(Subscription *subscription) {
        Subscriptions *all = subscription->all;

        DL_DELETE(all->list, subscription);
        if (subscription->is_counted)
                local_users_give(all->users, subscription->user);
        if (subscription->call)
                all->n_asking--;
        else {
                all->n_active--;
                (void) sd_bus_emit_object_removed(subscription->bus, subscription->path);
        }
        subscription_free(subscription);
}

void subscriptions_forget(Subscriptions *subscriptions) {
        while (subscriptions->list)
                subscription_end(subscriptions->list);
}

size_t subscriptions_n(const Subscriptions *subscriptions) {
        return subscriptions->n_active;
}

/* ---- flow control ---- */

static void subscription_ping(Subscription *subscription);
static void subscription_catch_up(Subscription *subscription);

/* Any answer of the subscriber says that it has read what came before the question; one of the bus itself says nothing. */
static int subscription_on_pong(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Subscription *subscription = userdata;
        const char *sender = sd_bus_message_get_sender(m);

        subscription->ping_slot = sd_bus_slot_unref(subscription->ping_slot);
        if (sender && streq(sender, subscription->subscriber))
                subscription->n_unconfirmed = subscription->n_behind_ping;
        if (subscription->n_unconfirmed > 0)
                subscription_ping(subscription);
        subscription_catch_up(subscription);
        return 0;
}

static void subscription_ping(Subscription *subscription) {
        subscription->n_behind_ping = 0;
        (void) sd_bus_call_method_async(subscription->bus, &subscription->ping_slot, subscription->subscriber, "/",
                                        "org.freedesktop.DBus.Peer", "Ping", subscription_on_pong, subscription, NULL);
}

static void subscription_sent(Subscription *subscription, size_t size) {
        subscription->n_delivered++;
        subscription->n_unconfirmed += size;
        if (subscription->ping_slot)
                subscription->n_behind_ping += size;
        else
                subscription_ping(subscription);
}

static void subscription_tell_overflow(void *userdata, uint64_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Subscription *subscription = userdata;

        if (sd_bus_message_new_signal(subscription->bus, &m, subscription->path, BUS_INTERFACE_SUBSCRIPTION,
                                      "Overflow") >= 0 &&
            sd_bus_message_append(m, "t", n) >= 0)
                (void) sd_bus_send_to(subscription->bus, m, subscription->subscriber, NULL);
        service_emit(subscription->all->service, "Overflow", "st", subscription->path, n);

        if (overflow_may_log(&subscription->overflow))
                log_facts(LOG_NOTICE, LOG_FACTS(.message_id = MESSAGE_ID_GOSSIP_LOST, .reason = "a subscriber does not keep up"),
                          "The subscriber %s of %s does not keep up: messages are dropped for it, %llu so far.",
                          subscription->subscriber, subscription->path, (unsigned long long) subscription->overflow.n);
}

/* ---- messages ---- */

size_t subscriptions_n_for(const Subscriptions *subscriptions, const char *topic) {
        const Subscription *subscription;
        size_t n = 0;

        DL_FOREACH(subscriptions->list, subscription)
                n += !subscription->call && patterns_match(&subscription->reader.patterns, topic);
        return n;
}

static int subscription_send(Subscription *subscription, const Delivery *delivery, const char *topic) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if ((r = sd_bus_message_new_signal(subscription->bus, &m, subscription->path, BUS_INTERFACE_SUBSCRIPTION,
                                           "Message")) < 0 ||
            (r = sd_bus_message_append(m, "ssss", MESSAGE_ID_TEXT(&delivery->id), topic,
                                       NODE_ID_TEXT(&delivery->id.origin), delivery->origin_name)) < 0 ||
            (r = sd_bus_message_append_array(m, 'y', delivery->payload.data, delivery->payload.size)) < 0 ||
            (r = sd_bus_message_append(m, "a{sv}", 2, "AgeUSec", "t", delivery->age_usec, "Hops", "u", delivery->n_hops)) < 0)
                return r;
        return sd_bus_send_to(subscription->bus, m, subscription->subscriber, NULL);
}

static size_t delivery_signal_size(const Delivery *delivery) {
        return SIGNAL_OVERHEAD + delivery->payload.size + delivery->topic.size + strlen(delivery->origin_name);
}

/* Who has confirmed everything gets any message, however large. */
static bool subscription_has_room(const Subscription *subscription, size_t size) {
        return subscription->n_unconfirmed == 0 || subscription->n_unconfirmed + size <= SUBSCRIPTION_UNCONFIRMED_MAX;
}

static void subscription_hand(Subscription *subscription, const Delivery *delivery, const char *topic) {
        if (subscription_send(subscription, delivery, topic) < 0)
                overflow_lost(&subscription->overflow, 1);
        else
                subscription_sent(subscription, delivery_signal_size(delivery));
}

static void subscription_deliver(Subscription *subscription, const Delivery *delivery, const char *topic, usec_t now_usec) {
        if (subscription->call || !reader_on_delivery(&subscription->reader, delivery, topic, now_usec))
                return;

        if (subscription_has_room(subscription, delivery_signal_size(delivery)))
                subscription_hand(subscription, delivery, topic);
        else
                overflow_lost(&subscription->overflow, 1);
}

/* Goes on in the store where it is. */
static void subscription_catch_up(Subscription *subscription) {
        const Daemon *daemon = subscription->all->service->daemon;
        char topic[TOPIC_MAX + 1];
        Delivery delivery;

        while (reader_next(&subscription->reader, daemon, &delivery)) {
                if (!subscription_has_room(subscription, delivery_signal_size(&delivery)))
                        break;
                memcpy(topic, delivery.topic.data, delivery.topic.size);
                topic[delivery.topic.size] = 0;
                subscription_hand(subscription, &delivery, topic);
                reader_took(&subscription->reader, &delivery);
        }
        overflow_lost(&subscription->overflow, reader_take_missing(&subscription->reader));
}

void subscriptions_deliver(Subscriptions *subscriptions, const Delivery *delivery) {
        char topic[TOPIC_MAX + 1];
        Subscription *subscription;

        if (!subscriptions->list)
                return;

        assert(delivery->topic.size <= TOPIC_MAX);
        memcpy(topic, delivery->topic.data, delivery->topic.size);
        topic[delivery->topic.size] = 0;

        DL_FOREACH(subscriptions->list, subscription)
                subscription_deliver(subscription, delivery, topic, daemon_now(subscriptions->service->daemon));
}

/* ---- its object ---- */

static int credential_ask(sd_bus *bus, sd_bus_slot **slot, const char *sender, sd_bus_message_handler_t handler,
                          void *userdata) {
        return sd_bus_call_method_async(bus, slot, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME, "GetConnectionUnixUser", handler,
                                        userdata, "s", sender);
}

/* Return: 0; an error when the connection has gone. */
static int credential_read(sd_bus_message *answer, uid_t *ret) {
        if (sd_bus_message_is_method_error(answer, NULL))
                return -ESRCH;
        return sd_bus_message_read(answer, "u", ret);
}

static int refuse_close(sd_bus_message *m, sd_bus_error *error) {
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Only the subscriber and root may close a subscription.");
}

/* Somebody else than the subscriber wants it closed. */
static int subscription_on_closer(sd_bus_message *answer, void *userdata, sd_bus_error *error) {
        Subscription *subscription = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *closer = TAKE_PTR(subscription->closer);
        _cleanup_(sd_bus_error_free) sd_bus_error refusal = SD_BUS_ERROR_NULL;
        uid_t user;

        subscription->closer_slot = sd_bus_slot_unref(subscription->closer_slot);
        if (credential_read(answer, &user) >= 0 && user == 0) {
                (void) sd_bus_reply_method_return(closer, NULL);
                subscription_end(subscription);
        } else {
                (void) refuse_close(closer, &refusal);
                (void) sd_bus_reply_method_error(closer, &refusal);
        }
        return 0;
}

static int method_close(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Subscription *subscription = userdata;
        const char *sender = sd_bus_message_get_sender(m);
        int r;

        if (sender && streq(sender, subscription->subscriber)) {
                r = sd_bus_reply_method_return(m, NULL);
                subscription_end(subscription);
                return r < 0 ? r : 1;
        }

        if (!sender || subscription->closer)
                return refuse_close(m, error);
        r = credential_ask(subscription->bus, &subscription->closer_slot, sender, subscription_on_closer, subscription);
        if (r < 0)
                return r;
        subscription->closer = sd_bus_message_ref(m);
        return 1;
}

static int property_get_patterns(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Subscription *subscription = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < subscription->reader.patterns.n; i++)
                r = sd_bus_message_append(reply, "s", subscription->reader.patterns.patterns[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_get_count(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Subscription *subscription = userdata;

        return sd_bus_message_append(reply, "t",
                                     streq(property, "Delivered") ? subscription->n_delivered : subscription->overflow.n);
}

static const sd_bus_vtable subscription_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Close", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_close, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Message",
                                SD_BUS_ARGS("s", id, "s", topic, "s", origin, "s", name, "ay", payload, "a{sv}", details), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Overflow", SD_BUS_ARGS("t", dropped), 0),
        SD_BUS_PROPERTY("Patterns", "as", property_get_patterns, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Delivered", "t", property_get_count, 0, 0),
        SD_BUS_PROPERTY("Dropped", "t", property_get_count, 0, 0),
        SD_BUS_VTABLE_END
};

/* ---- Subscribe ---- */

static int subscription_on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) >= 0 && isempty(new_owner))
                subscription_end(userdata);
        return 0;
}

static int subscription_on_has_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Subscription *subscription = userdata;
        int has_owner;

        subscription->owner_slot = sd_bus_slot_unref(subscription->owner_slot);
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "b", &has_owner) >= 0 && !has_owner)
                subscription_end(subscription);
        return 0;
}

/* Ends it when the subscriber leaves the bus, even if it has already. */
static int subscription_watch(Subscription *subscription) {
        _cleanup_free_ char *rule = NULL;
        int r;

        if (asprintf(&rule,
                     "type='signal',sender='" DRIVER_NAME "',path='" DRIVER_PATH "',interface='" DRIVER_NAME "',"
                     "member='NameOwnerChanged',arg0='%s'", subscription->subscriber) < 0) {
                rule = NULL;
                return -ENOMEM;
        }

        r = sd_bus_add_match_async(subscription->bus, &subscription->match_slot, rule, subscription_on_owner_changed, NULL,
                                   subscription);
        if (r < 0)
                return r;
        return sd_bus_call_method_async(subscription->bus, &subscription->owner_slot, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME,
                                        "NameHasOwner", subscription_on_has_owner, subscription, "s",
                                        subscription->subscriber);
}

static int subscription_activate(Subscription *subscription, sd_bus_error *error) {
        Subscriptions *all = subscription->all;
        int r;

        r = local_users_take(all->users, subscription->user, error);
        if (r < 0)
                return r;
        subscription->is_counted = true;
        r = reader_begin(&subscription->reader, all->service->daemon, error);
        if (r < 0)
                return r;

        (void) snprintf(subscription->path, sizeof(subscription->path), BUS_PATH_SUBSCRIPTIONS "/s%llu",
                        (unsigned long long) ++all->n_made);
        r = sd_bus_add_object_vtable(subscription->bus, &subscription->object_slot, subscription->path,
                                     BUS_INTERFACE_SUBSCRIPTION, subscription_vtable, subscription);
        if (r < 0)
                return r;
        r = subscription_watch(subscription);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(subscription->call, "o", subscription->path);
}

static int subscription_on_user(sd_bus_message *answer, void *userdata, sd_bus_error *unused) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Subscription *subscription = userdata;
        int r;

        subscription->user_slot = sd_bus_slot_unref(subscription->user_slot);
        r = credential_read(answer, &subscription->user);
        if (r >= 0)
                r = subscription_activate(subscription, &error);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(subscription->call, r, &error);
                subscription_end(subscription);
                return 0;
        }

        subscription->call = sd_bus_message_unref(subscription->call);
        subscription->all->n_asking--;
        subscription->all->n_active++;
        (void) sd_bus_emit_object_added(subscription->bus, subscription->path);
        subscription_catch_up(subscription);
        return 0;
}

int subscriptions_subscribe(Subscriptions *subscriptions, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(subscription_freep) Subscription *subscription = NULL;
        int r;

        if (subscriptions->n_asking >= ASKING_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%zu subscriptions are being made, no more are "
                                         "accepted just now.", subscriptions->n_asking);

        subscription = calloc(1, sizeof(*subscription));
        if (!subscription)
                return -ENOMEM;
        subscription->all = subscriptions;
        subscription->bus = sd_bus_message_get_bus(m);
        overflow_init(&subscription->overflow, subscriptions->service->daemon->event, subscription_tell_overflow, subscription);
        subscription->subscriber = strdup(sd_bus_message_get_sender(m));
        if (!subscription->subscriber)
                return -ENOMEM;

        r = reader_read(&subscription->reader, m, daemon_now(subscriptions->service->daemon), error);
        if (r < 0)
                return r;
        r = credential_ask(subscription->bus, &subscription->user_slot, subscription->subscriber, subscription_on_user,
                           subscription);
        if (r < 0)
                return r;

        subscription->call = sd_bus_message_ref(m);
        subscriptions->n_asking++;
        DL_APPEND(subscriptions->list, subscription);
        (void) TAKE_PTR(subscription);
        return 1;
}

/* ---- all of them ---- */

Subscriptions *subscriptions_free(Subscriptions *subscriptions) {
        if (!subscriptions)
                return NULL;

        subscriptions_forget(subscriptions);
        free(subscriptions);
        return NULL;
}

int subscriptions_new(Subscriptions **ret, Service *service, LocalUsers *users) {
        Subscriptions *subscriptions;

        subscriptions = calloc(1, sizeof(*subscriptions));
        if (!subscriptions)
                return -ENOMEM;

        subscriptions->service = service;
        subscriptions->users = users;
        *ret = subscriptions;
        return 0;
}
