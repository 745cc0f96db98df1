"""Attacks by the hundred, in this process: `attacks.py KIND FIRST COUNT FOLDER`, run by `tests/bench/hostile.py`.

`conversations`: a virtual board whose bytes are damaged on their way to the host, in ways that a seed chooses. `files`:
images, profiles, lock files, archives, logs, ELF files and records with bytes changed. `clocks`: a clock that jumps by
years between the commands of one board. One line of JSON for each attack: how it ended, and how long it took.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import resource
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

MEMORY: Final = 600 * 1024 * 1024
SECRET: Final = "hunter2-0451-Sesame"
MAC: Final = "5c:cf:7f:00:00:01"
TALKS: Final = (
    ("identify",),
    ("verify", "profile=nodemcu-devkit", "image=fw.bin"),
    ("flash", "profile=nodemcu-devkit", "image=fw.bin", "boot=off"),
    ("boot",),
    ("node",),
    ("backup", "regions=0x0-0x4000"),
    ("monitor", "timeout=1s", "until=/(a+)+$/"),
    ("diagnose",),
    ("lua", "file=x.lua", "timeout=2s"),
    ("files",),
    ("erase", "regions=0x200000-0x210000", "yes=1"),
    ("audit",),
)
TOKENS: Final = (
    *(b"\xc0", b"\xdb\xdc", b"\xdb", b"\x00" * 64, b"\xff" * 64, b"OHAI", b"\xc0\x01\x08", b"\xc0\x01\x0a\xff\xff"),
    *(
        b"\n> ",
        b"=#1+",
        b"#=\n",
        b"\x1b]52;c;aGk=\x07",
        b"stdin:1: x\n",
        b"ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n",
    ),
    *(f'wifi_password="{SECRET}"\n'.encode(), b"Fatal exception (28):\n", b"9" * 5000, b"PANIC: unprotected error"),
)


def damaged(noise: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes: other bits, less, more, twice, in another order."""
    if not data:
        return data
    out = bytearray(data)
    for _ in range(noise.randint(1, 3)):
        at, to = sorted((noise.randrange(len(out) + 1), noise.randrange(len(out) + 1)))
        kind = noise.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << noise.randrange(8)
        elif kind == 1:
            del out[at:to]
        elif kind == 2:
            out[at:at] = out[at:to][:4096]
        elif kind == 3:
            out[at:at] = noise.choice(TOKENS)
        elif kind == 4:
            out[at:to] = noise.randbytes(min(to - at, 64))
        elif kind == 5:
            out[at:to] = bytes(reversed(out[at:to]))
        else:
            out[at:at] = noise.randbytes(4) * noise.choice((1, 50))
        if not out:
            break
    return bytes(out)


def run(words: tuple[str, ...]) -> tuple[int, str]:
    """One command; its status and all that it showed."""
    from flashpipe.cli import commands as cli  # noqa: PLC0415  after the limits are set

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        direct = words[0] == "plan" or words[0] in cli.COMMANDS
        status = cli.main([*words] if direct else ["-n", "0", *words])
    return status, out.getvalue()


# --- conversations ---------------------------------------------------------------------------------------------------


def conversations(first: int, count: int, folder: Path) -> Iterator[tuple[str, int, str]]:
    """One command each, over a line that damages what the board says from some byte on, more or less often."""
    from flashpipe.sim.host_line import HostLine  # noqa: PLC0415  as above

    state: dict[str, Any] = {"noise": random.Random(0), "rate": 0.0, "after": 0}
    plain: Callable[[HostLine], bytes] = HostLine._hand_over

    def hand_over(line: HostLine) -> bytes:
        data, noise = plain(line), state["noise"]
        state["after"] -= len(data)
        return damaged(noise, data) if state["after"] < 0 and noise.random() < state["rate"] else data

    HostLine._hand_over = hand_over  # type: ignore[assignment,method-assign]
    for number in range(first, first + count):
        noise = random.Random(number)
        state.update(noise=noise, rate=noise.choice((0.01, 0.1, 0.5, 1.0)), after=noise.choice((0, 0, 40, 400, 4000)))
        words = TALKS[number % len(TALKS)]
        port = f"port=sim://nodemcu-devkit?inline=1&mac={MAC}&flash={folder / 'cells'}"
        yield (f"{number} {words[0]}", *run((*words, port)))


# --- files -----------------------------------------------------------------------------------------------------------


def _seeds(folder: Path) -> list[tuple[str, bytes, tuple[tuple[str, ...], ...]]]:
    """Name, content, and the commands that read such a file."""
    firmware = (folder / "fw.bin").read_bytes()
    packed, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fw.bin", firmware[:40000])
    with tarfile.open(fileobj=tar, mode="w:gz") as archive_:
        info = tarfile.TarInfo("fw.bin")
        info.size = 40000
        archive_.addfile(info, io.BytesIO(firmware[:40000]))
    profile = (
        "extends: nodemcu-devkit\nabout: Kitchen\nserial: {port: auto, baud: 115200}\nfirmware:\n  image: fw.bin\n"
        "keep: [spiffs, wifi]\nacceptance: {version: '>=1.5', run: x.lua, prints: '/^PASS$/', timeout: 2s}\n"
        f"files: {{init.lua: x.lua}}\nboards: ['{MAC}']\n"
    )
    lock = (
        "# pinned\nimages:\n  https://example.org/x.bin:\n    sha256: " + "0" * 64 + "\n    size: 486548\n"
        "    firmware: nodemcu\n    version: 1.5.4.1\n    modules: [file, wifi]\n"
    )
    log = (
        " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\nload 0x40100000, len 26828, room 16 \nFatal exception (28):\n"
    )
    look = (("image", "profile=nodemcu-devkit", "image=f.bin"), ("inspect", "f.bin"))
    url = f"image=https://me:{SECRET}@127.0.0.1:1/x.bin"
    return [
        ("f.bin", firmware[:60000], look),
        ("f.bin", firmware[-60000:], look),
        ("f.zip", packed.getvalue(), (("image", "profile=nodemcu-devkit", "image=f.zip!fw.bin"),)),
        ("f.tar.gz", tar.getvalue(), (("image", "profile=nodemcu-devkit", "image=f.tar.gz!fw.bin"),)),
        ("f.bin.gz", gzip.compress(firmware[:60000]), (("image", "profile=nodemcu-devkit", "image=f.bin.gz"),)),
        ("f.yaml", profile.encode(), (("image", "profile=f"), ("profiles",), ("plan", "profile=f"))),
        ("images.lock.yaml", lock.encode(), (("image", "profile=nodemcu-devkit", url, "offline=1"),)),
        ("f.log", (log * 5).encode(), (("explain", "f.log"),)),
        (
            "f.elf",
            b"\x7fELF\x01\x01\x01" + firmware[:9000],
            (("explain", "good.log", "elf=f.elf"), ("inspect", "f.elf")),
        ),
        ("x.lua", b'print("PASS")\n' * 20, (("plan", "profile=good"),)),
    ]


def files(first: int, count: int, folder: Path) -> Iterator[tuple[str, int, str]]:
    """A damaged file and a command that reads it; every third is one of our own records."""
    seeds = _seeds(folder)
    (folder / "good.yaml").write_bytes(seeds[5][1])
    (folder / "good.log").write_bytes(seeds[7][1])
    board = f"port=sim://nodemcu-devkit?inline=1&mac={MAC}&flash={folder / 'cells'}"
    flash = ("flash", "profile=nodemcu-devkit", "image=fw.bin", "boot=off", board)
    run(flash)
    run(("backup", board))
    roots = (folder / ".pipeline", Path(os.environ["FLASHPIPE_STATE"]))
    own = [path for root in roots for path in sorted(root.rglob("*.json")) if path.is_file()]
    for number in range(first, first + count):
        noise = random.Random(number)
        if number % 3 == 2:
            path = own[number // 3 % len(own)]
            before = path.read_bytes() if path.exists() else b"{}"
            words: tuple[str, ...] = noise.choice(
                (flash, ("report",), ("audit", board), ("restore", board, "yes=1", "boot=off"))
            )
        else:
            name, before, commands = seeds[number % len(seeds)]
            path, words = folder / name, noise.choice(commands)
        path.write_bytes(damaged(noise, before))
        yield (f"{number} {path.name} {words[0]}", *run(words))
        if path in own:
            path.write_bytes(before)
        else:
            path.unlink()


# --- clocks ----------------------------------------------------------------------------------------------------------


def clocks(first: int, count: int, folder: Path) -> Iterator[tuple[str, int, str]]:
    """Flash, backup and report while the clock jumps to any year from 1971 to 2099; each has to end well."""
    real, offset = time.time, 0.0
    time.time = lambda: real() + offset
    board = f"port=sim://nodemcu-devkit?inline=1&mac={MAC}&flash={folder / 'cells'}"
    for number in range(first, first + count):
        offset = random.Random(number).uniform(-50, 70) * 365 * 86400
        words = (
            ("flash", "profile=nodemcu-devkit", "image=fw.bin", "boot=off", board),
            ("backup", board),
            ("restore", board, "yes=1", "boot=off"),
            ("report",),
            ("prune", "--dry-run", "--backups"),
        )[number % 5]
        status, text = run(words)
        yield f"{number} {words[0]}", status, text + ("\nTraceback: a clock is no failure" if status else "")


KINDS: Final = {"conversations": conversations, "files": files, "clocks": clocks}


def main() -> int:
    """Run the attacks, and tell of each."""
    kind, first, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(folder)
    began = time.monotonic()
    for name, status, text in KINDS[kind](first, count, folder):
        now = time.monotonic()
        # What a board says to a monitor, or as it boots, is shown as it stands.
        looked_for = ("Traceback",) if name.endswith((" boot", " lua", " monitor")) else ("Traceback", SECRET)
        wrong = [word for word in looked_for if word in text]
        told = {"name": name, "status": status, "seconds": round(now - began, 2), "wrong": wrong}
        print(json.dumps({**told, "text": text[-3000:] if wrong else ""}))
        sys.stdout.flush()
        began = time.monotonic()
    return 0


if __name__ == "__main__":
    sys.exit(main())
