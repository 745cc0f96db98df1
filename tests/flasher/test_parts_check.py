"""What a boot log and a console say about LFS and SPIFFS images that were written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from flashpipe.board.boot.kinds import Verdict
from flashpipe.errors import LfsNotLoadedError, NoLuaPromptError, PipelineError, SpiffsFormattedError
from flashpipe.flasher import parts_check
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.flasher.parts_check import check_parts


class Session:
    """What of a session is used."""

    port, rate = "/dev/ttyUSB0", 115200

    def __init__(self) -> None:
        self.results: list[str] = []

    def step(self, *_words: str) -> Session:
        return self

    def __enter__(self) -> list[str]:
        return self.results

    def __exit__(self, *_error: object) -> None:
        pass

    def progress(self, _step: str) -> None:
        pass


def check(
    monkeypatch: pytest.MonkeyPatch,
    log: str,
    *,
    areas: tuple[str, ...],
    answer: object = "1732900000",
    run: str = "flashed",
) -> list[str]:
    def find(*_words: object, **_more: object) -> Any:
        if isinstance(answer, PipelineError):
            raise answer
        return SimpleNamespace(ask=lambda _expression: answer)

    monkeypatch.setattr(parts_check, "find_console", find)
    session = Session()
    plan = SimpleNamespace(
        segments=[SimpleNamespace(area=area) for area in ("", *areas)], parts=dict.fromkeys(("lfs", "spiffs"))
    )
    record = RunRecord(Outcome(run, None, Verdict("prompt", "", log=log)))
    check_parts(cast("Any", session), cast("Any", plan), record)
    return session.results


def test_an_image_that_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, "NodeMCU 3.0", areas=("lfs", "spiffs")) == ["loaded"]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("Flash sig not correct: 0xfafaa152 vs 0xfafaa154\n", "integer or float numbers, packed or unpacked values"),
        ("Flash sig not correct: 0xfafaa252 vs 0xfafaa152\n", "the Lua version"),
        ("No LFS image loaded\n", "No LFS image loaded"),
        ("Flash size check failed: 0x1 vs 0xFFFFFFFF; 0x2 >= 0x3\n", "Flash size check failed: 0x1"),
    ],
)
def test_what_the_log_says_against_it(monkeypatch: pytest.MonkeyPatch, log: str, words: str) -> None:
    with pytest.raises(LfsNotLoadedError) as caught:
        check(monkeypatch, log, areas=("lfs",))
    assert words in caught.value.message


def test_what_the_console_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LfsNotLoadedError):
        check(monkeypatch, "", areas=(), answer="nil")
    assert check(monkeypatch, "", areas=(), answer="unknown") == ["the firmware does not say"]
    assert check(monkeypatch, "", areas=(), answer=NoLuaPromptError("none")) == ["not asked: no-lua-prompt"]


def test_a_file_system_that_was_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    log = "Formatting file system. Please wait...\n"
    with pytest.raises(SpiffsFormattedError):
        check(monkeypatch, log, areas=("spiffs",))
    assert check(monkeypatch, log, areas=("spiffs",), run="skipped") == ["loaded"]
    assert check(monkeypatch, log, areas=("lfs",)) == ["loaded"], "it was written in another run"
