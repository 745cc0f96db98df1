"""The doit tasks. A project's dodo.py needs one line: `from flashpipe.tasks import *`.

Creators stay cheap and never fail: profiles, images and ports are read by actions, so that `doit list` answers at once
and a broken profile takes no other task down.
"""

from __future__ import annotations

import atexit
import gc
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from flashpipe.errors import PipelineError
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.variables import declare_variables
from flashpipe.tasks import step as steps
from flashpipe.tasks.actions import audits as auditing
from flashpipe.tasks.actions import backups as backing
from flashpipe.tasks.actions import build as building
from flashpipe.tasks.actions import lua as lua_steps
from flashpipe.tasks.command_line import boards, named, preceding, request, workers
from flashpipe.tasks.reporter import Plain

__all__ = [
    "DOIT_CONFIG",
    "declare_variables",
    "task__build",
    "task__check",
    "task__inputs",
    "task__probe",
    "task_audit",
    "task_backup",
    "task_boot",
    "task_diagnose",
    "task_doctor",
    "task_erase",
    "task_files",
    "task_flash",
    "task_format",
    "task_identify",
    "task_image",
    "task_lock",
    "task_lua",
    "task_monitor",
    "task_node",
    "task_ports",
    "task_profiles",
    "task_report",
    "task_restore",
    "task_verify",
]

DOIT_CONFIG: Final = {
    "backend": "safe",
    "dep_file": ".pipeline/doit.db",
    "default_tasks": ["profiles", "ports"],
    "par_type": "thread",
    "num_process": workers(),
    "continue": True,
    "verbosity": 2,
    "reporter": Plain,
}
_IO: Final = {"capture": False}
"""doit's capture swaps stdout for the whole process, which threads cannot bear."""

_LOADED: Final = 50_000
"""Objects between two searches for garbage, where Python says 700. What loading makes stays: to look through it again
and again, and once more at the end, took a tenth of the CPU of a flash."""

gc.set_threshold(_LOADED)
atexit.register(gc.freeze)

Tasks = Iterator[dict[str, Any]] | dict[str, Any]


def _for_boards(
    task: str, action: Callable[[BoardRun], Any], *, needs: tuple[str, ...] = (), skip: bool = False
) -> Tasks:
    """One sub-task for each port."""
    try:
        found = boards()
    except PipelineError as error:
        return steps.refuse(error)
    before = preceding(task)
    return _sub_tasks(action, found, (*needs, f"{before}:{{}}") if before else needs, skip=skip)


def _sub_tasks(
    action: Callable[[BoardRun], Any], found: dict[str, BoardRun], needs: tuple[str, ...], *, skip: bool
) -> Iterator[dict[str, Any]]:
    for name, board in found.items():
        yield {
            "name": name,
            "actions": [(action, [board])],
            "task_dep": [need.format(name) for need in needs],
            "uptodate": [steps.UpToDate(board) if skip else steps.armed],
            "io": _IO,
        }


def _plain(action: Callable[..., Any]) -> dict[str, Any]:
    return {"actions": [(action, [request()])], "io": _IO, "uptodate": [steps.armed]}


def task_profiles() -> Tasks:
    """List the board profiles of this project and the shipped ones

    Name one with profile=NAME. A profile of your own is a YAML file in this folder, or in its profiles/ folder;
    `flashpipe init` writes one for the board on the port.
    """
    return _plain(steps.list_profiles)


def task_ports() -> Tasks:
    """List the serial ports, their adapters, the board last seen on each

    No port is opened. Name one with port=/dev/ttyUSB0 or port=COM3; port=sim://esp12 is a virtual board.
    """
    return _plain(steps.list_ports)


def task_image() -> Tasks:
    """Check the firmware image of a profile and say what is in it

    profile=NAME [image=FILE | image=0x00000:FILE,0x10000:FILE]. No port is opened.
    """
    return {**_plain(steps.show_image), "task_dep": ["_build"]}


def task_lock() -> Tasks:
    """Pin what a profile's image sources give now in images.lock.yaml

    profile=NAME [image=FILE]. What is first had from a URL, a release or a package is pinned by itself, and local files
    where the profile says `lock: true`; other bytes are refused from then on. This task accepts new ones, and says what
    changed inside. Commit the file; with locked=1 nothing is used that it does not pin.
    """
    return {**_plain(steps.lock_images), "task_dep": ["_build"]}


def task__inputs() -> Tasks:
    """Find the files that the profile's build reads"""
    return {"actions": [(building.find_inputs, [request()])], "io": _IO}


def task__build() -> Iterator[dict[str, Any]]:
    """Run the profile's build, where it has one and it is due"""
    # One sub-task for each profile: doit remembers the inputs by the task's name.
    yield {
        "name": re.sub(r"[^\w.-]+", "_", request().profile_name) or "none",
        "actions": [(building.build_images, [request()])],
        "calc_dep": ["_inputs"],
        "uptodate": [building.Built(request())],
        "io": _IO,
    }


def task__check() -> Tasks:
    """Refuse what can be refused without a board"""
    return {**_plain(steps.check_plan), "task_dep": ["_build"]}


def task__probe() -> Tasks:
    """Compare the board on the port with the plan"""
    return _for_boards("_probe", steps.probe_board, needs=("_check",))


def task_flash() -> Tasks:
    """Make a board hold its profile's firmware: write what differs, boot

    profile=NAME [port=PORT] [image=FILE] [baud=460800] [mode=dio] [boot=off] [force=1] [check=mac]

    Skipped where the board on the port already holds the image and boots; the reason is printed. Several ports with
    commas, a pattern or `all` are flashed at once. reset=none boot=off flashes a board that is in download mode
    already and leaves it there. After an interruption run it again: it continues.
    """
    if not named("flash"):
        return steps.refuse(steps.not_named("flash"))
    return _for_boards("flash", steps.flash_board, needs=("_check", "_probe:{}"), skip=True)


def task_erase() -> Tasks:
    """Erase the whole flash of a board; asks first, or say yes=1

    profile=NAME or port=PORT. Files, Wi-Fi settings and calibration data go too.
    """
    if not named("erase"):
        return steps.refuse(steps.not_named("erase"))
    return _for_boards("erase", steps.erase_board)


def task_audit() -> Tasks:
    """Compare a board with what its receipts say it holds

    [port=PORT] [profile=NAME]. Parameters and files change by themselves and are reported; firmware that is not what
    was written is a failure. What the board holds of the former is noted in a receipt, for the next audit.
    """
    return _for_boards("audit", auditing.audit_board)


def task_backup() -> Tasks:
    """Keep what a board holds, to be put back with `restore`

    [port=PORT] [profile=NAME] [regions=spiffs,wifi | regions=0x100000-0x3fb000] [file=DUMP.bin]

    The whole flash unless regions= says otherwise. Every block is checked by the board's own digest; blank blocks and
    those that an earlier backup of this board holds are not read, so that an interrupted backup continues. It lies in
    .pipeline/backups, readable by you only: a flash holds Wi-Fi passwords.
    """
    return _for_boards("backup", backing.backup_board)


def task_report() -> Tasks:
    """Sum up this project's receipts: counts, and a line for each board

    [since=2026-11-23 | since=7d] [format=text|csv|json]. No port is opened.
    """
    return _plain(auditing.report_batch)


def task_restore() -> Tasks:
    """Put a backup back on a board, verify it, judge its boot; asks first

    [port=PORT] [profile=NAME] [backup=ID | backup=FILE] [regions=…] [boot=off] [yes=1]

    The newest complete backup of the board on the port, unless backup= names one. On another board than its own it goes
    without RF calibration and Wi-Fi settings, unless regions= says what to take (regions=all: everything).
    """
    if not named("restore"):
        return steps.refuse(steps.not_named("restore"))
    return _for_boards("restore", backing.restore_board)


def task_verify() -> Tasks:
    """Compare a board with its profile's firmware; writes nothing

    profile=NAME [port=PORT] [image=FILE]. Parts that the firmware itself changes after its first boot do not count.
    """
    return _for_boards("verify", steps.verify_board, needs=("_check",))


def task_boot() -> Tasks:
    """Reset a board, read its boot log and say what it proves

    [profile=NAME] [port=PORT] [boot=nodemcu|any|TEXT] [reset=none|manual]

    reset=none judges the board as it runs. Without a profile any sign of life will do. The exit status of flashpipe,
    and the code, are one for each class of failure; the whole log is in the receipt.
    """
    return _for_boards("boot", steps.boot_board)


def task_identify() -> Tasks:
    """Say which chip, MAC and flash are on a port, which profiles fit

    [port=PORT] [profile=NAME] [reset=none]. Writes nothing.
    """
    return _for_boards("identify", steps.identify_board)


def task_diagnose() -> Tasks:
    """Find out what is wrong with a board: its line, flash and boot

    [port=PORT] [profile=NAME] [reset=none]. The cause, its proof and one next action, as after a failure; also what
    the last failure on that port was. The board is reset; nothing is written.
    """
    return _for_boards("diagnose", steps.diagnose_board)


def task_doctor() -> Tasks:
    """Find out what on this machine keeps a board from being flashed

    [port=PORT] [baud=460800]. Rights, who holds the port, drivers, brltty, ModemManager, WSL, containers, baud rates,
    versions; each with the command that cures it. No port is opened, nothing changed.
    """
    return _plain(steps.check_host)


def task_monitor() -> Tasks:
    """Show what a board says and send what you type; Ctrl-C ends it

    [port=PORT] [profile=NAME] [baud=115200]. The board is not reset. The port is given to any flashpipe on this machine
    that needs it, and taken again afterwards. `doit flash monitor …` goes on where the boot check ends, at its rate.
    """
    return _for_boards("monitor", steps.monitor_board)


def task_node() -> Tasks:
    """Ask a running NodeMCU what it is: version, modules, flash, heap

    [port=PORT] [profile=NAME]. Writes nothing. The board is reset only where no Lua prompt answers.
    """
    return _for_boards("node", lua_steps.show_node)


def task_lua() -> Tasks:
    """Run a Lua file on a board's NodeMCU and show what it prints

    file=FILE [wait=5s] [port=PORT] [profile=NAME]. The file is sent under a temporary name and removed again; with
    wait= what timers and callbacks print later is shown too. The board is not restarted.
    """
    return _for_boards("lua", lua_steps.run_lua)


def task_files() -> Tasks:
    """List the Lua files on a board; send=1 sends those of its profile

    [profile=NAME] [port=PORT] [send=1] [rescue=1]. Writes nothing, unless send=1: then the files that differ are sent
    and the board is restarted, as `flash` does. rescue=1 renames an init.lua that the board does not survive.
    """
    return _for_boards("files", lua_steps.show_files)


def task_format() -> Tasks:
    """Format the file system of a board's NodeMCU; asks first

    [profile=NAME] [port=PORT] [yes=1]. All files on the board are removed.
    """
    if not named("format"):
        return steps.refuse(steps.not_named("format"))
    return _for_boards("format", lua_steps.format_board)
