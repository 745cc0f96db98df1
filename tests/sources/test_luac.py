"""Compiling for LFS, by a program that behaves as the luac.cross of NodeMCU does.

What real ones say and make was looked at with those of 3.0-master_20200610 and 3.0.0-release_20240225.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import (
    BuildDueError,
    BuildError,
    LfsPartitionError,
    LuaCompilerError,
    LuaSyntaxError,
    PartFilesError,
    PipelineError,
)
from flashpipe.firmware.identify import Firmware
from flashpipe.flash import Region
from flashpipe.sources import made
from flashpipe.sources.luac import (
    LfsSources,
    compile_file,
    compile_lfs,
    examine_for_files,
    file_recipe,
    find_compiler,
    module_names,
)

from tests.luac import make_luac

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for luac.cross is a script")
REGION = Region(0x7C000, 0x8C000)
FLOAT = Firmware("nodemcu", version="3.0", lua="5.1.4", number_type="float")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lua").mkdir()
    (tmp_path / "lua" / "greet.lua").write_text("return 1\n")
    return tmp_path


def sources(folder: Path, compiler: Path, files: dict[str, bytes] | None = None) -> LfsSources:
    return LfsSources(compiler, files or {"lua/greet.lua": b"return 1\n"}, folder, REGION)


def test_an_image_is_compiled_for_its_place_and_kept(folder: Path) -> None:
    todo = sources(folder, make_luac(folder))
    with pytest.raises(BuildDueError):
        todo.image(folder / "made")
    data = compile_lfs(todo, FLOAT, folder / "made")
    assert todo.image(folder / "made").data == data
    last = (folder / "words").read_text().splitlines()[-1]
    assert " -f -a 0x4027c000 -m 0x10000 -o " in f" {last} "
    assert last.endswith(" lua/greet.lua")
    changed = sources(folder, todo.compiler, {"lua/greet.lua": b"return 2\n"})
    with pytest.raises(BuildDueError):
        changed.image(folder / "made")
    (folder / "luac.cross").write_text((folder / "luac.cross").read_text() + "# another build\n")
    with pytest.raises(BuildDueError):
        todo.image(folder / "made")


@pytest.mark.parametrize(
    ("options", "firmware", "words"),
    [
        ({"lua": "5.3"}, FLOAT, "for Lua 5.3"),
        ({"signature": 0xFAFAA153}, FLOAT, "compiles for integer builds"),
        ({}, Firmware("nodemcu", lua="5.1.4", number_type="integer"), "compiles for float builds"),
        ({"lua": "gcc 12"}, FLOAT, "is no luac.cross"),
        ({"signature": 0x4C75611B}, FLOAT, "no LFS image"),
        ({"fails": "!LFSrestart!"}, FLOAT, "cannot make an image for flash"),
        ({"fails": "Segmentation fault"}, FLOAT, "Segmentation fault"),
    ],
)
def test_a_wrong_compiler_is_named_before_a_source_is_compiled(
    folder: Path, options: dict[str, Any], firmware: Firmware, words: str
) -> None:
    compiler = make_luac(folder, **options)
    with pytest.raises(LuaCompilerError) as caught:
        compile_lfs(sources(folder, compiler), firmware, folder / "made")
    assert words in caught.value.message
    assert "greet.lua" not in (folder / "words").read_text()


def test_a_mistake_is_named_with_its_line(folder: Path) -> None:
    (folder / "lua" / "greet.lua").write_text("print(\n!")
    with pytest.raises(LuaSyntaxError) as caught:
        compile_lfs(sources(folder, make_luac(folder)), FLOAT, folder / "made", lambda path: f"../{path.name}")
    assert caught.value.message == "../greet.lua:2: unexpected symbol near '!'"
    assert not list((folder / "made").glob("*"))


@pytest.mark.parametrize("options", [{"size": 0x10001}, {"full": True}])
def test_too_much_for_lfs(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(LfsPartitionError):
        compile_lfs(sources(folder, make_luac(folder, **options)), FLOAT, folder / "made")


def test_a_program_that_is_none(folder: Path) -> None:
    (folder / "luac.cross").write_text("no program")
    with pytest.raises(BuildError):
        compile_lfs(sources(folder, folder / "luac.cross"), FLOAT, folder / "made")


def test_the_compiler_beside_the_build_is_that_of_its_numbers(folder: Path) -> None:
    tree = folder / "nodemcu-firmware"
    tree.mkdir()
    for name in ("luac.cross", "luac.cross.int"):
        (tree / name).touch()
    whole = Firmware("nodemcu", number_type="integer")
    assert find_compiler("auto", [folder, tree], FLOAT) == tree / "luac.cross"
    assert find_compiler("auto", [folder, tree], whole) == tree / "luac.cross.int"
    assert find_compiler(str(tree / "luac.cross"), [], whole) == tree / "luac.cross"
    errors: list[PipelineError] = []
    for named, places in (("auto", [folder]), ("auto", []), (str(folder / "luac"), [tree])):
        with pytest.raises(LuaCompilerError) as caught:
            find_compiler(named, places, FLOAT)
        errors.append(caught.value)
    assert str(folder) in errors[0].message


def test_two_modules_of_one_name_are_refused() -> None:
    assert module_names(["lua/init.lua", "lua/a.b.lua", "_x.lua"]) == {
        "init": "lua/init.lua",
        "a": "lua/a.b.lua",
        "_x": "_x.lua",
    }
    with pytest.raises(PartFilesError, match="both called 'init'"):
        module_names(["a/init.lua", "b/init.lua"])


def test_a_single_file_is_compiled_and_kept(folder: Path) -> None:
    compiler = examine_for_files(make_luac(folder), FLOAT)
    data = compile_file(compiler, "main.lua", b"return 1", folder / "made")
    assert data == b"\x1bLuareturn 1"
    assert made.find(file_recipe(compiler.path, "main.lua", b"return 1"), folder / "made") == data
    assert made.find(file_recipe(compiler.path, "main.lua", b"return 2"), folder / "made") is None
    with pytest.raises(LuaSyntaxError, match=r"^main\.lua:1: "):
        compile_file(compiler, "main.lua", b"!", folder / "made")


@pytest.mark.parametrize(
    ("options", "firmware", "words"),
    [
        ({"lua": "5.3"}, FLOAT, "for Lua 5.3"),
        ({"signature": 0xFAFAA153}, FLOAT, "compiles for integer builds"),
        ({"fails": "Segmentation fault"}, FLOAT, "Segmentation fault"),
        ({}, Firmware("nodemcu", version="1.5.4.1", lua="5.1.4"), "for NodeMCU 3.0 and later"),
        ({"string": 6}, Firmware("nodemcu", version="3.0.0.0", lua="5.1.4"), "for NodeMCU before 3.0"),
    ],
)
def test_a_compiler_of_files_is_that_of_the_firmware(
    folder: Path, options: dict[str, Any], firmware: Firmware, words: str
) -> None:
    with pytest.raises(LuaCompilerError) as caught:
        examine_for_files(make_luac(folder, **options), firmware)
    assert words in caught.value.message


def test_a_compiler_of_files_needs_no_options_of_lfs(folder: Path) -> None:
    old = make_luac(folder, string=6)
    assert examine_for_files(old, Firmware("nodemcu", version="2.2.1", lua="5.1.4")).numbers == "float"
    assert " -m " not in (folder / "words").read_text()


def test_old_results_go(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch()
    for number in range(made.KEPT + 3):
        made.keep(made.Recipe(program, (str(number),), {}), tmp_path / "made", b"x")
    assert len(list((tmp_path / "made").glob("*.img"))) == made.KEPT
