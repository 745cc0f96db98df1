"""Which words of a command line are tasks, variables, options of doit and their values."""

from __future__ import annotations

import getopt
from itertools import chain

import pytest
from doit.cmd_base import DodoTaskLoader, DoitCmdBase
from doit.cmd_run import Run
from doit.cmdparse import CmdOption, CmdParse
from flashpipe.errors import UsageError
from flashpipe.jobs.variables import TABLE
from flashpipe.tasks import command_line
from flashpipe.tasks.parser import OURS, parse, task_options

from tests.harness import Project

SHORT = {row.short for row in TABLE if row.short}


@pytest.mark.parametrize(
    ("typed", "command", "tasks", "variables"),
    [
        ("flash profile=demo", "run", "flash", "profile=demo"),
        ("run flash erase", "run", "flash erase", ""),
        ("-n 2 flash", "run", "flash", ""),
        ("-n2 -c flash", "run", "flash", ""),
        ("-o flash ports", "run", "ports", ""),
        ("--db-file flash ports", "run", "ports", ""),
        ("--reporter=flash ports", "run", "ports", ""),
        ("--repo flash ports", "run", "ports", ""),
        ("-v 2 ports", "run", "ports", ""),
        ("-f flash ports", "run", "ports", ""),
        ("list -q flash", "list", "flash", ""),
        ("flash --port COM3 -y", "run", "flash", "port=COM3 yes=1"),
        ("flash --port=COM3 --profile demo erase", "run", "flash erase", "port=COM3 profile=demo"),
        ("flash -pCOM3 monitor", "run", "flash monitor", "port=COM3"),
        ("flash --profile flash", "run", "flash", "profile=flash"),
        ("plan --port COM3 --json", "run", "plan", "port=COM3 format=json"),
        ("mine --label flash", "run", "mine", ""),
        ("mine --label=x flash", "run", "mine flash", ""),
        ("mine -l flash", "run", "mine", ""),
        ("flash:sim --port COM3", "run", "flash:sim", "port=COM3"),
        ("run -s flash:*", "run", "flash:*", ""),
        ("lua --code -x", "run", "lua", "code=-x"),
    ],
)
def test_doits_words_are_taken_apart(typed: str, command: str, tasks: str, variables: str) -> None:
    parsed = parse(typed.split())
    assert parsed.command == command
    assert list(parsed.tasks) == tasks.split()
    assert [f"{name}={value}" for name, value in parsed.variables] == variables.split()


@pytest.mark.parametrize(
    "typed", ["flash --port", "flash --yes 1", "flash --port --force", "flash -p", "-n", "flash --port sim://a?b=1"]
)
def test_an_option_without_its_value_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        parse(typed.split())


def test_anywhere_means_anywhere() -> None:
    parsed = parse(["--port", "sim://a?b=1", "-q", "flash", "-n", "2", "--force"], anywhere=True)
    assert parsed.tasks == ("flash",)
    assert parsed.variables == (("port", "sim://a?b=1"), ("quiet", "1"), ("force", "1"))


def test_what_doit_takes_for_an_option_is_one_here() -> None:
    table = [CmdOption(one) for one in chain(DodoTaskLoader.cmd_options, DoitCmdBase.base_options, Run.cmd_options)]
    options = CmdParse(table)
    for option in table:
        for spelling in filter(None, (option.short and f"-{option.short}", option.long and f"--{option.long}")):
            words = [spelling, *([] if option.type is bool else ["1"]), "flash"]
            assert getopt.getopt(words, options.get_short(), options.get_long())[1] == ["flash"]
            assert parse(words).tasks == ("flash",), spelling


def test_our_short_options_are_none_of_doits_but_for_its_levels() -> None:
    taken = {one.get("short") for one in chain(DoitCmdBase.base_options, Run.cmd_options)} - {None, ""}
    assert set(SHORT) & taken == {"v"}  # `-v 2` is doit's, `-v` ours
    assert len(SHORT) == len([row for row in TABLE if row.short])


def test_every_variable_is_an_option_that_doit_can_read() -> None:
    CmdParse([CmdOption(option) for option in task_options()])
    assert {option["long"] for option in task_options()} == {row.name.replace("_", "-") for row in TABLE} | {"json"}


def test_the_tasks_of_the_table_are_ours() -> None:
    assert command_line.our_tasks | {"plan"} == OURS


def test_a_value_names_no_task_that_writes(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\n"
        "def task_mine():\n"
        "    return {'actions': [], 'task_dep': ['flash'], 'params': [{'name': 'l', 'long': 'label', 'default': ''}]}\n"
    )
    project.doit("mine", "--label", "flash", "profile=demo").failed("not-named")
    project.flashpipe("mine", "--label", "flash", "profile=demo").failed("not-named")


def test_doit_takes_options_behind_our_tasks(project: Project) -> None:
    project.doit("image", "--profile", "nix").failed("unknown-profile")
    twice = project.doit("identify", "port=sim://esp12", "--port", "sim://esp12")
    assert (twice.status, "port= is given twice" in twice.err) == (3, True)
    unknown = project.doit("identify", "--port", "sim://esp12", "--nix")
    assert (unknown.status, unknown.err.count("\n")) == (3, 2), unknown.err
    behind = project.doit("identify:sim_esp12", "port=sim://esp12", "--baud", "115200")
    assert (behind.status, behind.err.count("\n"), "baud=115200" in behind.err) == (3, 2, True), behind.err
    for words in (("-s", "plan"), ("-n", "2", "plan", "profile=demo"), ("-n", "identify")):
        refused = project.doit(*words)
        assert (refused.status, refused.err.count("\n"), "plan" in refused.err) == (3, 2, True), refused.err
    missing = project.doit("identify", "--port")
    assert (missing.status, missing.err.count("\n")) == (3, 2), missing.err
    assert "which port?" in missing.err
