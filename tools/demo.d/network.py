# SPDX-License-Identifier: LGPL-2.1-or-later
"""Seeds, peers and a bus of their own: started, watched, and removed without a trace."""

import errno
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from programs import leashed
from terminal import Failure, check_interrupted, say, say_command, say_indented, uses_color

WAIT_SECONDS = 60       # for facts that take a few seconds at most; a slow machine is no failure
POLL_SECONDS = 0.03
STOP_SECONDS = 15

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
  <limit name="max_connections_per_user">4096</limit>
  <limit name="max_completed_connections">4096</limit>
</busconfig>
"""

STOP_SCRIPT = """#!/bin/sh
# Stops the network that tools/demo --keep left here, and removes this directory.
directory={directory}
of_ours() {{
    grep -qaF -e "$directory" "/proc/$1/cmdline" 2>/dev/null
}}
stop() {{
    for pid; do
        if of_ours $pid; then kill $pid; fi
    done
    tries=0
    for pid; do
        while of_ours $pid; do
            tries=$((tries + 1))
            if [ $tries -eq 150 ]; then kill -9 $pid; fi
            sleep 0.1
        done
    done
}}
cd /
stop {daemons}
stop {bus}
exec rm -rf "$directory"
"""


def free_ports(first, n, taken):
    """The first n ports from that one up on which a daemon can listen, and a word about each that is left out."""
    ports = []
    for port in range(first, 65536):
        if len(ports) == n:
            break
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno == errno.EACCES:
                    raise Failure(f"Port {port} is for root only; choose one above 1023.") from error
                if error.errno != errno.EADDRINUSE:
                    raise Failure(f"Cannot listen on port {port}: {error.strerror}.") from error
                say(f"Port {port} is in use; leaving it out.")
            else:
                ports.append(port)
    if len(ports) < n:
        raise Failure(f"{n} free ports are needed from {first} up, and there are {len(ports)}.")
    return ports


def environment(**more):
    """Ours, without what would lead to another bus or service manager."""
    kept = {name: value for name, value in os.environ.items()
            if name in ("HOME", "LANG", "NO_COLOR", "PATH", "TERM", "TZ") or name.startswith("LC_") or
            name.endswith("SAN_OPTIONS")}
    return {**kept, **more}


class Monitor:
    """What p2pctl monitor says of all nodes, each line with the time it came."""

    def __init__(self, network):
        self.events = []
        self.process = network.start_ctl("-i", "all", "--json=short", "monitor", stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE)
        self.process.stderr.readline()          # "watching ...", or why it cannot
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        self.process.stderr.close()


class Network:
    """Instances are named as everywhere: seed@PORT and peer@PORT."""

    def __init__(self, keep):
        self.keep = keep
        self.directory = os.path.realpath(tempfile.mkdtemp(prefix="p2pnet-demo-"))
        self.bus_address = "unix:path=" + os.path.join(self.directory, "bus")
        self.programs = None
        self.daemons = {}               # by instance, and the bus as "bus": those that are to run
        self.others = []                # p2pctl in the background
        self.pids = []                  # of every daemon there ever was
        self.ports = []
        for name in "etc", "log", "state":
            os.mkdir(os.path.join(self.directory, name))

    def log_path(self, instance):
        return os.path.join(self.directory, "log", instance + ".log")

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # ---- processes ----

    def start(self, instance, command):
        # Ctrl-C is for us alone: we stop them in order. Should we be killed, they end, too, unless they are to outlive us.
        if not self.keep:
            command = leashed(command)
        with open(self.log_path(instance), "a", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                       start_new_session=True, env=environment(P2PNET_BUS=self.bus_address))
        self.daemons[instance] = process
        self.pids.append(process.pid)

    def start_bus(self):
        config = self.write("bus.conf", BUS_CONFIG.format(path=os.path.join(self.directory, "bus")))
        if not shutil.which("dbus-daemon"):
            raise Failure("There is no dbus-daemon; it is in the package dbus.")
        self.start("bus", ["dbus-daemon", "--config-file=" + config, "--nofork", "--nopidfile", "--nosyslog"])
        self.wait_for("the bus runs", lambda: os.path.exists(os.path.join(self.directory, "bus")))

    def start_daemon(self, instance):
        role, port = instance.split("@")
        self.start(instance, [self.programs[role], port,
                              "--config-dir=" + os.path.join(self.directory, "etc"),
                              "--runtime-dir=" + os.path.join(self.directory, "run"),
                              "--state-dir=" + os.path.join(self.directory, "state", f"{role}-{port}")])

    def start_daemons(self, instances):
        """Starts them all at once, and shows the commands; of many only the first and the last."""
        for i, instance in enumerate(instances):
            self.start_daemon(instance)
            if len(instances) <= 8 or i < 2 or i == len(instances) - 1:
                role, port = instance.split("@")
                say_command(f"{os.path.basename(self.programs[role])} {port} &")
            elif i == 2:
                say_indented("  ...")

    def kill(self, instance):
        process = self.daemons.pop(instance)
        say_command(f"kill -9 {process.pid}", instance)
        process.kill()
        process.wait()

    def stop(self, instance):
        """Return: its exit status."""
        process = self.daemons.pop(instance)
        process.terminate()
        return self.end(process)

    def end(self, process):
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    # ---- p2pctl ----

    def ctl_command(self, *arguments):
        return [self.programs["ctl"], *arguments]

    def start_ctl(self, *arguments, **options):
        process = subprocess.Popen(leashed(self.ctl_command(*arguments)), stdin=subprocess.DEVNULL, text=True,
                                   start_new_session=True, env=environment(P2PNET_BUS=self.bus_address), **options)
        self.others.append(process)
        return process

    def run_ctl(self, *arguments):
        try:
            return subprocess.run(leashed(self.ctl_command(*arguments)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="replace", timeout=WAIT_SECONDS, check=False,
                                  env=environment(P2PNET_BUS=self.bus_address))
        except subprocess.TimeoutExpired as error:
            raise Failure(f"p2pctl {shlex.join(arguments)} has not ended after {WAIT_SECONDS} s.") from error

    def show(self, *arguments):
        """Runs p2pctl for the person who watches."""
        say_command(shlex.join(["p2pctl", *arguments]))
        result = self.run_ctl("--color=" + ("always" if uses_color() else "never"), *arguments)
        check_interrupted()
        if result.stdout:
            say_indented(result.stdout)
        if result.returncode != 0:
            if result.stderr:
                say_indented(result.stderr)
            raise Failure(f"p2pctl ended with status {result.returncode}.")

    def facts(self, *arguments):
        """The same for us: its answer for each node as {instance: value}; empty when not all could answer."""
        result = self.run_ctl("-i", "all", "--json=short", *arguments)
        if result.returncode != 0 or not result.stdout:
            return {}
        return {value["instance"]: value for value in json.loads(result.stdout)}

    # ---- waiting ----

    def check(self):
        check_interrupted()
        for instance, process in self.daemons.items():
            if process.poll() is not None:
                status = process.returncode
                how = f"was ended by signal {-status}" if status < 0 else f"has ended with status {status}"
                raise Failure(f"{instance} {how}.", log=self.log_path(instance))

    def wait_for(self, what, condition):
        """Asks until there is an answer. Return: the answer."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            self.check()
            answer = condition()
            if answer:
                return answer
            if time.monotonic() >= end:
                raise Failure(f"Waited {WAIT_SECONDS} s in vain for this: {what}.")
            time.sleep(POLL_SECONDS)

    # ---- the end ----

    def clean_up(self):
        for process in self.others:
            if process.poll() is None:
                process.terminate()
                self.end(process)
        bus = self.daemons.pop("bus", None)
        for process in self.daemons.values():
            process.terminate()
        for process in self.daemons.values():
            self.end(process)
        if bus:
            bus.terminate()
            self.end(bus)
        self.daemons = {}
        shutil.rmtree(self.directory, ignore_errors=True)

    def leftovers(self):
        """Everything of ours that is still there, a sentence for each: nothing, after clean_up()."""
        left = [f"process {pid}" for pid in self.pids if os.path.exists(f"/proc/{pid}")]
        for port in self.ports:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    left.append(f"port {port}")
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            left += ["socket " + line.split()[-1] for line in file if self.directory in line]
        if os.path.exists(self.directory):
            left.append(self.directory)
        return left

    def write_stop_script(self):
        pids = {instance: process.pid for instance, process in self.daemons.items()}
        bus = pids.pop("bus", "")
        path = self.write("stop", STOP_SCRIPT.format(directory=shlex.quote(self.directory), bus=bus,
                                                     daemons=" ".join(str(pid) for pid in pids.values())))
        os.chmod(path, 0o700)
        return path
