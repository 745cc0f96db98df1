"""From the name of a profile to a `Profile`: its file, what it extends, and values from the command line on top.

A profile may extend another. The keys of the nearer file win one by one, except that `firmware`, `serial.port` and
`init_data` are replaced as a whole: half of one firmware and half of another is of no use. Each file is checked by
itself first, so a mistake is named even where a nearer file covers it, and every mistake is reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar, cast

from flashpipe.errors import NotTrustedError, PipelineError, UnknownProfileError
from flashpipe.flash import ANY_CHIP, FlashSettings
from flashpipe.lender import Lender, lender_of
from flashpipe.profile.init_data import check_init, init_profile
from flashpipe.profile.keys import KEEP, WANT, check_key, read_keys
from flashpipe.profile.lua import check_together, file_mirror, file_sources
from flashpipe.profile.model import AcceptanceProfile, BootProfile, ImageSource, PortMatch, Profile, SerialProfile
from flashpipe.profile.parts import AUTO, check_parts, lua_sources, luac, spiffs_folder
from flashpipe.profile.search import (
    find_profile,
    hides_shipped,
    hiding,
    is_path,
    name_of,
    named_in,
    profile_files,
    profile_names,
    search_folders,
    shipped_folder,
)
from flashpipe.profile.yaml_reader import Report, Value, YamlEntry, closest, read_yaml, typed_entry
from flashpipe.sources.build import Build
from flashpipe.values import dataclass

NO_OVERRIDES: Final[Mapping[str, str]] = MappingProxyType({})
_LONGEST: Final = 8
"""Profiles in a chain of `extends`."""
_WHOLE: Final = ("firmware.", "serial.port", "init_data.")
T = TypeVar("T")


@dataclass(frozen=True)
class ProfileEntry:
    """A profile in a listing. `about` and `error` read the file when asked for: names alone stay cheap."""

    name: str
    path: Path
    shipped: bool
    project: Path

    @cached_property
    def profile(self) -> Profile | PipelineError:
        """The profile, or what is wrong with it."""
        try:
            return replace(load_profile(str(self.path), self.project), name=self.name)
        except PipelineError as error:
            return error

    @property
    def about(self) -> str:
        """Its own words about itself; empty where it cannot be read."""
        return self.profile.about if isinstance(self.profile, Profile) else ""

    @property
    def error(self) -> str:
        """Its mistakes, one a line; empty where it is sound."""
        return "" if isinstance(self.profile, Profile) else self.profile.message


@dataclass(frozen=True, slots=True)
class _Layer:
    """One file of the chain."""

    path: Path
    values: dict[str, Value]


def available_profiles(project: Path) -> list[ProfileEntry]:
    """Every profile that can be named: the project's first, then the shipped ones, each name once."""
    shipped = shipped_folder()
    return [
        ProfileEntry(name, path.resolve(), path.parent == shipped, project)
        for name, path in profile_files(project).items()
    ]


def usable_profiles(project: Path) -> list[Profile]:
    """Those without mistakes; `profiles` shows what is wrong with the others."""
    profiles = (entry.profile for entry in available_profiles(project))
    return [profile for profile in profiles if isinstance(profile, Profile)]


def load_profile(
    name: str,
    project: Path,
    overrides: Mapping[str, str] = NO_OVERRIDES,
    *,
    caller: Path | None = None,
    note: Callable[[str], None] = lambda _text: None,
) -> Profile:
    """The profile of that name or path, with what it extends, and with values from the command line on top.

    `overrides` maps dotted keys (`flash.mode`) to the text typed; messages call them by their last word (`mode=dioo`).
    `note` is told what a search has passed over or hidden.

    Raises:
        UnknownProfileError: there is no such profile.
        BadValueError: only overrides are wrong.
        ProfileError: a file is wrong, in any number of ways; the message has one line for each.
    """
    path = find_profile(name, project, caller=caller, note=note)
    report = Report()
    layers, complete = _read_layers(path, project.resolve(), report, note)
    values: dict[str, Value] = {}
    for layer in reversed(layers):
        values = _overlay(values, layer.values)
    values = _overlay(values, _read_overrides(overrides, report))
    if complete:
        _check_missing(values, YamlEntry(_shown(path, project.resolve()), "nothing"), report)
    _check_together(values, report)
    report.check()
    return _build(name_of(name), path, values, tuple(layer.path for layer in layers))


def open_profile(settings: FlashSettings, overrides: Mapping[str, str] = NO_OVERRIDES) -> Profile:
    """A profile for an image alone: chip and flash size are the board's own, the rest is what `settings` say.

    Nobody has said which flash mode the board is wired for: safer ones are tried where that of `settings` fails.

    Raises:
        BadValueError: an override is wrong.
    """
    report = Report()
    stated = {"flash.size": "auto", "flash.mode": settings.mode, "flash.frequency": settings.frequency}
    values = _read_overrides({**stated, **overrides}, report)
    report.check()
    return replace(_build("", Path(), values, ()), chip=ANY_CHIP, mode_retry="flash.mode" not in overrides)


def serial_from(overrides: Mapping[str, str]) -> SerialProfile:
    """How a board is reached where no profile is named: the defaults, and `serial.*` values from the command line.

    Raises:
        BadValueError: a value is wrong.
    """
    report = Report()
    values = _read_overrides(overrides, report)
    report.check()
    return _serial(values)


def _read_overrides(overrides: Mapping[str, str], report: Report) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key, text in overrides.items():
        values.update(check_key(typed_entry(key.rpartition(".")[2], text), key, Path(), report))
    return values


def _overlay(below: dict[str, Value], above: dict[str, Value]) -> dict[str, Value]:
    replaced = tuple(group for group in _WHOLE if any(key.startswith(group) for key in above))
    merged = {key: value for key, value in below.items() if not key.startswith(replaced)} | above
    if "values" in below and "values" in above:  # one by one, as if each name were a key
        both = {**_pairs(below["values"]), **_pairs(above["values"])}
        merged["values"] = replace(above["values"], value=tuple(sorted(both.items())))
    return merged


def _pairs(value: Value) -> dict[str, str]:
    return dict(cast("tuple[tuple[str, str], ...]", value.value))


# --- the chain of `extends` ------------------------------------------------------------------------------------------


def _read_layers(path: Path, project: Path, report: Report, note: Callable[[str], None]) -> tuple[list[_Layer], bool]:
    """The files of the chain, nearest first, and whether it could be followed to its end."""
    layers: list[_Layer] = []
    following: Path | None = path
    lender: Lender | None = None
    """Whose profile names the next one: another user's may not pass on what the user's own profiles say."""
    while following is not None:
        top = read_yaml(following, _shown(following, project), report, lender)
        if top is None:
            return layers, False
        values = read_keys(top, following.parent, report)
        lender = None if following.parent == shipped_folder() else lender_of(following, project)
        if lender is not None:
            values = {key: replace(value, lender=lender) for key, value in values.items()}
        layers.append(_Layer(following, values))
        extends = values.pop("extends", None)
        if extends is None:
            return layers, not report.about("extends")
        around = lender.folder if lender else project
        name = cast("str", extends.value)
        following = _find_extended(name, layers, around, extends.entry, report)
        if following is not None and not is_path(name) and hides_shipped(following):
            note(hiding(following))
        if following is not None and following.parent == shipped_folder():
            lender = None
    return layers, False


def _find_extended(name: str, layers: list[_Layer], project: Path, at: YamlEntry, report: Report) -> Path | None:
    """The file that `extends: name` means, looked for beside the extending file first."""
    chain = [layer.path for layer in layers]
    own = chain[-1]
    if is_path(name):
        try:
            file: Path | None = find_profile(name, project, caller=own.parent)
        except (UnknownProfileError, NotTrustedError) as error:
            there = isinstance(error, NotTrustedError)
            report.wrong(at, "extends", error.message if there else "the file of a profile, which is not there")
            return None
    else:
        folders = (own.parent, *(() if own.parent == shipped_folder() else search_folders(project)))
        candidates = (named_in(folder, name, project) for folder in folders)
        # A project's own esp12 may extend the shipped esp12: the file itself is never meant.
        file = next((path for path in candidates if path and path != own), None)
        if file is None:
            others = [known for known in profile_names(project) if known != own.stem]
            want = "a profile other than itself" if name == own.stem else WANT["extends"]
            report.wrong(at, "extends", want, closest(name, others))
            return None
    if len(chain) >= _LONGEST:
        report.add(at, "extends", f"is the {len(chain)}th of a chain; {_LONGEST} profiles are the most")
        return None
    if file in chain:
        circle = " -> ".join(path.stem for path in (*chain[chain.index(file) :], file))
        report.add(at, "extends", f"goes in a circle: {circle}")
        return None
    return file


def _shown(path: Path, project: Path) -> str:
    """How messages name a file: from the project's folder where it lies there, else in full."""
    return str(path.relative_to(project)) if path.is_relative_to(project) else str(path)


# --- what the keys mean together -------------------------------------------------------------------------------------


def _check_missing(values: dict[str, Value], whole: YamlEntry, report: Report) -> None:
    for key in ("flash.size", "flash.mode"):
        if key not in values and not report.about(key) and not report.about("flash"):
            report.add(whole, key, f"is missing, want {WANT[key]}; `extends: esp12` would bring it along")


def _check_together(values: dict[str, Value], report: Report) -> None:
    """Rules between keys; each mistake stands where the nearer-lying of the two values does."""
    _check_firmware(values, report)
    stated = {key: value.entry for key, value in values.items()}
    check_together(stated, report)
    check_parts(stated, report)
    keep: tuple[str, ...] = _value(values, "keep", ())
    if keep and _value(values, "erase", "") == "all":
        report.wrong(values["erase"].entry, "erase", f"as-needed: erasing all would not keep {', '.join(keep)}")
    check_init(values, report)
    mode = values.get("flash.mode")
    if mode is None or mode.entry.typed:  # what is typed is the gate's to refuse, and to be overridden by allow=
        return
    if _value(values, "chip", "esp8266") == "esp8285" and mode.value != "dout":
        # facts: esp8266 §1.2, the flash inside an ESP8285 is wired for dual output only.
        report.wrong(
            mode.entry, "flash.mode", "dout: the ESP8285's flash is inside the chip and wired for nothing else"
        )
    elif _value(values, "gpio9_10", "flash") == "free" and str(mode.value).startswith("q"):
        # facts: esp8266 §1.2, four data lines need the pins that the board uses otherwise.
        report.wrong(mode.entry, "flash.mode", "dio or dout: `gpio9_10: free` takes two of the four lines of q* modes")


def _check_firmware(values: dict[str, Value], report: Report) -> None:
    stated = [kind for kind in ("image", "split", "build") if any(_belongs(key, kind) for key in values)]
    if len(stated) > 1:
        last = next(value for key, value in values.items() if _belongs(key, stated[-1]))
        report.add(last.entry, "firmware", f"has both {' and '.join(stated)}, want one of them")
    parts = {key: value for key, value in values.items() if _belongs(key, "build")}
    for key in ("firmware.build.command", "firmware.build.outputs"):
        if parts and key not in parts and not report.about(key):
            report.add(next(iter(parts.values())).entry, key, f"is missing, want {WANT[key]}")


def _belongs(key: str, kind: str) -> bool:
    return f"{key}.".startswith(f"firmware.{kind}.")


# --- building --------------------------------------------------------------------------------------------------------


def _value(values: Mapping[str, Value], key: str, default: T) -> T:
    """The checked value of a key; its check has made it of the default's type."""
    return cast("T", values[key].value) if key in values else default


def _build(name: str, path: Path, values: dict[str, Value], lineage: tuple[Path, ...]) -> Profile:
    return Profile(
        name=name,
        path=path,
        about=_value(values, "about", ""),
        chip=_value(values, "chip", "esp8266"),
        flash_size=_value(values, "flash.size", ""),
        flash_mode=_value(values, "flash.mode", ""),
        # Every module of facts: esp8266 §1.2 runs its flash at 40 MHz.
        flash_frequency=_value(values, "flash.frequency", "40m"),
        gpio9_10=_value(values, "gpio9_10", "flash"),
        serial=_serial(values),
        sources=_sources(values),
        lock=_value(values, "lock", False),  # noqa: FBT003
        erase=_value(values, "erase", "as-needed"),
        keep=_value(values, "keep", KEEP),
        keep_stated="keep" in values,
        verify=_value(values, "verify", "md5"),
        boot=BootProfile(
            check=_value(values, "boot", "on") != "off",
            expect=_value(values, "boot.expect", "auto"),
            timeout_s=_value(values, "boot.timeout", 60.0),
        ),
        mode_retry=_value(values, "mode_retry", False),  # noqa: FBT003
        rollback=_value(values, "rollback", False),  # noqa: FBT003
        boards=_value(values, "boards", ()),
        lineage=lineage,
        build=_build_of(values),
        acceptance=_acceptance(values),
        files=file_sources(values),
        mirror=file_mirror(values),
        values=_value(values, "values", ()),
        elf=(elf.base / cast("str", elf.value)) if (elf := values.get("firmware.elf")) is not None else None,
        parts=tuple(
            (area, cast("str", part.value), part.base)
            for area in ("lfs", "spiffs")
            if (part := values.get(f"firmware.{area}")) is not None
        ),
        init_data=init_profile(values),
        lua_sources=lua_sources(values),
        luac=luac(values),
        spiffs_folder=spiffs_folder(values),
        lenders=tuple((key, value.lender) for key, value in sorted(values.items()) if value.lender is not None),
    )


_PLAIN: Final = SerialProfile()


def _serial(values: dict[str, Value]) -> SerialProfile:
    stated: int | str = _value(values, "serial.baud", cast("int | str", _PLAIN.baud))
    return SerialProfile(
        port=_port(values),
        baud=stated if isinstance(stated, int) else _PLAIN.baud,
        auto_baud=stated == AUTO,
        reset=_value(values, "serial.reset", "auto"),
    )


def _port(values: dict[str, Value]) -> str | PortMatch:
    parts = {name: _value(values, f"serial.port.{name}", "") for name in ("usb", "serial", "location")}
    if any(parts.values()):
        return PortMatch(**parts)
    return _value(values, "serial.port", "auto")


def _sources(values: dict[str, Value]) -> tuple[ImageSource, ...]:
    if image := values.get("firmware.image"):
        return (ImageSource(0, cast("str", image.value), image.base),)
    if split := values.get("firmware.split"):
        parts = cast("tuple[tuple[int, str], ...]", split.value)
        return tuple(ImageSource(address, text, split.base) for address, text in parts)
    return ()


def _acceptance(values: dict[str, Value]) -> AcceptanceProfile:
    run = values.get("acceptance.run")
    return AcceptanceProfile(
        version=_value(values, "acceptance.version", None),
        modules=_value(values, "acceptance.modules", ()),
        floats=_value(values, "acceptance.float", None),
        lfs=_value(values, "acceptance.lfs", None),
        flash_size=_value(values, "acceptance.flash_size", None),
        run=_local(run.base, cast("str", run.value)) if run else None,
        prints=_value(values, "acceptance.prints", ""),
        timeout_s=_value(values, "acceptance.timeout", 10.0),
        command=_value(values, "acceptance.command", ()),
        folder=values["acceptance.command"].base if "acceptance.command" in values else Path(),
        limits=_value(values, "acceptance.limits", ()),
    )


def _local(base: Path, path: str) -> Path:
    return (base / os.path.expanduser(path)).absolute()  # noqa: PTH111  leaves a `~name` that it does not know


def _build_of(values: dict[str, Value]) -> Build | None:
    command = values.get("firmware.build.command")
    if command is None:
        return None
    return Build(
        cast("str | tuple[str, ...]", command.value),
        _local(command.base, _value(values, "firmware.build.folder", ".")),
        _value(values, "firmware.build.outputs", ()),
        _value(values, "firmware.build.inputs", ()),
    )
