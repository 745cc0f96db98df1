"""Builds: what counts as one, what does not, and what is said when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from flashpipe.errors import (
    BuildDueError,
    BuildError,
    BuildInputsError,
    BuildOutputError,
    FetchBusyError,
    RecordError,
    StoppedError,
)
from flashpipe.locks import exclusive
from flashpipe.sources import build as builds
from flashpipe.sources import build_log
from flashpipe.sources.build import Build, input_files, last_build, run_build
from flashpipe.sources.cache import Cache

from tests.webserver import digest

PAIR = ((0, "bin/0x00000.bin"), (0x10000, "bin/0x10000.bin"))
MAKE_PAIR = """
import pathlib
bin = pathlib.Path("bin")
bin.mkdir(exist_ok=True)
(bin / "0x00000.bin").write_bytes(b"first")
"""
AND_SECOND = '(bin / "0x10000.bin").write_bytes(b"second")\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "source tree"
    folder.mkdir()
    return folder


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return tmp_path / ".pipeline" / "builds"


def script(tree: Path, text: str, outputs: tuple[tuple[int, str], ...] = PAIR, inputs: tuple[str, ...] = ()) -> Build:
    (tree / "make.py").write_text(textwrap.dedent(text))
    return Build((sys.executable, "make.py"), tree, outputs, inputs)


def test_a_pair_from_one_build(tree: Path, records: Path) -> None:
    build = script(tree, MAKE_PAIR + AND_SECOND)
    with pytest.raises(BuildDueError, match="has not succeeded yet"):
        last_build(build, records)
    done = run_build(build, records)
    assert {at: (one.path, one.sha256) for at, one in done.outputs.items()} == {
        0: ("bin/0x00000.bin", digest(b"first")),
        0x10000: ("bin/0x10000.bin", digest(b"second")),
    }
    assert last_build(build, records) == done


def test_a_shell_command_in_the_folder(tree: Path, records: Path) -> None:
    build = Build("echo hello> made.bin && echo done", tree, ((0, "made.bin"),))
    assert run_build(build, records).outputs[0].path == "made.bin"
    assert (tree / "made.bin").read_text().strip() == "hello"


def test_a_failed_build_invalidates_what_the_last_one_made(tree: Path, records: Path) -> None:
    build = script(tree, MAKE_PAIR + AND_SECOND)
    run_build(build, records)
    script(tree, MAKE_PAIR + "raise SystemExit(3)\n")
    with pytest.raises(BuildError, match="status 3"):
        run_build(build, records)
    with pytest.raises(BuildDueError):
        last_build(build, records)


def test_a_killed_build_invalidates_what_the_last_one_made(tree: Path, records: Path) -> None:
    build = script(tree, MAKE_PAIR + AND_SECOND)
    run_build(build, records)
    script(tree, MAKE_PAIR + "import time\nprint('half', flush=True)\ntime.sleep(60)\n")
    code = (
        "import sys; from pathlib import Path; from flashpipe.sources.build import Build, run_build\n"
        f"run_build(Build({build.command!r}, Path({str(tree)!r}), {PAIR!r}), Path({str(records)!r}), on_line=print)"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    assert "half" in process.stdout.readline()
    process.kill()
    process.communicate()
    with pytest.raises(BuildDueError):
        last_build(build, records)


IF_MISSING = 'import pathlib\nout = pathlib.Path("out.bin")\nout.exists() or out.write_bytes(b"as it was made")\n'
ONE = ((0, "out.bin"),)


def test_what_a_failed_build_has_left_is_not_what_the_next_one_made(tree: Path, records: Path) -> None:
    """As `make` does it whose recipe fails behind the file: to the next one the file is up to date."""
    build = script(tree, IF_MISSING + "raise SystemExit(2)\n", ONE)
    with pytest.raises(BuildError):
        run_build(build, records)
    script(tree, IF_MISSING)
    for _ in range(2):
        with pytest.raises(BuildOutputError, match="a build that failed has left") as caught:
            run_build(build, records)
        assert caught.value.hint.startswith("remove out.bin")
        with pytest.raises(BuildDueError):
            last_build(build, records)
    with pytest.raises(BuildOutputError):  # the command is corrected, what it finds is the same
        run_build(Build((*build.command, "--again"), tree, ONE), records)
    (tree / "out.bin").unlink()
    run_build(build, records)
    run_build(build, records)
    assert last_build(build, records).outputs


def test_what_is_made_anew_with_its_old_bytes_and_time_is_made(tree: Path, records: Path) -> None:
    """As `cp -p`, `docker cp` and `unzip` do it."""
    made = "import os\nopen('out.bin', 'wb').write(b'made')\nos.utime('out.bin', ns=(1, 1))\n"
    with pytest.raises(BuildError):
        run_build(script(tree, made + "raise SystemExit(2)\n", ONE), records)
    assert run_build(script(tree, made, ONE), records).outputs[0].sha256 == digest(b"made")


def test_what_was_good_before_a_build_failed_or_was_made_by_hand_since_is_good(tree: Path, records: Path) -> None:
    build = script(tree, IF_MISSING, ONE)
    run_build(build, records)
    script(tree, "raise SystemExit(2)\n")  # before it has touched anything
    with pytest.raises(BuildError):
        run_build(build, records)
    script(tree, IF_MISSING)
    run_build(build, records)
    script(tree, "open('out.bin', 'w').write('half')\nraise SystemExit(2)\n")
    with pytest.raises(BuildError):
        run_build(build, records)
    (tree / "out.bin").write_bytes(b"by hand, and longer")
    script(tree, IF_MISSING)
    assert run_build(build, records).outputs[0].sha256 == digest(b"by hand, and longer")


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_an_output_that_was_touched_since_is_not_taken(tree: Path, records: Path, damage: str) -> None:
    build = script(tree, MAKE_PAIR + AND_SECOND)
    run_build(build, records)
    second = tree / "bin" / "0x10000.bin"
    second.unlink() if damage == "removed" else second.write_bytes(b"from elsewhere")
    with pytest.raises(BuildDueError, match=r"bin/0x10000\.bin .for 0x010000. was changed"):
        last_build(build, records)
    run_build(build, records)
    assert last_build(build, records).outputs


def test_a_build_of_another_command_does_not_count(tree: Path, records: Path) -> None:
    build = script(tree, MAKE_PAIR + AND_SECOND)
    run_build(build, records)
    with pytest.raises(BuildDueError):
        last_build(Build((*build.command, "-O2"), tree, PAIR), records)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"outputs": {"0x0": {"path": 1}}, "at": 1, "seconds": 1}', '{"at"'])
def test_a_stamp_that_cannot_be_read_is_none(tree: Path, records: Path, text: str) -> None:
    build = script(tree, "")
    records.mkdir(parents=True)
    (records / f"{build.key}.json").write_text(text)
    with pytest.raises(BuildDueError):
        last_build(build, records)


def test_a_warning_of_a_build_that_succeeds_is_kept_with_its_place(tree: Path, records: Path) -> None:
    said = (
        "cc -c main.c",
        "main.c:7:3: warning: unused variable 'x' [-Wunused-variable]",
        "    7 |   int x;",
        "      |       ^",
        "cc -c other.c",
    )
    build = script(tree, MAKE_PAIR + AND_SECOND + f"print({chr(10).join(said)!r})\n")
    assert run_build(build, records).warnings == said[1:4]
    assert last_build(build, records).warnings == ()


def test_the_lines_of_a_build_that_fails_are_as_they_came(tree: Path, records: Path) -> None:
    line = "main.c:7:3: error: expected ';' before 'x'"
    build = script(tree, f"print({line!r})\nraise SystemExit(1)\n")
    with pytest.raises(BuildError) as caught:
        run_build(build, records)
    assert line in caught.value.message.splitlines()


def test_a_missing_output(tree: Path, records: Path) -> None:
    with pytest.raises(BuildOutputError, match=r"succeeded, but bin/0x10000\.bin is not there"):
        run_build(script(tree, MAKE_PAIR), records)


def test_a_pattern_takes_what_this_build_made(tree: Path, records: Path) -> None:
    pattern = ((0, "bin/nodemcu_*.bin"),)
    name = 'bin.mkdir(exist_ok=True)\n(bin / "nodemcu_float_{}.bin").write_bytes(b"{}")\n'
    head = "import pathlib\nbin = pathlib.Path('bin')\n"
    assert run_build(script(tree, head + name.format(1, 1), pattern), records).outputs[0].path.endswith("float_1.bin")
    assert run_build(script(tree, head + name.format(2, 2), pattern), records).outputs[0].path.endswith("float_2.bin")
    with pytest.raises(BuildOutputError, match="matches 2 files"):
        run_build(script(tree, "", pattern), records)
    (tree / "bin" / "nodemcu_float_1.bin").unlink()
    assert run_build(script(tree, "", pattern), records).outputs[0].path.endswith("float_2.bin")


# --- failures say why ------------------------------------------------------------------------------------------------


def test_a_failure_shows_command_folder_environment_status_and_last_lines(
    tree: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-Wall")
    monkeypatch.setenv("MY_TOKEN", "topsecret")
    text = "print('\\n'.join(f'line {n}' for n in range(99)))\nprint('\\033[31mno rule\\033[0m')\nraise SystemExit(2)\n"
    with pytest.raises(BuildError) as caught:
        run_build(script(tree, text), records)
    message = caught.value.message
    for part in ("make.py` ended with status 2", str(tree), "CFLAGS=-Wall", "PATH=", "\nline 98\n", "no rule"):
        assert part in message
    assert "line 7\n" not in message
    assert "\033" not in message
    (log,) = records.glob("*.log")
    assert str(log) in caught.value.hint
    assert "line 7\n" in log.read_text()
    assert "topsecret" not in log.read_text()
    assert "MY_TOKEN=***" in log.read_text()


def test_a_log_is_looked_through_whatever_its_length(
    tree: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_log, "_LOOKED_THROUGH", 100)
    text = "for number in range(50): print(f'cc -c {number}.c -DWIFI_PASS=hunter2')\nraise SystemExit(1)"
    with pytest.raises(BuildError) as caught:
        run_build(script(tree, text), records)
    (log,) = records.glob("*.log")
    assert log.read_text().count("-DWIFI_PASS=***") == 50
    assert "hunter2" not in log.read_text() + str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a log is not shortened while a command writes to it")
def test_a_command_that_prints_without_end_fills_no_disk(
    tree: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_log, "LONGEST", 100_000)
    monkeypatch.setattr(build_log, "_BEGINNING", 10_000)
    monkeypatch.setattr(builds, "POLL_S", 0.01)
    text = (
        "import time\nfor number in range(40):\n    print(f'{number:05}' * 2000, flush=True)\n    time.sleep(0.03)\n"
        "print('the end')\nraise SystemExit(1)"
    )
    with pytest.raises(BuildError, match="the end"):
        run_build(script(tree, text), records)
    (log,) = records.glob("*.log")
    said = log.read_text()
    assert len(said) < 250_000
    assert said.startswith("command: ")
    assert "what stood here is left out" in said
    assert said.endswith("the end\n")
    (half := log.with_name(f"{log.name}.part")).write_text("of a run that was killed")
    with pytest.raises(BuildError):
        run_build(script(tree, "raise SystemExit(1)"), records)
    assert not half.exists()


def test_what_cannot_be_started(tree: Path, records: Path) -> None:
    for build, words in (
        (Build(("no-such-program",), tree, PAIR), "cannot be started"),
        (Build("no-such-program", tree, PAIR), "no-such-program"),
        (Build("true", tree / "gone", PAIR), "there is no folder"),
    ):
        with pytest.raises(BuildError, match=words) as caught:
            run_build(build, records)
        assert caught.value.hint


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_command_that_is_killed(tree: Path, records: Path) -> None:
    with pytest.raises(BuildError, match="killed by SIGKILL"):
        run_build(script(tree, "import os\nos.kill(os.getpid(), 9)"), records)


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_stop_ends_the_command_and_its_children(tree: Path, records: Path) -> None:
    stop = threading.Event()
    seen: list[str] = []
    command = "trap '' TERM; echo begun; sleep 61 & echo $! > child; wait; wait; sleep 62"
    timer = threading.Timer(20, stop.set)

    def on_line(line: str) -> None:
        seen.append(line)
        stop.set()

    timer.start()
    started = time.monotonic()
    with pytest.raises(StoppedError):
        run_build(Build(command, tree, PAIR), records, stop=stop, on_line=on_line)
    timer.cancel()
    assert time.monotonic() - started < 6
    assert seen == ["begun"]
    child = int((tree / "child").read_text())
    limit = time.monotonic() + 10
    while runs(child) and time.monotonic() < limit:  # killed is not yet gone where the machine is busy
        time.sleep(0.01)
    assert not runs(child)
    with pytest.raises(BuildDueError):
        last_build(Build(command, tree, PAIR), records)


def test_two_builds_in_one_folder_do_not_meet(tree: Path, records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "BUSY_S", 0.1)
    with (
        exclusive(Cache().lock_path(f"build in {os.path.realpath(tree)}"), "x", 1),
        pytest.raises(FetchBusyError, match="build in"),
    ):
        run_build(script(tree, ""), records)


def test_records_that_cannot_be_written(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordError):
        run_build(script(tree, MAKE_PAIR + AND_SECOND), tmp_path / "file")


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_inputs_leave_out_outputs_and_hidden_folders(tree: Path) -> None:
    for name in ("app/a.c", "app/deep/b.c", ".git/c.c", "app/.cache/d.c", "Makefile", ".config", "bin/0x00000.bin"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"")

    def named(*inputs: str) -> set[str]:
        found = input_files(Build("make", tree, PAIR, inputs))
        return {path.relative_to(tree).as_posix() for path in found}

    assert named("**/*.c", "Makefile") == {"app/a.c", "app/deep/b.c", "Makefile"}
    assert named("**/*") == {"app/a.c", "app/deep/b.c", "Makefile", ".config"}
    assert named(".config") == {".config"}


@pytest.mark.parametrize("pattern", ["*.rs", "", ".git/*", "bin/*"])
def test_a_pattern_that_matches_nothing_is_a_mistake(tree: Path, pattern: str) -> None:
    (tree / "bin").mkdir()
    (tree / "bin" / "0x00000.bin").write_bytes(b"")
    with pytest.raises(BuildInputsError):
        input_files(Build("make", tree, PAIR, (pattern,)))
