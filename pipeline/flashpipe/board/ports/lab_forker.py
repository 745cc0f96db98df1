"""Runs in labgrid's own Python: imports its client once, and forks for each command.

The import takes 0.4 s of CPU, half of that without labgrid's drivers and resources, and a command behind it 0.05 s.
This file is given to that Python as text, and imports nothing of flashpipe. It gets requests on the socket whose number
is its only argument: a line of JSON, and three files for what the command prints, what it complains of, and how it
ends. It answers `+` when it is ready, and each request by a line with the number of the process. Whoever closes the
socket ends it; commands that go on then come to their own end.
"""

import sys

if sys.path and not sys.path[0]:
    del sys.path[0]  # the folder of the project, in which anything may lie

import enum
import importlib
import importlib.util
import json
import os
import signal
import socket
import traceback
import types
from collections.abc import Callable

LARGEST = 256 * 1024
FILES = 3


def serve(line: socket.socket, command: Callable[[], object]) -> None:
    """Fork for each request until nobody is there any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the dead
    line.sendall(b"+")
    while True:
        data, files, _, _ = socket.recv_fds(line, LARGEST, FILES)
        if not data:
            return
        while not data.endswith(b"\n"):
            data += line.recv(LARGEST)
        number = os.fork()
        if not number:
            line.close()
            run(json.loads(data), files, command)
        for file in files:
            os.close(file)
        line.sendall(b"%d\n" % number)


def run(request: dict[str, object], files: list[int], command: Callable[[], object]) -> None:
    """Be the command: its words, its settings, its files; ends this process."""
    status: object = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        settings, words = request["settings"], request["words"]
        assert isinstance(settings, dict)
        assert isinstance(words, list)
        for name in [name for name in os.environ if name.startswith("LG_")]:
            del os.environ[name]
        os.environ.update(settings)
        sys.argv = ["labgrid-client", *words]
        status = command()
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001  it is told, and this process ends
        traceback.print_exc()
    if isinstance(status, str):
        os.write(2, f"{status}\n".encode(errors="replace"))
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(files[2], b"%d" % (int(str(status)) if status else 0))
    os._exit(0)


class NotLoaded:
    """Stands for a class that no command uses which is asked for here."""

    def __init__(self, *_arguments: object, **_more: object) -> None:
        raise RuntimeError("this part of labgrid was not loaded")


def load() -> Callable[[], object]:
    """The client's `main`; all that belongs to it is loaded where it cannot be had without."""
    try:
        return load_without_drivers()
    except Exception:  # noqa: BLE001  another version, which wants more or calls it otherwise
        for name in [name for name in sys.modules if name.partition(".")[0] == "labgrid"]:
            del sys.modules[name]
        return client_main()


def load_without_drivers() -> Callable[[], object]:
    """The same without its drivers and resources: of labgrid 26 no command on places and reservations uses one."""
    found = importlib.util.find_spec("labgrid")
    assert found is not None
    bare = {name: types.ModuleType(name) for name in ("labgrid", "labgrid.driver", "labgrid.resource")}
    for name, module in bare.items():
        places = found.submodule_search_locations or ()
        module.__path__ = [os.path.join(place, *name.split(".")[1:]) for place in places]  # noqa: PTH118
    sys.modules.update(bare)
    import_module = importlib.import_module
    vars(bare["labgrid.driver"]).update(
        Mode=enum.Enum("Mode", "DD"), ExecutionError=import_module("labgrid.driver.exception").ExecutionError
    )
    vars(bare["labgrid"]).update(
        Environment=NotLoaded, Target=NotLoaded, target_factory=import_module("labgrid.factory").target_factory
    )
    return client_main()


def client_main() -> Callable[[], object]:
    """The client's `main`."""
    main: Callable[[], object] = importlib.import_module("labgrid.remote.client").main
    return main


def main() -> None:
    """Serve the socket whose number stands on the command line."""
    serve(socket.socket(fileno=int(sys.argv[1])), load())
    os._exit(0)  # nothing of what was imported has to be let go


if __name__ == "__main__":
    main()
