"""The tasks `backup` and `restore`: what the command line names, and what is said about it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flashpipe.errors import BackupMissingError, BadValueError, FlashUnknownError, NoImageError, RecordError
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks.step import board_step, confirm, notify

if TYPE_CHECKING:
    from flashpipe.board.session.session import Device
    from flashpipe.flash import Region
    from flashpipe.flasher.model import Outcome
    from flashpipe.flasher.restore_source import RestoreSource
    from flashpipe.records.backups import Manifest, Store


@board_step
def backup_board(board: BoardRun) -> None:
    """Read the flash, or the regions asked for, into the store."""
    from flashpipe.flasher.backup import about, save_regions  # noqa: PLC0415
    from flashpipe.flasher.board_layout import words_of  # noqa: PLC0415
    from flashpipe.flasher.checks import check_mac  # noqa: PLC0415
    from flashpipe.flasher.model import Outcome  # noqa: PLC0415

    policy = board.request.board_policy()
    words_of(board.request.variables.text("regions"))  # a mistyped one is refused before a board is touched
    target = _new_file(board)
    kept: list[Manifest] = []

    def run() -> Outcome:
        session = board.session()
        device = session.connected()
        check_mac(device, policy)
        store = _store(board, device.mac)
        wanted = session.climb(lambda: _regions(board, device))
        manifest = save_regions(session, store, wanted, "asked", about(device.mac))
        kept.append(manifest)
        session.leave()
        if target is not None:
            _write_plain(target, store, manifest)
        return Outcome("backed-up", device, reason=f"backup {manifest.id}", backup=manifest.id)

    board.recorded("backup", run)
    notify(f"backup {kept[0].id} of board {kept[0].mac}: {_told(kept[0])}")


def _new_file(board: BoardRun) -> Path | None:
    text = board.request.variables.text("file")
    if not text:
        return None
    path = board.request.caller / text
    if path.exists() and not board.request.variables.flag("force"):
        raise BadValueError(f"file={text}: is there already", "name another file, or say force=1 to replace it")
    return path


def _regions(board: BoardRun, device: Device) -> list[Region]:
    from flashpipe.flash import Region  # noqa: PLC0415
    from flashpipe.flasher.board_layout import areas_on, resolve, words_of  # noqa: PLC0415

    words = words_of(board.request.variables.text("regions"))
    if device.flash_size is None:
        raise FlashUnknownError(
            f"{device.port}: flash ID {device.flash_id:#08x} is of no known size", "`flashpipe doctor` says more"
        )
    if not words:
        return [Region(0, device.flash_size)]
    link = board.session().link
    known = areas_on(lambda region: link.read(region, lambda _done: None), device.flash_size)
    if {word for word in words if isinstance(word, str)} and board.request.profile_name:
        with suppress(NoImageError):  # then the board's own flash is all that is known
            known = known if any(area.name == "spiffs" for area in known) else board.request.plan().areas
    return resolve(words, known, device.flash_size)


def _store(board: BoardRun, mac: str) -> Store:
    from flashpipe.records.backups import Store  # noqa: PLC0415

    return Store(board.request.backups_folder, mac)


def _write_plain(path: Path, store: Store, manifest: Manifest) -> None:
    """The bytes as they stand in flash, for other programs; one file cannot show a gap."""
    from flashpipe.files import write_atomic  # noqa: PLC0415

    if len(manifest.regions) != 1:
        raise BadValueError(f"file={path.name}: the regions do not touch, and a plain file cannot show a gap")
    write_atomic(path, store.content(manifest, manifest.regions[0]))


def _told(manifest: Manifest) -> str:
    from flashpipe.units import format_size  # noqa: PLC0415

    what = "whole flash" if manifest.whole else ", ".join(str(region) for region in manifest.regions)
    return f"{what}, {format_size(manifest.size)}, taken {manifest.time}" + (
        "" if manifest.complete else ", incomplete"
    )


@board_step
def restore_board(board: BoardRun) -> None:
    """Put a backup or a plain file back, if that is confirmed."""
    from flashpipe.firmware.overrides import Overrides  # noqa: PLC0415
    from flashpipe.flasher.board_layout import words_of  # noqa: PLC0415
    from flashpipe.flasher.restore import choose, restore  # noqa: PLC0415

    policy = board.request.board_policy()
    allow = Overrides(board.request.allowed())
    words = words_of(board.request.variables.text("regions"))

    def run() -> Outcome:
        session = board.session()
        device = session.connected()
        source, told = _source(board, device)
        wish = session.climb(lambda: choose(session, source, words, allow))
        confirm(board, f"overwrites the flash of board {device.mac} with {told}")
        return restore(session, source, wish, policy)

    board.recorded("restore", run)
    board.forget_findings()


def _source(board: BoardRun, device: Device) -> tuple[RestoreSource, str]:
    """What `backup=` names, and how to speak of it."""
    from flashpipe.flasher.restore_source import stored_source  # noqa: PLC0415
    from flashpipe.records.backups import find  # noqa: PLC0415

    name = board.request.variables.text("backup")
    path = board.request.caller / name
    if name and path.is_file():
        return _from_file(board, path, device), f"the file {path.name}"
    if name:
        store, manifest = find(board.request.backups_folder, name)
        if not manifest.complete and not board.request.variables.text("regions"):
            raise BackupMissingError(
                f"backup {manifest.id} was interrupted: it holds {_told(manifest)}",
                "run `backup` again, which continues; or say with regions= what of it to put back",
            )
    else:
        store = _store(board, device.mac)
        manifest = store.newest()
        whole = next((one for one in reversed(store.manifests()) if one.whole), None)
        if whole is not None and not manifest.whole:
            board.say(f"backup {manifest.id} is the newest; {whole.id} holds the whole flash (backup=ID names another)")
    return stored_source(store, manifest), f"backup {manifest.id} of board {manifest.mac} ({_told(manifest)})"


def _from_file(board: BoardRun, path: Path, device: Device) -> RestoreSource:
    from flashpipe.flash import Region  # noqa: PLC0415
    from flashpipe.flasher.board_layout import words_of  # noqa: PLC0415
    from flashpipe.flasher.restore_source import file_source  # noqa: PLC0415

    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    places = [word for word in words_of(board.request.variables.text("regions")) if isinstance(word, Region)]
    at = places[0].start if len(places) == 1 and places[0].size == len(data) else 0
    if not at and len(data) != device.flash_size:
        raise BadValueError(
            f"backup={path.name}: {len(data):,} bytes are not the whole flash of this board",
            "say with regions=START-END where they stood; firmware images are for `flash image=`",
        )
    return file_source(path, data, at, device.flash_size or 0)
