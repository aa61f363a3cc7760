#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every test of p2pnet, stage by stage, and counts. tools/test calls it.

A stage is a method of Run: it does its work, puts every single result into the tally and shows the logs of what failed.
Nothing is skipped without its reason being printed. Builds live in build-NAME/ below the top of the tree.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
FUZZ_SECONDS = 20
EXPOSURE_MAX = 13               # tenths, as systemd-analyze counts
LOG_SHOWN = 60                  # lines of the log of a failure

BUILDS = {                      # name: compiler, meson options
        'gcc':   ('gcc', ['-Dwerror=true']),
        'clang': ('clang', ['-Dwerror=true']),
        # With sanitizers gcc warns of what cannot happen; the builds above have already refused real warnings.
        'asan':  ('gcc', ['-Dwerror=false', '-Db_sanitize=address,undefined']),
        'fuzz':  ('clang', ['-Dwerror=true', '-Dfuzzers=true', '-Db_sanitize=address,undefined', '-Db_lundef=false']),
}

# Each simulation gives the same trace in each of these builds.
TRACE_BUILDS = 'gcc', 'clang', 'asan'
TRACE_RUNS = [['--peers=40', '--run=7']] + [['--random', f'--run={run}', '--peers=10-30'] for run in (1, 2, 3, 4, 5)]

SANITIZER_ENV = {
        'ASAN_OPTIONS': 'abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1',
        'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
}


class Tally:
        def __init__(self):
                self.passed = self.failed = self.skipped = 0

        def add(self, passed=0, failed=0, skipped=0):
                self.passed += passed
                self.failed += failed
                self.skipped += skipped

        def __str__(self):
                return f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped'


def say(text=''):
        print(text, flush=True)


def show(title, text):
        """The end of a log, indented, so that it cannot be taken for our own lines."""
        lines = text.rstrip().splitlines()
        say(f'  --- {title}')
        if len(lines) > LOG_SHOWN:
                say(f'      ({len(lines) - LOG_SHOWN} lines before)')
        for line in lines[-LOG_SHOWN:]:
                say('      ' + line)


def count_output(text):
        """The single tests in the output of one test program: cmocka, TAP or Python's unittest.

        Return: passed, failed, skips (a list of reasons); all empty when it is none of these."""
        passed = failed = 0
        skips = []

        for count in re.findall(r'^\[  PASSED  \] (\d+) test\(s\)', text, re.M):
                passed += int(count)
        for count in re.findall(r'^\[  FAILED  \] (\d+) test\(s\)', text, re.M):
                failed += int(count)
        skips += [f'{name} (cmocka)' for name in re.findall(r'^\[  SKIPPED \] ([A-Za-z_]\w*)', text, re.M)]

        for refused, rest in re.findall(r'^(not )?ok\b(.*)$', text, re.M):
                reason = re.search(r'# *SKIP\b *(.*)', rest, re.I)
                if reason:
                        skips.append(reason[1] or rest.strip())
                elif refused:
                        failed += 1
                else:
                        passed += 1
        skips += re.findall(r'^1\.\.0 *# *SKIP\b *(.*)', text, re.M | re.I)

        ran = re.search(r'^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?$', text, re.M)
        if ran:
                bad = sum(int(n) for n in re.findall(r'(?:failures|errors)=(\d+)', ran[2] or ''))
                reasons = re.findall(r"\.\.\. skipped '(.*)'$", text, re.M)
                n_skipped = int((re.search(r'skipped=(\d+)', ran[2] or '') or [0, 0])[1])
                reasons += ['no reason in the output'] * (n_skipped - len(reasons))
                passed += int(ran[1]) - bad - n_skipped
                failed += bad
                skips += reasons

        return passed, failed, skips


class Run:
        def __init__(self):
                self.tally = Tally()
                self.built = {}

        def command(self, args, **kwargs):
                kwargs.setdefault('cwd', TOP)
                return subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, text=True, errors='replace',
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)

        def check(self, name, args, **kwargs):
                """One command that is one test: it passes when it succeeds."""
                result = self.command(args, **kwargs)
                if result.returncode == 0:
                        self.tally.add(passed=1)
                        return True
                self.fail(name, result.stdout + f'\n(exit status {result.returncode})')
                return False

        def fail(self, name, log):
                self.tally.add(failed=1)
                say(f'  FAILED {name}')
                show(name, log)

        def skip(self, name, reason, count=1):
                self.tally.add(skipped=count)
                say(f'  skipped {name}: {reason}')

        # Builds -----------------------------------------------------------------------------------------------------

        def build(self, name):
                """Once per run and build; a build that fails is one failed test, and what needs it says so."""
                if name in self.built:
                        return self.built[name]

                compiler, options = BUILDS[name]
                directory = TOP / f'build-{name}'
                args = ['meson', 'setup', directory, TOP] + options
                if (directory / 'build.ninja').exists():
                        args.append('--reconfigure')
                elif directory.exists():
                        shutil.rmtree(directory)        # a setup that was cut short

                self.built[name] = (
                        self.check(f'configuring build-{name}', args, env={**os.environ, 'CC': compiler}) and
                        self.check(f'building build-{name}', ['ninja', '--quiet', '-C', directory] + self.targets(name)))
                return self.built[name]

        def targets(self, name):
                """What to build there: everything, but of the fuzzing build only the fuzz targets."""
                if name != 'fuzz':
                        return []
                targets = json.loads(self.command(['meson', 'introspect', '--targets', TOP / f'build-{name}']).stdout)
                return [os.path.relpath(file, TOP / f'build-{name}')
                        for target in targets if target['name'].startswith('fuzz-') for file in target['filename']]

        def meson(self, name, suites=(), env=None, patience=2):
                """All meson tests of one build, counted one by one. @patience multiplies their time-outs."""
                if not self.build(name):
                        say(f'  not run: build-{name} is not there.')
                        return

                directory = TOP / f'build-{name}'
                log = directory / 'meson-logs' / 'testlog.json'
                log.unlink(missing_ok=True)
                args = ['meson', 'test', '-C', directory, '--no-rebuild', '--num-processes', os.cpu_count(),
                        '--timeout-multiplier', patience]
                for suite in suites:
                        args += ['--suite', suite]
                result = self.command(args, env={**os.environ, **(env or {})})
                if not log.exists():
                        self.fail(f'meson test in build-{name}', result.stdout)
                        return

                before = self.tally.failed
                for line in log.read_text(errors='replace').splitlines():
                        self.count_test(json.loads(line))
                if result.returncode != 0 and self.tally.failed == before:
                        self.fail(f'meson test in build-{name}', result.stdout)

        def count_test(self, test):
                text = test.get('stdout', '') + '\n' + test.get('stderr', '')
                passed, failed, skips = count_output(text)
                good = test['result'] in ('OK', 'EXPECTEDFAIL')

                if test['result'] == 'SKIP' and not skips:
                        skips = [text.strip().splitlines()[-1] if text.strip() else 'no reason in the output']
                elif not good and test['result'] != 'SKIP' and failed == 0:
                        failed = 1              # a crash, a time-out, a sanitizer's complaint
                elif good and passed + failed + len(skips) == 0:
                        passed = 1              # a program that only has an exit status

                self.tally.add(passed=passed, failed=failed)
                for reason in skips:
                        self.skip(test['name'], reason)
                if failed > 0:
                        say(f'  FAILED {test["name"]} ({test["result"]} after {test["duration"]:.1f} s)')
                        show(test['name'], text)

        # Stages, in the order in which they run -----------------------------------------------------------------------

        def stage_gcc(self):
                """every meson test, built with gcc"""
                self.meson('gcc')

        def stage_clang(self):
                """every meson test, built with clang"""
                self.meson('clang')

        def stage_asan(self):
                """units, simulator and integration under ASan and UBSan"""
                self.meson('asan', suites=['unit', 'sim', 'integration', 'fuzz'], env=SANITIZER_ENV, patience=6)

        def stage_trace(self):
                """the same simulation in every build: gcc and clang, with and without sanitizers"""
                traces = {}
                for name in TRACE_BUILDS:
                        if not self.build(name):
                                say(f'  not run: build-{name} is not there.')
                                return
                        program = TOP / f'build-{name}' / 'tests' / 'sim' / 'p2psim'
                        for args in TRACE_RUNS:
                                result = self.command([program, *args, '--json'], env={**os.environ, **SANITIZER_ENV})
                                found = re.search(r'"trace": "(\w{16})"', result.stdout)
                                traces.setdefault(' '.join(args), {})[name] = found[1] if found else result.stdout[-300:]
                for args, found in traces.items():
                        if len(set(found.values())) == 1 and re.fullmatch(r'\w{16}', next(iter(found.values()))):
                                self.tally.add(passed=1)
                        else:
                                self.fail(f'p2psim {args}', '\n'.join(f'{name}: {trace}' for name, trace in found.items()))

        def stage_fuzz(self):
                """each fuzz target from its corpus on"""
                if not self.build('fuzz'):
                        say('  not run: build-fuzz is not there.')
                        return

                directory = TOP / 'build-fuzz' / 'tests' / 'fuzz'
                targets = [f for f in sorted(directory.glob('fuzz-*')) if f.is_file() and os.access(f, os.X_OK)]
                if not targets:
                        self.fail('fuzzing', 'There is no fuzz target.')
                with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                        for target, result in zip(targets, pool.map(self.fuzz, targets)):
                                runs = re.search(r'stat::number_of_executed_units: *(\d+)', result.stdout)
                                if result.returncode == 0 and runs:
                                        self.tally.add(passed=1)
                                        say(f'  {target.name}: {int(runs[1]):,} inputs')
                                else:
                                        self.fail(target.name, result.stdout)

        def fuzz(self, target):
                name = target.name.removeprefix('fuzz-')
                found = TOP / 'build-fuzz' / 'corpus' / name
                found.mkdir(parents=True, exist_ok=True)
                corpus = TOP / 'tests' / 'fuzz' / 'corpus' / name
                corpora = [found] + ([corpus] if corpus.exists() else [])       # libFuzzer writes to the first
                return self.command([target, f'-max_total_time={FUZZ_SECONDS}', '-timeout=10', '-print_final_stats=1',
                                     f'-artifact_prefix={found.parent}/{name}-'] + corpora,
                                    env={**os.environ, **SANITIZER_ENV})

        def stage_units(self):
                """systemd-analyze on the installed units"""
                installed = self.install()
                if not installed:
                        return

                # verify wants the units that ours lean on, and the programs they start.
                root = TOP / 'build-gcc' / 'verify'
                shutil.rmtree(root, ignore_errors=True)
                shutil.copytree(installed, root, symlinks=True)
                units = 'usr/lib/systemd/system'
                shutil.copytree(Path('/') / units, root / units, symlinks=True, dirs_exist_ok=True)
                for directory in 'usr/bin', 'etc':
                        (root / directory).mkdir(parents=True, exist_ok=True)
                shutil.copy(shutil.which('rm'), root / 'usr/bin/rm')
                for name in 'etc/passwd', 'etc/group':
                        shutil.copy(Path('/') / name, root / name)

                for unit in 'p2p-seedd@5000.service', 'p2p-peerd@6001.service':
                        self.check(f'systemd-analyze verify {unit}',
                                   ['systemd-analyze', 'verify', '--man=no', f'--root={root}', unit])
                        self.check(f'systemd-analyze security {unit}',
                                   ['systemd-analyze', 'security', '--offline=true', f'--threshold={EXPOSURE_MAX}',
                                    '--no-pager', f'--root={root}', unit])

        def stage_package(self):
                """the packages: built twice, lintian, contents, states, RPM"""
                debs = self.package()
                if not debs or not self.check('tools/build-rpm', [TOP / 'tools' / 'build-rpm', debs]):
                        say('  not run: not every package is there.')
                        return
                self.checks('package', debs, 1)         # they keep the processors busy

        def stage_system(self):
                """the installed packages on booted hosts"""
                if os.geteuid() != 0:
                        self.skip('system tests', 'booting a host needs root')
                        return
                debs = self.package()
                if not debs:
                        return
                self.checks('system', debs, os.cpu_count())     # they mostly wait, each with hosts of its own

        def checks(self, suite, debs, n_parallel):
                """The scripts of checks on the packages, so many at a time."""
                def run(script):
                        began = time.monotonic()
                        # It ends in order when we are killed.
                        result = self.command(['setpriv', '--pdeathsig', 'TERM', sys.executable, '-B', script, debs, TOP])
                        return result, time.monotonic() - began

                scripts = sorted((TOP / 'tests' / suite).glob('test-*.py'))
                with concurrent.futures.ThreadPoolExecutor(n_parallel) as pool:
                        for script, (result, seconds) in zip(scripts, pool.map(run, scripts)):
                                self.count_checks(script, result, seconds)

        def count_checks(self, script, result, seconds):
                passed, failed, skips = count_output(result.stdout)
                self.tally.add(passed=passed, failed=failed)
                for reason in skips:
                        self.skip(script.name, reason)
                for name, report in re.findall(r'^not ok \d+ - (.*)\n((?:#.*\n)*)', result.stdout, re.M):
                        say(f'  FAILED {script.stem}: {name}')
                        show(script.name, re.sub('^# ?', '', report, flags=re.M))

                planned = re.search(r'^1\.\.(\d+)', result.stdout, re.M)
                if result.returncode != 0 or not planned or int(planned[1]) != passed + failed + len(skips):
                        self.fail(f'{script.name} did not come to its end', result.stdout)
                say(f'  {script.stem}: {passed} of {passed + failed} in {seconds:.0f} s')

        def package(self):
                """Our Debian packages, once per run. Return: the directory they are in, None without them."""
                debs = TOP / 'build-deb'
                if 'deb' not in self.built:
                        shutil.rmtree(debs, ignore_errors=True)
                        self.built['deb'] = self.check('tools/build-deb', [TOP / 'tools' / 'build-deb', debs])
                if not self.built['deb']:
                        say('  not run: there are no packages to install.')
                        return None
                return debs

        def install(self):
                """The product of the gcc build as it is installed. Return: the root it is below, None without it."""
                if not self.build('gcc'):
                        say('  not run: build-gcc is not there.')
                        return None

                root = TOP / 'build-gcc' / 'root'
                shutil.rmtree(root, ignore_errors=True)
                if not self.check('meson install', ['meson', 'install', '-C', TOP / 'build-gcc', '--no-rebuild', '--quiet'],
                                  env={**os.environ, 'DESTDIR': str(root)}):
                        return None
                return root


def main():
        stages = {name.removeprefix('stage_'): getattr(Run, name) for name in vars(Run) if name.startswith('stage_')}

        parser = argparse.ArgumentParser(prog='tools/test', description='Builds p2pnet and runs its tests.')
        parser.add_argument('stage', nargs='*', help='run only these; default: all')
        parser.add_argument('--list', action='store_true', help='print the stages')
        arguments = parser.parse_args()

        if arguments.list:
                for name, function in stages.items():
                        print(f'{name:8} {function.__doc__}')
                return 0
        for name in arguments.stage:
                if name not in stages:
                        parser.error(f"found stage '{name}', accepted are: {', '.join(stages)}.")

        sys.stdout.reconfigure(errors='backslashreplace')
        run = Run()
        began = time.monotonic()
        for name, function in stages.items():
                if arguments.stage and name not in arguments.stage:
                        continue
                say(f'{name}: {function.__doc__}')
                stage_began = time.monotonic()
                counts = run.tally.passed, run.tally.failed, run.tally.skipped
                try:
                        function(run)
                except Exception:
                        run.fail(f'stage {name} itself', traceback.format_exc())
                passed, failed, skipped = (now - then for now, then in zip(
                        (run.tally.passed, run.tally.failed, run.tally.skipped), counts))
                say(f'{name}: {passed} passed, {failed} failed, {skipped} skipped in {time.monotonic() - stage_began:.0f} s')

        say(f'All stages in {time.monotonic() - began:.0f} s.')
        say(str(run.tally))
        return 1 if run.tally.failed > 0 else 0


if __name__ == '__main__':
        sys.exit(main())
