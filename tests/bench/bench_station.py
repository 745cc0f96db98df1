"""A shop's afternoon: `python tests/bench/bench_station.py [--boards 40] [--ports 8] [--bad 5] [--kills 3] [--seed N]`.

Boards are put into the sockets of a hub in a random order, some of them bad in five ways, and the station is killed at
random moments. Then manifest, counts, units, labels and the flash of every board are held against the truth, and the
figures are shown: how busy the ports were, and seconds and CPU for each board. `--stations 2` lets two stations with
boards of their own share one list of units. `--real` takes boards with the times of real ones, in another process, and
puts the next one in as soon as a socket is free: `--real --bad 0 --kills 0` shows what the station itself costs.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flashpipe.records.batch import Batch
from flashpipe.records.batch_state import seconds_of

from tests.benches import Batches, killed, write_units


def main() -> int:
    """Run it; 0 where everything is as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("boards", 40), ("ports", 8), ("bad", 5), ("kills", 3), ("stations", 1), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--real", action="store_true", help="boards take the time of real ones")
    wish = parser.parse_args()
    seed = wish.seed or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ.update(FLASHPIPE_STATE=str(root / "state"), FLASHPIPE_CACHE=str(root / "cache"))
        units = root / "units.csv"
        write_units(units, wish.boards * wish.stations)
        shops = [Batches(root / f"shop{n}", wish.boards, wish.bad, wish.ports, wish.real) for n in range(wish.stations)]
        for number, shop in enumerate(shops):
            shop.make(units, 1 + number * wish.boards)
        kills = work(shops, random.Random(seed), wish.kills)
        for shop in shops:
            counts = shop.check()
            told = f"{counts['passed']} good, {counts['failed']} bad, {counts['aside']} refused"
            print(f"{told}, {kills} kills: as it is")
            figures(shop)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    each = (used.ru_utime + used.ru_stime) / (wish.boards * wish.stations)
    print(f"CPU {each:.2f} s a board, virtual boards and starts included; {used.ru_maxrss // 1024} MB at most")
    return 0


def work(shops: list[Batches], order: random.Random, kills: int) -> int:
    """Stations side by side, each killed so many times at random moments; how many kills there were."""
    stations = [shop.start(order.randrange(10**6)) for shop in shops]
    left, done = [kills] * len(shops), 0
    while any(station.poll() is None for station in stations):
        time.sleep(order.uniform(1.0, 5.0))
        for at, station in enumerate(stations):
            if station.poll() is None and left[at]:
                station.kill()
                assert killed(station.wait(60))
                left[at] -= 1
                done += 1
                stations[at] = shops[at].start(order.randrange(10**6))
    assert [station.returncode for station in stations] == [0] * len(stations)
    return done


def figures(shop: Batches) -> None:
    """Where the time of the ports went while a board was always at hand.

    That is from the end of the first board, which is put in alone, for it says which flash the others must have, to the
    moment in which the last board was put in.
    """
    tries = [one for one in Batch.open(shop.folder / ".pipeline", "one").state.attempts.values() if one.seconds]
    spans = sorted((seconds_of(one.began), seconds_of(one.ended)) for one in tries)
    first, last = spans[0][1], spans[-1][0]
    busy = sum(max(0.0, min(end, last) - max(begin, first)) for begin, end in spans)
    mean = sum(one.seconds for one in tries) / len(tries)
    share = busy / ((last - first) * shop.ports)
    print(f"  {mean:.1f} s a board in the mean, ports busy {share:.0%} of the time (pauses after kills included)")


if __name__ == "__main__":
    sys.exit(main())
