"""Which verdict passes for which `boot.expect` of a profile: a table, not code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flashpipe.board.boot.kinds import HEALTHY, Verdict

PASSES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "nodemcu": frozenset({"prompt", "banner"}),
        "any": HEALTHY,
    }
)
"""`boot.expect` to the classes that pass. `auto` is `nodemcu` if the image is NodeMCU, else `any`; any other text must
stand in the log of a board that is a sign of life. No failure ever passes."""
WORDS: Final = frozenset({"auto", *PASSES})
"""What `boot.expect` can name beside a text of the log."""


def resolve(expect: str, *, image_is_nodemcu: bool) -> str:
    """What `auto` means for an image."""
    if expect != "auto":
        return expect
    return "nodemcu" if image_is_nodemcu else "any"


def accepts(expect: str, verdict: Verdict, *, image_is_nodemcu: bool) -> bool:
    """Whether a verdict is what `boot.expect` of a profile asks for; `not-checked` is, for nobody asked."""
    if verdict.kind == "not-checked":
        return True
    expected = resolve(expect, image_is_nodemcu=image_is_nodemcu)
    if expected in PASSES:
        return verdict.kind in PASSES[expected]
    return verdict.kind in HEALTHY and expected in verdict.log
