"""What a person at a board without reset wires is told, and when."""

from __future__ import annotations

import pytest
from flashpipe.board.session.manual_reset import INTO_APPLICATION, INTO_LOADER, LIMIT_S, REMIND_S, WIRING, ManualReset
from flashpipe.errors import ConnectError, StoppedError


class Scene:
    """A person who does something at a certain second, in a time that passes by itself."""

    def __init__(self, *, presses_s: float = 1e9, there: bool = True) -> None:
        self.now, self.presses_s = 0.0, presses_s
        self.told: list[tuple[float, str]] = []
        self.manual = ManualReset("PORT", self.ask if there else None, self.say, lambda: self.now)

    def ask(self, text: str) -> bool:
        self.told.append((self.now, text.removeprefix("PORT: ")))
        return True

    def say(self, text: str) -> None:
        self.told.append((self.now, text))

    def answers(self) -> bool:
        self.now += 0.5
        return self.now >= self.presses_s

    def texts(self) -> list[str]:
        return [text for _, text in self.told]


def never() -> None:
    """Nobody asks to stop."""


def test_one_press_is_asked_for_and_seen() -> None:
    scene = Scene(presses_s=3)
    scene.manual.into_loader(scene.answers, never)
    assert scene.texts() == [INTO_LOADER, *WIRING, "download mode seen: you can release GPIO0"]
    scene.manual.into_application()
    scene.manual.board_speaks()
    scene.manual.board_speaks()
    assert scene.texts()[4:] == [INTO_APPLICATION, "reset seen: reading the boot log"], "the wiring is said once"


def test_the_wiring_names_voltage_and_pins() -> None:
    said = " ".join(WIRING)
    assert all(word in said for word in ("3.3 V", "CH_PD/EN", "GPIO15 low", "GPIO2", "GPIO0", "RESET"))


def test_a_person_is_reminded_until_the_time_is_over() -> None:
    scene = Scene()
    with pytest.raises(ConnectError, match=f"within {LIMIT_S:.0f} s"):
        scene.manual.into_loader(scene.answers, never)
    reminders = [time for time, text in scene.told if text.startswith("nothing seen yet: hold GPIO0")]
    assert reminders == [REMIND_S * number for number in range(1, int(LIMIT_S / REMIND_S) + 1)]
    assert scene.now == LIMIT_S


def test_nobody_is_waited_for_where_nobody_is() -> None:
    scene = Scene(there=False)
    with pytest.raises(ConnectError, match="nobody can be asked"):
        scene.manual.into_loader(scene.answers, never)
    with pytest.raises(ConnectError, match="nobody can be asked"):
        scene.manual.into_application()
    assert (scene.now, scene.told) == (0, [])


def test_a_stop_ends_the_waiting() -> None:
    scene = Scene()

    def stop() -> None:
        if scene.now > 2:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        scene.manual.into_loader(scene.answers, stop)
    assert scene.now < 3
