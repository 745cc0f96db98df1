"""A station with boards that come and go, as a process that can be killed.

`stationchild.py FOLDER PORTS SEED [KILL_AT [at-once]]`: FOLDER holds the project: `sensor.yaml`, `boards.json` (name to
URL), and `words.json`, the words of the station. Boards are put into free sockets in a random order, the first one
first, for it says which part they have, and taken out when they are done; with `at-once` as soon as a socket is free.
With KILL_AT the process kills itself when that many lines have been added to logs: half of the time before the line is
written, half of the time after it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

LONGEST_S = 600.0
OFTEN = 0.7


def arm(at: int) -> None:
    """Kill this process at its line number `at`."""
    from flashpipe.records import json_lines  # noqa: PLC0415

    append, count = json_lines.append, [0]

    def counted(*args: Any) -> None:
        count[0] += 1
        if count[0] == at and at % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        append(*args)
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    json_lines.append = counted  # type: ignore[assignment]


def main(folder: Path, ports: int, seed: int, often: float) -> int:
    """Work until every board is done, or until somebody kills us."""
    from flashpipe.jobs.request import CommandLine  # noqa: PLC0415
    from flashpipe.jobs.variables import Variables  # noqa: PLC0415
    from flashpipe.records.station_lives import living  # noqa: PLC0415
    from flashpipe.station.attempt import Attempts  # noqa: PLC0415
    from flashpipe.station.labels import Labels  # noqa: PLC0415
    from flashpipe.station.open import open_station  # noqa: PLC0415
    from flashpipe.station.recovery import recover  # noqa: PLC0415
    from flashpipe.station.station import Station  # noqa: PLC0415

    from tests.benches import Bench  # noqa: PLC0415

    boards = json.loads((folder / "boards.json").read_text())
    words = json.loads((folder / "words.json").read_text())
    opened = open_station(CommandLine(folder, folder, Variables({"profile": "sensor", "yes": "1"}, {})), words)
    bench, order = Bench(), random.Random(seed)
    with living(opened.batch.folder) as name:
        recover(opened.batch, opened.inputs.command.receipts_folder, opened.texts)
        station = Station(
            opened.batch,
            Attempts(opened.inputs, opened.batch, opened.rules, station=name, units=opened.units),
            bench,
            texts=opened.texts,
            rules=opened.rules,
            show=lambda _view: None,
            end_listener=lambda _ended, _line: None,
            labels=Labels(opened.labels, opened.batch, opened.texts, name),
        )
        thread = threading.Thread(target=lambda: station.run(attended=True), daemon=True)
        thread.start()
        operate(station, bench, boards, ports, order=order, often=often)
        station.keys.press("q")
        thread.join(LONGEST_S)
    return int(thread.is_alive())


def operate(
    station: Any, bench: Any, boards: dict[str, str], ports: int, *, order: random.Random, often: float
) -> None:
    """Put boards in and take them out, until the batch knows the end of each."""
    waiting = [name for name in boards if boards[name] not in done(station)]
    rest = waiting[1:]
    order.shuffle(rest)
    waiting = [*rest, *waiting[:1]]
    deadline = time.monotonic() + LONGEST_S
    while (waiting or bench.plugged) and time.monotonic() < deadline:
        views = {port.place: port for port in station.view().ports}
        for place in [f"slot{number}" for number in range(ports)]:
            state = views[place].state if place in views else "waiting"
            if place in bench.plugged and state in {"pass", "fail", "ask"}:
                del bench.plugged[place]
                continue
            free = place not in bench.plugged and state == "waiting" and (known(station) or not bench.plugged)
            if free and waiting and order.random() < often:
                bench.plugged[place] = boards[waiting.pop()]
        station.wake.set()
        time.sleep(0.01)


def known(station: Any) -> bool:
    """Whether the batch knows which flash part its boards have."""
    return station._batch.state.part is not None


def done(station: Any) -> set[str]:
    """Ports of boards that have come to an end, other than by a kill."""
    tries = station._batch.refresh().attempts.values()
    return {one.port for one in tries if one.ended and one.outcome != "stopped"}


if __name__ == "__main__":
    if len(sys.argv) > 4:
        arm(int(sys.argv[4]))
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), 1.0 if sys.argv[5:] else OFTEN))
