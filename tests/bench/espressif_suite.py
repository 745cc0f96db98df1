"""Run Espressif's own hardware tests of esptool against a virtual board.

    python tests/bench/espressif_suite.py CHECKOUT [--on pty|attach] [pytest arguments]

CHECKOUT is a checkout of github.com/espressif/esptool; only its `test/` folder and its RFC 2217 server are used. They
are copied, because the tests write beside themselves. esptool itself is the installed one. On a bare pty two tests must
fail: they start that server on the port, which needs modem lines.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("test_esptool.py", "test_esptool_sdm.py")
NEED_MODEM_LINES = {
    "TestVirtualPort::test_auto_detect_virtual_port",
    "TestVirtualPort::test_highspeed_flash_virtual_port",
}
INI = "[pytest]\nmarkers =\n    flaky: reruns are not wanted here\n"
HOOK = """
import fcntl, struct, termios
import serial
serial.protocol_handler_packages.append("flashpipe.sim")
from flashpipe.sim.ports.attached import AttachedPort
ports = {}
system_ioctl = fcntl.ioctl

def fileno(port):
    number = port._socket.fileno()
    ports[number] = port
    return number

def ioctl(number, request, *rest):
    port = ports.get(number) if isinstance(number, int) else None
    if port is None or request not in (termios.TIOCMGET, termios.TIOCMSET):
        return system_ioctl(number, request, *rest)
    if request == termios.TIOCMGET:
        return struct.pack("I", termios.TIOCM_DTR * port.dtr | termios.TIOCM_RTS * port.rts)
    bits = struct.unpack("I", rest[0])[0]
    port._dtr_state, port._rts_state = bool(bits & termios.TIOCM_DTR), bool(bits & termios.TIOCM_RTS)
    port._update_lines()

AttachedPort.fileno = fileno
fcntl.ioctl = ioctl
"""
# Any Python that the tests start must know the board's URLs. Espressif's RFC 2217 server sets both modem lines at once
# with an ioctl, whatever the port is; so the attached port gets modem lines that an ioctl can reach.


@contextmanager
def board(way: str, environment: dict[str, str]) -> Iterator[str]:
    """A running board; its port."""
    command = [sys.executable, "-m", "flashpipe.sim.cli", "esp12", f"--{way}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def main() -> int:
    parser = argparse.ArgumentParser(description="Espressif's hardware tests against a virtual board")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--on", choices=("pty", "attach"), default="pty")
    arguments, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="espressif-") as folder:
        here = Path(folder)
        shutil.copytree(arguments.checkout / "test", here / "test")
        for server in arguments.checkout.glob("esp_rfc2217_server*"):
            (shutil.copytree if server.is_dir() else shutil.copy)(server, here / server.name)
        (here / "hook").mkdir()
        (here / "hook" / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        (here / "pytest.ini").write_text(INI, encoding="utf-8")
        path = os.pathsep.join([str(here / "hook"), str(ROOT)])
        environment = os.environ | {
            "PYTHONPATH": path,
            "FLASHPIPE_STATE": str(here / "state"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        with board(arguments.on, environment) as port:
            return run(here, port, environment, more)


def run(here: Path, port: str, environment: dict[str, str], more: list[str]) -> int:
    """Run the suite; 0 where nothing failed that can pass on this port."""
    report = here / "report.txt"
    command = [
        sys.executable, "-m", "pytest", *FILES, "-c", str(here / "pytest.ini"), "--rootdir", str(here / "test"),
        "--chip", "esp8266", "--port", port, "-p", "no:cacheprovider", "-q", "-rfE", "--tb=short", *more,
    ]  # fmt: skip
    with report.open("w", encoding="utf-8") as stream:
        subprocess.run(command, cwd=here / "test", env=environment, check=False, stdout=stream, stderr=stream)
    text = report.read_text(encoding="utf-8")
    failed = [line.split("::", 1)[1].split(" - ")[0] for line in text.splitlines() if line.startswith("FAILED ")]
    errors = [line for line in text.splitlines() if line.startswith("ERROR ")]
    unexpected = [name for name in failed if name not in NEED_MODEM_LINES or not port.startswith("/dev/")]
    if unexpected or errors:
        print(text)
    print(f"{port}: {text.splitlines()[-1].strip('= ')}")
    for name in failed:
        print(f"  failed: {name}{'' if name in unexpected else ' (needs modem lines, which a pty has not)'}")
    return 1 if unexpected or errors else 0


if __name__ == "__main__":
    sys.exit(main())
