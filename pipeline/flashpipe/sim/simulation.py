"""Running an image by itself, without a port: type texts at it, and end when something was said or time is over.

Sans-I/O: what the program says is handed on as it comes; time is board time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.chip import Strap
from flashpipe.sim.chip.factory import init_data
from flashpipe.sim.chip.image import MAGIC, SIZES
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.parts import PARTS
from flashpipe.sim.cpu.contract import Core
from flashpipe.sim.cpu.start import start_core
from flashpipe.sim.devices.agenda import CYCLES_PER_S
from flashpipe.sim.machine import Machine, MachineOptions, Output
from flashpipe.units import format_size
from flashpipe.values import dataclass

_STEP: Final = CYCLES_PER_S // 200
"""Cycles between two looks at what was said: 5 ms."""
PROMPT: Final = re.compile(r"(?:^|[\r\n])[^\r\n]{0,40}[>$#] ?$")
"""A line that waits for input, such as `> `, `>>> ` or `>`."""
PROMPT_QUIET_S: Final = 0.1
"""Silence after which such a line is believed."""
QUIET_S: Final = 2.0
"""Board time without input, output and flash access after which a program has nothing more to say by itself."""
BUSY_QUIET_S: Final = 10.0
"""The same for one that was busy all the time: it computes, or a watchdog will see that it hangs."""
_INIT_DATA_FROM_END: Final = 0x4000
"""Where the SDK before 3.0 looks for init data (facts: image-flashmap §5.1)."""
_BLANK: Final = b"\xff"
_KEPT: Final = 200_000
"""Characters that `until` and `fail` can still match in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is done to the program."""

    sends: tuple[bytes, ...] = ()
    """Typed one after the other, each when the program waits."""
    until: re.Pattern[str] | None = None
    """Ends the run: this was to be seen."""
    fail: re.Pattern[str] | None = None
    """Ends the run: this was not to be seen."""
    timeout_s: float = 60.0
    """Board time, counted from the start of this run."""


@dataclass(slots=True)
class RunEnd:
    """How a run ended."""

    reason: str
    """`until`, `fail`, `timeout`, `quiet` (the program waits, and everything was sent), `stuck` (nothing is executed
    any more) or `missing` (the virtual board lacks something that the program uses)."""
    text: str = ""
    """What was said, without carriage returns, at most the last part."""
    instructions: int = 0
    board_s: float = 0.0
    core: str = ""
    detail: str = ""
    """What was matched, what is missing, or why it is stuck."""
    unsent: int = 0
    """Texts that were not typed, because the program never waited for them."""
    settled: bool = True
    """Whether the program has run longer since it last started again than it did before that, or sleeps."""
    resets: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def last_line(self) -> str:
        """The last line that is not empty."""
        lines = [line for line in self.text.split("\n") if line.strip()]
        return lines[-1] if lines else ""


def build_flash(
    segments: Mapping[int, bytes],
    size: int,
    *,
    blank: bool = False,
    keep_header: bool = False,
    size_code: int | None = None,
) -> bytes:
    """Contents of a flash of `size` bytes: the segments by address, init data as a module has it from its maker, FF.

    The size in the header of an image at 0 becomes that of the flash, or `size_code`, unless `keep_header`. Where it is
    a smaller one, init data are there, too, where an SDK looks that goes by it.

    Raises:
        BadValueError: no such flash size, or a segment reaches past its end.
    """
    codes = {known: code for code, known in reversed(SIZES.items())}
    if size not in codes:
        raise BadValueError(f"size={format_size(size)}: no flash has that size", "write 256KB, 512KB, 1MB … 16MB")
    cells = bytearray(_BLANK) * size
    ends = {size, *({SIZES[size_code]} if size_code in SIZES and not keep_header else ())}
    for at in (end - _INIT_DATA_FROM_END for end in ends if end <= size and not blank):
        cells[at : at + len(init_data())] = init_data()
    for address, data in segments.items():
        if address + len(data) > size:
            raise BadValueError(
                f"{len(data):,} bytes at {address:#x} do not fit into {size:,} bytes of flash", "give a larger size="
            )
        cells[address : address + len(data)] = data
    if cells[0] == MAGIC and not keep_header:
        cells[3] = cells[3] & 0x0F | (codes[size] if size_code is None else size_code) << 4
    return bytes(cells)


def start(
    contents: bytes, options: MachineOptions | None = None, make_core: Callable[..., Core] = start_core
) -> Machine:
    """A machine that begins at power-on with these flash contents; the part is the first one of that size."""
    part = next((part for part in PARTS if part.size >= len(contents)), PARTS[0])
    machine = Machine(Nor(bytearray(contents), part), options, make_core)
    machine.power_on(Strap(), 0.0)
    return machine


class Simulation:
    """One run of a machine by a script."""

    def __init__(
        self,
        machine: Machine,
        script: Script,
        *,
        show: Callable[[bytes], None] = lambda _data: None,
        before: str = "",
    ) -> None:
        """`show` gets the bytes as they come.

        `before` is what was said in an earlier run, so that a prompt that stands there is known.
        """
        self.machine = machine
        self.script = script
        self._show = show
        self._text = before
        self._searched = len(before)
        self._to_send = list(script.sends)
        self._begun, self._begun_s = machine.state.cycles, machine.now_s
        self._resets_before = len(machine.log.resets)
        self._done_before = self._done_then = machine.state.instructions
        self._active_at = 0

    def run(self) -> RunEnd:
        """Run to the end of the script."""
        machine = self.machine
        end = machine.state.cycles + round(self.script.timeout_s * CYCLES_PER_S)
        while True:
            self._take(machine.advance(min(end, machine.state.cycles + _STEP)))
            reason, detail = self._ended()
            if not reason and machine.state.cycles >= end:
                reason = "timeout"
            if reason:
                return self._outcome(reason, detail)

    def _take(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            data = bytes(output.data)
            self._show(data)
            self._text += data.decode("latin-1").replace("\r", "")
        if len(self._text) > 2 * _KEPT:
            cut = len(self._text) - _KEPT
            self._text, self._searched = self._text[cut:], max(0, self._searched - cut)

    def _ended(self) -> tuple[str, str]:
        """Why the run is over, and what was seen; empty while it is not."""
        machine, script = self.machine, self.script
        for reason, pattern in (("fail", script.fail), ("until", script.until)):
            match = pattern.search(self._text, self._searched) if pattern is not None else None
            if match is not None and (reason == "fail" or not self._to_send):
                return reason, match[0]
        if machine.stopped:
            return "missing", machine.stopped
        if not self._waits():
            return "", ""
        if machine.stands_still and script.until is None:
            return "stuck", machine.stands_still
        if self._to_send:
            self._searched = len(self._text)
            machine.receive(self._to_send.pop(0), machine.devices.uarts[0].baud)
            return "", ""
        return ("quiet", "") if script.until is None else ("", "")

    def _waits(self) -> bool:
        """Whether the program waits for input, as far as can be told."""
        state, active_at = self.machine.state, self.machine.devices.mac.active_at
        if active_at != self._active_at:
            self._active_at, self._done_then = active_at, state.instructions
        quiet = state.cycles - active_at
        if quiet > PROMPT_QUIET_S * CYCLES_PER_S and PROMPT.search(self._text[-80:]):
            return not self.machine.asleep
        busy = 2 * (state.instructions - self._done_then) > quiet
        return quiet > (BUSY_QUIET_S if busy else QUIET_S) * CYCLES_PER_S and not self.machine.asleep

    def _settled(self) -> bool:
        machine = self.machine
        resets = machine.log.resets[self._resets_before :]
        if not resets or resets[-1].kind == "wake" or machine.asleep:
            return True
        before = resets[-2].cycle if len(resets) > 1 else self._begun
        return machine.state.cycles - resets[-1].cycle > resets[-1].cycle - before

    def _outcome(self, reason: str, detail: str) -> RunEnd:
        machine = self.machine
        return RunEnd(
            reason,
            self._text[-_KEPT:],
            machine.state.instructions - self._done_before,
            machine.now_s - self._begun_s,
            machine.core.name,
            detail,
            len(self._to_send),
            self._settled(),
            [reset.kind for reset in machine.log.resets],
            machine.devices.bus.missing + machine.rom.missing,
        )
