"""Files of installed Python packages: `package:NAME/FILE` or `package:NAME==VERSION/FILE`."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

from flashpipe.errors import ImageAmbiguousError, PackageMissingError, SourceError
from flashpipe.installing import install_command
from flashpipe.sources.local import read_file
from flashpipe.sources.registry import Resolved, SourceKind, SourceRequest, register

PREFIX: Final = "package:"
_LISTED: Final = 8


def canonical(text: str) -> str:
    """The text itself: whether the package is installed is not asked."""
    return text


def load_package_file(request: SourceRequest) -> Resolved:
    """The file that a package brought along.

    Raises:
        PackageMissingError: the package, its version or the file in it is not installed.
        SourceError: it cannot be read.
    """
    path = _find_in_package(request.outer)
    name, data, begins = request.unpack(path.name, read_file(path, request))
    return Resolved(request.named(request.outer), name, data, remote=True, begins=begins)


def _find_in_package(text: str) -> Path:
    package, slash, wanted = text[len(PREFIX) :].partition("/")
    name, pinned, version = package.partition("==")
    name, version = name.strip(), version.strip()
    if not (name and slash and wanted) or (pinned and not version):
        raise SourceError(f"{text}: not a package source", "write package:NAME/FILE or package:NAME==VERSION/FILE")
    install = install_command("--no-deps", f"{name}=={version}" if version else name)
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        raise PackageMissingError(f"{text}: the package {name} is not installed", install) from None
    if version and distribution.version != version:
        raise PackageMissingError(
            f"{text}: {name} {distribution.version} is installed, the source wants {version}", install
        )
    return _find_member(distribution, wanted, text, install)


def _find_member(distribution: metadata.Distribution, wanted: str, text: str, install: str) -> Path:
    parts = PurePosixPath(wanted.replace("\\", "/")).parts
    files = [file for file in distribution.files or () if file.parts[-len(parts) :] == parts]
    if not files:
        kind = PurePosixPath(wanted).suffix
        others = sorted({file.name for file in distribution.files or () if kind and file.suffix == kind})
        listed = f"; it has {', '.join(others[:12])}" if others else ""
        raise PackageMissingError(
            f"{text}: the installed package has no file {wanted}{listed}", "name one of its files"
        )
    if len(files) > 1:
        names = ", ".join(str(file) for file in files[:_LISTED])
        raise ImageAmbiguousError(f"{text}: {len(files)} files are named so: {names}", "name more of the path")
    path = Path(str(distribution.locate_file(files[0])))
    if not path.exists():
        raise PackageMissingError(f"{text}: the package lists {wanted}, but it is gone", f"{install} --force-reinstall")
    return path


register(SourceKind((PREFIX,), canonical, load_package_file))
