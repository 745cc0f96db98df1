"""The doit tasks. A project's dodo.py needs one line: `from flashpipe.tasks import *`.

Each is described here and made in `creators`. They stay cheap and never fail: profiles, images and ports are read by
actions, so that `doit list` answers at once and a broken profile takes no other task down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flashpipe.tasks import doit_modules, step  # noqa: F401  doit is loaded by the first
from flashpipe.tasks.command_line import current
from flashpipe.tasks.creators import board_task, task
from flashpipe.tasks.doit_events import begin_with_doit
from flashpipe.tasks.project import declare_variables, doit_config, flashpipe_config, may_write

__all__ = [
    "DOIT_CONFIG",
    "declare_variables",
    "flashpipe_config",
    "may_write",
    "task__build",
    "task__check",
    "task__inputs",
    "task__made",
    "task__part_files",
    "task__parts",
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
"""What a dodo file gets. What came later, `watch` among it, `flashpipe` has alone: users may have such tasks."""

begin_with_doit()

DOIT_CONFIG: Final = doit_config()


@task("listings.profiles")
def task_profiles() -> None:
    """List the board profiles of this project and the shipped ones

    `flashpipe flash profile=NAME` takes one. A profile of your own is a YAML file in this folder, or in its profiles/
    folder; `flashpipe init` writes one for the board on the port.
    """


@task("listings.ports")
def task_ports() -> None:
    """List the serial ports, their adapters, the board last seen on each

    No port is opened. `flashpipe identify port=/dev/ttyUSB0`, or `port=COM3`, names one; `port=sim://esp12` is a
    virtual board.
    """


@task("inspect.show_image", needs=("_parts",), calc_dep=["_made"])
def task_image() -> None:
    """Check the firmware image of a profile and say what is in it

    profile=NAME [image=FILE | image=0x00000:FILE,0x10000:FILE]. No port is opened.
    """


@task("images.lock", needs=("_parts",), calc_dep=["_made"])
def task_lock() -> None:
    """Pin what a profile's image sources give now in images.lock.yaml

    profile=NAME [image=FILE]. What is first had from a URL, a release or a package is pinned by itself, and local files
    where the profile says `lock: true`; other bytes are refused from then on. This task accepts new ones, and says what
    changed inside. Commit the file; with locked=1 nothing is used that it does not pin.
    """


@task("build.find_inputs", uptodate=[step.Targets()])
def task__inputs() -> None:
    """Find the files that the profile's build reads"""


@task("images.find_made", uptodate=[step.Targets()])
def task__made() -> None:
    """Find the files that other tasks of the project make"""


def task__build() -> Iterator[dict[str, object]]:
    """Run the profile's build, where it has one and it is due"""
    yield {
        "name": _profile_slug(),
        "actions": [(step.run_step, ["build.build_images"])],
        "calc_dep": ["_inputs"],
        "uptodate": [step.Built()],
        "io": {"capture": False},
    }


@task("build.find_part_files", uptodate=[])
def task__part_files() -> None:
    """Find the files that LFS and SPIFFS images of the profile are made of"""


def task__parts() -> Iterator[dict[str, object]]:
    """Make the profile's LFS and SPIFFS images of their sources, where they are due"""
    yield {
        "name": _profile_slug(),
        "actions": [(step.run_step, ["build.make_parts"])],
        "task_dep": ["_build"],
        "calc_dep": ["_made", "_part_files"],
        "uptodate": [step.PartsMade()],
        "io": {"capture": False},
    }


def _profile_slug() -> str:
    """One sub-task for each profile: doit remembers the inputs by the task's name."""
    return re.sub(r"[^\w.-]+", "_", current().command.profile_name) or "none"


@task("images.check", needs=("_parts",), calc_dep=["_made"])
def task__check() -> None:
    """Refuse what can be refused without a board"""


@board_task("flash.probe", needs=("_check",))
def task__probe() -> None:
    """Compare the board on the port with the plan"""


@board_task("flash.flash", needs=("_check", "_probe:{}"), skip=True, only_if_named=True)
def task_flash() -> None:
    """Make a board hold its profile's firmware: write what differs, boot

    profile=NAME [port=PORT] [image=FILE] [baud=460800] [mode=dio] [boot=off] [force=1] [check=mac]

    Skipped where the board on the port already holds the image and boots; the reason is printed. Several ports with
    commas, a pattern or `all` are flashed at once. reset=none boot=off flashes a board that is in download mode
    already and leaves it there. After an interruption run it again: it continues.
    """


@board_task("erase.erase", only_if_named=True)
def task_erase() -> None:
    """Erase a board's flash, or parts of it; asks first, or say yes=1

    profile=NAME or port=PORT [regions=spiffs,wifi | regions=0x100000-0x3fb000]. Without regions= the whole flash:
    files, Wi-Fi settings and calibration data go too. With it those sectors alone; what is named by a word lies where
    the board's own partition table says, or the profile's firmware.
    """


@board_task("audits.audit")
def task_audit() -> None:
    """Compare a board with what its receipts say it holds

    [port=PORT] [profile=NAME]. Parameters and files change by themselves and are reported; firmware that is not what
    was written is a failure. What the board holds of the former is noted in a receipt, for the next audit.
    """


@board_task("backups.backup")
def task_backup() -> None:
    """Keep what a board holds, to be put back with `restore`

    [port=PORT] [profile=NAME] [regions=spiffs,wifi | regions=0x100000-0x3fb000] [file=DUMP.bin]

    The whole flash unless regions= says otherwise. Every block is checked by the board's own digest; blank blocks and
    those that an earlier backup of this board holds are not read, so that an interrupted backup continues. It lies in
    .pipeline/backups, readable by you only: a flash holds Wi-Fi passwords.
    """


@task("audits.report")
def task_report() -> None:
    """Sum up this project's receipts: counts, and a line for each board

    [since=2026-11-23 | since=7d] [format=text|csv|json]. No port is opened.
    """


@board_task("backups.restore", only_if_named=True)
def task_restore() -> None:
    """Put a backup back on a board, verify it, judge its boot; asks first

    [port=PORT] [profile=NAME] [backup=ID | backup=FILE] [regions=…] [boot=off] [yes=1]

    The newest complete backup of the board on the port, unless backup= names one. On another board than its own it goes
    without RF calibration and Wi-Fi settings, unless regions= says what to take (regions=all: everything).
    """


@board_task("flash.verify", needs=("_check",))
def task_verify() -> None:
    """Compare a board with its profile's firmware; writes nothing

    profile=NAME [port=PORT] [image=FILE]. Parts that the firmware itself changes after its first boot do not count.
    """


@board_task("boot.boot")
def task_boot() -> None:
    """Reset a board, read its boot log and say what it proves

    [profile=NAME] [port=PORT] [boot=nodemcu|any|TEXT] [reset=none|manual]

    reset=none judges the board as it runs. Without a profile any sign of life will do. The exit status of flashpipe,
    and the code, are one for each class of failure; the whole log is in the receipt.
    """


@board_task("look.identify")
def task_identify() -> None:
    """Say which chip, MAC and flash are on a port, which profiles fit

    [port=PORT] [profile=NAME] [reset=none]. Writes nothing.
    """


@board_task("diagnose.diagnose")
def task_diagnose() -> None:
    """Find out what is wrong with a board: its line, flash and boot

    [port=PORT] [profile=NAME] [reset=none]. The cause, its proof and one next action, as after a failure; also what
    the last failure on that port was. The board is reset; nothing is written.
    """


@task("listings.doctor")
def task_doctor() -> None:
    """Find out what on this machine keeps a board from being flashed

    [port=PORT] [baud=460800]. Rights, who holds the port, drivers, brltty, ModemManager, WSL, containers, baud rates,
    versions; each with the command that cures it. No port is opened, nothing changed.
    """


@board_task("look.monitor")
def task_monitor() -> None:
    """Show what a board says and send what you type; Ctrl-C ends it

    [port=PORT] [profile=NAME] [baud=115200]. The board is not reset. The port is given to any flashpipe on this machine
    that needs it, and taken again afterwards. `flashpipe flash monitor …` goes on where the boot check ends.
    """


@board_task("lua.show_node")
def task_node() -> None:
    """Ask a running NodeMCU what it is: version, modules, flash, heap

    [port=PORT] [profile=NAME]. Writes nothing. The board is reset only where no Lua prompt answers.
    """


@board_task("lua.run", reads_files=True)
def task_lua() -> None:
    """Run a Lua file on a board's NodeMCU and show what it prints

    file=FILE [wait=5s] [port=PORT] [profile=NAME], or -e 'print(node.heap())' in place of the file.

    It is sent under a temporary name and removed again; with wait= what timers and callbacks print later is shown too.
    The board is not restarted.
    """


@board_task("lua.show_files", reads_files=True)
def task_files() -> None:
    """List the Lua files on a board; send=1 sends those of its profile

    [profile=NAME] [port=PORT] [send=1] [rescue=1]. Writes nothing, unless send=1: then the files that differ are sent
    and the board is restarted, as `flash` does. rescue=1 renames an init.lua that the board does not survive.

    Single files: put=FILE,… [as=NAME], get=NAME,… [as=FILE] [to=DIR] [yes=1], rm=NAME,… [yes=1], cat=NAME,
    edit=NAME; under flashpipe `files put FILE …`, and so on. Folders and patterns are fine; nothing is restarted.
    """


@board_task("lua.format_board", only_if_named=True)
def task_format() -> None:
    """Format the file system of a board's NodeMCU; asks first

    [profile=NAME] [port=PORT] [yes=1]. All files on the board are removed.
    """


@board_task("watch.watch", needs=("_made",), only_if_named=True)
def task_watch() -> None:
    """Send Lua files when they are saved, flash new builds; console open

    profile=NAME [port=PORT]. A file of the profile's `files:` is sent and run (`dofile`); with a new init.lua the board
    is restarted. Where the image, or what its build reads, has changed, it is built and flashed. In between the console
    is open as with `monitor`; Ctrl-C ends it.
    """
