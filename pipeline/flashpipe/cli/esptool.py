"""`flashpipe esptool ARGS…`: esptool's own command line, with our gate, verdict and receipt.

What NodeMCU's Makefile, PlatformIO or a script gives to esptool is understood in its old and new spelling, wherever the
options stand. A verb that we have no task for, and another chip, are esptool's: it is run as it is.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flashpipe import terminal
from flashpipe.board.loader.esptool_parts import run_command_line
from flashpipe.cli.run_tasks import run_tasks
from flashpipe.errors import BadValueError, UsageError
from flashpipe.events import BoardFound, Event
from flashpipe.files import read_regular, write_atomic
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SECTOR_SIZE
from flashpipe.jobs import audience
from flashpipe.jobs.variables import KNOWN
from flashpipe.units import format_size, parse_address
from flashpipe.values import dataclass

GLOBAL: Final[Mapping[str, bool]] = {
    **dict.fromkeys(
        ("--chip", "--port", "--baud", "--port-filter", "--before", "--after", "--stub-version", "--connect-attempts"),
        True,
    ),
    "--override-vddsdio": True,
    **dict.fromkeys(("--no-stub", "--trace", "--verbose", "--silent"), False),
}
"""Options of esptool itself, and whether a value follows."""
SHORT: Final = {"-c": "--chip", "-p": "--port", "-b": "--baud", "-a": "--after", "-t": "--trace", "-v": "--verbose"}
"""Before the verb; behind it some mean something else."""
_FLASH: Final[Mapping[str, bool]] = {"--flash-type": True, "--spi-connection": True}
_HEADER: Final[Mapping[str, bool]] = {"--flash-mode": True, "--flash-freq": True, "--flash-size": True}
VERBS: Final[Mapping[str, Mapping[str, bool]]] = {
    "write-flash": {
        **_FLASH,
        **_HEADER,
        **dict.fromkeys(("--erase-all", "--no-progress", "--encrypt", "--ignore-flash-enc-efuse"), False),
        **dict.fromkeys(("--trust-flash-content", "--skip-flashed", "--force", "--compress", "--no-compress"), False),
        **dict.fromkeys(("--encrypt-files", "--diff-with", "--nand-end-address"), True),
        "--verify": False,  # of older ones
    },
    "verify-flash": {**_FLASH, **_HEADER, "--diff": False},
    "read-flash": {**_FLASH, "--flash-size": True, "--no-progress": False},
    "erase-flash": {**_FLASH, "--force": False},
    "erase-region": {**_FLASH, "--force": False},
    "flash-id": {"--spi-connection": True},
    "chip-id": {},
    "read-mac": {},
    "run": {},
}
"""What we do ourselves, and the options of each."""
SHORT_OF_VERB: Final[Mapping[str, Mapping[str, str]]] = {
    "write-flash": {
        "-e": "--erase-all",
        "-p": "--no-progress",
        "-s": "--skip-flashed",
        "-z": "--compress",
        "-u": "--no-compress",
    },
    "verify-flash": {"-d": "--diff"},
    "read-flash": {"-p": "--no-progress"},
}
_SHORT_ANYWHERE: Final = {
    "-fm": "--flash-mode",
    "-ff": "--flash-freq",
    "-fs": "--flash-size",
    "-ft": "--flash-type",
} | {"-sc": "--spi-connection"}
_ENVIRONMENT: Final = {
    "ESPTOOL_PORT": "--port",
    "ESPTOOL_BAUD": "--baud",
    "ESPTOOL_CHIP": "--chip",
    "ESPTOOL_BEFORE": "--before",
    "ESPTOOL_AFTER": "--after",
    "ESPTOOL_FM": "--flash-mode",
    "ESPTOOL_FF": "--flash-freq",
}
_ARGUMENTS: Final = 64 * 1024
"""Bytes of a file of arguments."""
_OURS: Final = frozenset({"auto", "esp8266", "esp8285"})
_STAYS: Final = frozenset({"no-reset", "no-reset-stub"})
_REACHED: Final = frozenset({"no-reset", "no-reset-no-sync"})


@dataclass(frozen=True, slots=True)
class EsptoolCommand:
    """One command line of esptool's."""

    verb: str
    """In the new spelling; empty where none is named."""
    options: Mapping[str, str]
    """Long name in the new spelling to value; empty text for those without."""
    rest: tuple[str, ...]
    """What the verb works on."""
    variables: tuple[str, ...]
    """Words `name=value` of ours."""
    esptools: tuple[str, ...]
    """All other words, as they were typed."""


def main(words: Sequence[str]) -> int:
    """Do what esptool was to do; returns the exit status.

    Raises:
        UsageError: an option without its value, or one that has no meaning for this chip.
        BadValueError: an address or a size that is none.
    """
    words = _expanded(words)
    if {"-h", "--help"} & set(words):
        return run_command_line(words)
    asked = read(words)
    if asked.verb not in VERBS or asked.options.get("--chip", "auto") not in _OURS:
        virtual = next((word for word in asked.esptools if "sim://" in word), "")
        if virtual:
            raise UsageError(
                f"{virtual}: esptool itself does {asked.verb or 'this'}, and reaches no virtual board by its URL",
                "`flashpipe board --pty` gives it a port that esptool can open",
            )
        return run_command_line(asked.esptools)
    ours = [*asked.variables, *_connection(asked.options), *_task(asked)]
    if asked.verb in {"flash-id", "chip-id", "read-mac"}:
        audience.listeners.append(_told)
    status = run_tasks(ours, ())
    if not status and asked.verb == "read-flash":
        _cut(asked.rest)
    return status


def _expanded(words: Sequence[str]) -> list[str]:
    """The words, with those of each `@FILE` in its place.

    Raises:
        BadValueError: it is there, and is no file of words.
    """
    expanded = list[str]()
    for word in words:
        path = Path(word[1:])
        if not word.startswith("@") or not os.path.lexists(path):
            expanded.append(word)
            continue
        try:
            expanded += shlex.split(read_regular(path, _ARGUMENTS).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise BadValueError(
                f"{word}: {getattr(error, 'strerror', '') or error}", "name a file with esptool's arguments"
            ) from error
    return expanded


def read(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> EsptoolCommand:
    """Take a command line of esptool's apart.

    Raises:
        UsageError: an option without its value.
    """
    options = {option: environment[name] for name, option in _ENVIRONMENT.items() if environment.get(name)}
    verb, rest, variables, esptools, waiting = "", list[str](), list[str](), list[str](), list(words)
    while waiting:
        word = waiting.pop(0)
        if word in {"-q", "--quiet"} or (word.partition("=")[0] in KNOWN and "=" in word):
            variables.append(word if "=" in word else "quiet=1")
            continue
        esptools.append(word)
        if not word.startswith("-"):
            verb, rest = (verb, [*rest, word]) if verb else (word.replace("_", "-"), rest)
            continue
        name, equals, value = word.partition("=")
        name = _long(name, verb, waiting)
        takes = {**GLOBAL, **VERBS.get(verb, {})}.get(name)
        if takes and not equals:
            if not waiting:
                raise UsageError(f"{word}: its value is missing", f"flashpipe esptool {verb or 'VERB'} … {word} VALUE")
            value = waiting.pop(0)
            esptools.append(value)
        if takes is None and verb in VERBS:
            raise UsageError(
                f"{word}: not an option of esptool {verb}", f"`flashpipe esptool {verb} --help` lists them"
            )
        if name == "--diff" and {*waiting[:1]} & {"yes", "no"}:
            esptools.append(waiting.pop(0))  # the old spelling
        options[name] = value
    if "--chip" in options:
        options["--chip"] = options["--chip"].lower().replace("-", "")
    return EsptoolCommand(verb, options, tuple(rest), tuple(variables), tuple(esptools))


def _long(name: str, verb: str, waiting: Sequence[str]) -> str:
    """The long name of an option, in the new spelling."""
    if name.startswith("--"):
        long = name.replace("_", "-")
        return "--ignore-flash-enc-efuse" if long == "--ignore-flash-encryption-efuse-setting" else long
    of_verb = SHORT_OF_VERB.get(verb, {}).get(name)
    if of_verb == "--no-progress" and waiting and waiting[0].lower().startswith(("/dev/", "com", "sim:", "rfc2217:")):
        of_verb = None  # `write_flash -p PORT`
    return of_verb or _SHORT_ANYWHERE.get(name) or SHORT.get(name, "--silent" if name == "-s" else name)


def _connection(options: Mapping[str, str]) -> list[str]:
    """How the board is reached."""
    words = [f"{name}={options[f'--{name}']}" for name in ("port", "baud") if options.get(f"--{name}")]
    before = options.get("--before", "").replace("_", "-")
    words += ["reset=none"] * (before in _REACHED)
    words += ["verbose=1"] * ("--trace" in options) + ["quiet=1"] * ("--silent" in options)
    return words


def _task(asked: EsptoolCommand) -> list[str]:
    """The task that does it, with its variables."""
    verb, options, rest = asked.verb, asked.options, asked.rest
    stays = options.get("--after", "").replace("_", "-") in _STAYS
    if verb == "write-flash":
        tasks = ["erase", "flash"] if "--erase-all" in options else ["flash"]
        return [*tasks, "yes=1", *(["boot=off"] if stays else []), *_images(asked)]
    if verb == "verify-flash":
        return ["verify", *_images(asked)]
    if verb == "erase-flash":
        return ["erase", "yes=1"]
    if verb == "erase-region":
        start, size = _numbers(rest, 2)
        return ["erase", f"regions={start:#x}-{start + size:#x}", "yes=1"]
    if verb == "read-flash":
        return ["backup", *_part(rest), f"file={rest[2]}", "force=1"]
    return ["boot"] if verb == "run" else ["identify"]


def _images(asked: EsptoolCommand) -> list[str]:
    pairs, options = asked.rest, asked.options
    if not pairs or len(pairs) % 2:
        raise UsageError(f"{asked.verb}: want pairs of ADDRESS FILE", f"flashpipe esptool {asked.verb} 0x00000 FILE")
    if "--encrypt" in options or "--encrypt-files" in options:
        raise UsageError("--encrypt: the ESP8266 encrypts no flash", "leave it out")
    if "--force" in options:
        terminal.note("note: --force: what is refused here stays refused; allow=CODE overrides one refusal")
    if options.get("--flash-size", "keep") not in {"keep", "detect"}:
        terminal.note(f"note: --flash-size {options['--flash-size']}: the header gets the size that the chip has")
    images = [f"{parse_address(at):#07x}:{file}" for at, file in zip(pairs[::2], pairs[1::2], strict=True)]
    header = (("mode", "--flash-mode", MODE_CODES), ("frequency", "--flash-freq", FREQUENCY_CODES))
    words = [f"image={','.join(images)}"]
    for name, option, known in header:
        value = options.get(option, "keep").lower()
        words += [f"{name}={value}"] if value in known else []
        if value not in known and value != "keep":
            raise BadValueError(f"{option} {value}: want one of {', '.join(known)}, keep", f"{option} keep")
    return words


def _numbers(rest: Sequence[str], count: int) -> list[int]:
    if len(rest) < count:
        raise UsageError("an address and a size are wanted", "such as 0x100000 0x1000")
    return [parse_address(word) for word in rest[:count]]


def _part(rest: Sequence[str]) -> list[str]:
    """The whole sectors that `read-flash` needs; nothing for the whole flash."""
    if len(rest) != 3:  # noqa: PLR2004  address, size, file
        raise UsageError("read-flash: want ADDRESS SIZE FILE", "flashpipe esptool read-flash 0 ALL FILE")
    if rest[1].lower() == "all":
        if parse_address(rest[0]):
            raise UsageError("read-flash: ALL is for the whole flash, from 0", "name the size")
        return []
    start, size = _numbers(rest, 2)
    first, last = start // SECTOR_SIZE * SECTOR_SIZE, -(-(start + size) // SECTOR_SIZE) * SECTOR_SIZE
    return [f"regions={first:#x}-{last:#x}"]


def _cut(rest: Sequence[str]) -> None:
    """Leave in the file what was asked for: a backup is of whole sectors."""
    if rest[1].lower() == "all":
        return
    start, size = _numbers(rest, 2)
    path, skipped = Path(rest[2]), start % SECTOR_SIZE
    data = path.read_bytes()
    if len(data) != size:
        write_atomic(path, data[skipped : skipped + size], mode=0o600)


def _told(event: Event) -> None:
    """What scripts look for in esptool's output."""
    if isinstance(event, BoardFound):
        facts: Mapping[str, Any] = event.facts
        size = facts["flash_size"]
        rows = {
            "Chip type": facts["chip"],
            "MAC": event.mac,
            "Manufacturer": f"{facts['flash_id'] & 0xFF:02x}",
            "Device": f"{facts['flash_id'] >> 8 & 0xFF:02x}{facts['flash_id'] >> 16 & 0xFF:02x}",
            "Detected flash size": format_size(size).replace(" ", "") if size else "Unknown",
        }
        terminal.write("".join(f"{name + ': ':<20}{text}\n" for name, text in rows.items()))
