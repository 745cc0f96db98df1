"""What PlatformIO has built: `platformio:ENV` is the firmware.bin of that environment, `platformio:` of the only one.

The project is the folder with the nearest platformio.ini, from the profile's folder upwards. Its environments and the
place of its builds stand there (PlatformIO Core 6: `[env:NAME]`, `[platformio]` with `default_envs`, `workspace_dir`,
`build_dir`), the latter also in PLATFORMIO_WORKSPACE_DIR and PLATFORMIO_BUILD_DIR. Nothing is built: `pio run` does
that, and `firmware.build` can call it.
"""

from __future__ import annotations

import configparser
import difflib
import os
import re
from pathlib import Path
from typing import Final

from flashpipe.errors import ImageMissingError, SourceError
from flashpipe.files import expanded, read_regular
from flashpipe.sources.local import read_file
from flashpipe.sources.registry import Resolved, SourceKind, SourceRequest, register

PREFIX: Final = "platformio:"
_INI: Final = "platformio.ini"
_LARGEST: Final = 256 * 1024
"""Bytes of a platformio.ini; the largest that are published have a tenth of it."""
_FILE: Final = "firmware.bin"
_NAME: Final = re.compile(r"[\w.-]*")


def canonical(text: str) -> str:
    """The text with the prefix in lower case.

    Raises:
        SourceError: no name of an environment.
    """
    name = text[len(PREFIX) :].strip()
    if not _NAME.fullmatch(name):
        raise SourceError(f"{text}: not an environment of PlatformIO", "write platformio:ENV")
    return f"{PREFIX}{name}"


def load_build(request: SourceRequest) -> Resolved:
    """The firmware that was built last.

    Raises:
        ImageMissingError: no project, no such environment, or nothing built.
        SourceError: it cannot be read.
    """
    text = canonical(request.outer)
    ini = _find_ini(request.base, text)
    settings = _read_ini(ini, text)
    environment = text[len(PREFIX) :] or _only(settings, text, ini)
    known = [name[4:] for name in settings.sections() if name.startswith("env:")]
    if environment not in known:
        near = difflib.get_close_matches(environment, known, n=1)
        raise ImageMissingError(
            f"{text}: {ini} has no environment {environment}; it has {', '.join(known) or 'none'}",
            f"did you mean platformio:{near[0]}?" if near else "name one of them",
        )
    path = _builds(settings, ini.parent) / environment / _FILE
    if not path.is_file():
        raise ImageMissingError(f"{text}: {path} is not there", f"build it: pio run -d {ini.parent} -e {environment}")
    name, data, begins = request.unpack(f"{environment}.bin", read_file(path, request))
    return Resolved(request.named(text), name, data, begins=begins)


def _find_ini(base: Path, text: str) -> Path:
    start = base.absolute()
    ini = next((path for folder in (start, *start.parents) if (path := folder / _INI).is_file()), None)
    if ini is None:
        raise ImageMissingError(f"{text}: there is no {_INI} in {start} or above", "put the profile into the project")
    return ini


def _read_ini(ini: Path, text: str) -> configparser.ConfigParser:
    settings = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=("#", ";"))
    try:
        settings.read_string(read_regular(ini, _LARGEST).decode("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        problem = " ".join(str(error).split())[:120]
        raise SourceError(
            f"{text}: {ini} cannot be read: {problem}", "`pio project config` says what is wrong"
        ) from error
    return settings


def _only(settings: configparser.ConfigParser, text: str, ini: Path) -> str:
    stated = settings.get("platformio", "default_envs", fallback="")
    names = [name for name in re.split(r"[\s,]+", stated) if name]
    names = names or [name[4:] for name in settings.sections() if name.startswith("env:")]
    if len(names) != 1:
        raise ImageMissingError(
            f"{text}: {ini} builds {len(names)} environments: {', '.join(names)}", "name one: platformio:ENV"
        )
    return names[0]


def _builds(settings: configparser.ConfigParser, project: Path) -> Path:
    def stated(name: str, variable: str) -> str:
        return os.environ.get(variable, "") or settings.get("platformio", name, fallback="").strip()

    workspace = stated("workspace_dir", "PLATFORMIO_WORKSPACE_DIR") or ".pio"
    builds = stated("build_dir", "PLATFORMIO_BUILD_DIR") or "${platformio.workspace_dir}/build"
    for words, value in (
        ("${platformio.workspace_dir}", workspace),
        ("${PROJECT_DIR}", str(project)),
        ("$PROJECT_DIR", str(project)),
    ):
        builds = builds.replace(words, value)
    return project / expanded(builds)


register(SourceKind((PREFIX,), canonical, load_build))
