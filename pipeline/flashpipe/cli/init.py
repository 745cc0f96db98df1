"""`flashpipe init`: from a board on the port to a profile of one's own, and the next command."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flashpipe.board.loader.device import Device
from flashpipe.board.ports import discovery
from flashpipe.board.ports.choice import choose_port
from flashpipe.board.ports.memory import PortMemory
from flashpipe.cli.arguments import Parser
from flashpipe.cli.project import project_here
from flashpipe.errors import BadValueError, NoPortError, PortAmbiguousError
from flashpipe.jobs.audience import Audience
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.new_profile import (
    DODO,
    ImageFiles,
    find_images,
    look_at,
    new_path,
    ordered_profiles,
    profile_text,
    refuse_unfit,
    remember_port,
    write_profile,
)
from flashpipe.jobs.no_image import NO_IMAGE
from flashpipe.jobs.option_words import PORT, TTY
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import Variables
from flashpipe.profile.search import shipped_folder
from flashpipe.text.lines import ConsoleLines, print_result

WITHOUT_BOARD: Final = "flashpipe flash profile=demo"
_AS_VARIABLES: Final = ("port=", "profile=", "reset=")
"""Understood as everywhere else, too: failures advise `reset=manual`."""


def main(argv: list[str]) -> int:
    """Identify the board, write NAME.yaml, say what comes next; returns the exit status.

    Raises:
        PipelineError: no port, no answer, a file in the way.
    """
    options = _parser().parse_args(list(map(_as_option, argv, ["", *argv])))
    name = options.name.removesuffix(".yaml")
    here = Path.cwd()
    project = project_here()
    ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    # Profiles are looked up by name in the project's folder only.
    command = f"flashpipe flash profile={name if here == project else f'{name}.yaml'}"
    path = new_path(here, name, command)
    port = options.port or os.environ.get("FLASHPIPE_PORT", "") or _find_port(ask=ask)
    device = _look_at(CommandLine(project, here, Variables({"port": port, "reset": options.reset}, {})), port)
    base = _choose_profile(project, device, options.profile, ask=ask)
    images = find_images(here, base, project)
    chosen = _choose_image(images, ask=ask)
    serial = {} if options.reset == "auto" else {"reset": options.reset}
    if options.port and not remember_port(options.port, device, name):
        serial = {"port": options.port, **serial}
    own_dodo = write_profile(
        path, profile_text(name, base, device, chosen, images, serial=serial), dodo=here == project
    )
    print_result(f"written  {path.name}" + (f", and {DODO} for those who use doit" if own_dodo else ""))
    if (shipped_folder() / f"{name}.yaml").is_file():
        print_result(
            f"note     in this folder profile={name} now means this file, not the profile of that name that comes along"
        )
    print_result(_next(command, path, chosen, images))
    return 0


def _look_at(command: CommandLine, port: str) -> Device:
    face = Audience(ConsoleLines())
    device = look_at(BoardRun(RunInputs(command, listener=face), port, face))
    virtual = " (virtual board)" if device.virtual else ""
    print_result(f"found    {device.chip}, MAC {device.mac}, {device.flash_part}{virtual} on {device.port}")
    return device


def _next(command: str, path: Path, chosen: ImageFiles | None, images: Sequence[ImageFiles]) -> str:
    if chosen is not None:
        return f"next:    {command}"
    if images:
        choice = shlex.quote(f"image={images[0].argument}")
        return f"next:    take away the # of one image in {path.name}, or name it: {command} {choice}"
    return "image    none here; " + NO_IMAGE.format(command=command)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="flashpipe init", description="Look at the board on the port and write a profile for it.")
    parser.add_argument("name", nargs="?", default="board", help="name of the profile to write (default: board)")
    parser.add_argument("-p", "--port", default="", help="serial port or URL; default: the only one there")
    parser.add_argument("--profile", default="", help="shipped profile to extend; default: one that fits")
    parser.add_argument("--reset", default="auto", help="auto, manual or none, as in profiles")
    return parser


def _as_option(word: str, before: str) -> str:
    """Variables and bare ports as options; what stands behind an option is its value."""
    if before.startswith("-") and "=" not in before:
        return word
    if PORT.fullmatch(word) or TTY.fullmatch(word):
        return f"--port={word if PORT.fullmatch(word) else f'/dev/{word}'}"
    return f"--{word}" if word.startswith(_AS_VARIABLES) else word


def _find_port(*, ask: bool) -> str:
    ports = discovery.list_ports()
    try:
        return choose_port("auto", ports).device
    except NoPortError as error:
        raise NoPortError(error.message, f"{error.hint}\n  or try it without a board: {WITHOUT_BOARD}") from None
    except PortAmbiguousError as error:
        if not ask:
            raise PortAmbiguousError(error.message, "say which: flashpipe init NAME --port PORT") from None
    fitting = [info for info in ports if info.usb()]
    memory = PortMemory()
    lines = [f"{info.device}  {info.adapter()}  {memory.describe(info.key())}".rstrip() for info in fitting]
    return fitting[_pick("which port?", lines)].device


def _choose_profile(project: Path, device: Device, wanted: str, *, ask: bool) -> str:
    ordered = ordered_profiles(project, device)
    if wanted:
        refuse_unfit(project, device, wanted, ordered)
        return wanted
    if not ordered:
        print_result(f"fits     no profile there is; the new one takes the size of {device.flash_part} from the board")
        return ""
    print_result(f"fits     {', '.join(ordered)}")
    return ordered[_pick("which of them is it?", ordered)] if ask and len(ordered) > 1 else ordered[0]


def _choose_image(images: Sequence[ImageFiles], *, ask: bool) -> ImageFiles | None:
    for image in images:
        print_result(f"image    {' + '.join(image.parts.values())}: {image.title}")
    if not images:
        return None
    if len(images) == 1:
        return images[0]
    if not ask:
        return None  # several, and nobody to ask: the profile lists them all as comments
    return images[_pick("which image?", [" + ".join(image.parts.values()) for image in images])]


def _pick(question: str, choices: Sequence[str]) -> int:
    for number, choice in enumerate(choices, start=1):
        print_result(f"  {number}  {choice}")
    while True:
        print_result(f"{question} [1] ", end="")
        line = sys.stdin.readline()
        if not line:
            raise BadValueError("no answer: the input ended", "give the choices as options: flashpipe init --help")
        answer = line.strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return int(answer) - 1
