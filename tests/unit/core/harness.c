/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "harness.h"

#include <stdio.h>

#define LINKS_KEPT 1024U
#define SENT_KEPT 8192U
#define NOTICES_KEPT 512U
#define PONGS_KEPT 128U

typedef enum HarnessLinkState {
        LINK_UNUSED,
        LINK_BEING_DIALLED,
        LINK_IS_UP,
        LINK_IS_GONE,
} HarnessLinkState;

typedef struct HarnessLink {
        LinkId id;
        HarnessLinkState state;
        Address address;
        bool taken;                     /* a dial that harness_dialled() has handed out */
        bool deaf;
        bool silent;
        bool asked;                     /* a PING waits to be answered */
        uint64_t nonce;
        size_t n_ahead;
} HarnessLink;

typedef struct Sent {
        LinkId link;
        FrameBuffer *frame;             /* NULL: taken */
} Sent;

struct Harness {
        EffectQueue effects;
        Node *node;
        usec_t now;
        LinkId last_accepted;
        HarnessLink links[LINKS_KEPT];
        size_t n_links;
        Sent sent[SENT_KEPT];
        size_t sent_begin, n_sent;
        Notice notices[NOTICES_KEPT];
        size_t n_notices;
        Notice notice;                  /* handed out */
        Message message;
        FrameBuffer *taken;
        size_t n_deliveries;
        Delivery delivery;              /* the last one, with a reference of ours */
        size_t n_pongs;
        Effect pongs[PONGS_KEPT];
        Effect pong;                    /* handed out */
        unsigned n_crawled;
        int crawled_error;
        bool answering;
        NodeIdentity written, written_before;
        unsigned n_persisted[PERSIST_REGISTRY + 1];
        unsigned seeds[256];            /* the number under which "seed-<n>" is being resolved */
        size_t n_effects_max;
};

NodeSettings harness_settings(Role role, Profile profile) {
        NodeSettings settings = {
                .role = role,
                .network = HARNESS_NETWORK,
                .name = "under-test",
                .port = HARNESS_PORT,
                .n_advertised = 1,
                .advertised = { harness_address(250, HARNESS_PORT) },
                .params = params_of_profile(profile),
        };

        settings.params.liveness_in_step = true;        /* tests count intervals from the start */
        settings.params.turn_usec = 0;                  /* hundreds call while their clock stands still */
        return settings;
}

static HarnessLink *link_of(const Harness *harness, LinkId id) {
        for (size_t i = harness->n_links; i > 0; i--)
                if (harness->links[i - 1].id == id)
                        return (HarnessLink *) harness->links + i - 1;
        return NULL;
}

/* Links that are gone and that nobody will ask for give way; tests never come that far, fuzzing does. */
static HarnessLink *link_add(Harness *harness, LinkId id, HarnessLinkState state, const Address *address) {
        assert(!link_of(harness, id));

        if (harness->n_links == LINKS_KEPT) {
                size_t n = 0;

                for (size_t i = 0; i < LINKS_KEPT; i++)
                        if (harness->links[i].state != LINK_IS_GONE)
                                harness->links[n++] = harness->links[i];
                assert(n < LINKS_KEPT);
                harness->n_links = n;
        }
        harness->links[harness->n_links] = (HarnessLink) { .id = id, .state = state, .address = *address };
        return harness->links + harness->n_links++;
}

static void keep_sent(Harness *harness, LinkId link, FrameBuffer *frame) {
        if (harness->n_sent == SENT_KEPT)
                harness_drop_sent(harness);
        harness->sent[harness->n_sent++] = (Sent) { link, frame_buffer_ref(frame) };
}

static bool identity_covers(const NodeIdentity *written, const NodeId *id, uint64_t epoch) {
        return node_id_equal(&written->id, id) && epoch <= written->epoch;
}

/* Whatever becomes of this process, nobody may have heard of an id or epoch that the next one will not know of. */
static void check_is_written_down(const Harness *harness, const NodeId *id, uint64_t epoch) {
        assert(identity_covers(&harness->written, id, epoch) || identity_covers(&harness->written_before, id, epoch));
}

static void check_sent(Harness *harness, HarnessLink *link, const Message *message) {
        switch (message->type) {

        case MESSAGE_HELLO:
                check_is_written_down(harness, &message->hello.id, message->hello.epoch);
                break;

        case MESSAGE_HELLO_OK:
                check_is_written_down(harness, &message->hello_ok.id, message->hello_ok.epoch);
                break;

        case MESSAGE_REGISTER:
        case MESSAGE_REFUTE:
                check_is_written_down(harness, &message->reg.record.id, message->reg.record.epoch);
                break;

        case MESSAGE_PING:
                link->asked = harness->answering && !link->silent;
                link->nonce = message->ping.nonce;
                break;

        default:
                break;
        }
}

static void carry_out_send(Harness *harness, LinkId id, const Effect *effect) {
        HarnessLink *link = link_of(harness, id);
        Message *message = malloc(sizeof(*message));
        Frame frame;

        assert(message);
        assert(link && link->state == LINK_IS_UP);
        assert(frame_decode(&frame, effect->frame->data, effect->frame->size, FRAME_SIZE_MAX) == (ssize_t) effect->frame->size);
        assert(message_decode(message, &frame) == 1);
        check_sent(harness, link, message);
        free(message);
        keep_sent(harness, id, effect->frame);
        if (effect->is_data && !link->deaf)
                (void) node_on_sent(harness->node, id, effect->frame->size, 1, harness->now);
        if (effect->measure)
                (void) node_on_backlog(harness->node, id, link->n_ahead, harness->now);
}

static void carry_out(Harness *harness, Effect *effect) {
        HarnessLink *link = link_of(harness, effect->link);

        switch (effect->type) {

        case EFFECT_DIAL:
                assert(!link_id_is_accepted(effect->link));
                (void) link_add(harness, effect->link, LINK_BEING_DIALLED, &effect->address);
                break;

        case EFFECT_SEND:
                for (size_t i = 0; i < effect->n_links; i++)
                        carry_out_send(harness, effect->links[i], effect);
                break;

        case EFFECT_MEASURE:
                assert(link && link->state == LINK_IS_UP);
                (void) node_on_backlog(harness->node, effect->link, link->n_ahead, harness->now);
                break;

        case EFFECT_HANG_UP:
                assert(link && (link->state == LINK_IS_UP || link->state == LINK_BEING_DIALLED));
                link->state = LINK_IS_GONE;
                break;

        case EFFECT_RESOLVE: {
                unsigned number;

                if (sscanf(effect->resolve.host, "seed-%u", &number) == 1 && number < ELEMENTSOF(harness->seeds))
                        harness->seeds[number] = effect->resolve.seed;
                break;
        }

        case EFFECT_PERSIST:
                harness->n_persisted[effect->persist]++;
                if (effect->persist == PERSIST_IDENTITY) {
                        harness->written_before = harness->written;
                        harness->written = *node_identity(harness->node);
                }
                break;

        case EFFECT_DELIVER:
                harness->n_deliveries++;
                frame_buffer_unref(harness->delivery.frame);
                harness->delivery = effect->delivery;
                (void) frame_buffer_ref(harness->delivery.frame);
                break;

        case EFFECT_PONG:
                if (harness->n_pongs < PONGS_KEPT)
                        harness->pongs[harness->n_pongs++] = *effect;
                break;

        case EFFECT_CRAWLED:
                harness->n_crawled++;
                harness->crawled_error = effect->error;
                break;

        case EFFECT_NOTICE:
                if (harness->n_notices < NOTICES_KEPT)
                        harness->notices[harness->n_notices++] = effect->notice;
                break;
        }
}

static void drain(Harness *harness) {
        size_t n = 0;
        Effect effect;

        for (; node_pop_effect(harness->node, &effect); n++) {
                carry_out(harness, &effect);
                effect_release(&effect);
        }
        harness->n_effects_max = MAX(harness->n_effects_max, n);
}

static void settle(Harness *harness, int r) {
        assert(r == 0);
        drain(harness);

        for (size_t i = 0; harness->answering && i < harness->n_links; i++) {
                HarnessLink *link = harness->links + i;
                Message pong;

                if (!link->asked || link->state != LINK_IS_UP)
                        continue;
                link->asked = false;
                message_set(&pong, MESSAGE_PONG, ping, .nonce = link->nonce, .n_links = 4);
                harness_send(harness, link->id, &pong);
        }
}

Harness *harness_new(const NodeSettings *settings, uint8_t id) {
        return harness_new_run(settings, id, 1);
}

Harness *harness_new_run(const NodeSettings *settings, uint8_t id, uint64_t run) {
        NodeIdentity identity = { .id = harness_id(id), .epoch = HARNESS_EPOCH };
        Harness *harness = calloc(1, sizeof(*harness));
        int r;

        assert(harness);
        harness->now = HARNESS_START;
        harness->last_accepted = 1;
        harness->written = identity;
        r = effect_queue_init(&harness->effects);
        assert(r == 0);
        r = node_new(&harness->node, settings, &identity, &harness->effects, run);
        assert(r == 0);
        return harness;
}

Harness *harness_free(Harness *harness) {
        if (!harness)
                return NULL;

        harness_drop_sent(harness);
        frame_buffer_unref(harness->delivery.frame);
        frame_buffer_unref(harness->taken);
        node_free(harness->node);
        effect_queue_done(&harness->effects);
        free(harness);
        return NULL;
}

Node *harness_node(Harness *harness) {
        return harness->node;
}

void harness_settle(Harness *harness) {
        settle(harness, 0);
}

usec_t harness_now(const Harness *harness) {
        return harness->now;
}

void harness_start(Harness *harness) {
        settle(harness, node_start(harness->node, harness->now));
}

void harness_stop(Harness *harness) {
        settle(harness, node_stop(harness->node, harness->now));
}

void harness_set_seeds(Harness *harness, const uint8_t *numbers) {
        SeedEntry entries[SEEDS_MAX];
        size_t n = 0;

        for (; numbers[n] != 0; n++) {
                entries[n] = (SeedEntry) { .port = 5000 };
                (void) snprintf(entries[n].host, sizeof(entries[n].host), "seed-%u", numbers[n]);
        }
        settle(harness, node_set_seeds(harness->node, entries, n, harness->now));
}

/* ---- time ---- */

void harness_advance(Harness *harness, usec_t duration) {
        usec_t until = usec_add(harness->now, duration), last = 0;
        unsigned n = 0;

        for (usec_t due; (due = node_deadline(harness->node)) <= until;) {
                harness->now = MAX(harness->now, due);
                settle(harness, node_on_deadline(harness->node, harness->now));

                /* Whoever asks to be called again at once, and again, would keep a processor busy. */
                n = harness->now == last ? n + 1 : 0;
                last = harness->now;
                assert(n < 1000);
        }
        harness->now = until;
}

void harness_sleep(Harness *harness, usec_t duration) {
        harness->now += duration;
        settle(harness, node_on_deadline(harness->node, harness->now));
}

/* ---- connections ---- */

LinkId harness_accept(Harness *harness, const Address *remote) {
        harness->last_accepted += 2;
        (void) link_add(harness, harness->last_accepted, LINK_IS_UP, remote);
        settle(harness, node_on_accepted(harness->node, harness->last_accepted, remote, harness->now));
        return harness->last_accepted;
}

LinkId harness_call(Harness *harness, const Other *o) {
        Message message = harness_hello(o);
        LinkId link = harness_accept(harness, &o->remote);

        harness_send(harness, link, &message);
        return link;
}

LinkId harness_open(Harness *harness, const Other *o) {
        LinkId link = harness_call(harness, o);
        const Message *answer = harness_next(harness, link);

        return answer && answer->type == MESSAGE_HELLO_OK ? link : 0;
}

LinkId harness_dialled(Harness *harness, Address *ret) {
        for (size_t i = 0; i < harness->n_links; i++) {
                HarnessLink *link = harness->links + i;

                if (link->state != LINK_BEING_DIALLED || link->taken)
                        continue;
                link->taken = true;
                if (ret)
                        *ret = link->address;
                return link->id;
        }
        return 0;
}

bool harness_answer(Harness *harness, LinkId link, const Other *o, const Held *held) {
        Message message = harness_hello_ok(o, held);
        const Message *hello;

        harness_change(harness, link, LINK_CONNECTED);
        hello = harness_next(harness, link);
        if (!hello || hello->type != MESSAGE_HELLO)
                return false;
        harness_send(harness, link, &message);
        return true;
}

void harness_change(Harness *harness, LinkId id, LinkChange change) {
        HarnessLink *link = link_of(harness, id);

        if (!link || link->state == LINK_IS_GONE)
                return;
        link->state = change == LINK_CONNECTED ? LINK_IS_UP : LINK_IS_GONE;
        settle(harness, node_on_link(harness->node, id, change, harness->now));
}

bool harness_is_up(const Harness *harness, LinkId id) {
        const HarnessLink *link = link_of(harness, id);

        return link && link->state == LINK_IS_UP;
}

static size_t n_links_in(const Harness *harness, HarnessLinkState state) {
        size_t n = 0;

        for (size_t i = 0; i < harness->n_links; i++)
                n += harness->links[i].state == state;
        return n;
}

size_t harness_n_up(const Harness *harness) {
        return n_links_in(harness, LINK_IS_UP);
}

size_t harness_n_dialling(const Harness *harness) {
        return n_links_in(harness, LINK_BEING_DIALLED);
}

bool harness_asked_for(Harness *harness, uint8_t number) {
        return harness->seeds[number] != 0;
}

void harness_resolve(Harness *harness, uint8_t number, const Address *addresses, size_t n) {
        unsigned seed = harness->seeds[number];

        harness->seeds[number] = 0;
        settle(harness, node_on_resolved(harness->node, seed, addresses, n, n == 0 ? "no such name" : NULL, harness->now));
}

/* ---- messages ---- */

void harness_send(Harness *harness, LinkId link, const Message *message) {
        FrameBuffer *frame;
        int r;

        r = message_encode(&frame, message);
        assert(r == 0);
        harness_send_bytes(harness, link, frame->data, frame->size);
        frame_buffer_unref(frame);
}

void harness_send_bytes(Harness *harness, LinkId id, const uint8_t *data, size_t size) {
        HarnessLink *link = link_of(harness, id);
        Message *message;

        if (!link || link->state != LINK_IS_UP)
                return;
        message = malloc(sizeof(*message));
        assert(message);

        settle(harness, node_on_received(harness->node, id, harness->now));
        while (size > 0 && link->state == LINK_IS_UP) {
                Frame frame;
                ssize_t n = frame_decode(&frame, data, size, node_frame_size_max(harness->node, id));
                int r;

                if (n == 0)
                        break;
                if (n < 0) {
                        settle(harness, node_on_malformed(harness->node, id, (int) n, harness->now));
                        break;
                }
                r = message_decode(message, &frame);
                if (r < 0)
                        settle(harness, node_on_malformed(harness->node, id, r, harness->now));
                else if (r == 0)
                        settle(harness, node_on_unknown(harness->node, id, frame.type, harness->now));
                else
                        settle(harness, node_on_message(harness->node, id, message, harness->now));
                data += n;
                size -= (size_t) n;
                link = link_of(harness, id);
                assert(link);
        }
        free(message);
}

void harness_set_reading(Harness *harness, LinkId id, bool reading) {
        HarnessLink *link = link_of(harness, id);

        if (link)
                link->deaf = !reading;
}

void harness_set_answering(Harness *harness, bool answering) {
        harness->answering = answering;
}

void harness_set_silent(Harness *harness, LinkId id) {
        HarnessLink *link = link_of(harness, id);

        if (link)
                link->silent = true;
}

void harness_set_backlog(Harness *harness, LinkId id, size_t n_ahead) {
        HarnessLink *link = link_of(harness, id);

        if (link)
                link->n_ahead = n_ahead;
}

const Message *harness_next(Harness *harness, LinkId link) {
        while (harness->sent_begin < harness->n_sent && !harness->sent[harness->sent_begin].frame)
                harness->sent_begin++;
        for (size_t i = harness->sent_begin; i < harness->n_sent; i++) {
                Sent *sent = harness->sent + i;
                Frame frame;

                if (!sent->frame || sent->link != link)
                        continue;
                frame_buffer_unref(harness->taken);
                harness->taken = TAKE_PTR(sent->frame);
                (void) frame_decode(&frame, harness->taken->data, harness->taken->size, FRAME_SIZE_MAX);
                (void) message_decode(&harness->message, &frame);
                return &harness->message;
        }
        return NULL;
}

const Message *harness_find(Harness *harness, LinkId link, MessageType type) {
        const Message *message;

        while ((message = harness_next(harness, link)))
                if (message->type == type)
                        return message;
        return NULL;
}

void harness_drop_sent(Harness *harness) {
        for (size_t i = 0; i < harness->n_sent; i++)
                frame_buffer_unref(harness->sent[i].frame);
        harness->n_sent = harness->sent_begin = 0;
}

/* ---- what else the node wanted ---- */

const Notice *harness_notice(Harness *harness, NoticeType type) {
        for (size_t i = 0; i < harness->n_notices; i++)
                if (harness->notices[i].type == type) {
                        harness->notice = harness->notices[i];
                        harness->n_notices--;
                        memmove(harness->notices + i, harness->notices + i + 1,
                                (harness->n_notices - i) * sizeof(*harness->notices));
                        return &harness->notice;
                }
        return NULL;
}

unsigned harness_n_persisted(const Harness *harness, PersistWhat what) {
        return harness->n_persisted[what];
}

const Delivery *harness_delivery(Harness *harness) {
        return harness->n_deliveries > 0 ? &harness->delivery : NULL;
}

size_t harness_n_deliveries(const Harness *harness) {
        return harness->n_deliveries;
}

const Effect *harness_pong(Harness *harness) {
        if (harness->n_pongs == 0)
                return NULL;

        harness->pong = harness->pongs[0];
        memmove(harness->pongs, harness->pongs + 1, --harness->n_pongs * sizeof(*harness->pongs));
        return &harness->pong;
}

unsigned harness_n_crawled(Harness *harness, int *ret_error) {
        unsigned n = harness->n_crawled;

        harness->n_crawled = 0;
        *ret_error = harness->crawled_error;
        return n;
}

size_t harness_n_effects_max(const Harness *harness) {
        return harness->n_effects_max;
}
