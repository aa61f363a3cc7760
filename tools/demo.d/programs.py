# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs of p2pnet, built where we may write."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from terminal import Failure, check_interrupted, say

TOP = Path(__file__).resolve().parent.parent.parent

TARGETS = {
    "seed": "src/seedd/p2p-seedd",
    "peer": "src/peerd/p2p-peerd",
    "ctl": "src/p2pctl/p2pctl",
}


def leashed(command, number="TERM"):
    """The same command, for a child of ours: it ends by that signal when we are killed. The kernel sends it when the parent
    dies after setpriv has asked for that; whether it was dead by then is looked at afterwards."""
    return ["setpriv", "--pdeathsig", number, "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid()), *command]


def programs(directory):
    """Where each program is, by the keys of TARGETS. Without a better place they are built below directory."""
    build = os.environ.get("P2PNET_DEMO_BUILD")
    if build:
        build = Path(build).resolve()
        for target in TARGETS.values():
            if not os.access(build / target, os.X_OK):
                raise Failure(f"P2PNET_DEMO_BUILD is {build}, but there is no program {build / target}.")
    else:
        if subprocess.run([TOP / "tools" / "install-deps", "build"], stdin=subprocess.DEVNULL).returncode != 0:
            check_interrupted()
            raise Failure("Packages are missing that p2pnet is built with, see above.")
        build = build_directory(directory)
        build_all(build)
    return {name: str(build / target) for name, target in TARGETS.items()}


def build_directory(directory):
    """The first of these that is ours to write: in the tree, in the user's cache, in the directory of this run."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")

    for build in TOP / "build-demo", Path(cache) / "p2pnet" / "build-demo":
        if not build.is_absolute():
            continue
        try:
            build.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(build, os.W_OK) and build.stat().st_uid == os.geteuid():
            return build

    build = Path(directory) / "build"
    build.mkdir()
    return build


def build_all(build):
    began = time.monotonic()
    log = build / "demo.log"
    origin = build / "demo.source"

    # A setup that was cut short, or of a tree that was somewhere else then, cannot be continued.
    if not (build / "build.ninja").exists() or not origin.exists() or origin.read_text() != str(TOP):
        for entry in build.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        origin.write_text(str(TOP))
        commands = [["meson", "setup", str(build), str(TOP)]]
        remark = ", which takes a minute the first time"
    else:
        commands = []
        remark = ""
    commands.append(["ninja", "-C", str(build), *TARGETS.values()])

    say(f"Building p2pnet in {build}{remark} ...", end="")
    with open(log, "w", encoding="utf-8") as file:
        for command in commands:
            status = run(command, file)
            if status != 0:
                say(" failed.")
                raise Failure(f"'{' '.join(command)}' ended with status {status}.", log=log)
    say(f" done in {time.monotonic() - began:.0f} s.")


def run(command, file):
    """Runs a command that takes its time, and ends it when we are to end."""
    process = subprocess.Popen(leashed(command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    try:
        while process.poll() is None:
            check_interrupted()
            time.sleep(0.05)
        check_interrupted()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return process.returncode
