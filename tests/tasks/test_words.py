"""What people type first, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import UsageError
from flashpipe.tasks.words import understand

from tests.harness import Project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    for name in ("fw.bin", "two.bin", "t.lua", "both", "0x00000.bin", "0x10000.bin"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-q list flash", "list quiet=1 flash"),
        ("-n 2 run flash", "run -n 2 flash"),
        ("flash fw.bin", "flash image=fw.bin"),
        ("flash kitchen", "flash profile=kitchen"),
        ("flash gone.bin", "flash image=gone.bin"),
        ("flash --profile kitchen --port COM3", "flash profile=kitchen port=COM3"),
        ("flash kitchen -p COM3 --force", "flash profile=kitchen port=COM3 force=1"),
        ("flash --label flash", "flash --label flash"),
        ("mine --port COM3 flash -p COM4", "mine --port COM3 flash port=COM4"),
        ("flash kitchen -n 2", "-n 2 flash profile=kitchen"),
        ("--port sim://a?b=1 identify", "port=sim://a?b=1 identify"),
        ("flash -q kitchen", "flash quiet=1 profile=kitchen"),
        ("monitor COM3", "monitor port=COM3"),
        ("identify /dev/ttyUSB0", "identify port=/dev/ttyUSB0"),
        ("identify sim://esp12?size=1MB", "identify port=sim://esp12?size=1MB"),
        ("lua t.lua -p COM3", "lua file=t.lua port=COM3"),
        ("ports --json", "ports format=json"),
        ("upload t.lua kitchen", "files put=t.lua profile=kitchen"),
        ("files rm a.lua kitchen", "files rm=a.lua profile=kitchen"),
        ("upload t.lua -p COM3", "files put=t.lua port=COM3"),
        ("remove init.lua -p COM3", "files rm=init.lua port=COM3"),
        ("download init.lua", "files get=init.lua"),
        ("get init.lua -p COM3", "files get=init.lua port=COM3"),
        ("put a.lua b.lua", "files put=a.lua,b.lua"),
        ("df kitchen", "files profile=kitchen"),
        ("flash 0x00000.bin 0x10000.bin -y", "flash yes=1 image=0x00000:0x00000.bin,0x10000:0x10000.bin"),
        ("upload fw.bin kitchen", "flash image=fw.bin profile=kitchen"),
        ("write_flash 0x0 fw.bin 0x10000 two.bin", "flash image=0x0:fw.bin,0x10000:two.bin"),
        ("flash image=0x0 fw.bin", "flash image=0x0:fw.bin"),
        ("erase_flash kitchen", "erase profile=kitchen"),
        ("flash_id COM3", "identify port=COM3"),
        ("console", "monitor"),
        ("restart kitchen", "boot profile=kitchen"),
        ("ls", "files"),
        ("files put a.lua b.lua --as x -p COM3", "files put=a.lua,b.lua as=x port=COM3"),
        ("files df kitchen", "files profile=kitchen"),
        ("files get -p COM3 -- -rf --json a=b kitchen", "files get=-rf,--json,a=b,kitchen port=COM3"),
        ("rm -- -rf", "files rm=-rf"),
        ("files cat a -v 2", "-v 2 files cat=a"),
        ("mkfs kitchen", "format profile=kitchen"),
        ("version", "--version"),
        ("fw.bin", "inspect fw.bin"),
        ("--json fw.bin two.bin", "inspect --json fw.bin two.bin"),
        ("upload gone.lua", "files put=gone.lua"),
        ("upload gone.bin", "flash image=gone.bin"),
        ("upload kitchen", "flash profile=kitchen"),
        ("upload parts", "files put=parts"),
        ("backup gone.bin", "backup file=gone.bin"),
        ("restore gone.bin", "restore backup=gone.bin"),
        ("erase spiffs -p COM3", "erase regions=spiffs port=COM3"),
        ("identify ttyUSB0", "identify port=/dev/ttyUSB0"),
        ("0x10000.bin!a.bin", "inspect 0x10000.bin!a.bin"),
        ("upload gone/", "files put=gone/"),
        ("-V", "--version"),
        ("-v version", "--version"),
        ("plan kitchen --detailed_status 1 --yes no", "plan profile=kitchen detailed_status=1 yes=no"),
        ("flash kitchen erase=1", "flash profile=kitchen erase=all"),
        ("-n 2 flash kitchen", "-n 2 flash profile=kitchen"),
        ("flash erase kitchen", "flash erase profile=kitchen"),
    ],
)
def test_what_is_typed_is_understood(typed: str, meant: str, folder: Path) -> None:
    assert understand(typed.split(), lambda: ["kitchen", "both"], folder) == meant.split()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("flash both", "image=both or profile=both"),
        ("download", "flashpipe backup"),
        ("edit", "flashpipe files edit NAME"),
        ("remove", "flashpipe files rm"),
        ("t.lua -p COM3", "flashpipe lua t.lua"),
        ("flash fw.bin two.bin -p COM3", "0xADDRESS:fw.bin,0xADDRESS:two.bin"),
        ("write_flash -fm dio 0x0 fw.bin", "flashpipe esptool write_flash"),
        ("read_flash 0 0x1000 x", "flashpipe backup"),
        ("flash --port", "port=VALUE"),
        ("version -p COM3", "flashpipe node"),
        ("fw.bin erase=1", "flashpipe flash fw.bin erase=all"),
        ("erase=1 fw.bin", "flashpipe flash erase=all fw.bin"),
        ("-p COM3 fw.bin kitchen", "flashpipe flash port=COM3 fw.bin kitchen"),
        ("-n flash kitchen", "flashpipe plan"),
        ("fw.bin flash", "flashpipe flash fw.bin"),
        ("monitor t.lua", "`flashpipe lua t.lua`"),
        ("flash fw.bin t.lua", "`flashpipe files put t.lua`"),
        ("monitor fw.bin", "`flashpipe fw.bin` looks"),
        ("flash all", "port=all"),
        ("identify 10.0.0.1:23", "port=rfc2217://10.0.0.1:23"),
        ("gone.bin", "check the path"),
        ("fw.bin image -q", "flashpipe image fw.bin -q"),
        ("upload t.lua fw.bin", "`flashpipe files put t.lua`"),
        ("files rm -rf init.lua", "flashpipe files rm -- -rf"),
        ("files rm -r init.lua", "flashpipe files rm -- -r"),
        ("files rm -f init.lua", "flashpipe files rm -- -f"),
        ("files cat --foo -p COM3", "flashpipe files cat -- --foo"),
    ],
)
def test_what_means_two_things_or_none_is_refused_with_the_right_words(typed: str, says: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        understand(typed.split(), lambda: ["kitchen", "both"], folder)
    assert says in caught.value.hint


def test_a_guess_never_leads_to_a_task_that_writes(project: Project) -> None:
    done = project.flashpipe("flsh", "profile=demo").failed("usage")
    assert "'flash'" not in done.text


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("flash kitchen", "next: flashpipe flash kitchen; doit flash profile=kitchen"),
        ("plan kitchen", "next: flashpipe plan kitchen; doit plan profile=kitchen"),
        ("-p COM3 flash kitchen", "; doit port=COM3 flash profile=kitchen"),
        ("list -o x", "next: `doit help list`"),
        ("-o no/such/file ports", "next: name a file"),
        ("upload t.lua kitchen", "; doit files put=t.lua profile=kitchen"),
        ("download", "next: `flashpipe backup"),
    ],
)
def test_doit_is_told_what_it_refused(project: Project, typed: str, says: str) -> None:
    (project.folder / "kitchen.yaml").write_text("extends: esp12\n")
    (project.folder / "t.lua").write_bytes(b"x")
    done = project.doit(*typed.split())
    assert done.status == 3
    assert says in done.err.splitlines()[-1]


def test_a_dodo_file_that_cannot_be_loaded_is_all_that_is_told(project: Project) -> None:
    (project.folder / "dodo.py").write_text("from flashpipe.tasks import *\nraise RuntimeError('mine')\n")
    assert "next:" not in project.doit("flash", "--profile", "demo").err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan", "kitchn"), "did you mean 'kitchen'"),
        (("plan", "nodemcu"), "did you mean 'nodemcu-17-float.bin'"),
        (("kitchen",), "flashpipe plan profile=kitchen"),
    ],
)
def test_a_word_behind_a_task_is_taken_for_a_profile_or_a_file(
    project: Project, words: tuple[str, ...], says: str
) -> None:
    (project.folder / "kitchen.yaml").write_text("extends: esp12\n")
    (project.folder / "nodemcu-17-float.bin").write_bytes(b"x")
    assert says in project.flashpipe(*words).text


def test_a_file_is_looked_at_and_the_next_command_named(project: Project, firmware: Path) -> None:
    (project.folder / "fw.bin").write_bytes(firmware.read_bytes())
    assert project.flashpipe("fw.bin").ok().out.splitlines()[-1] == "next: flashpipe flash fw.bin profile=NAME"
    done = project.flashpipe("flash", "fw.bin", "--profile", "esp12", "-p", "sim://esp12", "-q").ok()
    assert done.err == ""
    assert [line.split()[0] for line in done.out.splitlines()] == ["OK"]
