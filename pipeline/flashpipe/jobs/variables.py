"""The words `name=value` of a command line: declared, checked, with their defaults and where those came from.

doit itself ignores a name it does not know (`doit flash profil=esp12` would flash the default profile), so every
creator reads its variables through here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from flashpipe.errors import BadValueError, UnknownVariableError
from flashpipe.units import parse_bool
from flashpipe.values import dataclass

KNOWN: Final[dict[str, str]] = {
    "profile": "which board profile: `flashpipe profiles` lists them",
    "port": "serial port, several with commas, a pattern, or `all`; default: the profile's, then the only one there",
    "port_wait": "how long a port that somebody else has is waited for, such as 30s; default: not at all",
    "baud": "rate of the write phase, such as 460800; of `monitor` alone: the rate to listen at",
    "reset": "auto, manual (a person presses), none (is in download mode), or a custom sequence",
    "boot": "off: no boot check; else what to expect: auto, nodemcu, any, or a text of the boot log",
    "image": "FILE, or a split pair 0x00000:FILE,0x10000:FILE; replaces the profile's firmware",
    "mode": "flash mode: qio, qout, dio, dout",
    "check": "md5 (default): compare by digests; mac: trust the journal",
    "force": "1: write although the board holds the image",
    "allow": "codes of refusals to override, separated by commas; the receipt remembers them",
    "regions": "of `backup` and `restore`: 0x100000-0x3fb000, or spiffs, lfs, wifi, rf, all; several with commas",
    "backup": "of `restore`: id of a backup, or a plain file; default: the newest of the board on the port",
    "file": "of `backup`: also write the bytes to this file, as they stand in flash; of `lua`: the file to run",
    "wait": "how long `lua` goes on listening after the file came to its end, such as 5s",
    "until": "of `monitor`: end well once this is seen; a text, or /a regular expression/",
    "fail": "of `monitor`: end as a failure once this is seen",
    "timeout": "of `monitor`: listen no longer than this, such as 30s; with until= it is a failure then",
    "log": "of `monitor`: FILE to which all that it shows is added",
    "stamp": "1: `monitor` puts the time in front of each line",
    "send": "1: `files` sends the profile's files that the board does not hold",
    "rescue": "1: `files` renames an init.lua that the board does not survive",
    "since": "of `report`: only receipts since that date or time (UTC), or 7d, 12h",
    "format": "text, json; csv too of `report`: what tables are written as; `--json` says the same",
    "events": "FILE for JSON lines about each step, or - for standard output; FLASHPIPE_EVENTS says the same",
    "junit": "FILE for a JUnit report: a board is a case",
    "receipt": "FILE that gets the receipt, too; several boards: a list, or one file each with @mac@ in the name",
    "quiet": "1: only how the run went, and what failed",
    "color": "auto, always, never: colours of the last line; NO_COLOR is obeyed",
    "yes": "1: confirm what would be asked on a terminal",
    "offline": "1: use no network",
    "locked": "1: use only images that images.lock.yaml pins, and never change it",
}
"""Every variable of the shipped tasks and what it means."""
FLAGS: Final = frozenset({"force", "locked", "offline", "quiet", "rescue", "send", "stamp", "yes"})
"""Those that are yes or no."""
FROM_ENVIRONMENT: Final = {"profile": "FLASHPIPE_PROFILE", "port": "FLASHPIPE_PORT", "baud": "FLASHPIPE_BAUD"}
_declared: dict[str, str] = {}


def declare_variables(*names: str, **described: str) -> None:
    """Admit variables of a user's own tasks: `declare_variables("site", batch="number of the batch")`.

    Call it in the dodo file, outside any task.
    """
    _declared.update(dict.fromkeys(names, "declared by this project") | described)


def known_variables() -> dict[str, str]:
    """Every variable, those that a project has declared included, and what it means."""
    return {**KNOWN, **_declared}


@dataclass(frozen=True, slots=True)
class Variables:
    """The checked variables of this command line."""

    given: Mapping[str, str]
    """Name to text, command line only."""
    origin: Mapping[str, str]
    """Name to the environment variable it came from, for those that did."""

    def text(self, name: str, default: str = "") -> str:
        """The text given for `name`, on the command line or by the environment."""
        if name in self.given:
            return self.given[name]
        return os.environ[self.origin[name]] if name in self.origin else default

    def flag(self, name: str) -> bool:
        """The yes or no given for `name`; no if absent.

        Raises:
            BadValueError: neither yes nor no.
        """
        try:
            return parse_bool(self.text(name))
        except BadValueError as error:
            raise BadValueError(f"{name}={self.text(name)}: {error.message}", error.hint) from None

    def choice(self, name: str, accepted: tuple[str, ...]) -> str:
        """The text given for `name`, one of `accepted`; the first of them if absent.

        Raises:
            BadValueError: another text.
        """
        value = self.text(name, accepted[0])
        if value not in accepted:
            raise BadValueError(f"{name}={value}: want one of {', '.join(accepted)}", f"leave it out for {accepted[0]}")
        return value


def check(given: Mapping[str, Any]) -> Variables:
    """Check names against those declared.

    Raises:
        UnknownVariableError: naming the nearest known one.
    """
    known = known_variables()
    for name in given:
        if name not in known:
            import difflib  # noqa: PLC0415  1.4 ms, and only after a mistake

            near = difflib.get_close_matches(name, known, 1)
            raise UnknownVariableError(
                f"no variable {name!r}" + (f", did you mean {near[0]!r}?" if near else ""),
                f"known: {', '.join(known)}",
            )
    origin = {name: where for name, where in FROM_ENVIRONMENT.items() if name not in given and os.environ.get(where)}
    return Variables(dict(given), origin)
