"""The process that holds the boards of one run: `ports.board_process` starts it, each port object has a connection.

A native fault or a busy core ends or delays this process, and never the one that holds journal and receipt. It ends
when its starter does, however that ends: then nobody holds the other end of its standard input any more.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Final

from flashpipe.errors import PipelineError
from flashpipe.files import CACHE_VARIABLE, STATE_VARIABLE
from flashpipe.sim import messages
from flashpipe.sim.chip.flash_file import FlashInUseError
from flashpipe.sim.cpu.start import telling
from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.messages import BadMessageError
from flashpipe.sim.ports import registry
from flashpipe.sim.ports.registry import Seat
from flashpipe.sim.servers.conversation import Conversation
from flashpipe.sim.sockets import listen

_SECRET_S: Final = 5.0
"""For whoever connects to prove that it is the starter."""
_LAST_S: Final = 2.0
"""For the boards to come to a point where their flash files can be closed."""
_HANDOVER_S: Final = 2.5
"""For the boards of a run that was killed to let go of their flash files."""
_PAUSE_S: Final = 0.05
_CHUNK: Final = 4096
_NEUTRAL: Final = Path(sys.executable).anchor
"""A folder that is somebody's current one cannot be removed on Windows."""
_VARIABLES: Final = "FLASHPIPE_"
_own = {name: os.environ[name] for name in (STATE_VARIABLE, CACHE_VARIABLE) if name in os.environ}
"""The folders of the starter, for an opening that names none."""
_opening = threading.Lock()
"""Folder and environment are the process's, and each opening brings its own."""


def main() -> None:
    """Serve until the starter ends; `SECRET` comes in as a line, the port number goes out as one."""
    # Whoever ends a whole group or service means the starter, with whom this process ends.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.chdir(_NEUTRAL)
    starter, answer = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):  # nothing that is run or printed here shall have the starter's pipes
        os.dup2(nowhere, standard)
    secret = os.read(starter, _CHUNK).strip()
    listening = listen()
    os.write(answer, f"{listening.getsockname()[1]}\n".encode())
    threading.Thread(target=_accept, args=(listening, secret), daemon=True).start()
    while os.read(starter, _CHUNK):
        pass
    # Not by way of the interpreter's own end: a board that is busy would keep it waiting.
    ending = threading.Thread(target=registry.close_all, daemon=True)
    ending.start()
    ending.join(_LAST_S)
    os._exit(0)


def _accept(listening: socket.socket, secret: bytes) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # it has gone already, or there are no descriptors left just now
            time.sleep(_PAUSE_S)
            continue
        threading.Thread(target=_serve, args=(connection, secret), daemon=True).start()


def _serve(connection: socket.socket, secret: bytes) -> None:
    """One port object, from its first opening to its end."""
    seat = Seat()
    with connection, contextlib.suppress(OSError, BadMessageError):  # it has gone, or never was a port of ours
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = Conversation(connection)
        first = conversation.next_message(_SECRET_S)
        if first is None or first[0] != messages.SECRET or not hmac.compare_digest(first[1], secret):
            return
        try:
            while (message := conversation.next_message(None)) is not None:
                if message[0] != messages.OPEN:
                    raise BadMessageError("something else than an opening")
                if not _use(conversation, seat, messages.texts_of(message[1])):
                    return
        finally:
            seat.close()


def _use(conversation: Conversation, seat: Seat, request: dict[str, str]) -> bool:
    """Serve from an opening to a closing; False where the port cannot be opened again."""
    try:
        with telling(lambda text: conversation.send(messages.SAY, text.encode())):
            line = _open(seat, request)
    except (PipelineError, OSError) as error:
        conversation.send(messages.ERROR, messages.encode_error(error))
        return True
    except Exception as error:  # noqa: BLE001  a defect of one board is no reason to take the others down
        _give_up(conversation, seat, error)
        return False
    conversation.opened(seat.about)
    return _converse(conversation, seat, line)


def _converse(conversation: Conversation, seat: Seat, line: HostLine) -> bool:
    """As `_use`, with a board that is open."""
    # What the port is told last, it is told when it may open again at once.
    try:
        if not conversation.serve(line):
            return False
    except PortGoneError as error:
        seat.lose(error)
        seat.close()
        conversation.send_end(error)
        return False
    except PipelineError as error:
        seat.close()
        conversation.send_end(error)
        return False
    except (OSError, BadMessageError):
        raise
    except Exception as error:  # noqa: BLE001  as above
        _give_up(conversation, seat, error)
        return False
    seat.close()
    conversation.send(messages.CLOSE)
    return True


def _give_up(conversation: Conversation, seat: Seat, error: Exception) -> None:
    traceback.print_exc()
    seat.discard()
    conversation.send_end(PortGoneError(f"the virtual board failed: {type(error).__name__}: {error}"))


def _open(seat: Seat, request: dict[str, str]) -> HostLine:
    """Open as the starter would, in whose folder and with whose state folder names are meant."""
    with _opening:
        for name in [name for name in os.environ if name.startswith(_VARIABLES)]:
            del os.environ[name]
        os.environ.update({**_own, **{name: value for name, value in request.items() if name.startswith(_VARIABLES)}})
        os.chdir(request.get("folder", _NEUTRAL))
        try:
            return _open_when_free(seat, request.get("url", ""))
        finally:
            os.chdir(_NEUTRAL)


def _open_when_free(seat: Seat, url: str) -> HostLine:
    deadline = time.monotonic() + _HANDOVER_S
    while True:
        try:
            return seat.open(url)
        except FlashInUseError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)
