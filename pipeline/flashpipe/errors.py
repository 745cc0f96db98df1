"""Every failure this tool foresees: a stable code, an exit status, one line, and what to do next.

A family (one exit status) is a class; a code is a subclass of it. Tests and scripts rely on `code` and `status`; the
wording may improve. Errors that nobody foresaw are not caught here: they show a traceback, because they are defects.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Protocol

from flashpipe.next_steps import Advice, NextStep, Wording, command, name_file, repeat, setting, steps_of
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flashpipe.flash import Region


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The one cause of a failure, as the rules of `flashpipe.board.diagnosis` found it."""

    rule: str
    """Name of the rule, `unknown`, or the error's code where its message says it all."""
    cause: str
    proof: tuple[str, ...]
    action: str
    told: bool = False
    """The error's own words are the diagnosis: there is nothing to print beside them."""
    certain: bool = True
    """Whether the evidence excludes every other cause."""


class BootVerdict(Protocol):
    """What a failed boot check says of the boot log: the part of a `flashpipe.board.boot.kinds.Verdict` used here."""

    @property
    def kind(self) -> str:
        """Class of the verdict."""

    @property
    def summary(self) -> str:
        """One line for people."""

    @property
    def log(self) -> str:
        """All that the board said."""

    def log_for_people(self) -> str:
        """The same, in which a line stands for each gap."""

    @property
    def baud(self) -> int:
        """Rate at which the last text came; 0: nothing was understood."""


class OtherBytes(Protocol):
    """A file that is not the one that was pinned: the part of what `flashpipe.sources` fetched that is used here."""

    @property
    def data(self) -> bytes:
        """The whole file."""

    @property
    def sha256(self) -> str:
        """Of these bytes, hex."""


class PipelineError(Exception):
    """Base of every foreseen failure: `message` is one line naming the value, `hint` the next action."""

    code: ClassVar[str] = "pipeline"
    status: ClassVar[int] = 1
    """Exit status of `flashpipe` (design: one per family; plain `doit` keeps its own 0 to 3)."""
    remedy: ClassVar[str] = ""
    """What generally cures this code, for the table of errors; `hint` is about the case at hand."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)  # both in args: survives pickling
        self.message, self.hint = message, hint
        self.diagnosis: Diagnosis | None = None
        """Once the evidence was judged: its cause and proof are shown, its action replaces the hint."""

    def add_hint(self, text: str) -> None:
        """Name one more thing to do next, which only whoever knows the run around the failure can know."""
        self.hint = Advice(self.hint, "; ", text) if self.hint else text

    def without(self, port: str) -> str:
        """The message for those who read the port beside it: many begin with it."""
        return without_port(self.message, port)

    @property
    def shown_diagnosis(self) -> Diagnosis | None:
        """The diagnosis, where it says more than the error's own words."""
        return self.diagnosis if self.diagnosis is not None and not self.diagnosis.told else None

    @property
    def action(self) -> str:
        """What to do next: what the diagnosis says, else the hint, else what generally cures it."""
        diagnosis = self.shown_diagnosis
        return (diagnosis.action if diagnosis is not None else "") or self.hint or self.remedy

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        """The steps that `action` names, for programs, and behind them those of the message."""
        return tuple(dict.fromkeys((*steps_of(self.action), *steps_of(self.message))))

    @property
    def headline(self) -> str:
        """What failed, in one line."""
        first, *more = self.message.split("\n")
        return f"{first}{f' (and {len(more)} more)' if more else ''} [code: {self.code}]"

    def __str__(self) -> str:
        diagnosis = self.shown_diagnosis
        lines = [f"{self.message} [code: {self.code}]"]
        if diagnosis is not None:
            lines += [
                f"  cause: {diagnosis.cause} [{diagnosis.rule}]",
                *(f"  proof: {line}" for line in diagnosis.proof),
            ]
        return "\n".join([*lines, *([f"  next: {self.action}"] if self.action else [])])


def without_port(text: str, port: str) -> str:
    """A message, or a result, for those who read its port beside it: many begin with that."""
    return text.removeprefix(f"{port}: ")


def all_codes() -> frozenset[str]:
    """Every code that stands in this module; those of boots stand in the table of `board.boot.kinds`."""
    return frozenset(kind.code for kind in _below(PipelineError))


def remedy_of(code: str) -> str:
    """What helps where that code of this module is told, whatever has caused it."""
    return next((kind.remedy for kind in _below(PipelineError) if kind.code == code), "")


def _below(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    """A kind of failure, and those of this module below it."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == __name__:
            yield from _below(child)


# --- what the user typed ---------------------------------------------------------------------------------------------


class UsageError(PipelineError):
    """A word on the command line is wrong."""

    code, status = "usage", 3
    remedy = "correct the command as the message says; `flashpipe help variables` lists the variables"


class UnknownVariableError(UsageError):
    """`name=value` with a name nobody declared."""

    code = "unknown-variable"
    remedy = "spell the variable as the message suggests"


class UnusedVariableError(UsageError):
    """A variable that none of the tasks named uses: what it was meant for would not happen."""

    code = "unused-variable"
    remedy = "leave it out, or name the task that it is for; `flashpipe help variables` says which"


class BadValueError(UsageError):
    """A variable or option whose value cannot be read."""

    code = "bad-value"
    remedy = "give one of the values that the message lists"


class ConfirmationError(UsageError):
    """Something that destroys data was asked for where nobody can be asked back."""

    code = "not-confirmed"
    remedy: ClassVar[str] = Advice("say ", setting(yes="1"), ", or run it on a terminal and answer")


class NotNamedError(UsageError):
    """A task that writes to boards was reached without being named on the command line."""

    code = "not-named"
    remedy = "name the task: a default must never write to a board"


class VirtualOnlyError(UsageError):
    """Pins, ADC and time are in a test's hands on a virtual board in its own process only."""

    code = "virtual-only"
    remedy = "leave out the port: tests then run on a virtual board; or skip this one: `if board.virtual:`"


class NoCompiledCoreError(UsageError):
    """The virtual board's compiled core was asked for where it cannot be compiled or loaded."""

    code = "no-compiled-core"
    remedy = "install a C compiler, or leave out FLASHPIPE_CORE=c: the core in Python is slower, and does the same"


class UploadError(UsageError):
    """What was dropped onto the page is too large, or is nothing that a board can be given."""

    code = "upload"
    remedy = "drop a firmware file, a pair 0x00000.bin and 0x10000.bin, an archive with one, or a Lua file"


class PageRunningError(UsageError):
    """A page is there already."""

    code = "page-running"
    remedy = "use the page that the message names, or end it with Ctrl-C where it was started"


class NoPageError(UsageError):
    """The page cannot be started."""

    code = "page"
    remedy = "install what the message names, or say another --listen"


# --- profiles --------------------------------------------------------------------------------------------------------


class ProfileError(PipelineError):
    """One or more mistakes in a profile; `message` holds one line for each."""

    code, status = "profile", 10
    remedy = "correct each named line; `flashpipe help keys` explains the keys"


class LuaFileMissingError(ProfileError):
    """A Lua file that the profile or the command line names cannot be read."""

    code = "lua-file-missing"
    remedy = "check the path: in a profile it is relative to the profile's file"


class OutputExistsError(ProfileError):
    """A file that would be written is there already, with other contents."""

    code = "output-exists"
    remedy: ClassVar[str] = Advice("say another name, or ", setting(yes="1"), " to replace it")


class LuaFileNameError(ProfileError):
    """A file of `files` would have a name that the board cannot have, or that another one has."""

    code = "lua-file-name"
    remedy = "rename it: 1 to 31 characters of printable ASCII, without spaces, quotes and backslashes"


class TemplateError(ProfileError):
    """A template wants a value that nothing has, or is wrong."""

    code = "template"
    remedy = (
        "say it in `values:` of the profile, a secret in secrets.yaml or as FLASHPIPE_SECRET_NAME in the environment"
    )


class SecretsError(ProfileError):
    """secrets.yaml is not used: others could read it, git would commit it, or it is wrong."""

    code = "secrets"
    remedy = "chmod 600 secrets.yaml, and a line secrets.yaml in .gitignore"


class UnknownProfileError(ProfileError):
    """No profile of that name in the project or among those shipped."""

    code = "unknown-profile"
    remedy: ClassVar[str] = Advice(command("profiles"), " lists them; ", command("init"), " writes a new one")


# --- where images come from ------------------------------------------------------------------------------------------


class SourceError(PipelineError):
    """An image could not be had."""

    code, status = "image-source", 11
    remedy = "check the path or name in `firmware:` or `image=`"


class NoImageError(SourceError):
    """The profile names no image and neither does the command line."""

    code = "no-image"
    remedy = "image=FILE, or `firmware: {image: FILE}` in the profile; the message lists the ways to get one"


class ImageMissingError(SourceError):
    """The named file, or every file a pattern could match, is absent."""

    code = "image-missing"
    remedy = "check the path; relative paths in a profile are relative to the profile's file"


class ImageAmbiguousError(SourceError):
    """A pattern matches more than one file."""

    code = "image-ambiguous"
    remedy = "narrow the pattern until one file is left"


class PackageMissingError(SourceError):
    """A `package:` source names a package or file that is not installed."""

    code = "package-missing"
    remedy = "install the package with the pip command in the message"


# --- images from elsewhere -------------------------------------------------------------------------------------------


class FetchError(SourceError):
    """A download failed: no connection, a connection that breaks or stalls, a server in trouble."""

    code = "fetch-failed"
    remedy: ClassVar[str] = Advice(
        "check network and proxy (HTTPS_PROXY), ",
        repeat("run it again"),
        ": it continues; ",
        setting(offline="1"),
        " uses an earlier download",
    )


class FetchStatusError(FetchError):
    """The server answered that it will not: not found, not allowed, asks to wait too long."""

    code = "fetch-status"
    remedy = "open the URL in a browser: links of build services expire after days; correct it"
    http_status: int = 0
    """What the server answered; 0 where it did not come to that."""


class FetchCertificateError(FetchError):
    """The server's certificate cannot be verified."""

    code = "fetch-certificate"
    remedy = "set the clock; behind a company proxy REQUESTS_CA_BUNDLE=FILE names its CA certificates"


class FetchInsecureError(FetchError):
    """The bytes would travel unprotected and nothing says what they should be."""

    code = "fetch-insecure"
    remedy = "use https://, or pin the file: http://HOST/FILE#sha256=DIGEST"


class FetchRedirectError(FetchError):
    """Redirects that lead nowhere."""

    code = "fetch-redirect"
    remedy = "name the address that the redirects should end at"


class FetchContentError(FetchError):
    """What was downloaded is no firmware: a login page, an error in JSON, an archive where none was asked for."""

    code = "fetch-content"
    remedy = "open the URL in a browser: it shows what the message names; of an archive name a member, URL!MEMBER"


class FetchSizeError(FetchError):
    """More than any image or archive of images has."""

    code = "fetch-too-large"
    remedy: ClassVar[str] = Advice(name_file("the firmware file itself"))


class FetchMismatchError(FetchError):
    """The bytes are not those that were pinned."""

    code = "fetch-mismatch"
    remedy = "find out why the file changed at its source before you change the digest"
    actual: OtherBytes | None = None
    """What came instead, for whoever explains the difference."""


class FetchBusyError(FetchError):
    """Another process has been downloading the same thing, or building in the same folder, for too long."""

    code = "fetch-busy"
    remedy = "wait for the other flashpipe, or end it"


class OfflineError(FetchError):
    """offline=1, and the cache does not hold it."""

    code = "offline"
    remedy = "run it once without offline=1; `flashpipe cache list` shows what is there"


class ReleaseMissingError(FetchError):
    """GitHub has no such release, or the release no such file."""

    code = "release-missing"
    remedy = "write github:OWNER/REPO@TAG/PATTERN with a tag and a file of its releases page"


class ArchiveError(SourceError):
    """An archive that cannot be used, or is not safe to."""

    code = "archive"
    remedy: ClassVar[str] = Advice("get the archive again, or unpack it yourself and ", name_file("the file"))


class ArchiveMemberError(ArchiveError):
    """No member, or several, fit the name after `!`."""

    code = "archive-member"
    remedy = "write ARCHIVE!MEMBER with one of the names that the message lists"


# --- images that are built -------------------------------------------------------------------------------------------


class BuildError(SourceError):
    """The build command failed, was stopped, or could not be started."""

    code = "build-failed"
    remedy = "the last lines of its output say why; the message names the file with all of it"


class BuildOutputError(BuildError):
    """The command succeeded, and yet an output is not there."""

    code = "build-output"
    remedy = "correct `outputs:` of `firmware.build`, or the command; outputs are relative to `folder:`"


class BuildInputsError(BuildError):
    """A pattern of `inputs:` matches nothing, so changes would go unnoticed."""

    code = "build-inputs"
    remedy = "correct `inputs:` of `firmware.build`, or leave it out: then the command always runs"


class BuildDueError(BuildError):
    """No finished build at hand, or its outputs were changed since."""

    code = "build-due"
    remedy: ClassVar[str] = Advice(
        command("image", "profile=NAME"), " or ", command("flash", "…"), " builds; `flashpipe plan` never does"
    )


class LuaCompilerError(BuildError):
    """No luac.cross is at hand, or it is not the one of this firmware."""

    code = "lua-compiler"
    remedy = "name the luac.cross that the build of this very firmware made: `firmware: {lfs: {luac: PATH}}`"


class LuaSyntaxError(BuildError):
    """A Lua file cannot be compiled."""

    code = "lua-syntax"
    remedy = "correct the line that the message names; a file of that name on the board is what it was"

    def __init__(self, message: str, hint: str = "", *, file: str = "", mistake: str = "") -> None:
        super().__init__(message, hint)
        self.file = file
        """As whoever has compiled it calls it."""
        self.mistake = mistake
        """Where in it, and what: `:3: unexpected symbol near 'x'`."""

    @classmethod
    def of_file(cls, file: str, mistake: str, *, port: str = "") -> LuaSyntaxError:
        """The error of a file, called so in the message; `port`: of the board whose Lua has found it."""
        message = f"{port}: {file}{mistake}" if port else f"{file}{mistake}"
        return cls(message, cls.remedy, file=file, mistake=mistake)


class PartFilesError(BuildError):
    """The files that an LFS or SPIFFS image should be made of are not there, or cannot be one image."""

    code = "part-files"
    remedy = "correct `lua:` or `folder:`, which are relative to the profile's file, or the names of the files"


# --- the lock file ---------------------------------------------------------------------------------------------------


class LockError(PipelineError):
    """The lock file cannot be read, or is none."""

    code, status = "lock", 14
    remedy = "correct the line of images.lock.yaml that the message names, or take the file from version control"


class LockMismatchError(LockError):
    """A source gives other bytes than those that were pinned."""

    code = "lock-mismatch"
    remedy: ClassVar[str] = Advice(
        "if the change is meant: ", command("lock", "profile=NAME"), "; else find out who changed the image"
    )


class NotLockedError(LockError):
    """locked=1, and the lock file would have to change."""

    code = "not-locked"
    remedy: ClassVar[str] = Advice(
        "pin it where that is meant to happen, with ",
        command("lock"),
        ", and commit images.lock.yaml; or leave out locked=1",
    )


# --- images ----------------------------------------------------------------------------------------------------------


class ImageError(PipelineError):
    """The bytes are not something this chip can run from that address."""

    code, status = "image", 12
    remedy = "take another file: this one cannot work on this chip"


class NotAnImageError(ImageError):
    """Not firmware at all: a web page, an archive, text, an empty file."""

    code = "image-format"
    remedy = "download the file again and look at it: it is what the message says it is"


class OtherChipError(ImageError):
    """Firmware for another chip, such as an ESP32."""

    code = "image-other-chip"
    remedy = "get the build for ESP8266"


class ImageTruncatedError(ImageError):
    """The file ends inside a segment or before its checksum."""

    code = "image-truncated"
    remedy = "download or build it again: the file is cut short"


class ImageChecksumError(ImageError):
    """The image's own checksum does not match its segments."""

    code = "image-checksum"
    remedy = "download or build it again: bytes were changed on the way"


class LineEndingsError(ImageError):
    """A transfer in text mode changed the line feeds of a binary file."""

    code = "image-line-endings"
    remedy = "transfer it again in binary mode; in git, '*.bin binary' in .gitattributes"


class LoadAddressError(ImageError):
    """A segment would be loaded outside the ESP8266's RAM."""

    code = "image-load-address"
    remedy = "not an ESP8266 image, or damaged: get it again"


class NotBootableError(ImageError):
    """Cannot be started from the address it is meant for."""

    code = "image-not-bootable"
    remedy = "put at 0x00000 a file whose first byte is E9"


class HeaderlessError(NotBootableError):
    """The second half of a split pair stands at 0x00000."""

    code = "image-headerless"
    remedy = "that is a 0x10000.bin: give the pair, image=0x00000:FILE,0x10000:FILE"


class AggregatedInSplitError(ImageError):
    """One whole (aggregated) file is declared as a part of a split pair."""

    code = "image-aggregated"
    remedy = "use it alone: image=FILE, or `firmware: {image: FILE}`"


class SwappedSplitError(ImageError):
    """The two files of a split pair are exchanged."""

    code = "image-swapped"
    remedy = "exchange the two files"


class IncompleteSplitError(ImageError):
    """The first file of a split pair stands alone."""

    code = "image-incomplete"
    remedy = "give the second file too: image=0x00000:FILE,0x10000:FILE"


class ImageAddressError(ImageError):
    """A file stands at another flash address than the one that it was linked for."""

    code = "image-address"
    remedy: ClassVar[str] = Advice(
        "put the file at the address that the message names; ", setting(allow="image-address"), " if its bytes mislead"
    )


class MixedBuildsError(ImageError):
    """The files of a split pair come from two builds."""

    code = "image-mixed"
    remedy = "take both files from the same build"


class ImageSizeError(ImageError):
    """The firmware needs a larger flash than this board has."""

    code = "image-too-large"
    remedy = "choose a smaller build or a board with more flash; for 512 KB: NodeMCU branch 1.5.4.1-final"


class FirmwareLayoutError(ImageError):
    """The firmware's own partition table does not fit the flash it would run on."""

    code = "image-layout"
    remedy = "a build with smaller or other partitions, or a board with more flash; after a dump: its own flash size"


# --- plans -----------------------------------------------------------------------------------------------------------


class PlanError(PipelineError):
    """The images are fine, the layout is not."""

    code, status = "plan", 13
    remedy = "change the addresses or the profile as the message says"


class PlanOverlapError(PlanError):
    """Two segments need the same flash sector."""

    code = "plan-overlap"
    remedy = "move one of them to the next free sector, which the message names"


class PlanAlignmentError(PlanError):
    """A segment does not begin at a sector boundary."""

    code = "plan-unaligned"
    remedy = "use an address that is a multiple of 0x1000"


class PlanBoundsError(PlanError):
    """A segment runs past the end of the profile's flash."""

    code = "plan-too-large"
    remedy = "choose a smaller image, or the profile of the board's real size"


class KeepError(PlanError):
    """What the profile's `keep` names cannot be kept."""

    code = "would-lose-data"
    remedy: ClassVar[str] = Advice(
        "take out of `keep:` what the message names; or ", setting(allow="would-lose-data"), ": it is backed up then"
    )


class HeaderSizeError(PlanError):
    """A firmware that can live with no flash size that fits the board's in its header."""

    code = "header-size"
    remedy = "a build for the flash that is there, which the message names"


class FlashModeError(PlanError):
    """A flash mode that this chip, its flash part or the wiring cannot do."""

    code = "flash-mode"
    remedy: ClassVar[str] = Advice(
        "ESP8285: ",
        setting(mode="dout"),
        "; GPIO9/10 in use, or a part without quad commands: ",
        setting(mode="dio"),
        " or ",
        setting(mode="dout"),
    )


class LfsImageError(PlanError):
    """What `firmware.lfs` names is no LFS image, or none for this firmware and place."""

    code = "lfs-image"
    remedy = "build it with the luac.cross of this very firmware, with -a for the address that the message names"


class LfsPartitionError(PlanError):
    """The firmware's partition table has no room for an LFS image, or too little."""

    code = "lfs-partition"
    remedy = "build the firmware with an LFS size that the image fits, or put less into the image"


class SpiffsImageError(PlanError):
    """What `firmware.spiffs` names is no SPIFFS image, or does not fit."""

    code = "spiffs-image"
    remedy = "make it with spiffsimg in a size that the message names; NodeMCU: 8 KB blocks, 256-byte pages"


class SpiffsFullError(SpiffsImageError):
    """The files of `firmware.spiffs` do not fit the file system."""

    code = "spiffs-full"
    remedy = "take files out of the folder, or give the file system more room: `size:`, or a larger `flash.size`"


class SpiffsNameError(SpiffsImageError):
    """A file of `firmware.spiffs` has a name that no file on the board can have."""

    code = "spiffs-name"
    remedy = "rename it: 1 to 31 bytes, folders within the folder included"


class ExportError(PlanError):
    """The plan cannot be written as files for other tools."""

    code = "export"
    remedy = "say the flash size in the profile, and a folder: to=DIR"


class InitDataError(PlanError):
    """The board needs SDK init data and none is at hand, or the file named is none."""

    code = "init-data"
    remedy = "init_data: FILE with the SDK's 128 bytes (esp_init_data_default_v05.bin), or init_data: keep"


# --- ports -----------------------------------------------------------------------------------------------------------


class PortError(PipelineError):
    """The serial port could not be used."""

    code, status = "port", 20
    remedy: ClassVar[str] = Advice(command("ports"), " lists what is there")


class NoPortError(PortError):
    """No serial port was found, or the named one does not exist."""

    code = "port-missing"
    remedy: ClassVar[str] = Advice(
        "plug the board in with a data cable; ", command("ports"), "; port=/dev/ttyUSB0 or port=COM3"
    )


class PortAmbiguousError(PortError):
    """Several ports fit and none of them was chosen."""

    code = "port-ambiguous"
    remedy = "port=NAME with one of the names listed"


class PortBusyError(PortError):
    """Another process holds the port."""

    code = "port-busy"
    remedy = "close the program that the message names (a serial monitor, mostly)"


class PortDeniedError(PortError):
    """The operating system does not let this user open the port."""

    code = "port-denied"
    remedy = "join the group with the command in the message, then log in again"


class HostNotReadyError(PortError):
    """`doctor` found something on this machine that keeps a board from being flashed."""

    code = "host-not-ready"
    remedy: ClassVar[str] = Advice("type the commands that `doctor` printed, then ", repeat("run it again"))


class PortLostError(PortError):
    """The port went away while in use."""

    code = "port-lost"
    remedy: ClassVar[str] = Advice(
        "check cable and hub, plug in again, ", repeat("run the same command again"), ": it continues"
    )


# --- connecting ------------------------------------------------------------------------------------------------------


class ConnectError(PipelineError):
    """The port is open, the chip did not answer."""

    code, status = "no-answer", 21
    remedy = "GPIO0 low while it resets, data cable, RX/TX not swapped, 3.3 V supply"


# --- the board is not the right one ----------------------------------------------------------------------------------


class DeviceError(PipelineError):
    """The board that answered is not the board the profile describes."""

    code, status = "board", 22
    remedy: ClassVar[str] = Advice("use the profile that fits: ", command("identify"), " names it")


class WrongChipError(DeviceError):
    """Another chip, or an ESP8285 where an ESP8266 is declared."""

    code = "wrong-chip"
    remedy = "use the profile that the message names"


class WrongBoardError(DeviceError):
    """The MAC is not among the profile's `boards`."""

    code = "wrong-board"
    remedy = "plug in the right board, or add its MAC to `boards:`"


class FlashSizeError(DeviceError):
    """Real flash size, profile and image header do not agree."""

    code = "wrong-flash-size"
    remedy = "use the profile that the message names, or `flash: {size: auto}`"


class ForeignBoardError(DeviceError):
    """A station has been given a board that holds something, and nobody has said that it may be overwritten."""

    code = "foreign-board"
    remedy = "take the right board; or press the key of the port: then it is overwritten, and its data backed up"

    def __init__(self, message: str, hint: str = "", *, holds: str = "") -> None:
        super().__init__(message, hint)
        self.holds = holds
        """The firmware that is on it, or its kind."""


class PartDiffersError(DeviceError):
    """A board has another flash part, or another size of it, than the first board of its batch."""

    code = "part-differs"
    remedy = "set it aside and ask who bought them; or press the key of the port: then it is taken as it is"


class MacTwiceError(DeviceError):
    """A station has boards of the same MAC on two ports at once."""

    code = "mac-twice"
    remedy = "set both boards aside and ask who bought them: each chip has a MAC of its own, these are copies"


class TooManyTriesError(DeviceError):
    """A board has failed in this batch as often as the station allows."""

    code = "too-many-tries"
    remedy = "set it aside for repair; or press the key of the port for one more try"


class FlashProtectedError(DeviceError):
    """The flash part refuses to be written."""

    code = "flash-protected"
    remedy: ClassVar[str] = Advice(
        "pull its WP pin high, cut the power, and ",
        repeat("run it again"),
        "; some parts need their maker's tool to clear the bits",
    )


class FlashUnknownError(DeviceError):
    """The flash chip does not answer or has an unknown size."""

    code = "flash-unknown"
    remedy: ClassVar[str] = Advice(
        "check supply and GPIO6 to GPIO11; give the real size in the profile with ", setting(allow="flash-unknown")
    )

    def __init__(self, message: str, hint: str = "", *, silent: bool = False) -> None:
        super().__init__(message, hint)
        self.silent = silent
        """The part gave no ID at all."""


# --- reading and writing ---------------------------------------------------------------------------------------------


class WireDamage(str, Enum):
    """What a failed exchange shows of the line."""

    NONE = ""
    BYTES = "bytes"
    """Bytes were lost or changed, and a loader that is alive said so or sent them."""
    FRAME = "frame"
    """An answer stopped in its middle: lost bytes, or a chip that reset itself."""


class WireError(PipelineError):
    """The conversation with the loader broke down."""

    code, status = "wire", 23
    remedy: ClassVar[str] = Advice(repeat("run the same command again"), ": it continues; lower baud= if it recurs")

    def __init__(
        self, message: str, hint: str = "", *, damage: WireDamage = WireDamage.NONE, stub_silent: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.damage = damage
        self.stub_silent = stub_silent
        """It broke while the flasher stub was being started."""


class FlashReachError(WireError):
    """The loader does not reach the part of the flash beyond 4 MB."""

    code = "flash-reach"
    remedy: ClassVar[str] = Advice(
        "ESPTOOL_STUB_VERSION=1 takes a stub that reaches it; without a reset wire: ", setting(reset="manual")
    )


class WriteError(WireError):
    """The loader refused or failed an erase or a write."""

    code = "write-failed"
    remedy: ClassVar[str] = Advice(repeat("run it again"), " at ", setting(baud="115200"), "; check the 3.3 V supply")


class VerifyError(PipelineError):
    """What stands in flash is not what was sent."""

    code, status = "verify-failed", 24
    remedy: ClassVar[str] = Advice(
        "check supply and flash; ", setting(baud="115200"), "; the message names the first bad region"
    )

    def __init__(self, message: str, hint: str = "", *, region: Region | None = None) -> None:
        super().__init__(message, hint)
        self.region = region
        """Where the flash differs first."""


class AuditError(PipelineError):
    """A board is not what its records say."""

    code, status = "audit", 25
    remedy = "the message says what differs, and from which receipt"


class NoReceiptError(AuditError):
    """Nothing on record says what the board holds."""

    code = "no-receipt"
    remedy = "flash or restore the board from this project once; its receipt is what an audit compares with"


class DriftError(AuditError):
    """The firmware on the board is not what the receipt says was written."""

    code = "drift"
    remedy: ClassVar[str] = Advice(command("flash"), " writes what differs; find out who changed it")


# --- booting ---------------------------------------------------------------------------------------------------------


class BootError(PipelineError):
    """The board was written and verified, but does not run as expected. Each kind has its own: `boot.kinds.ERRORS`."""

    code, status = "boot-failed", 30
    remedy: ClassVar[str] = Advice(command("monitor"), " shows what it says; ", setting(boot="off"), " skips the check")

    def __init__(self, message: str, hint: str = "", verdict: BootVerdict | None = None) -> None:
        super().__init__(message, hint)
        self.verdict = verdict
        """What the boot log proved; None where the board was not listened to."""


class BootUnexpectedError(BootError):
    """Something runs, but not what the profile expects."""

    code, status = "boot-unexpected", 34
    remedy = "check `boot: {expect: …}` in the profile against what the board said"


# --- what runs is asked ----------------------------------------------------------------------------------------------


class AcceptanceError(PipelineError):
    """The firmware runs, and is not what the profile's `acceptance` demands."""

    code, status = "acceptance", 35
    remedy: ClassVar[str] = Advice(
        "flash another build, or correct `acceptance:`; ", command("node"), " shows what the firmware says of itself"
    )

    def __init__(self, message: str, hint: str = "", *, found: str = "") -> None:
        super().__init__(message, hint)
        self.found = found
        """What was found, without the port; empty where the message says no more than the code does."""


class AcceptanceUnknownError(AcceptanceError):
    """A demand that this firmware gives no answer to."""

    code = "acceptance-unknown"
    remedy = "leave that demand out of `acceptance:`, or take a build that answers it"


class AcceptanceOutputError(AcceptanceError):
    """The Lua file of `acceptance.run` did not print what it should."""

    code = "acceptance-output"
    remedy = "`flashpipe lua file=FILE` shows what the file prints"


class AcceptanceCommandError(AcceptanceError):
    """The shop's own test jig, `acceptance.command`, does not say yes."""

    code = "acceptance-command"
    remedy = "the jig's last line says why; it is run with FLASHPIPE_PORT, FLASHPIPE_MAC and FLASHPIPE_UNIT"


class AcceptanceLimitError(AcceptanceError):
    """A measured value is out of its limits."""

    code = "acceptance-limit"
    remedy = "set the board aside, or correct `acceptance: {limits: …}`"


class LfsNotLoadedError(AcceptanceError):
    """The firmware does not load the LFS image that was written for it."""

    code = "lfs-not-loaded"
    remedy = "compile it with the luac.cross of this very firmware's build: its options are part of the image"


class SpiffsFormattedError(AcceptanceError):
    """The firmware formatted the file system that was written for it: its files are gone."""

    code = "spiffs-formatted"
    remedy = "let flashpipe make the image (`spiffs: {folder: …, spiffsimg: off}`); your own build may look elsewhere"


class MonitorFailedError(BootError):
    """`monitor` has seen what `fail=` names."""

    code, status = "monitor-failed", 39
    remedy = "read the lines before it; the log of the monitor holds them (log=FILE)"


class MonitorTimeoutError(BootError):
    """What `until=` names did not come in time."""

    code, status = "monitor-timeout", 39
    remedy: ClassVar[str] = Advice(
        "a longer timeout=, another baud=, or ", command("boot"), ", which resets the board and judges its log"
    )


class ConsoleError(PipelineError):
    """The Lua console does not answer as it should."""

    code, status = "lua-console", 36
    remedy: ClassVar[str] = Advice(
        command("monitor"),
        " shows what the board says; if its init.lua uses the UART, or lets the board sleep, ",
        command("files", rescue="1"),
        " puts it aside",
    )


class NoLuaPromptError(ConsoleError):
    """No Lua prompt at any rate."""

    code = "no-lua-prompt"
    remedy: ClassVar[str] = Advice(
        command("boot"),
        " says what runs on the board; Lua needs NodeMCU at its prompt: ",
        command("flash"),
        " writes it",
    )


class LuaFailedError(ConsoleError):
    """Lua code raised an error."""

    code = "lua-error"
    remedy = "correct the Lua file at the line that the message names"


class LuaTimeoutError(ConsoleError):
    """A Lua file did not come to its end in time."""

    code = "lua-timeout"
    remedy: ClassVar[str] = Advice(
        Wording(
            "give it longer: `timeout=30m`; a file that sets timers up and ends is listened to by `wait=30m`",
            "let it set up timers and end, and open the console: there is what they print",
        )
    )


class FilesFullError(ConsoleError):
    """The file system of the board has no room for the profile's files."""

    code = "files-full"
    remedy: ClassVar[str] = Advice(
        command("files"), " lists what is there; remove files, or ", command("format"), " (it removes all)"
    )


class BoardFileSystemError(ConsoleError):
    """The board's file system is damaged, or there is none."""

    code = "file-system"
    remedy: ClassVar[str] = Advice(
        command("backup"), " keeps what is there, then ", command("format"), " makes a new one; all files are lost"
    )


class BoardFileMissingError(ConsoleError):
    """The board has no file of that name."""

    code = "board-file-missing"
    remedy: ClassVar[str] = Advice(command("files"), " lists what is there")


class EditorError(ConsoleError):
    """A file of the board cannot be edited here, or what came of it was not put back."""

    code = "editor"
    remedy = "EDITOR names an editor that ends when its file is closed, such as `nano` or `code --wait`"


class EditConflictError(EditorError):
    """The board has changed a file while it was edited here."""

    code = "edit-conflict"
    remedy = "compare both; `flashpipe files put FILE as=NAME` replaces what the board has"


class StartFileError(ConsoleError):
    """The board does not survive its init.lua."""

    code = "init-lua"
    remedy: ClassVar[str] = Advice(
        "correct init.lua; ",
        command("files", rescue="1"),
        " renames the one on the board, where a prompt shows before it fails",
    )


class FileDamagedError(ConsoleError):
    """A file did not arrive as it was sent."""

    code = "file-damaged"
    remedy: ClassVar[str] = Advice(
        repeat("run it again"), "; if it recurs, check supply and flash, and that init.lua leaves the UART alone"
    )


class RolledBackError(BootError):
    """The new firmware does not run; the board was put back, and runs as before."""

    code, status = "rolled-back", 37
    remedy = "the message says what the new firmware did; the board runs what it ran before"


class RollbackFailedError(RolledBackError):
    """The new firmware does not run, and what the board held before does not either, or could not be put back."""

    code = "rollback-failed"
    remedy: ClassVar[str] = Advice("fix what the message names, then ", command("restore"), ": the backup is kept")


class BoardRestartedError(ConsoleError):
    """The board restarted while it ran Lua code of ours."""

    code = "board-restarted"
    remedy = "the message says why; code that keeps the processor for seconds has to call `tmr.wdclr()` or end"

    def __init__(self, message: str, hint: str = "", verdict: BootVerdict | None = None) -> None:
        super().__init__(message, hint)
        self.verdict = verdict
        """What its last words proved."""


class LuaTestError(PipelineError):
    """Tests in Lua have failed."""

    code, status = "lua-test", 31
    remedy = "read what the failed tests say; `flashpipe test FILE` runs one file alone"


# --- simulating a firmware -------------------------------------------------------------------------------------------


class SimulationError(PipelineError):
    """An image was run on the virtual board, and did not do what was asked for."""

    code, status = "simulation", 38
    remedy = "read what the firmware said; `--trace` shows what it did"


class SimulationFailedError(SimulationError):
    """The firmware said what `fail=` names, stands still, or starts again and again."""

    code = "simulation-failed"
    remedy = "the firmware said what fail= names: read what it said before"


class SimulationTimeoutError(SimulationError):
    """The firmware never said what `until=` names."""

    code = "simulation-timeout"
    remedy = "give it more board time with timeout=, or look at what it said instead"


class NotEmulatedError(SimulationError):
    """The firmware uses something that the virtual board does not have."""

    code = "not-emulated"
    remedy = "unmapped=warn goes on without it; tell us which firmware needs it"


# --- batches and stations --------------------------------------------------------------------------------------------


class StationError(PipelineError):
    """A station cannot begin, or cannot go on with its batch."""

    code, status = "station", 43
    remedy = "correct what the message names, and start the station again: it goes on with its batch"


class NoBatchError(StationError):
    """There is no batch of that name."""

    code = "no-batch"
    remedy = "`flashpipe batch list` names them; `flashpipe station profile=NAME batch=NAME` begins one"


class BatchClosedError(StationError):
    """A batch is closed: its manifest is written."""

    code = "batch-closed"
    remedy = "begin another one: batch=NEW"


class BatchMismatchError(StationError):
    """A manifest and what it speaks of are not the same."""

    code = "batch-mismatch"
    remedy = "the message names what differs; put the receipts back as they were, or find out who changed them"


class UnitsError(StationError):
    """The list of units cannot be used."""

    code = "units"
    remedy = "correct the line that the message names; save it as CSV in UTF-8, with commas"


class UnitsUsedUpError(UnitsError):
    """Every unit of the list has its board."""

    code = "units-used-up"
    remedy = "add lines to the list of units; the station sees them at the next try"


class LabelError(StationError):
    """A template of labels is wrong."""

    code = "label-template"
    remedy = "correct the field that the message names; it lists the fields that there are"


class PrinterError(StationError):
    """A label could not be printed."""

    code = "printer"
    remedy = "switch the printer on; the labels that are missing follow by themselves"


# --- boards of other machines ----------------------------------------------------------------------------------------


class LabError(PipelineError):
    """A lab's coordinator, or what it says, cannot be used."""

    code, status = "lab", 44
    remedy = "labgrid 26 is what is understood; `labgrid-client places` shows what it knows"


class NoLabClientError(LabError):
    """There is no `labgrid-client` here."""

    code = "labgrid-missing"
    remedy = "install labgrid in an environment of its own, and name it: FLASHPIPE_LABGRID_CLIENT=…/bin/labgrid-client"


class NoCoordinatorError(LabError):
    """The coordinator does not answer."""

    code = "no-coordinator"
    remedy = "LG_COORDINATOR=HOST:PORT names it; is it running, and can it be reached from here?"


class NoPlaceError(LabError):
    """The coordinator knows no such place, or none with these tags."""

    code = "place-missing"
    remedy = "`flashpipe lab places` lists them, with their tags"


class PlaceTakenError(LabError):
    """Somebody else has the place."""

    code = "place-taken"
    remedy = "port_wait=10m waits for it in a reservation; or ask whoever the message names to release it"


class ExporterGoneError(LabError):
    """The place is there, but nothing of what belongs to it."""

    code = "exporter-gone"
    remedy = "start labgrid-exporter on the host of the board; `labgrid-client -p PLACE show` shows what is missing"


class PlaceUnfitError(LabError):
    """Which serial port of a place is meant is not clear, or it cannot be reached."""

    code = "place-unfit"
    remedy = "name the resource: port=labgrid://PLACE/NAME; `labgrid-client -p PLACE show` lists them"


class HostFileError(LabError):
    """The file that says which boards a host serves is wrong."""

    code = "host-file"
    remedy = "correct the line that the message names; `flashpipe host init` writes a new one"


class HostListenError(LabError):
    """A host cannot listen where it should."""

    code = "host-listen"
    remedy = "end the program that has the address, or give the board another one: tcp: in the host's file"


class HostCheckError(LabError):
    """A port of a host does not do what it should, seen from outside."""

    code = "host-check"
    remedy = "each port that failed is named above, with the cause"


# --- our own files and the run itself --------------------------------------------------------------------------------


class RecordError(PipelineError):
    """A journal, receipt or other record could not be read or written."""

    code, status = "record", 40
    remedy = "free disk space or fix the permissions of the folder that the message names"


class SystemLimitError(PipelineError):
    """This machine, or a limit that was set for this user, gives no more memory, files, threads or space, or no way."""

    code, status = "system-limit", 42
    remedy = "raise the limit that the message names, or end other programs; nothing is wrong with the board"


class NotTrustedError(PipelineError):
    """A folder or file that others can change, where what it says would steer the run."""

    code, status = "not-trusted", 15
    remedy = "work in a folder of your own; or, if you trust all who can change it, `flashpipe trust DIR`"


class BackupError(PipelineError):
    """A backup cannot be made or used."""

    code, status = "backup", 41
    remedy: ClassVar[str] = Advice(
        repeat("run it again"),
        ": what was read is kept and not read twice; ",
        setting(baud="115200"),
        " where the line is bad",
    )


class BackupMissingError(BackupError):
    """There is no such backup."""

    code = "backup-missing"
    remedy: ClassVar[str] = Advice(command("backup"), " makes one; backup=ID or backup=FILE names another")


class BackupDamagedError(BackupError):
    """A stored backup is no longer what was stored."""

    code = "backup-damaged"
    remedy = "take another backup; the message names the file that was changed"


class StoppedError(PipelineError):
    """The person or the system asked us to stop (Ctrl-C, SIGTERM)."""

    code, status = "stopped", 130
    remedy: ClassVar[str] = Advice(repeat("run the same command again"))
