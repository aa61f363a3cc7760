/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/process.h"
#include "peerd/peerd.h"

int main(int argc, char **argv) {
        Options options;
        int r;

        log_open("p2p-peerd");

        r = options_parse(&options, ROLE_PEER, argc, argv);
        if (r <= 0)
                return process_end(r < 0 ? EX_USAGE : EXIT_SUCCESS);
        return process_end(peerd_main(&options));
}
