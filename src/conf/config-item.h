/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings are a table: where a key is found, how its value is read, into which field, within which bounds. Parsers
 * write to their field only what is good; what is not is a diagnostic that names the value found and the range
 * accepted.
 */

#include <libconfig.h>

#include "base/address.h"
#include "base/macro.h"
#include "conf/diagnostics.h"

typedef struct ConfigItem ConfigItem;

/* Return: 1 when the field was set, 0 after a diagnostic, -ENOMEM. */
typedef int (*ConfigParser)(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at,
                            void *field, ConfigDiagnostics *diagnostics);

struct ConfigItem {
        const char *path;       /* "links.outgoing" */
        ConfigParser parse;
        size_t offset;          /* of the field in the struct that is filled */
        int64_t min;            /* of the number as it is written; of a text's or list's length */
        int64_t max;
};

/* Where an item was set last. Borrows the name of the file. */
typedef struct ConfigOrigin {
        const char *file;       /* NULL: not set */
        unsigned line;
} ConfigOrigin;

typedef struct ConfigTags {
        char *items[16];
        size_t n_items;
} ConfigTags;

void config_tags_done(ConfigTags *tags);

typedef struct ConfigAddresses {
        Address items[8];
        size_t n_items;
} ConfigAddresses;

/**
 * config_items_apply() - read a group, and the groups in it, by a table
 * @file:    name of the file, for diagnostics and origins
 * @prefix:  path of @group as the diagnostics show it, "seeds[1]"; NULL for the top of a file
 * @target:  the struct that the offsets are offsets into
 * @origins: one per item, or NULL
 *
 * A key that is not in the table is a warning, and so never a reason to refuse a file written for a newer version.
 *
 * Return: 0, also after diagnostics; -ENOMEM.
 */
int config_items_apply(const ConfigItem *items, size_t n_items, const config_setting_t *group, const char *file,
                       const char *prefix, void *target, ConfigOrigin *origins, ConfigDiagnostics *diagnostics);

#define CONFIG_FOUND_SIZE 256

/* Describes a value for "found ...": 5, "5" (text), true, a list. Returns @buffer. */
char *config_found(const config_setting_t *setting, char buffer[static CONFIG_FOUND_SIZE]);
#define CONFIG_FOUND(setting) config_found((setting), (char[CONFIG_FOUND_SIZE]){})

/*
 * Says that @setting is of the wrong kind: "found 5, expected a text". Return: 0, as a parser does.
 */
int config_wrong_type(const config_setting_t *setting, const ConfigPosition *at, const char *expected,
                      ConfigDiagnostics *diagnostics);

/* A whole number within the item's bounds, of either integer type. Return: 1, 0 after a diagnostic. */
int config_get_number(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at, int64_t *ret,
                      ConfigDiagnostics *diagnostics);

/*
 * A text of @min to @max bytes: UTF-8 without control characters. Return: 1, and a text that @setting owns; 0 after a
 * diagnostic.
 */
int config_get_text(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at,
                    const char **ret, ConfigDiagnostics *diagnostics);

#define CONFIG_PARSER(name)                                                                              \
        int name(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at, void *field, \
                 ConfigDiagnostics *diagnostics)

/* Each parser with the type of its field. */
CONFIG_PARSER(config_parse_unsigned);   /* unsigned */
CONFIG_PARSER(config_parse_port);       /* uint16_t */
CONFIG_PARSER(config_parse_kib);        /* size_t, in bytes */
CONFIG_PARSER(config_parse_mib);        /* size_t, in bytes */
CONFIG_PARSER(config_parse_msec);       /* usec_t */
CONFIG_PARSER(config_parse_sec);        /* usec_t */
CONFIG_PARSER(config_parse_bool);       /* bool */
CONFIG_PARSER(config_parse_text);       /* char *, owned; an empty text becomes NULL */
CONFIG_PARSER(config_parse_log_level);  /* int, of syslog(3) */
CONFIG_PARSER(config_parse_tags);       /* ConfigTags: KEY=VALUE, each key once */
CONFIG_PARSER(config_parse_listen);     /* ConfigAddresses, without ports; one text, or a list */
CONFIG_PARSER(config_parse_advertise);  /* ConfigAddresses, dialable; port 0 where none is written */
