"""`flashpipe simulate IMAGE`: run a firmware on an emulated chip, type at it, and show what it says."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from flashpipe import terminal
from flashpipe.board.boot.kinds import FAILED
from flashpipe.cli.arguments import Parser
from flashpipe.errors import (
    BadValueError,
    NotEmulatedError,
    SimulationError,
    SimulationFailedError,
    SimulationTimeoutError,
)
from flashpipe.files import read_regular, write_atomic
from flashpipe.flash import SIZE_BYTES, SIZE_CODES, size_name
from flashpipe.jobs.command_variables import SIMULATE
from flashpipe.text.variables import describe
from flashpipe.units import parse_duration, parse_size

_REPEATED: Final = frozenset({"send"})
_OF_THE_START: Final = ("size", "init", "header", "mac", "adc", "seed", "unmapped", "wake")
"""What a chip is made with; a snapshot has it all."""
_Given = Mapping[str, Sequence[str]]
"""Texts of each variable."""
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|[rnt\\])")
_ESCAPES: Final = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}
_BITES: Final = 2
"""Resets by the hardware watchdog that are no accident."""
_QUIET: Final = frozenset({"silence", "no-image"})
"""Verdicts on a board that has said little: here a program that has nothing to say, or no time to."""
_STARTS: Final = 10
"""Starts after which a firmware that never waits for input is in a loop."""
_LARGEST: Final = 16 * 1024 * 1024
_PROFILE_LINES: Final = 25
_PROFILE_EVERY: Final = 211
"""Cycles between two samples: a prime, so that no loop keeps step with it."""


def main(argv: list[str]) -> int:
    """Run one image; the exit status.

    Raises:
        PipelineError: a word that cannot be read, an image that is not there, or a run that did not end well.
    """
    options, words = _parser().take_variables(argv, "simulate", SIMULATE, repeated=_REPEATED)
    images, given = options.images, words.texts
    onlooker = _onlooker(options)
    machine = _machine(images, given, options.resume, onlooker)
    sim = import_module("flashpipe.sim.simulation")
    script = sim.Script(
        sends=tuple(_typed(text) for text in given.get("send", [])),
        until=_pattern(given, "until"),
        fail=_pattern(given, "fail"),
        timeout_s=parse_duration(_one(given, "timeout", "60s")),
    )
    elf = _elf(given, images)
    if options.trace:
        import_module("flashpipe.sim.trace").Trace(machine, _print_line)
    begun = time.perf_counter()
    outcome = sim.Simulation(machine, script, show=_shown(elf)).run()
    seconds = time.perf_counter() - begun
    if options.cpu_profile:
        _print_profile(machine.core, _namer(elf))
    if options.snapshot:
        write_atomic(Path(options.snapshot), import_module("flashpipe.sim.snapshot").save(machine))
    _print_end(outcome, seconds)
    try:
        return _judge(outcome, _one(given, "until", ""), given.get("send", []))
    except SimulationError as error:
        if images:
            _add_refusal(error, images[0])
        raise


def _onlooker(options: argparse.Namespace) -> Callable[[Any, Any], Any]:
    """What makes the machine's core: with somebody before it who looks on, if asked for."""
    start_core = import_module("flashpipe.sim.cpu.start").start_core

    def make(memory: Any, devices: Any) -> Any:
        core = start_core(memory, devices)
        if options.cpu_profile:
            return import_module("flashpipe.sim.cpu.profile").Profiler(core, _PROFILE_EVERY)
        if options.trace_instructions:
            return import_module("flashpipe.sim.cpu.trace").Tracer(core, lambda step: _print_line(str(step)))
        return core

    return make


def _machine(images: list[str], given: _Given, resume: str, make_core: Callable[[Any, Any], Any]) -> Any:
    """The machine to run: of an image, or of a snapshot."""
    if resume:
        unused = [*images, *(f"{name}={given[name][0]}" for name in _OF_THE_START if name in given)]
        if unused:
            raise BadValueError(f"{unused[0]}: --resume goes on with what the snapshot holds", "leave it out")
        try:
            data = read_regular(Path(resume), 256 * 1024 * 1024)
        except OSError as error:
            raise BadValueError(f"--resume {resume}: {error.strerror}", "name a file of --snapshot") from None
        return import_module("flashpipe.sim.snapshot").load(data, make_core)
    if len(images) != 1:
        raise BadValueError(f"{len(images)} images named", "name one: a file, or 0x00000:FILE,0x10000:FILE")
    sim = import_module("flashpipe.sim.simulation")
    segments, size = _segments(images[0]), parse_size(_one(given, "size", "4MB"))
    keep = _choice(given, "header", ("size", "keep")) == "keep"
    flash = sim.build_flash(
        segments,
        size,
        blank=_choice(given, "init", ("factory", "blank")) == "blank",
        keep_header=keep,
        size_code=None if keep or size not in SIZE_BYTES.values() else _size_code(segments, size_name(size)),
    )
    return sim.start(flash, _options(given), make_core)


def _options(given: _Given) -> Any:
    chips = import_module("flashpipe.sim.chip.chip")
    executed = import_module("flashpipe.sim.executed")
    mac = _one(given, "mac", "5c:cf:7f:00:00:01").lower()
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac):
        raise BadValueError(f"mac={mac} is no MAC", "write it like 5c:cf:7f:00:00:01")
    chip = chips.Chip(mac=mac, flash_id=0, flash_size=0, supported_modes=frozenset(range(4)))
    texts = {name: _one(given, name, "") for name in ("adc", "seed", "unmapped", "wake") if name in given}
    return executed.machine_options(chip, texts)


def _segments(text: str) -> dict[int, bytes]:
    """The bytes of an image, or of a split pair, by address."""
    return {address: image.data for address, image in _images(text).items()}


def _add_refusal(error: SimulationError, text: str) -> None:
    """What flashing has against an image, for whoever looks for the reason of its failure."""
    gate = import_module("flashpipe.firmware.gate")
    problems = gate.find_problems(_images(text), flash_size=_LARGEST, chip="esp8266")
    if problems:
        error.add_hint(f"`flashpipe flash` refuses this image: {problems[0].message}")


def _images(text: str) -> dict[int, Any]:
    """An image, or a split pair, by address."""
    resolve = import_module("flashpipe.sources.resolve")
    here = Path.cwd()
    if text.lower().startswith("0x") and not Path(text).exists():
        pair = resolve.parse_image_argument(text)
        return {address: resolve.load_source(source, here) for address, source in pair.items()}
    return {0: resolve.load_source(text, here)}


def _size_code(segments: dict[int, bytes], flash: str) -> int:
    """The size that flashing writes into the header."""
    firmware = import_module("flashpipe.firmware.identify").identify_firmware(segments)
    chosen = import_module("flashpipe.firmware.header_size").header_size(firmware, segments, flash)
    return SIZE_CODES[chosen.name]


# --- words -----------------------------------------------------------------------------------------------------------


def _one(given: _Given, name: str, default: str) -> str:
    return given[name][0] if name in given else default


def _choice(given: _Given, name: str, accepted: tuple[str, ...]) -> str:
    text = _one(given, name, accepted[0])
    if text not in accepted:
        raise BadValueError(f"{name}={text}", f"choose one of {', '.join(accepted)}")
    return text


def _pattern(given: _Given, name: str) -> re.Pattern[str] | None:
    text = _one(given, name, "")
    if not text:
        return None
    plain = re.escape(text)
    if len(text) > 1 and text[0] == text[-1] == "/":
        plain = text[1:-1]
    try:
        return re.compile(plain, re.MULTILINE)
    except re.error as error:
        raise BadValueError(f"{name}={text}: {error}", "write a regular expression of Python between slashes") from None


def _typed(text: str) -> bytes:
    """A text to send, its escapes read."""

    def read(match: re.Match[str]) -> str:
        word = match[1]
        return chr(int(word[1:], 16)) if word[0] == "x" else _ESCAPES[word]

    typed = _ESCAPE.sub(read, text)
    return (typed if typed != text else text + "\r\n").encode("latin-1", "replace")


# --- what is shown ---------------------------------------------------------------------------------------------------


def _elf(given: _Given, images: list[str]) -> Any:
    """Of the images, where they are named: what a snapshot holds is believed."""
    path = _one(given, "elf", "")
    parts = _segments(images[0]) if path and images else {}
    return import_module("flashpipe.firmware.elf_match").elf_of(Path(path), parts, _print_line) if path else None


def _shown(elf: Any) -> Callable[[bytes], None]:
    """Writes what the firmware says to standard output, crashes with the names of their addresses."""
    annotator = import_module("flashpipe.text.crash_names").CrashAnnotator(elf.explain) if elf is not None else None

    def show(data: bytes) -> None:
        text = data.decode("latin-1").replace("\r\n", "\n").replace("\r", "")
        text = annotator.show(text) if annotator is not None else text
        printable = "".join(
            char if char.isprintable() or char in "\n\t\b" else "\N{REPLACEMENT CHARACTER}" for char in text
        )
        terminal.write(printable, kept="\b")

    return show


def _print_line(text: str) -> None:
    terminal.note(text)


def _namer(elf: Any) -> Callable[[int], str]:
    """Names of addresses: from the ELF file, the mask ROM's own; else the part of memory."""
    names = import_module("flashpipe.sim.rom.names").NAMES

    def name_of(address: int) -> str:
        place = str(elf.where(address)).partition("+")[0] if elf is not None else ""
        return place or names.get(address, "") or f"{address & ~0xFF:#010x}…"

    return name_of


def _print_profile(profiler: Any, name_of: Callable[[int], str]) -> None:
    """Where the time went, the largest share first."""
    shares: Counter[str] = Counter()
    for address, samples in profiler.samples.items():
        shares[name_of(address)] += samples
    total = max(1, sum(shares.values()))
    _print_line(f"\ncycles by function; {profiler.waited * profiler.every:,} more were spent waiting")
    for name, samples in shares.most_common(_PROFILE_LINES):
        _print_line(f"  {samples * profiler.every:>14,}  {100 * samples / total:5.1f} %  {name}")


def _print_end(outcome: Any, seconds: float) -> None:
    resets = f", {len(outcome.resets)} resets ({', '.join(dict.fromkeys(outcome.resets))})" if outcome.resets else ""
    for text in outcome.warnings:
        terminal.write(f"\nwarning: {text}", sys.stderr)
    terminal.note(
        f"\nlast line: {outcome.last_line}\n"
        f"{outcome.instructions:,} instructions, {outcome.board_s:.2f} s on the board, {seconds:.2f} s here, core"
        f" {outcome.core}{resets}"
    )


def _judge(outcome: Any, until: str, sends: Sequence[str]) -> int:
    """The exit status.

    Raises:
        SimulationError: the run did not end well.
    """
    if outcome.reason == "missing":
        raise NotEmulatedError(outcome.detail, "unmapped=warn goes on with 0 in its place")
    if outcome.reason == "fail":
        raise SimulationFailedError(f"it said {outcome.detail!r}", "the lines before tell why")
    if outcome.reason == "stuck":
        raise SimulationFailedError(f"the chip stands still: {outcome.detail}", "the lines before tell why")
    if outcome.reason == "timeout" and (bites := outcome.resets.count("watchdog")) >= _BITES:
        raise SimulationFailedError(f"the watchdog has reset the chip {bites} times", "the lines before tell why")
    if outcome.reason == "timeout" and (starts := sum(kind != "wake" for kind in outcome.resets)) >= _STARTS:
        raise SimulationFailedError(f"the firmware has started again {starts} times", "the lines before tell why")
    if outcome.reason == "timeout" and not until and not outcome.settled:
        times = "once" if starts == 1 else f"{starts} times"
        raise SimulationFailedError(
            f"the firmware has started again {times}, and never waited for input",
            "the lines before tell why; timeout= gives it more board time, until= says what is good",
        )
    if not until:
        _judge_words(outcome.text)
    if outcome.reason == "timeout" and outcome.unsent:
        raise SimulationTimeoutError(
            f"{sends[-outcome.unsent]!r} was not sent: in {outcome.board_s:.1f} s of board time nothing waited for it",
            "give more with timeout=, or look at what it said instead",
        )
    if outcome.reason == "timeout" and until:
        raise SimulationTimeoutError(
            f"{until!r} was not said in {outcome.board_s:.1f} s of board time", "give more with timeout=, or correct it"
        )
    return 0


def _judge_words(text: str) -> None:
    """As the log of a boot is judged.

    Raises:
        SimulationFailedError: what was said is a failure.
    """
    verdict, conclusive = import_module("flashpipe.board.boot.verdict").judge(text)
    if verdict.kind in FAILED and (conclusive or verdict.kind not in _QUIET):
        raise SimulationFailedError(verdict.summary, "the lines before tell why; until= says what is good")


def _parser() -> Parser:
    parser = Parser(
        prog="flashpipe simulate",
        description="Run a firmware on an emulated ESP8266: its own code, unmodified; the mask ROM and the radio are"
        " modelled. Shows what it says; then its last line, instructions and seconds. Without until= it ends when the"
        " firmware waits for input and everything was sent.",
        epilog=describe([(row.name, row.about) for row in SIMULATE.values()]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="a file, a URL, any source that image= takes; a split pair as 0x00000:FILE,0x10000:FILE",
    )
    parser.add_argument("--trace", action="store_true", help="each ROM function and register access, on stderr")
    looking = parser.add_mutually_exclusive_group()
    looking.add_argument("--trace-instructions", action="store_true", help="each instruction, on stderr; slow")
    looking.add_argument("--cpu-profile", action="store_true", help="where the cycles went, at the end")
    parser.add_argument("--snapshot", default="", metavar="FILE", help="write the whole chip at the end")
    parser.add_argument("--resume", default="", metavar="FILE", help="go on with such a file in place of an image")
    return parser
