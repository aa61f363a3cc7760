/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/authorize.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

#define KNOWN_MAX 64U           /* callers remembered; the oldest makes room */
#define WAITING_MAX 256U        /* calls that wait for the bus to say who makes them */

typedef struct Waiting {
        sd_bus_message *m;
        const char *action;     /* static text */
        sd_bus_message_handler_t handler;
        void *userdata;
        struct Waiting *next;
} Waiting;

/* One question to the bus, and the calls of that sender that wait for the answer, the oldest first. */
typedef struct Question {
        Authorizer *authorizer;
        sd_bus_slot *slot;
        char *sender;
        Waiting *waiting;
        Waiting **waiting_end;
        struct Question *next;
} Question;

struct Authorizer {
        char *group_name;
        gid_t group;
        bool has_group;
        char *known[KNOWN_MAX]; /* a ring of unique names */
        unsigned next_known;
        Question *questions;
        unsigned n_waiting;
};

static Waiting *waiting_free(Waiting *waiting) {
        sd_bus_message_unref(waiting->m);
        free(waiting);
        return NULL;
}

static Waiting *question_take_waiting(Question *question) {
        Waiting *waiting = question->waiting;

        if (!waiting)
                return NULL;
        question->waiting = waiting->next;
        if (!question->waiting)
                question->waiting_end = &question->waiting;
        question->authorizer->n_waiting--;
        return waiting;
}

static void question_unlink(Question *question) {
        for (Question **p = &question->authorizer->questions; *p; p = &(*p)->next)
                if (*p == question) {
                        *p = question->next;
                        break;
                }
}

static Question *question_free(Question *question) {
        if (!question)
                return NULL;

        question_unlink(question);
        for (Waiting *waiting; (waiting = question_take_waiting(question));)
                waiting_free(waiting);
        sd_bus_slot_unref(question->slot);
        free(question->sender);
        free(question);
        return NULL;
}
DEFINE_CLEANUP(Question *, question_free)

int authorizer_new(Authorizer **ret, const char *group) {
        _cleanup_(authorizer_freep) Authorizer *authorizer = NULL;
        struct group *entry;

        authorizer = malloc(sizeof(*authorizer));
        if (!authorizer)
                return -ENOMEM;
        *authorizer = (Authorizer) {};

        authorizer->group_name = strdup(group ?: "(none)");
        if (!authorizer->group_name)
                return -ENOMEM;

        /* Once, at the start: a name service may take its time, and a daemon has none later. */
        entry = group ? getgrnam(group) : NULL;
        if (entry) {
                authorizer->group = entry->gr_gid;
                authorizer->has_group = true;
        }

        *ret = TAKE_PTR(authorizer);
        return 0;
}

void authorizer_forget(Authorizer *authorizer) {
        while (authorizer->questions)
                question_free(authorizer->questions);
        for (size_t i = 0; i < KNOWN_MAX; i++) {
                free(authorizer->known[i]);
                authorizer->known[i] = NULL;
        }
}

Authorizer *authorizer_free(Authorizer *authorizer) {
        if (!authorizer)
                return NULL;

        authorizer_forget(authorizer);
        free(authorizer->group_name);
        free(authorizer);
        return NULL;
}

static bool authorizer_knows(const Authorizer *authorizer, const char *sender) {
        for (size_t i = 0; i < KNOWN_MAX; i++)
                if (authorizer->known[i] && streq(authorizer->known[i], sender))
                        return true;
        return false;
}

/* Takes @sender over. */
static void authorizer_remember(Authorizer *authorizer, char *sender) {
        free(authorizer->known[authorizer->next_known]);
        authorizer->known[authorizer->next_known] = sender;
        authorizer->next_known = (authorizer->next_known + 1) % KNOWN_MAX;
}

/* The answer is an a{sv} with UnixUserID and, where the bus knows them, UnixGroupIDs. */
static int credentials_read(sd_bus_message *reply, uint32_t *ret_uid, gid_t group, bool *ret_in_group) {
        uint32_t uid = UINT32_MAX;
        bool in_group = false;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(reply, "s", &key);
                if (r < 0)
                        return r;
                if (streq(key, "UnixUserID"))
                        r = sd_bus_message_read(reply, "v", "u", &uid);
                else if (streq(key, "UnixGroupIDs")) {
                        const void *groups;
                        size_t size;

                        r = sd_bus_message_enter_container(reply, 'v', "au");
                        if (r < 0)
                                return r;
                        r = sd_bus_message_read_array(reply, 'u', &groups, &size);
                        if (r < 0)
                                return r;
                        for (size_t i = 0; i < size / sizeof(uint32_t); i++)
                                in_group = in_group || ((const uint32_t *) groups)[i] == group;
                        r = sd_bus_message_exit_container(reply);
                } else
                        r = sd_bus_message_skip(reply, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret_uid = uid;
        *ret_in_group = in_group;
        return 0;
}

static bool authorizer_lets_in(const Authorizer *authorizer, sd_bus_message *reply) {
        bool in_group;
        uint32_t uid;

        if (sd_bus_message_is_method_error(reply, NULL))
                return false;   /* the caller has gone, or the bus is going */
        if (credentials_read(reply, &uid, authorizer->group, &in_group) < 0 || uid == UINT32_MAX)
                return false;

        return uid == 0 || uid == geteuid() || (authorizer->has_group && in_group);
}

static void waiting_run(const Waiting *waiting, const Authorizer *authorizer, bool allowed) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (allowed)
                r = waiting->handler(waiting->m, waiting->userdata, &error);
        else
                r = sd_bus_error_setf(&error, SD_BUS_ERROR_ACCESS_DENIED,
                                      "%s needs root or membership of group %s.",
                                      waiting->action, authorizer->group_name);
        /* A reply that cannot be sent has nobody to read it. */
        if (r < 0 || sd_bus_error_is_set(&error))
                (void) sd_bus_reply_method_errno(waiting->m, r, &error);
}

static int question_on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(question_freep) Question *question = userdata;
        Authorizer *authorizer = question->authorizer;
        bool allowed = authorizer_lets_in(authorizer, reply);

        question_unlink(question);      /* ours alone now, whatever the calls do to the authorizer */
        for (Waiting *waiting; (waiting = question_take_waiting(question));) {
                waiting_run(waiting, authorizer, allowed);
                waiting_free(waiting);
        }
        if (allowed)
                authorizer_remember(authorizer, TAKE_PTR(question->sender));
        return 0;
}

static int question_ask(Authorizer *authorizer, sd_bus_message *m, const char *sender, Question **ret) {
        _cleanup_(question_freep) Question *question = NULL;
        int r;

        question = malloc(sizeof(*question));
        if (!question)
                return -ENOMEM;
        *question = (Question) { .authorizer = authorizer, .next = authorizer->questions };
        question->waiting_end = &question->waiting;
        authorizer->questions = question;

        question->sender = strdup(sender);
        if (!question->sender)
                return -ENOMEM;

        r = sd_bus_call_method_async(sd_bus_message_get_bus(m), &question->slot,
                                     "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionCredentials", question_on_answer, question, "s", sender);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(question);
        return 0;
}

int authorize(
                Authorizer *authorizer,
                sd_bus_message *m,
                const char *action,
                sd_bus_message_handler_t handler,
                void *userdata,
                sd_bus_error *error) {

        const char *sender = sd_bus_message_get_sender(m);
        Question *question;
        Waiting *waiting;
        int r;

        if (!sender)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "The caller has no name on the bus.");
        if (authorizer_knows(authorizer, sender))
                return handler(m, userdata, error);
        if (authorizer->n_waiting >= WAITING_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "%u calls wait for the bus to say who makes them, no more are accepted.",
                                         authorizer->n_waiting);

        for (question = authorizer->questions; question; question = question->next)
                if (streq(question->sender, sender))
                        break;
        if (!question) {
                r = question_ask(authorizer, m, sender, &question);
                if (r < 0)
                        return r;
        }

        waiting = malloc(sizeof(*waiting));
        if (!waiting)
                return -ENOMEM; /* a question nobody waits for does no harm */
        *waiting = (Waiting) {
                .m = sd_bus_message_ref(m),
                .action = action,
                .handler = handler,
                .userdata = userdata,
        };
        *question->waiting_end = waiting;
        question->waiting_end = &waiting->next;
        authorizer->n_waiting++;
        return 1;
}
