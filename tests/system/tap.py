# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests have in common: a rig that is gone afterwards, come what may, and checks that speak TAP.

A check is a function that takes what is tested, its context, and is named by its text. A failed assertion is a failed check, shown
with its line and what the context reports. A context has clean(), called before each check, and report(); with a title, that
stands before the names of its checks.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import product
from rig import PACKAGES, Rig, RigError, run


def collector(checks):
        """A decorator that adds a function to the list."""
        def check(function):
                checks.append(function)
                return function
        return check


def run_checks(runs, words=()):
        """@runs: pairs of a context and its checks, in their order. With words only those whose names have one of them."""
        chosen = [(context, function, name_of(context, function)) for context, checks in runs for function in checks]
        if words:
                chosen = [(context, function, name) for context, function, name in chosen
                          if any(word in function.__name__ or word in name for word in words)]
        print(f'1..{len(chosen)}', flush=True)
        for number, (context, function, name) in enumerate(chosen, 1):
                began = time.monotonic()
                fact = error = None
                try:
                        context.clean()
                        fact = function(context)
                except Exception as caught:
                        error = caught
                took = f'{time.monotonic() - began:.1f} s' + (f'; {fact}' if fact else '')
                print(f'{"not ok" if error else "ok"} {number} - {name} ({took})', flush=True)
                if error:
                        explain(context, function, error)


def name_of(context, function):
        return getattr(context, 'title', '') + ' '.join(function.__doc__.split())


def explain(context, function, error):
        frames = traceback.extract_tb(error.__traceback__)
        here = next((frame for frame in frames if frame.name == function.__name__), frames[-1])
        text = f'{function.__name__}, line {here.lineno}: {here.line}\n{type(error).__name__}: {error}'
        with contextlib.suppress(RigError, subprocess.TimeoutExpired):
                text += '\n' + context.report()
        print('# ' + text.rstrip().replace('\n', '\n# '), flush=True)


def main(doc, identifier, session, sysusers='', packages=PACKAGES, install=True):
        """The whole of a script: session(rig, source, words) with the image made, the network laid, and rig.debs.

        @identifier is the rig's; runs with the same one wait for each other. Without @install the image has Debian alone."""
        if len(sys.argv) < 3:
                sys.exit(doc)
        if os.geteuid() != 0:
                print('1..0 # SKIP booting a host needs root')
                return

        # A mount namespace of our own: whatever happens to us, nothing stays mounted.
        if os.environ.get('P2PNET_RIG_NAMESPACE') != 'own':
                os.environ['P2PNET_RIG_NAMESPACE'] = 'own'
                os.execvp('unshare', ['unshare', '--mount', '--propagation', 'slave', sys.executable, '-B', *sys.argv])

        signal.signal(signal.SIGINT, signal.default_int_handler)        # a shell that starts us in the background has it ignored
        for number in signal.SIGTERM, signal.SIGHUP:
                signal.signal(number, lambda number, _: sys.exit(f'ended by {signal.Signals(number).name}'))
        with directory(identifier) as place:
                rig = Rig(place, identifier)
                rig.debs = sorted(Path(sys.argv[1]).glob('p2pnet_*.deb'))
                try:
                        rig.sweep()
                        if install and not rig.debs:
                                raise RigError(f'{sys.argv[1]}: no p2pnet_*.deb; tools/build-deb makes it')
                        rig.make_image(rig.debs if install else (), sysusers, packages)
                        product.keep_shipped(rig.root)
                        rig.make_network()
                        session(rig, Path(sys.argv[2]), sys.argv[3:])
                finally:
                        for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
                                signal.signal(number, signal.SIG_IGN)   # a second one must not cut this short
                        rig.sweep()


@contextlib.contextmanager
def directory(identifier):
        """A directory on a tmpfs. It is ours alone: another run with this id waits until we have ended."""
        path = Path('/run') / identifier
        while True:
                path.mkdir(exist_ok=True)
                with contextlib.suppress(FileNotFoundError):            # removed by a run that ended just now
                        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                        fcntl.flock(lock, fcntl.LOCK_EX)
                        if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
                                break
                        os.close(lock)
        try:
                run('mount', '-t', 'tmpfs', '-o', 'mode=755', identifier, path)
                try:
                        yield path
                finally:
                        run('umount', '--lazy', path)
        finally:
                path.rmdir()
                os.close(lock)
