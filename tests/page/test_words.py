"""What to do next, as the page says it: by its own buttons and places."""

from __future__ import annotations

import pytest
from flashpipe.board.boot.kinds import KINDS
from flashpipe.errors import (
    ConnectError,
    FetchSizeError,
    HeaderlessError,
    NoImageError,
    NoPortError,
    PipelineError,
    SourceError,
)
from flashpipe.next_steps import AGAIN_WITH, ON_TERMINAL, Advice, command, name_file, repeat, setting
from flashpipe.page.actions import ACTIONS
from flashpipe.page.buttons import TASKS
from flashpipe.page.words import CHOOSE, DROPPED, failure_facts, on_page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("`flashpipe ports` lists what is there", "“Boards” lists what is there"),
        ("backed up as X; `flashpipe restore backup=X` puts it back", "backed up as X; “Backups” puts it back"),
        ("`flashpipe files rescue=1` or `flashpipe files`", "“Put init.lua aside” or “List files”"),
        (Advice(repeat("run the same command again"), ": it continues"), "do the same again: it continues"),
        (Advice(AGAIN_WITH, setting(mode="dout")), "do the same again with mode=dout"),
        (Advice("say ", setting(reset="manual"), ON_TERMINAL, " and press"), "say reset=manual and press"),
        (Advice("say profile=NAME; ", command("profiles"), " lists them"), "say profile=NAME; “Profile” lists them"),
        ("`flashpipe lock` pins it", "`flashpipe lock` on a terminal pins it"),
        ("check the supply", "check the supply"),
    ],
)
def test_commands_are_places_of_the_page(text: str, said: str) -> None:
    assert on_page(text) == said


def test_every_button_has_its_name_and_every_task_of_a_button_is_one_of_the_page() -> None:
    assert TASKS.keys() <= {action.task for action in ACTIONS.values()}


@pytest.mark.parametrize("text", [*(kind.remedy for kind in KINDS.values()), NoPortError.remedy, ConnectError.remedy])
def test_no_next_step_of_a_board_wants_a_terminal(text: str) -> None:
    assert "`flashpipe" not in on_page(text)


@pytest.mark.parametrize(
    ("error", "dropped", "said"),
    [
        (HeaderlessError("x"), True, DROPPED["image-headerless"]),
        (FetchSizeError("x", FetchSizeError.remedy), True, "drop the firmware file itself"),
        (SourceError("x", Advice("unpack it and ", name_file("the file"))), True, "unpack it and drop the file"),
        (SourceError("x", Advice(name_file("the file inside", ": image='z!A.bin'"))), True, "drop the file inside"),
        (SourceError("x", Advice(name_file("the file", ": image=A"))), False, "name the file: image=A"),
        (FetchSizeError("x", FetchSizeError.remedy), False, FetchSizeError.remedy),
        (NoImageError("x", NoImageError.remedy), False, CHOOSE["no-image"]),
    ],
)
def test_of_dropped_files_the_page_speaks_of_dropping(error: PipelineError, *, dropped: bool, said: str) -> None:
    assert failure_facts(error, dropped=dropped)["next"] == said
