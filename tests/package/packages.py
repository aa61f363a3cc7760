# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in packages, and how the scripts beside this file look at it."""

import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'system'))

from rig import RigError, run


class Entry(NamedTuple):
        kind: str               # 'file', 'directory', 'link'
        mode: int
        owner: str
        data: bytes             # of a file; where a link points to

        def __str__(self):
                return f'{self.kind} {self.mode:04o} {self.owner}'


def output(*args):
        """What a program writes, as bytes."""
        result = subprocess.run(list(map(str, args)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if result.returncode != 0:
                raise RigError(f'{" ".join(map(str, args))}: exit status {result.returncode}')
        return result.stdout


def package(directory, pattern):
        """The one package of that name."""
        found = list(directory.glob(pattern))
        if len(found) != 1:
                raise LookupError(f'{directory} has {len(found)} files {pattern}')
        return found[0]


def read_tar(data):
        """path: Entry, paths from the root on; without the root itself."""
        entries = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                        path = '/' + member.name.removeprefix('.').strip('/')
                        owner = f'{member.uname or member.uid}:{member.gname or member.gid}'
                        if path == '/':
                                continue
                        if member.isfile():
                                entries[path] = Entry('file', member.mode, owner, tar.extractfile(member).read())
                        elif member.issym():
                                entries[path] = Entry('link', 0o777, owner, member.linkname.encode())
                        else:
                                assert member.isdir(), f'{path} is of no kind that a package of ours should have'
                                entries[path] = Entry('directory', member.mode, owner, b'')
        return entries


class Deb:
        def __init__(self, file):
                self.file = Path(file)
                self.files = read_tar(output('dpkg-deb', '--fsys-tarfile', file))
                self.control = read_tar(output('dpkg-deb', '--ctrl-tarfile', file))

        def field(self, name):
                return output('dpkg-deb', '--field', self.file, name).decode().strip()

        def conffiles(self):
                return self.control['/conffiles'].data.decode().split()

        def script(self, name):
                return self.control[f'/{name}'].data.decode()


class Rpm:
        def __init__(self, file):
                self.file = Path(file)
                with open(file, 'rb') as stream:
                        tar = subprocess.run(['rpm2archive', '--nocompression', '-'], stdin=stream, stdout=subprocess.PIPE,
                                             check=True).stdout
                self.files = read_tar(tar)

        def query(self, form):
                return run('rpm', '--query', '--package', '--queryformat', form, self.file).stdout

        def config_files(self):
                return [line.split()[0] for line in self.query('[%{FILENAMES} %{FILEFLAGS:fflags}\n]').splitlines()
                        if line.endswith(' cn')]

        def scripts(self):
                """kind: text"""
                text = run('rpm', '--query', '--package', '--scripts', self.file).stdout
                parts = re.split(r'^(\w+) (?:scriptlet|program).*:\n', text, flags=re.M)
                return dict(zip(parts[1::2], parts[2::2]))


def programs(files):
        """The ELF files among them."""
        return {path: entry.data for path, entry in files.items() if entry.data.startswith(b'\x7fELF')}


def hardening_missing(data, directory):
        """What a linker and a compiler should have done to a program and have not."""
        file = Path(directory) / 'program'
        file.write_bytes(data)
        text = output('readelf', '--wide', '--file-header', '--program-headers', '--dynamic', '--dyn-syms', file).decode()
        stack = re.search(r'^ *GNU_STACK .*?(\bR\S*)', text, re.M)
        wanted = {
                'an address that differs at each start (PIE)': re.search(r'Type: +DYN', text) and 'INTERP' in text,
                'relocations that are read-only (RELRO)': 'GNU_RELRO' in text,
                'all symbols bound at the start (BIND_NOW)': re.search(r'\bBIND_NOW\b|Flags:.*\bNOW\b', text),
                'a stack that cannot be run': stack and 'E' not in stack[1],
                'a guarded stack': '__stack_chk_fail' in text,
                'checked copies (FORTIFY_SOURCE)': re.search(r'__(?!stack)\w+_chk\b', text),
        }
        return [name for name, found in wanted.items() if not found]
