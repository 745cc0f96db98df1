"""The project that a command is typed in; what is passed over on the way to it is said."""

from __future__ import annotations

from pathlib import Path

from flashpipe import terminal
from flashpipe.records.project_folder import find_project


def project_here() -> Path:
    """Folder of the project around the current folder, that folder itself where there is none."""
    return find_project(Path.cwd(), lambda text: terminal.note(f"note: {text}"))
