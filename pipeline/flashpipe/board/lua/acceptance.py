"""Is the firmware what the profile demands? What it says of itself, compared; what a Lua file prints, searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from flashpipe.board.loader import chips
from flashpipe.errors import AcceptanceError, AcceptanceUnknownError
from flashpipe.expressions import expression
from flashpipe.units import format_size
from flashpipe.values import dataclass
from flashpipe.versions import Demand, numbers

if TYPE_CHECKING:  # records are made of these classes; a run that asks nothing of a NodeMCU loads no console
    from flashpipe.board.lua.files import LuaFile
    from flashpipe.board.lua.node_info import NodeInfo

UNKNOWN: Final = "the firmware does not say"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the running firmware must be; None or empty: no matter."""

    version: Demand | None = None
    modules: tuple[str, ...] = ()
    floats: bool | None = None
    """Whether it calculates with fractions."""
    lfs: int | None = None
    """Bytes that the LFS partition has at least."""
    flash_size: int | None = None
    """Bytes of flash, by the firmware and by the chip."""
    run: LuaFile | None = None
    """A Lua file to be run."""
    prints: str = ""
    """What it must print: a text, or a regular expression between slashes."""
    timeout_s: float = 10.0

    @property
    def asks(self) -> bool:
        """Whether anything is demanded of what the firmware says."""
        return bool(self.version or self.modules) or not self.floats is self.lfs is self.flash_size is None


NO_DEMANDS: Final = Acceptance()


@dataclass(frozen=True, slots=True)
class LuaPolicy:
    """What a profile wants of a running NodeMCU."""

    acceptance: Acceptance = NO_DEMANDS
    files: tuple[LuaFile, ...] = ()
    spared: tuple[str, ...] | None = None
    """Patterns of other files that stay on the board; None: all do."""

    def __bool__(self) -> bool:
        """Whether anything is wanted at all."""
        return bool(self.files or self.acceptance.asks or self.acceptance.run) or self.spared is not None


NO_WISH: Final = LuaPolicy()


@dataclass(frozen=True, slots=True)
class AcceptanceFinding:
    """One demand and what was found."""

    demand: str
    wanted: str
    found: str
    passed: bool
    known: bool = True
    values: dict[str, Any] = field(default_factory=dict)
    """What was measured by the way, by its name."""

    def __str__(self) -> str:
        if self.passed:
            return f"{self.demand} {self.found}"
        return f"{self.demand}: {self.found}" + (f", want {self.wanted}" if self.wanted else "")


def compare(info: NodeInfo, demanded: Acceptance) -> list[AcceptanceFinding]:
    """Every demand on what the firmware says, and whether it is met."""
    findings = []
    if demanded.version:
        version = numbers(info.version)
        findings.append(_finding("version", str(demanded.version), info.version if version else None,
                              passed=demanded.version.admits(version)))  # fmt: skip
    for module in demanded.modules:
        has_it = info.has(module)
        findings.append(_finding(f"module {module}", "", "there" if has_it else "missing", passed=has_it))
    if demanded.floats is not None:
        wanted = "float" if demanded.floats else "integer"
        is_integer = info.number_type == "integer"
        findings.append(_finding("numbers", wanted, info.number_type or None, passed=is_integer != demanded.floats))
    if demanded.lfs is not None:
        has = None if info.lfs_size is None else f"{format_size(info.lfs_size)} LFS" if info.lfs_size else "no LFS"
        passed = (info.lfs_size or 0) >= demanded.lfs
        findings.append(_finding("LFS", f"at least {format_size(demanded.lfs)}", has, passed=passed))
    if demanded.flash_size is not None:
        findings.append(_flash_size(info, demanded.flash_size))
    return findings


def _finding(demand: str, wanted: str, value: str | None, *, passed: bool) -> AcceptanceFinding:
    if value is None:
        return AcceptanceFinding(demand, wanted, UNKNOWN, passed=False, known=False)
    return AcceptanceFinding(demand, wanted, value, passed)


def _flash_size(info: NodeInfo, wanted: int) -> AcceptanceFinding:
    chip = chip_size(info)
    sizes = [size for size in (info.flash_size, chip) if size is not None]
    text = None if info.flash_size is None else f"{format_size(info.flash_size)} by the image header"
    if text and chip is not None and chip != info.flash_size:
        text += f", {format_size(chip)} by the chip"
    return _finding("flash size", format_size(wanted), text, passed=bool(sizes) and set(sizes) == {wanted})


def chip_size(info: NodeInfo) -> int | None:
    """Bytes of the flash part by the ID that the firmware read from it; None where the ID is unknown."""
    return chips.describe_flash(info.flash_id).size if info.flash_id else None


def check(port: str, findings: Sequence[AcceptanceFinding]) -> None:
    """Go on only if every demand is met.

    Raises:
        AcceptanceError: naming each that is not.
        AcceptanceUnknownError: all others are met, but some the firmware does not answer.
    """
    failed = [finding for finding in findings if not finding.passed]
    if not failed:
        return
    kind = AcceptanceError if any(finding.known for finding in failed) else AcceptanceUnknownError
    raise kind(f"{port}: not what `acceptance` demands: {'; '.join(map(str, failed))}", kind.remedy)


def printed(prints: str, output: str) -> bool:
    """Whether the output holds what `prints` demands.

    Raises:
        BadValueError: it is an expression that takes too long on this output.
    """
    if is_expression(prints):
        return expression(prints[1:-1]).search(output) is not None
    return prints in output


def judged(prints: str, output: str) -> str:
    r"""What of the output of a program that still runs decides: of an expression, only lines that have ended.

    More of a line may follow, and what an expression finds may be another then, or nothing. A text that is there stays.

    >>> judged("/T=(?P<temp>[0-9.]+)/", "T=2\nT=3"), judged("T=", "T=2\nT=3")
    ('T=2\n', 'T=2\nT=3')
    """
    return output[: output.rfind("\n") + 1] if is_expression(prints) else output


def is_expression(prints: str) -> bool:
    """Whether it stands between slashes."""
    return len(prints) > 1 and prints.startswith("/") and prints.endswith("/")


def measured(prints: str, output: str) -> dict[str, Any]:
    """What the named groups of `prints` have found: numbers as such, others as texts.

    >>> measured("/T=(?P<temp>[0-9.]+) (?P<unit>.)/", "T=21.5 C")
    {'temp': 21.5, 'unit': 'C'}

    Raises:
        BadValueError: as `printed`.
    """
    if not is_expression(prints):
        return {}
    return {name: _number(text) for name, text in expression(prints[1:-1]).named(output).items() if text is not None}


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(text)
            return number if math.isfinite(number) else text
    return text
