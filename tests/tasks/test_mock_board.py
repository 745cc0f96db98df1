"""A mock of the chip that nobody here wrote (esp32-mock-bootloader) is flashed by us and judged by esptool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the mock needs a pty")


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[str]:
    """The pty of a fresh mock, always in download mode."""
    note = tmp_path / "port"
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("esp32-mock-bootloader"),
            "run",
            "--chip",
            "esp8266",
            "--pty",
            "--port-file",
            str(note),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield note.read_text().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def test_a_foreign_mock_is_flashed_and_esptool_agrees(project: Project, mock: str, firmware_folder: Path) -> None:
    image = firmware_folder / "nodemcu-1.5.4.1.bin"
    words = ["flash", "profile=esp12", f"port={mock}", "reset=none", "boot=off", f"image={image}"]
    assert project.doit(*words).ok().wrote
    (receipt,) = project.receipts()
    assert receipt["outcome"] == "flashed"
    assert receipt["virtual"] is False
    assert receipt["verdict"]["kind"] == "not-checked"
    project.doit("verify", *(word for word in words[1:] if not word.startswith("boot="))).ok()
    judged = subprocess.run(
        [
            sys.executable,
            "-m",
            "esptool",
            "--chip",
            "esp8266",
            "--port",
            mock,
            "--before",
            "no-reset",
            "--after",
            "no-reset-stub",
            "verify-flash",
            "-fm",
            "dio",
            "-ff",
            "40m",
            "-fs",
            "4MB",
            "0x0",
            str(image),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    again = project.doit(*words).ok()
    assert not again.wrote
    assert "is already up to date" in again.text
