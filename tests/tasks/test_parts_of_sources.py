"""LFS compiled from Lua files and SPIFFS made of a folder, through the user's commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.firmware.spiffs_image import make_spiffs

from tests.harness import Done, Project
from tests.luac import make_luac
from tests.simboard import SimBoard
from tests.tasks.test_parts import LFS_AT, SPIFFS_AT, image_3x

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for luac.cross is a script")
Command = Callable[..., Done]
FLASH = 0x400000


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "cells", more="&fill=ff&execute=off")


@pytest.fixture
def flash(project: Project, command: Command, board: SimBoard) -> Callable[..., Done]:
    """`flash` of a profile with both; the compiler lies beside the image, as in a source tree."""
    (project.folder / "bin").mkdir()
    (project.folder / "bin" / "fw.bin").write_bytes(image_3x())
    for name, text in {"lua/init.lua": "return 1\n", "data/a.txt": "a", "data/html/index.html": "<p>"}.items():
        path = project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project.folder / "data" / ".hidden").write_text("stays here")
    make_luac(project.folder, signature=0xFAFAA153)
    say(project)
    return lambda *words: command("flash", "profile=kitchen", board.port, *words)


def say(project: Project, spiffs: str = "folder: data/, size: 64KB") -> None:
    (project.folder / "kitchen.yaml").write_text(
        "extends: esp12\nboot: {timeout: 8s}\n"
        f"firmware: {{image: bin/fw.bin, lfs: {{lua: lua/*.lua}}, spiffs: {{{spiffs}}}}}\n"
    )


def files_of(*, a: bytes = b"a", size: int = 0x10000) -> bytes:
    return make_spiffs({"a.txt": a, "html/index.html": b"<p>"}, size)


def calls(project: Project) -> int:
    """How often Lua files of the project were compiled."""
    return (project.folder / "words").read_text().count("lua/init.lua")


def test_made_once_placed_and_made_again_when_a_file_changes(
    flash: Callable[..., Done], command: Command, project: Project, board: SimBoard
) -> None:
    done = command("plan", "profile=kitchen").failed("build-due")
    done = flash().ok()
    cells = board.cells()
    assert cells[LFS_AT:].startswith(b"\x53\xa1\xfa\xfa")
    assert cells[SPIFFS_AT : SPIFFS_AT + 0x10000] == files_of()
    assert "by" in done.text
    assert not flash().ok().wrote
    assert calls(project) == 1
    assert "lfs.img" in command("plan", "profile=kitchen").ok().out

    written = bytearray(board.cells())
    written[SPIFFS_AT + 0x9000 : SPIFFS_AT + 0x9004] = b"mine"
    board.flash.write_bytes(written)
    (project.folder / "lua" / "init.lua").write_text("return 2\n")
    assert flash().ok().wrote
    assert calls(project) == 2
    assert board.cells()[SPIFFS_AT + 0x9000 :].startswith(b"mine"), "the board's own files stay"

    (project.folder / "data" / "a.txt").write_text("b")
    assert flash().ok().wrote
    assert calls(project) == 2
    assert board.cells()[SPIFFS_AT : SPIFFS_AT + 0x10000] == files_of(a=b"b")


def test_all_the_room_of_a_flash_whose_size_the_board_knows(
    flash: Callable[..., Done], project: Project, board: SimBoard
) -> None:
    say(project, "folder: data/")
    with (project.folder / "kitchen.yaml").open("a") as profile:
        profile.write("flash: {size: auto}\n")
    flash("boot=off").ok()
    size = (FLASH - 0x3000 - SPIFFS_AT) // 0x2000 * 0x2000
    assert board.cells()[SPIFFS_AT : SPIFFS_AT + size] == files_of(size=size)
    assert not flash("boot=off").ok().wrote


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (("lua/bad.lua", "print(!\n"), "lua-syntax"),
        (("lua/init.x.lua", ""), "part-files"),
        (("data/" + "n" * 32, ""), "spiffs-name"),
        (("data/large", "x" * 60_000), "spiffs-full"),
    ],
)
def test_bad_input_is_refused_before_a_port_is_opened(
    flash: Callable[..., Done], command: Command, project: Project, file: tuple[str, str], code: str
) -> None:
    (project.folder / file[0]).write_text(file[1])
    command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed(code)
    assert flash("image=bin/fw.bin", "boot=off").ok().wrote, "image= replaces the whole firmware"


def test_what_is_missing_is_named(flash: Callable[..., Done], command: Command, project: Project) -> None:
    (project.folder / "luac.cross").unlink()
    command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("lua-compiler")
    say(project, "folder: nowhere/")
    assert "nowhere" in command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("part-files").text
    flash("image=bin/fw.bin", "boot=off").ok()


def test_the_tool_of_the_source_tree_makes_the_file_system(
    flash: Callable[..., Done], project: Project, board: SimBoard
) -> None:
    tool = project.folder / "tools" / "spiffsimg" / "spiffsimg"
    tool.parent.mkdir(parents=True)
    tool.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = {sys.path!r}\n"
        "from flashpipe.firmware.spiffs_image import make_spiffs\n"
        "words = sys.argv\nassert words[1:4] == ['-f', 'image', '-c'] and words[5] == '-r'\n"
        "pairs = [line.split()[1:] for line in open(words[6])]\n"
        "files = {name: open(path, 'rb').read() for path, name in pairs}\n"
        "open('image', 'wb').write(make_spiffs({**files, 'made': b'by it'}, int(words[4])))\n"
    )
    tool.chmod(0o755)
    flash("boot=off").ok()
    made = make_spiffs({"a.txt": b"a", "html/index.html": b"<p>", "made": b"by it"}, 0x10000)
    assert board.cells()[SPIFFS_AT : SPIFFS_AT + 0x10000] == made
    say(project, "folder: data/, size: 64KB, spiffsimg: off")
    flash("boot=off").ok()
    assert board.cells()[SPIFFS_AT : SPIFFS_AT + 0x10000] == files_of()


def test_lua_files_are_compiled_before_they_are_sent(
    flash: Callable[..., Done], command: Command, project: Project, board: SimBoard
) -> None:
    (project.folder / "lua" / "main.lua").write_text("return 1")
    (project.folder / "kitchen.yaml").write_text(
        "extends: esp12\nboot: {timeout: 8s}\nfirmware: {image: bin/f*.bin}\n"
        "files: {lib/: {from: lua/m*.lua, compile: true}}\n"
    )
    command("plan", "profile=kitchen").failed("build-due")
    command("backup", "profile=kitchen", board.port).ok()
    done = flash().failed("no-lua-prompt")  # a board that executes nothing has no Lua to send it to
    assert "lib/main.lc (" in done.out
    assert (project.folder / "words").read_text().count("main.lua") == 1
    (project.folder / "lua" / "main.lua").write_text("return 2")
    command("files", "profile=kitchen", "send=1", "port=/dev/does-not-exist").failed("port-missing")
    assert (project.folder / "words").read_text().count("main.lua") == 2
    (project.folder / "lua" / "main.lua").write_text("return !")
    assert "lua/main.lua:1" in command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("lua-syntax").text


@pytest.mark.skipif(os.name != "posix", reason="docker stands on the PATH as a script")
def test_what_a_build_in_docker_leaves_is_used(
    flash: Callable[..., Done], command: Command, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(flash)  # its files
    (project.folder / "tree").mkdir()
    (project.folder / "luac.cross").rename(project.folder / "luac.made")
    docker = project.folder / "programs" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        "#!/bin/sh\n[ \"$1 $2 $3\" = 'run --rm -v' ] || exit 125\ntree=${4%%:*}\nmkdir -p $tree/bin\n"
        "cp ../bin/fw.bin $tree/bin/nodemcu_float_release_20240225.bin\ncp ../luac.made $tree/luac.cross\n"
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    (project.folder / "kitchen.yaml").write_text(
        "extends: esp12\nfirmware:\n  build:\n    folder: tree\n    outputs: bin/nodemcu_float_*.bin\n"
        "    command: [docker, run, --rm, -v, '.:/opt/nodemcu-firmware', marcelstoer/nodemcu-build, build]\n"
        "  lfs: {lua: lua/*.lua}\n"
    )
    done = command("image", "profile=kitchen").ok()
    assert "tree/luac.cross" in done.text
    assert calls(project) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are POSIX")
@pytest.mark.usefixtures("flash")
def test_a_compiler_that_others_can_change_is_not_run(command: Command, project: Project) -> None:
    (project.folder / "luac.cross").chmod(0o777)
    command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("not-trusted")
    assert not (project.folder / "words").exists()
