"""Variables that are given and say nothing, as where a script's own variable was empty."""

from __future__ import annotations

from flashpipe.errors import BadValueError


def check_text(kind: str, text: str, name: str) -> None:
    """Go on only where a variable of that kind says something: left out, it may mean everything, or nothing.

    Raises:
        BadValueError: the text is empty, or an entry of a list.
    """
    parts = text.split(",") if kind == "list" else [text]
    if kind == "flag" or all(part.strip() for part in parts):
        return
    what = "an entry of the list is empty" if text.strip(", ") else "names nothing"
    raise BadValueError(f"{name}={text}: {what}", "leave it out, or say what is meant")
