"""The words `name=value` of a command line: one table says what each means, what it takes and which tasks use it.

doit itself ignores a name it does not know (`doit flash profil=esp12` would flash the default profile), and a task what
it has no use for (`restore file=x.bin` would put another backup back): both are refused, before anything is done.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Final, Literal

from flashpipe import reset_mode
from flashpipe.errors import BadValueError, UnknownVariableError, UnusedVariableError
from flashpipe.jobs.empty_texts import check_text
from flashpipe.units import parse_bool
from flashpipe.values import dataclass
from flashpipe.virtual_options import ABOUT, VALUES

Kind = Literal["text", "file", "flag", "choice", "list"]
"""Any text; the name of a file; yes or no; one of a few words; several texts with commas."""
FEW: Final = 4
"""Tasks that a message lists."""

WITH_RECEIPTS: Final = frozenset({"audit", "backup", "boot", "erase", "files", "flash", "restore", "verify", "watch"})
"""Tasks that leave a receipt."""
WITH_PLAN: Final = frozenset({"flash", "plan", "verify", "watch"})
"""Tasks that compare a board with a plan."""
WITH_IMAGES: Final = WITH_PLAN | {"boot", "image", "lock"}
"""Tasks that look at the images of a profile."""
ON_BOARDS: Final = frozenset(
    {
        *("audit", "backup", "boot", "diagnose", "erase", "files", "flash", "format", "identify", "lua", "monitor"),
        *("node", "plan", "restore", "verify", "watch"),
    }
)
"""Tasks that reach a board; `plan` does where `port=` is given."""
WITH_POLICY: Final = WITH_PLAN | {"backup", "erase", "restore"}
"""Tasks that carry out what the profile says about a board."""

WITH_TABLES: Final = frozenset(
    {"audit", "boot", "diagnose", "doctor", "files", "identify", "image", "node", "plan", "ports", "profiles", "report"}
    | {"verify"}
)
"""Tasks whose result programs can have as a document."""
ANY: Final = ON_BOARDS | WITH_IMAGES | {"doctor", "ports", "profiles", "report"}
"""All of them."""
_MONITOR: Final = frozenset({"monitor"})
_LUA, _FILES, _REPORT = frozenset({"lua"}), frozenset({"files"}), frozenset({"report"})


@dataclass(frozen=True, slots=True)
class VariableKind:
    """A row of the table."""

    name: str
    kind: Kind
    about: str
    """What it means, for people."""
    tasks: frozenset[str]
    """Tasks and commands that use it."""
    values: tuple[str, ...] = ()
    """Of a choice, the default first."""
    environment: str = ""
    """Environment variable that says it for all commands."""
    mistaken: tuple[str, ...] = ()
    """Variables of other tasks that are written where this one is meant."""
    short: str = ""
    """Letter of its short option; each may be written as `--name VALUE`, too."""
    likely: tuple[str, ...] = ()
    """Of those that take other texts as well, what is offered when it is typed."""


TABLE: Final = (
    VariableKind(
        "profile",
        "text",
        "which board profile: `flashpipe profiles` lists them",
        ON_BOARDS | WITH_IMAGES | {"doctor"},
        environment="FLASHPIPE_PROFILE",
    ),
    VariableKind(
        "port",
        "list",
        "serial port, several with commas, a pattern, or `all` on USB; default: the profile's, then the only one there",
        ON_BOARDS | {"doctor", "report"},
        environment="FLASHPIPE_PORT",
        short="p",
    ),
    VariableKind(
        "port_wait",
        "text",
        "how long a port that somebody else has is waited for, such as 30s; default: not at all",
        ON_BOARDS,
        likely=("30s", "2m"),
    ),
    VariableKind(
        "baud",
        "text",
        "rate of the write phase, such as 460800, or auto; of `monitor` alone: the rate to listen at",
        ON_BOARDS | {"doctor"},
        environment="FLASHPIPE_BAUD",
        short="b",
        likely=("auto", "115200", "230400", "460800", "921600"),
    ),
    VariableKind(
        "reset",
        "text",
        "auto, manual (a person presses), none (is in download mode), or a custom sequence",
        ON_BOARDS,
        likely=reset_mode.WORDS,
    ),
    VariableKind(
        "boot",
        "text",
        "off: no boot check; else what to expect: auto, nodemcu, any, or a text of the boot log",
        frozenset({"flash", "plan", "boot", "restore", "files", "watch"}),
        likely=("auto", "nodemcu", "any", "off"),
    ),
    VariableKind(
        "image",
        "file",
        "FILE, or a split pair 0x00000:FILE,0x10000:FILE; replaces the profile's firmware",
        WITH_IMAGES,
        mistaken=("file",),
    ),
    VariableKind(
        "mode", "text", "flash mode: qio, qout, dio, dout", WITH_PLAN | {"image"}, likely=("qio", "qout", "dio", "dout")
    ),
    VariableKind(
        "frequency",
        "text",
        "flash frequency: 20m, 26m, 40m, 80m",
        WITH_PLAN | {"image"},
        likely=("20m", "26m", "40m", "80m"),
    ),
    VariableKind(
        "erase",
        "text",
        "as-needed, or all: erase the whole flash before it is written",
        WITH_PLAN,
        likely=("as-needed", "all"),
    ),
    VariableKind(
        "keep",
        "list",
        "what must not be lost: spiffs, lfs, wifi, rf, several with commas; none: nothing of it",
        WITH_PLAN,
        likely=("spiffs", "lfs", "wifi", "rf", "none"),
    ),
    VariableKind(
        "check",
        "choice",
        "md5 (default): compare by digests; mac: trust the journal",
        frozenset({"flash", "plan"}),
        values=("md5", "mac"),
    ),
    VariableKind(
        "force",
        "flag",
        "1: write although the board holds the image; of `backup`: replace the file of file=",
        frozenset({"flash", "plan", "backup"}),
    ),
    VariableKind(
        "allow",
        "list",
        "codes of refusals to override, separated by commas; the receipt remembers them",
        WITH_POLICY | {"image", "lock"},
    ),
    VariableKind(
        "regions",
        "list",
        "only these parts of the flash: 0x100000-0x3fb000, or spiffs, lfs, wifi, rf, all; several with commas",
        frozenset({"backup", "restore", "erase"}),
        likely=("spiffs", "lfs", "wifi", "rf", "all"),
    ),
    VariableKind(
        "backup",
        "file",
        "id of a backup, or a plain file; default: the newest of the board on the port",
        frozenset({"restore"}),
        mistaken=("file", "image"),
    ),
    VariableKind(
        "file",
        "file",
        "of `backup`: also write the bytes to this file, as they stand in flash; of `lua`: the file to run",
        frozenset({"backup", "lua"}),
        mistaken=("image",),
    ),
    VariableKind("code", "text", "Lua text that `lua` runs instead of a file", _LUA, mistaken=("file",), short="e"),
    VariableKind(
        "wait",
        "text",
        "how long `lua` goes on listening after the file came to its end, such as 5s",
        _LUA,
        likely=("5s",),
    ),
    VariableKind(
        "detailed_status",
        "flag",
        "1: `plan` ends with status 2 where something would be written, and with 0 where nothing would",
        frozenset({"plan"}),
    ),
    VariableKind("until", "text", "end `monitor` well once this is seen; a text, or /a regular expression/", _MONITOR),
    VariableKind("fail", "text", "end `monitor` as a failure once this is seen", _MONITOR),
    VariableKind(
        "timeout",
        "text",
        "`monitor` listens no longer than this, such as 30s; with until= it is a failure then. Of `lua`: how long the"
        " file may run (10m)",
        _MONITOR | _LUA,
    ),
    VariableKind("log", "file", "FILE to which all that `monitor` shows is added", _MONITOR),
    VariableKind("stamp", "flag", "1: `monitor` puts the time in front of each line", _MONITOR),
    VariableKind("put", "list", "FILEs, folders or patterns of here that `files` sends to the board", _FILES),
    VariableKind("get", "list", "names or patterns on the board that `files` fetches", _FILES),
    VariableKind("rm", "list", "names or patterns on the board that `files` removes", _FILES),
    VariableKind("cat", "text", "name on the board that `files` shows", _FILES),
    VariableKind("edit", "text", "name on the board that `files` opens in EDITOR, and puts back if changed", _FILES),
    VariableKind("as", "text", "what put= calls its one file on the board, or get= its one file here", _FILES),
    VariableKind("to", "file", "folder of here into which get= fetches, in place of the current one", _FILES),
    VariableKind("send", "flag", "1: `files` sends the profile's files that the board does not hold", _FILES),
    VariableKind("rescue", "flag", "1: `files` renames an init.lua that the board does not survive", _FILES),
    VariableKind(
        "since",
        "text",
        "only receipts since that date or time of here, today, or 7d, 12h",
        _REPORT,
        likely=("today", "7d", "30d"),
    ),
    VariableKind("batch", "text", "only receipts of that batch of a station", _REPORT),
    VariableKind(
        "format",
        "choice",
        "text, json; csv too of `report`: what tables are written as; `--json` says the same",
        WITH_TABLES,
        values=("text", "csv", "json"),
    ),
    VariableKind(
        "events",
        "file",
        "FILE for JSON lines about each step, or - for standard output; FLASHPIPE_EVENTS says the same",
        ANY,
    ),
    VariableKind("junit", "file", "FILE for a JUnit report: a board is a case", ANY),
    VariableKind(
        "receipt",
        "file",
        "FILE that gets the receipt, too; several boards: a list, or one file each with @mac@ in the name",
        WITH_RECEIPTS,
    ),
    VariableKind("quiet", "flag", "1: only how the run went, and what failed", ANY, short="q"),
    VariableKind("verbose", "flag", "1: show what passes on the wire, too", ANY, short="v"),
    VariableKind(
        "color",
        "choice",
        "auto, always, never: colours of the last line; NO_COLOR is obeyed",
        ANY,
        values=("auto", "always", "never"),
    ),
    VariableKind(
        "yes",
        "flag",
        "1: confirm what would be asked on a terminal",
        frozenset({"flash", "plan", "erase", "files", "restore", "format", "watch"}),
        short="y",
    ),
    *(
        VariableKind(name, "text", f"{about}; of a virtual board alone", ON_BOARDS, likely=VALUES.get(name, ()))
        for name, about in ABOUT.items()
    ),
    VariableKind(
        "records",
        "file",
        "folder for records (receipts, backups) instead of the project's .pipeline",
        ON_BOARDS | WITH_IMAGES | {"report"},
        environment="FLASHPIPE_RECORDS",
    ),
    VariableKind("offline", "flag", "1: use no network", WITH_POLICY | WITH_IMAGES),
    VariableKind(
        "locked",
        "flag",
        "1: use only images that images.lock.yaml pins, and never change it",
        WITH_POLICY | WITH_IMAGES,
    ),
)
"""Every variable of the shipped tasks."""
KNOWN: Final = {row.name: row for row in TABLE}
FLAGS: Final = frozenset(row.name for row in TABLE if row.kind == "flag")
"""Those that are yes or no."""
DODO: Final = "dodo.py"
DEFAULTS: Final = ("profile", "port", "baud")
"""Variables for which a project may have defaults of its own."""
_declared: dict[str, str] = {}
_defaults: dict[str, str] = {}


def declare_variables(*names: str, **described: str) -> None:
    """Admit variables of a user's own tasks: `declare_variables("site", batch="number of the batch")`.

    Call it in the dodo file, outside any task. One of ours that is declared is admitted for every task.
    """
    _declared.update(dict.fromkeys(names, "declared by this project") | described)


def forget_project() -> None:
    """Nothing is known of a project: what a dodo file has declared in this process counts no more."""
    _declared.clear()
    _defaults.clear()


def set_defaults(texts: Mapping[str, str]) -> None:
    """What this project says where neither command line nor environment do; replaces what was said before."""
    _defaults.clear()
    _defaults.update(texts)


def project_default(name: str) -> str:
    """The project's own default of a variable; empty where it has none."""
    return _defaults.get(name, "")


def known_variables() -> dict[str, str]:
    """Every variable, those that a project has declared included, and what it means."""
    return {row.name: row.about for row in TABLE} | _declared


def taken_by(task: str) -> list[VariableKind]:
    """What a task uses, in the order of the table."""
    return [row for row in TABLE if task in row.tasks]


@dataclass(frozen=True, slots=True)
class Variables:
    """The checked variables of this command line."""

    given: Mapping[str, str]
    """Name to text, command line only."""
    origin: Mapping[str, str]
    """Name to the environment variable, or the dodo file, it came from, for those that did."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The texts of these."""

    def text(self, name: str, default: str = "") -> str:
        """The text given for `name`: on the command line, by the environment, or by the project's dodo file."""
        return self.given.get(name, self.texts.get(name, default))

    def flag(self, name: str) -> bool:
        """The yes or no given for `name`; no if absent.

        Raises:
            BadValueError: neither yes nor no.
        """
        try:
            return parse_bool(self.text(name))
        except BadValueError as error:
            raise BadValueError(f"{name}={self.text(name)}: {error.message}", error.hint) from None

    def choice(self, name: str) -> str:
        """The text given for `name`, one of those that the table names; the first of them if absent.

        Raises:
            BadValueError: another text.
        """
        accepted = KNOWN[name].values
        value = self.text(name, accepted[0])
        if value not in accepted:
            raise BadValueError(f"{name}={value}: want one of {', '.join(accepted)}", f"leave it out for {accepted[0]}")
        return value


def check(given: Mapping[str, str], tasks: Collection[str] | None = None) -> Variables:
    """Check names against those declared, and against what the tasks of the command line use.

    Args:
        given: Name to text.
        tasks: Tasks and commands that were named, all of them ours; None where others are among them, whose needs
            nobody knows.

    Raises:
        UnknownVariableError: naming the nearest known one.
        UnusedVariableError: none of the tasks uses it.
        BadValueError: a text is empty, or an entry of a list: left out, it may mean everything, or nothing.
    """
    for name, text in given.items():
        if name not in KNOWN and name not in _declared:
            raise _unknown(name)
        if name not in _declared:
            check_text(KNOWN[name].kind, text, name)
    if tasks:
        for name in given:
            if name not in _declared and not any(task in KNOWN[name].tasks for task in tasks):
                raise _unused(name, sorted(tasks))
        if given.get("format") == "csv" and "report" not in tasks and "format" not in _declared:
            raise BadValueError(f"format=csv: {' and '.join(sorted(tasks))} knows text and json", "report has csv, too")
    origin, texts = dict[str, str](), dict[str, str]()
    for row in TABLE:
        by_environment = os.environ.get(row.environment, "") if row.environment else ""
        text = by_environment or _defaults.get(row.name, "")
        if text and row.name not in given:
            check_text(row.kind, text, row.environment if by_environment else row.name)
            origin[row.name], texts[row.name] = row.environment if by_environment else DODO, text
    return Variables(dict(given), origin, texts)


def _unknown(name: str) -> UnknownVariableError:
    if "://" in name:
        return UnknownVariableError(f"{name}=…: there is no such variable", f"a port is named by port='{name}=…'")
    import difflib  # noqa: PLC0415  1.4 ms, and only after a mistake

    known = [*KNOWN, *_declared]
    near = difflib.get_close_matches(name, known, 1)
    own = f"; this project's own: {', '.join(_declared)}" if _declared else ""
    return UnknownVariableError(
        f"no variable {name!r}" + (f", did you mean {near[0]!r}?" if near else ""),
        f"`flashpipe help variables` lists them{own}",
    )


def check_format(given: Mapping[str, str], tasks: Collection[str]) -> None:
    """Go on only where something that was named, our task or not, has a table that can be written as asked.

    Raises:
        UnusedVariableError: none of them has one.
    """
    if "format" in given and "format" not in _declared and tasks and not WITH_TABLES.intersection(tasks):
        raise _unused("format", sorted(tasks))


def _unused(name: str, tasks: list[str]) -> UnusedVariableError:
    taken = list(dict.fromkeys(row for task in tasks for row in taken_by(task)))
    users = sorted(KNOWN[name].tasks)
    meant = next((f"; did you mean `{row.name}=`?" for row in taken if name in row.mistaken), "")
    if not meant and len(users) <= FEW:
        meant = f"; it is for {', '.join(users)}"
    if name == "format":
        has = "has" if len(tasks) == 1 else "have"
        return UnusedVariableError(
            f"`format=` and --json are for tables, and {' and '.join(tasks)} {has} none",
            f"tables: {', '.join(users)}; for what is done on a board: events=FILE, receipt=FILE",
        )
    takes = ", ".join(row.name for row in taken) or "no variables"
    return UnusedVariableError(
        f"`{name}=` is not for {' or '.join(tasks)}{meant}", f"{' and '.join(tasks)} takes {takes}"
    )
