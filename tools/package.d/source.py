# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the builds of packages have in common: a clean copy of the sources, and a build whose log is shown when it fails."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
LOG_SHOWN = 60                  # lines of the log of a build that failed


class Failed(Exception):
        pass


def install_deps():
        return subprocess.run([TOP / 'tools/install-deps', 'package']).returncode == 0


def source_files():
        """The files to build from, relative to the top of the tree: those that git knows, as they are in the work tree. Where
        there is no git, all but builds."""
        if (TOP / '.git').exists():
                known = subprocess.run(['git', '-c', f'safe.directory={TOP}', '-C', TOP, 'ls-files', '-z'],
                                       stdout=subprocess.PIPE, text=True, check=True).stdout.split('\0')
                return [name for name in known if name and os.path.lexists(TOP / name)]
        return [str(file.relative_to(TOP)) for file in sorted(TOP.rglob('*'))
                if not file.is_dir() and not file.relative_to(TOP).parts[0].startswith(('build', '.'))]


def copy_source(target):
        for name in source_files():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TOP / name, target / name, follow_symlinks=False)


def end_in_order():
        """Who ends us ends the build as well, and nothing of it is left."""
        for number in signal.SIGTERM, signal.SIGHUP:
                signal.signal(number, lambda number, _: sys.exit(128 + number))


def build(command, directory):
        """Runs @command there; its log lies beside the directory."""
        log = directory.parent / 'log'
        with open(log, 'w') as output:
                process = subprocess.Popen(list(map(str, command)), cwd=directory, stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=subprocess.STDOUT, start_new_session=True)
                try:
                        status = process.wait()
                except BaseException:
                        os.killpg(process.pid, signal.SIGKILL)
                        process.wait()
                        raise
        if status != 0:
                lines = log.read_text(errors='replace').splitlines()
                raise Failed('\n'.join([*lines[-LOG_SHOWN:], f'{command[0]} failed; the end of its log is above.']))


def deliver(packages, outdir):
        outdir.mkdir(parents=True, exist_ok=True)
        for package in sorted(packages):
                print(shutil.copy(package, outdir))


def fail(error):
        print(error, file=sys.stderr)
        return 1
