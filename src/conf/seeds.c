/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/seeds.h"

#include <errno.h>
#include <stdio.h>

#include "base/address.h"
#include "conf/config-item.h"
#include "conf/config-text.h"

#define HOST_SIZE_MAX 253       /* of a name in the DNS */

static int host_from_address(const Address *address, char **ret) {
        char buffer[ADDRESS_TEXT_SIZE];
        char *begin = address_format(address, buffer), *end = strrchr(buffer, ':');

        if (!address_is_dialable(address))
                return -EINVAL;

        if (begin[0] == '[') {
                begin++;
                end--;
        }
        *end = 0;

        *ret = strdup(begin);
        return *ret ? 0 : -ENOMEM;
}

/* A label of digits, or of 0x and hexadecimal digits: what ends in one is read as an address, RFC 3696, 2. */
static bool label_is_number(const char *label, size_t size) {
        if (size > 2 && label[0] == '0' && label[1] == 'x')
                return strspn(label + 2, "0123456789abcdef") >= size - 2;
        return strspn(label, "0123456789") >= size;
}

static bool host_is_name(const char *host) {
        size_t size = strlen(host), end, begin;

        if (size == 0 || size > HOST_SIZE_MAX || strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != size ||
            host[0] == '.' || host[0] == '-' || strstr(host, ".."))
                return false;

        end = size - (host[size - 1] == '.');
        for (begin = end; begin > 0 && host[begin - 1] != '.'; begin--)
                ;
        return !label_is_number(host + begin, end - begin);
}

int seed_host_normalize(const char *text, char **ret) {
        _cleanup_free_ char *host = NULL;
        Address address;

        if (address_parse_host(text, 1, &address) >= 0)
                return host_from_address(&address, ret);

        host = strdup(text);
        if (!host)
                return -ENOMEM;
        for (char *p = host; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p |= 0x20;
        if (!host_is_name(host))
                return -EINVAL;

        *ret = TAKE_PTR(host);
        return 0;
}

static CONFIG_PARSER(parse_host) {
        char **target = field, *host;
        const char *text;
        int r;

        r = config_get_text(item, setting, at, &text, diagnostics);
        if (r <= 0)
                return r;

        r = seed_host_normalize(text, &host);
        if (r == -EINVAL) {
                config_fail(diagnostics, at, "found %s, expected the name of a host or a literal address such as "
                            "\"seed.example.org\", \"192.0.2.1\" or \"2001:db8::1\".", CONFIG_FOUND(setting));
                return 0;
        }
        if (r < 0)
                return r;

        free(*target);
        *target = host;
        return 1;
}

static const ConfigItem seed_items[] = {
        { "host", parse_host,        offsetof(ConfigSeed, host), 1, HOST_SIZE_MAX },
        { "port", config_parse_port, offsetof(ConfigSeed, port), 1, UINT16_MAX    },
};

static void seed_entry_done(ConfigSeed *entry) {
        free(entry->host);
        free(entry->source);
        *entry = (ConfigSeed) {};
}

static bool seeds_have(const SeedsConfig *seeds, const ConfigSeed *entry) {
        for (size_t i = 0; i < seeds->n_entries; i++)
                if (seeds->entries[i].port == entry->port && streq(seeds->entries[i].host, entry->host))
                        return true;
        return false;
}

/* Reads one element of the list. @at has the file, and "seeds[1]" as the key. Return: 0, -ENOMEM. */
static int seeds_add(SeedsConfig *seeds, const config_setting_t *group, const ConfigPosition *at,
                     ConfigDiagnostics *diagnostics) {
        _cleanup_(seed_entry_done) ConfigSeed entry = {};
        size_t n_errors = diagnostics->n_errors;
        int r;

        if (group->type != CONFIG_TYPE_GROUP)
                return config_wrong_type(group, at, "a group { host = \"HOST\"; port = PORT; }", diagnostics);

        r = config_items_apply(seed_items, ELEMENTSOF(seed_items), group, at->file, at->key, &entry, NULL,
                               diagnostics);
        if (r < 0)
                return r;
        if (diagnostics->n_errors > n_errors)
                return 0;
        if (!entry.host || entry.port == 0) {
                config_fail(diagnostics, at, "has no %s, expected { host = \"HOST\"; port = PORT; }.",
                            entry.host ? "port" : "host");
                return 0;
        }

        if (seeds_have(seeds, &entry))
                return 0;
        if (seeds->n_entries == CONFIG_SEEDS_MAX) {
                config_fail(diagnostics, at, "is one seed too many, at most %d are accepted.", CONFIG_SEEDS_MAX);
                return 0;
        }

        if (asprintf(&entry.source, "%s:%u", at->file, at->line) < 0) {
                entry.source = NULL;
                return -ENOMEM;
        }
        seeds->entries[seeds->n_entries++] = entry;
        entry = (ConfigSeed) {};
        return 0;
}

static CONFIG_PARSER(parse_seeds) {
        SeedsConfig *seeds = field;

        if (setting->type != CONFIG_TYPE_LIST)
                return config_wrong_type(setting, at, "a list ( ) of groups { host = \"HOST\"; port = PORT; }",
                                         diagnostics);

        for (int i = 0; i < config_setting_length(setting); i++) {
                const config_setting_t *group = config_setting_get_elem(setting, (unsigned) i);
                char key[32];
                int r;

                (void) snprintf(key, sizeof(key), "%s[%d]", item->path, i);
                r = seeds_add(seeds, group, &(ConfigPosition) {
                                      .file = at->file,
                                      .line = group->line,
                                      .key = key,
                              }, diagnostics);
                if (r < 0)
                        return r;
        }
        return 1;
}

static const ConfigItem seeds_items[] = {
        { "seeds", parse_seeds, 0, 0, CONFIG_SEEDS_MAX },
};

static void config_destroyp(config_t *config) {
        config_destroy(config);
}

static int seeds_load_file(SeedsConfig *seeds, const ConfigFile *file, ConfigDiagnostics *diagnostics) {
        _cleanup_(config_destroyp) config_t parsed;
        int r;

        config_init(&parsed);
        r = config_text_parse(&parsed, file->path, file->text, file->size, diagnostics);
        if (r == -EBADMSG)
                return 0;
        if (r < 0)
                return r;

        return config_items_apply(seeds_items, ELEMENTSOF(seeds_items), config_root_setting(&parsed), file->path,
                                  NULL, seeds, NULL, diagnostics);
}

int seeds_config_load_files(SeedsConfig **ret, const ConfigFiles *files, ConfigDiagnostics *diagnostics) {
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;
        size_t n_errors = diagnostics->n_errors - files->n_refused;

        seeds = calloc(1, sizeof(*seeds));
        if (!seeds)
                return -ENOMEM;

        for (size_t i = 0; i < files->n_items; i++) {
                int r;

                r = seeds_load_file(seeds, files->items + i, diagnostics);
                if (r < 0)
                        return r;
        }
        if (diagnostics->n_errors > n_errors)
                return -EINVAL;

        *ret = TAKE_PTR(seeds);
        return 0;
}

int seeds_config_load(SeedsConfig **ret, const ConfigPaths *paths, ConfigDiagnostics *diagnostics) {
        _cleanup_(config_files_freep) ConfigFiles *files = NULL;
        int r;

        r = config_files_read(&files, paths, "seeds.conf", (const char *const[]) { "seeds.d", NULL }, diagnostics);
        if (r < 0)
                return r;
        return seeds_config_load_files(ret, files, diagnostics);
}

void seeds_config_free(SeedsConfig *seeds) {
        if (!seeds)
                return;

        for (size_t i = 0; i < seeds->n_entries; i++)
                seed_entry_done(seeds->entries + i);
        free(seeds);
}
