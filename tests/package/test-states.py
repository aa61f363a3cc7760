#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages through the states of their life, in a Debian of its own in which no systemd runs. Speaks TAP.

usage: test-states.py DIR SOURCE [WORD...]      with words only checks whose names have one of them

DIR has the packages that tools/build-deb and tools/build-rpm made. Every check begins in a fresh copy of that Debian, where none is
installed. What instances on a booted system do while the package changes is checked by tests/system.
"""

import os
import re
import shutil
import stat
import sys
from pathlib import Path

from packages import Deb, package, run
from rig import RigError
from tap import collector, main, run_checks

CHECKS = []
check = collector(CHECKS)

CONF = '/etc/p2pnet'
USERS = ['p2pnet', 'p2pnet', 'p2pnet-ctl']
CONTAINER = ('unshare', '--mount', '--net', '--ipc', '--uts', '--pid', '--fork', '--kill-child')
CLEAN = ('env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/root',
         'DEBIAN_FRONTEND=noninteractive')

# What dpkg, systemd and the makers of users keep for themselves, and what is not our business after a purge.
NOT_OURS = re.compile(r'/(var/lib/dpkg|var/log|var/cache|var/lib/systemd/catalog|debs|dev|proc|sys|tmp|usr/local)(/|$)|'
                      r'/etc/(\.pwd\.lock|(passwd|group|shadow|gshadow|subuid|subgid)-?)$')

# Stands in for dpkg-deb: the archive ends in the middle, and with it dpkg, as in a power cut.
POWER_CUT = '''#!/bin/sh
case "$1" in
        --fsys-tarfile) /usr/bin/dpkg-deb "$@" | head -c 400000; kill -KILL $PPID ;;
        *) exec /usr/bin/dpkg-deb "$@" ;;
esac
'''

# Stands in for systemctl: what runs is listed in /tmp/running, what it refuses to restart in /tmp/masked, what does not start
# again in /tmp/broken; calls go to /tmp/calls.
SYSTEMCTL = '''#!/bin/sh
echo "systemctl $*" >>/tmp/calls
for last; do :; done
case " $* " in
        *" list-units "*) template=${last%@*}; grep "^$template@" /tmp/running | sed 's/$/ loaded active running A node/' ;;
        *" is-enabled "*) grep -qx "$last" /tmp/enabled && echo enabled || echo disabled ;;
        *" is-active "*)  grep -qx "$last" /tmp/running ;;
        *" restart "*)    if grep -qx "$last" /tmp/masked; then echo "Unit $last is masked." >&2; exit 1; fi
                          if grep -qx "$last" /tmp/broken; then sed -i "/^$last$/d" /tmp/running; exit 1; fi ;;
esac
'''
RUNNING = ['p2p-peerd@6010.service', 'p2p-peerd@6002.service', 'p2p-seedd@5001.service', 'p2p-seedd@5000.service']
IN_ORDER = ['p2p-seedd@5000.service', 'p2p-seedd@5001.service', 'p2p-peerd@6002.service', 'p2p-peerd@6010.service']

# A seed and a peer without anything in /etc/p2pnet, on a system bus with the policy of the package.
EMPTY_ETC = '''set -e
rm -r /etc/p2pnet
ip link set lo up
mkdir -p /run/dbus
rm /etc/machine-id
dbus-uuidgen --ensure=/etc/machine-id
dbus-daemon --system --nopidfile --fork
run() {
        mkdir -p /run/p2pnet "/var/lib/p2pnet/$1"
        chown p2pnet: /run/p2pnet "/var/lib/p2pnet/$1"
        STATE_DIRECTORY=/var/lib/p2pnet/$1 RUNTIME_DIRECTORY=/run/p2pnet P2PNET_BUS=system exec \\
                setpriv --reuid=p2pnet --regid=p2pnet --init-groups "/usr/lib/p2pnet/$2" "$3"
}
run seed-5000 p2p-seedd 5000 & seed=$!
p2pctl --timeout=60 -i seed@5000 wait-online
run peer-6001 p2p-peerd 6001 & peer=$!
p2pctl --timeout=60 -i peer@6001 wait-online
p2pctl config check
p2pctl -i peer@6001 seeds
kill $peer && wait $peer
kill $seed && wait $seed
'''


class Context:
        def __init__(self, rig, source):
                self.source = source
                self.lower = rig.root
                self.root = rig.directory / 'merged'
                self.layers = [rig.directory / 'upper', rig.directory / 'work']
                self.deb = Path(rig.debs[0])
                self.version = Deb(self.deb).field('Version')
                self.higher = self.repack(rig.directory, '+up1')
                self.said = ''
                self.root.mkdir()

        def repack(self, directory, suffix):
                """The same package with a higher version."""
                tree = directory / 'tree'
                run('dpkg-deb', '--raw-extract', self.deb, tree)
                control = tree / 'DEBIAN/control'
                control.write_text(re.sub(r'^(Version: .*)$', r'\1' + suffix, control.read_text(), flags=re.M))
                run('dpkg-deb', '--root-owner-group', '--build', tree, directory)
                shutil.rmtree(tree)
                return package(directory, 'p2pnet_*.deb')

        def clean(self):
                """A Debian without the package, whatever was done to the last one."""
                self.unmount()
                for layer in self.layers:
                        shutil.rmtree(layer, ignore_errors=True)
                        layer.mkdir()
                upper, work = self.layers
                run('mount', '-t', 'overlay', '-o', f'lowerdir={self.lower},upperdir={upper},workdir={work}', 'overlay', self.root)
                for exclusions in (self.root / 'etc/dpkg/dpkg.cfg.d').iterdir():        # the image has no pages
                        exclusions.unlink()
                (self.root / 'debs').mkdir()
                for deb in self.deb, self.higher:
                        shutil.copy(deb, self.root / 'debs')
                self.said = ''

        def unmount(self):
                if os.path.ismount(self.root):
                        run('umount', self.root)

        def report(self):
                return self.said

        # Inside

        def run(self, *args, check=True, **kwargs):
                """In the Debian, with nothing of this machine in reach. Never as its first process, which no signal reaches."""
                shell = ('sh', '-c', '"$@"; exit $?', 'sh')
                result = run(*args, within=(*CONTAINER, f'--root={self.root}', '--mount-proc', '--wd=/', *CLEAN, *shell),
                             check=check, **kwargs)
                self.said += f'$ {" ".join(map(str, args))}\n{result.stdout}'
                return result

        def dpkg(self, *args, **kwargs):
                return self.run('dpkg', *args, **kwargs)

        def install(self, deb=None, **kwargs):
                return self.dpkg('--install', f'/debs/{(deb or self.deb).name}', **kwargs)

        def state(self):
                """As dpkg has it: what is wanted, what is wrong, the state; and the version."""
                return self.run('dpkg-query', '--show', '--showformat', '${Status} ${Version}', 'p2pnet', check=False).stdout

        def rpm(self, *args):
                """This machine's rpm on that Debian; the scripts of the package run inside."""
                result = run('rpm', '--root', self.root, '--nodeps', *args, within=(*CONTAINER, '--mount-proc', *CLEAN))
                self.said += f'$ rpm {" ".join(map(str, args))}\n{result.stdout}'

        def path(self, path):
                return self.root / path.lstrip('/')

        def write(self, path, text, mode=0o644):
                self.path(path).parent.mkdir(parents=True, exist_ok=True)
                self.path(path).write_text(text)
                self.path(path).chmod(mode)

        def link(self, path, target):
                self.path(path).parent.mkdir(parents=True, exist_ok=True)
                self.path(path).symlink_to(target)

        def files(self):
                """path: (kind and mode, owner, group, size) of all that may change by our doing."""
                found = {}
                for directory, names, others in os.walk(self.root):
                        inside = '/' + os.path.relpath(directory, self.root)
                        inside = '' if inside == '/.' else inside
                        names[:] = [name for name in names if not NOT_OURS.match(f'{inside}/{name}')]
                        for name in names + others:
                                if not NOT_OURS.match(f'{inside}/{name}'):
                                        status = os.lstat(f'{directory}/{name}')
                                        size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
                                        found[f'{inside}/{name}'] = (oct(status.st_mode), status.st_uid, status.st_gid, size)
                return found

        def catalog(self):
                """The texts that journalctl -x knows; too many for a report."""
                said = self.said
                result = self.run('journalctl', '--list-catalog')
                self.said = said
                return result.stdout

        def users(self):
                """Those of ours that are there: a user, its group, and the group that may publish."""
                return re.findall(r'^(p2pnet(?:-ctl)?):', self.path('/etc/passwd').read_text(), re.M) + \
                        sorted(re.findall(r'^(p2pnet(?:-ctl)?):', self.path('/etc/group').read_text(), re.M))

        def script(self, name, *args):
                """One of the scripts, as dpkg calls it."""
                return self.run('env', 'DPKG_MAINTSCRIPT_PACKAGE=p2pnet', f'/var/lib/dpkg/info/p2pnet.{name}', *args)

        def instances(self, verb, broken=(), masked=(), enabled=(), status=0):
                """What p2p-instances has systemctl do, on a system that seems to run: (verb, unit) of restart, start and stop."""
                self.path('/run/systemd/system').mkdir(parents=True, exist_ok=True)
                self.write('/usr/local/bin/systemctl', SYSTEMCTL, 0o755)
                for name, units in ('running', RUNNING), ('broken', broken), ('masked', masked), ('enabled', enabled):
                        self.write(f'/tmp/{name}', ''.join(f'{unit}\n' for unit in units))
                self.write('/tmp/calls', '')
                result = self.run('/usr/lib/p2pnet/p2p-instances', verb, check=False)
                assert result.returncode == status, result.stdout
                calls = self.path('/tmp/calls').read_text().splitlines()
                return re.findall(r'^systemctl (?:--\S+ )*(restart|start|stop) (.*)$', '\n'.join(calls), re.M), result.stdout


def differences(before, after):
        return [f'{path}: {before.get(path, "was not there")} -> {after.get(path, "gone")}'
                for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]


def expect_installed(c, version=None):
        version = version or c.version
        assert c.state() == f'install ok installed {version}', c.state()
        assert c.dpkg('--verify', 'p2pnet').stdout == '', c.dpkg('--verify', 'p2pnet').stdout
        left = [path for path in c.files() if path.endswith(('.dpkg-new', '.dpkg-tmp', '.dpkg-dist'))]
        assert not left, left
        assert c.run('p2pctl', 'version').stdout.startswith('p2pctl ')


def expect_purged(c, before):
        """Nothing is left; the users are."""
        assert not differences(before, c.files()), '\n'.join(differences(before, c.files()))
        assert 'not-installed' in c.state() or 'no packages found' in c.state(), c.state()
        assert c.users() == USERS, c.users()


def use(c):
        """What an administrator and the daemons leave behind."""
        c.write(f'{CONF}/p2pnet.conf.d/50-ours.conf', 'network = "ours";\n')
        c.write(f'{CONF}/peer@6001.conf.d/50-ours.conf', 'links = { outgoing = 5; };\n')
        c.write(f'{CONF}/seeds.d/50-ours.conf', 'seeds = ( { host = "192.0.2.1"; port = 5000; } );\n')
        c.write(f'{CONF}/p2pnet.conf', '# changed\n')
        c.write('/var/lib/p2pnet/peer-6001/identity', 'somebody')
        c.write('/run/p2pnet/seeds.d/5000.conf', '')
        c.link('/etc/systemd/system/p2pnet.target.wants/p2p-peerd@6001.service', '/lib/systemd/system/p2p-peerd@.service')
        c.run('chown', '-R', 'p2pnet:', '/var/lib/p2pnet', '/run/p2pnet')


@check
def it_can_be_installed(c):
        """a first installation makes the users, and starts and enables nothing"""
        assert c.users() == [], c.users()
        c.install()
        expect_installed(c)
        assert c.users() == USERS, c.users()
        assert not c.path('/etc/systemd/system/p2pnet.target.wants').exists()
        assert not c.path('/var/lib/p2pnet').exists(), 'units make their state directories themselves'
        assert 'A node has started' in c.catalog()


@check
def it_works_with_an_empty_etc(c):
        """with nothing in /etc/p2pnet a seed and a peer find each other on the system bus, and stop in order"""
        c.install()
        result = c.run('sh', '-c', EMPTY_ETC, timeout=180)
        assert '127.0.0.1:5000' in result.stdout and 'registered' in result.stdout, result.stdout


@check
def it_can_be_installed_again(c):
        """the same version once more changes nothing, and keeps configuration and state"""
        c.install()
        use(c)
        before = c.files()
        c.install()
        assert not differences(before, c.files()), differences(before, c.files())
        assert c.path(f'{CONF}/p2pnet.conf').read_text() == '# changed\n'


@check
def it_can_be_upgraded(c):
        """an upgrade, and the way back, keep configuration and state"""
        c.install()
        use(c)
        before = c.files()
        c.install(c.higher)
        assert c.state() == f'install ok installed {c.version}+up1', c.state()
        assert not differences(before, c.files()), differences(before, c.files())
        c.install()
        assert c.state() == f'install ok installed {c.version}', c.state()
        assert not differences(before, c.files()), differences(before, c.files())


@check
def it_can_be_removed_and_come_back(c):
        """removed, all but configuration and state is gone; installed again it is as before"""
        fresh = c.files()
        c.install()
        use(c)
        before = c.files()
        c.dpkg('--remove', 'p2pnet')
        assert c.state().startswith('deinstall ok config-files'), c.state()
        added = [path for path in c.files() if path not in fresh]
        assert all(path.startswith((CONF, '/var/lib/p2pnet', '/run/p2pnet', '/etc/systemd/system/p2pnet.target.wants'))
                   for path in added), added
        assert 'A node has started' not in c.catalog()
        c.install()
        assert not differences(before, c.files()), differences(before, c.files())
        assert c.path(f'{CONF}/p2pnet.conf').read_text() == '# changed\n'


@check
def a_purge_leaves_nothing(c):
        """purged, at once or after a removal, nothing is left but the users, also of what was added in /etc/p2pnet"""
        before = c.files()
        for steps in (['--purge'], ['--remove', '--purge']):
                c.install()
                use(c)
                for step in steps:
                        c.dpkg(step, 'p2pnet')
                expect_purged(c, before)


@check
def a_purge_leaves_what_is_of_others(c):
        """a purge leaves other units enabled, and drop-ins of units, which systemctl edit has made"""
        c.install()
        use(c)
        c.link('/etc/systemd/system/p2pnet.target.wants/other.service', '/lib/systemd/system/other.service')
        c.write('/etc/systemd/system/p2p-peerd@6001.service.d/override.conf', '[Service]\nNice=5\n')
        c.dpkg('--purge', 'p2pnet')
        assert os.path.lexists(c.path('/etc/systemd/system/p2pnet.target.wants/other.service'))
        assert c.path('/etc/systemd/system/p2p-peerd@6001.service.d/override.conf').exists()
        assert not os.path.lexists(c.path('/etc/systemd/system/p2pnet.target.wants/p2p-peerd@6001.service'))


@check
def a_purge_copes_with_a_mount(c):
        """a state directory that is a mount point is emptied, and does not keep the package from being purged"""
        c.install()
        use(c)
        c.run('sh', '-c', 'mount -t tmpfs none /var/lib/p2pnet && mkdir /var/lib/p2pnet/peer-6001 && dpkg --purge p2pnet && '
              'test -z "$(ls -A /var/lib/p2pnet)"')
        assert '/var/lib/p2pnet could not be removed' in c.said
        assert 'no packages found' in c.state() or 'not-installed' in c.state(), c.state()


@check
def a_power_cut_during_the_first_installation(c):
        """dpkg killed while it unpacks: what is half there is complete after another try, and leaves nothing when it is purged"""
        before = c.files()
        c.write('/usr/local/bin/dpkg-deb', POWER_CUT, 0o755)
        assert c.install(check=False).returncode == 137, 'dpkg was not killed'
        c.path('/usr/local/bin/dpkg-deb').unlink()
        assert c.state().startswith('install reinstreq half-installed'), c.state()
        assert any(path.endswith('.dpkg-new') for path in c.files()), 'dpkg was killed too early'
        c.dpkg('--configure', '--pending')
        assert c.dpkg('--purge', 'p2pnet', check=False).returncode != 0, 'dpkg wants it whole before it removes it'
        c.install()
        expect_installed(c)
        c.dpkg('--purge', 'p2pnet')
        expect_purged(c, before)


@check
def a_power_cut_during_an_upgrade(c):
        """dpkg killed while it unpacks a higher version: programs and configuration stay whole; then the upgrade can be repeated"""
        c.install()
        use(c)
        c.write('/usr/local/bin/dpkg-deb', POWER_CUT, 0o755)
        assert c.install(c.higher, check=False).returncode == 137, 'dpkg was not killed'
        c.path('/usr/local/bin/dpkg-deb').unlink()
        assert c.state().startswith('install reinstreq half-installed'), c.state()
        assert c.run('p2pctl', 'version').stdout.startswith('p2pctl ')
        assert c.path(f'{CONF}/p2pnet.conf').read_text() == '# changed\n'
        c.dpkg('--configure', '--pending')
        c.install(c.higher)
        assert c.state() == f'install ok installed {c.version}+up1', c.state()
        assert c.path(f'{CONF}/p2pnet.conf').read_text() == '# changed\n'
        assert c.path('/var/lib/p2pnet/peer-6001/identity').read_text() == 'somebody'
        assert not [path for path in c.files() if '.dpkg-' in path]


@check
def unpacked_only(c):
        """unpacked and not configured, dpkg --configure finishes it, for a first installation and for an upgrade"""
        for deb, version in (c.deb, c.version), (c.higher, f'{c.version}+up1'):
                c.dpkg('--unpack', f'/debs/{deb.name}')
                assert c.state() == f'install ok unpacked {version}', c.state()
                c.dpkg('--configure', '--pending')
                expect_installed(c, version)


@check
def a_script_that_fails_can_be_repeated(c):
        """where making the users fails, the package stays half configured, and is complete once the cause is gone"""
        c.write('/usr/local/bin/systemd-sysusers', '#!/bin/sh\ncase "$*" in *--replace*) ;; *) exit 1 ;; esac\n', 0o755)
        assert c.install(check=False).returncode != 0
        assert c.state().startswith('install ok half-configured'), c.state()
        c.path('/usr/local/bin/systemd-sysusers').unlink()
        c.dpkg('--configure', '--pending')
        expect_installed(c)


@check
def an_upgrade_that_is_refused(c):
        """where the new version cannot even be unpacked, the old one is complete once the cause is gone, and nothing is lost"""
        c.install()
        use(c)
        before = c.files()
        c.write('/usr/local/bin/systemd-sysusers', '#!/bin/sh\nexit 1\n', 0o755)
        assert c.install(c.higher, check=False).returncode != 0
        c.path('/usr/local/bin/systemd-sysusers').unlink()
        c.dpkg('--configure', '--pending')
        assert c.state() == f'install ok installed {c.version}', c.state()
        assert not differences(before, c.files()), differences(before, c.files())


@check
def every_call_of_the_policy_is_understood(c):
        """each script succeeds, twice, in every way that dpkg may call it, and changes nothing but what it says"""
        c.install()
        use(c)
        before = c.files()
        version, other = c.version, f'{c.version}+up1'
        for script, *ways in (
                        ('preinst', ['install'], ['install', version], ['upgrade', version], ['abort-upgrade', other]),
                        ('postinst', ['configure'], ['configure', version], ['abort-upgrade', other], ['abort-remove'],
                         ['abort-remove', 'in-favour', 'other', '1'], ['abort-deconfigure', 'in-favour', 'other', '1'],
                         ['abort-deconfigure', 'in-favour', 'other', '1', 'removing', 'another', '1'], ['triggered', 'x']),
                        ('prerm', ['upgrade', other], ['failed-upgrade', version, other], ['remove'],
                         ['remove', 'in-favour', 'other', '1'], ['deconfigure', 'in-favour', 'other', '1'],
                         ['deconfigure', 'in-favour', 'other', '1', 'removing', 'another', '1']),
                        ('postrm', ['remove'], ['upgrade', other], ['failed-upgrade', version, other], ['abort-install'],
                         ['abort-install', version], ['abort-upgrade', version, other], ['disappear', 'other', '1'])):
                for way in ways:
                        for _ in range(2):
                                c.script(script, *way)
                        assert not differences(before, c.files()), f'{script} {way}: {differences(before, c.files())}'


@check
def another_root_is_respected(c):
        """with DPKG_ROOT the scripts touch that root alone"""
        c.install()
        use(c)
        before = c.files()
        c.write('/tmp/other/etc/p2pnet/p2pnet.conf', '')
        c.write('/tmp/other/var/lib/p2pnet/peer-6001/identity', '')
        c.path('/tmp/other/etc/passwd').touch()
        for call in 'prerm remove', 'postrm remove', 'postrm purge':
                script, way = call.split()
                c.run('env', 'DPKG_ROOT=/tmp/other', f'/var/lib/dpkg/info/p2pnet.{script}', way)
        assert not differences(before, c.files()), differences(before, c.files())
        assert not c.path('/tmp/other/etc/p2pnet').exists() and not c.path('/tmp/other/var/lib/p2pnet').exists()


@check
def the_rpm_comes_and_goes(c):
        """the RPM can be installed, installed again and erased; its scripts make the users, and changed configuration stays"""
        before = c.files()
        file = package(c.deb.parent, 'p2pnet-*.rpm')
        c.rpm('--install', file)
        assert c.users() == USERS, c.users()
        assert 'A node has started' in c.catalog()
        use(c)
        c.rpm('--upgrade', '--replacepkgs', '--replacefiles', file)
        assert c.path(f'{CONF}/p2pnet.conf').read_text() == '# changed\n'
        c.rpm('--erase', 'p2pnet')
        assert c.path(f'{CONF}/p2pnet.conf.rpmsave').read_text() == '# changed\n'
        assert 'A node has started' not in c.catalog()
        # Directories that other packages would own are not there in this Debian, and rpm leaves them.
        left = [path for path, (mode, *_) in c.files().items()
                if path not in before and not stat.S_ISDIR(int(mode, 8)) and '/.rpmdb/' not in path]
        assert all(path.startswith((CONF, '/var/lib/p2pnet', '/run/p2pnet', '/etc/systemd/system/p2pnet.target.wants'))
                   for path in left), left


# What p2p-instances asks systemd for, where one seems to run.

@check
def instances_are_restarted_in_order(c):
        """what runs is restarted one after the other, seeds first, by the number of their ports, after systemd has read the units"""
        c.install()
        jobs, said = c.instances('renew')
        assert jobs == [('restart', unit) for unit in IN_ORDER], jobs
        calls = c.path('/tmp/calls').read_text()
        assert calls.index('daemon-reload') < calls.index('restart'), calls


@check
def a_broken_configuration_holds_one_instance(c):
        """an instance whose configuration is refused goes on as it is, a sentence says why and what to do; the others are restarted"""
        c.install()
        c.write(f'{CONF}/seed@5001.conf.d/50-ours.conf', 'links = { outgoing = 0; };\n')
        jobs, said = c.instances('renew')
        assert jobs == [('restart', unit) for unit in IN_ORDER if '5001' not in unit], jobs
        assert 'p2pnet: seed@5001 still runs in the old version, as the new one refuses its configuration: ' \
               '/etc/p2pnet/seed@5001.conf.d/50-ours.conf:1: links.outgoing: found 0, accepted is 1 to 64. ' \
               'Correct that, then: systemctl restart p2p-seedd@5001\n' in said, said


@check
def configuration_that_the_daemons_cannot_read(c):
        """a configuration that root alone may read holds all instances"""
        c.install()
        c.write(f'{CONF}/p2pnet.conf.d/50-ours.conf', 'network = "ours";\n', 0o600)
        jobs, said = c.instances('renew')
        assert jobs == [], jobs
        assert len(re.findall(r'still runs in the old version.*50-ours\.conf', said)) == 4, said


@check
def one_that_does_not_start_is_the_last(c):
        """where one does not start again the rest is left as it is, and the upgrade does not fail"""
        c.install()
        jobs, said = c.instances('renew', broken=['p2p-seedd@5001.service'])
        assert jobs == [('restart', unit) for unit in IN_ORDER[:2]], jobs
        assert 'seed@5001 does not start in the new version' in said and 'journalctl -u p2p-seedd@5001' in said, said


@check
def one_that_systemd_refuses_to_restart(c):
        """where systemd refuses to restart one, such as a masked one, that is said, and the others are restarted"""
        c.install()
        jobs, said = c.instances('renew', masked=['p2p-seedd@5001.service'])
        assert jobs == [('restart', unit) for unit in IN_ORDER], jobs
        assert 'seed@5001 still runs in the old version, as systemd refuses to restart it' in said, said
        assert 'Unit p2p-seedd@5001.service is masked.' in said and 'Could not execute' not in said, said


@check
def a_removal_that_is_called_off(c):
        """a removal stops all, peers first; called off, what was stopped and is enabled starts again, once"""
        c.install()
        jobs, _ = c.instances('stop')
        assert jobs == [('stop', 'p2p-peerd@*.service'), ('stop', 'p2p-seedd@*.service'), ('stop', 'p2pnet.target p2pnet.slice')], jobs
        jobs, _ = c.instances('resume', enabled=['p2p-seedd@5000.service', 'p2p-peerd@6002.service', 'p2p-peerd@6003.service'])
        assert jobs == [('start', 'p2p-seedd@5000.service'), ('start', 'p2p-peerd@6002.service')], jobs
        assert c.instances('resume')[0] == []


@check
def policy_is_asked(c):
        """where policy-rc.d forbids it nothing is stopped, started or restarted"""
        c.install()
        c.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755)
        for verb in 'renew', 'stop', 'resume':
                assert c.instances(verb, enabled=IN_ORDER)[0] == [], verb


@check
def without_the_tools_of_debian(c):
        """without deb-systemd-invoke, as after rpm, systemctl does it all"""
        c.install()
        c.path('/usr/bin/deb-systemd-invoke').unlink()
        assert c.instances('renew')[0] == [('restart', unit) for unit in IN_ORDER]
        assert c.instances('stop')[0][0] == ('stop', 'p2p-peerd@*.service')
        assert c.instances('resume')[0] == [('start', unit) for unit in IN_ORDER]


@check
def wrong_words_are_refused(c):
        """p2p-instances says what it accepts"""
        c.install()
        assert 'accepted is renew, reload, resume or stop' in c.instances('restart', status=2)[1]


def session(rig, source, words):
        context = Context(rig, source)
        try:
                run_checks([(context, CHECKS)], words)
        finally:
                context.unmount()


if __name__ == '__main__':
        main(__doc__, 'p2prig-package', session, install=False)
