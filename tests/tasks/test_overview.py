"""What `flashpipe` says of itself, and of words that it does not know."""

from __future__ import annotations

import pytest

from tests.harness import Project


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_help_names_every_task_and_command(project: Project, words: tuple[str, ...]) -> None:
    text = project.flashpipe(*words).ok().out
    for word in ("flash ", "identify", "init ", "board ", "plan ", "profile, port"):
        assert word in text
    assert "doit -- automation tool" not in text


@pytest.mark.parametrize("words", [("flash", "--help"), ("help", "flash")])
def test_help_of_a_task_is_the_tasks_text(project: Project, words: tuple[str, ...]) -> None:
    assert "force=1" in project.flashpipe(*words).ok().out


@pytest.mark.parametrize("command", ["init", "board"])
def test_help_of_a_command_is_its_own(project: Project, command: str) -> None:
    assert f"usage: flashpipe {command}" in project.flashpipe("help", command).ok().out


def test_the_version_is_ours(project: Project) -> None:
    assert "flashpipe 0." in project.flashpipe("--version").ok().out


@pytest.mark.parametrize(
    ("words", "code", "advice"),
    [
        (("flsh", "profile=demo"), "usage", "did you mean 'flash'?"),
        (("flash", "esp12"), "unknown-profile", "profile=esp12"),
        (("flash", "--profile", "esp12"), "usage", "say profile=VALUE"),
        (("flash", "--port=COM3", "profile=esp12"), "usage", "say port=VALUE"),
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
    project.flashpipe("info", "profiles")


def test_a_variable_given_twice_is_refused(project: Project) -> None:
    done = project.doit("flash", "profile=demo", "port=COM3", "port=COM4")
    assert done.status == 3
    assert "port=A,B" in done.err


def test_a_text_to_expect_is_a_text(project: Project, tmp_path: object) -> None:
    port = f"port=sim://nodemcu-devkit?flash={tmp_path}/cells"
    assert '"SDK ver" was seen' in project.doit("boot", port, "boot=SDK ver").ok().text
    project.doit("boot", port, "profile=esp12", "boot=SDK ver").ok()


def test_a_profile_in_the_callers_folder_is_found(project: Project) -> None:
    deep = project.folder / "try"
    deep.mkdir()
    (deep / "kitchen.yaml").write_text("extends: esp12\nabout: here\nfirmware: {image: nothing.bin}\n")
    project.flashpipe("image", "profile=kitchen", folder=deep).failed("image-missing")
