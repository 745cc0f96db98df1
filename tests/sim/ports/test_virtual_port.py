"""What a port does whichever way leads to its board."""

from __future__ import annotations

import errno
import zlib
from pathlib import Path
from typing import Any

import pytest
import serial
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, checksum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim.lines import SYNC, reset_into_loader

Opener = Any


def test_a_board_is_open_once(either: Opener) -> None:
    with either("sim://esp12") as _port, pytest.raises(serial.SerialException) as caught:
        either("sim://esp12")
    assert caught.value.errno == errno.EBUSY
    either("sim://esp12").close()
    with either("sim://esp12?board=a"), either("sim://esp12?board=b"):
        pass


def test_flash_file_of_the_wrong_size(either: Opener, tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    file.write_bytes(bytes(1000))
    with pytest.raises(BadValueError) as caught:
        either(f"sim://esp12?flash={file}")
    assert "1000 bytes" in caught.value.message
    assert file.read_bytes() == bytes(1000)


def test_flash_file_that_cannot_be_made(either: Opener, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PipelineError):
        either(f"sim://esp12?flash={tmp_path / 'file' / 'flash.bin'}")


def test_modem_ioctls_are_refused_as_by_a_pty(either: Opener) -> None:
    with either("sim://esp12") as port, pytest.raises(OSError, match="descriptor") as caught:
        port.fileno()
    assert caught.value.errno == errno.ENOTTY


def test_reading_waits_no_longer_than_asked(either: Opener) -> None:
    with either("sim://esp12?start=rom", timeout=0.01) as port:
        assert port.read(1) == b""
        port.timeout = 0
        assert port.read(10) == b""


def test_closed_ports_say_so(either: Opener) -> None:
    port = either("sim://esp12", do_not_open=True)
    for use in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting, port.reset_input_buffer):
        with pytest.raises(serial.SerialException):
            use()
    port.close()
    with pytest.raises(serial.SerialException):
        either("sim://esp12").open()


def command(opcode: int, *words: int, body: bytes = b"") -> bytes:
    """A frame to the loader."""
    data = b"".join(word.to_bytes(4, "little") for word in words) + body
    return slip.encode(HEADER.pack(0, opcode, len(data), checksum(body)) + data)


def digest(port: Any) -> bytes:
    """What the board's stub says of its whole flash."""
    port.write(command(0x13, 0, 4 << 20, 0, 0))
    delimiter, inside = port.read_until(b"\xc0"), port.read_until(b"\xc0")
    reply = slip.unescape(inside[:-1])
    assert delimiter == b"\xc0"
    assert reply is not None
    return reply[HEADER.size :][:16]


def test_contents_last_as_long_as_the_port_object(either: Opener) -> None:
    port = either("sim://esp12?start=stub-v1", baudrate=115200, timeout=5)
    before = digest(port)
    port.write(command(0xD0))
    assert port.read(12)[-3:-1] == b"\0\0"
    blank = digest(port)
    assert blank != before
    port.close()
    port.open()
    assert digest(port) == blank
    port.close()
    with either("sim://esp12?start=stub-v1", baudrate=115200, timeout=5) as other:
        assert digest(other) == before


def test_faults_of_a_port_have_the_numbers_of_the_system(either: Opener) -> None:
    for fault, number in (("absent", errno.ENOENT), ("busy", errno.EBUSY), ("denied", errno.EACCES)):
        with pytest.raises(serial.SerialException) as caught:
            either(f"sim://esp12?fault={fault}")
        assert caught.value.errno == number


STREAM = zlib.compress(bytes(range(256)) * 64)
WHOLE_FRAMES = (
    SYNC,
    command(0x0A, 0x40001000),
    command(0x13, 0, 0x1000, 0, 0),
    command(0xD1, 0x1000, 0x3000),
    command(0x10, 0x4000, 1, 0x4000, 0x2000),
    command(0x11, len(STREAM), 0, 0, 0, body=STREAM),
)
"""What comes of halves depends on how fast the other half comes, on one way as on the other."""


def replies(port: Any, talk: list[bytes]) -> list[bytes]:
    """What comes back for each frame; an empty one is a reset into the ROM."""
    found = []
    for frame in talk:
        if frame:
            port.write(frame)
        else:
            reset_into_loader(port)
        found.append(port.read(port.in_waiting))
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(talk=st.lists(st.sampled_from([*WHOLE_FRAMES, b""]), max_size=8))
def test_both_ways_lead_to_the_same_board(opener: Opener, remote: Opener, talk: list[bytes]) -> None:
    url = "sim://esp12?start=stub-v2&fill=byte:7"
    with opener(url, baudrate=115200, timeout=2) as here, remote(url, baudrate=115200, timeout=2) as there:
        assert replies(here, talk) == replies(there, talk)
