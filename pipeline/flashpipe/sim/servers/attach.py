"""A virtual board for one other process: a socket on which bytes, baud rate, DTR and RTS all pass (`messages`).

Loopback only: whoever reaches the socket owns the board.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Final

from flashpipe.errors import PipelineError
from flashpipe.sim import messages
from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.servers.conversation import Conversation
from flashpipe.sim.servers.loopback import LoopbackServer
from flashpipe.sim.servers.notes import to_stderr

_HANDOVER_S: Final = 1.0
"""Whoever closes and opens again at once must not find its own old connection in the way."""


class AttachServer(LoopbackServer):
    """Serves one board to one client at a time."""

    scheme = "sim+attach"

    def __init__(self, link: HostLine, port: int = 0, notify: Callable[[str], None] = to_stderr) -> None:
        super().__init__(link, port, notify)
        self._taken = threading.Lock()

    def busy(self) -> bool:
        """Whether a port has the board."""
        return self._taken.locked()

    def welcome(self, connection: socket.socket) -> None:
        """Each client has a thread, so that the second one is told at once that it is one too many."""
        threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def talk(self, connection: socket.socket) -> None:
        """One port at a time has the board."""
        conversation = Conversation(connection)
        if not self._taken.acquire(timeout=_HANDOVER_S):
            conversation.send_last(messages.BUSY)
            return
        try:
            conversation.opened({})
            conversation.serve(self.link, self._stop.is_set)
        except (PortGoneError, PipelineError) as error:
            conversation.send_end(error)
        finally:
            self._taken.release()
