/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parsers of config-item.h, one per type of field. */

#include <errno.h>
#include <stdio.h>
#include <syslog.h>

#include "base/text.h"
#include "base/usec.h"
#include "conf/config-item.h"

/* Of a number: what is written, in the unit of the key, times @factor. */
#define NUMBER_PARSER(name, type, factor)                                                       \
        CONFIG_PARSER(name) {                                                                   \
                int64_t value;                                                                  \
                int r;                                                                          \
                                                                                                \
                r = config_get_number(item, setting, at, &value, diagnostics);                  \
                if (r <= 0)                                                                     \
                        return r;                                                               \
                                                                                                \
                *(type *) field = (type) ((type) value * (factor));                             \
                return 1;                                                                       \
        }

NUMBER_PARSER(config_parse_unsigned, unsigned, 1)
NUMBER_PARSER(config_parse_port, uint16_t, 1)
NUMBER_PARSER(config_parse_kib, size_t, 1024)
NUMBER_PARSER(config_parse_mib, size_t, 1024 * 1024)
NUMBER_PARSER(config_parse_msec, usec_t, USEC_PER_MSEC)
NUMBER_PARSER(config_parse_sec, usec_t, USEC_PER_SEC)

CONFIG_PARSER(config_parse_bool) {
        if (setting->type != CONFIG_TYPE_BOOL)
                return config_wrong_type(setting, at, "true or false", diagnostics);

        *(bool *) field = setting->value.ival != 0;
        return 1;
}

CONFIG_PARSER(config_parse_text) {
        char **target = field;
        const char *text;
        char *copy = NULL;
        int r;

        r = config_get_text(item, setting, at, &text, diagnostics);
        if (r <= 0)
                return r;

        if (!isempty(text)) {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        }
        free(*target);
        *target = copy;
        return 1;
}

CONFIG_PARSER(config_parse_log_level) {
        static const char *const names[] = {
                [LOG_EMERG] = "emerg",
                [LOG_ALERT] = "alert",
                [LOG_CRIT] = "crit",
                [LOG_ERR] = "err",
                [LOG_WARNING] = "warning",
                [LOG_NOTICE] = "notice",
                [LOG_INFO] = "info",
                [LOG_DEBUG] = "debug",
        };
        const char *text;
        int r;

        r = config_get_text(item, setting, at, &text, diagnostics);
        if (r <= 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], text)) {
                        *(int *) field = (int) i;
                        return 1;
                }

        config_fail(diagnostics, at, "found %s, accepted is \"emerg\", \"alert\", \"crit\", \"err\", \"warning\", "
                    "\"notice\", \"info\" or \"debug\".", CONFIG_FOUND(setting));
        return 0;
}

static bool setting_is_list(const config_setting_t *setting) {
        return setting->type == CONFIG_TYPE_LIST || setting->type == CONFIG_TYPE_ARRAY;
}

/* Return: true when the number of elements of a list is within the item's bounds; false after a diagnostic. */
static bool list_size_accepted(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at,
                               ConfigDiagnostics *diagnostics) {
        int n = config_setting_length(setting);

        if (n >= item->min && n <= item->max)
                return true;

        config_fail(diagnostics, at, "found %d elements, accepted is %lld to %lld.", n, (long long) item->min,
                    (long long) item->max);
        return false;
}

/* Element @i of a list, and where it is: "listen.address[1]" in @key. */
static const config_setting_t *list_element(const config_setting_t *setting, int i, const ConfigPosition *at,
                                            char *key, size_t key_size, ConfigPosition *ret_at) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned) i);

        (void) snprintf(key, key_size, "%s[%d]", at->key, i);
        *ret_at = (ConfigPosition) { .file = at->file, .line = element->line, .key = key };
        return element;
}

void config_tags_done(ConfigTags *tags) {
        for (size_t i = 0; i < tags->n_items; i++)
                free(tags->items[i]);
        *tags = (ConfigTags) {};
}

/* The size of the key of "KEY=VALUE", 0 when it is none. */
static size_t tag_key_size(const char *tag) {
        size_t size = strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

        return tag[size] == '=' ? size : 0;
}

static bool tags_have_key(const ConfigTags *tags, const char *tag, size_t key_size) {
        for (size_t i = 0; i < tags->n_items; i++)
                if (strncmp(tags->items[i], tag, key_size + 1) == 0)    /* with its '=' */
                        return true;
        return false;
}

/* Adds one tag. Return: as a parser. */
static int tags_add(ConfigTags *tags, const config_setting_t *element, const ConfigPosition *at,
                    ConfigDiagnostics *diagnostics) {
        static const ConfigItem tag = { .max = 128 };
        const char *text;
        size_t key_size;
        int r;

        r = config_get_text(&tag, element, at, &text, diagnostics);
        if (r <= 0)
                return r;

        key_size = tag_key_size(text);
        if (key_size == 0) {
                config_fail(diagnostics, at, "found %s, expected \"KEY=VALUE\" with a key of letters, digits and "
                            "-_. only.", CONFIG_FOUND(element));
                return 0;
        }
        if (tags_have_key(tags, text, key_size)) {
                config_fail(diagnostics, at, "found %s, but that key has a value already.", CONFIG_FOUND(element));
                return 0;
        }

        tags->items[tags->n_items] = strdup(text);
        if (!tags->items[tags->n_items])
                return -ENOMEM;
        tags->n_items++;
        return 1;
}

CONFIG_PARSER(config_parse_tags) {
        _cleanup_(config_tags_done) ConfigTags tags = {};
        bool good = true;

        assert((size_t) item->max <= ELEMENTSOF(tags.items));

        if (!setting_is_list(setting))
                return config_wrong_type(setting, at, "a list ( ) of \"KEY=VALUE\"", diagnostics);
        if (!list_size_accepted(item, setting, at, diagnostics))
                return 0;

        for (int i = 0; i < config_setting_length(setting); i++) {
                char key[64];
                ConfigPosition element_at;
                const config_setting_t *element = list_element(setting, i, at, key, sizeof(key), &element_at);
                int r;

                r = tags_add(&tags, element, &element_at, diagnostics);
                if (r < 0)
                        return r;
                good = good && r > 0;
        }
        if (!good)
                return 0;

        config_tags_done(field);
        *(ConfigTags *) field = tags;
        tags = (ConfigTags) {};
        return 1;
}

/* Reads one address, and judges what the two uses have in common. Return: as a parser. */
static int parse_address(const config_setting_t *setting, const ConfigPosition *at, bool with_port, Address *ret,
                         ConfigDiagnostics *diagnostics) {
        static const ConfigItem address = { .min = 1, .max = 64 };
        Address parsed, probe;
        const char *text;
        int r;

        r = config_get_text(&address, setting, at, &text, diagnostics);
        if (r <= 0)
                return r;

        if (address_parse_host(text, 0, &parsed) < 0) {
                bool has_port = address_parse(text, &parsed) >= 0;

                if (has_port && !with_port) {
                        config_fail(diagnostics, at, "found %s, expected an address without a port; the port is the "
                                    "name of the instance.", CONFIG_FOUND(setting));
                        return 0;
                }
                if (!has_port || parsed.port == 0) {
                        config_fail(diagnostics, at, "found %s, expected a literal IPv4 or IPv6 address such as "
                                    "\"127.0.0.1\" or \"::1\"%s.", CONFIG_FOUND(setting),
                                    with_port ? ", or one with its port such as \"192.0.2.1:6001\"" : "");
                        return 0;
                }
        }

        /* What can neither be dialled nor is a wildcard is multicast or broadcast. */
        probe = parsed;
        probe.port = 1;
        if (!address_is_dialable(&probe) && (with_port || !address_is_wildcard(&parsed))) {
                config_fail(diagnostics, at, "found %s, expected the address of one host%s.", CONFIG_FOUND(setting),
                            with_port ? ", which others can dial" : ", or \"0.0.0.0\" or \"::\" for all of it");
                return 0;
        }

        *ret = parsed;
        return 1;
}

/* Adds one address unless it is there. Return: as a parser. */
static int addresses_add(ConfigAddresses *addresses, const config_setting_t *setting, const ConfigPosition *at,
                         bool with_port, ConfigDiagnostics *diagnostics) {
        Address address;
        int r;

        r = parse_address(setting, at, with_port, &address, diagnostics);
        if (r <= 0)
                return r;

        for (size_t i = 0; i < addresses->n_items; i++)
                if (address_equal(addresses->items + i, &address))
                        return 1;
        addresses->items[addresses->n_items++] = address;
        return 1;
}

static int parse_addresses(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at,
                           bool with_port, ConfigAddresses *field, ConfigDiagnostics *diagnostics) {
        ConfigAddresses addresses = {};
        bool good = true;
        int r;

        assert((size_t) item->max <= ELEMENTSOF(addresses.items));

        if (setting_is_list(setting)) {
                if (!list_size_accepted(item, setting, at, diagnostics))
                        return 0;
                for (int i = 0; i < config_setting_length(setting); i++) {
                        char key[64];
                        ConfigPosition element_at;
                        const config_setting_t *element = list_element(setting, i, at, key, sizeof(key), &element_at);

                        r = addresses_add(&addresses, element, &element_at, with_port, diagnostics);
                        if (r < 0)
                                return r;
                        good = good && r > 0;
                }
                if (!good)
                        return 0;
        } else if (setting->type == CONFIG_TYPE_STRING) {
                r = addresses_add(&addresses, setting, at, with_port, diagnostics);
                if (r <= 0)
                        return r;
        } else
                return config_wrong_type(setting, at, "an address in quotation marks, or a list ( ) of them",
                                         diagnostics);

        *field = addresses;
        return 1;
}

CONFIG_PARSER(config_parse_listen) {
        return parse_addresses(item, setting, at, false, field, diagnostics);
}

CONFIG_PARSER(config_parse_advertise) {
        return parse_addresses(item, setting, at, true, field, diagnostics);
}
