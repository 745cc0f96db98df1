"""One table of variables: what nobody declared, and what no task named uses, is refused."""

from __future__ import annotations

import re

import pytest
from flashpipe import tasks
from flashpipe.errors import BadValueError, UnknownVariableError, UnusedVariableError
from flashpipe.jobs import variables
from flashpipe.jobs.variables import KNOWN, TABLE, check, declare_variables, taken_by
from flashpipe.tasks import command_line

from tests.harness import Project


def test_a_port_with_options_is_no_variable() -> None:
    with pytest.raises(UnknownVariableError) as caught:
        check({"sim://esp12?flash": "1"})
    assert "port='sim://esp12?flash=" in caught.value.hint


@pytest.mark.parametrize(
    ("task", "name", "meant"),
    [
        ("restore", "file", "`backup=`"),
        ("restore", "image", "`backup=`"),
        ("flash", "file", "`image=`"),
        ("verify", "file", "`image=`"),
        ("lua", "image", "`file=`"),
        ("flash", "backup", "restore"),
        ("flash", "since", "report"),
        ("flash", "regions", "erase"),
        ("identify", "yes", "help variables"),
        ("report", "baud", "since, batch, format"),
        ("profiles", "profile", "format"),
    ],
)
def test_what_a_task_does_not_use_is_refused_with_what_was_meant(task: str, name: str, meant: str) -> None:
    with pytest.raises(UnusedVariableError) as caught:
        check({name: "x"}, {task})
    assert meant in f"{caught.value.message} {caught.value.hint} {UnusedVariableError.remedy}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            (name, text)
            for name in ("port", "regions", "allow", "rm", "get", "keep")
            for text in ("", ",", "a,", ",a", " ")
        ),
        *((name, "") for name in ("image", "events", "junit", "receipt", "backup", "until", "profile", "check")),
    ],
)
def test_what_is_empty_is_not_taken_for_everything_or_nothing(name: str, text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        check({name: text})
    assert caught.value.message.startswith(f"{name}={text}: ")


def test_a_list_of_the_environment_is_held_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHPIPE_PORT", ",")
    with pytest.raises(BadValueError, match="FLASHPIPE_PORT=,: "):
        check({})
    monkeypatch.setenv("FLASHPIPE_PORT", "")
    assert check({}).text("port") == ""
    assert check({"yes": ""}).flag("yes") is False


def test_one_of_several_tasks_is_enough() -> None:
    assert check({"image": "x", "yes": "1"}, {"erase", "flash"}).given == {"image": "x", "yes": "1"}


def test_nobody_knows_what_a_task_of_somebody_else_uses() -> None:
    assert check({"since": "7d"}, None).given == {"since": "7d"}
    with pytest.raises(UnknownVariableError):
        check({"sinc": "7d"}, None)


def test_what_a_project_declares_every_task_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_declared", {})
    declare_variables("site", "since")
    assert check({"site": "x", "since": "y"}, {"flash"}).given == {"site": "x", "since": "y"}


def test_what_the_environment_says_is_for_whoever_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHPIPE_PORT", "COM3")
    assert check({}, {"report"}).text("port") == "COM3"


def test_every_task_of_the_table_is_one_and_every_board_task_takes_a_port() -> None:
    every = {name.removeprefix("task_") for name in vars(tasks) if re.match("task_[a-z]", name)}
    assert set().union(*(row.tasks for row in TABLE)) <= every | {"plan"}
    assert command_line.our_tasks == every
    assert KNOWN["port"].tasks == command_line.board_tasks | {"plan", "doctor", "report"}


@pytest.mark.parametrize("name", [name for name in tasks.__all__ if re.match("task_[a-z]", name)])
def test_the_help_of_a_task_names_only_variables_that_it_takes(name: str) -> None:
    text = re.sub("`[^`]*`", "", getattr(tasks, name).__doc__)
    named = set(re.findall(r"(?<![\w-])([a-z]+)=", text))
    assert named & set(KNOWN) <= {row.name for row in taken_by(name.removeprefix("task_"))}


@pytest.mark.parametrize(
    "words",
    [
        ("flash", "backup=1"),
        ("flash*", "backup=1"),
        ("-n", "2", "flash", "backup=1"),
        ("run", "flash", "backup=1"),
        ("plan", "backup=1"),
        ("restore:x", "file=x.bin"),
    ],
    ids=" ".join,
)
def test_it_is_refused_before_anything_is_done(project: Project, words: tuple[str, ...]) -> None:
    for run in (project.doit, project.flashpipe):
        done = run(*words).failed("unused-variable")
        assert done.status == 3
        assert "Traceback" not in done.text


def test_a_project_s_own_task_may_read_any_of_ours(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\nfrom doit import get_var\n"
        "def task_mine():\n    return {'actions': [['echo', 'since', str(get_var('since'))]]}\n"
    )
    assert "since 7d" in project.doit("mine", "since=7d").ok().text


def test_help_names_them(project: Project) -> None:
    text = project.flashpipe("help", "erase").ok().out
    assert re.search("regions= +only these parts of the flash", text)
    assert "since" not in text
