"""host.yaml: written, read, and refused with the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import HostFileError
from flashpipe.lab.host_file import file_text, read_plan
from flashpipe.lab.host_plan import LOOPBACK, OWN, HostPlan, HostPort, checked_network
from hypothesis import given
from hypothesis import strategies as st

NETWORK = checked_network("10.0.5.0/24")


@pytest.mark.parametrize(
    "plan",
    [
        HostPlan(LOOPBACK, (HostPort("board1", "sim://esp12?mac=5c:cf:7f:00:00:01&fill=ff", 7101, OWN),)),
        HostPlan(
            "10.0.5.2",
            (HostPort("a", "/dev/serial/by-path/p-0:1.2", 1, (NETWORK,)), HostPort("b", "COM3", 2, (NETWORK,))),
        ),
        HostPlan(
            "::",
            (HostPort("a", "it's", 1, (NETWORK,)), HostPort("b", "x#y", 65535, (checked_network("::1"),))),
        ),
    ],
    ids=["local", "shared list", "own lists"],
)
def test_what_is_written_is_read_as_it_was(plan: HostPlan, tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(file_text(plan))
    assert read_plan(path) == plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("listen: bench\nports: {a: {device: x, tcp: 1}}", "host.yaml:1: listen"),
        ("ports: {}", "names no board"),
        ("ports: [a]", "host.yaml:1: ports"),
        ("listen: 127.0.0.1", "ports"),
        ("ports:\n  a: {device: x}", "host.yaml:2: ports.a.tcp"),
        ("ports:\n  a: {tcp: 7}", "host.yaml:2: ports.a.device"),
        ("ports:\n  a: {device: x, tcp: 0}", "ports.a.tcp"),
        ("ports:\n  a: {device: x, tcp: 1, alow: []}", "did you mean 'allow'"),
        ("ports:\n  a: x", "ports.a"),
        ("ports:\n  'a b': {device: x, tcp: 1}", "a name of letters"),
        ("ports:\n  a: {device: x, tcp: 1}\n  b: {device: x, tcp: 2}", "device x"),
        ("ports:\n  a: {device: x, tcp: 1}\n  b: {device: y, tcp: 1}", "tcp 1"),
        ("ports:\n  a: {device: x, tcp: 1}\n  a: {device: y, tcp: 2}", "name a"),
        ("listen: 0.0.0.0\nports:\n  a: {device: x, tcp: 1}", "password"),
        ("allow: [10.0.0.0/99]\nports:\n  a: {device: x, tcp: 1}", "allow"),
        ("ports:\n  a: {device: [x], tcp: 1}", "ports.a.device"),
        ("\tports: x", "tab"),
        ("ports: {a: {device: x, tcp: 1}}\n--- \nb: 1", "second document (`---`) begins here; a file of boards is one"),
        ("# nothing yet", "is empty, want keys and values such as `ports: {board1: {device: "),
        ("- a", "want keys and values such as `ports: {"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(text)
    with pytest.raises(HostFileError) as refused:
        read_plan(path)
    assert said in refused.value.message


@given(st.binary(max_size=200))
def test_no_file_does_more_than_be_refused(data: bytes) -> None:
    import tempfile  # noqa: PLC0415  a folder for each example

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host.yaml"
        path.write_bytes(data)
        with pytest.raises(HostFileError):
            read_plan(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostFileError, match=r"host\.yaml"):
        read_plan(tmp_path / "host.yaml")
