"""What one port of a station shows, from the events of its run and from how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from flashpipe.errors import AcceptanceError, ForeignBoardError, PipelineError
from flashpipe.events import BoardFound, Event, Progress, StepStarted
from flashpipe.jobs.station_view import PortView
from flashpipe.records.batch_state import ASIDE
from flashpipe.station.admission import ASKED
from flashpipe.station.attempt import AttemptEnd
from flashpipe.station.texts import Texts


class PortLine:
    """The view of a port; it is the face of the runs on it."""

    attended = True

    def __init__(self, place: str, key: str, texts: Texts, changed: Callable[[], None]) -> None:
        self._texts, self._changed = texts, changed
        self._guard = threading.Lock()
        self.view = PortView(place, key)

    def show(self, **fields: Any) -> None:
        """Change something of the view."""
        with self._guard:
            self.view = replace(self.view, **fields)
        self._changed()

    # --- the face of a run -------------------------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """What happens on the port."""
        if isinstance(event, StepStarted):
            self.show(step=self._texts.step(event.step), share=None)
        elif isinstance(event, Progress):
            share = min(1.0, event.done / event.total) if event.total else None
            if share is None or self.view.share is None or abs(share - self.view.share) > _STEP or share == 1.0:
                self.show(step=self._texts.step(event.step), share=share)
        elif isinstance(event, BoardFound):
            self.show(mac=event.mac)

    def ask(self, text: str) -> bool:
        """Put a request to the operator, such as to press a button."""
        self.show(headline=text, step="", share=None)
        return True

    def confirmed(self) -> bool:
        """Nobody types here: what could be lost was decided when the board was admitted."""
        return False

    # --- the state ---------------------------------------------------------------------------------------------------

    def begin(self, port: str) -> None:
        """A board is worked on."""
        place, key = self.view.place, self.view.key
        with self._guard:
            self.view = PortView(place, key, "working", port, headline=self._texts.say("state.working"))
        self._changed()

    def free(self) -> None:
        """No board is there."""
        with self._guard:
            self.view = PortView(self.view.place, self.view.key)
        self._changed()

    def keep_waiting(self, why: str) -> None:
        """A board may be there, and is not begun; `why` names the text that says what it waits for."""
        headline = self._texts.say(why, key=self.view.key)
        if self.view.headline != headline:
            self.show(headline=headline)

    def end(self, ended: AttemptEnd, *, tries: int, limit: int, gone: bool, by_key: bool) -> None:
        """A try has ended; `gone`: the board was pulled out meanwhile; `by_key`: a key says that the next one is in."""
        unit = ended.unit.key if ended.unit and not ended.returned.is_free else ""
        fields: dict[str, object] = {
            "mac": ended.mac,
            "unit": unit,
            "seconds": ended.seconds,
            "step": "",
            "share": None,
        }
        say, key = self._texts.say, self.view.key
        if ended.error is None:
            again = "pass.again" if ended.seen == "passed" else "pass.cured" if ended.seen else "pass.new"
            text = say(again, seconds=f"{ended.seconds:.0f}", tries=tries)
            self.show(**fields, state="pass", headline=text, action=say("next.key" if by_key else "pass.out", key=key))
            return
        code = ended.error.code
        if isinstance(ended.error, ASKED):
            cause = self._texts.cause(code, ended.error.message, what=_what(ended.error), tries=tries)
            self.show(
                **fields, state="ask", code=code, headline=say("state.ask"), cause=cause, action=say("ask.key", key=key)
            )
            return
        cause = self._texts.cause(code, _cause(ended.error), what=_what(ended.error), tries=tries)
        many = tries >= limit
        retry = "fail.many" if many else "fail.key" if by_key else "fail.retry"
        if code in ASIDE:
            retry = "fail.else"  # it is nothing that another board, or plugging, could cure
        action = say("gone") if gone else say(retry, key=key, tries=tries)
        self.show(**fields, state="fail", code=code, headline=say("state.fail"), cause=cause, action=action)


_STEP: Final = 0.02
"""Least change of a share that is worth drawing."""


def _what(error: PipelineError) -> str:
    """What a foreign board holds, or a test has found; of another failure, the failure."""
    if isinstance(error, AcceptanceError):
        return error.found or error.message
    return error.holds if isinstance(error, ForeignBoardError) else error.message


def _cause(error: PipelineError) -> str:
    diagnosis = error.diagnosis
    return diagnosis.cause if diagnosis is not None and not diagnosis.told else error.message.partition("\n")[0]
