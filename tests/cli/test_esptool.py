"""`flashpipe esptool …`: what Makefiles, PlatformIO and scripts give to esptool, done here."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.board.boot import watcher
from flashpipe.cli import commands as cli
from flashpipe.cli.esptool import GLOBAL, VERBS, EsptoolCommand, _connection, _task, read
from flashpipe.errors import PipelineError

from tests.harness import Done, Project

Esptool = Callable[[str], Done]


@pytest.fixture
def esptool(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Esptool:
    """One command line of esptool's, as a shell would give it."""
    monkeypatch.setattr(watcher, "SETTLE_S", 0.0)
    monkeypatch.setattr(watcher, "LUA_BOOT_S", 0.0)
    monkeypatch.chdir(project.folder)

    def run(line: str) -> Done:
        status = cli.main(["esptool", *shlex.split(line)])
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return run


@pytest.fixture
def port(tmp_path: Path) -> str:
    """A board that keeps what is written to it."""
    return f"sim://nodemcu-devkit?flash={tmp_path}/cells&execute=off"


def asked(line: str, environment: dict[str, str] | None = None) -> EsptoolCommand:
    return read(shlex.split(line), environment or {})


def meant(line: str) -> list[str]:
    found = asked(line)
    return [*_connection(found.options), *_task(found)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (  # NodeMCU's Makefile, of three ages
            "--port /dev/ttyUSB0 --baud 460800 write_flash -fm dio 0x00000 bin/0x00000.bin 0x10000 bin/0x10000.bin",
            "port=/dev/ttyUSB0 baud=460800 flash yes=1 image=0x00000:bin/0x00000.bin,0x10000:bin/0x10000.bin mode=dio",
        ),
        (
            "--port=COM3 write_flash --flash_mode qio --flash_freq 40m --flash_size 32m 0 a.bin",
            "port=COM3 flash yes=1 image=0x00000:a.bin mode=qio frequency=40m",
        ),
        (  # PlatformIO
            "--before default_reset --after hard_reset --chip esp8266 --port COM3 --baud 115200 write_flash 0x0 fw.bin",
            "port=COM3 baud=115200 flash yes=1 image=0x00000:fw.bin",
        ),
        ("-p COM3 -b 9600 -a no-reset write-flash -z -e 0x0 a.bin", "port=COM3 baud=9600 erase flash yes=1 boot=off"),
        ("write_flash 0x0 a.bin --flash-mode keep -p COM3", "port=COM3 flash yes=1 image=0x00000:a.bin"),
        ("write_flash -p 0x0 a.bin", "flash yes=1 image=0x00000:a.bin"),
        ("--before no_reset -t -s verify_flash 0x0 a.bin", "reset=none verbose=1 quiet=1 verify image=0x00000:a.bin"),
        ("erase_flash", "erase yes=1"),
        ("erase-region 0x1000 0x2000", "erase regions=0x1000-0x3000 yes=1"),
        ("verify_flash --diff no 0x0 a.bin", "verify image=0x00000:a.bin"),
        ("read_flash 0 ALL dump.bin", "backup file=dump.bin force=1"),
        ("read-flash 0x1010 16 dump.bin", "backup regions=0x1000-0x2000 file=dump.bin force=1"),
        ("flash_id", "identify"),
        ("chip-id", "identify"),
        ("--chip ESP8266 read_mac", "identify"),
        ("run", "boot"),
    ],
)
def test_every_form_means_a_task(line: str, words: str) -> None:
    assert meant(line)[: len(words.split())] == words.split()


@pytest.mark.parametrize(
    "line",
    [
        "write-flash 0x0",
        "write-flash x a.bin",
        "write-flash --flash-mode",
        "write-flash --nix 0x0 a.bin",
        "write-flash --encrypt 0x0 a.bin",
        "write-flash -fm dioo 0x0 a.bin",
        "read-flash 0x1000 ALL a.bin",
        "erase-region 0x1000",
    ],
)
def test_what_cannot_be_meant_is_refused(line: str) -> None:
    with pytest.raises(PipelineError):
        meant(line)


def test_a_verb_of_esptools_own_is_told_how_a_virtual_board_is_reached(esptool: Esptool) -> None:
    assert "flashpipe board --pty" in esptool("-p sim://esp12 dump_mem 0 4 x").failed("usage").err


def test_quiet_is_a_word_of_ours() -> None:
    assert asked("-q flash_id").variables == ("quiet=1",)


def test_the_environment_of_esptool_is_heeded() -> None:
    assert asked("flash_id", {"ESPTOOL_PORT": "COM3"}).options == {"--port": "COM3"}
    assert asked("-p COM4 flash_id", {"ESPTOOL_PORT": "COM3"}).options == {"--port": "COM4"}


def test_our_options_are_those_of_the_esptool_that_is_installed() -> None:
    from esptool import cli as theirs  # noqa: PLC0415  0.3 s, for one test

    def options(command: object) -> dict[str, bool]:
        params = [one for one in command.params if one.param_type_name == "option"]  # type: ignore[attr-defined]
        return {one.opts[0]: not one.is_flag for one in params}

    assert options(theirs) == GLOBAL
    for verb, ours in VERBS.items():
        old = {"--verify"} if verb == "write-flash" else set()
        assert options(theirs.get_command(None, verb)) == {name: ours[name] for name in ours if name not in old}, verb


def test_nodemcus_make_flash(project: Project, port: str, firmware: Path) -> None:
    (project.folder / "Makefile").write_text(
        "flash:\n\t$(ESPTOOL) --port '$(ESPPORT)' --baud 460800 write_flash $(FLASHOPTIONS) 0x00000 fw.bin\n"
    )
    (project.folder / "fw.bin").write_bytes(firmware.read_bytes())
    tool = f"{sys.executable} -m flashpipe.cli.main esptool"
    done = subprocess.run(
        ["make", "flash", f"ESPTOOL={tool}", f"ESPPORT={port}", "FLASHOPTIONS=-fm dio -fs 32m --after no_reset"],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert project.receipts()[-1]["outcome"] == "flashed"


def test_platformios_upload_command(esptool: Esptool, project: Project, port: str, firmware: Path) -> None:
    (project.folder / "firmware.bin").write_bytes(firmware.read_bytes())
    line = f"--before default_reset --after hard_reset --chip esp8266 --port '{port}' --baud 115200 write_flash 0x0"
    done = esptool(f"{line} firmware.bin").ok()
    assert "OK  board" in done.out
    (project.folder / "firmware.bin").write_text("<!DOCTYPE html><html>404</html>")
    esptool(f"{line} firmware.bin").failed("image-format")


def test_a_script_of_the_old_spelling(esptool: Esptool, project: Project, port: str, firmware: Path) -> None:
    (project.folder / "fw.bin").write_bytes(firmware.read_bytes())
    esptool(f"-p '{port}' -a no_reset write_flash 0x0 fw.bin").ok()
    assert "MAC: " in esptool(f"-p '{port}' read_mac").ok().out
    esptool(f"-p '{port}' read_flash 0x20010 64 part.bin").ok()
    assert (project.folder / "part.bin").read_bytes() == firmware.read_bytes()[0x20010:0x20050]
    esptool(f"-p '{port}' verify_flash 0x0 fw.bin").ok()
    assert "0x100000..0x101000 is blank" in esptool(f"-p '{port}' erase_region 0x100000 0x1000").ok().out
    (project.folder / "words").write_text(f"-p '{port}' erase_flash")
    esptool("@words").ok()
    esptool(f"-p '{port}' verify_flash 0x0 fw.bin").failed("verify-failed")


def test_other_verbs_are_esptools_own(project: Project) -> None:
    assert "5." in project.flashpipe("esptool", "version").ok().out
    assert project.flashpipe("esptool", "image_info", "nothing.bin").status == 2
