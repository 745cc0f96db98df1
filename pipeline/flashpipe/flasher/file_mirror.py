"""Removing from a board the files that its profile does not name: they are named, agreed to, and fetched first.

What goes lies in the project's backups before the first name is removed: `backups/<mac>/files/<time>/`, one file each,
its name with `%` for what no file name here can have. Whatever breaks off in between, nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final
from urllib.parse import quote

from flashpipe.board.lua.console import Console
from flashpipe.board.lua.files import TEMPORARY, BoardFiles, LuaFile
from flashpipe.board.lua.node_info import told_mac
from flashpipe.board.session.session import Session
from flashpipe.errors import BackupError, FileDamagedError, KeepError
from flashpipe.files import later_stamp, write_atomic
from flashpipe.foreign_names import shown
from flashpipe.next_steps import Advice, setting
from flashpipe.records import journal
from flashpipe.values import dataclass

FOLDER: Final = "files"
_SAFE: Final = "!#$&'()+,;=@[]^_`{}~"
"""Characters of names on a board that every file system here takes, beside letters, digits and `-._`."""


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """What may go, who is asked, and where it is kept."""

    spared: tuple[str, ...]
    """Patterns of names that stay."""
    ask: Callable[[str], bool] | None
    """Asks a person; None where nobody can be asked."""
    allowed: bool
    """`yes=1`, or `allow=would-lose-data`."""
    backups: Path | None


def others(there: Collection[str], wanted: Collection[str], spared: Collection[str]) -> list[str]:
    """Names on the board that go: neither wanted nor spared, nor on their way to it."""
    return sorted(
        name
        for name in there
        if name not in wanted
        and not name.startswith(TEMPORARY)
        and not any(fnmatchcase(name, pattern) for pattern in spared)
    )


def mirror(
    session: Session, console: Console, files: Sequence[LuaFile], due: Sequence[LuaFile], how: MirrorPolicy
) -> list[str]:
    """Remove what is neither wanted nor spared; the names that are gone.

    Args:
        session: on the board.
        console: at its prompt.
        files: what it shall have.
        due: those of them that are sent then: they have to fit before anything goes.
        how: whom to ask, and where to keep what goes.

    Raises:
        FilesFullError: what is due would not fit; nothing was removed.
        KeepError: nobody agrees; nothing was removed.
        BackupError: nothing keeps what would go; nothing was removed.
        ConsoleError: the board does not answer, or a file does not come whole.
        RecordError: what goes cannot be kept.
    """
    board, wanted = BoardFiles(console, session.baud), {file.name for file in files}
    with session.step("mirror", "looking for files that the profile does not name") as result:
        sizes = board.names()
        gone = others(sizes, wanted, how.spared)
        result.append(f"{len(gone)} to be removed" if gone else "nothing else is on the board")
    if not gone:
        return []
    board.check_room(due, due, sizes, [sizes[name] for name in gone])
    _agree(session, gone, how)
    mac = session.device.mac if session.device else journal.chip_mac(told_mac(console))
    place = _back_up(session, board, {name: sizes[name] for name in gone}, _folder(session, mac, how))
    with session.step("remove", f"removing {len(gone)} file(s)") as result:
        for name in gone:
            session.check_stop()
            board.remove(name)
        result.append(f"{', '.join(map(shown, gone))}; kept in {place}")
    return gone


def _agree(session: Session, gone: list[str], how: MirrorPolicy) -> None:
    text = f"files_mirror removes {len(gone)} file(s) from the board: {', '.join(map(shown, gone))}"
    session.notify(text)
    if how.allowed or (how.ask is not None and how.ask(f"{text}; they are fetched into the backups first")):
        return
    raise KeepError(
        f"{session.port}: {text}",
        Advice("nothing was removed; ", setting(yes="1"), " agrees, `files_mirror_except` spares names"),
    )


def _folder(session: Session, mac: str, how: MirrorPolicy) -> Path:
    """Where the board's files are kept."""
    if how.backups is None or not mac:
        why = "keeps no backups" if mac else "does not know whose files they are: the board does not tell its MAC"
        raise BackupError(f"{session.port}: this run {why}, so nothing is removed", BackupError.remedy)
    return how.backups / mac.replace(":", "") / FOLDER


def fetch(session: Session, board: BoardFiles, sizes: Mapping[str, int], keep: Callable[[str, bytes], None]) -> None:
    """Read files of the board as fast as wire and firmware can, and hand each over.

    Raises:
        FileDamagedError: one does not come whole.
        ConsoleError: the board does not answer.
    """
    total, done = sum(sizes.values()), 0
    with session.step("fetch", f"fetching {len(sizes)} file(s)") as result, session.private():
        with board.faster(total):
            progress = session.progress("fetch")
            for name, size in sizes.items():
                progress(done, total)
                data = board.read(name, size)
                if len(data) != size:
                    raise FileDamagedError(
                        f"{session.port}: {shown(name)} came with {len(data)} of {size} bytes", FileDamagedError.remedy
                    )
                keep(name, data)
                done += size
        result.append(f"{total:,} bytes")


def _back_up(session: Session, board: BoardFiles, sizes: Mapping[str, int], folder: Path) -> Path:
    """Put the files into the backups; where they are."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    place = folder / later_stamp(names)
    fetch(session, board, sizes, lambda name, data: write_atomic(place / _here(name), data))
    return place


def _here(name: str) -> str:
    """What a file of the board is called here: it leads nowhere else, and is hidden from nobody."""
    quoted = quote(name, safe=_SAFE)
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
