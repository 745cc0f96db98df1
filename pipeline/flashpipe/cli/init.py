"""`flashpipe init`: from a board on the port to a profile of one's own, and the next command."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe.errors import BadValueError, NoPortError, PipelineError, PortAmbiguousError
from flashpipe.files import write_atomic
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.request import NO_IMAGE, Request, fitting_profiles
from flashpipe.jobs.variables import Variables
from flashpipe.profile.search import shipped_folder
from flashpipe.records.project_folder import find_project
from flashpipe.text.lines import ConsoleLines, print_result
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.session.session import Device

PREFERRED: Final = ("nodemcu-devkit", "esp12", "esp8285", "esp01-1m", "esp01")
"""Which of several fitting profiles is offered first: the commonest board of each kind."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
WITHOUT_BOARD: Final = "flashpipe flash profile=demo"
_AS_VARIABLES: Final = ("port=", "profile=", "reset=")
"""Understood as everywhere else, too: failures advise `reset=manual`."""
LOOK_IN: Final = (".", "bin", "firmware", "images", "build")
"""Folders, relative to the caller's, where firmware usually lies."""


@dataclass(frozen=True, slots=True)
class Found:
    """Firmware in the folder that may be written to the board: address to path, as the profile will say it."""

    title: str
    parts: dict[int, str]

    @property
    def argument(self) -> str:
        """As `image=` on the command line takes it."""
        if list(self.parts) == [0]:
            return self.parts[0]
        return ",".join(f"{address:#07x}:{path}" for address, path in self.parts.items())


def main(argv: list[str]) -> int:
    """Identify the board, write NAME.yaml, say what comes next; returns the exit status.

    Raises:
        PipelineError: no port, no answer, a file in the way.
    """
    options = _parser().parse_args([f"--{word}" if word.startswith(_AS_VARIABLES) else word for word in argv])
    name = options.name.removesuffix(".yaml")
    here = Path.cwd()
    project = find_project(here)
    ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    command = _command(here, project, name)
    path = _target(here, name, command)
    port = options.port or os.environ.get("FLASHPIPE_PORT", "") or _find_port(ask=ask)
    variables = Variables({"port": port, "reset": options.reset}, {})
    device = _look_at_board(Request(project, here, variables), port)
    print_result(
        f"found    {device.chip}, MAC {device.mac}, {device.flash_part}"
        f"{' (virtual board)' if device.virtual else ''} on {device.port}"
    )
    base = _choose_profile(project, device, options.profile, ask=ask)
    images = find_images(here, base, project)
    chosen = _choose_image(images, ask=ask)
    serial = {} if options.reset == "auto" else {"reset": options.reset}
    if options.port and not _remember(options.port, device, name):
        serial = {"port": options.port, **serial}
    write_atomic(path, profile_text(name, base, device, chosen, images, serial=serial).encode(), mode=0o644)
    print_result(f"written  {path.name}")
    if (shipped_folder() / f"{name}.yaml").is_file():
        print_result(
            f"note     in this folder profile={name} now means this file, not the profile of that name that comes along"
        )
    print_result(_next(command, path, chosen, images))
    return 0


def _next(command: str, path: Path, chosen: Found | None, images: Sequence[Found]) -> str:
    if chosen is not None:
        return f"next:    {command}"
    if images:
        choice = shlex.quote(f"image={images[0].argument}")
        return f"next:    take away the # of one image in {path.name}, or name it: {command} {choice}"
    return "image    none here; " + NO_IMAGE.format(command=command)


def _command(here: Path, project: Path, name: str) -> str:
    """The command that flashes by the profile: profiles are looked up by name in the project's folder only."""
    return f"flashpipe flash profile={name if here == project else f'{name}.yaml'}"


def _remember(port: str, device: Device, name: str) -> bool:
    """Note the port for the profile; False where `port: auto` could not find it again."""
    from flashpipe.board.ports import choice as ports  # noqa: PLC0415  imports the board's room
    from flashpipe.jobs.port_choice import remember  # noqa: PLC0415

    if not any(info.device == port and info.usb() for info in ports.list_ports()):
        return False
    remember(port, device.mac, name)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flashpipe init", description="Look at the board on the port and write a profile for it."
    )
    parser.add_argument("name", nargs="?", default="board", help="name of the profile to write (default: board)")
    parser.add_argument("--port", default="", help="serial port or URL; default: the only one there")
    parser.add_argument("--profile", default="", help="shipped profile to extend; default: one that fits")
    parser.add_argument("--reset", default="auto", help="auto, manual or none, as in profiles")
    return parser


def _target(folder: Path, name: str, command: str) -> Path:
    if not NAME.fullmatch(name):
        raise BadValueError(f"{name!r} is no name for a profile", "use letters, digits, - and _")
    path = folder / f"{name}.yaml"
    if path.exists():
        raise BadValueError(
            f"{path.name} exists already and is left as it is",
            f"go on with it: {command}; or choose another name: flashpipe init NAME",
        )
    return path


def _look_at_board(request: Request, port: str) -> Device:
    board = BoardRun(request, port, ConsoleLines())
    try:
        with board.turn():
            device = board.session().connected()
            board.session().leave()
    except PipelineError as error:
        board.explain(error)
        raise
    finally:
        sessions.close(port)
    return device


def _find_port(*, ask: bool) -> str:
    from flashpipe.board.ports import choice as ports  # noqa: PLC0415

    found = ports.list_ports()
    try:
        return ports.choose_port("auto", found).device
    except NoPortError as error:
        raise NoPortError(error.message, f"{error.hint}\n  or try it without a board: {WITHOUT_BOARD}") from None
    except PortAmbiguousError as error:
        if not ask:
            raise PortAmbiguousError(error.message, "say which: flashpipe init NAME --port PORT") from None
    fitting = [info for info in found if info.usb()]
    memory = ports.PortMemory()
    lines = [f"{info.device}  {info.adapter()}  {memory.describe(info.key())}".rstrip() for info in fitting]
    return fitting[_pick("which port?", lines)].device


def _choose_profile(project: Path, device: Device, wanted: str, *, ask: bool) -> str:
    fitting = fitting_profiles(project, device)
    ordered = sorted(fitting, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))
    if wanted:
        _refuse_other(project, device, wanted, ordered)
        return wanted
    if not fitting:
        print_result(f"fits     no profile there is; the new one takes the size of {device.flash_part} from the board")
        return ""
    print_result(f"fits     {', '.join(ordered)}")
    return ordered[_pick("which of them is it?", ordered)] if ask and len(ordered) > 1 else ordered[0]


def _refuse_other(project: Path, device: Device, wanted: str, fitting: Sequence[str]) -> None:
    from flashpipe.flasher.checks import fits  # noqa: PLC0415
    from flashpipe.profile.load import load_profile  # noqa: PLC0415

    profile = load_profile(wanted, project)
    if not fits(profile.flash_size, profile.chip, device):
        raise BadValueError(
            f"profile {wanted} is for {profile.chip} with {profile.flash_size}, this is {device.chip} with"
            f" {device.flash_part}",
            f"take one that fits: {', '.join(fitting)}" if fitting else "leave out --profile",
        )


def find_images(folder: Path, base: str, project: Path) -> list[Found]:
    """Firmware in the usual places that the gate admits for the profile `base`: split pairs first, newest first."""
    from flashpipe.firmware.identify import identify_firmware  # noqa: PLC0415
    from flashpipe.firmware.image import check_layout  # noqa: PLC0415
    from flashpipe.flash import SIZE_BYTES  # noqa: PLC0415
    from flashpipe.profile.load import load_profile  # noqa: PLC0415
    from flashpipe.sources.resolve import load_source  # noqa: PLC0415

    profile = load_profile(base, project) if base else None
    size = SIZE_BYTES.get(profile.flash_size if profile else "", SIZE_BYTES["16MB"])
    found = []
    for parts in _candidates(folder):
        try:
            images = {address: load_source(text, folder) for address, text in parts.items()}
            check_layout(images, flash_size=size, chip=profile.chip if profile else "esp8266")
        except PipelineError:
            continue  # not firmware for this board: nothing to offer
        firmware = identify_firmware({address: image.data for address, image in images.items()})
        found.append(Found(firmware.title(), parts))
    return found


def _candidates(folder: Path) -> list[dict[int, str]]:
    pairs, single = list[dict[int, str]](), list[tuple[float, dict[int, str]]]()
    for name in LOOK_IN:
        place = folder / name
        files = sorted(place.glob("*.bin")) if place.is_dir() else []
        split = {int(file.stem, 16): file for file in files if re.fullmatch(r"0x[0-9A-Fa-f]{4,6}", file.stem)}
        if 0 in split and len(split) > 1:
            pairs.append({address: _relative(file, folder) for address, file in sorted(split.items())})
        single += [
            (-file.stat().st_mtime, {0: _relative(file, folder)}) for file in files if file not in split.values()
        ]
    return pairs + [parts for _, parts in sorted(single, key=lambda entry: entry[0])]


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _choose_image(images: Sequence[Found], *, ask: bool) -> Found | None:
    for found in images:
        print_result(f"image    {' + '.join(found.parts.values())}: {found.title}")
    if not images:
        return None
    if len(images) == 1:
        return images[0]
    if not ask:
        return None  # several, and nobody to ask: the profile lists them all as comments
    return images[_pick("which image?", [" + ".join(found.parts.values()) for found in images])]


def profile_text(
    name: str,
    base: str,
    device: Device,
    chosen: Found | None,
    images: Sequence[Found],
    *,
    serial: Mapping[str, str],
) -> str:
    """The commented profile."""
    hardware = (
        [(f"extends: {base}", "the hardware: flash size, mode and frequency")]
        if base
        else [
            (f"chip: {device.family}", ""),
            ("flash: {size: auto, mode: dio}", "the size found goes into the header; dout boots wherever dio does not"),
        ]
    )
    wiring = ", ".join(f"{key}: {_quoted(text)}" for key, text in serial.items())
    ways = [
        (f"serial: {{{wiring}}}", "how the board was reached")
        if wiring
        else ("# serial: {port: auto, baud: 460800, reset: auto}", "reset: manual if a person must press RESET"),
        ("# boot: off", "or {expect: nodemcu, timeout: 60s}"),
        (f'# boards: ["{device.mac}"]', "refuse every other board"),
    ]
    lines = [f"# {name}.yaml: written by `flashpipe init`; every line may be changed."]
    lines += _commented([*hardware, (f"about: {_quoted(f'{device.chip} with {device.flash_part}')}", "")])
    lines += ["", *_firmware_lines(chosen, images), "", *_commented(ways)]
    return "\n".join(lines) + "\n"


def _commented(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Lines with their comments below each other."""
    width = max(len(text) for text, comment in pairs if comment)
    return [f"{text:<{width}}   # {comment}" if comment else text for text, comment in pairs]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # YAML reads what JSON writes


def _firmware_lines(chosen: Found | None, images: Sequence[Found]) -> list[str]:
    if chosen is not None:
        return [f"firmware:   # {chosen.title}", *_source_lines(chosen)]
    if images:
        lines = ["# several images fit; take away the # of one:"]
        for found in images:
            lines += [f"# firmware:   # {found.title}", *(f"# {line}" for line in _source_lines(found))]
        return lines
    return [
        "# firmware:",
        "#   image: nodemcu.bin   # a file, a pattern such as bin/nodemcu_float*.bin, or package:NAME/FILE",
    ]


def _source_lines(found: Found) -> list[str]:
    if list(found.parts) == [0]:
        return [f"  image: {_quoted(found.parts[0])}"]
    return ["  split:", *(f"    {address:#07x}: {_quoted(path)}" for address, path in found.parts.items())]


def _pick(question: str, choices: Sequence[str]) -> int:
    for number, choice in enumerate(choices, start=1):
        print_result(f"  {number}  {choice}")
    while True:
        sys.stdout.write(f"{question} [1] ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise BadValueError("no answer: the input ended", "give the choices as options: flashpipe init --help")
        answer = line.strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return int(answer) - 1
