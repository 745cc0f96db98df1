"""Variables of the commands that are no tasks: what `flashpipe.jobs.variables` is for tasks."""

from __future__ import annotations

from typing import Final

from flashpipe.jobs.variables import KNOWN, Kind, VariableKind
from flashpipe.virtual_options import ABOUT, VALUES


def own(name: str, about: str, kind: Kind = "text", values: tuple[str, ...] = ()) -> VariableKind:
    """A variable that no task has."""
    return VariableKind(name, kind, about, frozenset(), likely=values)


def of_table(*names: str) -> dict[str, VariableKind]:
    """Variables of tasks that a command takes in the same sense."""
    return {name: KNOWN[name] for name in names}


def _by_name(*rows: VariableKind) -> dict[str, VariableKind]:
    return {row.name: row for row in rows}


def _of_board(*names: str) -> dict[str, VariableKind]:
    return {name: own(name, ABOUT[name], values=VALUES.get(name, ())) for name in names}


EXPLAIN: Final = _by_name(
    own("mode", "flash mode in the header: qio, qout, dio, dout", values=("qio", "qout", "dio", "dout")),
    own("chip", "esp8266 or esp8285", values=("esp8266", "esp8285")),
    own("verified", "1: the flash was seen to hold the image", "flag"),
    own("image", "the firmware: FILE, or any source that `flash` takes; its header tells mode and size", "file"),
    own("elf", "the ELF of the firmware: names the addresses of a crash", "file"),
)
SIMULATE: Final = {
    **_by_name(
        own(
            "size",
            "bytes of flash: 512KB, 1MB … 16MB; default 4MB. The image's header is set as flashing does it",
            values=("512KB", "1MB", "2MB", "4MB", "8MB", "16MB"),
        ),
        own(
            "send",
            "text to type when the firmware waits for input; may be given several times, \\r \\n \\xNN are understood,"
            " and a text without them ends with CR LF",
        ),
        own(
            "until",
            "end well when this was said: /regular expression/ or plain text; looked for behind what was sent last",
        ),
        own("fail", "end badly when this was said: as until"),
        own("timeout", "board time to run at most, such as 10s or 2m; default 60s"),
        own("mac", "station MAC"),
    ),
    **_of_board("adc", "seed", "unmapped", "wake"),
    **_by_name(
        own(
            "init",
            "factory (default): the flash holds RF init data as from the maker; blank: nothing but the image",
            values=("factory", "blank"),
        ),
        own(
            "header",
            "size (default) or keep: whether the header's flash size is set as by flashing",
            values=("size", "keep"),
        ),
        own("elf", "the build's .elf file: names in --cpu-profile and behind crashes", "file"),
    ),
}
TEST: Final = {
    **of_table("profile", "port", "image", "baud", "reset", "events", "junit", "receipt", "format"),
    "timeout": own("timeout", "the longest that one file may take, in the board's time, such as 60s"),
}
EXPORT: Final = {
    **of_table("profile", "image", "mode", "frequency", "allow", "offline", "locked", "records"),
    "to": own("to", "folder that is written; dist/ by default", "file"),
}
BENCH: Final = of_table(
    *("port", "profile", "reset", "yes", "records", "port_wait", "format", "events", "receipt"),
)
_RECORDS: Final = of_table("records")
BATCH: Final = {
    "list": _RECORDS,
    "report": _by_name(own("to", "folder for the pages; default: in the batch's own", "file")) | _RECORDS,
    "label": _by_name(own("mac", "of the board"), own("zpl", "where the label is printed; default: its ZPL is shown"))
    | _RECORDS,
    "close": _by_name(own("virtual", "1: virtual boards may be in it", "flag")) | _RECORDS,
    "verify": _RECORDS,
}
"""By what is to be done with a batch."""
_LISTEN: Final = {
    **of_table("port"),
    **_by_name(
        own(
            "listen",
            "ADDRESS[:TCP], this machine alone (127.0.0.1:7101) unless one is named; the first board's TCP port",
        ),
        own("allow", "addresses and networks of clients, with commas; needed where others can reach the address"),
    ),
}
_TO: Final = _by_name(own("to", "FILE or folder that is written", "file"))
_HOSTED: Final = {
    **_by_name(own("file", "the file that names the boards; default: that of this folder, where it is there", "file")),
    **_LISTEN,
}
HOST: Final = {
    "serve": _HOSTED,
    "init": _LISTEN | _TO,
    "exporter": {**_HOSTED, **_by_name(own("host", "name of this machine for clients")), **_TO},
    "systemd": {
        **_by_name(_HOSTED["file"], own("coordinator", "HOST:PORT of labgrid's coordinator")),
        **_TO,
    },
    "check": {
        **_HOSTED,
        **_by_name(
            own("at", "HOST at which clients reach it"), own("reset", "0: leave the boards as they run", "flag")
        ),
    },
}
"""By what is to be done with the boards of this machine."""
BY_COMMAND: Final = {"bench": BENCH, "explain": EXPLAIN, "export": EXPORT, "simulate": SIMULATE, "test": TEST}
