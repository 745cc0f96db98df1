"""A port that somebody else has: waited for only where that was asked, and no longer."""

from __future__ import annotations

from contextlib import ExitStack

from flashpipe.board.ports.lock import lock_port

from tests.harness import Project
from tests.running import Running

PORT = "sim://esp12?mac=5c:cf:7f:00:00:42"


def test_a_busy_port_is_waited_for_as_long_as_was_asked(project: Project) -> None:
    with ExitStack() as busy:
        busy.enter_context(lock_port(PORT))
        project.flashpipe("identify", PORT).failed("port-busy")
        project.flashpipe("identify", PORT, "port_wait=300ms").failed("port-busy")
        with Running(project, "flashpipe.cli.main", "identify", PORT, "port_wait=60s") as command:
            command.until("waiting")
            busy.close()
            assert command.end() == 0
            assert "ESP8266EX" in command.shown
