"""Profiles: what LFS and SPIFFS images are made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import ProfileError
from flashpipe.profile.load import load_profile
from flashpipe.profile.model import LuaSources, Profile, SpiffsFolder

BASE = "flash: {size: 4MB, mode: dio}\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Profile]:
    def run(text: str) -> Profile:
        (tmp_path / "kitchen.yaml").write_text(f"{BASE}firmware: {{image: fw.bin, {text}}}\n")
        return load_profile("kitchen", tmp_path)

    return run


def test_sources_are_read_with_their_defaults(load: Callable[[str], Profile], tmp_path: Path) -> None:
    profile = load("lfs: {lua: lua/*.lua}, spiffs: {folder: data/}")
    assert profile.lua_sources == LuaSources(("lua/*.lua",), tmp_path)
    assert profile.spiffs_folder == SpiffsFolder(tmp_path / "data", None, "auto")
    assert profile.parts == ()
    assert profile.luac == "auto"


def test_a_compiler_of_files_needs_no_lfs(load: Callable[[str], Profile], tmp_path: Path) -> None:
    profile = load("lfs: {luac: luac.cross}")
    assert profile.luac == str(tmp_path / "luac.cross")
    assert profile.lua_sources is None


def test_programs_and_sizes_are_read(load: Callable[[str], Profile], tmp_path: Path) -> None:
    profile = load(
        "lfs: {lua: [a.lua, 'b/**/*.lua'], luac: nodemcu/luac.cross},"
        " spiffs: {folder: data, size: 256KB, spiffsimg: OFF}"
    )
    assert profile.lua_sources == LuaSources(("a.lua", "b/**/*.lua"), tmp_path)
    assert profile.luac == str(tmp_path / "nodemcu" / "luac.cross")
    assert profile.spiffs_folder == SpiffsFolder(tmp_path / "data", 256 * 1024, "off")
    assert load("spiffs: {folder: data, size: AUTO}").spiffs_folder == SpiffsFolder(tmp_path / "data", None, "auto")


def test_finished_images_are_named_as_before(load: Callable[[str], Profile], tmp_path: Path) -> None:
    profile = load("lfs: lfs.img, spiffs: 'https://example.org/files.img'")
    assert profile.parts == (("lfs", "lfs.img", tmp_path), ("spiffs", "https://example.org/files.img", tmp_path))
    assert (profile.lua_sources, profile.spiffs_folder) == (None, None)


def test_a_nearer_firmware_replaces_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{BASE}firmware: {{image: a.bin, lfs: {{lua: a.lua}}}}\n")
    (tmp_path / "kitchen.yaml").write_text("extends: base\nfirmware: {image: b.bin}\n")
    assert load_profile("kitchen", tmp_path).lua_sources is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spiffs: {size: auto}", "firmware.spiffs.folder: is missing, want a folder"),
        ("lfs: {lua: []}", "want patterns relative"),
        ("lfs: {lua: /etc/*.lua}", "want patterns relative"),
        ("lfs: {lua: [{a: b}]}", "want patterns relative"),
        ("spiffs: {folder: data, size: much}", "want auto, or a size"),
        ("spiffs: {folder: data, size: 0}", "want auto, or a size"),
        ("spiffs: {folder: [a]}", "want a folder"),
        ("spiffs: {foldr: data}", "did you mean 'firmware.spiffs.folder'"),
        ("lfs: {}", "or {lua: [lua/*.lua]}"),
        ("spiffs: [data]", "or {folder: data/}"),
    ],
)
def test_mistakes_are_named(load: Callable[[str], Profile], text: str, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load(text)
    assert words in str(caught.value)
