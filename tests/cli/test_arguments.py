"""Variables of commands, in every form that tasks take, and what argparse makes of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.cli.arguments import Parser, take_variables
from flashpipe.errors import PipelineError
from flashpipe.jobs.command_variables import BY_COMMAND, EXPLAIN, SIMULATE, TEST

from tests.harness import Done, Project

Command = Callable[..., Done]


@pytest.mark.parametrize("command", sorted(BY_COMMAND))
def test_every_variable_may_be_written_in_each_form(command: str) -> None:
    for name, row in BY_COMMAND[command].items():
        option = f"--{name.replace('_', '-')}"
        forms = [[f"{name}=1"], [f"{option}=1"], [option] if row.kind == "flag" else [option, "1"]]
        forms += [[f"-{row.short}", *forms[-1][1:]]] if row.short else []
        for words in forms:
            assert dict(take_variables(["a.lua", *words, "b"], command, BY_COMMAND[command]).texts) == {name: ("1",)}
            assert take_variables(["a.lua", *words, "b"], command, BY_COMMAND[command]).rest == ("a.lua", "b")


def test_what_may_come_several_times_keeps_its_order() -> None:
    words = take_variables(["send=a=1", "--send", "b", "--send=c", "send="], "simulate", SIMULATE, repeated={"send"})
    assert words.texts == {"send": ("a=1", "b", "c", "")}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["timeout=1s", "--timeout", "2s"], "bad-value"),
        (["profile="], "bad-value"),
        (["--timeout", " "], "bad-value"),
        (["--timeout"], "usage"),
        (["--timeout", "--json"], "usage"),
        (["--nothing"], "usage"),
        (["nothing=1"], "unknown-variable"),
    ],
)
def test_what_cannot_be_read_is_refused(words: list[str], code: str) -> None:
    with pytest.raises(PipelineError) as caught:
        take_variables(words, "test", TEST)
    assert caught.value.code == code


def test_a_file_whose_name_looks_like_a_variable_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.lua").touch()
    assert take_variables(["a=b.lua", "--", "-c.lua", "timeout=1"], "test", TEST).rest == (
        "a=b.lua",
        "-c.lua",
        "timeout=1",
    )


def test_argparse_gets_its_options_with_their_values_and_variables_may_be_among_them() -> None:
    parser = Parser()
    parser.add_argument("--snapshot")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("file", nargs="*")
    options, words = parser.take_variables(
        ["--snapshot", "mode=x", "log", "--mode", "qio", "--verified", "trace=1", "-q"], "explain", EXPLAIN
    )
    assert (options.snapshot, options.trace, options.file) == ("mode=x", True, ["log"])
    assert words.given == {"mode": "qio", "verified": "1"}


def test_options_of_argparse_may_be_written_as_variables() -> None:
    parser = Parser()
    parser.add_argument("--keep-days", type=float)
    parser.add_argument("--dry-run", action="store_true")
    found = parser.parse_args(["keep_days=3", "dry_run=1", "-q"])
    assert (found.keep_days, found.dry_run) == (3, True)
    assert not parser.parse_args(["dry_run=0"]).dry_run


@pytest.mark.parametrize(
    "words", [("prune", "dry_run=1", "-q"), ("cache", "clean", "unused=9999"), ("explain", "--mode", "qio", "log")]
)
def test_as_commands(
    command: Command, project: Project, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHPIPE_CACHE", str(project.folder / "cache"))
    (project.folder / "log").write_text("nothing that anybody knows\n")
    command(*words).ok()
