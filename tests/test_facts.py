"""Every fact that the code cites stands in the documentation: `facts: esp8266 §2.3` is a sheet and a section of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHEETS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "facts").glob("*.md")}
del SHEETS["index"]
TRAPS = "esp8266"
"""The sheet that holds the traps of all."""
_NAMES = sorted(("protocol", "image-flashmap", "flash-timing", "usb-nodemcu", "stub-executed", "esp8266"), key=len)
_SHEET = rf"(?:esp8266-)?(?:{'|'.join(reversed(_NAMES))})"
_PLACE = r"(?:§\d+(?:\.\d+)?(?: rows? [\d, to and]*\d)?|traps? \d+)"
CITATION = re.compile(rf"(?P<sheet>{_SHEET})\s+(?P<places>{_PLACE}(?:(?:,| to| and)\s+{_PLACE})*)")
_SECTION = re.compile(r"§(\d+(?:\.\d+)?)(?: rows? ([\d, to and]*\d))?")


def sheet_name(cited: str) -> str:
    """The file of a sheet that is cited with or without its beginning."""
    return next(name for name in (cited, f"esp8266-{cited}") if name in SHEETS)


def sections(sheet: str) -> set[str]:
    return set(re.findall(r"^#+ §(\d+(?:\.\d+)?) ", SHEETS[sheet], re.MULTILINE))


def rows(sheet: str, head: str) -> set[str]:
    """Numbers in the first column of the table under a heading."""
    part = re.split(rf"^#+ {re.escape(head)}", SHEETS[sheet], flags=re.MULTILINE)[1]
    return set(re.findall(r"^\| (\d+) \|", re.split(r"^#", part, flags=re.MULTILINE)[0], re.MULTILINE))


def missing(text: str) -> Iterator[str]:
    """Every citation in a text that leads nowhere."""
    plain = re.sub(r"\n\s*(?:#:?\s*)?", " ", text)
    for found in CITATION.finditer(plain):
        sheet = sheet_name(found["sheet"])
        for number, listed in _SECTION.findall(found["places"]):
            if number not in sections(sheet):
                yield f"{found[0]}: {sheet} has no §{number}"
            elif set(re.findall(r"\d+", listed)) - rows(sheet, f"§{number}"):
                yield f"{found[0]}: {sheet} §{number} has no such row"
        for trap in re.findall(r"traps? (\d+)", found["places"]):
            if trap not in rows(TRAPS, "Traps"):
                yield f"{found[0]}: {TRAPS} has no trap {trap}"


SOURCES = sorted(
    path
    for folder in ("pipeline", "tests", "profiles")
    for kind in ("*.py", "*.yaml")
    for path in (ROOT / folder).rglob(kind)
    if path.name != Path(__file__).name
)


def test_every_citation_in_the_code_leads_to_a_section() -> None:
    wrong = [f"{path.relative_to(ROOT)}: {text}" for path in SOURCES for text in missing(path.read_text("utf-8"))]
    assert wrong == []


def test_every_mention_of_facts_is_a_citation_that_can_be_checked() -> None:
    loose = []
    for path in SOURCES:
        plain = re.sub(r"\n\s*(?:#:?\s*)?", " ", path.read_text("utf-8"))
        loose += [
            f"{path.relative_to(ROOT)}: {found[0]}"
            for found in re.finditer(r"\b[Ff]acts?:? (?:[\w-]+ )?§(\d+(?:\.\d+)?).{0,20}", plain)
            if not CITATION.search(found[0]) and sum(found[1] in sections(name) for name in SHEETS) != 1
        ]
    assert loose == []


def test_there_are_citations() -> None:
    cited = [found for path in SOURCES for found in CITATION.finditer(path.read_text("utf-8"))]
    assert len(cited) > 150
    assert {sheet_name(found["sheet"]) for found in cited} == set(SHEETS)


@pytest.mark.parametrize("sheet", SHEETS)
def test_references_between_the_sheets_lead_somewhere(sheet: str) -> None:
    assert list(missing(SHEETS[sheet])) == []
    own = re.findall(r"(?<![\w-] )§(\d+(?:\.\d+)?)", SHEETS[sheet])
    known = set().union(*(sections(name) for name in SHEETS))
    assert set(own) <= known


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("facts: esp8266 §2.4", 0),
        ("facts: esp8266 §2.9", 1),
        ("facts: usb-nodemcu\n    §9.4", 0),
        ("facts: stub-executed §1 rows 4 and 5, §6", 0),
        ("facts: stub-executed §1 row 15", 1),
        ("facts: esp8266 trap 10, §2.1", 0),
        ("facts: esp8266 trap 13", 1),
        ("facts: protocol §3.4, §3.99", 1),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str, wrong: int) -> None:
    assert len(list(missing(text))) == wrong
