/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"
#include "unit.h"

/* What the service manager is told. */
typedef struct Manager {
        int fd;
        char told[4096];
} Manager;

static int setup(void **state) {
        union {
                struct sockaddr any;
                struct sockaddr_un un;
        } address = { .un.sun_family = AF_UNIX };
        Manager *manager = calloc(1, sizeof(*manager));
        char name[64];

        if (!manager)
                return -1;
        (void) snprintf(name, sizeof(name), "@p2pnet-test-%d", (int) getpid());
        (void) snprintf(address.un.sun_path, sizeof(address.un.sun_path), "%s", name);
        address.un.sun_path[0] = 0;
        manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (manager->fd < 0 ||
            bind(manager->fd, &address.any, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))) < 0)
                return -1;

        log_forget_errors();
        log_set_level(LOG_CRIT);        /* what is not shown counts all the same */
        *state = manager;
        return setenv("NOTIFY_SOCKET", name, 1);
}

static int teardown(void **state) {
        Manager *manager = *state;

        (void) close(manager->fd);
        free(manager);
        return unsetenv("NOTIFY_SOCKET");
}

/* The next thing that it was told, "" when there is none. */
static const char *told(Manager *manager) {
        ssize_t n = recv(manager->fd, manager->told, sizeof(manager->told) - 1, 0);

        manager->told[MAX(n, (ssize_t) 0)] = 0;
        return manager->told;
}

static void test_a_failure_is_told_by_its_first_error(void **state) {
        log_warning("Something else.");
        log_error("The disk is gone.");
        assert_int_equal(process_end(EX_CONFIG), EX_CONFIG);
        assert_string_equal(told(*state), "STATUS=The disk is gone.");

        log_error("So is the other.");
        assert_int_equal(process_end(EX_CONFIG), EX_CONFIG);
        assert_string_equal(told(*state), "STATUS=The disk is gone. (1 more in the journal)");
}

static void test_of_success_and_of_a_failure_without_a_word_nothing_is_told(void **state) {
        assert_int_equal(process_end(EXIT_FAILURE), EXIT_FAILURE);
        log_error("A reload was refused.");
        assert_int_equal(process_end(EXIT_SUCCESS), EXIT_SUCCESS);
        log_forget_errors();
        assert_int_equal(process_end(EXIT_FAILURE), EXIT_FAILURE);
        assert_string_equal(told(*state), "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_failure_is_told_by_its_first_error, setup, teardown),
                cmocka_unit_test_setup_teardown(test_of_success_and_of_a_failure_without_a_word_nothing_is_told, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
