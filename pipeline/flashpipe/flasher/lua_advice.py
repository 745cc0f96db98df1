"""What helps where no Lua prompt is found."""

from __future__ import annotations

from typing import Final

from flashpipe.next_steps import Advice, command, repeat

ERASE: Final = Advice(
    command("erase", "…", yes="1"),
    ", then ",
    command("flash", "…"),
    ": firmware and the profile's files come back, all others are gone (",
    command("backup"),
    " first)",
)
WIRE: Final = Advice(
    "TX of the adapter to RX of the board, and GND to GND: ", command("identify"), " tells whether what is sent arrives"
)
FORGETFUL: Final = (
    "this virtual board is a new one in each command: name a file for its flash, port='sim://…?flash=board.flash', and"
    " flash it first; or do both in one command, `flashpipe flash node …`"
)
PRESS: Final = Advice("press RESET yourself, and ", repeat("run the same command again"))
EMPTY: Final = Advice(command("flash"), " writes one; Lua needs NodeMCU")
