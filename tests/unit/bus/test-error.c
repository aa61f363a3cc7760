/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "bus/error.h"
#include "unit.h"

static const struct {
        int code;
        const char *name;
        ExitStatus status;
} cases[] = {
        { ENOTCONN,     "org.p2pnet.Node1.Error.NotLinked",            EXIT_NOT_ONLINE   },
        { EBUSY,        "org.p2pnet.Node1.Error.Busy",                 EXIT_FAILED       },
        { ENODEV,       "org.p2pnet.Node1.Error.NoSuchPeer",           EXIT_NO_SUCH_PEER },
        { ENOTUNIQ,     "org.p2pnet.Node1.Error.AmbiguousPeer",        EXIT_NO_SUCH_PEER },
        { EBADMSG,      "org.p2pnet.Node1.Error.ConfigurationInvalid", EXIT_FAILED       },
        { EHOSTUNREACH, "org.p2pnet.Node1.Error.Unreachable",          EXIT_FAILED       },
        { ECONNREFUSED, "org.p2pnet.Node1.Error.Refused",              EXIT_FAILED       },
        { ETIMEDOUT,    "org.p2pnet.Node1.Error.TimedOut",             EXIT_TIMED_OUT    },
        { ESHUTDOWN,    "org.p2pnet.Node1.Error.ShuttingDown",         EXIT_NOT_RUNNING  },
};

static void test_each_errno_has_its_name_and_the_name_its_errno(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;

                assert_int_equal(bus_error_set(&error, -cases[i].code, "Found %d.", 3), -cases[i].code);
                assert_string_equal(error.name, cases[i].name);
                assert_string_equal(error.message, "Found 3.");
                assert_int_equal(sd_bus_error_get_errno(&error), cases[i].code);
                assert_int_equal(bus_error_to_exit_status(&error), cases[i].status);
                sd_bus_error_free(&error);
        }
}

static void test_an_errno_without_a_name_of_ours_gets_that_of_sd_bus(void **state) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        assert_int_equal(bus_error_set(&error, -EINVAL, "Bad."), -EINVAL);
        assert_string_equal(error.name, SD_BUS_ERROR_INVALID_ARGS);
        assert_int_equal(bus_error_to_exit_status(&error), EXIT_USAGE);
        sd_bus_error_free(&error);
}

static void test_standard_errors_have_an_exit_status(void **state) {
        const sd_bus_error denied = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_ACCESS_DENIED, ""),
                           unknown = SD_BUS_ERROR_MAKE_CONST("com.example.Other", ""),
                           gone = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_SERVICE_UNKNOWN, "");

        assert_int_equal(bus_error_to_exit_status(&denied), EXIT_NOT_PERMITTED);
        assert_int_equal(bus_error_to_exit_status(&gone), EXIT_NOT_RUNNING);
        assert_int_equal(bus_error_to_exit_status(&unknown), EXIT_FAILED);
}

static int setup(void **state) {
        return bus_errors_register() < 0 ? -1 : 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_errno_has_its_name_and_the_name_its_errno),
                cmocka_unit_test(test_an_errno_without_a_name_of_ours_gets_that_of_sd_bus),
                cmocka_unit_test(test_standard_errors_have_an_exit_status),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
