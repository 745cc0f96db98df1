"""How the ROM formats numbers and texts: one conversion of a format string at a time.

It knows the flags `-` and `0`, width, precision, `l` and `h` without effect, and c, s, d, i, u, o, x, X, p, %. A null
text is `<null>` (its string at 0x3FFFD870: pvvx, app/sdklib/system/wdt.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.rom.guest import MASK, signed
from flashpipe.values import dataclass

NULL_TEXT: Final = b"<null>"
_LONGEST_CONVERSION: Final = 16
"""Bytes looked at for one conversion."""
_WIDEST: Final = 255


@dataclass(slots=True)
class Arguments:
    """A `va_list` of the call0 ABI (GCC's xtensa port): words from the saved registers, then from the stack."""

    stack: int
    registers: int
    index: int
    """Offset of the next argument, in bytes."""
    read: Callable[[int], int]
    """Reads a word of memory."""

    _REGISTER_BYTES = 24
    _STACK_BIAS = 32

    def next(self) -> int:
        """The next word."""
        if self.index + 4 <= self._REGISTER_BYTES:
            base = self.registers
        else:
            base = self.stack
            if self.index <= self._REGISTER_BYTES:
                self.index = self._STACK_BIAS
        self.index += 4
        return self.read(base + self.index - 4 & MASK)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a part of the format string becomes."""

    text: bytes
    used: int
    """Bytes of the format string."""


def next_piece(form: bytes, arguments: Arguments, text_at: Callable[[int], bytes]) -> Piece | None:
    """The next piece of `form`, whose first byte is the next one to format; None at its end."""
    if not form:
        return None
    if form[:1] != b"%":
        return Piece(form[:1], 1)
    at, left, zero = 1, False, False
    while form[at : at + 1] in (b"-", b"0", b"+", b" ", b"#") and form[at : at + 1]:
        left |= form[at : at + 1] == b"-"
        zero |= form[at : at + 1] == b"0"
        at += 1
    width, at = _number(form, at, arguments)
    precision = -1
    if form[at : at + 1] == b".":
        precision, at = _number(form, at + 1, arguments)
    while form[at : at + 1] in (b"l", b"h") and form[at : at + 1]:
        at += 1
    kind = form[at : at + 1]
    if not kind:
        return None
    body = _converted(kind, width if zero and not left else 0, precision, arguments, text_at)
    body = body.ljust(width) if left else body.rjust(width)
    return Piece(body, at + 1)


def _number(form: bytes, at: int, arguments: Arguments) -> tuple[int, int]:
    """A width or precision: digits, or `*` for an argument."""
    if form[at : at + 1] == b"*":
        return min(max(0, signed(arguments.next())), _WIDEST), at + 1
    end = at
    while form[end : end + 1].isdigit():
        end += 1
    return min(int(form[at:end] or b"0"), _WIDEST), end


def _converted(kind: bytes, zeros: int, precision: int, arguments: Arguments, text_at: Callable[[int], bytes]) -> bytes:
    if kind == b"c":
        return bytes((arguments.next() & 0xFF,))
    if kind == b"s":
        address = arguments.next()
        text = text_at(address) if address else NULL_TEXT
        return text if precision < 0 else text[:precision]
    if kind == b"%":
        return b"%"
    if kind not in (b"d", b"i", b"u", b"o", b"x", b"X", b"p"):
        return b"%" + kind
    value = arguments.next()
    sign = ""
    if kind in (b"d", b"i") and signed(value) < 0:
        sign, value = "-", -signed(value)
    digits = format(value, {b"o": "o", b"x": "x", b"X": "X", b"p": "x"}.get(kind, "d"))
    return (sign + digits.rjust(max(precision, zeros - len(sign)), "0")).encode()
