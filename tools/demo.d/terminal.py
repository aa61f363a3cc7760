# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said to the person who watches, and what that person may say: Ctrl-C."""

import os
import shutil
import signal
import sys
import textwrap

INDENT = "   "

COLORS = {"bold": "1", "green": "32", "red": "31", "gray": "90"}


class Failure(Exception):
    """Something is not as expected: a sentence, and perhaps a log whose end tells more."""

    def __init__(self, sentence, log=None):
        super().__init__(sentence)
        self.log = log


class Interrupted(Exception):
    """We are to end. The number of the signal."""


class Interrupts:
    """Signals are noted, and found by check_interrupted(): raised anywhere, they would lose a process just started."""

    number = None

    @classmethod
    def catch(cls):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, frame: setattr(cls, "number", number))


def check_interrupted():
    if Interrupts.number is not None:
        raise Interrupted(Interrupts.number)


def uses_color():
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(color, text):
    return f"\x1b[{COLORS[color]}m{text}\x1b[0m" if uses_color() else text


def say(text="", end="\n"):
    """Whoever reads gets it at once. When nobody reads any more, that is as good as Ctrl-C."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        with open(os.devnull, "w", encoding="utf-8") as null:
            os.dup2(null.fileno(), sys.stdout.fileno())
        Interrupts.number = Interrupts.number or signal.SIGPIPE


def say_indented(text):
    for line in text.rstrip("\n").split("\n"):
        say((INDENT + line).rstrip())


def say_command(text, remark=""):
    say(INDENT + paint("bold", "$ " + text) + (paint("gray", "    # " + remark) if remark else ""))


def say_wrapped(text, indent="", color=None):
    """Our own sentences; the first word is painted, or with "bold" all of it."""
    width = max(40, min(118, shutil.get_terminal_size((118, 24)).columns - 1))
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "   ", break_long_words=False,
                          break_on_hyphens=False)
    if color == "bold":
        lines = [paint(color, line) for line in lines]
    elif color:
        word = text.split()[0]
        lines[0] = lines[0].replace(word, paint(color, word), 1)
    for line in lines:
        say(line)


def say_log(path, n_lines):
    """The end of a log."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    say(f"{INDENT}The end of {path}:")
    for line in lines[-n_lines:]:
        say(f"{INDENT}| {line}")


def table(rows):
    """Rows of texts as aligned columns; the first row is the heading, the first column is the name."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return "\n".join("  ".join(cell.rjust(width) if i > 0 else cell.ljust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


def seconds(duration):
    if duration < 0.0095:
        return f"{duration * 1000:.1f} ms"
    return f"{duration * 1000:.0f} ms" if duration < 0.9995 else f"{duration:.1f} s"


def count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
