/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/ctl-bus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "p2pctl/output.h"

#define OTHERS_SHOWN_MAX 8U

const char *instance_interface(const Instance *instance) {
        return instance->seed ? BUS_INTERFACE_SEED : BUS_INTERFACE_MANAGER;
}

/* ---- instances ---- */

/* Return: 0, -errno. */
static int bus_list_instances(sd_bus *bus, Instance **ret, size_t *ret_n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ Instance *instances = NULL;
        size_t n = 0, n_allocated = 0;
        const char *name;
        int r;

        r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "ListNames",
                               NULL, &reply, "");
        if (r < 0)
                return r;

        r = sd_bus_message_enter_container(reply, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "s", &name)) > 0) {
                Instance instance;

                if (instance_from_bus_name(name, &instance) < 0)
                        continue;
                if (n >= n_allocated) {
                        Instance *more;

                        n_allocated = MAX(n_allocated * 2, (size_t) 16);
                        more = reallocarray(instances, n_allocated, sizeof(*instances));
                        if (!more)
                                return -ENOMEM;
                        instances = more;
                }
                instances[n++] = instance;
        }
        if (r < 0)
                return r;

        if (n > 0)
                qsort(instances, n, sizeof(*instances), instance_compare);
        *ret = TAKE_PTR(instances);
        *ret_n = n;
        return 0;
}

int ctl_find_instances(Ctl *ctl) {
        Instance *instances;
        size_t n;
        int r;

        r = bus_list_instances(ctl->bus, &instances, &n);
        if (r < 0)
                return r;

        free(ctl->instances);
        ctl->instances = instances;
        ctl->n_instances = n;
        return 0;
}

/* ---- choosing ---- */

static int ctl_fail_not_running(const Ctl *ctl, const InstanceFilter *filter) {
        const char *what = !filter->seeds ? "peer" : !filter->peers ? "seed" : "peer or seed";
        _cleanup_free_ char *how = ctl_start_command(ctl, filter);

        if (!how)
                return -ENOMEM;
        if (filter->port > 0)
                return ctl_fail(EXIT_NOT_RUNNING, "%s is not running on %s.\nStart it with: %s", ctl->instance,
                                ctl_host_text(ctl), how);
        if (!ctl->bus)
                return ctl_fail_no_bus(ctl);
        return ctl_fail(EXIT_NOT_RUNNING, "no %s is running on %s.\nStart one with: %s", what, ctl_host_text(ctl), how);
}

int ctl_select(Ctl *ctl, Target target, const Instance ***ret, size_t *ret_n) {
        InstanceFilter filter = { .peers = true, .seeds = target == TARGET_ANY };
        _cleanup_free_ const Instance **selected = NULL;
        size_t n = 0;
        int r;

        if (ctl->instance && instance_filter_parse(ctl->instance, &filter) < 0) {
                _cleanup_free_ char *text = output_text(ctl->instance);

                return ctl_fail(EXIT_USAGE, "'%s' is no instance: accepted is peer@PORT, seed@PORT, PORT, or 'all'.",
                                text ?: "?");
        }
        if (target == TARGET_PEER) {
                if (!filter.peers)
                        return ctl_fail(EXIT_USAGE, "%s is a seed; only peers do this.", ctl->instance);
                filter.seeds = false;
        }

        r = ctl_connect(ctl);
        if (r != 0)
                return r;

        selected = calloc(ctl->n_instances + 1, sizeof(*selected));
        if (!selected)
                return -ENOMEM;
        for (size_t i = 0; i < ctl->n_instances; i++)
                if (instance_matches(&ctl->instances[i], &filter))
                        selected[n++] = &ctl->instances[i];
        if (n == 0)
                return ctl_fail_not_running(ctl, &filter);

        *ret = TAKE_PTR(selected);
        *ret_n = filter.all ? n : 1;
        return 0;
}

int ctl_select_one(Ctl *ctl, Target target, const Instance **ret) {
        _cleanup_free_ const Instance **selected = NULL;
        size_t n;
        int r;

        r = ctl_select(ctl, target, &selected, &n);
        if (r != 0)
                return r;
        if (n > 1)
                return ctl_fail(EXIT_USAGE, "this is asked of one instance only: name it with -i, such as -i %s.",
                                selected[0]->text);

        *ret = selected[0];
        return 0;
}

bool ctl_asks_all(const Ctl *ctl) {
        return ctl->instance && streq(ctl->instance, "all");
}

void ctl_print_heading(const Ctl *ctl, const Instance *const *asked, size_t n_asked, size_t i) {
        if (n_asked > 1 && ctl->legend)
                printf("%s%s%s:%s\n", i > 0 ? "\n" : "", color_of(ctl, COLOR_BOLD), asked[i]->text,
                       color_of(ctl, COLOR_PLAIN));
}

void ctl_print_others(const Ctl *ctl, const Instance *const *asked, size_t n_asked) {
        size_t n = 0;

        /* Whoever named an instance knows of the others. */
        if (ctl->instance || !ctl->legend || ctl->quiet || ctl->json != JSON_MODE_OFF)
                return;

        for (size_t i = 0; i < ctl->n_instances; i++) {
                bool was_asked = false;

                for (size_t j = 0; j < n_asked; j++)
                        was_asked = was_asked || instance_compare(&ctl->instances[i], asked[j]) == 0;
                if (was_asked)
                        continue;
                if (n < OTHERS_SHOWN_MAX)
                        printf("%s%s", n == 0 ? "Also here: " : ", ", ctl->instances[i].text);
                n++;
        }
        if (n > OTHERS_SHOWN_MAX)
                printf(" and %zu more", n - OTHERS_SHOWN_MAX);
        if (n > 0)
                printf(" (-i NAME, -i all)\n");
}

/* ---- calling ---- */

int ctl_report(const Ctl *ctl, const Instance *instance, int r, const sd_bus_error *error) {
        const char *who = instance ? instance->text : "systemd";
        ExitStatus status = bus_error_to_exit_status(error);
        _cleanup_free_ char *sentence = NULL;
        const char *p;

        if (r == -ENOMEM)
                return r;
        if (!error || !sd_bus_error_is_set(error))
                return ctl_fail(r == -ECONNRESET || r == -ENOTCONN ? EXIT_NOT_RUNNING : EXIT_FAILED,
                                "cannot talk to %s: %s.", who, strerror(-r));

        /* Only an error of many lines, one for each mistake in the configuration, keeps its lines. */
        p = error->message ?: error->name;
        for (size_t size; *p; p += size + (p[size] == '\n')) {
                _cleanup_free_ char *line = NULL;
                char *joined;

                size = strcspn(p, "\n");
                line = text_escape(p, size);
                if (!line || asprintf(&joined, "%s%s%s", sentence ?: "", sentence ? "\n" : "", line) < 0)
                        return -ENOMEM;
                free(sentence);
                sentence = joined;
        }

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                return ctl_fail(EXIT_NOT_RUNNING,
                                "%s stopped before it answered; what was asked of it may have happened.",
                                who);
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
                return ctl_fail(EXIT_TIMED_OUT, "%s does not answer. If it hangs, its watchdog will restart it.",
                                who);
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return ctl_fail(EXIT_NOT_RUNNING, "%s is not running.", who);
        if (status == EXIT_NOT_PERMITTED)
                return ctl_fail(status, "%s refused: %s", who, sentence ?: "");
        return ctl_fail(status, "%s: %s", who, sentence ?: "");
}

int ctl_call(
                Ctl *ctl,
                const Instance *instance,
                const char *method,
                usec_t timeout_usec,
                sd_bus_message **ret,
                const char *types,
                ...) {

        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list arguments;
        int r;

        r = sd_bus_message_new_method_call(ctl->bus, &m, instance->bus_name, BUS_PATH_ROOT,
                                           instance_interface(instance), method);
        if (r < 0)
                return ctl_report(ctl, instance, r, NULL);

        va_start(arguments, types);
        r = sd_bus_message_appendv(m, types, arguments);
        va_end(arguments);
        if (r < 0)
                return r;

        r = sd_bus_call(ctl->bus, m, timeout_usec, &error, ret);
        if (r < 0)
                return ctl_report(ctl, instance, r, &error);
        return 0;
}

int ctl_get_all(
                Ctl *ctl,
                const Instance *instance,
                const char *path,
                const char *interface,
                sd_bus_message **ret) {

        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(ctl->bus, instance->bus_name, path, "org.freedesktop.DBus.Properties", "GetAll",
                               &error, ret, "s", interface);
        if (r < 0)
                return ctl_report(ctl, instance, r, &error);
        return 0;
}
