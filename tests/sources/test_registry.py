from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.errors import SourceError
from flashpipe.sources import registry
from flashpipe.sources.lock_file import source_name
from flashpipe.sources.registry import Resolved, SourceKind, SourceRequest, kind_of, register
from flashpipe.sources.resolve import resolve_source


def load_shelf(request: SourceRequest) -> Resolved:
    return Resolved(request.named(request.outer.lower()), "shelf.bin", b"from the shelf", remote=True)


@pytest.fixture
def shelf() -> Iterator[None]:
    kind_of("shelf:1")  # those of the room are registered by then
    register(SourceKind(("shelf:",), str.lower, load_shelf))
    yield
    del registry._KINDS["shelf:"]


@pytest.mark.parametrize("text", ["https://h/a", "http://h/a", "HTTPS://h/a", "github:o/r@t/a", "package:p/a"])
def test_each_prefix_has_its_kind(text: str) -> None:
    assert kind_of(text) is not None


@pytest.mark.parametrize("text", ["a.bin", "C:\\a.bin", "c:/a.bin", "./a:b.bin", "bin/*.bin", "words:a.bin"])
def test_what_no_kind_has_registered_is_a_file(text: str) -> None:
    assert kind_of(text) is None


def test_a_scheme_that_nobody_has_registered_is_refused() -> None:
    with pytest.raises(SourceError):
        kind_of("ftp://host/a.bin")


@pytest.mark.usefixtures("shelf")
def test_one_that_registers_itself_is_had_and_named(tmp_path: Path) -> None:
    found = resolve_source("Shelf:7", tmp_path)
    assert (found.text, found.data, found.remote) == ("shelf:7", b"from the shelf", True)
    assert source_name("Shelf:7", tmp_path, tmp_path) == "shelf:7"
