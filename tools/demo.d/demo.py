# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/demo: a small network on this machine, from its first seed to its last trace. The story is in story.py."""

import argparse
import os
import shlex
import sys
import time

from network import Network, free_ports
from programs import programs
from story import Story
from terminal import (INDENT, Failure, Interrupted, Interrupts, check_interrupted, paint, say, say_log,
                      say_wrapped)

# One seed is killed, and another has to be there for the peer that comes back. One peer is killed, and two are still to
# talk to each other.
SEEDS_MIN, SEEDS_MAX = 2, 16
PEERS_MIN, PEERS_MAX = 3, 50


def number(least, most):
    def parse(text):
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"found '{text}', accepted is {least} to {most}.")
        return int(text)
    return parse


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="tools/demo", allow_abbrev=False,
        description="Builds p2pnet and shows what it does, with a small network on this machine and a bus of its own. "
                    "Installs Debian packages that are missing (as root), nothing else, and leaves nothing behind.")
    for name, kind, default, text in (
            ("--seeds", number(SEEDS_MIN, SEEDS_MAX), 3, f"how many seeds, {SEEDS_MIN} to {SEEDS_MAX}"),
            ("--first-seed-port", number(1, 65535), 5000, "the port of the first; those in use are left out"),
            ("--peers", number(PEERS_MIN, PEERS_MAX), 6, f"how many peers, {PEERS_MIN} to {PEERS_MAX}"),
            ("--first-peer-port", number(1, 65535), 6001, "the port of the first; those in use are left out")):
        parser.add_argument(name, type=kind, default=default, metavar="N", help=f"{text} (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the network up, and say how to talk to it")
    return parser.parse_args()


def write_config(network, seed_ports):
    """Where the seeds are; everything else has a default."""
    entries = ",\n".join(f'        {{ host = "127.0.0.1"; port = {port}; }}' for port in seed_ports)
    network.write("etc/seeds.conf", f"seeds = (\n{entries}\n);\n")


def say_how_to_talk(network):
    ctl = shlex.join([network.programs["ctl"], "--bus=" + network.bus_address])
    say(f"""
The network is still up. To talk to it:

   {ctl} peers
   {ctl} monitor
   tail -f {shlex.quote(network.directory)}/log/*.log

To stop it, and remove {network.directory}:

   {shlex.quote(network.write_stop_script())}""")


def prepare(network, options):
    """Everything before the first step."""
    network.programs = programs(network.directory)
    seed_ports = free_ports(options.first_seed_port, options.seeds, [])
    peer_ports = free_ports(options.first_peer_port, options.peers, seed_ports)
    network.ports = seed_ports + peer_ports
    write_config(network, seed_ports)

    say_wrapped(f"A network of {len(seed_ports)} seeds and {len(peer_ports)} peers on this machine, with a bus of "
                f"its own, in {network.directory}.")
    return Story(network, seed_ports, peer_ports)


def run(network, options):
    """Return: the exit status, and whether the network is to stay."""
    story = prepare(network, options)
    n_steps = len(story.steps) - 1 if options.keep else len(story.steps)
    failure = None
    began = time.monotonic()
    try:
        story.tell(n_steps)
    except Failure as error:
        failure = error
        say_wrapped(f"failed: {failure}", indent=INDENT, color="red")
        if failure.log:
            say_log(failure.log, 15)
        else:
            for instance in story.peers + story.seeds:
                say_log(network.log_path(instance), 5)
    check_interrupted()

    keep = options.keep and bool(network.daemons)
    if keep:
        say_how_to_talk(network)
    say()
    say(paint("red" if failure else "green",
              f"{story.n_done} of {n_steps} steps as expected ({time.monotonic() - began:.0f} s)."))
    return 1 if failure else 0, keep


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(errors="replace")
    os.umask(0o022)
    Interrupts.catch()

    network = None
    keep = False
    try:
        network = Network(options.keep)
        status, keep = run(network, options)
        return status
    except Failure as failure:
        if failure.log:
            say_log(failure.log, 40)
        print(f"tools/demo: {failure}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        say("\nInterrupted: stopping everything.")
        return 128 + interrupted.args[0]
    finally:
        if network and not keep:
            network.clean_up()
            if Interrupts.number is not None:
                left = network.leftovers()
                say(f"Left over: {', '.join(left)}." if left else "Nothing is left.")


if __name__ == "__main__":
    sys.exit(main())
