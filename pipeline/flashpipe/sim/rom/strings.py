"""Memory and strings: twice in the ROM, as the C library's and under `ets_…` names. C standard.

A program may give addresses of the flash window as a source; where nothing is, the access is an exception of the core,
and the function ends as the ROM's would: at the first byte.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.table import rom

_LONGEST: Final = 0x18000
"""No string is longer than data RAM."""


@rom("memcpy", 0x4000DF48)
@rom("ets_memcpy", 0x400018B4)
@rom("memmove", 0x4000E04C)
@rom("ets_memmove", 0x400018C4)
@rom("xthal_memcpy", 0x400006C4)
def memcpy(guest: Guest, to: int, source: int, count: int) -> int:
    """Copy; overlapping areas come out right in all of them."""
    if count:
        guest.write(to, guest.read(source, count))
        guest.spend(count // 2)
    return to


@rom("xthal_bcopy", 0x40000688)
def bcopy(guest: Guest, source: int, to: int, count: int) -> int:
    """Copy, with the arguments of the old `bcopy`."""
    return memcpy(guest, to, source, count)


@rom("memset", 0x4000E190)
@rom("ets_memset", 0x400018A4)
def memset(guest: Guest, to: int, value: int, count: int) -> int:
    """Fill."""
    if count:
        guest.write(to, bytes((value & 0xFF,)) * count)
        guest.spend(count // 2)
    return to


@rom("bzero", 0x4000DE84)
@rom("ets_bzero", 0x40002AE8)
def bzero(guest: Guest, to: int, count: int) -> None:
    """Fill with 0."""
    memset(guest, to, 0, count)


@rom("memcmp", 0x4000DEA8)
@rom("ets_memcmp", 0x400018D4)
def memcmp(guest: Guest, left: int, right: int, count: int) -> int:
    """Compare bytes as unsigned."""
    if not count:
        return 0
    guest.spend(count)
    return _order(guest.read(left, count), guest.read(right, count))


def _order(left: bytes, right: bytes) -> int:
    return (left > right) - (left < right) & MASK


def text_at(guest: Guest, address: int, limit: int = _LONGEST) -> bytes:
    """The bytes of a C string, without its NUL."""
    return guest.memory.c_string(address, limit)


@rom("strlen", 0x4000BF4C)
@rom("ets_strlen", 0x40002AC8)
def strlen(guest: Guest, text: int) -> int:
    """Bytes before the NUL."""
    length = len(text_at(guest, text))
    guest.spend(length)
    return length


@rom("strcmp", 0x4000BDC8)
@rom("ets_strcmp", 0x40002AA8)
def strcmp(guest: Guest, left: int, right: int) -> int:
    """Compare; the difference of the first bytes that differ."""
    return _compare(guest, text_at(guest, left), text_at(guest, right))


@rom("strncmp", 0x4000BFA8)
@rom("ets_strncmp", 0x40002AB8)
def strncmp(guest: Guest, left: int, right: int, limit: int) -> int:
    """Compare at most `limit` bytes."""
    if not limit:
        return 0
    limit = min(limit, _LONGEST)
    return _compare(guest, text_at(guest, left, limit), text_at(guest, right, limit), limit)


def _compare(guest: Guest, left: bytes, right: bytes, limit: int = _LONGEST + 1) -> int:
    same = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        same += 1
    guest.spend(same)
    if same >= limit:
        return 0
    return (left[same] if same < len(left) else 0) - (right[same] if same < len(right) else 0)


@rom("strcpy", 0x4000BEC8)
@rom("ets_strcpy", 0x40002A88)
def strcpy(guest: Guest, to: int, source: int) -> int:
    """Copy with the NUL."""
    text = text_at(guest, source)
    guest.write(to, text + b"\0")
    guest.spend(len(text))
    return to


@rom("strncpy", 0x4000C0A0)
@rom("ets_strncpy", 0x40002A98)
def strncpy(guest: Guest, to: int, source: int, count: int) -> int:
    """Copy at most `count` bytes; the rest of them becomes 0."""
    if count:
        guest.write(to, text_at(guest, source, min(count, _LONGEST)).ljust(count, b"\0"))
        guest.spend(count)
    return to


@rom("strstr", 0x4000E1E0)
@rom("ets_strstr", 0x40002AD8)
def strstr(guest: Guest, text: int, wanted: int) -> int:
    """Address of the first occurrence, or 0."""
    offset = text_at(guest, text).find(text_at(guest, wanted))
    guest.spend(max(offset, 0))
    return text + offset if offset >= 0 else 0


@rom("ets_char2xdigit", 0x40002B74)
def char_to_digit(_guest: Guest, character: int) -> int:
    """Value of a hexadecimal digit; 255 for any other character (osapi.h of the SDK has no words on it)."""
    text = chr(character & 0x7F)
    return int(text, 16) if text in "0123456789abcdefABCDEF" else 0xFF


@rom("ets_str2macaddr", 0x40002AF8)
def text_to_mac(guest: Guest, to: int, source: int) -> None:
    """Six bytes from `aa:bb:cc:dd:ee:ff` (osapi.h: os_str2macaddr)."""
    text = text_at(guest, source, 17).decode("latin-1")
    digits = [part for part in text.split(":") if part]
    values = [int(part, 16) & 0xFF if all(d in "0123456789abcdefABCDEF" for d in part) else 0 for part in digits]
    guest.write(to, bytes(values[:6]).ljust(6, b"\0"))
