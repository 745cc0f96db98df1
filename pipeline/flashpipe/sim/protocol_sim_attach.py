"""`sim+attach://127.0.0.1:PORT`: a board of `flashpipe board --attach` as a pyserial port."""

from __future__ import annotations

from flashpipe.sim.ports.attached import AttachedPort


def serial_class_for_url(url: str) -> tuple[str, type[AttachedPort]]:
    """What pyserial asks a handler module for: the URL to open, and the class that opens it."""
    return url, AttachedPort
