"""The documentation: pages in Markdown; tables that the program knows are made when it is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

project = "flashpipe"
author = "the flashpipe authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "flashpipe"
exclude_patterns = ["_build", "_generated"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # boot logs and `…` in examples are no programs


def setup(app: Any) -> None:
    """Make the tables before the first page is read."""
    from docs import tables  # noqa: PLC0415  found by the path above

    app.connect("builder-inited", lambda _: tables.write(DOCS / "_generated"))
