#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every MESSAGE_ID of the daemons has an entry in the catalog that people can use, and journalctl can read the catalog.
Speaks TAP.

usage: check-catalog.py HEADER CATALOG
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ID = r'[0-9a-f]{32}'


def read_header(text):
        """name: (id, fields that a line with that id carries)"""
        found = re.findall(rf'^#define MESSAGE_ID_(\w+)\s+"({ID})"(?:\s+/\* (.*) \*/)?$', text, re.M)
        return {name: (number, set(fields.split())) for name, number, fields in found}


def read_catalog(text):
        """id: entry"""
        parts = re.split(rf'^-- ({ID})$', text, flags=re.M)
        return dict(zip(parts[1::2], parts[2::2]))


def check_pairs(header, catalog):
        ids = [number for number, _ in header.values()]
        for name, (number, _) in header.items():
                if number not in catalog:
                        yield f'MESSAGE_ID_{name} has no entry'
                if ids.count(number) > 1:
                        yield f'MESSAGE_ID_{name} has the id of another one'
        for number in catalog.keys() - set(ids):
                yield f'the entry {number} belongs to no MESSAGE_ID'


def check_entries(header, catalog):
        for name, (number, fields) in header.items():
                entry = catalog.get(number, '')
                if not re.search(r'^Subject: \S', entry, re.M):
                        yield f'{name}: no subject'
                if len(entry.partition('\n\n')[2].strip()) < 40:
                        yield f'{name}: says next to nothing'
                for field in set(re.findall(r'@([^@\s]+)@', entry)) - fields:
                        yield f'{name}: quotes @{field}@, which message-ids.h does not name'
                for field in fields:
                        if re.search(r'[^A-Z_]', field):
                                yield f'{name}: journald does not replace @{field}@, names have capitals and _ only'


def check_journald_reads_it(catalog_file, n_entries):
        with tempfile.TemporaryDirectory() as root:
                directory = Path(root) / 'usr/lib/systemd/catalog'
                directory.mkdir(parents=True)
                (Path(root) / 'var/lib/systemd/catalog').mkdir(parents=True)
                shutil.copy(catalog_file, directory)
                for command in ['--update-catalog'], ['--list-catalog']:
                        result = subprocess.run(['journalctl', f'--root={root}'] + command, text=True, capture_output=True)
                        if result.returncode != 0 or result.stderr:
                                yield f'journalctl {command[0]}: {result.stderr.strip() or result.returncode}'
                listed = len(re.findall(rf'^{ID} ', result.stdout, re.M))
                if listed != n_entries:
                        yield f'journalctl lists {listed} entries of {n_entries}'


def main():
        header = read_header(Path(sys.argv[1]).read_text())
        catalog = read_catalog(Path(sys.argv[2]).read_text())
        checks = (
                ('every id has one entry, every entry an id', check_pairs(header, catalog)),
                ('every entry has a subject, a text, and quotes only fields that are there', check_entries(header, catalog)),
                ('journalctl reads the catalog', check_journald_reads_it(sys.argv[2], len(catalog))),
        )

        print(f'1..{len(checks) + 1}')
        print(f'{"ok" if len(header) > 10 else "not ok"} 1 - message-ids.h was understood ({len(header)} ids)')
        for number, (name, faults) in enumerate(checks, 2):
                faults = list(faults)
                print(f'{"not ok" if faults else "ok"} {number} - {name}')
                for fault in faults:
                        print(f'# {fault}')


if __name__ == '__main__':
        main()
