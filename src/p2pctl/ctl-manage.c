/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

/* A peer whose port is taken, or whose resolver is slow, may need a while for a reload. */
#define RELOAD_TIMEOUT_USEC (60 * USEC_PER_SEC)

/* ---- ping ---- */

int verb_ping(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *rtts = json_array();
        _cleanup_free_ char *peer = output_text(arguments[0]);
        uint64_t count = ctl->has_count ? ctl->count : 1;
        const Instance *instance;
        int r;

        if (!rtts || !peer)
                return -ENOMEM;
        r = ctl_select_one(ctl, TARGET_PEER, &instance);
        if (r != 0)
                return r;

        for (uint64_t i = 0; i < count; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                uint64_t rtt;

                if (i > 0)
                        (void) sleep(1);
                r = ctl_call(ctl, instance, "Ping", CALL_TIMEOUT_USEC, &reply, "s", arguments[0]);
                if (r != 0)
                        return r;
                r = sd_bus_message_read(reply, "t", &rtt);
                if (r < 0)
                        return r;
                if (json_array_append_new(rtts, json_u64(rtt)) < 0)
                        return -ENOMEM;
                if (ctl->json == JSON_MODE_OFF && !ctl->quiet) {
                        printf("%s answered %s in %s\n", peer, instance->text, DURATION_TEXT(rtt));
                        (void) fflush(stdout);
                }
        }

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:s, s:s, s:O}", "instance", instance->text, "peer", arguments[0],
                                                 "rttUSec", rtts));
        return 0;
}

/* ---- connect, disconnect ---- */

int verb_connect(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *linked = json_array();
        const Instance *instance;
        int r;

        if (!linked)
                return -ENOMEM;
        r = ctl_select_one(ctl, TARGET_PEER, &instance);
        if (r != 0)
                return r;

        for (size_t i = 0; i < n_arguments; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_free_ char *name = NULL, *escaped_name = NULL, *address = NULL;
                const char *id, *path;

                r = ctl_call(ctl, instance, "Connect", CALL_TIMEOUT_USEC, &reply, "s", arguments[i]);
                if (r != 0)
                        return r;
                r = sd_bus_message_read(reply, "so", &id, &path);
                if (r < 0)
                        return r;
                r = sd_bus_get_property_string(ctl->bus, instance->bus_name, path, BUS_INTERFACE_PEER, "Name", &error,
                                               &name);
                if (r < 0)
                        return ctl_report(ctl, instance, r, &error);

                if (json_array_append_new(linked, json_pack("{s:s, s:s, s:s}", "id", id, "name", name,
                                                            "address", arguments[i])) < 0)
                        return -ENOMEM;
                escaped_name = output_text(name);
                address = output_text(arguments[i]);
                if (!escaped_name || !address)
                        return -ENOMEM;
                if (ctl->json == JSON_MODE_OFF && !ctl->quiet)
                        printf("%s is linked to %s at %s\n", instance->text, escaped_name, address);
        }

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:s, s:O}", "instance", instance->text, "linked", linked));
        return 0;
}

int verb_disconnect(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *unlinked = json_array();
        const Instance *instance;
        int r;

        if (!unlinked)
                return -ENOMEM;
        r = ctl_select_one(ctl, TARGET_PEER, &instance);
        if (r != 0)
                return r;

        for (size_t i = 0; i < n_arguments; i++) {
                _cleanup_free_ char *peer = output_text(arguments[i]);

                if (!peer)
                        return -ENOMEM;
                r = ctl_call(ctl, instance, "Disconnect", CALL_TIMEOUT_USEC, NULL, "s", arguments[i]);
                if (r != 0)
                        return r;
                if (json_array_append_new(unlinked, json_string(arguments[i])) < 0)
                        return -ENOMEM;
                if (ctl->json == JSON_MODE_OFF && !ctl->quiet)
                        printf("%s is no longer linked to %s\n", instance->text, peer);
        }

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:s, s:O}", "instance", instance->text, "unlinked", unlinked));
        return 0;
}

/* ---- reload ---- */

/* Every instance is tried; the first failure is the exit status. */
int verb_reload(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *reloaded = json_array();
        _cleanup_free_ const Instance **instances = NULL;
        int r, status = 0;
        size_t n;

        if (!reloaded)
                return -ENOMEM;
        r = ctl_select(ctl, TARGET_ANY, &instances, &n);
        if (r != 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                r = ctl_call(ctl, instances[i], "Reload", RELOAD_TIMEOUT_USEC, NULL, "");
                if (r < 0)
                        return r;
                if (r > 0) {
                        status = status ?: r;
                        continue;
                }
                if (json_array_append_new(reloaded, json_string(instances[i]->text)) < 0)
                        return -ENOMEM;
                if (ctl->json == JSON_MODE_OFF && !ctl->quiet)
                        printf("%s has the new configuration\n", instances[i]->text);
        }

        if (ctl->json != JSON_MODE_OFF) {
                r = json_print(ctl, json_pack("{s:O}", "reloaded", reloaded));
                if (r < 0)
                        return r;
        }
        return status;
}

/* ---- log-level ---- */

static int log_level_parse(const char *text, const char **ret) {
        _cleanup_free_ char *escaped = NULL;
        const char *meant;

        for (size_t i = 0; i < ELEMENTSOF(log_levels); i++)
                if (streq(text, log_levels[i]) || (text[0] == (char) ('0' + i) && !text[1])) {
                        *ret = log_levels[i];
                        return 0;
                }

        escaped = output_text(text);
        meant = suggestion(text, log_levels, ELEMENTSOF(log_levels));
        return ctl_fail(EXIT_USAGE,
                        "unknown log level '%s'; accepted are "
                        "emerg, alert, crit, err, warning, notice, info, debug.%s%s%s",
                        escaped ?: "?", meant ? " Did you mean '" : "", meant ?: "", meant ? "'?" : "");
}

int verb_log_level(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *levels = json_object();
        _cleanup_free_ const Instance **instances = NULL;
        const char *wanted = NULL;
        size_t n;
        int r;

        if (!levels)
                return -ENOMEM;
        if (n_arguments > 0) {
                r = log_level_parse(arguments[0], &wanted);
                if (r != 0)
                        return r;
        }
        r = ctl_select(ctl, TARGET_ANY, &instances, &n);
        if (r != 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_free_ char *level = NULL, *escaped = NULL;

                if (wanted) {
                        r = sd_bus_set_property(ctl->bus, instances[i]->bus_name, BUS_PATH_LOG_CONTROL,
                                                BUS_INTERFACE_LOG_CONTROL, "LogLevel", &error, "s", wanted);
                        if (r < 0)
                                return ctl_report(ctl, instances[i], r, &error);
                }
                r = sd_bus_get_property_string(ctl->bus, instances[i]->bus_name, BUS_PATH_LOG_CONTROL,
                                               BUS_INTERFACE_LOG_CONTROL, "LogLevel", &error, &level);
                if (r < 0)
                        return ctl_report(ctl, instances[i], r, &error);
                if (json_object_set_new(levels, instances[i]->text, json_string(level)) < 0)
                        return -ENOMEM;
                escaped = output_text(level);
                if (!escaped)
                        return -ENOMEM;
                if (ctl->json == JSON_MODE_OFF && !ctl->quiet)
                        printf("%s%s%s\n", n > 1 ? instances[i]->text : "", n > 1 ? ": " : "", escaped);
        }

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:O}", "logLevel", levels));
        return 0;
}
