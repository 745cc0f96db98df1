"""`flashpipe simulate`, as a user types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flashpipe.cli.simulate import main
from flashpipe.errors import (
    BadValueError,
    HeaderSizeError,
    NotEmulatedError,
    PipelineError,
    SimulationFailedError,
    SimulationTimeoutError,
    UnknownVariableError,
)
from flashpipe.sim import snapshot
from flashpipe.sim.memory import IRAM_START

from tests.elfs import make_elf
from tests.harness import Project
from tests.images import Builder
from tests.sim.cpu.assembler import asm, program
from tests.sim.executed import image

MB = 1024 * 1024
Capture = pytest.CaptureFixture[str]
RETURNING = image({IRAM_START: asm("ret")}, IRAM_START)
SPINNING = image({IRAM_START: asm("j", 0)}, IRAM_START)
FAULTING = image({IRAM_START: bytes(4)}, IRAM_START)
"""Its first instruction is `ill`."""
STRANGE = image(
    {IRAM_START: (0x60005000).to_bytes(4, "little") + program(("l32r", 2, -4), ("s32i", 2, 2, 0), ("j", 0))},
    IRAM_START + 4,
)
"""It writes a register that no ESP8266 documentation knows."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in {"returning": RETURNING, "spinning": SPINNING, "strange": STRANGE}.items():
        (tmp_path / f"{name}.bin").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- a real firmware -------------------------------------------------------------------------------------------------


def test_a_firmware_boots_to_its_prompt_and_answers(firmware: Path, capsys: Capture) -> None:
    assert main([str(firmware), "send=print(node.heap())", "send==6*7\\r\\n"]) == 0
    told = capsys.readouterr()
    assert re.search(r"\n> print\(node\.heap\(\)\)\n4\d{4}\n> =6\*7\n42\n> $", told.out)
    assert "\nlast line: > \n" in told.err
    assert re.search(r"[\d,]{9} instructions, \d+\.\d\d s on the board, \d+\.\d\d s here, core (c|python)\n", told.err)


def test_the_run_ends_where_the_wanted_text_is_said(firmware: Path, capsys: Capture) -> None:
    assert main([str(firmware), "size=1MB", "until=/rf cal sector: \\d+/"]) == 0
    out = capsys.readouterr().out
    assert "rf cal sector: 251" in out
    assert "Formatting" not in out


def test_a_run_goes_on_in_the_next_command(firmware: Path, folder: Path, capsys: Capture) -> None:
    assert main([str(firmware), "--snapshot", "chip.snap"]) == 0
    assert main(["--resume", "chip.snap", "send=x=41", "--snapshot", "chip.snap"]) == 0
    capsys.readouterr()
    assert main(["--resume", "chip.snap", "send==x+1"]) == 0
    assert capsys.readouterr().out == "=x+1\n42\n> "
    assert sorted(path.name for path in folder.iterdir() if "snap" in path.name) == ["chip.snap"]


def test_a_restart_is_counted(firmware: Path, capsys: Capture) -> None:
    assert main([str(firmware), "send=node.restart()"]) == 0
    assert "1 resets (restart)" in capsys.readouterr().err


def test_as_a_process(project: Project, firmware: Path) -> None:
    done = project.flashpipe("simulate", str(firmware), "until=/^> $/").ok()
    assert done.out.endswith("> ")
    project.flashpipe("simulate", str(firmware), "until=never said", "timeout=200ms").failed("simulation-timeout")
    project.flashpipe("simulate", str(firmware), "fail=ets Jan").failed("simulation-failed")
    project.flashpipe("simulate", "nothing.bin").failed("image-missing")


# --- endings ---------------------------------------------------------------------------------------------------------


def test_without_until_time_over_is_no_failure(capsys: Capture) -> None:
    assert main(["spinning.bin", "timeout=100ms"]) == 0
    assert "0.10 s on the board" in capsys.readouterr().err


def test_what_was_never_typed_is_a_failure_and_named() -> None:
    with pytest.raises(SimulationTimeoutError, match="hello"):
        main(["spinning.bin", "timeout=100ms", "send=hello"])


@pytest.mark.parametrize(("content", "words"), [(FAULTING, "exception 0 at 0x4010"), (b"\xff" * 64, "no program")])
def test_a_chip_that_stands_still_is_a_failure(folder: Path, content: bytes, words: str) -> None:
    (folder / "still.bin").write_bytes(content)
    with pytest.raises(SimulationFailedError, match=words):
        main(["still.bin"])


def test_a_chip_that_the_watchdog_resets_again_and_again_is_a_failure(folder: Path) -> None:
    (folder / "none.bin").write_bytes(b"\xff" * 64)
    with pytest.raises(SimulationFailedError, match="watchdog"):
        main(["none.bin", "timeout=10s", "until=never"])


def test_a_firmware_that_dies_is_a_failure_also_where_its_time_is_over_before_it_starts_again(
    folder: Path, firmware: Path
) -> None:
    (folder / "cut.bin").write_bytes(firmware.read_bytes()[:400_000])
    with pytest.raises(SimulationFailedError, match="exception 0") as failed:
        main(["cut.bin", "timeout=50ms"])
    assert "started again" not in failed.value.message
    assert "refuses this image: cut.bin" in failed.value.hint, "which is why"
    assert main(["cut.bin", "timeout=50ms", "until=csum"]) == 0


def test_a_firmware_that_starts_again_and_again_is_a_failure_however_seldom(folder: Path) -> None:
    """It jumps to the ROM's start each time, some 30 ms after the last."""
    again = (0x40000080).to_bytes(4, "little") + program(("l32r", 2, -4), ("jx", 2))
    (folder / "again.bin").write_bytes(image({IRAM_START: again}, IRAM_START + 4))
    with pytest.raises(SimulationFailedError, match="again 3 times, and never waited"):
        main(["again.bin", "timeout=80ms"])


@pytest.mark.parametrize("sent", [[], ["send=hello"]])
def test_a_firmware_that_starts_for_ever_is_told_as_such_also_where_something_is_to_be_sent(
    folder: Path, sent: list[str]
) -> None:
    again = (0x40000080).to_bytes(4, "little") + program(("l32r", 2, -4), ("jx", 2))
    (folder / "again.bin").write_bytes(image({IRAM_START: again}, IRAM_START + 4))
    for timeout in ("80ms", "1s"):
        with pytest.raises(SimulationFailedError, match="has started again"):
            main(["again.bin", f"timeout={timeout}", *sent])


def test_a_text_that_never_comes(capsys: Capture) -> None:
    with pytest.raises(SimulationTimeoutError):
        main(["spinning.bin", "timeout=100ms", "until=ready"])
    assert "last line: csum 0xe9" in capsys.readouterr().err


def test_a_text_that_must_not_come() -> None:
    with pytest.raises(SimulationFailedError):
        main(["returning.bin", "fail=/csum 0x../"])


def test_what_is_not_emulated_stops_by_name_or_goes_on(capsys: Capture) -> None:
    with pytest.raises(NotEmulatedError) as caught:
        main(["strange.bin"])
    assert "0x60005000" in str(caught.value)
    capsys.readouterr()
    assert main(["strange.bin", "unmapped=warn", "timeout=100ms"]) == 0
    assert "warning: register 0x60005000" in capsys.readouterr().err


# --- what else is shown ----------------------------------------------------------------------------------------------


def test_the_trace_tells_registers(capsys: Capture) -> None:
    assert main(["strange.bin", "unmapped=warn", "timeout=10ms", "--trace"]) == 0
    assert re.search(r"us  4010\w{4}  W 60005000 = 60005000\n", capsys.readouterr().err)


def test_the_profile_has_names_from_the_elf(folder: Path, capsys: Capture) -> None:
    (folder / "app.elf").write_bytes(make_elf())
    assert main(["spinning.bin", "timeout=50ms", "--cpu-profile", "elf=app.elf"]) == 0
    assert re.search(r" 100\.0 %  call_user_start\n", capsys.readouterr().err)
    assert main(["spinning.bin", "timeout=50ms", "--cpu-profile"]) == 0
    assert re.search(r" 100\.0 %  0x40100000…\n", capsys.readouterr().err)


def test_the_profile_tells_the_roms_functions_and_what_was_waiting(firmware: Path, capsys: Capture) -> None:
    assert main([str(firmware), "--cpu-profile"]) == 0
    told = capsys.readouterr().err
    waited = re.search(r"\ncycles by function; ([\d,]+) more were spent waiting\n", told)
    assert waited is not None
    assert int(waited[1].replace(",", "")) > 1_000_000
    assert re.search(r"\n +[\d,]+ +\d+\.\d %  SPIEraseSector\n", told)


def test_the_trace_of_instructions(capsys: Capture) -> None:
    assert main(["strange.bin", "unmapped=warn", "timeout=0.001ms", "--trace-instructions"]) == 0
    lines = [line.split() for line in capsys.readouterr().err.splitlines() if " 401000" in line]
    assert [line[1:3] for line in lines[:3]] == [["40100004", "l32r"], ["40100007", "s32i"], ["4010000a", "j"]]
    with pytest.raises(SystemExit):
        main(["strange.bin", "--trace-instructions", "--cpu-profile"])


def test_bytes_that_are_no_text_are_shown_as_such(firmware: Path, capsys: Capture) -> None:
    assert main([str(firmware), "send=uart.write(0,27,7,65,0)"]) == 0
    assert "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}A\N{REPLACEMENT CHARACTER}> " in capsys.readouterr().out


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_split_pair_lies_where_it_is_put(folder: Path, firmware: Path, capsys: Capture) -> None:
    whole = firmware.read_bytes()
    (folder / "a.bin").write_bytes(whole[:0x10000])
    (folder / "b.bin").write_bytes(whole[0x10000:])
    assert main(["0x00000:a.bin,0x10000:b.bin", "until=SDK ver"]) == 0
    assert "SDK ver" in capsys.readouterr().out


def test_escapes_are_read(firmware: Path, capsys: Capture) -> None:
    assert main([str(firmware), "send=print('a\\x42\\\\n')\\r\\n"]) == 0
    assert "print('aB\\n')\naB\n\n> " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], BadValueError),
        (["returning.bin", "spinning.bin"], BadValueError),
        (["returning.bin", "sizes=1MB"], UnknownVariableError),
        (["returning.bin", "size=3MB"], BadValueError),
        (["returning.bin", "size=much"], BadValueError),
        (["returning.bin", "size=1MB", "size=2MB"], BadValueError),
        (["returning.bin", "until=/(/"], BadValueError),
        (["returning.bin", "timeout=soon"], BadValueError),
        (["returning.bin", "mac=5c:cf"], BadValueError),
        (["returning.bin", "adc=1025"], BadValueError),
        (["returning.bin", "unmapped=maybe"], BadValueError),
        (["returning.bin", "seed=1.5"], BadValueError),
        (["returning.bin", "init=none"], BadValueError),
        (["returning.bin", "header=none"], BadValueError),
        (["returning.bin", "elf=returning.bin"], PipelineError),
        (["0x80000:returning.bin", "size=512KB"], BadValueError),
        (["nothing.bin"], PipelineError),
        (["--resume", "nothing.snap"], BadValueError),
        (["--resume", "returning.bin"], BadValueError),
        (["returning.bin", "--resume", "chip.snap"], BadValueError),
        (["--resume", "chip.snap", "size=1MB"], BadValueError),
        (["--resume", "chip.snap", "unmapped=warn"], BadValueError),
    ],
)
def test_what_cannot_be_read_is_refused(words: list[str], error: type[PipelineError]) -> None:
    with pytest.raises(error):
        main(words)


def test_variables_of_the_chip_reach_it(folder: Path) -> None:
    assert main(["spinning.bin", "timeout=10ms", "mac=5C:CF:7F:01:02:03", "adc=77", "seed=9", "--snapshot", "s"]) == 0
    machine = snapshot.load((folder / "s").read_bytes())
    assert (machine.options.mac, machine.options.adc, machine.options.seed) == ("5c:cf:7f:01:02:03", 77, 9)
    assert machine.nor.read(0, len(SPINNING)) == SPINNING


def test_the_headers_size_is_what_the_build_can_live_with(folder: Path) -> None:
    (folder / "boot.bin").write_bytes(image({IRAM_START: asm("j", 0)}, IRAM_START, size_code=0))
    (folder / "user1.bin").write_bytes(Builder().ota(code=b"mismatch map %d,spi_size_map %d\n\0", packed=5 << 4))
    pair = "0x0:boot.bin,0x1000:user1.bin"
    for words, code, places in (([], 5, {2 * MB, 4 * MB}), (["header=keep"], 0, {4 * MB})):
        main([pair, "timeout=10ms", "--snapshot", "s", *words])
        nor = snapshot.load((folder / "s").read_bytes()).nor
        assert nor.read(3, 1)[0] >> 4 == code
        assert {end for end in (MB, 2 * MB, 4 * MB) if nor.read(end - 0x4000, 1)[0] == 5} == places
    with pytest.raises(HeaderSizeError):
        main([pair, "timeout=10ms", "size=1MB"])


def test_the_headers_size_and_the_init_data(folder: Path) -> None:
    small = image({IRAM_START: asm("j", 0)}, IRAM_START, size_code=0)
    (folder / "small.bin").write_bytes(small)
    for words, code, init in ((["size=2MB"], 3, 5), (["size=2MB", "header=keep", "init=blank"], 0, 0xFF)):
        main(["small.bin", "timeout=10ms", "--snapshot", "s", *words])
        nor = snapshot.load((folder / "s").read_bytes()).nor
        assert (nor.read(3, 1)[0] >> 4, nor.read(nor.size - 0x4000, 1)[0]) == (code, init)
