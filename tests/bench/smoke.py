#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every benchmark runs to its end and prints every row that it is to print, in its unit. Nothing is said about how fast
anything is. Speaks TAP.

usage: smoke.py PROGRAM...
"""

import json
import math
import os
import subprocess
import sys
import tempfile

from rows import PROGRAMS, systems_of

EXIT_SKIP = 77
OURS = ["p2pnet", "p2pnet-stream", "p2pnet-wire"]         # the others are optional, and wait for seconds by themselves
NODES = {"bench-cost": 1, "bench-ratio": 1}


def faults(program, system, output):
        """What is wrong with what it printed, a sentence each."""
        rows = {name: row for name, row in PROGRAMS[program].items() if system in row.systems}
        seen = []
        for line in output.splitlines():
                figure = json.loads(line)
                name, value = figure["row"], figure["value"]
                if name not in rows:
                        yield f"row '{name}' is not in rows.py for {system}"
                        continue
                if name in seen:
                        yield f"row '{name}' comes twice"
                seen.append(name)
                if figure["system"] != system or figure["nodes"] != NODES.get(program, 2):
                        yield f"row '{name}' is of {figure['system']}, {figure['nodes']} nodes"
                if value is None:
                        if not figure["why"]:
                                yield f"row '{name}' has no value and no reason"
                elif not math.isfinite(value) or not 0 <= value <= rows[name].most:
                        yield f"row '{name}': {value} {rows[name].unit} is no sane figure"
        yield from (f"row '{name}' is missing" for name in rows if name not in seen)


def check(program, path, system):
        """Return: what TAP says of it behind 'ok' or 'not ok', and the faults."""
        name = f"{program} of {system} prints every row"
        with tempfile.TemporaryDirectory(prefix="p2pnet-bench-test-") as directory:
                result = subprocess.run([path, f"--system={system}", f"--nodes={NODES.get(program, 2)}", "--quick"],
                                        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                                        env={**os.environ, "TMPDIR": directory})
                left = os.listdir(directory)
        if result.returncode == EXIT_SKIP:
                return f"{name} # SKIP {result.stderr.strip()}", []
        if result.returncode != 0:
                return name, [f"ended with {result.returncode}: {result.stderr.strip()}"]
        return name, list(faults(program, system, result.stdout)) + [f"left {entry} behind" for entry in left]


def main():
        programs = {os.path.basename(path): path for path in sys.argv[1:]}
        if set(programs) != set(PROGRAMS):
                sys.exit(f"usage: smoke.py {' '.join(PROGRAMS)}")
        checks = [(program, system) for program in programs for system in systems_of(program) if system in OURS]
        print(f"1..{len(checks)}")
        for number, (program, system) in enumerate(checks, 1):
                name, found = check(program, programs[program], system)
                print(f"{'not ok' if found else 'ok'} {number} - {name}")
                for fault in found:
                        print(f"# {fault}")
                sys.stdout.flush()


if __name__ == "__main__":
        main()
