/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "p2pctl/remote.h"
#include "unit.h"

static void assert_host(const char *text, const char *destination, const char *port, const char *container) {
        RemoteHost remote;

        assert_int_equal(remote_host_parse(text, &remote), 0);
        assert_string_equal(remote.destination, destination);
        assert_string_equal(remote.port, port);
        assert_string_equal(remote.container, container);
}

static void test_a_host_has_a_user_a_port_and_a_container_if_they_are_given(void **state) {
        assert_host("web-1", "web-1", "", "");
        assert_host("root@web-1.example.org", "root@web-1.example.org", "", "");
        assert_host("alice@web-1:2222", "alice@web-1", "2222", "");
        assert_host("web-1/c1", "web-1", "", "c1");
        assert_host("alice@web-1:22/c1.x", "alice@web-1", "22", "c1.x");
        assert_host("alice@example.org@web-1", "alice@example.org@web-1", "", "");
}

static void test_an_address_of_version_6_stands_in_brackets_where_a_port_follows(void **state) {
        assert_host("[fd77::1]", "fd77::1", "", "");
        assert_host("root@[fd77::1]:2222", "root@fd77::1", "2222", "");
        assert_host("[fe80::1%eth0]", "fe80::1%eth0", "", "");
        assert_host("fd77::1", "fd77::1", "", "");
        assert_host("root@fd77::1", "root@fd77::1", "", "");
        assert_host("192.0.2.7:22", "192.0.2.7", "22", "");
}

static void test_what_ssh_or_a_shell_could_take_for_something_else_is_no_host(void **state) {
        static const char *const bad[] = {
                "", "@", "@web", "root@", "-oProxyCommand=x", "root@-oProxyCommand=x", "-x@web", "web;reboot", "web reboot",
                "$(reboot)", "web`x`", "web:", "web:0", "web:65536", "web:22x", "web:-1", "web:000000022", "web/", "web/-x",
                "web/a/b", "web/a b", "[fd77::1", "[]", "[fd77::1]x", "[fd77::1]:", "[-x]", "fd77::1%;x", "we\nb", "w\"eb", "w'eb",
                "web,argv1=x", "root@web@", "~root",
        };
        RemoteHost remote;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (remote_host_parse(bad[i], &remote) != -EINVAL)
                        fail_msg("'%s' is accepted", bad[i]);
}

static void test_a_name_that_is_too_long_is_no_host(void **state) {
        char text[600];
        RemoteHost remote;
        RemoteMachine machine;

        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        assert_int_equal(remote_host_parse(text, &remote), -EINVAL);
        assert_int_equal(remote_machine_parse(text, &machine), -EINVAL);
        text[200] = '@';
        text[400] = 0;
        assert_int_equal(remote_host_parse(text, &remote), -EINVAL);
        text[250] = 0;
        assert_int_equal(remote_host_parse(text, &remote), 0);
        assert_int_equal(strlen(remote.destination), 250);
}

static void test_a_container_has_a_user_if_one_is_given(void **state) {
        RemoteMachine remote;

        assert_int_equal(remote_machine_parse("web", &remote), 0);
        assert_false(remote.has_user);
        assert_string_equal(remote.name, "web");
        assert_int_equal(remote_machine_parse("alice@.host", &remote), 0);
        assert_true(remote.has_user);
        assert_string_equal(remote.user, "alice");
        assert_string_equal(remote.name, ".host");
        assert_int_equal(remote_machine_parse("@web", &remote), 0);
        assert_true(remote.has_user);
        assert_string_equal(remote.user, "");
        assert_int_equal(remote_machine_parse("alice@", &remote), 0);
        assert_string_equal(remote.name, ".host");

        assert_int_equal(remote_machine_parse("", &remote), -EINVAL);
        assert_int_equal(remote_machine_parse("-web", &remote), -EINVAL);
        assert_int_equal(remote_machine_parse("alice@-web", &remote), -EINVAL);
        assert_int_equal(remote_machine_parse("-x@web", &remote), -EINVAL);
        assert_int_equal(remote_machine_parse("../web", &remote), -EINVAL);
        assert_int_equal(remote_machine_parse("w eb", &remote), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_host_has_a_user_a_port_and_a_container_if_they_are_given),
                cmocka_unit_test(test_an_address_of_version_6_stands_in_brackets_where_a_port_follows),
                cmocka_unit_test(test_what_ssh_or_a_shell_could_take_for_something_else_is_no_host),
                cmocka_unit_test(test_a_name_that_is_too_long_is_no_host),
                cmocka_unit_test(test_a_container_has_a_user_if_one_is_given),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
