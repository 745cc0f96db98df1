"""What is taken of esptool, and what is left of the taking."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "[name for name in sys.modules if name.partition('.')[0] in {'esptool', 'esp_pylib', 'rich'}]"


def run(*lines: str) -> str:
    """Python in a process of its own, since loaded modules are the subject."""
    script = "\n".join(("import sys", "from flashpipe.board.loader import esptool_parts", *lines))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_of_esptool_or_rich_stays_loaded() -> None:
    assert run("esptool_parts.parts()", f"print({LOADED})") == "[]\n"


def test_a_later_import_gets_esptool_whole() -> None:
    said = run(
        "esptool_parts.parts()",
        "import esptool, rich.markup",
        "esptool.log.print('aloud')",
        "print(rich.markup.escape('[red]'), callable(esptool.main))",
        "print(esptool_parts.chip_of_magic(0x00F01D83))",
    )
    assert said.splitlines() == ["aloud", "\\[red] True", "ESP32"]


def test_who_imported_esptool_before_keeps_it() -> None:
    assert (
        run(
            "import esptool, esptool.loader, rich.markup",
            f"before = {{name: sys.modules[name] for name in {LOADED}}}",
            "esptool_parts.parts()",
            "print(all(sys.modules.get(name) is module for name, module in before.items()))",
        )
        == "True\n"
    )


def test_who_imported_rich_before_keeps_it() -> None:
    assert (
        run(
            "import rich.markup, esp_pylib.logger",
            f"before = {{name: sys.modules[name] for name in {LOADED}}}",
            "esptool_parts.parts()",
            "print(all(sys.modules.get(name) is module for name, module in before.items()))",
        )
        == "True\n"
    )


@pytest.mark.parametrize("lacking", ["esptool.logger", "esp_pylib.logger", "rich.markup"])
def test_a_release_that_needs_more_is_loaded_whole(lacking: str) -> None:
    assert (
        run(
            "whole = esptool_parts._stand_ins",
            f"esptool_parts._stand_ins = lambda: {{**whole(), {lacking!r}: type(sys)({lacking!r})}}",
            "print(esptool_parts.parts().rom.CHIP_NAME)",
        )
        == "ESP8266\n"
    )
