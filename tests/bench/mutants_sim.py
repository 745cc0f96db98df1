"""Deliberate defects of the virtual board, each of which some test must notice.

    python tests/bench/mutants_sim.py [WORD]

The project is copied, one line changed at a time, and the named tests run until the first failure. A mutant that
survives, or whose line is no longer there, fails the run. WORD chooses the mutants whose text contains it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """One defect: in `file`, the first `old` becomes `new`; `tests` must notice."""

    about: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant("no NOR rule: programming sets bits", "nor.py", "if old.count(_BLANK) != len(data):", "if False:", "nor"),
    Mutant("page program does not wrap", "nor.py", "staged[offset % PAGE] = byte",
           "staged[min(offset, PAGE - 1)] = byte",
           "nor"),
    Mutant("write-enable not needed", "nor.py", "elif self.write_enabled:", "elif True:", "nor"),
    Mutant("protect bits ignored", "nor.py", "if end > limit:", "if False:", "nor stub"),
    Mutant("a sector erase takes two", "nor.py", "size=SECTOR))", "size=2 * SECTOR))", "nor"),
    Mutant("no address wrap", "nor.py", "at = address % self.size\n", "at = min(address, self.size - length)\n", "nor"),
    Mutant("SFDP names half the size", "nor.py", "self.part.size * 8 - 1", "self.part.size * 4 - 1", "nor"),
    Mutant("SYNC answered seven times by the ROM", "rom.py", "for _ in range(8):", "for _ in range(7):", "rom"),
    Mutant("SYNC answered seven times by stub 2", "stub2.py", "for _ in range(7):", "for _ in range(6):", "stub"),
    Mutant("ROM does not check the checksum", "rom.py", "if check != xor_checksum(body):", "if False:", "rom"),
    Mutant("ROM without its erase bug", "rom.py", "for _ in range(min(count, 16 - first % 16)):", "for _ in range(0):",
           "rom"),
    Mutant("ROM does not read back", "rom.py", 'b"\\0\\0" if same else b"\\x01\\x08"', 'b"\\0\\0"', "rom"),
    Mutant("ROM takes unknown commands",
           "rom.py", "yield from self._say(opcode, INVALID)\n            return\n        for",
           "yield from self._say(opcode)\n            return\n        for", "rom"),
    Mutant("flash visible before it is attached", "registers.py", "if not self.attached:", "if False:", "rom"),
    Mutant("mask of WRITE_REG ignored", "rom.py", "if mask != 0xFFFFFFFF:", "if False:", "rom"),
    Mutant("stub 2 does not check the checksum of DATA", "stub2.py",
           "self._status = BAD_CHECKSUM\n            self._after = lambda: self._write(",
           "pass\n            self._after = lambda: self._write(", "stub"),
    Mutant("stub 2 forgets late errors", "stub2.py", "self._late = self._status", "self._late = 0", "golden stub"),
    Mutant("stub 2 executes the command that gets a late error", "stub2.py",
           "yield from self._answer(opcode, late)\n            return", "yield from self._answer(opcode, late)",
           "golden"),
    Mutant("stub 2 erases blank sectors too", "stub2.py", "if self.nor.is_blank(self._erase_at, SECTOR):", "if False:",
           "stub"),
    Mutant("stub 2 goes on skipping after a dirty sector", "stub2.py", "self._dirty = True\n", "pass\n", "stub"),
    Mutant("stub 2 writes what does not belong to the job", "stub2.py", "body[: self._left]", "body", "stub golden"),
    Mutant("digest off by one byte", "stub2.py", "self.nor.digest(address, size)", "self.nor.digest(address + 1, size)",
           "stub golden"),
    Mutant("stub 2 has no erase budget", "stub2.py", "if left or self.nor.busy_until > deadline:", "if False:", "stub"),
    Mutant("stub 2 honours the old rate", "stub2.py", "self.uart.divider * _BAUD_BEFORE // new",
           "self.uart.divider * int(self.uart.baud) // new", "stub"),
    Mutant("stub 2 leaves at END", "stub2.py", "            self._close_flash()\n        yield 0.0",
           "            self._close_flash()\n            self._outcome = Outcome('reset')\n        yield 0.0",
           "stub golden"),
    Mutant("read packets sent without waiting", "stub2.py", "left - count, True", "left - count, False", "stub golden"),
    Mutant("stub 1 does not erase one sector ahead", "stub1.py", "self._erase_sector <= last:",
           "self._erase_sector < last:",
           "board stub"),
    Mutant("stub 1 does not unlock", "stub1.py", "self.nor.write_enabled = True\n", "pass\n", "stub"),
    Mutant("stub 1 shows late errors at once", "stub1.py", "status = self._last_error", "status = 0", "stub"),
    Mutant("stub 1 erases 64 KB where exactly 64 KB remain", "stub1.py", "left > BLOCK", "left >= BLOCK", "stub"),
    Mutant("SYNC of stub 1 has the ROM's value", "stub1.py", "HEADER.pack(1, 0x08, 2, 0)", "HEADER.pack(1, 0x08, 2, 7)",
           "stub"),
    Mutant("a stray delimiter heals by itself", "slip.py", "if not self._frame and self.rules.restart_when_empty:",
           "if not self._frame:", "slip golden"),
    Mutant("stub 2 hears while a frame waits", "slip.py", "self.rules.deaf_until_taken and self.pending is not None",
           "False", "slip golden"),
    Mutant("escapes decoded the wrong way round", "slip.py",
           "body.replace(_ESCAPED_END, _END).replace(_ESCAPED_ESCAPE, _ESCAPE)",
           "body.replace(_ESCAPED_ESCAPE, _ESCAPE).replace(_ESCAPED_END, _END)", "slip"),
    Mutant("work costs no time", "loader.py", "self._resume_at = None if want is None else self.now + want",
           "self._resume_at = None if want is None else self.now", "timing"),
    Mutant("any rate is understood", "wire.py", "if understood(sent, heard):", "if True:", "board stub"),
    Mutant("DTR does not reach GPIO0", "board.py", "self.spec.wired and self._dtr and not self._rts", "False", "board"),
    Mutant("RTS does not reset", "board.py", "if rts and not dtr:", "if False:", "board"),
)  # fmt: skip


def survives(mutant: Mutant, copy: Path) -> bool | None:
    """Whether the tests pass with the defect; None where the line is not there."""
    file = copy / "pipeline" / "sim" / mutant.file
    good = file.read_text(encoding="utf-8")
    if mutant.old not in good:
        return None
    file.write_text(good.replace(mutant.old, mutant.new, 1), encoding="utf-8")
    tests = [f"tests/sim/test_{name}.py" for name in mutant.tests.split()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "FLASHPIPE_GOLDEN": os.environ.get("FLASHPIPE_GOLDEN", str(ROOT.parent / "shared" / "golden")),
    }
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        return False  # a board that hangs is noticed, too
    finally:
        file.write_text(good, encoding="utf-8")
    return done.returncode == 0


def main() -> int:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if wanted in mutant.about]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        copy = Path(name) / "project"
        for part in ("pipeline", "tests", "profiles"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for mutant in chosen:
            result = survives(mutant, copy)
            if result is not False:
                bad += 1
                print(f"{'SURVIVES' if result else 'LINE GONE'}: {mutant.about} ({mutant.file})", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} defects noticed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
