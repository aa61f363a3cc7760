/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "orderings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/random.h"

#define PORT 6000
#define BEGIN_USEC USEC_PER_SEC
#define WIRES_MAX 64U           /* dialled by one peer */
#define DEPTH_MAX 400U
#define DRAIN_MAX 10000U

typedef enum ItemType {
        ITEM_CONNECTED,
        ITEM_ACCEPTED,
        ITEM_FRAME,
        ITEM_CLOSED,
        ITEM_RESET,
} ItemType;

typedef struct Item Item;
struct Item {
        Item *next;
        ItemType type;
        FrameBuffer *frame;
};

typedef struct End {
        bool open;
        LinkId link;
        Item *first, *last;     /* on their way to this end */
} End;

typedef struct Wire {
        End ends[2];            /* of the caller, of the callee */
} Wire;

typedef struct World {
        const Ordering *ordering;
        EffectQueue effects;
        Node *nodes[2];
        uint64_t histories[2];
        Wire wires[2][WIRES_MAX];       /* by caller, in the order in which it dialled */
        unsigned n_wires[2];
        bool done[STIMULI_MAX];
        usec_t now_usec;
        unsigned n_suspected;
} World;

typedef struct State {
        UT_hash_handle hh;
        struct {
                uint64_t histories[2];
                bool done[STIMULI_MAX];
        } key;
} State;

typedef struct Search {
        const Ordering *ordering;
        usec_t settle_usec;
        State *seen;
        size_t path[DEPTH_MAX];
        OrderingResult result;
} Search;

static _noreturn_ void fail(const Search *search, size_t depth, const char *what) {
        fprintf(stderr, "%s; the order was:", what);
        for (size_t i = 0; i < depth; i++)
                fprintf(stderr, " %zu", search->path[i]);
        fputc('\n', stderr);
        abort();
}

static void *must(void *p) {
        if (!p)
                abort();
        return p;
}

static Address address_of(unsigned peer) {
        return address_ipv4((uint8_t[]) { 10, 0, 0, (uint8_t) (peer + 1) }, PORT);
}

static void note(World *world, unsigned peer, uint64_t what, uint64_t which, const void *data, size_t size) {
        static const SipKey zero;
        uint64_t words[5] = { world->histories[peer], world->now_usec, what, which, siphash24(data, size, &zero) };

        world->histories[peer] = siphash24(words, sizeof(words), &zero);
}

/* ---- the network ---- */

static void item_push(End *end, ItemType type, FrameBuffer *frame) {
        Item *item = must(calloc(1, sizeof(*item)));

        item->type = type;
        item->frame = frame ? frame_buffer_ref(frame) : NULL;
        if (end->last)
                end->last->next = item;
        else
                end->first = item;
        end->last = item;
}

static Item *item_pop(End *end) {
        Item *item = end->first;

        end->first = item->next;
        if (!end->first)
                end->last = NULL;
        return item;
}

static void item_free(Item *item) {
        frame_buffer_unref(item->frame);
        free(item);
}

/* To one end of a wire. A kernel resets what comes for nobody. */
static void wire_send(Wire *wire, unsigned side, ItemType type, FrameBuffer *frame) {
        if (wire->ends[side].open)
                item_push(wire->ends + side, type, frame);
        else if (wire->ends[!side].open && (type == ITEM_FRAME || type == ITEM_ACCEPTED))
                item_push(wire->ends + !side, ITEM_RESET, NULL);
}

/* Nobody holds that end any more: what is under way to it comes for nobody. */
static void wire_abandon(Wire *wire, unsigned side) {
        wire->ends[side].open = false;
        while (wire->ends[side].first) {
                Item *item = item_pop(wire->ends + side);

                wire_send(wire, side, item->type, NULL);
                item_free(item);
        }
}

static Wire *wire_find(World *world, unsigned peer, LinkId link, unsigned *ret_side) {
        for (unsigned caller = 0; caller < 2; caller++)
                for (unsigned i = 0; i < world->n_wires[caller]; i++) {
                        Wire *wire = world->wires[caller] + i;
                        unsigned side = caller != peer;

                        if (wire->ends[side].open && wire->ends[side].link == link) {
                                *ret_side = side;
                                return wire;
                        }
                }
        return NULL;
}

static void carry_out_dial(World *world, unsigned peer, const Effect *effect) {
        Address other = address_of(!peer);
        Wire *wire;

        assert(world->n_wires[peer] < WIRES_MAX);
        assert(address_equal(&effect->address, &other));

        wire = world->wires[peer] + world->n_wires[peer]++;
        wire->ends[0] = (End) { .open = true, .link = effect->link };
        wire->ends[1] = (End) { .open = true };
        item_push(wire->ends + 0, ITEM_CONNECTED, NULL);
        item_push(wire->ends + 1, ITEM_ACCEPTED, NULL);
}

static void carry_out_send(World *world, unsigned peer, LinkId link, const Effect *effect) {
        Node *node = world->nodes[peer];
        unsigned side;
        Wire *wire = wire_find(world, peer, link, &side);

        if (wire)
                wire_send(wire, !side, ITEM_FRAME, effect->frame);
        if (effect->is_data)
                assert(node_on_sent(node, link, effect->frame->size, 1, world->now_usec) == 0);
        if (effect->measure)
                assert(node_on_backlog(node, link, 0, world->now_usec) == 0);
}

static void settle(World *world, unsigned peer, int r) {
        Node *node = world->nodes[peer];
        Effect effect;

        assert(r == 0);
        while (node_pop_effect(node, &effect)) {
                unsigned side;
                Wire *wire;

                switch (effect.type) {

                case EFFECT_DIAL:
                        carry_out_dial(world, peer, &effect);
                        break;

                case EFFECT_SEND:
                        for (size_t i = 0; i < effect.n_links; i++)
                                carry_out_send(world, peer, effect.links[i], &effect);
                        break;

                case EFFECT_MEASURE:
                        assert(node_on_backlog(node, effect.link, 0, world->now_usec) == 0);
                        break;

                case EFFECT_HANG_UP:
                        wire = wire_find(world, peer, effect.link, &side);
                        if (wire) {
                                wire_send(wire, !side, ITEM_CLOSED, NULL);
                                wire_abandon(wire, side);
                        }
                        break;

                case EFFECT_NOTICE:
                        world->n_suspected += effect.notice.type == NOTICE_SUSPECT || effect.notice.type == NOTICE_DEAD;
                        break;

                case EFFECT_RESOLVE:
                case EFFECT_PERSIST:
                case EFFECT_DELIVER:
                case EFFECT_PONG:
                case EFFECT_CRAWLED:
                        break;
                }
                effect_release(&effect);
        }
}

static void hear(World *world, unsigned peer, LinkId link, const FrameBuffer *buffer) {
        Node *node = world->nodes[peer];
        Message *message = must(malloc(sizeof(*message)));
        Frame frame;

        assert(frame_decode(&frame, buffer->data, buffer->size, node_frame_size_max(node, link)) > 0);
        assert(message_decode(message, &frame) > 0);
        settle(world, peer, node_on_received(node, link, world->now_usec));
        settle(world, peer, node_on_message(node, link, message, world->now_usec));
        free(message);
}

/* What comes next to one end arrives. */
static void arrive(World *world, unsigned caller, unsigned number, unsigned side) {
        Wire *wire = world->wires[caller] + number;
        End *end = wire->ends + side;
        Item *item = item_pop(end);
        unsigned peer = side == 0 ? caller : !caller;
        Node *node = world->nodes[peer];
        Address remote = address_of(!peer);

        note(world, peer, item->type, (uint64_t) caller << 32 | number, item->frame ? item->frame->data : NULL,
             item->frame ? item->frame->size : 0);
        switch (item->type) {

        case ITEM_CONNECTED:
                settle(world, peer, node_on_link(node, end->link, LINK_CONNECTED, world->now_usec));
                break;

        case ITEM_ACCEPTED:
                end->link = 2 * (LinkId) number + 1;
                remote.port = (uint16_t) (40000 + number);
                settle(world, peer, node_on_accepted(node, end->link, &remote, world->now_usec));
                break;

        case ITEM_FRAME:
                hear(world, peer, end->link, item->frame);
                break;

        case ITEM_CLOSED:
        case ITEM_RESET:
                wire_abandon(wire, side);
                settle(world, peer, node_on_link(node, end->link, item->type == ITEM_RESET ? LINK_RESET : LINK_CLOSED,
                                                 world->now_usec));
                break;
        }
        item_free(item);

        /* What belongs to the broadcast changes no session: it comes with what it follows, or there would be many more orders of
         * the same. */
        if (end->open && end->first && end->first->type == ITEM_FRAME && end->first->frame->data[4] >= MESSAGE_GOSSIP)
                arrive(world, caller, number, side);
}

/* ---- choices ---- */

static void start(World *world, unsigned peer, const NodeIdentity *identity) {
        NodeSettings settings = {
                .role = ROLE_PEER, .network = "orderings", .port = PORT, .n_advertised = 1,
                .advertised = { address_of(peer) }, .params = params_of_profile(PROFILE_LAN),
        };
        int r;

        settings.params.hello_count = 0;
        settings.params.connections_max = 16;   /* more than the two ever have */
        (void) snprintf(settings.name, sizeof(settings.name), "peer-%u", peer);
        r = node_new(&world->nodes[peer], &settings, identity, &world->effects, 1 + peer);
        assert(r == 0);
        if (world->ordering->remember) {
                r = peer_set_lost(world->nodes[peer], &(LostPeer) { .address = address_of(!peer) }, 1);
                assert(r == 0);
        }
        settle(world, peer, node_start(world->nodes[peer], world->now_usec));
}

static void stimulate(World *world, const Stimulus *stimulus) {
        unsigned peer = stimulus->peer;
        Node *node = world->nodes[peer];
        Address other = address_of(!peer);
        NodeIdentity identity;
        int r;

        switch (stimulus->type) {

        case STIMULUS_DIAL:
                note(world, peer, UINT64_MAX, 0, NULL, 0);
                r = peer_connect(node, &other, world->now_usec);
                settle(world, peer, r == -EALREADY ? 0 : r);
                return;

        case STIMULUS_FORGET:
                note(world, peer, UINT64_MAX, 1, NULL, 0);
                for (unsigned caller = 0; caller < 2; caller++)
                        if (world->n_wires[caller] > 0 && world->wires[caller][0].ends[caller != peer].open) {
                                Wire *wire = world->wires[caller];
                                LinkId link = wire->ends[caller != peer].link;

                                wire_abandon(wire, caller != peer);
                                settle(world, peer, node_on_link(node, link, LINK_RESET, world->now_usec));
                                return;
                        }
                return;

        case STIMULUS_RESTART:
                note(world, peer, UINT64_MAX, 2, NULL, 0);
                identity = *node_identity(node);
                identity.epoch++;
                world->nodes[peer] = node_free(node);
                for (unsigned caller = 0; caller < 2; caller++)
                        for (unsigned i = 0; i < world->n_wires[caller]; i++)
                                wire_abandon(world->wires[caller] + i, caller != peer);
                start(world, peer, &identity);
                return;
        }
}

static size_t n_under_way(const World *world) {
        size_t n = 0;

        for (unsigned caller = 0; caller < 2; caller++)
                for (unsigned i = 0; i < world->n_wires[caller]; i++)
                        n += !!world->wires[caller][i].ends[0].first + !!world->wires[caller][i].ends[1].first;
        return n;
}

static size_t n_choices(const World *world) {
        size_t n = n_under_way(world);

        for (size_t i = 0; i < world->ordering->n_stimuli; i++)
                n += !world->done[i];
        return n;
}

/* Lets the @n-th thing that may come next happen: first all that is under way, then the stimuli. */
static void choose(World *world, size_t n) {
        for (unsigned caller = 0; caller < 2; caller++)
                for (unsigned i = 0; i < world->n_wires[caller]; i++)
                        for (unsigned side = 0; side < 2; side++)
                                if (world->wires[caller][i].ends[side].first && n-- == 0) {
                                        arrive(world, caller, i, side);
                                        return;
                                }
        for (size_t i = 0; i < world->ordering->n_stimuli; i++)
                if (!world->done[i] && n-- == 0) {
                        world->done[i] = true;
                        stimulate(world, world->ordering->stimuli + i);
                        return;
                }
        assert(false);
}

static bool drain(World *world) {
        for (unsigned n = 0; n < DRAIN_MAX; n++) {
                if (n_under_way(world) == 0)
                        return true;
                choose(world, 0);
        }
        return false;
}

/* Time goes on; what is sent arrives at once. */
static bool advance(World *world, usec_t duration_usec) {
        usec_t end_usec = world->now_usec + duration_usec;

        for (unsigned n = 0; n < DRAIN_MAX; n++) {
                unsigned peer = node_deadline(world->nodes[1]) < node_deadline(world->nodes[0]);
                usec_t deadline_usec = node_deadline(world->nodes[peer]);

                if (deadline_usec > end_usec) {
                        world->now_usec = end_usec;
                        return true;
                }
                world->now_usec = MAX(world->now_usec, deadline_usec);
                settle(world, peer, node_on_deadline(world->nodes[peer], world->now_usec));
                if (!drain(world))
                        return false;
        }
        return false;
}

static World *world_new(const Ordering *ordering) {
        World *world = must(calloc(1, sizeof(*world)));
        int r;

        world->ordering = ordering;
        world->now_usec = BEGIN_USEC;
        r = effect_queue_init(&world->effects);
        assert(r == 0);
        for (unsigned peer = 0; peer < 2; peer++)
                start(world, peer, ordering->identities + peer);
        if (ordering->linked) {
                stimulate(world, &(Stimulus) { STIMULUS_DIAL, 0 });
                assert(drain(world) && peer_n_links(world->nodes[0]) == 1 && peer_n_links(world->nodes[1]) == 1);
        }
        return world;
}

static World *world_free(World *world) {
        for (unsigned peer = 0; peer < 2; peer++) {
                node_free(world->nodes[peer]);
                for (unsigned i = 0; i < world->n_wires[peer]; i++)
                        for (unsigned side = 0; side < 2; side++)
                                while (world->wires[peer][i].ends[side].first)
                                        item_free(item_pop(world->wires[peer][i].ends + side));
        }
        effect_queue_done(&world->effects);
        free(world);
        return NULL;
}

/* ---- the search ---- */

static bool already_seen(Search *search, const World *world) {
        State *state = must(calloc(1, sizeof(*state))), *old;

        memcpy(state->key.histories, world->histories, sizeof(state->key.histories));
        memcpy(state->key.done, world->done, sizeof(state->key.done));
        HASH_FIND(hh, search->seen, &state->key, sizeof(state->key), old);
        if (old) {
                free(state);
                return true;
        }
        HASH_ADD(hh, search->seen, key, sizeof(state->key), state);
        return false;
}

static void check_end(Search *search, World *world, size_t depth) {
        unsigned n_new = 0;

        if (!advance(world, search->settle_usec))
                fail(search, depth, "It goes on for ever");
        for (unsigned peer = 0; peer < 2; peer++) {
                const NodeId *other = &node_identity(world->nodes[!peer])->id;
                MemberInfo info;

                if (node_n_sessions(world->nodes[peer]) != 1 || peer_n_links(world->nodes[peer]) != 1) {
                        fprintf(stderr, "Peer %u has %zu sessions and %u links, the other %zu and %u.\n", peer,
                                node_n_sessions(world->nodes[peer]), peer_n_links(world->nodes[peer]),
                                node_n_sessions(world->nodes[!peer]), peer_n_links(world->nodes[!peer]));
                        fail(search, depth, "There is not one session which is a link");
                }
                if (!node_member(world->nodes[peer], other, &info) || !info.linked || info.state != MEMBER_ALIVE)
                        fail(search, depth, "A peer does not hold the other as alive and linked");
                n_new += !node_id_equal(&node_identity(world->nodes[peer])->id, &search->ordering->identities[peer].id);
        }
        if (node_id_equal(&node_identity(world->nodes[0])->id, &node_identity(world->nodes[1])->id))
                fail(search, depth, "Both have one id");

        search->result.n_ends++;
        search->result.n_events_max = MAX(search->result.n_events_max, depth);
        search->result.n_suspected += world->n_suspected > 0;
        search->result.n_new_ids += n_new > 0;
        search->result.both_new |= n_new == 2;
}

/* A node cannot be copied: each state is reached from the beginning. */
static void follow(Search *search, size_t depth) {
        World *world = world_new(search->ordering);
        size_t n;

        if (depth >= DEPTH_MAX)
                fail(search, depth, "It goes on for ever while time stands still");
        for (size_t i = 0; i < depth; i++)
                choose(world, search->path[i]);

        n = n_choices(world);
        if (!already_seen(search, world)) {
                search->result.n_states++;
                for (size_t i = 0; i < n; i++) {
                        search->path[depth] = i;
                        follow(search, depth + 1);
                }
                if (n == 0)
                        check_end(search, world, depth);
        }
        world_free(world);
}

OrderingResult ordering_follow_all(const Ordering *ordering, usec_t settle_usec) {
        Search *search = must(calloc(1, sizeof(*search)));
        OrderingResult result;
        State *state, *next;

        search->ordering = ordering;
        search->settle_usec = settle_usec;
        follow(search, 0);
        result = search->result;
        HASH_ITER(hh, search->seen, state, next) {
                HASH_DELETE(hh, search->seen, state);
                free(state);
        }
        free(search);
        return result;
}

OrderingResult ordering_follow_some(const Ordering *ordering, usec_t settle_usec, unsigned n, uint64_t run) {
        Search *search = must(calloc(1, sizeof(*search)));
        Random random = random_from_run(run);
        OrderingResult result;

        search->ordering = ordering;
        search->settle_usec = settle_usec;
        for (unsigned i = 0; i < n; i++) {
                World *world = world_new(ordering);
                size_t depth = 0;

                for (size_t n_left; (n_left = n_choices(world)) > 0; depth++) {
                        if (depth >= DEPTH_MAX)
                                fail(search, depth, "It goes on for ever while time stands still");
                        search->path[depth] = random_below(&random, n_left);
                        choose(world, search->path[depth]);
                }
                check_end(search, world, depth);
                world_free(world);
        }
        result = search->result;
        free(search);
        return result;
}
