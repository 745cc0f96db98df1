"""What a board is and what it should contain, as its profile says: frozen, every value checked."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flashpipe.files import expanded
from flashpipe.lender import Lender
from flashpipe.sources.build import Build
from flashpipe.values import dataclass
from flashpipe.versions import Demand

INIT_WORDS: Final = ("auto", "keep", "v05")
"""What `init_data` can say beside the name of a file."""


@dataclass(frozen=True, slots=True)
class PortMatch:
    """What the adapter must be; an empty field fits any."""

    usb: str = ""
    """VID:PID, four lower-case hex digits each."""
    serial: str = ""
    location: str = ""

    def __str__(self) -> str:
        pairs = (("usb", self.usb), ("serial", self.serial), ("location", self.location))
        return " ".join(f"{name}={value}" for name, value in pairs if value)


@dataclass(frozen=True, slots=True)
class SerialProfile:
    """How the board is reached."""

    port: str | PortMatch = "auto"
    """`auto`, a path, a pyserial URL, or a match."""
    baud: int = 460_800
    """Rate of the write phase, or where the search for a faster one begins."""
    reset: str = "auto"
    """auto, manual, none, or esptool's custom sequence text."""
    auto_baud: bool = False
    """Whether the fastest rate that the line carries is looked for."""


@dataclass(frozen=True, slots=True)
class BootProfile:
    """How the boot is judged."""

    check: bool = True
    """False: the verdict is `not-checked`, and that is no failure."""
    expect: str = "auto"
    """auto, nodemcu, any, or the text to wait for."""
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where one image comes from."""

    address: int
    """Flash address of its first byte."""
    text: str
    """Path, pattern, URL, `github:` or `package:` source, as written."""
    base: Path
    """Folder that a relative path starts from: that of the file which states it, also if inherited."""


@dataclass(frozen=True, slots=True)
class AcceptanceProfile:
    """What the running firmware must be; None or empty: no matter."""

    version: Demand | None = None
    modules: tuple[str, ...] = ()
    floats: bool | None = None
    lfs: int | None = None
    """Bytes, at least."""
    flash_size: int | None = None
    """Bytes."""
    run: Path | None = None
    """A Lua file to be run."""
    prints: str = ""
    """Text that it must print, or a regular expression between slashes."""
    timeout_s: float = 10.0
    """Of the Lua file, and of the program."""
    command: tuple[str, ...] = ()
    """A program that tests the board."""
    folder: Path = Path()
    """Where it runs: that of the profile which names it."""
    limits: tuple[tuple[str, float, float], ...] = ()
    """Name, least and most of what is measured."""


NO_DEMANDS: Final = AcceptanceProfile()


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file for the board, or all that a folder or pattern means."""

    name: str
    """On the board; with `/` at its end, what the names of all of them begin with."""
    text: str
    """Path, folder or pattern, as written."""
    base: Path
    """Folder that it starts from."""
    template: bool = False
    """It has places for values."""
    compiled: bool = False
    """The board gets what luac.cross makes of it, a .lc file."""

    @property
    def path(self) -> Path:
        """What it names here; not expanded where it is a pattern."""
        return (self.base / expanded(self.text)).absolute()


@dataclass(frozen=True, slots=True)
class FileMirror:
    """The board shall hold the profile's files and no others."""

    spared: tuple[str, ...] = ()
    """Patterns of names that stay all the same."""


@dataclass(frozen=True, slots=True)
class InitProfile:
    """What should be done about the SDK's init data."""

    source: str = "auto"
    """auto, keep, v05, or the text of a source of 128 bytes."""
    base: Path = Path()
    """Folder that a relative path in it starts from."""
    settings: tuple[tuple[int, int], ...] = ()
    """Index and value of bytes that are set whatever the source."""

    @property
    def is_file(self) -> bool:
        """Whether `source` names a file."""
        return self.source not in INIT_WORDS


@dataclass(frozen=True, slots=True)
class LuaSources:
    """What an LFS image is compiled from."""

    patterns: tuple[str, ...]
    base: Path
    """Folder that they start from."""


@dataclass(frozen=True, slots=True)
class SpiffsFolder:
    """What a file system is made of."""

    folder: Path
    size: int | None
    """Bytes; None: all the room there is."""
    spiffsimg: str
    """`auto`, `off`, or the path of the program that makes it."""


USUAL_INIT: Final = InitProfile()
"""What is done where a profile says nothing."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a board is and what it should hold."""

    name: str
    path: Path
    about: str
    chip: str
    """esp8266, esp8285, or where no profile was named `flash.ANY_CHIP`."""
    flash_size: str
    """Key of `flash.SIZE_CODES`, or `auto`: the size of the chip found goes into the header."""
    flash_mode: str
    flash_frequency: str
    gpio9_10: str
    """flash, or free: then the q* modes are not to be had."""
    serial: SerialProfile
    sources: tuple[ImageSource, ...]
    """Sorted by address; empty where the profile describes hardware only, or a build makes them."""
    lock: bool
    """Local files and build outputs are pinned too; what lies elsewhere always is."""
    erase: str
    """as-needed or all."""
    keep: tuple[str, ...]
    """Areas to preserve, of spiffs, lfs, wifi, rf."""
    keep_stated: bool
    """True: the profile insists on `keep`. False: it is the default, kept where the layout allows."""
    verify: str
    """md5 or read-back."""
    boot: BootProfile
    mode_retry: bool
    """A boot that fails as a wrong flash mode does is tried in dio and dout, header only."""
    rollback: bool
    """What the board holds is kept, and put back if what was written does not boot."""
    boards: tuple[str, ...]
    """MACs, lower case with colons; any other board is refused. Empty: any board."""
    lineage: tuple[Path, ...]
    """The file and all it extends, nearest first."""
    build: Build | None = None
    """What makes the images, in place of `sources`."""
    acceptance: AcceptanceProfile = NO_DEMANDS
    files: tuple[FileSource, ...] = ()
    """Lua files, sorted by their names on the board."""
    mirror: FileMirror | None = None
    """What of other files on the board goes; None: all of them stay."""
    values: tuple[tuple[str, str], ...] = ()
    """Of templates, by name."""
    elf: Path | None = None
    """What the linker made the firmware from: names the places of crashes."""
    parts: tuple[tuple[str, str, Path], ...] = ()
    """LFS and SPIFFS images: area, source text, folder that a relative path starts from."""
    init_data: InitProfile = USUAL_INIT
    lua_sources: LuaSources | None = None
    """What the LFS image is compiled from, where it is no file."""
    luac: str = "auto"
    """What compiles that and Lua files: `auto`, or the path of the compiler."""
    spiffs_folder: SpiffsFolder | None = None
    """What the SPIFFS image is made of, where it is no file."""
    lenders: tuple[tuple[str, Lender], ...] = ()
    """Keys that another user's profile states, and whose it is."""

    def lender(self, key: str) -> Lender | None:
        """Whose profile states a key, or one below it; None where that is the user's own."""
        return next((one for name, one in self.lenders if f"{name}.".startswith(f"{key}.")), None)

    @property
    def compiles(self) -> bool:
        """Whether files are compiled for the board."""
        return any(source.compiled for source in self.files)

    @property
    def is_virtual(self) -> bool:
        """Whether it is about a board of the simulator, not about hardware."""
        return isinstance(self.serial.port, str) and self.serial.port.startswith("sim://")
