/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service/member-bus.h"

#include <errno.h>

#include "bus/names.h"

/* ---- words ---- */

const char *member_state_word(const MemberInfo *info) {
        return info->lost ? "lost" : member_state_to_string(info->state);
}

const char *member_direction_word(const MemberInfo *info) {
        return !info->linked ? "-" : info->incoming ? "in" : "out";
}

usec_t member_since(const MemberInfo *info) {
        return info->linked ? MAX(info->since_usec, info->linked_usec) : info->since_usec;
}

const char *member_address_text(const Address *address, char buffer[static ADDRESS_TEXT_SIZE]) {
        if (!address_is_set(address))
                buffer[0] = 0;
        else
                (void) address_format(address, buffer);
        return buffer;
}

const char *member_best_address_text(const MemberInfo *info, char buffer[static ADDRESS_TEXT_SIZE]) {
        return member_address_text(info->record->n_addresses > 0 ? info->record->addresses : &(const Address) {}, buffer);
}

static int append_addresses(sd_bus_message *m, const Record *record) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < record->n_addresses; i++)
                r = sd_bus_message_append(m, "s", ADDRESS_TEXT(&record->addresses[i]));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* ---- rows ---- */

static int append_addresses_entry(sd_bus_message *m, const Record *record) {
        int r;

        if ((r = sd_bus_message_open_container(m, 'e', "sv")) < 0 ||
            (r = sd_bus_message_append(m, "s", "Addresses")) < 0 ||
            (r = sd_bus_message_open_container(m, 'v', "as")) < 0 ||
            (r = append_addresses(m, record)) < 0 ||
            (r = sd_bus_message_close_container(m)) < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int append_extra(sd_bus_message *m, const MemberInfo *info, Role role_of_daemon) {
        const Record *record = info->record;
        int r;

        if ((r = sd_bus_message_open_container(m, 'a', "{sv}")) < 0 ||
            (r = sd_bus_message_append(m, "{sv}{sv}{sv}", "Role", "s", role_to_string(record->role),
                                       "Epoch", "t", record->epoch, "Incarnation", "u", record->incarnation)) < 0 ||
            (r = append_addresses_entry(m, record)) < 0)
                return r;

        if (info->linked || role_of_daemon == ROLE_SEED) {
                r = sd_bus_message_append(m, "{sv}", "Links", "u", info->n_links);
                if (r < 0)
                        return r;
        }
        if (info->registered_usec > 0) {
                r = sd_bus_message_append(m, "{sv}", "RegisteredTimestamp", "t", info->registered_usec);
                if (r < 0)
                        return r;
        }
        if (info->lease_end_usec > 0 && info->lease_end_usec != USEC_INFINITY && !info->lost &&
            (info->state == MEMBER_ALIVE || info->state == MEMBER_SUSPECT)) {
                r = sd_bus_message_append(m, "{sv}", "LeaseTimestamp", "t", info->lease_end_usec);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int member_append_row(sd_bus_message *m, const MemberInfo *info, Role role_of_daemon) {
        const Record *record = info->record;
        char address[ADDRESS_TEXT_SIZE];
        int r;

        if ((r = sd_bus_message_open_container(m, 'r', "sossssttta{sv}")) < 0 ||
            (r = sd_bus_message_append(m, "sossssttt",
                                       NODE_ID_TEXT(&record->id),
                                       PEER_PATH(&record->id),
                                       record->name,
                                       member_best_address_text(info, address),
                                       member_state_word(info),
                                       member_direction_word(info),
                                       member_since(info),
                                       info->rtt_usec,
                                       info->heard_usec)) < 0 ||
            (r = append_extra(m, info, role_of_daemon)) < 0)
                return r;
        return sd_bus_message_close_container(m);
}

/* ---- objects ---- */

/* The node may have been forgotten since sd-bus found its object, but not within one call. */
static MemberInfo member_of_path(const Service *service, const char *path) {
        MemberInfo info = {};
        NodeId id;
        int r;

        r = peer_path_parse(path, &id);
        assert(r >= 0);
        (void) r;
        (void) node_member(service->daemon->node, &id, &info);
        return info;
}

static int property_get_id(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        MemberInfo info = member_of_path(userdata, path);

        return sd_bus_message_append(reply, "s", NODE_ID_TEXT(&info.record->id));
}

static int property_get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        MemberInfo info = member_of_path(userdata, path);
        char address[ADDRESS_TEXT_SIZE];
        const char *text;

        if (streq(property, "Name"))
                text = info.record->name;
        else if (streq(property, "Role"))
                text = role_to_string(info.record->role);
        else if (streq(property, "Address"))
                text = member_best_address_text(&info, address);
        else if (streq(property, "State"))
                text = member_state_word(&info);
        else
                text = member_direction_word(&info);
        return sd_bus_message_append(reply, "s", text);
}

static int property_get_addresses(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        MemberInfo info = member_of_path(userdata, path);

        return append_addresses(reply, info.record);
}

static int property_get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        MemberInfo info = member_of_path(userdata, path);
        uint64_t number;

        if (streq(property, "SinceTimestamp"))
                number = member_since(&info);
        else if (streq(property, "HeardTimestamp"))
                number = info.heard_usec;
        else if (streq(property, "RTTUSec"))
                number = info.rtt_usec;
        else
                number = info.record->epoch;
        return sd_bus_message_append(reply, "t", number);
}

static int property_get_incarnation(sd_bus *bus, const char *path, const char *interface, const char *property,
                                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        MemberInfo info = member_of_path(userdata, path);

        return sd_bus_message_append(reply, "u", info.record->incarnation);
}

static const sd_bus_vtable member_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", property_get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", property_get_text, 0, 0),
        SD_BUS_PROPERTY("Role", "s", property_get_text, 0, 0),
        SD_BUS_PROPERTY("Address", "s", property_get_text, 0, 0),
        SD_BUS_PROPERTY("Addresses", "as", property_get_addresses, 0, 0),
        SD_BUS_PROPERTY("State", "s", property_get_text, 0, 0),
        SD_BUS_PROPERTY("Direction", "s", property_get_text, 0, 0),
        SD_BUS_PROPERTY("SinceTimestamp", "t", property_get_number, 0, 0),
        SD_BUS_PROPERTY("HeardTimestamp", "t", property_get_number, 0, 0),
        SD_BUS_PROPERTY("RTTUSec", "t", property_get_number, 0, 0),
        SD_BUS_PROPERTY("Epoch", "t", property_get_number, 0, 0),
        SD_BUS_PROPERTY("Incarnation", "u", property_get_incarnation, 0, 0),
        SD_BUS_VTABLE_END
};

static int member_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *error) {
        Service *service = userdata;
        MemberInfo info;
        NodeId id;

        if (peer_path_parse(path, &id) < 0 || !node_member(service->daemon->node, &id, &info))
                return 0;
        *ret = service;
        return 1;
}

static void paths_freep(char ***paths) {
        for (char **p = *paths; p && *p; p++)
                free(*p);
        free(*paths);
}

/* The linked ones; a seed has no links. */
static int member_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        _cleanup_(paths_freep) char **paths = NULL;
        Service *service = userdata;
        const Node *node = service->daemon->node;
        size_t n = 0;

        for (size_t i = 0; i < node_n_members(node); i++)
                n += node_member_at(node, i).linked;

        paths = calloc(n + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;

        n = 0;
        for (size_t i = 0; i < node_n_members(node); i++) {
                MemberInfo info = node_member_at(node, i);

                if (!info.linked)
                        continue;
                paths[n] = strdup(PEER_PATH(&info.record->id));
                if (!paths[n++])
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(paths);
        return 1;
}

int member_bus_attach(Service *service, sd_bus *bus) {
        int r;

        r = sd_bus_add_object_manager(bus, NULL, BUS_PATH_ROOT);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(bus, NULL, BUS_PATH_PEERS, BUS_INTERFACE_PEER, member_vtable, member_find, service);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(bus, NULL, BUS_PATH_PEERS, member_enumerate, service);
}

void member_bus_linked(Service *service, const NodeId *id) {
        if (service_bus(service))
                (void) sd_bus_emit_object_added(service_bus(service), PEER_PATH(id));
}

void member_bus_unlinked(Service *service, const NodeId *id) {
        if (service_bus(service))
                (void) sd_bus_emit_object_removed(service_bus(service), PEER_PATH(id));
}
