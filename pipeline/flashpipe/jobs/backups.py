"""Back up the flash of a board, and put a backup back: what the command line names, looked up and carried out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from flashpipe.board.loader.device import Device
from flashpipe.errors import BackupMissingError, BadValueError, ConfirmationError, RecordError
from flashpipe.files import is_replaceable, read_regular, write_atomic
from flashpipe.firmware.overrides import Overrides
from flashpipe.flasher.backup import about, save_regions
from flashpipe.flasher.board_layout import words_of
from flashpipe.flasher.checks import check_mac
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.flasher.restore import choose, restore
from flashpipe.flasher.restore_source import RestoreSource, file_source, stored_source
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.policy import board_policy
from flashpipe.jobs.regions import named_regions
from flashpipe.next_steps import Advice, setting
from flashpipe.records.backup_index import find, missing
from flashpipe.records.backups import Manifest, Store
from flashpipe.units import format_size

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of the largest flash that an ESP8266 can have."""


def back_up_board(board: BoardRun) -> Manifest:
    """Read the flash, or the regions asked for, into the store.

    Raises:
        BadValueError: `regions=` cannot be read, or `file=` is there already.
        PipelineError: the board cannot be read, or the backup not be stored.
    """
    policy = board_policy(board.inputs)
    words_of(board.command.variables.text("regions"))  # a mistyped one is refused before a board is touched
    target = _new_file(board)
    manifests: list[Manifest] = []

    def run(_record: RunRecord) -> Outcome:
        session = board.session()
        device = session.connected()
        check_mac(device, policy)
        store = _store(board, device.mac)
        wanted, _ = session.retry(lambda: named_regions(board, device))
        if target is not None and len(wanted) != 1:
            raise BadValueError(
                f"file={target.name}: the regions do not touch, and a plain file cannot show a gap",
                "one region for each file; or leave out file=: the backup itself holds them all",
            )
        manifest = save_regions(session, store, wanted, "asked", about(device.mac))
        manifests.append(manifest)
        session.leave()
        if target is not None:
            _write_plain(target, store, manifest)
        return Outcome("backed-up", device, reason=f"backup {manifest.id}", backup=manifest.id)

    board.recorded("backup", run)
    return manifests[0]


def _new_file(board: BoardRun) -> Path | None:
    text = board.command.variables.text("file")
    if not text:
        return None
    path = board.command.caller / text
    if not is_replaceable(path):
        raise BadValueError(f"file={text}: is no regular file", "name another file")
    if path.exists() and not board.command.variables.flag("force"):
        raise BadValueError(
            f"file={text}: is there already", Advice("name another file, or say ", setting(force="1"), " to replace it")
        )
    return path


def _store(board: BoardRun, mac: str) -> Store:
    return Store(board.command.backups_folder, mac)


def _write_plain(path: Path, store: Store, manifest: Manifest) -> None:
    """The bytes as they stand in flash, for other programs."""
    write_atomic(path, store.content(manifest, manifest.regions[0]))


def describe_backup(manifest: Manifest) -> str:
    """What a backup holds, and since when: a few words."""
    what = "whole flash" if manifest.whole else ", ".join(str(region) for region in manifest.regions)
    doubts = [", incomplete"] * (not manifest.complete) + [", not made by you"] * (not manifest.own)
    return f"{what}, {format_size(manifest.size)}, taken {manifest.time}{''.join(doubts)}"


def restore_board(board: BoardRun) -> None:
    """Put a backup or a plain file back, if that is confirmed.

    Raises:
        BadValueError: `regions=` cannot be read.
        ConfirmationError: it is not confirmed.
        PipelineError: there is no such backup, or it could not be put back.
    """
    board.command.require_own_records()
    policy = board_policy(board.inputs)
    allow = Overrides(board.inputs.allowed())
    words = words_of(board.command.variables.text("regions"))

    def run(_record: RunRecord) -> Outcome:
        session = board.session()
        device = session.connected()
        source, what = _source(board, device)
        chosen = words if source.stored or source.whole else ()  # a file of a part stands where they say
        selection = session.retry(lambda: choose(session, source, chosen, allow))
        board.confirm(f"overwrites the flash of board {device.mac} with {what}")
        return restore(session, source, selection, policy)

    board.recorded("restore", run)
    board.forget_findings()


def _source(board: BoardRun, device: Device) -> tuple[RestoreSource, str]:
    """What `backup=` names, and how to speak of it."""
    name = board.command.variables.text("backup")
    path = board.command.caller / name
    if name and os.path.isfile(path):  # noqa: PTH113  a name that is too long is none, where Path raises
        return _from_file(board, path, device), f"the file {path.name}"
    if name:
        store, manifest = find(board.command.backups_folder, name)
        if not manifest.own and not board.command.variables.flag("yes"):
            raise ConfirmationError(
                f"backup {manifest.id} in {store.folder} was not made by you, or not on this machine",
                Advice("say ", setting(yes="1"), " to put it back all the same"),
            )
        if not manifest.complete and not board.command.variables.text("regions"):
            raise BackupMissingError(
                f"backup {manifest.id} was interrupted: it holds {describe_backup(manifest)}",
                "run `backup` again, which continues; or say with regions= what of it to put back",
            )
    else:
        store = _store(board, device.mac)
        manifest = _newest(store)
        whole = next((one for one in reversed(store.manifests()) if one.whole), None)
        if whole is not None and not manifest.whole:
            board.notify(
                f"backup {manifest.id} is the newest; {whole.id} holds the whole flash (backup=ID names another)"
            )
    return stored_source(store, manifest), f"backup {manifest.id} of board {manifest.mac} ({describe_backup(manifest)})"


def _newest(store: Store) -> Manifest:
    """The backup to put back where none is named; what only others have made is told, and has to be named."""
    try:
        return store.newest()
    except BackupMissingError as error:
        foreign = next((one for one in reversed(store.manifests()) if one.complete and not one.own), None)
        if foreign is None:
            raise missing(store.folder.parent, error.message) from error
        raise BackupMissingError(
            f"no backup of board {store.mac} was made by you on this machine; there is {foreign.id} in {store.folder} "
            f"({describe_backup(foreign)})",
            Advice("say ", setting(backup=foreign.id, yes="1"), " to put it back all the same"),
        ) from error


def _from_file(board: BoardRun, path: Path, device: Device) -> RestoreSource:
    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    size, text = device.flash_size or 0, board.command.variables.text("regions")
    if len(data) == size or (not text and len(data) > size > 0):  # of a larger flash: that is told where it is put
        return file_source(path, data, 0, len(data))
    if not text:
        raise BadValueError(
            f"backup={path.name}: {len(data):,} bytes are not the whole flash of this board",
            "say with regions=START-END where they stood; firmware images are for `flash image=`",
        )
    places, _ = board.session().retry(lambda: named_regions(board, device))
    if [place.size for place in places] != [len(data)]:
        named = f"{len(places)} regions" if len(places) > 1 else f"{places[0].size:,} bytes"
        raise BadValueError(
            f"backup={path.name}: {len(data):,} bytes are neither the whole flash of this board nor what "
            f"regions={text} names, {named}",
            "name with regions= the one region that they were read from",
        )
    return file_source(path, data, places[0].start, size)
