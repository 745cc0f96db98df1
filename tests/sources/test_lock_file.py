"""The lock file: what is pinned, what is refused, and that a person's own text in it survives."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import LockError, LockMismatchError, SourceError
from flashpipe.firmware.image import Image
from flashpipe.sources.lock_file import (
    FACTS,
    LOCK_NAME,
    FilePin,
    Pin,
    check_pin,
    layout_name,
    pin_of,
    read_lock,
    source_name,
    write_pin,
)
from ruamel.yaml import YAML

DIGEST = "0123456789abcdef" * 4
SOUND = f"""\
version: 1
images:
  a.bin:
    sha256: {DIGEST}
    size: 5
"""


def image(data: bytes, name: str = "a.bin") -> Image:
    return Image(name, data, name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / LOCK_NAME


@pytest.fixture
def pair(build: Any) -> Pin:
    start, code = build.pair_3x()
    return pin_of({0: image(start, "0x00000.bin"), 0x10000: image(code, "0x10000.bin")})


def load(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


# --- what is pinned --------------------------------------------------------------------------------------------------


def test_a_pin_holds_digest_size_and_what_is_inside(build: Any) -> None:
    data = build.combine(build.pair_3x())
    pin = pin_of({0: image(data)})
    assert pin.files == {0: FilePin(hashlib.sha256(data).hexdigest(), len(data))}
    assert pin.facts == {
        "family": "nodemcu",
        "version": "3.0.0.0",
        "release": "3.0-release_20201107",
        "branch": "release",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "built": "2020-11-29 15:53",
        "sdk": "3.0.1-dev(fce080e)",
        "layout": "3.x-new",
        "lua": "5.1.4",
        "numbers": "integer",
        "modules": ("file", "gpio", "net", "node", "tmr", "uart", "wifi"),
        "ssl": True,
        "lfs": 0x20000,
    }
    assert tuple(pin.facts) == FACTS


def test_what_the_bytes_do_not_tell_is_left_out() -> None:
    assert pin_of({0: image(b"anything")}).facts == {"family": "unknown"}


def test_what_was_written_is_read_again(path: Path, pair: Pin, build: Any) -> None:
    single = pin_of({0: image(build.combine(build.pair_2x()))})
    write_pin(path, "https://host/a.bin", single)
    write_pin(path, "0x00000:a.bin,0x10000:b.bin", pair)
    pins = read_lock(path)
    assert list(pins) == ["https://host/a.bin", "0x00000:a.bin,0x10000:b.bin"]
    for name, pin in (("https://host/a.bin", single), ("0x00000:a.bin,0x10000:b.bin", pair)):
        check_pin(name, pins[name], pin, again="")
        assert pins[name].facts["modules"] == pin.facts["modules"]
    assert path.stat().st_mode & 0o777 == 0o644 or sys.platform == "win32"


def test_the_file_is_plain_yaml(path: Path, pair: Pin) -> None:
    write_pin(path, "0x00000:a.bin,0x10000:b.bin", pair)
    entry = load(path)["images"]["0x00000:a.bin,0x10000:b.bin"]
    assert set(entry["files"]) == {0, 0x10000}
    assert entry["files"][0x10000] == {"sha256": pair.files[0x10000].sha256, "size": pair.files[0x10000].size}
    assert (entry["version"], entry["ssl"], entry["lfs"]) == ("3.0.0.0", True, 0x20000)
    assert path.read_text("utf-8").startswith("# What each image source gave")


def test_a_version_that_looks_like_a_number_stays_a_text(path: Path) -> None:
    write_pin(
        path, "a.bin", Pin({0: FilePin(DIGEST, 1)}, {"version": "3.0", "commit": "01234567", "built": "20180101"})
    )
    entry = load(path)["images"]["a.bin"]
    assert (entry["version"], entry["commit"], entry["built"]) == ("3.0", "01234567", "20180101")


@pytest.mark.parametrize("name", ["a: b # c.bin", "'quoted'.bin", "ünï.bin", "- list", "{x}", "https://h/" + "q" * 900])
def test_any_name_is_found_again(path: Path, name: str) -> None:
    write_pin(path, name, Pin({0: FilePin(DIGEST, 1)}, {}))
    assert list(read_lock(path)) == [name]


# --- what is refused -------------------------------------------------------------------------------------------------


def test_other_bytes_are_refused_with_both_digests_and_what_changed_inside(build: Any) -> None:
    old = pin_of({0: image(build.combine(build.pair_2x()))})
    new = pin_of({0: image(build.combine(build.pair_3x()))})
    with pytest.raises(LockMismatchError) as caught:
        check_pin("a.bin", old, new, again="`doit lock` pins it")
    text = caught.value.message
    assert old.files[0].sha256 in text
    assert new.files[0].sha256 in text
    assert "version 2.2.1 -> 3.0.0.0" in text
    assert "sdk 2.2.1(cfd48f3) -> 3.0.1-dev(fce080e)" in text
    assert "modules +gpio +net +tmr +uart +wifi -adc" in text
    assert "ssl false -> true" in text
    assert "lfs unknown -> 131072" in text
    assert "\n" not in text
    assert (caught.value.code, caught.value.status) == ("lock-mismatch", 14)


def test_a_flipped_bit_is_refused_though_nothing_inside_shows_it(build: Any) -> None:
    data = bytearray(build.combine(build.pair_3x()))
    old = pin_of({0: image(bytes(data))})
    data[0x20000] ^= 1
    with pytest.raises(LockMismatchError, match="nothing that shows"):
        check_pin("a.bin", old, pin_of({0: image(bytes(data))}), again="")


def test_one_half_of_a_pair_from_another_build_is_refused(build: Any) -> None:
    start, code = build.pair_3x()
    old = pin_of({0: image(start), 0x10000: image(code)})
    with pytest.raises(LockMismatchError) as caught:
        check_pin("pair", old, pin_of({0: image(start), 0x10000: image(code + b"\0")}), again="")
    assert "0x10000 pinned" in caught.value.message
    assert "0x00000 pinned" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("version: 2\nimages: {}\n", 1, "want version: 1"),
        ("images: {}\n", 1, "want version: 1"),
        ("- a\n", 1, "want keys and values"),
        ("version: 1\nimages: [a]\n", 2, "want keys and values"),
        ("version: 1\nimages:\n  a.bin:\n    size: 5\n", 4, "want sha256"),
        (SOUND.replace("size: 5", "size: five"), 5, "want size"),
        (SOUND.replace(DIGEST, DIGEST[:-1]), 4, "want sha256"),
        (SOUND.replace(DIGEST, "[1]"), 4, "want sha256"),
        (SOUND + "    size: 6\n", 6, "stated twice"),
        (SOUND + "  a.bin: {}\n", 6, "stated twice"),
        (SOUND + "<<<<<<< ours\n", 6, "the mark of a merge that is not done"),
        (SOUND + "\t x: 1\n", 6, "not YAML"),
        (SOUND + "  b.bin: text\n", 6, "want keys and values"),
        (SOUND + "  b.bin:\n    files: {}\n", 7, "want an address"),
        (SOUND + "  b.bin:\n    files: {x: 1}\n", 7, "want a flash address"),
        (SOUND + "  b.bin:\n    files: {0x0: 1}\n", 7, "want keys and values"),
        (SOUND + "  ? [1]\n  : 2\n", 6, "must be a text"),
        ("a: " + "[" * 400, 1, "not YAML"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_the_line(path: Path, text: str, line: int, problem: str) -> None:
    path.write_text(text, "utf-8")
    for action in (lambda: read_lock(path), lambda: write_pin(path, "c.bin", Pin({0: FilePin(DIGEST, 1)}, {}))):
        with pytest.raises(LockError) as caught:
            action()
        assert caught.value.message.startswith(f"{path}:{line}: ")
        assert problem in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.code == "lock"
    assert path.read_text("utf-8") == text  # what cannot be read is never written over


@pytest.mark.parametrize("data", [b"version: 1\n# \xff\n", b"x" * 5_000_000])
def test_files_that_are_no_text_are_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(LockError):
        read_lock(path)


@pytest.mark.parametrize("text", ["", "# all of it is gone\n", "version: 1\n", f"version: 1\nimgs: {{a: {DIGEST}}}\n"])
def test_what_was_pinned_and_is_gone_is_not_pinned_anew_unsaid(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    for access in (read_lock, lambda place: write_pin(place, "a.bin", Pin({0: FilePin(DIGEST, 1)}, {}))):
        with pytest.raises(LockError, match="there is no") as caught:
            access(path)
        assert "remove it" in caught.value.hint
    assert path.read_text("utf-8") == text


def test_no_file_and_one_without_entries_pin_nothing(path: Path) -> None:
    assert read_lock(path) == {}
    for text in ("version: 1\nimages:\n", "version: 1\nimages: {}\n"):
        path.write_text(text, "utf-8")
        assert read_lock(path) == {}
        write_pin(path, "a.bin", Pin({0: FilePin(DIGEST, 1)}, {}))
        assert list(read_lock(path)) == ["a.bin"]


def test_a_folder_in_its_place_is_named(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LockError, match="cannot be read"):
        read_lock(path)


# --- a person's own text ---------------------------------------------------------------------------------------------

EDITED = f"""\
# our images

version: 1   # of the format
images:
    # the kitchen
    "https://host/kitchen.bin":   # ask Ann first
        sha256: {DIGEST}
        note: works since May
        size: 5
        version: '2.2'
        lfs: 65536
    'a.bin': {{sha256: {DIGEST}, size: 6}}
owner: Ann
"""


def test_comments_order_quotes_and_unknown_keys_stay(path: Path) -> None:
    path.write_text(EDITED, "utf-8")
    write_pin(path, "https://host/kitchen.bin", Pin({0: FilePin("f" * 64, 7)}, {"family": "nodemcu", "version": "3.0"}))
    write_pin(path, "new.bin", Pin({0: FilePin(DIGEST, 1)}, {}))
    text = path.read_text("utf-8")
    for kept in (
        "# our images\n\nversion: 1   # of the format",
        "    # the kitchen\n",
        "# ask Ann first",
        "owner: Ann",
    ):
        assert kept in text
    assert "note: works since May" in text
    assert "'a.bin': {sha256" in text
    assert "lfs" not in text  # no longer known of the new bytes
    assert text.index("kitchen.bin") < text.index("a.bin") < text.index("new.bin")
    pins = read_lock(path)
    assert pins["https://host/kitchen.bin"].files == {0: FilePin("f" * 64, 7)}
    assert pins["https://host/kitchen.bin"].line == 6
    assert pins["a.bin"].files == {0: FilePin(DIGEST, 6)}


def test_writing_the_same_pin_again_changes_nothing(path: Path, pair: Pin) -> None:
    path.write_text(EDITED, "utf-8")
    write_pin(path, "0x00000:a.bin,0x10000:b.bin", pair)
    once = path.read_bytes()
    write_pin(path, "0x00000:a.bin,0x10000:b.bin", pair)
    assert path.read_bytes() == once


def test_a_pair_that_became_one_file_leaves_nothing_behind(path: Path, pair: Pin) -> None:
    write_pin(path, "a", pair)
    write_pin(path, "a", Pin({0: FilePin(DIGEST, 1)}, {}))
    assert load(path)["images"]["a"] == {"sha256": DIGEST, "size": 1}
    write_pin(path, "a", pair)
    assert "sha256" not in load(path)["images"]["a"]


def test_windows_line_ends_and_a_byte_order_mark_are_read(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode())
    assert read_lock(path)["a.bin"].files == {0: FilePin(DIGEST, 5)}


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_local_file_has_one_name_from_wherever_it_is_named(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "bin").mkdir(parents=True)
    for text, base in (("bin/a.bin", project), ("../bin/a.bin", project / "bin"), ("./a.bin", project / "bin")):
        assert source_name(text, base, project) == "bin/a.bin"
    assert source_name(str(project / "bin" / "a.bin"), tmp_path, project) == "bin/a.bin"
    assert source_name("a.bin", tmp_path, project) == (tmp_path / "a.bin").as_posix()
    assert source_name("a.zip!bin/x.bin", project, project) == "a.zip!bin/x.bin"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HTTPS://user:secret@Host:443/a.bin", "https://host/a.bin"),
        ("https://host/a.zip!bin/x.bin", "https://host/a.zip!bin/x.bin"),
        ("package:name==1/a.bin", "package:name==1/a.bin"),
        (" github:owner/repo@v1/x-*.bin", "github:owner/repo@v1/x-*.bin"),
    ],
)
def test_names_of_what_lies_elsewhere(tmp_path: Path, text: str, name: str) -> None:
    assert source_name(text, tmp_path, tmp_path) == name


def test_a_name_that_is_none_is_refused_as_a_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        source_name("ftp://host/a.bin", tmp_path, tmp_path)


def test_a_pair_is_named_with_its_addresses() -> None:
    assert layout_name({0: "a.bin"}) == "a.bin"
    assert layout_name({0x10000: "b.bin", 0: "a.bin"}) == "0x00000:a.bin,0x10000:b.bin"
    assert layout_name({0x10000: "b.bin"}) == "0x10000:b.bin"


# --- several at once -------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from flashpipe.firmware.image import Image
from flashpipe.sources.pinned import Loaded, Lock, pin
folder = Path(sys.argv[1])
for number in range(6):
    name = f"{sys.argv[2]}-{number}.bin"
    pin(Loaded({0: Image(name, name.encode(), name)}, name, None, True), Lock(folder, folder / "guard", ""))
"""


def test_several_processes_at_once_lose_nothing(path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path.parent), word]) for word in ("a", "b", "c")]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert sorted(read_lock(path)) == sorted(f"{word}-{number}.bin" for word in "abc" for number in range(6))


@pytest.mark.skipif(os.name != "posix", reason="links of Windows need rights")
def test_a_link_stays_and_what_it_leads_to_gets_the_pin(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "one.lock"
    shared.parent.mkdir()
    shared.write_text(SOUND, "utf-8")
    path.symlink_to(shared)
    write_pin(path, "c.bin", Pin({0: FilePin(DIGEST, 1)}, {}))
    assert path.is_symlink()
    assert "c.bin" in shared.read_text("utf-8")
    assert set(read_lock(path)) >= {"a.bin", "c.bin"}
