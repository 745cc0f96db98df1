"""Lua files on a board: what is there, is it the same, and new ones written so that a half set never starts.

A file is the same if its length is, and its SHA-256 by the board's own `crypto` module; where the build has none, it is
read back in small pieces. New contents go to a temporary name, are checked there, and get their own name only when all
of a set have arrived, init.lua last. A run that breaks off leaves temporary files: those of the same contents are used
by the next run, others are removed. Names are at most 31 characters (facts: usb-nodemcu §9.4, SPIFFS).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from typing import Final

from flashpipe.board.lua.console import Console, portions
from flashpipe.board.lua.file_list import cost_of, have_listed, lines_read, listed_files, require_functions, size_of
from flashpipe.board.lua.hex_digits import HEX, bytes_of, name_literal
from flashpipe.board.lua.node_info import read_room
from flashpipe.board.lua.open_file import close
from flashpipe.board.lua.templates import of_board, render
from flashpipe.board.lua.transfer import OPENED, WORTH, NoTransferError, Transfer, open_transfer, stopped
from flashpipe.errors import (
    ConsoleError,
    FileDamagedError,
    FilesFullError,
    LuaCompilerError,
    LuaFailedError,
    LuaSyntaxError,
)
from flashpipe.masking import mask
from flashpipe.next_steps import Advice, repeat
from flashpipe.units import format_size
from flashpipe.values import dataclass

START: Final = "init.lua"
"""The file that the firmware runs when it starts; it gets its name last."""
TEMPORARY: Final = "fp~"
"""Beginning of the names of files that are still being written."""
PIECE: Final = 48
"""Bytes that are read back in one printed line."""
PIECES, PIECES_SLOW = 32, 8
"""Printed lines for one request: opening a file costs a board some 0.3 s (SPIFFS looks through all of its blocks), and
printing for seconds at a slow rate in one go is what its watchdog does not like."""
SLOW: Final = 38400
"""Baud below which a rate is slow."""
LARGER: Final = "it is larger than the board's whole file system: make it smaller, or leave it out"
ATTEMPTS: Final = 2
MEMORY, MEMORY_PER_BYTE = 4000, 3
"""Bytes of heap that a board needs to read a Lua file: in any case, and for each byte of it (a rule of thumb)."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LuaFile:
    """A file as the board shall hold it."""

    name: str
    data: bytes = field(repr=False)
    source: str = ""
    """Where it comes from, for people."""

    values: Mapping[str, str] | None = field(default=None, repr=False)
    """Of a template that is not rendered yet; None: `data` is what the board gets."""

    def for_board(self, mac: str) -> LuaFile:
        """The file as this board gets it.

        Raises:
            TemplateError: the template is wrong, or wants a value that nothing has.
        """
        if self.values is None:
            return self
        data = render(self.data, {**self.values, **of_board(mac)}, self.source or self.name)
        return replace(self, data=data, values=None)

    @property
    def sha256(self) -> str:
        """Hex digest."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def temporary(self) -> str:
        """The name it is written to: the same for the same name and contents, and for nothing else."""
        return TEMPORARY + hashlib.sha256(self.name.encode() + b"\0" + self.data).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of a set and how the board stands to it."""

    name: str
    size: int
    sha256: str
    state: str
    """`same`, `differs`, `missing`; after a transfer `sent` or `skipped`."""


class BoardFiles:
    """The file system of a board, reached through its console."""

    def __init__(self, console: Console, rate: int = 0) -> None:
        """Take a console at its prompt; `rate`: baud that this wire is known to carry, 0: that of the console only."""
        self._console = console
        self._rate = rate
        self._transfer: Transfer | None = None
        self._hashes: bool | None = None

    @contextmanager
    def faster(self, size: int) -> Iterator[None]:
        """Let `size` bytes or so go as fast as this wire and firmware can; where they cannot, all is as without.

        Raises:
            ConsoleError: the console is lost.
        """
        with ExitStack() as stack:
            if self._transfer is None and size >= WORTH:
                with suppress(NoTransferError):
                    self._transfer = stack.enter_context(open_transfer(self._console, self._rate))
                    stack.callback(self._slow)
            yield

    def _slow(self) -> None:
        self._transfer = None

    def names(self) -> dict[str, int]:
        """Names and lengths in bytes, sorted by name, as far as the firmware lists them (`size_of`).

        Raises:
            ConsoleError: there is no file system, or the console does not answer.
        """
        return listed_files(self._console)

    def _read_back(self, files: Sequence[LuaFile], there: Mapping[str, int]) -> int:
        """Bytes that `compare` has to read: none where the board tells digests."""
        same_length = [file for file in files if there.get(file.name) == len(file.data)]
        return 0 if not same_length or self._can_hash() else sum(len(file.data) for file in same_length)

    def compare(
        self, files: Sequence[LuaFile], there: Mapping[str, int], progress: Progress = lambda _done, _total: None
    ) -> list[FileState]:
        """How the board stands to each file; reads only."""
        with self.faster(self._read_back(files, there)):
            return self._compare(files, there, progress)

    def _compare(self, files: Sequence[LuaFile], there: Mapping[str, int], progress: Progress) -> list[FileState]:
        states = []
        done, total = 0, sum(len(file.data) for file in files)
        for file in files:
            size = there.get(file.name) if file.name in there or not there else self.size_of(file.name)
            same = size == len(file.data) and self.holds(file.name, file)
            state = "missing" if size is None else "same" if same else "differs"
            states.append(FileState(file.name, len(file.data), file.sha256, state))
            done += len(file.data)
            progress(done, total)
        return states

    def holds(self, name: str, file: LuaFile) -> bool:
        """Whether the file called `name`, whose length is right, has the contents of `file`."""
        if self._can_hash():
            self._make_hex()
            digest = self._console.ask(f'_fp(crypto.fhash("SHA256",{name_literal(name)}))', 10.0)
            return digest == file.sha256
        return self.read(name, len(file.data), file.data) == file.data

    def read(self, name: str, size: int, expected: bytes | None = None) -> bytes:
        """The contents of a file of `size` bytes; gives up at the first piece that is not as `expected`."""
        if self._transfer is not None and size:
            return self._transfer.read(name, size, expected)
        self._make_hex()
        data, path, failures = b"", name_literal(name), 0
        pieces = PIECES_SLOW if self._console.baud < SLOW else PIECES
        while len(data) < size:
            lines = lines_read(
                self._console,
                f'local f=file.open({path},"r")file.seek("set",{len(data)})'
                f"for i=1,{pieces} do local s=file.read({PIECE})if not s then break end p(_fp(s))end _fp(f)",
            )
            part = bytes_of("".join(lines))
            data += part
            failures += not part
            if failures >= ATTEMPTS or (expected is not None and not expected.startswith(data)):
                break
        return data

    def _make_hex(self) -> None:
        """Define the one helper that stays on the board for a moment: lines are too short to repeat it."""
        self._console.ask_secret(f"(function()_fp={HEX} end)()")

    def _can_hash(self) -> bool:
        if self._hashes is None:
            try:
                kind = self._console.ask('type(crypto.fhash)..tostring(#crypto.hash("SHA256",""))')  # fmt: skip
            except LuaFailedError:
                kind = ""
            self._hashes = kind.endswith("function32")
        return self._hashes

    # --- writing -----------------------------------------------------------------------------------------------------

    def send(
        self,
        files: Sequence[LuaFile],
        there: Mapping[str, int],
        progress: Progress = lambda _done, _total: None,
    ) -> list[str]:
        """Write files that the board does not hold; `there` is what it has now; others stay.

        Returns:
            Those that its firmware leaves out of its list all the same (`file_list`).

        Raises:
            FilesFullError: there is no room; nothing was changed, but for temporary files of earlier runs.
            FileDamagedError: one did not arrive, twice. None of the set has been put in place that was not whole.
            LuaSyntaxError: the board's Lua does not understand one.
            LuaCompilerError: it cannot load a compiled one.
            ConsoleError: the console does not answer.
        """
        with self._leaving_nothing_half(), self.faster(sum(len(file.data) for file in files)):
            self._send(_in_order(files), there, progress)
        return have_listed(self._console, {file.name: file.temporary for file in _in_order(files)})

    @contextmanager
    def _leaving_nothing_half(self) -> Iterator[None]:
        """Remove the temporary files of a set that was refused; one that breaks off leaves them for the next run."""
        try:
            yield
        except (FilesFullError, FileDamagedError, LuaCompilerError, LuaSyntaxError):
            with suppress(ConsoleError):  # what was refused is told
                self._clear_up((), self.names())
            raise

    def _send(self, ordered: Sequence[LuaFile], there: Mapping[str, int], progress: Progress) -> None:
        there = self._clear_up(ordered, there)
        waiting = [file for file in ordered if there.get(file.temporary) != len(file.data)]
        together = self.check_room(ordered, waiting, there)
        done, total = 0, sum(len(file.data) for file in ordered)
        for file in ordered:
            self._write_temporary(file, there, lambda part, done=done: progress(done + part, total))  # type: ignore[misc]
            done += len(file.data)
            self._check_syntax(file)
            if not together:
                self._put_in_place(file, file.name, replaces=file.name in there)
        if together:
            for file in ordered:
                self._put_in_place(file, file.name, replaces=file.name in there)

    def place(self, file: LuaFile) -> str:
        """Write a file to a temporary name only, and give that.

        Raises:
            ConsoleError: as `send`.
        """
        there = self._clear_up([file], self.names())
        self.check_room([file], [file], there, needs=["read"])
        with self._leaving_nothing_half(), self.faster(len(file.data)):
            self._write_temporary(file, there, lambda _: None)
        return file.temporary

    def remove(self, name: str) -> None:
        """Delete a file; nothing happens where there is none."""
        self._console.ask(f"file.remove({name_literal(name)})", 10.0)

    def _clear_up(self, files: Iterable[LuaFile], there: Mapping[str, int]) -> dict[str, int]:
        """Remove what earlier runs left half-written and this one cannot use."""
        wanted = {file.temporary: len(file.data) for file in files}
        kept = dict(there)
        if any(name.startswith(TEMPORARY) for name in there):  # one may be open still
            self._console.ask_secret(f"(function()pcall(function(){close('_fp')} end)_fp=nil end)()")
        for name, size in there.items():
            if name.startswith(TEMPORARY) and (self._part_twins(name, there) or wanted.get(name) != size):
                self.remove(name)
                del kept[name]
        return kept

    def _part_twins(self, name: str, there: Mapping[str, int]) -> bool:
        """Let no other file be lost with a temporary one; whether one might have been.

        A board that lost its power while it renamed a file has it under both names: to remove one would take the
        contents of the other (seen with executed 1.5.4.1). So what has the same contents is written anew.
        """
        size = there[name]
        others = [other for other, length in there.items() if length == size and not other.startswith(TEMPORARY)]
        data = self.read(name, size) if others else b""
        twins = [other for other in others if self.read(other, size, data) == data]
        for twin in twins:
            copy = LuaFile(f"{twin}, once more", data)  # its temporary name is another
            self._write_temporary(copy, {}, lambda _: None)
            self.remove(name)
            self._put_in_place(copy, twin, replaces=True)
        return bool(twins)

    def check_room(
        self,
        files: Sequence[LuaFile],
        waiting: Sequence[LuaFile],
        there: Mapping[str, int],
        gone: Iterable[int] = (),
        *,
        needs: Sequence[str] = ("read", "rename"),
    ) -> bool:
        """Whether all new files fit beside the old ones; False: one after the other do.

        Args:
            files: the new ones.
            waiting: those of them that are not there under their temporary names.
            there: names and lengths of what is there.
            gone: lengths of files that will be there no more.
            needs: functions of `file` that writing them takes.

        Raises:
            FilesFullError: not even that.
            BoardFileSystemError: the firmware does not have one of those.
        """
        room = read_room(self._console)
        if room is None:
            require_functions(self._console, needs)
            return True
        free = room[0] + sum(map(cost_of, gone))
        if sum(cost_of(len(file.data)) for file in waiting) <= free:
            return True
        left = free
        for file in _in_order(files):
            need = cost_of(len(file.data)) if file in waiting else 0
            if need > left:
                raise FilesFullError(
                    f"{self._console.port}: no room for {file.name} ({format_size(len(file.data))}):"
                    f" {format_size(left)} of {format_size(room[2])} are free",
                    LARGER if need > room[2] else FilesFullError.remedy,
                )
            left += cost_of(there[file.name]) - need if file.name in there else -need
        return False

    def _write_temporary(self, file: LuaFile, there: Mapping[str, int], progress: Callable[[int], None]) -> None:
        if there.get(file.temporary) == len(file.data) and self._is_written(file):
            progress(len(file.data))
            return
        failures = [self._failure(file, progress)]
        while failures[-1] is not None and len(failures) < ATTEMPTS:
            failures.append(self._failure(file, progress))
        if (last := failures[-1]) is not None:
            if not self._console.knock():
                raise stopped(self._console.port, file.name) from last
            why = f": {last.without(self._console.port)}" if last.message else ""
            raise FileDamagedError(
                f"{self._console.port}: {file.name} did not arrive as it was sent, {ATTEMPTS} times{why}",
                last.hint or FileDamagedError.remedy,
            ) from last

    def _failure(self, file: LuaFile, progress: Callable[[int], None]) -> ConsoleError | None:
        """Send a file to its temporary name; why it is not there, byte for byte. The next one goes by lines then."""
        try:
            self._write(file, progress)
            return None if self._is_written(file) else FileDamagedError("")
        except ConsoleError as error:
            if type(error) in {ConsoleError, LuaFailedError}:  # a line was garbled
                self._slow()
                return error
            raise

    def _is_written(self, file: LuaFile) -> bool:
        if not file.data and self.size_of(file.temporary) is None:
            raise FileDamagedError(
                f"{self._console.port}: {file.name} is empty, and this firmware keeps no empty files",
                "leave it out, or let it have a line end",
            )
        if self._transfer is None or self._can_hash():
            return self.size_of(file.temporary) == len(file.data) and self.holds(file.temporary, file)
        return self._transfer.holds(file.temporary, file.data)

    def _check_syntax(self, file: LuaFile) -> None:
        """Let the board's own Lua read a Lua file before it gets its name, where there is memory enough for that.

        Raises:
            LuaSyntaxError: it does not understand it; what the board had under that name it still has.
            LuaCompilerError: the same of a compiled one.
        """
        if not file.name.endswith((".lua", ".lc")):
            return
        name, need = name_literal(file.temporary), MEMORY + MEMORY_PER_BYTE * len(file.data)
        load = f"(function()if node.heap()<{need} then return end local _,e=loadfile({name})return e end)()"
        try:
            reply = self._console.ask_secret(load, 10.0)
        except LuaFailedError:
            return
        place, _, mistake = reply.replace(file.temporary, file.name).partition(": ")
        if place == file.name and mistake.endswith("precompiled chunk"):
            raise LuaCompilerError(f"{self._console.port}: {file.name}: {mask(mistake)}", LuaCompilerError.remedy)
        if place.startswith(f"{file.name}:") and mistake:
            shown = f"{place.removeprefix(file.name)}: {mask(mistake)}"
            raise LuaSyntaxError.of_file(str(file.source or file.name), shown, port=self._console.port)

    def size_of(self, name: str) -> int | None:
        """Bytes of a file, also of one that `names` leaves out; None where there is none."""
        return size_of(self._console, name)

    def _open(self, name: str, mode: str) -> bool:
        """Open a file as `_fp`; whether that is an object.

        2.x and later give one, which no program of the board can close under us; 0.9.x and 1.x give true.
        """
        opened = f'(function()_fp=file.open({name_literal(name)},"{mode}")return _fp and type(_fp)end)()'
        kind = self._console.ask_secret(opened, 10.0)
        if kind not in {"userdata", "boolean"}:
            raise ConsoleError(f"{self._console.port}: {name} cannot be opened on the board", OPENED)
        return kind == "userdata"

    def _write(self, file: LuaFile, progress: Callable[[int], None]) -> None:
        if self._transfer is None:
            self._write_lines(file, progress)
        elif not self._transfer.write(file.temporary, file.data, progress):
            raise self._full(file)

    def _write_lines(self, file: LuaFile, progress: Callable[[int], None]) -> None:
        objects = self._open(file.temporary, "w")
        call = "_fp:write(" if objects else "file.write("
        done = 0
        for literal, size in portions(file.data, self._console.room(f'{call}"")')):
            if self._console.ask_secret(f'{call}"{literal}")', 10.0) != "true":
                raise self._full(file, done=done)
            done += size
            progress(done)
        self._console.ask_secret(f"(function(){close('_fp')} _fp=nil end)()", 10.0)

    def _full(self, file: LuaFile, *, done: int = 0) -> FilesFullError:
        """What a file system without room is."""
        return FilesFullError(
            f"{self._console.port}: the file system is full: {file.name} broke off"
            + (f" after {done} bytes" if done else ""),
            FilesFullError.remedy,
        )

    def _put_in_place(self, file: LuaFile, as_name: str, *, replaces: bool) -> None:
        # In one line: no other code of the board runs in between. Renaming does not replace (SPIFFS), and to look for
        # a name that is not there takes a twelfth of a second on 4 MB; one that is may not have been listed.
        name, temporary = name_literal(as_name), name_literal(file.temporary)
        remove = f"file.remove({name})" if replaces else ""
        rename = f"local r,t,n=file.rename,{temporary},{name} return r(t,n)or(file.remove(n)or 1)and r(t,n)"
        line = f"(function(){remove}{rename} end)()"
        if self._console.ask_secret(line, 10.0) != "true":
            raise ConsoleError(
                f"{self._console.port}: {as_name} could not get its name; it lies there as {file.temporary}",
                Advice(repeat("run the same command again"), ": it continues"),
            )


def _in_order(files: Iterable[LuaFile]) -> list[LuaFile]:
    """In the order in which they get their names."""
    return sorted(files, key=lambda file: (file.name == START, file.name))
