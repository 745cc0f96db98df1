"""Several boards at once on a terminal: a row for each at its foot, and above them what each has to say.

rich draws it, and is loaded only when a run goes on for longer than a second: most are done by then.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

LATE_S: Final = 1.0
"""How long a run goes on before there is a panel."""
REFRESH_HZ: Final = 8


class Panel:
    """The rows; whoever calls has a lock."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows: dict[str, str] = {}
        self._live: Live | None = None
        self._began = time.monotonic()

    def show(self, port: str, text: str) -> None:
        """What a board is doing now."""
        self._rows[port] = text
        if self._live is None and time.monotonic() - self._began > LATE_S:
            self._start()

    def done(self, port: str) -> None:
        """A board is done, for now at least."""
        self._rows.pop(port, None)
        if not self._rows:
            self.close()

    def line(self, text: str) -> bool:
        """A line above the rows; False where there are none, and whoever calls has to write it."""
        if self._live is None:
            return False
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        self._live.console.print(Text(text), soft_wrap=True)
        return True

    def close(self) -> None:
        """Take the rows away, and leave the terminal as it was."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _start(self) -> None:
        from rich.console import Console  # noqa: PLC0415  0.1 s, and only for runs that take longer
        from rich.live import Live  # noqa: PLC0415  the same

        console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=console,
            get_renderable=self._text,  # drawn by its own thread: no board waits for the terminal
            refresh_per_second=REFRESH_HZ,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what goes into a file or pipe goes there
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start()

    def _text(self) -> Text:
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        return Text("\n".join(list(self._rows.values())), no_wrap=True, overflow="crop")
