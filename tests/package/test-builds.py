#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages are built again, under other conditions, and the RPM has what the Debian package has. Speaks TAP.

usage: test-builds.py DIR SOURCE [WORD...]      with words only checks whose names have one of them

DIR has the packages that tools/build-deb and tools/build-rpm made of SOURCE.
"""

import gzip
import os
import re
import sys
import tempfile
from pathlib import Path

from packages import Deb, Rpm, hardening_missing, output, package, programs, run
from tap import collector, run_checks

CHECKS = []
check = collector(CHECKS)

# What is in one package alone, and why. Modes, owners, links and contents of all other files are the same.
ONLY_IN_DEB = {
        '/usr/share/doc/p2pnet/changelog.gz': 'an RPM has its change log in its header',
        '/usr/share/doc/p2pnet/copyright': 'a form that Debian asks for; an RPM has the text of the licence',
        '/usr/share/lintian/overrides/p2pnet': 'lintian looks at Debian packages only',
}
SIMULATOR_ONLY_IN_DEB = {path.replace('p2pnet', 'p2psim'): reason for path, reason in ONLY_IN_DEB.items() if '/doc/' in path}
ONLY_IN_RPM = {
        '/usr/share/licenses/p2pnet/LICENSE': 'a Debian package points to /usr/share/common-licenses',
}
SIMULATOR_ONLY_IN_RPM = {path.replace('p2pnet', 'p2psim'): reason for path, reason in ONLY_IN_RPM.items()}


class Context:
        def __init__(self, directory, packages, source):
                self.packages = packages
                self.source = source
                self.again = directory / 'again'
                self.place = directory / 'another-place' / 'with-a-longer-name'
                self.before = self.git_status()
                self.log = self.build_again()

        def build_again(self):
                """Everything that should not matter differs: place, time zone, language, umask, environment, as root the host name."""
                self.place.mkdir(parents=True)
                command = ['sh', '-c', 'umask 077; hostname elsewhere 2>/dev/null; exec "$@"', 'sh',
                           self.source / 'tools/build-deb', self.again]
                if os.geteuid() == 0:
                        command = ['unshare', '--uts'] + command
                return run(*command, cwd='/', check=False, env={
                        **os.environ, 'TMPDIR': str(self.place), 'TZ': 'Pacific/Kiritimati', 'LC_ALL': 'C.UTF-8', 'LANGUAGE': 'et',
                        'USER': 'somebody', 'HOME': str(self.place), 'UNKNOWN_TO_US': 'x' * 5000})

        def git_status(self):
                return run('git', '-c', f'safe.directory={self.source}', '-C', self.source, 'status', '--porcelain',
                           check=False).stdout

        def clean(self):
                pass

        def report(self):
                return self.log.stdout

        def deb(self):
                return Deb(package(self.packages, 'p2pnet_*.deb'))

        def rpm(self):
                return Rpm(package(self.packages, 'p2pnet-*.rpm'))

        def simulator(self):
                """Its Debian package and its RPM."""
                return Deb(package(self.packages, 'p2psim_*.deb')), Rpm(package(self.packages, 'p2psim-*.rpm'))


def canonical(files):
        """The files of a package by the names and contents that they have in both kinds of package."""
        result = {}
        for path, entry in files.items():
                # In Debian 12 the system's units are found in /lib, which is /usr/lib.
                path = re.sub('^/lib/', '/usr/lib/', path)
                # Pages are compressed by debhelper, and by rpm of some distributions.
                if path.startswith('/usr/share/man/') and path.endswith('.gz'):
                        path, entry = path.removesuffix('.gz'), entry._replace(data=gzip.decompress(entry.data))
                # Which directories are listed differs: an RPM names those of its own alone. Of these programs only the flags differ.
                if entry.kind != 'directory':
                        result[path] = entry._replace(data=b'') if entry.data.startswith(b'\x7fELF') else entry
        return result


@check
def it_is_built_again(c):
        """the package can be built again, elsewhere, and nothing is left in the sources or where it was built"""
        assert c.log.returncode == 0, c.log.stdout
        assert c.git_status() == c.before, f'git status before:\n{c.before}and after:\n{c.git_status()}'
        left = [path for path in c.place.rglob('*') if 'cache' not in path.parts[-1]]
        assert not left, left


@check
def packages_are_identical(c):
        """built twice, under other conditions, every Debian package is the same bit by bit"""
        first, second = ({deb.name: deb for deb in place.glob('*.deb')} for place in (c.packages, c.again))
        assert first.keys() == second.keys() and len(first) == 4, f'{sorted(first)} and {sorted(second)}'
        for name, deb in first.items():
                assert deb.read_bytes() == second[name].read_bytes(), difference(deb, second[name])


def difference(first, second):
        """Which files of two packages differ."""
        one, other = Deb(first), Deb(second)
        paths = [f'{kind}{path}' for kind, mine, others in (('control:', one.control, other.control), ('', one.files, other.files))
                 for path in sorted(mine.keys() | others.keys()) if mine.get(path) != others.get(path)]
        return f'{first.name} differs in {", ".join(paths) or "its archive (order or times)"}'


@check
def programs_get_the_hardening_flags(c):
        """the programs of the RPM are hardened as well"""
        found = programs(c.rpm().files | c.simulator()[1].files)
        assert len(found) == 4, sorted(found)
        with tempfile.TemporaryDirectory() as directory:
                for path, data in found.items():
                        missing = hardening_missing(data, directory)
                        assert not missing, f'{path} lacks {"; ".join(missing)}'


@check
def rpm_has_the_same_files(c):
        """the RPM has the same files as the Debian package, with the same modes and contents"""
        compare_files(c.deb(), c.rpm(), ONLY_IN_DEB, ONLY_IN_RPM)
        compare_files(*c.simulator(), SIMULATOR_ONLY_IN_DEB, SIMULATOR_ONLY_IN_RPM)


def compare_files(deb, rpm, only_in_deb, only_in_rpm):
        deb, rpm = canonical(deb.files), canonical(rpm.files)
        for name, mine, others, allowed in ('Debian package', deb, rpm, only_in_deb), ('RPM', rpm, deb, only_in_rpm):
                alone = set(mine) - set(others)
                assert alone == set(allowed), f'only in the {name}: {sorted(alone)}, expected {sorted(allowed)}'
        for path in deb.keys() & rpm.keys():
                assert str(deb[path]) == str(rpm[path]), f'{path}: {deb[path]}, and in the RPM {rpm[path]}'
                assert deb[path].data == rpm[path].data, f'{path} has other contents in the RPM'


@check
def rpm_has_the_same_configuration(c):
        """the configuration files are marked as such in both, and kept when they were changed"""
        assert sorted(c.deb().conffiles()) == sorted(c.rpm().config_files()), c.rpm().config_files()


@check
def rpm_scripts_do_the_same(c):
        """the scripts of the RPM are right for dash and shellcheck, and do what those of the Debian package do"""
        scripts = c.rpm().scripts()
        assert set(scripts) == {'preinstall', 'postinstall', 'preuninstall', 'postuninstall', 'posttrans'}, scripts
        with tempfile.TemporaryDirectory() as directory:
                for name, text in scripts.items():
                        file = Path(directory) / name
                        file.write_text(text)
                        run('dash', '-n', file)
                        run('shellcheck', '--shell=sh', file)
        assert 'p2p-instances stop' in scripts['preuninstall'] and 'p2p-instances stop' in c.deb().script('prerm')
        assert 'p2p-instances renew' in scripts['posttrans'] and 'p2p-instances renew' in c.deb().script('postinst')


@check
def rpm_can_be_installed(c):
        """rpm unpacks it, and finds everything as it should be"""
        with tempfile.TemporaryDirectory() as root:
                run('rpm', '--root', root, '--install', '--nodeps', '--noscripts', c.rpm().file)
                run('rpm', '--root', root, '--verify', '--nodeps', '--noscripts', 'p2pnet')
                assert b'p2pnet-0.1' in output('rpm', '--root', root, '--query', 'p2pnet')


@check
def a_suffix_makes_a_higher_version(c):
        """a version suffix makes a version above the one without, and above lies the next release"""
        version = c.deb().field('Version')
        for lower, higher in (version, f'{version}+local1'), (f'{version}~rc1', version), (f'{version}+local1', f'{version}.1'):
                run('dpkg', '--compare-versions', lower, 'lt', higher)
        result = run(c.source / 'tools/build-deb', '--version-suffix=-_', c.again, check=False)
        assert result.returncode == 2 and "found '-_'" in result.stdout, result.stdout


def main():
        if len(sys.argv) < 3:
                sys.exit(__doc__)
        with tempfile.TemporaryDirectory(prefix='p2pnet-builds-') as directory:
                run_checks([(Context(Path(directory), Path(sys.argv[1]), Path(sys.argv[2]).resolve()), CHECKS)], sys.argv[3:])


if __name__ == '__main__':
        main()
