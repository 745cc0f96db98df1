"""An operator at a board whose reset line no wire drives: what they are told, and what was seen of what they did.

Pins: facts esp8266 §2.1 and §2.3. One press into the loader is enough for all that one command does; the second press,
into the application, belongs to the boot check. A person is reminded until the time is over; where nobody can be asked
(a pipe, a build server) nothing waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from flashpipe.errors import ConnectError
from flashpipe.next_steps import Advice, setting

LIMIT_S: Final = 120.0
"""How long a person is given for one press: time enough to find a wire."""
REMIND_S: Final = 15.0
WIRING: Final = (
    "this board has no reset wires. Its pins: VCC 3.3 V (never 5 V), GND, TX and RX crossed,",
    "CH_PD/EN and RST high, GPIO15 low, GPIO2 free or high; GPIO0 decides at the moment RESET is released",
)
INTO_LOADER: Final = "hold GPIO0 at GND (FLASH button), tap RESET, then release GPIO0 … waiting"
INTO_APPLICATION: Final = "release GPIO0, then tap RESET … waiting"
STILL_HELD: Final = "GPIO0 was still low: take it off GND, then tap RESET again"
Ask = Callable[[str], bool]
"""Tells a person what to do; False where nobody is there."""


class ManualReset:
    """One person at one board."""

    def __init__(
        self, port: str, ask: Ask | None, notify: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.port, self.ask, self.notify, self.clock = port, ask, notify, clock
        self._told_wiring = False
        self._asked_s = 0.0
        self._what = ""

    def request(self, what: str, refused: ConnectError | None = None) -> None:
        """Tell a person what to do; how the board is wired once for a command.

        Raises:
            ConnectError: `refused`, where nobody can be asked.
        """
        if self.ask is None or not self.ask(f"{self.port}: {what}"):
            raise refused or ConnectError(f"{self.port}: nobody can be asked here", "run it on a terminal")
        if not self._told_wiring:
            self._told_wiring = True
            for line in WIRING:
                self.notify(line)
        self._what, self._asked_s = what, self.clock()

    def remind(self) -> None:
        """Say it again every quarter of a minute, with the time that is left."""
        now = self.clock()
        if self._what and now - self._asked_s >= REMIND_S:
            self._asked_s += REMIND_S
            self.notify(f"nothing seen yet: {self._what}")

    def into_loader(self, answers: Callable[[], bool], check_stop: Callable[[], None]) -> None:
        """Wait until a loader answers; `answers` tries for a moment.

        Raises:
            ConnectError: nobody can be asked, or it never does.
            StoppedError: from `check_stop`.
        """
        self.request(
            INTO_LOADER,
            ConnectError(
                f"{self.port}: this board needs a person to press RESET, and nobody can be asked here",
                Advice(
                    "run it on a terminal, or put the board into download mode first and say ", setting(reset="none")
                ),
            ),
        )
        until = self.clock() + LIMIT_S
        while self.clock() < until:
            check_stop()
            if answers():
                self._what = ""
                self.notify("download mode seen: you can release GPIO0")
                return
            self.remind()
        raise ConnectError(
            f"{self.port}: no loader answered within {LIMIT_S:.0f} s",
            "GPIO0 must be low at the moment RESET is released; GPIO15 low, CH_PD/EN high, 3.3 V, TX and RX crossed",
        )

    def into_application(self) -> None:
        """Ask for the press that starts the application.

        Raises:
            ConnectError: nobody can be asked.
        """
        self.request(
            INTO_APPLICATION,
            ConnectError(
                f"{self.port}: starting this board needs a person to press RESET, and nobody can be asked here",
                Advice("say ", setting(boot="off"), ", or run it on a terminal"),
            ),
        )

    def board_speaks(self) -> None:
        """The board speaks."""
        if self._what:
            self._what = ""
            self.notify("reset seen: reading the boot log")
