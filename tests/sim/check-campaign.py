#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/sim-campaign measures what it is asked for, and what its document says of other things stays. Speaks TAP.

usage: check-campaign.py SIM-CAMPAIGN P2PSIM
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TOOL, PROGRAM = sys.argv[1:]


def campaign(directory, *args):
        return subprocess.run([sys.executable, '-B', TOOL, f'--directory={directory}', f'--document={directory}/found.md', *args, PROGRAM],
                              capture_output=True, text=True, check=False)


def rows_of(document, figure):
        """Its first row, and how many belong to it."""
        lines = document.read_text(encoding='utf-8').splitlines()
        begin = next(i for i, line in enumerate(lines) if line.startswith(f'| `p2psim --figure={figure}'))
        end = begin + 1
        while lines[end].startswith('|  |'):
                end += 1
        return lines[begin], end - begin


def faults():
        with tempfile.TemporaryDirectory() as name:
                directory = Path(name)
                document = directory / 'found.md'

                document.write_text('# Old\n\n## Findings\n\nA sentence.\n', encoding='utf-8')
                result = campaign(directory, '--figure=crash-50', '--peers=8', '--runs=2')
                if result.returncode != 0:
                        yield f'it ends with {result.returncode}: {result.stderr}'
                        return
                crash, n_rows = rows_of(document, 'crash-50')
                if '--peers=8 --runs=2`' not in crash or 'smaller than meant' not in crash or n_rows != 3:
                        yield f'crash-50 has {n_rows} rows, the first is {crash}'
                if 'not measured' not in rows_of(document, 'hang-50')[0]:
                        yield 'what was not measured is not said to be'
                text = document.read_text(encoding='utf-8')
                if not text.startswith('# What the simulator found') or not text.endswith('## Findings\n\nA sentence.\n'):
                        yield 'what the document says besides is not kept behind the figures'

                campaign(directory, '--figure=hang-50', '--peers=8', '--runs=1')
                if rows_of(document, 'crash-50') != (crash, n_rows):
                        yield 'another figure changes the rows of crash-50'
                if 'not measured' in rows_of(document, 'hang-50')[0]:
                        yield 'hang-50 is not measured the second time'

                before = document.read_text(encoding='utf-8')
                for args, sentence in ((['--figure=nope'], 'No figure is called nope. There are: hyparview-crash,'),
                                       (['--runs=3'], 'name it with --figure=NAME.'),
                                       (['--small', '--figure=crash-50'], '--small is all of it')):
                        result = campaign(directory, *args)
                        if result.returncode != 2 or sentence not in result.stderr:
                                yield f'{args} is answered {result.returncode}, {result.stderr}'
                if document.read_text(encoding='utf-8') != before:
                        yield 'an error changes the document'


def main():
        found = list(faults())
        print('1..1')
        print(f'{"not ok" if found else "ok"} 1 - parts of a campaign')
        for fault in found:
                print(f'# {fault}')
        return 1 if found else 0


if __name__ == '__main__':
        sys.exit(main())
