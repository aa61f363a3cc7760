/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/address.h"

#include <errno.h>

#include "unit.h"

static Address parsed(const char *text) {
        Address a;

        assert_int_equal(address_parse(text, &a), 0);
        return a;
}

static void test_text_is_read_and_written_alike(void **state) {
        static const char *const texts[] = {
                "127.0.0.1:6001", "255.255.255.255:65535", "0.0.0.0:1", "[::]:1", "[::1]:6001", "[2001:db8::17]:443",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                Address a = parsed(texts[i]);

                assert_string_equal(ADDRESS_TEXT(&a), texts[i]);
        }
}

static void test_garbage_is_refused_and_writes_nothing(void **state) {
        static const char *const wrong[] = {
                "", ":", ":6001", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1",
                "127.0.0.1: 1", "127.0.0.1:+1", "127.0.0.1:0x1", "127.0.0.1:99999999999999999999999", "127.0.0:1",
                "127.0.0.256:1", " 127.0.0.1:1", "127.0.0.1:1 ", "localhost:6001", "::1:6001", "2001:db8::17:443",
                "[::1]", "[::1]:", "[::1", "[]:1", "[:1", "[127.0.0.1]:1", "[::1]x:1", "[::1%lo]:1", "]:1",
                "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555555]:1",
        };
        Address a = address_ipv4((const uint8_t[]) { 1, 2, 3, 4 }, 5), before = a;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                assert_int_equal(address_parse(wrong[i], &a), -EINVAL);
                assert_memory_equal(&a, &before, sizeof(a));
        }
}

static void test_host_is_parsed_without_port_or_brackets(void **state) {
        static const char *const wrong[] = { "", "localhost", "[::1]", "127.0.0.1:1", "127.1", "::1 ", "1.2.3.4.5" };
        Address a;

        assert_int_equal(address_parse_host("10.1.2.3", 7, &a), 0);
        assert_string_equal(ADDRESS_TEXT(&a), "10.1.2.3:7");
        assert_int_equal(address_parse_host("fe80::1", 0, &a), 0);
        assert_string_equal(ADDRESS_TEXT(&a), "[fe80::1]:0");
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(address_parse_host(wrong[i], 7, &a), -EINVAL);
}

static void test_mapped_ipv6_is_ipv4(void **state) {
        Address a = parsed("[::ffff:192.0.2.1]:80"), b = parsed("192.0.2.1:80"), compatible = parsed("[::192.0.2.1]:80");

        assert_int_equal(a.family, ADDRESS_IPV4);
        assert_true(address_equal(&a, &b));
        assert_memory_equal(a.bytes, b.bytes, sizeof(a.bytes));
        assert_int_equal(compatible.family, ADDRESS_IPV6);
        assert_false(address_equal(&compatible, &b));
}

static void test_hosts_compare_without_their_ports(void **state) {
        Address a = parsed("127.0.0.1:1"), b = parsed("127.0.0.1:2"), c = parsed("127.0.0.2:1"), d = parsed("[7f00:1::]:1");

        assert_true(address_same_host(&a, &b));
        assert_false(address_equal(&a, &b));
        assert_false(address_same_host(&a, &c));
        assert_false(address_same_host(&a, &d));        /* the same bytes in another family */
}

static void test_what_may_be_dialled(void **state) {
        static const struct {
                const char *text;
                bool loopback, wildcard, dialable;
        } rows[] = {
                { "127.0.0.1:1",          true,  false, true  },
                { "127.255.255.254:1",    true,  false, true  },
                { "[::1]:1",              true,  false, true  },
                { "[::2]:1",              false, false, true  },
                { "128.0.0.1:1",          false, false, true  },
                { "223.255.255.255:1",    false, false, true  },
                { "[2001:db8::1]:1",      false, false, true  },
                { "[fe80::1]:1",          false, false, true  },
                { "0.0.0.0:1",            false, true,  false },
                { "[::]:1",               false, true,  false },
                { "0.1.2.3:1",            false, false, false },
                { "224.0.0.1:1",          false, false, false },
                { "255.255.255.255:1",    false, false, false },
                { "[ff02::1]:1",          false, false, false },
        };
        Address none = {}, portless = parsed("127.0.0.1:1");

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Address a = parsed(rows[i].text);

                assert_int_equal(address_is_loopback(&a), rows[i].loopback);
                assert_int_equal(address_is_wildcard(&a), rows[i].wildcard);
                assert_int_equal(address_is_dialable(&a), rows[i].dialable);
        }

        portless.port = 0;
        assert_false(address_is_dialable(&portless));
        assert_false(address_is_dialable(&none));
        assert_false(address_is_wildcard(&none));
        assert_false(address_is_loopback(&none));
        assert_false(address_is_set(&none));
        assert_string_equal(ADDRESS_TEXT(&none), "-");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_is_read_and_written_alike),
                cmocka_unit_test(test_garbage_is_refused_and_writes_nothing),
                cmocka_unit_test(test_host_is_parsed_without_port_or_brackets),
                cmocka_unit_test(test_mapped_ipv6_is_ipv4),
                cmocka_unit_test(test_hosts_compare_without_their_ports),
                cmocka_unit_test(test_what_may_be_dialled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
