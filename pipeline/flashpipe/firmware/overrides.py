"""`allow=CODE`: the refusals that a user overrides, and those that really were overridden.

A refusal can be overridden where something is left that can be written sensibly: its evidence may be wrong, or the user
may know better. Two segments on one sector, or a file that is no image at 0x00000, leave nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Final

from flashpipe.errors import BadValueError, PipelineError, all_codes, remedy_of
from flashpipe.lazy import difflib
from flashpipe.next_steps import Advice
from flashpipe.values import dataclass

ALLOWABLE: Final = frozenset(
    {
        *("image-format", "image-other-chip", "image-truncated", "image-checksum", "image-line-endings"),
        *(
            "image-aggregated",
            "image-address",
            "image-mixed",
            "image-swapped",
            "image-incomplete",
            "image-too-large",
            "image-layout",
        ),
        *("lfs-image", "spiffs-image", "init-data", "flash-mode", "header-size", "would-lose-data"),
        *("wrong-chip", "wrong-board", "wrong-flash-size", "flash-unknown"),
    }
)
"""Codes that `allow=` takes."""
_LISTED: Final = 4


@dataclass(frozen=True, slots=True)
class Override:
    """A refusal that was overridden."""

    code: str
    message: str


@dataclass(slots=True)
class Overrides:
    """What the user allows, while a layout is judged; `used` grows."""

    codes: frozenset[str] = frozenset()
    used: list[Override] = field(default_factory=list)

    def judge(self, error: PipelineError) -> None:
        """Raise the refusal, or note that it is overridden."""
        if error.code not in self.codes:
            raise error
        override = Override(error.code, error.message)
        if override not in self.used:
            self.used.append(override)

    @contextmanager
    def over(self) -> Iterator[None]:
        """The body may refuse; where that is overridden, what follows the body goes on."""
        try:
            yield
        except PipelineError as error:
            self.judge(error)

    def final(self, error: PipelineError) -> PipelineError:
        """A refusal after which nothing can be written; says so where the user allows its code."""
        if error.code in self.codes:
            error.add_hint(f"allow={error.code} cannot help here: the chip could start nothing")
        return error


def parse_allowed(text: str) -> frozenset[str]:
    """The codes of `allow=CODE,CODE`.

    Raises:
        BadValueError: a word that is no code, or the code of a refusal that cannot be overridden.
    """
    words = [word for word in text.replace(" ", "").split(",") if word]
    for word in words:
        if word in ALLOWABLE:
            continue
        if word in all_codes():
            raise BadValueError(
                f"allow={word}: this refusal cannot be overridden",
                Advice(remedy_of(word), f"; those that can be: {', '.join(sorted(ALLOWABLE))}"),
            )
        near = difflib.get_close_matches(word.lower(), ALLOWABLE, _LISTED)
        meant = f", did you mean {' or '.join(near)}?" if near else ""
        raise BadValueError(f"allow={word}: no code of a refusal{meant}", f"codes: {', '.join(sorted(ALLOWABLE))}")
    return frozenset(words)
