"""Options of a virtual board, the same in `sim://NAME?option=value` and on the command line.

Everything is read and checked here, once; what comes out is a `Setup`.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from flashpipe.errors import BadValueError
from flashpipe.files import state_folder
from flashpipe.sim.board import STARTS, BoardSpec
from flashpipe.sim.boot import OPTION_NAMES as PREDICTED_NAMES
from flashpipe.sim.chip.flash_file import check_size, contents
from flashpipe.sim.chip.parts import PARTS, part_by_id, part_by_name
from flashpipe.sim.chip.timing import Costs, parse_factor
from flashpipe.sim.cpu.contract import CORE_VARIABLE, NO_CORE
from flashpipe.sim.executed import OPTION_NAMES as EXECUTED_NAMES
from flashpipe.sim.executed import option_values
from flashpipe.sim.faults import Faults
from flashpipe.sim.firmware.settings import Settings
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.kinds import DOUT, KINDS, BoardKind, board_kind, default_mac
from flashpipe.sim.transcript import Transcript
from flashpipe.units import parse_size
from flashpipe.values import dataclass
from flashpipe.virtual_options import ABOUT, VALUES

_PREDICTED_ONLY: Final = tuple(
    name for name in (known.replace("_", "-") for known in PREDICTED_NAMES) if name not in EXECUTED_NAMES
)
"""Options of the program that only a predicted one has."""
SECURITY_INFO: Final = ("same-op", "drain")
OPTIONS: Final = {
    "flash": "FILE that keeps the contents; made when missing",
    "size": "bytes of flash, such as 2MB",
    "mac": "station MAC",
    "flash_id": "what RDID answers: a number, manufacturer | type << 8 | capacity << 16",
    "part": "flash part: " + ", ".join(part.name for part in PARTS),
    "chip": "esp8266, esp8285n08, esp8285h08, esp8285n16 or esp8285h16",
    "crystal": "24, 26 or 40, MHz",
    "wiring": "devkit (default: DTR and RTS reach EN and GPIO0), exchanged (the two swapped), no-dtr (RTS alone is"
    " wired) or none, as a bare module",
    "start": "what runs at first: " + ", ".join(STARTS),
    "gpio0": "low: a jumper holds it; high",
    "security_info": "answer of the ROM to commands it lacks: same-op, or drain (eight frames of another opcode)",
    "fill": "contents of a new flash: factory, ff, random:SEED",
    "time": "fast, real, or a factor such as 0.25",
    "fault": "NAME:ARGUMENT, may be given several times; @byte:N, @time:S or @command:OP tells when it begins",
    "seed": ABOUT["seed"],
    "usb": "VID:PID of the bridge, for information",
    "record": "FILE for a transcript as JSON lines",
    "board": "ID: opens with the same ID in one process reach the same board; sim://demo keeps a flash for each",
    "inline": "1: in the process that opens the URL (for tests), and not in one of the boards' own",
    "execute": ABOUT["execute"],
    "app.NAME": "an option of the program: "
    + ", ".join(EXECUTED_NAMES)
    + "; these need no app. where no option of the board is called so. With one of the following it is predicted, not"
    + " executed: "
    + ", ".join(name for name in _PREDICTED_ONLY),
    "param.NAME": "a cost parameter; `flashpipe board --help` lists them",
}
"""All options, for messages and `--help`."""
SINGLE: Final = (*(name for name in OPTIONS if "." not in name and name != "fault"), *EXECUTED_NAMES)
"""Those with one value each: `flashpipe board` takes them as arguments, too."""
_ALIASES: Final = {"get_security_info": "security_info"}
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,64}")
_SMALLEST: Final = 64 * 1024
_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of flash: what a 24-bit address reaches."""
_USB: Final = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


@dataclass(frozen=True, slots=True)
class Setup:
    """One board to be, with the circumstances it runs in."""

    spec: BoardSpec
    factor: float
    """0 fast, 1 real, else what a second of board time takes on the wall."""
    faults: tuple[str, ...] = ()
    seed: str = "0"
    record: Path | None = None
    usb: str = ""
    shared: str = ""
    """`board=`: the ID under which a process keeps it."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two URLs mean the same board."""
        return (self.shared or self.spec.name, self.spec.mac, str(self.spec.flash or ""))

    def build(self, wall: Callable[[], float] = time.monotonic) -> HostLine:
        """Make the board; `wall` is the clock of its host.

        Raises:
            BadValueError: the flash file cannot be used.
        """
        faults = Faults.parse(self.faults, self.seed)
        return HostLine(self.spec, self.factor, faults, Transcript(self.record), wall)


def parse_url(url: str) -> Setup:
    """The board that a `sim://` URL describes.

    Raises:
        BadValueError: an unknown board or option, or a value that cannot be read.
    """
    rest = url.partition("://")[2]
    name, _, query = rest.partition("?")
    pairs = []
    for word in query.split("&") if query else []:
        key, equals, value = word.partition("=")
        if not equals:
            raise BadValueError(f"{url!r}: option {word!r} has no value", f"write {word}=VALUE")
        # Not parse_qsl: its `+` would become a space, ours joins faults.
        pairs.append((unquote(key), unquote(value)))
    return parse_options(unquote(name).strip("/"), pairs)


def parse_options(name: str, pairs: Iterable[tuple[str, str]]) -> Setup:
    """The board called `name` with options.

    Raises:
        BadValueError: an unknown board or option, or a value that cannot be read.
    """
    kind = board_kind(name)
    given: dict[str, str] = {}
    faults: list[str] = []
    params: dict[str, str] = {}
    app: dict[str, str] = {}
    for written, value in pairs:
        key = _ALIASES.get(written, written)
        if key == "fault":
            faults.append(value)
        elif key.startswith("param."):
            params[key.removeprefix("param.")] = value
        elif key.startswith("app."):
            app[key.removeprefix("app.")] = value
        elif key in OPTIONS:
            given[key] = value
        elif key in EXECUTED_NAMES:
            app[key] = value
        else:
            raise BadValueError(f"unknown option {key!r} of a virtual board", "the options are: " + ", ".join(OPTIONS))
    return _setup(kind, given, tuple(faults), Costs().with_values(params), app)


def _setup(
    kind: BoardKind, given: dict[str, str], fault_texts: tuple[str, ...], costs: Costs, app: dict[str, str]
) -> Setup:
    factor = parse_factor(given.get("time", kind.time))
    faults = Faults.parse(fault_texts)
    flash_id, part = _flash_part(kind, given)
    size = _size(given["size"]) if "size" in given else part_by_name(part).size
    if flash_id is not None and "size" not in given:
        known = part_by_id(flash_id)
        size = known.size if known else kind.size
    size = faults.limits.get("wrong-size", size)
    fill = given.get("fill", "factory")
    wiring = _choice("wiring", given.get("wiring", "devkit"), ("devkit", "exchanged", "no-dtr", "none"))
    security = given.get("security_info", "drain" if factor == 1 else "same-op")
    shared = given.get("board", "")
    predicted = _predicted(given, app)
    (Settings.parse if predicted else option_values)(app)  # only to refuse now what a start would refuse
    spec = BoardSpec(
        name=kind.name,
        mac=_mac(given.get("mac", default_mac(kind.name + shared))),
        part=part,
        flash_id=flash_id,
        size=_check_fill(fill, size),
        flash=_flash_file(kind, given, size),
        fill=fill,
        chip=_chip(given.get("chip", kind.chip)),
        crystal_mhz=int(_choice("crystal", given.get("crystal", str(kind.crystal_mhz)), ("24", "26", "40"))),
        modes=DOUT if "dout-only" in faults.switches else kind.modes,
        wired=wiring != "none",
        lines=wiring if wiring in {"exchanged", "no-dtr"} else "straight",
        start=_choice("start", given.get("start", "rom" if wiring == "none" else "app"), STARTS),
        gpio0_low=_choice("gpio0", given.get("gpio0", "high"), ("high", "low")) == "low",
        drain=_choice("security_info", security, SECURITY_INFO) == "drain",
        costs=costs,
        app_options=app,
        predicted=predicted,
    )
    _choice("inline", given.get("inline", "0"), ("0", "1"))  # done by whoever opens the URL
    usb = given.get("usb", kind.usb).lower()
    if usb and not _USB.fullmatch(usb):
        raise BadValueError(f"usb={usb!r} is no VID:PID", "write it like usb=1a86:7523")
    record = Path(given["record"]) if "record" in given else None
    return Setup(spec, factor, fault_texts, given.get("seed", "0"), record, usb, shared)


def _predicted(given: dict[str, str], app: dict[str, str]) -> str:
    """Why the program is not executed; empty where it is."""
    if _choice("execute", given.get("execute", "on"), VALUES["execute"]) == "off":
        return "execute=off"
    if os.environ.get(CORE_VARIABLE) == NO_CORE:
        return f"{CORE_VARIABLE}={NO_CORE}"
    return next((f"app.{name}" for name in app if name.replace("_", "-") in _PREDICTED_ONLY), "")


def _choice(name: str, value: str, accepted: Iterable[str]) -> str:
    if value not in tuple(accepted):
        raise BadValueError(f"{name}={value!r}", f"use one of {', '.join(accepted)}")
    return value


def _size(text: str) -> int:
    size = parse_size(text)
    if not _SMALLEST <= size <= _LARGEST or size & (size - 1):
        raise BadValueError(f"size={text!r} is no size of a flash part", "a power of two from 64KB to 16MB")
    return size


def _check_fill(fill: str, size: int) -> int:
    if size in (1 << bits for bits in range(18, 25)) or not fill.startswith("factory"):
        contents(fill, 0x40000)  # only to refuse an unknown word before a board is built
        return size
    raise BadValueError(f"size {size} has no factory contents", "add fill=ff")


def _mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise BadValueError(f"mac={text!r} is no MAC", "write it like mac=5c:cf:7f:01:02:03")
    return mac


def _chip(text: str) -> str:
    accepted = {kind.lower(): kind for kind in KINDS} | {"esp8266": "ESP8266EX", "esp8285": "ESP8285N08"}
    if text.lower() not in accepted:
        raise BadValueError(f"chip={text!r}", f"use one of {', '.join(sorted(accepted))}")
    return accepted[text.lower()]


def _flash_part(kind: BoardKind, given: dict[str, str]) -> tuple[int | None, str]:
    part = part_by_name(given.get("part", kind.part)).name
    if "flash_id" not in given:
        return None, part
    try:
        flash_id = int(given["flash_id"], 0)
    except ValueError:
        flash_id = -1
    if not 0 <= flash_id <= 0xFFFFFF:  # noqa: PLR2004  three bytes
        raise BadValueError(f"flash_id={given['flash_id']!r} is no JEDEC ID", "write it like flash_id=0x1640ef")
    return flash_id, part


def _flash_file(kind: BoardKind, given: dict[str, str], size: int) -> Path | None:
    if "flash" in given:
        if not given["flash"]:
            raise BadValueError("flash= names no file", "write flash=FILE")
        path = Path(given["flash"]).absolute()
        with suppress(OSError):  # one that is missing is made; what else is wrong with it, its opening says
            check_size(path, size)
        return path
    kept = state_folder() / "boards" / f"{kind.name}{_suffix(given.get('board', ''))}.flash"
    return kept if kind.persistent and (kept.exists() or _can_be_kept(kept)) else None


def _suffix(shared: str) -> str:
    """What tells the files of boards with `board=ID` apart; of any ID it is part of a file's name."""
    if not shared or _PLAIN.fullmatch(shared):
        return f"-{shared}" if shared else ""
    return f"-{hashlib.sha256(shared.encode()).hexdigest()[:16]}"


def _can_be_kept(path: Path) -> bool:
    """Whether there is a folder for it; else the flash is a new one each time, and no reason to fail."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(path.parent, os.W_OK)
