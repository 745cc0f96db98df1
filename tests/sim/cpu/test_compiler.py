"""Where the compiled core comes from, and what happens where it cannot be had."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError, NoCompiledCoreError
from flashpipe.sim.cpu import compiler, private_folder, start
from flashpipe.sim.cpu.compiler import Compiler, NoLibraryError, find_compiler, library_name, load_library
from flashpipe.sim.cpu.contract import Core
from flashpipe.sim.memory import BusError, Memory

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="this machine has no C compiler")
posix_only = pytest.mark.skipif(os.name != "posix", reason="rights of files")


class NoDevices:
    def read(self, address: int, _size: int) -> int:
        raise BusError(address)

    def write(self, address: int, _size: int, _value: int) -> None:
        raise BusError(address)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing was compiled yet, for a process that has not looked.

    What is compiled is of no use to anybody: the compiler is told not to take trouble with it.
    """
    folder = tmp_path / "cache"
    if os.name == "posix" and (found := find_compiler()) is not None:
        quick = write_compiler(tmp_path / "quick", f'exec {shlex.quote(found.path)} "$@" -O0')
        monkeypatch.setenv("PATH", f"{quick.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FLASHPIPE_CACHE", str(folder))
    monkeypatch.setattr(start, "_found", {})
    monkeypatch.delenv("FLASHPIPE_CORE", raising=False)
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


def new_core(said: list[str]) -> Core:
    return start.start_core(Memory(), NoDevices(), say=said.append)


def write_compiler(folder: Path, script: str) -> Path:
    """A program named `cc`."""
    folder.mkdir(exist_ok=True)
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


# --- choosing --------------------------------------------------------------------------------------------------------


@needs_compiler
def test_the_compiled_core_is_taken_where_it_can_be_had(cache: Path, said: list[str]) -> None:
    assert new_core(said).name == "c"
    assert len(said) == 1, "that it compiles"
    assert new_core(said).name == "c"
    assert len(said) == 1
    (library,) = (cache / "cores").iterdir()
    assert stat.S_IMODE((cache / "cores").stat().st_mode) == 0o700
    assert library.name.startswith("lx106-")


@needs_compiler
@posix_only
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_never_loaded_nor_waited_for(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    new_core(said)
    (library,) = (cache / "cores").iterdir()
    library.unlink()
    for path in (library, library.with_suffix(".failed")):
        make(path)
    monkeypatch.setattr(start, "_found", {})
    assert new_core(said).name == "python"
    assert library.name in said[-1]


@needs_compiler
def test_what_was_compiled_once_is_taken_by_the_next_process(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_core(said)
    (library,) = (cache / "cores").iterdir()
    before = library.stat().st_mtime_ns
    monkeypatch.setattr(start, "_found", {})
    assert new_core(said).name == "c"
    assert len(said) == 1
    assert library.stat().st_mtime_ns == before


@needs_compiler
def test_python_is_taken_if_asked_for_and_nothing_is_compiled(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHPIPE_CORE", "python")
    assert new_core(said).name == "python"
    assert not (cache / "cores").exists()
    assert said == []


@pytest.mark.parametrize("value", ["C", "fast", "auto "])
def test_a_core_that_does_not_exist_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("FLASHPIPE_CORE", value)
    with pytest.raises(BadValueError) as failure:
        new_core([])
    assert failure.value.code == "bad-value"
    assert not cache.exists()


def test_without_a_compiler_python_does_the_work_silently(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert new_core(said).name == "python"
    assert said == []
    assert not (cache / "cores").exists()


def test_without_a_compiler_the_compiled_core_is_refused_by_name(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FLASHPIPE_CORE", "c")
    with pytest.raises(NoCompiledCoreError) as failure:
        new_core([])
    assert failure.value.code == "no-compiled-core"
    assert not (cache / "cores").exists()


# --- refused ---------------------------------------------------------------------------------------------------------


@posix_only
def test_a_compiler_that_fails_is_told_once_and_not_asked_again(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_compiler(tmp_path / "bin", f"echo x >>{tmp_path}/asked; echo 'no licence' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    for _ in range(3):
        monkeypatch.setattr(start, "_found", {})
        assert new_core(said).name == "python"
    assert len(said) == 2, "that it compiles, and that it cannot"
    assert "no licence" in said[1]
    assert (tmp_path / "asked").read_text() == "x\n"
    assert [path.suffix for path in (cache / "cores").iterdir()] == [".failed"]


@posix_only
def test_after_a_day_it_is_tried_again(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_compiler(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    new_core(said)
    (failure,) = (cache / "cores").iterdir()
    os.utime(failure, (0, 0))
    monkeypatch.setattr(start, "_found", {})
    assert new_core(said).name == "python"
    assert len(said) == 4


@posix_only
@needs_compiler
def test_asking_for_the_compiled_core_tries_again(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = find_compiler()
    assert good is not None
    path = write_compiler(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    assert new_core(said).name == "python"
    path.write_text(f'#!/bin/sh\nexec {good.path} "$@"\n')
    monkeypatch.setenv("FLASHPIPE_CORE", "c")
    assert new_core(said).name == "c"
    assert [path.suffix for path in (cache / "cores").iterdir()] == [".so"]


@posix_only
@pytest.mark.parametrize("script", ['printf rubbish >"$5"', "exit 0", "kill -9 $$"])
def test_what_cannot_be_loaded_is_never_a_failure(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    write_compiler(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    assert new_core(said).name == "python"
    assert len(said) == 2
    assert [path.suffix for path in (cache / "cores").iterdir()] == [".failed"]


@needs_compiler
@posix_only
@pytest.mark.parametrize("rights", [0o777, 0o770])
def test_a_folder_that_others_can_write_is_not_trusted(cache: Path, said: list[str], rights: int) -> None:
    (cache / "cores").mkdir(parents=True)
    (cache / "cores").chmod(rights)
    assert new_core(said).name == "python"
    assert list((cache / "cores").iterdir()) == []
    assert len(said) == 1


@needs_compiler
@posix_only
def test_a_library_that_others_can_write_is_not_loaded(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_core(said)
    (library,) = (cache / "cores").iterdir()
    library.chmod(0o722)
    monkeypatch.setattr(start, "_found", {})
    assert new_core(said).name == "python"


@posix_only
def test_what_belongs_to_somebody_else_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert private_folder.is_ours_alone(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not private_folder.is_ours_alone(tmp_path)


def test_a_cache_that_cannot_be_made_means_python(
    said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLASHPIPE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(start, "_found", {})
    assert new_core(said).name == "python"


@needs_compiler
@pytest.mark.parametrize("size", [0, 100, 5000, 15_000])
def test_a_library_that_was_cut_short_is_compiled_anew(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    new_core(said)
    (library,) = (cache / "cores").iterdir()
    whole = library.read_bytes()
    library.unlink()  # not written over: this process has it loaded
    library.write_bytes(whole[:size])
    library.chmod(0o700)
    monkeypatch.setattr(start, "_found", {})
    assert new_core(said).name == "c"
    assert len(said) == 2
    assert library.read_bytes() == whole


@posix_only
@pytest.mark.usefixtures("cache")
def test_a_compiler_that_hangs_is_ended_with_all_that_it_has_started(
    said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_compiler(tmp_path / "bin", f"sleep 1000 & echo $! >{tmp_path}/child; wait")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setattr(compiler, "LONGEST_S", 0.5)
    assert new_core(said).name == "python"
    assert "has not ended within 0.5 s" in said[-1]
    stat_file = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    assert not stat_file.exists() or " Z " in stat_file.read_text()


def test_who_works_for_another_process_tells_that_one(
    cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.mkdir()
    (cache / "cores").write_text("")
    monkeypatch.setattr(compiler, "compilers", lambda: iter((Compiler("cc"),)))
    with start.telling(said.append):
        assert start.core_name() == "python"
    assert len(said) == 1
    assert capsys.readouterr().err == ""


# --- the key ---------------------------------------------------------------------------------------------------------


def test_a_library_is_known_by_everything_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {library_name(Compiler("/usr/bin/cc"), b"one"), library_name(Compiler("/usr/bin/cc"), b"two")}
    names |= {library_name(Compiler("/usr/bin/gcc"), b"one"), library_name(Compiler("cl", microsoft=True), b"one")}
    monkeypatch.setattr(compiler, "EXTENSION_SUFFIXES", [".cpython-399-riscv64-linux-musl.so"])
    names.add(library_name(Compiler("/usr/bin/cc"), b"one"))
    assert len(names) == 5


@needs_compiler
def test_processes_that_start_together_all_get_it(cache: Path) -> None:
    script = (
        "from flashpipe.sim.cpu.compiler import load_library\nload_library(lambda text: None, again=True)\nprint('ok')"
    )
    together = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    results = [process.communicate(timeout=120) for process in together]
    assert results == [("ok\n", "")] * 4
    assert [path.suffix for path in (cache / "cores").iterdir()] == [".so"]


# --- compilers -------------------------------------------------------------------------------------------------------


def which(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in names else None


def test_the_first_compiler_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("shutil.which", which("gcc", "clang", "cl"))
    assert find_compiler() == Compiler("/usr/bin/clang")
    monkeypatch.setattr("shutil.which", which("cl"))
    assert find_compiler() is None, "cl exists on Windows only"


def test_windows_has_its_own_compiler_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("shutil.which", which("cl"))
    found = find_compiler()
    assert found is not None
    assert found.command(Path("core.c"), Path("core.dll"))[1:] == ["/nologo", "/O2", "/LD", "core.c", "/Fe:core.dll"]
    assert "-fPIC" not in Compiler("gcc").command(Path("core.c"), Path("core.dll"))


@pytest.mark.parametrize(("status", "there"), [(0, True), (2, False)])
def test_macos_is_asked_for_its_tools_before_a_compiler_is_started(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    there: bool,  # noqa: FBT001
) -> None:
    asked = []

    def run(command: list[object], **_options: object) -> subprocess.CompletedProcess[str]:
        asked.append([str(word) for word in command])
        return subprocess.CompletedProcess(["xcode-select"], status)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("shutil.which", which("cc"))
    monkeypatch.setattr(subprocess, "run", run)
    assert (find_compiler() is not None) is there
    assert asked == [["/usr/bin/xcode-select", "-p"]]


def test_macos_compilers_of_other_makers_need_no_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("shutil.which", lambda name: "/opt/homebrew/bin/gcc" if name == "gcc" else None)
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    assert find_compiler() == Compiler("/opt/homebrew/bin/gcc")


@needs_compiler
def test_a_library_of_another_layout_is_refused(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "core.c"
    text = compiler.SOURCE.read_text("utf-8")
    source.write_text(text.replace("sizeof(State) << 20", "(sizeof(State) + 4) << 20"))
    monkeypatch.setattr(compiler, "SOURCE", source)
    with pytest.raises(NoLibraryError):
        load_library(lambda _text: None)
    assert [path.suffix for path in (cache / "cores").iterdir()] == [".failed"]
