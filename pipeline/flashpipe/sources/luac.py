"""An LFS image from Lua files, by the luac.cross that the build of the firmware made.

What a compiler is for is not asked of its name: it compiles one line, and the header of that says for which Lua and
which numbers (`firmware.placement`). Two lines of the program (nodemcu-firmware 3.0.0-release_20240225,
app/lua/luac_cross/luac.c and app/lua53/host/luac.c): that for Lua 5.1 writes an image for an address at once, that for
Lua 5.3 in two steps.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from flashpipe.errors import BuildDueError, LfsPartitionError, LuaCompilerError, LuaSyntaxError, PartFilesError
from flashpipe.files import no_file
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.identify import Firmware
from flashpipe.firmware.placement import MAPPED, lfs_kind
from flashpipe.flash import Region
from flashpipe.lazy import lazy_pattern
from flashpipe.masking import mask_cut
from flashpipe.processes import ending
from flashpipe.sources import made
from flashpipe.units import format_address, format_size
from flashpipe.values import dataclass

NAMES: Final = {"integer": ("luac.cross.int", "luac.cross"), "": ("luac.cross", "luac.cross.int")}
"""As builds call them, by the numbers of the firmware; `.exe` on Windows."""
LARGEST: Final = 0x40000
"""Bytes of the largest image that the compiler for 5.1 makes."""
_PLACE: Final = lazy_pattern(r"(?P<file>[^\n:]+)(?P<mistake>:\d+: [^\n]*)")
"""How the compiler names a line."""
_ANYWHERE: Final = Region(0x80000, 0x90000)
_RESTART: Final = "!LFSrestart!"
"""What the compiler for Lua 5.3 of 3.0.0-release_20240225 says in place of writing an image for an address (tried)."""
_PROBE: Final = "flashpipe"
"""A constant that is looked for in what is compiled."""
_CHUNK: Final = b"\x1bLua"
_INTEGRAL: Final = 11
"""Place of the byte that is 1 where numbers are integers (Lua 5.1, lundump.c: the last of the head's twelve)."""
_STRING, _STRING_BEFORE_3, _NEW = 4, 6, 3
"""Type of a text constant, from NodeMCU 3 on, and before it."""
_NO_ROOM: Final = lazy_pattern(r"out of flash|too large|maximum size", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LuaCompiler:
    """A luac.cross."""

    path: Path
    lua: str
    """`5.1` or `5.3`."""
    numbers: str
    """`float` or `integer`."""


def find_compiler(named: str, places: Sequence[Path], firmware: Firmware) -> Path:
    """The compiler that is named, or the one in the first of `places` that has any.

    Raises:
        LuaCompilerError: there is none.
    """
    if named != "auto":
        if not Path(named).is_file():
            raise LuaCompilerError(f"{named}: {no_file(Path(named))}", LuaCompilerError.remedy)
        return Path(named)
    names = NAMES.get(firmware.number_type, NAMES[""])
    for folder in places:
        for name in names:
            for path in (folder / name, folder / f"{name}.exe"):
                if path.is_file():
                    return path
    looked = ", ".join(str(folder) for folder in places) or "nowhere: the image comes from elsewhere"
    raise LuaCompilerError(
        f"no {names[0]} for {firmware.title()} (looked in {looked})",
        "`make` in nodemcu-firmware builds one, and so does Docker's nodemcu-build; or name it: lfs: {luac: PATH}",
    )


def examine(path: Path, firmware: Firmware) -> LuaCompiler:
    """Go on only with the compiler of this kind of firmware; says what it is for.

    Raises:
        LuaCompilerError: it is no luac.cross, or one for another Lua or other numbers.
        BuildError: it cannot be run.
    """
    lua = _lua_of(path, firmware)

    def work(folder: Path) -> bytes:
        (folder / "probe.lua").write_text("return 1\n", encoding="ascii")
        _compile(LuaCompiler(path, lua, ""), ["probe.lua"], _ANYWHERE, folder, folder / "probe.img")
        return (folder / "probe.img").read_bytes()

    try:
        numbers = lfs_kind(made.in_scratch(work))
    except (LuaSyntaxError, LfsPartitionError) as error:
        raise LuaCompilerError(f"{path}: makes no LFS images: {error.message}", LuaCompilerError.remedy) from error
    if numbers is None:
        raise LuaCompilerError(f"{path}: what it makes is no LFS image", LuaCompilerError.remedy)
    _check_numbers(path, lua, numbers, firmware)
    return LuaCompiler(path, lua, numbers)


def examine_for_files(path: Path, firmware: Firmware) -> LuaCompiler:
    """The same for single files, by the head and a constant of one that it compiles.

    NodeMCU before 3.0 counts the types of Lua's values in another way: executed 1.4.0, 1.5.4.1, 2.0 and 2.2 load what
    the luac.cross of 2.2.1 makes and not what that of 3.0 makes, executed 3.0 the other way round.

    Raises:
        LuaCompilerError: it is no luac.cross, or one for another Lua, other numbers or another NodeMCU.
        BuildError: it cannot be run.
    """
    lua = _lua_of(path, firmware)

    def work(folder: Path) -> bytes:
        (folder / "probe.lua").write_text(f'return "{_PROBE}"\n', encoding="ascii")
        _run([str(path), "-o", str(folder / "probe.lc"), "probe.lua"], folder, _ANYWHERE)
        return (folder / "probe.lc").read_bytes()

    data = made.in_scratch(work)
    if not data.startswith(_CHUNK):
        raise LuaCompilerError(f"{path}: what it makes is no compiled Lua", LuaCompilerError.remedy)
    if lua != "5.1":
        return LuaCompiler(path, lua, "float")
    numbers = "integer" if data[_INTEGRAL : _INTEGRAL + 1] == b"\1" else "float"
    _check_numbers(path, lua, numbers, firmware)
    at = data.find(struct.pack("<I", len(_PROBE) + 1) + _PROBE.encode())
    version = re.match(r"\d+", firmware.version)
    known = _STRING if version and int(version[0]) >= _NEW else _STRING_BEFORE_3
    if version and at > 0 and data[at - 1] != known:
        raise LuaCompilerError(
            f"{path}: compiles for NodeMCU {'before 3.0' if data[at - 1] == _STRING_BEFORE_3 else '3.0 and later'},"
            f" this is {firmware.title()}, which cannot load that",
            LuaCompilerError.remedy,
        )
    return LuaCompiler(path, lua, numbers)


def _check_numbers(path: Path, lua: str, numbers: str, firmware: Firmware) -> None:
    if lua == "5.1" and firmware.number_type in {"float", "integer"} - {numbers}:
        raise LuaCompilerError(
            f"{path}: compiles for {numbers} builds, {firmware.title()} is {firmware.number_type}",
            LuaCompilerError.remedy,
        )


def _lua_of(path: Path, firmware: Firmware) -> str:
    """The Lua that it is for, which is that of the firmware."""
    _, version = made.run([str(path), "-v"], path.parent)
    match = re.match(r"Lua (5\.\d)", version)
    if match is None:
        raise LuaCompilerError(f"{path}: is no luac.cross: it says {_first(version)!r}", LuaCompilerError.remedy)
    lua = match[1]
    if firmware.lua and not firmware.lua.startswith(lua):
        raise LuaCompilerError(
            f"{path}: compiles for Lua {lua}, {firmware.title()} has Lua {firmware.lua}", LuaCompilerError.remedy
        )
    return lua


def module_names(files: Sequence[str]) -> dict[str, str]:
    """What each file is called in LFS: its name up to the first dot, as the compiler does it.

    Raises:
        PartFilesError: two of one name, of which the board would only ever find the first.
    """
    names: dict[str, str] = {}
    for file in files:
        name = file.replace("\\", "/").rpartition("/")[2].lstrip(".").partition(".")[0]
        if name in names:
            raise PartFilesError(f"lfs: {names[name]} and {file} are both called {name!r} in LFS", "rename one of them")
        names[name] = file
    return names


@dataclass(frozen=True, slots=True)
class LfsSources:
    """Lua files to be compiled for one firmware."""

    compiler: Path
    files: Mapping[str, bytes]
    """By path relative to `folder`: it stands in the messages of errors on the board."""
    folder: Path
    region: Region
    """Of LFS in flash."""

    @property
    def recipe(self) -> made.Recipe:
        """What decides the image."""
        words = ("lfs", f"{self.region.start:#x}", f"{self.region.size:#x}")
        return made.Recipe(self.compiler, words, self.files)

    def image(self, folder: Path) -> Image:
        """The image that was made of them.

        Raises:
            BuildDueError: none was yet.
        """
        data = made.find(self.recipe, folder)
        if data is None:
            raise BuildDueError(f"lfs: {len(self.files)} Lua files are to be compiled first", BuildDueError.remedy)
        name = "lfs.img" if len(self.files) != 1 else f"lfs.img of {next(iter(self.files))}"
        return Image(name, data, f"luac.cross -a {MAPPED + self.region.start:#x}")


def compile_lfs(sources: LfsSources, firmware: Firmware, folder: Path, shown: Callable[[Path], str] = str) -> bytes:
    """Compile them, and keep the image in `folder`; `shown` gives the path of a file as people read it.

    Raises:
        LuaCompilerError: the compiler is none for this firmware.
        LuaSyntaxError: a file has a mistake; the message names it with its line.
        LfsPartitionError: they are too much for LFS.
    """
    compiler = examine(sources.compiler, firmware)

    def work(scratch: Path) -> bytes:
        target = scratch / "lfs.img"
        _compile(compiler, sorted(sources.files), sources.region, sources.folder, target)
        return target.read_bytes()

    try:
        data = made.in_scratch(work)
    except LuaSyntaxError as error:
        if error.file not in sources.files:
            raise
        raise LuaSyntaxError.of_file(shown(sources.folder / error.file), error.mistake) from error
    if len(data) > sources.region.size:
        raise _too_large(f"they make {len(data):,} bytes", sources.region)
    made.keep(sources.recipe, folder, data)
    return data


def file_recipe(program: Path, name: str, text: bytes) -> made.Recipe:
    """What decides a compiled file."""
    return made.Recipe(program, ("lc",), {name: text})


def compile_file(compiler: LuaCompiler, name: str, text: bytes, folder: Path) -> bytes:
    """Compile one Lua file, called `name` in messages of the board, and keep the result in `folder`.

    Raises:
        LuaSyntaxError: it has a mistake; the message names the line.
        LuaCompilerError: the compiler fails otherwise.
    """

    def work(scratch: Path) -> bytes:
        (scratch / name).write_bytes(text)
        target = scratch / "compiled"
        _run([str(compiler.path), "-o", str(target), name], scratch, _ANYWHERE)
        return target.read_bytes()

    data = made.in_scratch(work)
    made.keep(file_recipe(compiler.path, name, text), folder, data)
    return data


def _compile(compiler: LuaCompiler, files: Sequence[str], region: Region, folder: Path, target: Path) -> None:
    program, address = str(compiler.path), f"{MAPPED + region.start:#x}"
    size = f"{min(region.size, LARGEST):#x}"
    if compiler.lua == "5.1":
        _run([program, "-f", "-a", address, "-m", size, "-o", str(target), *files], folder, region)
        return
    loose = str(target.with_suffix(".loose"))
    _run([program, "-f", "-m", size, "-o", loose, *files], folder, region)
    _run([program, "-a", address, "-F", loose, "-o", str(target)], folder, region)


def _run(command: list[str], folder: Path, region: Region) -> None:
    status, text = made.run(command, folder)
    target = Path(command[command.index("-o") + 1])
    if status == 0 and target.is_file():
        return
    text = text.replace(f"{command[0]}: ", "")
    place = _PLACE.search(text)
    if place:
        raise LuaSyntaxError.of_file(place["file"], place["mistake"])
    if _NO_ROOM.search(text):
        raise _too_large(_first(text), region)
    if _RESTART in text:
        raise LuaCompilerError(
            f"{command[0]}: cannot make an image for flash: its -a fails with {_RESTART}",
            "a build with Lua 5.1 can (LUA=51); else load the image on the board: node.LFS.reload",
        )
    raise LuaCompilerError(f"{command[0]} {ending(status)}: {_first(text)}", LuaCompilerError.remedy)


def _too_large(why: str, region: Region) -> LfsPartitionError:
    return LfsPartitionError(
        f"lfs: {why}, more than the {format_size(region.size)} of LFS at {format_address(region.start)}",
        LfsPartitionError.remedy,
    )


def _first(text: str) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "it says nothing")
    return mask_cut("".join(char for char in line if char.isprintable()), 200)
