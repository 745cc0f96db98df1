"""Values that stand in no profile: from the environment, or from secrets.yaml beside the profile or in the project.

A profile is committed, shown and sent around. So secrets.yaml must be readable by its owner only, belong to nobody
else, and be ignored by git where the project is a repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import PipelineError, SecretsError
from flashpipe.lazy import lazy_pattern, subprocess
from flashpipe.masking import know_secret
from flashpipe.ownership import require_own
from flashpipe.profile.search import search_folders
from flashpipe.profile.yaml_reader import FileKind, Report, YamlEntry, read_yaml

FILE: Final = "secrets.yaml"
PREFIX: Final = "FLASHPIPE_SECRET_"
"""Of environment variables: FLASHPIPE_SECRET_wifi_password."""
_FILE: Final = FileKind("a file of secrets", "wifi_password: hunter2")
_NAME: Final = lazy_pattern(r"[A-Za-z_]\w*", re.ASCII)
_OTHERS: Final = 0o077
_GIT_S: Final = 10.0
_learnt: Final = set[str]()
"""Values and versions of files that `know_secrets` has seen."""


def secret_files(profile: Path, project: Path) -> tuple[Path, ...]:
    """Where secrets of a profile may stand, the nearest first: beside its file, and in the project's folder."""
    return tuple(dict.fromkeys((profile.parent / FILE, project / FILE)))


def know_secrets(project: Path, *beside: Path) -> None:
    """Take out of whatever is kept from now on what the environment and the project's files hold as secrets.

    `beside`: files of profiles, which may have secrets beside them.

    A board may print at any time what it was given once. A file that cannot be used is passed over: that is told where
    one of its values is wanted.
    """
    for name, value in os.environ.items():
        if name.startswith(PREFIX) and value not in _learnt:
            know_secret(value)
            _learnt.add(value)
    for folder in dict.fromkeys((*search_folders(project)[:-1], *(profile.parent for profile in beside))):
        path = folder / FILE
        with suppress(OSError, PipelineError):
            stat = path.stat()
            stamp = f"{path} {stat.st_mtime_ns} {stat.st_size}"
            if stamp in _learnt:
                continue
            _learnt.add(stamp)
            for value in _values(path, Report(_FILE)).values():
                know_secret(value)


def secret(name: str, files: Iterable[Path], project: Path) -> str | None:
    """The value of that name in the environment, or the first of `files` that has one; None where nobody has.

    Raises:
        SecretsError: secrets.yaml is open to others, not ignored by git, or wrong.
        NotTrustedError: it belongs to somebody else.
    """
    given = os.environ.get(f"{PREFIX}{name}")
    values = (value for path in files if (value := _read(path, project).get(name)) is not None)
    value = given if given is not None else next(values, None)
    if value is not None:
        know_secret(value)  # a board may print what it was given
    return value


def _read(path: Path, project: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    require_own(path, project if path.is_relative_to(project) else None)
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        raise SecretsError(f"{path}: others can read it", f"chmod 600 {path}")
    if not _ignored(path):
        raise SecretsError(f"{path}: git does not ignore it, and would commit it", f"echo {FILE} >> .gitignore")
    report = Report(_FILE)
    secrets = _values(path, report)
    if report.mistakes:  # of keys and places only: a message shows no value
        raise SecretsError("\n".join(map(str, report.mistakes)), f"correct {path}")
    return secrets


def _values(path: Path, report: Report) -> dict[str, str]:
    top = read_yaml(path, FILE, report)
    values = dict[str, str]()
    for name, value in top.items() if top else ():
        if name.text in values:
            report.add(name, name.text, "is stated twice")
        values[name.text] = _value(name, value, report)
    return values


def _value(name: YamlEntry, value: YamlEntry, report: Report) -> str:
    if name.kind != "text" or not _NAME.fullmatch(name.text):
        report.add(name, "", f"got {name} as a name, want a word such as wifi_password")
    elif value.kind != "text":
        report.add(name, name.text, "wants a text")
    return value.text


def _ignored(path: Path) -> bool:
    """Whether git leaves the file alone: it is ignored and not tracked, or there is no repository, or no git."""
    try:
        process = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "check-ignore", "-q", "--", path.name],
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return process.returncode != 1
