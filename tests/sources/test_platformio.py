from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import ImageMissingError, SourceError
from flashpipe.sources.lock_file import source_name
from flashpipe.sources.resolve import resolve_source

INI = "[platformio]\n{more}\n[env]\nframework = arduino\n[env:d1_mini]\nboard = d1_mini ; the small one\n[env:test.x]\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PLATFORMIO_WORKSPACE_DIR", "PLATFORMIO_BUILD_DIR"):
        monkeypatch.delenv(name, raising=False)
    say(tmp_path)
    built(tmp_path / ".pio" / "build" / "d1_mini")
    return tmp_path


def say(tree: Path, more: str = "") -> None:
    (tree / "platformio.ini").write_text(INI.format(more=more))


def built(folder: Path, data: bytes = b"\xe9firmware") -> None:
    folder.mkdir(parents=True)
    (folder / "firmware.bin").write_bytes(data)


def test_the_build_of_an_environment(tree: Path) -> None:
    (tree / "profiles").mkdir()
    for base in (tree, tree / "profiles"):
        found = resolve_source("PlatformIO:d1_mini", base)
        assert (found.text, found.name, found.data) == ("platformio:d1_mini", "d1_mini.bin", b"\xe9firmware")
        assert not found.remote
    assert source_name("PLATFORMIO:d1_mini", tree, tree) == "platformio:d1_mini"


def test_the_only_one_that_is_built_by_default(tree: Path) -> None:
    with pytest.raises(ImageMissingError, match=r"d1_mini, test\.x"):
        resolve_source("platformio:", tree)
    say(tree, "default_envs = d1_mini")
    assert resolve_source("platformio:", tree).name == "d1_mini.bin"


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("build_dir = out", "out"),
        ("workspace_dir = .work", ".work/build"),
        ("workspace_dir = w\nbuild_dir = ${platformio.workspace_dir}/b", "w/b"),
        ("build_dir = $PROJECT_DIR/there", "there"),
    ],
)
def test_where_builds_go_is_read(tree: Path, more: str, where: str) -> None:
    say(tree, more)
    built(tree / where / "d1_mini", b"\xe9there")
    assert resolve_source("platformio:d1_mini", tree).data == b"\xe9there"


def test_the_environment_wins(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_BUILD_DIR", str(tree / "elsewhere"))
    built(tree / "elsewhere" / "d1_mini", b"\xe9elsewhere")
    assert resolve_source("platformio:d1_mini", tree).data == b"\xe9elsewhere"


def test_what_is_not_there_is_named(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ImageMissingError, match="no environment d1mini") as caught:
        resolve_source("platformio:d1mini", tree)
    assert caught.value.hint == "did you mean platformio:d1_mini?"
    with pytest.raises(ImageMissingError) as caught:
        resolve_source("platformio:test.x", tree)
    assert "pio run -d" in caught.value.hint
    with pytest.raises(ImageMissingError, match=r"no platformio\.ini"):
        resolve_source("platformio:d1_mini", tmp_path_factory.mktemp("empty"))
    with pytest.raises(SourceError, match="not an environment"):
        resolve_source("platformio:../x", tree)
    (tree / "platformio.ini").write_text("no section\n")
    with pytest.raises(SourceError, match="cannot be read"):
        resolve_source("platformio:d1_mini", tree)


def test_an_ini_that_is_far_too_long_is_not_read(tree: Path) -> None:
    say(tree, "x = 1\n" * 100_000)
    with pytest.raises(SourceError, match="larger than"):
        resolve_source("platformio:d1_mini", tree)
