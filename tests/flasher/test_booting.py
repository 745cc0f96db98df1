from __future__ import annotations

import pytest

from pipeline.board.signs import ALIVE, FAILED, Verdict
from pipeline.errors import BootError, BootUnexpectedError
from pipeline.flasher.booting import BOOT_ERRORS, boot_error, explain
from pipeline.flasher.records import BootWish


def test_every_class_of_failure_has_a_code_and_a_status_of_its_own() -> None:
    assert set(FAILED) <= set(BOOT_ERRORS)
    assert set(BOOT_ERRORS) - set(FAILED) == {"formatting"}, "the one sign of life that can be too little by itself"
    kinds: list[type[BootError]] = [*BOOT_ERRORS.values(), BootUnexpectedError]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.status for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", sorted(FAILED))
def test_a_failure_is_named_with_its_proof_and_what_to_do(kind: str) -> None:
    error = boot_error("COM3", Verdict(kind, "it failed", ("first", "csum err ")), BootWish())
    assert error.code == BOOT_ERRORS[kind].code
    assert error.message == 'COM3: it failed; last line: "csum err"'
    assert error.hint == type(error).remedy
    assert error.verdict.kind == kind


@pytest.mark.parametrize("kind", sorted(set(ALIVE) - {"formatting"}))
def test_a_board_that_runs_something_else_is_told_what_was_expected(kind: str) -> None:
    error = boot_error("COM3", Verdict(kind, "it runs"), BootWish(expect="sensor ready"))
    assert error.code == "boot-unexpected"
    assert 'expected "sensor ready"' in error.message


@pytest.mark.parametrize("kind", ["no-image", "bad-checksum"])
def test_verified_bytes_that_the_rom_cannot_read_are_a_wrong_flash_mode(kind: str) -> None:
    seen = Verdict(kind, "what the ROM says", ("csum err",), log="csum err\n")
    assert explain(seen, "").kind == kind, "nothing is known of what the flash holds"
    explained = explain(seen, "qio")
    assert (explained.kind, explained.evidence, explained.log) == ("wrong-mode", seen.evidence, seen.log)
    assert "qio" in explained.summary
    assert explain(seen, "dout").kind == kind, "every part can be read in dout"
    assert explain(Verdict("panic", ""), "qio").kind == "panic"
