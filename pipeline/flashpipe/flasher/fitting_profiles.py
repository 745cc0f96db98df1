"""Which profiles fit a device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from flashpipe.board.loader.device import Device
from flashpipe.flash import SIZE_BYTES, SIZE_CODES


class Candidate(Protocol):
    """What of a profile decides whether it fits."""

    @property
    def name(self) -> str:
        """Of the profile."""

    @property
    def flash_size(self) -> str:
        """Such as `4MB`, or `auto`."""

    @property
    def chip(self) -> str:
        """`esp8266` or `esp8285`."""

    @property
    def boards(self) -> tuple[str, ...]:
        """MACs it is for, lower case; empty: any."""

    @property
    def is_virtual(self) -> bool:
        """Whether it is for a virtual board only."""


def fits(flash_size: str, chip: str, device: Device) -> bool:
    """Whether a profile of `flash_size` (or `auto`) and `chip` fits a device."""
    known = flash_size in SIZE_CODES and device.flash_size == SIZE_BYTES[flash_size]
    return chip == device.family and (flash_size == "auto" or known)


def fitting_profiles(candidates: Iterable[Candidate], device: Device) -> list[str]:
    """Names of those that fit a device, in their order."""
    return [
        profile.name
        for profile in candidates
        if not profile.is_virtual
        and fits(profile.flash_size, profile.chip, device)
        and (not profile.boards or device.mac in profile.boards)
    ]
