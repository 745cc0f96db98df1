"""What one deliberate defect is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect that the named tests must notice."""

    name: str
    file: str
    """Path in the project, with slashes."""
    old: str
    """Text that occurs exactly once in the file."""
    new: str
    harm: str
    """What breaks for a user if nobody notices."""
    tests: tuple[str, ...]
    """pytest node ids, of which at least one must fail."""

    def why_not(self, root: Path = ROOT) -> str:
        """Why it cannot be applied; empty if it can."""
        path = root / self.file
        if not path.is_file():
            return f"{self.file} is not there"
        source = path.read_text(encoding="utf-8")
        count = source.count(self.old)
        if count != 1:
            return f"its text occurs {count} times in {self.file}"
        if path.suffix != ".py":
            return ""
        try:
            compile(source.replace(self.old, self.new), self.file, "exec")
        except SyntaxError as error:
            return f"the mutated {self.file} is no Python: {error}"
        return ""

    def missing_tests(self, root: Path = ROOT) -> list[str]:
        """Named tests that do not exist."""
        return [test for test in self.tests if not _exists(test, root)]


def _exists(test: str, root: Path) -> bool:
    file, _, function = test.partition("::")
    path = root / file
    name = function.partition("[")[0]
    return path.is_file() and (not name or f"def {name}(" in path.read_text(encoding="utf-8"))
