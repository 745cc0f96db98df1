"""What one piece of work on a board has told so far: the page shows it, also to a browser that comes later."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal

from flashpipe.errors import (
    ConfirmationError,
    ConnectError,
    KeepError,
    PipelineError,
    PortError,
    StoppedError,
    without_port,
)
from flashpipe.events import (
    IN_SECONDS,
    BoardDone,
    BoardFound,
    Event,
    Message,
    Progress,
    StepFailed,
    StepFinished,
    StepStarted,
)
from flashpipe.page.buttons import TASKS, Button, buttons_for
from flashpipe.page.words import failure_facts, on_page
from flashpipe.text.pace import Pace
from flashpipe.values import dataclass

MOST_LINES: Final = 400
"""Lines and steps that are kept of one piece of work."""
Outcome = Literal["running", "ok", "failed", "stopped", "declined"]
HEADINGS: Final[Mapping[Outcome, str]] = {
    "running": "At work",
    "ok": "OK",
    "failed": "Failed",
    "stopped": "Stopped",
    "declined": "Left as it was",
}
"""How a piece of work went, for people."""
CHANGING: Final = frozenset({"erase", "write", "header", "blocks", "send", "remove", "format", "rescue"})
"""Steps after which a board is not what it was."""


@dataclass
class LogLine:
    """A step, or a line of text between steps."""

    kind: Literal["step", "text"]
    text: str
    """Name of the step, or the line."""
    detail: str = ""
    state: Literal["running", "done", "failed", ""] = ""
    seconds: float = 0.0


@dataclass
class JobLog:
    """One piece of work, from the click to its end."""

    task: str
    """Its name on the command line."""
    label: str
    """The same for people."""
    command: str
    """What does the same on a terminal."""
    port: str = ""
    dropped: bool = False
    """Whether it names a file that a browser has left here: on a terminal it lies elsewhere."""
    action: str = ""
    """The last word of the address that is clicked to do it again; empty where more would have to be said."""
    began: float = field(default_factory=time.time)
    lines: list[LogLine] = field(default_factory=list)
    question: str = ""
    """What waits for a yes or a no; empty where nothing does."""
    request: str = ""
    """What somebody is asked to do with the board, such as pressing a button."""
    progress: Progress | None = None
    pace_text: str = ""
    declined: bool = False
    """Somebody has said no to what was asked last."""
    stopping: bool = False
    ended: bool = False
    done: BoardDone | None = None
    summary: str = ""
    error: PipelineError | None = None
    state: str = ""
    """In which state a stop has left the board."""
    printed: str = ""
    """What a Lua text printed, the last of it."""
    device: Mapping[str, object] | None = None
    """What was found on the port."""
    _pace: Pace = field(default_factory=Pace)

    def take(self, event: Event) -> bool:
        """Note an event; whether more than the progress of a step has changed."""
        if isinstance(event, Progress):
            fresh = self.progress is None or self.progress.step != event.step
            self.progress, self.pace_text = event, self._pace.told(event)
            return fresh
        if isinstance(event, StepStarted):
            self._begin(event)
        elif isinstance(event, StepFinished):
            self._end(event.step, "done", event.seconds, event.detail)
        elif isinstance(event, StepFailed):
            self._end(event.step, "failed", event.seconds, "")
        elif isinstance(event, Message):
            self._add(LogLine("text", on_page(event.text)))
        elif isinstance(event, BoardFound):
            self.device = {"mac": event.mac, **event.facts}
        elif isinstance(event, BoardDone):
            self.done = event
        return True

    def _add(self, line: LogLine) -> None:
        self.lines.append(line)
        del self.lines[:-MOST_LINES]

    def _begin(self, event: StepStarted) -> None:
        self.request = ""
        self._pace.begin(event.port, event.step)
        running = self._running(event.step)
        if running is not None:  # a program that is run says something
            running.detail = event.detail
            return
        self.progress, self.pace_text = None, ""
        self._add(LogLine("step", event.step, event.detail, "running"))

    def _end(self, step: str, state: Literal["done", "failed"], seconds: float, detail: str) -> None:
        self.progress, self.pace_text = None, ""
        line = self._running(step)
        if line is None:
            line = LogLine("step", step)
            self._add(line)
        line.state, line.seconds, line.detail = state, seconds, detail or line.detail

    def _running(self, step: str) -> LogLine | None:
        return next((one for one in reversed(self.lines) if (one.text, one.state) == (step, "running")), None)

    def end(self, error: PipelineError | None, summary: str, state: str) -> None:
        """It has come to its end."""
        self.error, self.ended, self.question, self.request = error, True, "", ""
        self.progress, self.pace_text, self.state = None, "", on_page(state)
        self.summary = summary or (self.done.summary if self.done and error is None else "")

    # --- for the page ------------------------------------------------------------------------------------------------

    @property
    def outcome(self) -> Outcome:
        """How it went, in one word."""
        if not self.ended:
            return "running"
        if self.error is None:
            return "ok"
        changed = any(line.kind == "step" and line.text in CHANGING for line in self.lines)
        if self.declined and not changed and isinstance(self.error, ConfirmationError | KeepError):
            return "declined"
        return "stopped" if isinstance(self.error, StoppedError) else "failed"

    @property
    def told(self) -> str:
        """What came of it, in a line."""
        if self.outcome == "declined":
            return "you said no"
        return without_port(on_page(self.error.message), self.port) if self.error is not None else self.summary

    @property
    def failure(self) -> Mapping[str, object] | None:
        """Code, message, cause, proof and next step of what went wrong."""
        if self.error is None:
            return None
        facts = failure_facts(self.error, dropped=self.dropped)
        return facts | {name: without_port(str(facts[name]), self.port) for name in ("message", "cause")}

    @property
    def buttons(self) -> list[Button]:
        """Buttons for what is to be done next: after a failure, and what most people do where it went well."""
        touched = any(line.kind == "step" for line in self.lines)
        if self.error is None:
            step, mode = (self.done.next, self.done.started_in) if self.done else (None, "")
            kept = [Button(f"Ask for mode={mode} from now on", "plan", {"mode": mode})] if mode else []
            return kept + ([Button(TASKS[step.command], step.command)] if step and step.command in TASKS else [])
        outside = isinstance(self.error, PortError | ConnectError)
        return buttons_for(self.error.next_steps, self.action, touched=touched, retry=outside)

    @property
    def step(self) -> str:
        """Name of the step that is under way."""
        return next((one.text for one in reversed(self.lines) if one.state == "running"), "")

    def progress_facts(self) -> dict[str, Any] | None:
        """The bar: how far, of how much, in words; None where nothing is measured."""
        now = self.progress
        if now is None or not now.total:
            return None
        unit = "s" if now.step in IN_SECONDS else "B"
        return {"step": now.step, "done": min(now.done, now.total), "total": now.total, "unit": unit,
                "text": self.pace_text}  # fmt: skip
