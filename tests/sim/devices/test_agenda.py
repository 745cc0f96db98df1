from __future__ import annotations

from flashpipe.sim.cpu.contract import CoreState
from flashpipe.sim.devices.agenda import NEVER, Agenda


def test_events_happen_in_their_order() -> None:
    state = CoreState()
    agenda = Agenda(state)
    seen: list[tuple[str, int]] = []
    late, early = (
        agenda.event(lambda at: seen.append(("late", at))),
        agenda.event(lambda at: seen.append(("early", at))),
    )
    late.schedule(200)
    early.schedule(100)
    assert agenda.next() == 100
    state.cycles = 150
    agenda.run_due()
    assert seen == [("early", 100)]
    state.cycles = 300
    agenda.run_due()
    assert seen == [("early", 100), ("late", 200)]
    assert agenda.next() == NEVER


def test_an_event_may_plan_itself_again() -> None:
    state = CoreState()
    agenda = Agenda(state)
    seen: list[int] = []

    def again(at: int) -> None:
        seen.append(at)
        event.schedule(at + 10)

    event = agenda.event(again)
    event.schedule(10)
    state.cycles = 35
    agenda.run_due()
    assert seen == [10, 20, 30]
    event.cancel()
    assert agenda.next() == NEVER


def test_a_running_core_stops_at_a_new_event() -> None:
    state = CoreState()
    state.horizon = 1000
    agenda = Agenda(state)
    agenda.event(lambda _at: None).schedule(500)
    assert state.horizon == 500
