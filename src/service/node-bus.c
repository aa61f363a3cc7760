/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service/node-bus.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

#include "bus/choice.h"
#include "bus/error.h"
#include "bus/names.h"
#include "service/member-bus.h"

/* ---- properties ---- */

static const Daemon *daemon_of(void *userdata) {
        return ((Service *) userdata)->daemon;
}

NODE_BUS_GETTER(node_bus_get_node_id) {
        return sd_bus_message_append(reply, "s", NODE_ID_TEXT(&node_identity(daemon_of(userdata)->node)->id));
}

NODE_BUS_GETTER(node_bus_get_name) {
        return sd_bus_message_append(reply, "s", node_settings(daemon_of(userdata)->node)->name);
}

NODE_BUS_GETTER(node_bus_get_network) {
        return sd_bus_message_append(reply, "s", node_settings(daemon_of(userdata)->node)->network);
}

NODE_BUS_GETTER(node_bus_get_version) {
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

NODE_BUS_GETTER(node_bus_get_profile) {
        return sd_bus_message_append(reply, "s", profile_to_string(daemon_of(userdata)->config->profile));
}

NODE_BUS_GETTER(node_bus_get_port) {
        return sd_bus_message_append(reply, "q", daemon_of(userdata)->port);
}

NODE_BUS_GETTER(node_bus_get_started) {
        return sd_bus_message_append(reply, "t", node_started_usec(daemon_of(userdata)->node));
}

NODE_BUS_GETTER(node_bus_get_timestamp) {
        return sd_bus_message_append(reply, "t", daemon_now(daemon_of(userdata)));
}

NODE_BUS_GETTER(node_bus_get_epoch) {
        return sd_bus_message_append(reply, "t", node_identity(daemon_of(userdata)->node)->epoch);
}

NODE_BUS_GETTER(node_bus_get_state) {
        return sd_bus_message_append(reply, "s", node_state_to_string(node_state(daemon_of(userdata)->node)));
}

NODE_BUS_GETTER(node_bus_get_count) {
        return sd_bus_message_append(reply, "u", (uint32_t) node_n_alive(daemon_of(userdata)->node));
}

NODE_BUS_GETTER(node_bus_get_listening) {
        const Links *links = daemon_of(userdata)->links;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < links_n_listening(links); i++)
                r = sd_bus_message_append(reply, "s", ADDRESS_TEXT(links_listening_at(links, i)));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* ---- arguments ---- */

int node_bus_choose(const Service *service, const char *text, NodeId *ret, sd_bus_error *error) {
        const Node *node = service->daemon->node;
        PeerChoice choice = peer_choice(text);

        for (size_t i = 0; i < node_n_members(node); i++) {
                MemberInfo info = node_member_at(node, i);

                peer_choice_offer(&choice, &info.record->id, info.record->name, info.record->addresses,
                                  info.record->n_addresses,
                                  !info.lost && (info.state == MEMBER_ALIVE || info.state == MEMBER_SUSPECT));
        }
        return peer_choice_result(&choice, ret, error);
}

static int unknown_option(sd_bus_message *m, const char *key, const char *accepted, sd_bus_error *error) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Found the option '%.40s', accepted %s.", key, accepted);
}

int node_bus_read_no_options(sd_bus_message *m, sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'e', "sv");
        if (r < 0)
                return r;
        if (r > 0) {
                r = sd_bus_message_read(m, "s", &key);
                return r < 0 ? r : unknown_option(m, key, "are none yet", error);
        }
        return sd_bus_message_exit_container(m);
}

/* ---- ListPeers ---- */

typedef struct PeerFilter {
        bool all;               /* also those that are gone */
        bool has_linked, linked;
        const char *name;       /* pattern, borrowed from the message; NULL: any */
} PeerFilter;

static int filter_read_entry(PeerFilter *filter, sd_bus_message *m, sd_bus_error *error) {
        const char *key, *type;
        int linked, r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;

        if (streq(key, "Linked")) {
                if (!streq(type, "b"))
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "The filter 'Linked' has to be a boolean.");
                r = sd_bus_message_read(m, "v", "b", &linked);
                filter->has_linked = true;
                filter->linked = r >= 0 && linked;
                return r;
        }
        if (streq(key, "Name")) {
                if (!streq(type, "s"))
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "The filter 'Name' has to be a text.");
                return sd_bus_message_read(m, "v", "s", &filter->name);
        }
        return unknown_option(m, key, "are Linked and Name", error);
}

static int filter_read(PeerFilter *ret, sd_bus_message *m, sd_bus_error *error) {
        PeerFilter filter = {};
        uint64_t flags;
        int r;

        r = sd_bus_message_read(m, "t", &flags);
        if (r < 0)
                return r;
        if (flags & ~LIST_PEERS_ALL)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Found the flags 0x%llx, accepted are 0 and 1.",
                                         (unsigned long long) flags);
        filter.all = flags & LIST_PEERS_ALL;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = filter_read_entry(&filter, m, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = filter;
        return sd_bus_message_exit_container(m);
}

static bool filter_lets_pass(const PeerFilter *filter, const MemberInfo *info) {
        if (!filter->all && (info->lost || (info->state != MEMBER_ALIVE && info->state != MEMBER_SUSPECT)))
                return false;
        if (filter->has_linked && filter->linked != info->linked)
                return false;
        return !filter->name || fnmatch(filter->name, info->record->name, 0) == 0;
}

static int compare_names(const void *a, const void *b) {
        const MemberInfo *x = a, *y = b;
        int order = strcmp(x->record->name, y->record->name);

        return order != 0 ? order : node_id_compare(&x->record->id, &y->record->id);
}

int node_bus_list_peers(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ MemberInfo *infos = NULL;
        const Daemon *daemon = daemon_of(userdata);
        PeerFilter filter = {};
        size_t n = 0;
        int r;

        r = filter_read(&filter, m, error);
        if (r < 0)
                return r;

        infos = calloc(node_n_members(daemon->node) + 1, sizeof(*infos));
        if (!infos)
                return -ENOMEM;
        for (size_t i = 0; i < node_n_members(daemon->node); i++) {
                infos[n] = node_member_at(daemon->node, i);
                n += filter_lets_pass(&filter, &infos[n]);
        }
        qsort(infos, n, sizeof(*infos), compare_names);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(sossssttta{sv})");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = member_append_row(reply, &infos[i], daemon->role);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

int node_bus_get_peer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *text;
        NodeId id;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        r = node_bus_choose(userdata, text, &id, error);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, "o", PEER_PATH(&id));
}

/* ---- ListSeeds ---- */

const char *seed_text_format(const SeedEntry *entry, char buffer[static SEED_TEXT_MAX]) {
        (void) snprintf(buffer, SEED_TEXT_MAX, strchr(entry->host, ':') ? "[%s]:%u" : "%s:%u", entry->host, entry->port);
        return buffer;
}

const char *seed_state_word(const Node *node, SeedState state) {
        switch (state) {
        case SEED_STANDBY:
                return "standby";
        case SEED_RESOLVING:
        case SEED_CONNECTING:
                return "trying";
        case SEED_REGISTERED:
                return node_settings(node)->role == ROLE_SEED ? "linked" : "registered";
        case SEED_UNREACHABLE:
                return "unreachable";
        case SEED_SELF:
                return "self";
        case _SEED_STATE_MAX:
                break;
        }
        return "unknown";
}

static int append_seed(sd_bus_message *m, const Node *node, const SeedInfo *info) {
        char seed[SEED_TEXT_MAX], address[ADDRESS_TEXT_SIZE];
        int r;

        if ((r = sd_bus_message_open_container(m, 'r', "sssstta{sv}")) < 0 ||
            (r = sd_bus_message_append(m, "sssstt", seed_text_format(&info->entry, seed),
                                       member_address_text(&info->address, address), seed_state_word(node, info->state),
                                       info->error, (uint64_t) info->total,
                                       info->next_usec == USEC_INFINITY ? UINT64_C(0) : info->next_usec)) < 0 ||
            (r = sd_bus_message_open_container(m, 'a', "{sv}")) < 0)
                return r;
        if (!node_id_is_null(&info->id)) {
                r = sd_bus_message_append(m, "{sv}", "Id", "s", NODE_ID_TEXT(&info->id));
                if (r < 0)
                        return r;
        }
        if (!isempty(info->name)) {
                r = sd_bus_message_append(m, "{sv}", "Name", "s", info->name);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int node_bus_list_seeds(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Node *node = daemon_of(userdata)->node;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(sssstta{sv})");
        for (size_t i = 0; r >= 0 && i < node_n_seeds(node); i++) {
                SeedInfo info = node_seed_at(node, i);

                r = append_seed(reply, node, &info);
        }
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

/* ---- Reload ---- */

static int reload_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *reasons = NULL;
        Service *service = userdata;
        int r;

        r = service_check_running(service, error);
        if (r < 0)
                return r;

        r = daemon_reload(service->daemon, &reasons);
        if (r == -EINVAL)
                return bus_error_set(error, -EBADMSG, "%s", reasons ? reasons : "The configuration has a mistake.");
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, NULL);
}

int node_bus_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "reloading", reload_authorized, service, error);
}
