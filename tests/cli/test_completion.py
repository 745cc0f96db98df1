"""What a shell offers when Tab is pressed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flashpipe.cli.completion import SCRIPTS, _for_shell, candidates, main
from flashpipe.errors import BadValueError
from flashpipe.sim.kinds import BOARDS

BREAKS = " \t\n\"'><=;|&(:"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kitchen.yaml").write_text("extends: esp12\n")
    (tmp_path / "dodo.py").write_text("from flashpipe.tasks import *\ndef task_gzip():\n    return {'actions': []}\n")
    for name in ("fw.bin", "t.lua", "bin/a b.bin", ".hidden.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("before", "current", "expected"),
    [
        ("", "fl", ["flash"]),
        ("", "fw", ["fw.bin"]),
        ("", "gz", ["gzip"]),
        ("", "comp", ["completion"]),
        ("flash", "prof", ["profile=", "profiles"]),
        ("flash profile=x", "profile", ["profiles"]),
        ("flash", "kit", ["kitchen"]),
        ("flash", "fw", ["fw.bin"]),
        ("flash", "bin", ["bin/"]),
        ("flash", "bin/", ["bin/a b.bin"]),
        ("lua", "t", ["t.lua", "timeout="]),
        ("flash", "profile=kit", ["profile=kitchen"]),
        ("flash", "image=f", ["image=fw.bin"]),
        ("flash", "check=", ["check=md5", "check=mac"]),
        ("flash", "force=", ["force=1"]),
        ("erase", "regions=spiffs,w", ["regions=spiffs,wifi"]),
        ("flash", "port=sim://demo", ["port=sim://demo"]),
        ("flash --port", "sim://esp82", ["sim://esp8285", "sim://esp8285-2m"]),
        ("flash -p", "al", ["all"]),
        ("identify", "sim://demo", ["sim://demo"]),
        ("flash", "--port-", ["--port-wait"]),
        ("files", "--s", ["--send", "--seed"]),
        ("files put", "t", ["t.lua", "to="]),
        ("files rm", "t", ["to="]),
        ("schema", "p", ["profile"]),
        ("help", "verd", ["verdicts"]),
        ("inspect", "f", ["fw.bin"]),
        ("completion", "z", ["zsh"]),
        ("list", "gz", ["gzip"]),
        ("flash", "execute=", ["execute=on", "execute=off"]),
        ("simulate", "fw", ["fw.bin"]),
        ("simulate", "un", ["until=", "unmapped="]),
        ("simulate fw.bin", "--un", ["--until", "--unmapped"]),
        ("simulate fw.bin --unmapped", "", ["stop", "warn"]),
        ("explain", "chip=esp82", ["chip=esp8266", "chip=esp8285"]),
        ("station", "--keep", ["--keep-unit"]),
        ("station --profile", "kit", ["kitchen"]),
        ("export", "profile=kit", ["profile=kitchen"]),
    ],
)
def test_what_may_stand_there_is_offered(before: str, current: str, expected: list[str], folder: Path) -> None:
    found = candidates(before.split(), current, folder)
    assert sorted(found) == sorted(expected)


def test_a_task_offers_its_own_variables_alone(folder: Path) -> None:
    found = candidates(["identify"], "", folder)
    assert {"port=", "profile=", "kitchen"} <= set(found)
    assert not {"until=", "image=", "mode="} & set(found)


def test_doit_gets_what_it_can_understand(folder: Path) -> None:
    assert candidates([], "fw", folder, "doit") == []
    assert candidates(["flash"], "kit", folder, "doit") == []
    assert candidates(["flash"], "profile=kit", folder, "doit") == ["profile=kitchen"]
    assert "strace" in candidates([], "st", folder, "doit")


def test_each_virtual_port_that_is_offered_is_one(folder: Path) -> None:
    offered = {text.removeprefix("sim://") for text in candidates(["flash", "-p"], "sim://", folder)}
    assert offered == set(BOARDS)


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    assert _for_shell("bash", "profile=e", "profile=esp12", BREAKS) == "esp12 "
    assert _for_shell("bash", "b", "bin/", BREAKS) == "bin/"
    assert _for_shell("zsh", "a", "a b$(x).bin", "") == r"a\ b\$\(x\).bin "
    assert _for_shell("fish", "a", "a b", "") == "a b"


def test_another_shell_is_refused() -> None:
    with pytest.raises(BadValueError):
        main(["csh"])


def environment(folder: Path) -> dict[str, str]:
    """One in which `flashpipe` is that of these tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_works_in_its_shell(shell: str, folder: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this system")
    asked = {
        "bash": 'eval "$(flashpipe completion bash)"; COMP_LINE="flashpipe flash profile=kit"; COMP_POINT=99;'
        "_flashpipe_complete; printf '<%s>' \"${COMPREPLY[@]}\"",
        "fish": "flashpipe completion fish | source; complete -C 'flashpipe flash profile=kit'",
        "zsh": 'autoload -U compinit && compinit -u && eval "$(flashpipe completion zsh)" && echo ${_comps[flashpipe]};'
        "CURRENT=3; words=(flashpipe flash profile=kit); compadd() { echo $@ }; _flashpipe_complete",
    }[shell]
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *plain, "-c", asked],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert {"bash": "<kitchen >", "fish": "profile=kitchen", "zsh": "-- profile=kitchen"}[shell] in done.stdout


@pytest.mark.parametrize("words", [[], ["bash"], ["bash", "flashpipe"], ["fish", "doit"]])
def test_whoever_asks_for_too_little_is_answered_all_the_same(words: list[str]) -> None:
    assert main(["answer", *words]) == 0
