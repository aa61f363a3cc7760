#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a manual page: scdoc does the work, and here is mended what not every reader of manual pages takes as it was meant.

- scdoc begins a paragraph before each heading and before the end of each indented part, where there is none to begin.
  mandoc warns about every one, and leaves out the empty line that was meant.
- A "-" may come out as a hyphen, and a line may be broken after it; that is no good in a command that somebody copies.
- Words are not to be divided, which groff forgets after .nh at the next paragraph.

usage: make-page.py SCDOC <SOURCE >PAGE
"""

import re
import subprocess
import sys


def keep_minus(line, is_literal):
        if is_literal:
                return line.replace('-', r'\-')
        return re.sub(r'\\f[BI].*?\\fR', lambda match: match[0].replace('-', r'\-'), line)


def tidy(lines):
        result = []
        is_literal = False
        for line in lines:
                last = result[-1] if result else ''
                if line in ('.nf', '.fi'):
                        is_literal = line == '.nf'
                elif not line.startswith('.'):
                        line = keep_minus(line, is_literal)
                if line == '.nh':
                        line = '.nr HY 0'
                if line == '.P' and (last == '.P' or last.startswith(('.SH', '.SS', '.TH'))):
                        continue
                if line.startswith(('.SH', '.SS')) and last == '.P':
                        result.pop()
                if line == '.RE':
                        while result[-1] == '':
                                result.pop()
                        if result[-1] == '.P':
                                result[-1] = '.RE'
                                line = '.P'
                result.append(line)
        while result[-1] in ('', '.P'):
                result.pop()
        return result


def main():
        page = subprocess.run([sys.argv[1]], input=sys.stdin.read(), capture_output=True, text=True, encoding='utf-8')
        if page.returncode != 0:
                sys.exit(page.stderr.strip())
        sys.stdout.reconfigure(encoding='utf-8')
        print('\n'.join(tidy(page.stdout.split('\n'))))


if __name__ == '__main__':
        main()
