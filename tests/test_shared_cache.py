"""One cache folder for several hosts: what one has fetched or packed, no other one does again, and nothing is torn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from tests.images import Builder
from tests.webserver import Asked, Reply, Server, digest, document

PATH = "/fw/nodemcu.bin"
LOOK_S = 0.05
HOST = """
import json, platform, socket, sys
from flashpipe.board.loader import compression
from flashpipe.cli import main as cli

name, result, *words = sys.argv[1:]
socket.gethostname = platform.node = lambda: name
method, packed = compression._method, []

def counted(*, quick):
    kind, compress = method(quick=quick)
    return kind, lambda data: packed.append(len(data)) or compress(data)

compression._method = counted
status = cli.main(words)
with open(result, "w") as stream:
    json.dump({"status": status, "packed": [size for size in packed if size >= compression.KEPT_FROM]}, stream)
"""
"""A run on a host of that name; leaves its status, and the sizes of what it packed itself."""


def start(folder: Path, name: str, url: str) -> subprocess.Popen[bytes]:
    """A host with a project and a state folder of its own, and two new boards."""
    project = folder / name
    project.mkdir()
    ports = ",".join(f"sim://nodemcu-devkit?execute=off&fill=ff&mac=5c:cf:7f:00:{name[-1]}0:0{at}" for at in (1, 2))
    words = ["flash", "profile=nodemcu-devkit", f"image={url}", "boot=off", f"port={ports}"]
    own = {"FLASHPIPE_STATE": str(project / "state"), "FLASHPIPE_CACHE": str(folder / "shared"), "HOME": str(project)}
    return subprocess.Popen(
        [sys.executable, "-c", HOST, name, "result.json", *words],
        cwd=project,
        env={**os.environ, **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def torn(cache: Path) -> list[str]:
    """Files of a cache that are not what their names say."""
    found = []
    for path in [*cache.glob("sha256/*/*"), *cache.glob("packed/*.*")]:
        if path.name.startswith("."):  # not there yet
            continue
        try:
            data = path.read_bytes()
            data = zlib.decompress(data) if path.parent.name == "packed" else data
        except zlib.error:
            data = b""
        if digest(data) != path.name.partition(".")[0]:
            found.append(path.name)
    return found


def ended(host: subprocess.Popen[bytes]) -> bool:
    """Whether a host has ended, or does so in a moment."""
    with suppress(subprocess.TimeoutExpired):
        host.wait(LOOK_S)
    return host.poll() is not None


@pytest.mark.skipif(os.name != "posix", reason="a folder that machines share is tried on POSIX")
def test_hosts_that_share_a_cache_fetch_and_pack_once_and_tear_nothing(web: Server, tmp_path: Path) -> None:
    image = Builder().combine(Builder().pair_2x(0x30000))
    answer, bodies = document(image), list[int]()

    def route(asked: Asked) -> Reply:
        reply = answer(asked)
        bodies.append(reply.status)
        return reply

    web.routes[PATH] = route
    hosts = [start(tmp_path, name, web.url(PATH)) for name in ("host1", "host2")]
    try:
        for host in hosts:
            while not ended(host):
                assert torn(tmp_path / "shared") == []
        results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("host1", "host2")]
    finally:
        for host in hosts:
            host.kill()
            host.wait()
    assert [result["status"] for result in results] == [0, 0]
    assert bodies.count(200) == 1
    assert [size for result in results for size in result["packed"]] == [len(image)]
    assert torn(tmp_path / "shared") == []
