"""The face of a job that a browser watches: events go to its log and on to the page, questions wait for a click."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from flashpipe.errors import without_port
from flashpipe.events import BoardFound, Event
from flashpipe.page.job_log import JobLog
from flashpipe.page.words import on_page

LOOK_S: Final = 0.1
"""How often a question looks whether its job shall stop."""


class PageFace:
    """Shows the events of one job, and asks whoever sits before the page."""

    attended = True

    def __init__(
        self,
        log: JobLog,
        stop: threading.Event,
        changed: Callable[[], None],
        moved: Callable[[], None],
        identified: Callable[[], None],
    ) -> None:
        """Take the log of the job, its request to stop, and what is called when the log, or only a bar, has changed.

        `identified` is called once it is known which board is there.
        """
        self._identified = identified
        self._log = log
        self._stop = stop
        self._changed = changed
        self._moved = moved
        self._answered = threading.Event()
        self._answer = False

    def __call__(self, event: Event) -> None:
        """Note what happens."""
        if self._log.take(event):
            self._changed()
            if isinstance(event, BoardFound):
                self._identified()
        else:
            self._moved()

    def ask(self, text: str) -> bool:
        """Put a request to whoever looks, now or later: a page that was closed can be opened again."""
        self._answered.clear()
        self._log.request = without_port(on_page(text), self._log.port)
        self._changed()
        return True

    def confirmed(self) -> bool:
        """Wait for a click on yes or no; a stop is a no."""
        self._log.question, self._log.request = self._log.request, ""
        self._changed()
        while not self._answered.wait(LOOK_S):
            if self._stop.is_set():
                break
        said = self._answered.is_set() and self._answer
        self._log.question, self._log.declined = "", self._answered.is_set() and not self._answer
        self._changed()
        return said

    def answer(self, *, agreed: bool) -> None:
        """Somebody has clicked; where nothing is asked any more, that is too late."""
        if self._log.question:
            self._answer = agreed
            self._answered.set()
