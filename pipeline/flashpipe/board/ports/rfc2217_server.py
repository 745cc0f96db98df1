"""The server's half of RFC 2217, for one client and one open port; whoever has the socket moves the bytes.

A client's settings are made on the port and answered with what the port has then, as the RFC wants it: a setting that
the port refuses is answered with the old one. What asks for something that no board has (break, parity errors, flow
control) is answered as not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flashpipe.board.ports.modem_lines import ModemLines, mover
from flashpipe.board.ports.telnet import (
    DO,
    DONT,
    WILL,
    WONT,
    Option,
    Subnegotiation,
    TelnetReader,
    escaped,
    option,
    subnegotiation,
)

BINARY: Final = 0
ECHO: Final = 1
SUPPRESS_GO_AHEAD: Final = 3
COM_PORT: Final = 44
_OURS: Final = frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT})
"""Options that both sides may use."""
ANSWER: Final = 100
"""What an answer's code has on top of the request's (RFC 2217, section 3)."""
SIGNATURE, BAUD, DATA_SIZE, PARITY, STOP_SIZE, CONTROL = range(6)
LINE_STATE, MODEM_STATE, SUSPEND, RESUME, LINE_MASK, MODEM_MASK, PURGE = range(6, 13)
_PARITIES: Final = {1: "N", 2: "O", 3: "E", 4: "M", 5: "S"}
_STOPS: Final = {1: 1.0, 2: 2.0, 3: 1.5}
_NO_FLOW_CONTROL: Final = 1
_FLOW_CONTROL: Final = frozenset({0, 1, 2, 3})
_FLOW_CONTROL_IN: Final = frozenset({13, 14, 15, 16})
_NO_FLOW_CONTROL_IN: Final = 14
_BREAKS: Final = frozenset({4, 5, 6})
_NO_BREAK: Final = 6
_DTR: Final = {8: True, 9: False}
_RTS: Final = {11: True, 12: False}
_ASKS: Final = {7: "dtr", 10: "rts"}
_ANSWERS: Final = {"dtr": (9, 8), "rts": (12, 11)}
_STATE: Final = 0xB0
"""CTS, DSR and carrier are there: nothing on a devkit is wired to them, and nobody shall wait for them."""
_PURGES: Final = frozenset({1, 2, 3})
_LONGEST_TEXT: Final = 200
REFUSAL: Final = "flashpipe host: "
"""How a line begins that a client gets in place of a board: a kind, a colon, and why."""
_NAME: Final = "flashpipe host; "
_VIRTUAL: Final = "; virtual"


def signature(name: str, *, virtual: bool) -> str:
    """What a host calls itself, and the board of that name."""
    return f"{_NAME}{name}{_VIRTUAL * virtual}"


def signature_is_virtual(text: str) -> bool:
    """Whether a server says that its board is a virtual one."""
    return text.startswith(_NAME) and text.endswith(_VIRTUAL)


class ServedClient:
    """What one client says, and what it is told."""

    def __init__(self, port: Any, send: Callable[[bytes], None], called: str) -> None:
        self._port, self._send = port, send
        self._signature = called.encode()[:_LONGEST_TEXT]
        self._reader = TelnetReader()
        self._agreed: set[tuple[int, int]] = set()
        self.lines = ModemLines(mover(port))
        self._told_state = False

    def received(self, data: bytes) -> None:
        """Bytes of the client: data for the board are written to the port, requests are answered.

        Raises:
            WireError: it speaks no telnet.
            OSError: the port is gone.
        """
        waiting = bytearray()
        for part in self._reader.feed(data):
            if isinstance(part, bytes):
                waiting += part
                continue
            self._pass_on(waiting)
            if isinstance(part, Option):
                self._agree(part)
            elif part.option == COM_PORT and part.body:
                self._obey(part)
        self._pass_on(waiting)

    def _pass_on(self, data: bytearray) -> None:
        """Write what has come for the board, in one piece: each 0xFF stood apart in the stream."""
        if data:
            self.lines.flush()
            self._port.write(bytes(data))
            data.clear()

    def heard(self, data: bytes) -> None:
        """Bytes of the board, for the client."""
        self._send(escaped(data))

    # --- telnet options ----------------------------------------------------------------------------------------------

    def _agree(self, asked: Option) -> None:
        """Answer a request once: to answer what agrees already would never end (RFC 1143)."""
        verb, about = asked.verb, asked.option
        if (verb, about) in self._agreed:
            return
        opposite = {WILL: WONT, WONT: WILL, DO: DONT, DONT: DO}[verb]
        self._agreed.discard((opposite, about))
        self._agreed.add((verb, about))
        answers = {WILL: (DO, DONT), DO: (WILL, WONT), WONT: (DONT, DONT), DONT: (WONT, WONT)}
        yes, no = answers[verb]
        wanted = about in _OURS or (about == ECHO and verb == DO)  # the board echoes, not we: but clients insist
        self._send(option(yes if wanted else no, about))
        if about == COM_PORT and verb in {WILL, DO} and not self._told_state:
            self._told_state = True  # clients that never ask know it from the beginning
            self._answer(MODEM_STATE, bytes([_STATE]))

    # --- the port ----------------------------------------------------------------------------------------------------

    def _answer(self, code: int, body: bytes) -> None:
        self._send(subnegotiation(COM_PORT, bytes([code + ANSWER]) + body))

    def _obey(self, asked: Subnegotiation) -> None:
        code, body = asked.body[0], asked.body[1:]
        if code == SIGNATURE:
            if not body:  # else it tells its own
                self._answer(SIGNATURE, self._signature)
        elif code in {BAUD, DATA_SIZE, PARITY, STOP_SIZE}:
            self._set(code, int.from_bytes(body, "big"))
        elif code == CONTROL and body:
            self._control(body[0])
        elif code == PURGE and body and body[0] in _PURGES:
            if body[0] & 1:
                self._port.reset_input_buffer()
            self._answer(PURGE, body[:1])
        elif code == MODEM_STATE:
            self._answer(MODEM_STATE, bytes([_STATE]))
        elif code == LINE_STATE:
            self._answer(LINE_STATE, b"\0")
        elif code in {LINE_MASK, MODEM_MASK} and body:
            self._answer(code, body[:1])

    def _set(self, code: int, value: int) -> None:
        """A setting; 0 asks for the one in force."""
        port = self._port
        try:
            if code == BAUD and value:
                port.baudrate = value
            elif code == DATA_SIZE and value:
                port.bytesize = value
            elif code == PARITY and value:
                port.parity = _PARITIES.get(value, value)
            elif code == STOP_SIZE and value:
                port.stopbits = _STOPS.get(value, value)
        except ValueError:  # the port cannot do that: the answer tells what it has
            pass
        settings = {
            BAUD: int(port.baudrate).to_bytes(4, "big"),
            DATA_SIZE: bytes([port.bytesize]),
            PARITY: bytes([_number_of(port.parity, _PARITIES)]),
            STOP_SIZE: bytes([_number_of(float(port.stopbits), _STOPS)]),
        }
        self._answer(code, settings[code])

    def _control(self, value: int) -> None:
        if value in _DTR:
            self.lines.set_dtr(_DTR[value])
        elif value in _RTS:
            self.lines.set_rts(_RTS[value])
        elif value in _ASKS:
            line = _ASKS[value]
            value = _ANSWERS[line][getattr(self.lines, line)]
        elif value in _FLOW_CONTROL:
            value = _NO_FLOW_CONTROL
        elif value in _FLOW_CONTROL_IN:
            value = _NO_FLOW_CONTROL_IN
        elif value in _BREAKS:
            value = _NO_BREAK
        else:
            return
        self._answer(CONTROL, bytes([value]))


def _number_of(value: object, table: dict[int, Any]) -> int:
    return next((number for number, known in table.items() if known == value), 1)
