"""LFS and SPIFFS images that a profile wants made of sources: read, made where that is due, handed to the plan.

Programs run in `make` alone, which is a step of its own; a plan takes what was made of the very same sources, and says
what is due where nothing was. A file system that flashpipe writes itself needs no program: it is made with the plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from flashpipe.errors import BuildDueError, PartFilesError, SpiffsImageError
from flashpipe.files import shortest
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.image import Image
from flashpipe.firmware.placement import lfs_region, spiffs_room
from flashpipe.firmware.spiffs_image import SpiffsFiles, check_name
from flashpipe.flash import SIZE_BYTES
from flashpipe.jobs.lua_files import Compile, listed_files, load_files
from flashpipe.lender import Lender, read_named
from flashpipe.ownership import require_own
from flashpipe.plan.model import Part
from flashpipe.profile.model import Profile
from flashpipe.sources import luac, made, spiffsimg
from flashpipe.sources.file_patterns import files_below, matching_files
from flashpipe.sources.local import place_of
from flashpipe.units import format_size
from flashpipe.values import dataclass

ANY_SIZE: Final = 4 * 1024 * 1024
"""Flash size where only the board knows it: LFS stands behind the code, whatever the size."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes: no flash holds more, so no folder with more is read."""


@dataclass(frozen=True, slots=True)
class PartSources:
    """What a profile's parts are made of."""

    profile: Profile
    project: Path
    standing: Path
    """The folder from which people read paths."""
    folder: Path
    """Where results of programs are kept."""
    places: Callable[[], tuple[Path, ...]]
    """Where the programs of the firmware's build may be: beside its outputs, or its images; once it was built."""
    unit: Mapping[str, str] = field(default_factory=dict)
    """Values that one board gets and no other: what is compiled with them is kept nowhere, for they may be secrets."""

    def files(self) -> list[Path]:
        """Every file that a part is made of, for doit.

        Raises:
            PartFilesError: they cannot be found.
        """
        files = listed_files(self.profile) if self.profile.compiles else []
        compiled = [one.path for one in files if one.compiled]
        return [*self._lua_files().values(), *self._data_files().values(), *compiled]

    def parts(self, images: Mapping[int, Image]) -> dict[str, Part]:
        """The parts for a firmware of these images.

        Raises:
            BuildDueError: a program has to be run first, which `make` does.
            PartFilesError: files that are not there, or cannot be in one image.
            PipelineError: they do not fit the firmware.
        """
        parts: dict[str, Part] = {}
        if not (self.profile.lua_sources or self.profile.spiffs_folder):
            return parts
        firmware = self._firmware(images)
        lfs = self._lfs(firmware)
        if lfs is not None:
            parts["lfs"] = lfs.image(self.folder)
        files = self._spiffs()
        if files is not None:
            program = self._spiffsimg()
            parts["spiffs"] = files
            if program is not None:
                parts["spiffs"] = spiffsimg.made_image(program, files, self._size(files, firmware), self.folder)
        return parts

    def make(self, images: Mapping[int, Image], notify: Callable[[str], None]) -> None:
        """Run what has to be run for `parts`; says what it makes of what.

        Raises:
            PipelineError: as `parts`; or a program fails.
        """
        firmware = self._firmware(images)
        lfs, files = self._lfs(firmware), self._spiffs()
        if lfs is not None and made.find(lfs.recipe, self.folder) is None:
            data = luac.compile_lfs(lfs, firmware, self.folder, lambda path: shortest(path, self.standing))
            notify(f"lfs      {len(data):,} bytes of {len(lfs.files)} Lua files, by {lfs.compiler}")
        if self.profile.compiles and not self.unit:
            self.compile_files(images, notify)
        if files is None:
            return
        notify(f"spiffs   {len(files.files)} files, {_total(files.files):,} bytes, of {files.name}")
        program = self._spiffsimg()
        size = self._size(files, firmware) if program else 0
        if program and made.find(spiffsimg.recipe_of(program, files, size), self.folder) is None:
            spiffsimg.make_image(program, files, size, self.folder)
            notify(f"spiffs   {format_size(size)}, by {program}")

    def compiled(self, images: Mapping[int, Image]) -> Compile:
        """Gives what was made of Lua files for a firmware of these images; those of one unit are compiled now.

        Raises:
            LuaCompilerError: there is no compiler.
        """
        firmware = self._firmware(images)
        program = self._compiler(firmware)
        compiler = cache(partial(luac.examine_for_files, program, firmware))

        def compile_once(name: str, text: bytes) -> bytes:
            with TemporaryDirectory() as folder:
                return luac.compile_file(compiler(), name, text, Path(folder))

        def find(name: str, text: bytes) -> bytes:
            data = made.find(luac.file_recipe(program, name, text), self.folder)
            if data is None:
                raise BuildDueError(f"files: {name} is to be compiled first", BuildDueError.remedy)
            return data

        return compile_once if self.unit else find

    def compile_files(self, images: Mapping[int, Image], notify: Callable[[str], None]) -> None:
        """Compile the profile's Lua files that are to be compiled, and were not yet; says which.

        Raises:
            LuaSyntaxError, LuaCompilerError: as `luac.compile_file`.
        """
        firmware = self._firmware(images)
        program = self._compiler(firmware)
        compiler = cache(partial(luac.examine_for_files, program, firmware))

        def make(name: str, text: bytes) -> bytes:
            data = made.find(luac.file_recipe(program, name, text), self.folder)
            if data is not None:
                return data
            compiler_path = compiler()
            notify(f"compile  {name}, by {program}")
            return luac.compile_file(compiler_path, name, text, self.folder)

        load_files(self.profile, self.project, make, standing=self.standing)

    def _compiler(self, firmware: Firmware) -> Path:
        return self._trusted(luac.find_compiler(self.profile.luac, self.places(), firmware))

    # --- LFS ---------------------------------------------------------------------------------------------------------

    def _lfs(self, firmware: Firmware) -> luac.LfsSources | None:
        lua_sources = self.profile.lua_sources
        if lua_sources is None:
            return None
        paths = self._lua_files()
        luac.module_names(list(paths))
        region = lfs_region("lfs", firmware, self._capacity() or ANY_SIZE)
        compiler = self._compiler(firmware)
        lender = self.profile.lender("firmware.lfs")
        files = {name: _read(path, lender) for name, path in paths.items()}
        return luac.LfsSources(compiler, files, lua_sources.base, region)

    def _lua_files(self) -> dict[str, Path]:
        """Path relative to the profile's folder, as messages have it, to path."""
        lua_sources = self.profile.lua_sources
        if lua_sources is None:
            return {}
        files: dict[str, Path] = {}
        for pattern in lua_sources.patterns:
            try:
                paths = [lua_sources.base / name for name in matching_files(pattern, lua_sources.base)]
            except ValueError as error:
                raise PartFilesError(f"lfs: {pattern!r}: {error}", "correct the pattern") from error
            if not paths:
                raise PartFilesError(f"lfs: {pattern!r} matches no file in {lua_sources.base}", "correct the pattern")
            files |= {Path(os.path.relpath(path, lua_sources.base)).as_posix(): path for path in paths}
        return files

    # --- SPIFFS ------------------------------------------------------------------------------------------------------

    def _spiffs(self) -> SpiffsFiles | None:
        folder = self.profile.spiffs_folder
        if folder is None:
            return None
        paths, name = self._data_files(), f"{folder.folder.name}/"
        for file in paths:
            check_name(file, name)
        lender = self.profile.lender("firmware.spiffs")
        return SpiffsFiles(name, {file: _read(path, lender) for file, path in paths.items()}, folder.size)

    def _data_files(self) -> dict[str, Path]:
        """Name on the board to path; hidden files and folders stay here."""
        folder = self.profile.spiffs_folder
        if folder is None:
            return {}
        if not folder.folder.is_dir():
            raise PartFilesError(f"spiffs: there is no folder {folder.folder}", PartFilesError.remedy)
        files = {path.relative_to(folder.folder).as_posix(): path for path in files_below(folder.folder)}
        size = sum(path.stat().st_size for path in files.values())
        if not files:
            raise PartFilesError(f"spiffs: there is no file in {folder.folder}", "put one there")
        if size > LARGEST:
            raise PartFilesError(
                f"spiffs: {folder.folder} has {format_size(size)}, more than any flash", "name another folder"
            )
        return dict(sorted(files.items()))

    def _spiffsimg(self) -> Path | None:
        folder = self.profile.spiffs_folder
        program = spiffsimg.find_spiffsimg(folder.spiffsimg, self.places()) if folder else None
        return self._trusted(program) if program else None

    def _size(self, files: SpiffsFiles, firmware: Firmware) -> int:
        capacity = self._capacity()
        if files.size is not None:
            return files.size
        if not capacity:
            raise SpiffsImageError(
                f"{files.name}: how large spiffsimg should make it, only the board knows (flash.size: auto)",
                "say `size:`, or `spiffsimg: off`",
            )
        return spiffs_room(files.name, firmware, capacity) // 0x2000 * 0x2000

    # --- both --------------------------------------------------------------------------------------------------------

    def _firmware(self, images: Mapping[int, Image]) -> Firmware:
        return identify_firmware({address: image.data for address, image in images.items()})

    def _capacity(self) -> int:
        """Bytes of the flash; 0 where only the board knows."""
        return SIZE_BYTES.get(self.profile.flash_size, 0)

    def _trusted(self, program: Path) -> Path:
        project = self.project.resolve()
        return require_own(program, project if program.resolve().is_relative_to(project) else None)


def program_places(sources: Mapping[int, tuple[str, Path]], profile: Profile) -> tuple[Path, ...]:
    """Where the programs may be that the build of this firmware made.

    Where it ran, beside what it made and above; then beside the profile.
    """
    folders = [profile.build.folder] if profile.build else []
    for text, base in sources.values():
        path = place_of(text, base)  # None for a URL or a package: nothing is built there
        folders += [path.parent, path.parent.parent] if path else []
    return tuple(dict.fromkeys([*folders, profile.path.parent]))


def _read(path: Path, lender: Lender | None) -> bytes:
    try:
        return read_named(path, LARGEST, lender)
    except OSError as error:
        raise PartFilesError(f"{path}: {error.strerror or error}", PartFilesError.remedy) from error


def _total(files: Mapping[str, bytes]) -> int:
    return sum(map(len, files.values()))
