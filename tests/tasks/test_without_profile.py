"""What is flashed where no profile was named: the image alone, or the only profile of the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import ConfirmationError

from tests.harness import Done, Project

Command = Callable[..., Done]
PORT = "sim://esp12?execute=off"


@pytest.fixture
def image(project: Project, firmware: Path) -> Path:
    path = project.folder / "fw.bin"
    path.write_bytes(firmware.read_bytes())
    return path


def test_in_a_pipe_an_image_alone_is_refused_before_the_port_is_opened(
    command: Command, project: Project, image: Path
) -> None:
    done = command("flash", image.name, "-p", "/dev/does-not-exist").failed("unknown-profile")
    assert "say profile=NAME" in done.err
    assert project.receipts() == []


def test_an_image_alone_takes_size_from_the_chip_and_mode_from_its_header(
    command: Command, project: Project, image: Path
) -> None:
    data = bytearray(image.read_bytes())
    data[2], data[3] = 3, 0x0F  # dout, 512KB, 80 MHz
    image.write_bytes(data)
    done = command("flash", image.name, "-y", "-p", PORT, "boot=off").ok()
    assert "no profile: 4MB as the chip has, dout and 80 MHz as the image says" in done.err
    (receipt,) = project.receipts()
    assert (receipt["profile"], receipt["outcome"]) == ("", "flashed")


def test_an_esp8285_gets_dout_whatever_the_image_says(command: Command, image: Path) -> None:
    done = command("plan", image.name, "-p", "sim://esp8285?execute=off").ok()
    assert "1MB, dout, 40 MHz" in done.out


def test_on_a_terminal_a_person_is_asked_first(project: Project, image: Path) -> None:
    running = pytest.importorskip("tests.running", reason="no pseudo terminals on this system")
    words = ("flash", image.name, "-p", PORT, "boot=off")
    with running.Running(project, "flashpipe.cli.main", *words) as command:
        assert "writes" in command.expect("Type yes to go on:")
        command.type("no\n")
        assert command.end() == ConfirmationError.status, command.shown
    assert "flashed" not in str(project.receipts())


def test_the_only_profile_of_a_project_is_used_on_a_terminal_and_named_in_a_pipe(
    command: Command, project: Project, image: Path
) -> None:
    (project.folder / "kitchen.yaml").write_text(f"extends: esp12\nfirmware: {{image: {image.name}}}\n")
    assert "say profile=kitchen" in command("plan").failed("unknown-profile").err
    running = pytest.importorskip("tests.running", reason="no pseudo terminals on this system")
    with running.Running(project, "flashpipe.cli.main", "plan") as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "profile kitchen, the only one of this project" in terminal.shown
    profile = project.folder / "kitchen.yaml"
    profile.write_text(profile.read_text() + "serial: {port: sim://esp12}\n")
    with running.Running(project, "flashpipe.cli.main", "identify") as terminal:  # its port counts for every task
        assert terminal.end() == 0, terminal.shown
