"""Pictures for reports, as SVG: bars with their figures, readable in black and white and by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

ROW: Final = 22
"""Height of a bar and what separates it from the next, in pixels."""
LEFT: Final = 170
"""Pixels for the names."""
WIDTH: Final = 640
FIGURE: Final = 110
"""Pixels for the figures behind the bars."""


def bars(title: str, rows: Sequence[tuple[str, float, str]], *, tone: str = "#2a6") -> str:
    """Horizontal bars: name, value and the figure that stands behind it; values are not negative."""
    most = max((value for _, value, _ in rows), default=0.0)
    room = WIDTH - LEFT - FIGURE
    lines = [
        _row(at, name, (value / most * room) if most else 0.0, figure, tone)
        for at, (name, value, figure) in enumerate(rows)
    ]
    figures = "; ".join(f"{name} {figure}" for name, _, figure in rows)
    return (
        f'<svg viewBox="0 0 {WIDTH} {ROW * max(1, len(rows))}" role="img" class="plot">'
        f"<title>{escape(f'{title}: {figures}')}</title>{''.join(lines)}</svg>"
    )


def _row(at: int, name: str, width: float, figure: str, tone: str) -> str:
    top = at * ROW
    return (
        f'<text x="{LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LEFT}" y="{top + 3}" width="{max(width, 1):.1f}" height="{ROW - 8}" fill="{tone}"/>'
        f'<text x="{LEFT + max(width, 1) + 6:.1f}" y="{top + 15}">{escape(figure)}</text>'
    )


def share(good: int, bad: int) -> str:
    """One bar: good boards and bad ones."""
    total = good + bad
    width = WIDTH * good / total if total else 0
    figures = f"{good} good, {bad} bad"
    return (
        f'<svg viewBox="0 0 {WIDTH} 18" role="img" class="plot"><title>{figures}</title>'
        f'<rect width="{WIDTH}" height="18" fill="{"#c33" if bad else "#ddd"}"/>'
        f'<rect width="{width:.1f}" height="18" fill="#2a6"/></svg>'
    )
