"""A QEMU with an lx106, driven through its gdb stub over a socket file."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final

REGISTERS: Final = (
    *(f"a{number}" for number in range(16)), "pc", "sar", "litbase", "configid0", "configid1", "ps", "mmid",
    "ibreakenable", "ddr", "ibreaka0", "dbreaka0", "dbreakc0", "epc1", "epc2", "epc3", "depc", "eps2", "eps3",
    "excsave1", "excsave2", "excsave3", "interrupt", "intset", "intclear", "intenable", "vecbase", "exccause",
    "debugcause", "ccount", "prid", "icount", "icountlevel", "excvaddr", "ccompare0",
)  # fmt: skip
"""What the stub's `g` packet holds, in its order (QEMU: target/xtensa/core-lx106/gdb-config.c.inc)."""
PIECE: Final = 0x400
"""Bytes of memory in one packet."""
ANSWER_S: Final = 20
"""QEMU answers in a millisecond, and never if it waits for an interrupt."""


class QemuGuest:
    """An lx106 that stands still and is stepped by hand."""

    def __init__(self) -> None:
        program = shutil.which("qemu-system-xtensa")
        if program is None:
            raise SystemExit("qemu-system-xtensa is missing (Debian: apt-get install qemu-system-misc)")
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "gdb"
        self._process = subprocess.Popen(
            [program, "-cpu", "lx106", "-M", "sim", "-display", "none", "-monitor", "none", "-serial", "none", "-S",
             "-gdb", f"unix:{path},server=on,wait=off"],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S)
        for _ in range(500):
            with contextlib.suppress(OSError):
                self._socket.connect(str(path))
                break
            time.sleep(0.02)
        self._buffer = b""
        self.ask("?")
        self.ask("Qqemu.sstep=5")  # stepping lets interrupts in, timers stand still

    def __enter__(self) -> QemuGuest:  # noqa: PYI034  Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()
        self._folder.cleanup()

    def ask(self, packet: str) -> str:
        """Send a packet; its answer."""
        self._socket.sendall(b"+$%s#%02x" % (packet.encode(), sum(packet.encode()) & 255))
        while True:
            start = self._buffer.find(b"$")
            end = self._buffer.find(b"#", start)
            if start >= 0 and 0 <= end <= len(self._buffer) - 3:
                answer = self._buffer[start + 1 : end]
                self._buffer = self._buffer[end + 3 :]
                return answer.decode()
            piece = self._socket.recv(1 << 16)
            if not piece:
                raise ConnectionError("QEMU has ended")
            self._buffer += piece

    def registers(self) -> dict[str, int]:
        """All registers."""
        data = bytes.fromhex(self.ask("g"))
        return {name: int.from_bytes(data[4 * at : 4 * at + 4], "little") for at, name in enumerate(REGISTERS)}

    def set_registers(self, values: dict[str, int]) -> None:
        """Change some registers."""
        both = {**self.registers(), **values}
        both["intset"] = both["interrupt"]  # one register under two names: the later would win
        data = b"".join(value.to_bytes(4, "little") for value in both.values())
        self._expect_ok(f"G{data.hex()}")

    def read(self, address: int, length: int) -> bytes:
        """Memory."""
        packets = [f"m{address + at:x},{min(PIECE, length - at):x}" for at in range(0, length, PIECE)]
        return bytes.fromhex("".join(map(self.ask, packets)))

    def write(self, address: int, data: bytes) -> None:
        """Change memory."""
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self._expect_ok(f"M{address + at:x},{len(piece):x}:{piece.hex()}")

    def step(self) -> None:
        """Execute one instruction."""
        self.ask("s")

    def _expect_ok(self, packet: str) -> None:
        answer = self.ask(packet)
        if answer != "OK":
            raise RuntimeError(f"QEMU answers {answer!r} to {packet[:40]}")
