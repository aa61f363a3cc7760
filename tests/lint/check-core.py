#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""base, wire and core touch nothing: no clock, socket, file, log or random source of their own. What they take from outside
must be on the list below, which holds the functions of the C library that only compute. Speaks TAP.

usage: check-core.py NM LIBRARY...
"""

import os
import re
import subprocess
import sys

PURE = set('''
        abort calloc free malloc qsort realloc reallocarray bsearch
        memchr memcmp memcpy memmem memmove memrchr memset explicit_bzero
        strcasecmp strchr strchrnul strcmp strcpy stpcpy strcspn strdup strlen
        strncasecmp strncmp strncpy strndup strnlen strrchr strspn strstr
        strtol strtoll strtoul strtoull strtoumax
        snprintf sprintf vsnprintf asprintf vasprintf sscanf
        fnmatch inet_ntop inet_pton
        exp log log2 pow lround llround
        __errno_location __ctype_b_loc __assert_fail __stack_chk_fail
        _GLOBAL_OFFSET_TABLE_
'''.split())

# What the C library's headers make of the above, what the compiler calls for arithmetic, and what sanitizers and libFuzzer
# add.
DECORATED = re.compile(r'^(__(?P<plain>\w+?)_chk|__isoc(99|23)_(?P<iso>\w+))$')
ARITHMETIC = re.compile(r'^__\w+[sdt]i[234]$')
INSTRUMENTED = re.compile(r'^__(asan|ubsan|tsan|lsan|sanitizer|sancov|gcov|llvm|start__|stop__)_')


def allowed(symbol):
        decorated = DECORATED.match(symbol)
        return (symbol in PURE or ARITHMETIC.match(symbol) is not None or INSTRUMENTED.match(symbol) is not None or
                (decorated is not None and (decorated['plain'] or decorated['iso']) in PURE))


def symbols(nm, library):
        """Yields (object file, letter, symbol)."""
        output = subprocess.run([nm, '--no-demangle', library], check=True, text=True, capture_output=True).stdout
        name = library
        for line in output.splitlines():
                if line.endswith(':'):
                        name = line[:-1]
                        continue
                fields = line.split()
                if len(fields) >= 2:
                        yield name, fields[-2], fields[-1]


def main():
        nm, *libraries = sys.argv[1:]
        found = {library: list(symbols(nm, library)) for library in libraries}
        ours = {symbol for all_of in found.values() for _, letter, symbol in all_of if letter not in 'Uw'}

        print(f'1..{len(libraries) + 1}')

        must_refuse = ('clock_gettime', 'time', 'socket', 'read', 'write', 'open', 'getrandom', 'rand', 'random', 'printf',
                       'sd_event_now', 'sd_journal_send')
        slipped = [symbol for symbol in must_refuse if allowed(symbol)]
        print(f'{"not ok" if slipped else "ok"} 1 - the list refuses clocks, sockets, files, logs and random sources')

        for number, (library, all_of) in enumerate(found.items(), 2):
                faults = sorted({(name, symbol) for name, letter, symbol in all_of
                                 if letter in 'Uw' and symbol not in ours and not allowed(symbol)})
                empty = not any(letter in 'Tt' for _, letter, _ in all_of)
                print(f'{"not ok" if faults or empty else "ok"} {number} - {os.path.basename(library)} only computes')
                if empty:
                        print('# it has no code at all: is this the right library?')
                for name, symbol in faults:
                        print(f'# {name} calls {symbol}(); if it only computes, add it to tests/lint/check-core.py')


if __name__ == '__main__':
        main()
