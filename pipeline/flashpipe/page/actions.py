"""What can be clicked: tasks of the command line, done by the same jobs, and what the page notes of their results."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flashpipe.errors import BadValueError, BootError, LuaFileNameError, RolledBackError
from flashpipe.page.board import BoardOnPage, Work
from flashpipe.page.uploads import printable
from flashpipe.page.words import on_page
from flashpipe.profile.lua import bad_name
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.lua.files import FileState
    from flashpipe.flash import Region
    from flashpipe.flasher.audit import AuditFinding
    from flashpipe.flasher.model import Probe
    from flashpipe.jobs.board_job import BoardRun
    from flashpipe.records.history import StoredReceipt

MOST_PRINTED: Final = 4000
"""Characters of what a Lua text printed that stand in its verdict; the console holds more."""
Do = Callable[["BoardRun", BoardOnPage], str]


def jobs(name: str) -> Any:
    """A module of `jobs`, loaded where it is needed: the first page does not wait for any."""
    return import_module(f"flashpipe.jobs.{name}")


# --- what is done ----------------------------------------------------------------------------------------------------


def identify(run: BoardRun, board: BoardOnPage) -> str:
    """Ask the board what it is, and which profiles fit it."""
    device, fitting = jobs("identify").identify(run)
    board.device = {**board.device, **asdict(device)}
    board.fitting = fitting
    return f"{device.chip}, MAC {device.mac}, {device.flash_part}"


def plan(run: BoardRun, board: BoardOnPage) -> str:
    """What flashing would do to this board; reads only."""
    board.look_at_firmware(again=True)
    _made(run)
    preview = jobs("preview").preview_board(run)
    board.show_plan(import_module("flashpipe.page.shown_plan").shown(preview))
    return preview.reason or "the board was asked"


def flash(run: BoardRun, board: BoardOnPage) -> str:
    """Make the board hold the firmware that was chosen."""

    def fitted(probed: Probe, dirty: Sequence[Region]) -> None:
        """The board was asked: the map shows what is written now, also where nobody has looked before."""
        shown = import_module("flashpipe.page.shown_plan").shown(jobs("preview").fitted_preview(run, probed, dirty))
        board.show_plan({**shown, "of_run": "is to be written to this board"})

    board.look_at_firmware(again=True)
    _made(run)
    before, run.fitted = board.preview, fitted
    state = "was not written, or not all of it"
    try:
        run.flash()
        state, board.flashed = "was written to this board", board.choice
    except BootError as error:
        state = "was written to this board" + ", and taken back" * isinstance(error, RolledBackError)
        raise
    finally:
        board.show_plan({} if board.preview is before else {**board.preview, "of_run": state})
    return ""


def _made(run: BoardRun) -> None:
    """What the profile has built is built, where that is due, and the plan made.

    For boards that get the same, one after the other: sixteen threads that compute at once leave no time to whoever
    looks at the page, and are no sooner ready.
    """
    build, alike = jobs("build"), run.command.profile_name + "\0" + run.command.image
    with _taking_turns(_preparing.setdefault(alike, threading.Lock()), run.stop):
        if build.is_due(run.inputs):
            build.build_images(run.inputs, run.face)
        build.make_parts(run.inputs, run.face)
        run.inputs.plan()


_preparing: Final = dict[str, threading.Lock]()
"""By what is prepared."""
LOOK_S: Final = 0.1
"""How often somebody who waits looks whether to stop."""


@contextmanager
def _taking_turns(lock: threading.Lock, stop: threading.Event) -> Iterator[None]:
    """Hold the lock; whoever is to stop waits no longer, and does so at the next look."""
    held = False
    while not held and not stop.is_set():
        held = lock.acquire(timeout=LOOK_S)
    try:
        yield
    finally:
        if held:
            lock.release()


def verify(run: BoardRun, _board: BoardOnPage) -> str:
    """Compare the board with the firmware that was chosen."""
    return str(run.verify().reason)


def boot(run: BoardRun, _board: BoardOnPage) -> str:
    """Reset the board and judge what it says."""
    return str(jobs("boot").boot(run).verdict.summary)


def diagnose(run: BoardRun, _board: BoardOnPage) -> str:
    """Look for what is wrong."""
    found = jobs("diagnose").diagnose(run, lambda name, text: run.notify(f"{name:<9}{text}"))
    run.ended("diagnose", found)
    return on_page(found)


def erase(run: BoardRun, board: BoardOnPage) -> str:
    """Erase the flash, after a question."""
    jobs("erase").erase_board(run)
    board.preview, board.files, board.node, board.flashed = {}, {}, {}, None
    for part in ("plan", "files", "node"):
        board.changed(part)
    return ""


def back_up(run: BoardRun, _board: BoardOnPage) -> str:
    """Keep what the board holds."""
    backups = jobs("backups")
    manifest = backups.back_up_board(run)
    return f"backup {manifest.id}: {backups.describe_backup(manifest)}"


def restore(run: BoardRun, _board: BoardOnPage) -> str:
    """Put a backup back, after a question."""
    jobs("backups").restore_board(run)
    return ""


def audit(run: BoardRun, _board: BoardOnPage) -> str:
    """Compare the board with what its receipts say."""

    def show(findings: Sequence[AuditFinding], doubtful: Sequence[StoredReceipt]) -> None:
        for finding in findings:
            run.notify(f"{finding.row.region}, {finding.row.what}: {finding.state}")
        for receipt in doubtful:
            run.notify(f"{receipt.name}: that run did not finish")

    return str(jobs("audit").audit_board(run, show).reason)


# --- Lua -------------------------------------------------------------------------------------------------------------


def node(run: BoardRun, board: BoardOnPage) -> str:
    """Ask the running NodeMCU what it is, and compare that with the profile's demands."""
    report = jobs("lua").ask_node(run)
    findings = [{"text": str(finding), "passed": finding.passed} for finding in report.findings]
    board.node = {**asdict(report.info), "findings": findings}
    board.changed("node")
    report.check()
    return f"NodeMCU {report.info.version}"


def list_files(run: BoardRun, board: BoardOnPage) -> str:
    """The files of the board, and the room."""
    listing = jobs("lua").list_files(run)
    board.files = {
        "files": [
            {"name": name, "size": size, "state": listing.states.get(name, "")} for name, size in listing.sizes.items()
        ],
        "missing": [name for name in listing.states if name not in listing.sizes],
        "room": listing.room,
    }
    board.changed("files")
    return f"{len(listing.sizes)} file{'s' * (len(listing.sizes) != 1)} on the board"


def remove_file(run: BoardRun, board: BoardOnPage) -> str:
    """Remove a file; the list is made anew."""
    names = jobs("board_files").remove_files(run, exactly=True)
    list_files(run, board)
    return f"{', '.join(names)} removed"


def rescue(run: BoardRun, _board: BoardOnPage) -> str:
    """Rename an init.lua that the board does not survive."""
    name = jobs("lua").rescue(run)
    if not name:
        return "there is no init.lua on the board: nothing was renamed"
    return f"init.lua is called {name} now; the board has started without it"


def run_lua(run: BoardRun, board: BoardOnPage) -> str:
    """Run a text; what it prints goes to the console."""
    return f"it ran to its end{'' if _run(run, board).strip() else ', and printed nothing'}"


def heap(run: BoardRun, board: BoardOnPage) -> str:
    """Ask how much memory is free."""
    free = _run(run, board).strip()
    if not free.isdecimal():
        return "it ran to its end, and printed no number"
    if board.node:
        board.node = {**board.node, "heap": int(free)}
        board.changed("node")
    return f"{int(free):,} bytes of memory are free"


def _run(run: BoardRun, board: BoardOnPage) -> str:
    """What a text printed, the last of it; the console and the verdict show it."""
    log = board.log

    def show(text: str) -> None:
        printed = text.encode("latin-1", "replace").decode("utf-8", "replace")
        board.console.put(printed)
        if log is not None:
            log.printed = (log.printed + printed)[-MOST_PRINTED:]

    jobs("lua").run_lua(run, show)
    return log.printed if log is not None else ""


def format_files(run: BoardRun, board: BoardOnPage) -> str:
    """Format the file system, after a question."""
    jobs("lua").format_files(run)
    list_files(run, board)
    return "all files are removed"


def read_file(run: BoardRun, board: BoardOnPage) -> str:
    """Fetch a file of the board, for the editor or to be downloaded."""
    data = jobs("board_files").read_file(run)
    name = run.command.variables.text("cat")
    board.fetched[name] = data
    board.changed("fetched")
    return f"{name}: {len(data):,} bytes"


@dataclass(frozen=True, slots=True)
class Action:
    """A thing that can be clicked."""

    task: str
    label: str
    run: Do
    fields: tuple[str, ...] = ()
    """Variables that the form may set, besides what was chosen."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Variables that it always has."""


ACTIONS: Final[Mapping[str, Action]] = {
    "identify": Action("identify", "Identify", identify),
    "plan": Action("plan", "Look at the board", plan),
    "flash": Action("flash", "Flash", flash),
    "verify": Action("verify", "Compare", verify),
    "boot": Action("boot", "Restart and watch", boot),
    "diagnose": Action("diagnose", "Diagnose", diagnose),
    "erase": Action("erase", "Erase", erase, ("regions",)),
    "backup": Action("backup", "Back up", back_up),
    "restore": Action("restore", "Restore", restore, ("backup",)),
    "audit": Action("audit", "Audit", audit),
    "node": Action("node", "Ask the firmware", node),
    "files": Action("files", "List files", list_files),
    "remove": Action("files", "Delete a file", remove_file, ("rm",)),
    "fetch": Action("files", "Read a file", read_file, ("cat",)),
    "rescue": Action("files", "Put init.lua aside", rescue, ("rescue",)),
    "lua": Action("lua", "Run Lua", run_lua, ("code",)),
    "heap": Action("lua", "Heap", heap, given={"code": "print(node.heap())"}),
    "format": Action("format", "Format", format_files),
}
"""By the last word of the address that is clicked."""


def work(name: str, form: Mapping[str, str]) -> Work:
    """What a click asks for.

    Raises:
        BadValueError: there is nothing of that name.
    """
    action = ACTIONS.get(name)
    if action is None:
        raise BadValueError(f"{name!r} is nothing that can be done here", "reload the page")
    given = {**action.given, **{key: form[key] for key in action.fields if form.get(key)}}
    return Work(action.task, action.label, action.run, given, action="" if action.fields else name)


def put_work(files: Mapping[str, Path], known: Collection[str] | None = None) -> Work:
    """The sending of files that a browser has left here, by the names that they get; they are not needed afterwards.

    `known`: digests of what its editor has opened or sent under that name; None: it was no editor that sent them.

    Raises:
        LuaFileNameError: names that no file of a board can have. Nothing is sent then.
    """
    problems = [f"{printable(name) or 'no name'}: {problem}" for name in files if (problem := bad_name(name))]
    if problems:
        left = "; nothing else was sent either" * (len(problems) < len(files))
        raise LuaFileNameError(
            f"a board can have no file of that name: {'; '.join(problems)}{left}",
            "give it another name" if len(files) == 1 else "rename it, and drop all of them again",
        )

    def put(run: BoardRun, board: BoardOnPage) -> str:
        try:
            states = jobs("board_files").put_these(run, files, known)
            board.sent = [state.sha256 for state in states]
            board.changed("sent")
            list_files(run, board)
        finally:
            shutil.rmtree(next(iter(files.values())).parent, ignore_errors=True)
        sent, there = ([one for one in states if (one.state == "sent") is fresh] for fresh in (True, False))
        groups = [(sent, "sent"), (there, "there already")]
        return "; ".join(f"{_listed(group)} {words}" for group, words in groups if group)

    label = f"Send {next(iter(files))}" if len(files) == 1 else f"Send {len(files)} files"
    return Work("files", label, put, shown={"put": ",".join(files)})


def _listed(states: Sequence[FileState]) -> str:
    return ", ".join(f"{state.name} ({state.size:,} bytes)" for state in states)
