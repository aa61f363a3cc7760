#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/bench: builds p2pnet, runs the programs of tests/bench several times, and prints medians beside ratios."""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import NODES_OF, PROGRAMS, SYSTEMS, systems_of

TOP = Path(__file__).resolve().parent.parent.parent
EXIT_SKIP = 77
OTHERS = {"serf": ("serf", "serf"), "nats": ("nats-server", "nats-server")}       # program, Debian package
COLUMNS = ("what", "unit", "nodes", "p2pnet", "p2pnet-stream", "p2pnet-wire", "serf", "nats", "goal", "ours to goal", "to serf", "to nats")


def say(text):
        print(text, file=sys.stderr, flush=True)


def parse_arguments():
        def numbers(text):
                values = [int(word) for word in text.split(",")]
                if not all(1 <= value <= 500 for value in values):
                        raise argparse.ArgumentTypeError("accepted are 1 to 500 nodes")
                return values

        def words(accepted):
                def parse(text):
                        for word in text.split(","):
                                if word not in accepted:
                                        raise argparse.ArgumentTypeError(f"found '{word}', accepted are {', '.join(accepted)}")
                        return text.split(",")
                return parse

        parser = argparse.ArgumentParser(
                prog="tools/bench", allow_abbrev=False,
                description="Builds p2pnet and measures it, beside serf and nats-server where they are installed, in network "
                            "namespaces of its own. The table goes to stdout, what happens to stderr.")
        parser.add_argument("--runs", type=int, default=3, metavar="N", help="of each program; medians are shown (default: 3)")
        parser.add_argument("--nodes", type=numbers, metavar="N,...", help="only with so many (default: 2,10,50)")
        parser.add_argument("--programs", type=words(list(PROGRAMS)), default=list(PROGRAMS), metavar="NAME,...",
                            help=f"only these of {', '.join(PROGRAMS)}")
        parser.add_argument("--systems", type=words(SYSTEMS), default=SYSTEMS, metavar="NAME,...",
                            help=f"only these of {', '.join(SYSTEMS)}")
        parser.add_argument("--quick", action="store_true", help="short windows, to see that everything runs")
        parser.add_argument("--json", metavar="FILE", help="add every single figure to this file, one JSON object a line")
        parser.add_argument("--table", nargs="+", metavar="FILE", help="measure nothing: the table of such files")
        parser.add_argument("--install-others", action="store_true",
                            help="install serf and nats-server from Debian first (root); their services are not started")
        return parser.parse_args()


# ---- what there is ----

def install_others():
        packages = [package for program, package in OTHERS.values() if not shutil.which(program)]
        if not packages:
                return
        if os.geteuid() != 0:
                sys.exit(f"tools/bench: installing {' and '.join(packages)} needs root.")
        # Neither is to run as a service of this machine because somebody measures.
        with tempfile.TemporaryDirectory() as directory:
                policy = Path(directory) / "policy-rc.d"
                policy.write_text("#!/bin/sh\nexit 101\n")
                policy.chmod(0o755)
                target = Path("/usr/sbin/policy-rc.d")
                is_ours = not target.exists()
                if is_ours:
                        shutil.copy(policy, target)
                try:
                        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], check=True,
                                       stdin=subprocess.DEVNULL, stdout=sys.stderr,
                                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
                finally:
                        if is_ours:
                                target.unlink()


def build():
        """Where the programs are: P2PNET_BENCH_BUILD, or built in build-bench."""
        given = os.environ.get("P2PNET_BENCH_BUILD")
        if given:
                return Path(given).resolve()
        if subprocess.run([TOP / "tools" / "install-deps", "build"], stdin=subprocess.DEVNULL, check=False).returncode != 0:
                sys.exit("tools/bench: packages are missing that p2pnet is built with, see above.")
        directory = TOP / "build-bench"
        if not (directory / "build.ninja").exists():
                subprocess.run(["meson", "setup", directory, TOP], check=True, stdout=subprocess.DEVNULL)
        targets = ["src/seedd/p2p-seedd", "src/peerd/p2p-peerd", *(f"tests/bench/{program}" for program in (*PROGRAMS, "raw-forwarder"))]
        say(f"Building p2pnet in {directory} ...")
        subprocess.run(["ninja", "--quiet", "-C", directory, *targets], check=True, stdout=sys.stderr)
        return directory


def first_line(*command):
        try:
                result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        except OSError:
                return ""
        return next(iter(result.stdout.splitlines() or result.stderr.splitlines()), "").strip()


def machine():
        """The conditions, as text."""
        model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                      if line.startswith("model name")), platform.machine())
        memory = next(int(line.split()[1]) for line in open("/proc/meminfo", encoding="utf-8") if line.startswith("MemTotal"))
        commit = first_line("git", "-C", str(TOP), "describe", "--always", "--dirty") or "unknown"
        found = [f"commit {commit}", f"{os.cpu_count()} x {model}", f"{memory / 1048576:.0f} GiB", f"Linux {platform.release()}",
                 first_line("dbus-daemon", "--version")]
        for program, package in OTHERS.values():
                version = first_line("dpkg-query", "-W", "-f", "${Version}", package)
                found.append(f"{package} {version}" if shutil.which(program) else f"{package}: not installed")
        return ", ".join(word for word in found if word)


def load():
        return float(Path("/proc/loadavg").read_text(encoding="utf-8").split()[0])


# ---- measuring ----

def measure(directory, arguments, program, system, n_nodes):
        """Runs one program once. Return: its figures."""
        environment = {**os.environ, "P2P_SEEDD": str(directory / "src/seedd/p2p-seedd"),
                       "P2P_PEERD": str(directory / "src/peerd/p2p-peerd"),
                       "RAW_FORWARDER": str(directory / "tests/bench/raw-forwarder")}
        command = [str(directory / "tests/bench" / program), f"--system={system}", f"--nodes={n_nodes}"]
        if arguments.quick:
                command.append("--quick")

        with tempfile.TemporaryDirectory(prefix="p2pnet-bench-") as temporary:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           text=True, env={**environment, "TMPDIR": temporary})
                try:
                        output, errors = process.communicate()
                finally:
                        if process.poll() is None:      # it ends what it has started
                                process.send_signal(signal.SIGTERM)
                                process.wait()
        if process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
                raise KeyboardInterrupt
        figures = [{"program": program, **json.loads(line)} for line in output.splitlines()]
        if process.returncode != 0:
                say(f"  {errors.strip() or 'ended'} ({process.returncode})")
                if process.returncode != EXIT_SKIP:
                        figures.append({"program": program, "system": system, "nodes": n_nodes, "row": "", "value": None,
                                        "why": errors.strip()})
        return figures


def measure_all(arguments):
        if arguments.install_others:
                install_others()
        missing = [system for system, (program, _) in OTHERS.items() if not shutil.which(program)]
        directory = build()
        figures = []
        say(machine())

        for run in range(1, arguments.runs + 1):
                for program in arguments.programs:
                        nodes = NODES_OF[program]
                        if arguments.nodes and nodes != (1,):
                                nodes = arguments.nodes
                        for n_nodes in nodes:
                                for system in systems_of(program):
                                        if system not in arguments.systems or system in missing:
                                                continue
                                        began, load_before = time.monotonic(), load()
                                        found = measure(directory, arguments, program, system, n_nodes)
                                        say(f"run {run}: {program} of {system}, {n_nodes} nodes: {len(found)} figures in "
                                            f"{time.monotonic() - began:.0f} s, load {load_before:.1f}")
                                        for figure in found:
                                                figure.update(run=run, load=load_before)
                                        figures += found
                                        if arguments.json:
                                                with open(arguments.json, "a", encoding="utf-8") as file:
                                                        file.writelines(json.dumps(figure) + "\n" for figure in found)
        return figures


# ---- the table ----

def text_of(value):
        if value is None:
                return "-"
        if value == 0 or abs(value) >= 1000:
                return f"{value:,.0f}"
        return f"{value:.3g}"


def ratio(value, other):
        """How many times the other it is."""
        return f"{value / other:.2g}" if value is not None and other else "-"


def verdict(row, value):
        """Its ratio to the goal, and whether that is met."""
        met = value >= row.goal if row.is_least else value <= row.goal
        if row.goal == 0:
                return "met" if met else "not met"
        return f"{ratio(value, row.goal)} {'met' if met else 'NOT met'}"


def table(figures):
        """Lines of Markdown."""
        values, failed = {}, {}
        for figure in figures:
                key = figure["row"], figure["nodes"], figure["system"]
                if figure["value"] is None:
                        failed[key] = figure["why"]
                else:
                        values.setdefault(key, []).append(figure["value"])

        def median(name, n_nodes, system):
                found = values.get((name, n_nodes, system))
                return statistics.median(found) if found else None

        lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
        for program, rows in PROGRAMS.items():
                for name, row in rows.items():
                        for n_nodes in sorted({nodes for other, nodes, _ in [*values, *failed] if other == name}):
                                found = {system: median(name, n_nodes, system) for system in SYSTEMS}
                                cells = [text_of(found[system]) if system in row.systems else "" for system in SYSTEMS]
                                ours = row.goal_system if row.goal is not None else ("p2pnet" if "p2pnet" in row.systems else "p2pnet-wire")
                                value = found[ours]
                                is_goal = row.goal is not None and n_nodes == row.goal_nodes
                                goal = f"{'>=' if row.is_least else '<='} {text_of(row.goal)}" if is_goal else ""
                                judged = verdict(row, value) if is_goal and value is not None else ""
                                if judged and ours in ("p2pnet", "p2pnet-stream") and found["p2pnet-wire"] and row.goal:
                                        judged += f"; wire {verdict(row, found['p2pnet-wire'])}"
                                lines.append("| " + " | ".join(
                                        [row.text, row.unit, str(n_nodes), *cells, goal, judged,
                                         *(ratio(value, found[other]) if other in row.systems else "" for other in OTHERS)]) + " |")
        for (name, n_nodes, system), why in sorted(failed.items()):
                lines.append(f"\n{name or 'program'}, {n_nodes} nodes, {system}: {why}.")
        return lines


def main():
        arguments = parse_arguments()
        for number in signal.SIGINT, signal.SIGTERM:
                signal.signal(number, signal.default_int_handler)
        if arguments.table:
                figures = [json.loads(line) for name in arguments.table for line in open(name, encoding="utf-8")]
        else:
                try:
                        figures = measure_all(arguments)
                except KeyboardInterrupt:
                        say("Interrupted; everything that was started has ended.")
                        return 130
                print(machine())
                print()
                if not arguments.json:
                        for figure in figures:
                                print(json.dumps(figure))
                        print()
        print("\n".join(table(figures)))
        return 1 if any(not figure["row"] for figure in figures) else 0


if __name__ == "__main__":
        sys.exit(main())
