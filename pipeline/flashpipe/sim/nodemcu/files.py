"""The `file` module of the virtual NodeMCU: whole files kept in flash (facts: usb-nodemcu §9.4)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias

from flashpipe.sim.firmware import rcr
from flashpipe.sim.firmware.program import Machine, Say, Step, Wait, text
from flashpipe.sim.firmware.spiffs import NAME_LIMIT, Files, format_blocks
from flashpipe.sim.lua.values import (
    ArgumentError,
    Function,
    LuaError,
    Table,
    Userdata,
    Value,
    Values,
    native,
    type_name,
)

LuaApi: TypeAlias = Any
"""`api.LuaApi`, which is made of these."""
READ_DEFAULT: Final = 1024
"""Most bytes that `file.read()` gives at once (nodemcu-firmware docs/modules/file.md)."""

CLOSED: Final = "open a file first"


def partitions(machine: Machine) -> dict[str, int]:
    """What node.getpartitiontable gives: addresses and sizes of LFS and SPIFFS."""
    record = rcr.find(machine, rcr.PARTITIONS)
    table = {part.kind: part for part in rcr.parse_table(record.data)} if record else {}
    none = rcr.Partition(0, 0, 0)
    lfs, files = table.get(rcr.LFS, none), table.get(rcr.SPIFFS, none)
    return {
        "lfs_addr": lfs.address,
        "lfs_size": lfs.size,
        "spiffs_addr": files.address,
        "spiffs_size": files.size,
    }


class _Open(Userdata):
    """An open file: a name, its bytes, a position."""

    def __init__(self, name: str, data: bytes, *, writes: bool, appends: bool) -> None:
        super().__init__(address=0x3FFF2000)
        self.name, self.data, self.writes, self.appends = name, bytearray(data), writes, appends
        self.position, self.changed = 0, False


class FileModule:
    """State and functions of `file`."""

    def __init__(self, board: LuaApi) -> None:
        self._board = board
        self._open: _Open | None = None

    def functions(self) -> dict[str, Function]:
        """By their Lua names."""
        plain: dict[str, Callable[..., Any]] = {
            "open": self._open_file,
            "list": self._list,
            "fsinfo": self._fsinfo,
            "format": self._format,
            "remove": self._remove,
            "rename": self._rename,
            "exists": lambda name=None, *_: _name(name) in self._files.contents,
            "stat": self._stat,
            "getcontents": lambda name=None, *_: self._text(self._files.contents.get(_name(name))),
            "putcontents": self._put,
        }
        return {name: native(_nil(function)) for name, function in plain.items()} | self._methods()

    def _methods(self) -> dict[str, Function]:
        """Functions that work on the open file, or on a file object given first."""
        methods: dict[str, Callable[..., Any]] = {
            "close": self._close,
            "flush": self._flush,
            "write": self._write,
            "writeline": lambda file, data=None, *_: self._write(file, f"{_string(data)}\n"),
            "read": self._read,
            "readline": lambda file, *_: self._read(file, "\n"),
            "seek": self._seek,
        }

        def bound(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Value) -> Any:
                if arguments and isinstance(arguments[0], _Open):
                    return method(*arguments)
                if self._open is None:
                    return self._nothing_open(method)
                return method(self._open, *arguments)

            return call

        return {name: native(_nil(bound(method))) for name, method in methods.items()}

    def _nothing_open(self, method: Callable[..., Any]) -> None:
        if method != self._close:  # closing nothing is no error
            raise LuaError(f"stdin:1: {CLOSED}")

    @property
    def _files(self) -> Files:
        if self._board.files is None:
            raise LuaError("stdin:1: file system failed")
        files: Files = self._board.files
        return files

    @staticmethod
    def _text(data: bytes | None) -> str | None:
        return None if data is None else data.decode("latin-1")

    def _open_file(self, name: Value = None, mode: Value = "r", *_: Value) -> _Open | bool | None:
        name, mode = _name(name), str(mode).replace("b", "")
        known = self._files.contents.get(name)
        if (self._files.foreign and mode != "r") or (known is None and mode[0] == "r"):
            return None
        start = b"" if mode[0] == "w" or known is None else known
        self._open = _Open(name, start, writes=mode != "r", appends=mode[0] == "a")
        self._open.cells.update(self._methods())
        self._open.changed = mode[0] == "w" or known is None
        return self._open if self._board.objects else True

    def _close(self, file: _Open, *_: Value) -> Generator[Step, None, None]:
        yield from self._flush(file)
        if file is self._open:
            self._open = None

    def _flush(self, file: _Open, *_: Value) -> Generator[Step, None, bool]:
        if not file.changed:
            return True
        file.changed = False
        seconds = self._files.save(file.name, bytes(file.data))
        yield Wait(seconds or 0.0)
        return seconds is not None

    def _write(self, file: _Open, data: Value = None, *_: Value) -> bool | None:
        raw = _string(data).encode("latin-1", "replace")
        if not file.writes or not self._files.has_room(file.name, len(file.data) + len(raw)):
            return None
        at = len(file.data) if file.appends else file.position
        file.data[at : at + len(raw)] = raw
        file.position, file.changed = at + len(raw), True
        return True

    def _read(self, file: _Open, until: Value = READ_DEFAULT, *_: Value) -> str | None:
        rest = bytes(file.data[file.position :])
        if not rest:
            return None
        size = min(until if isinstance(until, int) else READ_DEFAULT, READ_DEFAULT)
        if isinstance(until, str) and until:
            found = rest.find(until[0].encode("latin-1"))
            size = found + 1 if found >= 0 else READ_DEFAULT
        file.position += len(rest[:size])
        return rest[:size].decode("latin-1")

    def _seek(self, file: _Open, whence: Value = "cur", offset: Value = 0, *_: Value) -> int | None:
        start = {"set": 0, "cur": file.position, "end": len(file.data)}.get(whence)
        if start is None:
            raise ArgumentError(1, f"invalid option '{whence}'")
        if start + offset < 0:
            return None
        file.position = int(start + offset)
        return file.position

    def _list(self, *_: Value) -> Table:
        return Table({name: len(data) for name, data in self._files.contents.items()}, 0x3FFF0C00)

    def _fsinfo(self, *_: Value) -> Values:
        files = self._files
        return [files.total - files.used, files.used, files.total]

    def _stat(self, name: Value = None, *_: Value) -> Table | None:
        data = self._files.contents.get(_name(name))
        return None if data is None else Table({"name": name, "size": len(data)}, 0x3FFF0D00)

    def _put(self, name: Value = None, data: Value = None, *_: Value) -> Generator[Step, None, bool]:
        seconds = self._files.save(_name(name), _string(data, 2).encode("latin-1", "replace"))
        yield Wait(seconds or 0.0)
        return seconds is not None

    def _remove(self, name: Value = None, *_: Value) -> Generator[Step, None, None]:
        yield Wait(self._files.remove(_name(name)) or 0.0)

    def _rename(self, old: Value = None, new: Value = None, *_: Value) -> Generator[Step, None, bool]:
        data = self._files.contents.get(_name(old))
        if data is None or _name(new, 2) in self._files.contents:
            return False
        seconds = self._files.save(_name(new, 2), data)
        yield Wait((seconds or 0.0) + (self._files.remove(_name(old)) or 0.0))
        return seconds is not None

    def _format(self, *_: Value) -> Generator[Step, None, None]:
        board, files = self._board, self._files
        self._open = None
        board.files = yield from format_blocks(files, dots=board.dots)
        if board.files is None:
            raise LuaError("stdin:1: Failed to format file system")
        yield Say(text("format done.\n"))


def _nil(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a plain function's None be Lua's nil: these give one value, where no value prints nothing."""

    def call(*arguments: Value) -> Any:
        result = function(*arguments)
        return [None] if result is None else result

    return call


def _name(value: Value, index: int = 1) -> str:
    name = _string(value, index)
    if len(name.rpartition("/")[2]) > NAME_LIMIT or "\0" in name:
        raise ArgumentError(index, "filename invalid")
    return name


def _string(value: Value, index: int = 1) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        got = "no value" if value is None else type_name(value)
        raise ArgumentError(index, f"string expected, got {got}")
    return value if isinstance(value, str) else f"{value:.14g}"
