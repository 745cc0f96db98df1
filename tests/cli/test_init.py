"""`flashpipe init`: from a board on the port to a profile that works, by whole commands."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from flashpipe.profile.load import load_profile

from tests.harness import Done, Project
from tests.images import Builder
from tests.terminal import Terminal

pytestmark = pytest.mark.usefixtures("one_process")

MAKE = Builder()
SMALL = 0x8000
"""Code of this size is flashed in no time."""


@pytest.fixture
def port(tmp_path: Path) -> str:
    """A devkit whose flash outlives the commands."""
    return f"sim://nodemcu-devkit?flash={tmp_path / 'init.flash'}&mac=5c:cf:7f:00:00:09"


@pytest.fixture
def bare(project: Project) -> Project:
    """A folder without a dodo file, as a newcomer has it."""
    (project.folder / "dodo.py").unlink()
    return project


def init(project: Project, *words: str) -> Done:
    return project.flashpipe("init", *words)


def next_command(text: str) -> list[str]:
    """The words of the command that init printed last."""
    lines = [line for line in text.splitlines() if " flash profile=" in line]
    assert lines, text
    return shlex.split(lines[-1][lines[-1].index("flashpipe") :])


def run_next(project: Project, text: str, *more: str, folder: Path | None = None) -> Done:
    return project.flashpipe(*next_command(text)[1:], *more, folder=folder)


def test_one_image_is_taken_and_the_next_command_flashes_it(bare: Project, port: str, firmware: Path) -> None:
    shutil.copy(firmware, bare.folder / "my build.bin")
    done = init(bare, "kitchen", "--port", port).ok()
    assert "fits     nodemcu-devkit, esp12" in done.out
    assert next_command(done.out) == ["flashpipe", "flash", "profile=kitchen"]
    profile = load_profile("kitchen", bare.folder)
    assert (profile.flash_size, profile.flash_mode) == ("4MB", "dio")
    assert profile.serial.port == port
    assert profile.sources[0].text == "my build.bin"
    flashed = run_next(bare, done.out).ok()
    assert flashed.wrote
    assert "NodeMCU" in flashed.text
    assert not run_next(bare, done.out).ok().wrote


def test_with_our_dodo_file_the_next_command_works_too(project: Project, port: str) -> None:
    (project.folder / "fw.bin").write_bytes(MAKE.boot())
    done = init(project, "--port", port).ok()
    assert next_command(done.out) == ["flashpipe", "flash", "profile=board"]
    assert run_next(project, done.out, "boot=off").ok().wrote


def test_a_folder_below_a_project_gets_a_command_that_finds_its_profile(project: Project, port: str) -> None:
    deep = project.folder / "sensors"
    deep.mkdir()
    (deep / "fw.bin").write_bytes(MAKE.boot())
    done = project.flashpipe("init", "hall", "--port", port, folder=deep).ok()
    assert (deep / "hall.yaml").exists()
    assert run_next(project, done.out, "boot=off", folder=deep).ok().wrote


def test_a_split_pair_is_found_as_a_pair(bare: Project, tmp_path: Path) -> None:
    port = f"sim://esp01-1m?flash={tmp_path / 'one.flash'}"
    (bare.folder / "bin").mkdir()
    for name, data in zip(("0x00000.bin", "0x10000.bin"), MAKE.pair_3x(SMALL), strict=True):
        (bare.folder / "bin" / name).write_bytes(data)
    done = init(bare, "pair", port).ok()  # a port needs no name
    assert "bin/0x00000.bin + bin/0x10000.bin: NodeMCU 3" in done.out
    assert {source.address: source.text for source in load_profile("pair", bare.folder).sources} == {
        0: "bin/0x00000.bin",
        0x10000: "bin/0x10000.bin",
    }
    assert run_next(bare, done.out, "boot=off").ok().wrote


def test_of_several_images_each_is_offered_and_the_next_command_names_one(bare: Project, port: str) -> None:
    for name, data in (("a b.bin", MAKE.combine(MAKE.pair_2x(SMALL))), ("c.bin", MAKE.combine(MAKE.pair_3x(SMALL)))):
        (bare.folder / name).write_bytes(data)
    done = init(bare, "board", "--port", port).ok()
    assert "ways to get one" not in done.text
    assert "take away the # of one" in done.out
    assert load_profile("board", bare.folder).sources == ()
    assert run_next(bare, done.out, "boot=off").ok().wrote
    text = (bare.folder / "board.yaml").read_text()
    for name in ("a b.bin", "c.bin"):
        chosen = text.replace(f'#   image: "{name}"', f'  image: "{name}"')
        at = chosen.index(f'  image: "{name}"')
        line = chosen.rindex("# firmware:", 0, at)
        (bare.folder / "board.yaml").write_text(chosen[:line] + chosen[line + 2 :])
        assert [source.text for source in load_profile("board", bare.folder).sources] == [name]


def test_what_is_no_firmware_for_the_board_is_not_offered(bare: Project, port: str) -> None:
    (bare.folder / "page.bin").write_text("<html>404</html>")
    (bare.folder / "esp32.bin").write_bytes(MAKE.newer_chip(5, 0x400D0020))
    (bare.folder / "0x10000.bin").write_bytes(MAKE.pair_2x(SMALL)[1])
    text = init(bare, "--port", port).ok().text
    assert "page.bin" not in text
    assert "esp32.bin" not in text
    assert "ways to get one" in text


def test_without_an_image_the_ways_to_get_one_are_named_and_the_command_works(bare: Project, port: str) -> None:
    done = init(bare, "--port", port).ok()
    for word in ("nodemcu-build.com", "docker run", "make", "flashpipe flash profile=board image=FILE"):
        assert word in done.out
    (bare.folder / "FILE").write_bytes(MAKE.boot())
    assert bare.flashpipe("flash", "profile=board", "image=FILE", "boot=off").ok().wrote


def test_an_existing_file_is_left_alone(bare: Project, port: str) -> None:
    (bare.folder / "kitchen.yaml").write_text("about: mine\nextends: esp12\n")
    done = init(bare, "kitchen", "--port", port).failed("bad-value")
    assert done.status == 3
    assert "connect" not in done.text, "refused before the port is opened"
    assert "flashpipe flash profile=kitchen" in done.text
    assert (bare.folder / "kitchen.yaml").read_text() == "about: mine\nextends: esp12\n"


@pytest.mark.parametrize("name", ["../up", "a b", ".hidden", "a/b", "-", "é", "images.lock", "host", "x" * 300])
def test_a_bad_name_is_refused_before_anything(bare: Project, name: str) -> None:
    done = init(bare, "--port", "sim://esp12", "--", name).failed("bad-value")
    assert done.status == 3
    assert not list(bare.folder.glob("**/*.yaml"))


def test_the_name_of_a_shipped_profile_can_be_taken(bare: Project, tmp_path: Path) -> None:
    done = init(bare, "esp01-1m.yaml", "--port", f"sim://esp01-1m?flash={tmp_path / 'x.flash'}").ok()
    assert "profile=esp01-1m now means this file" in done.out
    assert load_profile("esp01-1m", bare.folder).flash_size == "1MB"


def test_a_port_that_is_not_there(bare: Project) -> None:
    done = init(bare, "--port", "/dev/does-not-exist").failed("port-missing")
    assert done.status == 20
    assert not list(bare.folder.glob("*.yaml"))


def test_a_board_that_does_not_answer_is_diagnosed(bare: Project) -> None:
    done = bare.flashpipe("init", "kitchen", "--port", "sim://nodemcu-devkit?wiring=none&start=app").failed("no-answer")
    assert "  cause: the reset line does not reach the chip" in done.err
    assert "[no-reset-line]" in done.err
    assert not (bare.folder / "kitchen.yaml").exists()


def test_port_profile_and_reset_may_be_given_as_variables(bare: Project, tmp_path: Path) -> None:
    board = f"sim://nodemcu-devkit?wiring=none&start=rom&flash={tmp_path / 'flash'}"
    bare.flashpipe("init", "kitchen", f"port={board}", "reset=none", "profile=d1-mini").ok()
    assert "extends: d1-mini " in (bare.folder / "kitchen.yaml").read_text()
    assert load_profile("kitchen", bare.folder).serial.reset == "none"


def test_no_port_at_all(bare: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from flashpipe.cli import commands as cli  # noqa: PLC0415  in this process, to take the ports away

    monkeypatch.setattr("flashpipe.board.ports.discovery.list_ports", list)
    monkeypatch.chdir(bare.folder)
    assert cli.main(["init"]) == 20
    text = capsys.readouterr().err
    assert "[code: port-missing]" in text
    assert "flashpipe flash profile=demo" in text


def test_several_ports_and_nobody_to_ask(
    bare: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flashpipe.board.ports.discovery import PortInfo  # noqa: PLC0415
    from flashpipe.cli import commands as cli  # noqa: PLC0415

    two = [PortInfo(f"/dev/ttyUSB{number}", 0x1A86, 0x7523, location=f"1-{number}") for number in (1, 2)]
    monkeypatch.setattr("flashpipe.board.ports.discovery.list_ports", lambda: two)
    monkeypatch.chdir(bare.folder)
    assert cli.main(["init"]) == 20
    text = capsys.readouterr().err
    assert "[code: port-ambiguous]" in text
    assert "/dev/ttyUSB2" in text
    assert "--port" in text


def test_a_profile_that_does_not_fit_the_board_is_refused(bare: Project, port: str) -> None:
    done = init(bare, "--port", port, "--profile", "esp01").failed("bad-value")
    assert "nodemcu-devkit" in done.text
    assert init(bare, "--port", port, "--profile", "nowhere").failed("unknown-profile").status == 10
    init(bare, "--port", port, "--profile", "d1-mini").ok()
    assert "extends: d1-mini " in (bare.folder / "board.yaml").read_text()


def test_a_flash_of_a_size_that_no_profile_has_gets_size_auto(bare: Project, tmp_path: Path) -> None:
    (bare.folder / "fw.bin").write_bytes(MAKE.boot())
    done = init(bare, "odd", "--port", f"sim://esp12?part=W25Q64&flash={tmp_path / 'odd.flash'}").ok()
    assert load_profile("odd", bare.folder).flash_size == "auto"
    run_next(bare, done.out, "boot=off").ok()
    assert (tmp_path / "odd.flash").read_bytes()[3] == 0x80, "the header says 8 MB"


def test_how_the_board_was_reset_is_kept(bare: Project, tmp_path: Path) -> None:
    port = f"sim://esp12?start=rom&flash={tmp_path / 'none.flash'}"
    init(bare, "--port", port, "--reset", "none").ok()
    serial = load_profile("board", bare.folder).serial
    assert (serial.port, serial.reset) == (port, "none")


# --- on a terminal ---------------------------------------------------------------------------------------------------


def test_bare_flashpipe_on_a_terminal_asks_and_writes_a_profile(bare: Project, port: str) -> None:
    for name in ("one.bin", "two.bin"):
        (bare.folder / name).write_bytes(MAKE.boot())
    environment = {**bare.environment(), "FLASHPIPE_PORT": port}
    with Terminal(bare.folder, environment, "flashpipe.cli.main") as terminal:
        terminal.expect("which of them is it? [1]")
        terminal.type("9\n")
        terminal.expect("which of them is it? [1]")
        terminal.type("2\n")
        terminal.expect("which image? [1]")
        terminal.type("\n")
        terminal.expect("next:    flashpipe flash profile=board")
        assert terminal.end() == 0
        assert terminal.sane
    profile = load_profile("board", bare.folder)
    assert "extends: esp12 " in (bare.folder / "board.yaml").read_text()
    assert len(profile.sources) == 1


def test_ctrl_c_at_a_question_ends_with_130_and_leaves_no_file(bare: Project, port: str) -> None:
    with Terminal(bare.folder, bare.environment(), "flashpipe.cli.main", "init", "--port", port) as terminal:
        terminal.expect("which of them is it? [1]")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "nothing was being written" in terminal.shown
        assert terminal.sane
    assert not list(bare.folder.glob("*.yaml"))


def test_an_input_that_ends_is_an_error(bare: Project, port: str) -> None:
    with Terminal(bare.folder, bare.environment(), "flashpipe.cli.main", "init", "--port", port) as terminal:
        terminal.expect("which of them is it? [1]")
        terminal.type("\x04")
        assert terminal.end() == 3
        assert "[code: bad-value]" in terminal.shown


def test_bare_flashpipe_without_a_terminal_is_bare_doit(bare: Project) -> None:
    assert "next: " in bare.flashpipe().ok().out
