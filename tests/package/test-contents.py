#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in the Debian packages, and how: files by place, their modes, scripts, hardening; lintian. Speaks TAP.

usage: test-contents.py DEBDIR SOURCE [WORD...]   with words only checks whose names have one of them
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packages import Deb, hardening_missing, output, package, programs, run
from tap import collector, run_checks

CHECKS = []
check = collector(CHECKS)

SCRIPTS = 'preinst', 'postinst', 'prerm', 'postrm'

# Where files may be, and their modes; every file matches exactly one of these.
PLACES = {
        r'/etc/p2pnet/(p2pnet|seeds)\.conf': 0o644,
        r'/usr/bin/p2pctl': 0o755,
        r'/usr/lib/p2pnet/(p2p-seedd|p2p-peerd|p2p-instances|p2pnet-failed)': 0o755,
        r'/lib/systemd/system/(p2p(-seedd|-peerd|net-failed)@\.service|p2pnet\.(slice|target))': 0o644,
        r'/lib/systemd/system/multi-user\.target\.wants/p2pnet\.target': 0o777,
        r'/lib/systemd/system-preset/90-p2pnet\.preset': 0o644,
        r'/usr/lib/systemd/user/(p2p-(seedd|peerd)@\.service|p2pnet\.(slice|target))': 0o644,
        r'/usr/lib/systemd/user/default\.target\.wants/p2pnet\.target': 0o777,
        r'/usr/lib/systemd/user-preset/90-p2pnet\.preset': 0o644,
        r'/usr/lib/systemd/catalog/p2pnet\.catalog': 0o644,
        r'/usr/lib/sysusers\.d/p2pnet\.conf': 0o644,
        r'/usr/share/bash-completion/completions/p2pctl': 0o644,
        r'/usr/share/dbus-1/interfaces/org\.p2pnet\.Node1\.(Manager|Peer|Seed|Subscription)\.xml': 0o644,
        r'/usr/share/dbus-1/system\.d/org\.p2pnet\.conf': 0o644,
        r'/usr/share/doc/p2pnet/(changelog\.gz|copyright)': 0o644,
        r'/usr/share/lintian/overrides/p2pnet': 0o644,
        r'/usr/share/man/man(\d)/[\w.-]+\.\1\.gz': 0o644,
}

# The same of the simulator, which is a package of its own.
SIMULATOR_PLACES = {
        r'/usr/bin/p2psim': 0o755,
        r'/usr/share/bash-completion/completions/p2psim': 0o644,
        r'/usr/share/doc/p2psim/(changelog\.gz|copyright)': 0o644,
        r'/usr/share/man/man1/p2psim\.1\.gz': 0o644,
}

# No program, as flawed as it can be made.
UNHARDENED = ['-O0', '-no-pie', '-fno-stack-protector', '-U_FORTIFY_SOURCE', '-Wl,-z,norelro', '-Wl,-z,lazy', '-Wl,-z,execstack']


class Context:
        def __init__(self, deb, source):
                self.deb = deb
                self.source = source

        def simulator(self):
                return Deb(package(self.deb.file.parent, 'p2psim_*.deb'))

        def packages(self):
                """Each package with its places."""
                return (self.deb, PLACES), (self.simulator(), SIMULATOR_PLACES)

        def clean(self):
                pass

        def report(self):
                return f'{self.deb.file}'

        def text(self, path):
                return (self.source / path).read_text()


@check
def every_file_has_its_place(c):
        """every file has its place and mode, and belongs to root"""
        for deb, places in c.packages():
                for path, entry in deb.files.items():
                        if entry.kind == 'directory':
                                assert entry.mode == 0o755, f'{path}: {entry}'
                        else:
                                place = next((place for place in places if re.fullmatch(place, path)), None)
                                assert place, f'{path}: no place of ours'
                                assert entry.mode == places[place], f'{path}: {entry}, expected {places[place]:04o}'
                        assert entry.owner == 'root:root', f'{path}: {entry}'


@check
def nothing_is_missing(c):
        """every place has its files"""
        for deb, places in c.packages():
                for place in places:
                        assert any(re.fullmatch(place, path) for path in deb.files), f'nothing is at {place}'


@check
def every_page_of_the_sources_is_there(c):
        """every man page of the sources is in it, and each program has one"""
        pages = {page.name.removesuffix('.scd') for page in (c.source / 'docs/man').glob('*.scd')}
        files = c.deb.files | c.simulator().files
        packed = {Path(path).name.removesuffix('.gz') for path in files if path.startswith('/usr/share/man/man')
                  and path.endswith('.gz')}
        assert pages == packed, f'sources: {sorted(pages)}, packages: {sorted(packed)}'
        for program in programs(files):
                assert any(page.startswith(Path(program).name + '.') for page in packed), f'{program} has no page'


@check
def configuration_is_conffiles(c):
        """what is in /etc are conffiles, all of them and nothing else"""
        in_etc = sorted(path for path, entry in c.deb.files.items() if path.startswith('/etc/') and entry.kind != 'directory')
        assert sorted(c.deb.conffiles()) == in_etc, f'conffiles: {c.deb.conffiles()}, in /etc: {in_etc}'


@check
def configuration_changes_nothing(c):
        """the configuration as it is shipped leaves every setting at its default"""
        for path in c.deb.conffiles():
                settings = re.findall(r'^\s*(\w[\w-]* *= *[^{(\s].*)$', c.deb.files[path].data.decode(), re.M)
                assert not settings, f'{path} sets {settings}'


@check
def nothing_is_enabled(c):
        """no instance is enabled: what is wanted at boot is the target, which wants nothing"""
        links = {path: entry.data.decode() for path, entry in c.deb.files.items() if entry.kind == 'link'}
        assert set(links.values()) == {'../p2pnet.target'}, links
        for path, entry in c.deb.files.items():
                if path.endswith('.preset'):
                        lines = [line for line in entry.data.decode().splitlines() if line and not line.startswith('#')]
                        assert lines and all(line.startswith('disable ') for line in lines), lines
                if path.endswith('p2pnet.target'):
                        assert not re.search(r'^(Wants|Requires)=', entry.data.decode(), re.M), path


@check
def scripts_can_be_read(c):
        """the scripts are right for dash, shellcheck finds nothing, and a failure ends each of them"""
        with tempfile.TemporaryDirectory() as directory:
                scripts = {name: c.deb.script(name) for name in SCRIPTS}
                scripts |= {Path(path).name: entry.data.decode() for path, entry in c.deb.files.items()
                            if entry.data.startswith(b'#!')}
                for name, text in scripts.items():
                        file = Path(directory) / name
                        file.write_text(text)
                        assert not re.search(r'@[A-Z]+@|#[A-Z]+#', text), f'{name}: something was not replaced'
                        if name in (*SCRIPTS, 'p2p-instances'):
                                assert re.search(r'^set -eu?$', text, re.M), f'{name} goes on after a failure'
                        run('dash', '-n', file)
                        run('shellcheck', file)


@check
def the_target_is_never_restarted(c):
        """no script that debhelper made restarts the target, and with it all instances at once"""
        for name in SCRIPTS:
                text = c.deb.script(name)
                assert 'dh_installsystemd' not in text and 'dh_installinit' not in text, f'{name}:\n{text}'


@check
def the_users_are_the_same_everywhere(c):
        """the users that preinst and the RPM spec make are those of sysusers.d"""
        def lines(text):
                return [line.split(None, 2) for line in re.findall(r'^\s*([ug] p2pnet.*)$', re.sub(r'[ \t]+', ' ', text), re.M)]

        wanted = lines(c.deb.files['/usr/lib/sysusers.d/p2pnet.conf'].data.decode())
        assert len(wanted) == 2, wanted
        for name, text in ('preinst', c.deb.script('preinst')), ('p2pnet.spec', c.text('packaging/rpm/p2pnet.spec')):
                assert lines(text) == wanted, f'{name}: {lines(text)}, expected {wanted}'


@check
def what_the_scripts_log_is_in_the_catalog(c):
        """the MESSAGE_ID of a held upgrade has its entry"""
        number = re.search(r'^UPGRADE_HELD=(\w{32})\b', c.deb.files['/usr/lib/p2pnet/p2p-instances'].data.decode(), re.M)[1]
        assert f'MESSAGE_ID_UPGRADE_HELD         "{number}"' in c.text('src/daemon/message-ids.h')
        assert f'-- {number}\n' in c.deb.files['/usr/lib/systemd/catalog/p2pnet.catalog'].data.decode()


@check
def the_version_is_the_same_everywhere(c):
        """meson.build, changelog and RPM spec agree on the version"""
        version = re.search(r"version: '([^']+)'", c.text('meson.build'))[1]
        assert c.deb.field('Version') == version, f'{c.deb.field("Version")}, expected {version}'
        spec = c.text('packaging/rpm/p2pnet.spec')
        assert re.search(r'^Version: *(\S+)$', spec, re.M)[1] == version
        assert re.search(r'^%changelog\n\* .* - (\S+)-1$', spec, re.M)[1] == version
        assert f'{version}'.encode() in c.deb.files['/usr/bin/p2pctl'].data


@check
def programs_are_hardened(c):
        """every program is hardened, and carries no debug information"""
        found = programs(c.deb.files | c.simulator().files)
        assert len(found) == 4, sorted(found)
        with tempfile.TemporaryDirectory() as directory:
                for path, data in found.items():
                        missing = hardening_missing(data, directory)
                        assert not missing, f'{path} lacks {"; ".join(missing)}'
                        assert b'.debug_info' not in data, f'{path} is not stripped'


@check
def the_check_sees_what_is_not_hardened(c):
        """a program built without any hardening lacks all of it"""
        with tempfile.TemporaryDirectory() as directory:
                source, program = Path(directory) / 'a.c', Path(directory) / 'a'
                source.write_text('int main(void) { return 0; }\n')
                run('gcc', *UNHARDENED, '-o', program, source)
                missing = hardening_missing(program.read_bytes(), directory)
        assert len(missing) == 6, missing


@check
def debug_symbols_fit(c):
        """the package with debug symbols has those of every program"""
        for deb, _ in c.packages():
                debug_symbols_of_one(deb)


def debug_symbols_of_one(deb):
        name = deb.field('Package')
        symbols = Deb(package(deb.file.parent, f'{name}-dbgsym_*.deb'))
        assert symbols.field('Version') == deb.field('Version')
        with tempfile.TemporaryDirectory() as directory:
                for path, data in programs(deb.files).items():
                        file = Path(directory) / 'program'
                        file.write_bytes(data)
                        build = re.search(rb'Build ID: (\w+)', output('readelf', '--notes', file))[1].decode()
                        assert f'/usr/lib/debug/.build-id/{build[:2]}/{build[2:]}.debug' in symbols.files, f'{path}: {build}'


@check
def no_path_of_the_build_is_in_it(c):
        """no program knows where it was built"""
        for deb in map(Deb, c.deb.file.parent.glob('p2p*.deb')):
                for path, data in programs(deb.files).items():
                        assert not re.search(rb'/[\w/.-]*p2pnet-deb-', data), f'{path} of {deb.file.name}'


@check
def lintian_is_content(c):
        """lintian has no error, no warning and no remark, and every override says why it is there"""
        result = subprocess.run(['lintian', '--allow-root', '--display-info', '--fail-on=error,warning,info',
                                 *sorted(c.deb.file.parent.glob('p2p*.deb'))], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert result.returncode == 0 and not result.stdout.strip(), result.stdout
        for paragraph in c.text('packaging/debian/p2pnet.lintian-overrides').split('\n\n'):
                assert paragraph.startswith('# ') and '\np2pnet: ' in paragraph, f'no reason:\n{paragraph}'


def main():
        if len(sys.argv) < 3:
                sys.exit(__doc__)
        deb = Deb(package(Path(sys.argv[1]), 'p2pnet_*.deb'))
        run_checks([(Context(deb, Path(sys.argv[2])), CHECKS)], sys.argv[3:])


if __name__ == '__main__':
        main()
