"""`flashpipe host`: the boards of this machine, for programs of others."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.arguments import Parser
from flashpipe.errors import BadValueError, HostCheckError, HostFileError, NoPortError
from flashpipe.files import write_atomic
from flashpipe.jobs import sessions
from flashpipe.jobs.command_variables import HOST
from flashpipe.lab.board_host import BoardHost
from flashpipe.lab.exporter import clients_address, exporter_yaml, place_commands
from flashpipe.lab.host_check import Proof, check
from flashpipe.lab.host_file import FILE, file_text, read_plan
from flashpipe.lab.host_plan import HostPlan, is_stable, plan_of_words
from flashpipe.lab.systemd import EXPORTER, hidden, how_to_install_exporter, install_commands, units
from flashpipe.text.lines import print_result
from flashpipe.units import parse_bool

ACTIONS: Final = {
    "serve": "serve the boards until Ctrl-C; what `flashpipe host` does, too",
    "init": f"write {FILE} from the boards that are here: [port=…] [listen=…] [allow=…] [to=FILE]",
    "exporter": "print the configuration of labgrid's exporter: [host=NAME] [to=FILE]",
    "systemd": "print units for systemd: [coordinator=HOST:PORT] [to=DIR]",
    "check": "prove each port as a client: reset the board, ask what it is: [at=HOST] [reset=0]",
}
NOBODY: Final = "nothing listens there: start `flashpipe host` on that machine; at=HOST names another one"
_READABLE: Final = 0o644
_LONG_S: Final = 3600.0


def main(argv: list[str]) -> int:
    """Do one thing with the boards of this host; the exit status.

    Raises:
        PipelineError: a bad word or file, an address that cannot be had, a port that does not work.
    """
    action = next((word for word in argv if word in ACTIONS), "serve")
    _, words = _parser().take_variables(argv, f"host {action}", HOST[action])
    return _DO[action](words.given)


def _parser() -> Parser:
    rows = [f"  {name:<9} {about}" for name, about in ACTIONS.items()]
    rows += ["", *(f"  {row.name:<9} {row.about}" for row in HOST["serve"].values())]
    parser = Parser(
        prog="flashpipe host",
        usage="flashpipe host [ACTION] [name=value …]",
        description="Serve the boards of this machine over RFC 2217, one client at a time each.\n\n" + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=ACTIONS, metavar="ACTION")
    return parser


def _plan(given: dict[str, str]) -> HostPlan:
    """The boards that are meant: a file's, or those that are named."""
    words = {name for name in ("port", "listen", "allow") if name in given}
    if "file" in given and words:
        raise BadValueError(f"file= and {', '.join(f'{word}=' for word in sorted(words))} are both given", "say one")
    path = Path(given.get("file", FILE))
    if "file" in given or (not words and path.exists()):
        return read_plan(path)
    return plan_of_words(given.get("port", ""), given.get("listen", ""), given.get("allow", ""))


# --- serve -----------------------------------------------------------------------------------------------------------


def _serve(given: dict[str, str]) -> int:
    plan = _plan(given)
    host = BoardHost(plan, lambda text: terminal.note(f"{time.strftime('%H:%M:%S')} {text}"))
    sessions.install_handlers()
    try:
        with sessions.ending_gently(service=True):
            host.start()
            for hosted in host.ports:
                print_result(f"{hosted.port.name:<10} {hosted.port.device} at {hosted.url}")
                if not is_stable(hosted.port):
                    terminal.remark(f"note: {hosted.port.device} may be another board after it is plugged in again")
            terminal.remark("Ctrl-C ends it")
            _wait(sessions.stop)
    finally:
        host.stop()
    return 0


def _wait(stop: threading.Event) -> None:
    while not stop.wait(_LONG_S):
        continue


# --- files -----------------------------------------------------------------------------------------------------------


def _init(given: dict[str, str]) -> int:
    plan = plan_of_words(given.get("port", ""), given.get("listen", ""), given.get("allow", ""))
    path = Path(given.get("to", FILE))
    if path.exists():
        raise HostFileError(f"{path}: is there already", "edit it, or write another one: to=FILE")
    write_atomic(path, file_text(plan).encode(), mode=_READABLE)
    print_result(f"written  {path}: {len(plan.ports)} board{'s' * (len(plan.ports) != 1)}")
    print_result(f"next: flashpipe host file={path}")
    return 0


def _exporter(given: dict[str, str]) -> int:
    plan = _plan(given)
    text = exporter_yaml(plan, given.get("host", ""))
    if "to" not in given:
        terminal.write(text)
        return 0
    write_atomic(Path(given["to"]), text.encode(), mode=_READABLE)
    print_result(f"written  {given['to']}")
    for command in place_commands(plan, "EXPORTER"):
        print_result(f"  {command}")
    print_result("EXPORTER is the name of this machine, or what `labgrid-exporter --name` says")
    return 0


def _systemd(given: dict[str, str]) -> int:
    path = Path(given.get("file", FILE))
    plan = read_plan(path)
    folder = Path(given.get("to", "."))
    exporter_file = (folder / "exporter.yaml").absolute()
    made = units(plan, path.absolute(), coordinator=given.get("coordinator", ""), exporter_file=exporter_file)
    if "to" not in given:
        terminal.write("\n".join(f"# {name}\n{text}" for name, text in made.items()))
        return 0
    for name, text in made.items():
        write_atomic(folder / name, text.encode(), mode=_READABLE)
    if EXPORTER in made:
        write_atomic(exporter_file, exporter_yaml(plan).encode(), mode=_READABLE)
    needed = [path.absolute(), Path(sys.executable), Path(__file__), *([exporter_file] if EXPORTER in made else ())]
    for line in hidden(needed) if os.name == "posix" else ():
        terminal.note(f"note: {line}")
    if EXPORTER in made and (line := how_to_install_exporter()):
        terminal.note(f"note: {line}")
    for command in install_commands(made, folder.absolute()):
        print_result(command)
    return 0


# --- check -----------------------------------------------------------------------------------------------------------


def _check(given: dict[str, str]) -> int:
    plan = _plan(given)
    try:
        reset = parse_bool(given.get("reset", "1"))
    except BadValueError as error:
        raise BadValueError(f"reset={given['reset']}: {error.message}", error.hint) from None
    proofs = check(plan, given.get("at", clients_address(plan)), reset=reset)
    for proof in proofs:
        print_result(f"{'ok' if proof.works else 'FAIL':<5}{proof.port.name:<10} {proof.url}  {proof.text}")
    bad = [proof for proof in proofs if not proof.works]
    if bad:
        nobody = all(isinstance(proof.error, NoPortError) for proof in proofs)
        raise HostCheckError(
            f"{len(bad)} of {len(proofs)} boards cannot be used: {_names(bad)}",
            NOBODY if nobody else HostCheckError.remedy,
        )
    return 0


def _names(proofs: list[Proof]) -> str:
    return ", ".join(proof.port.name for proof in proofs)


_DO: Final[dict[str, Callable[[dict[str, str]], int]]] = {
    "serve": _serve,
    "init": _init,
    "exporter": _exporter,
    "systemd": _systemd,
    "check": _check,
}
