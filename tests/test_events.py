from __future__ import annotations

import dataclasses
import pickle

import pytest
from flashpipe.events import Event, Message, Progress, StepFinished, StepStarted, ignore

EVENTS = [
    Event("sim://esp12"),
    StepStarted("sim://esp12", "write", "3 sectors"),
    Progress("sim://esp12", "write", 4096, 12288),
    StepFinished("sim://esp12", "write", 1.5, "12,288 B"),
    Message("sim://esp12", "skipped: the board holds it"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_are_plain_values(event: Event) -> None:
    assert event == dataclasses.replace(event)
    assert pickle.loads(pickle.dumps(event)) == event
    assert event.port == "sim://esp12"
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.port = "other"  # type: ignore[misc]


def test_nobody_has_to_listen() -> None:
    for event in EVENTS:
        ignore(event)
