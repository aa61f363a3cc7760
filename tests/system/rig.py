# SPDX-License-Identifier: LGPL-2.1-or-later
"""Booted hosts for tests: real systemd as PID 1 in containers, on a machine whose own PID 1 may be anything.

A Rig has an image (Debian and the product), a bridge and Hosts on it. It needs root and the [test] packages of
tools/packages. Everything it makes carries its id, in cgroups and network namespaces, and Rig.sweep() removes all of that,
also what a killed run has left. Its files lie in a directory of the caller's, best on a tmpfs.

Why it is done this way:

- The hosts are started by systemd-nspawn without machined, which is not there; so we enter them by nsenter.
- Each has a cgroup of its own: with --keep-unit they would share the caller's. On machines with both cgroup hierarchies the
  host gets the unified one alone.
- --volatile=overlay shares one image among hosts and boots; what has to outlive a reboot is bind-mounted.
- CAP_NET_ADMIN and the system call bpf are there for IPAddressDeny=, which else silently does nothing.
- nspawn leaves its propagation directory behind in /run/systemd/nspawn; a tmpfs over it, in a mount namespace of its own,
  takes that along when it ends.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

SUITE = 'bookworm'
PACKAGES = ('dbus', 'dbus-broker', 'dbus-user-session', 'iproute2', 'libconfig9', 'libjansson4', 'libnss-systemd',
            'libpam-systemd', 'libsmartcols1', 'procps', 'systemd', 'systemd-sysv')
BASE_VERSION = 1                # of how the base image is made, for the name of its cached file
BOOT_SECONDS = 60


class RigError(Exception):
        pass


def run(*args, check=True, timeout=600, within=(), **kwargs):
        """Runs @args, by the command @within if there is one. What failed is told by @args alone."""
        if 'input' not in kwargs:
                kwargs['stdin'] = subprocess.DEVNULL
        result = subprocess.run([str(a) for a in (*within, *args)], text=True, errors='replace', timeout=timeout,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
        if check and result.returncode != 0:
                raise RigError(f'{" ".join(map(str, args))}: exit status {result.returncode}\n{result.stdout}')
        return result


def wait_until(condition, seconds, interval=0.05):
        """Return: what the condition returned once it was true; a false value when the time was over."""
        end = time.monotonic() + seconds
        while True:
                value = condition()
                if value or time.monotonic() > end:
                        return value
                time.sleep(interval)


def cgroup_trees():
        """The hierarchies to keep our processes in; the first is the unified one, with cgroup.kill."""
        top = Path('/sys/fs/cgroup')
        if (top / 'cgroup.controllers').exists():
                return [top]
        return [top / 'unified', top / 'systemd']


class Rig:
        def __init__(self, directory, identifier='p2prig'):
                self.lock = open(f'/run/{identifier}.lock', 'w')        # waits for another run with this id to end
                fcntl.flock(self.lock, fcntl.LOCK_EX)
                self.directory = Path(directory)
                self.id = identifier
                self.root = self.directory / 'root'
                self.cgroups = [tree / identifier for tree in cgroup_trees()]

        # Image ------------------------------------------------------------------------------------------------------

        def base(self):
                """The tar file of a minimal Debian, made when it is not in the cache."""
                cache = Path(os.environ.get('RIG_CACHE', '/var/cache/p2pnet-rig'))
                key = hashlib.sha256('\n'.join((SUITE, str(BASE_VERSION)) + PACKAGES).encode()).hexdigest()[:12]
                tar = cache / f'base-{key}.tar'
                if tar.exists():
                        return tar

                cache.mkdir(parents=True, exist_ok=True)
                draft = cache / f'{tar.name}.{os.getpid()}'
                try:
                        run('mmdebstrap', '--quiet', '--format=tar', '--variant=minbase', f'--include={",".join(PACKAGES)}',
                            '--dpkgopt=path-exclude=/usr/share/man/*', '--dpkgopt=path-exclude=/usr/share/locale/*',
                            '--dpkgopt=path-exclude=/usr/share/doc/*',
                            '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"; : > "$1/etc/machine-id"',
                            SUITE, draft)
                        draft.rename(tar)
                finally:
                        draft.unlink(missing_ok=True)
                return tar

        def make_image(self, product, sysusers=''):
                """Debian, the tree that "meson install" made, and further users, as a line for systemd-sysusers each."""
                shutil.rmtree(self.root, ignore_errors=True)
                self.root.mkdir(parents=True)
                run('tar', '-C', self.root, '-xf', self.base())
                run('cp', '-r', '--no-target-directory', '--preserve=mode,links', '--no-dereference', product, self.root)
                (self.root / 'usr/lib/sysusers.d/zz-test.conf').write_text(sysusers)
                run('systemd-sysusers', f'--root={self.root}')
                run('journalctl', f'--root={self.root}', '--update-catalog')

        # Network ----------------------------------------------------------------------------------------------------

        def make_network(self):
                """A bridge in a namespace of its own, with no way out."""
                run('ip', 'netns', 'add', self.id)
                run('ip', '-n', self.id, 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0')
                run('ip', '-n', self.id, 'link', 'set', 'br0', 'up')

        def plug(self, name, address):
                """The namespace of one host, with eth0 on the bridge."""
                netns = f'{self.id}-{name}'
                run('ip', 'netns', 'add', netns)
                run('ip', '-n', self.id, 'link', 'add', f'v-{name}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
                run('ip', '-n', self.id, 'link', 'set', f'v-{name}', 'master', 'br0', 'up')
                run('ip', '-n', netns, 'link', 'set', 'lo', 'up')
                run('ip', '-n', netns, 'address', 'add', f'{address}/24', 'dev', 'eth0')
                run('ip', '-n', netns, 'link', 'set', 'eth0', 'up')

        # The end ----------------------------------------------------------------------------------------------------

        def sweep(self):
                """Ends and removes everything that carries our id, whoever started it."""
                kill = self.cgroups[0] / 'cgroup.kill'
                if kill.exists():
                        kill.write_text('1')
                        wait_until(lambda: 'populated 0' in (self.cgroups[0] / 'cgroup.events').read_text(), 5)
                for cgroup in self.cgroups:
                        remove_cgroup(cgroup)
                for line in run('ip', 'netns', 'list').stdout.splitlines():
                        name = line.split()[0]
                        if name == self.id or name.startswith(self.id + '-'):
                                run('ip', 'netns', 'del', name)


def remove_cgroup(cgroup):
        def gone():
                run('find', cgroup, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+', check=False)
                return not cgroup.exists()

        if cgroup.exists():
                wait_until(gone, 2)


class Host:
        def __init__(self, rig, name, address, keep=()):
                """@keep: directories that outlive a reboot."""
                self.rig = rig
                self.name = name
                self.directory = rig.directory / name
                self.keep = ('/var/log/journal',) + tuple(keep)
                self.nspawn = None
                self.leader = None
                rig.plug(name, address)

        # Life -------------------------------------------------------------------------------------------------------

        def start(self):
                binds = []
                for path in self.keep:
                        kept = self.directory / path.strip('/').replace('/', '-')
                        kept.mkdir(parents=True, exist_ok=True)
                        binds.append(f'--bind={kept}:{path}')

                groups = [cgroup / self.name for cgroup in self.rig.cgroups]
                for group in groups:
                        group.mkdir(parents=True, exist_ok=True)

                enter = '; '.join(f'echo $$ > {group}/cgroup.procs' for group in groups)
                quiet = 'mkdir -p /run/systemd/nspawn && mount -t tmpfs -o mode=755 rig /run/systemd/nspawn && exec "$@"'
                uuid = hashlib.md5(f'{self.rig.id}-{self.name}'.encode()).hexdigest()   # the same at every boot
                with open(self.directory / 'console', 'a') as console:
                        self.nspawn = subprocess.Popen(
                                ['sh', '-c', f'{enter}; exec "$@"', 'sh',
                                 'setpriv', '--pdeathsig', 'KILL',          # it ends with us, however we end
                                 'unshare', '--mount', '--propagation', 'slave', 'sh', '-c', quiet, 'sh',
                                 'env', 'SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1',
                                 'systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--boot',
                                 f'--directory={self.rig.root}', '--volatile=overlay', f'--machine={self.name}',
                                 f'--hostname={self.name}', f'--uuid={uuid}',
                                 f'--network-namespace-path=/run/netns/{self.rig.id}-{self.name}',
                                 '--capability=CAP_NET_ADMIN', '--system-call-filter=bpf', '--resolv-conf=off',
                                 '--timezone=off', '--link-journal=no', '--console=read-only', *binds],
                                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
                self.wait_booted()

        def find_leader(self):
                """PID 1 of the host: the child of nspawn that has become systemd."""
                if self.nspawn.poll() is not None:
                        console = (self.directory / 'console').read_text(errors='replace')
                        raise RigError(f'{self.name} does not boot:\n{console}')
                children = Path(f'/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children').read_text().split()
                for child in children:
                        if Path(f'/proc/{child}/comm').read_text().strip() == 'systemd':
                                return int(child)
                return None

        def wait_booted(self):
                self.leader = wait_until(self.find_leader, BOOT_SECONDS, 0.02)
                if not self.leader:
                        raise RigError(f'{self.name}: systemd does not come up')

                state = wait_until(lambda: self.booted_state(), BOOT_SECONDS)
                if state != 'running':
                        raise RigError(f'{self.name} is {state or "not up in time"}:\n' +
                                       self.run('systemctl', '--failed', '--no-pager', check=False).stdout)

        def booted_state(self):
                result = self.run('systemctl', 'is-system-running', '--wait', check=False, timeout=BOOT_SECONDS)
                state = result.stdout.strip()
                return state if state in ('running', 'degraded', 'maintenance') else None

        def stop(self):
                """An orderly power-off."""
                self.end(signal.SIGRTMIN + 4)

        def end(self, sig):
                os.kill(self.leader, sig)
                try:
                        self.nspawn.wait(20)
                except subprocess.TimeoutExpired:
                        (self.rig.cgroups[0] / self.name / 'cgroup.kill').write_text('1')
                        self.nspawn.wait(5)
                for cgroup in self.rig.cgroups:
                        remove_cgroup(cgroup / self.name)
                self.leader = None

        def reboot(self):
                self.stop()
                self.start()

        # Inside -----------------------------------------------------------------------------------------------------

        def inside(self, user=None):
                """The beginning of a command line that runs the rest of it inside, as root or another user."""
                enter = ['nsenter', '-t', str(self.leader), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', '--']
                clean = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8', 'TERM=dumb']
                return enter + clean + (['runuser', '-u', user, '--'] if user else [])

        def run(self, *args, user=None, check=True, timeout=60, **kwargs):
                return run(*args, within=self.inside(user), check=check, timeout=timeout, **kwargs)

        def read(self, path):
                return self.run('cat', path).stdout

        def write(self, path, text):
                """Also makes the directory."""
                self.run('mkdir', '-p', os.path.dirname(path))
                self.run('tee', path, input=text)

        def show(self, unit, prop):
                """One property of a unit, as systemctl shows it."""
                return self.run('systemctl', 'show', '--value', '-p', prop, unit).stdout.strip()

        def journal(self, *args):
                self.run('journalctl', '--sync')
                return self.run('journalctl', '--no-pager', '--quiet', '--output=cat', *args).stdout
