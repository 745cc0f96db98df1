"""NodeMCU images of each generation, made of texts only, on virtual boards that start them."""

from __future__ import annotations

from pathlib import Path

from tests.images import Builder

MAC = "5c:cf:7f:00:00:0a"
MB = 1024 * 1024
FORMATTING = b"\x00Formatting file system. Please wait...\n"
NEW = b"\x00system SPI FI size:%u, Flash size: %u\n\x00Lua error: \x00cannot %s %s: %s"
SDKS = {"0.9": b"0.9.5", "1.5": b"1.5.4.1(39cb9a32)", "2.2": b"2.2.1(cfd48f3)", "3.0": b"3.0.1-dev(fce080e)"}


def banner(line: str, modules: str = "file,node,tmr,wifi", *, kind: str = "float", lfs: str = "0x0") -> bytes:
    """What a generation prints when it starts."""
    return {
        "0.9": "NodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\n",
        "1.5": "\nNodeMCU 1.5.4.1 build unspecified powered by Lua 5.1.4 on SDK ",
        "2.2": "\nNodeMCU custom build by somebody\n\tbranch: master\n\tcommit: 89abcdef\n\tSSL: true\n"
        f"\tmodules: {modules}\n build created on 2018-07-11 14:43\n powered by Lua 5.1.4 on SDK ",
        "3.0": "\nNodeMCU 3.0.0.0 \n\tbranch: release\n\tcommit: 0123456789abcdef\n\trelease: 3.0.0-release_20210201\n"
        f"\trelease DTS: 202102010145\n\tSSL: false\n\tbuild type: {kind}\n\tLFS: {lfs} bytes total capacity\n"
        f"\tmodules: {modules}\n build 2021-03-01 12:00 powered by Lua 5.1.4 on SDK %s\n",
    }[line].encode()


def image(line: str, modules: str = "file,node,tmr,wifi", *, kind: str = "float", lfs: str = "0x0") -> bytes:
    """A whole image of a generation: `0.9`, `1.5`, `2.2` or `3.0`."""
    build = Builder()
    texts = banner(line, modules, kind=kind, lfs=lfs) + FORMATTING + (NEW if line == "3.0" else b"")
    head = build.record(code_end=0x20000) if line == "3.0" else b""
    code = build.code(0x10000, banner=texts, sdk=SDKS[line], head=head)
    return build.combine((build.start(0x10000), code))


def board(folder: Path, firmware: bytes, *, size: int = 0x40, more: str = "") -> str:
    """The URL of a virtual board that holds a firmware; `size`: size and frequency of its header, 4 MB."""
    flash = folder / "board.bin"
    flash.write_bytes((firmware[:2] + b"\x02" + bytes((size,)) + firmware[4:]).ljust(4 * MB, b"\xff"))
    return f"sim://nodemcu-devkit?flash={flash}&mac={MAC}&execute=off{more}"
