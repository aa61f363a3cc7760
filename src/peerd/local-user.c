/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/local-user.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "wire/stream-record.h"

#define ASKING_MAX 64U          /* calls that wait for the bus */

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

typedef struct Question {
        LocalUsers *users;
        sd_bus_message *m;
        sd_bus_slot *slot;
        LocalUserHandler handler;
        void *userdata;
        struct Question *prev, *next;
} Question;

typedef struct LocalUser {
        uid_t user;
        unsigned n;             /* never 0 */
        struct LocalUser *prev, *next;
} LocalUser;

struct LocalUsers {
        Daemon *daemon;         /* borrowed */
        Question *questions;
        unsigned n_questions;
        LocalUser *list;
};

static void question_end(Question *question) {
        DL_DELETE(question->users->questions, question);
        question->users->n_questions--;
        sd_bus_slot_unref(question->slot);
        sd_bus_message_unref(question->m);
        free(question);
}

void local_users_forget(LocalUsers *users) {
        while (users->questions)
                question_end(users->questions);
}

LocalUsers *local_users_free(LocalUsers *users) {
        if (!users)
                return NULL;

        local_users_forget(users);
        while (users->list) {
                LocalUser *entry = users->list;

                DL_DELETE(users->list, entry);
                free(entry);
        }
        free(users);
        return NULL;
}

int local_users_new(LocalUsers **ret, Daemon *daemon) {
        LocalUsers *users = calloc(1, sizeof(*users));

        if (!users)
                return -ENOMEM;
        users->daemon = daemon;
        *ret = users;
        return 0;
}

static int question_on_answer(sd_bus_message *answer, void *userdata, sd_bus_error *unused) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Question *question = userdata;
        uint32_t user;
        int r;

        if (sd_bus_message_is_method_error(answer, NULL))
                r = -ESRCH;             /* it has gone */
        else
                r = sd_bus_message_read(answer, "u", &user);
        if (r >= 0)
                r = question->handler(question->userdata, question->m, user, &error);
        /* A reply that cannot be sent has nobody to read it. */
        if (r < 0)
                (void) sd_bus_reply_method_errno(question->m, r, &error);
        question_end(question);
        return 0;
}

int local_users_ask(LocalUsers *users, sd_bus_message *m, LocalUserHandler handler, void *userdata, sd_bus_error *error) {
        Question *question;
        int r;

        if (users->n_questions >= ASKING_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%u calls wait for the bus to say who makes them, "
                                         "no more are accepted just now.", users->n_questions);

        question = calloc(1, sizeof(*question));
        if (!question)
                return -ENOMEM;
        *question = (Question) { .users = users, .m = sd_bus_message_ref(m), .handler = handler, .userdata = userdata };
        DL_APPEND(users->questions, question);
        users->n_questions++;

        r = sd_bus_call_method_async(sd_bus_message_get_bus(m), &question->slot, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME,
                                     "GetConnectionUnixUser", question_on_answer, question, "s", sd_bus_message_get_sender(m));
        if (r < 0) {
                question_end(question);
                return r;
        }
        return 1;
}

static LocalUser *find(const LocalUsers *users, uid_t user) {
        LocalUser *entry;

        DL_FOREACH(users->list, entry)
                if (entry->user == user)
                        return entry;
        return NULL;
}

int local_users_take(LocalUsers *users, uid_t user, sd_bus_error *error) {
        LocalUser *entry = find(users, user);

        if (entry && entry->n >= users->daemon->config->subscriptions_max)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "User %u has %u subscriptions, streams and publishers, no more are accepted "
                                         "(limits.subscriptions).", (unsigned) user, entry->n);
        if (!entry) {
                entry = calloc(1, sizeof(*entry));
                if (!entry)
                        return -ENOMEM;
                entry->user = user;
                DL_APPEND(users->list, entry);
        }
        entry->n++;
        return 0;
}

void local_users_give(LocalUsers *users, uid_t user) {
        LocalUser *entry = find(users, user);

        assert(entry);

        if (--entry->n > 0)
                return;
        DL_DELETE(users->list, entry);
        free(entry);
}

int local_socket_reply(sd_bus_message *m, const char *name, bool read_only) {
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;

        if (read_only)
                (void) shutdown(fds[0], SHUT_RD);       /* before anybody has the other one */
        if (name)
                r = sd_bus_reply_method_return(m, "ha{sv}", fds[1], 2, "Version", "u", (uint32_t) STREAM_VERSION, "Name", "s", name);
        else
                r = sd_bus_reply_method_return(m, "ha{sv}", fds[1], 1, "Version", "u", (uint32_t) STREAM_VERSION);
        (void) close(fds[1]);           /* the message has one of its own */
        if (r < 0) {
                (void) close(fds[0]);
                return r;
        }
        return fds[0];
}
