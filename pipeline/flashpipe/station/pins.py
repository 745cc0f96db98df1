"""What the boards of a batch are given, by digest: other bytes are another batch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from flashpipe.errors import LockMismatchError
from flashpipe.files import read_regular
from flashpipe.flasher.model import Policy
from flashpipe.jobs.inputs import RunInputs
from flashpipe.profile.search import shipped_folder
from flashpipe.station.units import Units

_DIGEST: Final = re.compile(r"[0-9a-f]{16,}")


def pins_of(inputs: RunInputs, policy: Policy, units: Units | None = None) -> dict[str, object]:
    """The digests: profile and those it extends, images, plan, Lua files (templates as they are), and the test jig.

    Of a list or rule of units its name: a list may grow, and with another one a board would get a second unit.

    Raises:
        PipelineError: an image or file that cannot be had.
    """
    profile, images = inputs.profile(), inputs.plan_images()
    files = {f"file {file.name}": file.sha256 for file in policy.lua.files}
    test = policy.lua.acceptance.run
    return {
        **{f"profile {path.name}": _digest(path) for path in profile.lineage if path.parent != shipped_folder()},
        **{f"image {address:#07x}": image.sha256 for address, image in sorted(images.items())},
        "plan": inputs.plan().fingerprint,
        **files,
        **({f"test {test.name}": test.sha256} if test else {}),
        **{f"jig {path.name}": _digest(path) for path in _programs(policy)},
        **({"units": units.called} if units else {}),
    }


def _programs(policy: Policy) -> Iterator[Path]:
    """Files of the test jig's command that are there."""
    jig = policy.jig
    if jig is not None:
        for word in jig.command:
            path = jig.folder / word
            if path.is_file() and path.is_relative_to(jig.folder):
                yield path


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except OSError:
        return "cannot be read"


def check_pins(batch: str, pinned: Mapping[str, object], pins: Mapping[str, object]) -> None:
    """Go on only with what the batch began with.

    Raises:
        LockMismatchError: naming what differs.
    """
    changed = [
        f"{name} is {_short(pins.get(name))}, was {_short(pinned.get(name))}"
        for name in (*pinned, *(name for name in pins if name not in pinned))
        if pinned.get(name) != pins.get(name)
    ]
    if changed:
        raise LockMismatchError(
            f"batch {batch} began with something else: {'; '.join(changed)}",
            "put back what was there before; or begin another batch: batch=NEW",
        )


def _short(pin: object) -> str:
    text = str(pin) if pin else "not there"
    return text[:12] if _DIGEST.fullmatch(text) else text
