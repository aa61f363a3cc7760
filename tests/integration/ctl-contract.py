#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemons offer what dbus/ promises: every interface as introspected is the one that is written down."""

import os
import unittest
import xml.etree.ElementTree as ElementTree

from network import NetworkTest

DBUS_DIR = os.environ["DBUS_DIR"]
ROOT = "/org/p2pnet/Node1"


def annotations(element):
    return sorted((child.get("name"), child.get("value")) for child in element.findall("annotation"))


def describe(interface):
    """An interface as a value that can be compared; the layout does not matter, the order of arguments does."""
    members = {}
    for member in interface:
        if member.tag in ("method", "signal"):
            default = "in" if member.tag == "method" else "out"
            what = [(arg.get("name"), arg.get("type"), arg.get("direction", default))
                    for arg in member.findall("arg")]
            if member.tag == "signal":
                what = [(name, kind) for name, kind, _ in what]
            else:       # sd-bus lists all "in" before all "out", as we do
                what = sorted(what, key=lambda arg: arg[2] == "out")
        elif member.tag == "property":
            what = (member.get("type"), member.get("access"))
        else:
            continue
        members[(member.tag, member.get("name"))] = (what, annotations(member))
    return members


def written_down(name):
    return describe(ElementTree.parse(os.path.join(DBUS_DIR, name + ".xml")).getroot().find("interface"))


class Contract(NetworkTest):
    maxDiff = None

    def bus_name(self, instance):
        role, port = instance.split("@")
        return f"org.p2pnet.{role.capitalize()}1.p{port}"

    def introspect(self, instance, path):
        (text,) = self.busctl("call", self.bus_name(instance), path, "org.freedesktop.DBus.Introspectable",
                              "Introspect")
        return {interface.get("name"): interface for interface in ElementTree.fromstring(text).findall("interface")}

    def assert_offers(self, instance, path, *names):
        interfaces = self.introspect(instance, path)
        self.assertEqual(sorted(name for name in interfaces if name.startswith("org.p2pnet.")), sorted(names))
        for name in names:
            self.assertEqual(describe(interfaces[name]), written_down(name), f"{instance} {path} {name}")
        return interfaces

    def test_every_object_is_as_it_is_written_down(self):
        self.start_network(1, 2)
        (seed,), (peer, other) = self.seeds, self.peers
        other_path = f"{ROOT}/peer/" + self.json("-i", other, "show")["nodeId"]

        self.assertIn("org.freedesktop.DBus.ObjectManager",
                      self.assert_offers(peer, ROOT, "org.p2pnet.Node1.Manager"))
        self.assert_offers(peer, other_path, "org.p2pnet.Node1.Peer")
        self.assert_offers(seed, ROOT, "org.p2pnet.Node1.Seed")
        self.assert_offers(seed, other_path, "org.p2pnet.Node1.Peer")

        self.ctl_start("-i", peer, "subscribe", "/x")
        self.wait_for(lambda: self.json("-i", peer, "statistics")["statistics"]["Subscriptions"], "a subscription")
        (objects,) = self.busctl("call", self.bus_name(peer), ROOT, "org.freedesktop.DBus.ObjectManager",
                                 "GetManagedObjects")
        (subscription,) = [path for path, interfaces in objects.items()
                           if "org.p2pnet.Node1.Subscription" in interfaces]
        self.assertRegex(subscription, f"^{ROOT}/subscription/s[0-9]+$")
        self.assert_offers(peer, subscription, "org.p2pnet.Node1.Subscription")

    def test_both_have_log_control(self):
        self.start_network(1, 1)
        for instance in self.seeds + self.peers:
            interface = self.introspect(instance, "/org/freedesktop/LogControl1")["org.freedesktop.LogControl1"]
            self.assertEqual({name for _, name in describe(interface)}, {"LogLevel", "LogTarget", "SyslogIdentifier"})

    def test_unknown_peers_have_no_object(self):
        self.start_network(1, 1)
        for instance in self.seeds + self.peers:
            result = self.busctl_result("introspect", self.bus_name(instance),
                                        f"{ROOT}/peer/00000000000000000000000000000bad")
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("Unknown object", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
