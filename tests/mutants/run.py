"""Put each defect of the table into a copy of the project and see whether its tests notice.

    python tests/mutants/run.py [NAME...] [--jobs N] [--limit SECONDS]

First the same tests run on an unchanged copy: a test that fails anyway proves nothing. NAME may be a pattern, such as
`stub2-*`. Ends with 1 if a mutant survives or does not apply.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.mutants.mutant import Mutant  # noqa: E402  found by the line above
from tests.mutants.table import MUTANTS  # noqa: E402

LIMIT_S: Final = 90.0
"""Longest that the tests of one mutant may take; one that hangs them is noticed as well."""
_BESIDE: Final = {"FLASHPIPE_IMAGES": "images", "FLASHPIPE_GOLDEN": "golden"}
"""Folders that tests look for beside the checkout, where the copies are not."""
_PYTEST: Final = (sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider")
_ALL_PASSED, _SOME_FAILED = 0, 1
_clock = count(int(time.time()), 2)
"""Times for changed files: Python takes a compiled file for current if second and size agree."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant."""

    mutant: Mutant
    state: str
    """killed, survived, or not applicable."""
    how: str
    seconds: float = 0.0


@dataclass
class Copy:
    """A copy of the project in which one worker changes files."""

    folder: Path
    limit_s: float
    environment: dict[str, str] = field(default_factory=dict)

    def make(self) -> None:
        """Copy what git knows or would add; tests run in the copy import from it and from nowhere else."""
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        for name in os.fsdecode(listed.stdout).split("\0"):
            source = ROOT / name
            if name and source.is_file():
                target = self.folder / "project" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        beside = {name: str(ROOT.parent / "shared" / folder) for name, folder in _BESIDE.items()}
        project = self.folder / "project"
        path = os.pathsep.join((str(project / "pipeline"), str(project)))
        self.environment = {**beside, **os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)}
        question = [sys.executable, "-c", "import flashpipe; print(flashpipe.__file__)"]
        found = subprocess.run(
            question, cwd=temporary, env=self.environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        if not Path(found).is_relative_to(project):
            raise SystemExit(f"the copy in {project} is not what Python imports, but {found}")

    def test(self, tests: Iterable[str]) -> tuple[int | None, str]:
        """Status of pytest, None past the time limit, and what it printed."""
        process = subprocess.Popen(
            [*_PYTEST, *tests],
            cwd=self.folder / "project",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=self.limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return None, ""
        return process.returncode, said

    def judge(self, mutant: Mutant) -> Result:
        """Apply a mutant, run its tests, take it back."""
        why_not = mutant.why_not(self.folder / "project")
        if why_not:
            return Result(mutant, "not applicable", why_not)
        path = self.folder / "project" / mutant.file
        original = path.read_text(encoding="utf-8")
        started = time.monotonic()
        try:
            _put(path, original.replace(mutant.old, mutant.new))
            status, said = self.test(mutant.tests)
        finally:
            _put(path, original)
        state, how = _verdict(status, said)
        return Result(mutant, state, how, time.monotonic() - started)


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    moment = next(_clock)
    os.utime(path, (moment, moment))


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own: the boards it started go too
    process.communicate()


def _verdict(status: int | None, said: str) -> tuple[str, str]:
    last = said.strip().splitlines()[-1] if said.strip() else ""
    if status is None:
        return "killed", "the tests do not end"
    if status == _SOME_FAILED:
        failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return "killed", failed[0].split(" - ")[0].split(" ", 1)[1] if failed else last
    if status == _ALL_PASSED:
        return "survived", "no test was run: all skipped" if " passed" not in last else last
    return "not applicable", f"pytest ended with {status}: {last}"


def chosen(patterns: Sequence[str]) -> list[Mutant]:
    """The mutants of that name, or that fit the patterns."""
    if not patterns:
        return list(MUTANTS)
    unknown = [text for text in patterns if not any(fnmatch.fnmatch(mutant.name, text) for mutant in MUTANTS)]
    if unknown:
        raise SystemExit(f"no mutant fits {', '.join(unknown)}")
    return [mutant for mutant in MUTANTS if any(fnmatch.fnmatch(mutant.name, text) for text in patterns)]


def check_unchanged(copies: Sequence[Copy], mutants: Sequence[Mutant]) -> str:
    """What fails without any mutant; empty if nothing does."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    said: list[str] = []

    def run(copy: Copy, share: list[str]) -> None:
        status, text = copy.test(share) if share else (_ALL_PASSED, "")
        if status != _ALL_PASSED:
            said.append(text or "the tests do not end")

    limits = [copy.limit_s for copy in copies]
    for copy in copies:
        copy.limit_s = 600.0
    threads = [
        threading.Thread(target=run, args=(copy, tests[number :: len(copies)])) for number, copy in enumerate(copies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for copy, limit_s in zip(copies, limits, strict=True):
        copy.limit_s = limit_s
    return "\n".join(said)


def run_all(copies: Sequence[Copy], mutants: Sequence[Mutant]) -> list[Result]:
    """Judge every mutant, as many at a time as there are copies; each is reported as it is known."""
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    results: list[Result] = []

    def work(copy: Copy) -> None:
        while True:
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            result = copy.judge(mutant)
            results.append(result)
            say(f"{result.state:<14} {mutant.name:<34} {result.seconds:5.1f} s  {result.how}")

    threads = [threading.Thread(target=work, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)  # noqa: T201  a command's output


def main() -> int:
    """Run the command line; its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants or patterns; all of them if none is named")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="copies at work at once")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for the tests of one mutant")
    arguments = parser.parse_args()
    mutants = chosen(arguments.names)
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as temporary:
        copies = [
            Copy(Path(temporary) / str(number), arguments.limit)
            for number in range(min(max(1, arguments.jobs), len(mutants)))
        ]
        for copy in copies:
            copy.make()
        failing = check_unchanged(copies, mutants)
        if failing:
            say(f"{failing}\nthese tests fail without any mutant: mend them first")
            return 1
        results = run_all(copies, mutants)
    bad = [result for result in results if result.state != "killed"]
    say(f"\n{len(results) - len(bad)} killed of {len(results)}")
    for result in bad:
        say(f"{result.state}: {result.mutant.name}, in {result.mutant.file}: {result.mutant.harm}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
