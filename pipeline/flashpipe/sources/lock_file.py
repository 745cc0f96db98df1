"""`images.lock.yaml`: what each source gave when it was first used, so that it gives the same ever after.

An image's own checksum covers 4 to 8 % of a NodeMCU file (design §5.7); these digests cover all of it. The file belongs
to the project and is committed with it. A person may edit it: comments, order and keys that are not ours stay.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from flashpipe.errors import LockError, LockMismatchError
from flashpipe.files import read_regular, write_atomic
from flashpipe.firmware.boot_image import Image, describe_address
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.lazy import lazy_pattern
from flashpipe.masking import without_query
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.registry import kind_of
from flashpipe.units import parse_address
from flashpipe.values import dataclass

LOCK_NAME: Final = "images.lock.yaml"
VERSION: Final = "1"
"""Of the file's format."""
MODE: Final = 0o644
"""It is committed and read by everybody."""
SHA256: Final = lazy_pattern("[0-9a-f]{64}")
_OLD_QUERY: Final = lazy_pattern(r"""https?://[^\s?#"']*\?(?:(?!:(?:\s|$))[^\s#!,"'])+""", re.MULTILINE)
"""A URL with its query, which the file had in earlier releases."""
_MAX_SIZE: Final = 4 * 1024 * 1024
"""A thousand images; beyond it the file is something else."""
_RESTORE: Final = "correct that line, or take the file from version control"
_GONE: Final = "take it from version control; or remove it, and what the sources give next is pinned anew"
_HEAD: Final = """\
# What each image source gave when it was first used (flashpipe). Commit this file. Other bytes are refused;
# `flashpipe lock profile=NAME` pins new ones on purpose.
"""
_EMPTY: Final = "version: 1\nimages:\n"

FACTS: Final = (
    *("family", "version", "release", "branch", "commit", "built", "sdk", "layout", "lua", "numbers", "modules"),
    *("ssl", "lfs"),
)
"""Keys of an entry that say what is inside. They are for people: only digests and sizes are compared."""
Fact = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilePin:
    """One file: its digest, hex, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Pin:
    """What one source gave. A split pair is one: both of its files or none."""

    files: Mapping[int, FilePin]
    """By flash address; address 0 alone for a single image."""
    facts: Mapping[str, Fact]
    """What was found inside, for people: family, version, SDK, modules …"""
    line: int = 0
    """Where it stands in the lock file; 0 for one that does not yet."""


def source_name(text: str, base: Path, project: Path) -> str:
    """The one name of a source in the lock file: canonical, a local file by its path from the project's folder.

    Raises:
        SourceError: not a source that can be had.
    """
    text = text.strip()
    outer, member = split_member(text)
    kind = kind_of(outer)
    if kind is None:
        whole = Path(os.path.normpath(base / os.path.expanduser(text)))  # noqa: PTH111  leaves an unknown `~name`
        return whole.relative_to(project).as_posix() if whole.is_relative_to(project) else whole.as_posix()
    name = kind.canonical(outer)
    return f"{name}!{member}" if member else name


def layout_name(names: Mapping[int, str]) -> str:
    """The key of a layout: its source, or for a split pair all of them with their addresses."""
    if list(names) == [0]:
        return names[0]
    return ",".join(f"{describe_address(address)}:{name}" for address, name in sorted(names.items()))


def pin_of(images: Mapping[int, Image]) -> Pin:
    """What would be pinned for these images."""
    files = {address: FilePin(image.sha256, len(image.data)) for address, image in sorted(images.items())}
    return Pin(files, facts_of(identify_firmware({address: image.data for address, image in images.items()})))


def facts_of(firmware: Firmware) -> dict[str, Fact]:
    """What is known of a firmware, as it stands in the lock file; nothing for what the bytes do not tell."""
    texts: tuple[Fact, ...] = (
        firmware.family,
        firmware.version,
        firmware.release,
        firmware.branch,
        firmware.commit,
        firmware.build_date,
        firmware.sdk,
        firmware.layout,
        firmware.lua,
        firmware.number_type,
        firmware.modules,
    )
    known = {name: value for name, value in zip(FACTS, texts, strict=False) if value}
    if firmware.ssl is not None:
        known["ssl"] = firmware.ssl
    if firmware.lfs_size is not None:
        known["lfs"] = firmware.lfs_size
    return known


def describe_pin(pin: Pin) -> str:
    """Digests, and the firmware's name, in one line."""
    known = (pin.facts.get("family", "unknown"), pin.facts.get("version", ""))
    return f"{'; '.join(map(_file_text, pin.files.values()))}: {' '.join(str(word) for word in known if word)}"


def describe_changes(pinned: Pin, actual: Pin) -> str:
    """Both digests and what changed inside, in one line."""
    changes = "; ".join(_file_changes(pinned, actual))
    inside = ", ".join(_fact_changes(pinned.facts, actual.facts))
    return f"{changes}; inside: {inside or 'nothing that shows in version, SDK or modules'}"


def check_pin(name: str, pinned: Pin, actual: Pin, *, again: str) -> None:
    """Accept the bytes that were pinned and no others; `again` is the command that pins new ones.

    Raises:
        LockMismatchError: other bytes, with both digests and what changed inside.
    """
    if dict(pinned.files) == dict(actual.files):
        return
    raise LockMismatchError(
        f"{name}: is not what {LOCK_NAME} (line {pinned.line}) pins: {describe_changes(pinned, actual)}",
        f"if the change is meant: {again}; if not, find out who changed it",
    )


def _file_changes(pinned: Pin, actual: Pin) -> Iterator[str]:
    for address in sorted({*pinned.files, *actual.files}):
        old, new = pinned.files.get(address), actual.files.get(address)
        if old == new:
            continue
        place = "" if list(actual.files) == [0] else f"{describe_address(address)} "
        yield f"{place}pinned {_file_text(old)}, found {_file_text(new)}"


def _file_text(file: FilePin | None) -> str:
    return f"sha256 {file.sha256} ({file.size:,} bytes)" if file else "nothing"


def _fact_changes(old: Mapping[str, Fact], new: Mapping[str, Fact]) -> Iterator[str]:
    for name in dict.fromkeys((*new, *old)):
        before, after = old.get(name, ""), new.get(name, "")
        if _text(before) == _text(after):
            continue
        if isinstance(after, tuple) or isinstance(before, tuple):
            had, has = set(before if isinstance(before, tuple) else ()), set(after if isinstance(after, tuple) else ())
            words = [f"+{word}" for word in sorted(has - had)] + [f"-{word}" for word in sorted(had - has)]
            yield f"{name} {' '.join(words)}"
        else:
            yield f"{name} {_text(before) or 'unknown'} -> {_text(after) or 'unknown'}"


def _text(fact: Fact) -> str:
    if isinstance(fact, bool):
        return str(fact).lower()
    return ",".join(fact) if isinstance(fact, tuple) else str(fact)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_lock(path: Path) -> dict[str, Pin]:
    """Every pin of a lock file by the name of its source; nothing where there is no such file.

    Raises:
        LockError: the file is damaged; the message names its first wrong line.
    """
    text = _read_text(path)
    return _parse(text, path) if text is not None else {}


def has_queries(path: Path) -> bool:
    """Whether the file still has queries of URLs, as earlier releases wrote them; the next pin takes them away.

    Raises:
        LockError: it cannot be read.
    """
    return _read_text(path) != _read_text(path, plain=False)


def _read_text(path: Path, *, plain: bool = True) -> str | None:
    try:
        data = read_regular(path, _MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise LockError(f"{path}: larger than {_MAX_SIZE // 1024**2} MB: this is no lock file", _RESTORE) from error
        raise LockError(f"{path}: cannot be read: {error.strerror or error}", "fix its permissions") from error
    try:
        text = data.decode("utf-8-sig")
        return _OLD_QUERY.sub(lambda match: without_query(match[0]), text) if plain else text
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LockError(f"{path}:{line}: byte {data[error.start]:#04x} is not UTF-8", _RESTORE) from error


def _parse(text: str, path: Path) -> dict[str, Pin]:
    top = _compose(text, path)
    if top is None:  # what is cut off here was pinned
        raise LockError(f"{path}: there is no entry in it", _GONE)
    return _Reader(path).pins(top)


def _compose(text: str, path: Path) -> Any:
    """The nodes of a YAML text with their lines, None where it holds nothing."""
    from flashpipe.sources import lock_yaml  # noqa: PLC0415  40 ms of ruamel, where there is a lock file

    try:
        return lock_yaml.compose(text)
    except lock_yaml.ERRORS as error:
        merge = lock_yaml.merge_line(text)
        if merge:
            raise LockError(f"{path}:{merge}: {lock_yaml.MERGE}", _RESTORE) from error
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(getattr(error, "problem", "") or "not YAML").split())
        raise LockError(f"{path}:{line}: not YAML: {problem}", _RESTORE) from error


@dataclass(frozen=True, slots=True)
class _Reader:
    """Composed YAML to pins; every refusal names the line."""

    path: Path

    def pins(self, top: Any) -> dict[str, Pin]:
        fields = self._mapping(top, "the file")
        version = fields.get("version")
        if version is None or version.value != VERSION:
            self._refuse(version or top, f"want version: {VERSION}; another flashpipe has written this")
        images = fields.get("images")
        if images is None:
            raise LockError(f"{self.path}: there is no images: in it", _GONE)
        if images.id == "scalar" and not images.value:
            return {}
        entries = self._mapping(images, "images")
        lines = {key.value: key.start_mark.line + 1 for key, _ in images.value}
        return {name: self._pin(name, node, lines[name]) for name, node in entries.items()}

    def _pin(self, name: str, node: Any, line: int) -> Pin:
        fields = self._mapping(node, name)
        if "files" in fields:
            named = self._mapping(fields["files"], f"{name}: files")
            files = {self._address(key, fields["files"]): self._file(key, part) for key, part in named.items()}
            if not files:
                self._refuse(fields["files"], f"{name}: files: want an address and its sha256 and size")
        else:
            files = {0: self._file(name, node)}
        kinds = ("scalar", "sequence")
        facts: dict[str, Fact] = {
            key: self._fact(fields[key]) for key in FACTS if key in fields and fields[key].id in kinds
        }
        return Pin(files, facts, line)

    def _file(self, name: str, node: Any) -> FilePin:
        fields = self._mapping(node, name)
        digest, size = fields.get("sha256"), fields.get("size")
        if digest is None or digest.id != "scalar" or not SHA256.fullmatch(digest.value.lower()):
            self._refuse(digest or node, f"{name}: want sha256: and 64 hex digits")
        if size is None or size.id != "scalar" or not re.fullmatch("[0-9]{1,9}", size.value):
            self._refuse(size or node, f"{name}: want size: and a number of bytes")
        return FilePin(digest.value.lower(), int(size.value))

    def _address(self, text: str, node: Any) -> int:
        if not re.fullmatch("0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,9}", text):
            self._refuse(node, f"got {text!r} as a key of files, want a flash address")
        return parse_address(text)

    def _fact(self, node: Any) -> Fact:
        if node.id == "scalar":
            return str(node.value)
        return tuple(str(item.value) for item in node.value if item.id == "scalar")

    def _mapping(self, node: Any, what: str) -> dict[str, Any]:
        if node.id != "mapping":
            self._refuse(node, f"{what}: want keys and values")
        values: dict[str, Any] = {}
        for key, value in node.value:
            if key.id != "scalar":
                self._refuse(key, f"{what}: a key must be a text")
            if key.value in values:
                self._refuse(key, f"{key.value} is stated twice")
            values[key.value] = value
        return values

    def _refuse(self, node: Any, problem: str) -> NoReturn:
        raise LockError(f"{self.path}:{node.start_mark.line + 1}: {problem}", _RESTORE)


# --- writing ---------------------------------------------------------------------------------------------------------


def write_pin(path: Path, name: str, pin: Pin) -> None:
    """Put one pin in its place; everything else in the file stays as it is. Call it with the file's guard held.

    Raises:
        LockError: the file is damaged.
        RecordError: it cannot be written.
    """
    from flashpipe.sources import lock_yaml  # noqa: PLC0415  as above

    text = _read_text(path)
    if text is None:
        text = _HEAD + _EMPTY
    _parse(text, path)  # a damaged file is never written over
    single = list(pin.files) == [0]
    stale = ("files",) if single else ("sha256", "size")
    files = {at: {"sha256": file.sha256, "size": file.size} for at, file in sorted(pin.files.items())}
    fields: dict[str, object] = dict(files[0]) if single else {"files": files}
    unknown = [fact for fact in FACTS if fact not in pin.facts]
    new = lock_yaml.with_entry(text, name, {**fields, **pin.facts}, (*stale, *unknown))
    # Several projects may share one: the link stays, and what it leads to is written.
    write_atomic(path.resolve() if path.is_symlink() else path, new.encode("utf-8"), mode=MODE)
