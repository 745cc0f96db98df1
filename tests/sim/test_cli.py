"""`flashpipe board` as a process: what it prints, leaves behind, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from flashpipe.sim.chip.timing import Costs
from flashpipe.sim.cli import build_parser, main, obey
from flashpipe.sim.faults import KINDS
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.options import parse_url

ROOT = Path(__file__).resolve().parents[2]
SYNC = slip.encode(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)
posix = pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[subprocess.Popen[str]] = []
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FLASHPIPE_STATE": str(tmp_path / "state")}

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flashpipe.sim.cli", *words]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(text + "\n")
    process.stdin.flush()
    answer = process.stderr.readline().strip()  # the first board of all compiles the core, and says so
    return answer if not answer.startswith("sim: compiling") else process.stderr.readline().strip()


@posix
@pytest.mark.parametrize("ending", ["quit", signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_a_run_on_a_pty(run: Run, tmp_path: Path, ending: Any) -> None:
    flash = tmp_path / "flash.bin"
    process = run("esp12", "--pty", "--flash", str(flash), "--start", "stub-v2", "--record", str(tmp_path / "r.jsonl"))
    path = line_of(process)
    card = tmp_path / "state" / "virtual-ports" / f"{process.pid}.json"
    assert json.loads(card.read_text()) == {"pid": process.pid, "ports": [path]}
    with serial.Serial(path, 115200, timeout=2) as port:
        port.write(SYNC)
        assert port.read(96) == slip.encode(bytes.fromhex("01080200000000000000")) * 8
        port.write(slip.encode(HEADER.pack(0, 0xD0, 0, 0)))
        assert port.read(12)[-3:] == b"\0\0\xc0"
    if ending == "quit":
        assert process.stdin is not None
        process.stdin.write("quit\n")
        process.stdin.flush()
    else:
        process.send_signal(ending)
    assert process.wait(5) == 0
    assert not card.exists()
    assert flash.read_bytes() == b"\xff" * (4 << 20)
    assert any(json.loads(line).get("hex") == SYNC.hex() for line in (tmp_path / "r.jsonl").read_text().splitlines())


@posix
def test_a_board_on_a_pty_starts_in_download_mode_and_obeys_the_console(run: Run) -> None:
    process = run()
    line_of(process)
    assert tell(process, "state") == "1 rom"
    for command, mode in (("reset", "app"), ("gpio0 low", "app"), ("reset", "rom"), ("power off", "off"),
                          ("gpio0 high", "off"), ("power on", "app"), ("1 reset download", "rom")):  # fmt: skip
        assert tell(process, command) == "ok"
        assert tell(process, "state") == f"1 {mode}", command
    assert "unknown command" in tell(process, "explode")
    assert "no board 2" in tell(process, "2 reset")
    assert tell(process, "fault mute") == "ok"
    assert "bang" in tell(process, "fault bang")


def test_console_commands_can_mean_one_board_of_several() -> None:
    links = [parse_url(f"sim://esp12?board={number}").build() for number in range(3)]
    assert obey(links, "2 reset download") == "ok"
    assert [link.board.mode for link in links] == ["app", "rom", "app"]


@posix
def test_several_boards(run: Run, tmp_path: Path) -> None:
    process = run("esp01", "--count", "3", "--flash", str(tmp_path / "f"))
    names = [line_of(process) for _ in range(3)]
    assert len(set(names)) == 3
    assert sorted(path.name for path in tmp_path.glob("f*")) == ["f.1", "f.2", "f.3"]


@posix
def test_a_board_goes_on_when_its_stdin_ends_unless_it_is_told_to_end_with_it(run: Run, tmp_path: Path) -> None:
    staying, ending = run("esp01"), run("esp01", "--end-with-stdin")
    for process in (staying, ending):
        line_of(process)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert ending.wait(5) == 0
    assert staying.poll() is None
    (card,) = (tmp_path / "state" / "virtual-ports").glob("*.json")
    assert card.stem == str(staying.pid)


def test_servers_print_their_urls(run: Run) -> None:
    process = run("--rfc2217", "0", "--attach")
    names = [line_of(process), line_of(process)]
    assert names[0].startswith("rfc2217://127.0.0.1:")
    assert names[1].startswith("sim+attach://127.0.0.1:")
    assert tell(process, "state") == "1 app"


BAD = [
    (["esp99"], "esp99"), (["--param", "foo=1"], "foo"), (["--param", "se_us"], "se_us"), (["--param", "se_us=x"], "x"),
    (["--fault", "stuck-sector:zz"], "zz"), (["--time", "never"], "never"), (["--option", "colour=red"], "colour"),
    (["--count", "0"], "0"), (["--rfc2217", "70000"], "70000"), (["--option", "size=3MB"], "3MB"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "named"), BAD)
def test_bad_words_are_one_line_that_names_them(words: list[str], named: str,
                                                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(words) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert named in told.err.splitlines()[0]
    assert len(told.err.splitlines()) == 2


def test_a_port_number_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert main(["--rfc2217", str(number)]) == 20
    assert str(number) in capsys.readouterr().err


def test_a_flash_file_of_the_wrong_size(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    assert main(["--flash", str(tmp_path / "f")]) == 3
    assert "1 bytes" in capsys.readouterr().err


def test_help_lists_every_parameter_with_its_unit_and_every_fault() -> None:
    text = build_parser().format_help()
    for name in Costs.__dataclass_fields__:
        assert f"\n  {name} [" in text
    for kind in KINDS:
        assert f"\n  {kind.name}" in text
    assert "erase, 4 KB" in text


def test_a_card_of_a_killed_board_names_a_dead_process(run: Run, tmp_path: Path) -> None:
    process = run("--attach")
    line_of(process)
    process.kill()
    process.wait(5)
    (card,) = (tmp_path / "state" / "virtual-ports").glob("*.json")
    pid = json.loads(card.read_text())["pid"]
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
