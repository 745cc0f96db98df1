"""Which function stands at which address of the mask ROM.

    @rom("ets_strlen", 0x40002AC8)
    @rom("strlen", 0x4000BF4C)
    def strlen(guest: Guest, text: int) -> int: ...

Arguments come from registers and stack as the ABI has them (call0: a2 to a7, then the stack; 64-bit values in pairs of
registers that begin with an even one), the result goes to a2, or a2 and a3. The annotations tell the width: `int` is a
word, `Long` 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.sim.rom.guest import Guest

Long = int
"""A 64-bit argument or result."""
CALL_CYCLES: Final = 10
"""What a call costs where nothing else is said: a choice, the order of short functions."""
CONTINUATIONS: Final = 0x4000F000
"""Where continuations have their addresses: behind the ROM's last function and its data tables."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the ROM."""

    name: str
    address: int
    implementation: Callable[..., Any]
    cycles: int
    raw: bool
    """It takes only the guest, reads registers itself and says itself where the program goes on."""


FUNCTIONS: Final[dict[int, Function]] = {}
"""All functions, filled by the decorators when their modules are loaded."""

F = TypeVar("F", bound=Callable[..., Any])


def rom(name: str, address: int, cycles: int = CALL_CYCLES) -> Callable[[F], F]:
    """Put a function at an address of the ROM."""
    return _registered(name, address, cycles, raw=False)


def rom_raw(name: str, address: int, cycles: int = 0) -> Callable[[F], F]:
    """Put a function there that handles registers and program counter itself."""
    return _registered(name, address, cycles, raw=True)


def continuation(name: str, index: int) -> Callable[[F], F]:
    """Give the second half of a function an address, which the first half leaves as return address."""
    return _registered(name, CONTINUATIONS + 4 * index, 0, raw=True)


def _registered(name: str, address: int, cycles: int, *, raw: bool) -> Callable[[F], F]:
    def register(function: F) -> F:
        assert address not in FUNCTIONS, f"{name}: {address:#x} is taken by {FUNCTIONS[address].name}"
        FUNCTIONS[address] = Function(name, address, function, cycles, raw)
        return function

    return register


def bind(function: Function, guest: Guest) -> Callable[[], None]:
    """A function without arguments that does one call of the program."""
    state, implementation, cycles = guest.state, function.implementation, function.cycles
    if function.raw:

        def call_raw() -> None:
            state.cycles += cycles >> state.fast
            implementation(guest)

        return call_raw
    kinds = dict(implementation.__annotations__)
    wide_result = kinds.pop("return", None) == "Long"
    widths = [kind == "Long" for kind in list(kinds.values())[1:]]  # the first is the guest
    if any(widths) or len(widths) > 4 or wide_result:  # noqa: PLR2004  the short forms below
        return _general(function, guest, widths, wide_result=wide_result)
    registers = state.a

    def done(result: int | None) -> None:
        state.cycles += cycles >> state.fast
        if result is not None:
            registers[2] = result & 0xFFFFFFFF
        state.pc = registers[0]

    forms: tuple[Callable[[], None], ...] = (
        lambda: done(implementation(guest)),
        lambda: done(implementation(guest, registers[2])),
        lambda: done(implementation(guest, registers[2], registers[3])),
        lambda: done(implementation(guest, registers[2], registers[3], registers[4])),
        lambda: done(implementation(guest, registers[2], registers[3], registers[4], registers[5])),
    )
    return forms[len(widths)]


def _general(function: Function, guest: Guest, widths: list[bool], *, wide_result: bool) -> Callable[[], None]:
    places: list[tuple[int, bool]] = []
    at = 0
    for wide in widths:
        at += at & 1 if wide else 0
        places.append((at, wide))
        at += 2 if wide else 1

    def call() -> None:
        state = guest.state
        values = [
            guest.argument(place) | guest.argument(place + 1) << 32 if wide else guest.argument(place)
            for place, wide in places
        ]
        result = function.implementation(guest, *values)
        state.cycles += function.cycles >> state.fast
        if result is not None:
            state.a[2] = result & 0xFFFFFFFF
            if wide_result:
                state.a[3] = result >> 32 & 0xFFFFFFFF
        state.pc = state.a[0]

    return call
