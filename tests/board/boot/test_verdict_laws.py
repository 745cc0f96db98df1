"""Laws of the verdict: whatever the bytes, wherever a log is cut."""

from __future__ import annotations

from typing import Any

from flashpipe.board.boot.kinds import ALIVE, FAILED, HEALTHY
from flashpipe.board.boot.verdict import classify, conclude
from flashpipe.board.session.text import readable
from hypothesis import given, settings
from hypothesis import strategies as st

PROOFS = {"prompt": ("> ",), "python-prompt": (">>>",), "banner": ("NodeMCU", "powered by Lua", "init.lua")}
"""What must be in a text for the classes that name a firmware."""
WORDS = (
    "rst cause:2, boot mode:(3,6)\n",
    "rst cause:4, boot mode:(3,6)\n",
    "rst cause:1, boot mode:(1,7)\n",
    "load 0x40100000, len 4, room 16 \n",
    "csum 0xd6\n",
    "csum err\n",
    "ets_main.c \n",
    "rf_cal[0] !=0x05,is 0xFF\n",
    "system param error\n",
    "Fatal exception 28(LoadProhibitedCause):\nepc1=0x40243016, epc2=0x00000000\n",
    "PANIC: unprotected error\n",
    "wdt reset\n",
    "NodeMCU 3.0.0.0 \n",
    "> ",
    ">>> ",
    "hello world\n",
    "Formatting file system. Please wait...\n",
)
RECOVERED = {
    "eboot-copy-fails",
    "panic-behind-prompt",
    "panic-behind-prompt-loop",
    "exception-micropython-loop",
    "micropython-exception-4",
    "exception-after-talk",
    "loop-esphome",
}
"""Captures of firmware that says its name, or shows its prompt, before it fails."""


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_have_a_verdict_and_none_is_made_up(data: bytes) -> None:
    verdict = classify(readable(data))
    assert verdict.kind in {*ALIVE, *FAILED}
    proofs = PROOFS.get(verdict.kind, ("",))
    assert any(proof in verdict.log for proof in proofs)
    told = verdict.kind in {*PROOFS, "formatting"}  # only NodeMCU says that it formats
    assert not verdict.firmware or verdict.firmware.split()[0] in verdict.log or told


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_a_conclusion_is_the_whole_logs_and_its_proof_is_in_it(log: str) -> None:
    concluded, whole = conclude(log), classify(log)
    assert concluded is None or concluded == whole
    for line in whole.evidence:
        assert line.strip() in log
    assert len(whole.causes) == log.count("rst cause:")


@given(st.lists(st.sampled_from(WORDS), max_size=8).map("".join), st.sampled_from(["csum err\n", "PANIC: x\n"]))
@settings(max_examples=200)
def test_a_failure_at_the_end_never_passes(log: str, failure: str) -> None:
    assert classify(f"{log}\n{failure}").kind not in HEALTHY


def test_a_failure_that_is_cut_anywhere_is_never_concluded_to_be_well(capture: Any) -> None:
    if capture.verdict not in FAILED or capture.name in RECOVERED:
        return
    for cut in range(0, len(capture.text), 3):
        concluded = conclude(capture.text[:cut])
        assert concluded is None or concluded.kind not in HEALTHY, capture.text[:cut]


def test_a_log_may_begin_anywhere(capture: Any) -> None:
    """Without its first bytes a log loses proofs, and no board is ill that was well."""
    if capture.verdict in {"prompt", "python-prompt", "banner"}:
        for cut in range(0, len(capture.text), 7):
            assert classify(capture.text[cut:]).kind not in set(FAILED) - {"silence"}
