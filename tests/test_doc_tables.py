"""What the documentation includes and nobody writes: tables of the program, and the picture of its rooms."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs import tables
from tests.pages import ROOT
from tests.rooms import ARROWS

DOCS = ROOT / "docs"
INCLUDED = {
    found
    for page in DOCS.rglob("*.md")
    for found in re.findall(r"^```\{(?:include|image)\} _generated/(\S+)$", page.read_text("utf-8"), re.MULTILINE)
}


def test_every_generated_file_is_included_and_every_included_one_is_generated() -> None:
    assert set(tables.files()) == INCLUDED


def test_every_shipped_profile_stands_in_the_table() -> None:
    names = {path.stem for path in (ROOT / "profiles").glob("*.yaml")}
    assert {row[0].strip("`") for row in tables.profiles().rows} == names


def test_every_room_says_what_it_is_for() -> None:
    for room, purpose, _ in tables.rooms(ARROWS).rows:
        assert len(purpose.split()) > 4, f"{room}: {purpose!r}"


def test_the_picture_shows_every_room_and_every_arrow_downwards() -> None:
    picture = ET.fromstring(tables.picture(ARROWS))
    space = {"": "http://www.w3.org/2000/svg"}
    assert sorted(text.text or "" for text in picture.findall("text", space)) == sorted(ARROWS)
    lines = picture.findall("line", space)
    assert len(lines) == sum(map(len, ARROWS.values()))
    assert all(int(line.attrib["y1"]) < int(line.attrib["y2"]) for line in lines)


def test_a_circle_of_rooms_cannot_be_drawn() -> None:
    with pytest.raises(LookupError, match="a > b > a"):
        tables.picture({"a": frozenset({"b"}), "b": frozenset({"a"})})


def test_files_are_written_once(tmp_path: Path) -> None:
    tables.write(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    tables.write(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
