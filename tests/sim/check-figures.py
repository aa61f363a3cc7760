#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures each figure of the simulator once at a small size: it ends, and says something of every value. Speaks TAP.

usage: check-figures.py P2PSIM
"""

import json
import subprocess
import sys

N = '40'
FEWER = {'back-again-long': '3', 'churn': '12'}      # of 600,000 messages; of 200 rounds


def main():
        program = sys.argv[1]
        # A day is a day, however few nodes there are; what is measured after an hour is measured by the same function.
        names = [line.split()[0] for line in subprocess.run([program, '--list-figures'], stdout=subprocess.PIPE, text=True,
                                                            check=True).stdout.splitlines() if not line.startswith('partition-day')]
        print(f'1..{len(names)}')
        for i, name in enumerate(names, 1):
                result = subprocess.run([program, f'--peers={FEWER.get(name, N)}', '--runs=1', '--json', f'--figure={name}'],
                                        stdout=subprocess.PIPE, text=True)
                try:
                        values = [json.loads(line) for line in result.stdout.splitlines()]
                except json.JSONDecodeError:
                        values = []
                good = (len(values) > 0 and all(value['figure'] == name and value['must'] and value['value'] for value in values)
                        and result.returncode == (0 if all(value['met'] for value in values) else 1))
                print(f'{"ok" if good else "not ok"} {i} - {name}')
                if not good:
                        print(f'# exit status {result.returncode}, {result.stdout!r}')


main()
