"""The demo's output: headings, commands, output of programs, results; with colour on a terminal."""

import os
import sys

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def styled(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def title(text):
    print(f"\n{styled('1', text)}", flush=True)


def heading(number, text, explanation):
    print(f"\n{styled('1;36', f'{number}  {text}')}\n   {styled('2', explanation)}\n", flush=True)


def progress(text):
    """Begins a line that `done` ends."""
    print(f"   {text:<34}", end=" ", flush=True)


def done(text):
    print(text, flush=True)


def command(lines):
    """Shows a shell command, over several lines if it is long."""
    first, *others = lines
    text = " \\\n".join(["   $ " + first, *("       " + line for line in others)])
    print(styled("33", text), flush=True)


def python(text):
    print(f"   {styled('35', '>>> ' + text)}", flush=True)


def output(text):
    print(f"     {text}", flush=True)


def passed(text):
    print(f"   {styled('32', 'ok')}  {text}", flush=True)


def failed(text):
    print(f"   {styled('1;31', 'FAILED')}  {text}", flush=True)


def note(text):
    print(f"   {styled('2', text)}", flush=True)
