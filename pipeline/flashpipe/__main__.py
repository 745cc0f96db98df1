"""`python -m flashpipe`."""

from __future__ import annotations

import sys

from flashpipe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
