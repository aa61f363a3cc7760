/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <unistd.h>

#include "bus/connect.h"
#include "unit.h"

static int clear_environment(void **state) {
        return unsetenv("P2PNET_BUS") < 0 || unsetenv("DBUS_SYSTEM_BUS_ADDRESS") < 0 ||
               unsetenv("DBUS_SESSION_BUS_ADDRESS") < 0 || unsetenv("XDG_RUNTIME_DIR") < 0 ? -1 : 0;
}

static void assert_address(const char *choice, const char *expected) {
        _cleanup_free_ char *address = NULL;

        assert_int_equal(bus_choice_to_address(choice, &address), 0);
        assert_string_equal(address, expected);
}

static void test_the_word_of_the_environment_wins(void **state) {
        assert_int_equal(setenv("P2PNET_BUS", "unix:path=/tmp/x", 1), 0);
        assert_int_equal(setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/y", 1), 0);
        assert_string_equal(bus_choose(), "unix:path=/tmp/x");
}

static void test_a_user_without_a_bus_takes_that_of_the_system(void **state) {
        assert_false(bus_user_exists());
        assert_string_equal(bus_choose(), "system");
}

static void test_a_user_with_a_bus_takes_it_and_root_does_not(void **state) {
        assert_int_equal(setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/y", 1), 0);
        assert_true(bus_user_exists());
        assert_string_equal(bus_choose(), geteuid() == 0 ? "system" : "user");
}

static void test_a_runtime_directory_counts_when_there_is_a_bus_in_it(void **state) {
        assert_int_equal(setenv("XDG_RUNTIME_DIR", "/nonexistent", 1), 0);
        assert_false(bus_user_exists());
}

static void test_choices_stand_for_addresses(void **state) {
        _cleanup_free_ char *address = NULL;

        assert_address("system", "unix:path=/run/dbus/system_bus_socket");
        assert_address("unix:path=/tmp/z", "unix:path=/tmp/z");
        assert_int_equal(bus_choice_to_address("user", &address), -ENOENT);
        assert_int_equal(bus_choice_to_address("session", &address), -EINVAL);
        assert_int_equal(bus_choice_to_address("", &address), -EINVAL);

        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/tmp/s", 1), 0);
        assert_int_equal(setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/u", 1), 0);
        assert_address("system", "unix:path=/tmp/s");
        assert_address("user", "unix:path=/tmp/u");
}

static void test_a_bus_that_is_not_there_is_an_error_at_once(void **state) {
        sd_bus *bus = NULL;

        assert_int_equal(bus_open("unix:path=/nonexistent/bus", "test", &bus), -ENOENT);
        assert_null(bus);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_the_word_of_the_environment_wins, clear_environment),
                cmocka_unit_test_setup(test_a_user_without_a_bus_takes_that_of_the_system, clear_environment),
                cmocka_unit_test_setup(test_a_user_with_a_bus_takes_it_and_root_does_not, clear_environment),
                cmocka_unit_test_setup(test_a_runtime_directory_counts_when_there_is_a_bus_in_it, clear_environment),
                cmocka_unit_test_setup(test_choices_stand_for_addresses, clear_environment),
                cmocka_unit_test_setup(test_a_bus_that_is_not_there_is_an_error_at_once, clear_environment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
