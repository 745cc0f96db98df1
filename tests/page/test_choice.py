"""What is chosen on the page, in the words of a command line; ports that come and go; plans and profiles."""

from __future__ import annotations

import asyncio
import re
import shlex
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flashpipe.board.ports import discovery
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.open import open_port
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.jobs.firmware_offers import find_firmwares, left_out
from flashpipe.jobs.variables import KNOWN
from flashpipe.page import boards as ports
from flashpipe.page.actions import ACTIONS
from flashpipe.page.app import lua_text
from flashpipe.page.board import BoardOnPage, Work
from flashpipe.page.boards import Boards
from flashpipe.page.choice import MORE, Choice, settings
from flashpipe.page.firmware import MISSING, REFUSED, look
from flashpipe.page.save_profile import proposal, save
from flashpipe.page.shown_plan import WIDTH
from flashpipe.page.uploads import Uploads
from flashpipe.profile.load import load_profile

from tests.rooms import loaded_with


def test_every_field_is_a_variable_of_flash_and_each_task_gets_its_own() -> None:
    choice = Choice("esp12", "fw.bin", Path("/x"), tuple((name, "1") for name in MORE))
    assert set(choice.variables("flash")) == {"profile", "image", *MORE}
    for action in ACTIONS.values():
        given = choice.variables(action.task, **dict.fromkeys(action.fields, "x"))
        assert all(action.task in KNOWN[name].tasks for name in given)
    assert choice.command("flash", {"port": "a b"}).startswith("flashpipe flash profile=esp12 image=fw.bin ")
    assert "port='a b'" in choice.command("identify", {"port": "a b"})


def test_the_first_page_waits_for_nothing_heavy() -> None:
    loaded = loaded_with("flashpipe.page.server") | loaded_with("flashpipe.cli.page")
    late = {f"flashpipe.{name}" for name in ("jobs.board_job", "jobs.inputs", "jobs.preview", "jobs.bundle")}
    assert loaded & {"esptool", "requests", "rich", "ruamel", "serial", *late} == set()


def test_erase_and_keep_replace_the_profiles(tmp_path: Path, firmware: Path) -> None:
    def rows(**more: str) -> set[str]:
        found = look(Choice("esp12", firmware.name, firmware.parent, tuple(more.items())), (tmp_path, tmp_path))
        assert found["error"] is None
        return {row["action"] for row in found["plan"]["rows"]}

    assert rows() == {"write", "keep"}
    assert rows(erase="all", keep="none") == {"write", "erase"}
    refused = look(Choice("esp12", firmware.name, firmware.parent, (("keep", "spiffs,nothing"),)), (tmp_path, tmp_path))
    assert refused["error"]["code"] == "bad-value"


@pytest.mark.parametrize(
    ("called", "kept"),
    [
        ("my firmware (1).bin", "my firmware (1).bin"),
        ("Küche, links=1!.bin", "Küche, links=1!.bin"),
        ("a!b.bin", "a!b.bin"),
        ("ö.bin", "ö.bin"),
        ("0x0:a.bin", "0x0_a.bin"),
        ("a.zip!b.bin", "a.zip_b.bin"),
        ("../x/.hidden", "_x_.hidden"),
        ("~root", "_root"),
        ("con.bin ", "con.bin_"),
        ("a\x1b[31m\u202e.bin", "a_[31m_.bin"),
        ("x" * 300, "x" * 120),
        ("é" * 300, "é" * 120),
    ],
)
def test_a_dropped_file_is_called_as_it_was_and_taken_by_that_name(
    tmp_path: Path, called: str, kept: str, firmware: Path
) -> None:
    contents = firmware.read_bytes()

    async def data() -> AsyncIterator[bytes]:
        yield contents

    uploads = Uploads()
    chosen = uploads.new_set()
    with ThreadPoolExecutor(1) as beside:  # the loop of a browser may run in this thread
        path = beside.submit(asyncio.run, uploads.add(chosen, called, data())).result().path
    assert (path.name, path.parent) == (kept, uploads.folder(chosen))
    (found,) = firmwares = find_firmwares(path.parent, [path.name])
    assert not left_out([path.name], firmwares)
    choice = Choice("esp12", found.image, path.parent)
    assert choice.file_name == kept
    assert look(choice, (tmp_path, tmp_path))["error"] is None
    assert shlex.split(choice.command("plan", {}))[-1] == f"image={kept}"
    uploads.clear()


def test_what_is_missing_is_not_said_to_be_refused(tmp_path: Path) -> None:
    found = look(Choice("esp12"), (tmp_path, tmp_path))
    assert (found["error"]["code"], found["error"]["heading"]) == ("no-image", MISSING["no-image"])
    (tmp_path / "built.yaml").write_text("extends: esp12\nfirmware: {build: {command: make, outputs: fw.bin}}\n")
    assert look(Choice("built"), (tmp_path, tmp_path))["error"]["heading"] == MISSING["build-due"]
    assert look(Choice("esp12", str(tmp_path / "gone")), (tmp_path, tmp_path))["error"]["heading"] == REFUSED


@pytest.mark.parametrize("text", ["a\nb", "x" * 401, "\x1b[2J"])
def test_a_field_is_a_short_line(text: str) -> None:
    with pytest.raises(BadValueError):
        settings({"mode": text})


def test_the_map_is_to_scale_and_without_gaps(tmp_path: Path, firmware: Path) -> None:
    plan = look(Choice("esp12", firmware.name, firmware.parent), (tmp_path, tmp_path))["plan"]
    pieces = next(lane for lane in plan["lanes"] if lane["name"].startswith("what happens"))["pieces"]
    assert all(piece["x"] >= 0 and piece["x"] + piece["width"] <= WIDTH for piece in pieces)
    size = firmware.stat().st_size
    assert pieces[0]["width"] == pytest.approx(size * WIDTH / 0x400000, abs=2)
    assert plan["wire"] > size / 3


# --- ports -----------------------------------------------------------------------------------------------------------


def test_ports_come_and_go_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523, location="1-1")]
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(discovery, "list_ports", lambda: there)
    found = Boards((tmp_path, tmp_path), lambda board, part: told.append((board.port, part)))
    found.look()
    (board,) = found.all()
    assert (board.port, board.about["adapter"]) == ("/dev/ttyUSB0", "CH340")
    found.look()
    assert told == [("/dev/ttyUSB0", "boards")]
    board.device, there[:] = {"mac": "x"}, []
    found.look()
    assert not board.present
    there.append(PortInfo("/dev/ttyUSB0", 0x10C4, 0xEA60))
    found.look()
    assert board.present
    assert board.device == {}  # nobody knows which board it is now
    assert board.likely
    there.append(PortInfo("/dev/ttyS0"))
    found.look()
    assert [one.likely for one in found.all()] == [True, False]  # not ticked for "flash all"


def test_a_port_that_was_added_by_its_name_is_said_to_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "list_ports", list)
    gone = {"/dev/pts/77"}
    monkeypatch.setattr(Path, "exists", lambda path: str(path) not in gone)
    found = Boards((tmp_path, tmp_path), lambda _board, _part: None)
    board = found.add("/dev/pts/77")
    found.look()
    assert not board.present
    gone.clear()
    found.look()
    assert board.present


def test_a_board_is_on_the_page_once_and_there_is_an_end_of_them(tmp_path: Path) -> None:
    found = Boards((tmp_path, tmp_path), lambda _board, _part: None)
    assert found.add("sim://esp12?board=a") is found.add(" sim://esp12?board=a ")
    assert found.add_virtual("demo").choice.profile == "demo"
    boards = [found.add_virtual("esp12") for _ in range(2)]
    boards.append(Boards((tmp_path, tmp_path), lambda _board, _part: None).add_virtual("esp12"))
    macs = {parse_qs(urlsplit(board.port).query)["mac"][0] for board in boards}
    assert len(macs) == 3, "an earlier page's board is in records, and another one"
    for number in range(ports.MOST - len(found.all())):
        found.add(f"sim://esp12?board=n{number}")
    with pytest.raises(BadValueError):
        found.add("sim://esp12?board=more")
    found.remove(found.all()[0].slug)
    found.add("sim://esp12?board=more")


@pytest.mark.parametrize(
    "port", ["all", "auto", "/dev/ttyUSB*", "/dev/a,/dev/b", ",", "labgrid://p*", "sim://no-board"]
)
def test_what_is_no_name_of_one_port_gets_no_card(tmp_path: Path, port: str) -> None:
    found = Boards((tmp_path, tmp_path), lambda _board, _part: None)
    with pytest.raises(BadValueError):
        found.add(port)
    assert found.all() == []


@pytest.mark.parametrize(
    ("port", "lasting", "name"),
    [
        ("sim://esp12?mac=5c:cf:7f:00:00:01", "sim://esp12?mac=5c:cf:7f:00:00:01&board=page-1", "page-1 (esp12)"),
        ("sim://esp12", "sim://esp12?mac=5c:cf:7f:b…&board=page-1", "page-1 (esp12)"),
        ("sim://esp12?board=a", "sim://esp12?board=a", "a (esp12)"),
        ("sim://demo", "sim://demo", "sim://demo"),
        ("/dev/ttyUSB0", "/dev/ttyUSB0", "/dev/ttyUSB0"),
        (f"rfc2217://host:4000?{'x' * 40}", f"rfc2217://host:4000?{'x' * 40}", f"rfc2217://host:400…{'x' * 18}"),
    ],
)
def test_a_virtual_board_stays_the_same_and_a_long_port_has_a_short_name(
    tmp_path: Path, port: str, lasting: str, name: str
) -> None:
    found = Boards((tmp_path, tmp_path), lambda _board, _part: None)
    board = found.add(port)
    shown = re.sub(r"(mac=5c:cf:7f:b)[0-9a-f:]{7}(?=&)", r"\1…", board.port)  # which no board had before
    assert (shown, board.name) == (lasting, name)
    assert found.add(port) is board


@pytest.mark.parametrize(
    "port",
    [
        "sim://nosuch",
        "sim://?fault=zzz",
        "SIM://nosuch?board=a",
        "sim://esp12?fault=zzz",
        "sim://esp12?adc=much",
        "rfc2217://host",
    ],
)
def test_what_can_be_no_board_is_not_added_and_told_as_on_a_terminal(tmp_path: Path, port: str) -> None:
    found = Boards((tmp_path, tmp_path), lambda _board, _part: None)
    with pytest.raises(BadValueError) as on_page:
        found.add(port)
    assert found.all() == []
    with pytest.raises(BadValueError) as opened:
        open_port(port if "sim" not in port.lower() else f"{port}{'&' if '?' in port else '?'}inline=1", 115200)
    assert (on_page.value.message, on_page.value.hint) == (opened.value.message, opened.value.hint)


def test_what_waits_for_a_board_is_bounded(tmp_path: Path) -> None:
    board = BoardOnPage("sim://esp12", "x", (tmp_path, tmp_path), lambda _board, _part: None)
    board._wake = lambda: None  # type: ignore[method-assign]  # its thread does not begin
    works = [Work("flash", str(number), lambda _run, _board: "", action=f"act-{number}") for number in range(9)]
    assert [board.start(work) for work in works] == [True] * 8 + [False]


def test_what_waits_is_not_asked_for_twice(tmp_path: Path) -> None:
    board = BoardOnPage("sim://esp12", "x", (tmp_path, tmp_path), lambda _board, _part: None)
    board._wake = lambda: None  # type: ignore[method-assign]  # its thread does not begin
    for action in ("flash", "flash", "", "", "identify", "flash"):
        assert board.start(Work("flash", action or "saved text", lambda _run, _board: "", action=action))
    assert board.waiting == ["flash", "saved text", "saved text", "identify"]


def test_what_waits_behind_a_failure_is_not_begun_and_named(tmp_path: Path) -> None:
    board = BoardOnPage("sim://esp12", "x", (tmp_path, tmp_path), lambda _board, _part: None)
    ready, done = threading.Event(), list[str]()

    def fail(_run: object, _board: object) -> str:
        assert ready.wait(10)
        raise BadValueError("it has failed", "look why")

    def do(_run: object, _board: object) -> str:
        done.append("done")
        return "done"

    assert board.start(Work("boot", "Restart and watch", fail, action="boot"))
    assert board.start(Work("files", "List files", do, action="files"))
    assert board.start(Work("identify", "Identify", do, action="identify"))
    ready.set()
    deadline = time.monotonic() + 10
    while board.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert board.log is not None
    assert (board.log.label, board.log.outcome, board.waiting, done) == ("Restart and watch", "failed", [], [])
    assert board.log.state == "not begun after that: List files, Identify"
    assert board.start(Work("identify", "Identify", do, action="identify")), "whoever asks for it then has it done"
    while board.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert done == ["done"]
    board.leave()


# --- files and profiles ----------------------------------------------------------------------------------------------


def test_a_profile_is_shown_and_then_written_with_its_file(tmp_path: Path, firmware: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    more = {"mode": "dout", "baud": "115200", "keep": "none", "erase": "all", "boot": "any"}
    choice = Choice("esp12", firmware.name, firmware.parent, tuple(more.items()))
    device = {"mac": "5c:cf:7f:00:00:01", "chip": "ESP8266EX", "flash_part": "W25Q32"}
    text = proposal("kitchen", choice, device, project)
    assert not list(project.iterdir())
    path = save("kitchen", text, choice, project)
    profile = load_profile("kitchen", project)
    assert (profile.flash_mode, profile.serial.baud, profile.erase, profile.keep) == ("dout", 115200, "all", ())
    assert (project / firmware.name).read_bytes() == firmware.read_bytes()
    with pytest.raises(BadValueError):
        save("kitchen", text, choice, project)
    path.unlink()
    (project / firmware.name).write_bytes(b"mine")
    with pytest.raises(BadValueError):
        save("kitchen", text, choice, project)
    assert (project / firmware.name).read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["", "nonsense: 1\n", "extends: nobody\n", "a: [\n"])
def test_what_is_no_profile_is_not_left_behind(tmp_path: Path, text: str) -> None:
    with pytest.raises(PipelineError):
        save("kitchen", text, Choice("esp12"), tmp_path)
    assert not (tmp_path / "kitchen.yaml").exists()


def test_without_a_profile_the_board_says_what_it_is(tmp_path: Path, firmware: Path) -> None:
    text = proposal("kitchen", Choice(image=firmware.name, folder=firmware.parent), {"family": "esp8285"}, tmp_path)
    save("kitchen", text, Choice(image=firmware.name, folder=firmware.parent), tmp_path)
    assert load_profile("kitchen", tmp_path).chip == "esp8285"


@pytest.mark.parametrize(
    ("name", "lua"), [("init.lua", '"init.lua"'), ('a"b\\', '"a\\034b\\092"'), ("é", '"\\195\\169"')]
)
def test_a_name_becomes_a_lua_text(name: str, lua: str) -> None:
    assert lua_text(name) == lua
