"""From a board on the port, and the firmware in a folder, to a profile of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.board.loader.device import Device
from flashpipe.board.ports import discovery
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.files import read_regular, write_atomic
from flashpipe.firmware.identify import identify_firmware
from flashpipe.firmware.image import check_layout
from flashpipe.flash import SIZE_BYTES
from flashpipe.flasher.fitting_profiles import fits, fitting_profiles
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.port_choice import remember
from flashpipe.next_steps import Advice, Wording
from flashpipe.profile.load import load_profile, usable_profiles
from flashpipe.profile.names import LONGEST, bad_profile_name
from flashpipe.profile.schema import FILE as SCHEMA
from flashpipe.profile.schema import ID, profile_schema
from flashpipe.sources.resolve import load_source
from flashpipe.values import dataclass

PREFERRED: Final = ("nodemcu-devkit", "esp12", "esp8285", "esp01-1m", "esp01")
"""Which of several fitting profiles is offered first: the commonest board of each kind."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LOOK_IN: Final = (".", "bin", "firmware", "images", "build")
"""Folders, relative to the caller's, where firmware usually lies."""
DODO: Final = "dodo.py"
DODO_TEXT: Final = "from flashpipe.tasks import *\n"
"""So that plain `doit` works in a project too."""


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Firmware in the folder that may be written to the board: address to path, as the profile will say it."""

    title: str
    parts: dict[int, str]

    @property
    def argument(self) -> str:
        """As `image=` on the command line takes it."""
        if list(self.parts) == [0]:
            return self.parts[0]
        return ",".join(f"{address:#07x}:{path}" for address, path in self.parts.items())


def new_path(folder: Path, name: str, flash_command: str) -> Path:
    """The file of a new profile.

    Raises:
        BadValueError: no name for a profile, or it is there already.
    """
    if not NAME.fullmatch(name):
        raise BadValueError(f"{name!r} is no name for a profile", "use letters, digits, - and _")
    if problem := bad_profile_name(name):
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
        raise BadValueError(f"{shown!r} is no name for a profile: {problem}", "choose another name")
    path = folder / f"{name}.yaml"
    if path.exists():
        raise BadValueError(
            f"{path.name} exists already and is left as it is",
            Advice(
                Wording(
                    f"go on with it: {flash_command}; or choose another name: flashpipe init NAME",
                    "choose another name; or go back, and choose it as the profile",
                )
            ),
        )
    return path


def look_at(board: BoardRun) -> Device:
    """The device on the port; it runs again afterwards, and the port is free.

    Raises:
        PipelineError: no port or no answer; the error carries its diagnosis.
    """
    try:
        with board.turn():
            device = board.session().connected()
            board.session().leave()
    except PipelineError as error:
        board.explain(error)
        raise
    finally:
        sessions.close(board.named_port)
    return device


def ordered_profiles(project: Path, device: Device) -> list[str]:
    """The profiles that fit, the likeliest first."""
    fitting = fitting_profiles(usable_profiles(project), device)
    return sorted(fitting, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))


def refuse_unfit(project: Path, device: Device, name: str, fitting: Sequence[str]) -> None:
    """Go on only if the profile `name` fits.

    Raises:
        BadValueError: it does not; the advice names those that do.
        ProfileError: there is none, or it has mistakes.
    """
    profile = load_profile(name, project)
    if not fits(profile.flash_size, profile.chip, device):
        raise BadValueError(
            f"profile {name} is for {profile.chip} with {profile.flash_size}, this is {device.chip} with"
            f" {device.flash_part}",
            f"take one that fits: {', '.join(fitting)}" if fitting else "leave out --profile",
        )


def remember_port(port: str, device: Device, name: str) -> bool:
    """Note the port for the profile; False where `port: auto` could not find it again."""
    if not any(info.device == port and info.usb() for info in discovery.list_ports()):
        return False
    remember(port, device.mac, name)
    return True


def write_profile(path: Path, text: str, *, dodo: bool) -> bool:
    """Write the profile, and with `dodo`, beside it, a dodo file where there is none; whether one was written.

    A folder below a project gets none: it would be a project of its own from then on. The schema, for editors, is
    written beside it where none of somebody else's lies there.

    Raises:
        RecordError: the profile cannot be written.
    """
    write_atomic(path, text.encode(), mode=0o644)
    with suppress(OSError, ValueError, PipelineError):  # a convenience
        schema = path.parent / SCHEMA
        if not schema.exists() or ID in read_regular(schema, 1 << 20).decode():
            write_atomic(schema, schema_text().encode(), mode=0o644)
    with suppress(OSError):  # it is there; or it cannot be written, and the profile is what matters
        if dodo:
            with (path.parent / DODO).open("x", encoding="ascii") as stream:
                stream.write(DODO_TEXT)
            return True
    return False


def schema_text() -> str:
    """The JSON Schema of profiles, as a file."""
    return json.dumps(profile_schema(), indent=1, ensure_ascii=False) + "\n"


# --- the firmware in the folder --------------------------------------------------------------------------------------


def find_images(folder: Path, base: str, project: Path) -> list[ImageFiles]:
    """Firmware in the usual places that the gate admits for the profile `base`: split pairs first, newest first."""
    profile = load_profile(base, project) if base else None
    size = SIZE_BYTES.get(profile.flash_size if profile else "", SIZE_BYTES["16MB"])
    fitting = []
    for parts in _candidates(folder):
        try:
            images = {address: load_source(text, folder) for address, text in parts.items()}
            check_layout(images, flash_size=size, chip=profile.chip if profile else "esp8266")
        except PipelineError:
            continue  # not firmware for this board: nothing to offer
        firmware = identify_firmware({address: image.data for address, image in images.items()})
        fitting.append(ImageFiles(firmware.title(), parts))
    return fitting


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


# --- the text of the profile -----------------------------------------------------------------------------------------


def profile_text(
    name: str,
    base: str,
    device: Device,
    chosen: ImageFiles | None,
    images: Sequence[ImageFiles],
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
    lines = [f"# yaml-language-server: $schema={SCHEMA}"]
    lines += [f"# {name}.yaml: written by `flashpipe init`; every line may be changed."]
    lines += _commented([*hardware, (f"about: {_quoted(f'{device.chip} with {device.flash_part}')}", "")])
    lines += ["", *_firmware_lines(chosen, images), "", *_commented(ways)]
    return "\n".join(lines) + "\n"


def _commented(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Lines with their comments below each other."""
    width = max(len(text) for text, comment in pairs if comment)
    return [f"{text:<{width}}   # {comment}" if comment else text for text, comment in pairs]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # YAML reads what JSON writes


def _firmware_lines(chosen: ImageFiles | None, images: Sequence[ImageFiles]) -> list[str]:
    if chosen is not None:
        return [f"firmware:   # {chosen.title}", *_source_lines(chosen)]
    if images:
        lines = ["# several images fit; take away the # of one:"]
        for image in images:
            lines += [f"# firmware:   # {image.title}", *(f"# {line}" for line in _source_lines(image))]
        return lines
    return [
        "# firmware:",
        "#   image: nodemcu.bin   # a file, a pattern such as bin/nodemcu_float*.bin, or package:NAME/FILE",
    ]


def _source_lines(files: ImageFiles) -> list[str]:
    if list(files.parts) == [0]:
        return [f"  image: {_quoted(files.parts[0])}"]
    return ["  split:", *(f"    {address:#07x}: {_quoted(path)}" for address, path in files.parts.items())]
