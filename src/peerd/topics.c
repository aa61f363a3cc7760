/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/topics.h"

#include <errno.h>
#include <utlist.h>

#include "base/hash.h"

typedef struct Topic Topic;

struct Topic {
        UT_hash_handle hh;
        Topic *prev, *next;
        TopicCounts counts;
        size_t size;
        char name[];
};

struct Topics {
        Topic *by_name;
        Topic *recent;                  /* the one used last first */
        TopicCounts others;
};

static void counts_add(TopicCounts *counts, uint64_t n_messages, uint64_t n_bytes, usec_t last_usec) {
        counts->n_messages += n_messages;
        counts->n_bytes += n_bytes;
        counts->last_usec = MAX(counts->last_usec, last_usec);
}

static void topics_remove(Topics *topics, Topic *topic) {
        HASH_DELETE(hh, topics->by_name, topic);
        DL_DELETE(topics->recent, topic);
        free(topic);
}

int topics_new(Topics **ret) {
        Topics *topics;

        topics = calloc(1, sizeof(*topics));
        if (!topics)
                return -ENOMEM;
        *ret = topics;
        return 0;
}

Topics *topics_free(Topics *topics) {
        if (!topics)
                return NULL;

        while (topics->recent)
                topics_remove(topics, topics->recent);
        free(topics);
        return NULL;
}

static Topic *topics_add(Topics *topics, Slice name) {
        Topic *topic;

        if (topics_n(topics) >= TOPICS_MAX) {
                Topic *oldest = topics->recent->prev;   /* the list's head knows its tail */

                counts_add(&topics->others, oldest->counts.n_messages, oldest->counts.n_bytes, oldest->counts.last_usec);
                topics_remove(topics, oldest);
        }

        topic = calloc(1, sizeof(*topic) + name.size + 1);
        if (!topic)
                return NULL;
        topic->size = name.size;
        memcpy(topic->name, name.data, name.size);
        HASH_ADD_KEYPTR(hh, topics->by_name, topic->name, topic->size, topic);
        if (!table_added(topic)) {
                free(topic);
                return NULL;
        }
        DL_PREPEND(topics->recent, topic);
        return topic;
}

/* Mostly the one used last: no hash is needed to see that. */
static Topic *topics_find(const Topics *topics, Slice name) {
        Topic *topic = topics->recent;

        if (!topic || topic->size != name.size || memcmp(topic->name, name.data, name.size) != 0)
                HASH_FIND(hh, topics->by_name, name.data, name.size, topic);
        return topic;
}

void topics_count(Topics *topics, Slice name, size_t payload_size, usec_t now_usec) {
        Topic *topic = topics_find(topics, name);

        if (!topic)
                topic = topics_add(topics, name);
        else if (topic != topics->recent) {
                DL_DELETE(topics->recent, topic);
                DL_PREPEND(topics->recent, topic);
        }
        counts_add(topic ? &topic->counts : &topics->others, 1, payload_size, now_usec);
}

size_t topics_n(const Topics *topics) {
        return HASH_COUNT(topics->by_name);
}

static int compare_rows(const void *a, const void *b) {
        const TopicRow *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int topics_list(const Topics *topics, TopicRow **ret) {
        TopicRow *rows;
        size_t n = 0;

        rows = calloc(topics_n(topics) + 1, sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        for (const Topic *topic = topics->recent; topic; topic = topic->next)
                rows[n++] = (TopicRow) { topic->name, topic->counts };
        qsort(rows, n, sizeof(*rows), compare_rows);
        *ret = rows;
        return 0;
}

const TopicCounts *topics_others(const Topics *topics) {
        return &topics->others;
}
