"""A place of a lab, ours for one run: acquired before everything else, released in every ending.

The coordinator never takes a place from whoever has acquired it, dead or not. So each acquisition is noted in a file
(`lease_record`): the next run finds what one that was killed has left, and says so. Such a place is released, or, where
it is the one that is wanted, taken over. A place that its user had acquired by hand is used, and not released.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from flashpipe.board.ports.lab_client import Check, CommandOutput, LabClient, nothing_to_check
from flashpipe.board.ports.lease_record import LeaseRecord, folder, still_holds
from flashpipe.board.ports.places import (
    SCHEME,
    LabPlace,
    PlaceRequest,
    parse_place_url,
    parse_places,
    serial_address,
)
from flashpipe.board.ports.reservation import Reservation
from flashpipe.errors import (
    BadValueError,
    ExporterGoneError,
    LabError,
    NoCoordinatorError,
    NoPlaceError,
    PipelineError,
    PlaceTakenError,
)
from flashpipe.values import dataclass

FEW: Final = 6
"""Places, or values of a tag, that a message lists."""
_ACQUIRED: Final = "acquired place "
_OTHER: Final = re.compile(r"(?:Place|acquired place) (\S+?)(?: is already acquired|\.)")
Notify = Callable[[str], None]


@dataclass
class Lease:
    """A place that we have, and the address of its board."""

    client: LabClient
    place: LabPlace
    resource: str
    address: str
    """URL under which its serial port is opened."""
    record: LeaseRecord | None
    """None: it was acquired by its user before, and is not ours to release."""

    @property
    def port(self) -> str:
        """What the place is called as a port."""
        return SCHEME + self.place.name

    def look_again(self) -> bool:
        """Ask where the board is now: an exporter that was started anew may serve it elsewhere. Whether that is so.

        Raises:
            LabError: the place is gone, or its board is nowhere.
        """
        before = self.address
        self.place = _show(self.client, self.place.name)
        self.address = serial_address(self.place, self.resource)
        return self.address != before

    def release(self, notify: Notify) -> None:
        """Give the place back; what fails is said, and left for the next run."""
        record, self.record = self.record, None
        if record is not None:
            _release(self.client, self.place.name, record, notify)


@dataclass
class PlaceTaker:
    """Takes places for one run."""

    client: LabClient
    notify: Notify
    check: Check = nothing_to_check
    """Raises where it is time to end; whatever was acquired is released then."""

    def take(self, url: str, wait_s: float) -> Lease:
        """Acquire the place that a URL names, or one that has its tags.

        Args:
            url: `labgrid://…`.
            wait_s: How long a place that somebody else has is waited for, in a reservation.

        Raises:
            BadValueError: the URL names no place.
            LabError: there is no coordinator or such place, it is somebody else's, or its board is nowhere.
            RecordError: that it is ours cannot be noted: then it is not acquired.
        """
        request = parse_place_url(url)
        if request.is_pattern:
            raise BadValueError(f"port={url} means several places", "name one, or its tags: labgrid://?chip=esp8266")
        sweep(self.client, self.notify, but=request.name)
        try:
            return self._acquire(request, request.name) if request.name else self._take_any(request)
        except PlaceTakenError as taken:
            if wait_s <= 0:
                raise
            wanted = f"name={request.name}" if request.name else ""
            filters = [wanted] if wanted else [f"{key}={value}" for key, value in request.tags]
            with Reservation(self.client, filters, self.check) as reservation:
                name = reservation.wait(wait_s, taken, self.notify)
                return self._acquire(replace(request, name=name), f"+{reservation.token}")

    def _take_any(self, request: PlaceRequest) -> Lease:
        """The free place with these tags whose turn it is: the one that was used longest ago."""
        everything = places_of(self.client, self.check)
        fitting = [place for place in everything if request.fits(place)]
        if not fitting:
            raise _no_such_tags(request, everything)
        free = sorted((one for one in fitting if not one.holder and not one.is_reserved), key=lambda one: one.changed)
        gone: list[ExporterGoneError] = []
        for place in free:
            with suppress(PlaceTakenError):  # between our question and our wish somebody else has taken it
                tried = self._try(replace(request, name=place.name))
                if isinstance(tried, Lease):
                    return tried
                gone.append(tried)
        if len(gone) == len(fitting):
            raise gone[0]
        fitting = [place for place in fitting if place.holder or place.is_reserved] or fitting
        held = ", ".join(f"{place.name} by {place.holder or 'a reservation'}" for place in fitting[:FEW])
        more = f" and {len(fitting) - FEW} more" * (len(fitting) > FEW)
        raise PlaceTakenError(f"all places with {_tags(request)} are taken: {held}{more}", PlaceTakenError.remedy)

    def _try(self, request: PlaceRequest) -> Lease | ExporterGoneError:
        """One of several; what has no board now is passed over."""
        try:
            return self._acquire(request, request.name)
        except ExporterGoneError as error:
            self.notify(f"place    {request.name} is passed over: no exporter offers its board now")
            return error

    # --- one place ---------------------------------------------------------------------------------------------------

    def _acquire(self, request: PlaceRequest, by: str) -> Lease:
        """Acquire it; `by`: its name, or the token of the reservation that was given it."""
        record = LeaseRecord(request.name, self.client.coordinator, self.client.user)
        left = record.hold()
        try:
            name = self._ask(request.name, by)
            ours = bool(name) or self._was_left(request.name, left)
        except BaseException:
            record.drop()
            raise
        name = name or request.name
        try:
            lease = self._lease(request, name, record if ours else None)
        except BaseException:
            if ours:
                _release(self.client, name, record, self.notify)
            else:
                record.drop()
            raise
        if not ours:
            record.drop()
        return lease

    def _ask(self, name: str, by: str) -> str:
        """Ask the coordinator for it: the name of what is ours then, empty where this user has it already."""
        try:
            said = self.client.run("-p", by, "acquire", check=self.check)
        except BaseException:  # it may have been acquired before we were stopped
            with suppress(PipelineError, OSError):
                self.client.run("-p", name, "release")
            raise
        if not said.status:
            return said.out.partition(_ACQUIRED)[2].strip() or name
        if f"You have already acquired place {name}." in said.err:
            return ""
        raise self._failure(name, said)

    def _failure(self, name: str, said: CommandOutput) -> PipelineError:
        """Why it is not ours; labgrid takes a part of a name for the name, and speaks of another place then."""
        other = _OTHER.search(said.err)
        if other is not None and other[1] != name and name not in _show(self.client, other[1], self.check).aliases:
            return self._unknown(name, other[1])
        return self.client.failure(name, said)

    def _unknown(self, name: str, other: str) -> NoPlaceError:
        return NoPlaceError(f"{self.client.coordinator} knows no place {name}; there is {other}", NoPlaceError.remedy)

    def _lease(self, request: PlaceRequest, name: str, record: LeaseRecord | None) -> Lease:
        place = _show(self.client, name, self.check)
        if request.name not in {name, *place.aliases}:
            raise self._unknown(request.name, name)
        address = serial_address(place, request.resource)
        if record is not None:
            record.note(place)
        return Lease(self.client, place, request.resource, address, record)

    def _was_left(self, name: str, left: dict[str, Any] | None) -> bool:
        """Of a place that this user has already: whether a run that was killed has left it, to be released by us."""
        if left is not None and still_holds(left, _show(self.client, name, self.check)):
            whose = f"a run that was killed (pid {left.get('pid')}, {left.get('since')})"
            self.notify(f"place    {name} was left by {whose}: taken over")
            return True
        self.notify(f"place    {name} is acquired by you already: it is used, and not released")
        return False


def places_of(client: LabClient, check: Check = nothing_to_check) -> list[LabPlace]:
    """All places of the coordinator.

    Raises:
        LabError: they cannot be had.
    """
    said = client.run("-v", "places", check=check)
    if said.status:
        raise client.failure("", said)
    return parse_places(said.out)


def _show(client: LabClient, name: str, check: Check = nothing_to_check) -> LabPlace:
    said = client.run("-p", name, "show", check=check)
    places = parse_places(said.out) if not said.status else []
    if not places:
        raise client.failure(name, said)
    return places[0]


def _tags(request: PlaceRequest) -> str:
    return " ".join(f"{key}={value}" for key, value in request.tags)


def _no_such_tags(request: PlaceRequest, everything: list[LabPlace]) -> NoPlaceError:
    known = []
    for key, _ in request.tags:
        values = sorted({place.tags[key] for place in everything if key in place.tags})
        known.append(f"{key} is {', '.join(values[:FEW]) or 'no tag of any place'}")
    return NoPlaceError(f"no place has {_tags(request)}; {'; '.join(known)}", NoPlaceError.remedy)


# --- releasing -------------------------------------------------------------------------------------------------------


def _release(client: LabClient, name: str, record: LeaseRecord, notify: Notify) -> None:
    try:
        said = client.run("-p", name, "release")
    except PipelineError as error:
        why = error.message
    else:
        gone = "is not acquired" in said.err or "different user" in said.err
        if gone:
            notify(
                f"place    {name} was not ours any more: somebody has released it, or its coordinator was started anew"
            )
        if gone or not said.status:
            record.drop()
            return
        why = client.failure(name, said).message
    notify(f"place    {name} could not be released: {why}; the next run tries again")
    record.leave()


def sweep(client: LabClient, notify: Notify, *, but: str = "") -> None:
    """Release what runs that were killed have left, and say so; `but`: a place that is about to be acquired.

    Raises:
        NoCoordinatorError: nobody tells what is left.
        RecordError: a record cannot be read.
    """
    for path in sorted(folder().glob("*.lease")):
        record = LeaseRecord("", client.coordinator, client.user, path)
        left = record.try_hold()
        name = str((left or {}).get("place", ""))
        if left is None or name == but or not record.is_ours(left):
            record.leave()
            continue
        try:
            place = _show(client, name)
        except NoPlaceError:  # it was deleted
            record.drop()
            continue
        except BaseException as error:
            record.leave()
            if isinstance(error, LabError) and not isinstance(error, NoCoordinatorError):
                continue
            raise
        if place.holder and still_holds(left, place):
            notify(f"place    {name} was left by a run that was killed (pid {left.get('pid')}): it is released")
            _release(client, name, record, notify)
        else:
            record.drop()
