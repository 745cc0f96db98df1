"""What `flashpipe` says of itself, and of words that it does not know."""

from __future__ import annotations

import pytest
from flashpipe import tasks
from flashpipe.cli import overview
from flashpipe.cli.topics import TOPICS

from tests.harness import Project

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",), ("help", "help")])
def test_help_names_every_task_and_command(project: Project, words: tuple[str, ...]) -> None:
    text = project.flashpipe(*words).ok().out
    for word in ("flash ", "identify", "init ", "board ", "plan ", "profile, port"):
        assert word in text
    assert "doit -- automation tool" not in text


def test_help_is_of_the_tasks_and_topics_that_there_are() -> None:
    assert overview.shipped_tasks() == overview.task_texts(vars(tasks))
    assert set(overview.TOPICS) == set(TOPICS)


def test_help_and_list_fit_on_80_columns(project: Project) -> None:
    text = project.flashpipe("--help").ok().out + project.flashpipe("list").ok().out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "  prune      remove" in text


@pytest.mark.parametrize("words", [("flash", "--help"), ("help", "flash"), ("-h", "flash"), ("--help", "flash")])
def test_help_of_a_task_is_the_tasks_text(project: Project, words: tuple[str, ...]) -> None:
    assert "force=1" in project.flashpipe(*words).ok().out


def test_help_of_a_task_comes_before_that_of_a_code_of_its_name(project: Project) -> None:
    assert "detailed_status" in project.flashpipe("help", "plan").ok().out
    assert "No port is opened" in project.flashpipe("help", "image").ok().out


def test_a_variable_without_a_task_is_refused(project: Project) -> None:
    assert "`flashpipe plan erase=all`" in project.flashpipe("erase=1").failed("usage").err


@pytest.mark.parametrize("command", ["init", "board"])
def test_help_of_a_command_is_its_own(project: Project, command: str) -> None:
    assert f"usage: flashpipe {command}" in project.flashpipe("help", command).ok().out


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_a_page_of_80_columns(project: Project, topic: str) -> None:
    text = project.flashpipe("help", topic).ok().out
    assert text.startswith(TOPICS[topic].title)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert topic in project.flashpipe("help").ok().out


def test_a_code_is_explained(project: Project) -> None:
    assert "exit status 21" in project.flashpipe("help", "no-answer").ok().out


def test_an_unknown_topic_gets_a_suggestion_and_the_topics(project: Project) -> None:
    text = project.flashpipe("help", "verdict").failed("usage").text
    assert "did you mean 'verdicts'?" in text
    assert all(topic in text for topic in TOPICS)


def test_advice_names_a_command_that_works_in_any_folder(project: Project) -> None:
    assert "`flashpipe profiles` lists them" in project.flashpipe("flash").failed("unknown-profile").text
    assert "`flashpipe lua file=" in project.flashpipe("lua", "port=sim://esp12").failed("bad-value").text
    assert "`flashpipe profiles` lists them" in project.doit("flash").failed("unknown-profile").text


def test_the_version_is_ours(project: Project) -> None:
    assert "flashpipe 0." in project.flashpipe("--version").ok().out


@pytest.mark.parametrize(
    ("words", "code", "advice"),
    [
        (("idntify", "profile=demo"), "usage", "did you mean 'identify'?"),
        (("profiles", "esp12"), "unknown-profile", "profile=esp12"),
        (("help", "flsh"), "usage", "did you mean 'flash'?"),
        (("--foo",), "usage", "--foo: there is no such option"),
        (("flash", "--foo=1", "profile=esp12"), "usage", "--foo=1: there is no such option"),
        (("prune", "--foo"), "usage", "flashpipe help prune"),
        (("prune", "--keep", "-1"), "usage", "-1: want a number of receipts"),
        (("prune", "--keep", "1.5"), "usage", "1.5: want a number of receipts"),
        (("prune", "--keep-days", "x"), "usage", "x: want a number of days"),
        (("cache", "clean", "--unused", "nan"), "usage", "nan: want a number of days"),
        (("board", "nix"), "bad-value", "error: 'nix' is no virtual board"),
    ],
)
def test_words_that_nobody_knows_get_a_suggestion(
    project: Project, words: tuple[str, ...], code: str, advice: str
) -> None:
    assert advice in project.flashpipe(*words).failed(code).text


def test_doits_own_options_and_commands_pass(project: Project) -> None:
    project.flashpipe("-n", "2", "profiles").ok()
    project.flashpipe("run", "-n", "2", "profiles").ok()
    project.flashpipe("list", "--all").ok()
    project.flashpipe("--verb=2", "--no-continue", "profiles").ok()
    assert "Task Dictionary" in project.flashpipe("help", "task").ok().out
    project.flashpipe("info", "profiles")


def test_a_variable_given_twice_is_refused(project: Project) -> None:
    done = project.doit("flash", "profile=demo", "port=COM3", "port=COM4")
    assert done.status == 3
    assert "port=A,B" in done.err


def test_a_text_to_expect_is_a_text(project: Project, tmp_path: object) -> None:
    port = f"port=sim://nodemcu-devkit?flash={tmp_path}/cells"
    assert '"ready" was seen' in project.doit("boot", port, "boot=ready").ok().text
    project.doit("boot", port, "profile=esp12", "boot=ready").ok()


def test_a_profile_in_the_callers_folder_is_found(project: Project) -> None:
    deep = project.folder / "try"
    deep.mkdir()
    (deep / "kitchen.yaml").write_text("extends: esp12\nabout: here\nfirmware: {image: nothing.bin}\n")
    project.flashpipe("image", "profile=kitchen", folder=deep).failed("image-missing")
