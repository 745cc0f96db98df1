"""README and pages of the documentation as data: what they show as commands, and the files they show beside them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CORES = "cores"
"""Where in the cache the virtual board's core is kept, compiled."""
LIMIT_S = 300
INSTALL_LIMIT_S = 2 * LIMIT_S
"""How long a worker waits for another one that runs the README's first line."""
_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_CAPTION = re.compile(r":caption: (\S+)\n+")
_VARYING = (
    (re.compile(r"\d{8}T\d+-[0-9a-f]+"), "STAMP"),
    (re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"), "MAC"),
    (re.compile(r"\d+\.\d s\b"), "TIME"),
    # How much of its name is heard depends on when the host begins to listen.
    (re.compile(r"NodeMCU (?:\(SDK [\d.]+\)|[\d.]+) (?=at its|boots)"), "NODEMCU "),
)
"""What differs from run to run."""


@dataclass(frozen=True)
class Command:
    """A line that begins with `$ `, and the lines of its output that the page shows."""

    line: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its caption where it has one, its text."""

    language: str
    caption: str
    text: str


@dataclass(frozen=True)
class Clone:
    """A copy of the project in which the README's first line has run."""

    folder: Path
    home: Path
    said: str
    """By that line."""

    @property
    def scripts(self) -> Path:
        """The `bin` folder of the environment that it made."""
        return self.folder / ".venv" / "bin"


def make_clone(place: Path) -> Clone:
    """Copy what git knows, and run the README's first line there, unless that was done."""
    folder, home, said = place / "clone", place / "home", place / "said.txt"
    if not said.exists():
        shutil.rmtree(place, ignore_errors=True)  # of a worker that failed
        home.mkdir(parents=True)
        names = ["git", "ls-files", "-co", "--exclude-standard"]
        for name in subprocess.run(names, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        said.write_text(run(read_commands(README)[0], folder, home), encoding="utf-8")
    return Clone(folder, home, said.read_text(encoding="utf-8"))


def read_blocks(page: Path) -> list[Block]:
    """Every block of code of a page, in order."""
    blocks = []
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        info, text = found["info"], found["body"]
        caption = _CAPTION.match(text) if info.startswith("{code-block}") else None
        blocks.append(
            Block(
                language=info.removeprefix("{code-block}").strip(),
                caption=caption[1] if caption else "",
                text=text[caption.end() :] if caption else text,
            )
        )
    return blocks


def read_commands(page: Path) -> list[Command]:
    """Every command of the page's console blocks, in order."""
    found: list[tuple[str, list[str]]] = []
    for block in read_blocks(page):
        if block.language == "console":
            for line in block.text.splitlines():
                if line.startswith("$ "):
                    found.append((line.removeprefix("$ "), []))
                elif line:
                    found[-1][1].append(line)
    return [Command(line, tuple(shown)) for line, shown in found]


def comparable(text: str) -> str:
    """A line of output without what differs from run to run."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text.strip()


def make_home(home: Path, compiled: Path) -> Path:
    """The home of a reader whose virtual board has been compiled before: `compiled` holds the core; returns `home`."""
    (home / "cache" / "flashpipe").mkdir(parents=True)
    (home / "cache" / "flashpipe" / CORES).symlink_to(compiled / CORES)
    return home


def run(command: Command, folder: Path, home: Path) -> str:
    """Run a command as a reader would, and hold its output against the page; returns the output."""
    left_out = ("FLASHPIPE", "PYTEST", "PYTHON", "VIRTUAL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.line],
        cwd=folder,
        env={
            **kept,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
        },
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, f"{command.line}\n{text}"
    assert "Traceback" not in text, f"{command.line}\n{text}"
    lines = [comparable(line) for line in text.splitlines()]
    for shown in command.shown:
        assert any(comparable(shown) in line for line in lines), f"{command.line}\nshows {shown!r}, but says:\n{text}"
    return text
