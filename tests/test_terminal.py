"""The door to the terminal: what is no print is shown as an escape, and a stream that is of no use ends nothing."""

from __future__ import annotations

import ast
import io
import json
import os
import sys
from pathlib import Path

import pytest
from flashpipe import terminal
from flashpipe.terminal import coloured, json_text, visible, write
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms import MODULES, Module

EVIL = "\x1b]52;c;aGk=\x07 \x1b[2J\x9b31m \u202egnp.exe \x00\x08\x7f"


def test_nothing_that_a_terminal_obeys_passes() -> None:
    shown = visible(EVIL)
    assert shown.isprintable()
    assert "\\x1b]52;c;aGk=\\x07" in shown


@given(st.text())
def test_what_is_shown_is_print_and_line_ends(text: str) -> None:
    shown = visible(text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert visible(shown) == shown


def test_our_colours_pass_and_no_others() -> None:
    assert visible(coloured("OK", "32") + " on \x1b[32mx\x1b[0m") == "\x1b[32mOK\x1b[0m on \\x1b[32mx\\x1b[0m"


@given(st.text())
def test_json_stays_json(text: str) -> None:
    shown = json_text({text: [text]})
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert json.loads(shown) == {text: [text]}


def test_a_console_without_the_letters_gets_question_marks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write("ü €\n", stream)
    stream.seek(0)
    assert stream.read() == "? ?\n"


def test_a_closed_stream_is_no_failure() -> None:
    stream = io.StringIO()
    stream.close()
    write("x", stream)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_noted_once_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "lost", [])
    with open("/dev/full", "w", encoding="utf-8") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        write("x")
        write("y")
    assert [error.strerror for error in terminal.lost] == [os.strerror(28)]


def writers(module: Module) -> list[str]:
    """Where a module writes to a standard stream, or prints, by itself."""
    found = []
    for node in ast.walk(ast.parse(module.path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        text = ast.unparse(node.func)
        if text == "print" or text.startswith(("sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer")):
            found.append(f"{module.name}:{node.lineno}")
    return found


DOORS = {"flashpipe.terminal"}


def test_there_is_one_door() -> None:
    others = [module for name, module in MODULES.items() if name not in DOORS and module.room != "sim"]
    assert [place for module in others for place in writers(module)] == []


def test_bytes_go_out_as_they_are_unless_a_person_looks(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256))
    sys.stdout.write("before\n")
    assert terminal.write_bytes(data)
    assert capfdbinary.readouterr().out == b"before\n" + data
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert not terminal.write_bytes(data)
    assert capfdbinary.readouterr().out == b""
