/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/calls.h"

#include <errno.h>
#include <utlist.h>

#include "bus/error.h"
#include "bus/names.h"
#include "core/peer-node.h"
#include "daemon/notice.h"
#include "peerd/topology-bus.h"

typedef struct ConnectCall ConnectCall;

struct ConnectCall {
        sd_bus_message *m;
        Address address;
        LinkId link;                    /* of the dial; 0 before it, or when somebody else had begun it */
        usec_t deadline_usec;
        ConnectCall *prev, *next;
};

typedef struct TokenCall TokenCall;

/* Ping() or GetTopology(): the core answers with the token. */
struct TokenCall {
        sd_bus_message *m;
        uint64_t token;
        TokenCall *prev, *next;
};

struct Calls {
        Daemon *daemon;                 /* borrowed */
        ConnectCall *connects;          /* the oldest first, so that deadlines ascend */
        unsigned n_connects;
        TokenCall *pings, *crawls;      /* the core bounds their numbers */
        uint64_t n_tokens;
        sd_event_source *timer_source;
};

static void calls_arm(Calls *calls) {
        if (calls->connects)
                (void) sd_event_source_set_time(calls->timer_source, calls->connects->deadline_usec);
        (void) sd_event_source_set_enabled(calls->timer_source, calls->connects ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void connect_call_end(Calls *calls, ConnectCall *call) {
        DL_DELETE(calls->connects, call);
        calls->n_connects--;
        calls_arm(calls);

        sd_bus_message_unref(call->m);
        free(call);
}

static TokenCall *token_call_new(Calls *calls, TokenCall **list, sd_bus_message *m) {
        TokenCall *call = calloc(1, sizeof(*call));

        if (!call)
                return NULL;
        *call = (TokenCall) { .m = sd_bus_message_ref(m), .token = ++calls->n_tokens };
        DL_APPEND(*list, call);
        return call;
}

static void token_call_end(TokenCall **list, TokenCall *call) {
        DL_DELETE(*list, call);
        sd_bus_message_unref(call->m);
        free(call);
}

/* A reply that cannot be sent has nobody to read it. */
static void connect_call_succeed(Calls *calls, ConnectCall *call, const NodeId *id) {
        (void) sd_bus_reply_method_return(call->m, "so", NODE_ID_TEXT(id), PEER_PATH(id));
        connect_call_end(calls, call);
}

static void connect_call_fail(Calls *calls, ConnectCall *call, int code, const char *sentence) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) bus_error_set(&error, code, "%s: %s.", ADDRESS_TEXT(&call->address), sentence);
        (void) sd_bus_reply_method_error(call->m, &error);
        connect_call_end(calls, call);
}

void calls_forget(Calls *calls) {
        while (calls->connects)
                connect_call_end(calls, calls->connects);
        while (calls->pings)
                token_call_end(&calls->pings, calls->pings);
        while (calls->crawls)
                token_call_end(&calls->crawls, calls->crawls);
}

Calls *calls_free(Calls *calls) {
        if (!calls)
                return NULL;

        calls_forget(calls);
        sd_event_source_disable_unref(calls->timer_source);
        free(calls);
        return NULL;
}

/* ---- Connect ---- */

static bool find_linked(const Node *node, const Address *address, NodeId *ret) {
        for (size_t i = 0; i < node_n_members(node); i++) {
                MemberInfo info = node_member_at(node, i);

                if (!info.linked)
                        continue;
                for (size_t k = 0; k < info.record->n_addresses; k++)
                        if (address_equal(&info.record->addresses[k], address)) {
                                *ret = info.record->id;
                                return true;
                        }
        }
        return false;
}

/* A connection to that address would arrive here. */
static bool is_ourselves(const Links *links, const Address *address) {
        for (size_t i = 0; i < links_n_listening(links); i++) {
                const Address *ours = links_listening_at(links, i);

                if (address_equal(ours, address))
                        return true;
                if (address_is_wildcard(ours) && ours->family == address->family && ours->port == address->port &&
                    address_is_loopback(address))
                        return true;
        }
        return false;
}

int calls_connect(Calls *calls, sd_bus_message *m, const Address *address, sd_bus_error *error) {
        Node *node = calls->daemon->node;
        ConnectCall *call;
        NodeId id;
        int r;

        if (is_ourselves(calls->daemon->links, address))
                return bus_error_set(error, -ECONNREFUSED, "%s is this node itself.", ADDRESS_TEXT(address));
        if (find_linked(node, address, &id))
                return sd_bus_reply_method_return(m, "so", NODE_ID_TEXT(&id), PEER_PATH(&id));
        if (calls->n_connects >= CALLS_CONNECT_MAX)
                return bus_error_set(error, -EBUSY, "%u attempts are under way, no more are accepted.", calls->n_connects);

        r = peer_connect(node, address, daemon_now(calls->daemon));
        if (r == -EINVAL)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s is no address that can be dialled.",
                                         ADDRESS_TEXT(address));
        if (r == -EISCONN)
                return bus_error_set(error, -ECONNREFUSED, "%s is a seed, and this node is connected to it already; links are made "
                                     "to peers.", ADDRESS_TEXT(address));
        if (r < 0 && r != -EALREADY)
                return r;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        *call = (ConnectCall) {
                .m = sd_bus_message_ref(m),
                .address = *address,
                .deadline_usec = usec_add(daemon_now(calls->daemon), CALLS_CONNECT_USEC),
        };
        DL_APPEND(calls->connects, call);
        calls->n_connects++;
        calls_arm(calls);
        return 1;
}

static int calls_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Calls *calls = userdata;

        while (calls->connects && calls->connects->deadline_usec <= daemon_now(calls->daemon))
                connect_call_fail(calls, calls->connects, -ETIMEDOUT, "no answer in time");
        return 0;
}

static void calls_on_notice(Calls *calls, const Notice *notice) {
        ConnectCall *call, *next;

        DL_FOREACH_SAFE(calls->connects, call, next) {
                if (!address_equal(&call->address, &notice->address))
                        continue;
                if (notice->type == NOTICE_LINKED)
                        connect_call_succeed(calls, call, &notice->id);
                else if (notice->type == NOTICE_BUSY)
                        connect_call_fail(calls, call, -ECONNREFUSED, "the peer has enough links");
                else if (notice->type == NOTICE_SESSION_REFUSED)
                        connect_call_fail(calls, call, -EHOSTUNREACH, close_reason_to_phrase(notice->reason));
        }
}

/* ---- Ping ---- */

int calls_ping(Calls *calls, sd_bus_message *m, const NodeId *id, sd_bus_error *error) {
        TokenCall *call;
        int r;

        call = token_call_new(calls, &calls->pings, m);
        if (!call)
                return -ENOMEM;
        r = node_ping(calls->daemon->node, id, call->token, daemon_now(calls->daemon));
        if (r < 0)
                token_call_end(&calls->pings, call);
        if (r == -ESRCH)
                return bus_error_set(error, -ENODEV, "The peer has just been forgotten.");
        if (r == -EHOSTUNREACH)
                return bus_error_set(error, r, "No address of the peer is known.");
        if (r == -EBUSY)
                return bus_error_set(error, r, "64 pings are under way, no more are accepted.");
        return r < 0 ? r : 1;
}

static void calls_on_pong(Calls *calls, const Effect *effect) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        TokenCall *call;

        DL_SEARCH_SCALAR(calls->pings, call, token, effect->token);
        if (!call)
                return;         /* who asked has gone with its bus */

        if (effect->error == 0)
                (void) sd_bus_reply_method_return(call->m, "t", effect->rtt_usec);
        else {
                if (effect->error == -ETIMEDOUT)
                        (void) bus_error_set(&error, -ETIMEDOUT, "The peer does not answer.");
                else
                        (void) bus_error_set(&error, -EHOSTUNREACH, effect->error == -ECONNREFUSED ?
                                             "Nobody listens at the address of the peer." : "The peer cannot be reached.");
                (void) sd_bus_reply_method_error(call->m, &error);
        }
        token_call_end(&calls->pings, call);
}

/* ---- GetTopology ---- */

int calls_get_topology(Calls *calls, sd_bus_message *m, sd_bus_error *error) {
        TokenCall *call;
        int r;

        call = token_call_new(calls, &calls->crawls, m);
        if (!call)
                return -ENOMEM;
        r = peer_crawl(calls->daemon->node, call->token, daemon_now(calls->daemon));
        if (r < 0)
                token_call_end(&calls->crawls, call);
        if (r == -EBUSY)
                return bus_error_set(error, r, "64 callers wait for the topology, no more are accepted.");
        return r < 0 ? r : 1;
}

static void calls_on_crawled(Calls *calls, const Effect *effect) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const Topology *topology = peer_topology(calls->daemon->node);
        TokenCall *call;
        int r;

        DL_SEARCH_SCALAR(calls->crawls, call, token, effect->token);
        if (!call)
                return;         /* who asked has gone with its bus */

        r = effect->error < 0 || !topology ? -ESHUTDOWN : topology_bus_reply(call->m, calls->daemon, topology);
        if (r < 0) {
                (void) bus_error_set(&error, r, r == -ESHUTDOWN ? "The node is stopping." : "The answer could not be put together.");
                (void) sd_bus_reply_method_error(call->m, &error);
        }
        token_call_end(&calls->crawls, call);
}

/* ---- effects ---- */

void calls_on_effect(Calls *calls, const Effect *effect) {
        ConnectCall *call;

        switch (effect->type) {
        case EFFECT_DIAL:
                DL_FOREACH(calls->connects, call)
                        if (call->link == 0 && address_equal(&call->address, &effect->address))
                                call->link = effect->link;
                return;
        case EFFECT_PONG:
                calls_on_pong(calls, effect);
                return;
        case EFFECT_CRAWLED:
                calls_on_crawled(calls, effect);
                return;
        case EFFECT_NOTICE:
                calls_on_notice(calls, &effect->notice);
                return;
        case EFFECT_SEND:
        case EFFECT_MEASURE:
        case EFFECT_HANG_UP:
        case EFFECT_RESOLVE:
        case EFFECT_PERSIST:
        case EFFECT_DELIVER:
                return;
        }
}

void calls_on_settled(Calls *calls) {
        ConnectCall *call, *next;
        NodeId id;

        DL_FOREACH_SAFE(calls->connects, call, next) {
                if (call->link == 0 || links_has(calls->daemon->links, call->link))
                        continue;
                /* The dial is over. It may have found a node that we have another link to, which was kept. */
                if (find_linked(calls->daemon->node, &call->address, &id))
                        connect_call_succeed(calls, call, &id);
                else
                        connect_call_fail(calls, call, -EHOSTUNREACH, "no node of this network answers there");
        }
}

int calls_new(Calls **ret, Daemon *daemon) {
        _cleanup_(calls_freep) Calls *calls = NULL;
        int r;

        calls = calloc(1, sizeof(*calls));
        if (!calls)
                return -ENOMEM;
        calls->daemon = daemon;

        r = sd_event_add_time(daemon->event, &calls->timer_source, CLOCK_BOOTTIME, 0, 100 * USEC_PER_MSEC, calls_on_timer, calls);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(calls->timer_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(calls);
        return 0;
}
