"""Runs in labgrid's own Python: imports its client once, and forks for each command.

The import takes 0.4 s, a command behind it 0.05 s. This file is given to that Python as text, and imports nothing of
flashpipe. It gets requests on the socket whose number is its only argument: a line of JSON, and three files for what
the command prints, what it complains of, and how it ends. It answers `+` when it is ready, and each request by a line
with the number of the process. Whoever closes the socket ends it; commands that go on then come to their own end.
"""

import sys

if sys.path and not sys.path[0]:
    del sys.path[0]  # the folder of the project, in which anything may lie

import json
import os
import signal
import socket
import traceback
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


def main() -> None:
    """Serve the socket whose number stands on the command line."""
    from labgrid.remote.client import main as command  # type: ignore[import-not-found]  # noqa: PLC0415  not ours

    serve(socket.socket(fileno=int(sys.argv[1])), command)
    os._exit(0)  # nothing of what was imported has to be let go


if __name__ == "__main__":
    main()
