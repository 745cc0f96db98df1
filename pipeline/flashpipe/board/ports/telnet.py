"""Telnet's framing (RFC 854, 855), without any input or output: bytes in, data and commands out.

Data and commands share one stream: 0xFF begins a command, and stands twice where it is data. What is in the middle of a
command when the bytes end goes on with the next ones, however they are cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flashpipe.errors import WireError
from flashpipe.values import dataclass

IAC: Final = 0xFF
SB: Final = 0xFA
SE: Final = 0xF0
WILL: Final = 0xFB
WONT: Final = 0xFC
DO: Final = 0xFD
DONT: Final = 0xFE
LONGEST: Final = 512
"""Bytes of a subnegotiation; those of RFC 2217 have six, a signature has as many as it likes."""
_IAC: Final = bytes([IAC])
_END: Final = bytes([IAC, SE])


@dataclass(frozen=True, slots=True)
class Option:
    """WILL, WONT, DO or DONT, and the option that it is about."""

    verb: int
    option: int


@dataclass(frozen=True, slots=True)
class Subnegotiation:
    """What stands between SB and SE: the option, and what is said about it."""

    option: int
    body: bytes


def escaped(data: bytes) -> bytes:
    """Data as they stand in the stream."""
    return data.replace(_IAC, _IAC * 2)


def option(verb: int, about: int) -> bytes:
    """A request or answer about an option."""
    return bytes([IAC, verb, about])


def subnegotiation(about: int, body: bytes) -> bytes:
    """What is said about an option."""
    return bytes([IAC, SB, about]) + escaped(body) + _END


class TelnetReader:
    """Takes a stream apart; searches for the next command instead of looking at each byte."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> Iterator[bytes | Option | Subnegotiation]:
        """What has become whole with these bytes, in order; data as `bytes`.

        Raises:
            WireError: it is no telnet; nothing behind it can be understood.
        """
        stream, at, self._rest = self._rest + received, 0, b""
        while at < len(stream):
            command = stream.find(_IAC, at)
            if command < 0:
                yield stream[at:]
                return
            if command > at:
                yield stream[at:command]
            length = _length(stream, command)
            if not length:
                self._rest = stream[command:]
                return
            yield from _meaning(stream[command : command + length])
            at = command + length


def _length(stream: bytes, at: int) -> int:
    """Bytes of the command that begins there; 0 where it is not whole yet."""
    if len(stream) < at + 2:
        return 0
    verb = stream[at + 1]
    if verb in {WILL, WONT, DO, DONT}:
        return 3 if len(stream) >= at + 3 else 0
    if verb != SB:
        return 2
    end = at + 2
    while True:
        end = stream.find(_IAC, end)
        if end < 0 or end + 1 == len(stream):
            if len(stream) - at > LONGEST:
                raise WireError("a telnet subnegotiation has no end")
            return 0
        if stream[end + 1] == SE:
            if end - at > LONGEST:
                raise WireError("a telnet subnegotiation is too long")
            return end + 2 - at
        end += 2


def _meaning(command: bytes) -> Iterator[bytes | Option | Subnegotiation]:
    """What a whole command says; those that ask for nothing of ours (NOP, GA, AYT …) say nothing."""
    verb = command[1]
    if verb == IAC:
        yield _IAC
    elif verb == SB and len(command) > len(_END) + 2:
        body = command[2 : -len(_END)].replace(_IAC * 2, _IAC)
        yield Subnegotiation(body[0], body[1:])
    elif verb in {WILL, WONT, DO, DONT}:
        yield Option(verb, command[2])
