"""A board for tests: which one, and how it comes to be flashed, booted and at its prompt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from flashpipe.errors import PortBusyError, UnknownProfileError, VirtualOnlyError
from flashpipe.events import Listener, Message, ignore
from flashpipe.flash import SIZE_BYTES
from flashpipe.jobs import sessions
from flashpipe.jobs.audience import Audience
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.build import build_images, is_due, make_parts
from flashpipe.jobs.face import Face, UnwatchedFace
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.lua_policy import lua_policy
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import check
from flashpipe.profile.load import load_profile
from flashpipe.profile.model import Profile
from flashpipe.profile.search import no_profile, own_profiles, shipped_folder
from flashpipe.records.project_folder import find_project
from flashpipe.testing import snapshots
from flashpipe.testing.board import Board
from flashpipe.testing.snapshots import Booted
from flashpipe.values import dataclass

VIRTUAL: Final = "sim://"
_KIND: Final = re.compile(r"sim://([^?/]*)/?\??(.*)")
_OURS: Final = frozenset({"board", "flash", "inline", "mac", "record", "time"})
"""Options of a virtual board's URL that tests have their own way with: each process has a board of its own, as fast as
it goes, whose flash ends with it."""
_MOST: Final = 256
"""Processes that test at one time."""
_KINDS: Final = {
    ("esp8266", "512KB"): "esp01",
    ("esp8266", "1MB"): "esp01-1m",
    ("esp8266", "2MB"): "wroom-02",
    ("esp8266", "8MB"): "esp12?part=W25Q64",
    ("esp8266", "16MB"): "d1-mini-pro",
    ("esp8285", "2MB"): "esp8285-2m",
}
"""A virtual board for each chip and size of flash that modules have, but the usual ones."""
_KEPT_KIND: Final = "demo"
"""The virtual board whose flash stays, which is not for tests."""


@dataclass(frozen=True, slots=True)
class BoardDemand:
    """What tests want of a board."""

    folder: Path
    """Where the tests are run."""
    profile: str = ""
    """Empty: the only own profile of the project."""
    port: str = ""
    """Empty: a virtual board of the profile's kind."""
    image: str = ""
    """In place of the profile's firmware."""
    baud: str = ""
    reset: str = ""


def start_board(asked: BoardDemand, listener: Listener = ignore, face: Face | None = None) -> Board:
    """The board, flashed where it does not hold the image already, booted, at its prompt.

    Raises:
        PipelineError: a bad profile, an image that cannot be had, a port that somebody else has, a board that does not
            start.
    """
    project = find_project(asked.folder)
    given = {
        "profile": asked.profile or _only_profile(project), "port": asked.port, "image": asked.image,
        "baud": asked.baud, "reset": asked.reset,
    }  # fmt: skip
    named = {name: text for name, text in given.items() if text}
    inputs = RunInputs(CommandLine(project, asked.folder, check(named)), listener=listener)
    if is_due(inputs):
        build_images(inputs, listener)
    make_parts(inputs, listener)
    port = asked.port or virtual_port(inputs.profile())
    face = face or Audience(UnwatchedFace())
    try:
        if port.startswith(VIRTUAL):
            return _virtual(_own_run(inputs, port, face), listener)
        return _flashed(BoardRun(inputs, port, face))
    except BaseException:
        sessions.close_all()
        raise
    finally:
        sessions.remove_handlers()  # from here on, Ctrl-C is whoever's who runs the tests


def _own_run(inputs: RunInputs, port: str, face: Face) -> BoardRun:
    """A virtual board that no other process has: the first one that is free."""
    for number in count():
        run = BoardRun(inputs, private(port, number), face)
        try:
            run.session().open()
        except PortBusyError:
            sessions.close(run.named_port)
            if number < _MOST:
                continue
            raise
        return run
    raise AssertionError


def _only_profile(project: Path) -> str:
    own = own_profiles(project)
    if len(own) != 1:
        raise _which(project)
    return own[0]


def _which(project: Path) -> UnknownProfileError:
    error = no_profile(project)
    return UnknownProfileError(error.message, f"{error.hint}; pytest takes --flashpipe-profile NAME")


# --- which virtual board ---------------------------------------------------------------------------------------------


def virtual_port(profile: Profile) -> str:
    """The virtual board that is most like the profile's: of the shipped profile that it extends, or of its figures."""
    named = _KIND.fullmatch(profile.serial.port) if isinstance(profile.serial.port, str) else None
    kind = named[1] if named and named[1] != _KEPT_KIND else ""
    kind = kind or next(filter(None, (_like(path, profile) for path in profile.lineage)), "")
    size = profile.flash_size.removesuffix("-c1")
    kind = kind or _KINDS.get((profile.chip, size), "esp8285" if profile.chip == "esp8285" else "esp12")
    options = named[2] if named else ""
    return f"{VIRTUAL}{kind}" + (("&" if "?" in kind else "?") + options if options else "")


def _like(path: Path, profile: Profile) -> str:
    """The kind of a shipped profile, where chip and flash are still what it says; empty for any other."""
    if path.parent != shipped_folder() or path.stem == _KEPT_KIND:
        return ""
    shipped = load_profile(path.stem, shipped_folder())
    same = (shipped.chip, shipped.flash_size) == (profile.chip, profile.flash_size)
    return path.stem if same or profile.flash_size not in SIZE_BYTES else ""


def private(port: str, number: int = 0) -> str:
    """The same virtual board, in this process and for it alone, fast; each process has another `number`."""
    named = _KIND.fullmatch(port)
    if named is None:
        return port
    kind = "nodemcu-devkit" if named[1] == _KEPT_KIND else named[1]
    given = [word for word in named[2].split("&") if word]
    mac = next((word for word in given if word.startswith("mac=")), f"mac={_mac(kind)}")
    options = [word for word in given if word.partition("=")[0] not in _OURS]
    return f"{VIRTUAL}{kind}?" + "&".join([*options, mac, "inline=1", f"board=test-{number}"])


def _mac(kind: str) -> str:
    """The same in each process, so that a snapshot fits them all; `board=` alone would change it."""
    digest = hashlib.sha256(f"tests {kind}".encode()).hexdigest()
    return f"5c:cf:7f:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"


# --- a board ---------------------------------------------------------------------------------------------------------


def _flashed(run: BoardRun) -> Board:
    """Flash it, unless it holds everything, and take it over at its prompt."""
    with run.turn():
        outcome = run.flash()
    return Board(run, outcome.verdict)


def _virtual(run: BoardRun, listener: Listener) -> Board:
    """The same of a virtual board: from its snapshot, which one process makes for all."""
    session = run.session()
    bench = getattr(session.wire, "bench", None)
    if bench is None or not session.execution.executed:
        raise VirtualOnlyError(
            f"{run.named_port}: tests need a virtual board whose firmware is executed", "leave out execute=off"
        )
    key = key_of_boot(run.inputs, session.port, [bench.version(), session.execution.core])
    with snapshots.guarded():
        known = snapshots.find(key)
        base = snapshots.usable(known, bench)
        if known is None or base is None:
            return _boot(run, key)
    listener(Message(session.port, "board    booted before: goes on from its snapshot"))
    return Board(run, known.verdict, base, known.baud)


def _boot(run: BoardRun, key: str) -> Board:
    board = _flashed(run)
    board.restart()  # what an init.lua has done while the flash was judged is not how a test begins
    made = board.snapshot()
    assert made is not None
    chip, baud = made
    snapshots.keep(key, Booted(chip, baud, board.verdict))
    board.fresh()
    return board


def key_of_boot(inputs: RunInputs, port: str, versions: Sequence[str]) -> str:
    """Name of the snapshot: of everything that the boot depends on.

    Raises:
        PipelineError: a bad profile, an image that cannot be had, or a file that is not there.
    """
    profile = inputs.profile()
    policy = lua_policy(profile, inputs.command.project, inputs.compiled)
    files = [
        f"{file.name} {file.sha256} {sorted(file.values.items()) if file.values is not None else ''}"
        for file in policy.files
    ]
    texts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in profile.lineage]
    test = policy.acceptance.run
    texts += [*files, test.sha256 if test else "", port.partition("&board=")[0]]
    return snapshots.key_of([*versions, inputs.plan().fingerprint, *texts])
