"""Every fault of the virtual board, flashed by a user's own command: the right cause is named, and no other.

Many boards are flashed at once, each with a fault of its own: a board that does not answer is given its time, and
all of them get it together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flashpipe.board.diagnosis.judge import RULES
from flashpipe.board.ports.names import port_slug
from flashpipe.sim.faults import KINDS
from flashpipe.sim.firmware.settings import TROUBLES

from tests.harness import Done, Project


class Case(NamedTuple):
    options: str
    """Of the virtual board."""
    code: str
    rule: str
    action: str = ""
    """Part of the next action."""


UNREACHED = (
    Case("fault=mute", "no-answer", "line-dead", "a cable that carries data"),
    Case("fault=no-power", "no-answer", "line-dead", "a light on the board"),
    Case("fault=deaf", "no-answer", "rx-dead", "TX to the chip's RX"),
    Case("fault=echo+mute", "no-answer", "loop-back", "bridge between TX and RX"),
    Case("fault=gpio0-open", "no-answer", "gpio0-high", "hold the FLASH button"),
    Case("fault=gpio0-open&app.trouble=chatter", "no-answer", "gpio0-high", "hold the FLASH button"),
    Case("fault=en-open", "no-answer", "no-reset-line", "reset=manual"),
    Case("fault=en-open&app.trouble=chatter", "no-answer", "no-reset-line", "reset=manual"),
    Case("fault=en-open&fill=random:3", "no-answer", "no-reset-line", "reset=manual"),
    Case("fault=echo+deaf", "no-answer", "rx-dead", "TX to the chip's RX"),
    Case("fault=gpio15-high", "no-answer", "gpio15-high", "GPIO15"),
    Case("fault=gpio2-low", "no-answer", "gpio2-low", "GPIO2"),
    Case("fault=bad-baud:100000", "no-answer", "rate-garbled", "another adapter"),
    Case("fault=silent-baud:100000", "no-answer", "rate-garbled", "another adapter"),
)
PORTS = (
    Case("fault=absent", "port-missing", "port-missing", "flashpipe ports"),
    Case("fault=busy", "port-busy", "port-busy", "close it"),
    Case("fault=denied", "port-denied", "port-denied", "access"),
    Case("fault=unplug:20000", "port-lost", "unplugged", "plug it in firmly"),
    Case("fault=stolen:20000", "port-lost", "port-shared", "close it"),
    Case("part=W25Q80", "wrong-flash-size", "wrong-flash-size", "profile"),
    Case("chip=esp8285", "wrong-chip", "wrong-chip", "profile"),
    Case("fault=no-flash", "flash-unknown", "flash-absent", "GPIO6 to GPIO11"),
)
FLASHES = (
    Case("fault=stuck-sector:0x10000", "verify-failed", "bad-cells", "replace the module"),
    Case("fault=weak-page:0x12000", "verify-failed", "bad-cells", "replace the module"),
    Case("fault=wrong-size:256KB", "verify-failed", "size-lie", "256 KB"),
    Case("fault=protect:7", "verify-failed", "write-protected", "WP pin"),
    Case("fill=byte:0&fault=weak-supply:5&usb=0403:6001", "write-failed", "chip-reset-itself", "FTDI"),
    Case("fill=random:3&fault=echo", "wire", "adapter-echo", "switch the echo off"),
    Case("fill=random:3&fault=deaf@byte:20000", "write-failed", "rx-lost", "connect it again"),
    Case("fault=noise-out:1e-2", "wire", "line-noise", "baud=115200"),
    Case("fault=lost:1e-2", "wire", "line-noise", "baud=115200"),
    Case("fault=long-writes:64", "wire", "stub-dead", "another adapter"),
    Case("fill=byte:0&fault=power-loss:20", "write-failed", "power-gone", "restore its power"),
    Case("fill=byte:0&fault=stuck-busy:20", "write-failed", "loader-hangs", "cut the power"),
)
BOOTS = (
    Case("fault=dout-only", "boot-wrong-mode", "flash-mode", "mode=dout"),
    Case("fault=dout-only&app.bad_mode=csum", "boot-wrong-mode", "flash-mode", "mode=dout"),
    Case("fault=dout-only&app.bad_mode=exception", "boot-exception", "flash-mode", "mode=dout"),
    Case("app.trouble=exception", "boot-exception", "firmware-crashes", "another build"),
    Case("app.trouble=panic&app.crash_s=60", "boot-panic", "lua-panic", "init.lua"),
    Case("app.trouble=watchdog", "boot-watchdog", "watchdog-loop", "another build"),
    Case("app.trouble=silence", "boot-unexpected", "firmware-mute", "boot=any"),
    Case("app.trouble=chatter&app.baud=250000", "boot-unexpected", "console-rate", "boot=any"),
    Case("app.trouble=brown-out", "boot-brown-out", "supply-at-boot", "500 mA"),
    Case("app.trouble=system-params&app.crash_s=3", "boot-system-params", "system-params", "flashpipe erase"),
    Case("gpio0=low", "boot-download-mode", "gpio0-held", "jumper from GPIO0"),
    Case("fill=byte:0&app.crash_s=3", "boot-rf-cal", "init-data", "init_data: auto"),
    Case("start=rom&fault=en-open", "boot-download-mode", "no-reset-wire", "press RESET"),
)
GROUPS = {"unreached": UNREACHED, "ports": PORTS, "flashes": FLASHES, "boots": BOOTS}
UNHARMED = {
    "bad-baud": "the rate is lowered by itself",
    "brown-out": "once is cured by another try; weak-supply stays",
    "noise": "as noise-out, the other way",
    "lost-out": "as lost, the other way",
    "power-loss-at": "as power-loss, at a place",
    "shaky-baud": "the rate is lowered by itself",
    "shaky-flash": "only clocked faster than usual, which is given up by itself",
    "slow-flash": "only clocked faster than usual, which is given up by itself",
    "starving": "when it strikes depends on the speed of this machine; rules: tests/board/diagnosis/test_judge.py",
    "stub-silent": "rules: tests/board/diagnosis/test_judge.py",
}
"""Faults with no case above, and why."""


def url(number: int, options: str) -> str:
    return f"sim://nodemcu-devkit?mac=5c:cf:7f:00:01:{number:02x}&{options}"


class Ending(NamedTuple):
    done: Done
    records: dict[str, dict[str, Any]]
    """By port."""


@pytest.fixture(scope="module", params=GROUPS)
def ending(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, firmware: Path) -> Any:
    folder = tmp_path_factory.mktemp("diagnoses")
    (folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
    (folder / "here.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}}}\nboot: {{timeout: 20s}}\ninit_data: keep\n"
    )
    project = Project(folder, folder / "state")
    cases = GROUPS[request.param]
    ports = ",".join(url(number, case.options) for number, case in enumerate(cases))
    done = project.flashpipe("flash", "profile=here", f"port={ports}")
    records = {}
    for path in (folder / ".pipeline" / "failures").glob("*.json"):
        records[path.stem] = json.loads(path.read_text())
    return cases, Ending(done, records)


def test_each_fault_ends_with_its_code_its_cause_and_one_action(ending: tuple[tuple[Case, ...], Ending]) -> None:
    cases, seen = ending
    assert "Traceback" not in seen.done.text
    for number, case in enumerate(cases):
        port = url(number, case.options)
        record = seen.records[port_slug(port)]
        found = record["diagnosis"]
        assert (record["evidence"]["code"], found["rule"]) == (case.code, case.rule), (
            case,
            json.dumps(record, indent=1),
        )
        block = message(seen.done.err, record["evidence"]["message"], port)
        assert f"[code: {case.code}]" in block[0]
        actions = [line for line in block if line.startswith("  next: ")]
        assert len(actions) == 1, (case, block)
        assert case.action in actions[0]
        if not found["told"]:
            assert f"  cause: {found['cause']} [{case.rule}]" in block
            assert sum(line.startswith("  proof: ") for line in block) == len(found["proof"]) > 0


def message(text: str, start: str, port: str) -> list[str]:
    """The lines of one error of a board, without the port before each."""
    lines = text.splitlines()
    words = start.removeprefix(f"{port}: ")
    first = next(at for at, line in enumerate(lines) if f" on {port} (" in line and words in line and "[code: " in line)
    lines = [lines[first], *(line.removeprefix(f"{port}:") for line in lines[first + 1 :])]
    end = next((at for at, line in enumerate(lines[1:], 1) if not line.startswith("  ")), len(lines))
    return lines[:end]


def test_no_fault_is_forgotten() -> None:
    tried = "&".join(case.options for cases in GROUPS.values() for case in cases)
    missing = [kind.name for kind in KINDS if kind.name not in UNHARMED and kind.name not in tried]
    assert missing == []
    assert [trouble for trouble in TROUBLES if trouble != "none" and f"trouble={trouble}" not in tried] == []


def test_the_rules_named_here_exist() -> None:
    names = {rule.name for rule in RULES}
    told = {case.rule for case in PORTS}
    assert {case.rule for cases in GROUPS.values() for case in cases} <= names | told
