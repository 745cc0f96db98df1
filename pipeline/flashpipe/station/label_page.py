"""A page of labels with QR codes for a sheet printer: one file, nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from html import escape, unescape
from typing import Final

from flashpipe.errors import LabelError
from flashpipe.installing import install_command

_TITLE: Final = re.compile(r"<title>Labels of batch ([^<]*)</title>")
_STYLE: Final = """
@page { margin: 8mm }
body { font: 10pt sans-serif; margin: 0; color: #000; background: #fff }
ol { display: flex; flex-wrap: wrap; gap: 3mm; list-style: none; margin: 0; padding: 0 }
li { display: flex; gap: 2mm; align-items: center; width: 62mm; height: 26mm; padding: 1mm; border: 0.2mm solid #999;
  break-inside: avoid; overflow: hidden; box-sizing: border-box }
svg { width: 22mm; height: 22mm; flex: none }
b { display: block; font-size: 12pt; overflow-wrap: anywhere }
"""


def label_page(batch: str, labels: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    """The page; each label is what its QR code says, and its fields.

    Raises:
        LabelError: the package that draws QR codes is not installed.
    """
    items = "\n".join(_label(text, fields) for text, fields in labels)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Labels of batch {escape(batch)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><ol>\n{items}\n</ol></body></html>\n"
    )


def labelled_batches(page: str) -> set[str] | None:
    r"""The batch whose labels are on a page; None where it is none, and nothing where it is empty.

    >>> labelled_batches(label_page("b & c", [])), labelled_batches(""), labelled_batches("<p>mine</p>")
    ({'b & c'}, set(), None)
    """
    found = _TITLE.search(page)
    return {unescape(found[1])} if found else None if page.strip() else set()


def _label(text: str, fields: Mapping[str, str]) -> str:
    lines = [fields["mac"] if fields["unit"] != fields["mac"] else "", f"{fields['batch']} {fields['date']}"]
    shown = "<br>".join(escape(line) for line in lines if line)
    return f"<li>{qr_code(text)}<span><b>{escape(fields['unit'])}</b>{shown}</span></li>"


@lru_cache(maxsize=65536)
def qr_code(text: str) -> str:
    """A QR code as SVG.

    Raises:
        LabelError: the package that draws them is not installed, or the text is too long for one.
    """
    try:
        import segno  # noqa: PLC0415  an extra, and only where labels have QR codes
    except ImportError:
        raise LabelError(
            "QR codes are drawn by the package segno, which is not installed", install_command("flashpipe[station]")
        ) from None
    try:
        return str(segno.make(text, micro=False).svg_inline(border=2, omitsize=True))
    except ValueError as error:
        raise LabelError(f"qr: {error}", "make it shorter") from None
