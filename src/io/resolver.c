/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The loop owns the questions; threads see only jobs: a name, and room for what was found. A job lies in "waiting" until a
 * thread takes it, and afterwards in "done" until the loop takes it. getaddrinfo() cannot be interrupted, so a thread may
 * outlive the resolver: what both sides use is counted, and the last one frees it.
 */

#include "io/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "io/clock.h"
#include "io/sockaddr.h"

#define STACK_SIZE ((size_t) 256 * 1024)        /* of a thread; NSS modules need more than the least */

typedef struct Job Job;

struct Job {
        uint64_t number;                /* of the question */
        char host[RESOLVER_HOST_MAX + 1];
        uint16_t port;
        Address addresses[RESOLVER_ADDRESSES_MAX];
        size_t n_addresses;
        int error;                      /* of getaddrinfo() */
        Job *prev, *next;
};

/* Of the loop and of the threads. */
typedef struct Shared {
        pthread_mutex_t mutex;
        pthread_cond_t cond;            /* a job waits, or it is time to go */
        unsigned n_ref;
        unsigned n_threads, n_idle;
        bool quit;
        Job *waiting, *done;
        int wake_fd;                    /* eventfd: something is done */
} Shared;

typedef struct Question Question;

struct Question {
        uint64_t number;
        uint64_t token;
        char host[RESOLVER_HOST_MAX + 1];
        uint16_t port;
        ResolverHandler handler;
        void *userdata;
        usec_t deadline_usec;
        Question *prev, *next;
};

struct Resolver {
        sd_event *event;                /* reference */
        Shared *shared;
        sd_event_source *wake_source;
        sd_event_source *timer_source;
        Question *questions;            /* the oldest first, so that deadlines ascend */
        size_t n_questions;
        uint64_t n_asked;
};

static void jobs_free(Job *jobs) {
        Job *job, *next;

        DL_FOREACH_SAFE(jobs, job, next)
                free(job);
}

/* The mutex is held, and released here. */
static void shared_unlock_and_unref(Shared *shared) {
        bool last = --shared->n_ref == 0;

        (void) pthread_mutex_unlock(&shared->mutex);
        if (!last)
                return;

        jobs_free(shared->waiting);
        jobs_free(shared->done);
        if (shared->wake_fd >= 0)
                (void) close(shared->wake_fd);
        (void) pthread_cond_destroy(&shared->cond);
        (void) pthread_mutex_destroy(&shared->mutex);
        free(shared);
}

static void shared_wake_loop(Shared *shared) {
        uint64_t one = 1;

        (void) !write(shared->wake_fd, &one, sizeof(one));      /* fails only when it is awake already */
}

/* ---- in a thread ---- */

static void job_run(Job *job) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
        struct addrinfo *results = NULL;

        job->error = getaddrinfo(job->host, NULL, &hints, &results);
        if (job->error != 0)
                return;

        for (struct addrinfo *i = results; i && job->n_addresses < RESOLVER_ADDRESSES_MAX; i = i->ai_next) {
                Address address = sockaddr_to_address(i->ai_addr);

                if (!address_is_set(&address))
                        continue;
                address.port = job->port;
                job->addresses[job->n_addresses++] = address;
        }
        freeaddrinfo(results);
}

static void *resolver_thread(void *userdata) {
        Shared *shared = userdata;

        (void) pthread_mutex_lock(&shared->mutex);
        while (!shared->quit) {
                Job *job = shared->waiting;

                if (!job) {
                        shared->n_idle++;
                        (void) pthread_cond_wait(&shared->cond, &shared->mutex);
                        shared->n_idle--;
                        continue;
                }

                DL_DELETE(shared->waiting, job);
                (void) pthread_mutex_unlock(&shared->mutex);
                job_run(job);
                (void) pthread_mutex_lock(&shared->mutex);

                DL_APPEND(shared->done, job);
                shared_wake_loop(shared);
        }

        shared_unlock_and_unref(shared);
        return NULL;
}

static void *resolver_thread_start(void *userdata) {
        (void) pthread_setname_np(pthread_self(), "resolver");
        return resolver_thread(userdata);
}

/* ---- in the loop ---- */

/* The mutex is held. Signals are for the loop's thread alone. */
static int shared_start_thread(Shared *shared) {
        pthread_attr_t attr;
        pthread_t thread;
        sigset_t all, old;
        int r;

        r = pthread_attr_init(&attr);
        if (r != 0)
                return -r;
        (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        (void) pthread_attr_setstacksize(&attr, STACK_SIZE);

        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &old);
        r = pthread_create(&thread, &attr, resolver_thread_start, shared);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        (void) pthread_attr_destroy(&attr);
        if (r != 0)
                return -r;

        shared->n_threads++;
        shared->n_ref++;
        return 0;
}

static const char *lookup_error_to_string(int error) {
        switch (error) {
        case 0:
        case EAI_NODATA:
                return "name has no address";
        case EAI_NONAME:
                return "name not known";
        case EAI_AGAIN:
                return "no name server answers";
        default:
                return gai_strerror(error);
        }
}

static void resolver_arm(Resolver *resolver) {
        if (resolver->questions)
                (void) sd_event_source_set_time(resolver->timer_source, resolver->questions->deadline_usec);
        (void) sd_event_source_set_enabled(resolver->timer_source, resolver->questions ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void resolver_answer(Resolver *resolver, Question *question, const Job *job, const char *detail) {
        DL_DELETE(resolver->questions, question);
        resolver->n_questions--;
        resolver_arm(resolver);

        question->handler(question->userdata, &(ResolverAnswer) {
                .token = question->token,
                .host = question->host,
                .port = question->port,
                .addresses = job ? job->addresses : NULL,
                .n_addresses = job ? job->n_addresses : 0,
                .detail = detail,
        });
        free(question);
}

static int resolver_on_wake(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Resolver *resolver = userdata;
        Shared *shared = resolver->shared;
        Job *done, *job, *next;
        uint64_t count;

        (void) !read(fd, &count, sizeof(count));

        (void) pthread_mutex_lock(&shared->mutex);
        done = shared->done;
        shared->done = NULL;
        (void) pthread_mutex_unlock(&shared->mutex);

        DL_FOREACH_SAFE(done, job, next) {
                Question *question;

                DL_SEARCH_SCALAR(resolver->questions, question, number, job->number);
                if (question)   /* else the answer comes too late */
                        resolver_answer(resolver, question, job,
                                        job->n_addresses > 0 ? "" : lookup_error_to_string(job->error));
                free(job);
        }
        return 0;
}

/* A question that is given up while no thread has taken its job must not keep a thread busy later. */
static void shared_withdraw(Shared *shared, uint64_t number) {
        Job *job;

        (void) pthread_mutex_lock(&shared->mutex);
        DL_SEARCH_SCALAR(shared->waiting, job, number, number);
        if (job) {
                DL_DELETE(shared->waiting, job);
                free(job);
        }
        (void) pthread_mutex_unlock(&shared->mutex);
}

static int resolver_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Resolver *resolver = userdata;
        usec_t now_usec = event_now(resolver->event);

        while (resolver->questions && resolver->questions->deadline_usec <= now_usec) {
                shared_withdraw(resolver->shared, resolver->questions->number);
                resolver_answer(resolver, resolver->questions, NULL, "looking up the name timed out");
        }
        resolver_arm(resolver);
        return 0;
}

int resolver_ask(Resolver *resolver, uint64_t token, const char *host, uint16_t port, ResolverHandler handler,
                 void *userdata) {
        Shared *shared = resolver->shared;
        _cleanup_free_ Question *question = NULL;
        _cleanup_free_ Job *job = NULL;
        int r = 0;

        if (isempty(host) || strlen(host) > RESOLVER_HOST_MAX)
                return -EINVAL;
        if (resolver->n_questions >= RESOLVER_QUESTIONS_MAX)
                return -EBUSY;

        question = calloc(1, sizeof(*question));
        job = calloc(1, sizeof(*job));
        if (!question || !job)
                return -ENOMEM;

        question->number = job->number = ++resolver->n_asked;
        question->token = token;
        question->port = job->port = port;
        (void) snprintf(question->host, sizeof(question->host), "%s", host);
        (void) snprintf(job->host, sizeof(job->host), "%s", host);
        question->handler = handler;
        question->userdata = userdata;
        question->deadline_usec = usec_add(event_now(resolver->event), RESOLVER_USEC);

        (void) pthread_mutex_lock(&shared->mutex);
        if (address_parse_host(host, port, &job->addresses[0]) >= 0) {
                job->n_addresses = 1;
                DL_APPEND(shared->done, job);
                shared_wake_loop(shared);
        } else {
                if (shared->n_idle == 0 && shared->n_threads < RESOLVER_THREADS_MAX)
                        r = shared_start_thread(shared);
                if (r >= 0 || shared->n_threads > 0) {
                        r = 0;
                        DL_APPEND(shared->waiting, job);
                        (void) pthread_cond_signal(&shared->cond);
                }
        }
        (void) pthread_mutex_unlock(&shared->mutex);
        if (r < 0)
                return r;

        (void) TAKE_PTR(job);
        DL_APPEND(resolver->questions, question);
        (void) TAKE_PTR(question);
        resolver->n_questions++;
        resolver_arm(resolver);
        return 0;
}

Resolver *resolver_free(Resolver *resolver) {
        Question *question, *next;

        if (!resolver)
                return NULL;

        DL_FOREACH_SAFE(resolver->questions, question, next)
                free(question);

        sd_event_source_disable_unref(resolver->timer_source);
        sd_event_source_disable_unref(resolver->wake_source);

        if (resolver->shared) {
                (void) pthread_mutex_lock(&resolver->shared->mutex);
                resolver->shared->quit = true;
                (void) pthread_cond_broadcast(&resolver->shared->cond);
                shared_unlock_and_unref(resolver->shared);
        }

        sd_event_unref(resolver->event);
        free(resolver);
        return NULL;
}

static int shared_new(Shared **ret) {
        Shared *shared;

        shared = calloc(1, sizeof(*shared));
        if (!shared)
                return -ENOMEM;

        (void) pthread_mutex_init(&shared->mutex, NULL);        /* neither of the two can fail on Linux */
        (void) pthread_cond_init(&shared->cond, NULL);
        shared->n_ref = 1;
        shared->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        *ret = shared;
        return 0;
}

int resolver_new(Resolver **ret, sd_event *event) {
        _cleanup_(resolver_freep) Resolver *resolver = NULL;
        int r;

        resolver = calloc(1, sizeof(*resolver));
        if (!resolver)
                return -ENOMEM;

        resolver->event = sd_event_ref(event);
        r = shared_new(&resolver->shared);
        if (r < 0)
                return r;
        if (resolver->shared->wake_fd < 0)
                return -EMFILE;

        r = sd_event_add_io(event, &resolver->wake_source, resolver->shared->wake_fd, EPOLLIN, resolver_on_wake, resolver);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &resolver->timer_source, CLOCK_BOOTTIME, 0, 100 * USEC_PER_MSEC, resolver_on_timer,
                              resolver);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(resolver->timer_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(resolver);
        return 0;
}
