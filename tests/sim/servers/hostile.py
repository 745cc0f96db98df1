"""Clients that break the rules, and the servers that must survive them; also for `tests/bench/fuzz_servers.py`."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from flashpipe.sim import messages
from flashpipe.sim.options import parse_url
from flashpipe.sim.ports.attached import AttachedPort
from flashpipe.sim.ports.board_process import BoardProcess
from flashpipe.sim.servers.attach import AttachServer
from flashpipe.sim.servers.rfc2217 import Rfc2217Server
from flashpipe.sim.sockets import HOST
from hypothesis import strategies as st

from tests.sim.lines import ROM_REPLIES, SYNC, reset_into_loader, syncs, until

CONNECTIONS = "FUZZ_CONNECTIONS"
"""Environment variable: how many a long run makes of each kind."""
LIMIT_S = 10
IAC, SB, SE, COM_PORT = 0xFF, 0xFA, 0xF0, 44
SET_BAUDRATE, SET_CONTROL, PURGE = 1, 5, 12
_URLS = (
    "sim://esp12",
    "sim://esp01?start=rom",
    "sim://esp99",
    "sim://esp12?fault=noise:1",
    "",
    "\0",
    "sim://esp12?size=1",
)


def telnet(option: int, value: bytes) -> bytes:
    """A subnegotiation of RFC 2217."""
    return bytes((IAC, SB, COM_PORT, option)) + value.replace(b"\xff", b"\xff\xff") + bytes((IAC, SE))


@dataclass
class Wreck:
    """One connection of a hostile client: what it sends, and how it leaves."""

    pieces: list[bytes]
    rudely: bool
    """Whether the connection is broken off, with whatever was not read."""


# --- what they send --------------------------------------------------------------------------------------------------

_negotiations = st.builds(lambda verb, option: bytes((IAC, verb, option)), st.integers(0, 255), st.integers(0, 255))
_telnet = st.one_of(
    st.builds(telnet, st.integers(0, 14), st.binary(max_size=8)),
    st.builds(telnet, st.integers(0, 255), st.binary(max_size=300)),
    _negotiations,
    st.just(bytes((IAC, SE))),
    st.just(bytes((IAC, SB))),
    st.just(SYNC),
    st.binary(max_size=60),
)
_bodies = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"115200", b"nan", b"inf", b"-1", b"0", b"1e999", b"\xff", b"\0", b"\3", b"\x04", b"9" * 40, SYNC]
    ),
)
_attach = st.one_of(
    st.builds(messages.pack, st.sampled_from(sorted(messages.KINDS)), _bodies),
    st.builds(lambda kind, size, body: kind + struct.pack("<I", size) + body, st.binary(min_size=1, max_size=1),
              st.integers(0, 0xFFFFFFFF), st.binary(max_size=60)),
    st.binary(max_size=60),
)  # fmt: skip
_openings = st.builds(
    lambda url, folder: messages.pack(messages.OPEN, f'{{"url": "{url}", "folder": "{folder}"}}'.encode()),
    st.sampled_from(_URLS[:4]),
    st.sampled_from(["", "/", "/nowhere", "."]),
)
_odd_openings = st.builds(
    lambda body: messages.pack(messages.OPEN, body),
    st.sampled_from([b"", b"{}", b"[]", b"[" * 5000, b'{"url": 1}', b'{"url": "\\u0000"}', b"\xff", b"1e999"]),
)


def wrecks(pieces: st.SearchStrategy[bytes]) -> st.SearchStrategy[Wreck]:
    """Connections on which such pieces are sent."""
    return st.builds(Wreck, st.lists(pieces, max_size=12), st.booleans())


TELNET = wrecks(_telnet)
ATTACH = wrecks(_attach)
PROCESS = wrecks(st.one_of(_openings, _odd_openings, _attach))


# --- whom they send it to --------------------------------------------------------------------------------------------


@dataclass
class Victim:
    """A server, and whether it lives."""

    port: int
    greeting: bytes
    """What a hostile client says first, to get further."""
    answers: Callable[[], bool]
    """Whether a client that keeps the rules is served."""
    said: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=threading.enumerate)

    def at_rest(self) -> bool:
        """Whether the threads of all clients have ended."""
        return until(lambda: not [each for each in threading.enumerate() if each not in self.threads])

    def suffer(self, wreck: Wreck) -> None:
        """Be the server of one hostile client."""
        with socket.create_connection((HOST, self.port), LIMIT_S) as client, suppress(OSError):
            client.sendall(self.greeting)
            for piece in wreck.pieces:
                client.sendall(piece)
            if wreck.rudely:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass


@contextmanager
def _no_thread_dies() -> Iterator[None]:
    died: list[str] = []
    before, threading.excepthook = threading.excepthook, lambda args: died.append(f"{args.thread}: {args.exc_value!r}")
    try:
        yield
    finally:
        threading.excepthook = before
    assert died == []


@contextmanager
def attach() -> Iterator[Victim]:
    """A board behind `sim+attach://`."""
    said: list[str] = []
    server = AttachServer(parse_url("sim://esp12").build(), notify=said.append)

    def answers() -> bool:
        port = AttachedPort(baudrate=115200, timeout=LIMIT_S)
        port.port = server.name
        port.open()
        reset_into_loader(port)
        synced = syncs(port)
        port.close()
        return synced

    with _no_thread_dies():
        server.start()
        try:
            yield Victim(server.port, b"", answers, said)
        finally:
            server.stop()


@contextmanager
def rfc2217() -> Iterator[Victim]:
    """A board behind RFC 2217."""
    said: list[str] = []
    server = Rfc2217Server(parse_url("sim://esp12").build(), notify=said.append)
    steps = [telnet(SET_CONTROL, bytes((value,))) for value in (9, 11, 8, 12, 9)]  # as `reset_into_loader`
    wake = telnet(SET_BAUDRATE, (115200).to_bytes(4, "big")) + b"".join(steps) + telnet(PURGE, b"\x01")

    def answers() -> bool:
        with socket.create_connection((HOST, server.port), LIMIT_S) as client:
            client.sendall(wake + SYNC)
            heard = b""
            while ROM_REPLIES not in heard:
                heard += client.recv(4096) or b"closed" * len(ROM_REPLIES)
                if b"closed" in heard:
                    return False
        return True

    with _no_thread_dies():
        server.start()
        try:
            yield Victim(server.port, b"", answers, said)
        finally:
            server.stop()


def opening(url: str) -> bytes:
    """What a port says that opens a URL: with the folders of the test's own."""
    return json.dumps({"url": url, "FLASHPIPE_CACHE": os.environ["FLASHPIPE_CACHE"]}).encode()


@contextmanager
def board_process(*, trusted: bool) -> Iterator[Victim]:
    """The process that holds the boards of a run; the client knows its secret, or does not."""
    process = BoardProcess()
    process.connect(AttachedPort()).close()
    secret = messages.pack(messages.SECRET, process._secret)

    def answers() -> bool:
        with socket.create_connection((HOST, process._port), LIMIT_S) as client:
            client.sendall(secret + messages.pack(messages.OPEN, opening("sim://d1-mini")))
            client.sendall(messages.pack(messages.CLOSE))
            kinds, parser = list[bytes](), messages.MessageParser()
            while messages.CLOSE not in kinds and (data := client.recv(4096)):
                kinds += [kind for kind, _ in parser.feed(data)]
        return kinds[0] == messages.OPENED

    try:
        yield Victim(process._port, secret if trusted else b"", answers)
        assert process.usable
        assert process._errors is not None
        process._errors.seek(0)
        said = process._errors.read().decode()  # also that the core is being compiled, where it was not yet
        assert "Traceback" not in said, said
    finally:
        process.end()
