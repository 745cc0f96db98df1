"""A `labgrid-client` of one file: prints what that of labgrid 26.0.1 prints (seen there), on a state that is JSON.

Run as `python -SE fake_labgrid.py STATE WORDS…`. The real one, its coordinator and exporter are in `proof.py`.
"""

import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

ME = f"{os.environ.get('LG_HOSTNAME', 'here')}/{os.environ.get('LG_USERNAME', 'me')}"


def fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise SystemExit(1)


def show(name: str, place: dict[str, Any], level: str = "  ") -> None:
    print(f"Place '{name}':")
    if place.get("aliases"):
        print(f"{level}aliases: {', '.join(place['aliases'])}")
    if place.get("tags"):
        print(f"{level}tags: {', '.join(f'{key}={value}' for key, value in sorted(place['tags'].items()))}")
    print(f"{level}matches:\n{level}  host/{name}/NetworkSerialPort")
    print(f"{level}acquired: {place.get('acquired')}\n{level}acquired resources:")
    if place.get("acquired"):
        print(f"{level}  host/{name}/NetworkSerialPort/NetworkSerialPort")
    if place.get("reservation"):
        print(f"{level}reservation: {place['reservation']}")
    print(f"{level}created: 2026-11-30 03:36:20.561387\n{level}changed: {place.get('changed', '2026-11-30 03:36:24')}")


def resources(place: dict[str, Any]) -> None:
    for one in place.get("resources", []):
        word = one.get("word", "Acquired")
        print(
            f"{word} resource '{one['name']}' (host/group/{one.get('cls', 'NetworkSerialPort')}/{one['name']})"
            + ":" * (word != "Orphaned")
        )
        if word != "Orphaned":
            print(f"  {{'avail': {one.get('avail', True)},\n   'params': {one.get('params', {})}}}")


def find(places: dict[str, Any], pattern: str) -> str:
    if pattern.startswith("+"):
        return next(name for name, place in places.items() if place.get("reservation") == pattern[1:])
    if pattern in places:
        return pattern
    found = [
        name
        for name, place in places.items()
        if pattern in name or any(pattern in one for one in place.get("aliases", []))
    ]
    if not found:
        fail(f"labgrid-client: Error: place pattern {pattern} matches nothing")
    if len(found) > 1:
        fail(f"labgrid-client: Error: pattern {pattern} matches multiple places ({', '.join(found)})")
    return found[0]


def acquire(places: dict[str, Any], name: str) -> None:
    place = places[name]
    held = place.get("acquired")
    if held:
        host, user = held.split("/")
        if held == ME:
            fail(f"labgrid-client: Error: You have already acquired place {name}.")
        if user == ME.split("/")[1]:
            fail(f"labgrid-client: Error: You have already acquired place {name} on {host}. To work simultaneously, x")
        fail(f"labgrid-client: Error: Place {name} is already acquired by {held}. To work simultaneously, {user} can x")
    if place.get("unmatched"):
        fail("labgrid-client: Error: Match host/x has no matching remote resource")
    if place.get("reservation") and place.get("reserved_for") != ME:
        fail(f"Server error: Error: Place {name} was not reserved for {ME}")
    place.update(acquired=ME, changed=f"{time.time():.6f}")
    print(f"acquired place {name}")


def release(places: dict[str, Any], name: str) -> None:
    place = places[name]
    if not place.get("acquired"):
        fail(f"labgrid-client: Error: place {name} is not acquired")
    if place["acquired"] != ME:
        fail(f"labgrid-client: Error: place {name} is acquired by a different user ({place['acquired']}), use --kick")
    place.update(acquired=None, changed=f"{time.time():.6f}")
    print(f"released place {name}")


def reserve(state: dict[str, Any], words: list[str]) -> None:
    token = f"TOKEN{len(state.setdefault('reservations', {}))}"
    state["reservations"][token] = {"filters": [word for word in words if "=" in word], "owner": ME}
    print(f"export LG_TOKEN={token}")


def schedule(state: dict[str, Any]) -> None:
    for token, one in state.get("reservations", {}).items():
        if any(place.get("reservation") == token for place in state["places"].values()):
            continue
        for name, place in state["places"].items():
            tags = {f"{key}={value}" for key, value in {**place.get("tags", {}), "name": name}.items()}
            if not place.get("acquired") and not place.get("reservation") and set(one["filters"]) <= tags:
                place.update(reservation=token, reserved_for=one["owner"])
                break


def cancel(state: dict[str, Any], token: str) -> None:
    state["reservations"].pop(token, None)
    for place in state["places"].values():
        if place.get("reservation") == token:
            place.update(reservation=None)


def one_look(path: str, words: list[str]) -> bool:
    """Whether the command is done."""
    with Path(path + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(Path(path).read_text())
        state.setdefault("calls", []).append(words)
        try:
            return command(state, words)
        finally:
            schedule(state)
            whole = Path(f"{path}.{os.getpid()}")  # whoever is killed here leaves what was there
            whole.write_text(json.dumps(state))
            whole.replace(path)


def command(state: dict[str, Any], words: list[str]) -> bool:
    places = state["places"]
    if state.get("says") is not None:
        print(state["says"])
        raise SystemExit(state.get("status", 0))
    if not state.get("coordinator", True):
        fail("ERROR  root: coordinator is unavailable: x\nServer error: Error: Could not connect to coordinator")
    if words[0] == "-p":
        about_place(places, find(places, words[1]), words[2])
    elif words == ["-v", "places"]:
        for name, place in sorted(places.items()):
            show(name, place)
    elif words[0] == "wait":
        return wait(state, words[1])
    elif words[0] == "reserve":
        reserve(state, words)
    elif words[0] == "cancel-reservation":
        cancel(state, words[1])
    else:
        fail(f"labgrid-client: error: argument COMMAND: invalid choice: {words[0]!r}")
    return True


def about_place(places: dict[str, Any], name: str, verb: str) -> None:
    if verb == "show":
        show(name, places[name])
        resources(places[name])
    else:
        {"acquire": acquire, "release": release}[verb](places, name)


def wait(state: dict[str, Any], token: str) -> bool:
    """Whether there is nothing more to wait for."""
    if token not in state["reservations"]:
        fail(f"Server error: Reservation {token} does not exist")
    given = [name for name, place in state["places"].items() if place.get("reservation") == token]
    print(f"owner: {ME}\ntoken: {token}\nstate: {'allocated' if given else 'waiting'}\nfilters:\n  main: x")
    if given:
        print(f"allocations:\n  main: {given[0]}")
    print("created: x\ntimeout: x")
    return bool(given)


if __name__ == "__main__":
    if sys.argv[2:] == ["hang"] or Path(sys.argv[1] + ".hang").exists():
        time.sleep(600)
    while not one_look(sys.argv[1], sys.argv[2:]):
        time.sleep(0.02)
    if "acquire" in sys.argv and Path(sys.argv[1] + ".lingers").exists():
        time.sleep(600)
