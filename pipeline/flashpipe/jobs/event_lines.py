"""Events as lines of JSON, for programs: the shape that nRF Util gives its own, and promises to keep.

`events_schema.json` says what stands in each line. Its version is that of the shape: within one major number nothing
that was there goes away or changes its meaning.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from flashpipe.board.ports.names import is_virtual
from flashpipe.events import (
    IN_SECONDS,
    BoardDone,
    BoardFound,
    Event,
    LuaTestDone,
    Message,
    PlanMade,
    Progress,
    StepFailed,
    StepFinished,
    StepStarted,
    error_facts,
)
from flashpipe.masking import masked
from flashpipe.terminal import escaped_json

SCHEMA: Final = "flashpipe-events/1.1"
PROGRESS_S: Final = 0.25
"""Between two lines about the progress of a task, each of which says something new; the last one always comes."""
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_MARK: Final = "@@"
"""Stands for what differs from line to line."""
_PATIENCE_S: Final = 1.0
"""Who is stopped does not wait for ever for whoever writes a line."""


class EventLines:
    """A listener that turns events into lines. Boards work side by side: a line is written in one piece."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._open: dict[tuple[str, str], dict[str, str]] = {}
        """The tasks that are under way, by port and step."""
        self._shown: dict[str, tuple[float, int]] = {}
        """When the last line about the progress of a task was written, and how far it was."""
        self._frames: dict[tuple[str, str], tuple[str, str, str]] = {}
        """What stands around the progress of a task on a board."""
        self._macs: dict[str, str] = {}
        self._virtual: dict[str, bool] = {}
        self._shown_ports: dict[str, str] = {}
        """Without logins; looked for once, as it takes 0.2 ms."""
        self._number = 0
        self._first: tuple[str, Mapping[str, object]] | None = None

    def begin(self, data: Mapping[str, object]) -> None:
        """Now is the first moment; the line about it waits for what `start` knows, or for the next line."""
        self._first = (_now(), data)

    def start(self, **more: Any) -> None:
        """The first line, if it is not yet written, with what has become known."""
        first, self._first = self._first, None
        if first is not None:
            self._line("run_start", {**first[1], **more}, at=first[0])

    def end(self, data: Mapping[str, object]) -> None:
        """The last line."""
        self._line("run_end", {**data, "seconds": round(time.monotonic() - self._begun, 3)})

    def __call__(self, event: Event) -> None:
        """One event: a line, or none where the last one about that task has just been written."""
        port = event.port
        if isinstance(event, Progress):  # by far the most
            self._progress(port, event)
        elif isinstance(event, StepStarted):
            self._begin(port, event)
        elif isinstance(event, StepFinished):
            self._end(port, event.step, "success", event.seconds, event.detail)
        elif isinstance(event, StepFailed):
            self._end(port, event.step, "failed", event.seconds, "")
        elif isinstance(event, Message):
            self._line("log", {"level": "warning" if event.warning else "info", "message": event.text}, port)
        elif isinstance(event, PlanMade):
            self._line("info", {"kind": "plan", **event.facts}, port)
        elif isinstance(event, BoardFound):
            self._macs[port] = event.mac
            self._line("info", {"kind": "board", **event.facts}, port)
        elif isinstance(event, BoardDone):
            self._line("info", {"kind": "result", **result(event)}, port, executed=event.executed)
        elif isinstance(event, LuaTestDone):
            self._line("info", {"kind": "test", **test_facts(event)}, port, executed=True)

    def _begin(self, port: str, event: StepStarted) -> None:
        known = self._open.get((port, event.step))
        if known is not None:  # a program that is run says something
            self._line("log", {"level": "info", "message": event.detail, "task": known}, port)
            return
        self._line("task_begin", {"task": self._task(port, event.step, event.detail)}, port)

    def _task(self, port: str, step: str, detail: str = "") -> dict[str, str]:
        with self._lock:
            self._number += 1
            task = {"id": str(self._number), "name": step, "description": detail}
            self._open[port, step] = task
        return task

    def _progress(self, port: str, event: Progress) -> None:
        task = self._open.get((port, event.step))
        if task is None:  # a wait within another step
            task = self._task(port, event.step)
            self._line("task_begin", {"task": task}, port)
        shown, done = self._shown.get(task["id"], (-PROGRESS_S, -1))
        if event.done == done:  # seconds of a wait, most of the time
            return
        now = time.monotonic()
        if now - shown < PROGRESS_S and event.done < event.total:
            return
        self._shown[task["id"]] = now, event.done
        percent = min(100.0, round(100 * event.done / event.total, 1)) if event.total else 100.0
        unit = "s" if event.step in IN_SECONDS else "B"
        before, between, behind = self._frame(port, task)
        progress = f'{{"done":{event.done},"total":{event.total},"unit":"{unit}","percent":{percent}}}'
        self._put(f'{before}"{_now()}"{between}{progress}{behind}')

    def _frame(self, port: str, task: dict[str, str]) -> tuple[str, str, str]:
        """What stands around time and progress in each line about a task: most lines differ in nothing else."""
        key = (task["id"], self._macs.get(port, ""))
        if key not in self._frames:
            text = self._text("task_progress", {"task": task, "progress": _MARK}, port, at=_MARK)
            before, _, rest = text.partition(f'"{_MARK}"')
            between, _, behind = rest.rpartition(f'"{_MARK}"')
            self._frames[key] = before, between, behind
        return self._frames[key]

    def _end(self, port: str, step: str, ending: str, seconds: float, message: str) -> None:
        task = self._open.pop((port, step), None)
        if task is None:  # one that has told of itself at its end only
            task = self._task(port, step)
            self._open.pop((port, step))
            self._line("task_begin", {"task": task}, port)
        ended = {"task": task, "result": ending, "seconds": round(seconds, 3), "message": message}
        self._line("task_end", ended, port)

    def _line(
        self, kind: str, data: Mapping[str, object], port: str = "", *, executed: bool | None = None, at: str = ""
    ) -> None:
        self.start()
        self._put(self._text(kind, data, port, executed=executed, at=at))

    def _text(
        self, kind: str, data: Mapping[str, object], port: str, *, executed: bool | None = None, at: str = ""
    ) -> str:
        if port and port not in self._virtual:
            self._virtual[port], self._shown_ports[port] = is_virtual(port), masked(port)
        virtual = self._virtual[port] if port else None
        line = {
            "type": kind,
            "schema": SCHEMA,
            "ts": at or _now(),
            "port": self._shown_ports.get(port),
            "mac": self._macs.get(port),
            "virtual": virtual,
            "executed": executed if executed is not None else None if virtual is None else not virtual,
            "data": masked(data),
        }
        return escaped_json(_ENCODE(line))

    def _put(self, text: str) -> None:
        line = f"{text}\n".encode("utf-8", "replace")
        mine = self._lock.acquire(timeout=_PATIENCE_S)
        try:
            self._write(line)
        finally:
            if mine:
                self._lock.release()


def result(event: BoardDone) -> dict[str, object]:
    """What became of a board, as programs read it."""
    error = event.error
    return {
        "command": event.command,
        "profile": event.profile or None,
        "outcome": event.outcome,
        "status": error.status if error else 0,
        "summary": event.summary,
        "seconds": round(event.seconds, 3),
        "verdict": event.verdict or None,
        "execution": dict(event.execution) or None,
        "receipt": event.receipt or None,
        "steps": [{"name": name, "seconds": seconds} for name, seconds in event.steps],
        "next": error.action or None if error else str(event.next or "") or None,
        "next_steps": [step.facts for step in event.next_steps],
        "error": error_facts(error) if error else None,
    }


def test_facts(event: LuaTestDone) -> dict[str, object]:
    """What became of a test in Lua, as programs read it."""
    return {
        "file": event.file,
        "name": event.name,
        "outcome": event.outcome,
        "message": event.message or None,
        "seconds": round(event.seconds, 3),
    }


def _now() -> str:
    now = time.time()
    return f"{_second(int(now))}.{int(now * 1000) % 1000:03d}Z"


@lru_cache(maxsize=1)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
