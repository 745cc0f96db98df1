"""`python -m flashpipe`: as `flashpipe`, whose script does not look for modules in the current folder either."""

from __future__ import annotations

import os
import sys

try:
    _here = os.getcwd()  # noqa: PTH109  as the interpreter has put it there
except OSError:  # it was removed
    _here = ""
if sys.path and sys.path[0] in {"", _here}:
    del sys.path[0]

from flashpipe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
