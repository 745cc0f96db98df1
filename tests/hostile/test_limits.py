"""Limits of the system, names that are too long, what is no file: one line each; nothing but files is replaced."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import RecordError, SourceError, SystemLimitError
from flashpipe.files import is_replaceable, open_output, read_regular, write_atomic
from flashpipe.limits import limit_reached, limits_told
from flashpipe.sources import file_patterns
from flashpipe.sources.file_patterns import matching_files

from tests.harness import Done, Project

LONG = "a" * 5000
Command = Callable[..., Done]
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="such limits and files need POSIX")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError(errno.ENOSPC, "No space left on device"),
        ImportError("x.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        LookupError("unknown encoding: idna"),
    ],
)
def test_what_the_system_refuses_is_foreseen(error: Exception) -> None:
    with pytest.raises(SystemLimitError), limits_told():
        raise error
    wrapped = OSError("cannot be opened")
    wrapped.__cause__ = error
    assert limit_reached(wrapped) is not None


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOENT, "x"), RuntimeError("x"), KeyError("x"), ImportError("No module named x"), ValueError("x")],
)
def test_what_is_a_defect_stays_one(error: Exception) -> None:
    assert limit_reached(error) is None
    with pytest.raises(type(error)), limits_told():
        raise error


@ON_POSIX
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("-n 8", ("ports",)),
        ("-n 12", ("identify", "port=sim://demo")),
        ("-v 40000", ("identify", "port=sim://demo")),
        ("-v 60000", ("identify", "port=sim://demo")),
    ],
)
def test_a_limit_that_is_too_low_is_named(project: Project, limits: str, words: tuple[str, ...]) -> None:
    status, text = limited(project, limits, *words)
    assert "Traceback" not in text, text
    assert status in {0, SystemLimitError.status}, text
    assert status == 0 or "[code: system-limit]" in text, text


@ON_POSIX
@pytest.mark.parametrize("size", [110_000, 205_000])
def test_a_flash_needs_little_address_space(project: Project, size: int, firmware: Path) -> None:
    image = f"image={firmware}"
    status, text = limited(project, f"-v {size}", "flash", "profile=demo", image, "boot=off", "port=sim://demo")
    assert status == 0, text


def limited(project: Project, limits: str, *words: str) -> tuple[int, str]:
    """A command under such limits: its exit status, and all that it said."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit {limits}; exec "$@"', "sh", sys.executable, "-m", "flashpipe", *words],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("image", "profile=esp12", f"image={LONG}"), "image-source"),
        (("image", f"profile={LONG}"), "unknown-profile"),
        (("restore", "port=sim://demo?inline=1", "yes=1", f"backup={LONG}"), "backup-missing"),
        (("backup", "port=sim://demo?inline=1", f"file={LONG}"), "bad-value"),
        (("identify", f"port={LONG}"), "port"),
        (("lua", "port=sim://demo?inline=1", f"file={LONG}"), "lua-file-missing"),
        (("monitor", "port=sim://demo?inline=1", f"log={LONG}", "timeout=1s"), "bad-value"),
        (("report", f"records={LONG}"), ""),
        (("inspect", LONG), "image-source"),
        (("explain", LONG), "image-missing"),
        (("trust", LONG), ""),
        (("init", LONG), ""),
        (("bundle", "--yes", "-o", LONG), ""),
        (("identify", "port=sim://demo?inline=1", f"events={LONG}"), "bad-value"),
        (("identify", "port=sim://demo?inline=1", f"junit={LONG}"), "bad-value"),
        (("identify", f"port=sim://demo?inline=1&flash={LONG}"), ""),
        ((LONG,), "usage"),
    ],
)
def test_a_name_that_is_too_long(command: Command, words: tuple[str, ...], code: str) -> None:
    done = command(*words)
    assert "Traceback" not in done.text, done.text[-3000:]
    assert done.status, done.text[-3000:]
    assert f"[code: {code}" in done.text, done.text[-3000:]


@ON_POSIX
@pytest.mark.parametrize(
    "words",
    [
        ("backup", "port=sim://demo?inline=1", "file=pipe", "force=1"),
        ("identify", "port=sim://demo?inline=1", "events=pipe"),
        ("identify", "port=sim://demo?inline=1", "junit=pipe"),
        ("identify", "port=sim://demo?inline=1", "receipt=pipe"),
        ("monitor", "port=sim://demo?inline=1", "log=pipe", "timeout=1s"),
        ("identify", "port=sim://demo?inline=1&record=pipe"),
        ("image", "profile=esp12", "image=pipe"),
        ("lua", "port=sim://demo?inline=1", "file=pipe"),
        ("inspect", "pipe"),
        ("explain", "pipe"),
        ("restore", "port=sim://demo?inline=1", "backup=pipe", "yes=1"),
    ],
)
def test_a_pipe_is_neither_waited_for_nor_replaced(project: Project, command: Command, words: tuple[str, ...]) -> None:
    os.mkfifo(project.folder / "pipe")
    done = command(*words)
    assert "Traceback" not in done.text, done.text
    assert done.status, done.text
    assert stat.S_ISFIFO((project.folder / "pipe").stat().st_mode)


@ON_POSIX
def test_only_files_are_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path, Path(os.devnull), tmp_path / LONG):
        assert not is_replaceable(path)
        with pytest.raises(RecordError):
            write_atomic(path, b"x")
    assert is_replaceable(tmp_path / "new" / "file")
    with pytest.raises(OSError, match="No such device"):
        open_output(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_output(pipe, append=True) as stream:
            stream.write(b"heard")
        assert os.read(reader, 9) == b"heard"
    finally:
        os.close(reader)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger") as caught:
        read_regular(path, 4)
    assert caught.value.errno == errno.EFBIG
    if sys.platform == "linux":
        assert b"python" in read_regular(Path("/proc/self/cmdline"))  # its size is said to be 0


def test_patterns_find_files_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.bin", ".hidden.bin", "sub/b.bin", "sub/deep/c.bin", "sub/deep/c.txt", ".git/d.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "sub" / "deep" / "round").symlink_to(tmp_path)
    found = {
        pattern: matching_files(pattern, tmp_path) for pattern in ("*.bin", "**/*.bin", "**/**/c.*", "sub/**", ".*")
    }
    assert found["*.bin"] == ["a.bin"]
    assert found["**/*.bin"] == ["a.bin", "sub/b.bin", "sub/deep/c.bin"]
    assert found["**/**/c.*"] == ["sub/deep/c.bin", "sub/deep/c.txt"]
    assert found["sub/**"] == ["sub/b.bin", "sub/deep/c.bin", "sub/deep/c.txt"]
    assert found[".*"] == [".hidden.bin"]
    assert matching_files(str(tmp_path / "su?" / "*.bin"), Path("/")) == [str(tmp_path / "sub" / "b.bin")]
    monkeypatch.setattr(file_patterns, "MOST", 5)
    with pytest.raises(SourceError):
        matching_files("**/*.bin", tmp_path)


@ON_POSIX
@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"'no end", b"x" * 100_000])
def test_a_file_of_arguments_is_a_small_text(project: Project, command: Command, content: bytes | None) -> None:
    path = project.folder / "words"
    path.write_bytes(content) if content is not None else os.mkfifo(path)
    command("esptool", "@words").failed("bad-value")


UNKNOWN = "~nobody-of-that-name"


@pytest.mark.parametrize(
    "text",
    [
        f"firmware: {{image: {UNKNOWN}/fw.bin}}",
        f"firmware: {{image: 'platformio:x'}}\nabout: {UNKNOWN}",
        f"firmware: {{image: fw.bin}}\nfiles: {{a: {UNKNOWN}/a}}",
        f"firmware: {{image: fw.bin}}\nfiles: {{a/: {UNKNOWN}/*}}",
        f"firmware: {{image: fw.bin, spiffs: {{folder: {UNKNOWN}}}}}",
        f"firmware: {{image: fw.bin, lfs: {{lua: '*.lua', luac: {UNKNOWN}/luac}}}}",
        f"firmware: {{image: fw.bin, elf: {UNKNOWN}/x.elf}}\nacceptance: {{run: {UNKNOWN}/x.lua}}",
    ],
)
def test_a_home_of_nobody_is_a_name_like_any_other(
    project: Project, command: Command, firmware: Path, text: str
) -> None:
    (project.folder / "fw.bin").write_bytes(firmware.read_bytes())
    (project.folder / "x.lua").write_text("print(1)\n")
    (project.folder / "platformio.ini").write_text(f"[platformio]\nbuild_dir = {UNKNOWN}/x\n[env:x]\n")
    (project.folder / "k.yaml").write_text(f"extends: nodemcu-devkit\n{text}\n")
    done = command("flash", "profile=k", "port=sim://nodemcu-devkit?inline=1", "boot=off")
    assert done.status
    assert "[code: " in done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("words", [("trust", UNKNOWN), ("export", "profile=demo", f"to={UNKNOWN}/x"), ("trust", LONG)])
def test_nor_is_it_one_on_the_command_line(command: Command, project: Project, words: tuple[str, ...]) -> None:
    assert "Traceback" not in command(*words).text
    assert project.folder.exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"#" * 2_000_000])
def test_a_dodo_file_that_is_no_text_has_no_tasks(project: Project, command: Command, content: bytes) -> None:
    (project.folder / "dodo.py").write_bytes(content)
    command("help").ok()


@pytest.mark.parametrize(
    ("encoding", "letter", "step"), [("ascii", "ä", "LC_ALL=C.UTF-8"), ("utf-8", "\ud800", "name")]
)
def test_a_name_that_no_file_can_have_here(
    monkeypatch: pytest.MonkeyPatch, encoding: str, letter: str, step: str
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    with (
        pytest.raises(SystemLimitError, match=f"ini {letter}.lua: a file of that name cannot") as caught,
        limits_told(),
    ):
        f"ini {letter}.lua".encode(encoding)
    assert step in caught.value.hint
    with pytest.raises(UnicodeEncodeError), limits_told():
        "no name: ł".encode("latin-1")


@ON_POSIX
def test_names_out_of_a_profile_in_a_locale_without_their_letters(
    project: Project, firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    (project.folder / "ä.lua").write_text("print(1)\n")
    (project.folder / "ö.bin").write_bytes(firmware.read_bytes())
    words = {"file": f'{{image: "{firmware}"}}\nfiles: {{init.lua: ä.lua}}\n', "image": "{image: ö.bin}\n"}
    for name, firmware_words in words.items():
        (project.folder / f"{name}.yaml").write_text(f"extends: esp12\nfirmware: {firmware_words}")
        done = project.python("-m", "flashpipe.cli.main", "plan", f"profile={name}", "port=sim://esp12")
        assert "LC_ALL=C.UTF-8" in done.failed("system-limit").err


@pytest.mark.parametrize(
    "keys",
    [
        "firmware: {image: nodemcu.bin, spiffs: {folder: dät}}",
        "firmware: {image: 'ü*.bin'}",
        "firmware: {build: {command: [python, -c, ''], outputs: ü.bin}}",
        "firmware: {image: nodemcu.bin}\nacceptance: {command: [./ü.sh]}",
    ],
)
def test_a_name_that_cannot_be_asked_for_is_not_said_to_be_missing(
    project: Project, firmware: Path, command: Command, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    (project.folder / "nodemcu.bin").write_bytes(firmware.read_bytes())
    for name in ("dät", "ü.bin", "ü.sh"):
        (project.folder / name).mkdir()
    (project.folder / "kitchen.yaml").write_text(f"extends: esp12\n{keys}\n", encoding="utf-8")
    monkeypatch.setattr(os, "fsencode", lambda name: os.fspath(name).encode("ascii"))
    done = command("flash", "profile=kitchen", "port=sim://esp12").failed("system-limit")
    assert "LC_ALL=C.UTF-8" in done.err
    assert not done.wrote


def test_a_place_where_the_user_may_not_go_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLASHPIPE_STATE", str(tmp_path / "state"))
    with pytest.raises(SystemLimitError, match="/secret/x: permission denied"), limits_told():
        raise PermissionError(errno.EACCES, "Permission denied", "/secret/x")
    with pytest.raises(SystemLimitError) as caught, limits_told():
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "state" / "key"))
    assert "FLASHPIPE_STATE" in caught.value.hint
    with pytest.raises(PermissionError), limits_told():
        raise PermissionError(errno.EACCES, "a port, whose own words say more")


DROP: tuple[str, ...] = ()
"""What takes from root the right to go everywhere."""
if hasattr(os, "geteuid") and os.geteuid() == 0:
    NONE = "=-dac_override,-dac_read_search"
    DROP = (shutil.which("setpriv") or "", f"--bounding-set{NONE}", f"--inh-caps{NONE}")


@ON_POSIX
@pytest.mark.skipif("" in DROP, reason="not run: root goes everywhere, and there is no setpriv")
@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("trust CLOSED", 42),
        ("export profile=demo to=CLOSED", 42),
        ("identify port=sim://demo?inline=1 junit=CLOSED", 42),
        ("identify port=sim://demo?inline=1 records=CLOSED", 0),
        ("files port=sim://demo?inline=1 put=CLOSED", 42),
        ("esptool @CLOSED", 42),
    ],
)
def test_a_folder_that_is_closed_is_no_defect(project: Project, tmp_path: Path, words: str, status: int) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    if DROP:
        os.chown(closed, 54321, 54321)
    closed.chmod(0o700 if DROP else 0)
    run = [*DROP, sys.executable, "-m", "flashpipe", *words.replace("CLOSED", str(closed / "x" / "y")).split()]
    done = subprocess.run(
        run, cwd=project.folder, env=project.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    closed.chmod(0o700)
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's way to end a thread")
def test_where_address_space_is_short_nothing_is_loaded_at_the_end() -> None:
    text = (
        "import resource; from flashpipe.limits import prepare_for_little_memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (600 << 20, resource.RLIM_INFINITY)); prepare_for_little_memory()\n"
        "print('libgcc_s' in open('/proc/self/maps').read())"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


@ON_POSIX
@pytest.mark.parametrize("words", [("list",), ("image", "profile=demo"), ("trust", ".")])
def test_a_folder_that_was_removed_is_named(command: Command, project: Project, words: tuple[str, ...]) -> None:
    shutil.rmtree(project.folder)
    project.folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        project.folder.rmdir()
        patch.setattr(pytest.MonkeyPatch, "chdir", lambda *_: None)
        command(*words).failed("system-limit")
