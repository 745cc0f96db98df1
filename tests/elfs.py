"""A small ELF32 of an Xtensa firmware: three functions, and a DWARF 2 line table of one of them."""

from __future__ import annotations

import struct

FUNCTIONS = ((0x40100000, 0x100, "call_user_start"), (0x40210000, 0x20, "user_init"), (0x40210020, 0, "lua_main"))


def _line_table() -> bytes:
    files = b"user_main.c\0\0\0\0lua.c\0\0\0\0\0"
    lengths = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1))
    head = bytes((1, 1, 0xFB, 14, 10)) + lengths + b"\0" + files
    program = b"\x00\x05\x02" + struct.pack("<I", 0x40210000)
    program += b"\x03\x09\x01"  # line 10
    program += bytes((10 + 3 * 14 + 5 + 2,))  # three bytes on, two lines on
    program += b"\x02\x05\x04\x02\x03\xbc\x01\x01"  # five bytes on, the other file, 188 lines on
    program += b"\x09" + struct.pack("<H", 0x18) + b"\x00\x01\x01"  # the end of the sequence
    unit = struct.pack("<HI", 2, len(head)) + head + program
    return struct.pack("<I", len(unit)) + unit


def make_elf(start_size: int = 0x100, *, code: tuple[tuple[int, bytes], ...] = (), stripped: bool = False) -> bytes:
    """The file; `start_size`: bytes of its first function; `code`: what stands where."""
    strings, symbols = b"\0", bytes(16)
    named = () if stripped else ((FUNCTIONS[0][0], start_size, FUNCTIONS[0][2]), *FUNCTIONS[1:])
    for address, size, name in named:
        symbols += struct.pack("<IIIBBH", len(strings), address, size, 2, 0, 1)
        strings += name.encode() + b"\0"
    symbols += struct.pack("<IIIBBH", 1, 0x3FFE8000, 4, 1, 0, 1)  # an object, not a function
    names = b"\0.symtab\0.strtab\0.debug_line\0.shstrtab\0.text\0"
    parts = [(b".symtab", 2, symbols, 2, 0), (b".strtab", 3, strings, 0, 0), (b".debug_line", 1, _line_table(), 0, 0)]
    parts.append((b".shstrtab", 3, names, 0, 0))
    parts += [(b".text", 1, data, 0, address) for address, data in code]
    body, headers = b"", bytes(40)
    for title, kind, data, link, address in parts:
        at, flags = names.index(title + b"\0"), 6 if address else 0
        headers += struct.pack("<IIIIIIIIII", at, kind, flags, address, 52 + len(body), len(data), link, 0, 1, 0)
        body += data
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 94, 1, 0x40100000, 0, 52 + len(body), 0, 52, 0, 0, 40, 1 + len(parts), 4)
    return head + body + headers
