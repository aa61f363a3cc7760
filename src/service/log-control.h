/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.freedesktop.LogControl1, for systemctl service-log-level and p2pctl log-level. Reading is open to all. sd-bus would let
 * only root write, and asks who calls while everything else waits; so Set() is taken before the vtable sees it.
 */

#include "bus/authorize.h"

/* Both outlive the bus, or authorizer_forget() is called. Return: 0, or an error of sd-bus. */
int log_control_attach(sd_bus *bus, Authorizer *authorizer);
