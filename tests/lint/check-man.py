#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages say all that there is and nothing that there is not: commands, options, settings, exit statuses, the bus
API, journal fields, each compared both ways with the programs, the tables in the sources, and dbus/. And they are well-formed:
for mandoc, for man on 80 columns, and in what they refer to. Speaks TAP.

usage: check-man.py SOURCES PAGES P2PCTL P2P-PEERD P2P-SEEDD P2PSIM

PAGES is where the built ones are.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROLES = ('peer', 'seed')
INTERFACES = ('Manager', 'Seed', 'Peer', 'Subscription')

# Options of other programs that the pages name.
FOREIGN_OPTIONS = {'--dump-catalog', '--json=pretty', '--match', '--now', '--signal', '--since'}

# Environment that is not for people to set for p2pnet: what the terminal is, who called sudo.
FOREIGN_ENVIRONMENT = {'SUDO_UID', 'TERM'}

# And what a library reads for us.
LIBRARY_ENVIRONMENT = {'DBUS_SYSTEM_BUS_ADDRESS'}


# ---- pages ----

class Entry:
        """A term, and what stands indented below it."""

        def __init__(self, term):
                self.term = term
                self.body = ''

        def bold(self):
                """The parts of the term that are printed bold, which are the names of things."""
                return [part for part in bold_parts(self.term) if part]


def plain(text):
        return re.sub('.\b', '', text)


def bold_parts(text):
        """'a\ba' is a bold a, '_\ba' an underlined one."""
        parts, word = [], ''
        for over, char in re.findall('(?:(.)\b)?(.)', text):
                if over == char:
                        word += char
                elif word:
                        parts.append(word)
                        word = ''
        return parts + [word]


class Page:
        """A page as mandoc prints it: its sections, with their entries by subsection."""

        def __init__(self, file):
                self.name, _, self.number = file.name.rpartition('.')
                self.file = file
                # As wide as it can: no term is wrapped.
                text = subprocess.run(['mandoc', '-T', 'utf8', '-O', 'width=1000', file], capture_output=True, text=True,
                                      encoding='utf-8', check=True).stdout
                self.text = plain(text)
                self.sections = {}              # name: text
                self.entries = {}               # (section, subsection or ''): entries
                self.read(text.split('\n')[1:-2])

        def read(self, lines):
                section = subsection = ''
                last = None
                for line, following in zip(lines, lines[1:] + ['']):
                        indent = len(line) - len(line.lstrip(' '))
                        words = plain(line).strip()
                        if not words:
                                continue
                        if indent == 0:
                                section, subsection, last = words, '', None
                                self.sections[section] = ''
                        elif indent == 3:
                                subsection, last = words, None
                        elif indent == 7 and following.startswith(' ' * 11) and following.strip():
                                last = Entry(line.strip())
                                self.entries.setdefault((section, subsection), []).append(last)
                        elif indent > 7 and last:
                                last.body += ' ' + words
                        elif indent == 7:
                                last = None
                        if section:
                                self.sections[section] += ' ' + words

        def terms(self, section, subsection=None):
                return [entry for (one, other), entries in self.entries.items() for entry in entries
                        if one == section and subsection in (None, other)]


def differences(what, wanted, found):
        for name in sorted(set(wanted) - set(found)):
                yield f'{what} {name} is not in the page'
        for name in sorted(set(found) - set(wanted)):
                yield f'{what} {name} is in the page, and there is no such thing'


# ---- what there is ----

class Sources:
        def __init__(self, top):
                self.top = top

        def read(self, name):
                return (self.top / name).read_text(encoding='utf-8')

        def find(self, pattern, *names, flags=re.M):
                """All that a pattern finds; finding nothing means that the sources have changed their shape."""
                found = [match for name in names for match in re.findall(pattern, self.read(name), flags)]
                assert found, f'nothing like {pattern} in {names}'
                return found

        def table(self, name, beginning):
                """The part of a file between a line and the end of the initializer."""
                return self.read(name).split(beginning, 1)[1].split('\n};', 1)[0]

        def files(self, *layers):
                return [str(file.relative_to(self.top)) for layer in layers for file in sorted((self.top / 'src' / layer).glob('*.[ch]'))]


def help_of(program):
        return subprocess.run([program, '--help'], capture_output=True, text=True, check=True).stdout


def options_in(text):
        return re.findall(r'(?<![\w-])--[a-z][a-z-]*', text)


# ---- p2pctl ----

def check_commands(page, commands):
        usages = [f"{command['command']} {command['arguments']}".strip() for command in commands]
        yield from differences('command', usages, [plain(entry.term) for entry in page.terms('COMMANDS')])


def check_options(page, options):
        entries = {}
        for entry in page.terms('OPTIONS'):
                for name in options_in(plain(entry.term)):
                        entries[name[2:]] = entry
        yield from differences('option', [option['option'] for option in options], entries)

        for option in options:
                entry = entries.get(option['option'])
                if not entry:
                        continue
                term = plain(entry.term)
                letters = re.findall(r'(?<![\w-])-([a-zA-Z])\b', term)
                if letters != [option['letter']] * bool(option['letter']):
                        yield f"--{option['option']} has the letter {option['letter']}, the page says {letters}"
                if (option['value'] or '') not in term or bool(option['value']) != ('=' in term):
                        yield f"--{option['option']} takes {option['value']}, the page says {term}"
                said = re.match(r'(?: ?([a-z-]+),)*? ?[a-z-]+: ', entry.body.lstrip() + ' ') if option['commands'] else None
                names = re.findall('[a-z-]+', said[0]) if said else []
                if set(names) != set(option['commands'] or ()):
                        yield f"--{option['option']} is for {option['commands']}, the page says {names}"


def check_ctl_statuses(page, sources):
        wanted = [value for _, value in sources.find(r'^ {8}EXIT_(\w+) = (\d+),$', 'src/bus/error.h')]
        yield from differences('exit status', wanted, [plain(entry.term) for entry in page.terms('EXIT STATUS')])


def check_environment(page, sources, *layers):
        wanted = {name for file in sources.files(*layers)
                  for name in re.findall(r'getenv\("(\w+)"\)|first_of_environment\("(\w+)"\)', sources.read(file)) for name in name if name}
        found = [name for entry in page.terms('ENVIRONMENT') for name in re.findall(r'[A-Z][A-Z0-9_]+', plain(entry.term))]
        yield from differences('variable', wanted - FOREIGN_ENVIRONMENT, set(found) - LIBRARY_ENVIRONMENT)


# ---- daemons ----

def check_daemon(page, program, sources):
        parsed = sources.find(r'^ {16}\{ "([a-z-]+)", +(?:no|required)_argument', 'src/daemon/options.c')
        wanted = options_in(help_of(program).split('\nSee ')[0])
        yield from differences('option', wanted, [name for entry in page.terms('OPTIONS') for name in options_in(plain(entry.term))])
        yield from differences('option in the sources, compared with --help:', ['--' + name for name in parsed], wanted)

        statuses = {'0'} | {str(getattr(os, name)) for file in sources.files('daemon', 'peerd', 'seedd', 'service')
                            for name in re.findall(r'\bEX_[A-Z]+\b', sources.read(file))}
        yield from differences('exit status', statuses, [plain(entry.term) for entry in page.terms('EXIT STATUS')])

        unit = sources.read(f'units/{page.name}@.service.in')
        prevented = re.search(r'^RestartPreventExitStatus=(.*)$', unit, re.M)[1].split()
        told = re.findall(r'\d+', re.search(r'After ([\d, and]+) systemd does not start', page.text)[1])
        yield from differences('status without a restart', [status for status in prevented if int(status) < 200], told)


# ---- p2psim ----

def check_simulator(page, program, sources):
        yield from differences('option', options_in(help_of(program)),
                               [name for entry in page.terms('OPTIONS') for name in options_in(plain(entry.term))])
        verbs = sources.find(r'^ {8}\[VERB_\w+\] += \{ "([a-z-]+)",', 'tests/sim/plan.c') + ['pause', 'sleep']
        settings = sources.find(r'streq\(name, "([a-z-]+)"\)', 'tests/sim/plan.c')
        written = [name for entry in page.terms('SCENARIOS') for name in re.findall(r'(?:^|, )([a-z-]+)', plain(entry.term))]
        yield from differences('statement', set(verbs) | set(settings) | {'at'}, written)


# ---- configuration ----

def range_text(low, high):
        return f'{int(low)} to {int(high)}'


def check_settings(page, sources):
        table = sources.table('src/conf/config.c', 'config_items[] = {')
        rows = re.findall(r'\{ "([a-z.-]+)",\s+(\w+),\s+FIELD\([^)]*\),\s+(\d+),\s+(\d+)', table)
        entries = {plain(entry.term): entry for section in page.sections if section.startswith(('SETTINGS', 'LIMITS', 'LOGGING'))
                   for entry in page.terms(section)}
        assert len(rows) > 30
        yield from differences('setting', [row[0] for row in rows], entries)
        for name, parser, low, high in rows:
                number = re.fullmatch(r'config_parse_(unsigned|msec|sec|mib|kib|text)', parser)
                if number and name in entries and range_text(low, high) not in entries[name].body:
                        yield f'{name} is {range_text(low, high)}, the page does not say so'
        if re.search(r'\bsecurity\.mode\b', table) and 'Default:' not in entries['security.mode'].body:
                yield 'security.mode has no default'


def check_seed_settings(page, sources):
        wanted = sources.find(r'^ {8}\{ "(\w+)", +(?:config_)?parse_\w+,', 'src/conf/seeds.c')
        yield from differences('setting', wanted, [plain(entry.term) for entry in page.terms('FORMAT')])


# ---- the bus ----

def arguments_text(arguments):
        return ', '.join(f"{arg.get('type')} {arg.get('name')}" for arg in arguments)


class Interface:
        """One of dbus/*.xml: each member as the page writes it, and what its comment promises."""

        def __init__(self, sources, name):
                self.name = 'org.p2pnet.Node1.' + name
                file = sources.top / 'dbus' / f'{self.name}.xml'
                builder = ElementTree.TreeBuilder(insert_comments=True)
                root = ElementTree.fromstring(file.read_text(encoding='utf-8'), ElementTree.XMLParser(target=builder))
                self.members = {'Methods': {}, 'Signals': {}, 'Properties': {}}         # subsection: {as written: comment}
                comment = ''
                for element in root.find('interface'):
                        if element.tag is ElementTree.Comment:
                                comment = element.text
                                continue
                        self.add(element, comment)
                        comment = ''

        def add(self, element, comment):
                name, args = element.get('name'), element.findall('arg')
                if element.tag == 'method':
                        taken = arguments_text(arg for arg in args if arg.get('direction') == 'in')
                        given = arguments_text(arg for arg in args if arg.get('direction') == 'out')
                        self.members['Methods'][f'{name}({taken}) -> ({given})'] = comment
                elif element.tag == 'signal':
                        self.members['Signals'][f'{name}({arguments_text(args)})'] = comment
                elif element.tag == 'property':
                        emits = [child.get('value') for child in element.findall('annotation')]
                        kind = {'const': ', constant', 'false': ''}[emits[0]] if emits else ', changes are announced'
                        self.members['Properties'][f"{name} ({element.get('type')}{kind})"] = comment


# A signature has brackets within brackets, but no ") (" and no name before them.
MEMBER = re.compile(r'[A-Z]\w+ ?\((?:[^()]|\([^()]*(?:\([^()]*\))?[^()]*\))*\)(?: -> \((?:[^()]|\([^()]*(?:\([^()]*\))?[^()]*\))*\))?')


def check_interface(page, interface):
        for subsection, members in interface.members.items():
                entries = {}
                for entry in page.terms(interface.name, subsection):
                        for member in MEMBER.findall(plain(entry.term)):
                                entries[member] = entry
                yield from differences(f'{interface.name}:', members, entries)

                for member, comment in members.items():
                        if member not in entries:
                                continue
                        body = entries[member].body
                        if ('Privileged' in comment) != ('Privileged.' in body):
                                yield f'{interface.name}: {member}: privileged or not?'
                        keys = re.findall(r'"([A-Z]\w+)" [a-z]+\b', comment)
                        for key in keys:
                                if f'"{key}"' not in body:
                                        yield f'{interface.name}: {member}: the key "{key}" is not in the page'
                        if interface.name.endswith('Manager'):
                                yield from differences(f'{interface.name}: {member}: key', keys, re.findall(r'"([A-Z]\w+)"', body))
                                errors = set(re.findall(r'\b(' + '|'.join(ERRORS) + r')\b', comment))
                                yield from differences(f'{interface.name}: {member}: error', errors,
                                                       re.findall(r'\b(' + '|'.join(ERRORS) + r')\b', body))


ERRORS = []             # the last words of the names of our errors, read from the sources


def read_errors(sources):
        return sources.find(r'^#define BUS_ERROR_\w+ +"([\w.]+)"', 'src/bus/error.h')


def check_errors(page, sources):
        found = [name for entry in page.terms('ERRORS') for name in plain(entry.term).split(', ') if 'p2pnet' in name]
        yield from differences('error', read_errors(sources), found)


def check_statistics(page, sources):
        wanted = sources.find(r'^ {8}\[COUNTER_\w+\] = "(\w+)",', 'src/core/node.c') + \
                sources.find(r'^ {16}\{ "([A-Z]\w+)", +\w+\(', 'src/service/facts.c', 'src/peerd/peerd-bus.c') + \
                sources.find(r'^ {16}\{ "([A-Z]\w+)", +\w+\(', 'src/seedd/seedd-bus.c')
        yield from differences('statistic', wanted, [name for entry in page.terms('STATISTICS') for name in entry.bold()])


def check_description(page, sources):
        wanted = set()
        for name, beginning in (('src/service/facts.c', 'facts_common('), ('src/peerd/peerd-bus.c', 'describe_links('),
                                ('src/peerd/peerd-bus.c', 'describe_seeds('), ('src/peerd/peerd-bus.c', 'describe_gossip('),
                                ('src/peerd/peerd-bus.c', 'int method_describe('), ('src/seedd/seedd-bus.c', 'int method_describe(')):
                body = sources.read(name).split(beginning, 1)[1].split('\n}\n', 1)[0]
                wanted |= set(re.findall(r'"([a-zA-Z]+)"', body))
        found = set()
        for entry in page.terms('DESCRIPTION OF A NODE'):
                found |= set(entry.bold()) | set(re.findall(r'\b(\w+)\b', entry.body)) & wanted
        yield from differences('key of Describe()', wanted, found)


# ---- the journal ----

def check_messages(page, sources):
        ids = {name: (number, set(fields.split())) for name, number, fields in
               sources.find(r'^#define MESSAGE_ID_(\w+)\s+"([0-9a-f]{32})"(?:\s+/\* (.*) \*/)?$', 'src/daemon/message-ids.h')}
        entries = {plain(entry.term).split()[0]: entry for entry in page.terms('MESSAGES')}
        yield from differences('message', ids, entries)

        everything = ' '.join(sources.read(file) for file in sources.files('daemon', 'peerd', 'seedd', 'service'))
        for name, (number, fields) in ids.items():
                entry = entries.get(name)
                if not entry:
                        continue
                _, said, level = re.fullmatch(r'(\w+) (\w+) \((.*)\)', plain(entry.term)).groups()
                if said != number:
                        yield f'{name} is {number}, the page says {said}'
                last = re.search(r'([A-Z_, ]*)\.$', entry.body)[1]
                yield from differences(f'{name}: field', fields, [field for field in last.replace(',', ' ').split()])
                # Where the level stands beside the id.
                levels = re.findall(rf'LOG_([A-Z]+),\s+(?:LOG_FACTS\(\.message_id = )?(?:i == 0 \? )?MESSAGE_ID_{name}\b', everything)
                if levels and level not in [one.lower() for one in levels]:
                        yield f'{name} is written at {levels}, the page says {level}'


def check_fields(page, sources):
        wanted = sources.find(r'fields_add_fact\(&fields, "([A-Z_]+)"', 'src/daemon/log.c')
        found = [plain(entry.term) for entry in page.terms('FIELDS')]
        yield from differences('field', set(wanted) - {'MESSAGE_ID'}, found)


# ---- all pages ----

def check_no_other_options(pages, known):
        for page in pages:
                for option in options_in(page.text):
                        if option not in known and option not in {foreign.split('=')[0] for foreign in FOREIGN_OPTIONS}:
                                yield f'{page.file.name}: {option} is an option of nothing'


def check_references(pages, sources):
        names = {f'{page.name}({page.number})' for page in pages}
        referred = set()
        for page in pages:
                for name in re.findall(r'\b((?:p2p|org\.p2pnet|seeds\.conf)[\w.-]*\(\d\))', page.text):
                        if name not in names:
                                yield f'{page.file.name} refers to {name}, which is not there'
                        elif name != f'{page.name}({page.number})':
                                referred.add(name)
        for name in sorted(names - referred):
                yield f'no page refers to {name}'
        for unit in sorted((sources.top / 'units').rglob('p2p*')):
                for name in re.findall(r'man:(\S+\(\d\))', unit.read_text(encoding='utf-8')) if unit.is_file() else ():
                        if name not in names:
                                yield f'{unit.name} names {name}, which is not there'
        readme = sources.read('README.md')
        for page in pages:
                if f'{page.name}({page.number})' not in readme:
                        yield f'README.md does not name {page.name}({page.number})'


def check_mandoc(pages):
        # Below a warning are only remarks about the style of the input: that the lines of scdoc's output are long, which nobody
        # reads, and that the name of a page is not in capitals, which it is nowhere else either.
        for page in pages:
                result = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning', page.file], capture_output=True, text=True, check=False)
                for line in (result.stdout + result.stderr).splitlines():
                        yield line.replace(str(page.file.parent) + '/', '')


def check_width(pages):
        for page in pages:
                shown = subprocess.run(['man', '--no-hyphenation', '-l', page.file], capture_output=True, text=True, encoding='utf-8',
                                       env={**os.environ, 'MANWIDTH': '80', 'LC_ALL': 'C.UTF-8', 'MANPAGER': 'cat'}, check=False)
                if shown.returncode != 0 or shown.stderr:
                        yield f'{page.file.name}: {shown.stderr.strip() or shown.returncode}'
                for line in plain(re.sub('\x1b\\[[0-9;]*m', '', shown.stdout)).split('\n'):
                        if len(line) > 80:
                                yield f'{page.file.name}: {len(line)} columns: {line.strip()}'


def check_rules_see_a_breach(page):
        """The check itself: what would be left out of a page, or put in, is seen."""
        if list(differences('x', ['a'], ['a'])) or len(list(differences('x', ['a', 'b'], ['b', 'c']))) != 2:
                yield 'differences'
        if len(page.sections) < 8 or len(page.terms('OPTIONS')) < 15:
                yield f'{page.file.name} was not understood'
        if MEMBER.findall('Aa(s a, a{sv} b) -> (a(so) c), Bb (s), Cc(t d)') != ['Aa(s a, a{sv} b) -> (a(so) c)', 'Bb (s)', 'Cc(t d)']:
                yield 'members'


def main():
        top, built = Path(sys.argv[1]), Path(sys.argv[2])
        ctl, daemons, simulator = sys.argv[3], dict(zip(ROLES, sys.argv[4:6])), sys.argv[6]
        missing = [tool for tool in ('mandoc', 'man') if not shutil.which(tool)]
        if missing:
                print(f'1..0 # SKIP {missing[0]} is not installed')
                return

        sources = Sources(top)
        ERRORS.extend(name.rsplit('.', 1)[1] for name in read_errors(sources))
        pages = {page.name: page for page in (Page(file) for file in sorted(built.iterdir()) if re.fullmatch(r'.*\.\d', file.name))}
        known = json.loads(subprocess.run([ctl, '--json=short', 'help'], capture_output=True, text=True, check=True).stdout)
        options = {'--' + option['option'] for option in known['options']}
        for daemon in daemons.values():
                options |= set(options_in(help_of(daemon)))
        options |= set(options_in(help_of(simulator)))

        man, bus, journal = pages['p2pctl'], pages['org.p2pnet.Node1'], pages['p2pnet.journal-fields']
        checks = [
                ('the check sees a breach', check_rules_see_a_breach(man)),
                ('p2pctl: every command with its arguments', check_commands(man, known['commands'])),
                ('p2pctl: every option, its letter, its value, and what it is for', check_options(man, known['options'])),
                ('p2pctl: every exit status', check_ctl_statuses(man, sources)),
                ('p2pctl: every variable of the environment', check_environment(man, sources, 'p2pctl', 'bus')),
                ('p2pnet.conf: every setting and its range', check_settings(pages['p2pnet.conf'], sources)),
                ('seeds.conf: every setting', check_seed_settings(pages['seeds.conf'], sources)),
        ]
        for role in ROLES:
                page = pages[f'p2p-{role}d']
                checks += [(f'{page.name}: every option and exit status', check_daemon(page, daemons[role], sources)),
                           (f'{page.name}: every variable of the environment', check_environment(page, sources, 'daemon', 'conf', 'bus'))]
        checks.append(('p2psim: every option and statement', check_simulator(pages['p2psim'], simulator, sources)))
        for name in INTERFACES:
                checks.append((f'the bus: every member of {name}, its arguments, keys, errors, and who may',
                               check_interface(bus, Interface(sources, name))))
        checks += [
                ('the bus: every error', check_errors(bus, sources)),
                ('the bus: every counter and gauge', check_statistics(bus, sources)),
                ('the bus: every key of Describe()', check_description(bus, sources)),
                ('the journal: every message, its id, level and fields', check_messages(journal, sources)),
                ('the journal: every field', check_fields(journal, sources)),
                ('no page names an option that is none', check_no_other_options(pages.values(), options)),
                ('pages that are referred to are there, and README.md names all', check_references(pages.values(), sources)),
                ('mandoc has nothing to warn about', check_mandoc(pages.values())),
                ('80 columns are enough', check_width(pages.values())),
        ]

        print(f'1..{len(checks)}')
        for number, (name, faults) in enumerate(checks, 1):
                faults = list(faults)
                print(f'{"not ok" if faults else "ok"} {number} - {name}')
                for fault in faults:
                        print(f'# {fault}')


if __name__ == '__main__':
        main()
