"""What we take of esptool: its loader classes, moving bytes our way, and its resets. Only this module imports it.

esptool's packages import its whole command line, with every chip and rich_click: 0.15 s of CPU, as much as all the rest
of a short command. We need four modules. They are loaded beside those packages, with a logger that says nothing in
place of the one that loads rich (0.02 s), without the configuration that esptool reads from the current folder
(esptool.cfg, setup.cfg, tox.ini: whoever can write there would steer how boards are reset), and leave no trace among
the loaded modules: whoever imports esptool later gets it whole.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

from flashpipe.board.loader.frames import Frames, encode
from flashpipe.values import dataclass

COMMAND_LIMIT_S: Final = 3.0
REST_LIMIT_S: Final = 0.25
"""The other seven answers to a SYNC follow the first at once; where one is lost, the next SYNC is the sooner way."""
ANSWERS_READ: Final = 100
"""Frames read in search of an answer: a ROM may still be sending those to earlier SYNCs."""
_PACKAGES: Final = ("esptool", "esptool.targets")
_BESIDE: Final = frozenset({"esptool", "esp_pylib"})
"""Packages of which nothing stays loaded."""
_loading = threading.Lock()
_loaded: list[EsptoolClasses] = []


@dataclass(frozen=True, slots=True)
class EsptoolClasses:
    """Classes of esptool."""

    rom: Any
    """ESP8266ROM; its `run_stub` gives the loader of the stub."""
    failure: type[Exception]
    """What their methods raise."""
    reset: Any
    """Its module of reset sequences."""
    stub: Any
    """Its class of stub images, which looks for them in the folders that `STUB_SUBDIRS` names, in that order."""

    def stub_image(self, version: int) -> Any:
        """The stub of one version, and of no other.

        Raises:
            esptool.FatalError: this release of esptool has none.
        """
        return type("OneStub", (self.stub,), {"STUB_SUBDIRS": [str(version)]})(self.rom)


def parts() -> EsptoolClasses:
    """What we need of esptool; loaded at first use, once for all threads."""
    with _loading:
        if not _loaded:
            _loaded.append(_quiet(*_load()))
        return _loaded[0]


def chip_of_magic(magic: int) -> str:
    """The chip whose identifying word this is, for people."""
    from esptool.targets import ROM_LIST  # noqa: PLC0415  0.3 s, and only for another chip than ours

    names = [chip.CHIP_NAME for chip in ROM_LIST if chip.USES_MAGIC_VALUE and magic == chip.MAGIC_VALUE]
    return names[0] if names else f"an unknown chip (identifying word {magic:#010x})"


def run_command_line(words: Sequence[str]) -> int:
    """Run esptool's own command line, for what only it can do; returns its exit status.

    Of the current folder nothing configures it: a configuration of the user's own is named by ESPTOOL_CFGFILE.
    """
    os.environ.setdefault("ESPTOOL_CFGFILE", os.devnull)
    from esptool import _main  # noqa: PLC0415  0.3 s, and only for what is not ours

    before, sys.argv = sys.argv, ["esptool", *words]
    try:
        _main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.argv = before
    return 0


def _load() -> tuple[Any, Any, Any]:
    """Esptool's modules for the ESP8266, for reset sequences, and of what all its loaders share."""
    if "esptool" in sys.modules:
        return _modules()
    before = dict(sys.modules)
    try:
        for name in _PACKAGES:
            sys.modules[name] = _unrun(name)
        sys.modules.update(_stand_ins())
        return _modules()
    except (ImportError, AttributeError):  # a release that is built in another way
        _restore(before)
        return _modules()
    finally:
        _restore(before)


def _unrun(name: str) -> Any:
    """A package whose own code has not been run; its modules are found all the same."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(name)
    return importlib.util.module_from_spec(spec)


def _modules() -> tuple[Any, Any, Any]:
    target = importlib.import_module("esptool.targets.esp8266")
    return target, importlib.import_module("esptool.reset"), importlib.import_module("esptool.loader")


class _Mute:
    """A logger that says nothing, whatever it is asked to do."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: None


class _NoSettings:
    """A section of a configuration that sets nothing."""

    def get(self, _name: str, default: Any = None) -> Any:
        """What stands in for a setting."""
        return default

    getfloat = getint = getboolean = get


def _stand_ins() -> dict[str, ModuleType]:
    """What esptool's modules log with and are configured by, for as long as they load."""
    names = ("esptool.config", "esptool.logger", "esp_pylib.logger", "rich.markup")
    made = {name: ModuleType(name) for name in names}
    nothing = {"esptool": _NoSettings()}
    vars(made["esptool.config"]).update(load_config_file=lambda *_args, **_kwargs: (nothing, None))
    vars(made["esptool.logger"]).update(log=_Mute())
    vars(made["esp_pylib.logger"]).update(log=_Mute(), EspLogBase=_Mute)
    vars(made["rich.markup"]).update(escape=str)
    return made


def _restore(before: dict[str, ModuleType]) -> None:
    """Take away what was loaded beside, and put back what was there."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in _BESIDE or name == "rich.markup":
            sys.modules.pop(name)
    sys.modules.update({name: module for name, module in before.items() if name not in sys.modules})


class Quiet:
    """Replaces how esptool's loaders move bytes: nothing is printed or dumped, frames are read in pieces.

    esptool 5 formats a hex dump of every packet even with tracing off: 1.4 s of CPU per MiB.
    """

    _port: Any
    _failure: type[Exception]
    """esptool's own error class, which its methods expect."""
    _frames = Frames()  # replaced by each flush_input, which esptool's constructors call

    def trace(self, message: str, newline: bool = False) -> None:  # noqa: FBT001, FBT002  esptool's signature
        """Say nothing."""

    def write(self, packet: bytes) -> None:
        """Send a packet as a frame."""
        self._port.write(encode(packet))

    def flush_input(self) -> None:
        """Forget what came."""
        self._port.reset_input_buffer()
        self._frames = Frames()

    def read(self, deadline: float | None = None) -> bytes:
        """The next frame, by `deadline` (of the monotonic clock) at the latest."""
        deadline = deadline or time.monotonic() + (self._port.timeout or COMMAND_LIMIT_S)
        while (frame := self._frames.take()) is None:
            if time.monotonic() >= deadline:
                reason = self._frames.missing()
                self._frames = Frames()
                raise self._failure(reason)
            self._frames.feed(self._port.read(self._port.in_waiting or 1))
        return frame

    def command(
        self,
        op: int | None = None,
        data: bytes = b"",
        chk: int = 0,
        wait_response: bool = True,  # noqa: FBT001, FBT002
        timeout: float = COMMAND_LIMIT_S,
    ) -> tuple[int, bytes] | None:
        """Send a request, unless `op` is None, and wait for the answer to it: its value and what follows."""
        before, self._port.timeout = self._port.timeout, timeout if op is not None else min(timeout, REST_LIMIT_S)
        try:
            if op is not None:
                self.write(struct.pack("<BBHI", 0, op, len(data), chk) + data)
            return self._answer_to(op) if wait_response else None
        finally:
            self._port.timeout = before

    def check_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request, give its answer's data; one that lost bytes on its way has no status for esptool to read."""
        try:
            return super().check_command(*args, **kwargs)  # type: ignore[misc]  # the loader's, further down
        except (IndexError, struct.error):
            raise self._failure("the answer was cut short") from None

    def _answer_to(self, op: int | None) -> tuple[int, bytes]:
        # Noise at a wrong rate looks like frames now and then: it must not buy time.
        deadline = time.monotonic() + self._port.timeout
        for _ in range(ANSWERS_READ):
            frame = self.read(deadline)
            if len(frame) >= 8 and frame[0] == 1 and op in {None, frame[1]}:  # noqa: PLR2004  header size
                return int.from_bytes(frame[4:8], "little"), frame[8:]
        raise self._failure("only answers to other commands came")


def _quiet(target: Any, reset: Any, loader: Any) -> EsptoolClasses:
    """ROM and stub classes that move bytes our way, print nothing, and raise esptool's own error class."""
    reset.log.set_verbosity("silent")  # where it is esptool's own; one per process, and we are its only user
    failure = target.FatalError

    class QuietStub(Quiet, target.ESP8266StubLoader):  # type: ignore[misc]
        _failure = failure

        def __init__(self, rom: Any) -> None:
            target.ESP8266StubLoader.__init__(self, rom)

    class Rom(Quiet, target.ESP8266ROM):  # type: ignore[misc]
        _failure = failure
        STUB_CLASS = QuietStub

    return EsptoolClasses(Rom, failure, reset, loader.StubFlasher)
