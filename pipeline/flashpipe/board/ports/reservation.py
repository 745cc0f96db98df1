"""A reservation of a labgrid coordinator: waits for a place that somebody else has, in the order in which people asked.

It lives as long as somebody asks for its state, and a minute longer: one whose process was killed goes by itself.
"""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final

from flashpipe.board.ports.lab_client import Check, LabClient, end
from flashpipe.errors import LabError, PlaceTakenError
from flashpipe.next_steps import Advice, repeat

TELL_S: Final = 30.0
"""How often a person is told that it is still waiting."""
_LOOK_S: Final = 0.25
_TOKEN: Final = re.compile(r"LG_TOKEN=(\w+)")
_STATE: Final = re.compile(r"^\s*state: (\w+)$", re.MULTILINE)
_GIVEN: Final = re.compile(r"^\s*allocations:\n\s*main: (.+)$", re.MULTILINE)
_CHUNK: Final = 1 << 16
_MINUTE_S: Final = 60


class Reservation:
    """Made when its body begins, cancelled when that ends: a place that was acquired stays acquired."""

    def __init__(self, client: LabClient, filters: Sequence[str], check: Check) -> None:
        self._client, self._filters, self._check = client, filters, check
        self.token = ""

    def __enter__(self) -> Reservation:  # noqa: PYI034  Python 3.10 has no Self
        said = self._client.run("reserve", "--shell", *self._filters, check=self._check)
        match = _TOKEN.search(said.out)
        if said.status or match is None:
            raise self._client.failure(" ".join(self._filters), said)
        self.token = match[1]
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        with suppress(LabError):
            self._client.run("cancel-reservation", self.token)

    def wait(self, limit_s: float, taken: PlaceTakenError, notify: Callable[[str], None]) -> str:
        """Wait until a place is given; its name.

        Args:
            limit_s: How long at most.
            taken: Why there was none at once; raised again where there is none at the end.
            notify: Hears of it now and then.

        Raises:
            PlaceTakenError: none was given in time.
            LabError: the coordinator went away.
        """
        notify(f"{taken.message}: waiting up to {_duration(limit_s)} in reservation {self.token}")
        started = last_notice = time.monotonic()
        process = self._client.start("wait", self.token)
        seen = ""
        try:
            while (now := time.monotonic()) < started + limit_s:
                self._check()
                text = _heard(process)
                if text is None:
                    return self._outcome(process, seen)
                seen = (seen + text)[-_CHUNK:]
                if now - last_notice >= TELL_S:
                    last_notice = now
                    notify(f"still waiting for {' '.join(self._filters)}, {_duration(now - started)}")
        finally:
            end(process)
        raise PlaceTakenError(f"{taken.message}; waited {_duration(limit_s)} for it", PlaceTakenError.remedy)

    def _outcome(self, process: subprocess.Popen[bytes], seen: str) -> str:
        status = process.wait()
        given, states = _GIVEN.findall(seen), _STATE.findall(seen)
        if status == 0 and given and states[-1] == "allocated":
            return str(given[-1]).strip()
        said = process.stderr.read().decode(errors="replace").strip().splitlines() if process.stderr else []
        raise LabError(
            f"reservation {self.token} ended: {states[-1] if states else (said or ['it is not known'])[-1]}",
            Advice("is the coordinator still there? ", repeat("run the same command again")),
        )


def _heard(process: subprocess.Popen[bytes]) -> str | None:
    """What the command has printed since the last look; None once it has ended."""
    assert process.stdout is not None
    if sys.platform == "win32":
        time.sleep(_LOOK_S)
        return "" if process.poll() is None else None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_LOOK_S):
            return ""
    data = os.read(process.stdout.fileno(), _CHUNK)
    return data.decode(errors="replace") if data else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
