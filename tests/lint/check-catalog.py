#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every MESSAGE_ID of the daemons has an entry in the catalog that says what happened, why, and what to do; with words and fields
that are there; and journalctl can read it. Speaks TAP.

usage: check-catalog.py SOURCE

An entry is three paragraphs. The third one is what to do: it says that nothing needs to be done, or has a command, a file or a
setting in it.

Which fields a line has is read from the sources: from LOG_FACTS() beside the id; for notices from what src/core/effect.h says
that each one uses; for scripts from the fields that they write.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ID = r'[0-9a-f]{32}'
WIDTH = 79
# Commands of others that texts may tell people to run.
COMMANDS = {'systemctl', 'journalctl', 'ss', 'ip', 'df', 'ls', 'chown', 'timedatectl', 'systemd-cgtop', 'systemd-machine-id-setup'}
NOTHING = 'Nothing needs to be done'
MEMBERS = {'id': 'PEER_ID', 'address': 'PEER_ADDRESS', 'seed': 'SEED', 'detail': 'REASON', 'reason': 'REASON'}


def read_header(text):
        """name: (id, fields that a line with that id carries)"""
        found = re.findall(rf'^#define MESSAGE_ID_(\w+)\s+"({ID})"(?:\s+/\* (.*) \*/)?$', text, re.M)
        return {name: (number, set(fields.split())) for name, number, fields in found}


def read_catalog(text):
        """id: entry"""
        parts = re.split(rf'^-- ({ID})$', text, flags=re.M)
        return dict(zip(parts[1::2], parts[2::2]))


def paragraphs(entry):
        """Of the text below the subject."""
        return [' '.join(part.split()) for part in entry.partition('\n\n')[2].strip().split('\n\n')]


# What the sources send -----------------------------------------------------------------------------------------------

def names_in(text):
        return set(re.findall(r'\bMESSAGE_ID_([A-Z_]+)\b', text)) - {'TEXT_SIZE', 'TEXT'}


def call_from(text, at):
        """What is between the brackets of the call that begins there."""
        begin = end = text.index('(', at)
        depth = 0
        while True:
                depth += (text[end] == '(') - (text[end] == ')')
                end += 1
                if depth == 0:
                        return text[begin + 1:end - 1]


def sent_by_facts(text):
        """name: fields, of every LOG_FACTS() with an id"""
        for match in re.finditer(r'\bLOG_FACTS\(', text):
                facts = call_from(text, match.start())
                for name in names_in(facts):
                        members = set(re.findall(r'\.(\w+) =', facts)) - {'message_id'}
                        yield name, {member.upper() for member in members}


def notice_fields(text):
        """notice: fields, as the comments of effect.h say which members each one uses"""
        section, found = set(), {}
        body = re.search(r'typedef enum NoticeType \{(.*?)\} NoticeType;', text, re.S)[1]
        for comment, notice, own in re.findall(r'^\s+/\* (.*?) \*/$|^\s+(NOTICE_\w+),(?:\s+/\* (.*?) \*/)?$', body, re.M | re.S):
                if notice:
                        found[notice] = section | {MEMBERS[m] for m in re.findall(r'\.(\w+)', own) if m in MEMBERS}
                else:
                        section = {MEMBERS[m] for m in re.findall(r'\.(\w+)', comment) if m in MEMBERS}
        return found


def sent_by_notices(text, fields):
        """name: fields, of every case of log_words() and of the functions that it calls"""
        functions = {name: body for name, body in re.findall(r'^static void (log_\w+)\(.*?\{\n(.*?)^\}', text, re.M | re.S)}
        for case in re.split(r'^\s+case ', functions['log_words'], flags=re.M)[1:]:
                notice = case.partition(':')[0]
                called = ''.join(functions[name] for name in re.findall(r'\b(log_\w+)\(', case) if name in functions)
                own = {'REASON'} if re.search(rf'type == {notice}\)\s+\(void\) snprintf\(detail', text) else set()
                for name in names_in(case + called):
                        yield name, fields.get(notice, set()) | own


def sent_by_script(text, header):
        for name, (number, _) in header.items():
                if number in text:
                        yield name, set(re.findall(r'^(?:.*\s")?([A-Z_]+)=', text, re.M))


def read_sources(top, header):
        """name: fields that every line with that id has"""
        sent = {}
        notices = notice_fields((top / 'src/core/effect.h').read_text())

        def add(pairs):
                for name, fields in pairs:
                        fields = fields | {'NODE_ID'}
                        sent[name] = sent[name] & fields if name in sent else fields

        for file in sorted((top / 'src').rglob('*.c')):
                text = file.read_text()
                if file.name == 'notice.c':
                        add(sent_by_notices(text, notices))
                else:
                        add(sent_by_facts(text))
        for directory in 'units', 'packaging':
                for file in sorted((top / directory).glob('*.in')):
                        add(sent_by_script(file.read_text(), header))
        return sent


# Checks ----------------------------------------------------------------------------------------------------------------

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
        for name, (number, _) in header.items():
                entry = catalog.get(number, '')
                parts = paragraphs(entry)
                if not re.search(r'^Subject: \S', entry, re.M):
                        yield f'{name}: no subject'
                if len(parts) != 3:
                        yield f'{name}: {len(parts)} paragraphs, wanted are three: what happened, why, what to do'
                        continue
                for part in parts:
                        if len(part) < 30:
                                yield f'{name}: "{part}" says next to nothing'
                        if not re.search(r'(\.|@[A-Z_]+@)$', part):
                                yield f'{name}: "{part}" does not end'
                if NOTHING not in parts[2] and 'nothing needs to be done' not in parts[2] and \
                                not re.search(r'"[a-z0-9-]+( [^"]*)?"|/etc/p2pnet|/var/lib/p2pnet', parts[2]):
                        yield f'{name}: does not say what to do: "{parts[2]}"'
                for line in entry.splitlines():
                        if len(line) > WIDTH:
                                yield f'{name}: a line of {len(line)} columns'


def check_words(header, catalog, verbs, settings, options):
        """Every command in quotation marks, every setting and file is one that there is."""
        for name, (number, _) in header.items():
                entry = ' '.join(catalog.get(number, '').split())
                for command in re.findall(r'"([^"]+)"', entry):
                        word, *rest = command.split()
                        if word == 'p2pctl':
                                if rest[0] not in verbs or any(o.startswith('--') and o not in options for o in rest):
                                        yield f'{name}: there is no "{command}"'
                        elif word not in COMMANDS and not re.fullmatch('p2p-(peer|seed)d', word):
                                yield f'{name}: "{command}" is no command that is known'
                for setting in re.findall(r'\b([a-z]+\.[a-z]+)\b(?!\.\w|/)', entry):
                        if setting not in settings and setting not in ('seeds.conf', 'p2pnet.conf', 'dbus.socket', 'dbus.service'):
                                yield f'{name}: there is no setting {setting}'


def check_fields(header, catalog, sent):
        for name, (number, fields) in header.items():
                if name not in sent:
                        yield f'{name}: nobody sends it'
                        continue
                quoted = set(re.findall(r'@([^@\s]+)@', catalog.get(number, '')))
                for field in quoted - sent[name]:
                        yield f'{name}: quotes @{field}@, which not every line with that id has'
                for field in quoted - fields:
                        yield f'{name}: quotes @{field}@, which message-ids.h does not name'
                for field in fields - sent[name]:
                        yield f'{name}: message-ids.h promises {field}, which not every line with that id has'
                for field in fields:
                        if re.search(r'[^A-Z_]', field):
                                yield f'{name}: journald does not replace @{field}@, names have capitals and _ only'
        for name in sent.keys() - header.keys():
                yield f'{name} is sent, but not in message-ids.h'


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
        top = Path(sys.argv[1])
        header = read_header((top / 'src/daemon/message-ids.h').read_text())
        catalog_file = top / 'units/p2pnet.catalog'
        catalog = read_catalog(catalog_file.read_text())
        sent = read_sources(top, header)
        verbs = set(re.findall(r'^\s+\{ "([a-z-]+)"', (top / 'src/p2pctl/verb-table.c').read_text(), re.M))
        settings = set(re.findall(r'\{ "([a-z.-]+)"', (top / 'src/conf/config.c').read_text()))
        options = set(re.findall(r'\*(--[a-z-]+)', (top / 'docs/man/p2pctl.1.scd').read_text()))
        checks = (
                ('every id has one entry, every entry an id', check_pairs(header, catalog)),
                ('every entry has a subject, and says what happened, why, and what to do', check_entries(header, catalog)),
                ('what to do can be done: commands and settings are there', check_words(header, catalog, verbs, settings, options)),
                ('every field that an entry quotes is sent with its id', check_fields(header, catalog, sent)),
                ('journalctl reads the catalog', check_journald_reads_it(catalog_file, len(catalog))),
        )

        understood = len(header) > 10 and len(sent) > 10 and len(verbs) > 10 and len(settings) > 10 and len(options) > 10
        print(f'1..{len(checks) + 1}')
        print(f'{"ok" if understood else "not ok"} 1 - the sources were understood ({len(header)} ids, {len(sent)} are sent, '
              f'{len(verbs)} verbs, {len(settings)} settings, {len(options)} options)')
        for number, (name, faults) in enumerate(checks, 2):
                faults = list(faults)
                print(f'{"not ok" if faults else "ok"} {number} - {name}')
                for fault in faults:
                        print(f'# {fault}')


if __name__ == '__main__':
        main()
