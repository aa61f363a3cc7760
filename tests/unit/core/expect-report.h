/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A seed that hears accusations: what the tests of these and of those who bring them have in common. */

#include "expect.h"

#define SEC USEC_PER_SEC

/* Peers 1 to 9 are registered with four links each; 1 is usually the one that stands accused, and the others
 * report. */
static LinkId links[10];

static inline int setup_peers(void **state) {
        setup_seed(state);
        for (uint8_t n = 1; n < 10; n++)
                links[n] = register_peer(*state, n, 4);
        harness_drop_sent(*state);
        while (harness_notice(*state, NOTICE_REGISTERED))
                ;
        return 0;
}

static inline void lose(Harness *h, uint8_t n) {
        harness_change(h, links[n], LINK_RESET);
}

/* Both tries are refused at once. */
static inline void refuse_both(Harness *h, uint8_t n) {
        Address address, expected = harness_address(n, 6000);

        for (unsigned i = 0; i < 2; i++) {
                LinkId link = harness_dialled(h, &address);

                assert_int_not_equal(link, 0);
                assert_true(address_equal(&address, &expected));
                harness_change(h, link, LINK_REFUSED);
        }
        assert_int_equal(harness_dialled(h, NULL), 0);
}
