"""What a profile cannot be called: names of files that something else reads, and those that Windows gives to none."""

from __future__ import annotations

from typing import Final

from flashpipe.foreign_names import comparable, misleading

LONGEST: Final = 64
"""Characters: a name is also one of receipts and tasks, with more beside it."""
TAKEN: Final = frozenset({"secrets", "host", "exporter"})
"""Files that end like a profile: secrets of templates, boards that a host serves, what labgrid's exporter reads."""
LOCK: Final = ".lock"
"""How the name of `images.lock.yaml` ends."""


def is_taken(name: str) -> bool:
    """Whether `NAME.yaml` is a file of another kind.

    >>> is_taken("images.lock"), is_taken("Secrets"), is_taken("kitchen")
    (True, True, False)
    """
    same = comparable(name)
    return same in TAKEN or same.endswith(LOCK)


def bad_profile_name(name: str) -> str:
    """Why no new profile can have that name; empty where one can.

    >>> bad_profile_name("host"), bad_profile_name("CON"), bad_profile_name("kitchen")
    ('host.yaml is a file of another kind', 'Windows has a device of that name', '')
    """
    if len(name) > LONGEST:
        return f"it has more than {LONGEST} characters"
    return f"{name}.yaml is a file of another kind" if is_taken(name) else misleading(name)
