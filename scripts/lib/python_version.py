"""Ends the script that imports it, with a sentence, where Python is too old for the other modules. Any Python 3 can read it."""

import sys

LEAST = (3, 10)

if sys.version_info < LEAST:
    sys.exit("Python is version {}.{}, and this needs {}.{} or later".format(*sys.version_info[:2], *LEAST))
