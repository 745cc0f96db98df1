"""`flashpipe station`: boards of a batch, flashed as they are plugged in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe import terminal
from flashpipe.cli.arguments import Parser
from flashpipe.cli.project import project_here
from flashpipe.errors import BadValueError
from flashpipe.jobs import audience, sessions
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.station_screen import StationScreen
from flashpipe.jobs.variables import KNOWN, check
from flashpipe.profile.search import own_profiles
from flashpipe.records.station_lives import living
from flashpipe.station.attempt import AttemptEnd, Attempts
from flashpipe.station.keys import keyboard
from flashpipe.station.labels import Labels
from flashpipe.station.open import Opened, open_station, remembered
from flashpipe.station.panel import StationLines, counts_line
from flashpipe.station.port_line import PortLine
from flashpipe.station.recovery import recover
from flashpipe.station.station import Station
from flashpipe.station.texts import shipped
from flashpipe.station.words import PASSED_ON, STATION_WORDS, variables
from flashpipe.text.lines import ConsoleLines, print_result

if TYPE_CHECKING:
    from flashpipe.station.live_panel import StationPanel

USAGE: Final = "flashpipe station profile=NAME [batch=NAME] [port=…] [name=value …]"


def main(argv: list[str]) -> int:
    """Run a station until the end of the shift; the exit status.

    Raises:
        PipelineError: it cannot begin.
    """
    options, words = _parser().take_variables(argv, "station", variables())
    if options.texts:
        terminal.write(shipped())
        return 0
    given = words.with_bare("profile", options.profile)
    project = project_here()
    own = {name: text for name, text in given.items() if name in STATION_WORDS}
    command = _command(given, project)
    all_given = remembered(command, own | {name: given[name] for name in PASSED_ON if name in given})
    if all_given.get("next") == "key" and not _attended():
        raise BadValueError(
            "next=key: there is no terminal, so no key can be pressed", "leave it out, or use a terminal"
        )
    return _run(open_station(_command(all_given, project), all_given, ConsoleLines(prefix=False)))


def _attended() -> bool:
    """Whether somebody is there to press keys."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _parser() -> Parser:
    rows = [f"  {name:<11} {about}" for name, about in STATION_WORDS.items()]
    rows += [f"  {name:<11} {KNOWN[name].about}" for name in sorted(PASSED_ON)]
    parser = Parser(
        prog="flashpipe station",
        usage=USAGE,
        description="Wait for boards and flash each as it is plugged in, on all ports at once.\n"
        "Only blank boards, those with AT firmware from the factory and those of the\n"
        "batch are written unasked.\n\n" + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("profile", nargs="*", metavar="PROFILE", help="the same as profile=PROFILE")
    parser.add_argument("--texts", action="store_true", help="print what the operator reads, to be translated")
    return parser


def _command(given: dict[str, str], project: Path) -> CommandLine:
    """What each board is asked for: as `flash`, with the operator's consent to what was decided at admission."""
    variables = {name: text for name, text in given.items() if name in PASSED_ON} | {"yes": "1"}
    if "profile" not in variables:
        own = own_profiles(project)
        if len(own) == 1:
            variables["profile"] = own[0]
    return CommandLine(project, Path.cwd(), check(variables, {"flash"}))


def _run(opened: Opened) -> int:
    sessions.install_handlers()
    with living(opened.batch.folder) as name:
        for line in recover(opened.batch, opened.inputs.command.receipts_folder, opened.texts):
            terminal.note(line)
        attempts = Attempts(opened.inputs, opened.batch, opened.rules, station=name, units=opened.units)
        return _work(opened, attempts, name)


def _work(opened: Opened, attempts: Attempts, name: str) -> int:
    attended = _attended()
    _announce(opened)
    screen = _panel(opened) if attended else StationLines(opened.texts.say)
    audience.closers.append(lambda _status: screen.close())

    labels = Labels(opened.labels, opened.batch, opened.texts, name)

    def ring(ended: AttemptEnd, line: PortLine) -> None:
        if station.sound:
            screen.bell(line.view.state)
        del ended

    station = Station(
        opened.batch,
        attempts,
        opened.sockets,
        texts=opened.texts,
        rules=opened.rules,
        show=StationScreen(opened.batch.folder, name, opened.texts.words(), screen),
        end_listener=ring,
        labels=labels,
        by_key=opened.by_key,
        image=opened.image,
    )
    station.sound = opened.sound

    def when_stopped() -> str:
        screen.close()  # what is said from here on stands below the panel
        return counts_line(station.view(), opened.texts.say)

    audience.tables.append(when_stopped)
    with keyboard(station.keys) as there:
        station.run(attended=attended and there)
    screen.close()
    print_result(counts_line(station.view(), opened.texts.say))
    for error in () if attended else station.failures:
        audience.failed(error)
    return audience.exit_status(1 if audience.failures else 0)


def _panel(opened: Opened) -> StationPanel:
    from flashpipe.station.live_panel import StationPanel  # noqa: PLC0415  rich takes 0.1 s, and no log needs it

    return StationPanel(opened.texts.say)


def _announce(opened: Opened) -> None:
    """Which batch and which ports, before one of them is touched."""
    present = opened.sockets.present().values()
    ports = ", ".join(socket.port for socket in present) or "none yet"
    begun = "begins" if opened.is_new else "goes on"
    terminal.note(f"batch    {opened.batch.name} {begun}: profile {opened.batch.record.profile}, {opened.image}")
    terminal.note(f"ports    {ports}")
    if not opened.is_tested:
        terminal.note("note     boot=off: boards are good without the files and tests of the profile")
