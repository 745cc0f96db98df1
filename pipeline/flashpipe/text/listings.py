"""What there is: profiles and ports, for people."""

from __future__ import annotations

from pathlib import Path

from flashpipe import terminal
from flashpipe.board.ports import discovery
from flashpipe.board.ports.memory import PortMemory
from flashpipe.profile.load import available_profiles
from flashpipe.profile.model import Profile
from flashpipe.profile.search import foreign_profiles


def profiles_text(project: Path) -> str:
    """The profiles, the project's own first; a broken one with its mistakes."""
    lines = []
    for entry in available_profiles(project):
        profile = entry.profile
        if isinstance(profile, Profile):
            hardware = f"{profile.chip}, {profile.flash_size}, {profile.flash_mode}"
            lines.append(f"{entry.name:<16}{hardware:<22}{profile.about}{'' if entry.shipped else '  (this project)'}")
        else:
            lines.append(f"{entry.name:<16}cannot be used: {profile.message}")
    lines += [f"{'':<16}{text}" for text in foreign_profiles(project)]
    if not terminal.quiet:
        lines += ["", "next: flashpipe flash profile=NAME; `flashpipe init` writes one for the board on the port"]
    return "\n".join(lines)


def ports_text() -> str:
    """The serial ports with adapter, USB identity and the board last seen on each."""
    ports = discovery.list_ports()
    if not ports:
        advice = "\nnext: flashpipe flash profile=demo   needs no board"
        none = "no serial port: plug the board in with a data cable (many cables only charge)"
        return none + advice * (not terminal.quiet)
    memory = PortMemory()
    lines = []
    for info in ports:
        usb = f"{info.adapter()} {info.usb()}".strip()
        place = f"at {info.location}" if info.location else ""
        lines.append(f"{info.device:<16}{usb:<22}{place:<12}{memory.describe(info.key())}".rstrip())
        lines += [f"{'':<16}{name}" for name in (info.by_id, info.by_path) if name]
    return "\n".join(lines)


def profiles_data(project: Path) -> dict[str, object]:
    """The same for programs."""
    rows = []
    for entry in available_profiles(project):
        profile = entry.profile
        usable = profile if isinstance(profile, Profile) else None
        rows.append(
            {
                "name": entry.name,
                "shipped": entry.shipped,
                "chip": usable.chip if usable else None,
                "flash_size": usable.flash_size if usable else None,
                "flash_mode": usable.flash_mode if usable else None,
                "about": usable.about if usable else None,
                "mistakes": None if isinstance(profile, Profile) else profile.message,
            }
        )
    return {"profiles": rows}


def ports_data() -> dict[str, object]:
    """The same for programs."""
    memory = PortMemory()
    rows = []
    for info in discovery.list_ports():
        seen = memory.seen(info.key())
        rows.append(
            {
                "port": info.device,
                "usb": info.usb() or None,
                "adapter": info.adapter() or None,
                "serial": info.serial or None,
                "location": info.location or None,
                "by_id": info.by_id or None,
                "by_path": info.by_path or None,
                "last_seen": {"mac": seen.mac, "profile": seen.profile or None, "time": seen.time} if seen else None,
            }
        )
    return {"ports": rows}
