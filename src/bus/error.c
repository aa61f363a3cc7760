/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/error.h"

#include <errno.h>
#include <stdarg.h>

static const sd_bus_error_map error_map[] = {
        SD_BUS_ERROR_MAP(BUS_ERROR_NOT_LINKED,            ENOTCONN),
        SD_BUS_ERROR_MAP(BUS_ERROR_BUSY,                  EBUSY),
        SD_BUS_ERROR_MAP(BUS_ERROR_NO_SUCH_PEER,          ENODEV),
        SD_BUS_ERROR_MAP(BUS_ERROR_AMBIGUOUS_PEER,        ENOTUNIQ),
        SD_BUS_ERROR_MAP(BUS_ERROR_CONFIGURATION_INVALID, EBADMSG),
        SD_BUS_ERROR_MAP(BUS_ERROR_UNREACHABLE,           EHOSTUNREACH),
        SD_BUS_ERROR_MAP(BUS_ERROR_REFUSED,               ECONNREFUSED),
        SD_BUS_ERROR_MAP(BUS_ERROR_TIMED_OUT,             ETIMEDOUT),
        SD_BUS_ERROR_MAP(BUS_ERROR_SHUTTING_DOWN,         ESHUTDOWN),
        SD_BUS_ERROR_MAP_END
};

/* Names that are not here are EXIT_FAILED. */
static const struct {
        const char *name;
        ExitStatus status;
} exit_statuses[] = {
        { BUS_ERROR_NOT_LINKED,                         EXIT_NOT_ONLINE    },
        { BUS_ERROR_NO_SUCH_PEER,                       EXIT_NO_SUCH_PEER  },
        { BUS_ERROR_AMBIGUOUS_PEER,                     EXIT_NO_SUCH_PEER  },
        { BUS_ERROR_TIMED_OUT,                          EXIT_TIMED_OUT     },
        { BUS_ERROR_SHUTTING_DOWN,                      EXIT_NOT_RUNNING   },
        { SD_BUS_ERROR_ACCESS_DENIED,                   EXIT_NOT_PERMITTED },
        { SD_BUS_ERROR_AUTH_FAILED,                     EXIT_NOT_PERMITTED },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EXIT_NOT_PERMITTED },
        { SD_BUS_ERROR_INVALID_ARGS,                    EXIT_USAGE         },
        { SD_BUS_ERROR_NO_REPLY,                        EXIT_NOT_RUNNING   },  /* it went while we waited */
        { SD_BUS_ERROR_TIMEOUT,                         EXIT_TIMED_OUT     },
        { SD_BUS_ERROR_DISCONNECTED,                    EXIT_NOT_RUNNING   },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER,               EXIT_NOT_RUNNING   },
        { SD_BUS_ERROR_NO_SERVER,                       EXIT_NOT_RUNNING   },
        { SD_BUS_ERROR_SERVICE_UNKNOWN,                 EXIT_NOT_RUNNING   },
};

int bus_errors_register(void) {
        return sd_bus_error_add_map(error_map);
}

int bus_error_set(sd_bus_error *error, int code, const char *format, ...) {
        const char *name = NULL;
        va_list arguments;
        int r;

        assert(code < 0);

        for (size_t i = 0; i + 1 < ELEMENTSOF(error_map); i++)
                if (error_map[i].code == -code)
                        name = error_map[i].name;

        va_start(arguments, format);
        r = name ? sd_bus_error_setfv(error, name, format, arguments) :
                   sd_bus_error_set_errnofv(error, code, format, arguments);
        va_end(arguments);
        return r;
}

ExitStatus bus_error_to_exit_status(const sd_bus_error *error) {
        for (size_t i = 0; i < ELEMENTSOF(exit_statuses); i++)
                if (sd_bus_error_has_name(error, exit_statuses[i].name))
                        return exit_statuses[i].status;

        return EXIT_FAILED;
}
