/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/follow.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "p2pctl/ctl-bus.h"

typedef struct Followed {
        Follow *follow;
        const Instance *instance;
        sd_bus_slot *slot;
        char *owner;            /* unique name, NULL: not running */
} Followed;

struct Follow {
        Ctl *ctl;
        sd_event *event;
        FollowHandler *handler;
        void *userdata;
        Followed *followed;
        size_t n_followed;
        bool disconnected;
};

Follow *follow_free(Follow *follow) {
        if (!follow)
                return NULL;

        for (size_t i = 0; i < follow->n_followed; i++) {
                sd_bus_slot_unref(follow->followed[i].slot);
                free(follow->followed[i].owner);
        }
        free(follow->followed);
        if (follow->ctl->bus)
                (void) sd_bus_detach_event(follow->ctl->bus);
        sd_event_unref(follow->event);
        free(follow);
        return NULL;
}

sd_event *follow_event(Follow *follow) {
        return follow->event;
}

const Instance *follow_sender(const Follow *follow, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        for (size_t i = 0; sender && i < follow->n_followed; i++)
                if (follow->followed[i].owner && streq(follow->followed[i].owner, sender))
                        return follow->followed[i].instance;
        return NULL;
}

static int followed_set_owner(Followed *followed, const char *owner) {
        char *copy = NULL;

        if (!isempty(owner)) {
                copy = strdup(owner);
                if (!copy)
                        return -ENOMEM;
        }
        free(followed->owner);
        followed->owner = copy;
        return 0;
}

static int follow_on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Followed *followed = userdata;
        const char *name, *old_owner, *new_owner;
        int r;

        r = sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner);
        if (r < 0 || !streq(name, followed->instance->bus_name))
                return 0;

        if (followed->owner && !streq(followed->owner, new_owner))
                followed->follow->handler(followed->instance, FOLLOW_STOPPED, followed->follow->userdata);
        r = followed_set_owner(followed, new_owner);
        if (r < 0)
                return sd_event_exit(followed->follow->event, r);
        if (followed->owner)
                followed->follow->handler(followed->instance, FOLLOW_STARTED, followed->follow->userdata);
        return 0;
}

static int followed_init(Followed *followed, Follow *follow, const Instance *instance) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char rule[256];
        const char *owner;
        int r;

        *followed = (Followed) { .follow = follow, .instance = instance };
        (void) snprintf(rule, sizeof(rule),
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'", instance->bus_name);
        r = sd_bus_add_match(follow->ctl->bus, &followed->slot, rule, follow_on_owner_changed, followed);
        if (r < 0)
                return ctl_report(follow->ctl, instance, r, NULL);

        /* Asked after the match is in place, so that no change is missed in between. */
        r = sd_bus_call_method(follow->ctl->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus",
                               "GetNameOwner", &error, &reply, "s", instance->bus_name);
        if (r < 0)
                return sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ? 0 :
                       ctl_report(follow->ctl, instance, r, &error);
        r = sd_bus_message_read(reply, "s", &owner);
        if (r < 0)
                return r;
        return followed_set_owner(followed, owner);
}

int follow_new(
                Follow **ret,
                Ctl *ctl,
                const Instance *const *instances,
                size_t n_instances,
                FollowHandler *handler,
                void *userdata) {

        _cleanup_(follow_freep) Follow *follow = NULL;
        int r;

        follow = malloc(sizeof(*follow));
        if (!follow)
                return -ENOMEM;
        *follow = (Follow) { .ctl = ctl, .handler = handler, .userdata = userdata };

        r = sd_event_new(&follow->event);
        if (r < 0)
                return r;
        follow->followed = calloc(n_instances, sizeof(*follow->followed));
        if (!follow->followed)
                return -ENOMEM;
        for (; follow->n_followed < n_instances; follow->n_followed++) {
                r = followed_init(&follow->followed[follow->n_followed], follow, instances[follow->n_followed]);
                if (r != 0) {
                        sd_bus_slot_unref(follow->followed[follow->n_followed].slot);
                        return r;
                }
        }

        *ret = TAKE_PTR(follow);
        return 0;
}

static int follow_on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        return sd_event_exit(userdata, EXIT_TIMED_OUT);
}

/* Nobody reads any more. Without this it would be noticed at the next line only, which may never come. */
static int follow_on_output_closed(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        return sd_event_exit(userdata, 0);
}

/* Said by sd-bus itself when the bus has gone. */
static int follow_on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Follow *follow = userdata;

        follow->disconnected = true;
        return sd_event_exit(follow->event, 0);
}

static int follow_on_begin(sd_event_source *source, void *userdata) {
        Follow *follow = userdata;

        for (size_t i = 0; i < follow->n_followed; i++)
                if (follow->followed[i].owner)
                        follow->handler(follow->followed[i].instance, FOLLOW_RUNS, follow->userdata);
        return 0;
}

int follow_run(Follow *follow, usec_t timeout_usec) {
        int r;

        if ((r = sd_event_add_signal(follow->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL)) < 0 ||
            (r = sd_event_add_signal(follow->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL)) < 0)
                return r;

        /* A regular file cannot be polled, and is never closed from the other side either. */
        r = sd_event_add_io(follow->event, NULL, STDOUT_FILENO, 0, follow_on_output_closed, follow->event);
        if (r < 0 && r != -EPERM)
                return r;

        if (timeout_usec != USEC_INFINITY) {
                r = sd_event_add_time_relative(follow->event, NULL, CLOCK_BOOTTIME, timeout_usec, 1,
                                               follow_on_timeout,
                                               follow->event);
                if (r < 0)
                        return r;
        }

        r = sd_event_add_defer(follow->event, NULL, follow_on_begin, follow);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(follow->ctl->bus, follow->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(follow->ctl->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local",
                                "Disconnected", follow_on_disconnected, follow);
        if (r < 0)
                return r;

        r = sd_event_loop(follow->event);
        if (follow->disconnected)
                return ctl_fail_lost(follow->ctl);
        return r;
}

char *clock_text(char buffer[static CLOCK_TEXT_SIZE]) {
        time_t now = time(NULL);
        struct tm tm;

        if (!localtime_r(&now, &tm) || strftime(buffer, CLOCK_TEXT_SIZE, "%H:%M:%S", &tm) == 0)
                (void) strcpy(buffer, "--:--:--");
        return buffer;
}
