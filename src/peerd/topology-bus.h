/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The reply to GetTopology(), as dbus/org.p2pnet.Node1.Manager.xml specifies it. */

#include <systemd/sd-bus.h>

#include "core/topology.h"
#include "daemon/daemon.h"

int topology_bus_reply(sd_bus_message *m, const Daemon *daemon, const Topology *topology);
