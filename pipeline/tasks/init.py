"""`flashpipe init`: from a board on the port to a profile of one's own, and the next command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadValueError, NoPortError, PipelineError, PortAmbiguousError, RecordError
from pipeline.files import write_atomic
from pipeline.tasks import sessions
from pipeline.tasks.project import NO_IMAGE, fitting_profiles
from pipeline.tasks.show import Lines

if TYPE_CHECKING:
    from pipeline.board.session import Device

PREFERRED: Final = ("nodemcu-devkit", "esp12", "esp8285", "esp01-1m", "esp01")
"""Which of several fitting profiles is offered first: the commonest board of each kind."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LOOK_IN: Final = (".", "bin", "firmware", "images", "build")
"""Folders, relative to the caller's, where firmware usually lies."""


@dataclass(frozen=True, slots=True)
class Found:
    """Firmware in the folder that may be written to the board: address to path, as the profile will say it."""

    title: str
    parts: dict[int, str]


def main(argv: list[str]) -> int:
    """Identify the board, write NAME.yaml, say what comes next; returns the exit status.

    Raises:
        PipelineError: no port, no answer, a file in the way.
    """
    options = _parser().parse_args(argv)
    here = Path.cwd()
    ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    path = _target(here, options.name)
    device = _look_at_board(options.port, options.reset, ask=ask)
    _print(
        f"found    {device.chip}, MAC {device.mac}, {device.flash_part}"
        f"{' (virtual board)' if device.virtual else ''} on {device.port}"
    )
    base = options.profile or _choose_profile(here, device, ask=ask)
    images = find_images(here, base, here)
    chosen = _choose_image(images, ask=ask)
    write_atomic(path, profile_text(options.name, base, device, chosen, images).encode(), mode=0o644)
    _print(f"written  {path.name}")
    command = f"{_runner(here)} flash profile={options.name}"
    if chosen is None:
        _print(NO_IMAGE.format(command=command))
    else:
        _print(f"next:    {command}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flashpipe init", description="Look at the board on the port and write a profile for it."
    )
    parser.add_argument("name", nargs="?", default="board", help="name of the profile to write (default: board)")
    parser.add_argument("--port", default="", help="serial port or URL; default: the only one there")
    parser.add_argument("--profile", default="", help="shipped profile to extend; default: one that fits")
    parser.add_argument("--reset", default="auto", help="auto, manual or none, as in profiles")
    return parser


def _target(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise BadValueError(f"{name!r} is no name for a profile", "use letters, digits, - and _")
    path = folder / f"{name}.yaml"
    if path.exists():
        raise RecordError(
            f"{path.name} exists already and is left as it is", "choose another name: flashpipe init NAME"
        )
    return path


def _look_at_board(port: str, reset: str, *, ask: bool) -> Device:
    from pipeline.board.session import Session  # noqa: PLC0415  imports the board's room

    lines = Lines()
    port = port or _find_port(ask=ask)
    session = sessions.session(
        port, lambda: Session(port, reset=reset, listener=lines, stop=sessions.stop, prompt=lines.ask)
    )
    try:
        with sessions.Working(port):
            device = session.connected()
            session.leave()
    finally:
        sessions.close(port)
    return device


def _find_port(*, ask: bool) -> str:
    from pipeline.board import ports  # noqa: PLC0415

    found = ports.list_ports()
    if not found:
        # choose_port knows what to say about missing drivers, cables and rights.
        try:
            return ports.choose_port("auto", [], None).device
        except NoPortError as error:
            raise NoPortError(
                error.message, f"{error.hint}\n  or try it without a board: doit flash profile=demo"
            ) from None
    if len(found) == 1:
        return found[0].device
    if not ask:
        names = ", ".join(info.device for info in found)
        raise PortAmbiguousError(f"several ports: {names}", "say which: flashpipe init NAME --port PORT")
    return found[_pick("which port?", [f"{info.device} {info.adapter()}" for info in found])].device


def _choose_profile(project: Path, device: Device, *, ask: bool) -> str:
    fitting = fitting_profiles(project, device)
    if not fitting:
        _print(f"no shipped profile fits {device.flash_part}: the new one takes the size from the board")
        return ""
    ordered = sorted(fitting, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))
    _print(f"fits     {', '.join(ordered)}")
    return ordered[_pick("which of them is it?", ordered)] if ask and len(ordered) > 1 else ordered[0]


def find_images(folder: Path, base: str, project: Path) -> list[Found]:
    """Firmware in the usual places that the gate admits for the profile `base`: split pairs first, newest first."""
    from pipeline.firmware.image import check_layout  # noqa: PLC0415
    from pipeline.firmware.nodemcu import identify_firmware  # noqa: PLC0415
    from pipeline.firmware.sources import load_source  # noqa: PLC0415
    from pipeline.flash import SIZE_BYTES  # noqa: PLC0415
    from pipeline.profile import load_profile  # noqa: PLC0415

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
        _print(f"image    {' + '.join(found.parts.values())}: {found.title}")
    if not images:
        return None
    if len(images) == 1:
        return images[0]
    if not ask:
        return None  # several, and nobody to ask: the profile lists them all as comments
    return images[_pick("which image?", [" + ".join(found.parts.values()) for found in images])]


def profile_text(name: str, base: str, device: Device, chosen: Found | None, images: Sequence[Found]) -> str:
    """The commented profile."""
    lines = [f"# {name}.yaml: written by `flashpipe init`; every line may be changed."]
    if base:
        lines += [f"extends: {base}            # the hardware: flash size, mode and frequency"]
    else:
        lines += [f"chip: {device.family}", "flash: {size: auto, mode: dio}   # the size found goes into the header"]
    lines += [f"about: {device.chip} with {device.flash_part}", ""]
    lines += _firmware_lines(chosen, images)
    lines += [
        "",
        "# serial: {port: auto, baud: 460800, reset: auto}   # reset: manual if a person must press RESET",
        "# boot: off                                          # or {expect: nodemcu, timeout: 60s}",
        f'# boards: ["{device.mac}"]                  # refuse every other board',
    ]
    return "\n".join(lines) + "\n"


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
        return [f'  image: "{found.parts[0]}"']
    return ["  split:", *(f'    {address:#07x}: "{path}"' for address, path in found.parts.items())]


def _pick(question: str, choices: Sequence[str]) -> int:
    for number, choice in enumerate(choices, start=1):
        _print(f"  {number}  {choice}")
    while True:
        sys.stdout.write(f"{question} [1] ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise BadValueError("no answer: the input ended", "give the choices as options: flashpipe init --help")
        answer = line.strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return int(answer) - 1


def _runner(folder: Path) -> str:
    return "doit" if (folder / "dodo.py").exists() else "flashpipe"


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201  results go to stdout
