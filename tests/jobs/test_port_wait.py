"""A port that somebody else has: waited for only where that was asked, and no longer."""

from __future__ import annotations

import threading

import pytest
from flashpipe.board.ports.lock import lock_port

from tests.harness import Project

PORT = "sim://esp12?mac=5c:cf:7f:00:00:42"


@pytest.fixture
def busy() -> threading.Event:
    """The port is somebody else's until this is set."""
    return threading.Event()


def hold(release: threading.Event, taken: threading.Event) -> None:
    with lock_port(PORT):
        taken.set()
        release.wait(20)


def test_a_busy_port_is_waited_for_as_long_as_was_asked(project: Project, busy: threading.Event) -> None:
    taken = threading.Event()
    holder = threading.Thread(target=hold, args=(busy, taken), daemon=True)
    holder.start()
    assert taken.wait(10)
    project.flashpipe("identify", PORT).failed("port-busy")
    project.flashpipe("identify", PORT, "port_wait=300ms").failed("port-busy")
    threading.Timer(2.0, busy.set).start()
    done = project.flashpipe("identify", PORT, "port_wait=15s").ok()
    assert "waiting up to 15 s" in done.err
    holder.join(10)
