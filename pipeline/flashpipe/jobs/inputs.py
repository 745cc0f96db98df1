"""What a run works with: profile, images, the files beside them and the plan, each loaded once and when first needed.

Images and the files that a profile names beside them come by the same ways and are held against the same lock file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from pathlib import Path

from flashpipe.board.ports.names import names_a_file
from flashpipe.errors import LockError, NotLockedError, NotTrustedError, SourceError
from flashpipe.events import Listener, Message, ignore
from flashpipe.firmware.image import Image, check_mode
from flashpipe.firmware.init_data import InitDataPolicy, read_file
from flashpipe.firmware.overrides import Overrides, parse_allowed
from flashpipe.flash import FlashSettings, settings_in
from flashpipe.flasher.model import Origin
from flashpipe.jobs.download_progress import DownloadProgress
from flashpipe.jobs.lua_files import Compile
from flashpipe.jobs.no_image import no_image
from flashpipe.jobs.own_files import require_own_command, require_own_files
from flashpipe.jobs.parts import PartSources, program_places
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.secrets import know_secrets
from flashpipe.jobs.unused_pins import unused_pins
from flashpipe.masking import without_login
from flashpipe.ownership import require_owners
from flashpipe.plan.make import check_kept, make_plan
from flashpipe.plan.model import FlashPlan, Part
from flashpipe.profile.load import load_profile, open_profile, serial_from
from flashpipe.profile.model import Profile, SerialProfile
from flashpipe.profile.search import no_profile
from flashpipe.records.project_folder import make_folder
from flashpipe.sources import pinned
from flashpipe.sources.at_hand import images_at_hand
from flashpipe.sources.build import BUSY_S, Build, Finished, undisturbed, usable_build
from flashpipe.sources.fetch import Access
from flashpipe.sources.lock_file import LOCK_NAME
from flashpipe.sources.pinned import Loaded, Lock
from flashpipe.sources.resolve import parse_image_argument
from flashpipe.values import dataclass


@dataclass
class RunInputs:
    """The inputs of one command line. Threads of several boards share them."""

    command: CommandLine
    listener: Listener = ignore
    """Hears of downloads."""
    pins: bool = True
    """False: what is had for the first time is not pinned; for commands that write nothing."""
    by_hand: bool = False
    """True: outputs of a build that somebody has made by hand count; likewise."""
    unit: Mapping[str, str] = field(default_factory=dict)
    """Values that this board gets and no other, of a station's list of units."""
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _profile: Profile | None = None
    _plan: FlashPlan | None = None
    _images: Mapping[int, Image] = field(default_factory=dict)
    """Those of the plan."""
    _lock_state: str = ""
    """Whether the lock file pins them."""
    _compiled: Compile | None = None
    """Finds what was compiled for the firmware of the plan."""
    _extras: dict[str, Image] = field(default_factory=dict)
    """Files beside the images, by the key of the profile that names them."""

    def __post_init__(self) -> None:
        know_secrets(self.command.project)

    def profile(self) -> Profile:
        """The profile asked for.

        Raises:
            ProfileError: missing, unknown or with mistakes.
        """
        with self._guard:
            if self._profile is None:
                self._profile = self._named() if self.command.profile_name else self._of_image()
                know_secrets(self.command.project, *self._profile.lineage)
            return self._profile

    def _named(self) -> Profile:
        where = self.command.variables.origin.get("profile")
        if where:
            self.listener(Message("", f"profile  {self.command.profile_name} (from {where})"))
        return load_profile(
            self.command.profile_name,
            self.command.project,
            self.command.overrides(),
            caller=self.command.caller,
            note=lambda text: self.listener(Message("", f"note     {text}")),
        )

    def _of_image(self) -> Profile:
        """What an image says of itself, where it is all that was named."""
        if not self.command.image:
            raise no_profile(self.command.project)
        header = self._load().images.get(0)
        return open_profile(settings_in(header.data[:4] if header else b""), self.command.overrides())

    def named_profile(self) -> Profile | None:
        """The profile asked for; None where none was.

        Raises:
            ProfileError: unknown or with mistakes.
        """
        return self.profile() if self.command.profile_name else None

    def serial(self) -> SerialProfile:
        """Port, rate and reset of the profile with the command line's overrides; defaults where no profile is named.

        Raises:
            NotTrustedError: others could have said which file the port overwrites.
            PipelineError: a bad profile or value.
        """
        profile = self.named_profile()
        if profile and not self.command.variables.text("port") and names_a_file(str(profile.serial.port)):
            require_own_files(self.command.project, *profile.lineage)
        return profile.serial if profile else serial_from(self.command.serial_overrides())

    def elf(self) -> Path | None:
        """The ELF that names the addresses of a crash, where the profile names one.

        Raises:
            ProfileError: as `profile`.
        """
        profile = self.named_profile()
        return profile.elf if profile else None

    # --- the plan ----------------------------------------------------------------------------------------------------

    def plan(self) -> FlashPlan:
        """The plan for the profile's, or the command line's, images; touches no port.

        Raises:
            PipelineError: an image that is missing, refused or does not fit.
        """
        with self._guard:
            if self._plan is None:
                self._plan = self._locked_plan()
            return self._plan

    def forget_plan(self) -> None:
        """The images have changed under us: what was planned before holds no longer."""
        with self._guard:
            self._plan = self._compiled = None

    def _locked_plan(self) -> FlashPlan:
        loaded = self._load()
        self._images = loaded.images
        self._lock_state = "pinned" if loaded.old is not None else "not pinned"
        if self.command.variables.flag("locked"):
            pinned.require_pin(loaded)
        plan = self._make_plan(loaded.images)
        # Pinned only now: what the gate refuses must not become what the project insists on.
        if self._pin_if_new(loaded):
            self._lock_state = "pinned now"
        return plan

    def _pin_if_new(self, loaded: Loaded) -> bool:
        if loaded.old is not None or not self.pins or not (loaded.remote or self.profile().lock):
            return False
        pinned.pin(loaded, self._lock(make=True))
        return True

    def _make_plan(self, images: Mapping[int, Image]) -> FlashPlan:
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
            parts=self._parts(images),
        )
        if profile.keep_stated:
            with allow.over():
                check_kept(plan, profile.keep)
        return replace(plan, overridden=tuple(allow.used))

    def allowed(self) -> frozenset[str]:
        """Codes of refusals that the user overrides.

        Raises:
            BadValueError: a word that is no code, or one that cannot be overridden.
        """
        return parse_allowed(self.command.variables.text("allow"))

    def origin(self) -> Origin:
        """Where the images of the plan came from, for the receipt; of a plan that was not made nothing is known."""
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
        return Origin(images, self._lock_state if images else "", self.command.variables.flag("locked"))

    def plan_images(self) -> Mapping[int, Image]:
        """The images of the plan, by address, as they came.

        Raises:
            PipelineError: as `plan`.
        """
        with self._guard:
            self.plan()
            return self._images

    def expects_nodemcu(self) -> bool:
        """Whether the profile's image is NodeMCU, for tasks that do not need it: False where it is not at hand.

        Nothing is downloaded, built or pinned for that.
        """
        if not self.command.profile_name:
            return False
        with self._guard:
            try:
                plan = self._plan or self._make_plan(self._load(at_hand=True).images)
            except (SourceError, LockError, NotTrustedError):
                return False
        return plan.firmware.family == "nodemcu"

    # --- images ------------------------------------------------------------------------------------------------------

    def images(self, *, at_hand: bool = False) -> Mapping[int, Image]:
        """The images by address, as the lock file wants them; nothing is pinned, nor downloaded with `at_hand`.

        Raises:
            SourceError: one cannot be had, or none is named.
            LockError: one is not what was pinned.
        """
        return self._load(at_hand=at_hand).images

    def lock_again(self) -> tuple[list[str], list[str]]:
        """Pin what the sources give now, whatever was pinned: what that changed, by pin; and pins that nobody needs.

        Raises:
            NotLockedError: locked=1.
            PipelineError: an image that is missing, refused or does not fit, or a damaged lock file.
        """
        if self.command.variables.flag("locked"):
            raise NotLockedError(
                "locked=1 forbids what `lock` is for: to change images.lock.yaml", "the same without locked=1"
            )
        loaded = self._load(anew=True)
        self._make_plan(loaded.images)
        pins = [pinned.pin_again(loaded, self._lock(make=True)), *self._lock_extras_again()]
        return pins, [] if self.command.image else [*unused_pins(self.command.project, self._lock().path)]

    def _load(self, *, anew: bool = False, at_hand: bool = False) -> Loaded:
        access = self._access("" if self.command.image else "firmware", offline=at_hand)
        with self._undisturbed(0.0 if at_hand else None):
            loaded = pinned.load(self._sources(), self._lock(), access, anew=anew, build=self.build())
            self._built()  # still what it was: nobody has changed it by hand meanwhile
        return loaded

    def _access(self, key: str, *, offline: bool = False) -> Access:
        """How the files of the profile's `key` are had; with `offline`, or where the user says so, from the cache."""
        offline = offline or self.command.variables.flag("offline")
        lender = self.profile().lender(key if key == "init_data" else "firmware") if key else None
        return Access(offline=offline, progress=DownloadProgress(self.listener), lender=lender)

    def _lock(self, *, make: bool = False) -> Lock:
        """The project's lock file; `make`: with the folder for what guards it while it is written."""
        require_owners(self.command.project / LOCK_NAME, self.command.project)
        folder = make_folder(self.command.folder) if make else self.command.folder
        return Lock(self.command.project, folder / "images.lock", f"`{self.command.lock_command()}` pins it")

    def _sources(self) -> dict[int, tuple[str, Path]]:
        if text := self.command.image:
            base = self.command.image_base
            return {address: (source, base) for address, source in parse_image_argument(text).items()}
        built = self._built()
        if built:
            return built
        sources = self.profile().sources
        if not sources:
            raise no_image(self.command)
        return {source.address: (source.text, source.base) for source in sources}

    # --- the build ---------------------------------------------------------------------------------------------------

    def build(self) -> Build | None:
        """What makes the images; None where they come from elsewhere.

        Raises:
            ProfileError: the profile is missing, unknown or has mistakes.
            NotTrustedError: others could have said what is run.
        """
        build = None if self.command.image else self.profile().build
        if build is not None:
            require_own_files(self.command.project, *self.profile().lineage, build.folder)
            require_own_command(self.command.project, build.command, build.folder)
            self.command.require_own_records()
        return build

    def last_build(self) -> tuple[Build, Finished, bool] | None:
        """The build, its last success, and whether that was made by hand; None where nothing is built.

        Raises:
            BuildDueError: none counts.
        """
        build = self.build()
        if build is None:
            return None
        return build, *usable_build(build, self.command.builds_folder, by_hand=self.by_hand)

    def _built(self) -> dict[int, tuple[str, Path]]:
        """The outputs of the last build, if one makes the images.

        Raises:
            BuildDueError: it does not count.
        """
        last = self.last_build()
        if last is None:
            return {}
        build, done, _ = last
        return {address: (output.path, build.folder) for address, output in done.outputs.items()}

    def _undisturbed(self, wait_s: float | None) -> AbstractContextManager[None]:
        """Nobody builds while the outputs of a build are read."""
        build = self.build()
        if build is None:
            return nullcontext()
        return undisturbed(build, BUSY_S if wait_s is None else wait_s)

    # --- files beside the images -------------------------------------------------------------------------------------

    def init_data(self) -> InitDataPolicy:
        """What shall be done about SDK init data, with the file that the profile names.

        Raises:
            InitDataError: that file holds none.
            SourceError, LockError: as `images`.
        """
        wanted = self.profile().init_data
        image = self._extra("init_data", lambda image: read_file(image.name, image.data))
        data = read_file(image.name, image.data) if image else b""
        return InitDataPolicy(wanted.source, data, wanted.settings, images_at_hand)

    def _parts(self, images: Mapping[int, Image]) -> dict[str, Part]:
        """LFS and SPIFFS of the profile, by area; what they are is judged where they are placed."""
        loaded = {area: self._extra(area, lambda _image: None) for area in ("lfs", "spiffs")}
        sources = self.part_sources()
        made = sources.parts(images) if sources else {}
        return made | {area: image for area, image in loaded.items() if image is not None}

    def compiled(self, name: str, text: bytes) -> bytes:
        """What luac.cross has made of a Lua file for the board.

        Raises:
            PipelineError: nothing yet, which `make_parts` mends; no firmware, or no compiler for it.
        """
        with self._guard:
            if self._compiled is None:
                sources = self.part_sources()
                assert sources is not None
                self._compiled = sources.compiled(self.images())
            return self._compiled(name, text)

    def part_sources(self) -> PartSources | None:
        """What LFS and SPIFFS images are made of here; None where none is, or `image=` replaces the firmware.

        Raises:
            PipelineError: a bad profile, or no build that counts.
        """
        profile = self.profile()
        if self.command.image:  # replaces the whole firmware, but no files
            profile = replace(profile, lua_sources=None, spiffs_folder=None)
        if not (profile.lua_sources or profile.spiffs_folder or profile.compiles):
            return None
        return PartSources(
            profile,
            self.command.project,
            self.command.caller,
            self.command.parts_folder,
            lambda: program_places(self._sources(), profile),
            self.unit,
        )

    def _extra_sources(self) -> dict[str, tuple[str, Path]]:
        """Key of the profile to source text and base folder."""
        profile = self.profile()
        wanted = profile.init_data
        sources = {"init_data": (wanted.source, wanted.base)} if wanted.is_file else {}
        if not self.command.image:
            sources |= {area: (text, base) for area, text, base in profile.parts}
        return sources

    def _extra(self, key: str, check: Callable[[Image], object]) -> Image | None:
        """The file that the profile's `key` names, None where it names none; had, and checked, once.

        Raises:
            PipelineError: `check` refuses it.
            SourceError: it cannot be had.
            LockError: it is not what was pinned, or not pinned and locked=1.
        """
        with self._guard:
            source = self._extra_sources().get(key)
            if source is not None and key not in self._extras:
                loaded = pinned.load({0: source}, self._lock(), self._access(key))
                if self.command.variables.flag("locked"):
                    pinned.require_pin(loaded)
                check(loaded.images[0])  # what is refused must not become what the project insists on
                self._pin_if_new(loaded)
                self._extras[key] = loaded.images[0]
            return self._extras.get(key)

    def _lock_extras_again(self) -> Iterator[str]:
        """Pin what these files' sources give now, whatever was pinned; what that changed, for people."""
        for key, source in self._extra_sources().items():
            loaded = pinned.load({0: source}, self._lock(), self._access(key), anew=True)
            yield pinned.pin_again(loaded, self._lock(make=True))
