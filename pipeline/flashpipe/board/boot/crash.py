"""What a crash left in the boot log: number and name of the exception, and the addresses to look up.

Every firmware of this chip prints the same five registers, under three different headings (facts: esp8266 §2.5, and
the captures in tests/board/data).
"""

from __future__ import annotations

import re
from typing import Final

from flashpipe.values import dataclass

EXCEPTIONS: Final = {
    0: "IllegalInstruction",
    1: "Syscall",
    2: "InstructionFetchError",
    3: "LoadStoreError",
    4: "Level1Interrupt",
    5: "Alloca",
    6: "IntegerDivideByZero",
    8: "Privileged",
    9: "LoadStoreAlignment",
    12: "InstrPIFDataError",
    13: "LoadStorePIFDataError",
    14: "InstrPIFAddrError",
    15: "LoadStorePIFAddrError",
    16: "InstTLBMiss",
    17: "InstTLBMultiHit",
    18: "InstFetchPrivilege",
    20: "InstFetchProhibited",
    24: "LoadStoreTLBMiss",
    25: "LoadStoreTLBMultiHit",
    26: "LoadStorePrivilege",
    28: "LoadProhibited",
    29: "StoreProhibited",
}
"""Names of Xtensa's EXCCAUSE numbers: those of facts esp8266 §2.5 as the SDK spells them, the others from memory."""

_DATA_RAM: Final = range(0x3FFE8000, 0x40000000)
_CODE: Final = range(0x40100000, 0x40300000)
"""Instruction RAM and mapped flash, which take whole words only (facts: image-flashmap §4.1)."""
_DIVIDE_TRAP: Final = 0x4000DCE5
"""Where the ROM's division ends for a divisor of zero: an instruction that is none (published crashes)."""
_NULL: Final = range(0x1000)
_ILLEGAL, _FETCH, _LOAD_STORE, _DIVIDE, _UNALIGNED, _FETCH_PROHIBITED, _LOAD, _STORE = 0, 2, 3, 6, 9, 20, 28, 29

_REGISTERS: Final = ("epc1", "epc2", "epc3", "excvaddr", "depc")
_SPELT: Final = {"pc": "epc1", "va": "excvaddr", "vaddr": "excvaddr", "epcvaddr": "excvaddr"}
"""Other names: Mongoose OS, RTOS SDK, and a misprint of old SDKs."""
_REGISTER: Final = re.compile(
    r"\b(?P<name>epc[123]|e(?:xc|pc)?vaddr|depc|pc|va(?:ddr)?)\s*[=:]\s*(?:0x)?(?P<value>[0-9a-f]{8})\b", re.IGNORECASE
)
_EXCCAUSE: Final = re.compile(r"\bEXCCAUSE\s*:\s*0x(?P<value>[0-9a-f]{1,8})\b")
_REACH: Final = 700
"""Characters after the heading in which the registers stand; RTOS SDK prints EXCVADDR behind all the others."""
_GAP: Final = 120
"""Characters between two of them at most: what comes later belongs to something else."""


@dataclass(frozen=True, slots=True)
class Crash:
    """One exception. Addresses are those of the chip, None where the log does not give them."""

    number: int | None
    """EXCCAUSE; None where only a name was printed that is not known."""
    name: str
    """Such as LoadProhibited; empty where nobody knows."""
    epc1: int | None = None
    """Where the firmware was: the address to look up in its ELF."""
    epc2: int | None = None
    epc3: int | None = None
    excvaddr: int | None = None
    """The address it wanted to read or write."""
    depc: int | None = None

    def meaning(self) -> str:
        """What its number and addresses explain by themselves, whatever the flash holds; empty: nothing."""
        if self.number == _DIVIDE or (self.number == _ILLEGAL and self.epc1 == _DIVIDE_TRAP):
            return "it divided by zero"
        fetched = self.excvaddr if self.number in {_FETCH, _FETCH_PROHIBITED} else None
        if any(address in _DATA_RAM for address in (self.epc1, fetched) if address is not None):
            return "it jumped into data RAM, through a bad pointer"
        if fetched in _NULL:
            return "it called through a null pointer"
        return self._misused(self.excvaddr) if self.excvaddr is not None else ""

    def _misused(self, address: int) -> str:
        """What was wrong with the address that was read or written."""
        if self.number in {_LOAD, _STORE}:
            what = "a null pointer" if address in _NULL else "a bad pointer"
            return f"it {'read' if self.number == _LOAD else 'wrote'} through {what} ({address:#010x})"
        if self.number == _LOAD_STORE and address in _CODE:
            return f"it used {address:#010x} byte by byte, which takes whole words only"
        return f"it used {address:#010x}, which is not aligned" if self.number == _UNALIGNED else ""

    def __str__(self) -> str:
        """`exception 28 (LoadProhibited) at epc1=0x40243016, excvaddr=0x000000eb`."""
        number = "an exception" if self.number is None else f"exception {self.number}"
        name = f" ({self.name})" if self.name else ""
        told = [("epc1", self.epc1), ("excvaddr", self.excvaddr)]
        places = ", ".join(f"{register}={value:#010x}" for register, value in told if value is not None)
        return f"{number}{name}" + (f" at {places}" if places else "")


def read_crash(text: str, heading: re.Match[str]) -> Crash:
    """The crash whose heading was found in `text`, with the registers that follow it."""
    groups = heading.groupdict()
    name = (groups.get("name") or "").removesuffix("Cause")
    cause = groups.get("cause") or groups.get("number")
    number = int(cause) if cause else None
    if number is None and (told := _EXCCAUSE.search(text, heading.start(), heading.end() + _REACH)):
        number = int(told["value"], 16)
    if number is None:
        number = next((known for known, spelt in EXCEPTIONS.items() if spelt == name), None)
    values: dict[str, int] = {}
    last = heading.end()
    for register in _REGISTER.finditer(text, heading.start(), heading.end() + _REACH):
        spelt = register["name"].lower()
        name_of = _SPELT.get(spelt, spelt)
        if name_of in values or register.start() - last > _GAP:
            break  # the next crash, or something else
        values[name_of] = int(register["value"], 16)
        last = register.end()
    registers = {register: values.get(register) for register in _REGISTERS}
    return Crash(number, name or EXCEPTIONS.get(number if number is not None else -1, ""), **registers)
