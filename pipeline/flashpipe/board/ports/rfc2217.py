"""A port of another machine (RFC 2217), with a client that does not sleep while it waits for an answer.

pyserial's looks for each answer every 50 ms, and opening and resetting a board takes two dozen of them. Here the thread
that reads the answers wakes whoever waits for one. Nor does closing sleep, for it is mostly the last that a command
does: who calls the same server again too early waits then. A `flashpipe host` that has no board to give says why in one
line, and one that has tells by its signature whether the board is virtual.
"""

from __future__ import annotations

import socket
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import serial
import serial.rfc2217

from flashpipe.board.ports.patience import Patience
from flashpipe.board.ports.rfc2217_server import REFUSAL, signature_is_virtual
from flashpipe.errors import NoPortError, PipelineError, PortBusyError, PortDeniedError, PortError

_client: Any = serial.rfc2217.Serial
_SIGNATURE: Final = b"\x00"
_SIGNATURE_ANSWER: Final = b"\x64"
_SHOWN: Final = 200
"""Characters of a refusal."""
_REST_S: Final = 0.3
"""What a server with one line gets between two calls, to see that the first is over (pyserial 3.5, `Serial.close`)."""
_FLOOD_S: Final = 30.0
"""Longest wait for an answer while the board talks: a virtual one says in a second what a real one says in minutes."""
_THREAD_S: Final = 7.0
"""For the end of the thread that reads: longer than its socket waits."""
_hung_up: Final[dict[str, float]] = {}
"""When this process ended its last call to a port, by the monotonic clock."""
_REFUSALS: Final[dict[str, tuple[type[PipelineError], str]]] = {
    "busy": (PortBusyError, "port_wait=5m waits for it; or ask whoever has it"),
    "denied": (PortDeniedError, "ask whoever runs that host to let this machine in: allow: in its file"),
    NoPortError.code: (NoPortError, "is the board plugged in there? `flashpipe host check` on that machine tells"),
}


class RemotePort(Patience, _client):  # type: ignore[misc]
    """Asks its server nothing that need not be asked, and goes on as soon as an answer is there (fleet §3)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._answered = threading.Event()
        self._ended = False
        """Whether the server has closed the connection."""
        self.signature = ""
        """What the server calls itself; empty where it does not say."""
        self._socket: Any = None
        self._thread: Any = None
        super().__init__(*args, **options)

    @property
    def virtual(self) -> bool:
        """Whether the server says that its board is a virtual one."""
        return signature_is_virtual(self.signature)

    def open(self) -> None:
        """Connect and agree on the settings.

        Raises:
            PortError: the host refuses; says why.
            SerialException: there is no server, or it speaks something else.
        """
        warnings.filterwarnings("ignore", "setDaemon|setName", DeprecationWarning)  # pyserial 3.5 from Python 3.10 on
        self._ended, self.signature = False, ""
        time.sleep(max(0.0, _hung_up.get(str(self._port), 0.0) + _REST_S - time.monotonic()))
        super().open()

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        if self._socket is not None:
            with suppress(OSError):  # the server may have hung up first
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._thread is not None:
            self._thread.join(_THREAD_S)
            self._thread = None
            _hung_up[str(self._port)] = time.monotonic()
        self._socket = None

    def _telnet_read_loop(self) -> None:
        try:
            super()._telnet_read_loop()
        finally:
            self._ended = True
            for one in self._telnet_options:  # pyserial would wait three seconds for what nobody sends any more
                one.active = one.state != serial.rfc2217.INACTIVE
            self._answered.set()

    def _raise_ended(self) -> None:
        """Say why there will be no answer."""
        heard = bytearray()
        while not self._read_buffer.empty():
            heard += self._read_buffer.get(block=False) or b""
        text = bytes(heard).decode(errors="replace").partition("\r")[0][:_SHOWN]
        if text.startswith(REFUSAL):
            kind, _, why = text.removeprefix(REFUSAL).partition(": ")
            error, hint = _REFUSALS.get(kind, (PortError, "ask whoever runs that host"))
            raise error(f"{self._port}: {why or kind}", hint)
        raise serial.SerialException("the server has closed the connection")

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
        if self._ended:
            self._raise_ended()
        if not 0 < self._baudrate < 1 << 32:
            raise ValueError(f"invalid baudrate: {self._baudrate!r}")
        values = {
            "baudrate": self._baudrate.to_bytes(4, "big"),
            "datasize": bytes([self._bytesize]),
            "parity": serial.rfc2217.RFC2217_PARITY_MAP[self._parity].to_bytes(1, "big"),
            "stopsize": serial.rfc2217.RFC2217_STOPBIT_MAP[self._stopbits].to_bytes(1, "big"),
        }
        if not self.signature:  # it comes before the settings' answers, or never
            self.rfc2217_send_subnegotiation(_SIGNATURE)
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
        if suboption[:1] == serial.rfc2217.COM_PORT_OPTION and suboption[1:2] == _SIGNATURE_ANSWER:
            self.signature = bytes(suboption[2:]).decode(errors="replace")
            return
        super()._telnet_process_subnegotiation(suboption)
        self._answered.set()

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for an answer, which stands behind all that the board has said: longer while that still comes."""
        started = time.monotonic()
        until, heard = started + self._network_timeout, self._read_buffer.qsize()
        while not is_so():
            if self._ended:
                self._raise_ended()
            if not self._answered.wait(max(0.0, until - time.monotonic())):
                before, heard = heard, self._read_buffer.qsize()
                if heard <= before or until > started + _FLOOD_S:
                    raise serial.SerialException(f"the server does not answer about {what}")
                until = time.monotonic() + self._network_timeout
            self._answered.clear()
