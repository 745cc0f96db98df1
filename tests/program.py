"""A small program in machine code that any ESP8266 could run: it greets, and answers every line that it is sent."""

from __future__ import annotations

import struct
from typing import Any, Final

from tests.sim.cpu.assembler import asm

START: Final = 0x40100000
LINE: Final = 0x3FFE9000
"""Where the program keeps the last four letters of the line that it is receiving."""

DELAY, DIVIDE, ATTACH, UNMASK, SEND, TAKE = 0x40002ECC, 0x400039D8, 0x40000F88, 0x40000FA8, 0x40003B30, 0x40003B8C
"""ets_delay_us, uart_div_modify, ets_isr_attach, ets_isr_unmask, uart_tx_one_char, uart_rx_one_char."""
UART: Final = 0x60000000
CONF1, ENABLED, CLEAR = 0x24, 0x0C, 0x10
RX_FULL: Final = 1
_RELATIVE: Final = frozenset(("j", "beqz", "bnez", "beqi", "beq"))

Line = tuple[Any, ...] | str


def greeter(
    greeting: int,
    known: dict[bytes, int],
    other: int,
    *,
    divider: int = 451,
    delay_us: int = 100_000,
    start: int = START,
) -> tuple[bytes, int]:
    """Code and entry of a program that waits, sets its rate, and prints the text at `greeting`.

    It echoes what it receives. A line of up to four letters in `known` is answered by the text at that address, any
    other line that is not empty by the text at `other`. Texts end with a zero byte.
    """
    return assemble([
        "entry",
        ("l32r", 2, delay_us), ("l32r", 0, DELAY), ("callx0", 0),
        ("movi", 2, 0), ("movi", 3, divider), ("l32r", 0, DIVIDE), ("callx0", 0),
        ("l32r", 2, greeting), ("call", "print"),
        ("movi", 2, 5), ("l32r", 3, "receive"), ("movi", 4, 0), ("l32r", 0, ATTACH), ("callx0", 0),
        ("l32r", 3, UART), ("movi", 2, RX_FULL), ("s32i", 2, 3, CONF1), ("s32i", 2, 3, ENABLED), ("memw",),
        ("movi", 2, 1 << 5), ("l32r", 0, UNMASK), ("callx0", 0),
        "wait",
        ("waiti", 0), ("j", "wait"),
        "receive",  # the handler of the UART's interrupt
        ("addi", 1, 1, -16), ("s32i", 0, 1, 0), ("s32i", 12, 1, 4), ("s32i", 13, 1, 8),
        ("l32r", 3, LINE), ("l32i", 12, 3, 0),
        "next",
        ("addi", 2, 1, 12), ("l32r", 0, TAKE), ("callx0", 0), ("bnez", 2, "taken"),
        ("l8ui", 13, 1, 12), ("or", 2, 13, 13), ("l32r", 0, SEND), ("callx0", 0),
        ("beqi", 13, 10, "line"), ("movi", 3, 13), ("beq", 13, 3, "next"),
        ("slli", 12, 12, 8), ("or", 12, 12, 13), ("j", "next"),
        "line",
        ("beqz", 12, "next"),
        *[step for word, text in known.items() for step in _answer(word, text)],
        ("l32r", 2, other),
        "say",
        ("movi", 12, 0), ("call", "print"), ("j", "next"),
        "taken",
        ("l32r", 3, LINE), ("s32i", 12, 3, 0), ("l32r", 3, UART), ("movi", 2, RX_FULL), ("s32i", 2, 3, CLEAR),
        ("l32i", 0, 1, 0), ("l32i", 12, 1, 4), ("l32i", 13, 1, 8), ("addi", 1, 1, 16), ("ret",),
        "print",
        ("addi", 1, 1, -16), ("s32i", 0, 1, 0), ("s32i", 12, 1, 4), ("or", 12, 2, 2),
        "letter",
        ("l8ui", 2, 12, 0), ("beqz", 2, "printed"), ("l32r", 0, SEND), ("callx0", 0), ("addi", 12, 12, 1),
        ("j", "letter"),
        "printed",
        ("l32i", 0, 1, 0), ("l32i", 12, 1, 4), ("addi", 1, 1, 16), ("ret",),
    ], start)  # fmt: skip


def _answer(word: bytes, text: int) -> list[Line]:
    after = f"not {word!r}"
    return [
        ("l32r", 3, int.from_bytes(word, "big")), ("l32r", 2, text), ("beq", 12, 3, "say"), after,
    ]  # fmt: skip


def assemble(lines: list[Line], start: int = START) -> tuple[bytes, int]:
    """Machine code and its entry, the first instruction; before it lie the literals.

    A text is a label, and lies at a multiple of 4. `("l32r", register, value)` loads a literal, which may be a label's
    name; `("call", label)` calls.
    """
    literals = list(dict.fromkeys(line[2] for line in lines if line[0] == "l32r"))
    entry = start + 4 * len(literals)
    labels: dict[str, int] = {}
    for _ in range(2):
        code = b""
        for line in lines:
            if isinstance(line, str):
                code += _filling(len(code))
                labels[line] = entry + len(code)
            else:
                code += _encode(line, entry + len(code), labels, start, literals)
    words = [labels[value] if isinstance(value, str) else value for value in literals]
    return struct.pack(f"<{len(words)}I", *words) + code, entry


def _filling(length: int) -> bytes:
    """Instructions that do nothing, up to a multiple of 4."""
    return {0: b"", 1: asm("nop"), 2: asm("nop.n"), 3: asm("nop") + asm("nop.n")}[length % 4]


def _encode(line: tuple[Any, ...], at: int, labels: dict[str, int], start: int, literals: list[Any]) -> bytes:
    name, *operands = line
    if name == "l32r":
        return asm(name, operands[0], start + 4 * literals.index(operands[1]) - (at + 3 & ~3))
    if name == "call":
        return asm("call0", labels.get(operands[0], at & ~3) - (at & ~3))
    if name in _RELATIVE:
        return asm(name, *operands[:-1], labels.get(operands[-1], at + 4) - at)
    return asm(name, *operands)
