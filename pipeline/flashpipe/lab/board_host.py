"""Serves boards of this machine to other programs and machines, one client at a time each, over RFC 2217.

A port is opened for the client that comes and given back when it goes: between clients it belongs to whoever uses this
machine. Each port has a thread that waits for clients, each client two that move its bytes. Whatever one client does
ends its own connection and nothing else.
"""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from flashpipe.board.ports.lock import lock_port
from flashpipe.board.ports.names import is_url, is_virtual
from flashpipe.board.ports.open import open_port
from flashpipe.board.ports.rfc2217_server import REFUSAL, ServedClient, signature
from flashpipe.errors import HostListenError, PipelineError, PortBusyError, WireError
from flashpipe.files import virtual_ports_folder, write_atomic
from flashpipe.lab.host_plan import HostPlan, HostPort, url
from flashpipe.values import dataclass

FIRST_BAUD: Final = 115200
MOST_WAITING: Final = 32
"""Clients of one board that are told something at a time; more are not listened to."""
_CHUNK: Final = 1 << 16
_LOOK_S: Final = 0.1
"""How often is looked whether it is time to end."""
_TAKEN_S: Final = 10.0
"""Within which a client must take what it is sent."""
_LINGER_S: Final = 2.0
"""For a client that is refused to read why."""
_NOTICED_S: Final = 0.5
"""Within which the end of a client is noticed that has hung up before the next one calls."""
_LEFT_S: Final = 2.0
"""Within which its board is let go then; the next one waits for its answer a little longer (pyserial 3.5: 3 s)."""
_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A client whose machine is gone has lost its board half a minute later (Linux tcp(7); seconds and count)."""
Note = Callable[[str], None]


@dataclass
class _Visit:
    """A client, and what it has done."""

    address: str
    since: float
    """By `time.monotonic`."""
    clock: str
    """Time of the day, for people."""
    moved: int = 0
    """Bytes, in both directions."""
    leaves: bool = False
    """Whether it has ended, and its board is being let go."""


class HostedPort:
    """One board, waiting for clients or talking to one."""

    def __init__(self, port: HostPort, listen: str, note: Note) -> None:
        self.port, self._note = port, note
        self._socket = _listening(listen, port)
        self.tcp: int = self._socket.getsockname()[1]
        self.url = url(listen, self.tcp)
        self.virtual = is_virtual(port.device)
        self._stop = threading.Event()
        self._visit: _Visit | None = None
        self._changed = threading.Condition()
        """Guards the visit."""
        self._clients: list[threading.Thread] = []
        self._kept: Any = None
        self._thread = threading.Thread(target=self._accept, name=f"clients of {port.name}", daemon=True)

    def start(self) -> None:
        """Take clients from now on; a virtual board is made before, for that may take longer than a client waits.

        Raises:
            PipelineError: there is no such virtual board.
        """
        if self.virtual and is_url(self.port.device):
            with self._opened():
                pass
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Take no more clients, and send the one away that is there."""
        self._stop.set()

    def stop(self) -> None:
        """The same, and wait until its board is let go."""
        self.ask_to_stop()
        for thread in (self._thread, *self._clients):
            if thread.is_alive():
                thread.join(_TAKEN_S)
        self._socket.close()

    def _say(self, text: str) -> None:
        self._note(f"{self.port.name}: {text}")

    # --- clients -----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._socket], [], [], _LOOK_S)[0]:
                continue
            try:
                connection, (address, *_) = self._socket.accept()
            except OSError as error:  # it has gone already, or there are no descriptors left
                self._say(f"no client: {error}")
                self._stop.wait(_LOOK_S)
                continue
            self._clients = [thread for thread in self._clients if thread.is_alive()]
            if len(self._clients) >= MOST_WAITING:
                connection.close()
                continue
            thread = threading.Thread(target=self._welcome, args=(connection, address), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no more threads can be had
                connection.close()
                self._say(f"{address}: {error}")
            else:
                self._clients.append(thread)

    def _welcome(self, connection: socket.socket, address: str) -> None:
        with connection, suppress(OSError):
            _prepare(connection)
            if not self.port.admits(address):
                self._say(f"{address} is refused: not on the list of this port")
                _refuse(connection, f"denied: {address} is not on the list of {self.port.name}")
                return
            visit = _Visit(address, time.monotonic(), time.strftime("%H:%M:%S"))
            if not self._enter(visit):
                there = self._visit or visit
                _refuse(connection, f"busy: {self.port.name} is in use by {there.address} since {there.clock}")
                return
            try:
                self._serve(connection, visit)
            finally:
                with self._changed:
                    self._visit = None
                    self._changed.notify_all()

    def _enter(self, visit: _Visit) -> bool:
        """Whether it is the client's turn: one that calls as soon as another has hung up gets the board."""
        with self._changed:
            self._changed.wait_for(lambda: self._visit is None or self._visit.leaves, _NOTICED_S)
            if self._visit is not None and self._visit.leaves:
                self._changed.wait_for(lambda: self._visit is None, _LEFT_S)
            if self._visit is not None:
                return False
            self._visit = visit
            return True

    def _leave(self, visit: _Visit) -> None:
        with self._changed:
            visit.leaves = True
            self._changed.notify_all()

    def _serve(self, connection: socket.socket, visit: _Visit) -> None:
        """Give the port to the client until one of them goes."""
        why = "gone"
        try:
            with lock_port(self.port.device), self._opened() as opened:
                self._say(f"{visit.address} has it")
                why = self._talk(connection, opened, visit)
        except PipelineError as error:
            kind = "busy" if isinstance(error, PortBusyError) else error.code
            self._say(f"{visit.address}: {error.message} [code: {error.code}]")
            _refuse(connection, f"{kind}: {error.message}")
            return
        took = time.monotonic() - visit.since
        self._say(f"{visit.address} {why} after {took:.1f} s, {visit.moved:,} bytes")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The port, open; what is behind a URL of a virtual board lives as long as the host does."""
        opened = self._kept
        if opened is None:
            opened = open_port(self.port.device, FIRST_BAUD)
        else:
            opened.baudrate, opened.dtr, opened.rts = FIRST_BAUD, False, False
            opened.open()
        if self.virtual and is_url(self.port.device):
            self._kept = opened
        opened.timeout = _LOOK_S
        try:
            yield opened
        finally:
            with suppress(OSError):  # it may be gone already
                opened.close()

    # --- one client --------------------------------------------------------------------------------------------------

    def _talk(self, connection: socket.socket, opened: Any, visit: _Visit) -> str:
        """Move bytes until the client, the port or the host ends it; how it ended."""
        sending, ended = threading.Lock(), threading.Event()
        lost: list[str] = []

        def send(data: bytes) -> None:
            with sending:
                connection.sendall(data)

        client = ServedClient(opened, send, signature(self.port.name, virtual=self.virtual))

        def listen() -> None:
            try:
                while not ended.is_set():
                    data = opened.read(max(1, opened.in_waiting))
                    if data:
                        visit.moved += len(data)
                        client.heard(bytes(data))
            except OSError as error:
                lost.append(f"lost: {error}")
            ended.set()

        listener = threading.Thread(target=listen, name=f"what {self.port.name} says", daemon=True)
        listener.start()
        try:
            return self._obey(connection, client, ended, visit) or (lost[0] if lost else "is sent away")
        except WireError as error:
            return f"is sent away: {error.message}"
        except OSError as error:
            return f"lost: {error}"
        finally:
            self._leave(visit)
            ended.set()
            with suppress(OSError):
                client.lines.release()
            listener.join(_TAKEN_S)

    def _obey(self, connection: socket.socket, client: ServedClient, ended: threading.Event, visit: _Visit) -> str:
        while not (self._stop.is_set() or ended.is_set()):
            if not select.select([connection], [], [], _LOOK_S)[0]:
                client.lines.settle()
                continue
            data = connection.recv(_CHUNK)
            if not data:
                return "gone"
            visit.moved += len(data)
            client.received(data)
        return ""


class BoardHost:
    """All boards of a plan."""

    def __init__(self, plan: HostPlan, note: Note) -> None:
        self.ports: list[HostedPort] = []
        try:
            for port in plan.ports:
                self.ports.append(HostedPort(port, plan.listen, note))
        except BaseException:
            self.stop()
            raise
        self._card = virtual_ports_folder() / f"{os.getpid()}.json"

    def start(self) -> None:
        """Serve them, and let other programs of this machine know which boards are virtual.

        Raises:
            RecordError: that cannot be noted.
        """
        virtual = [hosted.url for hosted in self.ports if hosted.virtual]
        if virtual:
            write_atomic(self._card, json.dumps({"pid": os.getpid(), "ports": virtual}).encode())
        for hosted in self.ports:
            hosted.start()

    def stop(self) -> None:
        """Serve them no more."""
        for hosted in self.ports:
            hosted.ask_to_stop()
        for hosted in self.ports:
            hosted.stop()
        with suppress(OSError, AttributeError):
            self._card.unlink(missing_ok=True)


# --- sockets ---------------------------------------------------------------------------------------------------------


def _listening(address: str, port: HostPort) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two programs listen at one port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port.tcp))
        made.listen()
    except OSError as error:
        made.close()
        raise HostListenError(
            f"{port.name}: cannot listen at {address}, TCP port {port.tcp}: {error.strerror or error}",
            HostListenError.remedy,
        ) from error
    return made


def _prepare(connection: socket.socket) -> None:
    """What is sent goes at once, and a client whose machine has vanished is noticed."""
    connection.settimeout(_TAKEN_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _refuse(connection: socket.socket, why: str) -> None:
    """Tell a client in one line why it gets no board; a person with telnet reads it, too.

    What it has sent meanwhile is read: a connection that is closed with bytes unread takes the line away with it.
    """
    connection.sendall(f"{REFUSAL}{why}\r\n".encode())
    connection.shutdown(socket.SHUT_WR)
    until = time.monotonic() + _LINGER_S
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(_CHUNK):
            return
