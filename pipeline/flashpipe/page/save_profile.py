"""What was chosen on the page as a profile, the file that the terminal uses: shown, then written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import BadValueError
from flashpipe.files import write_atomic
from flashpipe.jobs.new_profile import new_path, write_profile
from flashpipe.page.choice import Choice
from flashpipe.profile.load import load_profile
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.resolve import parse_image_argument

_KEYS: Final = {"mode": "mode", "frequency": "frequency"}
"""Variables that stand below `flash:`."""
_SERIAL: Final[tuple[str, ...]] = ("baud", "reset")
_LARGEST: Final = 65536


def proposal(name: str, choice: Choice, device: Mapping[str, Any], project: Path) -> str:
    """The text of the profile.

    Raises:
        BadValueError: that is no name, or there is a profile of that name already.
    """
    new_path(project, name, f"flashpipe flash profile={name}")
    more = dict(choice.more)
    flash = {key: more[variable] for variable, key in _KEYS.items() if variable in more}
    if choice.profile:
        lines = [f"extends: {choice.profile}"]
    else:
        family = device.get("family", "esp8266")
        lines = [f"chip: {family}"]
        flash = {"size": "auto", "mode": "dio" if family == "esp8266" else "dout", **flash}
    if device.get("mac"):
        about = f"{device['chip']} with {device['flash_part']}"
        lines.append(f"about: {_quoted(about)}")
    if flash:
        lines.append(f"flash: {{{_pairs(flash)}}}")
    serial = {key: more[key] for key in _SERIAL if key in more}
    if serial:
        lines.append(f"serial: {{{_pairs(serial)}}}")
    lines += _firmware(choice)
    if "boot" in more:
        lines.append(f"boot: {_quoted(more['boot'])}")
    if "erase" in more:
        lines.append(f"erase: {more['erase']}")
    if "keep" in more:
        words = [] if more["keep"] == "none" else more["keep"].split(",")
        lines.append(f"keep: [{', '.join(words)}]")
    if device.get("mac"):
        lines.append(f"# boards: [{_quoted(device['mac'])}]   # refuse every other board")
    return "\n".join([f"# {name}.yaml: written by the page; every line may be changed.", *lines]) + "\n"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # YAML reads what JSON writes


def _places(choice: Choice) -> list[tuple[int, Path, str]]:
    """Where each file that was dropped belongs, where it lies, and how it is called."""
    if not choice.image:
        return []
    folder = choice.folder or Path()
    return [(address, folder / text, text) for address, text in parse_image_argument(choice.image).items()]


def _firmware(choice: Choice) -> list[str]:
    places = _places(choice)
    if not places:
        return []
    if len(places) == 1:
        return [f"firmware: {{image: {_quoted(places[0][2])}}}"]
    return ["firmware:", "  split:", *(f"    {address:#07x}: {_quoted(name)}" for address, _, name in places)]


def _file(path: Path) -> Path:
    """The file itself, where a member of an archive is named."""
    return Path(split_member(str(path))[0])


def save(name: str, text: str, choice: Choice, project: Path) -> Path:
    """Write the profile, and beside it the files that were dropped; nothing that is there is replaced.

    Raises:
        BadValueError: that is no name, or something of it is there already.
        ProfileError: the text is no profile; it is not left behind.
        RecordError: it cannot be written.
    """
    path = new_path(project, name, f"flashpipe flash profile={name}")
    if not text.strip() or len(text) > _LARGEST:
        raise BadValueError("there is nothing to write", "go back, and look at the profile first")
    copies = [(_file(source), project / _file(Path(called))) for _, source, called in _places(choice)]
    for source, target in copies:
        if target.exists() and target.read_bytes() != source.read_bytes():
            raise BadValueError(
                f"{target.name} is there already, with other contents", "rename it, or drop the file by another name"
            )
    write_profile(path, text.replace("\r\n", "\n"), dodo=False)
    try:
        load_profile(str(path), project)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    for source, target in copies:
        if not target.exists():
            write_atomic(target, source.read_bytes(), mode=0o644)
    return path
