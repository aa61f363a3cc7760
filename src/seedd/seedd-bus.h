/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The root object of a seed, org.p2pnet.Node1.Seed, which dbus/org.p2pnet.Node1.Seed.xml specifies. */

#include "service/service.h"

extern const ServiceHandlers seedd_bus_handlers;
