"""Many files for a board at once: as blocks of its file system, by the loader, where that is sooner.

Through the console each new file costs a look through the whole file system; by the loader the board has to be
restarted twice. `estimate` reckons both, `put_blocks` writes the files under their temporary names into free blocks
(`firmware.spiffs_blocks`): the file system that is there stays, whatever breaks off. What follows is the same for both
ways: each file is compared by the running firmware, and gets its name last.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import Final

from flashpipe.board.lua.console import Console, find_console
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.node_info import read_room
from flashpipe.board.lua.transfer import FASTEST
from flashpipe.board.session.session import Session
from flashpipe.digests import md5
from flashpipe.errors import PipelineError, PortLostError, SpiffsImageError, StoppedError, VerifyError
from flashpipe.firmware.spiffs import BLOCK, SMALL_BLOCK, FileSystem
from flashpipe.firmware.spiffs_blocks import Occupancy, count_blocks, lookup_page, new_blocks
from flashpipe.firmware.spiffs_image import DATA, PAGE, RESERVE
from flashpipe.firmware.survey import survey
from flashpipe.flash import Region
from flashpipe.flasher.board_peek import BoardPeek
from flashpipe.values import dataclass

MANY: Final = 5
"""Files from which on both ways are looked at: fewer never make up for a restart."""
MARGIN_S: Final = 3.0
"""What it has to be sooner by: a restart is no small thing."""
OPEN_S, OPEN_BLOCK_S = 0.04, 0.00031
"""To begin a new file through the console, and for each block of the file system that is looked at meanwhile."""
BYTE_S: Final = 12e-6
"""For each byte through the console, beside its time on the wire: digest, write, answers."""
RESTART_S: Final = 6.0
"""Into the loader, its stub, and back to the prompt."""
LOOK_S: Final = 0.012
"""To read the look-up of a block."""
ERASE_S: Final = 0.2
"""To erase two sectors, write them and compare their digest, beside the time on the wire."""
"""Measured in the time of a virtual board with executed 1.5.4.1 and 3.0, on 1 and 4 MB; not yet on a real one."""
_FIND_S: Final = 30.0
Room = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that it takes to bring files to a board, in each way."""

    console_s: float
    blocks_s: float

    @property
    def blocks_are_sooner(self) -> bool:
        """Whether it is worth to restart the board for it."""
        return self.blocks_s + MARGIN_S < self.console_s

    def __str__(self) -> str:
        return f"about {self.blocks_s:.0f} s as blocks of the file system, {self.console_s:.0f} s through the console"


def blocks_in(room: Room) -> tuple[int, int]:
    """Blocks of a file system, and bytes of each, by the room that its firmware tells; 0 where no SPIFFS tells that.

    SPIFFS tells the data pages of all blocks but two, and one more (`SPIFFS_info`).
    """
    for block in (BLOCK, SMALL_BLOCK):
        blocks, odd = divmod((room[2] // DATA - 1) if room else 1, block // PAGE - 1)
        if room and not odd and not room[2] % DATA and blocks > 0:
            return blocks + RESERVE, block
    return 0, BLOCK


def estimate(files: Sequence[LuaFile], room: Room, baud: int) -> Estimate:
    """Seconds in each way, for new files of a board whose file system has this room."""
    blocks, block = blocks_in(room)
    byte_s = 10 / min(baud, FASTEST)
    size = sum(len(file.data) for file in files)
    packed = len(zlib.compress(b"".join(file.data for file in files), 1))
    console_s = len(files) * (OPEN_S + OPEN_BLOCK_S * blocks) + size * (BYTE_S + byte_s)
    wanted = count_blocks([len(file.data) for file in files], block)
    return Estimate(console_s, RESTART_S + blocks * LOOK_S + wanted * ERASE_S + min(size, packed) * byte_s)


def bring_by_blocks(
    session: Session, console: Console, files: Sequence[LuaFile], names: Collection[str]
) -> tuple[Console, dict[str, int]] | None:
    """Bring new files to a board as blocks, where that is sooner; both ways are told. None where it is not.

    Returns:
        The board's console then, and names and lengths of what is there.

    Args:
        session: on the board.
        console: at its prompt.
        files: what the board shall get.
        names: what is on it; what lies there under a temporary name is not sent again.

    Raises:
        PipelineError: as `put_blocks`.
    """
    new = [file for file in files if file.temporary not in names]
    room = read_room(console)
    if len(new) < MANY or not session.resets_by_wire or not blocks_in(room)[0]:
        return None
    ways = estimate(new, room, session.baud)
    session.notify(f"{len(new)} files: {ways}")
    if not ways.blocks_are_sooner:
        return None
    after = put_blocks(session, console, new, room)
    board = BoardFiles(after)
    there = board.names()
    unlisted = {name: board.size_of(name) for file in new if (name := file.temporary) not in there}
    return after, {**there, **{name: size for name, size in unlisted.items() if size is not None}}


def put_blocks(session: Session, console: Console, files: Sequence[LuaFile], room: Room) -> Console:
    """Write the files under their temporary names and restart the board; its console.

    Where that cannot be done, nothing was changed, the reason is told, and the console takes them as ever.

    Raises:
        PortLostError, StoppedError: as ever.
        PipelineError: the board does not come back to its prompt.
    """
    try:
        with session.step("blocks", f"writing {len(files)} files into the file system") as result, session.private():
            session.connect()
            there = _look(session, blocks_in(room))
            blocks = new_blocks(there, {file.temporary: file.data for file in files})
            _write(session, blocks)
            result.append(f"{len(blocks)} blocks of the file system")
    except (PortLostError, StoppedError):
        raise
    except PipelineError as error:
        session.notify(f"not as blocks: {error.message}")
    session.restart(console.baud)
    return find_console(session, console.baud, limit_s=_FIND_S, waiting=session.progress("console"))


def _look(session: Session, known: tuple[int, int]) -> Occupancy:
    """The file system of the board, if it is the one that its firmware has told of.

    Raises:
        SpiffsImageError: it is not, or there is none that is known.
    """
    size = session.connected().flash_size
    peek = BoardPeek(session)
    files = survey(peek, size).files if size else None
    if files is None or (files.blocks, files.block) != known:
        raise SpiffsImageError(
            f"its file system is not what its firmware tells: {_told(files)}, want {known[0]} blocks"
        )
    pages = (lookup_page(files, block) for block in range(files.blocks))
    return Occupancy(files, tuple(peek.read(Region(page, page + PAGE)) for page in pages))


def _told(files: FileSystem | None) -> str:
    return "none was found" if files is None else f"{files.blocks} blocks of {files.block} bytes"


def _write(session: Session, blocks: Sequence[tuple[int, bytes]]) -> None:
    progress = session.progress("blocks")
    for number, (address, data) in enumerate(blocks):
        progress(number, len(blocks))
        session.link.write(address, data, lambda _done: None)
        if session.link.md5(Region(address, address + len(data))) != md5(data):
            raise VerifyError(f"the block at {address:#x} does not hold what was written", VerifyError.remedy)
