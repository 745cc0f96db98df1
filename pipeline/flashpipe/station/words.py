"""The variables of `flashpipe station`, for its help and for shells that complete them."""

from __future__ import annotations

from typing import Final

from flashpipe.jobs.command_variables import of_table, own
from flashpipe.jobs.variables import VariableKind

STATION_WORDS: Final = {
    "batch": "its name; default: the date and the profile. A batch that is there is gone on with",
    "units": "CSV file, a line for each board: its columns are @COLUMN@ in templates, labels and records",
    "serial": "instead of units=: a rule for numbers, such as SN{year}{n:05}; the column is called serial",
    "keep_unit": "1: a board that fails keeps its unit; default: it gives it back, unless it may be on the board",
    "tries": "how often a board may fail before it is refused (3)",
    "stop_after": "bad boards in a row after which no more are begun (5); 0: never",
    "next": "key: a key says that the next board is in, where the adapter stays plugged in; default: plugging does",
    "labels": "FILE.csv with a line for each good board",
    "zpl": "where labels are printed, as ZPL: a file, a device such as /dev/usb/lp0, or socket://printer:9100",
    "label": "FILE with the ZPL of a label; @mac@, @unit@, @batch@, @date@, columns of the units … are its fields",
    "label_page": "FILE.html with all labels and their QR codes, for a sheet printer",
    "qr": "what the QR code says (@unit@)",
    "texts": "FILE with what the operator reads; `flashpipe station --texts` prints the one that is built in",
    "sound": "0: no bell",
}
"""Variables of the command alone."""
PASSED_ON: Final = frozenset(
    {"profile", "port", "baud", "reset", "boot", "image", "mode", "frequency", "allow", "offline", "locked", "records"}
    | {"port_wait", "force", "events", "junit"}
)
"""Variables of `flash` that a station takes, too."""


def variables() -> dict[str, VariableKind]:
    """What the command takes: its own, and those that it passes on to `flash`."""
    flags = {"keep_unit", "sound"}
    rows = [own(name, about, "flag" if name in flags else "text") for name, about in STATION_WORDS.items()]
    return {row.name: row for row in rows} | of_table(*sorted(PASSED_ON))
