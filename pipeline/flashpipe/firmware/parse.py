"""Read a boot image, or say what the file is instead and what happened to it."""

from __future__ import annotations

from typing import Final, NoReturn

from flashpipe.errors import (
    HeaderlessError,
    ImageError,
    LineEndingsError,
    LoadAddressError,
    NotAnImageError,
    NotBootableError,
    OtherChipError,
)
from flashpipe.firmware.boot_image import SPLIT_ADDRESS, BootImage, Image, describe_address, read_image
from flashpipe.firmware.chain import behind_loader
from flashpipe.firmware.content_type import (
    BOOT_MAGIC,
    DAMAGED,
    OTA_MAGIC,
    excerpt,
    foreign_content,
    has_crlf_damage,
    in_words,
    looks_headerless,
    other_chip,
)
from flashpipe.firmware.data_files import describe_data, purpose_of
from flashpipe.firmware.parts import read_part
from flashpipe.next_steps import Advice, name_file

_TEXT_MODE: Final = "a transfer in text mode put a CR before"
_BINARY_MODE: Final = "transfer it again in binary mode (in git: '*.bin binary' in .gitattributes)"


def parse_boot_image(image: Image) -> BootImage:
    """Read the image at the start of a file and check all that it can be checked by.

    Raises:
        NotAnImageError: a web page, an archive, text, an empty file …
        HeaderlessError: the second file of a split pair.
        NotBootableError: only a second boot loader could start it.
        OtherChipError: made for an ESP32 or one of its successors.
        LineEndingsError: went through a transfer in text mode.
        ImageTruncatedError: ends inside a segment or before the checksum.
        LoadAddressError: a segment or the entry point lies outside the RAM.
        ImageChecksumError: the checksum does not match the segments.
    """
    if image.data[:1] != bytes((BOOT_MAGIC,)):
        _refuse_other_magic(image)
    try:
        return read_image(image.data, name=image.name)
    except LoadAddressError as error:
        part = read_part(image)
        if part.kind == "mapped" and part.boot is not None and part.problem is None:
            raise NotBootableError(
                f"{image.name}: has code for {describe_address(part.home or 0)} that only a second boot loader maps: "
                "the ROM cannot start it",
                f"put its boot loader at 0x00000: {behind_loader(part)}",
            ) from error
        _explain_damage(image, error)
    except ImageError as error:
        _explain_damage(image, error)


def _refuse_other_magic(image: Image) -> NoReturn:
    data, what = image.data, describe_data(image.data)
    refuse_other_chip(image)
    refuse_line_endings(image)
    if data[:1] == bytes((OTA_MAGIC,)) and what != DAMAGED and data[1:2] == b"\x04":
        part = read_part(image)
        place = f" for {describe_address(part.home)}" if part.home is not None else ""
        raise NotBootableError(
            f"{image.name}: begins with 0xEA: an image{place} that only a second boot loader can start, the ROM cannot",
            f"put a boot loader at 0x00000: {behind_loader(part)}",
        )
    if what == DAMAGED:
        raise NotAnImageError(
            f"{image.name}: is a {what}", "transfer it again in binary mode, and never through an editor"
        )
    if looks_headerless(data) and not foreign_content(data):  # an archive may hold code as it is
        home = read_part(image).home or SPLIT_ADDRESS
        raise HeaderlessError(
            f"{image.name}: is the second file of a pair, {what}: first byte {data[0]:#04x} instead of the 0xe9 "
            "of a file that boots",
            f"give both: image=0x00000:FILE,{describe_address(home)}:{image.origin}",
        )
    beginning = excerpt(data) if what in ("HTML page", "JSON", "text", "XML document", "Git LFS pointer") else ""
    quoted = f' ("{beginning}")' if beginning else ""
    begin = f", first byte {data[0]:#04x} instead of 0xe9" if data else ""
    raise NotAnImageError(f"{image.name}: is not firmware but {in_words(what)}{quoted}{begin}", _next_for(what, image))


def refuse_other_chip(image: Image, chip: str = "ESP8266") -> None:
    """Refuse firmware with the header of an ESP32 or one of its successors.

    Raises:
        OtherChipError: it has one.
    """
    other = other_chip(image.data)
    if other:
        raise OtherChipError(f"{image.name}: is firmware for {other}, not for {chip}", "get the ESP8266 build of it")


def refuse_line_endings(image: Image) -> None:
    """Refuse a binary file in which a transfer in text mode has changed the line feeds.

    Raises:
        LineEndingsError: all of them have been changed.
    """
    if has_crlf_damage(image.data):
        count = f"{image.data.count(10):,}"
        raise LineEndingsError(f"{image.name}: {_TEXT_MODE} each of its {count} line feeds", _BINARY_MODE)


def _explain_damage(image: Image, error: ImageError) -> NoReturn:
    """Say what happened to a file that begins like an image but is none, where the bytes tell; else `error`."""
    refuse_other_chip(image)
    refuse_line_endings(image)
    undone = image.data.replace(b"\r\n", b"\n")
    if undone != image.data:
        try:
            read_image(undone, name=image.name)
        except ImageError:
            raise error from None
        added = len(image.data) - len(undone)
        raise LineEndingsError(f"{image.name}: {_TEXT_MODE} {added} line feeds", _BINARY_MODE) from error
    raise error


def _next_for(what: str, image: Image) -> str:
    if what in ("ZIP archive", "tar archive"):
        return Advice(name_file("the file inside", f": image='{image.origin}!FILE.bin'"))
    if what in ("7-Zip archive", "RAR archive"):
        return Advice("unpack it and ", name_file("the .bin file inside", ": image=FILE.bin"))
    if what == "gzip":
        return f"unpack it: gzip -dk {image.origin}"
    if what == "ELF":
        return f"convert it: esptool --chip esp8266 elf2image {image.origin}"
    if what == "Git LFS pointer":
        return "fetch the file it points to: git lfs pull"
    return purpose_of(what, image) or "download the .bin file itself, and look at what came"
