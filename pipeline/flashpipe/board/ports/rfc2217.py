"""A port of another machine (RFC 2217), with a client that does not sleep while it waits for an answer.

pyserial's looks for each answer every 50 ms, and opening and resetting a board takes two dozen of them. Here the thread
that reads the answers wakes whoever waits for one.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import serial
import serial.rfc2217

from flashpipe.board.ports.patience import Patience

_client: Any = serial.rfc2217.Serial


class RemotePort(Patience, _client):  # type: ignore[misc]
    """Asks its server nothing that need not be asked, and goes on as soon as an answer is there (fleet §3)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._answered = threading.Event()
        super().__init__(*args, **options)

    def open(self) -> None:
        """Connect and agree on the settings."""
        warnings.filterwarnings("ignore", "setDaemon|setName", DeprecationWarning)  # pyserial 3.5 from Python 3.10 on
        super().open()

    def reset_input_buffer(self) -> None:
        """Forget what has arrived here; what the server still holds would arrive later in any case."""
        while not self._read_buffer.empty():
            self._read_buffer.get(block=False)

    def _update_dtr_state(self) -> None:
        if not self._dtr_state and not self._rts_state:
            self._update_rts_state()  # EN before GPIO0: see `open`
        super()._update_dtr_state()

    def _reconfigure_port(self) -> None:
        """Send the settings, all at once, and wait until the server has them."""
        if self._socket is None:
            raise serial.PortNotOpenError
        if not 0 < self._baudrate < 1 << 32:
            raise ValueError(f"invalid baudrate: {self._baudrate!r}")
        values = {
            "baudrate": self._baudrate.to_bytes(4, "big"),
            "datasize": bytes([self._bytesize]),
            "parity": serial.rfc2217.RFC2217_PARITY_MAP[self._parity].to_bytes(1, "big"),
            "stopsize": serial.rfc2217.RFC2217_STOPBIT_MAP[self._stopbits].to_bytes(1, "big"),
        }
        for name, value in values.items():
            self._rfc2217_port_settings[name].set(value)
        self._wait_until(lambda: all(item.active for item in self._rfc2217_port_settings.values()), "the settings")
        self.rfc2217_set_control(serial.rfc2217.SET_CONTROL_USE_NO_FLOW_CONTROL)

    def rfc2217_set_control(self, value: bytes) -> None:
        """Move a modem line, or choose the flow control."""
        control = self._rfc2217_options["control"]
        control.set(value)
        if self._ignore_set_control_answer:
            time.sleep(0.1)  # as long as pyserial gives a server that does not answer
        else:
            self._wait_until(control.is_ready, "a modem line")

    def rfc2217_send_purge(self, value: bytes) -> None:
        """Empty a buffer of the server."""
        purge = self._rfc2217_options["purge"]
        purge.set(value)
        self._wait_until(purge.is_ready, "its buffers")

    def _telnet_negotiate_option(self, command: bytes, option: bytes) -> None:
        super()._telnet_negotiate_option(command, option)
        self._answered.set()

    def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
        super()._telnet_process_subnegotiation(suboption)
        self._answered.set()

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + self._network_timeout
        while not is_so():
            if not self._answered.wait(max(0.0, until - time.monotonic())):
                raise serial.SerialException(f"the server does not answer about {what}")
            self._answered.clear()
