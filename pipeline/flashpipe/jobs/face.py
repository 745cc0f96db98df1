"""What a job asks of the face that started it: the console, a page and a station differ in nothing else."""

from __future__ import annotations

from typing import Protocol

from flashpipe.events import Event, ignore


class Face(Protocol):
    """Shows the events of a job, and reaches a person where one is there."""

    def __call__(self, event: Event, /) -> None:
        """Show what happens."""

    @property
    def attended(self) -> bool:
        """Whether a person is there who reads, and can press a button or answer."""

    def ask(self, text: str, /) -> bool:
        """Put a request or a question to a person; False where none is there."""

    def confirmed(self) -> bool:
        """Wait for the answer to the question that was just asked: whether it is yes."""


class UnwatchedFace:
    """The face of a job that nobody watches."""

    attended = False

    def __call__(self, event: Event, /) -> None:
        """Nothing is shown."""
        ignore(event)

    def ask(self, text: str, /) -> bool:
        """Nobody is asked."""
        del text
        return False

    def confirmed(self) -> bool:
        """Nobody agrees."""
        return False
