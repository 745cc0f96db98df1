"""The panel of a station: whatever the number of ports, what the operator needs is within the terminal."""

from __future__ import annotations

import io

import pytest
from flashpipe.jobs.station_view import PortState, PortView, StationView
from flashpipe.station.keys import OF_PORTS
from flashpipe.station.live_panel import StationPanel
from flashpipe.station.texts import load_texts

LINES, COLUMNS = 24, 100


def port(number: int, state: PortState) -> PortView:
    return PortView(
        f"1-1.{number}",
        OF_PORTS[number] if number < len(OF_PORTS) else "",
        state,
        mac=f"5c:cf:7f:00:00:{number:02x}",
        headline="good, 8 s",
        cause="the flash does not hold what was written" if state == "fail" else "",
        action=f"press {number}",
    )


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> StationPanel:
    monkeypatch.setenv("LINES", str(LINES))
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    return StationPanel(load_texts(None).say, io.StringIO())


@pytest.mark.parametrize(("ports", "bad"), [(0, 0), (3, 1), (10, 5), (20, 20), (33, 33), (60, 20)])
def test_state_of_every_port_counts_stop_and_keys_are_seen_on_24_lines(
    panel: StationPanel, ports: int, bad: int
) -> None:
    rows = tuple(port(number, "fail" if number < bad else "pass") for number in range(ports))
    halted = "5 boards in a row were bad. Press c to go on."
    view = StationView("one", "sensor", "NodeMCU", rows, halted=halted, notes=tuple(f"note {n}" for n in range(4)))
    panel(view)
    console = panel._console
    with console.capture() as shown:
        console.print(panel._drawn(view))
    text = shown.get()
    panel.close()
    assert len(text.splitlines()) < LINES
    for word in (halted, "batch one", "end of shift", *(f"{row.place} " for row in rows)):
        assert word in text
    assert text.count(" FAIL ") == bad
    assert text.count(" PASS ") == ports - bad
    assert bad == 0 or "the flash does not hold what was written" in text
