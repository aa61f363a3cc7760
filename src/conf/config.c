/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <syslog.h>

#include "base/text.h"
#include "conf/config-text.h"

#define SEED_PREFIX "seed@"
#define PEER_PREFIX "peer@"

/* A seed holds a session with every peer that is registered with it, and remembers those that left for a day. */
#define SEED_CONNECTIONS_MAX 8192
#define SEED_RECORDS_MAX 32768

static CONFIG_PARSER(parse_profile) {
        const char *text;
        Profile profile;
        int r;

        r = config_get_text(item, setting, at, &text, diagnostics);
        if (r <= 0)
                return r;

        profile = profile_from_string(text);
        if (profile < 0) {
                config_fail(diagnostics, at, "found %s, accepted is \"local\", \"lan\", \"wan\" or \"classic\".",
                            CONFIG_FOUND(setting));
                return 0;
        }

        *(Profile *) field = profile;
        return 1;
}

/* An empty text is what the shipped file shows: nothing was chosen. */
static CONFIG_PARSER(parse_security_mode) {
        const char *text;
        int r;

        r = config_get_text(item, setting, at, &text, diagnostics);
        if (r <= 0)
                return r;

        if (streq(text, "psk") || streq(text, "keys")) {
                config_fail(diagnostics, at, "found %s, which is not available in this version; accepted is "
                            "\"none\".", CONFIG_FOUND(setting));
                return 0;
        }
        if (!isempty(text) && !streq(text, "none")) {
                config_fail(diagnostics, at, "found %s, accepted is \"none\".", CONFIG_FOUND(setting));
                return 0;
        }

        *(SecurityMode *) field = isempty(text) ? SECURITY_UNSET : SECURITY_NONE;
        return 1;
}

#define FIELD(field) offsetof(Config, field)

static const ConfigItem config_items[] = {
        { "network",                    config_parse_text,      FIELD(network),                       1,  64      },
        { "profile",                    parse_profile,          FIELD(profile),                       1,  64      },

        { "node.name",                  config_parse_text,      FIELD(node_name),                     0,  100     },
        { "node.tags",                  config_parse_tags,      FIELD(tags),                          0,  16      },

        { "listen.address",             config_parse_listen,    FIELD(listen),                        1,  8       },
        { "listen.advertise",           config_parse_advertise, FIELD(advertise),                     0,  4       },

        { "links.outgoing",             config_parse_unsigned,  FIELD(params.links_outgoing),         1,  64      },
        { "links.inbound",              config_parse_unsigned,  FIELD(params.links_inbound),          0,  256     },
        { "links.passive",              config_parse_unsigned,  FIELD(params.passive_max),            1,  1024    },

        { "liveness.interval-ms",       config_parse_msec,      FIELD(params.liveness_interval_usec), 50, 60000   },
        { "liveness.timeout-min-ms",    config_parse_msec,      FIELD(params.liveness_floor_usec),    10, 60000   },
        { "liveness.timeout-max-ms",    config_parse_msec,      FIELD(params.liveness_ceiling_usec),  10, 60000   },
        { "liveness.strikes",           config_parse_unsigned,  FIELD(params.liveness_strikes),       1,  10      },

        { "registration.lease-s",       config_parse_sec,       FIELD(params.lease_usec),             2,  86400   },
        { "registration.renew-s",       config_parse_sec,       FIELD(params.renew_usec),             1,  43200   },

        { "gossip.interval-ms",         config_parse_msec,      FIELD(params.hello_interval_usec),    10, 3600000 },
        { "gossip.count",               config_parse_unsigned,  FIELD(params.hello_count),            0,  1000000 },
        { "gossip.log-level",           config_parse_log_level, FIELD(gossip_log_level),              1,  64      },

        { "members.max",                config_parse_unsigned,  FIELD(params.members_max),            64, 1000000 },

        { "store.size-mib",             config_parse_mib,       FIELD(params.store_size_max),         1,  1024    },
        { "store.age-s",                config_parse_sec,       FIELD(params.store_age_usec),         10, 86400   },

        { "security.mode",              parse_security_mode,    FIELD(security_mode),                 0,  64      },
        { "security.accept-plaintext",  config_parse_bool,      FIELD(accept_plaintext),              0,  0       },

        { "limits.connections",         config_parse_unsigned,  FIELD(params.connections_max),        8,  65536   },
        { "limits.connections-per-address", config_parse_unsigned, FIELD(params.connections_per_host_max),
                                                                                                     1,  65536   },
        { "limits.handshakes",          config_parse_unsigned,  FIELD(params.handshakes_max),         1,  4096    },
        { "limits.records",             config_parse_unsigned,  FIELD(records_max),                   64, 1000000 },
        { "limits.lost-peers",          config_parse_unsigned,  FIELD(params.lost_max),               0,  4096    },
        { "limits.origins",             config_parse_unsigned,  FIELD(params.origins_max),            16, 65536   },
        { "limits.intervals",           config_parse_unsigned,  FIELD(params.intervals_max),          16, 65536   },
        { "limits.queue-kib",           config_parse_kib,       FIELD(params.queue_max),              64, 65536   },
        { "limits.subscriptions",       config_parse_unsigned,  FIELD(subscriptions_max),             1,  4096    },

        { "log.level",                  config_parse_log_level, FIELD(log_level),                     1,  64      },
};

#undef FIELD

#define N_ITEMS ELEMENTSOF(config_items)

const ConfigItem *config_all_items(size_t *ret_n_items) {
        *ret_n_items = N_ITEMS;
        return config_items;
}

/* Files on their way into a Config. */
typedef struct Loader {
        config_t parsed[CONFIG_FILES_MAX];
        const char *files[CONFIG_FILES_MAX];    /* names, borrowed */
        size_t n_parsed;
        ConfigOrigin origins[N_ITEMS];
        Config *config;                         /* borrowed */
        ConfigDiagnostics *diagnostics;         /* borrowed */
} Loader;

static void loader_free(Loader *loader) {
        for (size_t i = 0; i < loader->n_parsed; i++)
                config_destroy(loader->parsed + i);
        free(loader);
}
DEFINE_CLEANUP(Loader *, loader_free)

static int loader_parse(Loader *loader, const ConfigFiles *files) {
        for (size_t i = 0; i < files->n_items; i++) {
                const ConfigFile *file = files->items + i;
                config_t *parsed = loader->parsed + loader->n_parsed;
                int r;

                config_init(parsed);
                r = config_text_parse(parsed, file->path, file->text, file->size, loader->diagnostics);
                if (r < 0)
                        config_destroy(parsed);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0)
                        loader->files[loader->n_parsed++] = file->path;
        }
        return 0;
}

static size_t item_index(const char *path) {
        size_t i = 0;

        while (!streq(config_items[i].path, path))
                assert(++i < N_ITEMS);
        return i;
}

/* Where the item was set; all zeros when it was not. */
static const ConfigOrigin *loader_origin(const Loader *loader, const char *path) {
        return loader->origins + item_index(path);
}

static bool loader_has(const Loader *loader, const char *path) {
        return loader_origin(loader, path)->file != NULL;
}

static ConfigPosition loader_position(const Loader *loader, const char *path) {
        const ConfigOrigin *origin = loader_origin(loader, path);

        return (ConfigPosition) { .file = origin->file, .line = origin->line, .key = path };
}

/*
 * The profile comes before everything else, wherever it is written, because its numbers are what the other settings
 * change. Mistakes in it are reported when its turn comes among them, not here.
 */
static int loader_apply_profile(Loader *loader) {
        _cleanup_(config_diagnostics_done) ConfigDiagnostics unsaid = {};

        for (size_t i = 0; i < loader->n_parsed; i++) {
                const config_setting_t *setting = config_lookup(loader->parsed + i, "profile");
                int r;

                if (!setting)
                        continue;
                r = parse_profile(config_items + item_index("profile"), setting, &(ConfigPosition) {
                                          .file = loader->files[i],
                                          .line = setting->line,
                                          .key = "profile",
                                  }, &loader->config->profile, &unsaid);
                if (r < 0)
                        return r;
        }

        loader->config->params = params_of_profile(loader->config->profile);
        return 0;
}

static int loader_apply(Loader *loader) {
        for (size_t i = 0; i < loader->n_parsed; i++) {
                int r;

                r = config_items_apply(config_items, N_ITEMS, config_root_setting(loader->parsed + i),
                                       loader->files[i], NULL, loader->config, loader->origins, loader->diagnostics);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What one setting means for another. */
static void loader_derive(Loader *loader, bool is_seed) {
        Config *config = loader->config;
        Params *params = &config->params;

        if (is_seed) {
                params->members_max = config->records_max;
                if (!loader_has(loader, "limits.connections"))
                        params->connections_max = SEED_CONNECTIONS_MAX;
        }

        /* Whoever says how many greetings there are to be wants to see them. */
        if (loader_has(loader, "gossip.count"))
                params->hello_always = true;

        /* Without adaption one strike takes one interval, unless it was said otherwise. */
        if (!params->liveness_adaptive) {
                if (!loader_has(loader, "liveness.timeout-min-ms"))
                        params->liveness_floor_usec = params->liveness_interval_usec;
                if (!loader_has(loader, "liveness.timeout-max-ms"))
                        params->liveness_ceiling_usec =
                                MAX(params->liveness_interval_usec, params->liveness_floor_usec);
        }
}

/* Names the setting of a pair that was written by hand: that one is to be changed. */
static ConfigPosition loader_position_of(const Loader *loader, const char *first, const char *second) {
        return loader_position(loader, loader_has(loader, first) ? first : second);
}

static void loader_check_timing(Loader *loader) {
        const Params *params = &loader->config->params;

        if (params->liveness_floor_usec > params->liveness_ceiling_usec) {
                ConfigPosition at = loader_position_of(loader, "liveness.timeout-min-ms", "liveness.timeout-max-ms");

                config_fail(loader->diagnostics, &at,
                            "liveness.timeout-min-ms is %" PRIu64 " and liveness.timeout-max-ms is %" PRIu64
                            ", accepted is a maximum that is not below the minimum.",
                            params->liveness_floor_usec / USEC_PER_MSEC,
                            params->liveness_ceiling_usec / USEC_PER_MSEC);
        }

        /* A peer has to have a second chance before its lease ends. */
        if (params->renew_usec > params->lease_usec / 2) {
                ConfigPosition at = loader_position_of(loader, "registration.renew-s", "registration.lease-s");

                config_fail(loader->diagnostics, &at,
                            "registration.renew-s is %" PRIu64 " and registration.lease-s is %" PRIu64
                            ", accepted is a renewal after at most half of the lease.",
                            params->renew_usec / USEC_PER_SEC, params->lease_usec / USEC_PER_SEC);
        }
}

/* Nobody opens an unprotected port to others by accident: it takes two settings that say so. */
static void loader_check_security(Loader *loader) {
        const Config *config = loader->config;
        ConfigPosition at = loader_position(loader, "listen.address");

        if (config->security_mode == SECURITY_NONE && config->accept_plaintext)
                return;

        for (size_t i = 0; i < config->listen.n_items; i++) {
                Address address = config->listen.items[i];
                char *colon, text[ADDRESS_TEXT_SIZE];

                if (address_is_loopback(&address))
                        continue;

                (void) address_format(&address, text);
                colon = strrchr(text, ':');
                *colon = 0;             /* the port, which is 0 here */
                config_fail(loader->diagnostics, &at, "%s can be reached from other machines, and this version does "
                            "not encrypt. To accept that, set security = { mode = \"none\"; accept-plaintext = "
                            "true; }; else listen on \"127.0.0.1\" or \"::1\" only.", text);
        }
}

static Config *config_new_default(void) {
        _cleanup_(config_freep) Config *config = NULL;

        config = calloc(1, sizeof(*config));
        if (!config)
                return NULL;

        *config = (Config) {
                .network = strdup("p2pnet"),
                .profile = PROFILE_LAN,
                .listen = { .items = { address_ipv4((const uint8_t[]) { 127, 0, 0, 1 }, 0) }, .n_items = 1 },
                .log_level = LOG_INFO,
                .gossip_log_level = LOG_INFO,
                .subscriptions_max = 64,
                .records_max = SEED_RECORDS_MAX,
        };
        if (!config->network)
                return NULL;
        return TAKE_PTR(config);
}

int config_load_files(Config **ret, const ConfigFiles *files, const char *instance, ConfigDiagnostics *diagnostics) {
        bool is_seed = instance && strncmp(instance, SEED_PREFIX, strlen(SEED_PREFIX)) == 0;
        size_t n_errors = diagnostics->n_errors - files->n_refused;
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(loader_freep) Loader *loader = NULL;
        int r;

        config = config_new_default();
        loader = calloc(1, sizeof(*loader));
        if (!config || !loader)
                return -ENOMEM;
        loader->config = config;
        loader->diagnostics = diagnostics;

        r = loader_parse(loader, files);
        if (r < 0)
                return r;
        r = loader_apply_profile(loader);
        if (r < 0)
                return r;
        r = loader_apply(loader);
        if (r < 0)
                return r;
        loader_derive(loader, is_seed);

        /* After a mistake above a pair of settings may look wrong that is not. */
        if (diagnostics->n_errors == n_errors)
                loader_check_timing(loader);
        if (diagnostics->n_errors == n_errors)
                loader_check_security(loader);
        if (diagnostics->n_errors > n_errors)
                return -EINVAL;

        *ret = TAKE_PTR(config);
        return 0;
}

bool config_instance_is_valid(const char *instance) {
        uint16_t port;

        if (strncmp(instance, SEED_PREFIX, strlen(SEED_PREFIX)) != 0 &&
            strncmp(instance, PEER_PREFIX, strlen(PEER_PREFIX)) != 0)
                return false;

        instance += strlen(PEER_PREFIX);
        return instance[0] != '0' && parse_port(instance, &port) >= 0;
}

int config_load(Config **ret, const ConfigPaths *paths, const char *instance, ConfigDiagnostics *diagnostics) {
        char dropin[sizeof("peer@65535.conf.d")];
        const char *const dropins[] = { "p2pnet.conf.d", instance ? dropin : NULL, NULL };
        _cleanup_(config_files_freep) ConfigFiles *files = NULL;
        int r;

        if (instance) {
                if (!config_instance_is_valid(instance)) {
                        config_fail(diagnostics, &((ConfigPosition) { .key = instance }),
                                    "is not an instance, expected peer@PORT or seed@PORT.");
                        return -EINVAL;
                }
                (void) snprintf(dropin, sizeof(dropin), "%s.conf.d", instance);
        }

        r = config_files_read(&files, paths, "p2pnet.conf", dropins, diagnostics);
        if (r < 0)
                return r;
        return config_load_files(ret, files, instance, diagnostics);
}

void config_free(Config *config) {
        if (!config)
                return;

        free(config->network);
        free(config->node_name);
        config_tags_done(&config->tags);
        free(config);
}
