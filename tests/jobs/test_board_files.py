"""Single files put on a board, fetched, shown and removed, on NodeMCU itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from flashpipe import terminal
from flashpipe.board.lua.files import BoardFiles
from flashpipe.errors import LuaFileNameError
from flashpipe.jobs.board_files import places
from flashpipe.jobs.variables import check

from tests.harness import Done, Project
from tests.nodemcu import IN_PACKAGE, NodeMcu

Command = Callable[..., Done]
M1, M2 = b"return 1\n", bytes(range(256)) * 9


@pytest.fixture
def files(project: Project, command: Command, tmp_path: Path, request: pytest.FixtureRequest) -> Command:
    """`files` of a board that runs NodeMCU, from a project's folder with some files."""
    (project.folder / "lua").mkdir()
    for name, data in {"init.lua": b'print("hi")\n', "lua/m1.lua": M1, "lua/m2.dat": M2}.items():
        (project.folder / name).write_bytes(data)
    port = NodeMcu.of(IN_PACKAGE, tmp_path / "flash.bin", request).url
    return lambda *words: command("files", *words, f"port={port}")


def test_files_go_there_and_come_back(files: Command, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done = files("put=init.lua,lua").ok()
    assert "3 files sent; it was not restarted" in done.text
    (project.folder / "com,ma.txt").write_bytes(M1)
    assert "com,ma.txt" in files("put=com,ma.txt,init.lua").ok().out
    (project.folder / "com,ma.txt").unlink()
    files("get=com,ma.txt", "as=one.txt").ok()
    assert (project.folder / "one.txt").read_bytes() == M1
    files("rm=com,ma.txt").ok()
    assert "m2.dat" in files().ok().out
    assert "was there" in files("put=lua/m1.lua").ok().out
    assert files("cat=init.lua").ok().out.endswith('print("hi")\n')
    told = json.loads(files("cat=init.lua", "format=json").ok().out)["boards"][0]
    assert (told["text"], told["files"][0]["state"]) == ('print("hi")\n', "read")
    written = list[bytes]()

    def write(data: bytes) -> bool:
        written.append(data)
        return True

    monkeypatch.setattr(terminal, "write_bytes", write)
    files("cat=m2.dat").ok()
    assert written == [M2], "what is no text is not made one where nobody looks at it"
    done = files("get=m*").ok()
    assert "m1.lua  " in done.out
    assert "2 files fetched" in done.text
    assert ((project.folder / "m1.lua").read_bytes(), (project.folder / "m2.dat").read_bytes()) == (M1, M2)
    files("get=m2.dat").ok()  # the same is no loss
    (project.folder / "m1.lua").write_bytes(b"mine")
    assert "m1.lua is there already" in files("get=m1.lua,m2.dat").failed("output-exists").text
    assert (project.folder / "m1.lua").read_bytes() == b"mine"
    files("get=m1.lua", "as=other.lua").ok()
    assert (project.folder / "other.lua").read_bytes() == M1
    (project.folder / "lua" / "bad.lua").write_text("x = 1\ny = = 2\n")
    assert "lua/bad.lua:2: " in files("put=lua/bad.lua").failed("lua-syntax").text
    (project.folder / "lua" / "b c.txt").write_text("2\n")
    refused = files("put=lua").failed("lua-file-name").text
    assert "lua/b c.txt would be called 'b c.txt'" in refused
    assert "as=" not in refused
    assert "say as=NAME" in files("put=lua/b c.txt").failed("lua-file-name").text
    (project.folder / "big.dat").write_bytes(bytes(2 << 20))
    full = files("put=big.dat").failed("files-full").text
    assert "larger than the board's whole file system" in full
    assert "remove" not in full
    files("rm=m*").failed("not-confirmed")
    done = files("rm=init.lua", "quiet=1").ok()
    assert (done.out.startswith("OK  "), "1 file removed" in done.text) == (True, True)
    files("rm=m*", "yes=1").ok()
    assert "no files" in files().ok().out
    assert "it has none" in files("get=m1.lua").failed("board-file-missing").text


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["put=gone.lua"], "lua-file-missing", ": gone.lua: there is no such file"),
        (["put=x*.lua"], "lua-file-missing", ": x*.lua: means no file"),
        (["put=init.lua,com,mb.txt"], "lua-file-missing", ": com: there is no such file"),
        (["put=init.lua,com,ma.txt", "as=x"], "bad-value", "one file"),
        (["put=init.lua", f"as={'n' * 32}"], "lua-file-name", "1 to 31"),
        (["put=init.lua", "as=/rooted"], "lua-file-name", "a drive"),
        (["put=init.lua,lua", "as=x"], "bad-value", "one file"),
        (["put=init.lua", "get=x"], "bad-value", "one thing at a time"),
        (["cat=x", "as=y"], "bad-value", "one file"),
    ],
)
def test_what_cannot_be_is_said_before_a_port_is_opened(
    words: list[str], code: str, says: str, command: Command, project: Project
) -> None:
    (project.folder / "lua").mkdir()
    for name in ("init.lua", "lua/a.lua", "com,ma.txt"):
        (project.folder / name).write_bytes(b"1")
    done = command("files", *words, "port=sim://nowhere-to-be-found")
    assert says in done.failed(code).text
    assert "profile" not in done.text


def placed(folder: Path, *names: str, words: Sequence[str] = ("*",), to: str = "", called: str = "") -> list[Path]:
    """Where files of these names would go."""
    return list(
        places(
            names, words, folder, check({name: text for name, text in (("to", to), ("as", called)) if text})
        ).values()
    )


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "", ".", "..\\x", "a\x1b]52;c;x\x07", "a\0b", "a\nb", "x" * 200, "out/x", "C:x.lua",
     "C:\\x", "dodo.py::$DATA", "x:y", "CON", "aux.lua", "lib/com1.txt", "NUL ", "\u2025/x", "\uff0e\uff0e/x"],
)  # fmt: skip
def test_the_name_of_a_file_on_a_board_leads_nowhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "out").symlink_to(tmp_path)
    for to in ("", ".", "../here"):
        with pytest.raises(LuaFileNameError):
            placed(tmp_path / "here", name, words=(name,), to=to)
    assert placed(tmp_path, name, called="as.bin") == [tmp_path / "as.bin"]


@pytest.mark.parametrize(
    ("to", "called"), [("", "none/x"), ("", "/none/x"), ("none/x", ""), ("none", "x"), ("/none/x", "y")]
)
def test_no_folder_is_made_for_a_path_that_may_be_misspelt(to: str, called: str, tmp_path: Path) -> None:
    with pytest.raises(LuaFileNameError, match="there is no folder"):
        placed(tmp_path, "a.lua", to=to, called=called)


STEERING = (
    "dodo.py", "DODO.PY", "dodo.py.", "dodo.py ", "\uff44odo.py", ".git/config", ".git/hooks/x", ".GIT/x",
    "GIT~1/hooks/x",
    "a/.git/x", ".bashrc", ".ssh/authorized_keys", ".env", ".pipeline/x", "secrets.yaml", "demo.yaml", "Demo.YML",
    "images.lock.yaml", "conftest.py", "json.py", "pyproject.toml", "PYPROJ~1.TOM", "setup.cfg", "doit.cfg", "tox.ini",
    "Makefile", "gnumakefile", "x.mk", "CMakeLists.txt", ".github/workflows/x.yml", "package.json", "build.sh",
    "git.exe",
    "flashpipe.bat", "flashpipe.cmd", "x.lnk", "requirements-dev.txt",
)  # fmt: skip


@pytest.mark.parametrize("name", STEERING)
def test_no_file_of_a_board_becomes_what_is_run_or_obeyed_here(name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for words, to in (((name,), ""), (("*",), ""), ((name,), "."), ((name,), ".."), (("*",), "../from-board")):
        with pytest.raises(LuaFileNameError):
            placed(here, name, words=words, to=to)
    assert placed(here, name, words=(name,), to="../from-board") == [tmp_path / "here" / ".." / "from-board" / name]


def test_a_link_here_does_not_make_a_harmless_name_of_a_hook(tmp_path: Path) -> None:
    (tmp_path / ".git" / "hooks").mkdir(parents=True)
    (tmp_path / "hooks").symlink_to(tmp_path / ".git" / "hooks")
    with pytest.raises(LuaFileNameError):
        placed(tmp_path, "hooks/post-merge", words=("hooks/post-merge",))


def test_two_names_that_are_one_file_elsewhere_do_not_both_come(tmp_path: Path) -> None:
    for one, other in (("a.lua", "A.lua"), ("\xe9.lua", "e\u0301.lua"), ("x", "x. ")):
        with pytest.raises(LuaFileNameError):
            placed(tmp_path, one, other)
    assert placed(tmp_path, "a.lua", "b/a.lua", to="x") == [tmp_path / "x/a.lua", tmp_path / "x/b/a.lua"]


def test_names_of_a_board_are_shown_in_one_line_and_fetched_all_the_same(
    command: Command, project: Project, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    evil = "a\n\x1b[31mOK\r\x07\\b"
    port = f"port={NodeMcu.of(IN_PACKAGE, tmp_path / 'flash.bin', request).url}"
    lua = "".join(f"\\{byte}" for byte in evil.encode())
    coded = "\\195\\169\\255"  # é, and a byte that is no UTF-8
    for name, text in ((lua, "hello"), ("dodo.py", "x = 1"), (coded, "coded")):
        (project.folder / "make.lua").write_text(f'file.open("{name}","w") file.write("{text}") file.close()')
        command("lua", "file=make.lua", port).ok()
    told = "a\\n\\x1b[31mOK\\r\\x07"
    assert told in command("files", port).ok().out
    assert told in command("files", "get=gone", port).failed("board-file-missing").text
    assert told in command("files", "get=a*", port).failed("lua-file-name").text
    command("files", "get=*", "as=got.bin", port).failed("lua-file-name")
    command("files", "get=a*", "as=got.bin", port).ok()
    assert (project.folder / "got.bin").read_bytes() == b"hello"
    command("files", "get=dodo.py", "yes=1", port).failed("lua-file-name")
    command("files", "get=dodo.py", "to=from-board", port).ok()
    assert (project.folder / "from-board" / "dodo.py").read_bytes() == b"x = 1"
    command("files", "cat=dodo.py", "to=from-board", port).failed("bad-value")
    done = command("files", f"rm={evil}", port).ok()
    assert told in done.out
    assert "\x1b" not in done.text
    assert "é\\xff" in command("files", port).ok().out
    command("files", "get=é\udcff", "as=coded.bin", port).ok()
    assert (project.folder / "coded.bin").read_bytes() == b"coded"
    command("files", "rm=é*", "yes=1", port).ok()
    assert "é" not in command("files", port).ok().out


def test_a_name_with_a_comma_that_means_two_files_too_is_no_guess(files: Command, project: Project) -> None:
    for name in ("x", "y", "x,y"):
        (project.folder / name).write_bytes(name.encode())
    assert "that one file is x?y" in files("put=x,y").failed("bad-value").text
    files("put=x?y").ok()
    files("put=x").ok()
    (project.folder / "x,y").unlink()
    files("put=y").ok()
    for name in ("rm", "get"):
        assert "x,y: the file of that name, or x and y?" in files(f"{name}=x,y").failed("bad-value").text
    assert "no file x*" in files("cat=x*").failed("board-file-missing").text
    assert files("cat=x,y").ok().out.endswith("x,y")
    files("rm=x?y", "yes=1").ok()
    files("get=x,y", "to=both").ok()
    assert sorted(path.name for path in (project.folder / "both").iterdir()) == ["x", "y"]


def test_a_file_that_is_still_there_was_not_removed(files: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    files("put=init.lua").ok()
    monkeypatch.setattr(BoardFiles, "remove", lambda *_: None)
    assert "init.lua could not be removed" in files("rm=init.lua").failed("lua-console").text
