"""A board behind RFC 2217, and pyserial's own client."""

from __future__ import annotations

import pytest
import serial
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.rfc2217 import Rfc2217Server

from tests.sim.lines import ROM_REPLIES, SYNC, until


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5's own
def test_rfc2217_sees_lines_and_baud() -> None:
    server = Rfc2217Server(parse_url("sim://esp12").build())
    server.start()
    try:
        with serial.serial_for_url(server.name, baudrate=115200, timeout=2) as port:
            port.dtr = False
            port.rts = True
            port.dtr = True
            port.rts = False
            port.dtr = False
            assert until(lambda: server.link.board.mode == "rom")
            port.reset_input_buffer()
            port.write(SYNC)
            assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
            port.baudrate = 460800
            assert until(lambda: server.link.baud == 460800)
        assert server.link.board.mode == "rom"
    finally:
        server.stop()
