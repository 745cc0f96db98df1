"""doit, as we load it: quicker, and otherwise the same."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap

from flashpipe import tasks
from flashpipe.cli.run_tasks import _QuickLines


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_doit_is_whole_and_no_stand_in_stays() -> None:
    assert (
        run("""
        import sys
        from flashpipe import tasks
        from doit import action, plugin
        assert "pdb" not in sys.modules and "importlib.metadata" not in sys.modules
        import pdb, importlib.metadata
        assert pdb.set_trace and importlib.metadata.version("doit")
        assert action.pdb.Pdb().prompt == "(Pdb) "
        print(len(plugin.entry_points(group="doit.COMMAND")))
        """)
        == "4"
    )


def test_where_doit_is_loaded_already_it_is_left_alone() -> None:
    assert run("""
        import doit, pdb
        from flashpipe import tasks
        from doit import action
        print(action.pdb is pdb, tasks.doit_modules.doit is doit)
        """) == ("True True")


def test_tasks_are_told_apart_by_the_lines_that_inspect_would_give() -> None:
    creators = [creator for name, creator in vars(tasks).items() if name.startswith("task_")]
    assert len(creators) > 20
    assert [_QuickLines().getsourcelines(one)[1] for one in creators] == [
        inspect.getsourcelines(one)[1] for one in creators
    ]
    assert _QuickLines().isfunction is inspect.isfunction
