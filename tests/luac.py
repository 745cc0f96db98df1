"""A stand-in for luac.cross: its command line, the header of its images, its messages."""

from __future__ import annotations

import sys
from pathlib import Path

_SCRIPT = """#!{python}
import struct, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(" ".join(words) + "\\n")
if words == ["-v"]:
    print("Lua {lua}.4  Copyright (C) 1994-2011 Lua.org, PUC-Rio" if "{lua}"[0] == "5" else "{lua}")
    sys.exit(0)
if {fails!r}:
    sys.exit(sys.argv[0] + ": " + {fails!r})
if "-a" not in words:
    name, target = words[-1], words[words.index("-o") + 1]
    text = open(name).read()
    if "!" in text:
        sys.exit(f"{{sys.argv[0]}}: {{name}}:1: unexpected symbol near '!'")
    if name == "probe.lua":
        whole = {signature} >> 1 & 1
        text = struct.pack("<8BB", 0x51, 0, 1, 4, 4, 4, 8, whole, {string}) + b"\\x0a\\0\\0\\0flashpipe\\0"
        open(target, "wb").write(b"\\x1bLua" + text)
        sys.exit(0)
    open(target, "wb").write(b"\\x1bLua" + text.encode())
    sys.exit(0)
address, target, most = int(words[words.index("-a") + 1], 0), words[words.index("-o") + 1], words[words.index("-m") + 1]
for name in words[words.index("-o") + 2:]:
    text = open(name).read()
    for number, line in enumerate(text.split("\\n"), 1):
        if "!" in line:
            sys.exit(f"{{sys.argv[0]}}: {{name}}:{{number}}: unexpected symbol near '!'")
    if {full} and name != "probe.lua":
        sys.exit(sys.argv[0] + ": Out of Flash memory")
size = {size} if "probe.lua" not in words else 0x100
head = struct.pack("<9I", {signature}, size, address + 0x20, address + 0x40, 0, 8, 0, 0, 0)
body = head + repr([open(name).read() for name in words[words.index("-o") + 2:]]).encode()
open(target, "wb").write(body.ljust(size, b"\\0")[:size])
"""


def make_luac(
    folder: Path,
    *,
    lua: str = "5.1",
    signature: int = 0xFAFAA151,
    size: int = 0x1800,
    fails: str = "",
    full: bool = False,
    string: int = 4,
) -> Path:
    """Write it into a folder; `words` beside it has the words of every call."""
    path = folder / "luac.cross"
    values = {"lua": lua, "signature": signature, "size": size, "fails": fails, "full": full, "string": string}
    path.write_text(_SCRIPT.format(python=sys.executable, log=str(folder / "words"), **values))
    path.chmod(0o755)
    return path
