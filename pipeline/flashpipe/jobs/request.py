"""What one command line asks for: project, profile, images and plan, loaded once and only when needed."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe.errors import (
    LockError,
    NoImageError,
    NotLockedError,
    SourceError,
    UnknownProfileError,
)
from flashpipe.jobs.variables import Variables
from flashpipe.records.project_folder import FOLDER, make_folder
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.session.session import Device
    from flashpipe.firmware.image import Image
    from flashpipe.firmware.inspection import Inspection
    from flashpipe.flasher.model import BootExpectation, Origin, Policy
    from flashpipe.plan.make import FlashPlan
    from flashpipe.profile.load import Profile, SerialProfile
    from flashpipe.sources.build import Build
    from flashpipe.sources.fetch import Access
    from flashpipe.sources.pinned import Loaded, Lock

_OVERRIDES: Final = {
    "port": "serial.port",
    "baud": "serial.baud",
    "reset": "serial.reset",
    "boot": "boot",
    "mode": "flash.mode",
}
"""Variable to the profile key it replaces."""
BOOT_OFF: Final = frozenset({"off", "false", "no", "0"})
BOOT_ON: Final = frozenset({"on", "true", "yes", "1"})
BOOT_WORDS: Final = BOOT_OFF | BOOT_ON | {"auto", "nodemcu", "any"}
"""What `boot=` can say beside a text of the boot log."""
_SERIAL: Final = frozenset({"serial.baud", "serial.reset"})

NO_IMAGE: Final = """ways to get one:
  - nodemcu-build.com builds one in the cloud with the modules you choose, and mails you the link
  - Docker: docker run --rm -v "$PWD":/opt/nodemcu-firmware marcelstoer/nodemcu-build build
  - your own source tree: make, then the files are in bin/ (0x00000.bin and 0x10000.bin)
  - any .bin for ESP8266 that you have
  then: {command} image=FILE   (a split pair: image=0x00000:FILE,0x10000:FILE)"""


@dataclass
class Request:
    """One command line: which project, which profile, which overrides."""

    project: Path
    caller: Path
    """Folder the command was typed in: relative paths on the command line are relative to it."""
    variables: Variables
    guard: threading.RLock = field(default_factory=threading.RLock)
    _profile: Profile | None = None
    _plan: FlashPlan | None = None
    _images: Mapping[int, Image] = field(default_factory=dict)
    """Those of the plan."""
    _pinned: str = ""
    """Whether the lock file pins them."""
    extras: dict[str, Image] = field(default_factory=dict)
    """Files beside the images, by the key that names them (`tasks.extras`)."""
    writes_lock: bool = True
    """False: what is had for the first time is not pinned; for commands that write nothing."""

    @property
    def profile_name(self) -> str:
        """The profile asked for; empty where none was."""
        return self.variables.text("profile")

    @property
    def folder(self) -> Path:
        """The project's `.pipeline` folder; made, with its own .gitignore, on the first write only."""
        return self.project / FOLDER

    @property
    def backups_folder(self) -> Path:
        """Where the backups of boards lie; made by the first one."""
        return self.folder / "backups"

    @property
    def builds_folder(self) -> Path:
        """Where the records and logs of builds lie; made by the first build."""
        return self.folder / "builds"

    def profile(self) -> Profile:
        """The profile asked for.

        Raises:
            ProfileError: missing, unknown or with mistakes.
        """
        with self.guard:
            if self._profile is None:
                from flashpipe.profile.load import load_profile  # noqa: PLC0415  `doit list` needs none

                if not self.profile_name:
                    raise UnknownProfileError(
                        "no profile was named",
                        "say profile=NAME; `flashpipe profiles` lists them, `flashpipe init` writes one",
                    )
                overrides = {key: self.variables.text(name) for name, key in _OVERRIDES.items() if self._says(name)}
                if overrides.get("boot", "off").casefold() not in BOOT_WORDS:
                    overrides["boot.expect"] = overrides.pop("boot")  # a text that the boot log shall hold
                self._profile = load_profile(self.profile_name, self.project, overrides, caller=self.caller)
            return self._profile

    def _says(self, name: str) -> bool:
        # Several ports are several runs: each is put in by its own task.
        return bool(self.variables.text(name)) and name != "port"

    def serial(self) -> SerialProfile:
        """Port, rate and reset of the profile with the command line's overrides; defaults where no profile is named.

        Raises:
            PipelineError: a bad profile or value.
        """
        from flashpipe.profile.load import serial_from  # noqa: PLC0415

        if self.profile_name:
            return self.profile().serial
        return serial_from(
            {key: self.variables.text(name) for name, key in _OVERRIDES.items() if key in _SERIAL and self._says(name)}
        )

    def plan(self) -> FlashPlan:
        """The plan for the profile's, or the command line's, images; touches no port.

        Raises:
            PipelineError: an image that is missing, refused or does not fit.
        """
        with self.guard:
            if self._plan is None:
                self._plan = self._locked_plan()
            return self._plan

    def forget_plan(self) -> None:
        """The images have changed under us: what was planned before holds no longer."""
        with self.guard:
            self._plan = None

    def _locked_plan(self) -> FlashPlan:
        from flashpipe.sources import pinned as locking  # noqa: PLC0415

        loaded = self._load()
        self._images = loaded.images
        self._pinned = "pinned" if loaded.old is not None else "not pinned"
        if self.variables.flag("locked"):
            locking.require_pin(loaded)
        plan = self._make_plan(loaded.images)
        # Pinned only now: what the gate refuses must not become what the project insists on.
        if loaded.old is None and self.writes_lock and (loaded.remote or self.profile().lock):
            locking.pin(loaded, self.lock_file(make=True))
            self._pinned = "pinned now"
        return plan

    def origin(self) -> Origin:
        """Where the images of the plan came from, for the receipt; of a plan that was not made nothing is known."""
        from flashpipe.flasher.model import Origin  # noqa: PLC0415
        from flashpipe.records.receipt import without_login  # noqa: PLC0415

        images = tuple(
            {
                "address": address,
                "name": image.name,
                "source": without_login(image.origin),
                "sha256": image.sha256,
                "size": len(image.data),
            }
            for address, image in sorted(self._images.items())
        )
        return Origin(images, self._pinned if images else "", self.variables.flag("locked"))

    def inspect(self) -> Inspection:
        """What the images of the plan are.

        Raises:
            PipelineError: as `plan`.
        """
        from flashpipe.firmware.inspection import inspect_images  # noqa: PLC0415

        with self.guard:
            self.plan()
            return inspect_images(self._images.items())

    def lock_again(self) -> str:
        """Pin what the images' sources give now, whatever was pinned; returns what that changed.

        Raises:
            NotLockedError: locked=1.
            PipelineError: an image that is missing, refused or does not fit, or a damaged lock file.
        """
        from flashpipe.sources import pinned as locking  # noqa: PLC0415

        if self.variables.flag("locked"):
            raise NotLockedError("locked=1 forbids what `lock` is for: to change images.lock.yaml")
        from flashpipe.jobs.inputs import pin_extras  # noqa: PLC0415

        loaded = self._load(anew=True)
        self._make_plan(loaded.images)
        return "\n".join((locking.pin_again(loaded, self.lock_file(make=True)), *pin_extras(self)))

    def _make_plan(self, images: Mapping[int, Image]) -> FlashPlan:
        from flashpipe.firmware.image import check_mode  # noqa: PLC0415
        from flashpipe.firmware.overrides import Overrides  # noqa: PLC0415
        from flashpipe.flash import FlashSettings  # noqa: PLC0415
        from flashpipe.jobs.inputs import load_parts  # noqa: PLC0415
        from flashpipe.plan.make import check_kept, make_plan  # noqa: PLC0415

        profile = self.profile()
        settings = (
            None
            if profile.flash_size == "auto"
            else FlashSettings(profile.flash_mode, profile.flash_size, profile.flash_frequency)
        )
        allow = Overrides(self.allowed())
        with allow.over():
            check_mode(profile.flash_mode, chip=profile.chip, pins_free=profile.gpio9_10 == "free")
        plan = make_plan(
            profile.name,
            profile.chip,
            settings,
            images,
            mode=profile.flash_mode,
            frequency=profile.flash_frequency,
            erase_all=profile.erase == "all",
            allow=allow,
            parts=load_parts(self),
        )
        if profile.keep_stated:
            with allow.over():
                check_kept(plan, profile.keep)
        return replace(plan, overridden=tuple(allow.used))

    def images(self) -> Mapping[int, Image]:
        """The images by address, as the lock file wants them; nothing is pinned.

        Raises:
            SourceError: one cannot be had, or none is named.
            LockError: one is not what was pinned.
        """
        return self._load().images

    def _load(self, *, anew: bool = False, at_hand: bool = False) -> Loaded:
        from flashpipe.sources import pinned as locking  # noqa: PLC0415

        access = self.access(offline=at_hand)
        with self._undisturbed(0.0 if at_hand else None):
            loaded = locking.load(self._sources(), self.lock_file(), access, anew=anew, build=self.build())
            self._built()  # still what it was: nobody has changed it by hand meanwhile
        return loaded

    def access(self, *, offline: bool = False) -> Access:
        """How files are had from elsewhere; with `offline`, or where the user says so, only from the cache."""
        from flashpipe.jobs.download_progress import Downloads  # noqa: PLC0415
        from flashpipe.sources.fetch import Access  # noqa: PLC0415

        return Access(offline=offline or self.variables.flag("offline"), progress=Downloads())

    def _undisturbed(self, wait_s: float | None) -> AbstractContextManager[None]:
        """Nobody builds while the outputs of a build are read."""
        build = self.build()
        if build is None:
            return nullcontext()
        from flashpipe.sources.build import BUSY_S, undisturbed  # noqa: PLC0415

        return undisturbed(build, BUSY_S if wait_s is None else wait_s)

    def lock_file(self, *, make: bool = False) -> Lock:
        """The project's lock file; `make`: with the folder for what guards it while it is written."""
        from flashpipe.sources.pinned import Lock  # noqa: PLC0415

        words = [f"{name}={shlex.quote(self.variables.given[name])}" for name in ("profile", "image")
                 if name in self.variables.given]  # fmt: skip
        folder = make_folder(self.folder) if make else self.folder
        return Lock(self.project, folder / "images.lock", f"`{' '.join(('flashpipe', 'lock', *words))}` pins it")

    def _sources(self) -> dict[int, tuple[str, Path]]:
        from flashpipe.sources.resolve import parse_image_argument  # noqa: PLC0415

        text = self.variables.text("image")
        if text:
            return {address: (source, self.caller) for address, source in parse_image_argument(text).items()}
        built = self._built()
        if built:
            return built
        sources = self.profile().sources
        if not sources:
            command = f"flashpipe flash profile={self.profile_name}"
            raise NoImageError(f"profile {self.profile_name} names no image", NO_IMAGE.format(command=command))
        return {source.address: (source.text, source.base) for source in sources}

    def build(self) -> Build | None:
        """What makes the images; None where they come from elsewhere.

        Raises:
            ProfileError: the profile is missing, unknown or has mistakes.
        """
        return None if self.variables.text("image") else self.profile().build

    def _built(self) -> dict[int, tuple[str, Path]]:
        """The outputs of the last build, if one makes the images.

        Raises:
            BuildDueError: it does not count.
        """
        build = self.build()
        if build is None:
            return {}
        from flashpipe.sources.build import last_build  # noqa: PLC0415

        done = last_build(build, self.builds_folder)
        return {address: (output.path, build.folder) for address, output in done.outputs.items()}

    def allowed(self) -> frozenset[str]:
        """Codes of refusals that the user overrides.

        Raises:
            BadValueError: a word that is no code, or one that cannot be overridden.
        """
        from flashpipe.firmware.overrides import parse_allowed  # noqa: PLC0415

        return parse_allowed(self.variables.text("allow"))

    def policy(self) -> Policy:
        """What profile and command line say about the run.

        Raises:
            PipelineError: a bad profile or variable.
        """
        from flashpipe.flasher.model import Policy  # noqa: PLC0415
        from flashpipe.jobs.inputs import init_wish  # noqa: PLC0415
        from flashpipe.jobs.lua_policy import lua_wish  # noqa: PLC0415

        for name in ("locked", "offline"):  # used where images are loaded; the values must be readable anywhere
            self.variables.flag(name)
        return Policy(
            boards=self.profile().boards,
            boot=self.boot_wish(),
            force=self.variables.flag("force"),
            trust_journal=self.variables.choice("check", ("md5", "mac")) == "mac",
            lua=lua_wish(self.profile()),
            read_back=self.profile().verify == "read-back",
            allow=self.allowed(),
            keep=self.profile().keep,
            insists=self.profile().keep_stated,
            init_data=init_wish(self),
            project=str(self.project),
            backups=self.backups_folder,
            mode_retry=self.profile().mode_retry,
            rollback=self.profile().rollback,
            fitting=self._fitting,
        )

    def board_policy(self) -> Policy:
        """As `policy`, for tasks that also work on a bare port: without a profile any board will do.

        Raises:
            PipelineError: a bad profile or variable.
        """
        from flashpipe.flasher.model import Policy  # noqa: PLC0415

        if self.profile_name:
            return self.policy()
        return Policy(boot=self.boot_wish(), project=str(self.project), backups=self.backups_folder)

    def boot_wish(self) -> BootExpectation:
        """What counts as a good boot.

        Raises:
            PipelineError: a bad profile or variable.
        """
        from flashpipe.flasher.model import BootExpectation  # noqa: PLC0415

        if self.profile_name:
            boot = self.profile().boot
            return BootExpectation(boot.check, boot.expect, boot.timeout_s)
        text = self.variables.text("boot", "auto")
        return BootExpectation(
            check=text.casefold() not in BOOT_OFF, expect="auto" if text.casefold() in BOOT_ON else text
        )

    def expects_nodemcu(self) -> bool:
        """Whether the profile's image is NodeMCU, for tasks that do not need it: False where it is not at hand.

        Nothing is downloaded, built or pinned for that.
        """
        if not self.profile_name:
            return False
        with self.guard:
            try:
                plan = self._plan or self._make_plan(self._load(at_hand=True).images)
            except (SourceError, LockError):
                return False
        return plan.firmware.family == "nodemcu"

    def _fitting(self, device: Device) -> str:
        return ", ".join(fitting_profiles(self.project, device))


def fitting_profiles(project: Path, device: Device) -> list[str]:
    """Names of the profiles, the project's own first, that fit a device."""
    from flashpipe.flasher.checks import fits  # noqa: PLC0415
    from flashpipe.profile.load import Profile, available_profiles  # noqa: PLC0415

    return [
        entry.name
        for entry in available_profiles(project)
        if isinstance(found := entry.profile, Profile)  # `doit profiles` shows what is wrong with the others
        and not found.is_virtual
        and fits(found.flash_size, found.chip, device)
        and (not found.boards or device.mac in found.boards)
    ]
