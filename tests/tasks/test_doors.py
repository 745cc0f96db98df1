"""The bad files that every flasher writes, through every door an image can come in: refused, the port never opened.

The port named does not exist: whoever came to open it would say so instead.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import pytest
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import Variables

from tests.harness import Done, Project
from tests.images import Builder
from tests.webserver import Reply, Server, document

PORT = "port=/dev/does-not-exist"
BUILDER = Builder()
FIRST, SECOND = BUILDER.pair_3x()
WHOLE = BUILDER.combine((FIRST, SECOND))
PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>nothing here</body></html>"


def spoiled(data: bytes) -> bytes:
    """One bit of the part under the checksum."""
    return data[:20] + bytes([data[20] ^ 1]) + data[21:]


BAD = {
    "page": (PAGE, {"image-format", "fetch-content"}),
    "half": (FIRST[: len(FIRST) // 2], {"image-truncated"}),
    "line ends": (
        BUILDER.boot([(0x40100000, bytes(range(256)) * 16)]).replace(b"\n", b"\r\n"),
        {"image-line-endings", "fetch-content"},
    ),
    "checksum": (spoiled(FIRST), {"image-checksum"}),
    "ESP32": (BUILDER.newer_chip(0, 0x3FFF0018), {"image-other-chip", "fetch-content"}),
    "ESP32-C3": (BUILDER.newer_chip(5, 0x3FCD5820), {"image-other-chip", "fetch-content"}),
}
Door = Callable[[Project, bytes, Server], list[str]]


def say(project: Project, firmware: object) -> list[str]:
    text = json.dumps({"extends": "esp12", "firmware": firmware})  # JSON is YAML
    (project.folder / "kitchen.yaml").write_text(text)
    return ["profile=kitchen"]


def named(project: Project, data: bytes, _web: Server) -> list[str]:
    (project.folder / "fw.bin").write_bytes(data)
    return ["profile=esp12", "image=fw.bin"]


def in_profile(project: Project, data: bytes, _web: Server) -> list[str]:
    (project.folder / "fw-1.bin").write_bytes(data)
    return say(project, {"image": "fw-*.bin"})


def in_pair(project: Project, data: bytes, _web: Server) -> list[str]:
    (project.folder / "0.bin").write_bytes(data)
    (project.folder / "1.bin").write_bytes(SECOND)
    return say(project, {"split": {"0x00000": "0.bin", "0x10000": "1.bin"}})


def in_archive(project: Project, data: bytes, _web: Server) -> list[str]:
    with zipfile.ZipFile(project.folder / "fw.zip", "w") as archive:
        archive.writestr("bin/fw.bin", data)
    return say(project, {"image": "fw.zip!bin/fw.bin"})


def on_the_web(project: Project, data: bytes, web: Server) -> list[str]:
    web.routes["/fw.bin"] = document(data)
    return say(project, {"image": web.url("/fw.bin")})


def in_archive_on_the_web(_project: Project, data: bytes, web: Server) -> list[str]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("bin/fw.bin", data)
    web.routes["/fw.zip"] = document(stream.getvalue())
    return ["profile=esp12", f"image={web.url('/fw.zip')}!bin/fw.bin"]


def in_release(_project: Project, data: bytes, web: Server) -> list[str]:
    assets = [{"name": "fw.bin", "browser_download_url": web.url("/fw.bin")}]
    web.routes["/repos/o/r/releases/tags/1"] = Reply(json.dumps({"assets": assets}).encode())
    web.routes["/fw.bin"] = document(data)
    return ["profile=esp12", "image=github:o/r@1/*.bin"]


def built(project: Project, data: bytes, _web: Server) -> list[str]:
    (project.folder / "source.bin").write_bytes(data)
    (project.folder / "make.py").write_text("import shutil\nshutil.copy('source.bin', 'made.bin')\n")
    return say(project, {"build": {"command": "python make.py", "outputs": "made.bin"}})


DOORS: dict[str, Door] = {
    door.__name__: door
    for door in (named, in_profile, in_pair, in_archive, on_the_web, in_archive_on_the_web, in_release, built)
}


@pytest.fixture
def hub(web: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The web server, which is GitHub as well."""
    monkeypatch.setenv("FLASHPIPE_GITHUB_API", web.url())
    return web


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("door", DOORS)
def test_a_bad_file_comes_in_by_no_door(
    project: Project, hub: Server, command: Callable[..., Done], door: str, bad: str
) -> None:
    data, codes = BAD[bad]
    done = command("flash", *DOORS[door](project, data, hub), PORT)
    assert done.status in {11, 12}, done.text
    assert [code for code in codes if f"[code: {code}]" in done.text], done.text
    assert done.text.count("[code: ") == 1, done.text
    assert not (project.folder / "images.lock.yaml").exists()
    assert "does-not-exist" not in done.text


@pytest.mark.parametrize("door", DOORS)
def test_a_good_file_comes_in_by_every_door(
    project: Project, hub: Server, command: Callable[..., Done], door: str
) -> None:
    words = DOORS[door](project, FIRST if door == "in_pair" else WHOLE, hub)
    assert "NodeMCU 3.0" in command("image", *words).ok().out
    command("flash", *words, PORT).failed("port-missing")
    asked = len(hub.asked)
    command("image", "offline=1", *words).ok()
    assert len(hub.asked) == asked


def test_a_flipped_bit_in_a_locked_file_is_refused(
    project: Project, hub: Server, command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = on_the_web(project, WHOLE, hub)
    command("image", *words).ok()
    flipped = WHOLE[:0x20000] + bytes([WHOLE[0x20000] ^ 1]) + WHOLE[0x20001:]
    hub.routes["/fw.bin"] = document(flipped, etag='"2"')
    monkeypatch.setenv("FLASHPIPE_CACHE", str(project.folder / "empty"))
    done = command("flash", *words, PORT).failed("lock-mismatch")
    assert "does-not-exist" not in done.text


def test_a_boot_check_fetches_nothing(project: Project, hub: Server, command: Callable[..., Done]) -> None:
    words = on_the_web(project, WHOLE, hub)
    command("boot", *words, PORT).failed("port-missing")
    inputs = RunInputs(CommandLine(project.folder, project.folder, Variables({"profile": "kitchen"}, {})))
    assert not inputs.expects_nodemcu()
    assert not hub.asked
    command("image", *words).ok()
    asked = len(hub.asked)
    assert inputs.expects_nodemcu()
    hub.routes.clear()
    (project.folder / "images.lock.yaml").write_text("not a lock file")
    assert not inputs.expects_nodemcu()
    assert len(hub.asked) == asked


def test_offline_without_a_cached_image(project: Project, hub: Server, command: Callable[..., Done]) -> None:
    words = on_the_web(project, WHOLE, hub)
    command("flash", "offline=1", *words, PORT).failed("offline")
    assert not hub.asked
