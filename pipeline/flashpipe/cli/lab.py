"""`flashpipe lab`: the places of a lab, and those that runs have left behind."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from flashpipe.board.ports.lab_client import LabClient
from flashpipe.board.ports.lease import places_of, sweep
from flashpipe.board.ports.places import SCHEME, LabPlace, parse_place_url
from flashpipe.cli.arguments import Parser
from flashpipe.errors import BadValueError, NoPlaceError
from flashpipe.text.lines import print_result

ACTIONS: Final = {
    "places": "the places of the coordinator that LG_COORDINATOR names, their tags, and who has them: [TAG=VALUE …]",
    "release": "give back the places that runs of yours have left which were killed",
}


def main(argv: list[str]) -> int:
    """List places, or release those that were left; the exit status.

    Raises:
        LabError: there is no client or coordinator, or no place with these tags.
    """
    words = list(_parser().parse_args(argv).words)
    action = words.pop(0) if words and words[0] in ACTIONS else "places"
    client = LabClient.here()
    if action == "release":
        if words:
            raise BadValueError(f"lab release: {words[0]!r} is too much", "`flashpipe help lab`")
        released = list[str]()
        sweep(client, released.append)
        for line in released or ["nothing was left"]:
            print_result(line)
        return 0
    return _list(client, words)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="flashpipe lab",
        description="\n".join(f"  {name:<8} {about}" for name, about in ACTIONS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="ACTION TAG=VALUE")
    return parser


def _list(client: LabClient, tags: Sequence[str]) -> int:
    wrong = next((word for word in tags if not word.partition("=")[2]), None)
    if wrong is not None:
        raise BadValueError(f"lab: {wrong!r}: want TAG=VALUE", "`flashpipe help lab`")
    request = parse_place_url(f"{SCHEME}*{'?' * bool(tags)}{'&'.join(tags)}")
    places = [place for place in places_of(client) if request.fits(place)]
    if not places:
        what = f"no place with {' '.join(tags)}" if tags else "no place"
        raise NoPlaceError(f"{client.coordinator} knows {what}", "docs/lab.md says how a board becomes a place")
    width = max(len(place.name) for place in places)
    for place in places:
        print_result(f"{place.name:<{width}}  {_state(place):<28}  {_tags(place)}".rstrip())
    free = sum(not place.holder and not place.is_reserved for place in places)
    print_result(f"{len(places)} places, {free} free")
    return 0


def _state(place: LabPlace) -> str:
    return place.holder or ("reserved" if place.is_reserved else "free")


def _tags(place: LabPlace) -> str:
    return " ".join(f"{key}={value}" for key, value in place.tags.items())
