/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "bus/connect.h"
#include "bus/error.h"
#include "bus/names.h"
#include "daemon/log.h"
#include "service/log-control.h"
#include "service/member-bus.h"
#include "service/node-bus.h"

#define CHANGES_INTERVAL_USEC USEC_PER_SEC

sd_bus *service_bus(const Service *service) {
        return service->connection ? bus_connection_bus(service->connection) : NULL;
}

void service_emit(Service *service, const char *member, const char *types, ...) {
        sd_bus *bus = service_bus(service);
        va_list ap;

        if (!bus)
                return;

        va_start(ap, types);
        (void) sd_bus_emit_signalv(bus, BUS_PATH_ROOT, service->interface, member, types, ap);
        va_end(ap);
}

int service_check_running(const Service *service, sd_bus_error *error) {
        if (!service->daemon->is_stopping)
                return 0;
        return bus_error_set(error, -ESHUTDOWN, "This node is about to stop.");
}

/* ---- properties ---- */

static void service_tell_changes(Service *service) {
        NodeState state = node_state(service->daemon->node);
        size_t n_alive = node_n_alive(service->daemon->node);
        const char *names[3] = {};
        size_t n = 0;

        if (state != service->state)
                names[n++] = "State";
        if (n_alive != service->n_alive)
                names[n++] = "PeerCount";
        service->state = state;
        service->n_alive = n_alive;
        service->changes_usec = daemon_now(service->daemon);

        if (n > 0 && service_bus(service))
                (void) sd_bus_emit_properties_changed_strv(service_bus(service), BUS_PATH_ROOT, service->interface,
                                                           (char **) names);
}

static int service_on_changes(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *service = userdata;

        service->is_armed = false;
        service_tell_changes(service);
        return 0;
}

static void service_changed(Service *service) {
        usec_t next_usec = usec_add(service->changes_usec, CHANGES_INTERVAL_USEC);

        if (service->is_armed)
                return;
        if (daemon_now(service->daemon) >= next_usec) {
                service_tell_changes(service);
                return;
        }
        service->is_armed = sd_event_source_set_time(service->changes_source, next_usec) >= 0 &&
                            sd_event_source_set_enabled(service->changes_source, SD_EVENT_ONESHOT) >= 0;
}

/* ---- signals ---- */

static void emit_state(Service *service, NodeState state) {
        service_emit(service, "StateChanged", "ss", node_state_to_string(state), node_state_to_string(service->state_signalled));
        service->state_signalled = state;
}

static void emit_seed(Service *service, const char *seed) {
        const Node *node = service->daemon->node;

        for (size_t i = 0; i < node_n_seeds(node); i++) {
                SeedInfo info = node_seed_at(node, i);
                char text[SEED_TEXT_MAX];

                if (!streq(seed_text_format(&info.entry, text), seed))
                        continue;
                service_emit(service, "SeedChanged", "ssss", seed, member_address_text(&info.address, (char[ADDRESS_TEXT_SIZE]){}),
                             seed_state_word(node, info.state), info.error);
                return;
        }
}

/* What was said about it, if anything: a sentence without the full stop. */
static const char *detail_of(const Notice *notice, char buffer[static DETAIL_MAX + 1]) {
        return isempty(notice->detail) ? "" : notice_reason(notice, buffer);
}
#define DETAIL_OF(notice) detail_of((notice), (char[DETAIL_MAX + 1]){})

static void emit_member(Service *service, const Notice *notice, const char *change, const char *reason) {
        const char *state = "alive", *direction = "-", *name = notice->name;
        char address[ADDRESS_TEXT_SIZE];
        MemberInfo info;

        (void) member_address_text(&notice->address, address);
        if (node_member(service->daemon->node, &notice->id, &info)) {
                state = member_state_word(&info);
                direction = member_direction_word(&info);
                if (isempty(address) && info.record->n_addresses > 0)
                        (void) member_address_text(info.record->addresses, address);
        }

        service_emit(service, "PeerChanged", "sosa{sv}", NODE_ID_TEXT(&notice->id), PEER_PATH(&notice->id), change, 5,
                     "Name", "s", name,
                     "Address", "s", address,
                     "State", "s", state,
                     "Direction", "s", direction,
                     "Reason", "s", reason);
}

static void emit_joined(Service *service, const Notice *notice) {
        const char *change = !notice->known ? "joined" : notice->restarted ? "restarted" : "registered";

        emit_member(service, notice, change, DETAIL_OF(notice));
        if (!notice->known)
                service_emit(service, "PeerJoined", "so", NODE_ID_TEXT(&notice->id), PEER_PATH(&notice->id));
}

static void emit_gone(Service *service, const Notice *notice, const char *change, const char *reason) {
        emit_member(service, notice, change, reason);
        service_emit(service, "PeerLeft", "sos", NODE_ID_TEXT(&notice->id), PEER_PATH(&notice->id), change);
}

/* On a seed "alive" means that it is back in the list; on a peer it was suspect, and nobody was told that it had gone. */
static void emit_alive(Service *service, const Notice *notice) {
        emit_member(service, notice, "alive", DETAIL_OF(notice));
        if (service->daemon->role == ROLE_SEED)
                service_emit(service, "PeerJoined", "so", NODE_ID_TEXT(&notice->id), PEER_PATH(&notice->id));
}

/* Why is said before what follows from it. */
static void remember_evidence(Service *service, const Notice *notice) {
        char text[EVIDENCE_TEXT_SIZE];

        service->accused = notice->id;
        (void) snprintf(service->evidence, sizeof(service->evidence), "%s", notice_evidence(notice, text));
}

static void emit_suspect(Service *service, const Notice *notice) {
        bool is_ours = isempty(notice->detail) && node_id_equal(&service->accused, &notice->id);

        emit_member(service, notice, "suspect", is_ours ? service->evidence : DETAIL_OF(notice));
}

static void emit_unlinked(Service *service, const Notice *notice) {
        emit_member(service, notice, "unlinked", notice_reason(notice, (char[DETAIL_MAX + 1]){}));
        member_bus_unlinked(service, &notice->id);
}

void service_on_notice(Service *service, const Notice *notice) {
        service_changed(service);

        switch (notice->type) {
        case NOTICE_STATE:
                emit_state(service, notice->state);
                return;

        case NOTICE_SEED_REGISTERED:
        case NOTICE_SEED_LOST:
        case NOTICE_SEED_UNREACHABLE:
        case NOTICE_SEED_LINKED:
        case NOTICE_SEED_UNLINKED:
                emit_seed(service, notice->seed);
                return;

        case NOTICE_JOINED:
        case NOTICE_REGISTERED:
                emit_joined(service, notice);
                return;
        case NOTICE_LEFT:
                emit_gone(service, notice, "left", DETAIL_OF(notice));
                return;
        case NOTICE_DEAD:
                emit_gone(service, notice, "dead", DETAIL_OF(notice));
                return;
        case NOTICE_REPORTED_DEAD:
                emit_gone(service, notice, "dead", "reported by peers, and it does not answer");
                return;
        case NOTICE_EXPIRED:
                emit_gone(service, notice, "lost", "did not renew its registration");
                return;
        case NOTICE_SILENT:
                remember_evidence(service, notice);
                return;
        case NOTICE_SUSPECT:
                emit_suspect(service, notice);
                return;
        case NOTICE_ALIVE:
                emit_alive(service, notice);
                return;
        case NOTICE_REPORT_FALSE:
                emit_member(service, notice, "kept", "reported dead, but it answers");
                return;

        case NOTICE_LINKED:
                emit_member(service, notice, "linked", DETAIL_OF(notice));
                member_bus_linked(service, &notice->id);
                return;
        case NOTICE_UNLINKED:
                emit_unlinked(service, notice);
                return;

        case NOTICE_GAP:
                service_emit(service, "Gap", "sttt", NODE_ID_TEXT(&notice->id), notice->first, notice->last, notice->count);
                return;

        case NOTICE_SESSION_REFUSED:
        case NOTICE_PROTOCOL_ERROR:
        case NOTICE_DUPLICATE_ID:
        case NOTICE_DUPLICATE_REFUSED:
        case NOTICE_EPOCH:
        case NOTICE_REFUTED:
        case NOTICE_CLOCK_JUMP:
        case NOTICE_BUSY:
        case NOTICE_REPORTER_IGNORED:
        case _NOTICE_INVALID:
                return;
        }
}

/* ---- life ---- */

static int service_on_attach(void *userdata, sd_bus *bus) {
        Service *service = userdata;
        int r;

        r = member_bus_attach(service, bus);
        if (r < 0)
                return r;
        r = log_control_attach(bus, service->authorizer);
        if (r < 0)
                return r;
        return service->handlers->attach(service, bus);
}

static void service_on_decided(void *userdata) {
        Service *service = userdata;

        daemon_release_ready(service->daemon);
}

static void service_on_detach(void *userdata) {
        Service *service = userdata;

        authorizer_forget(service->authorizer);
        service->handlers->detach(service);
}

int service_init(Service *service, Daemon *daemon, const char *choice, const char *fixed_name, const char *interface,
                 const ServiceHandlers *handlers) {
        static const BusConnectionHandlers connection_handlers = {
                .attach = service_on_attach,
                .detach = service_on_detach,
                .decided = service_on_decided,
        };
        int r;

        *service = (Service) {
                .daemon = daemon,
                .interface = interface,
                .handlers = handlers,
                .state = node_state(daemon->node),
                .state_signalled = node_state(daemon->node),
        };

        r = bus_errors_register();
        if (r >= 0)
                r = authorizer_new(&service->authorizer, BUS_GROUP);
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &service->changes_source, CLOCK_BOOTTIME, 0, 100 * USEC_PER_MSEC,
                                      service_on_changes, service);
        if (r >= 0)
                r = sd_event_source_set_enabled(service->changes_source, SD_EVENT_OFF);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to set up D-Bus: %m");
                return EX_OSERR;
        }

        daemon_hold_ready(daemon);
        r = bus_connection_new(&service->connection, daemon->event, choice, fixed_name, daemon->port, &connection_handlers, service);
        if (r == -EINVAL) {
                log_error("Found \"%s\", accepted as a bus are system, user, none, and a D-Bus address such as "
                          "unix:path=/run/x/bus.", choice ?: bus_choose());
                return EX_USAGE;
        }
        if (r < 0) {
                (void) log_error_errno(r, "Failed to set up D-Bus: %m");
                return EX_OSERR;
        }
        return 0;
}

void service_done(Service *service) {
        bus_connection_free(service->connection);
        authorizer_free(service->authorizer);
        sd_event_source_disable_unref(service->changes_source);
        *service = (Service) {};
}
