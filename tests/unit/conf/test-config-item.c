/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/config-item.h"

#include <syslog.h>

#include "base/usec.h"
#include "conf/config-text.h"
#include "tree.h"

typedef struct Sample {
        unsigned number;
        uint16_t port;
        size_t kib, mib;
        usec_t msec, sec;
        bool flag;
        char *text;
        int level;
        ConfigTags tags;
        ConfigAddresses listen, advertise;
} Sample;

static const ConfigItem items[] = {
        { "number",         config_parse_unsigned,  offsetof(Sample, number),    1, 64      },
        { "port",           config_parse_port,      offsetof(Sample, port),      1, 65535   },
        { "size.kib",       config_parse_kib,       offsetof(Sample, kib),       0, 4194304 },
        { "size.mib",       config_parse_mib,       offsetof(Sample, mib),       0, 4096    },
        { "time.ms",        config_parse_msec,      offsetof(Sample, msec),      0, 60000   },
        { "time.long-s",    config_parse_sec,       offsetof(Sample, sec),       0, 86400   },
        { "flag",           config_parse_bool,      offsetof(Sample, flag),      0, 0       },
        { "text",           config_parse_text,      offsetof(Sample, text),      0, 8       },
        { "level",          config_parse_log_level, offsetof(Sample, level),     0, 64      },
        { "tags",           config_parse_tags,      offsetof(Sample, tags),      0, 4       },
        { "net.listen",     config_parse_listen,    offsetof(Sample, listen),    1, 4       },
        { "net.advertise",  config_parse_advertise, offsetof(Sample, advertise), 0, 4       },
};

static Sample sample;
static ConfigOrigin origins[ELEMENTSOF(items)];
static ConfigDiagnostics diagnostics;

static int sample_reset(void **state) {
        free(sample.text);
        config_tags_done(&sample.tags);
        sample = (Sample) {};
        memset(origins, 0, sizeof(origins));
        config_diagnostics_done(&diagnostics);
        return 0;
}

static void apply(const char *text) {
        config_t config;

        config_init(&config);
        assert_int_equal(config_text_parse(&config, "f", text, strlen(text), &diagnostics), 0);
        assert_int_equal(config_items_apply(items, ELEMENTSOF(items), config_root_setting(&config), "f", NULL,
                         &sample,
                                            origins, &diagnostics), 0);
        config_destroy(&config);
}

static void assert_accepted(const char *text) {
        apply(text);
        if (diagnostics.n_items > 0)
                print_message("%s\n", diagnostics.items[0].text);
        assert_int_equal(diagnostics.n_items, 0);
}

/* The text is refused with that sentence, and the sample is what it was. */
static void assert_refused(const char *text, const char *sentence) {
        Sample before = sample;

        apply(text);
        assert_int_equal(diagnostics.n_errors, 1);
        assert_memory_equal(&before, &sample, sizeof(sample));
        assert_said_only(&diagnostics, sentence);
}

static void test_values_reach_their_fields_in_their_units(void **state) {
        assert_accepted("number = 64; port = 65535; size = { kib = 4194304; mib = 4096; }; flag = TRUE; text = "
                        "\"hi\";\n"
                        "time: { ms = 1500; long-s = 86400L; }; level = \"debug\"; tags = ( \"a=b\", \"c.d_e-f=\" "
                        ");");
        assert_int_equal(sample.number, 64);
        assert_int_equal(sample.port, 65535);
        assert_int_equal(sample.kib, UINT64_C(4) << 30);
        assert_int_equal(sample.mib, UINT64_C(4) << 30);
        assert_int_equal(sample.msec, 1500 * USEC_PER_MSEC);
        assert_int_equal(sample.sec, 86400 * USEC_PER_SEC);
        assert_true(sample.flag);
        assert_string_equal(sample.text, "hi");
        assert_int_equal(sample.level, LOG_DEBUG);
        assert_int_equal(sample.tags.n_items, 2);
        assert_string_equal(sample.tags.items[1], "c.d_e-f=");
}

static void test_origin_is_noted_for_what_was_set(void **state) {
        assert_accepted("\nflag = true;\n\nsize = {\n  mib = 4;\n};");
        assert_null(origins[0].file);
        assert_int_equal(origins[6].line, 2);
        assert_string_equal(origins[3].file, "f");
        assert_int_equal(origins[3].line, 5);
        assert_refused("number = 0;", "f:1: number: found 0, accepted is 1 to 64.");
        assert_null(origins[0].file);
}

static void test_later_values_replace_earlier_ones(void **state) {
        assert_accepted("text = \"one\"; tags = ( \"a=1\" ); net = { listen = ( \"127.0.0.1\", \"::1\" ); };");
        assert_accepted("text = \"two\"; tags = [ \"b=2\" ]; net = { listen = \"127.0.0.2\"; };");
        assert_string_equal(sample.text, "two");
        assert_int_equal(sample.tags.n_items, 1);
        assert_string_equal(sample.tags.items[0], "b=2");
        assert_int_equal(sample.listen.n_items, 1);
        assert_accepted("text = \"\"; tags = ( );");
        assert_null(sample.text);
        assert_int_equal(sample.tags.n_items, 0);
}

static void test_number_out_of_range_names_the_range(void **state) {
        assert_refused("number = 0;", "f:1: number: found 0, accepted is 1 to 64.");
        assert_refused("number = 65L;", "f:1: number: found 65, accepted is 1 to 64.");
        assert_refused("number = -1;", "f:1: number: found -1, accepted is 1 to 64.");
        assert_refused("port = 65536;", "f:1: port: found 65536, accepted is 1 to 65535.");
        assert_refused("\nsize = {\n kib = -2147483648;\n};",
                       "f:3: size.kib: found -2147483648, accepted is 0 to 4194304.");
        assert_refused("time = { ms = 60001; };", "f:1: time.ms: found 60001, accepted is 0 to 60000.");
}

static void test_value_of_a_wrong_kind_is_described(void **state) {
        assert_refused("number = \"5\";", "f:1: number: found \"5\" (text), expected a number from 1 to 64.");
        assert_refused("number = 5.5;",
                       "f:1: number: found a number with a fraction or an exponent, expected a number from 1 to 64.");
        assert_refused("number = true;", "f:1: number: found true, expected a number from 1 to 64.");
        assert_refused("number = ( 5 );", "f:1: number: found a list ( ), expected a number from 1 to 64.");
        assert_refused("number = [ 5 ];", "f:1: number: found an array [ ], expected a number from 1 to 64.");
        assert_refused("number = { x = 5; };", "f:1: number: found a group { }, expected a number from 1 to 64.");
        assert_refused("flag = 1;", "f:1: flag: found 1, expected true or false.");
        assert_refused("flag = \"true\";", "f:1: flag: found \"true\" (text), expected true or false.");
        assert_refused("text = 5;", "f:1: text: found 5, expected a text in quotation marks.");
        assert_refused("size = 5;", "f:1: size: found 5, expected a group { }.");
        assert_refused("tags = \"a=b\";", "f:1: tags: found \"a=b\" (text), expected a list ( ) of \"KEY=VALUE\".");
        assert_refused("net = { listen = 5; };",
                       "f:1: net.listen: found 5, expected an address in quotation marks, or a list ( ) of them.");
}

static void test_texts_have_bounds_and_no_control_characters(void **state) {
        assert_refused("text = \"123456789\";", "f:1: text: found a text of 9 bytes, accepted is 0 to 8.");
        assert_refused("text = \"a\\nb\";", "f:1: text: found \"a\\nb\", control characters are not accepted.");
        assert_refused("text = \"\\x1b[1m\";", "f:1: text: found \"\\x1b[1m\", control characters are not accepted.");
        assert_refused("text = \"\\xc2\\x85\";",
                       "f:1: text: found \"\\xc2\\x85\", control characters are not accepted.");
        assert_refused("text = \"\\x7f\";", "f:1: text: found \"\\x7f\", control characters are not accepted.");
        assert_refused("text = \"\\xff\";", "f:1: text: found \"\\xff\", which is not UTF-8.");
        assert_accepted("text = \"gr\xc3\xbc\xc3\x9f" "e\";");
}

static void test_long_texts_are_cut_in_sentences(void **state) {
        assert_refused("number = \"0123456789012345678901234567890123456789x\";",
                       "f:1: number: found \"0123456789012345678901234567890123456789...\" (text), expected a "
                       "number from 1 to 64.");
        /* Not within a character. */
        assert_refused("number = \"012345678901234567890123456789012345678\xc3\xbc\";",
                       "f:1: number: found \"012345678901234567890123456789012345678...\" (text), expected a number "
                       "from 1 to 64.");
}

static void test_log_levels_are_those_of_syslog(void **state) {
        static const char *const names[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++) {
                char text[64];

                (void) snprintf(text, sizeof(text), "level = \"%s\";", names[i]);
                assert_accepted(text);
                assert_int_equal(sample.level, i);
        }
        assert_refused("level = \"loud\";",
                       "f:1: level: found \"loud\", accepted is \"emerg\", \"alert\", \"crit\", \"err\", "
                       "\"warning\", \"notice\", \"info\" or \"debug\".");
        assert_refused("level = 6;", "f:1: level: found 6, expected a text in quotation marks.");
}

static void test_tags_are_key_value_with_each_key_once(void **state) {
        assert_refused("tags = ( \"a=1\",\n \"b\" );",
                       "f:2: tags[1]: found \"b\", expected \"KEY=VALUE\" with a key of letters, digits and -_. "
                       "only.");
        assert_refused("tags = ( \"=1\" );",
                       "f:1: tags[0]: found \"=1\", expected \"KEY=VALUE\" with a key of letters, digits and -_. "
                       "only.");
        assert_refused("tags = ( \"a b=1\" );",
                       "f:1: tags[0]: found \"a b=1\", expected \"KEY=VALUE\" with a key of letters, digits and -_. "
                       "only.");
        assert_refused("tags = ( \"a=1\", \"a=2\" );",
                       "f:1: tags[1]: found \"a=2\", but that key has a value already.");
        assert_refused("tags = ( 1 );", "f:1: tags[0]: found 1, expected a text in quotation marks.");
        assert_accepted("tags = ( \"a=1\", \"ab=1\", \"b=a=1\" );");
}

static void test_addresses_are_literal(void **state) {
        assert_accepted("net = { listen = ( \"0.0.0.0\", \"::\", \"10.0.0.7\", \"2001:db8::1\" ); };");
        assert_int_equal(sample.listen.n_items, 4);
        assert_int_equal(sample.listen.items[3].port, 0);
        assert_string_equal(ADDRESS_TEXT(sample.listen.items + 3), "[2001:db8::1]:0");
        assert_accepted("net = { listen = \"::ffff:10.0.0.7\"; };");
        assert_string_equal(ADDRESS_TEXT(sample.listen.items), "10.0.0.7:0");

        assert_refused("net = { listen = \"localhost\"; };",
                       "f:1: net.listen: found \"localhost\", expected a literal IPv4 or IPv6 address such as "
                       "\"127.0.0.1\" or \"::1\".");
        assert_refused("net = { listen = \"127.1\"; };",
                       "f:1: net.listen: found \"127.1\", expected a literal IPv4 or IPv6 address such as "
                       "\"127.0.0.1\" or \"::1\".");
        assert_refused("net = { listen = \"fe80::1%eth0\"; };",
                       "f:1: net.listen: found \"fe80::1%eth0\", expected a literal IPv4 or IPv6 address such as "
                       "\"127.0.0.1\" or \"::1\".");
        assert_refused("net = { listen = \"127.0.0.1:6001\"; };",
                       "f:1: net.listen: found \"127.0.0.1:6001\", expected an address without a port; the port is "
                       "the name of the instance.");
        assert_refused("net = { listen = ( \"127.0.0.1\",\n\"224.0.0.1\" ); };",
                       "f:2: net.listen[1]: found \"224.0.0.1\", expected the address of one host, or \"0.0.0.0\" "
                       "or \"::\" for all of it.");
        assert_refused("net = { listen = \"\"; };", "f:1: net.listen: found a text of 0 bytes, accepted is 1 to 64.");
        assert_refused("net = { listen = ( ); };", "f:1: net.listen: found 0 elements, accepted is 1 to 4.");
        assert_refused("net = { listen = ( \"::1\", 5 ); };",
                       "f:1: net.listen[1]: found 5, expected a text in quotation marks.");
}

static void test_advertised_addresses_can_be_dialled(void **state) {
        assert_accepted("net = { advertise = ( \"192.0.2.1\", \"192.0.2.1:6002\", \"[2001:db8::1]:6003\", \"::1\" "
                        "); };");
        assert_int_equal(sample.advertise.n_items, 4);
        assert_int_equal(sample.advertise.items[0].port, 0);
        assert_int_equal(sample.advertise.items[1].port, 6002);
        assert_string_equal(ADDRESS_TEXT(sample.advertise.items + 2), "[2001:db8::1]:6003");
        assert_accepted("net = { advertise = ( ); };");
        assert_int_equal(sample.advertise.n_items, 0);

        assert_refused("net = { advertise = \"0.0.0.0\"; };",
                       "f:1: net.advertise: found \"0.0.0.0\", expected the address of one host, which others can "
                       "dial.");
        assert_refused("net = { advertise = \"255.255.255.255:1\"; };",
                       "f:1: net.advertise: found \"255.255.255.255:1\", expected the address of one host, which "
                       "others can dial.");
        assert_refused("net = { advertise = \"192.0.2.1:0\"; };",
                       "f:1: net.advertise: found \"192.0.2.1:0\", expected a literal IPv4 or IPv6 address such as "
                       "\"127.0.0.1\" or \"::1\", or one with its port such as \"192.0.2.1:6001\".");
}

static void test_address_that_comes_twice_is_kept_once(void **state) {
        assert_accepted("net = { listen = ( \"::1\", \"0:0::1\", \"127.0.0.1\", \"::ffff:127.0.0.1\" ); };");
        assert_int_equal(sample.listen.n_items, 2);
}

static void test_lists_have_a_bound(void **state) {
        assert_refused("tags = ( \"a=1\", \"b=1\", \"c=1\", \"d=1\", \"e=1\" );",
                       "f:1: tags: found 5 elements, accepted is 0 to 4.");
        assert_refused("net = { listen = ( \"::1\", \"::1\", \"::1\", \"::1\", \"::1\" ); };",
                       "f:1: net.listen: found 5 elements, accepted is 1 to 4.");
}

/* The text earns a warning, which is no reason to refuse it. */
static void assert_warned(const char *text, const char *sentence) {
        apply(text);
        assert_int_equal(diagnostics.n_errors, 0);
        assert_said_only(&diagnostics, sentence);
}

static void test_unknown_settings_are_warnings_with_a_guess(void **state) {
        assert_warned("numbr = 5;", "f:1: numbr: unknown setting, ignored. Did you mean 'number'?");
        assert_warned("\nsize = { kb = 5; };", "f:2: size.kb: unknown setting, ignored. Did you mean 'size.kib'?");
        assert_warned("time = { long_s = 5; };",
                      "f:1: time.long_s: unknown setting, ignored. Did you mean 'time.long-s'?");
        assert_warned("listen = \"::1\";", "f:1: listen: unknown setting, ignored. Did you mean 'net.listen'?");
        assert_warned("colour = \"red\";", "f:1: colour: unknown setting, ignored.");
        assert_warned("x = 1;", "f:1: x: unknown setting, ignored.");
        assert_warned("sise = { kib = -5; };",
                      "f:1: sise: unknown group, ignored with all that is in it. Did you mean 'size'?");
        assert_warned("wholly-new = { deep = { er = 1; }; };",
                      "f:1: wholly-new: unknown group, ignored with all that is in it.");
}

static void test_several_mistakes_are_all_reported(void **state) {
        apply("number = 0;\nport = 0;\nflag = 5;\nnubmer = 1;\ntags = ( 1, 2 );");
        assert_int_equal(diagnostics.n_errors, 5);
        assert_int_equal(diagnostics.n_items, 6);
        assert_said(&diagnostics, "f:3: flag:");
        assert_said(&diagnostics, "f:5: tags[1]:");
}

static void test_prefix_is_part_of_the_key(void **state) {
        config_t config;

        config_init(&config);
        assert_int_equal(config_text_parse(&config, "f", "port = \"5000\";", 14, &diagnostics), 0);
        assert_int_equal(config_items_apply(items, ELEMENTSOF(items), config_root_setting(&config), "f", "seeds[1]",
                                            &sample, NULL, &diagnostics), 0);
        config_destroy(&config);
        assert_said_only(&diagnostics,
                         "f:1: seeds[1].port: found \"5000\" (text), expected a number from 1 to 65535.");
}

#define item_test(name) cmocka_unit_test_setup_teardown(name, sample_reset, sample_reset)

int main(void) {
        const struct CMUnitTest tests[] = {
                item_test(test_values_reach_their_fields_in_their_units),
                item_test(test_origin_is_noted_for_what_was_set),
                item_test(test_later_values_replace_earlier_ones),
                item_test(test_number_out_of_range_names_the_range),
                item_test(test_value_of_a_wrong_kind_is_described),
                item_test(test_texts_have_bounds_and_no_control_characters),
                item_test(test_long_texts_are_cut_in_sentences),
                item_test(test_log_levels_are_those_of_syslog),
                item_test(test_tags_are_key_value_with_each_key_once),
                item_test(test_addresses_are_literal),
                item_test(test_advertised_addresses_can_be_dialled),
                item_test(test_address_that_comes_twice_is_kept_once),
                item_test(test_lists_have_a_bound),
                item_test(test_unknown_settings_are_warnings_with_a_guess),
                item_test(test_several_mistakes_are_all_reported),
                item_test(test_prefix_is_part_of_the_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
