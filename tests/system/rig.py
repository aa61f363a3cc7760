# SPDX-License-Identifier: LGPL-2.1-or-later
"""Booted hosts for tests: real systemd as PID 1 in containers, on a machine whose own PID 1 may be anything.

A Rig has an image (Debian and the product), a bridge and Hosts on it, and makes faults: hosts that are cut off, apart,
lossy, frozen, without power. It needs root and the [test] packages of tools/packages. Everything it makes carries its id,
in cgroups and network namespaces, and Rig.sweep() removes all of that, also what a killed run has left. Its files lie on a
tmpfs that only the caller's mount namespace has; see tap.py.

Why it is done this way:

- The hosts are started by systemd-nspawn without machined, which is not there; so we enter them by nsenter.
- Each has a cgroup of its own: with --keep-unit they would share the caller's. On machines with both cgroup hierarchies the
  host gets the unified one alone.
- --volatile=overlay shares one image among hosts and boots; what has to outlive a reboot is bind-mounted.
- CAP_NET_ADMIN and the system call bpf are there for IPAddressDeny=, which else silently does nothing.
- nspawn leaves its propagation directory behind in /run/systemd/nspawn; a tmpfs over it, in a mount namespace of its own,
  takes that along when it ends.
- A power cut is silence: the link goes down first, or the kernel of the namespace would send FIN for whatever is killed; and
  the namespace goes before the host comes back, or it would send them then.
- IPv6 addresses are there at once (nodad), so that a daemon that starts at boot can have them.
"""

import contextlib
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
            'libpam-systemd', 'libsmartcols1', 'openssh-client', 'openssh-server', 'procps', 'systemd', 'systemd-container',
            'systemd-sysv')
BASE_VERSION = 3                # of how the base image is made, for the name of its cached file
BOOT_SECONDS = 60


class RigError(Exception):
        pass


def address(number):
        return f'10.77.0.{number}'


def address6(number):
        return f'fd77::{number}'


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
                """@directory: where its files may lie."""
                self.directory = Path(directory)
                self.id = identifier
                self.root = self.directory / 'root'
                self.cgroups = [tree / identifier for tree in cgroup_trees()]
                self.filters = []

        # Image ------------------------------------------------------------------------------------------------------

        def base(self, packages):
                """The tar file of a minimal Debian, made when it is not in the cache."""
                cache = Path(os.environ.get('RIG_CACHE', '/var/cache/p2pnet-rig'))
                key = hashlib.sha256('\n'.join((SUITE, str(BASE_VERSION), *packages)).encode()).hexdigest()[:12]
                tar = cache / f'base-{key}.tar'
                if tar.exists():
                        return tar

                cache.mkdir(parents=True, exist_ok=True)
                with open(cache / f'{tar.name}.lock', 'w') as lock:
                        fcntl.flock(lock, fcntl.LOCK_EX)        # another script may be making the same
                        if not tar.exists():
                                self.make_base(tar, packages)
                return tar

        def make_base(self, tar, packages):
                draft = tar.with_name(tar.name + '.draft')
                try:
                        run('mmdebstrap', '--quiet', '--format=tar', '--variant=minbase', f'--include={",".join(packages)}',
                            '--dpkgopt=path-exclude=/usr/share/man/*', '--dpkgopt=path-exclude=/usr/share/locale/*',
                            '--dpkgopt=path-exclude=/usr/share/doc/*',
                            # A test that needs one of these starts it, or changes over to it.
                            '--customize-hook=chroot "$1" systemctl --quiet disable ssh.service dbus-broker.service',
                            '--customize-hook=chroot "$1" systemctl --quiet --global disable dbus-broker.service',
                            '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"; : > "$1/etc/machine-id"',
                            SUITE, draft)
                        draft.rename(tar)
                finally:
                        draft.unlink(missing_ok=True)

        def make_image(self, debs=(), sysusers='', packages=PACKAGES):
                """Debian, packages of ours, and further users, as a line for systemd-sysusers each."""
                shutil.rmtree(self.root, ignore_errors=True)
                self.root.mkdir(parents=True)
                run('tar', '-C', self.root, '-xf', self.base(packages))
                if debs:
                        self.install(*debs)
                (self.root / 'usr/lib/sysusers.d/zz-test.conf').write_text(sysusers)
                run('systemd-sysusers', f'--root={self.root}')

        def install(self, *debs):
                """dpkg -i into the image, with nothing of this machine in its reach."""
                stock = self.root / 'debs'
                stock.mkdir()
                try:
                        for deb in debs:
                                shutil.copy(deb, stock)
                        run('unshare', '--mount', '--net', '--ipc', '--uts', '--pid', '--fork', '--kill-child',
                            f'--root={self.root}', '--mount-proc', '--wd=/', 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
                            'LC_ALL=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive',
                            'dpkg', '--install', *(f'/debs/{Path(deb).name}' for deb in debs))
                finally:
                        shutil.rmtree(stock)

        # Network ----------------------------------------------------------------------------------------------------

        def make_network(self):
                """A bridge in a namespace of its own, with no way out."""
                run('ip', 'netns', 'add', self.id)
                self.ip('link', 'add', 'br0', 'type', 'bridge', 'stp_state', 0, 'forward_delay', 0, 'mcast_snooping', 0)
                self.ip('link', 'set', 'br0', 'up')

        def ip(self, *args, name=None, **kwargs):
                """ip in the namespace of the host with that name, or in that of the bridge."""
                return run('ip', '-n', f'{self.id}-{name}' if name else self.id, *args, **kwargs)

        def plug(self, name, number):
                """The namespace of one host, with eth0 on the bridge: 10.77.0.NUMBER and fd77::NUMBER."""
                netns = f'{self.id}-{name}'
                run('ip', 'netns', 'add', netns)
                self.ip('link', 'add', f'v-{name}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
                self.ip('link', 'set', f'v-{name}', 'master', 'br0', 'up')
                self.ip('link', 'set', 'lo', 'up', name=name)
                self.ip('address', 'add', f'{address(number)}/24', 'dev', 'eth0', name=name)
                self.ip('address', 'add', f'{address6(number)}/64', 'dev', 'eth0', 'nodad', name=name)
                self.ip('link', 'set', 'eth0', 'up', name=name)

        def unplug(self, name):
                """The namespace of one host goes, with whatever its kernel still wanted to send."""
                self.ip('link', 'del', f'v-{name}', check=False)
                run('ip', 'netns', 'del', f'{self.id}-{name}', check=False)

        # Faults of the network; all hold until unfilter() -------------------------------------------------------------

        def split(self, a, b):
                """Two hosts cannot reach each other; both reach all others."""
                self.filter(f'iifname "v-{a.name}" oifname "v-{b.name}" drop', f'iifname "v-{b.name}" oifname "v-{a.name}" drop')

        def loss(self, host, percent):
                """So many of the packets to that host are lost."""
                self.filter(f'oifname "v-{host.name}" numgen random mod 100 < {percent} drop')

        def filter(self, *rules):
                """Rules for what the bridge forwards, besides those that hold."""
                self.filters += rules
                self.load_filters()

        def unfilter(self):
                self.filters = []
                self.load_filters()

        def load_filters(self):
                rules = '\n'.join(self.filters)
                run('nsenter', f'--net=/run/netns/{self.id}', 'nft', '--file', '-',
                    input=f'flush ruleset\ntable bridge faults {{\nchain forwarded {{\n'
                          f'type filter hook forward priority 0; policy accept;\n{rules}\n}}\n}}\n')

        # Hosts ------------------------------------------------------------------------------------------------------

        def start_all(self, hosts):
                """Boots them side by side."""
                for host in hosts:
                        host.launch()
                for host in hosts:
                        host.wait_booted()

        # The end ----------------------------------------------------------------------------------------------------

        def sweep(self):
                """Ends and removes everything that carries our id, whoever started it."""
                kill = self.cgroups[0] / 'cgroup.kill'
                if kill.exists():
                        kill.write_text('1')
                        wait_until(lambda: 'populated 0' in (self.cgroups[0] / 'cgroup.events').read_text(), 20)
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
        def __init__(self, rig, name, number, keep=()):
                """@keep: directories that outlive a reboot."""
                self.rig = rig
                self.name = name
                self.number = number
                self.address = address(number)
                self.address6 = address6(number)
                self.directory = rig.directory / name
                self.keep = ('/var/log/journal',) + tuple(keep)
                self.nspawn = None
                self.leader = None
                rig.plug(name, number)

        # Life -------------------------------------------------------------------------------------------------------

        def start(self):
                self.launch()
                self.wait_booted()

        def launch(self):
                """Starts the boot. In the thread that lives longest: the host ends with the thread that started it."""
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

        def find_leader(self):
                """PID 1 of the host: the child of nspawn that has become systemd."""
                if self.nspawn.poll() is not None:
                        console = (self.directory / 'console').read_text(errors='replace')
                        raise RigError(f'{self.name} does not boot:\n{console}')
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):        # a helper of nspawn that ended meanwhile
                        for child in Path(f'/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children').read_text().split():
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

        # Faults -----------------------------------------------------------------------------------------------------

        def cut(self):
                """The cable is out: the host sees it, and nobody reaches it."""
                self.rig.ip('link', 'set', f'v-{self.name}', 'down')

        def heal(self):
                self.rig.ip('link', 'set', f'v-{self.name}', 'up')

        def freeze(self, frozen=True):
                """Nothing of the host runs; its kernel still takes connections and acknowledges what comes."""
                group = self.rig.cgroups[0] / self.name / 'payload'
                (group / 'cgroup.freeze').write_text(str(int(frozen)))
                if not wait_until(lambda: f'frozen {int(frozen)}' in (group / 'cgroup.events').read_text(), 20):
                        raise RigError(f'{self.name} is not {"frozen" if frozen else "thawed"}')

        def power_cut(self):
                """From one moment to the next nothing comes from it any more, not even a FIN. plug_again() boots it."""
                self.cut()
                self.end(signal.SIGKILL)
                self.rig.unplug(self.name)

        def plug_again(self):
                self.rig.plug(self.name, self.number)
                self.start()

        # Inside -----------------------------------------------------------------------------------------------------

        def inside(self, user=None):
                """The beginning of a command line that runs the rest of it inside, as root or another user."""
                enter = ['nsenter', '-t', str(self.leader), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', '--']
                clean = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8', 'TERM=dumb']
                return enter + clean + (['runuser', '-u', user, '--'] if user else [])

        def run(self, *args, user=None, check=True, timeout=60, **kwargs):
                return run(*args, within=self.inside(user), check=check, timeout=timeout, **kwargs)

        def path(self, path):
                """That file or directory of the host, as it is seen from here, for as long as the host runs."""
                return Path('/proc', str(self.leader), 'root', path.lstrip('/'))

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
