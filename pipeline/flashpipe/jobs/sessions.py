"""One open session per port for the whole run, and what happens when somebody asks to stop.

doit's workers are daemon threads, so no safety rests on a `finally` in an action. Nor does anything happen inside a
signal handler: it would run in the middle of the main thread, which may hold any lock and, with `-n 0`, is the worker
itself. The signal wakes a thread of ours instead (also while the main thread waits where Windows lets no handler run):

1. it raises the flag `stop`; workers see it at the next block and leave their board in a known state;
2. whoever leaves an action then stays where it is, so that doit starts and prints nothing more;
3. when nobody is at work, or after a bounded time, one line names the state of each board, the ports are closed and
   the process ends with 129, 130 or 143. A second request ends it at once.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flashpipe.errors import RecordError
from flashpipe.folding import folded, width_of
from flashpipe.jobs import audience
from flashpipe.masking import without_login
from flashpipe.records.begun import BEGUN

if TYPE_CHECKING:
    from flashpipe.board.session.session import Session

JOIN_S: Final = 6.0
"""Longest wait for workers after a stop: one command's time-out and some."""
CLOSE_S: Final = 2.0
"""Longest wait for ports to be closed: the driver of an adapter that was pulled may hang."""
RELEASE_S: Final = 8.0
"""Longest wait for places in a lab to be released as well; what is not by then, the next run releases."""
_POLL_S: Final = 0.02
_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU") if hasattr(signal, name)
)
_WHY: Final = {"SIGXCPU": "the processor time that `ulimit -t` allows is used up; "}
"""Signals that nobody sends who would know why."""

_GOES_ON: Final = {
    "program": "the program on it runs on unless it has come to its end; a reset ends it",
    "format": "it makes its file system anew, and is not to be reset before that is done",
    "send": "files were being sent, each of them is the old one or the new one",
    "remove": "files were being removed",
}
"""Steps through a console that a stop does not undo, and what has become of them."""
_sessions: dict[str, Session] = {}
_guard = threading.Lock()
_busy: dict[int, str] = {}
"""Threads inside an action on a board, and its port."""
_traces: dict[int, Callable[[], None]] = {}
"""What those threads would leave behind, done for one that does not come out in time."""
stop: Final = threading.Event()


class OwnStop(threading.Event):
    """A request to stop one run of several in a process; set as well once the whole process is asked to end."""

    def is_set(self) -> bool:
        """Whether this run, or the process, shall end."""
        return super().is_set() or stop.is_set()


_gentle: Final = dict[int, frozenset[int]]()
"""Threads that end by themselves, and well, when asked to stop by one of those signals."""
_gently_asked: Final = threading.Event()
"""They were, and those that only begin now are as well."""
_ending = threading.Event()
"""The process is about to end: nobody starts or prints anything."""
_replaced: dict[signal.Signals, Any] = {}
"""Handlers that were there before ours."""
_masks: dict[int, set[int | signal.Signals]] = {}
"""Signals that a thread which forks had blocked before."""
_waker: socket.socket | None = None


def session(port: str, make: Callable[[], Session]) -> Session:
    """The session of a port; made at first use."""
    install_handlers()
    with _guard:
        if port not in _sessions:
            _sessions[port] = make()
        return _sessions[port]


def find(port: str) -> Session | None:
    """The session of a port, if it was made."""
    return _sessions.get(port)


def close(port: str) -> None:
    """Close the session of a port, if any: the run on its board is over."""
    with _guard:
        session = _sessions.pop(port, None)
    if session is not None:
        if session.device is not None:
            BEGUN.discard(session.device.mac)
        session.release()


def close_all() -> None:
    """Close every session; places in a lab are released side by side."""
    ports = list(_sessions)
    closing = [threading.Thread(target=close, args=(port,), daemon=True) for port in ports if _has_lease(port)]
    with contextlib.suppress(RuntimeError):  # Python is ending, and starts no more threads
        for thread in closing:
            thread.start()
    for thread in closing:
        if thread.ident is not None:
            thread.join()
    for port in ports:
        close(port)


def _has_lease(port: str) -> bool:
    session = _sessions.get(port)
    return session is not None and session.lease is not None


atexit.register(close_all)  # while all that closing needs is still there


class Working:
    """Context of an action on a board: a stop waits for those inside, and nobody comes out of it, or in, afterwards."""

    def __init__(self, port: str, leave_trace: Callable[[], None] = lambda: None) -> None:
        """`leave_trace`: called in another thread where a stop does not wait for the end of the body."""
        self._port = port
        self._leave_trace = leave_trace

    def __enter__(self) -> None:
        _stay_if_ending()
        _busy[threading.get_ident()] = self._port
        _traces[threading.get_ident()] = self._leave_trace

    def __exit__(self, *_: object) -> None:
        _busy.pop(threading.get_ident(), None)
        _traces.pop(threading.get_ident(), None)
        _stay_if_ending()


@contextlib.contextmanager
def waiting_for_person() -> Iterator[None]:
    """Inside an action: the body waits for somebody to type, a stop need not wait for that."""
    port = _busy.pop(threading.get_ident(), "")
    try:
        yield
    finally:
        _stay_if_ending()
        _busy[threading.get_ident()] = port


@contextlib.contextmanager
def ending_gently(*, service: bool = False) -> Iterator[None]:
    """The body ends by itself, and well, on Ctrl-C, a service on SIGTERM, too. The last one takes the flag down.

    Of several some may only begin after the request, or after all others have ended: it is for them, too.
    """
    _gentle[threading.get_ident()] = frozenset({signal.SIGINT, signal.SIGTERM} if service else {signal.SIGINT})
    if _gently_asked.is_set():
        stop.set()
    try:
        yield
    finally:
        _gentle.pop(threading.get_ident(), None)
        if not _gentle:
            stop.clear()


def ending() -> bool:
    """Whether the process is about to end on request: what fails now was told to."""
    return _ending.is_set()


def _stay_if_ending() -> None:
    if _ending.is_set():
        time.sleep(JOIN_S + CLOSE_S + 1)  # the process ends meanwhile


# --- signals ---------------------------------------------------------------------------------------------------------


def install_handlers() -> None:
    """`_SIGNALS` end the run as above, also under plain doit. For the main thread; once is enough."""
    global _waker
    if _waker is not None or threading.current_thread() is not threading.main_thread():
        return
    heard, _waker = socket.socketpair()  # Windows can be woken through a socket only
    _waker.setblocking(False)  # noqa: FBT003  the stdlib takes it so
    signal.set_wakeup_fd(_waker.fileno(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # started in the background, or below nohup
            _replaced[number] = signal.signal(number, _ignore)
    threading.Thread(target=_watch, args=(heard,), name="stop requests", daemon=True).start()


def remove_handlers() -> None:
    """Put back what was there before `install_handlers`; harmless without it."""
    global _waker  # noqa: PLW0603
    if _waker is None or threading.current_thread() is not threading.main_thread():
        return
    _stay_if_ending()
    signal.set_wakeup_fd(-1)
    for number, handler in _replaced.items():
        signal.signal(number, handler)
    _replaced.clear()
    _gently_asked.clear()
    _waker.close()  # the watching thread reads the end, and ends
    _waker = None


def _ignore(_number: int, _frame: Any) -> None:
    """The signal has woken the watching thread already; the main thread goes on."""


def _before_fork() -> None:
    """A signal for the child must not come while it still has handlers and nobody who watches."""
    if _waker is not None:
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _after_fork() -> None:
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    """It shall end as any process does."""
    _ending.clear()
    remove_handlers()
    _busy.clear()
    _sessions.clear()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


def _watch(heard: socket.socket) -> None:
    with heard:
        while data := heard.recv(1):
            number = data[0]
            if number not in _SIGNALS:
                continue
            if not stop.is_set() and _gentle and all(number in signals for signals in list(_gentle.values())):
                _gently_asked.set()
                stop.set()
                continue
            _end(number, heard)


def _end(number: int, heard: socket.socket) -> None:
    """Wait for the workers, say the state of the boards, and end the process."""
    _ending.set()
    stop.set()
    patient = True
    deadline = time.monotonic() + JOIN_S
    heard.settimeout(_POLL_S)
    while patient and _busy and time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            patient = int.from_bytes(heard.recv(1), "big") not in _SIGNALS
    try:
        _bounded([_traces[thread] for thread in list(_busy) if thread in _traces])  # each leaves a receipt all the same
        _bounded([partial(_say_table, table) for table in audience.tables])
        _say(
            f"stopped: {_WHY.get(signal.Signals(number).name, '')}{'; '.join(_states()) or 'nothing was being written'}"
        )
        audience.stopped(number)
        _end_children()
        if patient:
            limit_s = CLOSE_S + RELEASE_S * any(map(_has_lease, list(_sessions)))
            closing = threading.Thread(target=_clean_up, daemon=True)
            closing.start()
            closing.join(limit_s)
    finally:
        # doit would go on to dispatch tasks, or print forty lines: its threads are daemons and end with the process.
        os._exit(128 + number)


def _say_table(table: Callable[[], str]) -> None:
    text = table()
    if text:
        _say(text)


def _bounded(calls: list[Callable[[], None]]) -> None:
    """Do all of it, as far as the time reaches: whoever hangs may have locked what one of them needs."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + CLOSE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _clean_up() -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it is closed
        sys.stdout.flush()
    close_all()


def _say(text: str) -> None:
    # Not through sys.stderr, which a worker that hangs may have locked.
    seen = sys.stderr is not None and sys.stderr.isatty()
    start, text = ("\n", folded(text, width_of(sys.stderr))) if seen else ("", text)  # a bar or ^C may stand there
    with contextlib.suppress(OSError):
        os.write(2, f"{start}{text}\n".encode(errors="replace"))


def _end_children() -> None:
    if "multiprocessing" in sys.modules:  # `-P process`, for a user's own tasks
        for child in sys.modules["multiprocessing"].active_children():
            child.terminate()


def _states() -> Iterator[str]:
    for session in list(_sessions.values()):
        state = state_of(session)
        if state:
            yield state


def state_of(session: Session | None) -> str:
    """In which state a run that was stopped has left its board, for people; empty where it had not reached one."""
    if session is not None and session.doing in _GOES_ON:
        return f"the board on {without_login(session.port)}: {_GOES_ON[session.doing]}"
    if session is None or session.device is None:
        return ""
    from flashpipe.records import journal  # noqa: PLC0415  7 ms, and only after a stop

    mac = session.device.mac
    try:
        entry = journal.read(mac)
    except RecordError as error:
        return f"what board {mac} holds is not known: {error.message}"
    if entry.state == "writing":
        return journal.unfinished(entry)
    if session.doing == "boot":
        return f"board {mac} was not being written, its boot was not judged"
    return f"board {mac} was not being written"
