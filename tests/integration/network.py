# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real daemons on free ports, and a private bus for them: what integration tests are made of. Nothing is left behind.

Network is one such network; NetworkTest has one for each test, SharedNetworkTest one for all tests of the class.

Environment: P2PCTL, P2P_SEEDD, P2P_PEERD, the programs.
"""

import atexit
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))

import minibus                  # noqa: E402
import p2pnet_model as model    # noqa: E402

P2PCTL = os.environ["P2PCTL"]
PROGRAMS = {"seed": os.environ["P2P_SEEDD"], "peer": os.environ["P2P_PEERD"]}

WAIT_SECONDS = 60       # for facts that take a second or two; a slow machine is no failure

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/> <allow eavesdrop="true"/> <allow own="*"/>
  </policy>
</busconfig>
"""

reservations = []       # one socket for each port that this process was given, until it ends
open_networks = []

# A test that is ended from outside, as one that takes too long is, leaves nothing behind either.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@atexit.register
def close_networks():
    while open_networks:
        open_networks[-1].close()


def free_ports(n):
    """Ports that nobody listens on, and that no other test of this kind is given while this one runs. They are below
    those that the kernel gives to outgoing connections, so they are free again when a daemon comes back."""
    ports = []
    while len(ports) < n:
        port = random.randrange(10000, 32000)
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0p2pnet-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        reservations.append(reservation)
        ports.append(port)
    return sorted(ports)


def port_of(instance):
    return int(instance.split("@")[1])


def bus_name(instance):
    role, port = instance.split("@")
    return f"org.p2pnet.{role.capitalize()}1.p{port}"


def publish(client, instance, topic, payload=b""):
    """As the interface says: who is told Busy tries again later. Return: id and sequence."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return client.call(bus_name(instance), "/org/p2pnet/Node1", "org.p2pnet.Node1.Manager", "Publish", "saya{sv}",
                               topic, payload, {})
        except minibus.BusError as error:
            if error.name != "org.p2pnet.Node1.Error.Busy" or time.monotonic() >= end:
                raise
            time.sleep(0.01)


class Attended:
    """A session of the model that somebody reads all the time: its PINGs are answered, and what comes is kept."""

    def __init__(self, session):
        self.session = session
        self.messages = []              # (name, body)
        self.end = None                 # model.Closed, or another exception
        self.is_stopping = False
        self.thread = threading.Thread(target=self.attend)
        self.thread.start()

    def attend(self):
        while not self.is_stopping:
            try:
                self.messages.append(self.session.receive(timeout=0.1))
            except TimeoutError:
                continue
            except (model.Closed, model.Malformed, OSError) as error:
                self.end = error
                return

    def bodies(self, name):
        return [body for other, body in self.messages if other == name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_stopping = True
        self.thread.join()
        if self.end is None:
            self.session.close("leaving")
        self.session.sock.close()


class Network:
    """Seeds and peers, written seed@PORT and peer@PORT as everywhere."""

    CONFIG = 'profile = "local";\nnetwork = "test";\ngossip = { count = 0; };\n'

    def open(self, bus=True):
        self.directory = tempfile.mkdtemp(prefix="p2pnet-")
        open_networks.append(self)
        self.processes = {}
        self.logs = []
        self.bus = None
        self.address = "none"
        os.mkdir(os.path.join(self.directory, "etc"))
        self.write_config("p2pnet.conf", self.CONFIG)
        if bus:
            self.address = "unix:path=" + os.path.join(self.directory, "bus")
            self.start_bus()

    def close(self):
        """Stops everything, by process id. A daemon that ends with anything but success has a fault."""
        open_networks[:] = [network for network in open_networks if network is not self]
        processes = {**self.processes, **({"the bus": self.bus} if self.bus else {})}
        for process in processes.values():
            if process.poll() is None:
                # In this order: one that ends already, and is looked at by LeakSanitizer, would stand still at a SIGCONT for ever.
                process.send_signal(signal.SIGCONT)
                process.terminate()

        faults = []
        for name, process in processes.items():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                faults.append(f"{name} did not stop")
                process.kill()
                process.wait()
            # One that is asked to stop before it listens to that ends by the signal.
            if re.fullmatch(r"(seed|peer)@\d+", name) and process.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM):
                faults.append(f"{name} ended with {process.returncode}:\n{self.log(name)}")
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.directory)
        if faults:
            raise AssertionError("\n".join(faults))

    # Files.

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write_config(self, name, text):
        path = self.path("etc", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def write_seeds(self, ports, host="127.0.0.1"):
        entries = ", ".join(f'{{ host = "{host}"; port = {port}; }}' for port in ports)
        self.write_config("seeds.conf", f"seeds = ( {entries} );\n")

    def log(self, instance):
        with open(self.path(instance + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def print_logs(self):
        for path in self.logs:
            with open(path, encoding="utf-8", errors="replace") as file:
                print(f"--- {os.path.basename(path)}\n{file.read()}")

    # Processes.

    def environment(self, **changes):
        kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.endswith("_OPTIONS")}
        return {**kept, "LANG": "C.UTF-8", "HOME": self.directory, "P2PNET_BUS": self.address, **changes}

    def start_bus(self):
        config = self.path("bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(self.path("bus")))
        self.bus = subprocess.Popen(["dbus-daemon", "--nofork", "--print-address=1", "--config-file=" + config],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        with self.bus.stdout as stdout:
            if not stdout.readline():
                raise AssertionError("the bus has not started")

    def stop_bus(self):
        self.bus.terminate()
        self.bus.wait(timeout=15)
        self.bus = None

    def command(self, instance, *options):
        role, port = instance.split("@")
        return [PROGRAMS[role], port, "--config-dir=" + self.path("etc"), "--runtime-dir=" + self.path("run"),
                "--state-dir=" + self.path(instance), "--bus=" + self.address, *options]

    def start(self, instance, *options, wait=False, **popen):
        """Starts a daemon. With wait it listens when this returns; it may not be on the bus yet."""
        log = self.path(instance + ".log")
        n_listening = self.log(instance).count(": Listening on ") if os.path.exists(log) else 0
        with open(log, "a", encoding="utf-8") as file:
            self.processes[instance] = subprocess.Popen(
                self.command(instance, *options),
                **{"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file, "env": self.environment(), **popen})
        if log not in self.logs:
            self.logs.append(log)
        if wait:
            self.wait_for(lambda: self.log(instance).count(": Listening on ") > n_listening, f"{instance} listens")
        return self.processes[instance]

    def stop(self, instance, number=signal.SIGTERM):
        process = self.processes.pop(instance)
        process.send_signal(number)
        return process.wait(timeout=15)

    def run_daemon(self, instance, *options, timeout=20, **changes):
        """A daemon that is expected to end by itself: (exit status, what it said)."""
        result = subprocess.run(self.command(instance, *options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=timeout,
                                env=self.environment(**changes), check=False)
        return result.returncode, result.stdout

    def name_ports(self, n_seeds, n_peers):
        ports = free_ports(n_seeds + n_peers)
        self.seeds = [f"seed@{port}" for port in ports[:n_seeds]]
        self.peers = [f"peer@{port}" for port in ports[n_seeds:]]
        self.write_seeds(ports[:n_seeds])

    def start_network(self, n_seeds, n_peers):
        """Starts seeds and peers, and waits until each peer is registered as it wants to be, and knows all others."""
        self.name_ports(n_seeds, n_peers)
        for instance in self.seeds + self.peers:
            self.start(instance)
        if self.address == "none":
            for peer in self.peers:
                self.wait_log(peer, "Registered with seed", n_seeds // 2 + 1)
                self.wait_for(lambda p=peer: len(self.joined(p)) == n_peers - 1, f"{peer} knows all others")
                if n_peers > 1:
                    self.wait_log(peer, "Linked to")
            return
        for instance in self.seeds + self.peers:
            if n_seeds == 0:            # and so nobody is online by itself
                self.wait_for(lambda i=instance: self.is_on_bus(i), f"{instance} is on the bus")
            else:
                self.ctl("-i", instance, "wait-online", f"--timeout={WAIT_SECONDS}")
        if n_seeds == 0:
            return
        for peer in self.peers:
            self.wait_for(lambda p=peer: len(self.json("-i", p, "peers")["peers"]) == n_peers - 1,
                          f"{peer} knows all others")
            self.wait_for(lambda p=peer: self.is_registered(p), f"{peer} is registered with enough seeds")

    def is_registered(self, peer):
        seeds = self.json("-i", peer, "status")["seeds"]
        return seeds["registered"] >= seeds["wanted"]

    def joined(self, instance):
        """The ports of those of which its log says that they joined."""
        return set(re.findall(r" joined, at \S+:(\d+)\.", self.log(instance)))

    # Facts.

    def wait_for(self, condition, what, seconds=WAIT_SECONDS):
        """What the condition gave when it was true at last."""
        end = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() >= end:
                raise AssertionError(f"waited {seconds} s in vain: {what}")
            time.sleep(0.05)
        return result

    def wait_log(self, instance, pattern, times=1, since=0):
        """Waits until the log, from that position on, has matched so often; the last match."""
        return self.wait_for(lambda: (found := list(re.finditer(pattern, self.log(instance)[since:]))) and
                             len(found) >= times and found[-1], f"{instance} says '{pattern}' {times} times")

    def node(self, **changes):
        """What the Python model says of itself here."""
        return model.Node(**{"network": "test", "port": free_ports(1)[0], **changes})

    def listed(self, seed):
        """The list of a seed, as whoever asks gets it: name to record."""
        with model.Session.dial(self.node(name="asker"), "127.0.0.1", port_of(seed)) as session:
            records = {record["name"]: record for record in session.list_all()}
            session.close()
            return records

    def listed_ports(self, seed):
        return {record["address"][0].port for record in self.listed(seed).values()}

    # Calls.

    def ctl(self, *arguments, status=0, stdin=""):
        result = subprocess.run([P2PCTL, *arguments], capture_output=True, text=True, input=stdin,
                                timeout=WAIT_SECONDS + 30, env=self.environment(), check=False)
        if result.returncode != status:
            raise AssertionError(f"p2pctl {' '.join(arguments)}: status {result.returncode}, not {status}: "
                                 f"{result.stdout}{result.stderr}")
        return result

    def json(self, *arguments, status=0, stdin=""):
        return json.loads(self.ctl("--json=short", *arguments, status=status, stdin=stdin).stdout)

    def ctl_start(self, *arguments, stdin=None):
        process = subprocess.Popen([P2PCTL, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment())
        self.processes["p2pctl " + " ".join(arguments)] = process
        return process

    def busctl_result(self, *arguments):
        return subprocess.run(["busctl", "--address=" + self.address, "--json=short", *arguments], capture_output=True,
                              text=True, timeout=60, check=False)

    def is_on_bus(self, instance):
        # Not "busctl status": it shows of the process what an ordinary user may not see everywhere, in a bare chroot for one.
        (answer,) = self.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                "s", bus_name(instance))
        return answer

    def busctl(self, *arguments):
        """A raw call on the bus. The reply's data."""
        result = self.busctl_result(*arguments)
        if result.returncode != 0:
            raise AssertionError(f"busctl {' '.join(arguments)}: {result.stderr}")
        return json.loads(result.stdout)["data"] if result.stdout.strip() else None


class CheckedTest(unittest.TestCase):
    """A test that knows, while it cleans up, whether it has failed."""

    def run(self, result=None):
        self.result = result
        self.n_failed_before = len(result.failures) + len(result.errors)
        return super().run(result)

    def has_failed(self):
        return len(self.result.failures) + len(self.result.errors) > self.n_failed_before


class NetworkTest(Network, CheckedTest):
    """A network of its own, with a bus, for each test."""

    BUS = True

    def setUp(self):
        self.open(self.BUS)
        self.addCleanup(self.clean_up)

    def clean_up(self):
        if self.has_failed():           # whatever went wrong, the daemons saw it
            self.print_logs()
        self.close()


class SharedNetworkTest(CheckedTest):
    """One network, self.net, for all tests of a class: they leave it as it was."""

    BUS = True
    CONFIG = Network.CONFIG
    SEEDS, PEERS = 1, 2

    @classmethod
    def setUpClass(cls):
        cls.net = Network()
        cls.net.CONFIG = cls.CONFIG
        cls.net.open(cls.BUS)
        cls.addClassCleanup(cls.net.close)
        try:
            cls.net.start_network(cls.SEEDS, cls.PEERS)
        except BaseException:
            cls.net.print_logs()
            raise

    def tearDown(self):
        if self.has_failed():
            self.net.print_logs()
