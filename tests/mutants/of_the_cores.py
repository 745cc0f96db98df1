"""Deliberate defects of the two cores: each makes the virtual board execute another program than the real one."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

CPU, TESTS = "pipeline/flashpipe/sim/cpu", "tests/sim/cpu"
C, CONTRACT, DECODE, SEMANTICS = f"{CPU}/core.c", f"{CPU}/contract.py", f"{CPU}/decode.py", f"{CPU}/semantics.py"
EXECUTION, PYTHON, TRANSLATE = f"{CPU}/execution.py", f"{CPU}/python_core.py", f"{CPU}/translate.py"
TRANSLATIONS, COMPILER, FOLDER, START = (
    f"{CPU}/translations.py", f"{CPU}/compiler.py", f"{CPU}/private_folder.py", f"{CPU}/start.py"
)  # fmt: skip
T_QEMU, T_STEP = f"{TESTS}/test_against_qemu.py", f"{TESTS}/test_lockstep.py"
T_CONTRACT, T_EXCEPTIONS, T_INSTRUCTIONS = (
    f"{TESTS}/test_contract.py", f"{TESTS}/test_exceptions.py", f"{TESTS}/test_instructions.py"
)  # fmt: skip
T_TRANSLATIONS, T_COMPILER, T_ONLOOKERS = (
    f"{TESTS}/test_translations.py", f"{TESTS}/test_compiler.py", f"{TESTS}/test_onlookers.py"
)  # fmt: skip

CORES: Final = (
    Mutant(
        "core-subx-adds", SEMANTICS, '"subx4": "{r} = ({s} << 2) - {t} & M"', '"subx4": "{r} = ({s} << 2) + {t} & M"',
        "Python's core computes another address than the chip", (T_QEMU, T_INSTRUCTIONS),
    ),
    Mutant(
        "core-c-subx-adds", C, "COMPUTE(OP_SUBX4, R = (S << 2) - T)", "COMPUTE(OP_SUBX4, R = (S << 2) + T)",
        "the core in C computes another address than the chip", (T_QEMU, T_INSTRUCTIONS),
    ),
    Mutant(
        "core-c-unsigned-compare", C, "BRANCH(OP_BLT, SIGNED(S) < SIGNED(T))", "BRANCH(OP_BLT, S < T)",
        "loops over negative numbers end elsewhere", (T_INSTRUCTIONS, T_STEP),
    ),
    Mutant(
        "core-reserved-bits-execute", DECODE, '2: "nop" if s == 0 and t in _SYNCS else None', '2: "nop"',
        "garbage runs on in the virtual board where the chip raises exception 0", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-c-reserved-bits-execute", C, "if ((op == OP_SRL || op == OP_SRA) && s) return OP_ILL;", "",
        "garbage runs on in the virtual board where the chip raises exception 0", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-bytes-from-flash", EXECUTION,
        "            if size != WORD:\n                raise Trap(Cause.LOAD_STORE_ERROR, pc, address)\n", "",
        "a program that reads bytes of its flash runs here and crashes on the chip", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-c-bytes-from-flash", C, "if (bytes != 4 && address - ROM_START < BUS_SIZE) FAULT(LOAD_STORE_ERROR)", "",
        "a program that reads bytes of its flash runs here and crashes on the chip", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-excvaddr-lost", EXECUTION, "            state.excvaddr = trap.address\n", "            pass\n",
        "crash dumps name the wrong address", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-interrupt-in-exception", EXECUTION, "and not level and not state.ps & PS_EXCM:", "and not level:",
        "an interrupt destroys EPC1 of the exception that is being handled", (T_EXCEPTIONS, T_STEP),
    ),
    Mutant(
        "core-c-levels-cleared", C, "CLEARABLE_MASK = 0x3F80", "CLEARABLE_MASK = 0x3FFF",
        "a program clears what a device still asks for, and waits forever", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-timer-at-once", CONTRACT, "(self.ccompare0 - (now + self.ccount_offset) - 1 & MASK) + 1",
        "self.ccompare0 - (now + self.ccount_offset) & MASK",
        "CCOMPARE0 interrupts at once where the chip waits for a lap", (T_EXCEPTIONS,),
    ),
    Mutant(
        "core-fast-counts-single", CONTRACT, "return self.cycles << self.fast | self.half", "return self.cycles",
        "CCOUNT runs at 80 MHz where the program has set 160", (T_CONTRACT,),
    ),
    Mutant(
        "core-c-half-a-cycle-is-lost", C, "x->half = (u32)now & fast;", "x->half = 0;",
        "at 160 MHz the two cores tell different times", (T_CONTRACT, T_STEP),
    ),
    Mutant(
        "flash-sleeps-on", "pipeline/flashpipe/sim/machine.py", "self.nor.powered_down = False", "pass",
        "NodeMCU 3.0 never comes back from deep sleep",
        ("tests/sim/test_machine.py::test_a_flash_that_sleeps_is_awake_after_each_reset",),
    ),
    Mutant(
        "board-never-calm", "pipeline/flashpipe/sim/waiting.py", "        if calm:", "        if False:",
        "a board at its prompt costs three times what it may", ("tests/sim/test_waiting.py",),
    ),
    Mutant(
        "core-block-over-the-horizon", EXECUTION, "self.limit[:] = due - MARGIN, due", "self.limit[:] = due, due",
        "Python's core is late for events, and the two cores tell different stories", (T_STEP, T_ONLOOKERS),
    ),
    Mutant(
        "core-stale-code", PYTHON, "        if self._read[at >> 2]:\n", "        if False:\n",
        "a program that loads code into RAM executes what was there before", (T_CONTRACT,),
    ),
    Mutant(
        "core-c-stale-code", C, "    forget(core->iram_code, IRAM_SIZE, at < 2 ? 0 : at - 2, at + 4);\n", "",
        "a program that loads code into RAM executes what was there before", (T_CONTRACT,),
    ),
    Mutant(
        "core-stale-literals", TRANSLATIONS,
        "    pieces += [(line.instruction.imm, WORD) for line in trace.lines if line.literal is not None]\n", "",
        "a constant that was flashed anew keeps its old value", (T_CONTRACT,),
    ),
    Mutant(
        "core-window-unchecked", TRANSLATE, "low, high = start - min(self.offsets), end - 4 - max(self.offsets)",
        "low, high = start, end - 4",
        "an access past the end of RAM reaches other memory instead of an exception",
        (T_STEP, f"{T_TRANSLATIONS}::test_words_at_the_ends_of_memory"),
    ),
    Mutant(
        "core-register-not-written-back", TRANSLATE,
        "_write_back(self.changed if self.loops else changed, indent + depth)",
        "_write_back(changed, indent + depth)",
        "registers of hot loops have old values", (T_STEP, T_ONLOOKERS, T_INSTRUCTIONS),
    ),
    Mutant(
        "core-device-fault-swallowed", f"{CPU}/c_core.py",
        "                context.access = 0\n                raise\n", "                context.failed = 1\n",
        "a register that is not there passes for one, in silence", (T_CONTRACT,),
    ),
    Mutant(
        "translations-of-strangers", TRANSLATIONS, "if path is None or not is_ours_alone(path):", "if path is None:",
        "whoever can write the cache has his code executed", (T_TRANSLATIONS,),
    ),
    Mutant(
        "translations-damaged", TRANSLATIONS, "    if _DIGEST(body).digest() != digest:\n        return {}\n", "",
        "a file cut short by a full disk crashes every later start", (T_TRANSLATIONS,),
    ),
    Mutant(
        "cores-of-strangers", FOLDER, "return folder if is_ours_alone(folder) else None", "return folder",
        "whoever can write the cache has his code executed", (T_COMPILER,),
    ),
    Mutant(
        "core-compiled-where-python-was-asked-for", START, '    if wanted == "python":\n', '    if wanted == "c":\n',
        "FLASHPIPE_CORE does nothing", (T_COMPILER,),
    ),
    Mutant(
        "compiling-fails-every-time", COMPILER, "    if not again and (reason := _recall(failure)):",
        "    if not again and (reason := None):",
        "every command starts a compiler that fails, and says so", (T_COMPILER,),
    ),
    Mutant(
        "core-reset-turns-the-clock-back", CONTRACT,
        "self.cycles = self.horizon = cycles", "self.cycles = self.horizon = 0",
        "after a restart the board's time begins anew", (T_CONTRACT,),
    ),
)  # fmt: skip
