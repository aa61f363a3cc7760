/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The root object of a peer, org.p2pnet.Node1.Manager, which dbus/org.p2pnet.Node1.Manager.xml specifies. */

#include "service/service.h"

extern const ServiceHandlers peerd_bus_handlers;
