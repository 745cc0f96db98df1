"""One handler for each operation, for the interpreter: `(core, instruction, pc) -> address of the next instruction`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flashpipe.sim.cpu.contract import MASK, PS_EXCM, PS_INTLEVEL, Cause
from flashpipe.sim.cpu.decode import ILLEGAL, SPECIAL_REGISTERS, Instruction
from flashpipe.sim.cpu.execution import RunningCore, Trap
from flashpipe.sim.cpu.semantics import COMPUTE, CONDITION, LOADS, STORES
from flashpipe.sim.cpu.special import read_special, write_special

Handler = Callable[[RunningCore, Instruction, int], int]

_NARROW: Final = 2
"""Bytes of a narrow instruction."""
_FIELDS: Final = {"r": "R[r]", "s": "R[s]", "t": "R[t]", "imm": "imm", "imm2": "imm2"}


def _compile_templates() -> dict[str, Handler]:
    """Handlers of what `semantics` describes."""
    lines = []
    opening = "def {}(core, i, pc):\n _, length, r, s, t, imm, imm2 = i\n R = core.registers\n"
    for name, template in COMPUTE.items():
        body = template.format(**_FIELDS).replace("SAR", "core.sar[0]")
        lines.append(f"{opening.format('op_' + name)} {body}\n return pc + length & M\n")
    for name, template in CONDITION.items():
        lines.append(
            f"{opening.format('op_' + name)} return imm if {template.format(**_FIELDS)} else pc + length & M\n"
        )
    namespace: dict[str, Any] = {"M": MASK}
    exec(compile("\n".join(lines), "<handlers>", "exec"), namespace)  # noqa: S102  the tables of semantics.py
    return {name: namespace[f"op_{name}"] for name in (*COMPUTE, *CONDITION)}


def _load(core: RunningCore, i: Instruction, pc: int) -> int:
    value = core.load(core.registers[i.s] + i.imm & MASK, LOADS[i.operation], pc)
    if i.operation == "l16si":
        value = (value ^ 0x8000) - 0x8000 & MASK
    core.registers[i.t] = value
    return pc + i.length & MASK


def _store(core: RunningCore, i: Instruction, pc: int) -> int:
    core.store(core.registers[i.s] + i.imm & MASK, STORES[i.operation], core.registers[i.t], pc)
    return pc + i.length & MASK


def _l32r(core: RunningCore, i: Instruction, pc: int) -> int:
    address = i.imm
    if core.state.litbase & 1:
        # Extended L32R: the same offset, from LITBASE.
        address = (core.state.litbase & ~0xFFF) + address - (pc + 3 & ~3) & MASK
    core.registers[i.t] = core.load(address, 4, pc)
    return pc + i.length & MASK


def _j(_core: RunningCore, i: Instruction, _pc: int) -> int:
    return i.imm


def _jx(core: RunningCore, i: Instruction, _pc: int) -> int:
    return core.registers[i.s]


def _ret(core: RunningCore, _i: Instruction, _pc: int) -> int:
    return core.registers[0]


def _call0(core: RunningCore, i: Instruction, pc: int) -> int:
    core.registers[0] = pc + i.length & MASK
    return i.imm


def _callx0(core: RunningCore, i: Instruction, pc: int) -> int:
    target = core.registers[i.s]
    core.registers[0] = pc + i.length & MASK
    return target


def _rsr(core: RunningCore, i: Instruction, pc: int) -> int:
    core.registers[i.t] = _read(core, i.imm)
    return pc + i.length & MASK


def _wsr(core: RunningCore, i: Instruction, pc: int) -> int:
    _write(core, i.imm, core.registers[i.t])
    return pc + i.length & MASK


def _xsr(core: RunningCore, i: Instruction, pc: int) -> int:
    value = _read(core, i.imm)
    _write(core, i.imm, core.registers[i.t])
    core.registers[i.t] = value
    return pc + i.length & MASK


def _read(core: RunningCore, number: int) -> int:
    name = SPECIAL_REGISTERS[number]
    if name == "sar":
        return core.sar[0]
    core.publish_time()
    return read_special(core.state, name)


def _write(core: RunningCore, number: int, value: int) -> None:
    name = SPECIAL_REGISTERS[number]
    if name == "sar":
        core.sar[0] = value & 63
        return
    core.publish_time()
    write_special(core.state, name, value)
    core.attend()
    if name == "litbase":
        core.litbase_changed()


def _rsil(core: RunningCore, i: Instruction, pc: int) -> int:
    core.registers[i.t] = core.state.ps
    core.state.ps = core.state.ps & ~PS_INTLEVEL | i.s
    core.attend()
    return pc + i.length & MASK


def _waiti(core: RunningCore, i: Instruction, pc: int) -> int:
    core.state.ps = core.state.ps & ~PS_INTLEVEL | i.s
    core.state.waiting = 1
    core.attend()
    return pc + i.length & MASK


def _rfe(core: RunningCore, _i: Instruction, _pc: int) -> int:
    core.state.ps &= ~PS_EXCM
    core.attend()
    return core.state.epc1


def _rfde(core: RunningCore, _i: Instruction, _pc: int) -> int:
    return core.state.depc


def _rfi(core: RunningCore, i: Instruction, _pc: int) -> int:
    state = core.state
    core.attend()
    state.ps, pc = (state.eps2, state.epc2) if i.s == 2 else (state.eps3, state.epc3)  # noqa: PLR2004
    return pc


def _break(core: RunningCore, i: Instruction, pc: int) -> int:
    return core.debug_exception(pc, narrow=i.length == _NARROW)


def _ill(_core: RunningCore, _i: Instruction, pc: int) -> int:
    raise Trap(Cause.ILLEGAL_INSTRUCTION, pc)


def _syscall(_core: RunningCore, _i: Instruction, pc: int) -> int:
    raise Trap(Cause.SYSCALL, pc)


def _external(core: RunningCore, i: Instruction, pc: int) -> int:
    """RER and WER: external registers, of which this chip documents none; read as 0."""
    if i.operation == "rer":
        core.registers[i.t] = 0
    return pc + i.length & MASK


def _tlb(core: RunningCore, i: Instruction, pc: int) -> int:
    """Region protection: the attributes are kept, nothing is protected. `imm2` is 1 for data."""
    state, region = core.state, core.registers[i.s] & 0xE0000000
    shift = (region >> 29) * 4
    name = ("itlb", "dtlb")[i.imm2]
    attributes: int = getattr(state, name)
    if i.operation == "wtlb":
        setattr(state, name, attributes & ~(0xF << shift) | (core.registers[i.t] & 0xF) << shift)
    elif i.operation != "itlb":
        bits = {"rtlb0": 0, "rtlb1": attributes >> shift & 0xF, "ptlb": 1}[i.operation]
        core.registers[i.t] = region | bits
    return pc + i.length & MASK


HANDLERS: Final[dict[str, Handler]] = {
    **_compile_templates(),
    **dict.fromkeys(LOADS, _load),
    **dict.fromkeys(STORES, _store),
    "l32r": _l32r, "j": _j, "jx": _jx, "ret": _ret, "call0": _call0, "callx0": _callx0, "rsr": _rsr, "wsr": _wsr,
    "xsr": _xsr, "rsil": _rsil, "waiti": _waiti, "rfe": _rfe, "rfde": _rfde, "rfi": _rfi, "break": _break,
    ILLEGAL: _ill, "syscall": _syscall, "rer": _external, "wer": _external,
    "rtlb0": _tlb, "rtlb1": _tlb, "ptlb": _tlb, "itlb": _tlb, "wtlb": _tlb,
}  # fmt: skip
"""By operation of `Instruction`."""
