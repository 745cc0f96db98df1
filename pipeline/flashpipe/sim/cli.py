"""`flashpipe board`: virtual boards for other programs, until they are stopped.

The first lines on stdout are the names of the ports, one a line; whatever else is said goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from flashpipe.errors import BadValueError, PipelineError, PortBusyError
from flashpipe.files import virtual_ports_folder, write_atomic
from flashpipe.sim.board import STARTS, VirtualBoard
from flashpipe.sim.chip.timing import describe_costs
from flashpipe.sim.faults import describe_faults
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.kinds import BOARDS, default_mac
from flashpipe.sim.options import OPTIONS, SINGLE, Setup, parse_options
from flashpipe.sim.servers.attach import AttachServer

DEFAULT_BOARD: Final = "nodemcu-devkit"
_COMMANDS: Final = """commands on stdin, each for all boards or, after a number from 1, for one of them:
  reset [download|app]   pulse EN; GPIO0 decides, unless a word does
  gpio0 low|high         put or remove the jumper
  power off|on           switch the supply
  fault NAME:ARGUMENT    add a fault
  state                  what is running
  quit                   end"""


class Port(Protocol):
    """One way to a board."""

    link: HostLine
    name: str

    def start(self) -> None:
        """Begin serving."""

    def stop(self) -> None:
        """End serving."""


OWN_ARGUMENTS: Final = tuple(
    dict.fromkeys(name for name in SINGLE if name not in {"flash", "start", "time", "record", "inline", "board"})
)
"""Options of a board that are arguments of their own, from the one table; some have words of their own below."""


_NAMES: Final = frozenset({*OWN_ARGUMENTS, "count", "fault", "flash", "profile", "record", "rfc2217", "start", "time"})
"""What may be written without dashes, too."""
_SWITCHES: Final = frozenset({"--pty", "--attach", "--end-with-stdin"})
"""Options that take no value."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    epilog = "\n".join(
        [
            "boards:",
            *(f"  {board.name}  {board.about}" for board in BOARDS.values()),
            "",
            "options for --option:",
            *(f"  {name}  {about}" for name, about in OPTIONS.items()),
            "",
            "parameters for --param [unit, default]:",
            *(f"  {line}" for line in describe_costs()),
            "",
            "faults for --fault; @byte:N, @time:SECONDS or @command:OPCODE behind one says when it begins:",
            *(f"  {line}" for line in describe_faults()),
            "",
            _COMMANDS,
        ]
    )
    parser = argparse.ArgumentParser(
        prog="flashpipe board",
        description="Run virtual ESP8266 boards for other programs. The firmware in their flash is executed on an"
        " emulated core; with --execute off what it would print is predicted from the image.",
        epilog=epilog.replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("board", nargs="?", help=f"kind of board (default {DEFAULT_BOARD}); see below")
    parser.add_argument("--profile", metavar="NAME", help="the same as the positional argument")
    way = parser.add_argument_group("where the board appears (default --pty)")
    way.add_argument("--pty", action="store_true", help="on a pseudo-terminal; prints its path")
    way.add_argument("--rfc2217", type=int, metavar="PORT", help="on an RFC 2217 server on 127.0.0.1; 0: any free port")
    way.add_argument("--attach", action="store_true", help="on a socket for sim+attach:// URLs, DTR and RTS included")
    parser.add_argument("--flash", metavar="FILE", help="keep the flash here; made when missing (N boards: FILE.1 …)")
    parser.add_argument("--start", choices=STARTS, help="what runs at first (pty: rom, else app)")
    for name in OWN_ARGUMENTS:
        parser.add_argument(f"--{name.replace('_', '-')}", dest=f"option_{name}", help=argparse.SUPPRESS)
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a cost; may be repeated")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="as in a sim:// URL; --NAME VALUE is the same",
    )
    parser.add_argument("--fault", action="append", default=[], metavar="NAME:ARGUMENT", help="may be repeated")
    parser.add_argument(
        "--end-with-stdin",
        action="store_true",
        help="end when stdin does: for a program that keeps its other end open, so that no board is left behind when it"
        " is killed",
    )
    parser.add_argument("--count", type=int, default=1, metavar="N", help="this many boards")
    parser.add_argument("--time", metavar="HOW", help="fast (default), real, or a factor such as 0.25")
    parser.add_argument("--record", metavar="FILE", help="transcript as JSON lines (N boards: FILE.1 …)")
    parser.add_argument(
        "--sync-resets", choices=("yes", "no"), help="pty: whether the first SYNC after an opening resets the chip "
        "into download mode (default: yes, but no with --start stub-v1 and stub-v2)",
    )  # fmt: skip
    return parser


def main(argv: list[str]) -> int:
    """Run boards until SIGINT, SIGTERM, SIGHUP or `quit`; the exit status."""
    arguments = build_parser().parse_args(list(_as_options(argv)))
    try:
        ports = list(_make_ports(arguments))
    except PipelineError as error:
        _say(f"error: {error}")
        return error.status
    return _serve(ports, ends_with_stdin=arguments.end_with_stdin)


def _as_options(argv: list[str]) -> Iterator[str]:
    """The words, with `name=value` as `--name=value`: as in a URL, and as other commands take it."""
    behind = ""
    for word in argv:
        name, equals, _ = word.partition("=")
        is_value = behind.startswith("--") and "=" not in behind and behind not in _SWITCHES
        yield f"--{name.replace('_', '-')}{word[len(name) :]}" if equals and name in _NAMES and not is_value else word
        behind = word


# --- making ports ----------------------------------------------------------------------------------------------------


def _make_ports(arguments: argparse.Namespace) -> Iterator[Port]:
    if arguments.count < 1:
        raise BadValueError(f"--count {arguments.count}: no board at all", "give 1 or more")
    if arguments.rfc2217 is not None and not 0 <= arguments.rfc2217 <= 0xFFFF - arguments.count:
        raise BadValueError(f"--rfc2217 {arguments.rfc2217} is no port number", "give 0 to 65535; 0 takes a free one")
    setups = [_setup(arguments, number) for number in range(arguments.count)]
    for number, setup in enumerate(setups):
        yield from _ports_of(setup, arguments, number)


def _setup(arguments: argparse.Namespace, number: int) -> Setup:
    name = arguments.board or arguments.profile or DEFAULT_BOARD
    pairs = [_pair("--option", text) for text in arguments.option]
    pairs += [(f"param.{key}", value) for key, value in (_pair("--param", text) for text in arguments.param)]
    pairs += [("fault", text) for text in arguments.fault]
    only_pty = arguments.rfc2217 is None and not arguments.attach
    given = {"start": arguments.start or ("rom" if only_pty else "app")}
    if name in BOARDS and number:
        given["mac"] = default_mac(name, number)
    suffix = f".{number + 1}" if arguments.count > 1 else ""
    for key in ("flash", "record"):
        value = getattr(arguments, key)
        if value is not None:
            given[key] = value + suffix
    if arguments.time is not None:
        given["time"] = arguments.time
    given |= {name: text for name in OWN_ARGUMENTS if (text := getattr(arguments, f"option_{name}")) is not None}
    return parse_options(name, [*given.items(), *pairs])


def _pair(option: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadValueError(f"{option} {text}: no value", f"write {option} NAME=VALUE")
    return key, value


def _ports_of(setup: Setup, arguments: argparse.Namespace, number: int) -> Iterator[Port]:
    link = setup.build()
    if arguments.pty or (arguments.rfc2217 is None and not arguments.attach):
        yield _pty(link, setup, arguments.sync_resets)
    try:
        if arguments.rfc2217 is not None:
            from flashpipe.sim.servers.rfc2217 import Rfc2217Server  # noqa: PLC0415  pyserial only where it is used

            yield Rfc2217Server(link, arguments.rfc2217 + number if arguments.rfc2217 else 0)
        if arguments.attach:
            yield AttachServer(link)
    except OSError as error:
        raise PortBusyError(
            f"--rfc2217 {arguments.rfc2217 + number}: {error.strerror or error}", "give another number, or 0"
        ) from error


def _pty(link: HostLine, setup: Setup, sync_resets: str | None) -> Port:
    try:
        from flashpipe.sim.servers.pty import PtyPort  # noqa: PLC0415  POSIX only
    except ImportError as error:
        raise BadValueError("--pty: this system has no pseudo-terminals", "use --rfc2217 0 or --attach") from error
    default = not setup.spec.start.startswith("stub")
    return PtyPort(link, reset_on_sync=default if sync_resets is None else sync_resets == "yes")


# --- running ---------------------------------------------------------------------------------------------------------


def _serve(ports: list[Port], *, ends_with_stdin: bool) -> int:
    links = list({id(port.link): port.link for port in ports}.values())
    ended = threading.Event()
    hangup = getattr(signal, "SIGHUP", None)
    stops = [signal.SIGINT, signal.SIGTERM]
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # below nohup
        stops.append(hangup)
    for number in stops:
        signal.signal(number, lambda *_: ended.set())
    card = virtual_ports_folder() / f"{os.getpid()}.json"
    try:
        write_atomic(card, json.dumps({"pid": os.getpid(), "ports": [port.name for port in ports]}).encode())
        for port in ports:
            port.start()
            sys.stdout.write(port.name + "\n")
            sys.stdout.flush()
        threading.Thread(target=_listen, args=(links, ended, ends_with_stdin), daemon=True).start()
        while not ended.wait(1):
            pass  # in short turns: on Windows a wait without end cannot be interrupted
    except PipelineError as error:
        _say(error)
        return error.status
    finally:
        card.unlink(missing_ok=True)
        for port in ports:
            port.stop()
        for link in links:
            link.close()
    return 0


def _listen(links: list[HostLine], ended: threading.Event, ends_with_stdin: bool) -> None:  # noqa: FBT001  a thread's
    """Obey the console; its end is not the end of the boards, unless somebody wants that."""
    try:
        for line in sys.stdin:
            if line.strip() == "quit":
                ended.set()
                return
            if line.strip():
                answer = obey(links, line)
                _say(answer)
    except (OSError, ValueError):
        pass  # stdin was closed under us
    if ends_with_stdin:
        ended.set()


def obey(links: list[HostLine], line: str) -> str:
    """Carry out one console command; what to say about it."""
    words = line.split()
    if words and words[0].isdigit():
        number = int(words.pop(0))
        if not 1 <= number <= len(links):
            return f"no board {number}; there are 1 to {len(links)}"
        links = [links[number - 1]]
    command = " ".join(words)
    if words[:1] == ["fault"] and len(words) == 2:  # noqa: PLR2004  the word and its argument
        return _add_fault(links, words[1])
    if command == "state":
        return "\n".join(f"{number} {link.board.mode}" for number, link in enumerate(links, start=1))
    action = _ACTIONS.get(command)
    if action is None:
        return f"unknown command {command!r}; use one of: {', '.join(_ACTIONS)}, fault, state, quit"
    for link in links:
        link.pull(action)
    return "ok"


def _add_fault(links: list[HostLine], text: str) -> str:
    try:
        for link in links:
            link.add_fault(text)
    except PipelineError as error:
        return str(error)
    return "ok"


def _hold(*, low: bool) -> Callable[[VirtualBoard, float], None]:
    def action(board: VirtualBoard, _now: float) -> None:
        board.gpio0_held = low

    return action


def _say(text: object) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


_ACTIONS: Final[dict[str, Callable[[VirtualBoard, float], None]]] = {
    "reset": lambda board, now: board.reset(now),
    "reset download": lambda board, now: board.reset(now, download=True),
    "reset app": lambda board, now: board.reset(now, download=False),
    "gpio0 low": _hold(low=True),
    "gpio0 high": _hold(low=False),
    "power off": lambda board, now: board.power(on=False, now=now),
    "power on": lambda board, now: board.power(on=True, now=now),
}
"""Console commands of fixed wording."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
