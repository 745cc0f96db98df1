"""A SPIFFS image by the spiffsimg of a NodeMCU source tree, for builds whose file systems are not the usual ones.

nodemcu-firmware 3.0.0-release_20240225, tools/spiffsimg/main.c: a script of `import FILE NAME` lines; two words each,
so that no name with a space gets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flashpipe.errors import BuildDueError, BuildError, SpiffsFullError, SpiffsNameError
from flashpipe.files import no_file
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.spiffs_image import SpiffsFiles
from flashpipe.masking import mask_cut
from flashpipe.processes import ending
from flashpipe.sources import made

PLACES: Final = ("tools/spiffsimg/spiffsimg", "spiffsimg")
"""Where a source tree has it; `.exe` on Windows."""


def find_spiffsimg(named: str, trees: Sequence[Path]) -> Path | None:
    """The program that is named, or that of the first of `trees` that has one; None where flashpipe makes the image.

    Raises:
        BuildError: the one that is named is not there.
    """
    if named == "off":
        return None
    if named != "auto":
        if not Path(named).is_file():
            raise BuildError(f"{named}: {no_file(Path(named))}", "correct `spiffsimg:`, or leave it out")
        return Path(named)
    programs = (tree / f"{place}{end}" for tree in trees for place in PLACES for end in ("", ".exe"))
    return next((path for path in programs if path.is_file()), None)


def recipe_of(program: Path, files: SpiffsFiles, size: int) -> made.Recipe:
    """What decides the image."""
    return made.Recipe(program, ("spiffs", f"{size:#x}"), files.files)


def made_image(program: Path, files: SpiffsFiles, size: int, folder: Path) -> Image:
    """The image that was made of them.

    Raises:
        BuildDueError: none was yet.
    """
    data = made.find(recipe_of(program, files, size), folder)
    if data is None:
        raise BuildDueError(f"spiffs: {files.name} is to be made by {program.name} first", BuildDueError.remedy)
    return Image(files.name, data, files.name)


def make_image(program: Path, files: SpiffsFiles, size: int, folder: Path) -> None:
    """Make it, and keep it in `folder`.

    Raises:
        SpiffsNameError: a name that the program does not take.
        SpiffsFullError: they do not fit.
        BuildError: it fails otherwise.
    """
    for name in files.files:
        if any(char.isspace() for char in name):
            raise SpiffsNameError(f"{files.name}: spiffsimg takes no name with a space: {name!r}", "rename it")

    def work(scratch: Path) -> bytes:
        lines = []
        for number, (name, data) in enumerate(sorted(files.files.items())):
            (scratch / f"f{number}").write_bytes(data)
            lines.append(f"import f{number} {name}\n")
        (scratch / "script").write_text("".join(lines), encoding="utf-8")
        status, text = made.run([str(program), "-f", "image", "-c", str(size), "-r", "script"], scratch)
        if status or "SYNTAX ERROR" in text or not (scratch / "image").is_file():
            if "spiffs_write" in text or "spiffs_open" in text:
                raise SpiffsFullError(
                    f"{files.name}: spiffsimg found no room for {len(files.files)} files", SpiffsFullError.remedy
                )
            raise BuildError(f"{program} {ending(status)}: {mask_cut(text, 200)}", "run it by hand")
        return (scratch / "image").read_bytes()

    made.keep(recipe_of(program, files, size), folder, made.in_scratch(work))
