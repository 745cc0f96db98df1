"""Labs whose coordinator is a file."""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from flashpipe.board.ports.lab_client import VARIABLE

FAKE = Path(__file__).with_name("fake_labgrid.py")


def serial(address: str = "rfc2217://127.0.0.1:7101", **more: Any) -> dict[str, Any]:
    host, _, port = address.partition("://")[2].rpartition(":")
    protocol = {"socket": "raw"}.get(address.partition(":")[0], address.partition(":")[0])
    parameters = {"host": host, "port": int(port), "speed": 115200, "protocol": protocol, "extra": {}}
    return {"name": "NetworkSerialPort", "params": parameters, **more}


class Lab:
    """The state of a coordinator, and a client for it that FLASHPIPE_LABGRID_CLIENT names."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = folder / "lab.json"
        self.patch = patch
        self.path.write_text(json.dumps({"places": {}}))
        program = folder / "labgrid-client"
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -SE '{FAKE}' '{self.path}' \"$@\"\n")
        program.chmod(0o755)
        patch.setenv(VARIABLE, str(program))
        patch.setenv("LG_COORDINATOR", "lab:20408")
        self.be("ci1/alice")

    def be(self, who: str) -> None:
        """Be somebody else from now on."""
        host, _, user = who.partition("/")
        self.patch.setenv("LG_HOSTNAME", host)
        self.patch.setenv("LG_USERNAME", user)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def put(self, **fields: Any) -> None:
        with Path(f"{self.path}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            whole = self.path.with_suffix(".new")
            whole.write_text(json.dumps({**self.state, **fields}))
            whole.replace(self.path)

    def place(self, name: str, **fields: Any) -> None:
        """Make a place, or change it."""
        places = self.state["places"]
        self.put(places={**places, name: {"resources": [serial()], **places.get(name, {}), **fields}})

    def holder(self, name: str) -> str:
        return str(self.state["places"][name].get("acquired") or "")

    def commands(self) -> list[str]:
        return [" ".join(words) for words in self.state.get("calls", [])]
