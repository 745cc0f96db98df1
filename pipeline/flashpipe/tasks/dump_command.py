"""`doit dumpdb` for the database of this package: doit's own can read one of its kinds only, and not ours."""

from __future__ import annotations

import json
from pathlib import Path

from doit.cmd_base import DoitCmdBase
from doit.cmd_dumpdb import DumpDB as DoitDumpDB

from flashpipe.tasks.db import SafeDB
from flashpipe.text.lines import print_result


class DumpDB(DoitCmdBase):  # type: ignore[misc]  # doit ships no types
    """The command."""

    name = "dumpdb"
    doc_purpose = DoitDumpDB.doc_purpose
    doc_usage = DoitDumpDB.doc_usage
    doc_description = DoitDumpDB.doc_description
    cmd_options = ()

    def _execute(self, dep_file: str) -> int:
        backend = self.dep_manager.backend
        if not isinstance(backend, SafeDB):
            self.dep_manager.close()
            DoitDumpDB().execute({"dep_file": dep_file}, [])
            return 0
        rows = backend.rows()
        self.dep_manager.close()
        print_result(f"{Path(dep_file)}: {len(rows)} task{'s' * (len(rows) != 1)}", self.outstream)
        for task, values in rows.items():
            print_result(f"{task} -> {_shown(values)}", self.outstream)
        return 0


def _shown(values: dict[str, object]) -> str:
    return json.dumps(values, indent=4, sort_keys=True, default=str)
