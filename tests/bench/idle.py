#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a peer does while nothing is published: system calls, sleeps and instructions for each idle second.

    idle.py [--nodes=N] [--seconds=S] BUILD...

All peers run on loopback with the profile lan, beside one seed, and without a bus. Of each build: the sleeps and the time on a
processor of all peers, the system calls of ten of them (strace), and the instructions of one outside the kernel (callgrind).
Calls and instructions do not depend on what else the machine does; the time does. It needs strace and valgrind, and may have to
be root to trace. Several builds are measured one after the other.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

WARM_UP_SECONDS = 25            # joining is over, and what follows it
TRACED = 10                     # whose numbers of links differ
SEED_PORT, FIRST_PORT = 15000, 16001
CONFIG = 'profile = "lan";\nnetwork = "idle";\ngossip = { count = 0; };\n'


class Network:
    def __init__(self, build, n, directory):
        self.directory = directory
        self.processes = []
        os.mkdir(os.path.join(directory, "etc"))
        self.write("p2pnet.conf", CONFIG)
        self.write("seeds.conf", f'seeds = ( {{ host = "127.0.0.1"; port = {SEED_PORT}; }} );\n')
        self.start([os.path.join(build, "src/seedd/p2p-seedd")], SEED_PORT)
        peer = os.path.join(build, "src/peerd/p2p-peerd")
        self.profile = os.path.join(directory, "callgrind.out")
        self.counted = self.start(["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
                                   f"--callgrind-out-file={self.profile}", peer], FIRST_PORT)
        self.peers = [self.start([peer], FIRST_PORT + i) for i in range(1, n)]

    def write(self, name, text):
        with open(os.path.join(self.directory, "etc", name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, command, port):
        process = subprocess.Popen(
            [*command, str(port), "--bus=none", f"--config-dir={self.directory}/etc", f"--runtime-dir={self.directory}/run",
             f"--state-dir={self.directory}/{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait()


def usage(processes):
    """Nanoseconds on a processor, and sleeps, of all of them."""
    cpu = sleeps = 0
    for process in processes:
        with open(f"/proc/{process.pid}/schedstat", encoding="ascii") as file:
            cpu += int(file.read().split()[0])
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            sleeps += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
    return cpu, sleeps


def calls_of(processes, seconds):
    """Name to number, of all system calls in that time."""
    tracers = [subprocess.Popen(["strace", "-c", "-f", "-p", str(process.pid)], stderr=subprocess.PIPE, text=True)
               for process in processes]
    time.sleep(seconds)
    calls = {}
    for tracer in tracers:
        tracer.send_signal(signal.SIGINT)
        said = tracer.communicate()[1]
        for number, name in re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", said, re.M):
            if name != "total":
                calls[name] = calls.get(name, 0) + int(number)
    return calls


def instructions_of(network, seconds):
    control = ["callgrind_control", str(network.counted.pid)]
    for command in "--instr=on", "--instr=off", "--dump":
        subprocess.run([*control, command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if command == "--instr=on":
            time.sleep(seconds)
    with open(network.profile + ".1", encoding="utf-8", errors="replace") as file:
        return int(re.search(r"^totals: (\d+)", file.read(), re.M)[1])


def measure(build, n, seconds):
    with tempfile.TemporaryDirectory(prefix="p2pnet-idle-") as directory:
        network = Network(build, n, directory)
        try:
            time.sleep(WARM_UP_SECONDS)
            before = usage(network.peers)
            time.sleep(seconds)
            cpu, sleeps = (after - earlier for after, earlier in zip(usage(network.peers), before))
            calls = calls_of(network.peers[:TRACED], seconds)
            instructions = instructions_of(network, seconds)
        finally:
            network.stop()

    peers = len(network.peers)
    print(f"{build}: {n} peers, {seconds} s; of one in a second:")
    print(f"  time on a processor   {cpu / peers / seconds / 1e7:.4f} %")
    print(f"  sleeps                {sleeps / peers / seconds:.2f}")
    print(f"  instructions          {instructions / seconds:,.0f} outside the kernel")
    total = sum(calls.values()) / min(TRACED, peers) / seconds
    print(f"  system calls          {total:.1f}: " + ", ".join(
        f"{name} {number / min(TRACED, peers) / seconds:.1f}"
        for name, number in sorted(calls.items(), key=lambda call: -call[1]) if number >= seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", metavar="BUILD")
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    for build in arguments.builds:
        measure(os.path.abspath(build), arguments.nodes, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
