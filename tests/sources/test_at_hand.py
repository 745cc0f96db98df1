from __future__ import annotations

from flashpipe.sources.at_hand import images_at_hand
from flashpipe.sources.cache import Cache


def test_what_the_cache_holds_comes_first() -> None:
    Cache().keep(b"something else")
    Cache().keep(b"what was wanted last")
    assert set([*images_at_hand()][:2]) == {b"something else", b"what was wanted last"}
