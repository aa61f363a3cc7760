#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the sources against the rules of docs/ARCHITECTURE.md that a program can check: which layer may include which, and
that every file says its licence. Speaks TAP.

usage: check-sources.py TOP
"""

import re
import sys
from pathlib import Path

# Each layer and the layers below it. base <- wire <- core <- io; conf, daemon and bus stand on base. conf fills the core's
# Params. daemon is what the lives of both daemons have in common, so it is fed by the configuration and drives core and io.
# bus is the D-Bus side of the two daemons and of p2pctl; service is what both daemons show of a node on it.
BELOW = {
        'base':   set(),
        'wire':   {'base'},
        'core':   {'base', 'wire'},
        'io':     {'base', 'wire', 'core'},
        'conf':   {'base', 'core'},
        'daemon': {'base', 'wire', 'core', 'io', 'conf'},
        'bus':    {'base', 'wire', 'core'},
        'service': {'base', 'wire', 'core', 'io', 'conf', 'daemon', 'bus'},
}
PROGRAMS = {'seedd', 'peerd', 'p2pctl'}
BELOW |= {program: set(BELOW) for program in PROGRAMS}

# Where a layer may see one header of another, and no more.
ONLY = {('conf', 'core'): {'core/params.h'}}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
LICENCE = 'SPDX-License-Identifier: LGPL-2.1-or-later'
WIDTH = 140             # the style says about 118; this far beyond it nobody meant to go


def bad_includes(layer, text):
        """The includes of a file of that layer that it must not have, each with the reason."""
        for included in INCLUDE.findall(text):
                other = included.split('/')[0]
                if '/' not in included:
                        yield f'"{included}": written without its layer'
                elif other not in BELOW:
                        yield f'"{included}": no layer of that name'
                elif other != layer and other not in BELOW[layer]:
                        yield f'"{included}": {layer} stands on {", ".join(sorted(BELOW[layer])) or "nothing"}'
                elif included not in ONLY.get((layer, other), {included}):
                        yield f'"{included}": {layer} may see only {", ".join(ONLY[layer, other])} of {other}'


def check_includes(top):
        for file in sorted((top / 'src').rglob('*.[ch]')):
                for reason in bad_includes(file.relative_to(top / 'src').parts[0], file.read_text()):
                        yield f'{file.relative_to(top)}: {reason}'


def check_layers_are_known(top):
        for directory in sorted(d for d in (top / 'src').iterdir() if d.is_dir()):
                if directory.name not in BELOW:
                        yield f'src/{directory.name}: a new layer needs its place in tests/lint/check-sources.py'


def check_rules_see_a_breach(top):
        """The check itself: each of these must be caught, and nothing else."""
        for layer, line, caught in (
                        ('core',  '#include "io/link.h"',      True),
                        ('base',  '#include "wire/frame.h"',   True),
                        ('peerd', '#include "seedd/seedd.h"',  True),
                        ('conf',  '#include "core/node.h"',    True),
                        ('wire',  '#include "message.h"',      True),
                        ('io',    '#  include "net/socket.h"', True),
                        ('conf',  '#include "core/params.h"',  False),
                        ('peerd', '#include "core/node.h"',    False),
                        ('core',  '#include <stdint.h>',       False)):
                if bool(list(bad_includes(layer, line))) != caught:
                        yield f'{layer} with {line}: {"not " if caught else ""}caught'


def files_of_ours(top):
        """Sources and scripts, but for the one of make, which wants its tabs."""
        for directory in 'src', 'tests', 'tools', '.ci', 'units', 'docs', 'dbus', 'etc', 'packaging':
                for file in sorted((top / directory).rglob('*')):
                        if not file.is_file() or 'corpus' in file.parts or '__pycache__' in file.parts or file.name == 'rules':
                                continue
                        if file.suffix in ('.c', '.h', '.py', '.sh') or file.name == 'meson.build' or \
                           file.read_bytes().startswith(b'#!'):
                                yield file


def check_licence(top):
        for file in files_of_ours(top):
                first = file.read_text().splitlines()[:2]
                if not any(LICENCE in line for line in first):
                        yield f'{file.relative_to(top)}: no line "{LICENCE}" at its top'


def check_text(top):
        for file in files_of_ours(top):
                for number, line in enumerate(file.read_text().split('\n'), 1):
                        if '\t' in line:
                                yield f'{file.relative_to(top)}:{number}: a tab; eight spaces are used'
                        if line != line.rstrip():
                                yield f'{file.relative_to(top)}:{number}: spaces at its end'
                        if len(line) > WIDTH:
                                yield f'{file.relative_to(top)}:{number}: {len(line)} columns'


def main():
        top = Path(sys.argv[1])
        checks = (
                ('the rules see a breach of each kind', check_rules_see_a_breach),
                ('every directory of src is a known layer', check_layers_are_known),
                ('includes go down the layers only', check_includes),
                ('every file says its licence', check_licence),
                ('no tabs, no spaces at line ends, no very long lines', check_text),
        )

        print(f'1..{len(checks)}')
        for number, (name, check) in enumerate(checks, 1):
                faults = list(check(top))
                print(f'{"not ok" if faults else "ok"} {number} - {name}')
                for fault in faults:
                        print(f'# {fault}')


if __name__ == '__main__':
        main()
