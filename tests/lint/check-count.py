#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/run.py counts what test programs print; this holds it against samples of each kind. Speaks TAP."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from run import count_output

SAMPLES = (
        ('cmocka, all well', '''\
[==========] Running 2 test(s).
[ RUN      ] test_a
[       OK ] test_a
[ RUN      ] test_b
[       OK ] test_b
[==========] 2 test(s) run.
[  PASSED  ] 2 test(s).
''', (2, 0, [])),
        ('cmocka, one failed, one skipped', '''\
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] test_c
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] test_b
''', (1, 1, ['test_c (cmocka)'])),
        ('TAP', '''\
1..4
ok 1 - this
not ok 2 - that
# ok, said somebody
ok 3 - not here # SKIP no root
ok - without a number
''', (2, 1, ['no root'])),
        ('TAP, all skipped', '1..0 # SKIP no kernel for it\n', (0, 0, ['no kernel for it'])),
        ('unittest, all well', '''\
test_a (x.X) ... ok

----------------------------------------------------------------------
Ran 5 tests in 0.1s

OK
''', (5, 0, [])),
        ('unittest, with everything', '''\
test_a (x.X) ... skipped 'no bus'

----------------------------------------------------------------------
Ran 7 tests in 0.1s

FAILED (failures=1, errors=2, skipped=1)
''', (3, 3, ['no bus'])),
        ('no kind at all', 'all is well\n', (0, 0, [])),
)


def main():
        print(f'1..{len(SAMPLES)}')
        for number, (name, text, expected) in enumerate(SAMPLES, 1):
                found = count_output(text)
                print(f'{"ok" if found == expected else "not ok"} {number} - {name}')
                if found != expected:
                        print(f'# found {found}, expected {expected}')


if __name__ == '__main__':
        main()
