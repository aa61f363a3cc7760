/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "conf/config.h"
#include "conf/seeds.h"
#include "p2pctl/ctl-bus.h"
#include "p2pctl/ctl-config.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

DEFINE_CLEANUP(DIR *, closedir)

/* The settings that all peers have in common, those of one instance, or those of all that have any of their own. */
static int check_instance(const ConfigPaths *paths, const char *instance, ConfigDiagnostics *diagnostics) {
        _cleanup_(config_freep) Config *config = NULL;
        int r;

        r = config_load(&config, paths, instance, diagnostics);
        return r == -EINVAL ? 0 : r;    /* it is in the diagnostics */
}

/* Where the daemons look that the options speak of. */
typedef struct Places {
        ConfigPaths paths;
        char *own, *run;        /* of the user; parts of @paths */
} Places;

static void places_done(Places *places) {
        free(places->run);
        free(places->own);
}

static int places_find(const Ctl *ctl, Places *ret) {
        const char *runtime_dir = secure_getenv("XDG_RUNTIME_DIR");
        _cleanup_(places_done) Places places = { .paths = CONFIG_PATHS_DEFAULT };

        if (ctl->user) {
                if (runtime_dir && asprintf(&places.run, "%s/p2pnet", runtime_dir) < 0)
                        return -ENOMEM;
                places.paths.own = places.own = config_own_directory();
                places.paths.run = places.run;
        }
        if (ctl->config_dir) {
                places.paths.own = NULL;
                places.paths.etc = ctl->config_dir;
                places.paths.vendor = NULL;     /* as the daemons take that option */
        }
        if (ctl->runtime_dir)
                places.paths.run = ctl->runtime_dir;

        *ret = places;
        places = (Places) {};
        return 0;
}

/* "peer@6001.conf.d" names an instance. */
static int add_configured(const char *directory, json_t *instances) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;

        if (!directory)
                return 0;
        dir = opendir(directory);
        if (!dir)
                return 0;       /* what is there and cannot be read was said when the main file was looked for */

        while ((entry = readdir(dir))) {
                _cleanup_free_ char *instance = NULL;
                size_t size = strlen(entry->d_name), n_suffix = strlen(".conf.d");

                if (size <= n_suffix || !streq(entry->d_name + size - n_suffix, ".conf.d"))
                        continue;
                instance = strndup(entry->d_name, size - n_suffix);
                if (!instance)
                        return -ENOMEM;
                if (config_instance_is_valid(instance) && json_object_set_new(instances, instance, json_true()) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int all_configured(const ConfigPaths *paths, json_t **ret) {
        _cleanup_(json_decrefp) json_t *instances = json_object();
        int r;

        if (!instances)
                return -ENOMEM;
        if ((r = add_configured(paths->own, instances)) < 0 ||
            (r = add_configured(paths->etc, instances)) < 0 ||
            (r = add_configured(paths->run, instances)) < 0 ||
            (r = add_configured(paths->vendor, instances)) < 0)
                return r;
        *ret = TAKE_PTR(instances);
        return 0;
}

int config_instances(const Ctl *ctl, json_t **ret) {
        _cleanup_(places_done) Places places = {};
        int r;

        r = places_find(ctl, &places);
        return r < 0 ? r : all_configured(&places.paths, ret);
}

static int check_every_instance(const ConfigPaths *paths, ConfigDiagnostics *diagnostics) {
        _cleanup_(json_decrefp) json_t *instances = NULL;
        const char *instance;
        json_t *value;
        int r;

        r = check_instance(paths, NULL, diagnostics);
        if (r >= 0)
                r = all_configured(paths, &instances);
        if (r < 0)
                return r;
        json_object_foreach(instances, instance, value) {
                r = check_instance(paths, instance, diagnostics);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* All that an instance reads when it starts; @instance is NULL for all instances. */
static int check_everything(const ConfigPaths *paths, const char *instance, ConfigDiagnostics *diagnostics) {
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;
        int r;

        r = instance ? check_instance(paths, instance, diagnostics) : check_every_instance(paths, diagnostics);
        if (r < 0)
                return r;

        r = seeds_config_load(&seeds, paths, diagnostics);
        return r == -EINVAL ? 0 : r;
}

static int print_json(const Ctl *ctl, const ConfigDiagnostics *diagnostics) {
        _cleanup_(json_decrefp) json_t *errors = json_array(), *warnings = json_array();

        for (size_t i = 0; i < diagnostics->n_items; i++)
                if (json_array_append_new(diagnostics->items[i].severity == CONFIG_ERROR ? errors : warnings,
                                          json_string(diagnostics->items[i].text)) < 0)
                        return -ENOMEM;
        return json_print(ctl, json_pack("{s:b, s:O, s:O}", "valid", diagnostics->n_errors == 0, "errors", errors,
                                         "warnings", warnings));
}

static void print_text(const Ctl *ctl, const ConfigDiagnostics *diagnostics) {
        for (size_t i = 0; i < diagnostics->n_items; i++)
                printf("%s%s\n", diagnostics->items[i].severity == CONFIG_ERROR ? "" : "warning: ",
                       diagnostics->items[i].text);
        if (diagnostics->n_dropped > 0)
                printf("And %zu more.\n", diagnostics->n_dropped);
        if (diagnostics->n_items == 0 && !ctl->quiet)
                printf("Nothing is wrong with the configuration.\n");
}

int verb_config(Ctl *ctl, size_t n_arguments, char **arguments) {
        const char *instance = n_arguments > 1 ? arguments[1] : ctl_asks_all(ctl) ? NULL : ctl->instance;
        _cleanup_(places_done) Places places = {};
        ConfigDiagnostics diagnostics = {};
        size_t n_errors;
        int r;

        if (!streq(arguments[0], "check")) {
                _cleanup_free_ char *text = output_text(arguments[0]);

                return ctl_fail(EXIT_USAGE, "unknown command 'config %s'. Did you mean 'config check'?", text ?: "?");
        }
        if (ctl->host || ctl->machine)
                return ctl_fail(EXIT_USAGE,
                                "config check reads the files of this host; -H and -M do not go with it.");
        if (instance && !config_instance_is_valid(instance)) {
                _cleanup_free_ char *text = output_text(instance);

                return ctl_fail(EXIT_USAGE, "'%s' is no instance: accepted is peer@PORT or seed@PORT.", text ?: "?");
        }
        r = places_find(ctl, &places);
        if (r >= 0)
                r = check_everything(&places.paths, instance, &diagnostics);
        if (r >= 0) {
                if (ctl->json != JSON_MODE_OFF)
                        r = print_json(ctl, &diagnostics);
                else
                        print_text(ctl, &diagnostics);
        }
        n_errors = diagnostics.n_errors;
        config_diagnostics_done(&diagnostics);
        if (r < 0)
                return r;
        return n_errors > 0 ? EXIT_FAILED : 0;
}
