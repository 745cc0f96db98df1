"""The command that installs a package where this program runs: a clone's environment, pipx's, uv's, or the system's."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def install_command(*words: str) -> str:
    """The one command; `words` are what stands behind `install`, such as `--no-deps` and a requirement.

    An environment of uv's has no pip of its own; whoever made it has uv.
    """
    python, rest = shlex.quote(sys.executable), shlex.join(words)
    if find_spec("pip") is None:
        return f"uv pip install --python {python} {rest}"
    pip = shutil.which("pip")
    if pip is not None and Path(pip).parent == Path(sys.executable).parent:
        return f"pip install {rest}"
    return f"{python} -m pip install {rest}"
