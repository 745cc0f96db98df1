"""What one command line, one click or one station asks for, in the words that were given; nothing is looked up yet."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from flashpipe.jobs.variables import Variables
from flashpipe.records.project_folder import own_records, records_folder
from flashpipe.values import dataclass

_OVERRIDES: Final = {
    "port": "serial.port",
    "baud": "serial.baud",
    "reset": "serial.reset",
    "boot": "boot",
    "mode": "flash.mode",
    "frequency": "flash.frequency",
    "erase": "erase",
    "keep": "keep",
}
"""Variable to the profile key it replaces."""
_SERIAL: Final = frozenset({"serial.baud", "serial.reset"})
BOOT_OFF: Final = frozenset({"off", "false", "no", "0"})
BOOT_ON: Final = frozenset({"on", "true", "yes", "1"})
BOOT_WORDS: Final = BOOT_OFF | BOOT_ON | {"auto", "nodemcu", "any"}
"""What `boot=` can say beside a text of the boot log."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Which project, which profile, which variables."""

    project: Path
    caller: Path
    """Folder the command was typed in: relative paths on the command line are relative to it."""
    variables: Variables
    images_from: Path | None = None
    """Folder that relative paths of `image=` start from; None: the one the command was typed in."""

    @property
    def profile_name(self) -> str:
        """The profile asked for; empty where none was."""
        return self.variables.text("profile")

    @property
    def image(self) -> str:
        """The text of `image=`, which replaces the whole of the profile's `firmware:`; empty where none was given."""
        return self.variables.text("image")

    @property
    def image_base(self) -> Path:
        """Where relative paths of `image=` start from."""
        return self.images_from or self.caller

    @property
    def folder(self) -> Path:
        """Where the records of runs are kept, the project's `.pipeline`; made on the first write only."""
        return records_folder(self.project, self.variables.text("records"), self.caller)

    def require_own_records(self) -> None:
        """Go on only if nobody else can change the records.

        Raises:
            NotTrustedError: others can.
        """
        own_records(self.folder)

    @property
    def receipts_folder(self) -> Path:
        """Where the receipts of runs lie."""
        return self.folder / "receipts"

    @property
    def backups_folder(self) -> Path:
        """Where the backups of boards lie; made by the first one."""
        return self.folder / "backups"

    @property
    def builds_folder(self) -> Path:
        """Where the records and logs of builds lie; made by the first build."""
        return self.folder / "builds"

    @property
    def parts_folder(self) -> Path:
        """Where LFS and SPIFFS images lie that programs made; made by the first."""
        return self.folder / "parts"

    def overrides(self) -> dict[str, str]:
        """Keys of the profile, and the texts that the command line puts in their place."""
        # Several ports are several runs: each is put in by its own run.
        given = {key: self.variables.text(name) for name, key in _OVERRIDES.items() if name != "port"}
        keys = {key: text for key, text in given.items() if text}
        if keys.get("boot", "off").casefold() not in BOOT_WORDS:
            keys["boot.expect"] = keys.pop("boot")  # a text that the boot log shall hold
        return keys

    def serial_overrides(self) -> dict[str, str]:
        """Those of them that say how a board is reached, for runs without a profile."""
        return {key: text for key, text in self.overrides().items() if key in _SERIAL}

    def lock_command(self) -> str:
        """The command that pins what these images' sources give now."""
        given = self.variables.given
        words = [f"{name}={shlex.quote(given[name])}" for name in ("profile", "image") if name in given]
        return " ".join(("flashpipe", "lock", *words))
