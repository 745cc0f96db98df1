"""Back up what a board will lose, before the first erase.

A file system is mostly empty: of its blocks only those with data in them are read, of the others the page with their
mark. A digest of the rest proves that the rest is FF. An empty file system is no loss and is not backed up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from flashpipe.board.session.session import Session
from flashpipe.firmware.spiffs import FileSystem
from flashpipe.flash import BLOCK_SIZE, Region
from flashpipe.flasher.backup import digest_of, read_checked, save_regions
from flashpipe.flasher.model import Policy, Probe
from flashpipe.plan.keep import KeepDecision
from flashpipe.records.backups import Store, Why
from flashpipe.units import format_size

_PAGE: Final = 0x100


def save_losses(session: Session, probe: Probe, decision: KeepDecision, policy: Policy) -> str:
    """Keep the doomed regions in the project's backups; the backup's id, empty where there was nothing to keep.

    Raises:
        BackupError, RecordError: it could not be taken; nothing was changed on the board.
    """
    if policy.backups is None:
        return ""
    store = Store(policy.backups, probe.device.mac)
    about: dict[str, object] = {
        "firmware": decision.contents.title,
        "lost": [f"{area.what} at {area.region}" for area in decision.lost],
        "plan": probe.plan.fingerprint,
        "profile": probe.plan.profile,
    }
    files = decision.contents.files
    if files is None or not any(region.contains(files.region) for region in decision.doomed):
        name = save_regions(session, store, decision.doomed, "before-flash", about).id
    else:
        others = [part for region in decision.doomed for part in region.without([files.region])]
        contents = _with_files(session, files, others)
        flash_size, flash_id = probe.device.flash_size or 0, probe.device.flash_id
        why: Why = "before-flash"
        saved = (
            store.save(contents, why=why, flash_size=flash_size, flash_id=flash_id, about=about) if contents else None
        )
        name = saved.id if saved else ""
    if name:
        places = ", ".join(map(str, decision.doomed))
        session.notify(
            f"backed up as {name}; `flashpipe restore backup={name}` puts it where it was ({places}),"
            " for the old firmware"
        )
    return name


def _with_files(session: Session, files: FileSystem, others: list[Region]) -> list[tuple[Region, bytes]]:
    with session.step("backup", f"file system of {format_size(files.region.size)}") as result:
        used = _used_blocks(session, files)
        result.append(f"{len(used)} of {files.blocks} blocks hold data")
        contents = [(region, _read(session, region)) for region in others]
        if used:
            contents.append((files.region, _contents(session, files, used)))
    if not used:
        session.notify("the file system is empty: nothing of it to back up")
    return contents


def _blocks(files: FileSystem) -> Iterator[Region]:
    return files.region.split(files.block)


def _used_blocks(session: Session, files: FileSystem) -> list[Region]:
    """Blocks with anything but FF after their first page, which holds the mark and the list of pages."""
    progress, used = session.progress("backup"), list[Region]()
    for number, block in enumerate(_blocks(files)):
        data = Region(block.start + _PAGE, block.end)
        if digest_of(session, data) != hashlib.md5(b"\xff" * data.size, usedforsecurity=False).digest():
            used.append(block)
        progress(number + 1, files.blocks)
    return used


def _contents(session: Session, files: FileSystem, used: list[Region]) -> bytes:
    progress, done, known = session.progress("backup"), 0, set(used)
    total, out = len(used) * files.block, bytearray()
    for block in _blocks(files):
        if block in known:
            out += _read(session, block, lambda count: progress(done + count, total))  # noqa: B023  called at once
            done += block.size
        else:
            page = Region(block.start, block.start + _PAGE)
            out += _read(session, page) + b"\xff" * (block.size - _PAGE)
    return bytes(out)


def _read(session: Session, region: Region, on_read: Callable[[int], None] = lambda _done: None) -> bytes:
    return b"".join(read_checked(session, part, digest_of(session, part), on_read) for part in region.split(BLOCK_SIZE))
