# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: the programs, the systems that have each of their rows, and what we want to reach."""

from dataclasses import dataclass

SYSTEMS = ["p2pnet", "p2pnet-stream", "p2pnet-wire", "serf", "nats"]


@dataclass(frozen=True)
class Row:
        text: str
        unit: str
        most: float                     # anything beyond it is no figure but a mistake of the measurement
        systems: tuple
        nodes: tuple = ()               # all that the program is run with, if empty
        goal: float = None              # of p2pnet, at goal_nodes
        goal_nodes: int = 50
        goal_system: str = "p2pnet"
        is_least: bool = False          # the goal is to reach at least that much, not at most


ALL = ("p2pnet", "p2pnet-stream", "p2pnet-wire", "serf", "nats")
MEMBERS = ("p2pnet", "serf")
STREAM = "p2pnet-stream"        # how a program that has many messages sends and gets them
NODES = ("p2pnet", "serf", "nats")
FORWARDERS = ("p2pnet-wire", "nats")

PROGRAMS = {
        "bench-members": {
                "know-all":     Row("all know all, started at once", "s", 121, MEMBERS, goal=1),
                "rss":          Row("memory of one node, resident", "MiB", 4096, NODES, goal=8),
                "private":      Row("memory of one node, private", "MiB", 4096, NODES, goal=2),
                "idle-cpu":     Row("idle CPU of one node", "%", 800, NODES, goal=0.05),
                "idle-wakeups": Row("idle wakeups of one node", "/s", 1e6, NODES, goal=12),
                "kill-first":   Row("killed process, first suspects", "s", 101, MEMBERS, goal=0.3),
                "kill-all":     Row("killed process, all know it dead", "s", 101, MEMBERS, goal=3),
                "stop-first":   Row("stopped process, first suspects", "s", 101, MEMBERS, goal=3),
                "stop-all":     Row("stopped process, all know it dead", "s", 101, MEMBERS, goal=5),
                "cut-first":    Row("power cut, first suspects", "s", 101, MEMBERS, goal=3),
                "cut-all":      Row("power cut, all know it dead", "s", 101, MEMBERS, goal=5),
        },
        "bench-latency": {
                "latency-p50":  Row("64 B until the last has it, median", "ms", 1e4, ALL, goal_system=STREAM, goal=2),
                "latency-p99":  Row("64 B until the last has it, 99 %", "ms", 1e4, ALL, goal_system=STREAM, goal=10),
                "message-cpu":  Row("CPU of all nodes for one message", "us", 1e8, ALL),
                "lost-calm":    Row("accepted and then lost, one at a time", "messages", 1e4, ALL, goal_system=STREAM, goal=0),
        },
        "bench-rate": {
                "rate":         Row("64 B, highest rate with nothing lost", "/s", 1e8, ALL,
                                    goal_system=STREAM, goal=1e5, goal_nodes=10, is_least=True),
                "delivery-cpu": Row("CPU of all nodes for one delivery then", "us", 1e6, ALL),
                "overload-accepted": Row("overload: accepted", "messages", 1e9, ALL),
                "overload-lost": Row("overload: accepted and then lost", "messages", 1e9, ALL, goal_system=STREAM, goal=0, goal_nodes=10),
                "largest":      Row("largest message", "B", 1e8, ALL, goal_system=STREAM, goal=1048576, goal_nodes=10, is_least=True),
        },
        "bench-cost": {
                "cost-64":      Row("CPU of a forwarder, 64 B to 4 links", "us", 1e7, FORWARDERS, goal=2, goal_nodes=1,
                                    goal_system="p2pnet-wire"),
                "cost-1k":      Row("CPU of a forwarder, 1 KiB to 4 links", "us", 1e7, FORWARDERS),
                "cost-64k":     Row("CPU of a forwarder, 64 KiB to 4 links", "us", 1e7, FORWARDERS),
                "cost-1m":      Row("CPU of a forwarder, 1 MiB to 4 links", "us", 1e7, FORWARDERS),
        },
}

# A node that passes messages on to four, beside a forwarder that does nothing else.
PROGRAMS["bench-ratio"] = {
        f"{kind}-{size}-{batch}": Row(f"{text}, {size_text}, {batch} at once", unit, most, ("p2pnet-wire",))
        for size, size_text in (("64", "64 B"), ("1k", "1 KiB")) for batch in (1, 8, 64, 512)
        for kind, text, unit, most in (("forward", "CPU of a forwarder with 4 links", "us", 1e7),
                                       ("raw", "CPU of a raw forwarder", "us", 1e7),
                                       ("ratio", "ours to the raw one", "times", 1e5))
}

# With how many nodes each is run; bench-cost and bench-ratio are about one.
NODES_OF = {
        "bench-members": (2, 10, 50),
        "bench-latency": (2, 10, 50),
        "bench-rate": (2, 10, 50),
        "bench-cost": (1,),
        "bench-ratio": (1,),
}


def systems_of(program):
        return [system for system in SYSTEMS if any(system in row.systems for row in PROGRAMS[program].values())]
