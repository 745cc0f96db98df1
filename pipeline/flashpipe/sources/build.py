"""Images that a command makes: a NodeMCU source tree's `make`, its Docker image, or anything else.

A build counts only once it has succeeded: before the command starts, the stamp of the last success is removed, and the
new one, with the digests of all outputs, is written after it. So what a failed or killed build left lying about is
never taken, and a split pair always comes out of one build.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO, Final

from flashpipe.errors import (
    BuildDueError,
    BuildError,
    BuildInputsError,
    BuildOutputError,
    PipelineError,
    RecordError,
    SourceError,
    StoppedError,
)
from flashpipe.files import make_parents, read_json, read_regular, sayable, sync_folder, write_atomic
from flashpipe.lazy import subprocess
from flashpipe.locks import exclusive
from flashpipe.masking import mask
from flashpipe.processes import ending
from flashpipe.sources.build_log import TAIL_LINES, half_masked, heading, mask_log, shorten, tail, warnings
from flashpipe.sources.build_remains import Remains, State, state_of
from flashpipe.sources.cache import Cache
from flashpipe.sources.file_patterns import fits, matching_files
from flashpipe.units import format_address
from flashpipe.values import dataclass

BUSY_S: Final = 1800.0
"""Longest wait for another build in the same folder; NodeMCU with its tool chain takes minutes."""
POLL_S: Final = 0.1
KILL_S: Final = 3.0
"""How long a build that is told to stop may take to end; well under what a stop of the whole run waits."""
LARGEST: Final = 256 * 1024 * 1024
"""Bytes of an output: more than any image or archive of images has."""
_SHOWN: Final = ("PATH", "CC", "CFLAGS", "CXXFLAGS", "LDFLAGS", "MAKEFLAGS", "DOCKER_HOST", "VIRTUAL_ENV")
"""Variables that decide most builds; the rest of the environment stands in the log."""


@dataclass(frozen=True, slots=True)
class Build:
    """What to run where, and what comes out of it."""

    command: str | tuple[str, ...]
    """A string is the shell's, of the user's platform; a list is run as it is."""
    folder: Path
    outputs: tuple[tuple[int, str], ...]
    """Flash address and path or pattern, relative to `folder`; sorted by address."""
    inputs: tuple[str, ...] = ()
    """Patterns relative to `folder`; empty: the command itself knows what it depends on, and always runs."""

    @property
    def key(self) -> str:
        """The name of its records: another command, folder or set of outputs is another build."""
        return _key(self.command, str(self.folder), self.outputs)

    @property
    def outputs_key(self) -> str:
        """The same, whatever the command."""
        return _key(str(self.folder), self.outputs)

    def __str__(self) -> str:
        text = self.command if isinstance(self.command, str) else " ".join(self.command)
        line = " ".join(text.split())
        return line if len(line) <= 72 else f"{line[:69]}..."  # noqa: PLR2004  a message is one line


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """One file of a finished build."""

    path: str
    """Relative to the build's folder."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A build that succeeded."""

    outputs: Mapping[int, BuildOutput]
    """By flash address."""
    at: float
    """When it ended, seconds since the epoch."""
    seconds: float
    warnings: tuple[str, ...] = ()
    """What its compilers warned of, with the lines that they showed."""


def run_build(
    build: Build, records: Path, *, stop: Event | None = None, on_line: Callable[[str], None] | None = None
) -> Finished:
    """Run the command and note what it made. `on_line` is told the last line of its output now and then.

    Raises:
        BuildError: it cannot be started or fails; the message has its last lines.
        BuildOutputError: it succeeds, and an output is not there.
        FetchBusyError: another process builds in the folder.
        StoppedError: `stop` was set; the command and its children were ended.
        RecordError: `records` cannot be written.
    """
    if not build.folder.is_dir():
        raise BuildError(f"build: there is no folder {build.folder}", "correct `folder:` of `firmware.build`")
    report = on_line or (lambda _line: None)
    with undisturbed(build, BUSY_S, lambda: report("waits for another build in that folder")):
        stamp = _stamp(build, records)
        _forget(stamp)
        before = {path: state_of(path) for _, text in build.outputs for path in _matches(build, text)}
        remains = Remains(records / f"{build.outputs_key}.begun", before)
        started = time.monotonic()
        log = stamp.with_suffix(".log")
        try:
            _run(build, log, stop, on_line)
            outputs = {address: _output(build, text, before) for address, text in build.outputs}
            remains.refuse(build.folder / output.path for output in outputs.values())
        except PipelineError:
            remains.failed({path for _, text in build.outputs for path in _matches(build, text)})
            raise
        finished = Finished(outputs, time.time(), time.monotonic() - started, tuple(warnings(log)))
        _note(build, stamp, finished)
        remains.succeeded()
        return finished


@contextmanager
def undisturbed(build: Build, wait_s: float, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """While the body runs nobody else builds in the folder, whatever project and profile it is for.

    Raises:
        FetchBusyError: somebody has been building there for `wait_s` seconds.
    """
    lock = Cache().lock_path(f"build in {os.path.realpath(build.folder)}")
    with exclusive(lock, f"build in {build.folder}", wait_s, on_wait):
        yield


def last_build(build: Build, records: Path) -> Finished:
    """The last success, if all that it made is still as it made it.

    Raises:
        BuildDueError: there is none, or an output was changed or removed since.
    """
    try:
        stamp = read_json(_stamp(build, records))
        outputs = {
            int(address, 16): BuildOutput(one["path"], one["sha256"]) for address, one in stamp["outputs"].items()
        }
        finished = Finished(outputs, float(stamp["at"]), float(stamp["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BuildDueError(
            f"build: `{build}` in {build.folder} has not succeeded yet, or was broken off", BuildDueError.remedy
        ) from None
    check_outputs(build, finished, {address: _digest(build, one) for address, one in outputs.items()})
    return finished


def usable_build(build: Build, records: Path, *, by_hand: bool) -> tuple[Finished, bool]:
    """The last success, and False; with `by_hand`, where none counts, what was built by hand, and True.

    Raises:
        BuildDueError: there is nothing that may be used.
    """
    try:
        return last_build(build, records), False
    except BuildDueError:
        if not by_hand:
            raise
        return _built_by_hand(build, records), True


def _built_by_hand(build: Build, records: Path) -> Finished:
    """What lies where the build puts it, if somebody else than `run_build` has put it there since that ran last.

    Raises:
        BuildDueError: an output is not there, or is what a build of ours that failed has left.
    """
    due = BuildDueError(
        f"build: `{build}` in {build.folder} has not succeeded yet, or was broken off", BuildDueError.remedy
    )
    try:
        outputs = {address: _output(build, text, {}) for address, text in build.outputs}
        times = [(build.folder / output.path).stat().st_mtime for output in outputs.values()]
        log = _stamp(build, records).with_suffix(".log")
        ours = log.stat().st_mtime if log.exists() else 0.0
    except (BuildOutputError, OSError):
        raise due from None
    if min(times) <= ours:
        raise due
    return Finished(outputs, max(times), 0.0)


def check_outputs(build: Build, finished: Finished, digests: Mapping[int, str]) -> None:
    """Whether `digests`, sha256 by flash address, are those of one finished build.

    Raises:
        BuildDueError: one is not.
    """
    for address, output in finished.outputs.items():
        if digests.get(address) != output.sha256:
            raise BuildDueError(
                f"build: {output.path} (for {format_address(address)}) was changed since `{build}` succeeded",
                BuildDueError.remedy,
            )


def input_files(build: Build, made_first: Iterable[str] = ()) -> list[Path]:
    """The files that the patterns of `inputs` mean: without outputs, hidden folders and what lies in them.

    Args:
        build: What is built.
        made_first: Absolute paths of files that will be made before it runs: those that are meant count, there or not.

    Raises:
        BuildInputsError: a pattern that matches nothing.
    """
    made = {path for _, text in build.outputs for path in _matches(build, text)}
    coming = [path for path in made_first if not any(fits(text, build.folder, path) for _, text in build.outputs)]
    paths: set[Path] = set()
    for pattern in build.inputs:
        try:
            named = {build.folder / name for name in matching_files(pattern, build.folder, hidden=True)}
            files = {path for path in named if path.is_file()}
            files |= {Path(path) for path in coming if fits(pattern, build.folder, path)}
            files = {path for path in files if _is_seen(build, path)} - made
        except (ValueError, OSError, SourceError) as error:
            text = error.message if isinstance(error, SourceError) else str(error)
            raise BuildInputsError(f"build: inputs: {pattern!r}: {text}", "correct the pattern") from error
        if not files:
            raise BuildInputsError(
                f"build: inputs: {pattern!r} matches no file in {build.folder}", "correct the pattern or leave it out"
            )
        paths |= files
    return sorted(paths)


def _is_seen(build: Build, path: Path) -> bool:
    parts = path.relative_to(build.folder).parts[:-1] if path.is_relative_to(build.folder) else ()
    return not any(part.startswith(".") and part != ".." for part in parts)


# --- the command -----------------------------------------------------------------------------------------------------


def _run(build: Build, log: Path, stop: Event | None, on_line: Callable[[str], None] | None) -> None:
    started = time.monotonic()
    try:
        make_parents(log)
        half_masked(log).unlink(missing_ok=True)
        log.touch(mode=0o600)
        log.write_bytes(heading(build.command, build.folder).encode("utf-8", "replace"))
        with log.open("ab") as stream:
            try:
                status = _wait(_start(build, stream), log, stop, on_line)
            finally:
                mask_log(log)
    except OSError as error:
        raise RecordError(f"{log}: cannot be written: {error.strerror or error}", "free disk space") from error
    if status:
        seconds = time.monotonic() - started
        raise BuildError(_failure(build, log, ending(status), seconds), f"all of its output is in {log}")


def _start(build: Build, stream: IO[bytes]) -> subprocess.Popen[bytes]:
    command = build.command if isinstance(build.command, str) else list(build.command)
    try:
        # A session of its own: a stop reaches everything that the command has started.
        return subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=build.folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        raise BuildError(
            f"build: `{build}` cannot be started in {build.folder}: {reason}", BuildError.remedy
        ) from error


def _wait(
    process: subprocess.Popen[bytes], log: Path, stop: Event | None, on_line: Callable[[str], None] | None
) -> int:
    shown = ""
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_S)
            shorten(log)
            if stop is not None and stop.is_set():
                raise StoppedError("build: stopped; what it made is not used", StoppedError.remedy)
            line = next(iter(tail(log, 1)), "") if on_line is not None else ""
            if on_line is not None and line != shown:
                on_line(mask(line))
                shown = line
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command with all its children: gently, then not."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILL_S)
            return


def _failure(build: Build, log: Path, ending: str, seconds: float) -> str:
    shown = [f"{name}={os.environ[name]}" for name in _SHOWN if os.environ.get(name)]
    return "\n".join(
        [
            f"build: `{build}` {ending} after {seconds:.1f} s",
            *tail(log, TAIL_LINES),  # as they are: editors find file and line
            f"  environment: {' '.join(shown)}",
            f"  folder: {build.folder}",
        ]
    )


# --- outputs and stamps ----------------------------------------------------------------------------------------------


def _output(build: Build, text: str, before: Mapping[Path, State]) -> BuildOutput:
    matches = _matches(build, text)
    changed = [path for path in matches if state_of(path) != before.get(path)]
    chosen = changed or matches  # the command may have found nothing to do
    if len(chosen) != 1:
        named = ", ".join(sorted(path.name for path in chosen)[:8])
        problem = f"{text} matches {len(chosen)} files that it made: {named}" if chosen else f"{text} is not there"
        raise BuildOutputError(
            f"build: `{build}` succeeded, but {problem} (in {build.folder})", BuildOutputError.remedy
        )
    path = Path(os.path.relpath(chosen[0], build.folder)).as_posix()
    return BuildOutput(path, _digest(build, BuildOutput(path, "")))


def _matches(build: Build, text: str) -> list[Path]:
    path = build.folder / sayable(text)
    if path.is_file() or not set(text) & set("*?["):
        return [path] if path.is_file() else []
    return sorted(build.folder / name for name in matching_files(text, build.folder))


def _digest(build: Build, output: BuildOutput) -> str:
    try:
        return hashlib.sha256(read_regular(build.folder / output.path, LARGEST)).hexdigest()
    except OSError:
        return ""


def _stamp(build: Build, records: Path) -> Path:
    return records / f"{build.key}.json"


def _forget(stamp: Path) -> None:
    try:
        stamp.unlink(missing_ok=True)
        if stamp.parent.is_dir():
            sync_folder(stamp.parent)
    except OSError as error:
        raise RecordError(f"{stamp}: cannot be removed: {error.strerror}", "fix its permissions") from error


def _note(build: Build, stamp: Path, finished: Finished) -> None:
    outputs = {f"{at:#x}": {"path": one.path, "sha256": one.sha256} for at, one in finished.outputs.items()}
    said = {"command": build.command, "folder": str(build.folder), "at": finished.at, "seconds": finished.seconds}
    write_atomic(stamp, json.dumps({**said, "outputs": outputs}, indent=1).encode())
