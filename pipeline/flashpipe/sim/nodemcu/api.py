"""The functions that the virtual NodeMCU's Lua knows: base library, `node`, `file`, and bits of `tmr` and `wifi`.

Values about the build are cut out of the banner, those about the board come from chip and image header (facts:
usb-nodemcu §9.4). A function that is missing here is nil, so that calling it is Lua's own error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Any, Final

from flashpipe.sim.chip.image import Header
from flashpipe.sim.firmware.identify import Texts
from flashpipe.sim.firmware.program import Machine, Say, Step, text
from flashpipe.sim.firmware.spiffs import Files
from flashpipe.sim.lua import library as lua_library
from flashpipe.sim.lua.interpreter import Interpreter
from flashpipe.sim.lua.values import ArgumentError, Function, LuaError, Table, Value, Values, native
from flashpipe.sim.nodemcu import files as nodemcu_files
from flashpipe.sim.nodemcu import hashes as nodemcu_hash
from flashpipe.sim.nodemcu import timers as nodemcu_timers

_VERSION: Final = re.compile(r"NodeMCU (\d+)\.(\d+)\.(\d+)")
_SDK: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_GROUPS: Final = ("lfs", "hw", "sw_version", "build_config", "legacy")
HEAP: Final = 40_000
"""Free heap, bytes; only an example."""


class RestartError(Exception):
    """Lua asked for a restart."""


def _line(texts: Texts, key: str) -> str:
    """The value of a `key: value` line of the banner."""
    found = re.search(rf"^\s*{re.escape(key)}: ?(.*)$", texts.banner, re.MULTILINE)
    return found[1].strip() if found else ""


def is_integer_build(texts: Texts) -> bool:
    """Whether the banner names an integer build; older banners do not tell."""
    return _line(texts, "build type") == "integer"


def version(texts: Texts) -> Values:
    """Three version numbers: the banner's, or the SDK's in builds that do not print one."""
    found = _VERSION.search(texts.banner) or _SDK.match(texts.sdk)
    return [int(number) for number in found.groups()] if found else [0, 0, 0]


class LuaApi:
    """What Lua sees of the board: fills the interpreter's globals.

    Args:
        machine: the chip.
        texts: what the image says about itself.
        files: the mounted file system, or None.
        lua: the interpreter.
    """

    def __init__(self, machine: Machine, texts: Texts, files: Files | None, lua: Interpreter) -> None:
        self.machine, self.texts, self.files, self.lua = machine, texts, files, lua
        self.dots = "partitions" in texts.found
        modules = {name.strip() for name in _line(texts, "modules").split(",") if name.strip()}
        for name in modules:
            lua.globals[name] = Table(address=0x40270000 + sum(name.encode()) * 16)
        self.timers = nodemcu_timers.Timers(machine)
        self.objects = not texts.banner.startswith("NodeMCU 0.9")
        """Whether `file.open` gives an object; 0.9.x gives true."""
        lua_library.install(lua, self.say)
        lua.globals["node"] = self._table(self._node())
        if "file" in modules or not modules:
            lua.globals["file"] = self._table(nodemcu_files.FileModule(self).functions())
        if "crypto" in modules:
            lua.globals["crypto"] = self._table(nodemcu_hash.crypto(self))
        if "encoder" in modules:
            lua.globals["encoder"] = self._table(nodemcu_hash.encoder())
        if "tmr" in modules or not modules:
            lua.globals["tmr"] = nodemcu_timers.table(self.timers)
        lua.globals["dofile"] = native(self._dofile)
        if "wifi" in modules or not modules:
            lua.globals["wifi"] = self._wifi()

    @staticmethod
    def _table(functions: dict[str, Function]) -> Table:
        cells: dict[Value, Value] = dict(functions)
        return Table(cells, 0x40270000)

    def _wifi(self) -> Table:
        """A radio that takes what it is told and never connects (docs/modules/wifi.md: `STA_CONNECTING` is 1)."""
        answers = {
            "config": True,
            "connect": None,
            "disconnect": None,
            "autoconnect": None,
            "getip": [None],
            "status": 1,
        }
        station = {name: native(lambda *_, answer=answer: answer) for name, answer in answers.items()}
        station |= {"getmac": native(lambda *_: self.machine.chip.mac), "sethostname": native(lambda *_: True)}
        mode = {"setmode": native(lambda wanted=None, *_: wanted), "getmode": native(lambda *_: 1)}
        names: dict[Value, Value] = {"NULLMODE": 0, "STATION": 1, "SOFTAP": 2, "STATIONAP": 3}
        return Table({**names, **mode, "sta": self._table(station)}, 0x40271000)

    def say(self, words: str) -> Generator[Step, None, None]:
        """Print as Lua does."""
        yield Say(text(words))

    def _dofile(self, name: Value = None, *_: Value) -> Any:
        source = self.files.contents.get(str(name)) if self.files else None
        if source is None:
            colon = ": " if "strerror" in self.texts.found else ""
            raise LuaError(f"cannot open {name}{colon}")
        return lua_library.load(self.lua, source.decode("latin-1"), str(name))

    # --- node

    def _node(self) -> dict[str, Function]:
        chip = self.machine.chip
        functions: dict[str, Callable[..., Any]] = {
            "info": self._info,
            "chipid": lambda *_: chip.chip_id,
            "flashid": lambda *_: chip.flash_id,
            "flashsize": lambda *_: self._header().size,
            "heap": lambda *_: HEAP,
            "restart": self._restart,
            "getpartitiontable": self._partitions,
            "bootreason": lambda *_: [2, 6],
        }
        if not self.dots:
            functions.pop("getpartitiontable")
        return {name: native(function) for name, function in functions.items()}

    def _header(self) -> Header:
        return Header.parse(self.machine.read(0, 8))

    @staticmethod
    def _restart(*_: Value) -> None:
        raise RestartError

    def _hardware(self) -> dict[str, Value]:
        header = self._header()
        return {
            "chip_id": self.machine.chip.chip_id,
            "flash_id": self.machine.chip.flash_id,
            "flash_size": header.size // 1024,
            "flash_mode": header.mode,
            "flash_speed": header.speed,
        }

    def _info(self, group: Value = None, *_: Value) -> Any:
        numbers: Values = [*version(self.texts), *self._hardware().values()]
        if not self.dots:
            return numbers  # before 3.x there are no groups
        if group is None:
            return self._deprecated(numbers)
        if group not in _GROUPS:
            raise ArgumentError(1, f"invalid option '{self.lua.tostring(group)}'")
        if group == "legacy":
            return self._deprecated(numbers)
        groups = {
            "hw": self._hardware,
            "sw_version": self._software,
            "build_config": self._build,
            "lfs": self._lfs,
        }
        cells: dict[Value, Value] = dict(groups[group]())
        return Table(cells, 0x3FFF0A00 + _GROUPS.index(group) * 0x40)

    def _deprecated(self, numbers: Values) -> Generator[Step, None, Values]:
        note = "node.info() without parameter. It will be removed in the next version."
        yield Say(text(f"Warning, deprecated API! {note} See documentation for details.\n"))
        return numbers

    def _software(self) -> dict[str, Value]:
        major, minor, revision = version(self.texts)
        return {
            "git_branch": _line(self.texts, "branch"),
            "git_commit_id": _line(self.texts, "commit"),
            "git_release": _line(self.texts, "release"),
            "git_commit_dts": _line(self.texts, "release DTS"),
            "node_version_major": major,
            "node_version_minor": minor,
            "node_version_revision": revision,
        }

    def _build(self) -> dict[str, Value]:
        size = re.match(r"0x[0-9a-fA-F]+", _line(self.texts, "LFS"))
        return {
            "ssl": _line(self.texts, "SSL") == "true",
            "lfs_size": int(size[0], 16) if size else 0,
            "modules": _line(self.texts, "modules"),
            "number_type": _line(self.texts, "build type"),
        }

    def _lfs(self) -> dict[str, Value]:
        table = nodemcu_files.partitions(self.machine)
        address = table.get("lfs_addr", 0)
        return {
            "lfs_base": address,
            "lfs_mapped": 0x40200000 + address if address else 0,
            "lfs_size": table.get("lfs_size", 0),
            "lfs_used": 0,
        }

    def _partitions(self, *_: Value) -> Table:
        cells: dict[Value, Value] = dict(nodemcu_files.partitions(self.machine))
        return Table(cells, 0x3FFF0B00)
